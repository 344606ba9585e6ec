"""Every sentence about runs on extreme data, with nothing to see or too much, read by a sceptic."""

import json

import numpy as np
import pytest

from narrows import pipeline
from narrows.data.dataset import Dataset
from narrows.explorer.page import read
from narrows.recipes import recipe as recipes
from narrows.report.findings import find
from narrows.report.verdict import signal_lines, verdict
from reading import contradictions, faults, words_of

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("train.batch_size=16", "projection.name=pca", "clustering.n_clusters=3")


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 8, 8), np.uint8)


def vectors(count, size, scale=1.0, seed=0):
    return (scale * np.random.default_rng(seed).normal(size=(count, size))).astype(np.float32)


def constant():
    return Dataset(np.full((40, 1, 8, 8), 77, np.uint8))


def black_but_one():
    values = np.zeros((40, 1, 8, 8), np.uint8)
    values[7] = 200
    return Dataset(values)


def mostly_unknown():
    labels = np.full(60, -1)
    labels[:6] = [0, 1, 0, 1, 2, 2]
    return Dataset(noise(60), labels=labels)


CASES = {
    "constant images": (constant, 1),
    "constant vectors": (lambda: Dataset(np.full((40, 3), 0.1, np.float32)), 7),
    "two images": (lambda: Dataset(noise(2)), 1),
    "two vectors": (lambda: Dataset(vectors(2, 4)), 1),
    "black but one": (black_but_one, 1),
    "huge": (lambda: Dataset(vectors(60, 5, 1e30)), 7),
    "denormal": (lambda: Dataset(vectors(60, 5, 1e-40)), 1),
    "a single column": (lambda: Dataset(vectors(60, 1)), 1),
    "one label for all": (lambda: Dataset(noise(60), labels=np.zeros(60, int)), 1),
    "most labels unknown": (mostly_unknown, 1),
    "a label for each": (lambda: Dataset(noise(12), labels=np.arange(12)), 1),
    "copies": (lambda: Dataset(np.repeat(noise(1), 20, axis=0), labels=np.arange(20) % 2), 1),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    made = {}

    def run(name):
        if name not in made:
            make, epochs = CASES[name]
            data = make()
            size = f"net.code_size={min(2, data.shape[-1])}"
            width = ["net.width=4"] if data.is_images else []
            recipe = recipes.load("default", [*QUICK, f"train.epochs={epochs}", size, *width])
            with np.errstate(all="ignore"):
                made[name] = pipeline.run(recipe, tmp_path_factory.mktemp("runs") / "r", data=data)
        return made[name]

    return run


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # scikit-learn's, of squares beyond float32
@pytest.mark.parametrize("name", CASES)
def test_no_sentence_of_a_run_is_impossible(runs, name):
    run = runs(name)
    results, tables = run.results, run.tables
    told = [*verdict(results, tables), *signal_lines(tables)]
    notes = [*tables["data"]["notes"], *tables.get("notes", [])]
    card = (run.folder / "README.md").read_text(encoding="utf-8").split("```")[0]
    page = words_of((run.folder / "report.html").read_text(encoding="utf-8"))
    for text in [*told, *notes, card, page]:
        assert faults(text) == [], text
    assert contradictions(" ".join([*told, *notes])) == []
    assert contradictions(page) == []
    assert len(verdict(results, tables)) == 3
    assert " ".join(told[:3]) in card
    assert read(run.folder / "explorer.html").header["verdict"] == told


@pytest.mark.parametrize("name", ["constant images", "constant vectors", "black but one", "copies"])
def test_nothing_is_compared_where_there_is_nothing_to_see(runs, name):
    run = runs(name)
    found = find(run.results, run.tables)
    assert found.rebuilt.kept == "nothing to see"
    assert "PCA" not in verdict(run.results, run.tables)[0]
    page = words_of((run.folder / "report.html").read_text(encoding="utf-8"))
    assert "PCA, same size" not in page  # at the top
    assert not [text for text in ("dB better", "dB worse", "× more", "× less") if text in page]


def test_one_cluster_and_a_cluster_for_each_row_group_nothing(runs):
    for name, grouped in [("constant images", "one"), ("copies", "one"), ("two images", "each")]:
        run = runs(name)
        assert find(run.results, run.tables).clustered.grouped == grouped
        assert "so nothing was" in verdict(run.results, run.tables)[1]


def test_mode_collapse_is_said_where_the_clusters_are(runs):
    run = runs("black but one")
    assert "one of them holds 97.5\N{NO-BREAK SPACE}% of all rows" in verdict(run.results, run.tables)[1]
    assert "distinct" not in verdict(run.results, run.tables)[1]


def test_labels_of_one_class_score_nothing(runs):
    run = runs("one label for all")
    assert not [name for name in run.results if "accuracy" in name or "nmi" in name or "ari" in name.split("/")]
    assert "match the labels" not in verdict(run.results, run.tables)[1]


def test_an_accuracy_is_one_of_the_labelled_rows_and_chance_is_theirs(runs):
    run = runs("most labels unknown")
    assert (run.results["data/labelled"], run.results["data/images"]) == (6, 60)
    second = verdict(run.results, run.tables)[1]
    assert "of the 6 labelled images" in second
    assert "better than" not in second.replace("no better than", "")  # of six, chance explains any difference
    assert "6 of 60 images have one" in words_of((run.folder / "report.html").read_text(encoding="utf-8"))


def test_purity_is_that_of_the_label_beside_it(runs):
    run = runs("a label for each")
    table = np.array(run.tables["contingency"]["counts"])
    for cluster in run.tables["clusters"]:
        counts = table[cluster["cluster"]]
        assert cluster["label"] == run.tables["contingency"]["labels"][counts.argmax()]
        assert cluster["purity"] == pytest.approx(counts.max() / counts.sum())
        assert cluster["labelled"] == counts.sum() == cluster["size"]


def test_where_all_codes_are_one_every_dimension_is_dead(runs):
    run = runs("constant images")
    assert run.results["codes/dead"] == run.results["codes/size"] == 2


def test_errors_are_held_against_those_of_the_same_unit(runs):
    """The outliers' errors are in standardised units, the mean squared error of vectors in their own."""
    run = runs("denormal")
    assert run.results["reconstruction/mse"] < 1e-70
    assert 0.1 < run.results["reconstruction/error"] < 10
    assert "strangest" not in verdict(run.results, run.tables)[2]


def test_results_can_be_written_as_json(runs):
    for name in CASES:
        json.dumps(runs(name).results, allow_nan=False)
