"""The main job when a clustering trains the network."""

import numpy as np
import pytest

from narrows import codes as coding
from narrows import pipeline
from narrows.deep.agreement import Agreement
from narrows.errors import Interrupted, RecipeError
from narrows.interrupt import Interrupt
from narrows.recipes import recipe as recipes

QUICK = ("data.limit=400", "clustering.layouts=1", "clustering.passes=2", "clustering.epochs=20", "projection.name=pca")


def quick(*overrides):
    return recipes.load("clusters", [*QUICK, *overrides])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return pipeline.run(quick(), tmp_path_factory.mktemp("runs") / "clusters")


def test_its_clusters_are_those_of_the_clustering_and_the_codes_tell_them(run):
    values = pipeline.open_data(quick().data, quick().seed).values
    alone = Agreement(10, 0, layouts=1, passes=2, epochs=20).fit(values)
    clusters = np.load(run.folder / "clusters.npy")
    assert np.array_equal(clusters, alone.labels_)
    codes = np.load(run.folder / "codes.npy")
    assert np.array_equal(codes, alone.embed(values))
    assert np.array_equal(run.clusterer().predict(coding.encode(run.model(), values)), clusters)
    assert np.array_equal(np.bincount(clusters), np.sort(np.bincount(clusters))[::-1])


def test_it_says_what_it_found_on_the_way(run):
    found = run.tables["clusterings"]
    assert {row["space"] for row in found} >= {"pixels", "patches-coarse", "patches-fine", "views", "all"}
    assert sum(row["chosen"] for row in found) == 1
    assert found[0]["information"] == max(row["information"] for row in found if row["rows"] == found[0]["rows"])
    text = (run.folder / "report.html").read_text()
    assert "not mirrored" in text
    assert "The clustering agreement trained its own network." in text
    assert "clusterings among which these were chosen" in text
    assert run.results["clustering/n_clusters"] == np.load(run.folder / "clusters.npy").max() + 1
    assert "made to tell clusters apart" in text


def test_a_decoder_learns_to_draw_from_the_codes_it_is_given(run):
    values = pipeline.open_data(quick().data, quick().seed).values / 255
    assert run.results["reconstruction/mse"] < 0.7 * values.var(0).mean()  # than the mean image everywhere


@pytest.mark.parametrize("step", [3, 30])
def test_stopped_and_resumed_it_ends_with_the_same_bits(run, tmp_path, step):
    class StopAt(Interrupt):
        calls = 0

        def __call__(self):
            self.calls += 1
            return 15 if self.calls == step else 0

    with pytest.raises(Interrupted):
        pipeline.run(quick(), tmp_path / "r", interrupt=StopAt())
    again = pipeline.run(quick(), tmp_path / "r", resume=True)
    for name in ("codes.npy", "clusters.npy", "clusterer.safetensors"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_single_cluster_is_a_run_too(tmp_path):
    run = pipeline.run(quick("clustering.n_clusters=1"), tmp_path / "r")
    assert not np.load(run.folder / "clusters.npy").any()


def test_its_arguments_are_checked_before_anything_is_done():
    with pytest.raises(RecipeError, match="layouts"):
        quick("clustering.layouts=0")
    with pytest.raises(RecipeError, match="n_init"):
        quick("clustering.n_init=3")
    with pytest.raises(RecipeError, match=r"clustering\.n_clusters .* integer, or input should be 'auto'"):
        quick("clustering.n_clusters=ten")
    with pytest.raises(RecipeError, match="Did you mean 'agreement'"):
        recipes.load("clusters", ["clustering.name=agreemint"])
    with pytest.raises(RecipeError, match=r'narrows\.deep\.methods\.get\("idec"\)\(n_clusters=10\)'):
        recipes.load("clusters", ["clustering.name=idec"])


def test_a_number_that_nobody_gave_is_estimated_with_its_evidence(tmp_path):
    run = pipeline.run(quick("clustering.n_clusters=auto"), tmp_path / "r")
    numbers = run.tables["numbers"]
    best = max(numbers, key=lambda row: row["stands_out"])
    assert run.results["clustering/n_clusters"] == best["n_clusters"] > 1
    text = (run.folder / "report.html").read_text()
    assert (run.folder / "figures" / "numbers.png").stat().st_size > 5000
    assert f"{best['n_clusters']} clusters stand out most" in text
    assert "a number that was estimated" in text
