"""Labels in any usual form become class numbers, and names where they have some."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import DataError
from narrows.files import Array

UNKNOWN = -1
FEW = 20  # numbers up to this are class numbers, even where few of them occur: digits may be 7 and 9 alone
MOST_DIGITS = 18  # that int64 holds whatever they are

ID_COLUMNS = ("id", "path", "file", "filename", "image", "name")
# What columns of tables and arrays in files are called when they hold labels.
LABEL_WORDS = frozenset({"label", "labels", "y", "target", "targets", "class", "classes"})


def as_labels(raw: Any, n: int, origin: str = "labels") -> tuple[Array, tuple[str, ...] | None]:
    """Turn labels into class numbers.

    Parameters
    ----------
    raw : (N,) or (N, 1) whole numbers, booleans or strings; or one-hot (N, C). Negative numbers, NaN and empty strings
        are unknown
    n : N, the number of rows there are to label
    origin : where they came from, for messages

    Returns
    -------
    labels : int64 (N,), -1 where unknown
    names : of class 0, 1, ... where labels were strings, or numbers far apart (years, codes); otherwise None

    Raises
    ------
    DataError : wrong length, or values that are no classes
    """
    array = np.asarray(raw)
    if array.ndim == 0 or len(array) != n:
        raise DataError(
            origin, f"must have one label for each of the {n:,} rows",
            value=f"{len(array) if array.ndim else 1:,} labels",
        )  # fmt: skip
    if array.ndim == 2 and array.shape[1] > 1:
        return _from_one_hot(array, origin), None
    if array.ndim > 2:
        raise DataError(origin, "must be (N,), or one-hot (N, C)", value=f"shape {array.shape}")
    array = array.reshape(n)
    if array.dtype == object:
        if not all(isinstance(label, str) for label in array):
            raise DataError(origin, "must be whole numbers or strings", value="Python objects of other kinds")
        array = array.astype(str)
    if array.dtype.kind in "US":
        return _from_strings(array.astype(str), origin)
    if array.dtype.kind not in "buif":
        raise DataError(origin, "must be whole numbers or strings", value=f"dtype {array.dtype}")
    return _from_numbers(array, origin)


def labels_file(text: str) -> Path | None:
    """Return the file that ``text`` names; None where it names none, whatever it says."""
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # a name too long, a folder closed to us; no such user; a zero byte
        return None


def read_table(path: Path, ids: Sequence[str]) -> tuple[Array, str]:
    """Read labels from a .csv: one per row, in order; or columns of ids and labels, in any order.

    Columns are found by their header (``id`` or ``path``, ``label`` or ``target``); without one, the first holds
    ids and the second labels. An id may be the whole id of a row, or its file name with or without extension where that
    is unique.

    Returns
    -------
    labels : strings (N,), empty where the table has none
    note : a sentence about rows without a label, or nothing

    Raises
    ------
    DataError : a table that cannot be read, or that names none of the rows
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",") if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(str(path), "must be a table of text in UTF-8", remedy=f"{error}.") from error
    if not rows:
        raise DataError(str(path), "must hold labels", value="an empty file")
    header = [cell.strip().lower() for cell in rows[0]]
    named = [
        column
        for column, name in enumerate(header)
        if name in LABEL_WORDS and all(row[column : column + 1] != rows[0][column : column + 1] for row in rows[1:])
    ]  # a word that comes again below is a label itself: y among y and n
    if named:
        rows = rows[1:]
    if len(header) == 1:
        return np.array([row[0].strip() for row in rows]), ""
    label_column = named[0] if named else 1
    id_columns = [column for column, name in enumerate(header) if name in ID_COLUMNS and column != label_column]
    id_column = id_columns[0] if named and id_columns else int(label_column == 0)
    if any(len(row) <= max(id_column, label_column) for row in rows):
        raise DataError(str(path), "must have an id and a label in every row")
    # Blanks around an id may be the table's or the id's own: it is known by both, and as it is written first of all.
    found = {row[id_column].strip(): row[label_column].strip() for row in rows}
    found |= {row[id_column]: row[label_column].strip() for row in rows}
    labels = [_look_up(found, names) for names in _names_of(ids)]
    missing = labels.count(None)
    if missing == len(ids):
        raise DataError(
            str(path), "must name the rows it labels by their ids", value=next(iter(found), "no rows"),
            remedy=f"Ids look like {ids[0]!r}.",
        )  # fmt: skip
    note = f"{missing:,} of {len(ids):,} rows have no label in {path.name}." if missing else ""
    return np.array([label or "" for label in labels]), note


def _names_of(ids: Sequence[str]) -> list[list[str]]:
    """Return the names each row answers to: its id, then its file name and stem where no other row shares them."""
    shorter = [[i.rpartition("/")[2], Path(i).stem] for i in ids]
    counts = Counter(name for names in shorter for name in set(names))
    return [[i, *(name for name in names if counts[name] == 1)] for i, names in zip(ids, shorter, strict=True)]


def _look_up(found: dict[str, str], names: Sequence[str]) -> str | None:
    return next((found[name] for name in names if name in found), None)


def _from_one_hot(array: Array, origin: str) -> Array:
    numbers = array.astype(np.float64) if array.dtype.kind in "buif" else np.full(array.shape, np.nan)
    if not (((numbers == 0) | (numbers == 1)).all() and (numbers.sum(axis=1) == 1).all()):
        raise DataError(
            origin, "with more than one column must be one-hot: a single 1 in each row", value=f"shape {array.shape}"
        )
    classes: Array = np.argmax(numbers, axis=1).astype(np.int64)
    return classes


def _from_numbers(array: Array, origin: str) -> tuple[Array, tuple[str, ...] | None]:
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), UNKNOWN, array)
        if not (np.isfinite(array).all() and (array == np.round(array)).all()):
            wrong = array[array != np.round(array)]
            raise DataError(
                origin, "must be classes: whole numbers or strings",
                value=float(wrong[0]) if len(wrong) else "infinity",
                remedy="Set labels to 'none' if these are measurements.",
            )  # fmt: skip
        array = np.maximum(array, UNKNOWN)
    if array.dtype.kind in "uf" and array.max(initial=0) >= 2**63:
        raise _too_large(array.max().item(), origin)
    numbers = np.maximum(array.astype(np.int64), UNKNOWN)
    values = np.unique(numbers[numbers >= 0])
    # Numbers far apart are codes, such as years: a class for each in between would be empty.
    if numbers.max(initial=0) <= max(FEW, 2 * len(values)):
        return numbers, None
    return np.where(numbers < 0, UNKNOWN, np.searchsorted(values, numbers)), tuple(str(value) for value in values)


def _too_large(value: object, origin: str) -> DataError:
    return DataError(
        origin, "must be class numbers below 2^63, or words", value=value,
        remedy="Number the classes from 0, or put a letter in front if these are names.",
    )  # fmt: skip


def _from_strings(array: Array, origin: str) -> tuple[Array, tuple[str, ...] | None]:
    names = sorted({str(name) for name in array if name}, key=natural)
    if all(re.fullmatch("[+-]?[0-9]+", name) for name in names):
        for name in names:
            if len(name.lstrip("+-0")) > MOST_DIGITS:
                raise _too_large(name, origin)
        return _from_numbers(np.array([int(name) if name else UNKNOWN for name in array], dtype=np.int64), origin)
    number = {name: i for i, name in enumerate(names)}
    return np.array([number.get(str(name), UNKNOWN) for name in array], dtype=np.int64), tuple(names)


def natural(name: str) -> tuple[int, int, str, str]:
    """Sort key that puts "2" before "10", and numbers before words."""
    if not (name.isascii() and name.isdecimal()):
        return 1, 0, "", name
    digits = name.lstrip("0")
    return 0, len(digits), digits, name
