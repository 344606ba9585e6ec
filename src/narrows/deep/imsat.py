"""Information maximising self-augmented training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows.arguments import positive, whole_number
from narrows.clustering import CodeClusterer
from narrows.deep import DeepClusterer
from narrows.deep._planes import by_planes
from narrows.disk.files import Array
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.geometry.neighbours import nearest
from narrows.training.settings import Settings
from narrows.training.stages import Stages

__all__ = ["IMSAT"]

NEIGHBOUR = 10  # whose distance says how far a row may be changed
HIDDEN = [1200, 1200]


class IMSAT(DeepClusterer):
    """IMSAT (Hu et al. 2017): a network answers with clusters, evenly used, that the worst small change leaves alone.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    epochs : of training
    lr : learning rate
    weight, mu, reach : see the objective ``imsat``
    """

    quick: ClassVar = {"epochs": 1}

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        epochs: int = 50,
        lr: float = 2e-3,
        weight: float = 0.1,
        mu: float = 4.0,
        reach: float = 0.25,
    ) -> None:
        super().__init__(n_clusters, seed)
        self.lr, self.epochs = positive("clustering.lr", lr), whole_number("clustering.epochs", epochs)
        self.weight, self.mu, self.reach = weight, mu, reach

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        model = Model(
            values.shape[1:],
            {"name": "mlp", "n_classes": n_clusters, "hidden": HIDDEN, "norm": True},
            {"name": "imsat", "weight": self.weight, "mu": self.mu, "reach": self.reach},
            seed=self.seed,
            preprocessing=self._preprocessing,
        )
        model.fit_scaling(values)
        reach, _ = stages.arrays("reach", lambda: ({"distances": _reach(model, values)}, ()))
        settings = Settings(epochs=self.epochs, optimizer="adam", lr=self.lr, schedule="constant", keep="last")
        self.model_ = self._train("network", model, values, settings, stages, labels=reach["distances"])

    def _shares(self, values: Array) -> Array:
        from scipy.special import softmax

        shares: Array = softmax(coding.logits(self.model_, values).astype(np.float64), axis=1)
        return shares

    def _reader(self, codes: Array) -> CodeClusterer:
        head = self.model_.net.head
        return by_planes(head.weight.detach().numpy(), head.bias.detach().numpy(), codes)


def _reach(model: Model, values: Array) -> Array:
    """Return the distance (N, 1) of each row, as the network sees it, to its tenth neighbour (or the last there is)."""
    return nearest(coding.apply(model, values, lambda _, x: x.flatten(1)), NEIGHBOUR)[1][:, -1:]
