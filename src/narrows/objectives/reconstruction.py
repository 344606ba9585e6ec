"""Reconstruct the input from its code; with noise, reconstruct the clean input from a corrupted one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Objective, PixelLoss, check_loss, pixel_loss
from narrows.views.noise import Noise

__all__ = ["Reconstruction"]


class Reconstruction(Objective):
    """Reconstruct the input, or the clean input from a corrupted one (Vincent et al. 2008, equation 4).

    Parameters
    ----------
    net : the network
    loss : "mse" (mean squared error), "l1" (mean absolute error) or "bce" (binary cross-entropy, images only)
    noise : corruptions of the input, such as ``["gaussian:0.3"]``; none by default
    weight : factor of the loss: 4 turns the squared error of values in [0, 1] into that of values in [-1, 1], and "sum"
        turns the mean over the values of an input into their sum
    """

    def __init__(
        self,
        net: Network,
        loss: PixelLoss = "mse",
        noise: str | Sequence[str] = (),
        weight: float | Literal["sum"] = 1.0,
    ) -> None:
        super().__init__()
        check_loss(net, loss)
        self.weight = math.prod(net.input_shape) if weight == "sum" else weight
        if not 0 < self.weight < math.inf:
            raise RecipeError("objective.weight", "must be > 0, or sum", value=weight)
        self.pixel_loss = loss
        self.noise = Noise(noise, bounded=net.is_images)
        self.corrupts = bool(self.noise)

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return ``x`` with the objective's noise."""
        return self.noise(x, generator) if self.corrupts else x

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,)}."""
        output = net(self.corrupt(batch.x, generator))
        return {"reconstruction": self.weight * pixel_loss(self.pixel_loss, output, batch.x)}
