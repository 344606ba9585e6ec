"""Learn classes from labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from narrows.classifiers import ClassifierNet, classifiers
from narrows.errors import RecipeError
from narrows.objectives import Batch, Objective
from narrows.registry import Registry
from narrows.views import Views

__all__ = ["Classification"]


class Classification(Objective):
    """Cross-entropy between the softmax of the logits and the class, in nats; the accuracy is logged beside it.

    The target is a class or a row's shares in the classes; the accuracy then refers to the class with the greatest
    share.

    Parameters
    ----------
    net : the classifier
    smoothing : share of the target spread evenly over all classes (Szegedy et al. 2016), in training only
    views : random changes of the inputs in training that leave the class as it is, such as ``["flip:1"]``
    loss : "cross-entropy", or "mse" between the sigmoids of the logits and the one-hot class
    """

    networks: ClassVar[Registry] = classifiers
    watched: ClassVar[frozenset[str]] = frozenset({"accuracy"})
    trains_decoder = False

    def __init__(
        self,
        net: ClassifierNet,
        smoothing: float = 0.0,
        views: str | Sequence[str] = (),
        loss: Literal["cross-entropy", "mse"] = "cross-entropy",
    ) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise RecipeError("objective.smoothing", "must be from 0 to below 1", value=smoothing)
        if loss not in ("cross-entropy", "mse"):
            raise RecipeError("objective.loss", "must be cross-entropy or mse", value=loss)
        if smoothing and loss == "mse":
            raise RecipeError(
                "objective.smoothing", "needs the loss cross-entropy", value=smoothing, remedy="Leave one of them out."
            )
        self.smoothing, self.squared = smoothing, loss == "mse"
        self.views = Views(views, images=net.is_images) if views else None

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a random view of ``x`` in training, if there are views."""
        return self.views(x, generator) if self.views is not None and self.training else x

    def terms(self, net: ClassifierNet, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"cross_entropy" or "squared_error": (N,), "accuracy": (N,)}."""
        if batch.y is None:
            raise RecipeError("objective.name", "'classification' needs labels, but none were given")
        logits = net(self.corrupt(batch.x, generator)).float()  # (N, C)
        soft = batch.y.ndim == 2
        accuracy = (logits.argmax(1) == (batch.y.argmax(1) if soft else batch.y)).float()
        if self.squared:
            target = batch.y if soft else functional.one_hot(batch.y, logits.shape[1])
            return {"squared_error": (logits.sigmoid() - target).square().mean(1), "accuracy": accuracy}
        smoothing = self.smoothing if self.training else 0.0
        loss = functional.cross_entropy(logits, batch.y, reduction="none", label_smoothing=smoothing)
        return {"cross_entropy": loss, "accuracy": accuracy}
