"""Variational deep embedding."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from narrows.arguments import positive, whole_number
from narrows.clustering import CodeClusterer
from narrows.clustering.mixture import Mixture
from narrows.deep._decoder import with_objective
from narrows.deep._pretrained import Pretrained
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.training.settings import Settings
from narrows.training.stages import Stages
from narrows.work.stages import Arrays

__all__ = ["VaDE"]

BLOCK_ROWS = 8192


class VaDE(Pretrained):
    """VaDE (Jiang et al. 2017): a variational autoencoder whose prior is a mixture, one Gaussian for each cluster.

    Starts from an autoencoder that reconstructs and from a mixture fitted to its codes. A row's cluster is the
    likeliest component of its code, the mean of q(z | x).

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    code_size : values of a code
    pretrain_epochs : of the autoencoder it starts from
    epochs : of the variational one
    lr : peak learning rate of the latter
    """

    quick: ClassVar = {"pretrain_epochs": 1, "epochs": 1}

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        code_size: int = 10,
        pretrain_epochs: int = 50,
        epochs: int = 50,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(n_clusters, seed, code_size, epochs)
        self.lr = positive("clustering.lr", lr)
        self.pretrain_epochs = whole_number("clustering.pretrain_epochs", pretrain_epochs)

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        encoder = self._pretrain(values, stages, self.pretrain_epochs)
        loss = "bce" if encoder.is_images else "mse"
        objective = {"name": "mixture-prior", "n_clusters": n_clusters, "loss": loss}
        model = with_objective(encoder, objective, self.seed)
        start, notes = stages.arrays("start", lambda: _mixture(encoder, values, n_clusters, self.seed))
        self.notes += notes
        with torch.no_grad():
            for name, parameter in model.objective.named_parameters():
                parameter.copy_(torch.from_numpy(start[name]))
        settings = Settings(epochs=self.epochs, optimizer="adam", lr=self.lr, keep="last")
        self.model_ = self._train("variational", model, values, settings, stages)

    def _shares(self, values: Array) -> Array:
        objective: Any = self.model_.objective
        codes = torch.from_numpy(self.model_.encode(values))
        starts = range(0, len(codes), BLOCK_ROWS)
        with torch.inference_mode():
            return torch.cat([objective.assign(codes[start : start + BLOCK_ROWS]) for start in starts]).numpy()

    def _reader(self, codes: Array) -> CodeClusterer:
        objective: Any = self.model_.objective
        with torch.no_grad():
            arrays = {
                "weights": objective.logits.double().softmax(0),
                "means": objective.means.double(),
                "factors": torch.diag_embed((-0.5 * objective.log_variances.double()).exp()),
            }
        return Mixture.of_parameters({name: array.numpy() for name, array in arrays.items()}, codes)


def _mixture(encoder: Model, values: Array, n_clusters: int, seed: int) -> tuple[Arrays, tuple[str, ...]]:
    """Return what the objective starts from: a mixture fitted to the codes.

    q(z | x) starts with a tenth of the components' mean variance. As wide as the prior it would blur the clusters
    before the decoder has learned to mind, and they would run into one.
    """
    codes = encoder.encode(values)
    fit = Mixture(n_clusters, seed, covariance_type="diag", max_rows=len(codes)).fit(codes)
    found = len(fit.means_)  # fewer than asked for where codes coincide
    pick = np.arange(n_clusters) % found
    variances = 1 / np.diagonal(fit.factors_, axis1=1, axis2=2) ** 2  # (M, K)
    arrays = {
        "logits": np.log(np.maximum(fit.weights_, 1e-6))[pick].astype(np.float32),
        "means": fit.means_[pick].astype(np.float32),
        "log_variances": np.log(variances)[pick].astype(np.float32),
        "to_log_variance.weight": np.zeros((codes.shape[1], encoder.net.feature_size), np.float32),
        "to_log_variance.bias": np.log(variances.mean(axis=0) / 10).astype(np.float32),
    }
    return arrays, fit.notes
