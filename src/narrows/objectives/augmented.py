"""Reconstruct randomly changed inputs from themselves: augmentation for small data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from narrows.nets import Network
from narrows.objectives import Batch, PixelLoss
from narrows.objectives.reconstruction import Reconstruction
from narrows.views import Views

__all__ = ["Augmented"]


class Augmented(Reconstruction):
    """Reconstruct a random view of the input from that same view; outside training, the input from itself.

    The change is not undone: a view that could have been a new input is one more input to learn from.

    Parameters
    ----------
    net : the network
    views : the changes, such as ``["affine:0.4"]``; None takes "affine:0.4" for images and "jitter:0.1" for vectors. By
        default nothing is erased, since new inputs have no erased parts
    loss, noise, weight : as for ``Reconstruction``; noise is added to the view, and the view without noise is the
        target
    """

    def __init__(
        self,
        net: Network,
        views: str | Sequence[str] | None = None,
        loss: PixelLoss = "mse",
        noise: str | Sequence[str] = (),
        weight: float | Literal["sum"] = 1.0,
    ) -> None:
        super().__init__(net, loss=loss, noise=noise, weight=weight)
        gentle = "affine:0.4" if net.is_images else "jitter:0.1"
        self.views = Views([gentle] if views is None else views, images=net.is_images)

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,)}."""
        if self.training:
            batch = replace(batch, x=self.views(batch.x, generator))
        return super().terms(net, batch, generator)
