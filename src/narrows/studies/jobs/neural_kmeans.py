"""k-means as a network, by one rule from one start: its final centres, or when it diverges."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np

from narrows.errors import TrainingError
from narrows.estimators.neural_kmeans import NeuralKMeans
from narrows.figures.curves import loss_curves
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs._kmeans import measure, parts, start
from narrows.training.schedule import Schedule

__all__ = ["neural_kmeans"]

MEASURED = (
    "train/mse",
    "train/inertia",
    "train/accuracy",
    "train/diagonal_accuracy",
    "train/nmi",
    "train/dead",
    "train/largest",
    "train/smallest_rows",
    "train/repairs",
    "train/epochs",
    "train/seconds",
    "test/mse",
    "test/accuracy",
    "data/mean",
    "data/sd",
)


def neural_kmeans(
    work: Work,
    *,
    source: str,
    n_clusters: int = 10,
    update: Literal["cell", "gradient", "sum"] = "cell",
    lr: float | Literal["auto"] = "auto",
    schedule: Schedule = "cosine",
    init: str = "k-means++",
    row: int | None = None,
    nudge: float = 0.0,
    epochs: int | Literal["auto"] = "auto",
    batch_size: int | Literal["auto"] = "auto",
    beta: float = 20.0,
    repair: bool = False,
    shuffle: bool = True,
) -> Results:
    """Train ``narrows.NeuralKMeans`` on the training rows.

    A divergence is a result: then only "train/diverged" and "train/batches" are known.

    Parameters
    ----------
    source : images or vectors with labels, which score the clusters
    n_clusters, update, lr, schedule, init, epochs, batch_size, beta, repair, shuffle : parameters of the estimator
    row : ``init="labels"`` starts at row number ``row`` (from 0) of each class; the default is the run's seed
    nudge : the largest random change of every value of the initial centres

    Returns
    -------
    results : those of ``jobs._kmeans.measure``, "train/batches" (number of batches), "train/diverged" (0 or 1) and
        "train/repairs"
    """
    found = parts(work, source)
    begun = start(work, found.train, n_clusters, init, row, nudge)  # (K, D)
    settings = work.settings({"epochs": epochs, "batch_size": batch_size}, len(found.train))
    model = NeuralKMeans(
        n_clusters,
        update=update,
        lr=lr,
        schedule=schedule,
        init=begun,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        beta=beta,
        repair=repair,
        shuffle=shuffle,
        random_state=work.seed,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about dead centres, which are measured and noted here
            model.fit(found.train)
    except TrainingError as error:
        work.note(str(error))
        nothing: Results = dict.fromkeys(MEASURED)
        return nothing | {"train/diverged": 1.0, "train/batches": model.n_steps_, "train/parameters": begun.size}
    centers = model.cluster_centers_.reshape(n_clusters, -1).astype(np.float64)
    work.figure(
        "curve",
        loss_curves([{**row, "train/loss": row["train/mse"], "train/mse": None} for row in model.history_]),
        "Mean squared error per value in each epoch, measured as each batch arrived, and the learning rate.",
    )
    return measure(work, found, begun, centers) | {
        "train/diverged": 0.0,
        "train/batches": model.n_steps_,
        "train/repairs": model.n_repairs_,
        "train/epochs": len(model.history_),
        "train/seconds": sum(epoch["seconds"] for epoch in model.history_),
    }
