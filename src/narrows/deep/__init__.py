"""Deep clusterings: images or vectors to groups, by way of networks trained for it. One file per method.

A method learns from rows as they are stored and ends with a trained model, a few arrays, and a rule that reads from
them the share each row has in each cluster. That rule is all ``predict`` needs, so the labels of the fitted rows, those
of new rows, and those of a clusterer read from a file come from the same lines and agree bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from narrows import codes as coding
from narrows.clustering import count_distinct
from narrows.errors import InputError, RecipeError, RunFolderError
from narrows.files import Array, read_arrays, write_arrays
from narrows.model import Model
from narrows.progress import Progress
from narrows.registry import Registry
from narrows.training.loop import Settings, train

methods = Registry("narrows.deep", "deep clustering method")

Arrays = dict[str, Array]

ALONE = {"name": "neural-kmeans", "code_size": 1}  # the network of a single cluster, of which there is nothing to learn


def _never() -> int:
    return 0


@dataclass(frozen=True)
class Stages:
    """Does the steps of a clustering one after the other; with a folder it keeps each and does none twice.

    Parameters
    ----------
    folder : where results of steps and checkpoints are kept; None keeps nothing
    seed : of the training
    progress : shows what is going on
    stop : asked before every batch whether to stop; see ``narrows.training.loop.train``
    """

    folder: Path | None = None
    seed: int = 0
    progress: Progress = field(default_factory=Progress)
    stop: Callable[[], int] = _never

    def arrays(self, name: str, make: Callable[[], Mapping[str, Array]]) -> Arrays:
        """Return what ``make`` makes, or made before."""
        path = None if self.folder is None else self.folder / f"{name}.safetensors"
        if path is not None and path.exists():
            return read_arrays(path)[0]
        with self.progress.task(name):
            made = dict(make())
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(path, made)
        return made

    def train(
        self,
        name: str,
        model: Model,
        values: Array,
        settings: Settings,
        *,
        labels: Array | None = None,
        rows: Array | None = None,
    ) -> Model:
        """Train ``model`` on ``rows`` (all by default) of ``values`` (N, ...), or return it as it came out before."""
        folder = None if self.folder is None else self.folder / name
        if folder is not None and (folder / "model.safetensors").exists():
            return Model.load(folder)
        rows = np.arange(len(values)) if rows is None else rows
        train(
            model, values, rows, np.arange(0), settings, labels=labels, seed=self.seed,
            folder=None if folder is None else folder / "checkpoints", progress=self.progress, stop=self.stop,
        )  # fmt: skip
        model = model.cpu()
        if folder is not None:
            model.save(folder)
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
    notes : sentences about what was done differently from what was asked
    """

    #: The arrays ``_fit`` sets (each with an underscore added).
    learned: ClassVar[tuple[str, ...]] = ()

    labels_: Array
    order_: Array  # (M,) int64, the column of ``_shares`` that each cluster is
    model_: Model
    notes: tuple[str, ...] = ()

    def __init__(self, n_clusters: int = 10, seed: int = 0) -> None:
        if n_clusters < 1:
            raise RecipeError("clustering.n_clusters", "must be a whole number >= 1", value=n_clusters)
        self.n_clusters = n_clusters
        self.seed = seed

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
        InputError : no rows
        TrainingError : training diverged
        Interrupted : ``stages.stop`` said so; the same call with the same folder goes on
        """
        if len(values) == 0:
            raise InputError("values", "must have at least one row to be clustered", value=f"shape {values.shape}")
        distinct = count_distinct(values.reshape(len(values), -1), self.n_clusters)
        self.notes = ()
        if distinct < self.n_clusters:
            self.notes = (
                f"{self.n_clusters} clusters were asked for, but only {distinct} of the {len(values)} rows differ: "
                f"{distinct} made.",
            )
        self._preprocessing = dict(preprocessing or {})
        if distinct == 1:
            self.model_ = _mean_of(values, self._preprocessing)
        else:
            self._fit(values, distinct, stages or Stages(seed=self.seed))
        columns = self._all_shares(values).argmax(1)  # (N,)
        sizes = np.bincount(columns, minlength=distinct)
        self.order_ = np.argsort(-sizes, kind="stable")
        self.labels_ = np.argsort(self.order_, kind="stable")[columns]
        empty = int((sizes == 0).sum())
        if empty:
            self.notes += (f"{empty} of {len(sizes)} clusters hold no row.",)
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
        return coding.embed(self.model_, values)

    def save(self, folder: str | Path) -> None:
        """Write the fitted clusterer into ``folder``: the model, and ``clusterer.safetensors``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model_.save(folder)
        arrays = {name: np.asarray(getattr(self, f"{name}_")) for name in self._names()}
        write_arrays(folder / "clusterer.safetensors", arrays, {"n_clusters": self.n_clusters})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        RunFolderError : files missing, damaged, or of another method
        """
        folder = Path(folder)
        model = Model.load(folder)
        try:
            arrays, kept = read_arrays(folder / "clusterer.safetensors")
            self = cls(n_clusters=kept["n_clusters"])
            self.model_ = model
            for name in self._names():
                setattr(self, f"{name}_", arrays[name])
        except Exception as error:
            raise RunFolderError(str(folder), "must hold a saved clusterer of this method", value=str(error)) from error
        return self

    @abstractmethod
    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        """Learn ``n_clusters`` clusters of ``values`` (N, ...), at least as many of which are distinct."""

    @abstractmethod
    def _shares(self, values: Array) -> Array:
        """Return the shares (B, M) of a block of rows, in the order of the columns as learned."""

    def _names(self) -> tuple[str, ...]:
        """Return the arrays that are saved beside the model."""
        return ("order",) if self._is_alone() else ("order", *self.learned)

    def _is_alone(self) -> bool:
        return bool(self.model_.config["net"] == ALONE)

    def _all_shares(self, values: Array) -> Array:
        read = _all_in_one if self._is_alone() else self._shares
        blocks = coding.blocks(len(values), values.shape[1:])
        parts = [read(values[block]).astype(np.float32) for block in blocks]
        return np.concatenate(parts) if parts else np.empty((0, len(self.order_)), np.float32)


def _all_in_one(values: Array) -> Array:
    return np.ones((len(values), 1))


def _mean_of(values: Array, preprocessing: Mapping[str, Any]) -> Model:
    """Return the model of a single cluster: its centre is the mean of all rows."""
    model = Model(values.shape[1:], ALONE, {"name": "reconstruction"}, preprocessing=preprocessing)
    centers: Any = model.net.centers
    with torch.no_grad():
        mean = torch.from_numpy(values.mean(axis=0, keepdims=True, dtype=np.float64))
        centers.copy_(model.prepare(mean).flatten(1))
    return model
