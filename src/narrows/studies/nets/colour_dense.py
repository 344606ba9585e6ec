"""The dense network of the colour-embedding study: 3x32x32 images to a code of 1,024 values and back."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from narrows.nets import TanhNetwork, require_images

__all__ = ["ColourDense"]

SLOPE = 0.5  # slope of every LeakyReLU below zero


class ColourDense(TanhNetwork):
    """3,072 -> 1,024 -> 1,024 -> code, and back: LeakyReLU and tanh after each layer, LeakyReLU alone on the code.

    5,245,952 parameters in the encoder and 5,248,000 in the decoder. Internally images are in [-1, 1] and the output is
    a tanh; inputs and outputs are in [0, 1] as for every network.

    Parameters
    ----------
    input_shape : (C, H, W), sides from 4 to 64
    code_size : K
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 1024) -> None:
        require_images("colour-dense", input_shape, 4, 64)
        super().__init__(input_shape, code_size)
        values = math.prod(input_shape)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(values, 1024),
            nn.LeakyReLU(SLOPE),
            nn.Tanh(),
            nn.Linear(1024, 1024),
            nn.LeakyReLU(SLOPE),
            nn.Tanh(),
        )
        self.to_code = nn.Linear(1024, code_size)
        self.decoder = nn.Sequential(
            nn.Linear(code_size, 1024),
            nn.LeakyReLU(SLOPE),
            nn.Tanh(),
            nn.Linear(1024, 1024),
            nn.LeakyReLU(SLOPE),
            nn.Tanh(),
            nn.Linear(1024, values),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, input_shape),
        )

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes (N, K) of ``x`` (N, *input_shape) in [0, 1]."""
        return functional.leaky_relu(super().encode(x), SLOPE)
