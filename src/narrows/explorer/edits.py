"""A person's edits: an append-only log in the run's folder, replayed on opening.

::

    {"format": 1, "run": "3f0c..."}                                     the first line: which clusters were changed
    {"n": 1, "at": "2025-01-31T12:00:00+00:00", "edit": {"what": "...", "move": [{"to": 3, "rows": [17, 20]}]}}
    {"n": 2, "at": "...", "edit": {"undo": true}}

A line is on disk before it is acknowledged, so a kill can only damage a last line that was never acknowledged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from narrows.disk.claims import locked, now
from narrows.disk.files import Array, naming, sweep, write_text
from narrows.disk.regular import NO_LINK, parse_json, read
from narrows.errors import InputError, RunFolderError
from narrows.runs import EDITS, EDITS_LOCK

FORMAT = 1
MOST_CLUSTERS = 10_000
LONGEST = 200  # characters of a name, or of the description of an edit
KEYS = {"what", "move", "names", "confirm", "undo", "redo"}


@dataclass(eq=False)
class State:
    """The clusters after all edits.

    Parameters
    ----------
    clusters : (N,) int32
    names : number of a cluster -> its name, for those that were named
    confirmed : (N,) bool, whether a person confirmed that a row is in the right cluster
    """

    clusters: Array
    names: dict[int, str] = field(default_factory=dict)
    confirmed: Array = field(default_factory=lambda: np.zeros(0, bool))

    def name(self, cluster: int) -> str:
        """Return the name of a cluster."""
        return self.names.get(cluster) or f"cluster {cluster}"


class EditLog:
    """The log of one run, which one process at a time may write.

    Parameters
    ----------
    folder : the run folder
    identity : identifies the clusters that are edited
    clusters : (N,), as they were found
    read_only : only read the existing edits, even if another process writes the log

    Raises
    ------
    RunFolderError : a log of other clusters, a damaged log, or one that another process writes
    """

    def __init__(self, folder: Path, identity: str, clusters: Array, *, read_only: bool = False) -> None:
        self.path, self._identity = folder / EDITS, identity
        self._found = clusters.astype(np.int32)
        self._lock = ExitStack()
        require_own(self.path)
        if read_only:
            self.edits = self._parsed(self._content()) if self.path.exists() else []
            return
        refusal = partial(
            RunFolderError, str(folder), "must not be open in another explorer", remedy="Close that one first."
        )
        with ExitStack() as lock:
            lock.enter_context(locked(folder / EDITS_LOCK, refusal))
            sweep(folder)
            self.edits = self._read()
            self._lock = lock.pop_all()  # locked from now on until ``close``

    def close(self) -> None:
        """Release the log."""
        self._lock.close()

    def append(self, edit: Mapping[str, Any]) -> int:
        """Check an edit, write it to disk, and return its number.

        Raises
        ------
        InputError : an invalid edit
        """
        checked = check(edit, len(self._found))
        line = {"n": len(self.edits) + 1, "at": now(), "edit": checked}
        written = json.dumps(line, separators=(",", ":")) + "\n"
        with naming(self.path, len(written)):
            _append(self.path, written)
        self.edits.append(checked)
        return len(self.edits)

    def state(self) -> State:
        """Return the clusters after all edits."""
        return replay(self._found, self.edits)

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            write_text(self.path, json.dumps({"format": FORMAT, "run": self._identity}) + "\n")
            return []
        content = self._content()
        edits = self._parsed(content)  # before anything is truncated, since it may not be a log at all
        size = content.rfind(b"\n") + 1
        if size < len(content):  # cut short by a kill before it was acknowledged
            with naming(self.path), os.fdopen(os.open(self.path, os.O_RDWR | NO_LINK), "r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())
        return edits

    def _content(self) -> bytes:
        return read(self.path, follow=False, refused=RunFolderError)

    def _parsed(self, content: bytes) -> list[dict[str, Any]]:
        whole = content[: content.rfind(b"\n") + 1]
        try:
            first, *lines = map(parse_json, whole.split(b"\n")[:-1])
            if first["format"] != FORMAT or [line["n"] for line in lines] != list(range(1, len(lines) + 1)):
                raise ValueError("lines that are not numbered consecutively")
            edits = [check(line["edit"], len(self._found)) for line in lines]
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                str(self.path),
                "must be a complete log of edits",
                value=f"{type(error).__name__}: {error}",
                remedy="Nothing was changed. Move the file away to start without its edits.",
            ) from error
        if first["run"] != self._identity:
            raise RunFolderError(
                str(self.path),
                "must contain edits of the current clusters, but the run was repeated since",
                remedy="Move the file away to start without its edits.",
            )
        return edits


def require_own(path: Path) -> None:
    """Raise RunFolderError if an entry of a run folder that belongs to the person is a link, a pipe or a device.

    Otherwise the maker of the folder could redirect what is written.
    """
    if path.is_symlink() or (path.exists() and not (path.is_file() or path.is_dir())):
        raise RunFolderError(
            str(path),
            "must be a regular file or folder, not a link, pipe or device",
            remedy="Nothing was changed. Move it away to start without it.",
        )


def replay(found: Array, edits: list[dict[str, Any]]) -> State:
    """Return the clusters (N,) after ``edits``, without those that were undone."""
    done: list[dict[str, Any]] = []
    undone: list[dict[str, Any]] = []
    for edit in edits:
        if edit.get("undo"):
            if done:
                undone.append(done.pop())
        elif edit.get("redo"):
            if undone:
                done.append(undone.pop())
        else:
            done.append(edit)
            undone.clear()
    state = State(found.copy(), {}, np.zeros(len(found), bool))
    for edit in done:
        for move in edit.get("move", ()):
            state.clusters[move["rows"]] = move["to"]
        state.names |= {int(cluster): name for cluster, name in edit.get("names", {}).items()}
        state.confirmed[edit.get("confirm", [])] = True
    return state


def check(edit: Any, rows: int) -> dict[str, Any]:
    """Return ``edit`` if it is valid for ``rows`` rows.

    Raises
    ------
    InputError : an invalid edit
    """

    def refuse(rule: str, value: object) -> InputError:
        return InputError("edit", rule, value=value)

    if not isinstance(edit, dict) or not edit or not edit.keys() <= KEYS:
        raise refuse(f"must be an object with some of {', '.join(sorted(KEYS))}", type(edit).__name__)
    if "undo" in edit or "redo" in edit:
        if edit not in ({"undo": True}, {"redo": True}):
            raise refuse("must contain nothing besides undo or redo", sorted(edit))
        return edit
    _check_text(edit.get("what", ""), "what", refuse)
    moves = edit.get("move", [])
    if not isinstance(moves, list):
        raise refuse("must give moves as a list", type(moves).__name__)
    for move in moves:
        if not isinstance(move, dict) or move.keys() != {"to", "rows"}:
            raise refuse('must give "to" and "rows" for each move', move)
        _check_numbers([move["to"]], MOST_CLUSTERS, "clusters", refuse)
        _check_numbers(move["rows"], rows, "rows", refuse)
    names = edit.get("names", {})
    if not isinstance(names, dict):
        raise refuse("must give names by cluster", type(names).__name__)
    for cluster, name in names.items():
        if len(cluster) > 6 or not cluster.isascii() or not cluster.isdigit() or int(cluster) >= MOST_CLUSTERS:
            raise refuse("must name clusters by their numbers", cluster)
        _check_text(name, "names", refuse)
    _check_numbers(edit.get("confirm", []), rows, "rows", refuse)
    return edit


def _check_text(text: Any, where: str, refuse: Any) -> None:
    plain = isinstance(text, str) and len(text) <= LONGEST and not any(ord(letter) < 32 for letter in text)
    if not plain or any(0xD800 <= ord(letter) < 0xE000 for letter in text):  # unpaired surrogates cannot be sent
        raise refuse(f"must have plain text of at most {LONGEST} characters in {where}", text)


def _check_numbers(numbers: Any, most: int, kind: str, refuse: Any) -> None:
    if not isinstance(numbers, list):
        raise refuse(f"must list {kind}", type(numbers).__name__)
    wrong = next((n for n in numbers if type(n) is not int or not 0 <= n < most), None)
    if wrong is not None:
        raise refuse(f"must name {kind} from 0 to {most - 1}", wrong)


def _append(path: Path, line: str) -> None:
    content = line.encode("utf-8")
    descriptor = os.open(
        path, os.O_WRONLY | os.O_APPEND | NO_LINK
    )  # if the log has disappeared, a new one must not start in the middle
    try:
        size = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)  # if the disk is full, the log stays as it was
            raise
    finally:
        os.close(descriptor)
