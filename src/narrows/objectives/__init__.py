"""Objectives, which determine what makes a code good. A file for each: (net, batch, generator) -> loss terms by name.

Terms are given per sample, and the training loop adds them up. They include their weights, so that the logged terms add
up to the logged loss. Every term is a mean over the values of a sample, so that losses can be compared across image
sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
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
    """The input of a training step.

    Parameters
    ----------
    x : inputs (N, *input_shape), in [0, 1] for images and standardised for vectors
    y : classes int64 (N,), or shares in classes float32 (N, C), for objectives that learn from them; None for others
    """

    x: Tensor
    y: Tensor | None = None


class Objective(nn.Module, ABC):
    """A loss made of named terms, with the layers that only training needs (a variance, a projection).

    A subclass's constructor takes the network first, then its own arguments, and keeps no reference to the network.
    """

    #: The registry of the networks it trains.
    networks: ClassVar[Registry] = nets
    #: Values that are logged beside the loss without being part of it, such as an accuracy.
    watched: ClassVar[frozenset[str]] = frozenset()
    #: Whether the decoder learns; otherwise the model can neither reconstruct nor generate.
    trains_decoder: bool = True
    #: Whether codes are trained through the decoder.
    shaped_by_decoder: ClassVar[bool] = True
    #: Whether codes are trained to separate clusters, so that they are separated to some degree whatever the rows are.
    parts_clusters: ClassVar[bool] = False
    #: Whether ``corrupt`` changes the input, so that the model learns to denoise.
    corrupts: bool = False
    #: Whether it needs values that only a method can compute, such as targets (N, C), so that it works only inside one.
    only_in_methods: ClassVar[bool] = False
    #: Whether codes are distributions, with their spread given by ``log_variance``.
    distributes: ClassVar[bool] = False
    #: Whether codes are trained towards N(0, I), so that new codes are drawn from it.
    normal_codes: ClassVar[bool] = False
    #: Whether the terms of a row depend on the other rows of its batch, so that it must not be cut; see also ``Joint``.
    whole_batches: ClassVar[bool] = False

    @abstractmethod
    def terms(self, net: Any, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the loss terms of each sample, name -> (N,), including those that are ``watched``.

        ``net`` is one of ``networks``.
        """

    def loss(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the loss () from the result of ``terms``: the mean over samples of the sum of the terms."""
        return torch.stack([term for name, term in terms.items() if name not in self.watched]).sum(0).mean()

    def log_variance(self, features: Tensor) -> Tensor:
        """Return the log-variance (N, K) of codes that are distributions, computed from features (N, F)."""
        raise TypeError(f"codes of {type(self).__name__} are points")

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the encoder's input in training (N, *input_shape): ``x``, corrupted if the objective corrupts."""
        return x

    def decoding(self) -> dict[str, Any]:
        """Return the name and arguments of the objective that trains a decoder once the codes are finished.

        That objective copies the parameters that have the same names in this one.
        """
        return {"name": "decoding"}


objectives.contract = Objective


class Joint(Objective):
    """An objective that compares the rows of a batch, by what the network makes of each row on its own.

    So the network can work on a part of the batch at a time.
    """

    @abstractmethod
    def outputs(self, net: Any, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what the terms are computed from, name -> (N, ...)."""

    @abstractmethod
    def joined(self, outputs: Mapping[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        """Return the terms, name -> (N,), from the outputs and the labels of the whole batch."""

    def terms(self, net: Any, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """See ``Objective``."""
        return self.joined(self.outputs(net, batch, generator), batch.y)


def check_loss(net: Network, loss: str) -> None:
    """Raise RecipeError unless ``loss`` is known and fits the network's outputs."""
    if loss not in ("mse", "l1", "bce"):
        raise RecipeError("objective.loss", "must be mse, l1 or bce", value=loss)
    if loss == "bce" and not net.is_images:
        raise RecipeError(
            "objective.loss",
            "'bce' needs images, with values in [0, 1]",
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
        # Autocast refuses the cross-entropy of probabilities, since it cannot know that ours are float32.
        with torch.autocast(output.device.type, enabled=False):
            values = functional.binary_cross_entropy(output, target, reduction="none")
    return values.flatten(1).mean(1)  # (N,)
