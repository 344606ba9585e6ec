"""A folder that one process writes: who has it, and what may be done to what lies there already.

The lock is taken before anything is looked at: what another process is writing must be neither judged nor deleted.
Whoever holds it says so in ``.holder``, for the messages of others. A folder in which nothing came about is left as it
was found.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from narrows.disk.files import read_json, sweep, write_json
from narrows.disk.sealed import HELD
from narrows.errors import RunFolderError

LOCK = ".lock"
MARK = ".held"  # ends the name of the file that stands for a lock where the file system has none
OURS = frozenset({LOCK, LOCK + MARK, HELD})  # in a folder while a process has it
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked(file: Path, refusal: Callable[[], RunFolderError], *, wait: float = 0) -> Iterator[None]:
    """Hold the lock ``file`` while the block runs.

    On a file system without locks a file that is there stands for one; that of a process that was killed is known by
    its number.

    Parameters
    ----------
    file : of the lock, in a folder that is there
    refusal : makes the error that says who has it
    wait : seconds to wait for whoever has it

    Raises
    ------
    RunFolderError : the ``refusal``, where another process has it all that time; or ``file`` is a link or a folder
    OSError : the file cannot be written
    """
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

    lock: BaseFileLock = FileLock(file, timeout=wait)
    try:
        try:
            lock.acquire()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            lock = SoftFileLock(file.with_name(file.name + MARK), timeout=wait)
            lock.acquire()
    except Timeout as error:
        raise refusal() from error
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR):
            raise
        raise RunFolderError(
            str(file), "must be a file, which is locked while the folder is written", value=error.strerror,
            remedy="Delete it.",
        ) from error  # fmt: skip
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(
    folder: Path,
    kind: str,
    marker: str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    came_about: Callable[[], bool],
) -> Iterator[bool]:
    """Keep every other process out of ``folder`` while the block runs; gives whether something is there already.

    Parameters
    ----------
    folder : made if it is not there
    kind : what belongs there, such as "a run"
    marker : the file by which such a folder is known, whatever is in it
    resume, overwrite : whether what is there may be gone on with, or replaced; replacing it is left to the block
    came_about : asked at the end whether there is something to go on from; if there was nothing at the start and there
        is nothing now, whatever is in the folder goes, and the folder if it was made

    Raises
    ------
    RunFolderError : the folder holds something else, is in use, cannot be written, or something is there that may be
        neither gone on with nor replaced
    """
    if resume and overwrite:
        raise RunFolderError("--resume and --overwrite", "exclude each other", value=str(folder))
    made = not folder.exists()
    empty = False  # nothing is known yet of what may lie there
    with ExitStack() as lock:
        with _writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_other(folder, kind, marker)  # without so much as a lock in what is none of ours
            lock.enter_context(locked(folder / LOCK, lambda: RunFolderError(
                "--out", f"must not be in use by another process that writes {kind}", value=str(folder),
                remedy=holder(folder),
            )))  # fmt: skip
        try:
            sweep(folder)
            present = _refuse_other(folder, kind, marker)
            empty = not present
            if present and not (resume or overwrite):
                raise RunFolderError(
                    "--out", "must not exist yet, so that nothing is lost", value=str(folder),
                    remedy="Go on with it (--resume), replace it (--overwrite), or choose another folder (--out).",
                )  # fmt: skip
            with _writable(folder):
                write_json(folder / HELD, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
            yield bool(present)
        finally:
            with suppress(OSError):  # a disk may be full or gone
                (folder / HELD).unlink(missing_ok=True)
                if empty and not came_about():
                    _empty(folder, whole=made)


def holder(folder: Path) -> str:
    """Return a sentence on who has ``folder``."""
    try:
        found = read_json(folder / HELD)
        return f"Process {found['pid']} on {found['host']} has had it since {found['since']}."
    except (OSError, ValueError, KeyError, TypeError):
        return "Another process has just taken it."


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def contents(folder: Path) -> set[str]:
    """Return the names in ``folder``, but for what whoever has it leaves there, and files that were never finished."""
    return {path.name for path in folder.iterdir() if path.name not in OURS and not path.name.endswith(".part")}


def _refuse_other(folder: Path, kind: str, marker: str) -> set[str]:
    """Return what is in ``folder``; raise RunFolderError where it is something else."""
    present = contents(folder)
    if present and marker not in present:
        raise RunFolderError(
            "--out", f"must be a new folder or that of {kind}", value=str(folder),
            remedy="Nothing in it was touched. Choose another folder.",
        )  # fmt: skip
    return present


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            "--out", "must be a folder that can be written", value=str(folder), remedy=f"{error.strerror}."
        ) from error


def _empty(folder: Path, *, whole: bool) -> None:
    """Take back what was written to a folder that held nothing before."""
    import shutil

    for path in folder.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if whole:
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
