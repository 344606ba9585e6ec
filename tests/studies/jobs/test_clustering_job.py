import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from narrows.errors import DataError, Interrupted, RecipeError
from narrows.evaluation.clustering import accuracy
from narrows.studies.jobs import Work
from narrows.studies.jobs import clustering as job
from narrows.studies.jobs.clustering import clustering

SHORT = {"name": "agreement", "layouts": 1, "passes": 2, "epochs": 10}


@pytest.fixture(scope="module")
def some(digits, tmp_path_factory):
    """The file of 500 digits."""
    file = tmp_path_factory.mktemp("some") / "digits.npz"
    np.savez(file, x=digits[0][:500], y=digits[1][:500])
    return str(file)


def test_it_scores_the_clusters_it_leaves_and_what_was_found_on_the_way(some, tmp_path, digits):
    work = Work(tmp_path)
    results = clustering(work, source=some, n_clusters=10, method=SHORT)
    clusters = np.load(tmp_path / "clusters.npy")
    assert results["clustering/accuracy"] == accuracy(clusters, digits[1][:500]) > 0.6
    assert results["predict/agrees"] == 1
    assert 0.6 < results["clustering/pixels_accuracy"] < 0.9
    assert results["agreement/mean_accuracy"] <= results["agreement/best_accuracy"]
    assert results["memory/peak_mb"] > 50
    assert 0 < results["time/predict_one_ms"] < 1000
    assert set(work.figures) == {"contingency", "clusters", "errors"}
    [table] = work.tables.values()
    assert table[0]["information"] == max(row["information"] for row in table if row["layout"] == table[0]["layout"])
    assert not (tmp_path / "stages").exists()


@pytest.mark.slow
def test_of_many_images_those_clusterings_are_scored_too_by_which_the_space_was_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr("narrows.deep.agreement.COMPARED", 600)
    work = Work(tmp_path)
    few = {**SHORT, "spaces": ["pixels", "patches-coarse"], "rounds": 0}
    results = clustering(work, source="digits", n_clusters=10, method=few)
    found, compared = work.tables.values()
    assert {row["space"] for row in compared} == {"pixels", "patches-coarse", "all"}
    assert len({row["space"] for row in found}) == 1
    assert all(0.5 < row["accuracy"] < 1 for row in compared)
    tracked = spearmanr(*([row[name] for row in compared] for name in ("information", "accuracy")))
    assert results["agreement/rank_correlation_of_spaces"] == pytest.approx(tracked.statistic)


def test_copies_of_images_are_scored_once(tmp_path, digits):
    work = Work(tmp_path)
    np.savez(tmp_path / "twice.npz", x=np.concatenate([digits[0], digits[0]]), y=np.concatenate([digits[1]] * 2))
    few = {**SHORT, "spaces": ["pixels"], "rounds": 0}
    results = clustering(work, source=str(tmp_path / "twice.npz"), n_clusters=10, method=few)
    assert results["data/rows"] == 2 * len(digits[0])
    assert 0.6 < results["agreement/graph_accuracy"] <= results["agreement/best_accuracy"]


@pytest.mark.parametrize("method", [{"name": "pixels"}, {"name": "imsat", "epochs": 1}])
def test_other_methods_take_its_place(some, tmp_path, method):
    results = clustering(Work(tmp_path), source=some, n_clusters=10, method=method)
    assert {"clustering/accuracy", "clustering/nmi", "clustering/ari"} <= results.keys()
    assert "agreement/taught" not in results


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(RecipeError, match="rounds"):
        clustering(Work(tmp_path), source="digits", n_clusters=10, method={"name": "n2d", "rounds": 3})
    with pytest.raises(RecipeError, match=r"clustering method .* Did you mean .n2d."):
        clustering(Work(tmp_path), source="digits", n_clusters=10, method={"name": "nd2"})
    for wrong, said in (
        ({}, r"method\.name must name a clustering"),
        ({"name": 3}, r"method\.name must name a clustering"),
        ({"name": "pixels", "n_init": 3}, "n_init"),
        ({"name": "kmeans", "n_init": "many"}, r"method\.n_init"),
        ({"name": "kmeans", "n_clusters": 3}, "n_clusters"),
        ({"name": "narrows.wording:plural"}, "subclass"),
    ):
        for quick in (False, True):
            with pytest.raises(RecipeError, match=said):
                clustering(Work(tmp_path, quick=quick), source="digits", n_clusters=10, method=wrong)
    with pytest.raises(DataError, match="test part"):
        clustering(Work(tmp_path), source="digits", n_clusters=10, method=SHORT, part="test")


def test_a_single_cluster_is_scored_too(some, tmp_path):
    results = clustering(Work(tmp_path), source=some, n_clusters=1, method=SHORT)
    assert results["clustering/nmi"] == 0
    assert results["agreement/information"] == 0
    assert results["agreement/rank_correlation"] is None


@pytest.mark.slow
def test_what_was_trained_is_not_trained_again_after_a_stop_while_it_is_scored(some, tmp_path, monkeypatch):
    asked = {"source": some, "n_clusters": 10, "method": {"name": "autoencoder-kmeans", "epochs": 1}}

    def stopped(*_, **__):
        raise Interrupted(15)

    with monkeypatch.context() as patched:
        patched.setattr(job.scores, "ari", stopped)
        with pytest.raises(Interrupted):
            clustering(Work(tmp_path), **asked)
    spent = json.loads((tmp_path / "fitting.json").read_text())["fit"]
    labels = (tmp_path / "clusters.npy").read_bytes()
    monkeypatch.setattr("narrows.training.stages.train", stopped)
    assert clustering(Work(tmp_path), **asked)["time/fit_s"] > spent
    assert (tmp_path / "clusters.npy").read_bytes() == labels
    assert not {"stages", "stages-done", "fitting.json"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_seconds_of_attempts_that_were_stopped_count_once(some, tmp_path):
    method = {"name": "autoencoder-kmeans", "epochs": 1}
    (tmp_path / "fitting.json").write_text('{"fit": 1000.0, "peak": 0}')
    results = clustering(Work(tmp_path), source=some, n_clusters=10, method=method)
    assert 1000 < results["time/fit_s"] < 1600
    assert clustering(Work(tmp_path), source=some, n_clusters=10, method=method)["time/fit_s"] < 600
