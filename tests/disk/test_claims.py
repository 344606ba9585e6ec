"""A folder that one process writes, on file systems of every kind."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from narrows.disk.claims import LOCK, MARK, claimed, contents, locked
from narrows.errors import RunFolderError, WriteError


def refusal():
    return RunFolderError("folder", "is in use")


@pytest.fixture(params=[errno.ENOLCK, errno.ENOTSUP, errno.EINVAL])
def without_locks(request, monkeypatch):
    """A file system without locks."""

    def refused(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refused)


def test_without_locks_a_file_stands_for_one(without_locks, tmp_path):
    with locked(tmp_path / LOCK, refusal):
        assert (tmp_path / (LOCK + MARK)).exists()
        with pytest.raises(RunFolderError, match="in use"), locked(tmp_path / LOCK, refusal):
            pass
    with locked(tmp_path / LOCK, refusal):
        assert contents(tmp_path) == set()
    assert not (tmp_path / (LOCK + MARK)).exists()


def test_without_locks_a_folder_is_claimed_and_left_as_it_was(without_locks, tmp_path):
    with claimed(tmp_path / "r", "a run", "manifest.json", came_about=lambda: True) as present:
        assert not present
        (tmp_path / "r" / "manifest.json").write_text("{}")
    with claimed(tmp_path / "r", "a run", "manifest.json", resume=True, came_about=lambda: True) as present:
        assert present


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_lock_that_is_no_file_is_named(tmp_path, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("somebody's")
    (tmp_path / LOCK).symlink_to(elsewhere) if kind == "link" else (tmp_path / LOCK).mkdir()
    with pytest.raises(RunFolderError, match=r"\.lock must be a file"), locked(tmp_path / LOCK, refusal):
        pass
    assert elsewhere.read_text() == "somebody's"


def test_whoever_claims_a_folder_sweeps_what_killed_writers_left_in_it(tmp_path):
    kill = (
        "import os, signal, sys; from narrows.disk.files import atomic_file\n"
        "with atomic_file(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "figures").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    for name in ("codes.npy", "figures/map.png"):
        subprocess.run([sys.executable, "-c", kill, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.rglob(".*.part"))) == 2
    with claimed(tmp_path, "a run", "manifest.json", resume=True, came_about=lambda: True):
        assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("name", ["film.mp4.part", ".film.part", ".film.mp4.PART-0123.part"])
def test_a_file_of_somebody_else_is_content_whatever_it_is_called(name, tmp_path):
    (tmp_path / name).write_bytes(b"half of it")
    with (
        pytest.raises(RunFolderError, match="must be a new folder"),
        claimed(tmp_path, "a run", "manifest.json", came_about=lambda: False),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_full_disk_is_not_called_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left"), claimed(tmp_path, "a run", "x", came_about=lambda: False):
        pass
