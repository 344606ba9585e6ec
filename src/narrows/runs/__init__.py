"""The run folder: where the report, the command line and later work on a run meet.

::

    recipe.toml        every setting, defaults written out      environment.json   versions, seed, hardware, git state
    results.json       flat name -> number                      tables.json        what the report shows beside numbers
    history.jsonl      one row per epoch                        manifest.json      stages done, sha256 of every file
    model.safetensors  config.json  README.md (model card)      checkpoints/       last, previous, best
    codes.npy  clusters.npy  map.npy  neighbours.npz            predictions.csv    id, path, split, cluster, ...
    clusterer, projector, sampler, baseline, novelty .safetensors  what new data need
    figures/*.png      report.html  explorer.html               exports/  edits.jsonl  what a person did in the explorer
    duplicates.csv     groups of copies: group, id, kind, ...   steps/*.json      what each step found, and its files
    metadata.csv       what else is known of the rows, where anything is

Here a run is read: every file must have the content that the manifest says it has; what a person may edit (edits,
exports) is not in it. ``making.py`` writes runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from narrows.data.dataset import all_finite
from narrows.data.labels import labels_file
from narrows.data.open import open_like
from narrows.disk.claims import LOCK, holder, locked
from narrows.disk.files import Array, sha256, write_json
from narrows.disk.sealed import HELD, HOLDS, MANIFEST, RUN_AGAIN, Parts, hashes_of
from narrows.errors import DataError, RunFolderError
from narrows.registry import Registry, Trust
from narrows.work.stages import Stages

if TYPE_CHECKING:
    from narrows.clustering import CodeClusterer
    from narrows.data.dataset import Dataset
    from narrows.encoders.pca import PCACodes
    from narrows.encoding.codes import CodeDistribution
    from narrows.encoding.encoder import Encoder
    from narrows.encoding.model import Model
    from narrows.evaluation.examples import Examples
    from narrows.evaluation.novelty import Novelty
    from narrows.projection import Projection


T = TypeVar("T")

# Of the manifest: without a record of each step; with one, but trained before batches were cut into lanes; today's.
FORMER, FORMAT = 1, 3
WAIT = 5  # seconds for whoever else writes a file of a finished run
UNFINISHED = "Finish the run with `narrows run --resume`."
ARRAYS = {"codes": ("f", 2), "clusters": ("iu", 1), "map": ("f", 2)}  # their kinds of numbers, and axes
EDITS, EDITS_LOCK, EXPORTS = "edits.jsonl", ".edits.lock", "exports"  # of a person, in the explorer


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
    """A run folder, opened for reading; ``narrows.runs.making`` opens one for writing.

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
        if not (self.folder / MANIFEST).is_file():
            raise RunFolderError(
                "run",
                "must be a folder that `narrows run` made (with manifest.json)",
                value=str(folder),
                remedy="Make one with `narrows run`.",
            )
        self._seen: tuple[int, ...] | None = None
        self._manifest: dict[str, Any] = self._read_manifest()

    def renew(self, name: str, write: Callable[[], object]) -> None:
        """Let ``write`` replace a file of a run that may be finished, and keep its new hash.

        Raises
        ------
        RunFolderError : a run is writing the folder; nothing was written
        """

        def refusal() -> RunFolderError:
            return RunFolderError(
                str(self.folder / name),
                "cannot be written while another process is writing the run",
                value=str(self.folder),
                remedy=f"{holder(self.folder)} Wait until it has finished.",
            )

        with locked(self.folder / LOCK, refusal, wait=WAIT):
            write()
            self._manifest = self._read_manifest()
            steps, digest = Stages(self.folder), sha256(self.folder / name)
            for step, entry in self._manifest["stages"].items():
                if name in entry.get("files", {}):
                    entry["files"][name] = digest
                    steps.renew(step, name)
                    if (record := steps.path(step)).is_file():
                        self._manifest["files"][record.relative_to(self.folder).as_posix()] = sha256(record)
            self._manifest["files"][name] = digest
            write_json(self.folder / MANIFEST, self._manifest)

    @property
    def manifest(self) -> dict[str, Any]:
        """The stages done, and the sha256 of every file; read again when another process has resumed the run."""
        if _stamp(self.folder / MANIFEST) != self._seen:
            self._manifest = self._read_manifest()
        return self._manifest

    def _read_manifest(self) -> dict[str, Any]:
        self._seen = _stamp(self.folder / MANIFEST)  # before it is read: what is written meanwhile is read next time
        return checked_manifest(Parts(self.folder, None).json(MANIFEST), self.folder)

    @property
    def finished(self) -> bool:
        """Whether all steps of the run are done."""
        return is_finished(self.manifest)

    @property
    def parts(self) -> Parts:
        """The files of the run, compared with the manifest when they are read."""
        remedy = HOLDS if (self.folder / HELD).exists() else RUN_AGAIN if self.finished else UNFINISHED
        return Parts(self.folder, self.manifest["files"], MANIFEST, remedy=remedy)

    # Numbers and tables

    @property
    def recipe(self) -> dict[str, Any]:
        """Every setting, as recipe.toml has them."""
        found = self.parts.toml("recipe.toml")
        data = found.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("labels"), str):
            raise self.parts.damaged("recipe.toml", "it does not name the run's data")
        return found

    @property
    def results(self) -> dict[str, float | None]:
        """The numbers found so far, flat name -> value."""
        return self.parts.json("results.json") if "results.json" in self.parts else {}

    @property
    def tables(self) -> dict[str, Any]:
        """What the report shows beside numbers."""
        return self.parts.json("tables.json") if "tables.json" in self.parts else {}

    @property
    def history(self) -> list[dict[str, float]]:
        """One row per epoch of training."""
        if "history.jsonl" not in self.parts:
            return []
        history: list[dict[str, float]] = self.parts.parsed("history.jsonl", _rows)
        return history

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
        RunFolderError : the run's encoder is not a network; ``encoder`` returns it
        """
        from narrows.encoding.model import Model

        return Model.load(self.parts, trust_code=self.trust_code)

    def array(self, name: str) -> Array:
        """Return an array of the run, such as its "codes" (N, K), "clusters" (N,) or "map" (N, 2)."""
        array = self.parts.npy(f"{name}.npy")
        kinds, axes = ARRAYS.get(name, (array.dtype.kind, array.ndim))
        if (
            array.dtype.kind not in kinds
            or array.ndim != axes
            or not all_finite(array)
            or (axes == 1 and (array < 0).any())
        ):
            raise self.parts.damaged(f"{name}.npy", f"{array.dtype} {array.shape}")
        return array

    def neighbours(self) -> tuple[Array, Array]:
        """Return the nearest other rows of each row in code space, and their distances, (N, k) each."""
        found = self.parts.npz("neighbours.npz")
        if not {"indices", "distances"} <= found.keys():
            raise self.parts.damaged("neighbours.npz", f"it holds {sorted(found)}")
        return found["indices"], found["distances"]

    def clusterer(self) -> CodeClusterer:
        """Return the fitted clusterer."""
        from narrows.clustering import methods

        clusterer: CodeClusterer = self._load_part("clusterer", methods)
        return clusterer

    def examples(self) -> Examples:
        """Return the example rows of each cluster, and the share of the cluster that each represents."""
        from narrows.evaluation.examples import examples

        seed = self.parts.json("environment.json").get("seed")
        if type(seed) is not int or seed < 0:
            raise self.parts.damaged("environment.json", f"seed {seed!r}")
        codes, clusters = self.array("codes"), self.array("clusters")
        if len(codes) != len(clusters):
            raise self.parts.damaged("clusters.npy", f"{len(clusters):,} rows, of which {len(codes):,} have codes")
        return examples(codes, clusters, seed=seed)

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
        from narrows.encoding.codes import CodeDistribution

        return self._part("sampler", lambda arrays, _: CodeDistribution.from_state(arrays))

    @property
    def tells_novelty(self) -> bool:
        """Whether the run has novelty; runs made by earlier versions of narrows have none."""
        from narrows.evaluation import novelty

        return novelty.NAME in self.manifest["files"]

    def fitted_novelty(self) -> Novelty:
        """Return the fitted novelty."""
        from narrows.evaluation.novelty import Novelty

        return self._part("novelty", lambda arrays, _: Novelty.from_state(arrays))

    def novelty(self, source: Any, **options: Any) -> Array:
        """Return the novelty (N,) float32 of new rows: the share of held-out rows that are odder.

        Near 0: unlike what was fitted. Of rows like the run's own, one in twenty has a novelty of at most 0.05. See
        ``narrows.evaluation.novelty`` for what it is computed from. ``source``, ``options`` and errors are those of
        ``assign``; RunFolderError is also raised by a run that has no novelty, since an earlier narrows made it.
        """
        from narrows.evaluation.novelty import evidence_of

        known, encoder = self.fitted_novelty(), self.encoder("auto")
        values = self.open_source(source, **options).values
        return known.novelty(encoder, values, *evidence_of(encoder, values))

    def assign(self, source: Any, **options: Any) -> Assigned:
        """Return the clusters, confidence and novelty of new rows.

        Parameters
        ----------
        source, options : as in ``open_source``

        Raises
        ------
        DataError, InputError : data that cannot be opened, or of another shape
        RunFolderError : the run is not finished, or damaged
        """
        return self.assign_values(self.encoder("auto"), self.open_source(source, **options).values)

    def assign_values(self, encoder: Encoder, values: Array, codes: Array | None = None) -> Assigned:
        """Return what ``assign`` does, for rows that are already open.

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
        from narrows.evaluation.novelty import errors_of

        if not self.tells_novelty:
            return None
        return self.fitted_novelty().novelty(encoder, values, codes, errors_of(encoder, values))

    def open_source(self, source: Any, *, resize: bool = False, **options: Any) -> Dataset:
        """Open new data in the same way as the run's own.

        The same size, channels, fit, black and white, page and columns, the same key and label column. Labels that the
        new data lack are left out.

        Parameters
        ----------
        source : as ``narrows.open`` takes it
        resize : bring arrays of another size, or in colour, to the run's; files always are
        options : of ``narrows.open``, which take precedence over the run's own

        Raises
        ------
        DataError : data that cannot be opened, or rows of another shape than the run's
        """
        from narrows.encoding.encoder import checked_config

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
        return parts.built(file, build)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever a file is replaced; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def is_finished(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of a run whose steps are all done."""
    if manifest.get("format", FORMER) == FORMER:
        return "explore" in manifest["stages"]
    return bool(manifest.get("finished"))


def checked_manifest(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a manifest that lists stages and files, or raise RunFolderError."""
    hashes_of(manifest, folder / MANIFEST)
    stages = manifest.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise RunFolderError(str(folder / MANIFEST), "must list the finished stages", value=stages, remedy=RUN_AGAIN)
    return manifest


def _rows(content: bytes) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in content.decode("utf-8").splitlines()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every line must be a JSON object")
    return rows
