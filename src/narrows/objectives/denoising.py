"""Denoising under its own name: reconstruction with noise on the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from narrows.nets import Network
from narrows.objectives import PixelLoss
from narrows.objectives.reconstruction import Reconstruction

__all__ = ["Denoising"]


class Denoising(Reconstruction):
    """Reconstruct the clean input from a corrupted one (Vincent et al. 2008): ``Reconstruction`` with noise."""

    def __init__(
        self,
        net: Network,
        noise: str | Sequence[str] = ("gaussian:0.3",),
        loss: PixelLoss = "mse",
        weight: float | Literal["sum"] = 1.0,
    ) -> None:
        super().__init__(net, loss=loss, noise=noise, weight=weight)
