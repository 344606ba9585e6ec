"""k-means on the codes of an autoencoder."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows import codes as coding
from narrows.clustering.kmeans import KMeans
from narrows.deep import DeepClusterer
from narrows.deep._autoencoder import pretrain
from narrows.errors import RecipeError
from narrows.files import Array
from narrows.training.stages import Stages

__all__ = ["AutoencoderKMeans"]


class AutoencoderKMeans(DeepClusterer):
    """An autoencoder learns to reconstruct, and k-means clusters its codes: what the deep clusterings begin with.

    A row's share in a cluster falls with its squared distance from the centre, by Student's t as in DEC, so that the
    nearest centre has the greatest.

    Parameters
    ----------
    n_clusters, seed : see ``DeepClusterer``
    code_size : values of a code
    epochs : of the autoencoder
    """

    learned: ClassVar = {"centers": "MK"}
    centers_: Array  # (M, K)

    def __init__(self, n_clusters: int = 10, seed: int = 0, code_size: int = 10, epochs: int = 50) -> None:
        super().__init__(n_clusters, seed)
        if code_size < 1 or epochs < 1:
            raise RecipeError("clustering.code_size and clustering.epochs", "must be >= 1", value=(code_size, epochs))
        self.code_size, self.epochs = code_size, epochs

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        self.model_ = pretrain(
            values, stages, code_size=self.code_size, epochs=self.epochs, seed=self.seed,
            preprocessing=self._preprocessing,
        )  # fmt: skip
        fit = KMeans(n_clusters, self.seed, n_init=20).fit(coding.encode(self.model_, values))
        self.centers_ = fit.centers_
        self.notes += fit.notes

    def _shares(self, values: Array) -> Array:
        codes = coding.encode(self.model_, values).astype(np.float64)
        away = np.stack([((codes - center) ** 2).sum(1) for center in self.centers_], axis=1)  # (N, M)
        near = 1 / (1 + away)
        shares: Array = near / near.sum(1, keepdims=True)
        return shares
