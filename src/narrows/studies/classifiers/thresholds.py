"""Layers of soft thresholds: a classifier as large as a network built by hand from half-planes, AND and OR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from narrows.classifiers import ClassifierNet
from narrows.errors import RecipeError

__all__ = ["Thresholds"]


class SteepSigmoid(nn.Module):
    """sigmoid(slope z) with a slope that may change over the steps of training by equal factors.

    Parameters
    ----------
    slope : the slope at the start
    slope_end : the slope after ``anneal`` steps of training
    anneal : number of steps over which it changes; 0 keeps the first slope
    """

    seen: Tensor

    def __init__(self, slope: float, slope_end: float, anneal: int) -> None:
        super().__init__()
        self.slope, self.slope_end, self.anneal = slope, slope_end, anneal
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))  # training steps so far

    def slope_now(self) -> float:
        """Return the slope after the training steps so far."""
        done = min(1.0, int(self.seen) / self.anneal) if self.anneal else 0.0
        return float(self.slope * (self.slope_end / self.slope) ** done)

    def forward(self, z: Tensor) -> Tensor:
        """Return values from 0 to 1 with the shape of ``z``. In training, each call counts as a step."""
        values = torch.sigmoid(self.slope_now() * z)
        if self.training:
            self.seen += 1
        return values


class Thresholds(ClassifierNet):
    """Fully connected layers of sigmoids, and logits relative to class 0.

    With two classes this is a network with a single output whose sigmoid is the probability of class 1, since the
    softmax of the logits (0, z) is sigmoid(z). The hidden units are sigmoid(slope (w x + b)), which approach thresholds
    as the slope grows. The first layer's slope may rise during training, so that misplaced lines still get a gradient
    at first, while the final answers are sharp.

    Parameters
    ----------
    input_shape : (D,)
    n_classes : how many classes there are
    widths : widths of the hidden layers
    low, high : weights and biases are drawn uniformly between these; both 0 for torch's own initialisation
    slope : slope of the first layer's sigmoids
    slope_end : the slope after ``anneal`` steps of training, reached by equal factors; 0 keeps ``slope``
    anneal : steps over which the slope changes
    gain : slope of all later layers, including the output
    """

    encoder: nn.Sequential

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        widths: Sequence[int] = (10, 2),
        low: float = 0.0,
        high: float = 0.0,
        slope: float = 4.0,
        slope_end: float = 0.0,
        anneal: int = 0,
        gain: float = 4.0,
    ) -> None:
        super().__init__(input_shape, n_classes)
        if self.is_images:
            raise RecipeError("net.name", "'thresholds' takes vectors (D,)", value=f"input of shape {self.input_shape}")
        if not 1 <= len(widths) <= 64 or not all(1 <= width <= 1 << 20 for width in widths):
            raise RecipeError("net.widths", "must be 1 to 64 widths from 1 to 1,048,576", value=list(widths))
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise RecipeError("net.low and net.high", "must be finite, and low at most high", value=(low, high))
        for name, value in [("slope", slope), ("gain", gain)]:
            if not 0 < value < math.inf:
                raise RecipeError(f"net.{name}", "must be > 0", value=value)
        if not 0 <= slope_end < math.inf or anneal < 0 or (slope_end > 0 and anneal == 0):
            raise RecipeError(
                "net.slope_end and net.anneal",
                "must be >= 0, and a final slope needs steps to reach it",
                value=(slope_end, anneal),
            )
        self.gain = gain
        (size,) = self.input_shape
        layers: list[nn.Module] = [nn.Linear(size, widths[0]), SteepSigmoid(slope, slope_end or slope, anneal)]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), SteepSigmoid(gain, gain, 0)]
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], n_classes - 1)
        if (low, high) != (0, 0):
            for parameter in self.parameters():
                nn.init.uniform_(parameter, low, high)

    def linear(self) -> list[nn.Linear]:
        """Return the linear layers, with the head last."""
        return [layer for layer in [*self.encoder, self.head] if isinstance(layer, nn.Linear)]

    def restart_slope(self) -> None:
        """Restart the rise of the slope from ``slope``."""
        for layer in self.encoder:
            if isinstance(layer, SteepSigmoid):
                layer.seen.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, n_classes), float32; those of class 0 are 0."""
        z = (self.gain * self.head(self.features(x))).float()  # (N, n_classes - 1)
        return torch.cat([z.new_zeros(len(z), 1), z], dim=1)

    @torch.no_grad()
    def surround(self, centres: Tensor, radius: float, generator: torch.Generator) -> None:
        """Set the weights of soft thresholds for regular polygons with random rotation around ``centres``.

        Each unit of the second layer is the AND of an equal number of the first layer's half-planes, and each logit is
        the OR of these units. All weights can still learn.

        Parameters
        ----------
        centres : (P, 2), one for each unit of the second layer, in the units of the network's input
        radius : distance of the edges from their centre

        Raises
        ------
        RecipeError : a network without exactly two hidden layers for points in a plane, or edges that cannot be divided
            evenly
        """
        layers = self.linear()
        if self.input_shape != (2,) or len(layers) != 3:
            raise RecipeError("net.widths", "must be two layers, for points in a plane", value=len(layers) - 1)
        edges, conjunction, union = layers
        units = conjunction.out_features
        each, rest = divmod(edges.out_features, units)
        if rest or each < 3 or centres.shape != (units, 2):
            raise RecipeError(
                "net.widths",
                f"must give each of {len(centres)} polygons the same number of edges, at least three",
                value=(edges.out_features, units),
            )
        turns = torch.rand(units, 1, generator=generator) + torch.arange(each) / each  # (P, V)
        normals = torch.stack([(2 * math.pi * turns).cos(), (2 * math.pi * turns).sin()], dim=2)  # (P, V, 2), inwards
        edges.weight.copy_(normals.flatten(0, 1))
        edges.bias.copy_((radius - (normals * centres[:, None]).sum(2)).flatten())
        conjunction.weight.copy_(torch.eye(units).repeat_interleave(each, dim=1))
        conjunction.bias.fill_(0.5 - each)
        union.weight.fill_(1.0)
        union.bias.fill_(-0.5)
