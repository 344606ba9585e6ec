"""Long work in steps, none of which is done twice: what a step is, when it is done, what repeating it discards.

A step has a name, the settings it depends on ("asked"), the steps that it comes after, and the files that it owns. At
its end it writes a record, atomically and as its last file::

    {"asked": {..., "after": ["sha256 of a record", ...]}, "files": {"codes.npy": "sha256"}, "seconds": 1.2, ...,
     "sha256": "of all the rest"}

together with its own numbers and tables. A step counts as done if its record matches what is asked, the records before
it are unchanged, and its files, including the record, have their hashes. So a stop at any moment leaves only complete
steps; repeating a step discards those that depend on it, and no others; and no two steps write the same file. Files
that combine steps (``results.json``) are merged from the records.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from narrows.disk.claims import LOCK, locked
from narrows.disk.files import Array, read_json, sha256, sweep, write_arrays, write_json
from narrows.disk.regular import MOST_TEXT, parse_json, read
from narrows.disk.sealed import Parts
from narrows.errors import Interrupted, RunFolderError
from narrows.work.progress import Progress
from narrows.work.threads import one_thread

OWN = frozenset({"asked", "files", "seconds", "sha256"})  # of a record; everything else in it is the step's result
BEGUN = ".begun"  # ends the name of the file that says that a step was begun, and what it has cost so far
FRESH = "Choose another folder, or delete this one to start again."

Arrays = dict[str, Array]
Notes = tuple[str, ...]


def never() -> int:
    """Report that no stop was requested."""
    return 0


@dataclass(frozen=True, eq=False)
class Record:
    """The record of a finished step.

    Parameters
    ----------
    asked : the settings it depends on, including the digests of the records before it
    files : the files it owns, by their names in the folder, and their sha256
    seconds : its duration, including stopped attempts
    found : what it found
    digest : sha256 of the record itself
    """

    asked: Mapping[str, Any]
    files: Mapping[str, str]
    seconds: float
    found: Mapping[str, Any]
    digest: str


class Stages:
    """Steps in a folder, or in memory without one.

    Parameters
    ----------
    folder : of the files that steps own; None keeps everything in memory
    progress : shows what is going on
    stop : called before every step; returns the number of the signal that asked to stop, 0 for none
    records : the path of a step's record in the folder
    """

    def __init__(
        self,
        folder: Path | None = None,
        progress: Progress | None = None,
        stop: Callable[[], int] = never,
        *,
        records: str = "steps/{}.json",
    ) -> None:
        self.folder, self.progress, self.stop = folder, progress or Progress(), stop
        self._where = records
        self._records: dict[str, Record] = {}  # read or left by this process
        self._held: dict[str, Arrays] = {}  # where there is no folder to keep them in

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder while the block runs.

        Raises
        ------
        RunFolderError : one is in it
        """
        if self.folder is None:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        refusal = partial(
            RunFolderError,
            str(self.folder),
            "must not be in use by another process",
            remedy="Wait until it has ended, or choose another folder.",
        )
        with locked(self.folder / LOCK, refusal):
            sweep(self.folder)
            yield

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Keep what all steps together are asked for; what a folder holds must have been asked for the same.

        Raises
        ------
        RunFolderError : the steps in the folder are those of something else
        """
        self._records.clear()  # they are of what was asked before
        self._held.clear()
        if self.folder is None:
            return
        wanted = _plain(asked)
        path = self.folder / "begun.json"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            others = sorted(found.name for found in self.folder.iterdir() if found.name[0] != ".")
            if others:
                raise RunFolderError(
                    str(self.folder),
                    "must be empty or contain the steps of the same work",
                    value=", ".join(others[:5]),
                    remedy=FRESH,
                )
            write_json(path, wanted)
            return
        before = Parts(self.folder, None, remedy=FRESH).json(path.name)
        changed = sorted(key for key in wanted.keys() | before.keys() if wanted.get(key) != before.get(key))
        if changed:
            raise RunFolderError(
                str(self.folder),
                "must contain the steps of the same work; changed",
                value=", ".join(changed),
                remedy=FRESH,
            )

    def do(
        self,
        name: str,
        work: Callable[[], Mapping[str, Any]],
        *,
        asked: Mapping[str, Any] | None = None,
        after: Sequence[str] = (),
        files: Sequence[str] = (),
        began: float | None = None,
        clear: Callable[[], object] | None = None,
    ) -> Record:
        """Do a step unless it is done, and return its record.

        Parameters
        ----------
        name : of the step
        work : does it, writes ``files``, and returns its results as plain values
        asked : the settings it depends on; a step with other settings is a different step
        after : the steps whose results it uses, which are done
        files : those it owns, by their names in the folder; ``*`` and ``**`` stand for those that match at the end
        began : when its work began, by ``time.perf_counter``, if earlier
        clear : called first if the files are from other settings; unfinished work of the same step is kept

        Raises
        ------
        Interrupted : ``stop`` said so, or ``work`` raised it; done steps stay done
        """
        wanted = _plain(asked or {}) | ({"after": [self.digest(other) for other in after]} if after else {})
        if (found := self.record(name)) is not None and self._answers(found, wanted, files):
            self._records[name] = found
            return found
        if signal := self.stop():
            raise Interrupted(signal, f"stopped before {name}; with a folder, finished steps are kept")
        if clear is not None and (found is None or found.asked != wanted) and self._spent(name, wanted) is None:
            clear()
        spent = self._begin(name, wanted)
        start = time.perf_counter() if began is None else began
        try:
            with one_thread():
                made = _plain(work())
        except BaseException:  # a signal above all: what a step has cost so far is part of what it costs
            with suppress(OSError):  # a full disk is reported as what stopped the work
                self._note(name, wanted, spent + time.perf_counter() - start)
            raise
        return self._leave(name, wanted, files, spent + time.perf_counter() - start, made)

    def arrays(
        self,
        name: str,
        make: Callable[[], tuple[Mapping[str, Array], Sequence[str]]],
        *,
        after: Sequence[str] | None = None,
    ) -> tuple[Arrays, Notes]:
        """Do a step that finds arrays and notes, and return them.

        Parameters
        ----------
        after : the steps whose results it uses; None for all that are done
        """
        file = f"{name}.safetensors"

        def work() -> Mapping[str, Any]:
            with self.progress.task(name):
                arrays, notes = make()
            self._held[name] = dict(arrays)
            if self.folder is not None:
                write_arrays(self.folder / file, arrays)
            return {"notes": list(notes)}

        files = [] if self.folder is None else [file]
        done = self.do(name, work, after=self.before(name) if after is None else after, files=files)
        if self.folder is None:
            return self._held[name], tuple(done.found["notes"])
        arrays = self._held.pop(name, None)
        if arrays is None:
            arrays, _ = Parts(self.folder, done.files).arrays(file)
        return arrays, tuple(done.found["notes"])

    def before(self, name: str) -> tuple[str, ...]:
        """Return the steps that this process did, or found done, before the step ``name``."""
        return tuple(takewhile(lambda other: other != name, self._records))

    def record(self, name: str) -> Record | None:
        """Return a step's record, whatever its settings; None if it is not done or its record is damaged."""
        if name in self._records or self.folder is None:
            return self._records.get(name)
        path = self.path(name)
        try:
            return _parsed(read(path, most=MOST_TEXT))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def current(self, name: str, after: Iterable[str], asked: Mapping[str, Any] | None = None) -> Record | None:
        """Return what a step left, if it came after the very records that there are of the steps ``after``."""
        found, digests = self.record(name), [self.digest(other) for other in after]
        if found is None or found.asked.get("after", []) != digests:
            return None
        return found if _plain(asked or {}).items() <= found.asked.items() else None

    def digest(self, name: str) -> str:
        """Return the sha256 of a step's record; "" if it is not done."""
        found = self.record(name)
        return "" if found is None else found.digest

    def path(self, name: str) -> Path:
        """Return the path of a step's record.

        Raises
        ------
        ValueError : there is no folder
        """
        if self.folder is None:
            raise ValueError("steps in memory have no files")
        return self.folder / self._where.format(name)

    def renew(self, name: str, file: str) -> None:
        """Keep the new hash of a file of a step that was written again by whoever may."""
        found = self.record(name)
        if found is not None and self.folder is not None and file in found.files:
            files = dict(found.files) | {file: sha256(self.folder / file)}
            self._write(name, found.asked, files, found.seconds, found.found)

    def _answers(self, found: Record, wanted: Mapping[str, Any], files: Sequence[str]) -> bool:
        if found.asked != wanted:
            return False
        if self.folder is None:
            return True
        if not {file for file in files if "*" not in file} <= found.files.keys():
            return False  # an earlier version's, which wrote fewer files
        paths = {self.folder / file: digest for file, digest in found.files.items()}
        return all(path.is_file() and sha256(path) == digest for path, digest in paths.items())

    def _begin(self, name: str, wanted: Mapping[str, Any]) -> float:
        """Remove the record of a step that is about to be done; return the seconds it has taken so far."""
        self._records.pop(name, None)
        if self.folder is None:
            return 0.0
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        spent = self._spent(name, wanted) or 0.0
        self._note(name, wanted, spent)
        return spent

    def _spent(self, name: str, wanted: Mapping[str, Any]) -> float | None:
        """Return the seconds that a stopped step with these settings has taken; None if there is none."""
        if self.folder is None:
            return None
        try:
            before = read_json(self.path(name).with_suffix(BEGUN))
            return float(before["seconds"]) if before["asked"] == wanted else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _note(self, name: str, wanted: Mapping[str, Any], seconds: float) -> None:
        if self.folder is not None and self.path(name).parent.is_dir():
            write_json(self.path(name).with_suffix(BEGUN), {"asked": dict(wanted), "seconds": seconds})

    def _leave(
        self, name: str, asked: Mapping[str, Any], files: Sequence[str], seconds: float, found: Mapping[str, Any]
    ) -> Record:
        owned: dict[str, str] = {}
        if self.folder is not None:
            paths = {path for pattern in files for path in self.folder.glob(pattern) if path.is_file()}
            owned = {path.relative_to(self.folder).as_posix(): sha256(path) for path in sorted(paths)}
        return self._write(name, asked, owned, seconds, found)

    def _write(
        self, name: str, asked: Mapping[str, Any], files: Mapping[str, str], seconds: float, found: Mapping[str, Any]
    ) -> Record:
        content = {"asked": dict(asked), "files": dict(files), "seconds": seconds, **found}
        content["sha256"] = _digest(content)
        if self.folder is not None:
            write_json(self.path(name), content)
            self.path(name).with_suffix(BEGUN).unlink(missing_ok=True)
            self._records[name] = _parsed(read(self.path(name), most=MOST_TEXT))
        else:
            self._records[name] = _parsed(json.dumps(content).encode())
        return self._records[name]


def _parsed(content: bytes) -> Record:
    found = parse_json(content)
    if found.pop("sha256", None) not in (None, _digest(found)):  # former studies kept none
        raise ValueError("its content is not what was written")
    files, seconds = found.get("files", {}), float(found["seconds"])
    if not all(isinstance(digest, str) for digest in files.values()):
        raise ValueError("files must have hashes")
    rest = {key: value for key, value in found.items() if key not in OWN}
    return Record(dict(found["asked"]), dict(files), seconds, rest, hashlib.sha256(content).hexdigest())


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they are read from JSON again; NumPy's numbers are numbers, too, and NaN and infinity None."""
    text = json.dumps(dict(values), default=np.generic.item)
    plain: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return plain
