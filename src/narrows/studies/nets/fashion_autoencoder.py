"""The autoencoder of the Fashion-MNIST study, with its original or improved encoder: 28x28 images to 32 values."""

from __future__ import annotations

from torch import nn

from narrows.errors import RecipeError
from narrows.nets import TanhNetwork, require_images

__all__ = ["FashionAutoencoder"]


class FashionAutoencoder(TanhNetwork):
    """28 -> 10 -> 5 -> 3 -> 2 by two convolutions and two poolings; the code is the last map, 8 x 2 x 2.

    1,320 parameters in the encoder and 4,409 in the decoder. Internally images are in [-1, 1], the range of the last
    tanh; inputs and outputs are in [0, 1] as everywhere. An objective with weight 4 measures the squared error of [-1,
    1].

    Parameters
    ----------
    input_shape : (1, 28, 28)
    code_size : K, a multiple of 4: the last map has a quarter as many channels
    improved : add a convolution and pooling in front, both of stride 1, and a last convolution from 8 to 8 channels,
        and give the second convolution stride 2 instead of 3: 28 -> 27 -> 14 -> 7 -> 4 -> 2

    Notes
    -----
    The last pooling of the improved encoder has stride 2. With stride 1, as in the original, the last map would be 3 x
    3 and the output 40 x 40.
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 32, improved: bool = False) -> None:
        require_images("fashion-autoencoder", input_shape, 28, 28)
        super().__init__(input_shape, code_size)
        if code_size % 4:
            raise RecipeError(
                "net.code_size", "must be a multiple of 4, the number of positions in the last map", value=code_size
            )
        channels, last = input_shape[0], code_size // 4
        front: list[nn.Module] = [
            nn.Conv2d(channels, 16, 3, stride=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 16, 5, 5)
            nn.Conv2d(16, last, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, stride=1),  # (N, 8, 2, 2)
        ]
        if improved:
            front = [
                nn.Conv2d(channels, 16, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2, stride=1),  # (N, 16, 27, 27)
                nn.Conv2d(16, 8, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),  # (N, 8, 7, 7)
                nn.Conv2d(8, last, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),  # (N, 8, 2, 2)
            ]
        self.encoder = nn.Sequential(*front, nn.Flatten())
        self.to_code = nn.Identity()  # type: ignore[assignment]  # the features are the code
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (last, 2, 2)),
            nn.ConvTranspose2d(last, 16, 3, stride=2),
            nn.ReLU(),  # (N, 16, 5, 5)
            nn.ConvTranspose2d(16, 8, 5, stride=3, padding=1),
            nn.ReLU(),  # (N, 8, 15, 15)
            nn.ConvTranspose2d(8, channels, 2, stride=2, padding=1),  # (N, C, 28, 28)
        )

    @property
    def feature_size(self) -> int:
        """F, the number of features, which are the code itself."""
        return self.code_size
