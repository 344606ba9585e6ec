"""``NeuralKMeans``: k-means by gradient descent, as a scikit-learn clusterer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from narrows.clustering.kmeans import SEEDING_ROWS
from narrows.data.arrays import as_array
from narrows.data.columns import moments, without_offsets
from narrows.data.dataset import Dataset
from narrows.data.splits import some_rows
from narrows.disk.files import Array, Float32, Int64
from narrows.disk.sealed import Parts
from narrows.encoding.model import Model
from narrows.errors import InputError, RunFolderError, TrainingError, nearest
from narrows.estimators._codes import GivesCodes
from narrows.estimators._saving import Saved
from narrows.estimators._source import Source
from narrows.evaluation import signals
from narrows.training.loop import train
from narrows.training.schedule import Schedule
from narrows.training.settings import Settings
from narrows.wording import plural

__all__ = ["NeuralKMeans", "initial_centers"]

INITS = ("k-means++", "random", "uniform", "labels")
ROUNDING = 1e-4  # by which means of images in [0, 1] may lie outside: scikit-learn computes them about their own mean
STEP = 0.2  # the first step of "auto", as a share of the way to the cell's mean
BLOCK_VALUES = 1 << 22  # float64 values worked on at once: 32 MiB
SEEDING_VALUES = 1 << 26  # float32 values k-means++ looks at: 256 MiB


class NeuralKMeans(Saved, ClassNamePrefixFeaturesOutMixin, GivesCodes, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Find clusters of images or vectors with a network whose parameters are the centres.

    ``X`` may be vectors (N, D), images (N, H, W), (N, H, W, C) or (N, C, H, W), or anything else
    ``narrows.open`` takes: tensors, dataframes, sparse matrices, a ``Dataset``, files, names.
    Distances are Euclidean: of images in [0, 1], of vectors in their own units.

    Parameters
    ----------
    n_clusters : K, the number of centres
    update : the learning rule. "cell": each centre goes a share ``lr`` of the way to the mean of those rows of the
        batch that are nearest to it. "gradient": gradient descent with rate ``lr`` on the mean squared reconstruction
        error, over rows and values. "sum": the same with the error summed over values, which is unstable for rates
        that look ordinary
    lr : peak learning rate; "auto" is 0.2 for "cell", and for the others a rate whose steps are as long in a cell that
        has its share of the batch, but never so long as to be unstable
    schedule : how the rate falls: "cosine" or "linear" to 0, "step", or "constant"
    init : where centres start. "k-means++" (Arthur & Vassilvitskii 2007), "random" rows, "uniform" in the range of the
        values ([0, 1] for images), "labels" (the first row of each class; the one use made of ``y``), or an array of
        K rows like those of ``X``, images in [0, 1] as ``cluster_centers_`` are
    epochs, batch_size : of training; "auto" fits them to the number of rows
    beta : sharpness of the softmax, after vectors are scaled to a mean variance of 1; "cell" makes no use of it
    repair : move a centre that has won no row for this many rows onto a row far from all centres; True for the number
        of rows in an epoch, False for never
    shuffle : draw a new order of the rows for each epoch, or take them as they come
    random_state : seed of the centres and the order
    verbose : show progress

    Attributes
    ----------
    cluster_centers_ : (K, D), images with their axes in the order of the array given to ``fit``
    labels_ : int64 (N,), the nearest centre of each row
    inertia_ : sum of squared distances to the nearest centre
    counts_ : int64 (K,), rows of each cluster
    n_dead_ : centres that are the nearest to no row
    n_repairs_ : how many times a dead centre was moved
    n_steps_ : batches learned from. After a TrainingError, those before it
    history_ : one dictionary per epoch; "train/mse" is the mean squared error per value, in the units of ``model_``
    model_ : the trained ``narrows.encoding.model.Model``
    novelty_ : what ``novelty`` compares with: the distances of rows to the centres. All rows move the centres, so a
        fifth of them stands for held-out rows. None if it was saved without
    n_features_in_ : values in one input

    Notes
    -----
    The smaller the step, the less a centre trembles with the batches it sees, and the longer it takes to arrive; a step
    that falls to 0 does both. See Bottou & Bengio (1995) for k-means as gradient descent, Sculley (2010) for
    mini-batches.

    Examples
    --------
    >>> import narrows
    >>> model = narrows.NeuralKMeans(10, random_state=0).fit(narrows.open("digits"))
    >>> model.predict("digits").shape
    (1797,)
    """

    model_: Model
    _record = "kmeans.json"
    _objects = ("random_state", "init")

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        update: Literal["cell", "gradient", "sum"] = "cell",
        lr: float | Literal["auto"] = "auto",
        schedule: Schedule = "cosine",
        init: str | Array = "k-means++",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        beta: float = 20.0,
        repair: bool | int = True,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_clusters = n_clusters
        self.update = update
        self.lr = lr
        self.schedule = schedule
        self.init = init
        self.epochs = epochs
        self.batch_size = batch_size
        self.beta = beta
        self.repair = repair
        self.shuffle = shuffle
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Source, y: Any = None) -> Self:
        """Find the clusters of ``X``; ``y`` is used with ``init="labels"`` alone, and may be left out if X has labels.

        Raises
        ------
        DataError : input that cannot be used
        RecipeError, InputError : a parameter that cannot be used
        TrainingError : training diverged

        Warns
        -----
        ConvergenceWarning : dead centres, or one centre that took nearly everything
        """
        self._check_parameters()
        data = replace(self._open(X, fitting=True), split=None)
        if not 1 <= self.n_clusters <= len(data):
            raise InputError("n_clusters", f"must be from 1 to the {len(data)} rows (n_samples)", value=self.n_clusters)
        seed = self._seed()
        labels = data.labels if y is None else as_array(y)
        offsets = data.provenance.get("preprocessing", {}).get("offsets", {})
        init = self.init if isinstance(self.init, str) else without_offsets(_as_rows(self.init, self._axes), offsets)
        start = initial_centers(data, self.n_clusters, init, seed=seed, labels=labels)  # (K, D)
        if self.repair < 0:
            raise InputError("repair", "must be True, False, or a whole number of rows", value=self.repair)
        settings = self._settings(data)
        always = isinstance(self.repair, bool | np.bool_) and self.repair
        idle = len(data) if always else int(self.repair)
        model = Model(
            data.shape,
            {"name": "neural-kmeans", "code_size": self.n_clusters, "beta": self.beta},
            {"name": "kmeans", "update": self.update, "repair": idle},
            seed=seed,
            preprocessing=data.preprocessing,
        )
        _fit_scale(model, data.values)
        shift, scale = _units(model)
        with torch.no_grad():
            model.net.centers.copy_(torch.from_numpy((start - shift) / scale))
        self._train(model, data, settings, seed)
        self.model_ = model.cpu()
        self.cluster_centers_ = self._arranged()
        self._take(data)
        rows = np.arange(len(data))
        self._learn_novelty(data.values, rows, rows[:0], seed)
        return self

    def predict(self, X: Source) -> Int64:
        """Return the nearest centre (N,) int64 of each row."""
        check_is_fitted(self)
        return np.concatenate([d.argmin(1) for d in self._squares(self._open(X).values)])

    def transform(self, X: Source) -> Float32:
        """Return the distances (N, K) float32 to the centres."""
        check_is_fitted(self)
        return np.concatenate([np.sqrt(d).astype(np.float32) for d in self._squares(self._open(X).values)])

    def score(self, X: Source, y: object = None) -> float:
        """Return minus the sum of squared distances to the nearest centre: greater is better."""
        check_is_fitted(self)
        return -float(sum(d.min(1).sum() for d in self._squares(self._open(X).values)))

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool) -> None:
        if self.model_.config["net"]["name"] != "neural-kmeans":
            raise RunFolderError(str(parts.place), "must contain centres", value=self.model_.config["net"]["name"])
        self.cluster_centers_ = self._arranged()

    @classmethod
    def _earlier(cls, learned: Model) -> dict[str, Any]:
        return {"n_clusters": learned.code_size, "beta": learned.config["net"].get("beta", 20.0)}

    def _learned(self) -> str:
        return plural(self.model_.code_size, "centre")

    def _settings(self, data: Dataset) -> Settings:
        # In gradient descent a cell with its share of the batch steps by 2 lr / K, one with the whole batch by 2 lr.
        auto = STEP if self.update == "cell" else min(STEP * self.n_clusters / 2, 0.5)
        auto *= math.prod(data.shape) if self.update == "gradient" else 1
        return Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer="sgd",
            momentum=0.0,
            lr=auto if isinstance(self.lr, str) else self.lr,
            schedule=self.schedule,
            warmup=0.0,
            clip=0.0,
            keep="last",
            shuffle=self.shuffle,
            precision="float32",
        )

    def _train(self, model: Model, data: Dataset, settings: Settings, seed: int) -> None:
        begun = 0

        def count() -> int:  # the loop asks before every batch
            nonlocal begun
            begun += 1
            return 0

        try:
            self.history_ = train(
                model,
                data.values,
                np.arange(len(data)),
                np.arange(0),
                settings,
                seed=seed,
                progress=self._progress(),
                stop=count,
            )
        except TrainingError as error:
            self.n_steps_ = begun - 1
            _, batch_size = settings.resolve(len(data))
            epoch, batch = divmod(self.n_steps_, -(-len(data) // batch_size))
            limit = {"cell": "2", "gradient": f"the {math.prod(data.shape)} values of a row", "sum": "1"}[self.update]
            raise TrainingError(
                f"NeuralKMeans diverged in epoch {epoch + 1}, at batch {batch + 1}. lr must be lower; it is "
                f"{settings.lr:g}, and update={self.update!r} is stable for any cells where it is below {limit}."
            ) from error
        self.n_steps_ = begun

    def _take(self, data: Dataset) -> None:
        """Learn what is where, and say what went wrong."""
        labels, inertia = [], 0.0
        for squares in self._squares(data.values):
            labels.append(squares.argmin(1))
            inertia += float(squares.min(1).sum())
        self.labels_ = np.concatenate(labels)  # (N,)
        self.inertia_ = inertia
        self.counts_ = np.bincount(self.labels_, minlength=self.n_clusters)  # (K,)
        self.n_dead_ = int((self.counts_ == 0).sum())
        self.n_repairs_ = int(self.model_.state_dict()["objective.repairs"])
        for signal in (signals.dead_centres(self.counts_), signals.mode_collapse(self.counts_)):
            # A cluster with more than half of the rows may be how the data are; one with nearly all is a collapse.
            if signal is not None and (signal.name == "dead centres" or signal.severity == "serious"):
                warnings.warn(signal.sentence, ConvergenceWarning, stacklevel=3)

    def _evidence(self, values: Array) -> tuple[Array, Array]:
        squares = np.concatenate([np.empty((0, self.model_.code_size)), *self._squares(values)])  # (N, K)
        return np.sqrt(squares).astype(np.float32), squares.min(axis=1)

    def _centers(self) -> Array:
        """Return the centres (K, D) float64 in the units of the rows that are measured."""
        shift, scale = _units(self.model_)
        return np.asarray(self.model_.net.centers.detach().numpy() * scale + shift)

    def _arranged(self) -> Array:
        """Return the centres as rows of X look."""
        centers = self._centers().reshape(-1, *self.model_.input_shape)
        return self._given_back(centers if self.model_.preprocessing.get("offsets") else centers.astype(np.float32))

    def _squares(self, values: Array) -> Iterator[Array]:
        """Yield the squared distances (B, K) float64 of block after block of rows."""
        unit = 255 if self.model_.is_images else 1
        centers = self._centers()
        middle = centers.mean(axis=0)  # taken off, or a common offset would eat the digits of the differences
        centers = centers - middle
        rows = max(1, BLOCK_VALUES // max(centers.shape))
        for begin in range(0, len(values), rows):
            x = values[begin : begin + rows].reshape(-1, len(middle)) / np.float64(unit) - middle  # (B, D)
            yield np.maximum((x**2).sum(1)[:, None] - 2 * (x @ centers.T) + (centers**2).sum(1), 0)


def initial_centers(
    data: Dataset, n_clusters: int, init: str | Array, *, seed: int = 0, labels: Array | None = None, nth: int = 0
) -> Array:
    """Return where centres start, (K, D) float32, images in [0, 1] and vectors in their own units.

    Parameters
    ----------
    data : the rows
    n_clusters : K
    init : "k-means++", "random", "uniform" or "labels", or the centres themselves
    seed : of what is drawn
    labels : classes (N,), for "labels"; -1 where unknown
    nth : "labels" takes the row number ``nth`` (from 0) of each class in the order of the data

    Raises
    ------
    InputError : an unknown ``init``, an array of another shape, or classes that are not as many as the centres
    """
    size = math.prod(data.shape)
    if not isinstance(init, str):
        centers = np.asarray(init, dtype=np.float32)
        if centers.shape != (n_clusters, size) or not np.isfinite(centers).all():
            raise InputError("init", f"must hold {n_clusters} finite centres of {size} values", value=centers.shape)
        if not data.is_images:
            return centers
        if not (centers.min() >= -ROUNDING and centers.max() <= 1 + ROUNDING):
            raise InputError(
                "init",
                "must hold images in [0, 1]",
                value=f"{centers.min():g} to {centers.max():g}",
                remedy="Divide them by the value of white in X.",
            )
        return centers.clip(0, 1)
    if init not in INITS:
        raise InputError("init", "must be known, or an array", value=init, remedy=nearest(init, INITS))
    if init == "labels":
        return _rows(data, _of_each_class(labels, len(data), n_clusters, nth))
    rng = np.random.default_rng(seed)
    if init == "uniform":
        low, high = (0.0, 1.0) if data.is_images else (data.values.min(axis=0), data.values.max(axis=0))
        return rng.uniform(low, high, (n_clusters, size)).astype(np.float32)
    if init == "random":
        return _rows(data, np.sort(rng.choice(len(data), n_clusters, replace=False)))
    from sklearn.cluster import kmeans_plusplus

    most = max(10 * n_clusters, min(SEEDING_ROWS, SEEDING_VALUES // size))
    seen = _rows(data, some_rows(len(data), most, seed))
    centers, _ = kmeans_plusplus(seen, n_clusters, random_state=np.random.RandomState(seed % 2**32))
    return np.asarray(centers, dtype=np.float32)


def _of_each_class(labels: Array | None, rows: int, n_clusters: int, nth: int) -> Array:
    """Return the row number ``nth`` of each class (K,), in the order of the classes."""
    if labels is None or len(labels) != rows:
        raise InputError("y", f"must have one class for each of the {rows} rows when init='labels'")
    known = labels != -1
    classes, counts = np.unique(labels[known], return_counts=True)
    if len(classes) != n_clusters or counts.min() <= nth:
        raise InputError(
            "n_clusters",
            f"must be as many as the classes, each with more than {nth} rows, with init='labels'",
            value=f"{n_clusters} centres, {len(classes)} classes",
        )
    return np.array([np.flatnonzero(known & (labels == name))[nth] for name in classes])


def _rows(data: Dataset, rows: Array) -> Array:
    """Return ``rows`` of the data as (n, D) float32, images in [0, 1]."""
    found = data.values[rows].reshape(len(rows), -1)
    return found.astype(np.float32) / 255 if data.is_images else np.array(found, dtype=np.float32)


def _as_rows(init: Array, axes: str) -> Array:
    """Return centres that look like rows of X as (K, D), in the order in which the network sees their values."""
    centers = as_array(init)
    if axes == "NHWC" and centers.ndim == 4:
        centers = centers.transpose(0, 3, 1, 2)
    return centers.reshape(len(centers), -1) if centers.ndim else centers


def _fit_scale(model: Model, values: Array) -> None:
    """Bring vectors to mean 0 and, all columns by one factor, to a mean variance of 1: it leaves k-means as it is."""
    if model.is_images:
        return
    model.fit_scaling(values)
    # A column that never changes has the scale 1 without having the variance 1.
    variance = moments(values)[1].mean()
    model.scale.fill_(math.sqrt(variance) or 1.0)


def _units(model: Model) -> tuple[Array, Array]:
    """Return (shift, scale), float64, by which the network's centres are centres in the units of X."""
    if model.is_images:
        return np.zeros(1), np.ones(1)
    return model.shift.numpy().astype(np.float64), model.scale.numpy().astype(np.float64)
