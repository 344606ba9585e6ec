"""Teach a decoder what the codes of a finished network come from, and leave the codes as they are."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from narrows.nets import Network
from narrows.objectives import Batch, pixel_loss
from narrows.objectives.taught import Taught

__all__ = ["Decoding"]


class Decoding(Taught):
    """Mean squared error of what the decoder makes of codes that do not change; the clusters stay as they were taught.

    Parameters
    ----------
    net : the network, whose encoder is finished
    n_clusters : M, of the linear layer on the code, which is kept
    """

    trains_decoder = True
    shaped_by_decoder = False
    watched: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, net: Network, n_clusters: int) -> None:
        super().__init__(net, n_clusters)

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,)}."""
        # In training, batch normalisation would take its statistics from the batch and forget the finished ones.
        net.encoder.eval()
        with torch.no_grad():
            code = net.encode(batch.x)
        return {"reconstruction": pixel_loss("mse", net.decode(code), batch.x)}
