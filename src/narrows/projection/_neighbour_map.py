"""Maps that lay out some codes, and place all others by their neighbours among these."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.errors import RecipeError
from narrows.geometry.distinct import distinct_rows, first_rows
from narrows.geometry.placing import FEWEST, place
from narrows.projection import Projection
from narrows.projection.pca import PCA
from narrows.wording import distinct


class NeighbourMap(Projection):
    """A map laid out by nearest neighbours, for at most ``max_points`` distinct codes.

    All other codes, and new ones, are placed between their neighbours; see ``place``. So copies of a code share a
    point. Fewer than 8 distinct codes are mapped by PCA, with a note. A subclass computes the layout.

    Parameters
    ----------
    seed : of all random numbers
    max_points : the most codes that are laid out, chosen at random
    """

    learned: ClassVar = {"codes": "MK", "points": "M2"}
    codes_: Array  # (M, K) float32, all different
    points_: Array  # (M, 2) float32

    def __init__(self, seed: int = 0, max_points: int = 200_000) -> None:
        super().__init__(seed)
        if max_points < FEWEST:
            raise RecipeError("projection.max_points", f"must be a whole number >= {FEWEST}", value=max_points)
        self.max_points = max_points

    @abstractmethod
    def _layout(self, codes: Array, neighbours: tuple[Array, Array] | None) -> Array:
        """Return points (M, 2) for ``codes`` (M, K), all different; ``neighbours`` as in ``fit``."""

    def _fit(self, codes: Array, neighbours: tuple[Array, Array] | None) -> None:
        rows = first_rows(codes)
        if len(rows) > self.max_points:
            self.notes += (
                f"The map was laid out for {self.max_points} codes; the others were placed between their neighbours.",
            )
            rows = rows[some_rows(len(rows), self.max_points, self.seed)]
        self.codes_ = codes[rows]  # (M, K)
        if len(rows) < FEWEST:
            self.notes += (
                f"{distinct(len(rows), 'code').capitalize()}, too few for this kind of map, so PCA was used.",
            )
            self.points_ = PCA().fit(self.codes_).map_
            return
        known = neighbours if len(rows) == len(codes) else None
        self.points_ = np.asarray(self._layout(self.codes_, known), dtype=np.float32)

    def _place(self, codes: Array) -> Array:
        return place(codes, self.codes_, self.points_)

    def _place_fitted(self, codes: Array) -> Array:
        # Codes that were laid out are found by their bytes: a search would take as long as the layout.
        first, which = distinct_rows(np.concatenate([self.codes_, codes]))
        found = first[which[len(self.codes_) :]]  # the first code of all that is equal
        others = found >= len(self.codes_)
        points = self.points_[np.where(others, 0, found)]
        points[others] = self._place(codes[others])
        return points
