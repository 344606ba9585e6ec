"""Low-dimensional layouts of codes, from the graph of their nearest neighbours (UMAP, McInnes et al. 2018)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from types import FunctionType
from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.geometry.neighbours import nearest

NEGATIVES = 5  # of each pull along an edge, so many random points push
#: Passes over the graph, and how far points move in the first, where they begin near an optimum: long enough to come
#: to ``min_dist``, gentle enough not to shake apart who lies beside whom.
SETTLING, RATE = 20, 0.04
SAMPLED = 300_000  # edges, and pairs, by which a scale is chosen


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
    with _umap_learn():
        indices, distances = _with_itself(codes, n_neighbors, neighbours)
        fit = _sharing()(
            n_components=n_components,
            n_neighbors=indices.shape[1],
            min_dist=min_dist,
            init=start,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(indices, distances),
            n_epochs=epochs,
        )
        points: Array = np.asarray(fit.fit_transform(codes))
    return points


def graph_of(codes: Array, n_neighbors: int, neighbours: tuple[Array, Array] | None = None) -> Any:
    """Return UMAP's graph, sparse and symmetric (N, N) float32, of ``codes`` (N, K); the arguments are ``layout``'s."""
    with _umap_learn():
        from umap import umap_

        indices, distances = _with_itself(codes, n_neighbors, neighbours)
        k = indices.shape[1]
        return umap_.fuzzy_simplicial_set(codes, k, None, "euclidean", knn_indices=indices, knn_dists=distances)[0]


def settled(points: Array, graph: Any, min_dist: float, seed: int) -> Array:
    """Return points (N, P) float32 near an optimum of UMAP, from ``points`` (N, P) that are near it but for their size.

    Parameters
    ----------
    graph : of ``graph_of``
    min_dist, seed : as in ``layout``
    """
    with _umap_learn():
        from umap import layouts, umap_

        a, b = umap_.find_ab_params(1.0, min_dist)
        graph = graph.tocoo()
        points = (points * _scale(points, graph, a, b, seed)).astype(np.float32)
        felt = graph.data >= graph.data.max() / SETTLING  # others would not be followed once
        points = layouts.optimize_layout_euclidean(
            points,
            points,
            graph.row[felt],
            graph.col[felt],
            SETTLING,
            len(points),
            umap_.make_epochs_per_sample(graph.data[felt], SETTLING),
            a,
            b,
            np.random.default_rng(seed).integers(-(2**31), 2**31 - 1, 3),
            initial_alpha=RATE,
            negative_sample_rate=NEGATIVES,
            move_other=True,
        )
    return points


def _scale(points: Array, graph: Any, a: float, b: float, seed: int) -> float:
    """Return the factor by which ``points`` (N, P) have the least loss that UMAP in effect descends.

    The loss is sum_ij w_ij (log(1 + a d_ij^2b) + r / (2 N) sum_k log(1 + 1 / (a d_ik^2b))), where r random points are
    pushed from at each pull (Damrich and Hamprecht 2021). It is estimated from some edges and pairs.
    """
    from scipy.optimize import minimize_scalar

    rng = np.random.default_rng(seed)
    edges = rng.integers(0, len(graph.data), SAMPLED)
    one, other = rng.integers(0, len(points), (2, SAMPLED))
    one, other = one[one != other], other[one != other]
    degrees = np.bincount(graph.row, graph.data, len(points))
    pulled = a * ((points[graph.row[edges]] - points[graph.col[edges]]) ** 2).sum(axis=1) ** b
    pushed = a * np.maximum(((points[one] - points[other]) ** 2).sum(axis=1), np.finfo(np.float32).tiny) ** b

    def loss(exponent: float) -> float:
        by = np.exp(2 * b * exponent)
        pull = (graph.data[edges] * np.log1p(by * pulled)).mean() * len(graph.data) / len(points)
        return float(pull + NEGATIVES / 2 * (degrees[one] * np.log1p(1 / (by * pushed))).mean())

    middle = -np.log(np.ptp(points, axis=0).max())  # a map of size 1
    return float(np.exp(minimize_scalar(loss, bounds=(middle - 5, middle + 10), method="bounded").x))


def _with_itself(codes: Array, n_neighbors: int, neighbours: tuple[Array, Array] | None) -> tuple[Array, Array]:
    """Return indices and distances (N, n_neighbors) as umap-learn counts: each row is its own first neighbour."""
    k = min(n_neighbors, len(codes)) - 1  # of others
    known = neighbours if neighbours is not None and neighbours[0].shape[1] >= k else nearest(codes, k)
    itself = np.arange(len(codes))[:, None]
    indices = np.hstack([itself, known[0][:, :k]])
    distances = np.hstack([np.zeros_like(itself, np.float32), known[1][:, :k].astype(np.float32)])
    return indices, distances


@contextmanager
def _umap_learn() -> Iterator[None]:
    """Import umap-learn, and leave the process as it was at the end; others wait, except while points are moved."""
    from threadpoolctl import threadpool_limits

    # Numba sets the number of OpenMP threads of the whole process when it starts its own. It is restored at the end, or
    # a network trained afterwards would use more threads than it should, and end with other bits.
    with _lock, warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
        warnings.simplefilter("ignore")  # no search tree (not needed), and one thread (intended)
        _sharing()
        _keep_compiled()
        yield


_lock = Lock()  # Numba's own threads must not be started by two others at once


@cache
def _sharing() -> Any:
    """Return umap-learn's class, as it lets other threads work while it moves points."""
    import umap
    from umap import layouts

    class UMAP(umap.UMAP):  # type: ignore[misc]
        def _fit_embed_data(self, *given: Any, **options: Any) -> Any:  # umap-learn calls it replaceable
            _lock.release()
            try:
                return super()._fit_embed_data(*given, **options)
            finally:
                _lock.acquire()

    with suppress(AttributeError):  # other versions of umap-learn may name it differently, and keep others waiting
        layouts._nb_optimize_layout_euclidean_single_epoch = _without_gil(
            layouts._nb_optimize_layout_euclidean_single_epoch
        )
    return UMAP


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


def _without_gil(compiled: Any) -> Any:
    """Return a function of Numba that lets go of Python's lock, under a name of its own where code is kept."""
    import numba

    plain = compiled.py_func
    renamed = FunctionType(plain.__code__, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__)
    renamed.__module__, renamed.__qualname__ = plain.__module__, f"{plain.__qualname__}_without_gil"
    return numba.njit(fastmath=True, nogil=True)(renamed)
