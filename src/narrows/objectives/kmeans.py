"""The learning rules of k-means, as losses whose gradients are the rules."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Objective

__all__ = ["KMeans"]

Update = Literal["cell", "gradient", "sum"]


class KMeans(Objective):
    """Move each centre towards the mean of the rows of the batch for which it is the nearest.

    Plain gradient descent (no momentum, no clipping) with learning rate eta takes these steps:

    - "cell": C_i <- C_i + eta (m_i - C_i), m_i the mean of the rows nearest to C_i, exactly: the loss is half the
      squared distance to the nearest centre, averaged over the rows of a cell and summed over the cells;
    - "gradient": the gradient of the mean squared reconstruction error, over rows and values, through the softmax. If
      the softmax is sharp, C_i <- C_i + a_i (m_i - C_i) with a_i = 2 eta n_i / (N D), for n_i of the N rows in the
      cell. It is the objective ``reconstruction``;
    - "sum": the same with the error summed over the D values: a_i = 2 eta n_i / N.

    The mean squared error per value is logged beside the loss. With a network other than ``neural-kmeans``, the largest
    value of the code determines the cell, and the decoded unit vector of that cell is its centre.

    Parameters
    ----------
    net : the network
    update : the rule
    repair : a centre that has been nearest to none of this many consecutive rows moves onto a row drawn with a
        probability proportional to its squared distance from its nearest centre, as in k-means++; 0 for never. Needs a
        network with ``centers``

    Notes
    -----
    The counts for repair are buffers and thus part of checkpoints, so a resumed training makes the same repairs.
    """

    parts_clusters = True
    whole_batches = True
    watched: ClassVar[frozenset[str]] = frozenset({"mse"})

    idle: Tensor
    repairs: Tensor

    def __init__(self, net: Network, update: Update = "cell", repair: int = 0) -> None:
        super().__init__()
        if update not in ("cell", "gradient", "sum"):
            raise RecipeError("objective.update", "must be cell, gradient or sum", value=update)
        if repair < 0 or (repair and not hasattr(net, "centers")):
            raise RecipeError(
                "objective.repair",
                "must be >= 0, and 0 for a network without centres",
                value=repair,
                remedy="Use a network with centres: --set net.name=neural-kmeans.",
            )
        self.update, self.repair = update, repair
        self.weight = math.prod(net.input_shape) if update == "sum" else 1
        self.register_buffer("idle", torch.zeros(net.code_size, dtype=torch.int64))  # rows since each last won
        self.register_buffer("repairs", torch.zeros((), dtype=torch.int64))

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"cells" or "reconstruction": (N,), "mse": (N,)}."""
        if self.repair and self.training:
            self._move_dead(net, batch.x, generator)
        if self.update != "cell":
            error = (net(batch.x) - batch.x).square().flatten(1).mean(1)  # (N,)
            return {"reconstruction": self.weight * error, "mse": error.detach()}
        with torch.no_grad():
            cell, chosen = _winners(net, batch.x)
        squares = (net.decode(chosen) - batch.x).square().flatten(1)  # (N, D)
        rows = chosen.sum(0)[cell]  # (N,), of each row's cell
        # The loss is a mean over all rows; the factor N / n_i turns it into the mean over the cell.
        return {"cells": squares.sum(1) / 2 * (len(cell) / rows), "mse": squares.detach().mean(1)}

    @torch.no_grad()
    def _move_dead(self, net: Network, x: Tensor, generator: torch.Generator) -> None:
        """Count the rows since each centre last won one, and move centres whose count reaches ``repair``."""
        _, chosen = _winners(net, x)
        self.idle.copy_(torch.where(chosen.sum(0) > 0, 0, self.idle + len(x)))
        dead = torch.nonzero(self.idle >= self.repair).flatten()
        if not len(dead):
            return
        far = (net.decode(chosen) - x).square().flatten(1).sum(1)  # (N,)
        dead = dead[: int((far > 0).sum())]  # a row that coincides with a centre needs no second one
        if len(dead):
            centers: Tensor = net.centers  # type: ignore[assignment]
            centers[dead] = x.flatten(1)[torch.multinomial(far, len(dead), generator=generator)]
            self.idle[dead] = 0
            self.repairs += len(dead)


def _winners(net: Network, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cell (N,) of each row of ``x``, and its one-hot form (N, K), float32."""
    cell = net.encode(x).argmax(1)  # (N,)
    return cell, functional.one_hot(cell, net.code_size).float()
