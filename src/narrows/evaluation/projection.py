"""How far the neighbourhoods of a map can be trusted."""

from __future__ import annotations

import math

import numpy as np

from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.work.threads import one_thread, shared_out

BLOCK_VALUES = 1 << 22  # distances computed at once: 32 MiB of float64


def trustworthiness(codes: Array, points: Array, n_neighbors: int = 15, sample: int = 3000, seed: int = 0) -> float:
    """Return the trustworthiness of a map, how far its neighbours are neighbours in code space too: 0 to 1 (best).

    Venna and Kaski (2001), "Neighborhood preservation in nonlinear projection methods": each of a row's nearest
    neighbours on the map is penalised by how far its rank in code space exceeds ``n_neighbors``. Ranks are among all
    rows, and the mean is over at most ``sample`` of them. So the result equals the full figure up to sampling error,
    whereas a map of a sample would be judged by coarser neighbourhoods.

    Parameters
    ----------
    codes : (N, K)
    points : (N, 2), their positions on the map
    n_neighbors : lowered to less than half the number of rows, as the definition requires
    sample : the most rows to judge, chosen at random

    Returns
    -------
    float : nan for fewer than 3 rows
    """
    n = len(codes)
    if n < 3:
        return math.nan
    k = min(n_neighbors, (n - 1) // 2)
    rows = some_rows(n, sample, seed)
    codes, points = np.asarray(codes, dtype=np.float32), np.asarray(points, dtype=np.float32)

    def too_far(block: Array) -> float:
        """Return by how much the ranks of all neighbours of some rows (B,) exceed k."""
        away = _squared_distances(points, block)  # (B, N), on the map
        near = np.argpartition(away, k - 1, axis=1)[:, :k]  # (B, k)
        away = _squared_distances(codes, block)  # (B, N), in code space
        ranks = (1 + (away < np.take_along_axis(away, near[:, j : j + 1], axis=1)).sum(axis=1) for j in range(k))
        return float(sum(np.maximum(0, rank - k).sum() for rank in ranks))

    size = max(1, BLOCK_VALUES // n)
    fine = sum(shared_out(too_far, (rows[start : start + size] for start in range(0, len(rows), size))))
    return 1 - fine * 2 / (len(rows) * k * (2 * n - 3 * k - 1))


def _squared_distances(codes: Array, rows: Array) -> Array:
    """Return squared distances (B, N) from ``rows`` of ``codes`` (N, K) to all codes, infinite to themselves."""
    from sklearn.metrics.pairwise import euclidean_distances

    with one_thread():
        away: Array = euclidean_distances(codes[rows], codes, squared=True)
    away[np.arange(len(rows)), rows] = np.inf
    return away
