"""How well clusters agree with known classes, and how well they are separated.

Clusters are int (N,) >= 0, labels int (N,) with -1 where unknown; rows of unknown label are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.work.threads import one_thread

Matching = Literal["optimal", "greedy", "majority"]

HELD_VALUES = 1 << 26  # float64 values compared with each other: 512 MiB
FEWEST_ROWS = 200  # fewer rows give too rough a mean, so of long rows only some values are used


def contingency(clusters: Array, labels: Array, n_classes: int | None = None) -> Array:
    """Return how many rows of each cluster belong to each class: (M, C) int64.

    M is the largest cluster number plus one, and C is ``n_classes`` or the largest label plus one.
    """
    clusters, labels = np.asarray(clusters), np.asarray(labels)
    if clusters.shape != labels.shape or clusters.ndim != 1:
        raise InputError(
            "clusters and labels",
            "must have one number for each row",
            value=f"shapes {clusters.shape}, {labels.shape}",
        )
    rows = int(clusters.max(initial=-1)) + 1
    columns = int(labels.max(initial=-1)) + 1 if n_classes is None else n_classes
    known = labels >= 0
    cells = clusters[known].astype(np.int64) * columns + labels[known]
    return np.bincount(cells, minlength=rows * columns).reshape(rows, columns)


def match(counts: Array, how: Matching = "optimal") -> Array:
    """Return the class (M,) matched to each cluster of ``counts`` (M, C), or -1 where none is.

    Parameters
    ----------
    counts : how many rows of each cluster belong to each class
    how : "optimal", the one-to-one matching with the most rows right (Kuhn 1955, the Hungarian method); "greedy", also
        one-to-one: each class asks for the cluster with most of its rows, a class with more rows in a cluster takes it
        from the class that had it, and that class asks again elsewhere (Gale & Shapley 1962); or "majority", the
        commonest class of each cluster, which several clusters may share

    A one-to-one matching leaves some clusters unmatched if there are more clusters than classes, and any cluster
    without rows of its class.
    """
    counts = np.asarray(counts)
    if how == "optimal":
        matched = _optimal(counts)
    elif how == "greedy":
        matched = _greedy(counts)
    elif how == "majority":
        matched = counts.argmax(axis=1) if counts.shape[1] else np.full(len(counts), -1)
    else:
        raise InputError("how", "must be optimal, greedy or majority", value=how)
    some = counts[np.arange(len(counts)), matched] > 0 if counts.shape[1] else np.zeros(len(counts), bool)
    return np.where(some, matched, -1).astype(np.int64)


def _optimal(counts: Array) -> Array:
    from scipy.optimize import linear_sum_assignment

    matched = np.full(len(counts), -1, dtype=np.int64)
    clusters, classes = linear_sum_assignment(counts, maximize=True)
    matched[clusters] = classes
    return matched


def _greedy(counts: Array) -> Array:
    matched = np.full(len(counts), -1, dtype=np.int64)
    wishes = [list(np.argsort(-column, kind="stable")) for column in counts.T]  # for each class, its best cluster first
    looking = list(range(counts.shape[1]))
    while looking:
        label = looking.pop(0)
        while wishes[label]:
            cluster = wishes[label].pop(0)
            holder = matched[cluster]
            if holder < 0 or counts[cluster, label] > counts[cluster, holder]:
                matched[cluster] = label
                looking += [int(holder)] if holder >= 0 else []
                break
    return matched


def accuracy(clusters: Array, labels: Array, how: Matching = "optimal") -> float:
    """Return the share of rows whose cluster is matched to their class; see ``match``. nan without labels."""
    counts = contingency(clusters, labels)
    right = sum(int(counts[cluster, label]) for cluster, label in enumerate(match(counts, how)) if label >= 0)
    total = int(counts.sum())
    return right / total if total else math.nan


def nmi(clusters: Array, labels: Array) -> float:
    """Return the normalised mutual information of clusters and classes: 0 to 1. nan without labels.

    Normalised by the arithmetic mean of the two entropies; see Vinh et al. (2010) for other choices.
    """
    from sklearn.metrics import normalized_mutual_info_score

    return _on_known(normalized_mutual_info_score, clusters, labels)


def ari(clusters: Array, labels: Array) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985): 1 at best, around 0 by chance. nan without labels."""
    from sklearn.metrics import adjusted_rand_score

    return _on_known(adjusted_rand_score, clusters, labels)


def silhouette(values: Array, clusters: Array, sample: int = 5000, seed: int = 0) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of rows in their clusters: -1 to 1. nan for a single cluster.

    At most 512 MiB of values are used, so fewer rows if they are long: 341 rows of 3 x 256 x 256. If fewer than 200
    rows would fit, only every second (third, ...) of their values is used.

    Parameters
    ----------
    values : (N, ...), compared by Euclidean distance; only the rows used are read
    clusters : (N,)
    sample : the most rows to use, chosen at random
    """
    from sklearn.metrics import silhouette_samples

    size = math.prod(values.shape[1:])
    rows = some_rows(len(values), min(sample, max(FEWEST_ROWS, HELD_VALUES // size)), seed)
    clusters = clusters[rows]
    found = len(np.unique(clusters))
    if found < 2:
        return math.nan
    if found == len(rows):
        return 0.0  # the silhouette of a row alone in its cluster, by definition
    step = -(-len(rows) * size // HELD_VALUES)
    held = np.stack([values[row].reshape(-1)[::step].astype(np.float64) for row in rows])  # (n, D)
    with one_thread():
        return float(silhouette_samples(held, clusters).mean())


def _on_known(score: Callable[[Array, Array], float], clusters: Array, labels: Array) -> float:
    known = np.asarray(labels) >= 0
    return math.nan if not known.any() else float(score(labels[known], clusters[known]))
