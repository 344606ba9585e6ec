"""The run folder: where the report, the command line and later work on a run meet.

::

    recipe.toml        every setting, defaults written out      environment.json   versions, seed, hardware, git state
    results.json       flat name -> number                      tables.json        what the report shows beside numbers
    history.jsonl      one row per epoch                        manifest.json      stages done, sha256 of every file
    model.safetensors  config.json  README.md (model card)      checkpoints/       last, previous, best
    codes.npy  clusters.npy  map.npy  neighbours.npz            predictions.csv    id, path, split, cluster, ...
    clusterer, projector, sampler, baseline .safetensors         what new data need
    figures/*.png      report.html  explorer.html               exports/  edits.jsonl  what a person did in the explorer
    duplicates.csv     groups of copies: group, id, kind, ...

A folder belongs to one process at a time (``.lock``). Every file is written atomically, and a stage counts as done only
while all its files have the content they had when it ended.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from narrows import environment
from narrows.data.open import open as open_source
from narrows.errors import DataError, RunFolderError
from narrows.files import read_arrays, read_json, sha256, write_arrays, write_json, write_text
from narrows.registry import Registry, Trust

if TYPE_CHECKING:
    from narrows.clustering import Clusterer
    from narrows.codes import CodeDistribution
    from narrows.data.dataset import Dataset
    from narrows.evaluation.baseline import PCABaseline
    from narrows.model import Model
    from narrows.projection import Projection


OURS_ALWAYS = {".lock", ".holder"}  # in a folder while a run has it
EDITS, EDITS_LOCK, EXPORTS = "edits.jsonl", ".edits.lock", "exports"  # of a person, in the explorer
STARTED_WITH = ("manifest.json", "recipe.toml", "environment.json", "results.json", "tables.json")


class Run:
    """A run folder, opened for reading. ``Run.create`` opens one for writing.

    Parameters
    ----------
    folder : of the run
    trust_code : allow the saved model to name code outside narrows (see ``registry``)

    Raises
    ------
    RunFolderError : there is no run in ``folder``
    """

    def __init__(self, folder: str | Path, *, trust_code: Trust = False) -> None:
        self.folder = Path(folder)
        self.trust_code = trust_code
        self._replaces = False
        if not (self.folder / "manifest.json").is_file():
            raise RunFolderError(
                "run folder", "must be one that narrows wrote (with manifest.json)", value=str(folder),
                remedy="`narrows run` makes one.",
            )  # fmt: skip
        self.manifest: dict[str, Any] = _read(read_json, self.folder / "manifest.json")

    @classmethod
    @contextmanager
    def create(cls, folder: str | Path, *, resume: bool = False, overwrite: bool = False) -> Iterator[Run]:
        """Open ``folder`` for writing while the block runs, and keep every other process out.

        Raises
        ------
        RunFolderError : the folder exists (unless ``resume`` or ``overwrite``), is no run folder, is in use, or cannot
            be written
        """
        from filelock import FileLock, Timeout

        if resume and overwrite:
            raise RunFolderError("--resume and --overwrite", "exclude each other", value=str(folder))
        folder = Path(os.path.normpath(folder))  # "runs/.." is a folder that exists
        made = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            present = {path.name for path in folder.iterdir() if not path.name.endswith(".part")} - OURS_ALWAYS
            if present and "manifest.json" not in present:
                raise RunFolderError(
                    "--out", "must be a new folder or that of a run", value=str(folder),
                    remedy="Nothing in it was touched. Choose another folder.",
                )  # fmt: skip
            lock = FileLock(folder / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise RunFolderError(
                "--out", "must not be in use by another run", value=str(folder), remedy=_holder(folder)
            ) from error
        except OSError as error:
            raise RunFolderError(
                "--out", "must be a folder that can be written", value=str(folder), remedy=f"{error.strerror}."
            ) from error
        try:
            if present and not (resume or overwrite):
                raise RunFolderError(
                    "--out", "must not exist yet, so that no run is lost", value=str(folder),
                    remedy="Go on with it (--resume), replace it (--overwrite), or choose another folder (--out).",
                )  # fmt: skip
            write_json(folder / ".holder", {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
            if not present:
                write_json(folder / "manifest.json", {"stages": {}, "files": {}})
            run = cls(folder)
            run._replaces = bool(present) and overwrite
            yield run
        finally:
            (folder / ".holder").unlink(missing_ok=True)
            if made or not present:
                _remove_if_nothing(folder, made)
            lock.release()

    def begin(self, settings: Mapping[str, Any], settings_text: str, fingerprint: str) -> None:
        """Keep the settings and what the run is made on; a run that goes on must have the same settings and data.

        Parameters
        ----------
        settings : nested plain values; code that they name may be run (see ``registry``)
        settings_text : the same as TOML, for recipe.toml
        fingerprint : of the data

        Raises
        ------
        RunFolderError : the run was started with other settings or other data
        """
        self.trust_code = frozenset(_code_named_in(settings))
        path = self.folder / "environment.json"
        found = environment.describe()
        if self._replaces:
            _clear(self.folder)
            self.manifest = {"stages": {}, "files": {}}
            write_json(self.folder / "manifest.json", self.manifest)
        if not path.exists() or not (self.folder / "recipe.toml").exists():
            if self.manifest["stages"] or (self.folder / "checkpoints").exists():
                raise RunFolderError(
                    str(self.folder), "must hold recipe.toml and environment.json to be gone on with",
                    remedy="Without them nobody knows how the run was started: start again (--overwrite).",
                )  # fmt: skip
            write_text(self.folder / "recipe.toml", settings_text)
            write_json(path, {"seed": settings["seed"], "started": now(), "data": fingerprint} | found)
            return
        before = _read(lambda file: tomllib.loads(file.read_text(encoding="utf-8")), self.folder / "recipe.toml")
        first = _read(read_json, path)
        changed = _differences(before, settings)
        if first["data"] != fingerprint:
            changed.append("the data")
        if changed:
            raise RunFolderError(
                "--resume", "must find the settings and data the run was started with; changed",
                value=", ".join(changed), remedy="Choose another folder (--out), or start again (--overwrite).",
            )  # fmt: skip
        parts = ("python", "packages", "processor", "threads")
        other = {name: found[name] for name in parts if found[name] != first[name]}
        write_json(path, first | {"resumed": [*first.get("resumed", []), {"at": now()} | other]})
        # The numbers and tables of stages that are done are in two files that all stages share.
        for name in ("results.json", "tables.json"):
            kept = self.folder / name
            if self.manifest["stages"] and not (kept.is_file() and sha256(kept) == self.manifest["files"].get(name)):
                self.manifest["stages"] = {}  # training goes on from its last checkpoint, and so ends at once

    # Stages

    def stage(self, name: str, work: Callable[[], Mapping[str, float | None]], files: list[str]) -> bool:
        """Do ``work`` unless it is done already; keep the numbers it returns in results.json.

        Parameters
        ----------
        name : of the stage
        work : does it, writes ``files``, and returns results under flat names
        files : the files it writes, relative to the folder; a name with ``*`` stands for those that match at the end

        Returns
        -------
        bool : whether the work was done now rather than before
        """
        if self._is_done(name):
            return False
        # What stands after this stage was computed from its former files.
        names = list(self.manifest["stages"])
        for later in names[names.index(name) :] if name in names else []:
            del self.manifest["stages"][later]
        start = time.perf_counter()
        results = work()
        seconds = time.perf_counter() - start
        self.add_results(dict(results) | {f"time/{name}_s": seconds})
        written = sorted(path for pattern in files for path in self.folder.glob(pattern))
        hashes = {path.relative_to(self.folder).as_posix(): sha256(path) for path in written}
        self.manifest["stages"][name] = {"seconds": seconds, "files": hashes}
        self.seal()
        return True

    def _is_done(self, name: str) -> bool:
        entry = self.manifest["stages"].get(name)
        if entry is None:
            return False
        files = {self.folder / file: digest for file, digest in entry["files"].items()}
        return all(path.is_file() and sha256(path) == digest for path, digest in files.items())

    def seal(self) -> None:
        """Write the manifest: the stages done, and the sha256 of every file."""
        skip = {"manifest.json", *OURS_ALWAYS}
        tops = (path for path in self.folder.iterdir() if not _is_a_persons(path))
        inside = (path for top in tops for path in ([top] if top.is_file() else top.rglob("*")))
        paths = [path for path in sorted(inside) if path.is_file() and path.suffix != ".part" and path.name not in skip]
        self.manifest["files"] = {path.relative_to(self.folder).as_posix(): sha256(path) for path in paths}
        write_json(self.folder / "manifest.json", self.manifest)

    # Numbers and tables

    @property
    def results(self) -> dict[str, float | None]:
        """The numbers found so far, flat name -> value."""
        path = self.folder / "results.json"
        results: dict[str, float | None] = read_json(path) if path.exists() else {}
        return results

    def add_results(self, numbers: Mapping[str, float | None]) -> None:
        """Add to results.json."""
        write_json(self.folder / "results.json", dict(sorted((self.results | dict(numbers)).items())))

    @property
    def tables(self) -> dict[str, Any]:
        """What the report shows beside numbers."""
        path = self.folder / "tables.json"
        tables: dict[str, Any] = read_json(path) if path.exists() else {}
        return tables

    def add_tables(self, tables: Mapping[str, Any]) -> None:
        """Add to tables.json."""
        write_json(self.folder / "tables.json", self.tables | dict(tables))

    @property
    def history(self) -> list[dict[str, float]]:
        """One row per epoch of training."""
        path = self.folder / "history.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def add_notes(self, notes: Sequence[str]) -> None:
        """Add sentences that the report should show, each once."""
        self.add_tables({"notes": list(dict.fromkeys([*self.tables.get("notes", []), *notes]))})

    def write_history(self, history: list[dict[str, float]]) -> None:
        """Write history.jsonl."""
        write_text(self.folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))

    # What the run learned

    def model(self) -> Model:
        """Return the trained model."""
        from narrows.model import Model

        return Model.load(self.folder, trust_code=self.trust_code)

    def clusterer(self) -> Clusterer:
        """Return the fitted clusterer."""
        from narrows.clustering import methods

        clusterer: Clusterer = self._load_part("clusterer", methods)
        return clusterer

    def projection(self) -> Projection:
        """Return the fitted map."""
        from narrows.projection import methods

        projection: Projection = self._load_part("projector", methods)
        return projection

    def baseline(self) -> PCABaseline:
        """Return the PCA that the model is compared with."""
        from narrows.evaluation.baseline import PCABaseline

        arrays, made_by = self._read_part("baseline")
        return PCABaseline.from_state(arrays, made_by["shape"])

    def code_distribution(self) -> CodeDistribution:
        """Return the distribution fitted to the training codes."""
        from narrows.codes import CodeDistribution

        return CodeDistribution.from_state(self._read_part("sampler")[0])

    def save_part(self, name: str, state: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
        """Write a fitted part: its arrays, and the registry name and arguments that made it."""
        write_arrays(self.folder / f"{name}.safetensors", state, made_by)

    def open_source(self, source: Any, **options: Any) -> Dataset:
        """Open new data as the run's own were opened.

        The same size, channels, fit, white and columns, the same key and label column. ``options`` are those of
        ``narrows.open`` and come before the run's own. Labels that the new data lack are done without.
        """
        own: dict[str, Any] = dict(_read(read_json, self.folder / "config.json")["preprocessing"])
        recipe = _read(lambda file: tomllib.loads(file.read_text(encoding="utf-8")), self.folder / "recipe.toml")
        path = Path(source) if isinstance(source, str | os.PathLike) else None
        if path is not None and path.suffix in (".npz", ".mat") and "key" in recipe["data"]:
            own["key"] = recipe["data"]["key"]
        labels = recipe["data"]["labels"]
        if labels in ("none", "folders") or Path(labels).is_file():
            labels = "auto"  # these speak of the run's own rows
        try:
            return open_source(source, **(own | {"labels": labels} | options))
        except DataError as error:
            if error.parameter != "labels" or "labels" in options:
                raise
            return open_source(source, **(own | {"labels": "none"} | options))

    def _load_part(self, name: str, registry: Registry) -> Any:
        arrays, made_by = self._read_part(name)
        entry = registry.get(made_by["name"], trusted=self.trust_code)
        return entry.from_state(arrays, **{key: value for key, value in made_by.items() if key != "name"})

    def _read_part(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        path = self.folder / f"{name}.safetensors"
        if not path.exists():
            raise RunFolderError(
                str(self.folder), f"must have its {name} ({path.name})",
                remedy="Finish the run with `narrows run --resume`.",
            )  # fmt: skip
        arrays, made_by = _read(read_arrays, path)
        return arrays, made_by


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    changed = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            changed += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            changed.append(f"{prefix}{key} ({a} before, {b} now)")
    return changed


def _holder(folder: Path) -> str:
    try:
        holder = read_json(folder / ".holder")
        return f"Process {holder['pid']} on {holder['host']} has had it since {holder['since']}."
    except (OSError, ValueError, KeyError):
        return "Another process has just taken it."


def _remove_if_nothing(folder: Path, made: bool) -> None:
    """Take back what a run wrote that ended before there was anything to go on from; its folder too if it made it."""
    if (folder / "checkpoints").exists() or read_json(folder / "manifest.json")["stages"]:
        return
    for name in STARTED_WITH:
        (folder / name).unlink(missing_ok=True)
    if made and not any(path.name not in OURS_ALWAYS for path in folder.iterdir()):
        (folder / ".lock").unlink(missing_ok=True)
        folder.rmdir()


def _read(how: Callable[[Path], Any], path: Path) -> Any:
    """Read a file of the run folder; whatever is wrong with it becomes one clear error."""
    try:
        return how(path)
    except Exception as error:
        raise RunFolderError(
            str(path), "must be a whole file of a run", value=f"{type(error).__name__}: {error}",
            remedy="Finish the run with `narrows run --resume`, or make it again.",
        ) from error  # fmt: skip


def _code_named_in(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of code outside narrows that a person typed into the settings."""
    names = [section["name"] for section in settings.values() if isinstance(section, Mapping) and "name" in section]
    return [name for name in names if ":" in name]


def _clear(folder: Path) -> None:
    """Empty a run folder but for its lock; the manifest goes last, so that a broken-off clearing can be repeated.

    What a person made stays: exports, and edits, which get another name since they speak of clusters that are gone.

    Raises
    ------
    RunFolderError : an explorer is open, whose edits would be lost
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / EDITS_LOCK, timeout=0):
            if (folder / EDITS).exists():
                free = (folder / f"edits-{number}.jsonl" for number in range(1, 1_000_000))
                (folder / EDITS).rename(next(path for path in free if not path.exists()))
            for path in list(folder.iterdir()):
                if path.name not in (*OURS_ALWAYS, "manifest.json") and not _is_a_persons(path):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            (folder / "manifest.json").unlink()
    except Timeout as error:
        raise RunFolderError(
            "--overwrite", "must not replace a run that is open in an explorer", value=str(folder),
            remedy="End `narrows explore` first, or choose another folder (--out).",
        ) from error  # fmt: skip


def _is_a_persons(path: Path) -> bool:
    """Whether a file of a run folder is a person's work, or the lock of it."""
    return path.name in (EXPORTS, EDITS_LOCK) or (path.name.startswith("edits") and path.suffix == ".jsonl")
