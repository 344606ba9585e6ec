"""A convolutional classifier for images with any number of channels and sides from 4 to 256 pixels."""

from __future__ import annotations

from torch import Tensor, nn

from narrows.classifiers import ClassifierNet
from narrows.errors import RecipeError

__all__ = ["CNN"]


class CNN(ClassifierNet):
    """Stages of 3x3 convolutions, each followed by batch normalisation and a ReLU, that halve the sides by pooling.

    The stem keeps the size; each stage doubles the channels, halves the sides, and adds residual blocks of two
    convolutions (He et al. 2016). The last feature map is pooled to its maximum, so the head does not depend on the
    image's size.

    Parameters
    ----------
    input_shape : (C, H, W), sides from 4 to 256
    n_classes : how many classes there are
    width : channels of the stem
    stages : how many times sides are halved at most; a side below 4 is not halved again
    blocks : residual blocks per stage
    dropout : share of the features set to zero in training, before the head
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        width: int = 32,
        stages: int = 3,
        blocks: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(input_shape, n_classes)
        if len(input_shape) != 3 or not all(4 <= side <= 256 for side in input_shape[1:]):
            raise RecipeError(
                "net.name",
                "'cnn' takes images (C, H, W) with sides from 4 to 256",
                value=tuple(input_shape),
                remedy="For vectors use mlp.",
            )
        for name, value, least, most in (
            ("width", width, 1, 4096),
            ("stages", stages, 0, 8),
            ("blocks", blocks, 0, 64),
        ):
            if not least <= value <= most:
                raise RecipeError(f"net.{name}", f"must be from {least} to {most}", value=value)
        if not 0 <= dropout < 1:
            raise RecipeError("net.dropout", "must be from 0 to below 1", value=dropout)
        channels, *sides = input_shape
        layers = _conv(channels, width)
        for _ in range(stages):
            if min(sides) < 4:  # nothing is left to halve
                break
            layers += [*_conv(width, 2 * width), nn.MaxPool2d(2), *(Residual(2 * width) for _ in range(blocks))]
            width, sides = 2 * width, [side // 2 for side in sides]
        self.encoder = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(width, n_classes)


class Residual(nn.Module):
    """x + two 3x3 convolutions of x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_conv(channels, channels), *_conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output (N, C, H, W)."""
        output: Tensor = x + self.body(x)
        return output


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
