"""Placing new codes in a layout of fitted ones: between their neighbours."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array
from narrows.geometry.neighbours import nearest_in

NEIGHBOURS = 15
BLOCK_ROWS = 8192
FEWEST = 8  # with fewer distinct codes, every code would be a neighbour of every other


def place(codes: Array, fitted: Array, points: Array) -> Array:
    """Return points (N, P) for ``codes`` (N, K) from the ``points`` (M, P) of ``fitted`` codes (M, K), all different.

    The mean of the points of the 15 nearest fitted codes, weighted by 1 / distance^2 in code space (Shepard 1968, "A
    two-dimensional interpolation function for irregularly-spaced data"); a code equal to a fitted one gets exactly its
    point.
    """
    placed = np.empty((len(codes), points.shape[1]), np.float32)
    for start in range(0, len(codes), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        indices, distances = nearest_in(codes[block], fitted, NEIGHBOURS)  # (B, k) each
        closest = distances[:, :1].astype(np.float64)
        # Relative to the closest neighbour, in (0, 1], so that squares of very small distances do not vanish.
        weights = np.divide(closest, distances, out=np.ones(distances.shape), where=closest > 0) ** 2
        weights /= weights.sum(axis=1, keepdims=True)
        between = (weights[:, :, None] * points[indices]).sum(axis=1)  # (B, P)
        placed[block] = np.where(closest == 0, points[indices[:, 0]], between)
    return placed
