"""The command line as a person uses it: exit codes, messages, files."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from commands import narrows
from narrows import __version__ as version
from narrows.cli import printable
from narrows.cli.run import folder_name
from narrows.recipes.recipe import builtin, read
from narrows.studies import study as studies
from narrows.studies.worked import about, pages
from resealing import reseal

pytestmark = pytest.mark.usefixtures("undrawn")

COMMAND = [sys.executable, "-c", "from narrows.cli import main; main()"]
QUICK = ["--set", "train.epochs=2", "--set", "projection.name=pca", "--set", "data.limit=300"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    output = narrows("run", "digits", *QUICK, "--out", "run", cwd=folder)
    assert output.strip().endswith("Report: run/report.html")
    return folder


def test_a_table_is_known_by_its_columns(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 4))
    names = ["weight", "height", "age", "note"]
    lines = [",".join(f"{value:.6f}" for value in row) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join([",".join(["", *names]), *(f"{i},{x}" for i, x in enumerate(lines))]))
    narrows(
        "run",
        "--data",
        "t.csv",
        "--out",
        "run",
        "--set",
        "train.epochs=2",
        "--set",
        "projection.name=pca",
        "--set",
        'data.ignore=["note"]',
        cwd=tmp_path,
    )
    turned = ["age,extra,height,weight", *(f"{c:.6f},1,{b:.6f},{a:.6f}" for a, b, c, _ in rows)]
    (tmp_path / "u.csv").write_text("\n".join(turned))
    for name in ("t", "u"):
        narrows("encode", "run", f"{name}.csv", "--out", f"{name}.npy", cwd=tmp_path)
        narrows("reconstruct", "run", f"{name}.csv", "--out", f"{name}-again.csv", cwd=tmp_path)
    assert np.array_equal(np.load(tmp_path / "t.npy"), np.load(tmp_path / "u.npy"))
    assert (tmp_path / "u-again.csv").read_text().startswith("id,weight,height,age\n")
    (tmp_path / "v.csv").write_text("weight,height\n1,2\n3,4\n")
    assert "age" in narrows("encode", "run", "v.csv", "--out", "v.npy", cwd=tmp_path, code=2)


def test_help_imports_nothing_heavy():
    script = (
        "import sys; sys.argv = ['narrows', '--help']\n"
        "from narrows.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'scipy', 'matplotlib', 'pydantic', 'PIL'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_the_saved_run_does_on_new_data_what_it_did_in_training(folder):
    source = ["digits"]
    for verb, out in (
        ("encode", "codes.npy"),
        ("encode", "codes.csv"),
        ("reconstruct", "r.npy"),
        ("denoise", "clean"),
        ("cluster", "clusters.csv"),
        ("project", "map.npy"),
    ):
        narrows(verb, "run", *source, "--out", out, cwd=folder)
    codes = np.load(folder / "codes.npy")
    assert codes.shape == (1797, 10)
    assert (folder / "codes.csv").read_text().splitlines()[0].split(",") == [
        "id",
        *(f"code{i}" for i in range(10)),
        "novelty",
    ]
    assert np.load(folder / "r.npy").shape == (1797, 1, 8, 8)
    assert len(list((folder / "clean").glob("*.png"))) == 1797
    assert np.load(folder / "map.npy").shape == (1797, 2)
    assert (folder / "clusters.csv").read_text().splitlines()[0] == "id,cluster,confidence,novelty"


def test_on_its_own_images_it_gives_what_the_run_wrote(folder):
    rows = (folder / "run" / "predictions.csv").read_text().splitlines()[1:]
    ids = [int(row.split(",")[0]) for row in rows]
    narrows("encode", "run", "digits", "--out", "own.npy", cwd=folder)
    narrows("cluster", "run", "digits", "--out", "own-clusters.npy", cwd=folder)
    assert np.allclose(np.load(folder / "own.npy")[ids], np.load(folder / "run" / "codes.npy"), atol=1e-5)
    agree = np.load(folder / "own-clusters.npy")[ids] == np.load(folder / "run" / "clusters.npy")
    assert agree.mean() > 0.995


def test_noise_is_called_unlike_what_was_fitted(folder):
    noise = np.random.default_rng(0).integers(0, 256, (100, 8, 8), dtype=np.uint8)
    np.save(folder / "noise.npy", noise)
    for verb, first in (("cluster", ["cluster", "confidence"]), ("project", ["x", "y"])):
        said = narrows(verb, "run", "noise.npy", "--out", f"{verb}-noise.csv", cwd=folder)
        assert (
            "All 100 rows are unlike what the run was fitted on (novelty 0.05 or less), more than chance explains"
            in said
        )
        lines = (folder / f"{verb}-noise.csv").read_text().splitlines()
        assert lines[0].split(",") == ["id", *first, "novelty"]
        assert all(float(line.split(",")[-1]) <= 0.05 for line in lines[1:])
    narrows("encode", "run", "noise.npy", "--out", "noise.npz", cwd=folder)
    assert (np.load(folder / "noise.npz")["novelty"] <= 0.05).all()


def test_a_run_of_an_earlier_narrows_answers_without_novelty_and_says_why(folder):
    shutil.copytree(folder / "run", folder / "old")
    (folder / "old" / "novelty.safetensors").unlink()
    reseal(folder / "old")
    said = narrows("cluster", "old", "digits", "--out", "old.csv", cwd=folder, notes=True)
    assert "no novelty, because an earlier version of narrows made this run" in said
    assert (folder / "old.csv").read_text().splitlines()[0] == "id,cluster,confidence"
    narrows("project", "old", "digits", "--out", "old.npy", cwd=folder)
    assert np.load(folder / "old.npy").shape == (1797, 2)


def test_arrays_of_another_size_are_refused_unless_they_are_to_be_resized(folder):
    np.save(folder / "nines.npy", np.zeros((3, 9, 9), np.uint8))
    np.save(folder / "colour.npy", np.zeros((3, 8, 8, 3), np.uint8))
    for name, said in (("nines.npy", "must be 8x8"), ("colour.npy", "must be grey")):
        out = f"codes-{name}"
        refused = narrows("encode", "run", name, "--out", out, cwd=folder, code=2)
        assert said in " ".join(refused.split())
        assert "--resize" in refused
        narrows("encode", "run", name, "--out", out, "--resize", cwd=folder)
        assert len(np.load(folder / out)) == 3


def test_what_is_white_in_new_arrays_can_be_said(folder):
    bits = np.random.default_rng(0).integers(0, 2, (20, 8, 8))
    np.save(folder / "floats.npy", (3 * bits).astype(np.float32))
    np.save(folder / "bytes.npy", (255 * bits).astype(np.uint8))
    ends = {"encode": "npy", "reconstruct": "npy", "denoise": "npy", "cluster": "csv", "project": "csv"}
    for verb, end in ends.items():
        narrows(verb, "run", "floats.npy", "--white", 3, "--out", f"{verb}-said.{end}", cwd=folder)
        narrows(verb, "run", "bytes.npy", "--out", f"{verb}-known.{end}", cwd=folder)
        assert (folder / f"{verb}-said.{end}").read_bytes() == (folder / f"{verb}-known.{end}").read_bytes(), verb
    assert "white" in narrows("encode", "run", "floats.npy", "--white", -1, "--out", "x.npy", cwd=folder, code=2)
    assert "white" in narrows("encode", "run", "floats.npy", "--white", 2, "--out", "x.npy", cwd=folder, code=2)


def test_generate_draws_images(folder):
    narrows("generate", "run", "-n", 5, "--out", "g.npy", cwd=folder)
    narrows("generate", "run", "-n", 5, "--out", "g.png", "--origin", "normal", cwd=folder)
    narrows("generate", "run", "-n", 5, "--out", "d.npy", "--origin", "doubled", cwd=folder)
    assert not np.array_equal(np.load(folder / "d.npy"), np.load(folder / "g.npy"))
    assert np.load(folder / "g.npy").shape == (5, 1, 8, 8)
    assert Image.open(folder / "g.png").size[0] > 50


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 6)).astype(np.float32)
    np.savez(folder / "v.npz", mine=rows, other=rows[:, :3], kind=np.arange(60) % 2)
    options = ["--set", "data.key=mine", *QUICK[:4]]
    narrows("run", "--data", "v.npz", *options, "--out", "run", cwd=folder)
    return folder


def test_generate_draws_vectors_as_a_table(vectors):
    assert "generated.csv" in narrows("generate", "run", "-n", 3, cwd=vectors)
    lines = (vectors / "generated.csv").read_text().splitlines()
    assert lines[0] == "id,value0,value1,value2,value3,value4,value5"
    assert len(lines) == 4


def test_key_and_labels_are_passed_on(vectors):
    narrows("encode", "run", "v.npz", "--key", "mine", "--labels", "kind", "--out", "codes.npy", cwd=vectors)
    assert len(np.load(vectors / "codes.npy")) == 60
    assert "shape" in narrows("encode", "run", "v.npz", "--key", "other", "--out", "x.npy", cwd=vectors, code=2)
    assert "nope" in narrows("encode", "run", "v.npz", "--labels", "nope", "--out", "x.npy", cwd=vectors, code=2)


@pytest.mark.parametrize(("option", "said"), [(["--resize"], "--resize"), (["--white", "1"], "white")])
def test_what_speaks_of_images_is_refused_of_vectors(vectors, option, said):
    refused = narrows("encode", "run", "v.npz", *option, "--out", "x.npy", cwd=vectors, code=2)
    assert f"{said} applies only" in " ".join(refused.split())


def test_a_folder_of_pictures_is_replaced_as_a_whole(folder):
    narrows("generate", "run", "-n", 5, "--out", "drawn", cwd=folder)
    narrows("generate", "run", "-n", 3, "--out", "drawn", "--overwrite", cwd=folder)
    assert len(list((folder / "drawn").iterdir())) == 3
    (folder / "drawn" / "notes.txt").write_text("mine")
    assert "notes.txt" in narrows("generate", "run", "--out", "drawn", "--overwrite", cwd=folder, code=2)
    assert len(list((folder / "drawn").iterdir())) == 4
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".drawn")]


@pytest.mark.parametrize("out", ["x.bmp", "no-such-folder/x.npy", "run/codes.npy", "folder.npy"])
@pytest.mark.parametrize("verb", ["encode", "reconstruct", "denoise", "cluster", "project"])
def test_out_is_checked_before_the_data_are_opened(folder, verb, out):
    (folder / "folder.npy").mkdir(exist_ok=True)
    assert "--out" in narrows(verb, "run", "no-such-data", "--out", out, cwd=folder, code=2)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("..", "up"),
        (".", "here"),
        ("p/*.png", "p"),
        ("p/**/a*/*.png", "p"),
        ("*.png", "here"),
        ("/", "run"),
        ("Fotos Jürgen/", "Fotos-Jürgen"),
        ("p/my.photos", "my.photos"),
        ("p/x.tar.csv", "x.tar"),
        ("p[1]", "p-1"),
        ("...", "run"),
        ("-rf", "rf"),
        ("pkg.mod:function", "pkg"),
        ("p/" + 300 * "é", 60 * "é"),
    ],
)
def test_the_run_folder_is_named_after_the_source(tmp_path, source, name):
    here = tmp_path / "up" / "here"
    for folder in ("p/my.photos", "Fotos Jürgen", "p[1]"):
        (here / folder).mkdir(parents=True)
    with contextlib.chdir(here):
        assert folder_name(source) == name


def test_a_message_keeps_paths_whole_and_control_characters_off_the_terminal(tmp_path):
    path = "/".join(["a-long-name-with-hyphens"] * 4) + "\x1b[2J.npy"
    error = narrows("run", "--data", path, cwd=tmp_path, code=2)
    assert "\x1b" not in error
    assert path.replace("\x1b", "\\x1b") in error
    assert printable("a\x07\n\u202eb é") == "a\\x07\\n\\u202eb é"


def test_the_report_is_rebuilt_from_the_folder(folder):
    before = (folder / "run" / "report.html").read_text()
    (folder / "run" / "report.html").unlink()
    narrows("report", "run", cwd=folder)
    assert (folder / "run" / "report.html").read_text() == before


def test_recipes(folder):
    assert "mnist" in narrows("recipes", "list")
    assert "code_size = 10" in narrows("recipes", "show", "digits")
    assert "rounds = 3" in narrows("recipes", "show", "clusters")  # a default, written out
    narrows("recipes", "copy", "digits", "mine.toml", cwd=folder)
    assert "valid" in narrows("recipes", "check", "mine.toml", cwd=folder)
    narrows("run", "mine.toml", *QUICK, "--out", "mine", cwd=folder)
    assert (folder / "mine" / "codes.npy").read_bytes() == (folder / "run" / "codes.npy").read_bytes()


def test_what_lists_say_begins_at_one_column():
    said = {
        "recipes": [read(name)["description"] for name in builtin()],
        "study": [studies.load(name).title for name in studies.builtin()],
        "worked": [about(name)[0] for name in pages.names()],
    }
    for verb, texts in said.items():
        lines = narrows(verb, "list").splitlines()
        assert len({line.index(text) for line, text in zip(lines, texts, strict=True)}) == 1


def test_a_run_is_called_as_one_says(tmp_path):
    narrows("run", "digits", *QUICK, "--set", "name=Thursday, late", cwd=tmp_path)
    run = tmp_path / "runs" / "Thursday-late"
    assert json.loads((run / "tables.json").read_text())["name"] == "Thursday, late"
    assert "Thursday, late" in (run / "report.html").read_text()
    narrows("report", run, cwd=tmp_path)
    (run / "results.json").write_text((run / "results.json").read_text().replace("0.", "1."))
    error = narrows("report", run, cwd=tmp_path, code=2)
    assert "results.json must be the file that was written" in " ".join(error.split())


def test_the_cap_on_pixels_can_be_raised_for_new_files_and_damage_is_told(folder):
    (folder / "larger").mkdir()
    Image.new("L", (64, 64)).save(folder / "larger" / "large.png")
    Image.new("L", (8, 8), 40).save(folder / "larger" / "small.png")
    ends = {"encode": "npy", "reconstruct": "npy", "denoise": "npy", "cluster": "csv", "project": "csv"}
    for verb, end in ends.items():
        few = (verb, "run", "larger", "--max-pixels", 64 * 64 - 1, "--out", f"{verb}-few.{end}")
        assert "skipped large.png" in narrows(*few, cwd=folder, notes=True)
        narrows(verb, "run", "larger", "--max-pixels", 64 * 64, "--out", f"{verb}-all.{end}", cwd=folder)
    assert len(np.load(folder / "encode-few.npy")) == 1
    assert len(np.load(folder / "encode-all.npy")) == 2
    Image.new("L", (64, 64)).save(folder / "larger" / "cut.jpg")
    (folder / "larger" / "cut.jpg").write_bytes((folder / "larger" / "cut.jpg").read_bytes()[:-2])
    said = narrows("encode", "run", "larger", "--out", "cut.npy", cwd=folder, notes=True)
    assert "damaged cut.jpg: truncated, but with all of its lines" in said
    told = narrows("data", "info", "larger", "--set", "data.max_pixels=4095", "--set", "data.size=8", cwd=folder)
    assert "damaged   cut.jpg: truncated, but with all of its lines" in told
    assert "skipped   large.png: it has 0.0 megapixels" in told


def test_data_info():
    output = narrows("data", "info", "digits")
    assert "1,797 images" in output
    assert "1 x 8 x 8" in output


def test_data_info_takes_settings_of_the_data(tmp_path):
    stack = np.arange(2 * 4 * 16 * 16, dtype=np.uint16).reshape(2, 4, 16, 16)
    tifffile.imwrite(tmp_path / "x.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    output = narrows("data", "info", str(tmp_path / "x.tif"), "--set", "data.channels=[1]", "--set", "data.page=all")
    assert "2 images" in output
    assert "Values from 256 to 1,535" in output


@pytest.mark.parametrize("verb", ["info", "copies"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "train.epochs=3"], "must be a setting for opening data"),
        (["--set", "data.source=mnist"], "must be a setting for opening data"),
        (["--set", "data.test=0.5"], "must be a setting for opening data"),
        (["--set", "data.valid=0.5"], "must be a setting for opening data"),
        (["--set", "data.chanels=1"], "Did you mean 'channels'"),
        (["--key", "mine", "--set", "data.key=other"], "data.key must be given once"),
        (["--ignore", "a", "--set", 'data.ignore=["b"]'], "data.ignore must be given once"),
    ],
)
def test_data_verbs_refuse_settings_that_they_could_not_obey(vectors, verb, arguments, said):
    assert said in " ".join(narrows("data", verb, "v.npz", *arguments, cwd=vectors, code=2).split())


def test_data_copies(tmp_path):
    rows = np.random.default_rng(0).random((30, 4)).astype(np.float32)
    rows[[4, 9]] = rows[1]
    np.save(tmp_path / "rows.npy", rows)
    output = narrows("data", "copies", "rows.npy", "--out", "copies.csv", cwd=tmp_path)
    assert "1: 4 (exact), 9 (exact)" in output
    assert "1 group of copies, with 3 of 30 vectors; 2 equal to an earlier row; 0 blank" in output
    assert (tmp_path / "copies.csv").read_text().splitlines()[2] == "0,4,4,,exact,0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "narrows run digits"),
        (["run", "digts"], "Did you mean 'digits'"),
        (["run", "neural-kmeans"], "a study (`narrows study neural-kmeans`)"),
        (["run", "neural-kmeans"], "a network (`narrows run digits --set net.name=neural-kmeans`)"),
        (["run", "denoising"], "It is an objective (`narrows run digits --set objective.name=denoising`)."),
        (["run", "run"], "narrows run --data run"),
        (["run", "digits", "--set", "train.epoch=3"], "Did you mean 'epochs'"),
        (["run", "--data", "nowhere/"], "nowhere"),
        (["run", "digits", "--out", "run"], "--resume"),
        (["run", "digits", "--out", "run", "--resume", "--overwrite"], "cannot be given together"),
        (["run", "--data", ""], "--data"),
        (["run", "digits", "--data", " "], "--data"),
        (["recipes", "copy", "digits", "nodir/x.toml"], "Make nodir first"),
        (["encode", "nowhere", "digits", "--out", "x.npy"], "narrows run"),
        (["encode", "run", "digits", "--out", "x.bmp"], "must end in"),
        (["data", "copies", "digits", "--out", "x.npy"], "must end in"),
        (["encode", "run", "digits", "--out", "run/codes.npy"], "--overwrite"),
        (["generate", "run", "--origin", "moon"], "origin"),
        (["recipes", "show", "nope"], "recipe"),
        (["recipes", "check", "no-such-file.toml"], "no-such-file.toml"),
        (["--nonsense"], "--nonsense"),
        (["run", "nature8500", "--data", "photos"], "must be left out when a data set is named"),
        (["run", "digits", "--set", "seed=1", "--seed", "2"], "seed must be given once"),
        (["run", "digits", "--data", "photos", "--set", "data.source=mnist"], "data.source must be given once"),
        (["run", "digits", "--set", "train.patience=3", "--set", "data.valid=0.0", "--out", "new"], "validation rows"),
        (["run", "digits", "--set", "train.momentum=0.5"], "needs train.optimizer=sgd"),
        (["run", "clusters", "--set", "train.epochs=3"], "trains its own network"),
        (["explore", "run", "--rebuild", "--port", "8000"], "--rebuild serves nothing"),
        (["study", "polygons", "--rebuild", "--keep", "k", "--seeds", "2"], "--seeds"),
    ],
)
def test_the_users_mistake_is_one_block_without_a_traceback_and_exits_with_2(folder, arguments, message):
    error = narrows(*arguments, cwd=folder, code=2)
    assert message in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in error
    assert "Traceback" in narrows("--debug", "run", "digts", cwd=folder, code=2)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    error = narrows("run", "digits", *QUICK, "--out", "file/run", cwd=tmp_path, code=2)
    assert "file/run" in error


def photos(folder, good, bad):
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(good):
        size = rng.integers(24, 60, 2)
        pixels = np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((10, 10, 1))).astype(np.uint8)
        Image.fromarray(pixels).resize([int(s) for s in size]).save(folder / f"photo-{i:03}.jpg")
    for i in range(bad):
        whole = (folder / f"photo-{i:03}.jpg").read_bytes()
        (folder / f"bad-{i}.jpg").write_bytes(whole[: (0, 20, len(whole) // 2)[i % 3]])
    return {f"bad-{i}.jpg" for i in range(bad)}


def test_a_folder_of_photos_with_corrupt_files_runs_to_the_end_and_names_them(tmp_path):
    bad = photos(tmp_path / "photos", 190, 10)
    options = ["--set", "train.epochs=1", "--set", "projection.name=pca", "--set", "data.size=16"]
    narrows("run", "--data", "photos/", *options, "--out", "r", cwd=tmp_path)
    tables = json.loads((tmp_path / "r" / "tables.json").read_text())
    assert {Path(entry["path"]).name for entry in tables["skipped"]} == bad
    assert all(entry["reason"] for entry in tables["skipped"])
    assert json.loads((tmp_path / "r" / "results.json").read_text())["data/skipped"] == 10
    report = (tmp_path / "r" / "report.html").read_text()
    assert all(name in report for name in bad)
    error = narrows("run", "--data", "photos/", *options, "--strict", "--out", "s", cwd=tmp_path, code=2)
    assert "bad-0.jpg" in error


LONGER = ["run", "digits", "--set", "train.epochs=20", "--set", "train.checkpoint_steps=2", *QUICK[2:]]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    narrows(*LONGER, "--out", "r", cwd=folder)
    return (folder / "r" / "codes.npy").read_bytes()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_stopped_in_mid_epoch_and_resumed_it_gives_the_same_bits(unbroken, tmp_path, number, code):
    process = subprocess.Popen([*COMMAND, *LONGER, "--out", "r"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "r" / "checkpoints" / "previous.safetensors")
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert number == signal.SIGKILL or "--resume" in error
    assert not (tmp_path / "r" / "codes.npy").exists()
    narrows(*LONGER, "--out", "r", "--resume", cwd=tmp_path)
    assert (tmp_path / "r" / "codes.npy").read_bytes() == unbroken


def wait_for(path, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


def test_every_module_runs_without_a_home_folder_it_can_write(tmp_path):
    environment = os.environ | {"NARROWS_CACHE": "/proc/no-such-place"}
    photos(tmp_path / "p", 5, 0)
    done = subprocess.run(
        [*COMMAND, "data", "info", str(tmp_path / "p")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "5 images" in done.stdout


def test_python_finds_the_command_line_as_a_module():
    said = subprocess.run([sys.executable, "-m", "narrows", "--version"], check=True, capture_output=True, text=True)
    assert said.stdout == f"narrows {version}\n"


@pytest.mark.parametrize(
    ("shape", "more", "said"),
    [
        ((40, 8, 8), [], True),
        ((40, 6), [], False),  # vectors
        pytest.param(
            (40, 8, 8),
            ["--set", "clustering.name=dec", "--set", "clustering.epochs=1"],
            False,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_of_images_says_what_tells_kinds_apart(tmp_path, shape, more, said):
    np.save(tmp_path / "my rows.npy", np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8))
    asked = [] if more else ["--set", "train.epochs=1"]
    output = narrows(
        "run", "--data", "my rows.npy", *asked, *more, "--set", "projection.name=pca", "--out", "r", cwd=tmp_path
    )
    assert ("narrows run clusters --data 'my rows.npy'" in output) == said
