import numpy as np
import pytest
from sklearn.cluster import KMeans

import narrows
from narrows.data.splits import split
from narrows.studies.jobs import Work
from narrows.studies.jobs._kmeans import start
from narrows.studies.jobs.lloyd import lloyd
from narrows.studies.jobs.neural_kmeans import neural_kmeans


def work(folder, seed=0):
    folder.mkdir()
    return Work(folder, seed=seed)


@pytest.fixture(scope="module")
def training():
    data = narrows.open("digits")
    train = data.take(split(data, valid=0.0, seed=0).train)
    return train.values.reshape(len(train), -1) / 255, train.labels


def test_lloyd_measures_what_scikit_learn_finds(tmp_path, training):
    rows, labels = training
    given = work(tmp_path / "lloyd")
    results = lloyd(given, source="digits", init="labels", row=0)
    begun = np.stack([rows[labels == digit][0] for digit in range(10)])
    fit = KMeans(10, init=begun, n_init=1).fit(rows)
    assert results["train/inertia"] == pytest.approx(fit.inertia_, rel=1e-4)
    assert results["train/mse"] == pytest.approx(fit.inertia_ / rows.size, rel=1e-4)
    assert results["train/diagonal_accuracy"] == pytest.approx((fit.labels_ == labels).mean(), abs=0.005)
    assert results["data/mean"] == pytest.approx(rows.mean())
    assert results["data/sd"] == pytest.approx(rows.std())
    table = given.tables["Rows of each class with each centre"]
    assert [row["sum"] for row in table[:-1]] == np.bincount(labels).tolist()
    assert table[-1]["sum"] == len(rows)
    assert len(given.tables) == 2
    assert set(given.figures) == {"centres", "classes"}


def test_a_falling_step_ends_where_lloyd_does(tmp_path):
    common = {"source": "digits", "init": "labels"}
    theirs = lloyd(work(tmp_path / "lloyd"), **common)
    ours = neural_kmeans(work(tmp_path / "ours"), **common, epochs=30)
    assert ours["train/inertia"] <= 1.01 * theirs["train/inertia"]
    assert ours["train/diverged"] == 0


def test_a_nudge_moves_every_start_a_little_and_by_the_seed(tmp_path):
    data = narrows.open("digits")
    still = start(Work(tmp_path), data, 10, "labels", 0)
    one, two = (start(Work(tmp_path, seed=seed), data, 10, "labels", 0, 1e-3) - still for seed in (0, 1))
    assert 0 < np.abs(one).max() <= 1.001e-3
    assert (one != two).any()


def test_a_divergence_is_a_result_and_says_when_it_came(tmp_path):
    given = work(tmp_path / "diverging")
    results = neural_kmeans(given, source="digits", update="sum", lr=50.0, schedule="constant", epochs=5)
    assert results["train/diverged"] == 1
    assert results["train/batches"] >= 1
    assert results["train/mse"] is None
    assert len(given.notes) == 1
