"""The run folder: where the report, the command line and later work on a run meet.

::

    recipe.toml        every setting, defaults written out      environment.json   versions, seed, hardware, git state
    results.json       flat name -> number                      tables.json        what the report shows beside numbers
    history.jsonl      one row per epoch                        manifest.json      stages done, sha256 of every file
    model.safetensors  config.json  README.md (model card)      checkpoints/       last, previous, best
    codes.npy  clusters.npy  map.npy  neighbours.npz            predictions.csv    id, path, split, cluster, ...
    clusterer, projector, sampler, baseline, novelty .safetensors  what new data need
    figures/*.png      report.html  explorer.html               exports/  edits.jsonl  what a person did in the explorer
    duplicates.csv     groups of copies: group, id, kind, ...

A folder belongs to one process at a time (``.lock``). Every file is written atomically, and a stage counts as done only
while all its files have the content they had when it ended. Every file that is read must have the content that the
manifest says it has; what a person may edit (edits, exports) is not in it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from narrows import environment
from narrows.data.labels import labels_file
from narrows.data.open import open_like
from narrows.errors import DataError, RecipeError, RunFolderError
from narrows.files import Array, read_json, sha256, write_arrays, write_json, write_text
from narrows.registry import Registry, Trust
from narrows.sealed import HELD, HOLDS, MANIFEST, RUN_AGAIN, Parts, hashes_of

if TYPE_CHECKING:
    from narrows.clustering import Clusterer
    from narrows.codes import CodeDistribution
    from narrows.data.dataset import Dataset
    from narrows.encoder import Encoder
    from narrows.encoders.pca import PCACodes
    from narrows.evaluation.examples import Examples
    from narrows.model import Model
    from narrows.novelty import Novelty
    from narrows.projection import Projection


T = TypeVar("T")

OURS_ALWAYS = {".lock", HELD}  # in a folder while a run has it
WAIT = 5  # seconds for whoever else writes a file of a finished run
UNFINISHED = "Finish the run with `narrows run --resume`."
EDITS, EDITS_LOCK, EXPORTS = "edits.jsonl", ".edits.lock", "exports"  # of a person, in the explorer
STARTED_WITH = ("manifest.json", "recipe.toml", "environment.json", "results.json", "tables.json")


class Assigned(NamedTuple):
    """Where rows belong, and whether they belong there at all.

    Parameters
    ----------
    clusters : (N,) int64
    confidence : (N,) float32, how clearly a row belongs to its cluster rather than another
    novelty : (N,) float32, the share of held-out rows that are odder; near 0: unlike what was fitted. None where the
        run has none, since an earlier narrows made it
    """

    clusters: Array
    confidence: Array
    novelty: Array | None


class Run:
    """A run folder, opened for reading. ``Run.create`` opens one for writing.

    Parameters
    ----------
    folder : of the run
    trust_code : allow the saved model to name code outside narrows (see ``registry``)

    Raises
    ------
    RunFolderError : there is no run in ``folder``; or, from all that reads, a file of it is missing, changed or damaged
    """

    def __init__(self, folder: str | Path, *, trust_code: Trust = False) -> None:
        self.folder = Path(folder)
        self.trust_code = trust_code
        self._replaces = self._writes = False
        if not (self.folder / MANIFEST).is_file():
            raise RunFolderError(
                "run folder", "must be one that narrows wrote (with manifest.json)", value=str(folder),
                remedy="`narrows run` makes one.",
            )  # fmt: skip
        self._seen: tuple[int, ...] | None = None
        self._manifest: dict[str, Any] = self._read_manifest()

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
            write_json(folder / HELD, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
            if not present:
                write_json(folder / "manifest.json", {"stages": {}, "files": {}})
            run = cls(folder)
            run._replaces, run._writes = bool(present) and overwrite, True
            try:
                yield run
            finally:
                run._writes = False  # from here on it reads what others may write
        finally:
            (folder / HELD).unlink(missing_ok=True)
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
            self._manifest = {"stages": {}, "files": {}}
            write_json(self.folder / MANIFEST, self.manifest)
        if not path.exists() or not (self.folder / "recipe.toml").exists():
            if self.manifest["stages"] or (self.folder / "checkpoints").exists():
                raise RunFolderError(
                    str(self.folder), "must hold recipe.toml and environment.json to be gone on with",
                    remedy="Without them nobody knows how the run was started: start again (--overwrite).",
                )  # fmt: skip
            write_text(self.folder / "recipe.toml", settings_text)
            write_json(path, {"seed": settings["seed"], "started": now(), "data": fingerprint} | found)
            self._record("recipe.toml", "environment.json")
            return
        before, first = self.recipe, self.parts.json("environment.json")
        changed = _differences(before, settings)
        if first.get("data") != fingerprint:
            changed.append("the data")
        if changed:
            raise RunFolderError(
                "--resume", "must find the settings and data the run was started with; changed",
                value=", ".join(changed), remedy="Choose another folder (--out), or start again (--overwrite).",
            )  # fmt: skip
        parts = ("python", "packages", "processor", "threads")
        other = {name: found[name] for name in parts if found[name] != first.get(name)}
        write_json(path, first | {"resumed": [*first.get("resumed", []), {"at": now()} | other]})
        self._record("environment.json")
        # The numbers and tables of stages that are done are in two files that all stages share.
        for name in ("results.json", "tables.json"):
            kept = self.folder / name
            if self.manifest["stages"] and not (kept.is_file() and sha256(kept) == self.manifest["files"].get(name)):
                self.manifest["stages"] = {}  # training goes on from its last checkpoint, and so ends at once
                self.manifest["files"].pop(name, None)

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
        if self._is_done(name, files):
            return False
        # What stands after this stage was computed from its former files.
        names = list(self.manifest["stages"])
        for later in names[names.index(name) :] if name in names else []:
            del self.manifest["stages"][later]
        # While they are written nobody knows what they will be; checkpoints are sealed with the whole run.
        known, written = self.manifest["files"], [*files, "checkpoints/*"]
        self.manifest["files"] = {path: known[path] for path in known if not any(fnmatch(path, p) for p in written)}
        start = time.perf_counter()
        results = work()
        seconds = time.perf_counter() - start
        self._write_results(dict(results) | {f"time/{name}_s": seconds})
        made = sorted(path for pattern in files for path in self.folder.glob(pattern))
        hashes = self._hashes(path.relative_to(self.folder).as_posix() for path in made)
        self.manifest["stages"][name] = {"seconds": seconds, "files": hashes}
        self.manifest["files"] |= hashes
        self._record("results.json")
        return True

    def _is_done(self, name: str, wanted: Sequence[str]) -> bool:
        entry = self.manifest["stages"].get(name)
        if entry is None or not {file for file in wanted if "*" not in file} <= entry.get("files", {}).keys():
            return False  # never done, or by an earlier narrows, when the stage wrote fewer files
        files = {self.folder / file: digest for file, digest in entry["files"].items()}
        return all(path.is_file() and sha256(path) == digest for path, digest in files.items())

    def seal(self) -> None:
        """Write the manifest: the stages done, and the sha256 of every file."""
        skip = {MANIFEST, *OURS_ALWAYS}
        tops = (path for path in self.folder.iterdir() if not _is_a_persons(path))
        inside = (path for top in tops for path in ([top] if top.is_file() else top.rglob("*")))
        paths = [path for path in sorted(inside) if path.is_file() and path.suffix != ".part" and path.name not in skip]
        self.manifest["files"] = self._hashes(path.relative_to(self.folder).as_posix() for path in paths)
        write_json(self.folder / MANIFEST, self.manifest)

    def renew(self, name: str, write: Callable[[], object]) -> None:
        """Let ``write`` replace a file of a run that may be finished, and keep its new hash.

        Raises
        ------
        RunFolderError : a run is writing the folder; nothing was written
        """
        from filelock import FileLock, Timeout

        if self._writes:
            write()
            self._record(name)
            return
        lock = FileLock(self.folder / ".lock", timeout=WAIT)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunFolderError(
                str(self.folder / name), "must not be written while another process writes the run",
                value=str(self.folder), remedy=f"{_holder(self.folder)} Wait until it has ended.",
            ) from error  # fmt: skip
        try:
            write()
            self._manifest = self._read_manifest()
            self._record(name)
        finally:
            lock.release()

    def _record(self, *names: str) -> None:
        """Keep the hashes of files that were just written."""
        self.manifest["files"] |= self._hashes(names)
        write_json(self.folder / MANIFEST, self.manifest)

    def _hashes(self, names: Iterable[str]) -> dict[str, str]:
        return {name: sha256(self.folder / name) for name in names}

    @property
    def manifest(self) -> dict[str, Any]:
        """The stages done, and the sha256 of every file; read again when another process has gone on with the run."""
        if not self._writes and _stamp(self.folder / MANIFEST) != self._seen:
            self._manifest = self._read_manifest()
        return self._manifest

    def _read_manifest(self) -> dict[str, Any]:
        self._seen = _stamp(self.folder / MANIFEST)  # before it is read: what is written meanwhile is read next time
        return _checked_manifest(Parts(self.folder, None).json(MANIFEST), self.folder)

    @property
    def parts(self) -> Parts:
        """The files of the run, held against the manifest when they are read."""
        files, stages = self.manifest["files"], self.manifest["stages"]
        if self._writes:
            return Parts(self.folder, files, MANIFEST, whole=False, remedy="Start again with --overwrite.")
        held, finished = (self.folder / HELD).exists(), "explore" in stages
        remedy = HOLDS if held else RUN_AGAIN if finished else UNFINISHED
        return Parts(self.folder, files, MANIFEST, remedy=remedy)

    # Numbers and tables

    @property
    def recipe(self) -> dict[str, Any]:
        """Every setting, as recipe.toml has them."""
        return self.parts.toml("recipe.toml")

    @property
    def results(self) -> dict[str, float | None]:
        """The numbers found so far, flat name -> value."""
        return self.parts.json("results.json") if "results.json" in self.parts else {}

    def add_results(self, numbers: Mapping[str, float | None]) -> None:
        """Add to results.json."""
        self._write_results(numbers)
        self._record("results.json")

    def _write_results(self, numbers: Mapping[str, float | None]) -> None:
        write_json(self.folder / "results.json", dict(sorted((self.results | dict(numbers)).items())))

    @property
    def tables(self) -> dict[str, Any]:
        """What the report shows beside numbers."""
        return self.parts.json("tables.json") if "tables.json" in self.parts else {}

    def add_tables(self, tables: Mapping[str, Any]) -> None:
        """Add to tables.json."""
        write_json(self.folder / "tables.json", self.tables | dict(tables))
        self._record("tables.json")

    @property
    def history(self) -> list[dict[str, float]]:
        """One row per epoch of training."""
        if "history.jsonl" not in self.parts:
            return []
        history: list[dict[str, float]] = self.parts.parsed("history.jsonl", _rows)
        return history

    def add_notes(self, notes: Sequence[str]) -> None:
        """Add sentences that the report should show, each once."""
        self.add_tables({"notes": list(dict.fromkeys([*self.tables.get("notes", []), *notes]))})

    def write_history(self, history: list[dict[str, float]]) -> None:
        """Write history.jsonl."""
        write_text(self.folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))

    # What the run learned

    def encoder(self, device: str = "cpu") -> Encoder:
        """Return what turns rows into the codes of this run.

        Parameters
        ----------
        device : where it is to compute: "auto" (a GPU if there is one), or a name torch knows
        """
        from narrows.encoders import load
        from narrows.training.engine import Engine

        return load(self.parts, trust_code=self.trust_code).to(Engine(device).device)

    def model(self) -> Model:
        """Return the trained model.

        Raises
        ------
        RunFolderError : the run's encoder is no network; ``encoder`` returns it
        """
        from narrows.model import Model

        return Model.load(self.parts, trust_code=self.trust_code)

    def array(self, name: str) -> Array:
        """Return an array of the run, such as its "codes" (N, K), "clusters" (N,) or "map" (N, 2)."""
        return self.parts.npy(f"{name}.npy")

    def neighbours(self) -> tuple[Array, Array]:
        """Return the nearest other rows of each row in code space, and their distances, (N, k) each."""
        found = self.parts.npz("neighbours.npz")
        if not {"indices", "distances"} <= found.keys():
            raise self.parts.damaged("neighbours.npz", f"it holds {sorted(found)}")
        return found["indices"], found["distances"]

    def clusterer(self) -> Clusterer:
        """Return the fitted clusterer."""
        from narrows.clustering import methods

        clusterer: Clusterer = self._load_part("clusterer", methods)
        return clusterer

    def examples(self) -> Examples:
        """Return the rows that stand for each cluster, and the share of it that each stands for."""
        from narrows.evaluation.examples import examples

        seed = self.parts.json("environment.json")["seed"]
        return examples(self.array("codes"), self.array("clusters"), seed=seed)

    def projection(self) -> Projection:
        """Return the fitted map."""
        from narrows.projection import methods

        projection: Projection = self._load_part("projector", methods)
        return projection

    def baseline(self) -> PCACodes:
        """Return the PCA that the encoder is compared with."""
        from narrows.encoders.pca import PCACodes

        return self._part("baseline", lambda arrays, made_by: PCACodes.from_state(arrays, made_by["shape"]))

    def code_distribution(self) -> CodeDistribution:
        """Return the distribution fitted to the training codes."""
        from narrows.codes import CodeDistribution

        return self._part("sampler", lambda arrays, _: CodeDistribution.from_state(arrays))

    @property
    def tells_novelty(self) -> bool:
        """Whether the run can say how unlike its rows others are; one that an earlier narrows made cannot."""
        from narrows import novelty

        return novelty.NAME in self.manifest["files"]

    def fitted_novelty(self) -> Novelty:
        """Return what tells how unlike the run's rows others are."""
        from narrows.novelty import Novelty

        return self._part("novelty", lambda arrays, _: Novelty.from_state(arrays))

    def novelty(self, source: Any, **options: Any) -> Array:
        """Return the novelty (N,) float32 of new rows: the share of held-out rows that are odder.

        Near 0: unlike what was fitted. Of rows like the run's own, one in twenty has a novelty of at most 0.05. See
        ``narrows.novelty`` for what it is computed from.

        Parameters
        ----------
        source, options : as in ``open_source``

        Raises
        ------
        DataError, InputError : data that cannot be opened, or of another shape
        RunFolderError : the run has no novelty, since an earlier narrows made it, or is damaged
        """
        from narrows.novelty import evidence_of

        known, encoder = self.fitted_novelty(), self.encoder("auto")
        values = self.open_source(source, **options).values
        return known.novelty(encoder, values, *evidence_of(encoder, values))

    def assign(self, source: Any, **options: Any) -> Assigned:
        """Return the clusters of new rows, how clearly they belong there, and how unlike the run's own rows they are.

        Parameters
        ----------
        source, options : as in ``open_source``

        Raises
        ------
        DataError, InputError : data that cannot be opened, or of another shape
        RunFolderError : the run is not finished, or damaged
        """
        encoder = self.encoder("auto")
        return self.assign_values(encoder, self.open_source(source, **options).values)

    def assign_values(self, encoder: Encoder, values: Array, codes: Array | None = None) -> Assigned:
        """Return what ``assign`` does, of rows that are open already.

        Parameters
        ----------
        encoder : of the run
        values : images uint8 (N, C, H, W) or vectors float32 (N, D), as ``open_source`` opens them
        codes : (N, K), where they are known
        """
        clusterer = self.clusterer()
        codes = encoder.encode(values) if codes is None else codes
        novelty = self.novelty_of_values(encoder, values, codes)
        return Assigned(clusterer.predict(codes), clusterer.confidence(codes), novelty)

    def novelty_of_values(self, encoder: Encoder, values: Array, codes: Array) -> Array | None:
        """Return the novelty (N,) of rows as ``assign_values`` takes them; None where the run has none."""
        from narrows.novelty import errors_of

        if not self.tells_novelty:
            return None
        return self.fitted_novelty().novelty(encoder, values, codes, errors_of(encoder, values))

    def save_part(self, name: str, state: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
        """Write a fitted part: its arrays, and the registry name and arguments that made it."""
        write_arrays(self.folder / f"{name}.safetensors", state, made_by)

    def open_source(self, source: Any, *, resize: bool = False, **options: Any) -> Dataset:
        """Open new data as the run's own were opened.

        The same size, channels, fit, black and white, page and columns, the same key and label column. Labels that the
        new data lack are done without.

        Parameters
        ----------
        source : as ``narrows.open`` takes it
        resize : bring arrays of another size, or in colour, to the run's; files always are
        options : of ``narrows.open``, which come before the run's own

        Raises
        ------
        DataError : data that cannot be opened, or rows of another shape than the run's
        """
        from narrows.encoder import checked_config

        config, recipe = checked_config(self.parts), self.recipe
        shape, like = config["input_shape"], config["preprocessing"]
        own: dict[str, Any] = {"resize": resize}
        path = Path(source) if isinstance(source, str | os.PathLike) else None
        if path is not None and path.suffix in (".npz", ".mat") and "key" in recipe["data"]:
            own["key"] = recipe["data"]["key"]
        if recipe["data"].get("size", "auto") != "auto" and not resize:
            own["size"] = like["size"]  # the run's own were resized, so arrays of another size are too
        labels = recipe["data"]["labels"]
        if labels in ("none", "folders") or labels_file(labels) is not None:
            labels = "auto"  # these speak of the run's own rows
        try:
            return open_like(source, shape, like, **(own | {"labels": labels} | options))
        except DataError as error:
            if error.parameter != "labels" or "labels" in options:
                raise
            return open_like(source, shape, like, **(own | {"labels": "none"} | options))

    def _load_part(self, name: str, registry: Registry) -> Any:
        def build(arrays: dict[str, Any], made_by: dict[str, Any]) -> Any:
            arguments = {key: value for key, value in made_by.items() if key != "name"}
            return registry.get(made_by["name"], trusted=self.trust_code).from_state(arrays, **arguments)

        return self._part(name, build)

    def _part(self, name: str, build: Callable[[dict[str, Any], dict[str, Any]], T]) -> T:
        """Return what ``build`` makes of a part's arrays and of what made it."""
        parts, file = self.parts, f"{name}.safetensors"
        if file not in parts:
            raise RunFolderError(str(self.folder), f"must have its {name} ({file})", remedy=UNFINISHED)
        arrays, made_by = parts.arrays(file)
        try:
            return build(arrays, made_by)
        except Exception as error:
            if isinstance(error, RecipeError) and ":" in str(made_by.get("name")):  # it names code
                raise
            raise parts.damaged(file, error) from error


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever a file is replaced; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


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
        holder = read_json(folder / HELD)
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


def _checked_manifest(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a manifest that lists stages and files, or raise RunFolderError."""
    hashes_of(manifest, folder / MANIFEST)
    stages = manifest.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise RunFolderError(
            str(folder / MANIFEST), "must list the stages that are done", value=stages,
            remedy=RUN_AGAIN,
        )  # fmt: skip
    return manifest


def _rows(content: bytes) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in content.decode("utf-8").splitlines()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every line must be a JSON object")
    return rows


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
