"""The contract of clusterings that train their own network."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from narrows import __version__, wording
from narrows.clustering import Clusterer, CodeClusterer
from narrows.data.dataset import all_finite
from narrows.deep._decoder import with_decoder
from narrows.deep._planes import by_planes
from narrows.disk.files import Array, sha256
from narrows.disk.learned import checked_state
from narrows.disk.sealed import Parts
from narrows.encoding import codes as coding
from narrows.encoding.model import PARTS, Model
from narrows.errors import InputError
from narrows.geometry.distinct import count_distinct
from narrows.nets import Network
from narrows.training.checkpoint import VERSION
from narrows.training.settings import Settings
from narrows.training.stages import Stages
from narrows.wording import plural, verb
from narrows.work.threads import single_threaded

MOST_ESTIMATED = 100  # clusters, if their number is to be estimated

ALONE = {"name": "neural-kmeans", "code_size": 1}  # the network of a single cluster, of which there is nothing to learn


class DeepClusterer(Clusterer):
    """A clustering of images or vectors by a network that it trains.

    A subclass learns ``model_`` and the arrays named in ``learned`` in ``_fit``, reads shares in clusters from them in
    ``_shares`` (or leaves that to the objective's ``assign``), and says in ``_reader`` which clustering of the
    network's codes has the same clusters.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``

    Attributes
    ----------
    model_ : the trained network
    training_ : the training, of those in the histories of the stages, that the network comes from; "" for none
    """

    trains_network = True
    parts: ClassVar[tuple[str, ...]] = (*PARTS, *Clusterer.parts)

    #: See ``expected``: seconds of any fit, and for each row.
    seconds: ClassVar[tuple[float, float] | None] = None

    order_: Array  # (M,) int64, the column of ``_shares`` that each cluster is
    model_: Model
    training_: str = ""
    _preprocessing: Mapping[str, Any]

    @property
    def n_clusters_(self) -> int:
        """M, the number of clusters, including empty ones."""
        return len(self.order_)

    @single_threaded
    def fit(self, rows: Array, stages: Stages | None = None, *, preprocessing: Mapping[str, Any] | None = None) -> Self:
        """Find clusters of images uint8 (N, C, H, W) or vectors float32 (N, D).

        Parameters
        ----------
        rows : images or vectors
        stages : where to keep what is done; nothing is kept by default
        preprocessing : how the rows were brought to this shape, for the saved model

        Raises
        ------
        InputError : no rows, or rows that are neither uint8 images nor finite float32 vectors
        RunFolderError : the folder of ``stages`` holds the steps of another clustering
        TrainingError : training diverged
        Interrupted : ``stages.stop`` said so; the same call with the same folder continues
        """
        stages = stages or Stages()
        _check(rows)
        if len(rows) == 0:
            raise InputError("values", "must have at least one row", value=f"shape {rows.shape}")
        estimated = isinstance(self.n_clusters, str)
        distinct = count_distinct(rows, MOST_ESTIMATED if estimated else self.n_clusters)
        self.notes, self.training_ = (), ""
        if not estimated and distinct < self.n_clusters:
            self.notes = (
                f"{self.n_clusters} clusters were asked for, but {wording.distinct(distinct, 'row')}, "
                f"so the number was lowered to {distinct}.",
            )
        self._preprocessing = dict(preprocessing or {})
        arguments = {name: value for name, value in vars(self).items() if name[0] != "_" and name[-1] != "_"}
        del arguments["notes"]
        with stages.held():
            stages.begin(
                {
                    "version": __version__,
                    "training": VERSION,
                    "method": type(self).__name__,
                    **arguments,
                    "rows": stages.rows or _digest(rows),
                    "preprocessing": self._preprocessing,
                }
            )
            if distinct == 1:
                self.model_ = _mean_of(rows, self._preprocessing)
            else:
                self._fit(rows, distinct, stages)
        shares = self._all_shares(rows)
        columns = shares.argmax(1)  # (N,)
        sizes = np.bincount(columns, minlength=shares.shape[1])
        self.order_ = np.argsort(-sizes, kind="stable")
        self.labels_ = np.argsort(self.order_, kind="stable")[columns]
        if not estimated and len(sizes) < distinct:
            self.notes += (
                f"Only {plural(len(sizes), 'cluster')} could be made, because different rows have the same code.",
            )
        empty = int((sizes == 0).sum())
        if empty:
            self.notes += (f"{empty} of {len(sizes)} clusters {verb(empty, 'holds', 'hold')} no row.",)
        return self

    def expected(self, rows: int) -> float | None:
        """Return about how many seconds a fit to ``rows`` rows takes on one core; None if unknown."""
        return None if self.seconds is None else self.seconds[0] + self.seconds[1] * rows

    def history(self, stages: Stages) -> list[dict[str, float]]:
        """Return the training that the network comes from, of those in ``stages``: one row per epoch."""
        return stages.histories.get(self.training_, [])

    def assign(self, rows: Array) -> Array:
        """Return the shares (N, M) float32 that rows have in the clusters; each row's add up to 1."""
        return self._all_shares(rows)[:, self.order_]

    def predict(self, rows: Array) -> Array:
        """Return the cluster (N,) int64 of each row."""
        clusters: Array = np.argsort(self.order_, kind="stable")[self._all_shares(rows).argmax(1)]
        return clusters

    def confidence(self, rows: Array) -> Array:
        """Return the share (N,) float32 of each row in its own cluster."""
        highest: Array = self._all_shares(rows).max(1)
        return highest

    def embed(self, rows: Array) -> Array:
        """Return the codes (N, K) float32 in which the clusters lie: those of ``model_``."""
        _check(rows, self.model_.input_shape)
        return self.model_.encode(rows)

    def reader(self, codes: Array) -> CodeClusterer:
        """Return a clustering of codes that reads the same clusters from the codes of ``model_``.

        Parameters
        ----------
        codes : (N, K), those of the fitted rows, by which clusters are numbered
        """
        if self._is_alone():
            return by_planes(np.zeros((1, codes.shape[1])), np.zeros(1), codes)
        return self._reader(codes)

    def with_decoder(self, values: Array, rows: Array, valid: Array, stages: Stages) -> Model:
        """Return ``model_`` with a decoder for its codes, which stay the same bit for bit.

        Unless it is trained already, the decoder learns from ``rows``, and ``valid`` chooses the best epoch. A network
        without a decoder is returned unchanged.

        Raises
        ------
        TrainingError : training diverged
        Interrupted : ``stages.stop`` said so
        """
        if self.model_.objective.trains_decoder or not isinstance(self.model_.net, Network):
            return self.model_
        return with_decoder(self.model_, values, rows, valid, stages, self.seed)

    def state(self) -> dict[str, Array]:
        """Return the learned arrays, the order of the clusters among them."""
        return {"order": self.order_} | ({} if self._is_alone() else super().state())

    @abstractmethod
    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        """Learn ``n_clusters`` clusters of ``values`` (N, ...), at least as many of which are distinct."""

    def _shares(self, values: Array) -> Array:
        """Return the shares (N, M) of rows, in the order of the columns as learned, in bounded memory."""
        return shares_of(self.model_, values)

    @abstractmethod
    def _reader(self, codes: Array) -> CodeClusterer:
        """Return what ``reader`` does, of more than one cluster."""

    def _train(
        self,
        name: str,
        model: Model,
        values: Array,
        settings: Settings,
        stages: Stages,
        *,
        seed: int | None = None,
        labels: Array | None = None,
    ) -> Model:
        """Return ``model`` as it comes out of the training ``name``, that of ``training_`` if it is the last."""
        self.training_ = name
        return stages.train(name, model, values, settings, seed=self.seed if seed is None else seed, labels=labels)

    def _beside(self, folder: Path) -> dict[str, Any]:
        self.model_.write(folder)
        return {"model": sha256(folder / "model.safetensors")}

    def _take(self, arrays: dict[str, Array], parts: Parts, made_by: Mapping[str, Any]) -> None:
        self.model_ = Model.load(parts)
        if made_by["model"] != parts.digest("model.safetensors"):
            raise ValueError(f"made with the model {made_by['model'][:8]}")
        order = arrays.pop("order")
        if order.dtype.kind != "i" or sorted(order.tolist()) != list(range(len(order))):
            raise ValueError(f"order {order.tolist()}")
        self.order_ = order
        shapes = {} if self._is_alone() else self.learned
        for name, array in checked_state("clusterer", shapes, arrays).items():
            setattr(self, f"{name}_", array)
        blank = np.zeros((1, *self.model_.input_shape), np.uint8 if self.model_.is_images else np.float32)
        columns = self._all_shares(blank).shape[1]
        if columns != len(order):
            raise ValueError(f"{len(order)} clusters, but the model has {columns}")

    def _is_alone(self) -> bool:
        return bool(self.model_.config["net"] == ALONE)

    @single_threaded
    def _all_shares(self, values: Array) -> Array:
        _check(values, self.model_.input_shape)
        if len(values) == 0:
            return np.empty((0, len(self.order_)), np.float32)
        shares = np.ones((len(values), 1)) if self._is_alone() else self._shares(values)
        return shares.astype(np.float32)


def shares_of(model: Model, values: Array) -> Array:
    """Return the shares (N, M) of rows in the clusters that a network learned along with its objective."""
    objective: Any = model.objective
    codes = torch.from_numpy(model.encode(values))
    with torch.inference_mode():
        shares: Array = objective.assign(codes).numpy()
    return shares


def _check(values: Array, shape: tuple[int, ...] | None = None) -> None:
    """Raise a clear error unless ``values`` are bytes of images or finite float32 vectors, of ``shape`` if given."""
    if (values.ndim, values.dtype) not in ((4, np.dtype(np.uint8)), (2, np.dtype(np.float32))):
        raise InputError(
            "values",
            "must be images uint8 (N, C, H, W) or vectors float32 (N, D)",
            value=f"{values.dtype} {values.shape}",
            remedy="Use narrows.open to convert arrays and files.",
        )
    if shape is not None and values.shape[1:] != shape:
        raise InputError("values", f"must have rows of shape {shape}, like the fitted ones", value=values.shape[1:])
    if values.dtype.kind == "f" and not all_finite(values):  # bytes are, and need not be read for it
        raise InputError("values", "must be finite", value="NaN or infinity")


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
