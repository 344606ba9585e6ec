"""t-SNE."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array
from narrows.errors import RecipeError
from narrows.geometry.neighbours import nearest
from narrows.projection._neighbour_map import NeighbourMap
from narrows.projection.pca import PCA

__all__ = ["TSNE"]


class TSNE(NeighbourMap):
    """t-SNE (van der Maaten and Hinton 2008; openTSNE's implementation, Policar et al. 2024).

    It starts from PCA, which preserves more of the global layout than a random start (Kobak and Berens 2019). From
    10,000 codes on, forces are interpolated (Linderman et al. 2019); below that, they are approximated by a tree.

    Parameters
    ----------
    seed : of all random numbers
    perplexity : roughly, the number of neighbours each code keeps; at most a third of the number of codes
    max_points : the most codes that are laid out; the others are placed between their neighbours
    """

    def __init__(self, seed: int = 0, perplexity: float = 30.0, max_points: int = 20_000) -> None:
        super().__init__(seed, max_points)
        if not 1 <= perplexity < np.inf:
            raise RecipeError("projection.perplexity", "must be a number >= 1", value=perplexity)
        self.perplexity = perplexity

    def _layout(self, codes: Array, neighbours: tuple[Array, Array] | None) -> Array:
        import openTSNE
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import PrecomputedNeighbors

        perplexity = min(self.perplexity, (len(codes) - 1) / 3)
        if perplexity < self.perplexity:
            self.notes += (f"Perplexity lowered to {perplexity:.3g}, a third of the number of codes.",)
        k = min(len(codes) - 1, int(3 * perplexity))  # as in van der Maaten (2014)
        known = neighbours if neighbours is not None and neighbours[0].shape[1] >= k else nearest(codes, k)
        index = PrecomputedNeighbors(known[0][:, :k], known[1][:, :k].astype(np.float64))
        affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=index, n_jobs=1)
        # One thread: two give the same bits in nine tenths of the time at best, but take several times as long on a
        # busy machine.
        fit = openTSNE.TSNE(perplexity=perplexity, n_jobs=1, random_state=self.seed)
        return np.asarray(fit.fit(affinities=affinities, initialization=_start(codes, self.seed)))


def _start(codes: Array, seed: int) -> Array:
    """Return PCA's map (M, 2) float64, scaled to the small size from which t-SNE starts."""
    points = PCA().fit(codes).map_.astype(np.float64)
    points /= points.std(axis=0).max()
    # A little noise, or codes on a line could never leave it.
    points += 0.01 * np.random.default_rng(seed).standard_normal(points.shape)
    return points * 1e-4
