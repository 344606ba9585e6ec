"""Which rows train, which choose the best epoch, which measure; and which are looked at where all would be too many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from narrows.data.dataset import Dataset
from narrows.disk.files import Array
from narrows.errors import InputError

FEWEST = 20  # rows below which nothing is held out: the held-out figures would mean nothing


class Split(NamedTuple):
    """Sorted row numbers (int64) of each part.

    ``held_out`` is False when no rows were kept apart to measure on; ``test`` is then the same as ``train``.
    """

    train: Array
    valid: Array
    test: Array
    held_out: bool


def split(dataset: Dataset, *, valid: float = 0.1, test: float = 0.15, seed: int = 0) -> Split:
    """Divide the rows of ``dataset``.

    A division that the source itself fixes is kept: its test rows stay test rows, and only what it lacks is drawn from
    its training rows. Data of fewer than 20 rows are not divided at all.

    Parameters
    ----------
    dataset : the data; only its length and its own split are looked at
    valid, test : shares of the rows (of the training rows, where the source fixes the rest) to draw for each part
    seed : of the draw

    Raises
    ------
    InputError : shares below 0, or that leave nothing to train on
    """
    for name, share in (("valid", valid), ("test", test)):
        if not 0 <= share < 1:
            raise InputError(name, "must be a fraction of the rows, at least 0 and below 1", value=share)
    if valid + test >= 1:
        raise InputError("valid + test", "must sum to less than 1, to leave rows to train on", value=valid + test)
    rows = np.arange(len(dataset), dtype=np.int64)
    nothing = rows[:0]
    if len(rows) < FEWEST:
        return Split(rows, nothing, rows, held_out=False)

    own = dataset.split if dataset.split is not None else np.full(len(rows), "train")
    train_rows, valid_rows, test_rows = rows[own == "train"], rows[own == "valid"], rows[own == "test"]
    if len(train_rows) == 0:
        train_rows, valid_rows, test_rows = rows, nothing, nothing

    shuffled = np.random.default_rng(seed).permutation(train_rows)
    n_test = 0 if len(test_rows) else _count(test, len(shuffled))
    n_valid = 0 if len(valid_rows) else _count(valid, len(shuffled))
    n_valid = min(n_valid, len(shuffled) - n_test - 1)  # one row at least is left to train on
    if n_test:
        test_rows = shuffled[:n_test]
    if n_valid > 0:
        valid_rows = shuffled[n_test : n_test + n_valid]
    train_rows = np.sort(shuffled[n_test + max(n_valid, 0) :])
    held_out = len(test_rows) > 0
    return Split(train_rows, np.sort(valid_rows), np.sort(test_rows) if held_out else train_rows, held_out)


def some_rows(count: int, most: int, seed: int) -> Array:
    """Return the numbers of all rows, or of ``most`` of them chosen at random, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _count(share: float, n: int) -> int:
    """Return ``share`` of ``n`` rows: at least one, unless none are asked for or only one is there."""
    return 0 if share == 0 or n < 2 else max(1, round(share * n))
