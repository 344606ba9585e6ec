"""Tables of numbers: .csv, .tsv and their kin, one vector a row."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from narrows.data.formats import Options, Raw, Reader
from narrows.data.labels import LABEL_WORDS, labels_file
from narrows.errors import DataError, nearest
from narrows.files import Array

__all__ = ["Csv"]

SAMPLE_LINES = 20
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class _Layout:
    """How a table is written."""

    path: Path
    delimiter: str
    header: list[str]  # empty when there is none
    n_columns: int

    def name(self, column: int) -> str:
        return repr(self.header[column]) if self.header else f"number {column}"

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of every row but the header, blank lines left out.

        Raises
        ------
        DataError : a row with more or fewer cells than the first
        """
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, skipinitialspace=True)
            rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
            for line, cells in itertools.islice(rows, 1 if self.header else 0, None):
                if len(cells) != self.n_columns:
                    raise DataError(
                        str(self.path), f"must have {self.n_columns} cells in every row",
                        value=f"{len(cells)} in line {line}",
                    )  # fmt: skip
                yield line, cells


class Csv(Reader):
    """Reads rows of numbers; one column may hold labels, and one named ``id`` the rows' names."""

    reads = ".csv and .tsv tables of numbers"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is named .csv or .tsv."""
        return path.is_file() and path.suffix.lower() in (".csv", ".tsv")

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read the table as float32 vectors."""
        (path,) = paths
        try:
            layout = _layout(path)
            label, notes = _label_column(layout, options.labels_word)
            identity = next((i for i, name in enumerate(layout.header) if name.lower() == "id" and i != label), None)
            # A column called label holds no measurement, whether labels are wanted or not.
            left_out = [column for column in _called_labels(layout) if column != label]
            if left_out:
                names = ", ".join(layout.name(column) for column in left_out)
                notes = (*notes, f"Left out, because of names that labels have: {names}.")
            numbers = [column for column in range(layout.n_columns) if column not in (label, identity, *left_out)]
            if not numbers:
                raise DataError(str(path), "must have at least one column of numbers besides labels and ids")
            values = _numbers(layout, numbers)
            labels = None if label is None else _texts(layout, label)
            ids = () if identity is None else tuple(_texts(layout, identity))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(str(path), "must be a table of text in UTF-8", remedy=f"{error}.") from error
        if len(set(ids)) != len(ids):
            raise DataError(str(path), "must name each row once in its column 'id'", value="names that occur twice")
        choices = tuple(layout.header) or tuple(str(column) for column in range(layout.n_columns))
        return Raw(values, labels=labels, label_choices=choices, ids=ids, notes=notes)


def _layout(path: Path) -> _Layout:
    """Find out delimiter and header from the first lines."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        sample = [line for line in itertools.islice(file, SAMPLE_LINES) if line.strip()]
    if not sample:
        raise DataError(str(path), "must have at least one row", value="an empty file")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(sample)
    rows = list(csv.reader(sample, delimiter=delimiter, skipinitialspace=True))
    first, second = rows[0], rows[1] if len(rows) > 1 else []
    words = [not _is_number(cell) for cell in first]
    has_header = all(words) or any(
        word and _is_number(below) for word, below in zip(words, second, strict=False) if below.strip()
    )
    if has_header and len(rows) == 1:
        raise DataError(str(path), "must have at least one row of numbers", value="a header alone")
    return _Layout(path, delimiter, [cell.strip() for cell in first] if has_header else [], len(first))


def _delimiter(sample: list[str]) -> str:
    """Return the character that divides all lines of the sample into the same number of cells, more than one."""
    for delimiter in (",", ";", "\t", "|", " "):
        counts = {len(row) for row in csv.reader(sample, delimiter=delimiter, skipinitialspace=True)}
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return max(",;\t", key=sample[0].count)


def _called_labels(layout: _Layout) -> list[int]:
    """Return the columns with a name of labels; y is none beside x, where both are coordinates."""
    names = [name.lower() for name in layout.header]
    return [i for i, name in enumerate(names) if name in LABEL_WORDS and not (name == "y" and "x" in names)]


def _label_column(layout: _Layout, asked: str) -> tuple[int | None, tuple[str, ...]]:
    """Return the column of the labels that are wanted, and a note if nobody named it."""
    if asked in layout.header:
        return layout.header.index(asked), ()
    if re.fullmatch("-?[0-9]{1,9}", asked) and -layout.n_columns <= int(asked) < layout.n_columns:
        return int(asked) % layout.n_columns, ()
    if asked == "auto" and (found := _called_labels(layout)):
        if len(found) > 1:
            raise DataError(
                str(layout.path), "must have one column that is called as labels are, or have it named by labels",
                value=", ".join(layout.header[column] for column in found),
                remedy=f"Say labels={layout.name(found[0])}, for one; the others are left out.",
            )  # fmt: skip
        return found[0], (f"The column {layout.name(found[0])} was taken as labels; they only score.",)
    if asked in ("", "auto", "none", "folders") or labels_file(asked) is not None:
        return None, ()
    raise DataError(
        "labels", f"must name a column of {layout.path.name}, by its header or its number from 0", value=asked,
        remedy=nearest(asked, layout.header) if layout.header else f"It has {layout.n_columns} columns and no header.",
    )  # fmt: skip


def _numbers(layout: _Layout, columns: list[int]) -> Array:
    """Return the columns as float32 (N, D)."""
    # Without usecols, rows of unequal length are noticed.
    usecols = None if len(columns) == layout.n_columns else columns
    try:
        with np.errstate(over="ignore"):
            values: Array = np.loadtxt(
                layout.path, dtype=np.float32, delimiter=layout.delimiter, skiprows=_header_lines(layout),
                usecols=usecols, quotechar='"', comments=None, encoding="utf-8-sig", ndmin=2,
            )  # fmt: skip
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        return _numbers_one_by_one(layout, columns)
    fits = values.shape[1] == len(columns) and np.isfinite(values).all()
    return values if fits else _numbers_one_by_one(layout, columns)


def _numbers_one_by_one(layout: _Layout, columns: list[int]) -> Array:
    """Read as the fast way does, slowly, to say in which column and line the trouble lies."""
    rows: list[list[float]] = []
    empty, first_empty = 0, ""
    for line, cells in layout.lines():
        row = []
        for column in columns:
            cell = cells[column].strip()
            try:
                number = float(cell) if cell else np.nan
            except ValueError:
                raise DataError(
                    str(layout.path), f"must hold numbers; column {layout.name(column)} does not",
                    value=f"{cell!r} in line {line}",
                    remedy=f"If these are labels, say so: labels={layout.name(column) if layout.header else column!r}. "
                    "Otherwise delete the column or turn it into numbers.",
                ) from None  # fmt: skip
            if not abs(number) <= LARGEST:
                empty += 1
                first_empty = first_empty or f"line {line}, column {layout.name(column)}"
            row.append(number)
        rows.append(row)
    if empty:
        raise DataError(
            str(layout.path), "must hold a finite number in every cell",
            value=f"{empty:,} cells that are empty, NaN or too large",
            remedy=f"The first is in {first_empty}. Fill them in or delete those rows first.",
        )  # fmt: skip
    return np.array(rows, dtype=np.float32)


def _texts(layout: _Layout, column: int) -> list[str]:
    return [cells[column].strip() for _, cells in layout.lines()]


def _header_lines(layout: _Layout) -> int:
    """Return how many lines of the file the header takes, blank ones before it included."""
    if not layout.header:
        return 0
    with open(layout.path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter)
        for row in reader:
            if any(cell.strip() for cell in row):
                return reader.line_num
    return 0


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
