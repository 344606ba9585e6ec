"""Classifiers: networks that learn from labels. One file per network; each builds itself for an input shape.

A classifier is an encoder to flat features and a linear head that computes a logit for each class.
"""

from __future__ import annotations

from abc import ABC

from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.registry import Registry

classifiers = Registry("narrows.classifiers", "classifier", "narrows.studies.classifiers")


class ClassifierNet(nn.Module, ABC):
    """A classifier's network: x (N, *input_shape) -> features (N, F) -> logits (N, n_classes).

    A subclass builds ``encoder`` (to flat features) and ``head`` (linear) in its constructor.

    Parameters
    ----------
    input_shape : (C, H, W) for images, (D,) for vectors
    n_classes : how many classes there are

    Raises
    ------
    RecipeError : fewer than two classes
    """

    encoder: nn.Module
    head: nn.Linear

    def __init__(self, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        if n_classes < 2:
            raise RecipeError("n_classes", "must be >= 2, or there is nothing to learn", value=n_classes)
        self.input_shape = tuple(input_shape)
        self.n_classes = n_classes
        self.is_images = len(self.input_shape) == 3

    @property
    def code_size(self) -> int:
        """F, the number of features, which are the code of a classifier."""
        return self.head.in_features

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of ``x`` (N, *input_shape)."""
        features: Tensor = self.encoder(x)
        return features

    def encode(self, x: Tensor) -> Tensor:
        """Return the code (N, F) of ``x`` (N, *input_shape): its features, the input of the head."""
        return self.features(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, n_classes), float32."""
        logits: Tensor = self.head(self.features(x)).float()
        return logits


classifiers.contract = ClassifierNet
