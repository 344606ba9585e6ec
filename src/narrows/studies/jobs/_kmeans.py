"""Shared by jobs on k-means: the initial centres, and the measurements and pictures of the final ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.splits import split
from narrows.disk.files import Array
from narrows.errors import DataError
from narrows.estimators.neural_kmeans import initial_centers
from narrows.evaluation import clustering as scores
from narrows.evaluation import signals
from narrows.figures.tables import contingency
from narrows.studies.evaluation import classification
from narrows.studies.figures.centres import centres as draw_centres
from narrows.studies.jobs import Results, Work

BLOCK = 4096  # rows processed at once


class Parts(NamedTuple):
    """The rows that are clustered, and other rows; both with labels for scoring."""

    train: Dataset
    test: Dataset


def parts(work: Work, source: str) -> Parts:
    """Return the training and test rows of a source in which all rows have labels.

    Raises
    ------
    DataError : some rows have no label
    """
    data = work.open(source)
    if data.labels is None or (data.labels < 0).any():
        raise DataError("data", "must have a label for each row, to score the clusters by")
    rows = split(data, valid=0.0, seed=work.seed)
    return Parts(data.take(rows.train), data.take(rows.test))


def start(work: Work, data: Dataset, n_clusters: int, init: str, row: int | None, nudge: float = 0.0) -> Array:
    """Return the initial centres (K, D).

    Parameters
    ----------
    init : as for ``narrows.NeuralKMeans``
    row : "labels" takes row number ``row`` (from 0) of each class; None stands for the run's seed
    nudge : the largest random change of every value
    """
    nth = work.seed if row is None else row
    centers = initial_centers(data, n_clusters, init, seed=work.seed, labels=data.labels, nth=nth)
    share = np.random.default_rng(work.seed).random(centers.size, np.float32).reshape(centers.shape)
    started: Array = centers + np.float32(nudge) * (2 * share - 1)
    return started


def nearest(data: Dataset, centers: Array) -> tuple[Array, Array]:
    """Return the nearest of ``centers`` (K, D), and the squared distance to it, (N,) each; images are in [0, 1]."""
    cells, squares = np.empty(len(data), np.int64), np.empty(len(data))
    for rows, x in blocks(data):
        distances = (x**2).sum(1)[:, None] - 2 * (x @ centers.T) + (centers**2).sum(1)  # (B, K)
        cells[rows], squares[rows] = distances.argmin(1), distances.min(1)
    return cells, np.maximum(squares, 0)


def cell_means(data: Dataset, centers: Array) -> tuple[Array, Array, Array]:
    """Return the mean (K, D), the variance per value (K,) and the number of rows (K,) of each centre's cell.

    For an empty cell, the mean is the centre and the variance is 0.
    """
    sums, squares, counts = np.zeros(centers.shape), np.zeros(len(centers)), np.zeros(len(centers), np.int64)
    for _, x in blocks(data):
        cells = ((centers**2).sum(1) / 2 - x @ centers.T).argmin(1)  # (B,)
        one_hot = np.eye(len(centers))[cells]  # (B, K)
        sums += one_hot.T @ x
        squares += one_hot.T @ (x**2).sum(1)
        counts += np.bincount(cells, minlength=len(centers))
    rows = np.maximum(counts, 1)[:, None]
    means = np.where(counts[:, None] > 0, sums / rows, centers)
    variances = (squares / rows[:, 0] - (means**2).sum(1)) / centers.shape[1]
    return means, np.where(counts > 0, np.maximum(variances, 0), 0.0), counts


def blocks(data: Dataset) -> Iterator[tuple[slice, Array]]:
    """Yield (rows, their values (B, D) float64), images in [0, 1]."""
    unit = 255.0 if data.is_images else 1.0
    for begin in range(0, len(data), BLOCK):
        rows = slice(begin, begin + BLOCK)
        yield rows, data.values[rows].reshape(-1, math.prod(data.shape)) / unit


def measure(work: Work, found: Parts, begun: Array, centers: Array) -> Results:
    """Measure the final centres (K, D) of a training that began at ``begun``, and draw them.

    Returns
    -------
    results : "train/mse" (per value), "train/inertia", "train/accuracy" under the best one-to-one matching of clusters
        and classes, "train/diagonal_accuracy" with centre i taken for class i, "train/nmi", "train/dead" centres,
        "train/largest" (share of the rows), "train/smallest_rows" (of the centre with the fewest), "test/mse",
        "test/accuracy" under the matching of the training rows; "data/mean" and "data/sd" of all values of
        the training rows
    """
    train, test = found
    cells, squares = nearest(train, centers)
    test_cells, test_squares = nearest(test, centers)
    truth, values = np.asarray(train.labels), centers.shape[1]
    counts = scores.contingency(cells, truth, len(train.class_names))  # (M, C)
    counts = np.pad(counts, ((0, len(centers) - len(counts)), (0, 0)))  # the last centres may be dead
    sizes, matched = counts.sum(1), scores.match(counts)
    results: Results = {
        "train/mse": float(squares.mean() / values),
        "train/inertia": float(squares.sum()),
        "train/accuracy": scores.accuracy(cells, truth),
        "train/diagonal_accuracy": float((cells == truth).mean()),
        "train/nmi": scores.nmi(cells, truth),
        "train/dead": float((sizes == 0).sum()),
        "train/largest": float(sizes.max() / sizes.sum()),
        "train/smallest_rows": float(sizes.min()),
        "train/parameters": centers.size,
        "test/mse": float(test_squares.mean() / values),
        "test/accuracy": float((matched[test_cells] == test.labels).mean()),
    }
    results |= _moments(train)
    _show(work, train, {"at the start": begun, "at the end": centers}, counts, matched)
    found_signals = (signals.dead_centres(sizes), signals.mode_collapse(sizes, truth))
    work.note(*(signal.sentence for signal in found_signals if signal is not None))
    return results


def _moments(data: Dataset) -> Results:
    """Return mean and standard deviation of all values."""
    count = len(data) * math.prod(data.shape)
    mean = sum(float(x.sum()) for _, x in blocks(data)) / count
    variance = sum(float(np.square(x - mean).sum()) for _, x in blocks(data)) / count
    return {"data/mean": mean, "data/sd": math.sqrt(variance)}


def _show(work: Work, data: Dataset, stages: dict[str, Array], counts: Array, matched: Array) -> None:
    """Draw the centres and the table class x centre, and list the most confused classes."""
    names = list(data.class_names)
    if data.is_images:
        pictures = {title: np.clip(c, 0, 1).reshape(-1, *data.shape) for title, c in stages.items()}
        work.figure("centres", draw_centres(pictures, counts.sum(1)), "The centres, and how many rows each has.")
    table = counts.T  # (C, M)
    taken = np.full(len(table), -1)
    taken[matched[matched >= 0]] = np.flatnonzero(matched >= 0)
    centres = [str(i) for i in range(len(counts))]
    figure = contingency(table, names, centres, matched=taken.tolist(), line="class", column="centre")
    work.figure("classes", figure, "Rows of each class with each centre; the best one-to-one matching is outlined.")
    rows = [
        {"class": name, **{f"centre {j}": int(n) for j, n in enumerate(line)}, "sum": int(line.sum())}
        for name, line in zip(names, table, strict=True)
    ]
    total = {f"centre {j}": int(n) for j, n in enumerate(table.sum(0))}
    work.table("Rows of each class with each centre", [*rows, {"class": "sum", **total, "sum": int(table.sum())}])
    if len(counts) == len(names):
        confused = classification.most_confused(table, names)
        work.table(
            "Most confused, centre i taken for class i",
            [{"class": true, "with centre": answered, "rows": count} for true, answered, count in confused],
        )
