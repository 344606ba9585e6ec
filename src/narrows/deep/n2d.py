"""Not too deep clustering."""

from __future__ import annotations

from typing import ClassVar

from narrows.clustering import CodeClusterer
from narrows.clustering.layout import Layout
from narrows.deep import Tandem

__all__ = ["N2D"]


class N2D(Tandem):
    """N2D (McConville et al. 2021): an autoencoder's codes, laid out by UMAP in few dimensions, and a Gaussian mixture.

    A new row stands between the 15 fitted rows whose codes are nearest to its own; a fitted row where it was laid out.
    So this method keeps the codes of all fitted rows.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    code_size : values of a code
    epochs : of the autoencoder
    n_neighbors, min_dist : of UMAP, whose dimensions are as many as the clusters
    """

    learned: ClassVar = Layout.learned
    quick: ClassVar = {"epochs": 1}

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        code_size: int = 10,
        epochs: int = 50,
        n_neighbors: int = 20,
        min_dist: float = 0.0,
    ) -> None:
        super().__init__(n_clusters, seed, code_size, epochs)
        self.n_neighbors, self.min_dist = n_neighbors, min_dist
        self._rule(1)  # refuses what cannot be

    def _rule(self, n_clusters: int) -> CodeClusterer:
        return Layout(n_clusters, self.seed, self.n_neighbors, self.min_dist)
