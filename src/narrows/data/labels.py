"""Labels in any usual form become class numbers, and names where they have some."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.errors import DataError

UNKNOWN = -1
FEW = 20  # numbers up to this are class numbers, even where few of them occur: digits may be 7 and 9 alone
MOST_DIGITS = 18  # that always fit in int64

# What may be asked of labels that is neither a column, an array nor a file.
LABEL_ANSWERS = frozenset({"", "auto", "none", "folders"})
# What columns of tables and arrays in files are called when they hold labels.
LABEL_WORDS = frozenset({"label", "labels", "y", "target", "targets", "class", "classes"})
# What stands in a table where nothing is known, in any case of letters: R, pandas, databases and people write these.
MISSING = frozenset({"", "na", "n/a", "<na>", "nan", "none", "null", "-"})


def as_labels(raw: Any, n: int, origin: str = "labels") -> tuple[Array, tuple[str, ...] | None]:
    """Turn labels into class numbers.

    Parameters
    ----------
    raw : (N,) or (N, 1) whole numbers, booleans or strings; or one-hot (N, C). Negative numbers, NaN, None, and strings
        that say as much ("", "NA", "nan", "null", "-") are unknown
    n : N, the number of rows there are to label
    origin : where they came from, for messages

    Returns
    -------
    labels : int64 (N,), -1 where unknown
    names : of class 0, 1, ... where labels were strings, or numbers far apart (years, codes); otherwise None

    Raises
    ------
    DataError : wrong length, or values that are not classes
    """
    array = np.asarray(raw)
    if array.ndim == 0 or len(array) != n:
        raise DataError(
            origin,
            f"must have one label for each of the {n:,} rows",
            value=f"{len(array) if array.ndim else 1:,} labels",
        )
    if array.ndim == 2 and array.shape[1] > 1:
        return _from_one_hot(array, origin), None
    if array.ndim > 2:
        raise DataError(origin, "must be (N,), or one-hot (N, C)", value=f"shape {array.shape}")
    array = array.reshape(n)
    if array.dtype == object:
        array = _from_objects(array, origin)
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(origin, "must be text in UTF-8", remedy=f"{error}.") from error
    if array.dtype.kind == "U":
        known = ["" if is_missing(label) else label for label in array.tolist()]
        fraction = next(filter(is_fraction, known), None)
        if fraction is not None and all(is_number(label) for label in known if label):
            raise _no_classes(fraction, origin)
        return from_names(known, origin)
    if array.dtype.kind not in "buif":
        raise DataError(origin, "must be whole numbers or strings", value=f"dtype {array.dtype}")
    return _from_numbers(array, origin)


def from_names(names: Sequence[str], origin: str = "labels") -> tuple[Array, tuple[str, ...] | None]:
    """Turn names of classes into class numbers, as ``as_labels`` does, but take every name as it is; "" is unknown."""
    found = sorted(set(names) - {""}, key=natural)
    if all(re.fullmatch(r"[+-]?[0-9]+(\.0*)?", name) for name in found):
        wholes = {name: name.partition(".")[0] for name in found}
        for name, whole in wholes.items():
            if len(whole.lstrip("+-0")) > MOST_DIGITS:
                raise _too_large(name, origin)
        numbers = {name: int(whole) for name, whole in wholes.items()}
        return _from_numbers(np.array([numbers.get(name, UNKNOWN) for name in names], dtype=np.int64), origin)
    number = {name: i for i, name in enumerate(found)}
    return np.array([number.get(name, UNKNOWN) for name in names], dtype=np.int64), tuple(found)


def is_missing(label: str) -> bool:
    """Whether a cell says that the label is unknown."""
    return label.strip().lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, as tables write it: 1_2 is a name, although Python reads it as 12."""
    if "_" in cell:
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_fraction(cell: str) -> bool:
    """Whether a cell is a number but not a whole one: a measurement, not a class."""
    return is_number(cell) and math.isfinite(float(cell)) and float(cell) % 1 != 0


def called_labels(header: Sequence[str]) -> list[int]:
    """Return the columns with a name of labels; y is none beside x, where both are coordinates."""
    names = [name.strip().lower() for name in header]
    return [i for i, name in enumerate(names) if name in LABEL_WORDS and not (name == "y" and "x" in names)]


def about_missing(raw: Any) -> list[str]:
    """Return a sentence about words such as "NA" that were taken for unknown labels, where there are any."""
    array = np.asarray(raw)
    strings = array.ravel().astype(str).tolist() if array.dtype.kind in "US" else []
    words = Counter(label for label in strings if label.strip() and is_missing(label))
    if not words:
        return []
    listed = ", ".join(repr(word) for word, _ in words.most_common())
    what, was = ("label", "was") if words.total() == 1 else ("labels", "were")
    return [f"{words.total():,} {what} ({listed}) {was} read as unknown."]


def labels_file(text: str) -> tuple[Path, str] | None:
    """Return the file that ``text`` names, and the column or key after a colon ("" without one); None if it names none.

    ``labels.csv:species`` is the column of a table, ``labels.npz:y`` an array among several. A file whose name has the
    colon itself comes first.
    """
    name, colon, part = text.rpartition(":")
    for file, inside in ((text, ""), (name, part.strip())) if colon and part.strip() else ((text, ""),):
        try:
            path = Path(file).expanduser()
            if path.is_file():
                return path, inside
        except (OSError, RuntimeError, ValueError):  # too long, or closed to us; no such user; a zero byte
            pass
    return None


def _from_objects(array: Array, origin: str) -> Array:
    """Return Python objects as strings or numbers; None, NaN and pandas' NA among them are unknown.

    Raises
    ------
    DataError : objects of other kinds, or strings beside numbers
    """
    pandas = sys.modules.get("pandas")  # its NA exists only where it has been imported, and cannot be compared
    is_na = pandas.isna if pandas else lambda label: label is None or (isinstance(label, float) and math.isnan(label))
    unknown = np.array([bool(is_na(label)) for label in array], bool)
    known = array[~unknown]
    if all(isinstance(label, str) for label in known):
        return np.where(unknown, "", array).astype(str)
    if all(isinstance(label, int | float | np.number) and abs(float(label)) <= 2**53 for label in known):
        return np.array([np.nan if gone else label for label, gone in zip(array, unknown, strict=True)], np.float64)
    raise DataError(origin, "must be whole numbers or strings", value="Python objects of other kinds")


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
            raise _no_classes(float(wrong[0]) if len(wrong) else "infinity", origin)
        array = np.maximum(array, UNKNOWN)
    if array.dtype.kind in "uf" and array.max(initial=0) >= 2**63:
        raise _too_large(array.max().item(), origin)
    numbers = np.maximum(array.astype(np.int64), UNKNOWN)
    values = np.unique(numbers[numbers >= 0])
    # Numbers far apart are codes, such as years: a class for each in between would be empty.
    if numbers.max(initial=0) <= max(FEW, 2 * len(values)):
        return numbers, None
    return np.where(numbers < 0, UNKNOWN, np.searchsorted(values, numbers)), tuple(str(value) for value in values)


def _no_classes(value: object, origin: str) -> DataError:
    return DataError(
        origin,
        "must be classes: whole numbers or strings",
        value=value,
        remedy="Set labels to 'none' if these are measurements.",
    )


def _too_large(value: object, origin: str) -> DataError:
    return DataError(
        origin,
        "must be class numbers below 2^63, or strings",
        value=value,
        remedy="Number the classes from 0, or add a letter in front if these are names.",
    )


def natural(name: str) -> tuple[int, int, str, str]:
    """Sort key that puts "2" before "10", and numbers before words."""
    if not (name.isascii() and name.isdecimal()):
        return 1, 0, "", name
    digits = name.lstrip("0")
    return 0, len(digits), digits, name
