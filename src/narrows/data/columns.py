"""Columns of tables: which of them are data, and in which order, by name or number."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.errors import DataError

MOST_NAMED = 10  # columns that one sentence names
BLOCK_VALUES = 1 << 20  # float64 values worked on at once: 8 MiB
FAR = 1e3  # times its range that a column must lie from 0 to have an offset; float32 keeps 1e4 steps of it then


@dataclass(frozen=True)
class Columns:
    """The columns that are data.

    Parameters
    ----------
    positions : of each, in the order in which they are data
    names : of each; None where the table has no names and nobody chose among its columns
    notes : sentences about what was left out
    """

    positions: list[int]
    names: list[str] | None
    notes: list[str]


def delimiter(lines: Sequence[str], *, spaces: bool = True) -> str:
    """Return the character that divides all lines of a table into the same number of cells, more than one.

    Where none does, it is that of comma, semicolon and tab which is commonest in the first line.
    """
    for character in (",", ";", "\t", "|", " ") if spaces else (",", ";", "\t", "|"):
        counts = {len(row) for row in csv.reader(lines, delimiter=character, skipinitialspace=True)}
        if len(counts) == 1 and counts != {1}:
            return character
    return max(",;\t", key=lines[0].count)


def check(asked: Any, parameter: str) -> tuple[str, ...]:
    """Return the names or numbers of columns that a person asked for, as text; none for None.

    Raises
    ------
    DataError : anything but a list of them, none at all, or one of them twice
    """
    if asked is None:
        return ()
    given = [asked] if isinstance(asked, str) else asked
    is_list = isinstance(given, list | tuple | np.ndarray) and len(given) > 0
    if not is_list or not all(isinstance(item, str | int | np.integer) for item in given):
        raise DataError(parameter, "must be a list of column names, or of column numbers from 0", value=asked)
    texts = tuple(str(item) for item in given)
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise DataError(parameter, "must name each column once", value=twice)
    return texts


def find(asked: Sequence[str], names: Sequence[str], n: int) -> tuple[list[int], list[str]]:
    """Return where the columns ``asked`` for are among ``n``, and which of them are nowhere.

    A name comes before a number, which counts from 0, or from the end where it is negative.
    """
    position = {name: i for i, name in enumerate(names)}
    found, missing = [], []
    for text in asked:
        if text in position:
            found.append(position[text])
        elif re.fullmatch("-?[0-9]{1,9}", text) and -n <= int(text) < n:
            found.append(int(text) % n)
        else:
            missing.append(text)
    return found, missing


def choose(
    free: Sequence[int], n: int, names: Sequence[str], asked: Sequence[str], ignored: Sequence[str], origin: str
) -> Columns:
    """Choose the columns that are data.

    Parameters
    ----------
    free : columns that can be data: neither labels nor ids
    n : how many columns there are
    names : of all columns; empty where the table has none
    asked : the columns wanted, in this order; all that are free where it is empty. In a table without names, names are
        taken to go by position, if there are as many of them as free columns
    ignored : the columns to leave out
    origin : the table, for messages

    Raises
    ------
    DataError : a column that is not there, or is both wanted and to be left out
    """
    left_out, unknown = find(ignored, names, n)
    if unknown:
        raise DataError("ignore", f"must name columns of {origin}", value=unknown[0], remedy=_known(unknown[0], names))
    positions, missing = find(asked, names, n)
    if missing and not positions and not names and len(asked) == len(free) - len(set(left_out) & set(free)):
        kept = [column for column in free if column not in left_out]
        note = "The columns have no names to check, so they were taken in order."
        return Columns(kept, list(asked), [note])
    if missing and not names:
        raise DataError(
            origin,
            f"must have the {len(asked)} columns asked for ({listed(asked)})",
            value=f"{len(free)} columns without names",
            remedy="Add a header row, or give column numbers from 0.",
        )
    if missing:
        raise DataError(
            origin,
            f"must have {'the column' if len(missing) == 1 else 'all columns'} named in columns",
            value=f"none called {listed(missing)}",
            remedy=_known(missing[0], names),
        )
    if len(set(positions)) < len(positions):
        raise DataError("columns", "must name each column once", value=list(asked))
    both = [text for text, column in zip(asked, positions, strict=True) if column in left_out]
    if both:
        raise DataError("ignore", "must not name a column that is also in columns", value=both[0])
    if not asked:
        kept = [column for column in free if column not in left_out]
        return Columns(kept, _called(kept, names) if names or ignored else None, [])
    extra = [column for column in free if column not in positions and column not in left_out]
    what = f"{listed(_called(extra, names))}, which columns does not name"
    return Columns(positions, _called(positions, names), [f"Left out: {what}."] if extra else [])


def take(
    values: Array, names: Sequence[str], asked: Sequence[str], ignored: Sequence[str], origin: str
) -> tuple[Array, list[str] | None, list[str], list[int]]:
    """Return the chosen columns of vectors (N, D), their names, notes, and where they stood; see ``choose``."""
    n = values.shape[1]
    chosen = choose(range(n), n, names, asked, ignored, origin)
    if not chosen.positions:
        raise DataError("ignore", "must leave at least one column", value=list(ignored))
    if chosen.positions != list(range(n)):
        values = np.ascontiguousarray(values[:, chosen.positions])
    return values, chosen.names, chosen.notes, chosen.positions


def offsets_of(values: Array) -> dict[str, float]:
    """Return what to subtract from columns of (N, D) that lie far from 0 beside their range, such as timestamps.

    In float32 a second of the year 2026 is rounded to two minutes. What varies by rounding alone stays as it is.

    Returns
    -------
    the middle of the range, by the column's number as text; nothing for other columns
    """
    # Whole numbers are subtracted as such: float64 does not hold those beyond 2^53.
    exact = object if values.dtype.kind in "iu" else np.float64
    low, high = values.min(axis=0).astype(exact), values.max(axis=0).astype(exact)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused elsewhere
        away = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
        range_ = (high - low).astype(np.float64)
    rounding = 0.0 if values.dtype.kind in "bui" else rounding_of(values.dtype)
    far = (range_ > rounding * away) & (range_ > 0) & (away > FAR * range_)
    return {str(column): _middle(values[:, column]) for column in np.flatnonzero(far)}


def _middle(column: Array) -> float:
    """Return the middle of a column's range; of whole numbers a whole one, which float64 need not hold."""
    low: float = column.min().item()
    high: float = column.max().item()
    return low + (high - low) // 2 if isinstance(low, int) else low + (high - low) / 2


def rounding_of(dtype: np.dtype) -> float:
    """Return the share of its size by which a number of ``dtype`` that means the same may differ after a few sums."""
    return float(np.finfo(dtype).eps) * (4 if dtype.itemsize <= 4 else 4096)


def without_offsets(values: Array, offsets: Mapping[str, float]) -> Array:
    """Return (N, D) less its offsets, taken off before anything is rounded to float32.

    Raises
    ------
    DataError : fewer columns than have offsets
    """
    if not offsets:
        return values
    if max(map(int, offsets)) >= values.shape[1]:
        raise DataError("data", "must have the same columns as the model's data", value=f"{values.shape[1]} columns")
    moved = values.astype(np.float32)
    for column, offset in offsets.items():
        moved[:, int(column)] = _less(values[:, int(column)], offset)
    return moved


def _less(column: Array, offset: float) -> Array:
    """Return a column less its offset, exactly where both are whole numbers."""
    if column.dtype.kind in "iu" and isinstance(offset, int):
        return np.array([value - offset for value in column.tolist()], np.float64)
    return column.astype(np.float64) - offset


def with_offsets(values: Array, preprocessing: Mapping[str, Any]) -> Array:
    """Return vectors (N, D) in the units of the data a model was made from: float64 where columns have offsets."""
    offsets = preprocessing.get("offsets") or {}
    if not offsets:
        return values
    moved = values.astype(np.float64)
    for column, offset in offsets.items():
        moved[:, int(column)] += offset
    return moved


def about(names: Sequence[str]) -> str:
    """Return a sentence that says which columns are data."""
    return f"{_counted(len(names))} read as data: {listed(names)}."


def about_offsets(offsets: Mapping[str, float], names: Sequence[str] | None) -> str:
    """Return a sentence about columns that lie far from 0."""
    called = listed([names[int(column)] if names else f"number {column}" for column in offsets])
    return f"Centred, because the values are far from 0 compared with their range: {called}."


def _counted(count: int) -> str:
    return "1 column was" if count == 1 else f"{count:,} columns were"


def _called(positions: Sequence[int], names: Sequence[str]) -> list[str]:
    return [names[column] if names else str(column) for column in positions]


def listed(names: Sequence[str]) -> str:
    """Return the names that one sentence shows, and how many more there are."""
    rest = len(names) - MOST_NAMED
    return ", ".join(map(repr, names[:MOST_NAMED])) + (f" and {rest} more" if rest > 0 else "")


def _known(name: str, names: Sequence[str]) -> str:
    """Return a remedy that names the nearest column, and some of those there are."""
    if not names:
        return "Its columns have no names; use column numbers from 0."
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"It has {listed(names)}."


def moments(values: Array, rows: Array | None = None) -> tuple[Array, Array, Array, Array]:
    """Return mean, variance, least and greatest value of each column, (D,) float64 each, in bounded memory.

    Parameters
    ----------
    values : (N, D), at least one row; may be memory-mapped
    rows : the numbers of those that count; all by default
    """
    count, size = len(values) if rows is None else len(rows), values.shape[1]
    total, squares, low, high = np.zeros(size), np.zeros(size), np.full(size, np.inf), np.full(size, -np.inf)

    def blocks() -> Iterator[Array]:
        for start in range(0, count, step := max(1, BLOCK_VALUES // size)):
            block = slice(start, start + step)
            yield values[block if rows is None else rows[block]].astype(np.float64, order="C")

    # A block goes on with the sum of those before it, so that the result does not depend on their size.
    for x in blocks():
        low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
        x[0] += total
        total = x.sum(axis=0)
    mean = total / count
    for x in blocks():
        away = np.square(x - mean)
        away[0] += squares
        squares = away.sum(axis=0)
    return mean, squares / count, low, high
