"""Writing a run folder: what the run was started with, its steps, and the files merged from them.

A step owns its numbers and tables as it owns its files (see ``work/stages.py``). ``results.json``, ``tables.json`` and
``manifest.json`` are merged from the records of the steps whenever one ends, so lost or damaged ones are
written again, and a step that is stopped half-way leaves no trace in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from narrows.arguments import checked
from narrows.data.places import is_same
from narrows.disk.claims import MARK, OURS, claimed, locked, now
from narrows.disk.files import sha256, write_arrays, write_json, write_text
from narrows.disk.sealed import MANIFEST, Parts
from narrows.errors import RunFolderError
from narrows.runs import EDITS, EDITS_LOCK, EXPORTS, FORMAT, FORMER, Run, checked_manifest, is_finished
from narrows.training.settings import Settings
from narrows.work import environment
from narrows.work.stages import BEGUN, Stages

AGAIN = "Start again (--overwrite), or choose another folder (--out)."
MERGED = ("results.json", "tables.json")
MOST_NAMED = 3  # changed settings in a message


@contextmanager
def making(folder: str | Path, *, resume: bool = False, overwrite: bool = False) -> Iterator[Making]:
    """Open ``folder`` for writing while the block runs, locked against other processes.

    Parameters
    ----------
    resume, overwrite : whether an existing run is resumed or replaced

    Raises
    ------
    RunFolderError : the folder exists (unless ``resume`` or ``overwrite``), is no run folder, is in use, or cannot be
        written
    """
    path = Path(os.path.normpath(folder))  # "runs/.." is a folder that exists
    with claimed(
        path, "a run", MANIFEST, resume=resume, overwrite=overwrite, came_about=lambda: _came_about(path)
    ) as present:
        yield Making(path, replaces=present and overwrite)


class Making(Run):
    """A run folder that this process writes; see ``making``.

    Attributes
    ----------
    order : the steps of the run, one after the other, and the steps that each comes after
    untimed : those whose time is not among the run's numbers
    """

    order: Mapping[str, Sequence[str]]
    untimed: Collection[str]

    def __init__(self, folder: Path, *, replaces: bool) -> None:
        self.folder, self.trust_code = folder, False
        self.order, self.untimed, self.replaces = {}, (), replaces
        self.steps = Stages(folder)
        self._asked: dict[str, Any] = {}
        self._own: dict[str, str] = {}  # hashes of the files that are no step's
        self._now: dict[str, Any] = {"results": {}, "tables": {}, "notes": []}  # of the step that is being done
        self._results: dict[str, float | None] = {}
        self._tables: dict[str, Any] = {}
        try:
            self._manifest = checked_manifest(Parts(folder, None).json(MANIFEST), folder)
        except RunFolderError:  # there is none yet, or it is damaged: it is merged again
            self._manifest = {"format": FORMAT, "finished": False, "stages": {}, "files": {}}

    def begin(self, settings: Mapping[str, Any], settings_text: str, fingerprint: str) -> bool:
        """Record the settings and the data of the run; a resumed run must have the same.

        Parameters
        ----------
        settings : nested plain values; code that they name may be run (see ``registry``)
        settings_text : the same as TOML, for recipe.toml
        fingerprint : of the data

        Returns
        -------
        bool : whether there may be anything to do; a run finished by an earlier version is left unchanged

        Raises
        ------
        RunFolderError : the run was started with other settings or other data, or by an earlier version of narrows
        """
        self.trust_code = frozenset(_code_named_in(settings))
        found = environment.describe()
        path = self.folder / "environment.json"
        if self.replaces:
            _clear(self.folder)
        if self.replaces or not (path.exists() and (self.folder / "recipe.toml").exists()):
            if not self.replaces and _came_about(self.folder):
                raise RunFolderError(
                    str(self.folder),
                    "must contain recipe.toml and environment.json to be resumed",
                    remedy="Without them the run's settings are unknown: start again (--overwrite).",
                )
            self._manifest = {"format": FORMAT, "finished": False, "stages": {}, "files": {}}
            write_json(self.folder / MANIFEST, self._manifest)
            write_text(self.folder / "recipe.toml", settings_text)
            write_json(path, {"seed": settings["seed"], "started": now(), "data": fingerprint} | found)
        else:
            first = self._check_same(settings, fingerprint)
            if self._manifest.get("format", FORMER) != FORMAT:
                self._require_finished()
                return False
            other = {name: found[name] for name in ("python", "packages", "processor", "threads")}
            other = {name: value for name, value in other.items() if value != first.get(name)}
            write_json(path, first | {"resumed": [*first.get("resumed", []), {"at": now()} | other]})
        # As it was begun: what names the same file in other words is no other setting.
        plain = json.dumps(_settings(self.recipe), sort_keys=True, default=str)
        self._asked = {"format": FORMAT, "settings": hashlib.sha256(plain.encode()).hexdigest(), "rows": fingerprint}
        self._own = {name: sha256(self.folder / name) for name in ("recipe.toml", "environment.json")}
        self._merge()
        return True

    def step(
        self,
        name: str,
        work: Callable[[], Mapping[str, float | None]],
        files: Sequence[str] = (),
        began: float | None = None,
        asked: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Do a step unless it is done already.

        Parameters
        ----------
        name : of ``order``; the steps that it comes after are done
        work : does it, writes ``files``, and returns results under flat names; what it adds to tables is its own
        files : the files it writes, relative to the folder; a name with ``*`` stands for those that match at the end
        began : when its work began, by ``time.perf_counter``, if earlier
        asked : what else, beside settings and rows, its result depends on
        """

        def do() -> Mapping[str, Any]:
            # While they are being written, their hashes are unknown.
            known = self._manifest["files"]
            self._manifest["files"] = {path: known[path] for path in known if not any(fnmatch(path, p) for p in files)}
            self._now["results"] |= work()
            return self._now

        self._now = {"results": {}, "tables": {}, "notes": []}
        try:
            self.steps.do(name, do, asked={**self._asked, **asked}, after=self.order[name], files=files, began=began)
        finally:
            self._now = {"results": {}, "tables": {}, "notes": []}
        self._merge()

    def seal(self) -> None:
        """Mark the run as finished, and record the sha256 of every file that has none yet."""
        tops = (path for path in self.folder.iterdir() if not _is_a_persons(path))
        inside = (path for top in tops for path in ([top] if top.is_file() else top.rglob("*")))
        for path in sorted(inside):
            name = path.relative_to(self.folder).as_posix()
            passing = path.name in OURS or path.suffix in (".part", BEGUN)
            if path.is_file() and not passing and name not in {MANIFEST, *self._manifest["files"]}:
                self._own[name] = sha256(path)
        self._merge(finished=True)

    # What a step finds

    @property
    def manifest(self) -> dict[str, Any]:
        """The steps done, and the sha256 of every file."""
        return self._manifest

    @property
    def parts(self) -> Parts:
        """The files of the run; those that are being written have no hash yet."""
        return Parts(
            self.folder, self._manifest["files"], MANIFEST, whole=False, remedy="Start again with --overwrite."
        )

    @property
    def results(self) -> dict[str, float | None]:
        """The numbers found so far, flat name -> value."""
        results: dict[str, float | None] = self._results | self._now["results"]
        return results

    @property
    def tables(self) -> dict[str, Any]:
        """What the report shows beside numbers, as found so far."""
        tables: dict[str, Any] = self._tables | self._now["tables"]
        return tables

    def add_tables(self, tables: Mapping[str, Any]) -> None:
        """Add to what the step finds for tables.json."""
        self._now["tables"] |= tables

    def add_notes(self, notes: Sequence[str]) -> None:
        """Add sentences that the report should show, each once."""
        self._now["notes"] += notes

    def write_history(self, history: list[dict[str, float]]) -> None:
        """Write history.jsonl."""
        write_text(self.folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))

    def save_part(self, name: str, state: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
        """Write a fitted part: its arrays, and the registry name and arguments that made it."""
        write_arrays(self.folder / f"{name}.safetensors", state, made_by)

    def renew(self, name: str, write: Callable[[], object]) -> None:
        """Let ``write`` replace a file: the step that is being done owns it."""
        write()

    # What is merged

    def _merge(self, *, finished: bool = False) -> None:
        """Write results.json, tables.json and the manifest from the records of steps that are still valid."""
        results: dict[str, float | None] = {}
        tables: dict[str, Any] = {}
        notes: list[str] = []
        stages: dict[str, Any] = {}
        files, total = dict(self._own), 0.0
        for name, after in self.order.items():
            record = self.steps.current(name, after, self._asked)
            if record is None or not stages.keys() >= set(after):  # what it came after is to be done again itself
                continue
            results |= record.found["results"]
            tables |= record.found["tables"]
            notes += record.found["notes"]
            if name not in self.untimed:
                results[f"time/{name}_s"] = record.seconds
                total += record.seconds
            stages[name] = {"seconds": record.seconds, "files": dict(record.files)}
            files |= record.files
            files[self.steps.path(name).relative_to(self.folder).as_posix()] = record.digest
        if stages:
            results["time/total_s"] = total
            tables["notes"] = list(dict.fromkeys(notes))
        self._results, self._tables = dict(sorted(results.items())), tables
        for file, content in zip(MERGED, (self._results, self._tables), strict=True):
            write_json(self.folder / file, content)
            files[file] = sha256(self.folder / file)
        self._manifest = {"format": FORMAT, "finished": finished, "stages": stages, "files": files}
        write_json(self.folder / MANIFEST, self._manifest)

    # Going on

    def _check_same(self, settings: Mapping[str, Any], fingerprint: str) -> dict[str, Any]:
        """Return environment.json; raise RunFolderError if settings or data have changed since the start."""
        # It is written on each resume, before the manifest; a full disk may interrupt between the two.
        first = Parts(self.folder, None, remedy=AGAIN).json("environment.json")
        recipe = self.recipe
        if isinstance(recipe.get("train"), dict):  # a setting that the version of that time did not have yet
            recipe = recipe | {"train": checked(Settings, recipe["train"], "train.")}
        changed = _differences(_settings(recipe), _settings(settings))
        if first.get("data") != fingerprint:
            changed.append("the data")
        if changed:
            remedy, former = AGAIN, self.recipe["data"]["source"]
            if first.get("data") == fingerprint and any(one.startswith("data.source ") for one in changed):
                remedy = (
                    f"The rows are the same: name {former} as before, with a link there if they have moved. {AGAIN}"
                )
            more = [f"{len(changed) - MOST_NAMED} more"] if len(changed) > MOST_NAMED else []
            raise RunFolderError(
                "--resume",
                "needs the settings and data the run was started with, but some have changed",
                value=", ".join([*changed[:MOST_NAMED], *more]),
                remedy=remedy,
            )
        return first

    def _require_finished(self) -> None:
        """Raise RunFolderError unless a run of an earlier version is finished and undamaged."""
        if not is_finished(self._manifest):
            raise RunFolderError(
                "--resume",
                "needs a run that was started with this version of narrows",
                value=str(self.folder),
                remedy=f"An earlier version started it. {AGAIN}",
            )
        made = [file for stage in self._manifest["stages"].values() for file in stage["files"].items()]
        for name, digest in made:
            path = self.folder / name
            if not path.is_file() or sha256(path) != digest:
                raise RunFolderError(
                    str(path),
                    "must be the file that was written: an earlier version of narrows made the run, and "
                    "this version cannot repeat single steps of it",
                    remedy=AGAIN,
                )


def _came_about(folder: Path) -> bool:
    """Whether there is anything to resume: a checkpoint, or a step beyond the first, which opens the data."""
    return (folder / "checkpoints").exists() or len(list((folder / "steps").glob("*.json"))) > 1


def _settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that affect a run: all except the recipe's description."""
    return {key: value for key, value in recipe.items() if key != "description"}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    changed = []
    for key in sorted(old.keys() | new.keys(), key=lambda key: (key != "name", key)):  # the name says most
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            changed += _differences(a, b, f"{prefix}{key}.")
        elif a != b and not (prefix == "data." and _name_one_file(a, b)):
            changed.append(f"{prefix}{key} ({a} before, {b} now)")
    return changed


def _name_one_file(a: Any, b: Any) -> bool:
    return isinstance(a, str) and isinstance(b, str) and is_same(a, b)


def _code_named_in(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of code outside narrows that the settings contain."""
    names = [section["name"] for section in settings.values() if isinstance(section, Mapping) and "name" in section]
    return [name for name in names if ":" in name]


def _clear(folder: Path) -> None:
    """Empty a run folder except for its lock and its manifest, which identifies it if the clearing is interrupted.

    What a person made is kept: exports, and edits under another name, because the clusters they refer to are gone.

    Raises
    ------
    RunFolderError : an explorer is open, whose edits would be lost
    """
    refusal = partial(
        RunFolderError,
        "--overwrite",
        "cannot replace a run that is open in an explorer",
        value=str(folder),
        remedy="Stop `narrows explore` first, or choose another folder (--out).",
    )
    with locked(folder / EDITS_LOCK, refusal):
        if (folder / EDITS).exists():
            free = (folder / f"edits-{number}.jsonl" for number in range(1, 1_000_000))
            (folder / EDITS).rename(next(path for path in free if not path.exists()))
        for path in list(folder.iterdir()):
            if path.name not in (*OURS, MANIFEST) and not _is_a_persons(path):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_a_persons(path: Path) -> bool:
    """Whether a file of a run folder is a person's work, or the lock of it."""
    log = path.name.startswith("edits") and path.suffix == ".jsonl"
    return log or path.name in (EXPORTS, EDITS_LOCK, EDITS_LOCK + MARK)
