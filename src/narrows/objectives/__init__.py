"""Objectives: what makes a code good. One file per objective: (net, batch, generator) -> named loss terms per sample.

The training loop adds the terms up. A term already carries its weight, so that the logged terms add up to the logged
loss. Every term is a mean over the values of one sample, so that losses compare across image sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.nets import Network, nets
from narrows.registry import Registry

objectives = Registry("narrows.objectives", "objective")

PixelLoss = Literal["mse", "l1", "bce"]


@dataclass(frozen=True, eq=False)
class Batch:
    """What a training step sees.

    Parameters
    ----------
    x : inputs (N, *input_shape), in [0, 1] for images and standardised for vectors
    y : classes int64 (N,), or shares in classes float32 (N, C), for objectives that learn from them; None for others
    """

    x: Tensor
    y: Tensor | None = None


class Objective(nn.Module, ABC):
    """A loss made of named terms. Layers that only training needs (a variance, a projection) belong to the objective.

    A subclass's constructor takes the network first, then its own arguments, and keeps no reference to the network.
    """

    #: The networks it trains.
    networks: ClassVar[Registry] = nets
    #: Terms that are logged beside the loss and are no part of it, such as an accuracy.
    watched: ClassVar[frozenset[str]] = frozenset()
    #: Whether the decoder learns. Without it there is nothing to reconstruct or generate with.
    trains_decoder: bool = True
    #: Whether what the decoder makes of a code shapes the code.
    shaped_by_decoder: ClassVar[bool] = True
    #: Whether codes are made to tell clusters apart, so that they are apart to some degree whatever the rows are.
    parts_clusters: ClassVar[bool] = False
    #: Whether ``corrupt`` changes anything, so that the model learns to denoise.
    corrupts: bool = False
    #: Whether it learns from what a method makes on the way, such as targets (N, C), and so only inside that method.
    only_in_methods: ClassVar[bool] = False
    #: Whether codes are distributions, whose spread ``log_variance`` says.
    distributes: ClassVar[bool] = False
    #: Whether codes are trained towards N(0, I), so that samples are drawn from it.
    normal_codes: ClassVar[bool] = False

    @abstractmethod
    def terms(self, net: Any, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the loss terms of each sample, name -> (N,), and what is ``watched``.

        ``net`` is one of ``networks``.
        """

    def loss(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the loss () of what ``terms`` returned: the mean over samples of the sum of the terms."""
        return torch.stack([term for name, term in terms.items() if name not in self.watched]).sum(0).mean()

    def log_variance(self, features: Tensor) -> Tensor:
        """Return the log-variance (N, K) of codes that are distributions, from features (N, F)."""
        raise TypeError(f"codes of {type(self).__name__} are points")

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the input as the encoder sees it in training (N, *input_shape): the same, unless it is corrupted."""
        return x

    def decoding(self) -> dict[str, Any]:
        """Return the objective by which a decoder learns once codes are finished: its name, and its arguments.

        It takes from this one what it has under the same name.
        """
        return {"name": "decoding"}


objectives.contract = Objective


def check_loss(net: Network, loss: str) -> None:
    """Raise a clear error unless ``loss`` is one that fits the network's outputs."""
    if loss not in ("mse", "l1", "bce"):
        raise RecipeError("objective.loss", "must be mse, l1 or bce", value=loss)
    if loss == "bce" and not net.is_images:
        raise RecipeError(
            "objective.loss",
            "'bce' needs images, whose values live in [0, 1]",
            value="vectors",
            remedy="Use mse or l1.",
        )


def pixel_loss(loss: str, output: Tensor, target: Tensor) -> Tensor:
    """Return the mean over each sample's values (N,) of squared error, absolute error, or binary cross-entropy."""
    if loss == "mse":
        values = functional.mse_loss(output, target, reduction="none")
    elif loss == "l1":
        values = functional.l1_loss(output, target, reduction="none")
    else:
        # Cross-entropy of probabilities is refused under autocast, which cannot know that ours are float32.
        with torch.autocast(output.device.type, enabled=False):
            values = functional.binary_cross_entropy(output, target, reduction="none")
    return values.flatten(1).mean(1)  # (N,)
