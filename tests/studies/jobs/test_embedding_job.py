"""The job of the colour-embedding study, on 8x8 digits."""

import csv

import numpy as np
import pytest

from narrows.data.dataset import Dataset
from narrows.data.splits import split
from narrows.disk.files import read_arrays, read_json
from narrows.errors import DataError, RecipeError
from narrows.studies.jobs import Work
from narrows.studies.jobs.embedding import Judge, describe, embedding, explained_by, parse, pca_losses

NET = {"name": "colour-dense", "code_size": 12}
TRAIN = {"epochs": 2, "schedule": "constant", "warmup": 0.0, "precision": "float32", "keep": "last"}


def work(folder, **arguments):
    folder.mkdir(exist_ok=True)
    return Work(folder, quick=True, **arguments)


def test_reductions_are_read_as_steps_and_said_in_words():
    assert describe("pca128-tsne") == "PCA 128, then t-SNE"
    assert describe("kpca200-umap") == "kernel PCA 200, then UMAP"
    assert describe("codes") == "none"
    assert [step["size"] for step in parse("pca128-kpca20-tsne")] == ["128", "20", None]
    for wrong in ("", "pca", "pca0", "tsne-pca2", "codes-tsne", "pca8-codes", "isomap"):
        with pytest.raises(RecipeError, match="steps joined"):
            parse(wrong)


def test_the_halves_are_disjoint_and_the_same_for_every_seed():
    labels = np.concatenate([np.full(60, -1), np.arange(41) % 2])
    parts = np.array(["train"] * 60 + ["test"] * 41)
    data = Dataset(np.zeros((101, 3), np.float32), labels=labels, split=parts)
    judges = [Judge.of(data, split(data, valid=0.0, seed=seed)) for seed in (0, 1)]
    np.testing.assert_array_equal(judges[0].public, judges[1].public)
    both = np.concatenate([judges[0].public, judges[0].private])
    np.testing.assert_array_equal(np.sort(both), np.arange(60, 101))
    assert (len(judges[0].public), len(judges[0].private)) == (20, 21)


def test_one_matching_serves_both_halves():
    # Clusters are the classes turned round, but for every private row: under a matching of its own the private half
    # would be right throughout.
    labels = np.tile([0, 1], 15)
    judge = Judge(labels, np.arange(20), np.arange(20, 30))
    clusters = np.where(np.arange(30) < 20, 1 - labels, labels)
    scored = judge.score(clusters)
    assert (scored["accuracy"], scored["public"], scored["private"]) == (20 / 30, 1.0, 0.0)
    assert Judge(labels[:10], np.arange(5), np.arange(5, 10)).majority() == {
        "labelled/majority_accuracy": 0.5,
        "labelled/standard_error": pytest.approx(0.5 / np.sqrt(10)),
    }


def test_rows_that_do_not_count_change_nothing():
    labels = np.array([0, 1, 0, 1, -1, -1])
    judge = Judge(labels, np.arange(2), np.arange(2, 4))
    scored = [judge.score(np.array([0, 1, 0, 1, *rest])) for rest in ((0, 0), (1, 2))]
    assert scored[0] == scored[1]
    assert scored[0]["accuracy"] == 1.0


def test_brightness_is_explained_by_clusters_that_are_light_and_dark():
    assert explained_by(np.array([0, 0, 1, 1]), np.array([1.0, 1, 5, 5])) == 1
    assert explained_by(np.array([0, 1, 0, 1]), np.array([1.0, 1, 5, 5])) == 0
    # Variance 8 in all, of which the means 2 and 4 make 4.
    assert explained_by(np.array([0, 2, 0, 2]), np.array([1.0, 3, 3, 5])) == pytest.approx(0.5)
    assert np.isnan(explained_by(np.array([0, 1]), np.ones(2)))


@pytest.mark.parametrize("n", [30, 100])
def test_losses_of_pca_are_those_of_its_reconstructions(n):
    from narrows.encoders.pca import PCACodes

    images = np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8)).astype(np.uint8)
    losses = pca_losses(images)
    assert losses[0] == pytest.approx(4 * np.var(images / 255, axis=0).mean(), rel=1e-5)
    pca = PCACodes(5).fit(images)
    written = 4 * np.square(pca.unclipped(pca.encode(images)) - images / 255).mean()
    assert losses[5] == pytest.approx(written, rel=1e-4)
    assert losses[-1] == pytest.approx(0, abs=1e-6)


def test_it_trains_clusters_and_writes_the_clusters_of_every_row(tmp_path):
    task = work(tmp_path / "a")
    results = embedding(
        task,
        source="digits",
        net=NET,
        train=TRAIN,
        reductions=["pca4-tsne", "kpca5"],
        n_clusters=10,
        checkpoints=[1, 2],
    )
    rows = list(csv.DictReader((task.folder / "predictions.csv").open()))
    assert set(rows[0]) == {"id", "part", "pca4-tsne", "kpca5"}
    assert {row["part"] for row in rows} == {"train", "test"}
    assert {int(row["pca4-tsne"]) for row in rows} == set(range(10))
    measured = read_json(task.folder / "checkpoints.json")
    assert [row["epoch"] for row in measured] == [1, 2]
    assert measured[1]["reconstruction loss"] < measured[0]["reconstruction loss"]
    # The last checkpoint is what the run ends with.
    assert measured[1]["reconstruction loss"] == pytest.approx(results["reconstruction/loss"])
    assert measured[1]["accuracy"] == results["pca4-tsne/accuracy"] == results["checkpoints/last_accuracy"]
    # Two checkpoints are in the one order or in the other.
    better = np.sign(measured[1]["accuracy"] - measured[0]["accuracy"])
    assert (results["checkpoints/rank_correlation"] or 0) == pytest.approx(better)
    assert read_json(task.folder / "config.json")["objective"] == {"name": "reconstruction", "weight": 4.0}
    assert 0 <= results["reconstruction/pca_components"] < 64
    assert set(task.figures) == {"curves", "reconstruction", "checkpoints", "map-pca4-tsne"}


def test_stops_on_the_way_change_no_bit_and_what_was_measured_is_kept(tmp_path):
    arguments = {"source": "digits", "net": NET, "train": TRAIN, "reductions": ["codes"], "n_clusters": 10}
    whole, parts = work(tmp_path / "whole"), work(tmp_path / "parts")
    found = embedding(whole, **arguments)
    stopped = embedding(parts, **arguments, checkpoints=[1, 2])
    for name in ("train/loss", "codes/accuracy", "reconstruction/test_loss"):
        assert found[name] == stopped[name]
    weights = [read_arrays(task.folder / "model.safetensors")[0] for task in (whole, parts)]
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])
    kept = (parts.folder / "checkpoints.json").stat().st_mtime_ns
    again = embedding(work(parts.folder), **arguments, checkpoints=[1, 2])
    assert (parts.folder / "checkpoints.json").stat().st_mtime_ns == kept
    assert again["checkpoints/count"] == 2


def test_other_seeds_measure_no_checkpoints(tmp_path):
    task = work(tmp_path / "a", seed=1)
    results = embedding(
        task, source="digits", net=NET, train=TRAIN, reductions=["codes"], n_clusters=10, checkpoints=[1]
    )
    assert "checkpoints/count" not in results
    assert not (task.folder / "checkpoints.json").exists()


def test_without_a_network_the_pixels_are_the_codes(tmp_path):
    task = Work(tmp_path)
    results = embedding(task, source="digits", reductions=["pca64", "codes"], n_clusters=10)
    assert results["reconstruction/loss"] == pytest.approx(0, abs=1e-6)  # 64 components of 64 pixels
    assert results["codes/accuracy"] > 0.5
    assert results["pca64/accuracy"] == pytest.approx(results["codes/accuracy"], abs=0.1)


def test_codes_may_come_from_patches(tmp_path):
    patches = {"n_centers": 32, "side": 3, "stride": 1, "grid": 2}
    task = Work(tmp_path / "a")
    task.folder.mkdir()
    results = embedding(task, source="digits", patches=patches, reductions=["pca16"], n_clusters=10)
    assert results["pca16/accuracy"] > 0.5
    with pytest.raises(RecipeError, match="nothing to train"):
        embedding(Work(tmp_path / "b"), source="digits", patches=patches, net=NET)
    with pytest.raises(RecipeError, match="n_centers"):
        embedding(Work(tmp_path / "b"), source="digits", patches={"n_centres": 3})


def test_what_cannot_be_is_named(tmp_path):
    with pytest.raises(RecipeError, match="constant schedule"):
        embedding(work(tmp_path / "a"), source="digits", net=NET, train={"epochs": 2}, checkpoints=[1])
    with pytest.raises(RecipeError, match="at least one"):
        embedding(work(tmp_path / "a"), source="digits", reductions=[])
    unlabelled = Dataset(np.zeros((30, 1, 8, 8), np.uint8))
    with pytest.raises(DataError, match="labelled test rows"):
        Judge.of(unlabelled, split(unlabelled, valid=0.0))
