"""The usual methods: k-means by Lloyd's iteration over all rows, or by scikit-learn's mini-batches."""

from __future__ import annotations

import time
import warnings

import numpy as np

from narrows.studies.jobs import Results, Work
from narrows.studies.jobs._kmeans import blocks, measure, parts, start

__all__ = ["lloyd"]


def lloyd(
    work: Work,
    *,
    source: str,
    n_clusters: int = 10,
    init: str = "k-means++",
    row: int | None = None,
    max_iter: int = 300,
    batch_size: int = 0,
) -> Results:
    """Run scikit-learn's k-means from the same initial centres as a run of ``neural-kmeans`` with the same seed.

    Parameters
    ----------
    source, n_clusters, init, row : as for the job ``neural-kmeans``
    max_iter : the most passes over the rows
    batch_size : rows of a mini-batch; 0 is Lloyd's iteration over all rows

    Returns
    -------
    results : those of ``jobs._kmeans.measure``, "train/iterations" and "train/seconds"
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    found = parts(work, source)
    begun = start(work, found.train, n_clusters, init, row)  # (K, D)
    rows = np.concatenate([x.astype(np.float32) for _, x in blocks(found.train)])  # (N, D)
    if batch_size:
        fit = MiniBatchKMeans(
            n_clusters,
            init=begun,
            n_init=1,
            max_iter=max_iter,
            batch_size=batch_size,
            random_state=work.seed,
            max_no_improvement=None,
            reassignment_ratio=0.0,
        )
    else:
        fit = KMeans(n_clusters, init=begun, n_init=1, max_iter=max_iter, algorithm="lloyd")
    clock = time.perf_counter()
    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # about centres that rounding made equal
        fit.fit(rows)
    seconds = time.perf_counter() - clock
    centers = np.asarray(fit.cluster_centers_, np.float64)
    return measure(work, found, begun, centers) | {"train/iterations": float(fit.n_iter_), "train/seconds": seconds}
