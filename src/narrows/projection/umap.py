"""UMAP."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array
from narrows.errors import RecipeError
from narrows.geometry.manifold import graph_of, layout, settled
from narrows.projection._descent import COARSE, descended, small_start
from narrows.projection._neighbour_map import NeighbourMap
from narrows.projection.pca import PCA

__all__ = ["UMAP"]

FEW = 10_000  # up to this many codes, umap-learn does all of it, in more passes than of more
#: Of t-SNE: with it, the map needs few passes of UMAP to come to the loss of 200, and keeps neighbours better (LOG.md).
EXAGGERATION = 2.0
STEPS = ((100, COARSE[1]),)


class UMAP(NeighbourMap):
    """UMAP (McInnes et al. 2018; umap-learn's implementation), from exact neighbours.

    It starts from PCA, which works as well as the spectral start (Kobak and Linderman 2021) and needs no solver that
    could fail on a disconnected graph. More than 10,000 codes are first moved by t-SNE on UMAP's graph, with
    exaggeration, which comes near to UMAP's map (Boehm et al. 2022), and then by few and gentle passes of UMAP. So
    neighbours stay together better than after 200 passes, in a third of the time. The first call in a process compiles
    for some seconds.

    Parameters
    ----------
    seed : of all random numbers
    n_neighbors : the number of neighbours each code keeps, itself included; at most the number of codes
    min_dist : the smallest distance between points on the map, from 0 to 1
    max_points : the most codes that are laid out; the others are placed between their neighbours
    """

    def __init__(self, seed: int = 0, n_neighbors: int = 15, min_dist: float = 0.1, max_points: int = 200_000) -> None:
        super().__init__(seed, max_points)
        if n_neighbors < 2:
            raise RecipeError("projection.n_neighbors", "must be a whole number >= 2", value=n_neighbors)
        if not 0 <= min_dist <= 1:
            raise RecipeError("projection.min_dist", "must be a number from 0 to 1", value=min_dist)
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist

    def _layout(self, codes: Array, neighbours: tuple[Array, Array] | None) -> Array:
        if len(codes) < self.n_neighbors:
            self.notes += (f"Neighbours lowered from {self.n_neighbors} to {len(codes)}, the number of codes.",)
        if len(codes) > FEW:
            graph = graph_of(codes, self.n_neighbors, neighbours)
            points = descended(graph, small_start(codes, self.seed), exaggeration=EXAGGERATION, steps=STEPS)
            return settled(points, graph, self.min_dist, self.seed)
        return layout(
            codes,
            start=_start(codes, self.seed),
            n_neighbors=self.n_neighbors,
            min_dist=self.min_dist,
            seed=self.seed,
            neighbours=neighbours,
        )


def _start(codes: Array, seed: int) -> Array:
    """Return PCA's map (M, 2) float32, scaled to the 10 x 10 square in which UMAP starts."""
    points = PCA().fit(codes).map_.astype(np.float64)
    points *= 5 / np.abs(points).max()
    # A little noise, or codes on a line could never leave it.
    points += 0.01 * np.random.default_rng(seed).standard_normal(points.shape)
    return points.astype(np.float32)
