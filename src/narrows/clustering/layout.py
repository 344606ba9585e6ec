"""A mixture of Gaussians in a layout of the codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from narrows.clustering import CodeClusterer, whole_number
from narrows.clustering.mixture import Mixture
from narrows.distinct import first_rows
from narrows.errors import RecipeError
from narrows.files import Array
from narrows.manifold import layout
from narrows.placing import BLOCK_ROWS, FEWEST, place
from narrows.wording import distinct

__all__ = ["Layout"]


class Layout(CodeClusterer):
    """Codes are laid out by UMAP in few dimensions, and a mixture of Gaussians fitted there (McConville et al. 2021).

    A new code stands between the 15 fitted codes that are nearest to it; a fitted one where it was laid out. So this
    method keeps all fitted codes. Shares, confidence and typicality are those of the mixture.

    Parameters
    ----------
    n_clusters : the number of clusters; the layout has as many dimensions, and two at least
    seed : of everything random
    n_neighbors : the number of neighbours each code keeps, itself included; at most the number of codes
    min_dist : how near to each other codes may come, from 0 to 1
    """

    learned: ClassVar = {"codes": "NK", "points": "NP", "weights": "M", "means": "MP", "factors": "MPP"}
    codes_: Array  # (N, K) float32, all different
    points_: Array  # (N, P) float32
    weights_: Array  # (M,)
    means_: Array  # (M, P)
    factors_: Array  # (M, P, P)

    def __init__(self, n_clusters: int = 10, seed: int = 0, n_neighbors: int = 20, min_dist: float = 0.0) -> None:
        super().__init__(n_clusters, seed)
        if not 0 <= min_dist <= 1:
            raise RecipeError("clustering.min_dist", "must be a number from 0 to 1", value=min_dist)
        self.n_neighbors, self.min_dist = whole_number("clustering.n_neighbors", n_neighbors, 2), min_dist

    def _fit(self, codes: Array, n_clusters: int) -> None:
        codes = codes.astype(np.float32)
        self.codes_ = self.points_ = codes[first_rows(codes)]  # copies would only lie on each other
        if len(self.codes_) < FEWEST:
            self.notes += (
                f"{distinct(len(self.codes_), 'code').capitalize()}, too few for UMAP: the codes themselves were "
                "clustered.",
            )
        else:
            self.points_ = layout(
                self.codes_, start="spectral", n_components=min(max(2, n_clusters), len(self.codes_) - 2),
                n_neighbors=self.n_neighbors, min_dist=self.min_dist, seed=self.seed,
            ).astype(np.float32)  # fmt: skip
        fit = Mixture(n_clusters, self.seed, max_rows=len(self.points_)).fit(self.points_)
        self.weights_, self.means_, self.factors_ = fit.weights_, fit.means_, fit.factors_
        self.notes += fit.notes

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], **arguments: Any) -> Self:
        """See ``CodeClusterer.from_state``."""
        self = super().from_state(arrays, **arguments)
        self._mixture()
        return self

    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        mixture, points = self._mixture(), self._place(codes)
        return mixture.predict(points), mixture.confidence(points), mixture.typicality(points)

    def _shares(self, codes: Array) -> Array:
        mixture, points = self._mixture(), self._place(codes)
        starts = range(0, len(points), BLOCK_ROWS)
        return np.concatenate([mixture.assign(points[start : start + BLOCK_ROWS]) for start in starts])

    def _mixture(self) -> Mixture:
        return Mixture.from_state({name: getattr(self, f"{name}_") for name in Mixture.learned})

    def _place(self, codes: Array) -> Array:
        return place(codes.astype(np.float32), self.codes_, self.points_)  # (B, P)
