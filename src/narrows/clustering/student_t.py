"""Soft clusters around centres, by Student's t."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows.arguments import whole_number
from narrows.clustering import CodeClusterer
from narrows.clustering.kmeans import KMeans
from narrows.disk.files import Array

__all__ = ["StudentT"]


class StudentT(CodeClusterer):
    """A code's share in a cluster falls with its squared distance from the centre, 1 / (1 + d^2).

    That is Student's t with one degree of freedom (van der Maaten & Hinton 2008), normalised over the centres: q of
    Xie, Girshick & Farhadi 2016, equation 1. The centres are those of k-means, unless they come from a network
    (``of_parameters``). The nearest centre has the greatest share, which is the confidence; typicality is minus the
    distance from it. Shares depend on the unit of the codes: far below it all clusters get as much.

    Parameters
    ----------
    n_clusters : the number of clusters
    seed : of all random numbers
    n_init : the number of times k-means is started
    """

    learned: ClassVar = {"centers": "MK"}
    centers_: Array  # (M, K)

    def __init__(self, n_clusters: int = 10, seed: int = 0, n_init: int = 20) -> None:
        super().__init__(n_clusters, seed)
        self.n_init = whole_number("clustering.n_init", n_init)

    def _fit(self, codes: Array, n_clusters: int) -> None:
        self.centers_ = KMeans(n_clusters, self.seed, n_init=self.n_init).fit(codes).centers_

    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        squares = self._squares(codes)
        nearest, rows = squares.argmin(axis=1), np.arange(len(codes))
        return nearest, self._shares(codes)[rows, nearest], -np.sqrt(squares[rows, nearest])

    def _shares(self, codes: Array) -> Array:
        near = 1 / (1 + self._squares(codes))
        near /= near.sum(1, keepdims=True)
        return near

    def _squares(self, codes: Array) -> Array:
        """Return the squared distances (B, M); by differences, as products would cancel digits."""
        return np.stack([((codes - center) ** 2).sum(1) for center in self.centers_], axis=1)
