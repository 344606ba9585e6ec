"""The network: trained by the loop, or by the clustering where that trains its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal

from narrows.encoding.model import Model
from narrows.steps import Job, Results, Step
from narrows.training.history import kept
from narrows.training.loop import train

__all__ = ["Train"]

Learned = Literal["all", "train"]  # rows
TIMED = 64  # rows
AS_LONG = 6  # as encoding: there is a decoder as well, and the way back through both is twice that there


class Train(Step):
    """Train the network that makes the codes; ``checkpoints/`` holds what it goes on from after a stop."""

    after = ("open",)
    files = (*Model.files, "history.jsonl")

    def wanted(self, job: Job) -> bool:
        """See ``Step``."""
        return job.trains

    def expected(self, job: Job) -> float | None:
        """See ``Step``: of what the loop does, a little is timed."""
        if job.clusterer.trains_network:
            seconds: float | None = job.clusterer.expected(len(job.data))
            return seconds
        rows = job.split.train[:TIMED]
        start = time.perf_counter()
        job.encoder.encode(job.data.values[rows])
        each = (time.perf_counter() - start) / len(rows)
        return AS_LONG * each * len(job.split.train) * job.recipe.train.resolve(len(job.split.train))[0]

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        if job.clusterer.trains_network:
            return _by_clustering(job)
        recipe, rows, model = job.recipe, job.split, job.encoder
        model.fit_scaling(job.data.values, rows.train)
        with job.interrupt.deferred():
            history = train(
                model,
                job.data.values,
                rows.train,
                rows.valid,
                recipe.train,
                seed=recipe.seed,
                folder=job.run.folder / "checkpoints",
                progress=job.progress,
                stop=job.interrupt,
                on_save=job.run.write_history,
            )
        return _trained(job, model.cpu(), history, [history], network="train", decoder="train")


def _by_clustering(job: Job) -> Results:
    """Let the clustering train its network, on all rows; no label is looked at."""
    clusterer, stages, rows = job.fitted_to_rows, job.stages, job.split
    with job.interrupt.deferred():
        # Clusters need no decoder; to see what lies between images does. It learns from the rows that PCA does.
        model = clusterer.with_decoder(job.data.values, rows.train, rows.valid, stages)
    job.run.add_notes(
        (
            f"The clustering '{job.recipe.clustering.name}' trained its own network on all rows, without labels.",
            *clusterer.notes,
        )
    )
    job.run.add_tables(clusterer.evidence())
    decoder: Learned = "all" if clusterer.model_.decodes else "train"
    return _trained(job, model, clusterer.history(stages), stages.histories.values(), network="all", decoder=decoder)


def _trained(
    job: Job,
    model: Model,
    history: list[dict[str, float]],
    trainings: Iterable[list[dict[str, float]]],
    *,
    network: Learned,
    decoder: Learned,
) -> Results:
    """Keep a model and the history of its training; ``trainings`` are all that there were.

    From which rows the ``network`` that makes the codes and its ``decoder``, if it was trained, learned is kept beside
    them.
    """
    model.write(job.run.folder)
    job.run.add_tables(
        {
            "learned": {
                "network": network,
                "decoder": decoder if model.decodes else "none",
                "parts_clusters": model.objective.parts_clusters,
            }
        }
    )
    job.run.write_history(history)
    if not history:
        return {"train/parameters": model.n_parameters()}
    last = history[-1]
    speeds = sorted(row["images_per_s"] for row in history)
    return {
        "train/loss": last["train/loss"],
        "train/valid_loss": kept(history, job.recipe.train.keep).get("valid/loss"),
        "train/epochs": len(history),
        "train/steps": last["step"],
        "train/images_per_s": speeds[len(speeds) // 2],
        "train/seconds": sum(row["seconds"] for rows in trainings for row in rows),
        "train/parameters": model.n_parameters(),
    }
