"""What many methods start from: an autoencoder trained to reconstruct."""

from __future__ import annotations

import math

from narrows.arguments import whole_number
from narrows.deep._contract import DeepClusterer
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.training.settings import Settings
from narrows.training.stages import Stages

HIDDEN = (500, 500, 2000)  # of Xie, Girshick & Farhadi 2016, which later methods took over


class Pretrained(DeepClusterer):
    """A clustering that begins with a dense autoencoder.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    code_size : values of a code, lowered to the number of values of a row where these are fewer
    epochs : of training, the first one or the only one
    """

    def __init__(self, n_clusters: int = 10, seed: int = 0, code_size: int = 10, epochs: int = 50) -> None:
        super().__init__(n_clusters, seed)
        self.code_size = whole_number("clustering.code_size", code_size)
        self.epochs = whole_number("clustering.epochs", epochs)

    def _pretrain(self, values: Array, stages: Stages, epochs: int) -> Model:
        """Return an autoencoder trained to reconstruct ``values`` (N, ...), with at most ``code_size`` code values."""
        shape = values.shape[1:]
        net = {"name": "dense", "code_size": min(self.code_size, math.prod(shape)), "hidden": list(HIDDEN)}
        model = Model(shape, net, {"name": "reconstruction"}, seed=self.seed, preprocessing=self._preprocessing)
        model.fit_scaling(values)
        return self._train("autoencoder", model, values, Settings(epochs=epochs, lr=1e-3, keep="last"), stages)
