"""Teach a decoder what the codes of a finished network come from, and leave the codes as they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from narrows.nets import Network
from narrows.objectives import Batch, Objective, pixel_loss

__all__ = ["Decoding"]


class Decoding(Objective):
    """Mean squared error of what the decoder makes of codes that do not change.

    Parameters
    ----------
    net : the network, whose encoder is finished
    n_clusters : M, of the linear layer that reads clusters from the code, which is kept; None where there is none
    """

    only_in_methods = True
    parts_clusters = True
    shaped_by_decoder = False

    def __init__(self, net: Network, n_clusters: int | None = None) -> None:
        super().__init__()
        self.head = None if n_clusters is None else nn.Linear(net.code_size, n_clusters)

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,)}."""
        # In training, batch normalisation would take its statistics from the batch and forget the finished ones.
        net.encoder.eval()
        with torch.no_grad():
            code = net.encode(batch.x)
        return {"reconstruction": pixel_loss("mse", net.decode(code), batch.x)}
