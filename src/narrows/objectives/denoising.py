"""Denoising by its name: reconstruction with noise on the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from narrows.nets import Network
from narrows.objectives import PixelLoss
from narrows.objectives.reconstruction import Reconstruction

__all__ = ["denoising"]


def denoising(
    net: Network,
    noise: str | Sequence[str] = ("gaussian:0.3",),
    loss: PixelLoss = "mse",
    weight: float | Literal["sum"] = 1.0,
) -> Reconstruction:
    """Reconstruct the clean input from a corrupted one (Vincent et al. 2008): ``Reconstruction`` with noise."""
    return Reconstruction(net, loss=loss, noise=noise, weight=weight)
