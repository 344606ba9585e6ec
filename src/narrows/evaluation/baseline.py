"""What simple methods reach on the raw values: the figures a trained network must beat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from narrows.clustering.kmeans import KMeans
from narrows.errors import InputError, RunFolderError
from narrows.files import Array
from narrows.principal import principal_axes, with_fixed_signs
from narrows.sealed import checked_state

BLOCK_VALUES = 1 << 22  # values worked on at once: 16 MiB of float32, 32 of float64
HELD_VALUES = 1 << 27  # float32 values held at once where a method needs all of them: 512 MiB
COVARIANCE_UP_TO = 4096  # values of a row; their covariance takes 128 MiB
COVARIANCE_WORK = 1 << 37  # multiply-adds spent on a covariance: some seconds


class PCABaseline:
    """Principal component analysis as an autoencoder: linear, and the best linear one there is.

    Images uint8 are taken as values in [0, 1], and their reconstructions are clipped to it, as every pixel is; that
    makes the baseline stronger (PCA-32 on the test images of MNIST: a mean of 18.56 dB with, 18.08 dB without).

    Rows of up to 4096 values are fitted by their exact covariance, added up in blocks; a great many of them, by that of
    a part chosen at random. Longer rows are fitted by a randomised decomposition (Halko et al. 2011) of as many as fit
    in 512 MiB.

    Parameters
    ----------
    n_components : the size of the code; lowered to the number of rows or of values in a row where there are fewer
    seed : of the choice of rows and the randomised decomposition

    Attributes
    ----------
    mean_ : (D,)
    components_ : (n_components, D), orthonormal, in the order of the variance they explain
    """

    mean_: Array
    components_: Array

    def __init__(self, n_components: int, seed: int = 0) -> None:
        if n_components < 1:
            raise InputError("n_components", "must be a whole number >= 1", value=n_components)
        self.n_components = n_components
        self.seed = seed

    def fit(self, values: Array) -> Self:
        """Fit to ``values`` (N, ...), uint8 or float32."""
        self.shape_ = values.shape[1:]
        size = math.prod(self.shape_)
        n_components = min(self.n_components, len(values), size)
        if size <= COVARIANCE_UP_TO:
            rows = _some(len(values), max(4096, COVARIANCE_WORK // size**2), self.seed)
            self.mean_, self.components_ = principal_axes(lambda: _blocks(values, rows), n_components)
            return self
        from sklearn.utils.extmath import randomized_svd

        rows = _some(len(values), max(n_components, HELD_VALUES // size), self.seed)
        held = _held(values, rows)  # (n, D)
        self.mean_ = held.mean(axis=0, dtype=np.float64)
        held -= self.mean_.astype(np.float32)
        axes = randomized_svd(held, n_components, random_state=self.seed)[2]
        self.components_ = with_fixed_signs(axes.astype(np.float64))
        return self

    def encode(self, values: Array) -> Array:
        """Return the codes (N, n_components) float32 of ``values`` (N, ...)."""
        if values.shape[1:] != self.shape_:
            raise InputError(
                "values", f"must have rows of shape {self.shape_}, as the fitted ones", value=values.shape[1:]
            )
        codes = [(block - self.mean_) @ self.components_.T for block in _blocks(values, np.arange(len(values)))]
        return np.concatenate([np.empty((0, len(self.components_))), *codes]).astype(np.float32)

    def decode(self, codes: Array) -> Array:
        """Return what ``codes`` (N, n_components) stand for, unclipped: float32 (N, ...)."""
        outputs = np.empty((len(codes), len(self.mean_)), np.float32)
        rows = max(1, BLOCK_VALUES // len(self.mean_))
        for start in range(0, len(codes), rows):
            block = slice(start, start + rows)
            outputs[block] = codes[block] @ self.components_ + self.mean_
        return outputs.reshape(len(codes), *self.shape_)

    def reconstruct(self, values: Array) -> Array:
        """Return the reconstructions float32 of ``values`` (N, ...), those of images uint8 in [0, 1]."""
        outputs = self.decode(self.encode(values))
        return np.clip(outputs, 0, 1, out=outputs) if values.dtype == np.uint8 else outputs

    def state(self) -> dict[str, Array]:
        """Return the arrays to save: the mean (D,) and the components (n_components, D)."""
        return {"mean": self.mean_, "components": self.components_}

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], shape: Sequence[int]) -> Self:
        """Build from what ``state`` returned and the shape of one row.

        Raises
        ------
        RunFolderError : arrays that are no principal components of rows of that shape
        """
        found = checked_state("baseline", {"mean": "D", "components": "CD"}, arrays)
        sides = all(isinstance(side, int) and side > 0 for side in shape)
        if not sides or math.prod(shape) != len(found["mean"]):
            rule = f"must be of rows with the {len(found['mean'])} values of its mean"
            raise RunFolderError("the saved baseline", rule, value=shape)
        baseline = cls(len(found["components"]))
        baseline.mean_, baseline.components_ = found["mean"], found["components"]
        baseline.shape_ = tuple(shape)
        return baseline


def kmeans_on_pixels(values: Array, n_clusters: int, seed: int = 0) -> Array:
    """Return the clusters int64 (N,) that k-means (3 starts) finds in the raw ``values`` (N, ...).

    Of more rows than fit in 512 MiB, a part chosen at random is fitted and the others are assigned.
    """
    rows = _some(len(values), max(n_clusters, HELD_VALUES // math.prod(values.shape[1:])), seed)
    clusterer = KMeans(n_clusters, seed, n_init=3).fit(_held(values, rows))
    if len(rows) == len(values):
        return clusterer.labels_
    return np.concatenate([clusterer.predict(block) for block in _blocks(values, np.arange(len(values)))])


def _some(count: int, most: int, seed: int) -> Array:
    """Return the numbers of all rows, or of ``most`` of them chosen at random, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _held(values: Array, rows: Array) -> Array:
    """Return ``rows`` of ``values`` as one float32 array (n, D)."""
    held = np.empty((len(rows), math.prod(values.shape[1:])), np.float32)
    start = 0
    for block in _blocks(values, rows):
        held[start : start + len(block)] = block
        start += len(block)
    return held


def _blocks(values: Array, rows: Array) -> Iterator[Array]:
    """Yield ``rows`` of ``values`` as float32 (B, D), images uint8 in [0, 1]."""
    size = max(1, BLOCK_VALUES // math.prod(values.shape[1:]))
    for start in range(0, len(rows), size):
        block = values[rows[start : start + size]]
        flat = block.reshape(len(block), -1).astype(np.float32)
        yield flat / 255 if values.dtype == np.uint8 else flat
