"""A folder that one process writes: who holds it, and what may be done to files that are already in it.

The lock is taken before anything is looked at: what another process is writing must be neither judged nor deleted.
Whoever holds it says so in ``.holder``, for the messages of others. A folder in which nothing was made is left as it
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

from narrows.disk.files import FULL, UNFINISHED, read_json, sweep, write_json
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
    wait : seconds to wait while another process holds it

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
            str(file),
            "must be a file: it is locked while the folder is written",
            value=error.strerror,
            remedy="Delete it.",
        ) from error
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
    marker : the file that identifies such a folder
    resume, overwrite : whether existing content may be resumed or replaced; the block does the replacing
    came_about : called at the end: is there anything to resume? If the folder was empty at the start and there is not,
        its content is deleted, and the folder too if it was made here

    Raises
    ------
    RunFolderError : the folder holds something else, is in use, cannot be written, or its content may be
        neither resumed nor replaced
    """
    if resume and overwrite:
        raise RunFolderError("--resume and --overwrite", "cannot be given together", value=str(folder))
    made = not folder.exists()
    empty = False  # not known yet
    with ExitStack() as lock:
        with _writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_other(folder, kind, marker)  # before a lock file is put into a folder that is not ours
            lock.enter_context(
                locked(
                    folder / LOCK,
                    lambda: RunFolderError(
                        "--out",
                        f"must not be in use by another process that is writing {kind}",
                        value=str(folder),
                        remedy=holder(folder),
                    ),
                )
            )
        try:
            sweep(folder)
            present = _refuse_other(folder, kind, marker)
            empty = not present
            if present and not (resume or overwrite):
                raise RunFolderError(
                    "--out",
                    "must not exist yet, so that nothing is overwritten",
                    value=str(folder),
                    remedy="Continue it (--resume), replace it (--overwrite), or choose another folder (--out).",
                )
            with _writable(folder):
                write_json(folder / HELD, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
            yield bool(present)
        finally:
            with suppress(OSError):  # a disk may be full or gone
                (folder / HELD).unlink(missing_ok=True)
                if empty and not came_about():
                    _empty(folder, whole=made)


def holder(folder: Path) -> str:
    """Return a sentence about the process that holds ``folder``."""
    try:
        found = read_json(folder / HELD)
        return f"Process {found['pid']} on {found['host']} has been using it since {found['since']}."
    except (OSError, ValueError, KeyError, TypeError):
        return "Another process has just started to use it."


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def contents(folder: Path) -> set[str]:
    """Return the names in ``folder`` without lock files and unfinished files."""
    return {path.name for path in folder.iterdir() if path.name not in OURS and not UNFINISHED.fullmatch(path.name)}


def _refuse_other(folder: Path, kind: str, marker: str) -> set[str]:
    """Return what is in ``folder``; raise RunFolderError where it is something else."""
    present = contents(folder)
    if present and marker not in present:
        raise RunFolderError(
            "--out",
            f"must be a new folder or the folder of {kind}",
            value=str(folder),
            remedy="Nothing in it was touched. Choose another folder.",
        )
    return present


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:  # another folder of the same disk is as full
            raise
        raise RunFolderError(
            "--out", "must be a writable folder", value=str(folder), remedy=f"{error.strerror}."
        ) from error


def _empty(folder: Path, *, whole: bool) -> None:
    """Undo what was written to a folder that was empty before."""
    import shutil

    for path in folder.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if whole:
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
