"""The README is true: its links lead somewhere and its commands run, in their order."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import narrows

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def place(tmp_path):
    """A folder like a reader's, with photos/ and points in it, and narrows on the path."""
    folder = tmp_path / "reader"
    (folder / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(48):
        pixels = np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((9, 9, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{i}.png")
    (folder / "photos" / "broken.png").write_bytes(b"")
    points = rng.uniform(0, 1000, (600, 2))
    np.save(folder / "mine.npy", np.column_stack([points, points.sum(axis=1) < 900]))
    return folder


def run(command, cwd):
    bin_folder = str(Path(sys.executable).parent)
    # On all cores, as a reader's: other tests may use them too.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment["PATH"] = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, shell=True, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_there_are_commands_to_run():
    assert {"make demo", "make test", "narrows run digits"} <= set(COMMANDS)


def test_the_demo_is_the_first_run_that_the_readme_shows():
    *_, last = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "demo"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    name, *arguments = shlex.split(last)
    assert name.endswith("/bin/narrows")
    assert arguments == ["run", "digits", "--out", "runs/demo", "--overwrite"]


# The explorer serves until it is ended: tests/cli does both. Later commands read what earlier ones wrote.
RUN_HERE = [c for c in COMMANDS if "mnist" not in c and "explore" not in c and c != "make test"]


@pytest.mark.slow(minutes=2)
def test_the_commands_run_as_they_stand(place):
    for command in RUN_HERE:
        run(command, ROOT if command.startswith("make") else place)


@pytest.mark.usefixtures("undrawn")
def test_the_quick_commands_run_on_few_rows(place):
    for command in RUN_HERE:
        program, *arguments = shlex.split(command)
        if program == "narrows" and not any(long in command for long in ("clusters --data", "patches", "polygons")):
            if arguments[0] == "run":
                arguments += ["--set", "data.limit=300"]
                arguments += [] if "train.epochs" in command else ["--set", "train.epochs=2"]
            narrows(*arguments, cwd=place)


@pytest.mark.slow(minutes=5)
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.environ.get("NARROWS_DATA"), reason="would download MNIST")
@pytest.mark.parametrize("command", [command for command in COMMANDS if "mnist" in command])
def test_the_commands_on_large_data_run(command, place):
    run(command, place)


@pytest.mark.slow
@pytest.mark.parametrize("code", PYTHON)
def test_the_python_runs_as_it_stands(code, place):
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Of the whole digits, but for the clustering, which takes longest.
@pytest.mark.parametrize("code", [code for code in PYTHON if "layouts=1" not in code])
def test_the_quick_python_runs(code, place):
    with contextlib.chdir(place):
        exec(code, {"__name__": "readme"})  # noqa: S102 (the README is ours)


@pytest.mark.parametrize(
    "document",
    # A study's page.md is the template of the page beside its folder, whose links are those of that place.
    [p for p in sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")) if p.name != "page.md"],
    ids=lambda p: p.name,
)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    missing = [target for target in local if not (document.parent / target).exists()]
    assert not missing


def test_the_file_tree_names_files_that_exist():
    (tree,) = re.findall(r"^```text\nsrc/narrows/\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    names = [line.split()[0] for line in tree.splitlines() if line.startswith("  ") and not line.startswith("    ")]
    assert len(names) > 20
    assert [name for name in names if not (ROOT / "src" / "narrows" / name).exists()] == []
    rooms = {path.name for path in (ROOT / "src" / "narrows").iterdir() if path.name != "__pycache__"}
    listed = {name.rstrip("/") for name in names}
    assert rooms - listed <= {"__init__.py", "__main__.py", "_moved.py", "py.typed"}


def test_the_box_lists_every_entry_that_a_person_may_name():
    from narrows import classifiers, clustering, encoders, nets, projection
    from narrows.data.named import named

    (box,) = re.findall(r"^## What is in the box$(.*?)^```text$", TEXT, re.DOTALL | re.MULTILINE)
    registries = (nets.nets, classifiers.classifiers, encoders.encoders, clustering.methods, projection.methods, named)
    missing = {name for registry in registries for name in registry.names()} - set(re.findall(r"`([\w-]+)`", box))
    assert not missing
