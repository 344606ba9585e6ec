"""The small convolutional classifier of the Fashion-MNIST study, in its original form or with two improvements."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from narrows.classifiers import ClassifierNet
from narrows.errors import RecipeError

__all__ = ["FashionCNN"]

Place = Literal["pool", "head"]


class FashionCNN(ClassifierNet):
    """28 -> 14 -> 7 -> 4 by three convolutions with ReLU and max pooling, then one linear layer of 256 inputs.

    6,346 parameters for 1 channel and 10 classes; 6,402 with batch normalisation.

    Parameters
    ----------
    input_shape : (C, 28, 28)
    n_classes : how many classes there are
    norm : batch normalisation after each convolution
    dropout : share of the last map's values set to zero in training
    dropout_before : the last "pool", on 16 maps of 9x9, as in the original; or the "head", after it

    Raises
    ------
    RecipeError : images of other sides, or an argument out of its range
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        norm: bool = False,
        dropout: float = 0.0,
        dropout_before: Place = "head",
    ) -> None:
        super().__init__(input_shape, n_classes)
        if tuple(input_shape[1:]) != (28, 28):
            raise RecipeError("net.name", "'fashion-cnn' takes images of 28x28", value=tuple(input_shape))
        if not 0 <= dropout < 1:
            raise RecipeError("net.dropout", "must be from 0 to below 1", value=dropout)

        if dropout_before not in get_args(Place):
            raise RecipeError("net.dropout_before", "must be pool or head", value=dropout_before)
        last = [nn.Dropout(dropout)] if dropout else []

        def stage(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding)
            return [convolution, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU()]

        self.encoder = nn.Sequential(
            *stage(input_shape[0], 4, 3, 1),
            nn.MaxPool2d(2),  # (N, 4, 14, 14)
            *stage(4, 8, 4, 2),
            nn.MaxPool2d(2),  # (N, 8, 7, 7)
            *stage(8, 16, 5, 3),  # (N, 16, 9, 9)
            *(last if dropout_before == "pool" else []),
            nn.MaxPool2d(2),  # (N, 16, 4, 4)
            *(last if dropout_before == "head" else []),
            nn.Flatten(),
        )
        self.head = nn.Linear(256, n_classes)
