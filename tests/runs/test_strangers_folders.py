"""Folders from strangers: whatever an entry is, each verb that reads it either refuses it by name or succeeds.

Every file in turn becomes a named pipe, a device that never ends, a folder, nothing at all, another of the files, JSON
nested too deep, noise, and a file of a terabyte; once with hashes that are right, as a stranger can make them.
"""

import contextlib
import json
import os
import shutil
import signal

import numpy as np
import pytest
import typer

import narrows
from narrows import pipeline
from narrows.cli.app import app
from narrows.clustering.kmeans import KMeans
from narrows.disk.sealed import HASHES, seal
from narrows.errors import NarrowsError
from narrows.explorer import server
from narrows.recipes import recipe as recipes
from resealing import reseal

pytestmark = pytest.mark.usefixtures("undrawn")

ROWS = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
LONGEST = 60  # seconds after which a verb hangs
HUGE = 1 << 40
OTHERWISE = ("sha256 is not in", "must have", "a quick look", "continue the study")
SKIPPED = {".lock", ".edits.lock"}  # which nobody reads


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    np.save(folder / "rows.npy", ROWS)
    quick = [f"data.source={folder / 'rows.npy'}", "train.epochs=1", "projection.name=pca", "clustering.n_clusters=3"]
    return pipeline.run(recipes.load("default", [*quick, "net.name=dense", "net.code_size=3"]), folder / "run")


@contextlib.contextmanager
def in_time():
    def hangs(*_):
        raise AssertionError(f"it takes more than {LONGEST} seconds")

    former = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def fifo(path, _):
    os.mkfifo(path)


def endless(path, _):
    path.symlink_to("/dev/zero")


def folder(path, _):
    path.mkdir()


def empty(path, _):
    path.touch()


def deep(path, _):
    path.write_bytes(b'{"files": ' + b"[" * 100_000)


def noise(path, _):
    path.write_bytes(np.random.default_rng(len(path.name)).bytes(300))


def huge(path, _):
    with open(path, "wb") as file:
        file.truncate(HUGE)


def another(path, content):
    """The next file of the same kind, or any other: valid in itself, but in the wrong place."""
    names = sorted(content, key=lambda name: (name.suffix != path.suffix, name.name <= path.name, name.name))
    path.write_bytes(next(content[name] for name in names if name.name != path.name))


SPECIAL = (fifo, endless, folder, huge)
PLAIN = (empty, another, deep, noise)


def ask(*arguments):
    """Run a verb like the command line, but without catching errors."""
    with in_time():
        typer.main.get_command(app).main([str(argument) for argument in arguments], standalone_mode=False)


def verbs(place, out):
    rows = place.parent / "rows.npy"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    yield lambda: ask("encode", place, rows, "--out", out / "a.csv")
    yield lambda: ask("reconstruct", place, rows, "--out", out / "a.npy")
    yield lambda: ask("cluster", place, rows, "--out", out / "b.csv")
    yield lambda: ask("project", place, rows, "--out", out / "c.csv")
    yield lambda: ask("generate", place, "-n", 2, "--out", out / "d.npy")
    yield lambda: ask("report", place)
    yield lambda: ask("explore", place, "--no-open")
    yield lambda: ask("explore", place, "--rebuild")


def refusals(name, asked):
    """Run everything that reads the folder; return how much was refused, each time with the name of the file."""
    refused = 0
    for ask_one in asked:
        said = None
        try:
            ask_one()
        except NarrowsError as error:
            said = str(error)
        # Its own name, or that of the listing which it is not in; or what would be said of the folder as it was.
        assert said is None or name in said or any(words in said for words in OTHERWISE), said
        refused += said is not None
    return refused


@pytest.fixture
def served(monkeypatch):
    """``explore`` without its server: it opens everything."""
    monkeypatch.setattr(server, "serve", lambda opened, **_: [one.log.close() for one in opened])


@pytest.mark.slow
@pytest.mark.parametrize("becomes", [*SPECIAL, *PLAIN], ids=lambda one: one.__name__)
def test_every_file_of_a_run_folder(run, tmp_path, served, becomes):
    place = tmp_path / "run"
    shutil.copy(run.folder.parent / "rows.npy", tmp_path)
    shutil.copytree(run.folder, place)
    ask("explore", place, "--no-open")  # begins edits.jsonl
    files = sorted(path for path in place.iterdir() if path.is_file() and path.name not in SKIPPED)
    content = {path: path.read_bytes() for path in files}
    refused = {}
    for path in files:
        path.unlink()
        becomes(path, content)
        if becomes in PLAIN and path.name != "manifest.json":
            reseal(place)
        refused[path.name] = refusals(path.name, verbs(place, tmp_path / "out"))
        shutil.rmtree(place)
        shutil.copytree(run.folder, place)
        (place / "edits.jsonl").write_bytes(content[place / "edits.jsonl"])
    # What is read: by most verbs, or by one of them.
    assert {name for name, count in refused.items() if count >= 4} >= {"manifest.json", "config.json", "recipe.toml"}
    needed = {"model.safetensors", "clusterer.safetensors", "projector.safetensors", "sampler.safetensors"}
    needed |= {"codes.npy", "edits.jsonl"} | ({"tables.json"} if becomes is not another else set())
    assert {name for name, count in refused.items() if count} >= needed


@pytest.mark.parametrize("becomes", [*SPECIAL, *PLAIN], ids=lambda one: one.__name__)
def test_every_file_of_what_is_saved(tmp_path, becomes):
    KMeans(3).fit(np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)).write(tmp_path)
    model = narrows.Autoencoder(code_size=3, net={"name": "dense", "hidden": [8]}, epochs=1, random_state=0).fit(ROWS)
    model.save(tmp_path / "model")
    files = sorted(path for path in (tmp_path / "model").iterdir() if path.is_file())
    content = {path: path.read_bytes() for path in files}
    refused = set()
    for path in files:
        path.unlink()
        becomes(path, content)
        if becomes in PLAIN and path.name != HASHES:
            seal(tmp_path / "model", [one.name for one in files if one.name != HASHES])
        with in_time():
            if refusals(path.name, [lambda: narrows.Autoencoder.load(tmp_path / "model")]):
                refused.add(path.name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, was in content.items():
            name.write_bytes(was)
    assert refused >= {path.name for path in files} - {"parameters.safetensors"}


@pytest.mark.parametrize("becomes", [*SPECIAL, empty, deep, noise], ids=lambda one: one.__name__)
def test_a_file_where_one_is_named(tmp_path, becomes):
    rows = tmp_path / "rows.npy"
    np.save(rows, ROWS)

    def refused(name, *arguments):
        place = tmp_path / name
        becomes(place, {})
        with pytest.raises(NarrowsError, match=name):
            ask(*(place if argument is None else argument for argument in arguments))
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()

    if becomes is not empty:  # a recipe that sets nothing is one
        refused("r.toml", "recipes", "check", None)
    refused("s.toml", "study", None, "--out", tmp_path / "s")
    refused("m.zip", "encode", None, rows, "--out", tmp_path / "a.npy")
    for suffix in (".npy", ".npz", ".mat", ".csv", ".idx", ".png") if becomes is not folder else ():
        if (becomes, suffix) != (huge, ".csv"):  # of which a terabyte can be data
            refused(f"x{suffix}", "data", "info", None)
        if suffix != ".png":
            refused(f"y{suffix}", "data", "info", rows, "--labels", None)
    becomes(tmp_path / "model.zip", {})
    with pytest.raises(NarrowsError, match="model"), in_time():
        narrows.ImageClusterer.load(tmp_path / "model.zip")


@pytest.mark.slow
@pytest.mark.parametrize("becomes", [*SPECIAL, *PLAIN], ids=lambda one: one.__name__)
def test_a_file_of_each_kind_of_a_study(tmp_path_factory, tmp_path, becomes):
    from narrows.studies import study as studies

    made = tmp_path_factory.getbasetemp() / "a-study"
    if not made.exists():
        ask("study", "polygons", "--quick", "--out", made)
    place = tmp_path / "study"
    shutil.copytree(made, place)
    files = [*place.glob("*.json"), next(place.glob("*/seed-0/outcome.json"))]
    content = {path: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
        becomes(path, content)
        refusals(
            path.name,
            [
                lambda: ask("study", "polygons", "--quick", "--resume", "--out", place),
                lambda: ask("study", "polygons", "--rebuild", "--out", place, "--keep", tmp_path / "kept"),
            ],
        )
        shutil.rmtree(place)
        shutil.copytree(made, place)
    assert studies.load("polygons").name == "polygons"
    assert json.loads((place / "study.json").read_text())["quick"] is True
