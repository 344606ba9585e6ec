"""The jobs of the classifier and autoencoder studies, on digits that need no download."""

import numpy as np
import pytest
import torch

import narrows
from narrows.data.splits import split
from narrows.encoding.model import Model
from narrows.errors import DataError, RecipeError
from narrows.studies.jobs import Work
from narrows.studies.jobs.classifier import classifier
from narrows.studies.jobs.encoder import encoder
from narrows.studies.jobs.finetune import finetune
from narrows.studies.jobs.first_layers import first_layers
from narrows.studies.jobs.probe import probe

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
        first,
        source="digits",
        net={"name": "dense", "code_size": 12, "hidden": [64]},
        objective={"name": "denoising", "noise": ["gaussian:0.1"]},
        train=LEARN,
    )
    assert found["loss/last"] < found["loss/first"]
    assert found["net/encoder_parameters"] == 64 * 64 + 64 + 64 * 12 + 12
    assert found["reconstruction/mse"] < 0.08
    before = Model.load(first.folder).net.state_dict()
    trained = probe(work(tmp_path, "probe", after=(first.folder,)), source="digits", train=LEARN)
    assert trained["codes/size"] == 12
    assert trained["test/accuracy"] > 0.7 > trained["test/majority_accuracy"]
    after = Model.load(first.folder).net.state_dict()
    assert all((after[name] == value).all() for name, value in before.items())
    more = probe(
        work(tmp_path, "more", after=(first.folder,)),
        source="digits",
        train=LEARN,
        space="features",
        views=["affine:0.1"],
        passes=1,
    )
    assert more["codes/size"] == 64
    assert more["test/accuracy"] > 0.7


@pytest.mark.parametrize("encoder", ["pca", "patches", "pixels"])
def test_features_of_what_is_no_network_are_refused(tmp_path, encoder):
    with pytest.raises(RecipeError, match=f"space must be code with the encoder '{encoder}'"):
        probe(work(tmp_path, "probe"), source="digits", encoder=encoder, space="features")


def test_a_code_of_principal_components_is_probed(tmp_path):
    found = probe(work(tmp_path, "probe"), source="digits", encoder="pca", code_size=12, train=LEARN)
    assert found["codes/size"] == 12
    assert found["test/accuracy"] > 0.8


def test_with_nothing_frozen_the_encoder_moves_and_the_probe_gets_better(tmp_path):
    first = work(tmp_path, "encoder")
    encoder(
        first,
        source="digits",
        net={"name": "dense", "code_size": 6, "hidden": [32]},
        objective={"name": "reconstruction"},
        train=LEARN,
    )
    frozen = probe(work(tmp_path, "probe", after=(first.folder,)), source="digits", train=LEARN)
    free = work(tmp_path, "free", after=(first.folder,))
    found = finetune(free, source="digits", train=LEARN)
    assert found["test/accuracy"] > frozen["test/accuracy"] + 0.02
    assert found["encoder/moved"] > 0.05
    assert found["train/parameters"] == 64 * 32 + 32 + 32 * 6 + 6 + 6 * 10 + 10  # no decoder
    other = work(tmp_path, "conv")
    encoder(
        other,
        source="digits",
        net={"name": "conv", "code_size": 4, "width": 4},
        objective={"name": "reconstruction"},
        train=LEARN | {"epochs": 1},
    )
    unmoved = finetune(
        work(tmp_path, "conv-still", after=(other.folder,)), source="digits", train=LEARN | {"lr": 1e-30}
    )
    assert unmoved["encoder/moved"] < 1e-6  # batch normalisation's running means are no weights
    still = finetune(work(tmp_path, "still", after=(first.folder,)), source="digits", train=LEARN | {"lr": 1e-30})
    assert still["encoder/moved"] == 0
    assert Model.load(free.folder).net.n_classes == 10
    with pytest.raises(RecipeError, match=r"run\.after"):
        finetune(work(tmp_path, "none"), source="digits")


def test_first_layers_of_two_encoders_are_compared_by_the_noise_they_pass_on(tmp_path):
    folders = []
    for name in ("one", "two"):
        w = work(tmp_path, name)
        encoder(
            w,
            source="digits",
            net={"name": "conv", "code_size": 4, "width": 4},
            objective={"name": "reconstruction"},
            train=LEARN | {"epochs": 1},
        )
        folders.append(w.folder)
    w = work(tmp_path, "layers", after=tuple(folders))
    found = first_layers(w, source="digits", titles=["one", "two"], noise=["gaussian:0.2"])
    assert found["one/noise"] == found["two/noise"]  # the same encoder twice
    assert found["difference/noise"] == found["two/noise"] - found["one/noise"] == 0
    assert found["one/noise"] > 0
    assert 0 < found["pixels/noise"] < 1
    assert set(w.figures) == {"maps", "maps-corrupted"}
    with pytest.raises(RecipeError, match="2 runs"):
        first_layers(
            work(tmp_path, "less", after=(folders[0],)), source="digits", titles=["one", "two"], noise=["gaussian:0.2"]
        )


def test_noise_and_roughness_in_closed_form(tmp_path):
    """Of filters that pass a pixel on, are flat, striped, and a chessboard; and of noise that makes images black."""
    one, place = np.zeros((4, 4)), np.indices((4, 4))
    one[1, 1] = -2
    filters = {"one pixel": one, "flat": np.ones((4, 4))}
    filters |= {"stripes": 1 - 2 * (place[0] % 2), "chessboard": 1 - 2 * (place.sum(0) % 2)}
    folders = []
    for name, weights in filters.items():
        model = Model((1, 8, 8), {"name": "conv", "code_size": 4, "width": 4}, {"name": "reconstruction"})
        first = next(module for module in model.net.modules() if isinstance(module, torch.nn.Conv2d))
        first.weight.data[:] = torch.from_numpy(weights)
        model.save(tmp_path / name)
        folders.append(tmp_path / name)
    black = first_layers(
        work(tmp_path, "black", after=tuple(folders)), source="digits", titles=list(filters), noise=["masking:1"]
    )
    data = narrows.open("digits")
    x = data.values[split(data, valid=0.0, seed=0).test] / 255
    assert black["pixels/noise"] == pytest.approx((x**2).mean() / x.var(0).mean())
    seen = x[:, 0, ::2, ::2]  # by the one pixel of a filter of stride 2
    assert black["one pixel/noise"] == pytest.approx((seen**2).mean() / seen.var(0).mean())
    assert black["one pixel/roughness"] == pytest.approx((4 * 2**2 / 24) / (2**2 / 16))
    assert black["flat/roughness"] == 0
    assert black["stripes/roughness"] == pytest.approx(2)
    assert black["chessboard/roughness"] == pytest.approx(4)
    assert black["difference/noise"] == black["flat/noise"] - black["one pixel/noise"]


def test_held_out_training_rows_judge_and_test_rows_stay_unseen(tmp_path):
    w = work(tmp_path, "judged")
    found = classifier(w, source="digits", net={"name": "linear"}, train=LEARN, valid=0.2, judge="valid")
    assert found["valid/accuracy"] > 0.85
    assert not [name for name in found if name.startswith("test/")]
    assert "Most confused on the held-out training rows" in w.tables
    with pytest.raises(RecipeError, match="hold out"):
        classifier(work(tmp_path, "no"), source="digits", net={"name": "linear"}, valid=0.0, judge="valid")


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
