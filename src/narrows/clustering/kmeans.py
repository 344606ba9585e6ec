"""k-means."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows.arguments import whole_number
from narrows.clustering import CodeClusterer
from narrows.disk.files import Array
from narrows.work.threads import one_thread

__all__ = ["KMeans"]

SEEDING_ROWS = 100_000  # seeding on more costs as much as all of the iterations and finds no better centres
LARGEST = 50  # power of two of values that are clustered as they are
ELKAN_FROM = 5_000  # K x clusters from which the distances Elkan's bounds save cost more than the bounds


class KMeans(CodeClusterer):
    """k-means: each code belongs to the nearest of ``n_clusters`` centres (Lloyd 1982; scikit-learn's implementation).

    Seeded by k-means++ (Arthur and Vassilvitskii 2007). Large problems use Elkan's variant (2003), which finds the same
    result by fewer distances. Confidence is ``1 - d1 / d2`` with the distances to the nearest and second nearest
    centre: 1 on a centre, 0 on the border of two. It is the simplified silhouette (Hruschka et al. 2004), needs no
    temperature, and is unchanged when codes are scaled. Typicality is ``-d1``.

    Parameters
    ----------
    n_clusters : the number of clusters
    seed : of all random numbers
    n_init : the number of times k-means is started; the result with the least inertia is kept
    max_iter : the most iterations of one start
    """

    learned: ClassVar = {"centers": "MK"}
    centers_: Array  # (M, K)

    def __init__(self, n_clusters: int = 10, seed: int = 0, n_init: int = 10, max_iter: int = 300) -> None:
        super().__init__(n_clusters, seed)
        self.n_init = whole_number("clustering.n_init", n_init)
        self.max_iter = whole_number("clustering.max_iter", max_iter)

    def _fit(self, codes: Array, n_clusters: int) -> None:
        import warnings

        from sklearn.cluster import KMeans as Fit
        from sklearn.exceptions import ConvergenceWarning

        fit = Fit(
            n_clusters,
            init=_seeds,
            n_init=self.n_init,
            max_iter=self.max_iter,
            random_state=self.seed,
            algorithm="elkan" if codes.shape[1] * n_clusters >= ELKAN_FROM and n_clusters > 1 else "lloyd",
        )
        # Squares of larger values are not numbers in float32; a power of two takes no digit away.
        scale = 2.0 ** max(0, int(np.frexp(np.abs(codes).max())[1]) - LARGEST)
        # Several threads would add their partial sums up in the order in which they finish.
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore", ConvergenceWarning)  # centres that rounding made equal; noted as empty
            fit.fit(codes if scale == 1 else codes / np.asarray(scale, codes.dtype))
        self.centers_ = np.asarray(fit.cluster_centers_, dtype=np.float64) * scale

    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        middle = self.centers_.mean(axis=0)  # taken off, or a common offset would eat the digits of the differences
        x, centers = codes - middle, self.centers_ - middle
        squares = (centers**2).sum(1) - 2 * (x @ centers.T)  # (B, M), ||x - c||^2 except the common ||x||^2
        nearest = squares.argmin(axis=1)  # (B,)
        d1 = np.linalg.norm(x - centers[nearest], axis=1)
        if len(centers) == 1:
            return nearest, np.ones(len(x)), -d1
        squares[np.arange(len(x)), nearest] = np.inf
        d2 = np.linalg.norm(x - centers[squares.argmin(axis=1)], axis=1)
        confidence = 1 - np.divide(d1, d2, out=np.ones(len(x)), where=d2 > 0)
        return nearest, np.clip(confidence, 0, 1), -d1


def _seeds(codes: Array, n_clusters: int, random_state: np.random.RandomState) -> Array:
    """Return starting centres (M, K) by k-means++, from a sample where there are many codes."""
    from sklearn.cluster import kmeans_plusplus

    if len(codes) > SEEDING_ROWS:
        codes = codes[random_state.choice(len(codes), SEEDING_ROWS, replace=False)]
    centers: Array = kmeans_plusplus(codes, n_clusters, random_state=random_state)[0]
    return centers
