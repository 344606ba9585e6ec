"""Kernel principal component analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.errors import InputError, RecipeError, RunFolderError
from narrows.geometry.distinct import first_rows
from narrows.geometry.principal import with_fixed_signs
from narrows.projection import Projection
from narrows.wording import plural
from narrows.work.threads import one_thread

__all__ = ["KernelPCA"]

BLOCK_VALUES = 1 << 22  # kernel values computed at once: 32 MiB
EXACT_UP_TO = 1000  # up to this many codes, the exact eigenvectors are computed


class KernelPCA(Projection):
    """Principal components in the feature space of a Gaussian kernel (Scholkopf, Smola & Mueller 1998).

    The kernel is k(x, y) = exp(-|x - y|^2 / (2 s)), where s is the sum of the variances of the code's values. So a
    typical pair, whose squared distance is 2 s, has the value exp(-1), whatever the unit and the number of values.
    Codes that occur several times count once.

    Parameters
    ----------
    seed : of the choice of codes and of the randomised decomposition
    max_points : the most codes the kernel is computed for, chosen at random; it takes 4 bytes for each pair of them
    """

    learned: ClassVar = {"codes": "MK", "coefficients": "M2", "means": "M", "spread": "1"}
    codes_: Array  # (M, K) float32, all different
    coefficients_: Array  # (M, 2): a component is the sum of the codes' feature vectors times these
    means_: Array  # (M,): of the kernel's columns
    spread_: Array  # (1,): s

    def __init__(self, seed: int = 0, max_points: int = 10_000) -> None:
        super().__init__(seed)
        if max_points < 1:
            raise RecipeError("projection.max_points", "must be a whole number >= 1", value=max_points)
        self.max_points = max_points

    def _fit(self, codes: Array, neighbours: tuple[Array, Array] | None) -> None:
        rows = first_rows(codes)
        if len(rows) > self.max_points:
            self.notes += (
                f"The kernel was fitted to {plural(self.max_points, 'code')}; the others were projected with it.",
            )
            rows = rows[some_rows(len(rows), self.max_points, self.seed)]
        self.codes_ = codes[rows]
        self.spread_ = np.array([_spread(self.codes_)])
        n = min(2, len(rows))
        values, vectors, self.means_ = _eigen(self.codes_, n, self.seed)
        self.coefficients_ = np.zeros((len(rows), 2))
        some = values > 1e-6 * max(values[0], 1e-12)  # directions without variance have no scale
        self.coefficients_[:, :n][:, some] = vectors[:, some] / np.sqrt(values[some])

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], **arguments: Any) -> Self:
        """See ``Projection.from_state``."""
        projection = super().from_state(arrays, **arguments)
        if projection.spread_[0] < 0:
            raise RunFolderError("the saved projection", "must have a spread >= 0", value=projection.spread_[0])
        return projection

    def _place(self, codes: Array) -> Array:
        # Each distinct code once, so that equal codes get the same bits wherever they occur.
        distinct, where = np.unique(codes, axis=0, return_inverse=True)
        points = np.empty((len(distinct), 2), np.float32)
        total = self.means_.mean()
        rows = max(1, BLOCK_VALUES // len(self.codes_))
        for start in range(0, len(distinct), rows):
            block = slice(start, start + rows)
            kernel = _kernel(distinct[block], self.codes_, float(self.spread_[0]))  # (B, M)
            centred = kernel - kernel.mean(axis=1, keepdims=True) - self.means_ + total
            points[block] = centred @ self.coefficients_
        return points[where.reshape(-1)]


def kernel_components(codes: Array, n_components: int, seed: int = 0) -> Array:
    """Return the first ``n_components`` kernel principal components (N, n_components) float32 of ``codes`` (N, K).

    The same components as those of ``KernelPCA``, computed from all codes. The kernel takes 4 N^2 bytes.

    Raises
    ------
    InputError : more components than codes, or fewer than one
    """
    if not 1 <= n_components <= len(codes):
        raise InputError("n_components", f"must be from 1 to the {len(codes)} codes", value=n_components)
    values, vectors, _ = _eigen(np.asarray(codes, np.float32), n_components, seed)
    return (vectors * np.sqrt(values)).astype(np.float32)


def _eigen(codes: Array, n: int, seed: int) -> tuple[Array, Array, Array]:
    """Return the first ``n`` eigenvalues and eigenvectors (M, n) of the centred kernel, and the kernel's means (M,)."""
    kernel = _kernel(codes, codes, _spread(codes))  # (M, M)
    means: Array = kernel.mean(axis=0, dtype=np.float64)  # (M,)
    kernel -= means.astype(np.float32)
    kernel -= (means - means.mean()).astype(np.float32)[:, None]
    if len(codes) <= EXACT_UP_TO:
        from scipy.linalg import eigh

        with one_thread():
            values, vectors = eigh(kernel.astype(np.float64), subset_by_index=(len(codes) - n, len(codes) - 1))
        values, vectors = values[::-1], vectors[:, ::-1]
    else:
        from sklearn.utils.extmath import randomized_svd

        with one_thread():
            vectors, values, _ = randomized_svd(kernel, n, n_iter=5, random_state=seed)
    # A kernel is positive semidefinite; values below zero are rounding errors.
    values = np.maximum(values, 0)
    return values, with_fixed_signs(vectors.T).T, means


def _kernel(x: Array, y: Array, spread: float) -> Array:
    """Return the kernel (B, M) float32 of ``x`` (B, K) with ``y`` (M, K); 1 everywhere where codes do not vary."""
    if spread == 0:
        return np.ones((len(x), len(y)), np.float32)
    middle = y.mean(axis=0)  # subtracted, or a common offset would cost digits of the differences
    x, y = x - middle, y - middle
    kernel: Array = x @ y.T  # (B, M), on which the steps below work in place
    kernel -= (x**2).sum(axis=1)[:, None] / 2
    kernel -= (y**2).sum(axis=1) / 2  # -|x - y|^2 / 2
    kernel /= np.float32(spread)
    return np.exp(np.minimum(kernel, 0, out=kernel), out=kernel)


def _spread(codes: Array) -> float:
    """Return the sum of the variances of the K values of ``codes`` (N, K)."""
    return float(codes.var(axis=0, dtype=np.float64).sum())
