"""Principal component analysis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from narrows.disk.files import Array
from narrows.geometry.principal import principal_axes
from narrows.projection import Projection

__all__ = ["PCA"]

BLOCK_ROWS = 8192


class PCA(Projection):
    """The two directions in which codes vary most (Pearson 1901): linear, exact and deterministic.

    Parameters
    ----------
    seed : not used; every projection takes one
    """

    learned: ClassVar = {"mean": "K", "axes": "2K"}
    mean_: Array  # (K,)
    axes_: Array  # (2, K), orthonormal; zeros if codes have only one value

    def _fit(self, codes: Array, neighbours: tuple[Array, Array] | None) -> None:
        def blocks() -> Iterator[Array]:
            return (codes[i : i + BLOCK_ROWS] for i in range(0, len(codes), BLOCK_ROWS))

        self.mean_, found = principal_axes(blocks, min(2, codes.shape[1]))
        self.axes_ = np.zeros((2, codes.shape[1]))
        self.axes_[: len(found)] = found

    def _place(self, codes: Array) -> Array:
        points = np.empty((len(codes), 2), np.float32)
        for start in range(0, len(codes), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            points[block] = (codes[block] - self.mean_) @ self.axes_.T  # (B, 2)
        return points
