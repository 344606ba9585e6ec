"""Draw the input again from its code; with noise, draw the clean input from a corrupted one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from narrows.nets import Network
from narrows.noise import Noise
from narrows.objectives import Batch, Objective, PixelLoss, check_loss, pixel_loss

__all__ = ["Reconstruction"]


class Reconstruction(Objective):
    """Reconstruct the input, or the clean input from a corrupted one (Vincent et al. 2008, equation 4).

    Parameters
    ----------
    net : the network
    loss : "mse" (mean squared error), "l1" (mean absolute error) or "bce" (binary cross-entropy, images only)
    noise : corruptions of the input, such as ``["gaussian:0.3"]``; none by default
    """

    def __init__(self, net: Network, loss: PixelLoss = "mse", noise: str | Sequence[str] = ()) -> None:
        super().__init__()
        check_loss(net, loss)
        self.loss = loss
        self.noise = Noise(noise, bounded=net.is_images)
        self.corrupts = bool(self.noise)

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return ``x`` with the objective's noise."""
        return self.noise(x, generator) if self.corrupts else x

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,)}."""
        output = net(self.corrupt(batch.x, generator))
        return {"reconstruction": pixel_loss(self.loss, output, batch.x)}
