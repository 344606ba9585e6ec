"""The network of the denoising-digits study: 28x28 grey images to a code of 4 values and back."""

from __future__ import annotations

from torch import nn

from narrows.nets import Network, require_images

__all__ = ["DenoisingDigits"]


class DenoisingDigits(Network):
    """28 -> 14 -> 7 -> 3 by strided convolutions, 288 -> 128 -> code; the decoder mirrors this.

    43,428 parameters in the encoder and 43,697 in the decoder at a code size of 4.

    Parameters
    ----------
    input_shape : (1, 28, 28)
    code_size : K
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 4) -> None:
        require_images("denoising-digits", input_shape, 28, 28)
        super().__init__(input_shape, code_size)
        channels = input_shape[0]
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 8, 3, stride=2, padding=1),
            nn.ReLU(),  # (N, 8, 14, 14)
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),  # (N, 16, 7, 7)
            nn.Conv2d(16, 32, 3, stride=2),
            nn.ReLU(),  # (N, 32, 3, 3)
            nn.Flatten(),
            nn.Linear(288, 128),
            nn.ReLU(),
        )
        self.to_code = nn.Linear(128, code_size)
        self.decoder = nn.Sequential(
            nn.Linear(code_size, 128),
            nn.ReLU(),
            nn.Linear(128, 288),
            nn.ReLU(),
            nn.Unflatten(1, (32, 3, 3)),
            nn.ConvTranspose2d(32, 16, 3, stride=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),  # (N, 16, 7, 7)
            nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, channels, 3, stride=2, padding=1, output_padding=1),  # (N, C, 28, 28)
        )
