"""A convolutional autoencoder for images with any number of channels and sides from 8 to 256 pixels."""

from __future__ import annotations

import math

from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.nets import Network, require_images

__all__ = ["Conv"]


class Conv(Network):
    """Strided convolutions down to about 4x4, a linear code, transposed convolutions back up.

    Each stage halves every side that is still longer than 4. An even side takes kernel 4, stride 2, padding 1
    (s -> s/2, and back 2n = s); an odd side takes kernel 3 (s -> (s+1)/2, and back 2n - 1 = s); a side of at most 4
    keeps its length. So the output's shape equals the input's by construction, for any sides. Every convolution is
    followed by batch normalisation (Ioffe & Szegedy 2015) and a ReLU.

    Parameters
    ----------
    input_shape : (C, H, W), sides from 8 to 256
    code_size : K
    width : channels of the first stage; each later stage has twice as many, up to 8 times ``width``
    blocks : number of residual blocks (He et al. 2016) of two 3x3 convolutions after each stage
    shrink : the encoder's input is averaged over squares of ``shrink`` pixels a side, which must leave at least 8 a
        side, and the decoder's output is enlarged bilinearly
    """

    def __init__(
        self, input_shape: tuple[int, ...], code_size: int = 32, width: int = 32, blocks: int = 0, shrink: int = 1
    ) -> None:
        require_images("conv", input_shape, 8, 256)
        super().__init__(input_shape, code_size)
        if not 1 <= width <= 4096 or not 0 <= blocks <= 64:
            rule = "must be from 1 to 4096 and from 0 to 64"
            raise RecipeError("net.width and net.blocks", rule, value=(width, blocks))
        channels, *sides = input_shape
        if not 1 <= shrink <= min(sides) / 8:
            raise RecipeError("net.shrink", "must be from 1 to an eighth of the shorter side", value=shrink)
        smaller: list[nn.Module] = [nn.AvgPool2d(shrink, ceil_mode=True)] if shrink > 1 else []
        larger: list[nn.Module] = [nn.Upsample(tuple(sides), mode="bilinear")] if shrink > 1 else []
        sides = [-(-side // shrink) for side in sides]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        outputs = width
        while max(sides) > 4:
            kernel, stride, padding = zip(*(_axis(side) for side in sides), strict=True)
            down += [
                nn.Conv2d(channels, outputs, kernel, stride, padding, bias=False),
                *_norm(outputs),
                *(Residual(outputs) for _ in range(blocks)),
            ]
            last = not up
            up = [
                *(Residual(outputs) for _ in range(blocks)),
                nn.ConvTranspose2d(outputs, channels, kernel, stride, padding, bias=last),
                *([] if last else _norm(channels)),
                *up,
            ]
            sides = [(side + 1) // 2 if side > 4 else side for side in sides]
            channels, outputs = outputs, min(2 * outputs, 8 * width)
        features = channels * math.prod(sides)
        self.encoder = nn.Sequential(*smaller, *down, nn.Flatten())
        self.to_code = nn.Linear(features, code_size)
        self.decoder = nn.Sequential(
            nn.Linear(code_size, features), nn.Unflatten(1, (channels, *sides)), *_norm(channels), *up, *larger
        )


class Residual(nn.Module):
    """ReLU(x + two 3x3 convolutions of x); the last normalisation starts at 0, so the block starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            *_norm(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            last,
        )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output (N, C, H, W)."""
        output: Tensor = self.activation(x + self.body(x))
        return output


def _axis(side: int) -> tuple[int, int, int]:
    """Return (kernel, stride, padding) for one axis of a stage."""
    if side <= 4:
        return 3, 1, 1
    return (4, 2, 1) if side % 2 == 0 else (3, 2, 1)


def _norm(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
