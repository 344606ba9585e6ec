"""Tables of labels: which column names the rows, and which holds the labels.

What a table does not say clearly is not guessed: a wrong column would be scored in silence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from narrows.data import columns
from narrows.data.labels import LABEL_WORDS, called_labels, is_fraction, is_missing
from narrows.data.row_tables import Table, below_header, cells_of, id_column, names_of, require_even
from narrows.disk.files import Array
from narrows.errors import DataError

# What says which rows train, and is not a class.
SPLIT_WORDS = frozenset(
    {"train", "training", "valid", "validation", "val", "dev", "test", "testing", "unlabeled", "unlabelled", "unsup"}
)
SPLIT_HEADERS = frozenset({"split", "fold", "set", "subset", "partition", "is_train", "is_test", "is_valid", "is_val"})


def read(
    path: Path, ids: Sequence[str], column: str = "", counts: Collection[int] = ()
) -> tuple[Array, tuple[str, ...]]:
    """Read labels from a .csv or .tsv: one per row, in order; or columns of ids and labels, in any order.

    The ids stand in the column that is called as ids are (``id``, ``path``, ``file``, ``filename``, ``image``,
    ``name``), or else in the one whose cells name the most rows. An id may be the whole id of a row, or its file name
    with or without extension where that is unique. The labels stand in ``column``; unasked, in the column that is
    called as labels are (``label``, ``target``, ``class``, ``y``), in the only other column, in columns that are
    one-hot together, or in the only one of few values.

    Parameters
    ----------
    path : of the table
    ids : of the rows to label
    column : its name, or its number from 0; "" recognises it, or refuses
    counts : how many rows the source has, read or not; a table of one column with one row more begins with a header

    Returns
    -------
    labels : strings (N,), empty where the table has none; of a table of one column as many as it has rows
    notes : what was read as labels, and which rows have none

    A table that names no row, but has ``column`` and a row for each of them, is read in order.

    Raises
    ------
    DataError : a table that cannot be read, names none of the rows, names one twice with different labels, or whose
        labels could stand in several columns
    """
    cells = cells_of(path)
    width = len(cells[0])
    if width == 1:
        return _alone(path, cells, column, {len(ids), *counts}), ()
    require_even(path, cells)
    names = names_of(ids)
    numbered = list(ids) == [str(row) for row in range(len(ids))]
    of_ids = id_column(cells, {name for row in names for name in row}, numbered=numbered)
    if of_ids is None and column in cells[0] and len(cells) - 1 in {len(ids), *counts}:
        found_in_order = Table(path, cells[1:], cells[0]).cells(cells[0].index(column))
        note = f"Labels were taken from the column {column!r} of {path.name}, row by row; they only score."
        return np.array(found_in_order), (note,)
    if of_ids is None:
        raise DataError(
            str(path),
            "must identify rows by their ids",
            value=", ".join(cells[min(1, len(cells) - 1)][:3]),
            remedy=f"Ids look like {ids[0]!r}.",
        )
    table = below_header(path, cells, of_ids, {name for row in names for name in row})
    found, taken = _labels_of(table, of_ids, column)
    by_id = _by_id(table, of_ids, found)
    if numbered and "0" not in by_id and str(len(ids)) in by_id:
        raise DataError(
            str(path),
            "must identify rows of an array by their numbers from 0",
            value=f"numbers from 1 to {len(ids)}",
            remedy="Subtract 1, or leave out the ids and give one label per row, in order.",
        )
    labels = [_label_of(path, row, by_id) for row in names]
    missing = sum(not label for label in labels)
    if labels.count(None) == len(ids):
        raise DataError(
            str(path),
            "must identify rows by their ids",
            value=next(iter(by_id), "no rows"),
            remedy=f"Ids look like {ids[0]!r}.",
        )
    notes = [f"Labels were taken from {taken} of {path.name}; they only score."]
    if missing:
        notes.append(f"{missing:,} of {len(ids):,} rows have no label in {path.name}.")
    return np.array([label or "" for label in labels]), tuple(notes)


def _alone(path: Path, cells: list[list[str]], column: str, counts: Collection[int]) -> Array:
    """Return the labels of a table of one column."""
    labels = [row[0].strip() for row in cells]
    first = labels[0]
    is_word = first.lower() in LABEL_WORDS and first not in labels[1:]
    if is_word or column == first or (len(labels) not in counts and len(labels) - 1 in counts):
        return np.array(labels[1:])
    if column not in ("", "0"):
        raise DataError(
            "labels", f"must name a column of {path.name}", value=column, remedy="It has only one column, number 0."
        )
    return np.array(labels)


def _label_of(path: Path, names: Sequence[str], by_id: dict[str, str]) -> str | None:
    """Return the label of a row by any of its names; None where the table has none of them."""
    found = {by_id[name]: name for name in names if name in by_id}
    if len(found) > 1:
        raise DataError(
            str(path), "must give each row one label", value=", ".join(f"{found[label]}: {label}" for label in found)
        )
    return next(iter(found), None)


def _labels_of(table: Table, of_ids: int, asked: str) -> tuple[list[str], str]:
    """Return the label of each row of the table, and a name for the column or columns they stand in."""
    others = [i for i in range(len(table.rows[0] if table.rows else table.header)) if i != of_ids]
    if asked:
        found, _ = columns.find([asked], table.header, len(others) + 1)
        if not found or found[0] == of_ids:
            raise DataError(
                "labels",
                f"must name a column of {table.path.name} other than the ids",
                value=asked,
                remedy=f"It has {', '.join(table.called(i) for i in others[: columns.MOST_NAMED])}.",
            )
        return table.cells(found[0]), f"the column {table.called(found[0])}"
    called = [i for i in called_labels(table.header) if i in others]
    clear = called if len(called) == 1 else others if len(others) == 1 and _may_be_labels(table, others[0]) else []
    if clear:
        return table.cells(clear[0]), f"the column {table.called(clear[0])}"
    if len(called) > 1:
        raise _unclear(table, called)
    one_hot = _one_hot(table, others)
    few = [i for i in others if i not in one_hot and _has_few_values(table, i)]
    if one_hot and not few:
        names = [table.header[i] if table.header else str(i) for i in one_hot]
        labels = [names[[float(row[i]) for i in one_hot].index(1)] for row in table.rows]
        listed = ", ".join(map(repr, names[: columns.MOST_NAMED])) + (
            ", ..." if len(names) > columns.MOST_NAMED else ""
        )
        return labels, f"the one-hot columns {listed}"
    if len(few) == 1 and not one_hot:
        return table.cells(few[0]), f"the column {table.called(few[0])}, the only one of few values,"
    raise _unclear(table, others)


def _unclear(table: Table, candidates: list[int]) -> DataError:
    shown = ", ".join(table.called(i) for i in candidates[: columns.MOST_NAMED])
    rest = len(candidates) - columns.MOST_NAMED
    return DataError(
        str(table.path),
        "must have one column that is clearly the labels; otherwise name it",
        value=shown + (f" and {rest} more" if rest > 0 else ""),
        remedy=f"Name it, as in labels={table.ask_for(candidates[-1])!r}.",
    )


def _one_hot(table: Table, others: list[int]) -> list[int]:
    """Return the columns of 0 and 1 of which each row has a single 1; none where there are no such."""
    if not table.rows:
        return []
    binary = [
        i
        for i in others
        if all(re.fullmatch(r"[01](\.0*)?", cell) for cell in table.cells(i)) and _may_be_labels(table, i)
    ]
    sums = [sum(float(row[i]) for i in binary) for row in table.rows]
    return binary if len(binary) > 1 and all(total == 1 for total in sums) else []


def _may_be_labels(table: Table, column: int) -> bool:
    """Whether a column could hold classes: neither measurements nor what says which rows train."""
    header = table.header[column].lower() if table.header else ""
    values = {cell.lower() for cell in table.cells(column) if not is_missing(cell)}
    splits = header in SPLIT_HEADERS or header in SPLIT_WORDS or (bool(values) and values <= SPLIT_WORDS)
    return not splits and not any(is_fraction(value) for value in values)


def _has_few_values(table: Table, column: int) -> bool:
    """Whether a column could hold classes, and has at least two of them and twice as many rows."""
    values = Counter(cell for cell in table.cells(column) if not is_missing(cell))
    return _may_be_labels(table, column) and 2 <= len(values) <= values.total() / 2


def _by_id(table: Table, of_ids: int, labels: list[str]) -> dict[str, str]:
    """Return the label of each id; blanks around an id may be the table's or its own, so it is known by both.

    Raises
    ------
    DataError : an id with two labels
    """
    found: dict[str, str] = {}
    stripped: dict[str, str] = {}
    for row, label in zip(table.rows, labels, strict=True):
        if found.setdefault(row[of_ids], label) != label:
            raise DataError(
                str(table.path), "must give each row one label", value=f"{row[of_ids]}: {found[row[of_ids]]}, {label}"
            )
        stripped.setdefault(row[of_ids].strip(), label)
    return stripped | found
