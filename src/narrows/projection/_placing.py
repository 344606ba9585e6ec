"""Maps that know where they put some codes, and place all others by their neighbours among them."""

from __future__ import annotations

from abc import abstractmethod
from hashlib import blake2b
from typing import ClassVar

import numpy as np

from narrows.errors import RecipeError
from narrows.files import Array
from narrows.neighbours import nearest_in
from narrows.projection import Projection
from narrows.projection.pca import PCA
from narrows.wording import distinct

NEIGHBOURS = 15
BLOCK_ROWS = 8192
FEWEST = 8  # with fewer distinct codes than this all are neighbours of all


class NeighbourMap(Projection):
    """A map made from neighbours: laid out for distinct codes, at most ``max_points`` of them.

    All other codes, and all new ones, are placed between their neighbours; see ``place``. Copies of a code thus share
    one point. Fewer than 8 distinct codes are shown by PCA, with a note. A subclass makes the layout.

    Parameters
    ----------
    seed : of everything random
    max_points : the most codes that are laid out, chosen at random
    """

    learned: ClassVar = {"codes": "MK", "points": "M2"}
    codes_: Array  # (M, K) float32, all different
    points_: Array  # (M, 2) float32

    def __init__(self, seed: int = 0, max_points: int = 20_000) -> None:
        super().__init__(seed)
        if max_points < FEWEST:
            raise RecipeError("projection.max_points", f"must be a whole number >= {FEWEST}", value=max_points)
        self.max_points = max_points

    @abstractmethod
    def _layout(self, codes: Array, neighbours: tuple[Array, Array] | None) -> Array:
        """Return points (M, 2) for ``codes`` (M, K), all different; ``neighbours`` as ``fit`` takes them."""

    def _fit(self, codes: Array, neighbours: tuple[Array, Array] | None) -> None:
        rows = first_rows(codes)
        if len(rows) > self.max_points:
            self.notes += (
                f"The map was laid out for {self.max_points} codes; the others stand between their neighbours.",
            )
            chosen = np.random.default_rng(self.seed).choice(len(rows), self.max_points, replace=False)
            rows = rows[np.sort(chosen)]
        self.codes_ = codes[rows]  # (M, K)
        if len(rows) < FEWEST:
            self.notes += (f"{distinct(len(rows), 'code').capitalize()}, too few for this kind of map: PCA used.",)
            self.points_ = PCA().fit(self.codes_).map_
            return
        known = neighbours if len(rows) == len(codes) else None
        self.points_ = np.asarray(self._layout(self.codes_, known), dtype=np.float32)

    def _place(self, codes: Array) -> Array:
        return place(codes, self.codes_, self.points_)


def place(codes: Array, fitted: Array, points: Array) -> Array:
    """Return points (N, P) for ``codes`` (N, K) from the ``points`` (M, P) of ``fitted`` codes (M, K), all different.

    The mean of the points of the 15 nearest fitted codes, weighted by 1 / distance^2 in code space (Shepard 1968, "A
    two-dimensional interpolation function for irregularly-spaced data"); a code equal to a fitted one gets its point
    exactly.
    """
    placed = np.empty((len(codes), points.shape[1]), np.float32)
    for start in range(0, len(codes), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        indices, distances = nearest_in(codes[block], fitted, NEIGHBOURS)  # (B, k) each
        closest = distances[:, :1].astype(np.float64)
        # Relative to the closest, so that squares of very small distances do not vanish: (0, 1].
        weights = np.divide(closest, distances, out=np.ones(distances.shape), where=closest > 0) ** 2
        weights /= weights.sum(axis=1, keepdims=True)
        between = (weights[:, :, None] * points[indices]).sum(axis=1)  # (B, P)
        placed[block] = np.where(closest == 0, points[indices[:, 0]], between)
    return placed


def first_rows(codes: Array) -> Array:
    """Return the indices, in order, of the rows of ``codes`` (N, K) that no row before them equals."""
    # By a hash, so that rows need not be held twice over to be sorted.
    digests = np.frombuffer(b"".join(blake2b(row.tobytes(), digest_size=16).digest() for row in codes), "V16")
    return np.sort(np.unique(digests, return_index=True)[1])
