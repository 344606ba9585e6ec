"""Metadata of rows are shown beside the results, and do not change them."""

import csv
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from narrows import pipeline
from narrows.cli.app import app
from narrows.disk.files import sha256
from narrows.errors import RecipeError, RunFolderError
from narrows.explorer.bundle import gather
from narrows.explorer.opened import Opened
from narrows.explorer.page import read
from narrows.recipes import recipe as recipes
from narrows.runs import Run
from resealing import reseal

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("train.epochs=1", "projection.name=pca", "data.limit=200", "net.code_size=4")


def write(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("id", "year", "site", "X", "note", "code"), *rows])
    return path


def rows(first=2000):
    return [(i, first + i % 7, ["=Rome", "Oslo"][i % 2], i / 3, f"note {i}", "007") for i in range(1700)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    table = write(folder / "meta.csv", rows())
    return pipeline.run(recipes.load("digits", [*QUICK, f"data.metadata={table}"]), folder / "run")


@pytest.fixture
def copied(made, tmp_path):
    shutil.copytree(made.folder.parent, tmp_path / "made")
    return Run(tmp_path / "made" / "run")


def predictions(run):
    return list(csv.DictReader((run.folder / "predictions.csv").open(newline="")))


def test_metadata_are_the_last_columns_of_the_predictions(made):
    table = predictions(made)
    assert list(table[0])[-5:] == ["year", "site", "X (metadata)", "note", "code"]
    for row in table:
        i = int(row["id"])
        known = (str(2000 + i % 7), ("'=Rome", "Oslo")[i % 2], f"note {i}", "007") if i < 1700 else ("",) * 4
        assert (row["year"], row["site"], row["note"], row["code"]) == known
        assert not row["X (metadata)"] if i >= 1700 else float(row["X (metadata)"]) == i / 3
    assert {"novelty", "distance"} <= table[0].keys()
    kept = list(csv.DictReader((made.folder / "metadata.csv").open(newline="")))
    assert [{name: row[name] for name in kept[0]} for row in table] == kept
    assert "metadata.csv" in made.manifest["files"]
    assert json.loads((made.folder / "steps" / "metadata.json").read_text())["files"].keys() == {"metadata.csv"}


def test_metadata_change_nothing_else(made, tmp_path):
    without = pipeline.run(recipes.load("digits", QUICK), tmp_path / "run")
    for name in ("codes.npy", "clusters.npy", "map.npy", "novelty.safetensors", "model.safetensors"):
        assert sha256(made.folder / name) == sha256(without.folder / name), name
    timed = ("time/", "train/seconds", "train/images_per_s")
    own, other = ({k: v for k, v in run.results.items() if not k.startswith(timed)} for run in (made, without))
    assert own == other
    assert not (without.folder / "metadata.csv").exists()
    assert "year" not in predictions(without)[0]


def test_the_explorer_has_numbers_classes_and_texts(made):
    page = read(made.folder / "explorer.html")
    columns = {column["name"]: column for column in page.header["columns"]}
    assert list(columns)[-5:] == ["year", "site", "X (metadata)", "note", "code"]
    assert [columns[name]["kind"] for name in list(columns)[-5:]] == [
        "number",
        "category",
        "number",
        "text",
        "category",
    ]
    ids = [int(i) for i in page.texts(page.header["ids"])]
    years = page.array(columns["year"]["values"])
    assert [None if np.isnan(year) else year for year in years] == [2000 + i % 7 if i < 1700 else None for i in ids]
    sites = [columns["site"]["names"][code] for code in page.array(columns["site"]["values"])]
    assert sites == [("=Rome", "Oslo")[i % 2] if i < 1700 else "" for i in ids]
    assert page.texts(columns["note"]["values"]) == [f"note {i}" if i < 1700 else "" for i in ids]
    opened = Opened(made, None, page, read_only=True)
    some = opened.table([3, 1])
    assert some["note"] == [f"note {ids[3]}", f"note {ids[1]}"]


def test_a_table_that_was_changed_is_kept_anew_and_nothing_is_trained(copied):
    table = copied.folder.parent / "meta.csv"
    text = (copied.folder / "recipe.toml").read_text()
    recipe = recipes.load(str(copied.folder / "recipe.toml"))
    write(table := type(table)(recipe.data.metadata), rows(1900))
    try:
        before = {
            name: (copied.folder / name).stat().st_mtime_ns for name in ("model.safetensors", "codes.npy", "map.npy")
        }
        done = pipeline.run(recipe, copied.folder, resume=True)
        assert {name: (done.folder / name).stat().st_mtime_ns for name in before} == before
        assert {row["year"] for row in predictions(done)} <= {"", *map(str, range(1900, 1907))}
        assert done.finished
        assert (done.folder / "recipe.toml").read_text() == text
        again = pipeline.run(recipe, copied.folder, resume=True)
        assert predictions(again) == predictions(done)
    finally:
        write(table, rows())


@pytest.mark.parametrize(
    ("old", "new"), [("2003,", "many,"), ("year,", "yaer,"), ("note 5", '"note 5'), ("year,site", "year,site,more")]
)
def test_metadata_of_a_stranger_are_one_clear_error(copied, old, new):
    path = copied.folder / "metadata.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    reseal(copied.folder)
    with pytest.raises(RunFolderError, match=r"metadata\.csv"):
        gather(Run(copied.folder), None)


def test_the_command_line_takes_a_table_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "meta.csv", rows())
    settings = [part for setting in QUICK for part in ("--set", setting)]
    done = CliRunner().invoke(app, ["run", "digits", "--metadata", "meta.csv", "--out", "run", *settings])
    assert done.exit_code == 0, done.output
    assert Run("run").recipe["data"]["metadata"] == str(tmp_path / "meta.csv")
    assert predictions(Run("run"))[0]["year"]
    (tmp_path / "meta.csv").rename(tmp_path / "moved.csv")
    rebuilt = CliRunner().invoke(app, ["explore", "run", "--rebuild"])
    assert "cannot be opened" not in rebuilt.output
    header = read(tmp_path / "run" / "explorer.html").header
    assert header["pictures"]
    assert "year" in [column["name"] for column in header["columns"]]
    (tmp_path / "moved.csv").rename(tmp_path / "meta.csv")
    said = CliRunner().invoke(app, ["data", "info", "digits", "--metadata", "meta.csv"]).output
    assert "metadata  year: numbers" in said
    assert "metadata  site: 2 different values" in said
    assert "by its column 'id', for 1,700 of 1,797 rows" in said
    assert Run("run").open_source("digits").shape == (1, 8, 8)
    with pytest.raises(RecipeError):
        recipes.load("digits", ["data.metadata=7"])


def test_a_text_of_any_length_is_known_of_a_row(tmp_path):
    table = write(tmp_path / "meta.csv", [(0, 2000, "Rome", 1, "x" * 200_000, "007")])
    settings = ["encoder.name=pca", "clustering.n_clusters=2", "data.limit=40", "projection.name=pca"]
    run = pipeline.run(recipes.load("digits", [*settings, f"data.metadata={table}"]), tmp_path / "run")
    assert run.finished
    assert "note" in {column["name"] for column in gather(run, None).header["columns"]}
