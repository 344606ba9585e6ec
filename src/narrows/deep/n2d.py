"""Not too deep clustering."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows import codes as coding
from narrows.clustering.mixture import Mixture
from narrows.deep import DeepClusterer
from narrows.deep._autoencoder import pretrain
from narrows.errors import RecipeError
from narrows.files import Array
from narrows.manifold import layout
from narrows.projection._placing import BLOCK_ROWS, FEWEST, first_rows, place
from narrows.stages import Arrays
from narrows.training.stages import Stages
from narrows.wording import distinct

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

    learned: ClassVar = {"codes": "NK", "points": "NP", "weights": "M", "means": "MP", "factors": "MPP"}
    codes_: Array  # (N, K) float32, all different
    points_: Array  # (N, P) float32
    weights_: Array  # (M,)
    means_: Array  # (M, P)
    factors_: Array  # (M, P, P)

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
        if not 0 <= min_dist <= 1:
            raise RecipeError("clustering.min_dist", "must be a number from 0 to 1", value=min_dist)
        self.code_size, self.epochs = code_size, epochs
        self.n_neighbors, self.min_dist = n_neighbors, min_dist

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        self.model_ = pretrain(
            values, stages, code_size=self.code_size, epochs=self.epochs, seed=self.seed,
            preprocessing=self._preprocessing,
        )  # fmt: skip
        laid, notes = stages.arrays("layout", lambda: self._layout(coding.encode(self.model_, values), n_clusters))
        self.codes_, self.points_ = laid["codes"], laid["points"]
        fit = Mixture(n_clusters, self.seed, max_rows=len(self.points_)).fit(self.points_)
        self.weights_, self.means_, self.factors_ = fit.weights_, fit.means_, fit.factors_
        self.notes += (*notes, *fit.notes)

    def _shares(self, values: Array) -> Array:
        fit = Mixture(len(self.weights_))
        fit.weights_, fit.means_, fit.factors_ = self.weights_, self.means_, self.factors_
        points = place(coding.encode(self.model_, values), self.codes_, self.points_)  # (N, P)
        return np.concatenate([fit.posterior(points[i : i + BLOCK_ROWS]) for i in range(0, len(points), BLOCK_ROWS)])

    def _layout(self, codes: Array, n_clusters: int) -> tuple[Arrays, list[str]]:
        """Return the distinct codes and their coordinates."""
        codes = codes[first_rows(codes)]  # copies would only lie on each other
        if len(codes) < FEWEST:
            return {"codes": codes, "points": codes}, [
                f"{distinct(len(codes), 'code').capitalize()}, too few for UMAP: the codes themselves were clustered."
            ]
        points = layout(
            codes, start="spectral", n_components=min(max(2, n_clusters), len(codes) - 2),
            n_neighbors=self.n_neighbors, min_dist=self.min_dist, seed=self.seed,
        )  # fmt: skip
        return {"codes": codes, "points": points.astype(np.float32)}, []
