"""How well clusters fit graphs of neighbours, measured without labels.

A good clustering has many clusters and still puts neighbours into the same one. The mutual information between the
clusters of a row and its neighbour measures both at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError


def neighbour_information(clusters: Array, graphs: Sequence[Array], n_clusters: int | None = None) -> float:
    """Return the mutual information I(c; c') of a row's cluster and its neighbour's, in nats: 0 to log M.

    P(c, c') is counted over all pairs of a row and one of its neighbours, in both orders, and

        I = sum over c, c' of P(c, c') log(P(c, c') / (P(c) P(c'))).

    Ji, Henriques & Vedaldi (2019, equation 3) maximise it over pairs of views. Merging two clusters lowers it, and so
    does a border that separates neighbours. Only clusterings with the same number of clusters can be compared by it.

    Parameters
    ----------
    clusters : int (N,), from 0 to M - 1
    graphs : neighbours (N, k) of each row in one or more graphs; the mean over the graphs is returned
    n_clusters : M; some clusters may be empty
    """
    clusters = np.asarray(clusters)
    count = int(clusters.max(initial=0)) + 1 if n_clusters is None else n_clusters
    if not len(graphs) or clusters.ndim != 1 or any(len(indices) != len(clusters) for indices in graphs):
        raise InputError(
            "clusters and graphs",
            "must be (N,) and one or more of (N, k)",
            value=f"shapes {clusters.shape}, {[indices.shape for indices in graphs]}",
        )
    return float(np.mean([information(joint(clusters, indices, count)) for indices in graphs]))


def neighbour_agreement(clusters: Array, indices: Array) -> Array:
    """Return the share (N,) of each row's neighbours ``indices`` (N, k) that are in the row's cluster."""
    agreement: Array = (clusters[indices] == clusters[:, None]).mean(axis=1)
    return agreement


def joint(cells: Array, indices: Array, n_cells: int) -> Array:
    """Return P(a, b) (M, M), the share of pairs of a row in cluster a and a neighbour in b, counted in both orders.

    Parameters
    ----------
    cells : int (N,), from 0 to M - 1
    indices : (N, k), the neighbours of each row
    n_cells : M
    """
    cells = np.asarray(cells, np.int64)
    pairs = np.repeat(cells, indices.shape[1]) * n_cells + cells[indices].reshape(-1)
    counts = np.bincount(pairs, minlength=n_cells**2).reshape(n_cells, n_cells).astype(np.float64)
    shares: Array = (counts + counts.T) / max(1.0, 2 * counts.sum())
    return shares


def information(joint: Array) -> float:
    """Return I in nats of a symmetric joint distribution (M, M)."""
    return max(0.0, float(xlogx(joint).sum() - 2 * xlogx(joint.sum(1)).sum()))


def xlogx(values: Array) -> Array:
    """Return x log x, with the value 0 at 0."""
    return values * np.log(np.where(values > 0, values, 1.0))
