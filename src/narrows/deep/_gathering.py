"""Codes that gather around centres: what deep embedded clustering and its improvement share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from narrows.arguments import positive, whole_number
from narrows.clustering import CodeClusterer
from narrows.clustering.kmeans import KMeans
from narrows.clustering.student_t import StudentT
from narrows.deep._contract import shares_of
from narrows.deep._decoder import with_objective
from narrows.deep._pretrained import Pretrained
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.objectives.student_t import target
from narrows.training.settings import Settings
from narrows.training.stages import Stages
from narrows.wording import share, verb
from narrows.work.stages import Arrays


class Gathering(Pretrained):
    """An autoencoder learns to reconstruct; then its codes gather around centres that start as those of k-means.

    In each round the shares of *all* rows in the clusters are computed and sharpened to targets, and the network and
    the centres learn towards them for one epoch, in an order of the rows of its own. Adam starts afresh in each round.
    It ends when at most a share ``tol`` of the rows changed their cluster in a round.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    code_size : values of a code, lowered to the number of values of a row where these are fewer
    epochs : of the autoencoder
    rounds : the most rounds
    tol : share of rows
    lr : of the rounds
    reconstruction, weight : of the reconstruction error and of the divergence from the targets, in the rounds
    """

    quick: ClassVar = {"epochs": 1, "rounds": 1}

    def __init__(
        self,
        n_clusters: int,
        seed: int,
        code_size: int,
        epochs: int,
        rounds: int,
        tol: float,
        lr: float,
        reconstruction: float,
        weight: float,
    ) -> None:
        super().__init__(n_clusters, seed, code_size, epochs)
        self.lr, self.weight = positive("clustering.lr", lr), positive("clustering.weight", weight)
        if not 0 <= tol < 1:
            raise RecipeError("clustering.tol", "must be from 0 to below 1", value=tol)
        self.rounds, self.tol, self.reconstruction = whole_number("clustering.rounds", rounds), tol, reconstruction

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        encoder = self._pretrain(values, stages, self.epochs)
        objective = {
            "name": "student-t",
            "n_clusters": n_clusters,
            "weight": self.weight,
            "reconstruction": self.reconstruction,
        }
        model = with_objective(encoder, objective, self.seed)
        centers: Any = model.objective.centers
        start, notes = stages.arrays("start", lambda: _centers(encoder, values, n_clusters, self.seed))
        self.notes += notes
        with torch.no_grad():
            centers.copy_(torch.from_numpy(start["centers"]))
        settings = Settings(epochs=1, optimizer="adam", lr=self.lr, schedule="constant", warmup=0.0, keep="last")
        shares, moved = shares_of(model, values), 1.0
        for turn in range(self.rounds):
            before, goals = shares.argmax(1), target(torch.from_numpy(shares)).numpy()
            seed = int(np.random.SeedSequence([self.seed, turn + 1]).generate_state(1)[0])
            model = self._train(f"round-{turn:03d}", model, values, settings, stages, seed=seed, labels=goals)
            shares = shares_of(model, values)
            moved = float((shares.argmax(1) != before).mean())
            if moved <= self.tol:
                break
        else:
            self.notes += (
                f"In the last round ({self.rounds}), {share(moved)} of the rows still changed their cluster.",
            )
        self.model_ = model

    def history(self, stages: Stages) -> list[dict[str, float]]:
        """See ``DeepClusterer``: each round is an epoch towards targets of its own, and they are numbered through."""
        rounds = [row for name, rows in stages.histories.items() if name.startswith("round-") for row in rows]
        return [
            row | {"epoch": turn, "step": turn * row["step"], "targets": turn} for turn, row in enumerate(rounds, 1)
        ]

    def _reader(self, codes: Array) -> CodeClusterer:
        objective: Any = self.model_.objective
        return StudentT.of_parameters({"centers": objective.centers.detach().numpy().astype(np.float64)}, codes)


def _centers(encoder: Model, values: Array, n_clusters: int, seed: int) -> tuple[Arrays, list[str]]:
    codes = encoder.encode(values)
    found = KMeans(n_clusters, seed, n_init=20).fit(codes).centers_  # (m, K)
    missing, notes = n_clusters - len(found), []
    if missing:
        found = np.concatenate([found, codes[np.random.default_rng(seed).integers(len(codes), size=missing)]])
        starts = verb(missing, "starts", "start")
        notes = [f"Codes coincide: {missing} of the {n_clusters} centres {starts} on a row drawn at random."]
    return {"centers": found.astype(np.float32)}, notes
