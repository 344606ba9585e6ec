"""Which rows to show for a cluster: one from each part of it, with the share of that part.

The rows nearest to a cluster's centre all show its commonest kind, whatever else it contains.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from narrows.clustering.kmeans import KMeans
from narrows.disk.files import Array
from narrows.errors import InputError

SHOWN = 8  # examples of a cluster, wherever it is shown
FITTED = 5_000, 1 << 21  # the most rows and values that k-means is fitted to; all rows are then assigned
STARTS = 4  # of k-means
PAIRS = 1000  # pairs of rows that measure a cluster's extent
ALIKE = 0.08  # of that extent: parts that together are no wider are merged
BLOCK_VALUES = 1 << 22  # float64 values processed at once: 32 MiB


@dataclass(frozen=True, eq=False)
class Examples:
    """The parts of each cluster, and the row that stands for each.

    Parameters
    ----------
    clusters : (P,) int64, the cluster of each part, in increasing order; the largest part of a cluster comes first
    rows : (P,) int64, the row that stands for each part: the one with the least sum of squared distances to its rows
    shares : (P,), the share of its cluster in each part; the shares of a cluster add up to 1
    parts : (N,) int64, the part of each row
    distances : (N,), from each row to the mean of its part
    centres : (P, K), the mean of each part
    """

    clusters: Array
    rows: Array
    shares: Array
    parts: Array
    distances: Array
    centres: Array

    def of(self, cluster: int) -> tuple[Array, Array]:
        """Return the examples of a cluster and the shares they stand for, (n,) each, the largest share first."""
        held = slice(*np.searchsorted(self.clusters, [cluster, cluster + 1]))
        return self.rows[held], self.shares[held]


def examples(codes: Array, clusters: Array, count: int = SHOWN, seed: int = 0) -> Examples:
    """Divide each cluster into at most ``count`` parts by k-means (Lloyd 1982), and choose a row from each.

    k-means divides a cluster whether or not there are gaps in it: a uniform cluster is divided into parts that look
    alike. There are fewer than ``count`` parts if a cluster has fewer distinct codes, or if parts lie so close together
    that their pictures would look the same.

    Parameters
    ----------
    codes : (N, K)
    clusters : (N,) whole numbers >= 0; some numbers may have no rows
    count : the most examples of a cluster
    seed : of k-means, and of the sample of rows it uses if a cluster has very many

    Raises
    ------
    InputError : codes and clusters of different lengths, or a count below 1
    """
    if len(codes) != len(clusters):
        raise InputError("clusters", f"must have one entry for each of the {len(codes)} codes", value=len(clusters))
    if count < 1:
        raise InputError("count", "must be a whole number >= 1", value=count)
    by_cluster = np.argsort(clusters, kind="stable")
    numbers, sizes = np.unique(clusters, return_counts=True)
    ends = sizes.cumsum()
    parts, distances = np.empty(len(codes), np.int64), np.empty(len(codes))
    of: list[int] = []
    rows: list[int] = []
    shares: list[float] = []
    centres: list[Array] = []
    for cluster, start, end in zip(numbers, ends - sizes, ends, strict=True):
        members = by_cluster[start:end]
        found = _parts(codes, members, count, seed)  # (n,)
        held_by = np.bincount(found)
        means = _means(codes, members, found, held_by)
        away = _distances(codes, members, found, means)
        distances[members], parts[members] = away, found + len(rows)
        for part, size in enumerate(held_by):
            held = np.flatnonzero(found == part)
            # The row nearest to the mean has the smallest sum of squared distances to all rows.
            rows.append(members[held[away[held].argmin()]])
            of.append(cluster)
            shares.append(size / len(members))
        centres.append(means)
    values = codes.shape[1]
    return Examples(
        np.array(of, np.int64),
        np.array(rows, np.int64),
        np.array(shares, np.float64),
        parts,
        distances,
        np.concatenate(centres) if centres else np.empty((0, values)),
    )


def _parts(codes: Array, members: Array, count: int, seed: int) -> Array:
    """Return the part (n,) of each of the rows ``members`` (n,), the largest part 0."""
    if count == 1 or len(members) == 1:
        return np.zeros(len(members), np.int64)
    rng = np.random.default_rng(seed)
    most = min(FITTED[0], max(count, FITTED[1] // codes.shape[1]))
    fitted = members if len(members) <= most else np.sort(rng.choice(members, most, replace=False))
    sample = codes[fitted].astype(np.float64)  # in which squares of a float32 neither overflow nor vanish
    middle = sample.mean(0)
    sample -= middle
    if len(sample) <= count:
        found = np.arange(len(sample))
        joined = _joined(sample, found, rng)  # for each number in found, its part
    else:
        kmeans = KMeans(count, seed, n_init=STARTS).fit(sample)
        found = kmeans.labels_
        joined = _joined(sample, found, rng)
        if fitted is not members:
            blocks = _blocks(members, codes)
            found = np.concatenate([kmeans.predict(codes[members[block]] - middle) for block in blocks])
    _, dense = np.unique(joined[found], return_inverse=True)
    order = np.argsort(-np.bincount(dense), kind="stable")
    return np.argsort(order, kind="stable")[dense]


def _joined(x: Array, found: Array, rng: np.random.Generator) -> Array:
    """Return, for each part of the rows ``x`` (n, K), the number of the part it is merged into.

    Two parts are merged if their rows together deviate from their mean (root mean square) by less than a small share of
    the cluster's extent. The extent is the distance that nine of ten pairs of rows do not exceed, so that a few
    outliers do not change it.
    """
    first = rng.integers(0, len(x), PAIRS)
    second = (first + rng.integers(1, len(x), PAIRS)) % len(x)  # always another row
    reach = np.quantile(np.linalg.norm(x[first] - x[second], axis=1), 0.9)
    sizes = np.bincount(found).astype(np.float64)  # (M,)
    means = np.stack([x[found == part].mean(0) if size else np.zeros(x.shape[1]) for part, size in enumerate(sizes)])
    squares = np.bincount(found, ((x - means[found]) ** 2).sum(1))  # (M,), of the deviations of each part
    names: Array = np.arange(len(sizes))
    while True:
        alive = [part for part in range(len(sizes)) if names[part] == part and sizes[part]]
        widths = {}
        for a, b in combinations(alive, 2):
            between = sizes[a] * sizes[b] / (sizes[a] + sizes[b]) * ((means[a] - means[b]) ** 2).sum()
            widths[a, b] = float(np.sqrt((squares[a] + squares[b] + between) / (sizes[a] + sizes[b])))
        if not widths or min(widths.values()) > ALIKE * reach:
            return names
        (a, b), width = min(widths.items(), key=lambda found: found[1])
        squares[a] = width**2 * (sizes[a] + sizes[b])
        means[a] = (sizes[a] * means[a] + sizes[b] * means[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        names[names == b] = a


def _blocks(members: Array, codes: Array) -> list[slice]:
    rows = max(1, BLOCK_VALUES // codes.shape[1])
    return [slice(start, start + rows) for start in range(0, len(members), rows)]


def _means(codes: Array, members: Array, found: Array, sizes: Array) -> Array:
    """Return the mean (P, K) of each part."""
    sums = np.zeros((len(sizes), codes.shape[1]))
    for block in _blocks(members, codes):
        x, parts = codes[members[block]], found[block]
        for part in range(len(sizes)):
            sums[part] += x[parts == part].sum(0, dtype=np.float64)
    return sums / sizes[:, None]


def _distances(codes: Array, members: Array, found: Array, means: Array) -> Array:
    away = np.empty(len(members))
    for block in _blocks(members, codes):
        away[block] = np.linalg.norm(codes[members[block]] - means[found[block]], axis=1)
    return away
