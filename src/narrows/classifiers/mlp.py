"""A multilayer perceptron that classifies vectors, and images of any size (flattened)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import nn

from narrows.classifiers import ClassifierNet
from narrows.errors import RecipeError

__all__ = ["MLP"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class MLP(ClassifierNet):
    """Fully connected layers, each with an activation and, if asked for, dropout (Srivastava et al. 2014).

    Parameters
    ----------
    input_shape : (D,), or (C, H, W), which is flattened
    n_classes : how many classes there are
    hidden : widths of the hidden layers
    activation : "relu", "gelu", "sigmoid" or "tanh"
    dropout : share of the hidden values set to zero in training
    init : "default" (torch's own initial weights) or "xavier" (Glorot & Bengio 2010, uniform) with zero biases
    norm : apply batch normalisation to each hidden layer before its activation (Ioffe & Szegedy 2015)
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        hidden: Sequence[int] = (256,),
        activation: Literal["relu", "gelu", "sigmoid", "tanh"] = "relu",
        dropout: float = 0.0,
        init: Literal["default", "xavier"] = "default",
        norm: bool = False,
    ) -> None:
        super().__init__(input_shape, n_classes)
        if len(hidden) > 64 or not all(1 <= width <= 1 << 20 for width in hidden):
            raise RecipeError("net.hidden", "must be at most 64 widths from 1 to 1,048,576", value=list(hidden))
        if not 0 <= dropout < 1:
            raise RecipeError("net.dropout", "must be from 0 to below 1", value=dropout)
        if activation not in ACTIVATIONS:
            raise RecipeError("net.activation", f"must be one of {', '.join(ACTIVATIONS)}", value=activation)
        widths = [math.prod(input_shape), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs)]
            layers += [nn.BatchNorm1d(outputs)] if norm else []
            layers += [ACTIVATIONS[activation]()]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], n_classes)
        if init == "xavier":
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
