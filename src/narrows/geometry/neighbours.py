"""Exact nearest neighbours in bounded memory, the same every time."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array
from narrows.work.threads import one_thread

BLOCK_VALUES = 1 << 22  # values processed at once


def nearest(codes: Array, k: int) -> tuple[Array, Array]:
    """Return the ``k`` nearest other rows of each row of ``codes`` (N, K), nearest first.

    A row is excluded from its own neighbours by its index, so copies of it are neighbours at distance 0. If there are
    fewer than ``k`` other rows, all of them are returned. Rows at equal distances are in their own order.

    Returns
    -------
    indices : (N, k) int64
    distances : (N, k) float32, Euclidean
    """
    k = min(k, len(codes) - 1)
    if k < 1:
        return np.empty((len(codes), 0), np.int64), np.empty((len(codes), 0), np.float32)
    from sklearn.neighbors import NearestNeighbors

    with one_thread():
        search = NearestNeighbors(n_neighbors=k, algorithm=_algorithm(codes)).fit(codes)
        return _in_order(codes, codes, search.kneighbors(return_distance=False))


def nearest_in(queries: Array, codes: Array, k: int) -> tuple[Array, Array]:
    """Return the ``k`` rows of ``codes`` (M, K) nearest to each of ``queries`` (N, K), in the form of ``nearest``."""
    from sklearn.neighbors import NearestNeighbors

    with one_thread():
        search = NearestNeighbors(n_neighbors=min(k, len(codes)), algorithm=_algorithm(codes)).fit(codes)
        return _in_order(queries, codes, search.kneighbors(queries, return_distance=False))


def _algorithm(codes: Array) -> str:
    # A tree visits few leaves in low dimensions, and nearly all leaves in high ones.
    return "kd_tree" if codes.shape[1] <= 8 else "brute"


def _in_order(queries: Array, codes: Array, indices: Array) -> tuple[Array, Array]:
    """Recompute distances from differences, and sort by distance, then index.

    The search expands ||x - y||^2 into products, so that the distance between copies is not quite 0.
    """
    n, k = indices.shape
    distances = np.empty((n, k), np.float32)
    indices = indices.astype(np.int64)
    rows = max(1, BLOCK_VALUES // (k * codes.shape[1]))
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        away = codes[indices[block]].astype(np.float64) - queries[block, None, :]  # (B, k, K)
        distances[block] = np.sqrt((away**2).sum(axis=2))
        order = np.lexsort((indices[block], distances[block]), axis=1)
        indices[block] = np.take_along_axis(indices[block], order, axis=1)
        distances[block] = np.take_along_axis(distances[block], order, axis=1)
    return indices, distances
