"""A verb does its work even if its output cannot be written."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from narrows.cli._streams import enduring
from narrows.work.progress import PlainProgress

NARROWS = [sys.executable, "-m", "narrows"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "a≤b.npy", np.random.default_rng(0).normal(size=(60, 4)))
    return folder / "a≤b.npy"


def asked(rows, out):
    return [
        *NARROWS,
        "run",
        "--data",
        str(rows),
        "--set",
        "train.epochs=1",
        "--set",
        "projection.name=pca",
        "--out",
        out,
    ]


def gone():
    """Return the end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.parametrize(
    "streams",
    [
        lambda: {"stdout": gone(), "stderr": gone()},
        pytest.param(
            lambda: {"stdout": os.open("/dev/full", os.O_WRONLY), "stderr": os.open("/dev/full", os.O_WRONLY)},
            marks=pytest.mark.slow,
        ),
        pytest.param(lambda: {"preexec_fn": lambda: [os.close(1), os.close(2)]}, marks=pytest.mark.slow),
    ],
    ids=["nobody reads", "the disk is full", "closed"],
)
def test_a_run_ends_well_whatever_becomes_of_its_output(rows, tmp_path, streams):
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    given = streams()
    done = subprocess.run(asked(rows, str(tmp_path / "r")), check=False, **given)
    for end in ("stdout", "stderr"):
        if end in given:
            os.close(given[end])
    assert done.returncode == 0
    assert (tmp_path / "r" / "report.html").is_file()


def test_what_the_encoding_lacks_is_written_out(rows, tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run([*NARROWS, "data", "info", str(rows)], check=False, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert rb"a\u2264b.npy" in done.stdout


def test_the_streams_are_given_back_as_they_were(capsys):
    before = sys.stdout, sys.stderr
    with enduring():
        print("one \N{LESS-THAN OR EQUAL TO} two")
        print("three", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    print("four")
    said = capsys.readouterr()
    assert said.out.endswith("two\nfour\n")
    assert said.err == "three\n"


def test_progress_that_cannot_be_shown_is_no_reason_to_stop():
    stream = io.StringIO()
    stream.close()
    progress = PlainProgress(stream=stream)
    progress.say("nobody hears this")
    with progress.task("work", 3) as task:
        task.advance()
