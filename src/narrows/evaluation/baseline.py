"""A simple method applied to the raw values: the baseline that a trained network must beat.

The other baseline, PCA, is an encoder: ``encoders/pca.py``.
"""

from __future__ import annotations

import math

import numpy as np

from narrows.clustering.kmeans import KMeans
from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.encoders.pca import HELD_VALUES, flat_blocks, held_rows


def kmeans_on_pixels(values: Array, n_clusters: int, seed: int = 0) -> Array:
    """Return the clusters int64 (N,) that k-means (3 starts) finds in the raw ``values`` (N, ...).

    If the rows do not fit in 512 MiB, k-means is fitted to a random part of them and the others are assigned.
    """
    rows = some_rows(len(values), max(n_clusters, HELD_VALUES // math.prod(values.shape[1:])), seed)
    clusterer = KMeans(n_clusters, seed, n_init=3).fit(held_rows(values, rows))
    if len(rows) == len(values):
        return clusterer.labels_
    return np.concatenate([clusterer.predict(block) for block in flat_blocks(values, np.arange(len(values)))])
