"""Layouts of a graph by the gradient of t-SNE (openTSNE's implementation)."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.projection.pca import PCA

EARLY = (100, 12.0)  # steps, and exaggeration, with which groups find together
#: Steps, and the width of a cell of the grid on which repulsion is interpolated. Cells twice as wide cost a third of
#: the time, and lead to the same map, so that only the last steps need narrow ones.
COARSE, FINE = (250, 2.0), (50, 1.0)
#: The learning rate, relative to N / exaggeration (Belkina et al. 2019), and momentum. With more than the usual 1 and
#: .8, a map unfolds in fewer steps; the exaggerated ones need neither.
RATE, MOMENTUM, EARLY_MOMENTUM = 2.0, 0.9, 0.8


def descended(
    graph: Any,
    start: Array,
    *,
    exaggeration: float = 1.0,
    steps: tuple[tuple[int, float], ...] = (),
    momentum: float = MOMENTUM,
    by_tree: bool = False,
) -> Array:
    """Return points (N, 2) float64 for the nodes of a graph.

    Parameters
    ----------
    graph : sparse and symmetric (N, N), the weights of attraction
    start : (N, 2) float64, of the small size that ``small_start`` returns
    exaggeration : of attraction in the end; more of it draws groups together, as UMAP does (Boehm et al. 2022)
    steps : numbers of steps, each with the width of a cell of the grid; ``COARSE`` and ``FINE`` by default
    momentum : after the first, exaggerated steps
    by_tree : whether repulsion is approximated by a tree and not on a grid: quicker for some thousand nodes
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PrecomputedAffinities

    points = TSNEEmbedding(
        start,
        PrecomputedAffinities(graph.astype(np.float64)),
        negative_gradient_method="bh" if by_tree else "fft",
        # Two threads give the same bits in nine tenths of the time at best, but take several times as long on a busy
        # machine.
        n_jobs=1,
    )
    count, early = EARLY
    rate = len(start) / early
    points.optimize(
        count, exaggeration=early, momentum=EARLY_MOMENTUM, learning_rate=rate, ints_in_interval=COARSE[1], inplace=True
    )
    rate = RATE * len(start) / exaggeration
    for count, width in steps or (COARSE, FINE):
        points.optimize(
            count,
            exaggeration=exaggeration,
            momentum=momentum,
            learning_rate=rate,
            ints_in_interval=width,
            inplace=True,
        )
    return np.array(points)


def small_start(codes: Array, seed: int) -> Array:
    """Return PCA's map (N, 2) float64 of ``codes`` (N, K), scaled to the small size from which t-SNE starts."""
    points = PCA().fit(codes).map_.astype(np.float64)
    points /= points.std(axis=0).max()
    # A little noise, or codes on a line could never leave it.
    points += 0.01 * np.random.default_rng(seed).standard_normal(points.shape)
    return points * 1e-4
