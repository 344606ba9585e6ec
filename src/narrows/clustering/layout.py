"""A mixture of Gaussians in a layout of the codes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows.arguments import whole_number
from narrows.clustering.mixture import Mixture
from narrows.disk.files import Array
from narrows.errors import RecipeError
from narrows.geometry.distinct import first_rows
from narrows.geometry.manifold import layout
from narrows.geometry.placing import FEWEST, place
from narrows.wording import distinct

__all__ = ["Layout"]


class Layout(Mixture):
    """Codes are laid out by UMAP in few dimensions, and a mixture of Gaussians fitted there (McConville et al. 2021).

    A new code stands between the 15 fitted codes that are nearest to it; a fitted one where it was laid out. So this
    method keeps all fitted codes. Shares, confidence and typicality are those of the mixture.

    Parameters
    ----------
    n_clusters : the number of clusters; the layout has as many dimensions, and two at least
    seed : of all random numbers
    n_neighbors : the number of neighbours each code keeps, itself included; at most the number of codes
    min_dist : how near to each other codes may come, from 0 to 1
    """

    learned: ClassVar = {"codes": "NK", "points": "NP", "weights": "M", "means": "MP", "factors": "MPP"}
    codes_: Array  # (N, K) float32, all different
    points_: Array  # (N, P) float32

    def __init__(self, n_clusters: int = 10, seed: int = 0, n_neighbors: int = 20, min_dist: float = 0.0) -> None:
        super().__init__(n_clusters, seed)
        if not 0 <= min_dist <= 1:
            raise RecipeError("clustering.min_dist", "must be a number from 0 to 1", value=min_dist)
        self.n_neighbors, self.min_dist = whole_number("clustering.n_neighbors", n_neighbors, 2), min_dist

    def _fit(self, codes: Array, n_clusters: int) -> None:
        codes = codes.astype(np.float32)
        self.codes_ = self.points_ = codes[first_rows(codes)]  # copies would only lie on each other
        if len(self.codes_) < FEWEST:
            known = distinct(len(self.codes_), "code").capitalize()
            self.notes += (f"{known}, too few for UMAP, so the codes themselves were clustered.",)
        else:
            self.points_ = layout(
                self.codes_,
                start="spectral",
                n_components=min(max(2, n_clusters), len(self.codes_) - 2),
                n_neighbors=self.n_neighbors,
                min_dist=self.min_dist,
                seed=self.seed,
            ).astype(np.float32)
        self.max_rows = len(self.points_)
        super()._fit(self.points_, n_clusters)

    def _log_joint(self, codes: Array) -> tuple[Array, Array]:
        points = place(codes.astype(np.float32), self.codes_, self.points_)  # (B, P)
        return super()._log_joint(points.astype(np.float64))
