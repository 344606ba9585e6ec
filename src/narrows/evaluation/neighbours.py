"""What the neighbours of each row tell: near-duplicates and outliers."""

from __future__ import annotations

import math

import numpy as np

from narrows.errors import InputError
from narrows.files import Array

BLOCK_VALUES = 1 << 22  # values compared at once
MOST_VALUES = 1 << 32  # values compared in all: some seconds

#: How much nearer than the farthest of their neighbours two images must be to count as near-duplicates.
STANDS_OUT = 0.25


def near_duplicates(
    values: Array, indices: Array, distances: Array, max_difference: float | None = None, limit: int = 200
) -> tuple[list[tuple[int, int, float]], int]:
    """Return pairs of rows that are the same or nearly so, (i, j, difference) with i < j, and how many there are.

    The most similar come first, at most ``limit`` of them; the number counts all.

    Candidates are neighbours in code space; they are compared by their values. The difference is the mean absolute one.
    Two images are near-duplicates when they differ by at most ``max_difference`` *and* by at most a quarter of what
    either differs from the least similar of its neighbours. The second rule is what tells a copy from a common shape:
    two slim handwritten ones differ by less than a photo does from its JPEG, but so do they from a hundred others.
    Equal rows are always reported.

    Parameters
    ----------
    values : images uint8 (N, C, H, W), which are compared as values in [0, 1], or vectors float32 (N, D)
    indices, distances : (N, k) each, from ``nearest`` on the codes
    max_difference : 0.05 for images; for vectors 0 (equal rows only), since nothing says what is small in their units
    limit : the most pairs to list

    Notes
    -----
    At most 2^32 values are compared; where there are more, those of the pairs with the nearest codes are. Of more than
    k copies of one row, not all are neighbours of each other, and pairs that are not do not count.
    """
    if max_difference is None:
        max_difference = 0.05 if values.dtype == np.uint8 else 0.0
    if not max_difference >= 0 or limit < 0:
        raise InputError("max_difference and limit", "must be >= 0", value=(max_difference, limit))
    n, k = indices.shape
    if k == 0:
        return [], 0
    near = np.argsort(distances.ravel(), kind="stable")[: max(1, MOST_VALUES // math.prod(values.shape[1:]))]
    row, neighbour = near // k, indices.ravel()[near]  # (Q,) each
    pairs, pair_of = np.unique(np.minimum(row, neighbour) * n + np.maximum(row, neighbour), return_inverse=True)
    i, j = np.divmod(pairs, n)  # (P,) each, i < j, each pair once
    difference = _differences(values, i, j)  # (P,)
    farthest = np.zeros(n)  # the difference of each row from the least similar of its neighbours
    np.maximum.at(farthest, row, difference[pair_of])
    found = difference == 0
    close = np.flatnonzero(~found & (difference <= max_difference))
    found[close] = difference[close] <= STANDS_OUT * np.minimum(farthest[i[close]], farthest[j[close]])
    rows = np.flatnonzero(found)
    first = rows[np.lexsort((j[rows], i[rows], difference[rows]))][:limit]
    return [(int(i[row]), int(j[row]), float(difference[row])) for row in first], len(rows)


def outlier_scores(distances: Array) -> Array:
    """Return how far each row lies from others: the mean distance to its k nearest neighbours, (N,) float32.

    Angiulli and Pizzuti (2002), after Ramaswamy et al. (2000), who took the distance to the k-th alone.

    Parameters
    ----------
    distances : (N, k), from ``nearest``; 0 is returned where there are no neighbours
    """
    if distances.shape[1] == 0:
        return np.zeros(len(distances), np.float32)
    scores: Array = distances.mean(axis=1, dtype=np.float64).astype(np.float32)
    return scores


def _differences(values: Array, i: Array, j: Array) -> Array:
    """Return the mean absolute differences (P,) of rows ``i`` and ``j``, of images on the scale from 0 to 1."""
    images = values.dtype == np.uint8
    differences = np.empty(len(i))
    rows = max(1, BLOCK_VALUES // math.prod(values.shape[1:]))
    for start in range(0, len(i), rows):
        block = slice(start, start + rows)
        a, b = values[i[block]], values[j[block]]  # (B, ...)
        away = np.maximum(a, b) - np.minimum(a, b) if images else np.abs(a.astype(np.float64) - b)
        differences[block] = away.reshape(len(away), -1).mean(axis=1, dtype=np.float64)
    return differences / 255 if images else differences
