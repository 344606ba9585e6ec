"""The main job: the content of a run folder, and that a run stopped anywhere resumes to the same result."""

import csv
import errno
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from narrows import pipeline
from narrows.cli.app import app
from narrows.data.dataset import Dataset
from narrows.disk.files import sha256
from narrows.encoding.model import Model
from narrows.errors import DataError, Interrupted, RecipeError, RunFolderError, TrainingError
from narrows.explorer import page
from narrows.recipes import recipe as recipes
from narrows.runs import Run, making
from narrows.steps import train as training
from narrows.steps.project import Project
from narrows.work import stages
from narrows.work.interrupt import Interrupt

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("train.epochs=2", "train.batch_size=128", "projection.name=pca", "data.limit=400")
WANTED = [
    "data/images",
    "data/skipped",
    "train/loss",
    "train/images_per_s",
    "reconstruction/mse",
    "reconstruction/psnr",
    "reconstruction/pca_psnr",
    "clustering/accuracy",
    "clustering/nmi",
    "clustering/ari",
    "clustering/silhouette",
    "clustering/pixels_accuracy",
    "probe/linear_accuracy",
    "probe/knn_accuracy",
    "projection/trustworthiness",
    "time/total_s",
]


def quick(*overrides):
    return recipes.load("digits", [*QUICK, *overrides])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return pipeline.run(quick(), tmp_path_factory.mktemp("runs") / "digits")


def test_the_folder_holds_what_was_promised(run):
    names = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert {
        "recipe.toml",
        "environment.json",
        "results.json",
        "history.jsonl",
        "model.safetensors",
        "config.json",
        "README.md",
        "codes.npy",
        "clusters.npy",
        "map.npy",
        "neighbours.npz",
        "predictions.csv",
        "report.html",
        "manifest.json",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "figures/map-clusters.png",
    } <= names
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert all(sha256(run.folder / name) == digest for name, digest in manifest["files"].items())
    assert len(manifest["files"]) >= 30


def test_the_numbers_have_flat_names_and_are_numbers(run):
    results = run.results
    assert set(WANTED) <= results.keys()
    assert all(isinstance(results[name], int | float) and np.isfinite(results[name]) for name in WANTED)
    assert results["data/images"] == 400
    assert results["data/train"] + results["data/valid"] + results["data/test"] == 400


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_validation_loss_is_that_of_the_weights_kept(keep, tmp_path):
    unsteady = (*QUICK[1:], "train.epochs=4", "train.lr=0.1", "train.schedule=constant", "train.clip=0")
    found = pipeline.run(recipes.load("digits", [*unsteady, f"train.keep={keep}"]), tmp_path / "run")
    losses = [row["valid/loss"] for row in found.history]
    assert min(losses) < losses[-1]
    assert found.results["train/valid_loss"] == (min(losses) if keep == "best" else losses[-1])


def test_predictions_have_one_row_per_image(run):
    rows = list(csv.DictReader((run.folder / "predictions.csv").open()))
    assert len(rows) == 400
    assert {"id", "path", "split", "cluster", "confidence", "novelty", "x", "y", "label"} <= rows[0].keys()
    assert [int(row["cluster"]) for row in rows] == np.load(run.folder / "clusters.npy").tolist()


def test_names_and_labels_that_a_spreadsheet_would_run_are_guarded_and_ids_are_exact(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    names = [f"{'=1+@-'[i % 5]}{i}.png" for i in range(24)]
    for i, name in enumerate(names):
        (tmp_path / "photos" / f"=class{i % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(tmp_path / "photos" / f"=class{i % 2}" / name)
    quick = [f"data.source={tmp_path / 'photos'}", "train.epochs=1", "projection.name=pca", "clustering.n_clusters=2"]
    done = pipeline.run(recipes.load("default", [*quick, "net.name=dense"]), tmp_path / "run")
    rows = list(csv.DictReader((done.folder / "predictions.csv").open()))
    assert {row["id"] for row in rows} == {f"=class{i % 2}/{name}" for i, name in enumerate(names)}
    assert {row["label"] for row in rows} == {"'=class0", "'=class1"}
    assert any(row["x"].startswith("-") for row in rows)
    bundle = page.read(done.folder / "explorer.html")
    (column,) = (column for column in bundle.header["columns"] if column["name"] == "label")
    assert set(column["names"]) == {"=class0", "=class1"}
    asked = ["cluster", str(done.folder), str(tmp_path / "photos"), "--out", str(tmp_path / "a.csv")]
    assert CliRunner().invoke(app, asked).exit_code == 0
    again = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [row["id"] for row in again] == [f"'{row['id']}" for row in rows]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM])
def test_a_run_is_made_where_files_have_no_modes_locks_or_flushing_of_folders(tmp_path, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    for module, call in ((os, "fsync"), (os, "chmod"), (os, "fchmod"), (shutil, "copystat")):
        monkeypatch.setattr(module, call, refused)
    if number == errno.EINVAL:
        monkeypatch.setattr(fcntl, "flock", refused)
    done = pipeline.run(recipes.load("digits", [*QUICK[1:3], "data.limit=100", "train.epochs=1"]), tmp_path / "run")
    assert done.finished
    assert not [path for path in done.folder.rglob("*") if path.name.endswith((".part", ".held"))]


def test_a_file_of_a_run_that_finds_no_room_is_named_with_its_bytes(tmp_path):
    out = tmp_path / "r"
    limited = (
        "import resource, sys; from narrows.cli import main; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000,) * 2)\n"
        f"sys.argv = ['narrows', 'run', 'digits', '--set', 'train.epochs=1', '--out', {str(out)!r}]\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert re.search(rf"{re.escape(str(out))}\S+ could not be written: File too large; it needs [\d,]+ bytes", said)
    assert not list(out.rglob("*.part"))


def test_noise_belongs_to_a_cluster_with_a_novelty_near_0(run, digits):
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    found = run.assign(noise)
    assert found.clusters.shape == found.confidence.shape == (300,)
    assert (found.novelty <= 0.05).mean() >= 0.99
    np.testing.assert_array_equal(run.novelty(noise), found.novelty)
    alike = run.novelty(digits[0])
    assert np.median(alike) > 0.2
    assert (alike <= 0.05).mean() < 0.2


def test_novelty_of_the_runs_own_rows_counts_those_held_out(run):
    rows = list(csv.DictReader((run.folder / "predictions.csv").open()))
    held_out = [float(row["novelty"]) for row in rows if row["split"] == "test"]
    count = len(held_out)
    assert len(run.fitted_novelty().scores_) == count == run.results["data/test"]
    ranks = np.arange(2, count + 2) / (count + 1)  # each counts itself; those that are not odd at all are alike
    np.testing.assert_allclose(np.sort(held_out), ranks, atol=1.1 / (count + 1))
    for entry in run.tables["outliers"]:
        assert float(rows[entry["row"]]["novelty"]) == pytest.approx(entry["novelty"], rel=1e-3)
    assert "near 0: unlike what was fitted" in (run.folder / "report.html").read_text()


def test_a_run_of_an_earlier_narrows_has_no_novelty_until_it_is_resumed(tmp_path, digits):
    pipeline.run(quick(), tmp_path / "r")
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    del manifest["files"]["novelty.safetensors"], manifest["stages"]["measure"]["files"]["novelty.safetensors"]
    (tmp_path / "r" / "manifest.json").write_text(json.dumps(manifest))
    record = tmp_path / "r" / "steps" / "measure.json"
    found = json.loads(record.read_text())
    del found["files"]["novelty.safetensors"]
    record.write_text(json.dumps(found))
    (tmp_path / "r" / "novelty.safetensors").unlink()
    old = Run(tmp_path / "r")
    assert not old.tells_novelty
    assert old.assign(digits[0][:5]).novelty is None
    with pytest.raises(RunFolderError, match="--resume"):
        old.novelty(digits[0][:5])
    trained = (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns
    pipeline.run(quick(), tmp_path / "r", resume=True)
    assert (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns == trained
    assert Run(tmp_path / "r").assign(digits[0][:5]).novelty.shape == (5,)


def test_the_report_is_one_offline_file(run):
    text = (run.folder / "report.html").read_text()
    assert "data:image/png;base64," in text
    assert "<script" not in text


def test_the_recipe_written_out_makes_the_same_run(run, tmp_path):
    again = pipeline.run(recipes.load(run.folder / "recipe.toml"), tmp_path / "again")
    assert (again.folder / "codes.npy").read_bytes() == (run.folder / "codes.npy").read_bytes()
    assert (again.folder / "map.npy").read_bytes() == (run.folder / "map.npy").read_bytes()
    assert (again.folder / "recipe.toml").read_text() == (run.folder / "recipe.toml").read_text()


@pytest.mark.parametrize("step", [1, 4])
def test_stopped_in_mid_epoch_and_resumed_it_gives_the_same_codes(run, tmp_path, step):
    class StopAt(Interrupt):
        calls = 0

        def __call__(self):
            self.calls += 1
            return 15 if self.calls == step + 1 else 0

    with pytest.raises(Interrupted):
        pipeline.run(quick(), tmp_path / "r", interrupt=StopAt())
    assert not (tmp_path / "r" / "codes.npy").exists()
    again = pipeline.run(quick(), tmp_path / "r", resume=True)
    assert (again.folder / "codes.npy").read_bytes() == (run.folder / "codes.npy").read_bytes()


def test_resuming_redoes_what_was_damaged_and_what_depends_on_it_and_nothing_else(tmp_path):
    first = pipeline.run(quick(), tmp_path / "r")
    names = ("model.safetensors", "codes.npy", "map.npy", "predictions.csv", "figures/map-clusters.png")
    before = {name: (first.folder / name).stat().st_mtime_ns for name in names}
    content = (first.folder / "clusters.npy").read_bytes()
    (first.folder / "clusters.npy").write_bytes(content[:-8])
    pipeline.run(quick(), tmp_path / "r", resume=True)
    after = {name: (first.folder / name).stat().st_mtime_ns for name in before}
    assert (first.folder / "clusters.npy").read_bytes() == content
    assert {name: after[name] > before[name] for name in names} == dict(zip(names, (0, 0, 0, 1, 1), strict=True))


def test_a_run_that_is_open_sees_what_another_process_made_of_it(run, tmp_path, digits):
    made = pipeline.run(quick(), tmp_path / "r")
    opened = Run(tmp_path / "r")
    right = opened.assign(digits[0][:5])
    pipeline.run(quick(), tmp_path / "r", resume=True)  # does nothing, and says in environment.json that it was here
    for reader in (opened, made):
        assert reader.results.keys() == run.results.keys()
        assert reader.examples().rows.tolist() == run.examples().rows.tolist()
        for found, expected in zip(reader.assign(digits[0][:5]), right, strict=True):
            np.testing.assert_array_equal(found, expected)
        assert "resumed" in reader.parts.json("environment.json")
    (tmp_path / "r" / "environment.json").write_text("{}")  # by nobody who may
    for reader in (opened, made):
        with pytest.raises(RunFolderError, match=r"environment\.json must be the file that was written"):
            reader.examples()


def test_the_manifest_knows_the_files_of_a_stage_as_soon_as_it_is_done(tmp_path, monkeypatch):
    hashed = []
    for room in (stages, making):
        monkeypatch.setattr(room, "sha256", lambda path: hashed.append(path) or sha256(path))

    def fails(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Project, "do", fails)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(quick(), tmp_path / "r")
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    done = [file for stage in manifest["stages"].values() for file in stage["files"]]
    assert list(manifest["stages"]) == ["open", "train", "encode", "cluster"]
    assert {*done, "recipe.toml", "environment.json", "results.json"} <= manifest["files"].keys()
    assert all(sha256(tmp_path / "r" / name) == digest for name, digest in manifest["files"].items())
    assert not any("checkpoints" in path.parts for path in hashed)  # larger than all else, and read by nobody else
    finished = pipeline.run(quick(), tmp_path / "r", resume=True)
    assert sum(path.name == "last.safetensors" for path in hashed) == 1
    assert sum(path.name == "explorer.html" for path in hashed) == 1
    listed = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*") if path.is_file()}
    assert finished.manifest["files"].keys() == listed - {"manifest.json", ".lock"}


def test_resuming_with_other_settings_is_refused(run):
    with pytest.raises(RunFolderError, match=r"some have changed; got 'net.code_size \(10 before, 9 now\)'"):
        pipeline.run(quick("net.code_size=9"), run.folder, resume=True)
    others = quick("net.code_size=9", "net.width=9", "train.lr=0.009", "train.clip=9", "train.warmup=0.2")
    with pytest.raises(RunFolderError, match=r"train\.clip \(1\.0 before, 9\.0 now\), 2 more'\. Start again"):
        pipeline.run(others, run.folder, resume=True)


def test_rows_that_have_moved_are_asked_for_by_their_former_name(tmp_path):
    for name in ("before", "after"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(30, 4)))
    settings = ["encoder.name=pca", "clustering.n_clusters=2"]

    def load(name):
        return recipes.load("default", [f"data.source={tmp_path / name}", *settings])

    run = pipeline.run(load("before.npy"), tmp_path / "run")
    (tmp_path / "before.npy").unlink()
    with pytest.raises(RunFolderError, match=r"The rows are the same: name \S*before.npy as before, with a link"):
        pipeline.run(load("after.npy"), run.folder, resume=True)
    (tmp_path / "before.npy").symlink_to(tmp_path / "after.npy")
    pipeline.run(load("before.npy"), run.folder, resume=True)
    np.save(tmp_path / "other.npy", np.random.default_rng(1).normal(size=(30, 4)))
    with pytest.raises(RunFolderError, match="some have changed") as refused:
        pipeline.run(load("other.npy"), run.folder, resume=True)
    assert "The rows are the same" not in str(refused.value)


def test_a_folder_that_exists_is_refused_and_left_alone(run, tmp_path):
    with pytest.raises(RunFolderError, match="--resume"):
        pipeline.run(quick(), run.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="Nothing in it was touched"):
        pipeline.run(quick(), tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_overwrite_starts_from_nothing_but_only_when_the_new_run_can_start(tmp_path):
    pipeline.run(quick(), tmp_path / "r")
    (tmp_path / "r" / "figures" / "old.png").write_bytes(b"")
    for wrong in ("data.source=typo/", "net.code_size=65"):
        with pytest.raises((DataError, RecipeError)):
            pipeline.run(quick(wrong), tmp_path / "r", overwrite=True)
        assert (tmp_path / "r" / "codes.npy").exists()
    again = pipeline.run(quick("net.code_size=4"), tmp_path / "r", overwrite=True)
    assert again.results["codes/size"] == 4
    assert not (again.folder / "figures" / "old.png").exists()


def test_a_folder_that_was_there_stays_when_a_run_cannot_begin(tmp_path, monkeypatch):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for out in ("runs/..", "empty", "new/.."):
        with pytest.raises((DataError, RunFolderError)):
            pipeline.run(quick("data.source=typo/"), out)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", "empty"}


@pytest.mark.parametrize("lost", ["results.json", "tables.json"])
def test_lost_numbers_are_found_again(run, tmp_path, lost):
    shutil.copytree(run.folder, tmp_path / "r")
    (tmp_path / "r" / lost).unlink()
    again = pipeline.run(quick(), tmp_path / "r", resume=True)
    assert again.results.keys() == run.results.keys()
    assert again.tables == run.tables


def test_resuming_runs_no_code_that_the_folder_names(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "r")
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    config |= {"net": {"name": "subprocess:Popen", "args": ["touch", str(tmp_path / "owned")]}}
    (tmp_path / "r" / "config.json").write_text(json.dumps(config))
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    manifest["files"]["config.json"] = sha256(tmp_path / "r" / "config.json")
    (tmp_path / "r" / "manifest.json").write_text(json.dumps(manifest))
    record = json.loads((tmp_path / "r" / "steps" / "train.json").read_text())
    record["files"]["config.json"] = manifest["files"]["config.json"]
    del record["sha256"]  # a stranger's record is whatever the stranger says
    (tmp_path / "r" / "steps" / "train.json").write_text(json.dumps(record))
    with pytest.raises(RecipeError, match="must not choose the code that runs"):
        pipeline.run(quick(), tmp_path / "r", resume=True)
    assert not (tmp_path / "owned").exists()


def test_a_signal_after_the_last_step_of_training_stops_too(tmp_path, monkeypatch):
    interrupt = Interrupt()
    train = training.train

    def signalled(*arguments, **options):
        history = train(*arguments, **options)
        interrupt.signal = 15
        return history

    monkeypatch.setattr(training, "train", signalled)
    with pytest.raises(Interrupted):
        pipeline.run(quick(), tmp_path / "r", interrupt=interrupt)
    assert not (tmp_path / "r" / "codes.npy").exists()


def test_resuming_with_other_data_is_refused(tmp_path):
    recipe = recipes.load("default", ["train.epochs=1", "projection.name=pca"])
    pipeline.run(recipe, tmp_path / "r", data=Dataset(vectors(60)))
    with pytest.raises(RunFolderError, match="the data"):
        pipeline.run(recipe, tmp_path / "r", data=Dataset(vectors(60, seed=1)), resume=True)


def test_two_runs_cannot_have_one_folder(tmp_path):
    with (
        making.making(tmp_path / "r"),
        pytest.raises(RunFolderError, match=r"Process [0-9]+ on .* has been using it"),
        making.making(tmp_path / "r", resume=True),
    ):
        pass


def test_a_run_that_could_not_begin_leaves_nothing_behind(tmp_path):
    with pytest.raises(DataError):
        pipeline.run(quick("data.source=no-such-folder/"), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def vectors(n, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + 4 * rng.integers(0, 3, (n, 1))).astype(np.float32)


def images(n, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, 3, 12, 10), dtype=np.uint8)


@pytest.mark.parametrize(
    ("data", "noted"),
    [
        (Dataset(vectors(120)), False),
        (Dataset(images(60)), False),
        (Dataset(images(6)), True),
        (Dataset(np.full((30, 1, 8, 8), 7, np.uint8)), True),
        (Dataset(np.zeros((25, 3), np.float32), labels=np.zeros(25, np.int64)), True),
        (Dataset(images(40), labels=np.full(40, -1)), False),
        (Dataset(images(2)), True),
    ],
    ids=["vectors", "images", "fewer than clusters", "all equal", "equal vectors", "unknown labels", "two"],
)
def test_odd_piles_run_to_the_end(data, noted, tmp_path):
    recipe = recipes.load("default", ["train.epochs=2", "projection.name=pca"])
    run = pipeline.run(recipe, tmp_path / "r", data=data)
    assert run.results["data/images"] == len(data)
    assert len(np.load(run.folder / "clusters.npy")) == len(data)
    assert np.isfinite(np.load(run.folder / "map.npy")).all()
    assert (run.folder / "report.html").stat().st_size > 1000
    assert any("clusters were asked for" in note for note in run.tables.get("notes", [])) == noted


def test_one_image_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", images(1))
    with pytest.raises(DataError, match="at least 2"):
        pipeline.run(quick(f"data.source={tmp_path}/x.npy"), tmp_path / "r")


def test_contrastive_alone_reports_no_reconstruction(tmp_path):
    run = pipeline.run(quick("objective.name=contrastive"), tmp_path / "r")
    assert "reconstruction/psnr" not in run.results
    assert not (run.folder / "figures" / "reconstruction.png").exists()


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("train.epoch=3", "Did you mean 'epochs'"),
        ("train.epochs=many", "train.epochs"),
        ("trains.epochs=3", "Did you mean 'train'"),
        ("net.name=convv", "Did you mean 'conv'"),
        ("net.widht=3", "Did you mean 'width'"),
        ("net.width=3.5", "net.width"),
        ('objective.noise=["gausian:0.1"]', "gaussian"),
        ('clustering.n_clusters="ten"', "clustering.n_clusters"),
        ("data.valid=1.5", "data.valid"),
        ("seed=-1", "seed"),
        ("nonsense", "KEY=VALUE"),
        ("net.code_size=65", "at most 64, the number of values"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_runs(override, match, tmp_path):
    with pytest.raises(RecipeError, match=match):
        pipeline.run(quick(override), tmp_path / "r")
    assert not (tmp_path / "r" / "checkpoints").exists()


@pytest.mark.parametrize("name", recipes.builtin())
def test_every_recipe_that_ships_is_valid(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.description.endswith(".")
    resolved = recipe.resolve((1, 28, 28), 1000)
    assert resolved.net.arguments()["code_size"] >= 1


def test_an_unknown_recipe_offers_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'mnist'"):
        recipes.load("mnst")


def test_codes_that_are_not_finite_are_divergence(tmp_path, monkeypatch):
    monkeypatch.setattr(Model, "encode", lambda *_: np.full((400, 10), np.nan, np.float32))
    with pytest.raises(TrainingError, match=r"Lower train\.lr"):
        pipeline.run(quick(), tmp_path / "r")
    assert not (tmp_path / "r" / "codes.npy").exists()


def test_arguments_of_a_default_method_need_no_name():
    recipe = recipes.load("digits", ["projection.perplexity=50.0"])
    assert recipe.projection.model_dump() == {"name": "tsne", "perplexity": 50.0, "max_points": 200000}


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("reconstruction", "a plain autoencoder does not arrange its codes"),
        ("variational", "Training pulled the codes towards a standard normal distribution"),
    ],
)
def test_the_report_says_of_new_samples_what_training_made_of_the_codes(objective, said, tmp_path):
    done = pipeline.run(quick(f"objective.name={objective}"), tmp_path / "r")
    page = " ".join((done.folder / "report.html").read_text().split())
    assert [words in page for words in (said, "N(0, I) may fall", "N(0, I) may then fall")] == [
        True,
        objective != "variational",
        objective == "variational",
    ]


def test_a_source_is_found_again_from_another_folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "here").mkdir()
    np.save(tmp_path / "here" / "rows.npy", rng.normal(size=(60, 4)))
    (tmp_path / "here" / "kinds.csv").write_text("kind\n" + "\n".join("ab" * 30) + "\n")
    (tmp_path / "there").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    asked = ("train.epochs=1", "projection.name=pca")

    def recipe(source, labels):
        return recipes.load("default", [*asked, f"data.source={source}", f"data.labels={labels}"])

    done = pipeline.run(recipe("rows.npy", "kinds.csv:kind"), tmp_path / "r")
    kept = done.recipe["data"]
    assert kept["source"] == str(tmp_path / "here" / "rows.npy")
    assert kept["labels"] == f"{tmp_path / 'here' / 'kinds.csv'}:kind"
    assert done.tables["data"]["source"] == "rows.npy"  # what is shown is what was typed
    before = (done.folder / "manifest.json").read_bytes()
    monkeypatch.chdir(tmp_path)
    pipeline.run(recipe("there/rows.npy", "there/kinds.csv:kind"), tmp_path / "r", resume=True)
    assert {n: d for n, d in json.loads(before)["files"].items() if n.startswith("steps/")} == {
        n: d
        for n, d in json.loads((done.folder / "manifest.json").read_text())["files"].items()
        if n.startswith("steps/")
    }
    np.save(tmp_path / "rows.npy", rng.normal(size=(60, 4)))
    with pytest.raises(RunFolderError, match=r"data\.source"):
        pipeline.run(recipe("rows.npy", "here/kinds.csv:kind"), tmp_path / "r", resume=True)


def test_a_code_of_two_values_is_its_own_map_for_new_rows_too(tmp_path):
    done = pipeline.run(recipes.load("digits", ["train.epochs=1", "data.limit=60", "net.code_size=2"]), tmp_path / "r")
    np.testing.assert_array_equal(done.array("map"), done.array("codes"))
    np.testing.assert_array_equal(done.projection().transform(done.array("codes")[:5]), done.array("codes")[:5])
