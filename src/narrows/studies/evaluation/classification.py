"""How often a classifier is right, and which classes it confuses.

Labels are int (N,), -1 where unknown; rows without a known label are left out. Predictions are int (N,) >= 0. A table
of counts is (C, C): rows are true classes, columns predicted ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError


def accuracy(predicted: Array, labels: Array) -> float:
    """Return the share of rows that are predicted right; nan if no label is known."""
    predicted, labels = _known(predicted, labels)
    return float((predicted == labels).mean()) if len(labels) else math.nan


def confusion(labels: Array, predicted: Array, n_classes: int) -> Array:
    """Return how many rows of each true class (row) were predicted as each class (column): int64 (C, C).

    Raises
    ------
    InputError : different lengths, or a class number of ``n_classes`` or more
    """
    predicted, labels = _known(predicted, labels)
    for name, numbers in [("labels", labels), ("predicted", predicted)]:
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= n_classes):
            value = f"{numbers.min()} to {numbers.max()}"
            raise InputError(name, f"must be class numbers from 0 to {n_classes - 1}", value=value)
    cells = labels.astype(np.int64) * n_classes + predicted
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def most_confused(counts: Array, names: Sequence[str], most: int = 10) -> list[tuple[str, str, int]]:
    """Return the commonest mistakes as (true class, predicted class, how many rows), commonest first.

    At most ``most`` mistakes, and only those that happened; equally common ones are in the order of the table.
    """
    counts = _table(counts)
    if len(names) != len(counts):
        raise InputError("names", f"must name all {len(counts)} classes", value=f"{len(names)} names")
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)  # (C, C)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = [divmod(int(cell), len(counts)) for cell in order]
    return [(names[true], names[taken], int(wrong[true, taken])) for true, taken in cells if wrong[true, taken]]


def _known(predicted: Array, labels: Array) -> tuple[Array, Array]:
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or labels.ndim != 1:
        value = f"shapes {predicted.shape}, {labels.shape}"
        raise InputError("predicted and labels", "must have one number for each row", value=value)
    known = labels >= 0
    return predicted[known], labels[known]


def _table(counts: Array) -> Array:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not np.issubdtype(counts.dtype, np.integer):
        raise InputError("counts", "must be whole numbers (C, C)", value=f"{counts.dtype} {counts.shape}")
    return counts
