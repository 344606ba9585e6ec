"""The linear layer of a network as a clustering of the codes it reads."""

from __future__ import annotations

import numpy as np

from narrows.clustering.linear import Linear
from narrows.disk.files import Array


def by_planes(weights: Array, offsets: Array, codes: Array) -> Linear:
    """Return the clustering of ``codes`` (N, K) by a linear layer with ``weights`` (M, K) and ``offsets`` (M,)."""
    weights, offsets = weights.astype(np.float64), offsets.astype(np.float64)
    labels = (codes @ weights.T + offsets).argmax(1)
    sizes = np.bincount(labels, minlength=len(weights))
    # The mean of no codes is taken to be that of all.
    means = [codes[labels == m if sizes[m] else slice(None)].mean(0, dtype=np.float64) for m in range(len(weights))]
    return Linear.of_parameters({"weights": weights, "offsets": offsets, "centers": np.stack(means)}, codes)
