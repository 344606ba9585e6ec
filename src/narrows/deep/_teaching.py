"""Training a network on clusters as pseudo-labels: those of rows whose neighbours agree, or of all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from narrows import wording
from narrows.deep._contract import shares_of
from narrows.deep._decoder import with_objective
from narrows.deep._graphs import graphs_of
from narrows.deep._spaces import to_directions
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.evaluation.agreement import neighbour_agreement, neighbour_information
from narrows.training.settings import Settings
from narrows.training.stages import Stages

TOLERANCE = 0.01  # share of the information that training may cost: these very graphs assigned the rows on borders
IMITATED = 3  # trainings at most, on the clusters of all rows
STEPS = 1500  # of a training, at least


class Teaching:
    """Trains a network on the ``clusters`` of rows as pseudo-labels.

    Parameters
    ----------
    values : images uint8 (A, C, H, W) or vectors float32 (A, D)
    rows : (N,) those of them that have a cluster
    clusters : (N,)
    n_clusters : M
    judges : graphs (N, k), each row's neighbours, in which predictions are compared with the clusters
    network : the network to train; None lets ``build`` make one with an objective
    stages : where trainings are kept
    seed : of all random numbers
    epochs : see ``Agreement``

    Attributes
    ----------
    model, training : the network whose predictions are kept, and the name of its training
    agreeing : share of rows whose neighbours agreed
    taught : how many rounds are kept
    information : mutual information between the clusters of neighbours before and after, in nats
    notes : sentences on what did not work
    """

    model: Model
    training: str = ""
    agreeing: float = 1.0
    taught: int = 0

    def __init__(
        self,
        values: Array,
        rows: Array,
        clusters: Array,
        n_clusters: int,
        judges: Sequence[Array],
        network: Model | None,
        build: Callable[[Mapping[str, Any]], Model],
        stages: Stages,
        *,
        seed: int,
        epochs: int | Literal["auto"],
    ) -> None:
        self.values, self.rows, self.clusters, self.n_clusters = values, rows, clusters, n_clusters
        self.judges, self.network, self.build, self.stages = judges, network, build, stages
        self.seed, self.epochs = seed, epochs
        self.information = (self._judge(clusters),) * 2
        self.notes: tuple[str, ...] = ()

    def in_rounds(self, views: Sequence[str], graph: Array, rounds: int, agree: float) -> None:
        """Train, from random views, on the rows whose neighbours in ``graph`` (N, k) agree; then on predictions.

        In later rounds neighbours are those among the network's codes.
        """
        before, answers, student = self.information[0], self.clusters, self.network
        present = np.bincount(answers, minlength=self.n_clusters) > 0
        agreeing = neighbour_agreement(answers, graph) >= agree
        self.agreeing = float(agreeing.mean())
        for number in range(1, rounds + 1):
            taught = np.flatnonzero(agreeing)
            if not (np.bincount(answers[taught], minlength=self.n_clusters)[present] > 0).all():
                break  # a cluster without any pseudo-label cannot be learned
            name = f"taught-{number}"
            student = self._learn(name, answers, taught, views, student, again=number > 1)
            answers = self._answers(student)
            after = self._judge(answers)
            if after < (1 - TOLERANCE) * before:
                self.notes += (
                    f"Training on pseudo-labels and random views made clusters less predictable from their neighbours' "
                    f"({after:.3f} instead of {before:.3f} nats), so its result was discarded.",
                )
                break
            self.model, self.training = student, name
            self.taught, self.information = number, (before, after)
            if number < rounds:
                codes = {"codes": to_directions(student.encode(self.values)[self.rows])}
                own = graphs_of(f"graph-of-codes-{number}", codes, self.n_clusters, self.stages)["codes"][0]
                agreeing = neighbour_agreement(answers, own) >= agree

    def as_they_are(self) -> None:
        """Train on the clusters of all rows until the network has learned them, three times at most."""
        before, every, student = self.information[0], np.arange(len(self.rows)), self.network
        for number in range(1, IMITATED + 1):
            self.training = "imitating" if number == 1 else f"imitating-{number}"
            self.model = student = self._learn(self.training, self.clusters, every, [], student)
            answers = self._answers(student)
            self.information = before, self._judge(answers)
            if self.information[1] >= (1 - TOLERANCE) * before:
                break
        else:
            self.notes += (
                f"The network assigns {wording.share(float((answers != self.clusters).mean()))} of the rows to another "
                "cluster than the one found in the graphs: clusters this small or this similar are hard to learn.",
            )

    def _learn(
        self,
        name: str,
        clusters: Array,
        taught: Array,
        views: Sequence[str],
        network: Model | None,
        *,
        again: bool = False,
    ) -> Model:
        objective = {"name": "taught", "n_clusters": self.n_clusters, "views": list(views)}
        model = self.build(objective) if network is None else with_objective(network, objective, self.seed)
        batch = min(256, power_of_two(len(taught) / 20))
        epochs = max(16, -(-STEPS // -(-len(taught) // batch))) if self.epochs == "auto" else self.epochs
        if again:
            epochs = -(-epochs // 2)
        settings = Settings(epochs=epochs, batch_size=batch, lr=5e-4 if again else 1e-3, keep="last")
        labels = np.zeros(len(self.values), np.int64)
        labels[self.rows] = clusters
        return self.stages.train(
            name, model, self.values, settings, seed=self.seed, labels=labels, rows=self.rows[taught]
        )

    def _answers(self, model: Model) -> Array:
        answers: Array = shares_of(model, self.values)[self.rows].argmax(1)
        return answers

    def _judge(self, clusters: Array) -> float:
        return neighbour_information(clusters, self.judges, self.n_clusters)


def power_of_two(size: float) -> int:
    """Return the power of two next below ``size``, at least 16."""
    return 1 << int(math.log2(max(16.0, size)))
