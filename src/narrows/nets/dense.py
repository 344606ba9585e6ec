"""A multilayer perceptron, for vectors and for images of any size (flattened)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from narrows.errors import RecipeError
from narrows.nets import Network

__all__ = ["Dense"]


class Dense(Network):
    """Fully connected layers; the decoder mirrors the encoder.

    Parameters
    ----------
    input_shape : (D,) or (C, H, W)
    code_size : K
    hidden : the widths of the encoder's hidden layers; the decoder has them in reverse order
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 32, hidden: Sequence[int] = (512, 256)) -> None:
        super().__init__(input_shape, code_size)
        if len(hidden) > 64 or not all(1 <= width <= 1 << 20 for width in hidden):
            raise RecipeError("net.hidden", "must be at most 64 widths from 1 to 1,048,576", value=list(hidden))
        inputs = math.prod(input_shape)
        down = [inputs, *hidden]
        up = [code_size, *reversed(hidden)]
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(down))
        self.to_code = nn.Linear(down[-1], code_size)
        self.decoder = nn.Sequential(*_layers(up), nn.Linear(up[-1], inputs), nn.Unflatten(1, tuple(input_shape)))


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.GELU()]
    return layers
