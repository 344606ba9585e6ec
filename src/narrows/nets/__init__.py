"""Networks, which determine the shape of a code. One file per network; each builds itself for an input shape.

A network is an encoder to features, a linear layer from features to the code, and a decoder back to the input's shape.
Objectives that need more than the code (a variance, a projection) compute it from the features.
"""

from __future__ import annotations

import math
from abc import ABC
from typing import ClassVar

from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.registry import Registry

nets = Registry("narrows.nets", "network", "narrows.studies.nets")


class Network(nn.Module, ABC):
    """An autoencoder's network: x (N, *input_shape) -> features (N, F) -> code (N, K) -> x (N, *input_shape).

    A subclass builds ``encoder`` (to flat features), ``to_code`` (linear) and ``decoder`` (to values before the output
    function) in its constructor and inherits the rest. Images have values in [0, 1], so their output passes through a
    sigmoid; vectors are standardised, so their output is linear.

    Parameters
    ----------
    input_shape : (C, H, W) for images, (D,) for vectors
    code_size : K, the number of values in a code

    Raises
    ------
    RecipeError : a shape the network cannot be built for, or a code larger than the input
    """

    #: Whether a code may not be larger than the input. A code of centres may be: there may be more centres than values.
    compresses: ClassVar[bool] = True

    encoder: nn.Module
    to_code: nn.Linear
    decoder: nn.Module

    def __init__(self, input_shape: tuple[int, ...], code_size: int) -> None:
        super().__init__()
        self.input_shape = tuple(input_shape)
        self.code_size = code_size
        self.is_images = len(self.input_shape) == 3
        values = math.prod(self.input_shape)
        if code_size < 1 or (self.compresses and code_size > values):
            raise RecipeError(
                "code_size",
                f"must be at least 1 and at most {values}, the number of values in one input",
                value=code_size,
                remedy="A code as large as its input compresses nothing.",
            )

    @property
    def feature_size(self) -> int:
        """F, the number of features that the code is computed from."""
        return self.to_code.in_features

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of ``x`` (N, *input_shape)."""
        features: Tensor = self.encoder(x)
        return features

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes (N, K) of ``x`` (N, *input_shape)."""
        code: Tensor = self.to_code(self.features(x))
        return code

    def decode(self, z: Tensor) -> Tensor:
        """Return the outputs (N, *input_shape), float32, of codes ``z`` (N, K)."""
        # The sigmoid is computed in float32: in bfloat16 it is exactly 1 from 6 on, and its gradient vanishes.
        raw: Tensor = self.decoder(z).float()
        return raw.sigmoid() if self.is_images else raw

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction of ``x``."""
        return self.decode(self.encode(x))


class TanhNetwork(Network):
    """A network that works on images in [-1, 1] and ends with a tanh; its inputs and outputs are in [0, 1] as usual."""

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of ``x`` (N, *input_shape) in [0, 1]."""
        return super().features(2 * x - 1)

    def decode(self, z: Tensor) -> Tensor:
        """Return the images (N, *input_shape), float32 in [0, 1], of codes ``z`` (N, K)."""
        raw: Tensor = self.decoder(z).float()
        return (raw.tanh() + 1) / 2


nets.contract = Network


def require_images(network: str, input_shape: tuple[int, ...], smallest: int, largest: int) -> None:
    """Raise RecipeError unless ``input_shape`` is that of images with sides from ``smallest`` to ``largest``."""
    if len(input_shape) != 3:
        raise RecipeError(
            "net.name",
            f"{network!r} takes images (C, H, W)",
            value=f"input of shape {tuple(input_shape)}",
            remedy="For vectors use --set net.name=dense (net='dense' in Python).",
        )
    if not all(smallest <= side <= largest for side in input_shape[1:]):
        raise RecipeError(
            "net.name",
            f"{network!r} takes images with sides from {smallest} to {largest} pixels",
            value=f"images of {input_shape[1]}x{input_shape[2]}",
            remedy="Set data.size to a side in that range.",
        )
