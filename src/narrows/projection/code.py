"""The code itself, for codes that are already points in a plane."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows.disk.files import Array
from narrows.projection import Projection

__all__ = ["Code"]


class Code(Projection):
    """The first two values of each code, unchanged; a code of a single value gets 0 as its second coordinate.

    Parameters
    ----------
    seed : not used; every projection takes one
    """

    learned: ClassVar = {"axes": "2K"}
    axes_: Array  # (2, K): which value is shown on which axis

    def _fit(self, codes: Array, neighbours: tuple[Array, Array] | None) -> None:
        self.axes_ = np.eye(2, codes.shape[1])

    def _place(self, codes: Array) -> Array:
        points = np.zeros((len(codes), 2), np.float32)
        shown = codes[:, :2]
        points[:, : shown.shape[1]] = shown
        return points
