"""The jobs of the classifier and autoencoder studies, on the digits that need no download."""

import numpy as np
import pytest

import narrows
from narrows.errors import DataError, RecipeError
from narrows.jobs import Work
from narrows.jobs.classifier import classifier
from narrows.jobs.encoder import encoder
from narrows.jobs.probe import probe
from narrows.model import Model

LEARN = {"epochs": 15, "batch_size": 64, "lr": 5e-3, "keep": "last", "precision": "float32"}


def work(tmp_path, name, **options):
    (tmp_path / name).mkdir()
    return Work(tmp_path / name, **options)


def test_a_classifier_is_measured_on_each_part_and_says_what_it_confuses(tmp_path):
    w = work(tmp_path, "mlp")
    found = classifier(w, source="digits", net={"name": "mlp", "hidden": [32]}, train=LEARN)
    assert found["test/accuracy"] > 0.85
    assert found["train/accuracy"] > found["test/majority_accuracy"]
    assert found["train/parameters"] == 64 * 32 + 32 + 32 * 10 + 10
    assert found["test/standard_error"] == pytest.approx(
        (found["test/accuracy"] * (1 - found["test/accuracy"]) / found["data/test"]) ** 0.5
    )
    assert set(w.figures) == {"curves", "confusion"}
    assert all(row["rows"] > 0 for row in w.tables["Most confused on the test rows"])
    assert Model.load(w.folder).net.n_classes == 10


def test_a_classifier_that_cannot_learn_is_called_constant(tmp_path):
    w = work(tmp_path, "stuck")
    found = classifier(w, source="digits", net={"name": "linear"}, train=LEARN | {"epochs": 1, "lr": 1e-30})
    assert found["test/accuracy"] < 0.4
    assert any("baseline" in note or "same answer" in note or "commonest" in note for note in w.notes)


def test_an_encoder_is_frozen_kept_and_probed(tmp_path):
    first = work(tmp_path, "encoder")
    found = encoder(
        first, source="digits", net={"name": "dense", "code_size": 12, "hidden": [64]},
        objective={"name": "denoising", "noise": ["gaussian:0.1"]}, train=LEARN,
    )  # fmt: skip
    assert found["loss/last"] < found["loss/first"]
    assert found["net/encoder_parameters"] == 64 * 64 + 64 + 64 * 12 + 12
    assert found["reconstruction/mse"] < 0.08
    before = Model.load(first.folder).net.state_dict()
    trained = probe(work(tmp_path, "probe", after=first.folder), source="digits", train=LEARN)
    assert trained["codes/size"] == 12
    assert trained["test/accuracy"] > 0.7 > trained["test/majority_accuracy"]
    after = Model.load(first.folder).net.state_dict()
    assert all((after[name] == value).all() for name, value in before.items())
    more = probe(
        work(tmp_path, "more", after=first.folder), source="digits", train=LEARN, space="features",
        views=["affine:0.1"], passes=1,
    )  # fmt: skip
    assert more["codes/size"] == 64
    assert more["test/accuracy"] > 0.7


def test_baselines_of_a_probe_need_no_training(tmp_path):
    pixels = probe(work(tmp_path, "pixels"), source="digits", encoder="pixels", train=LEARN)
    linear = classifier(work(tmp_path, "linear"), source="digits", net={"name": "linear"}, valid=0.0, train=LEARN)
    assert pixels["codes/size"] == 64
    assert pixels["test/accuracy"] == pytest.approx(linear["test/accuracy"], abs=0.05)
    pca = probe(work(tmp_path, "pca"), source="digits", encoder="pca", code_size=5, train=LEARN)
    assert pca["codes/size"] == 5
    net = {"name": "conv", "code_size": 6, "width": 4}
    one, two = (
        probe(work(tmp_path, f"random{i}", seed=7), source="digits", encoder="random", net=net, train=LEARN)
        for i in range(2)
    )
    assert one["test/accuracy"] == two["test/accuracy"]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"run\.after"):
        probe(work(tmp_path, "alone"), source="digits")
    np.save(tmp_path / "x.npy", np.zeros((30, 1, 8, 8), np.uint8))
    with pytest.raises(DataError, match="labels"):
        classifier(work(tmp_path, "blind"), source=str(tmp_path / "x.npy"), net={"name": "linear"})


def test_a_quick_look_takes_few_rows_and_steps(tmp_path):
    w = work(tmp_path, "quick", quick=True)
    assert len(w.open("digits")) <= 150 < len(narrows.open("digits"))
    settings = w.settings({"epochs": 100, "batch_size": 64}, 120)
    assert settings.epochs == 2
    assert settings.batch_size <= 64
