"""The network of the gaussian-autoencoder study: 28x28 grey images to a code of 10 values and back."""

from __future__ import annotations

from torch import nn

from narrows.errors import RecipeError
from narrows.nets import Network, require_images

__all__ = ["GaussianAutoencoder"]


class GaussianAutoencoder(Network):
    """28 -> 25 -> 11 -> 5 by convolutions and pooling, 500 -> 250 -> code; the decoder enlarges 6 -> 12 -> 27 -> 28.

    135,100 parameters in the encoder and 271,421 in the decoder at a code size of 10. Every stage but the last ends
    with a ReLU, batch normalisation and dropout, in this order.

    Parameters
    ----------
    input_shape : (1, 28, 28)
    code_size : K
    dropout : share of values set to zero in training

    Notes
    -----
    The padding of the last transposed convolution is a correction: without it, as in the original network, the output
    would be 30x30, which cannot be compared with an image of 28x28.
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 10, dropout: float = 0.1) -> None:
        require_images("gaussian-autoencoder", input_shape, 28, 28)
        super().__init__(input_shape, code_size)
        if not 0 <= dropout < 1:
            raise RecipeError("net.dropout", "must be from 0 to below 1", value=dropout)
        channels = input_shape[0]
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 20, 4),
            nn.ReLU(),
            nn.BatchNorm2d(20),
            nn.Dropout(dropout),  # (N, 20, 25, 25)
            nn.Conv2d(20, 20, 4, stride=2),
            nn.ReLU(),  # (N, 20, 11, 11)
            nn.MaxPool2d(2),
            nn.BatchNorm2d(20),
            nn.Dropout(dropout),  # (N, 20, 5, 5)
            nn.Flatten(),
            nn.Linear(500, 250),
            nn.ReLU(),
            nn.BatchNorm1d(250),
            nn.Dropout(dropout),
        )
        self.to_code = nn.Linear(250, code_size)
        self.decoder = nn.Sequential(
            nn.Linear(code_size, 360),
            nn.ReLU(),
            nn.BatchNorm1d(360),
            nn.Dropout(dropout),
            nn.Linear(360, 720),
            nn.ReLU(),
            nn.Unflatten(1, (20, 6, 6)),
            nn.BatchNorm2d(20),
            nn.Dropout(dropout),
            nn.Upsample(scale_factor=2, mode="bicubic"),  # (N, 20, 12, 12)
            nn.ConvTranspose2d(20, 20, 4, stride=2, output_padding=1),
            nn.ReLU(),  # (N, 20, 27, 27)
            nn.BatchNorm2d(20),
            nn.Dropout(dropout),
            nn.ConvTranspose2d(20, channels, 4, padding=1),  # (N, C, 28, 28)
        )
