"""Train on pseudo-labels: predict a given cluster from random views of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Objective
from narrows.views import Views

__all__ = ["Taught"]


class Taught(Objective):
    """Cross-entropy between given clusters and the softmax of a linear layer on the code; views in training only.

    Parameters
    ----------
    net : the network
    n_clusters : M
    views : random changes that do not change the cluster, such as ``["affine:1"]``; none by default
    smoothing : share of the target spread evenly over all clusters (Szegedy et al. 2016), in training only
    """

    only_in_methods = True
    parts_clusters = True
    trains_decoder = False
    watched: ClassVar[frozenset[str]] = frozenset({"accuracy"})

    def __init__(self, net: Network, n_clusters: int, views: str | Sequence[str] = (), smoothing: float = 0.0) -> None:
        super().__init__()
        if n_clusters < 1 or not 0 <= smoothing < 1:
            raise RecipeError(
                "objective.n_clusters and objective.smoothing",
                "must be >= 1 and from 0 to below 1",
                value=(n_clusters, smoothing),
            )
        self.smoothing = smoothing
        self.views = Views(views, images=net.is_images) if views else None
        self.head = nn.Linear(net.code_size, n_clusters)  # (N, K) -> (N, M)

    def assign(self, codes: Tensor) -> Tensor:
        """Return the shares (N, M) that ``codes`` (N, K) have in the clusters."""
        shares: Tensor = self.head(codes.float()).softmax(1)
        return shares

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a random view of ``x`` in training, if there are views."""
        return self.views(x, generator) if self.views is not None and self.training else x

    def decoding(self) -> dict[str, Any]:
        """See ``Objective.decoding``; the linear layer is kept."""
        return {"name": "decoding", "n_clusters": self.head.out_features}

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"cross_entropy": (N,), "accuracy": (N,)}."""
        if batch.y is None:
            raise RecipeError("objective.name", "'taught' needs pseudo-labels, but none were given")
        logits = self.head(net.encode(self.corrupt(batch.x, generator))).float()  # (N, M)
        smoothing = self.smoothing if self.training else 0.0
        loss = functional.cross_entropy(logits, batch.y, reduction="none", label_smoothing=smoothing)
        return {"cross_entropy": loss, "accuracy": (logits.argmax(1) == batch.y).float()}
