"""The main job when a clustering trains the network."""

import json
import re

import numpy as np
import pytest

from narrows import pipeline
from narrows.data.dataset import Dataset
from narrows.deep.agreement import Agreement
from narrows.errors import Interrupted, RecipeError
from narrows.recipes import recipe as recipes
from narrows.report import build
from narrows.report.findings import find
from narrows.report.verdict import signal_lines, verdict
from narrows.steps import open_data
from narrows.work.interrupt import Interrupt
from reading import PRAISE, contradictions, faults, words_of

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("data.limit=320", "clustering.layouts=1", "clustering.passes=2", "clustering.epochs=8", "projection.name=pca")


def quick(*overrides):
    return recipes.load("clusters", [*QUICK, *overrides])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return pipeline.run(quick(), tmp_path_factory.mktemp("runs") / "clusters")


def test_its_clusters_are_those_of_the_clustering_and_the_codes_tell_them(run):
    values = open_data(quick().data, quick().seed).values
    alone = Agreement(10, 0, layouts=1, passes=2, epochs=8).fit(values)
    clusters = np.load(run.folder / "clusters.npy")
    assert np.array_equal(clusters, alone.labels_)
    codes = np.load(run.folder / "codes.npy")
    assert np.array_equal(codes, alone.embed(values))
    assert np.array_equal(run.clusterer().predict(run.model().encode(values)), clusters)
    assert np.array_equal(np.bincount(clusters), np.sort(np.bincount(clusters))[::-1])


def test_it_says_what_it_found_on_the_way(run):
    found = run.tables["clusterings"]
    assert {row["space"] for row in found} >= {"pixels", "patches-coarse", "patches-fine", "views", "all"}
    assert sum(row["chosen"] for row in found) == 1
    assert found[0]["information"] == max(row["information"] for row in found if row["rows"] == found[0]["rows"])
    text = (run.folder / "report.html").read_text()
    assert "not mirrored" in text
    assert "trained its own network on all rows, without labels" in text
    assert "clusterings among which these were chosen" in text
    assert run.results["clustering/n_clusters"] == np.load(run.folder / "clusters.npy").max() + 1
    assert "made to tell clusters apart" in text


def test_a_decoder_learns_to_draw_from_the_codes_it_is_given(run):
    values = open_data(quick().data, quick().seed).values / 255
    assert run.results["reconstruction/mse"] < 0.7 * values.var(0).mean()  # than the mean image everywhere


def read_by_a_sceptic(run):
    """Return all text about a run, after checking that it contains nothing impossible or contradictory."""
    told = [*verdict(run.results, run.tables), *signal_lines(run.tables), *run.tables["notes"]]
    page = words_of((run.folder / "report.html").read_text(encoding="utf-8"))
    for text in [*told, page]:
        assert faults(text) == [], text
    assert contradictions(" ".join(told)) == contradictions(page) == []
    return page


def test_who_had_seen_the_rows_that_are_tested_on_is_said(run):
    page = read_by_a_sceptic(run)
    assert run.tables["learned"] == {"network": "all", "decoder": "train", "parts_clusters": True}
    assert "trained its own network on all rows, without labels" in page
    assert "held out from decoder and PCA; the network that makes the codes saw all images, without labels." in page
    assert "The network also saw the test images, without labels; PCA and the probe did not." in page
    assert "It shows little here: codes that were made to tell clusters apart" in page
    assert "Cluster silhouette" not in page
    assert "silhouette" not in (run.folder / "README.md").read_text()


def test_a_run_of_a_former_version_is_not_praised_for_rows_that_its_decoder_had_seen(run, tmp_path):
    tables = {name: table for name, table in run.tables.items() if name != "learned"}
    flattering = run.results | {
        "reconstruction/psnr": 40.0,
        "reconstruction/mse": 1e-4,
        "reconstruction/pca_psnr": 20.0,
    }
    (tmp_path / "tables.json").write_text(json.dumps(tables))
    (tmp_path / "results.json").write_text(json.dumps(flattering))
    page = words_of(build(tmp_path).read_text(encoding="utf-8"))
    assert not re.search(PRAISE, page)
    assert "that network and decoder learned from, and PCA did not: the two cannot be compared." in page
    assert "dB better" not in page
    assert contradictions(page) == []


@pytest.mark.slow
def test_noise_is_not_praised(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (120, 1, 16, 16), np.uint8)
    run = pipeline.run(quick(), tmp_path / "r", data=Dataset(noise))
    page = read_by_a_sceptic(run)
    assert find(run.results, run.tables).rebuilt.kept not in ("better", "mixed")
    assert not re.search(PRAISE, page)
    assert "shows little" in verdict(run.results, run.tables)[1]
    new = np.random.default_rng(1).integers(0, 256, (120, 1, 16, 16), np.uint8)
    unseen = run.model().reconstruct(new) - new / 255
    assert run.results["reconstruction/mse"] == pytest.approx((unseen**2).mean(), rel=0.15)


def test_the_number_of_clusters_was_set_where_so_many_came_out(tmp_path):
    few = np.repeat(np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8), np.uint8), 30, axis=0)
    run = pipeline.run(quick(), tmp_path / "r", data=Dataset(few))
    assert run.results["clustering/asked"] == 10
    assert f"{run.results['clustering/n_clusters']} clusters (10 were asked for)" in read_by_a_sceptic(run)


@pytest.mark.parametrize("step", [3, pytest.param(30, marks=pytest.mark.slow)])
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
    assert "1 cluster (the number set beforehand" in read_by_a_sceptic(run)


def test_its_arguments_are_checked_before_anything_is_done():
    with pytest.raises(RecipeError, match="layouts"):
        quick("clustering.layouts=0")
    with pytest.raises(RecipeError, match="n_init"):
        quick("clustering.n_init=3")
    with pytest.raises(RecipeError, match=r"clustering\.n_clusters must be a whole number or .auto."):
        quick("clustering.n_clusters=ten")
    with pytest.raises(RecipeError, match="Did you mean 'agreement'"):
        recipes.load("clusters", ["clustering.name=agreemint"])


@pytest.mark.slow
def test_a_number_that_nobody_gave_is_estimated_with_its_evidence(tmp_path):
    run = pipeline.run(quick("clustering.n_clusters=auto"), tmp_path / "r")
    numbers = run.tables["numbers"]
    best = max(numbers, key=lambda row: row["stands_out"])
    assert run.results["clustering/n_clusters"] == best["n_clusters"] > 1
    assert run.results["clustering/asked"] is None
    read_by_a_sceptic(run)
    text = (run.folder / "report.html").read_text()
    assert "figures/numbers.png" in run.manifest["files"]
    assert f"The estimated number of clusters is {best['n_clusters']}" in text
    assert "a number that was estimated" in text
