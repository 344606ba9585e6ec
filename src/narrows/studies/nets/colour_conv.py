"""The convolutional network of the colour-embedding study: 3x32x32 images to a map of 256x4x4 values and back."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from narrows.errors import RecipeError
from narrows.nets import TanhNetwork, require_images

__all__ = ["ColourConv"]


class ColourConv(TanhNetwork):
    """32 -> 16 -> 8 -> 4 by convolutions and pooling; back by transposed convolutions of stride 1 and large kernels.

    The code is the last feature map, 4,096 values that are never negative. The image has only 3,072, so the code need
    not compress. 1,550,976 parameters in the encoder and 1,538,435 in the decoder. Internally images are in [-1, 1] and
    the output is a tanh; inputs and outputs are in [0, 1] as for every network.

    A transposed convolution of stride 1 enlarges a map by its kernel size minus one. The kernels reverse the sides that
    pooling went through: 5, 9 and 17 for images of 32x32.

    Parameters
    ----------
    input_shape : (C, H, W), sides from 8 to 64
    code_size : K, a multiple of the number of positions in the last map, 16 for images of 32x32
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 4096) -> None:
        require_images("colour-conv", input_shape, 8, 64)
        super().__init__(input_shape, min(code_size, math.prod(input_shape)))
        self.code_size = code_size  # may exceed the input here, since the code is a map of many channels
        channels, height, width = input_shape
        sizes = [(height >> level, width >> level) for level in range(4)]  # sides 32, 16, 8, 4
        places = sizes[3][0] * sizes[3][1]
        if code_size % places:
            raise RecipeError(
                "net.code_size",
                f"must be a multiple of {places}, the number of positions in the last map",
                value=code_size,
            )
        last = code_size // places
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Tanh(),  # (N, 64, 16, 16)
            nn.Conv2d(64, 128, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Tanh(),  # (N, 128, 8, 8)
            nn.Conv2d(128, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Tanh(),  # (N, 256, 4, 4)
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.Tanh(),
            nn.Conv2d(256, last, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),  # (N, K)
        )
        self.to_code = nn.Identity()  # type: ignore[assignment]  # the features are the code
        kernels = [(h - below[0] + 1, w - below[1] + 1) for (h, w), below in pairwise(sizes)]  # 17, 9, 5
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (last, *sizes[3])),
            nn.ConvTranspose2d(last, 128, kernels[2]),
            nn.ReLU(),
            nn.Tanh(),  # (N, 128, 8, 8)
            nn.ConvTranspose2d(128, 64, kernels[1]),
            nn.ReLU(),
            nn.Tanh(),  # (N, 64, 16, 16)
            nn.ConvTranspose2d(64, channels, kernels[0]),  # (N, C, 32, 32)
        )

    @property
    def feature_size(self) -> int:
        """F, here the same as K."""
        return self.code_size
