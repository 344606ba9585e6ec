"""Exact nearest neighbours in bounded memory: the same bits every time, on any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from narrows.disk.files import Array
from narrows.geometry.distinct import distinct_rows
from narrows.work.threads import shared_out

BLOCK_VALUES = 1 << 22  # values processed at once, by each thread
TREE_UP_TO = 8  # a tree visits few leaves in so many dimensions, and nearly all leaves in more
TREE_FROM = 1 << 20  # scores; fewer take less time than importing the tree
MOST_GROUPED = 32  # codes of which only the highest score is looked at first
REFERENCE_ROWS = 1000  # codes from which the middle is taken
UNIT = 2.0**-24  # the largest relative error of one operation in float32
NOBODY = -(2.0**120)  # the score of a code that there is none of: below all others, and a number, unlike infinity
LARGEST = 50  # codes are scaled to have their largest value below 2^50: squares neither overflow nor vanish


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
    indices, distances = nearest_in(codes, codes, k + 1)
    itself = indices == np.arange(len(codes))[:, None]
    itself[~itself.any(axis=1), -1] = True  # a row with more than k copies may not be among its own neighbours
    return indices[~itself].reshape(-1, k), distances[~itself].reshape(-1, k)


def nearest_in(queries: Array, codes: Array, k: int) -> tuple[Array, Array]:
    """Return the ``k`` rows of ``codes`` (M, K) nearest to each of ``queries`` (N, K), in the form of ``nearest``."""
    k = min(k, len(codes))
    rows, where = distinct_rows(queries)  # copies have the same neighbours
    queries = queries[rows]
    in_tree = codes.shape[1] <= TREE_UP_TO and len(queries) * len(codes) >= TREE_FROM
    parts = list(_by_tree(queries, codes, k) if in_tree else _by_products(queries, codes, k))
    return np.concatenate([part[0] for part in parts])[where], np.concatenate([part[1] for part in parts])[where]


def _by_tree(queries: Array, codes: Array, k: int) -> Iterator[tuple[Array, Array]]:
    """Yield indices and distances, (B, k) each, of blocks of queries. Of equally distant codes any may be chosen."""
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(codes)

    def search(block: Array) -> tuple[Array, Array]:
        near = tree.kneighbors(block, return_distance=False)
        return _nearest_of(block, codes, np.repeat(np.arange(len(block)), k), near.reshape(-1), k)

    return shared_out(search, _blocks(queries, k * codes.shape[1]))


def _by_products(queries: Array, codes: Array, k: int) -> Iterator[tuple[Array, Array]]:
    """Yield indices and distances, (B, k) each, of blocks of queries.

    A code c is the nearer to a query q, the higher its score <q, c> - |c|^2 / 2. Products in float32 give the scores up
    to a known error, so the k nearest are among those whose score, with that error, may be among the k highest. Only
    for these are distances computed. So the result does not depend on how the products were rounded.
    """
    middle = np.median(codes[:: max(1, len(codes) // REFERENCE_ROWS)], axis=0)  # a common offset would cost digits
    largest = max(np.abs(codes - middle).max(), np.abs(queries - middle).max())
    exponent = LARGEST - int(np.frexp(largest)[1])

    def moved(rows: Array) -> Array:
        scaled: Array = np.ldexp(rows - middle, exponent)
        return scaled.astype(np.float32)

    # Where there are many codes, they are looked at in groups, by the highest score of each.
    grouped = max(1, min(MOST_GROUPED, len(codes) // (8 * k)))
    groups = -(-len(codes) // grouped)
    table = np.zeros((codes.shape[1] + 1, grouped * groups), np.float32)  # (K + 1, M and a few)
    table[:-1, : len(codes)] = moved(codes).T
    table[-1] = -(table[:-1].astype(np.float64) ** 2).sum(axis=0) / 2
    table[-1, len(codes) :] = NOBODY
    # Of a sum of K + 1 products (Higham 2002, "Accuracy and stability of numerical algorithms", section 3.1), of the
    # codes that went into it, and of half the squares; both the k-th highest score and the one compared may be off.
    error = 3 * (codes.shape[1] + 8) * UNIT

    def search(block: Array) -> tuple[Array, Array]:
        asked = np.ones((len(block), len(table)), np.float32)
        asked[:, :-1] = moved(block)
        room = spare.pop() if spare else np.empty((size, table.shape[1]), np.float32)
        scores = np.matmul(asked, table, out=room[: len(block)]).reshape(len(block), grouped, groups)
        highest = scores.max(axis=1)  # (B, groups)
        enough = np.partition(highest, groups - k, axis=1)[:, groups - k].astype(np.float64)  # k codes have as much
        length = np.sqrt((asked[:, :-1].astype(np.float64) ** 2).sum(axis=1))  # (B,)
        # The k-th nearest is no farther than this from the query, so not farther than that and ``length`` from 0.
        radius = np.sqrt(np.maximum(0, length**2 - 2 * enough))
        enough = (enough - error * (length + radius) ** 2).astype(np.float32)
        rows, places = np.nonzero(highest >= enough[:, None])
        which, member = np.nonzero(scores[rows, :, places] >= enough[rows, None])
        spare.append(room)
        return _nearest_of(block, codes, rows[which], member * groups + places[which], k)

    size = max(16, BLOCK_VALUES // table.shape[1] // 16 * 16)  # products of so many rows at once are quicker
    spare: list[Array] = []  # memory of threads that are done with theirs, as new memory costs a third more time
    return shared_out(search, (queries[start : start + size] for start in range(0, len(queries), size)))


def _nearest_of(queries: Array, codes: Array, rows: Array, candidates: Array, k: int) -> tuple[Array, Array]:
    """Return indices and distances, (B, k) each, of the nearest among candidates, from differences.

    Parameters
    ----------
    rows, candidates : (C,) each, the number of a query, in order, and of a code; at least k of each query
    """
    keys = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), step := max(1, BLOCK_VALUES // codes.shape[1])):
        block = slice(start, start + step)
        away = codes[candidates[block]].astype(np.float64) - queries[rows[block]]  # (b, K)
        distances = np.sqrt((away**2).sum(axis=1)).astype(np.float32)
        # Bits of positive numbers are in the order of the numbers: so keys are in the order of distance, then index.
        keys[block] = distances.view(np.uint32)
    keys = (keys << np.uint64(32)) | candidates.astype(np.uint64)
    counts = np.bincount(rows, minlength=len(queries))
    table = np.full((len(queries), counts.max()), np.iinfo(np.uint64).max)
    table[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = keys
    table.sort(axis=1)
    table = table[:, :k]
    return (table & np.uint64(0xFFFFFFFF)).astype(np.int64), (table >> np.uint64(32)).astype(np.uint32).view(np.float32)


def _blocks(rows: Array, width: int) -> Iterator[Array]:
    """Yield rows in blocks for each of which ``width`` values are computed per row."""
    size = max(1, BLOCK_VALUES // width)
    return (rows[start : start + size] for start in range(0, len(rows), size))
