"""One linear layer on the values as they are: softmax regression, the simplest probe of a code."""

from __future__ import annotations

import math

from torch import nn

from narrows.classifiers import ClassifierNet

__all__ = ["Linear"]


class Linear(ClassifierNet):
    """Logits = W x + b: (D + 1) x n_classes parameters.

    Parameters
    ----------
    input_shape : (D,), or (C, H, W), which is flattened
    n_classes : how many classes there are
    """

    def __init__(self, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__(input_shape, n_classes)
        self.encoder = nn.Flatten()
        self.head = nn.Linear(math.prod(input_shape), n_classes)
