"""Deep embedded clustering."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from narrows import codes as coding
from narrows.clustering.kmeans import KMeans
from narrows.deep import DeepClusterer, Stages
from narrows.deep._autoencoder import pretrain, with_objective
from narrows.errors import RecipeError
from narrows.files import Array
from narrows.model import Model
from narrows.objectives.student_t import target
from narrows.training.loop import Settings

__all__ = ["DEC"]


class DEC(DeepClusterer):
    """DEC (Xie, Girshick & Farhadi 2016): an autoencoder's codes gather around centres that start as those of k-means.

    After the autoencoder has learned to reconstruct, rounds follow: the assignments of *all* rows are computed and
    sharpened to targets, and encoder and centres learn towards them for one epoch. It ends when fewer than a share
    ``tol`` of the rows changed their cluster in a round.

    Parameters
    ----------
    n_clusters, seed : see ``DeepClusterer``
    code_size : values of a code
    epochs : of the autoencoder
    rounds : the most rounds
    tol : share of rows
    lr : of the rounds
    reconstruction, weight : of the reconstruction error and of the divergence in the rounds
    """

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        code_size: int = 10,
        epochs: int = 50,
        rounds: int = 50,
        tol: float = 0.001,
        lr: float = 1e-3,
        reconstruction: float = 0.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__(n_clusters, seed)
        for name, value, low in (("code_size", code_size, 1), ("epochs", epochs, 1), ("rounds", rounds, 1)):
            if value < low:
                raise RecipeError(f"clustering.{name}", f"must be a whole number >= {low}", value=value)
        if not 0 <= tol < 1 or lr <= 0:
            raise RecipeError("clustering.tol and clustering.lr", "must be from 0 to below 1, and > 0", value=(tol, lr))
        self.code_size, self.epochs, self.rounds, self.tol, self.lr = code_size, epochs, rounds, tol, lr
        self.reconstruction, self.weight = reconstruction, weight

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        encoder = pretrain(
            values, stages, code_size=self.code_size, epochs=self.epochs, preprocessing=self._preprocessing
        )
        objective = {
            "name": "student-t", "n_clusters": n_clusters, "weight": self.weight, "reconstruction": self.reconstruction,
        }  # fmt: skip
        model = with_objective(encoder, objective, stages.seed)
        centers: Any = model.objective.centers
        start = stages.arrays("start", lambda: _centers(encoder, values, n_clusters, self.seed))
        with torch.no_grad():
            centers.copy_(torch.from_numpy(start["centers"]))
        settings = Settings(epochs=1, optimizer="adam", lr=self.lr, schedule="constant", warmup=0.0, keep="last")
        before: Array | None = None
        for turn in range(self.rounds):
            shares = _assign(model, values)
            labels = shares.argmax(1)
            if before is not None and (labels != before).mean() < self.tol:
                break
            before = labels
            goals = target(torch.from_numpy(shares)).numpy()
            model = stages.train(f"round-{turn:03d}", model, values, settings, labels=goals)
        else:
            self.notes += (f"More than a share {self.tol:g} of the rows still moved in round {self.rounds}, the last.",)
        self.model_ = model

    def _shares(self, values: Array) -> Array:
        return _assign(self.model_, values)


def _centers(encoder: Model, values: Array, n_clusters: int, seed: int) -> dict[str, Array]:
    codes = coding.encode(encoder, values)
    found = KMeans(n_clusters, seed, n_init=20).fit(codes).centers_  # (m, K), m < M where codes coincide
    missing = n_clusters - len(found)
    if missing:
        found = np.concatenate([found, codes[np.random.default_rng(seed).integers(len(codes), size=missing)]])
    return {"centers": found.astype(np.float32)}


def _assign(model: Model, values: Array) -> Array:
    """Return the shares (N, M) of rows."""
    objective: Any = model.objective
    codes = coding.embed(model, values)
    with torch.inference_mode():
        shares: Array = objective.assign(torch.from_numpy(codes)).numpy()
    return shares
