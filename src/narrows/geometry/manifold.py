"""Low-dimensional layouts of codes, from the graph of their nearest neighbours (UMAP, McInnes et al. 2018)."""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np

from narrows.disk.files import Array
from narrows.geometry.neighbours import nearest


def layout(
    codes: Array,
    *,
    start: Array | str,
    n_components: int = 2,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    neighbours: tuple[Array, Array] | None = None,
    epochs: int | None = None,
) -> Array:
    """Return coordinates (N, n_components) of ``codes`` (N, K), at least two of them, by umap-learn.

    Parameters
    ----------
    codes : the rows
    start : initial positions of the rows, (N, n_components) in a square of side 10; or "spectral"
    n_components : the number of coordinates, at least 2
    n_neighbors : the number of neighbours each row keeps, itself included; at most the number of rows
    min_dist : how near to each other rows may come, from 0 to 1
    seed : of all random numbers
    neighbours : the nearest other rows (N, k) and their distances, if they are known
    epochs : passes over the graph; by default 500, or 200 for more than 10,000 rows
    """
    from threadpoolctl import threadpool_limits

    # Numba sets the number of OpenMP threads of the whole process when it starts its own. It is restored at the end, or
    # a network trained afterwards would use more threads than it should, and end with other bits.
    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
        warnings.simplefilter("ignore")  # no search tree (not needed), and one thread (intended)
        import umap

        _keep_compiled()
        k = min(n_neighbors, len(codes)) - 1  # of others
        known = neighbours if neighbours is not None and neighbours[0].shape[1] >= k else nearest(codes, k)
        itself = np.arange(len(codes))[:, None]
        indices = np.hstack([itself, known[0][:, :k]])  # (N, n_neighbors)
        distances = np.hstack([np.zeros_like(itself, np.float32), known[1][:, :k].astype(np.float32)])
        fit = umap.UMAP(
            n_components=n_components,
            n_neighbors=k + 1,
            min_dist=min_dist,
            init=start,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(indices, distances),
            n_epochs=epochs,
        )
        points: Array = np.asarray(fit.fit_transform(codes))
    return points


def _keep_compiled() -> None:
    """Make Numba keep umap-learn's machine code on disk, or every process spends 7 seconds of a core compiling it."""
    from umap import layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        # Other versions of umap-learn may name it differently, or no folder may be writable: then it is compiled again.
        with suppress(AttributeError, RuntimeError):
            getattr(module, name).enable_caching()
