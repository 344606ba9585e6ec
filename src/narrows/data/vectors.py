"""Vectors that stand in one column of a table, as an embedding often does: lists of numbers, or their text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.data.labels import is_number
from narrows.disk.files import Array

# Of one kind: (0, 18] is an interval, as pandas.cut writes it.
BRACKETS = re.compile(r"\s*(?:\[(.*)\]|\((.*)\)|\{(.*)\})\s*", re.DOTALL)
BETWEEN = re.compile(r"[\s,;]+")


def named(name: str, size: int) -> list[str]:
    """Return what the numbers in a column of vectors are called: embedding[0], embedding[1], ..."""
    return [f"{name}[{i}]" for i in range(size)]


def is_listed(cell: str) -> bool:
    """Whether a cell holds two numbers or more in brackets, such as "[0.1, 2e-3]"."""
    numbers = BETWEEN.split(_inside(cell).strip())
    return len(numbers) > 1 and all(map(is_number, numbers))


def of_texts(cells: Sequence[str]) -> Array | None:
    """Return numbers in brackets as float64 (N, D); None where the cells are none, or differ in length."""
    if not cells or not is_listed(cells[0]):
        return None
    inside = (BETWEEN.sub(" ", _inside(cell)) for cell in cells)
    try:
        values: Array = np.loadtxt(inside, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        return None
    return values if len(values) == len(cells) else None  # an empty cell is passed over


def of_lists(items: Sequence[Any]) -> Array | None:
    """Return lists of as many numbers each as an array (N, D); None where they are none, or differ in length."""
    if not items or not isinstance(items[0], Sequence | np.ndarray) or isinstance(items[0], str):
        return None
    try:
        values = np.array([np.asarray(item) for item in items])
    except ValueError:
        return None
    return values if values.ndim == 2 and values.dtype.kind in "biuf" and values.size else None


def of_arrow(column: Any) -> Array | None:
    """Return a column of lists of pyarrow (a ChunkedArray) as ``of_lists`` does, without a Python object for each."""
    import pyarrow.compute as pc

    lists = column.combine_chunks()
    sizes = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    if lists.null_count or len(set(sizes.tolist())) != 1 or flat.dtype.kind not in "biuf" or not flat.size:
        return None
    return np.asarray(flat).reshape(len(lists), -1)


def _inside(cell: str) -> str:
    """Return what stands in brackets; "" where a cell has none."""
    found = BRACKETS.fullmatch(cell)
    return next(filter(None, found.groups()), "") if found else ""
