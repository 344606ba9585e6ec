"""Not too deep clustering."""

from __future__ import annotations

import numpy as np

from narrows import codes as coding
from narrows.clustering.mixture import Mixture
from narrows.deep import DeepClusterer, Stages
from narrows.deep._autoencoder import pretrain
from narrows.errors import RecipeError
from narrows.files import Array
from narrows.manifold import layout
from narrows.projection._placing import FEWEST, place

__all__ = ["N2D"]


class N2D(DeepClusterer):
    """N2D (McConville et al. 2021): an autoencoder's codes, laid out by UMAP in few dimensions, and a Gaussian mixture.

    A new row stands between the 15 fitted rows whose codes are nearest to its own; a fitted row where it was laid out.
    So this method keeps the codes of all fitted rows.

    Parameters
    ----------
    n_clusters, seed : see ``DeepClusterer``
    code_size : values of a code
    epochs : of the autoencoder
    n_neighbors, min_dist : of UMAP, whose dimensions are as many as the clusters
    """

    learned = ("codes", "points", "weights", "means", "factors")
    codes_: Array  # (N, K) float32
    points_: Array  # (N, P) float32

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        code_size: int = 10,
        epochs: int = 50,
        n_neighbors: int = 20,
        min_dist: float = 0.0,
    ) -> None:
        super().__init__(n_clusters, seed)
        if code_size < 1 or epochs < 1 or n_neighbors < 2:
            raise RecipeError(
                "clustering.code_size, clustering.epochs and clustering.n_neighbors", "must be >= 1, >= 1 and >= 2",
                value=(code_size, epochs, n_neighbors),
            )  # fmt: skip
        self.code_size, self.epochs = code_size, epochs
        self.n_neighbors, self.min_dist = n_neighbors, min_dist

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        self.model_ = pretrain(
            values, stages, code_size=self.code_size, epochs=self.epochs, preprocessing=self._preprocessing
        )
        codes = coding.encode(self.model_, values)
        rows = np.unique(codes, axis=0, return_index=True)[1]  # copies would only lie on each other
        self.codes_ = codes[np.sort(rows)]
        self.points_ = stages.arrays("layout", lambda: {"points": self._layout(n_clusters)})["points"]
        fit = Mixture(n_clusters, self.seed, max_rows=len(self.points_)).fit(self.points_)
        self.weights_, self.means_, self.factors_ = fit.weights_, fit.means_, fit.factors_

    def _shares(self, values: Array) -> Array:
        fit = Mixture(len(self.weights_))
        fit.weights_, fit.means_, fit.factors_ = self.weights_, self.means_, self.factors_
        return fit.posterior(place(coding.encode(self.model_, values), self.codes_, self.points_))

    def _layout(self, n_clusters: int) -> Array:
        if len(self.codes_) < FEWEST:  # too few for a graph
            return self.codes_
        dimensions = min(max(2, n_clusters), len(self.codes_) - 2)
        return layout(
            self.codes_, start="spectral", n_components=dimensions, n_neighbors=self.n_neighbors,
            min_dist=self.min_dist, seed=self.seed,
        ).astype(np.float32)  # fmt: skip
