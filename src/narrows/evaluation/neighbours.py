"""Outliers, from the distances of each row to its neighbours."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array


def outlier_scores(distances: Array) -> Array:
    """Return how far each row lies from others: the mean distance to its k nearest neighbours, (N,) float32.

    Angiulli and Pizzuti (2002), after Ramaswamy et al. (2000), who used only the distance to the k-th neighbour.

    Parameters
    ----------
    distances : (N, k), from ``nearest``; with k = 0, all scores are 0
    """
    if distances.shape[1] == 0:
        return np.zeros(len(distances), np.float32)
    scores: Array = distances.mean(axis=1, dtype=np.float64).astype(np.float32)
    return scores
