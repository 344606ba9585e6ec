"""t-SNE."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.errors import RecipeError
from narrows.geometry.neighbours import nearest
from narrows.projection._descent import descended, small_start
from narrows.projection._neighbour_map import NeighbourMap

__all__ = ["TSNE"]

FEW = 5_000  # up to this many codes, forces are approximated by a tree, and affinities are Gaussian
#: More steps at a lower momentum than of many codes: a step costs little, and neighbours are kept a little better.
FEW_STEPS, FEW_MOMENTUM = ((400, 1.0),), 0.85


class TSNE(NeighbourMap):
    """t-SNE (van der Maaten and Hinton 2008; openTSNE's implementation, Policar et al. 2024).

    It starts from PCA, which preserves more of the global layout than a random start (Kobak and Berens 2019). Of more
    than 5,000 codes, forces are interpolated (Linderman et al. 2019), and half as many neighbours as the perplexity
    attract a code, all alike: this gives nearly the same map (Boehm et al. 2022) with a sixth of the neighbours.

    Parameters
    ----------
    seed : of all random numbers
    perplexity : roughly, the number of neighbours each code keeps; at most a third of the number of codes
    max_points : the most codes that are laid out; the others are placed between their neighbours
    """

    def __init__(self, seed: int = 0, perplexity: float = 30.0, max_points: int = 200_000) -> None:
        super().__init__(seed, max_points)
        if not 1 <= perplexity < np.inf:
            raise RecipeError("projection.perplexity", "must be a number >= 1", value=perplexity)
        self.perplexity = perplexity

    def _layout(self, codes: Array, neighbours: tuple[Array, Array] | None) -> Array:
        perplexity = min(self.perplexity, (len(codes) - 1) / 3)
        if perplexity < self.perplexity:
            self.notes += (f"Perplexity lowered to {perplexity:.3g}, a third of the number of codes.",)
        start = small_start(codes, self.seed)
        if len(codes) <= FEW:
            graph = _gaussian_graph(codes, perplexity, neighbours)
            return descended(graph, start, steps=FEW_STEPS, momentum=FEW_MOMENTUM, by_tree=True)
        return descended(_even_graph(codes, max(2, round(perplexity / 2)), neighbours), start)


def _gaussian_graph(codes: Array, perplexity: float, known: tuple[Array, Array] | None) -> Any:
    """Return t-SNE's affinities (N, N): of Gaussian weights with a width that fits the perplexity, made symmetric."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    k = min(len(codes) - 1, int(3 * perplexity))  # as in van der Maaten (2014)
    near, distances = _nearest(codes, k, known)
    index = PrecomputedNeighbors(near, distances.astype(np.float64))
    return PerplexityBasedNN(perplexity=perplexity, knn_index=index, n_jobs=1).P


def _nearest(codes: Array, k: int, known: tuple[Array, Array] | None) -> tuple[Array, Array]:
    """Return the ``k`` neighbours of each code, and their distances, from known ones if these are enough."""
    indices, distances = known if known is not None and known[0].shape[1] >= k else nearest(codes, k)
    return indices[:, :k], distances[:, :k]


def _even_graph(codes: Array, k: int, known: tuple[Array, Array] | None) -> Any:
    """Return the graph (N, N) in which each code is drawn to its ``k`` nearest, and they to it, all with one weight."""
    from scipy.sparse import csr_matrix

    near = _nearest(codes, k, known)[0]
    rows = np.arange(0, near.size + 1, k)
    graph = csr_matrix((np.ones(near.size), near.reshape(-1), rows), shape=(len(codes), len(codes)))
    return graph + graph.T
