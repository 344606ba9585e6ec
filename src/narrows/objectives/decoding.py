"""Train a decoder to reconstruct inputs from the codes of a finished network, without changing the codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from narrows.nets import Network
from narrows.objectives import Batch, Objective, pixel_loss

__all__ = ["Decoding"]


class Decoding(Objective):
    """Mean squared error of reconstructions from fixed codes.

    Parameters
    ----------
    net : the network, with a finished encoder
    n_clusters : M, if the network is kept with a linear layer from code to clusters; otherwise None
    """

    only_in_methods = True
    parts_clusters = True
    shaped_by_decoder = False

    def __init__(self, net: Network, n_clusters: int | None = None) -> None:
        super().__init__()
        self.head = None if n_clusters is None else nn.Linear(net.code_size, n_clusters)

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,)}."""
        # In training mode, batch normalisation would use the batch's statistics and overwrite the finished ones.
        net.encoder.eval()
        with torch.no_grad():
            code = net.encode(batch.x)
        return {"reconstruction": pixel_loss("mse", net.decode(code), batch.x)}
