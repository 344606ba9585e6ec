"""UMAP."""

from __future__ import annotations

import warnings

import numpy as np

from narrows.errors import RecipeError
from narrows.files import Array
from narrows.neighbours import nearest
from narrows.projection._placing import NeighbourMap
from narrows.projection.pca import PCA

__all__ = ["UMAP"]


class UMAP(NeighbourMap):
    """UMAP (McInnes et al. 2018; umap-learn's implementation), from exact neighbours.

    Started from PCA, which works as well as the spectral start (Kobak and Linderman 2021) and needs no solver that may
    fail on a graph in pieces. The first call in a process compiles for some seconds.

    Parameters
    ----------
    seed : of everything random
    n_neighbors : the number of neighbours each code keeps, itself included; at most the number of codes
    min_dist : how near to each other points may come on the map, from 0 to 1
    max_points : the most codes that are laid out; the others are placed by their neighbours
    """

    def __init__(self, seed: int = 0, n_neighbors: int = 15, min_dist: float = 0.1, max_points: int = 20_000) -> None:
        super().__init__(seed, max_points)
        if n_neighbors < 2:
            raise RecipeError("projection.n_neighbors", "must be a whole number >= 2", value=n_neighbors)
        if not 0 <= min_dist <= 1:
            raise RecipeError("projection.min_dist", "must be a number from 0 to 1", value=min_dist)
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist

    def _layout(self, codes: Array, neighbours: tuple[Array, Array] | None) -> Array:
        from threadpoolctl import threadpool_limits

        # Numba sets the number of OpenMP threads of the whole process as it starts its own. Put back at the end, or
        # a network trained afterwards would use more threads than it was told to, and come out with other bits.
        with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
            warnings.simplefilter("ignore")  # no search tree, which is not needed; one thread, which is wanted
            import umap

            k = min(self.n_neighbors, len(codes)) - 1  # of others
            known = neighbours if neighbours is not None and neighbours[0].shape[1] >= k else nearest(codes, k)
            itself = np.arange(len(codes))[:, None]
            indices = np.hstack([itself, known[0][:, :k]])  # (M, n_neighbors)
            distances = np.hstack([np.zeros_like(itself, np.float32), known[1][:, :k].astype(np.float32)])
            fit = umap.UMAP(
                n_neighbors=k + 1, min_dist=self.min_dist, init=_start(codes, self.seed), random_state=self.seed,
                n_jobs=1, precomputed_knn=(indices, distances),
            )  # fmt: skip
            points: Array = np.asarray(fit.fit_transform(codes))
        return points


def _start(codes: Array, seed: int) -> Array:
    """Return PCA's map (M, 2) float32 in the 10 x 10 square in which UMAP begins."""
    points = PCA().fit(codes).map_.astype(np.float64)
    points *= 5 / np.abs(points).max()
    # A little noise, without which codes on a line could never leave it.
    points += 0.01 * np.random.default_rng(seed).standard_normal(points.shape)
    return points.astype(np.float32)
