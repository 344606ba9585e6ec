"""Deep clusterings: images or vectors to groups, by way of networks trained for it. One file per method.

A method learns from rows as they are stored and ends with a trained model, a few arrays, and a rule that reads from
them the share each row has in each cluster. That rule is all ``predict`` needs, so the labels of the fitted rows, those
of new rows, and those of a clusterer read from a file come from the same lines.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch

from narrows import __version__, wording
from narrows import codes as coding
from narrows.clustering import count_distinct
from narrows.data.dataset import all_finite
from narrows.errors import InputError, Interrupted, RecipeError, RunFolderError
from narrows.files import Array, sha256, write_arrays, write_json
from narrows.model import PARTS, Model
from narrows.progress import Progress
from narrows.registry import Registry
from narrows.sealed import AGAIN, HASHES, Parts, checked_state, new_place, seal
from narrows.training.loop import Settings, train
from narrows.wording import plural, verb

methods = Registry("narrows.deep", "deep clustering method")
__getattr__ = methods.attribute  # every method's class, imported when it is first used

Arrays = dict[str, Array]
Notes = tuple[str, ...]

MOST_ESTIMATED = 100  # clusters, where their number is to be found
SEEDS = 1 << 32  # there are so many

ALONE = {"name": "neural-kmeans", "code_size": 1}  # the network of a single cluster, of which there is nothing to learn


FRESH = "Choose another folder, or delete this one to start again."


def _never() -> int:
    return 0


@dataclass(frozen=True, eq=False)
class Stages:
    """Does the steps of a clustering one after the other, none twice; with a folder also after a stop.

    A step counts as done once its last file is there, and every file is written in one step, so a kill at any moment
    leaves a folder to go on from.

    Parameters
    ----------
    folder : where results of steps and checkpoints are kept; None keeps nothing
    progress : shows what is going on
    stop : asked before every batch whether to stop; see ``narrows.training.loop.train``
    histories : of each training, by its name: one row per epoch
    held : arrays and notes of each step done, where there is no folder to keep them in
    """

    folder: Path | None = None
    progress: Progress = field(default_factory=Progress)
    stop: Callable[[], int] = _never
    histories: dict[str, list[dict[str, float]]] = field(default_factory=dict, compare=False)
    held: dict[str, tuple[Arrays, Notes]] = field(default_factory=dict, compare=False, repr=False)

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Keep what is asked for; a folder that holds something must have been asked for the same.

        Raises
        ------
        RunFolderError : the steps in the folder belong to another method, other arguments or other rows
        """
        self.held.clear()  # they are another clustering's
        if self.folder is None:
            return
        path = self.folder / "stages.json"
        asked = json.loads(json.dumps(asked, default=np.generic.item))  # NumPy's numbers are numbers, too
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise RunFolderError(
                    str(self.folder), "must be empty or hold the steps of this clustering",
                    value="other files, and no stages.json",
                    remedy=FRESH,
                )  # fmt: skip
            write_json(path, asked)
            return
        before = Parts(self.folder, None, remedy=FRESH).json(path.name)
        changed = sorted(key for key in asked.keys() | before.keys() if asked.get(key) != before.get(key))
        if changed:
            raise RunFolderError(
                str(self.folder), "must hold the steps of this very clustering; changed", value=", ".join(changed),
                remedy=FRESH,
            )  # fmt: skip

    def arrays(self, name: str, make: Callable[[], tuple[Mapping[str, Array], Sequence[str]]]) -> tuple[Arrays, Notes]:
        """Return the arrays and the notes that ``make`` makes, or made before; Interrupted if ``stop`` says so."""
        path = None if self.folder is None else self.folder / f"{name}.safetensors"
        if path is not None and path.exists():
            parts = Parts(path.parent, None, remedy="Delete it: this step is done again then.")
            arrays, kept = parts.arrays(path.name)
            return arrays, tuple(kept.get("notes", ()))
        if name in self.held:
            return self.held[name]
        if signal := self.stop():
            raise Interrupted(signal, f"stopped before {name}; what was done before it is kept where there is a folder")
        with self.progress.task(name):
            made, notes = make()
        if path is not None:
            write_arrays(path, made, {"notes": list(notes)})
            return dict(made), tuple(notes)
        self.held[name] = dict(made), tuple(notes)
        return self.held[name]

    def train(
        self,
        name: str,
        model: Model,
        values: Array,
        settings: Settings,
        *,
        seed: int,
        labels: Array | None = None,
        rows: Array | None = None,
        valid: Array | None = None,
    ) -> Model:
        """Train ``model`` on all ``values`` (N, ...), or on ``rows`` of them, or return it as it came out before.

        On the rows ``valid``, if there are any, the epoch is chosen.
        """
        folder = None if self.folder is None else self.folder / name
        if folder is not None and (folder / HASHES).exists():  # the last file that is written
            parts = Parts.of(folder, remedy="Delete this folder: the step is done again then.")
            self.histories[name] = parts.json("history.json")["epochs"]
            return Model.load(parts)
        self.histories[name] = train(
            model, values, np.arange(len(values)) if rows is None else rows, np.arange(0) if valid is None else valid,
            settings, labels=labels, seed=seed, folder=None if folder is None else folder / "checkpoints",
            progress=self.progress, stop=self.stop,
        )  # fmt: skip
        model = model.cpu()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "history.json", {"epochs": self.histories[name]})
            model.write(folder)
            seal(folder, (*PARTS, "history.json"))
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return model


class DeepClusterer(ABC):
    """A way to sort images or vectors into clusters, numbered by size with the largest first.

    A subclass's constructor takes ``n_clusters`` and ``seed``, then its own arguments. It learns ``model_`` and the
    arrays named in ``learned`` in ``_fit``, and ``_shares`` reads shares in clusters from them.

    Parameters
    ----------
    n_clusters : the number of clusters; lowered, with a note, where there are fewer distinct rows
    seed : of everything random

    Attributes
    ----------
    labels_ : (N,) int64, the cluster of each fitted row
    model_ : the trained network
    training_ : the training, of those in the histories of the stages, that the network comes from; "" for none
    notes : sentences about what was done differently from what was asked
    """

    #: The files of a saved one.
    parts: ClassVar[tuple[str, ...]] = (*PARTS, "clusterer.safetensors")
    #: The arrays ``_fit`` sets (each with an underscore added), and their axes; the same letter is the same length.
    learned: ClassVar[Mapping[str, str]] = {}

    labels_: Array
    order_: Array  # (M,) int64, the column of ``_shares`` that each cluster is
    model_: Model
    training_: str
    notes: tuple[str, ...] = ()

    def __init__(self, n_clusters: int | Literal["auto"] = 10, seed: int = 0) -> None:
        if isinstance(n_clusters, str) or not _is_a_number_of_clusters(n_clusters):
            raise RecipeError("clustering.n_clusters", "must be a whole number >= 1", value=n_clusters)
        if not 0 <= seed < SEEDS:
            raise RecipeError("seed", "must be a whole number from 0 to 2**32 - 1", value=seed)
        self.n_clusters: int | Literal["auto"] = int(n_clusters)
        self.seed = int(seed)

    def fit(
        self, values: Array, stages: Stages | None = None, *, preprocessing: Mapping[str, Any] | None = None
    ) -> Self:
        """Find clusters of images uint8 (N, C, H, W) or vectors float32 (N, D).

        Parameters
        ----------
        values : the rows
        stages : where to keep what is done; nothing is kept by default
        preprocessing : how the rows were brought to this shape, for the saved model

        Raises
        ------
        InputError : no rows, or rows that are no bytes of images and no finite float32 vectors
        RunFolderError : the folder of ``stages`` holds the steps of another clustering
        TrainingError : training diverged
        Interrupted : ``stages.stop`` said so; the same call with the same folder goes on
        """
        stages = stages or Stages()
        _check(values)
        if len(values) == 0:
            raise InputError("values", "must have at least one row to be clustered", value=f"shape {values.shape}")
        most = MOST_ESTIMATED if isinstance(self.n_clusters, str) else self.n_clusters
        distinct = count_distinct(values.reshape(len(values), -1), most)
        self.notes = ()
        if not isinstance(self.n_clusters, str) and distinct < self.n_clusters:
            self.notes = (
                f"{self.n_clusters} clusters were asked for, but {wording.distinct(distinct, 'row')}: {distinct} made.",
            )
        self._preprocessing = dict(preprocessing or {})
        arguments = {name: value for name, value in vars(self).items() if name[0] != "_" and name[-1] != "_"}
        del arguments["notes"]
        stages.begin({
            "version": __version__, "method": type(self).__name__, **arguments, "rows": _digest(values),
            "preprocessing": self._preprocessing,
        })  # fmt: skip
        self.training_ = ""
        if distinct == 1:
            self.model_ = _mean_of(values, self._preprocessing)
        else:
            self._fit(values, distinct, stages)
        self.training_ = self.training_ or next(reversed(stages.histories), "")
        shares = self._all_shares(values)
        columns = shares.argmax(1)  # (N,)
        sizes = np.bincount(columns, minlength=shares.shape[1])
        self.order_ = np.argsort(-sizes, kind="stable")
        self.labels_ = np.argsort(self.order_, kind="stable")[columns]
        if not isinstance(self.n_clusters, str) and len(sizes) < distinct:
            self.notes += (
                f"Only {plural(len(sizes), 'cluster')} could be made: the codes of rows that differ coincide.",
            )
        empty = int((sizes == 0).sum())
        if empty:
            self.notes += (f"{empty} of {len(sizes)} clusters {verb(empty, 'holds', 'hold')} no row.",)
        return self

    def assign(self, values: Array) -> Array:
        """Return the shares (N, M) float32 that rows have in the clusters; each row's add up to 1."""
        shares: Array = self._all_shares(values)[:, self.order_]
        return shares

    def predict(self, values: Array) -> Array:
        """Return the cluster (N,) int64 of each row."""
        clusters: Array = np.argsort(self.order_, kind="stable")[self._all_shares(values).argmax(1)]
        return clusters

    def confidence(self, values: Array) -> Array:
        """Return the share (N,) float32 of each row in its own cluster."""
        highest: Array = self._all_shares(values).max(1)
        return highest

    def embed(self, values: Array) -> Array:
        """Return the codes (N, K) float32 in which the clusters lie."""
        _check(values, self.model_.input_shape)
        return coding.encode(self.model_, values)

    def save(self, folder: str | Path) -> None:
        """Write the fitted clusterer into ``folder``: the model, ``clusterer.safetensors``, and their hashes."""
        folder = new_place(folder)
        self.write(folder)
        seal(folder, self.parts)

    def write(self, folder: Path) -> None:
        """Write what ``save`` does but for the hashes, which whoever saves more beside it keeps of everything."""
        self.model_.write(folder)
        arrays = {name: np.asarray(getattr(self, f"{name}_")) for name in self._names()}
        made_by = {
            "method": type(self).__name__, "n_clusters": self.n_clusters, "seed": self.seed, "notes": list(self.notes),
            "model": sha256(folder / "model.safetensors"),
        }  # fmt: skip
        write_arrays(folder / "clusterer.safetensors", arrays, made_by)

    @classmethod
    def load(cls, place: str | Path | Parts) -> Self:
        """Read what ``save`` wrote; it answers as the saved one did. ``labels_`` and how it was trained are not kept.

        Raises
        ------
        RunFolderError : files missing, changed, damaged, of another method, or of two different clusterers
        """
        parts = place if isinstance(place, Parts) else Parts.of(place)
        model = Model.load(parts)
        arrays, made_by = parts.arrays("clusterer.safetensors")
        try:
            if made_by["method"] != cls.__name__ or made_by["model"] != parts.digest("model.safetensors"):
                raise ValueError(f"made by {made_by['method']}, with the model {made_by['model'][:8]}")
            self = cls(n_clusters=made_by["n_clusters"], seed=made_by["seed"])
            self.model_, self.notes = model, tuple(made_by["notes"])
            order = arrays.pop("order")
            if order.dtype.kind != "i" or sorted(order.tolist()) != list(range(len(order))):
                raise ValueError(f"order {order.tolist()}")
            self.order_ = order
            shapes = {} if self._is_alone() else cls.learned
            for name, array in checked_state("clusterer", shapes, arrays).items():
                setattr(self, f"{name}_", array)
            blank = np.zeros((1, *model.input_shape), np.uint8 if model.is_images else np.float32)
            self._check_columns(blank)
        except Exception as error:
            raise RunFolderError(
                str(parts.place), "must hold a saved clusterer of this method", value=str(error), remedy=AGAIN
            ) from error
        return self

    def _check_columns(self, row: Array) -> None:
        """Raise ValueError unless the shares (1, M) of a row are those of the clusters there are."""
        columns = 1 if self._is_alone() else self._shares(row).shape[1]
        if columns != len(self.order_):
            raise ValueError(f"{len(self.order_)} clusters, of which the model knows {columns}")

    @abstractmethod
    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        """Learn ``n_clusters`` clusters of ``values`` (N, ...), at least as many of which are distinct."""

    @abstractmethod
    def _shares(self, values: Array) -> Array:
        """Return the shares (N, M) of rows, in the order of the columns as learned, in bounded memory."""

    def _names(self) -> tuple[str, ...]:
        """Return the arrays that are saved beside the model."""
        return ("order",) if self._is_alone() else ("order", *self.learned)

    def _is_alone(self) -> bool:
        return bool(self.model_.config["net"] == ALONE)

    def _all_shares(self, values: Array) -> Array:
        _check(values, self.model_.input_shape)
        if len(values) == 0:
            return np.empty((0, len(self.order_)), np.float32)
        shares = np.ones((len(values), 1)) if self._is_alone() else self._shares(values)
        return shares.astype(np.float32)


def _check(values: Array, shape: tuple[int, ...] | None = None) -> None:
    """Raise a clear error unless ``values`` are bytes of images or finite float32 vectors, of ``shape`` if given."""
    kind = (values.ndim, values.dtype)
    if kind not in ((4, np.dtype(np.uint8)), (2, np.dtype(np.float32))):
        raise InputError(
            "values", "must be images uint8 (N, C, H, W) or vectors float32 (N, D)",
            value=f"{values.dtype} {values.shape}", remedy="narrows.open brings what it is given to this form.",
        )  # fmt: skip
    if shape is not None and values.shape[1:] != shape:
        raise InputError("values", f"must have rows of shape {shape}, as the fitted ones", value=values.shape[1:])
    if not all_finite(values):
        raise InputError("values", "must be finite", value="NaN or infinity")


def _is_a_number_of_clusters(value: object) -> bool:
    return isinstance(value, int | float | np.integer) and bool(value >= 1 and value % 1 == 0)


def _digest(values: Array) -> str:
    """Return a hash of rows: their type, their shape and every value."""
    found = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    for block in coding.blocks(len(values), values.shape[1:]):
        found.update(np.ascontiguousarray(values[block]).data)
    return found.hexdigest()


def _mean_of(values: Array, preprocessing: Mapping[str, Any]) -> Model:
    """Return the model of a single cluster: its centre is the mean of all rows."""
    model = Model(values.shape[1:], ALONE, {"name": "reconstruction"}, preprocessing=preprocessing)
    centers: Any = model.net.centers
    with torch.no_grad():
        mean = torch.from_numpy(values.mean(axis=0, keepdims=True, dtype=np.float64))
        centers.copy_(model.prepare(mean).flatten(1))
    return model
