"""The main job as a run of a study, and the jobs that continue from it, on digits that need no download."""

import json

import numpy as np
import pytest

from narrows.errors import RecipeError
from narrows.studies import study as studies
from narrows.studies.jobs import Work
from narrows.studies.jobs.autoencoder import autoencoder, data_of, run_of, split_of
from narrows.studies.jobs.classifier import classifier
from narrows.studies.jobs.generation import generation

STUDY = """
name = "drawn"
title = "Drawn digits"
description = "A test."
minutes = 1
seeds = 1

[[run]]
name = "judge"
job = "classifier"
with = { source = "digits", net = { name = "mlp", hidden = [16] }, train = { epochs = 2 } }

[[run]]
name = "autoencoder"
job = "autoencoder"
with = { recipe = "digits", set = ["net.name=dense", "net.code_size=6", "net.hidden=[32]"], pictures = ["curves"] }

[[run]]
name = "drawn"
job = "generation"
after = "autoencoder"
with = { classifier = "judge", samples = 60, components = 3, shown = 20 }
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "drawn.toml").write_text(STUDY)
    studies.run(studies.load(folder / "drawn.toml"), folder / "out", quick=True)
    return folder / "out"


def outcome(out, run):
    return json.loads((out / run / "seed-0" / "outcome.json").read_text())


def test_a_later_run_finds_the_run_its_data_and_their_division(out):
    later = Work(out / "drawn" / "seed-0", quick=True, after=(out / "autoencoder" / "seed-0",))
    run = run_of(later)
    data = data_of(later, run)
    assert np.load(run.folder / "codes.npy").shape == (len(data), 6)
    rows = split_of(run, data)
    kept = (run.folder / "predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[2] == "test" for line in kept] == np.isin(np.arange(len(data)), rows.test).tolist()
    found = outcome(out, "autoencoder")
    assert found["results"]["net/encoder_parameters"] == 64 * 32 + 32 + 32 * 6 + 6
    assert found["results"]["net/decoder_parameters"] == 6 * 32 + 32 + 32 * 64 + 64
    assert set(found["figures"]) == {"curves"}


def test_drawn_images_are_scored_beside_real_ones(out):
    found = outcome(out, "drawn")
    for name in ("doubled", "normal", "fitted", "real", "reconstructed"):
        scores = {key.partition("/")[2]: value for key, value in found["results"].items() if key.startswith(f"{name}/")}
        assert set(scores) == {"frechet", "precision", "recall", "classes", "entropy", "largest_share"}
        assert 0 <= scores["precision"] <= 1 >= scores["recall"]
    assert found["results"]["real/frechet"] < found["results"]["doubled/frechet"]
    assert set(found["figures"]) == {"generated-doubled", "generated-normal", "generated-fitted", "real"}
    assert len(next(iter(found["tables"].values()))) == 5


def test_the_classifier_is_a_run_of_the_study(out):
    work = Work(out / "drawn" / "seed-0", quick=True, after=(out / "autoencoder" / "seed-0",))
    with pytest.raises(RecipeError, match="--only nobody"):
        generation(work, classifier="nobody")
    other = Work(out / "colour" / "seed-0", quick=True)
    other.folder.mkdir(parents=True)
    np.save(out / "x.npy", np.zeros((40, 1, 5, 5), np.uint8))
    np.save(out / "y.npy", np.arange(40) % 2)
    data = {"labels": str(out / "y.npy")}
    classifier(other, source=str(out / "x.npy"), net={"name": "linear"}, train={"epochs": 1}, data=data)
    (other.folder / "outcome.json").write_text("{}")
    with pytest.raises(RecipeError, match="shape"):
        generation(work, classifier="colour")


def test_seed_and_settings_of_a_sweep_reach_the_recipe_and_pictures_are_known(tmp_path):
    work = Work(tmp_path, seed=7, quick=True)
    autoencoder(
        work,
        recipe="digits",
        set=["net.name=dense", "net.code_size=3"],
        pictures=[],
        settings={"train": {"lr": 0.25, "optimizer": "sgd"}, "net": {"hidden": [8]}},
    )
    written = (tmp_path / "run" / "recipe.toml").read_text()
    assert "seed = 7" in written
    assert "lr = 0.25" in written
    assert 'optimizer = "sgd"' in written
    assert "hidden = [8]" in written
    assert work.figures == {}
    with pytest.raises(RecipeError, match="pictures"):
        autoencoder(work, recipe="digits", pictures=["architectur"])
