"""What is known about rows beside their values: columns of numbers or of words, which never enter a code or a score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from narrows.data.labels import is_missing, is_number
from narrows.disk.files import Array, Float64
from narrows.errors import DataError

Column = Float64 | tuple[str, ...]  # (N,): numbers, NaN where there is none; or words, "" where there is none

MOST_DIGITS = 15  # that float64 represents exactly; longer numbers are names


def of_texts(cells: Sequence[str]) -> Column:
    """Return the cells of a table's column: numbers where all that are known are, else the words as they stand.

    A number that begins with a 0 that says nothing, such as 007, or has more digits than are kept, is a name.
    """
    known = {cell for cell in cells if not is_missing(cell)}
    if known and all(map(_is_measured, known)):
        return np.array([math.nan if is_missing(cell) else float(cell) for cell in cells])
    return tuple("" if is_missing(cell) else cell for cell in cells)


def of_values(values: Any, name: str) -> Column:
    """Return a column of values of one kind, as Python, NumPy or a dataframe has them; None and NaN are unknown.

    Raises
    ------
    DataError : no column (N,)
    """
    if isinstance(values, tuple) and all(type(item) is str for item in values):
        return values
    if not isinstance(values, np.ndarray):
        is_column = isinstance(values, Iterable) and not isinstance(values, str | Mapping)
        values = np.fromiter(values, dtype=object) if is_column else np.array(values, dtype=object)
    if values.ndim != 1:
        raise DataError(f"metadata[{name!r}]", "must be a column (N,)", value=f"shape {values.shape}")
    if values.dtype.kind in "iuf":
        return np.asarray(values, np.float64)
    items = [_taken_out(item) for item in values.tolist()]
    unknown = [not _is_known(item) for item in items]
    known = [item for item, is_gone in zip(items, unknown, strict=True) if not is_gone]
    if known and all(isinstance(item, int | float | np.number) and not isinstance(item, bool) for item in known):
        return np.array([math.nan if is_gone else float(i) for i, is_gone in zip(items, unknown, strict=True)])
    return tuple("" if is_gone else _word(item) for item, is_gone in zip(items, unknown, strict=True))


def taken(columns: Mapping[str, Column], rows: Array) -> dict[str, Column]:
    """Return the columns of these rows alone."""
    return {
        name: tuple(column[row] for row in rows) if isinstance(column, tuple) else column[rows]
        for name, column in columns.items()
    }


def written(column: Column) -> list[str]:
    """Return a column as the cells of a table, from which ``of_texts`` reads numbers as they were."""
    if isinstance(column, tuple):
        return list(column)
    return ["" if math.isnan(number) else _shortest(number) for number in column.tolist()]


def in_kind(cells: Sequence[str], *, is_number: bool) -> Column:
    """Return the column that was ``written`` as these cells.

    Raises
    ------
    ValueError : words where there must be numbers
    """
    return np.array([float(cell or "nan") for cell in cells]) if is_number else tuple(cells)


def _taken_out(item: Any) -> Any:
    """Return a number without the array or tensor that holds it alone."""
    is_alone = getattr(item, "ndim", None) == 0 and not isinstance(item, np.generic)
    return item.item() if is_alone else item


def _is_known(item: Any) -> bool:
    """Whether a value is one: None is not, and neither NaN nor pandas' NA is equal to itself."""
    same = item is not None and item == item  # noqa: PLR0124
    return isinstance(same, bool | np.bool_) and bool(same)


def _is_measured(cell: str) -> bool:
    if not is_number(cell) or not math.isfinite(float(cell)):
        return False
    digits = cell.strip().lstrip("+-")
    return not (digits.isdigit() and (len(digits) > MOST_DIGITS or (digits[0] == "0" and len(digits) > 1)))


def _word(item: Any) -> str:
    return str(item).lower() if isinstance(item, bool | np.bool_) else str(item)


def _shortest(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 10**MOST_DIGITS else repr(number)
