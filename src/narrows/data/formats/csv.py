"""Tables of numbers: .csv, .tsv and their kin, one vector a row."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short

import numpy as np

from narrows.data import columns, frames, metadata, vectors
from narrows.data.formats import Options, Raw, Reader
from narrows.data.labels import is_number
from narrows.data.parts import Header, parts_of
from narrows.data.text import has_tabs, is_table, long_cells, open_text
from narrows.disk.files import Array
from narrows.errors import DataError

__all__ = ["Csv"]

SAMPLE_LINES = 20
LARGEST = float(np.finfo(np.float32).max)  # of what becomes a vector
MANY = 10  # whole numbers 0, 1, 2, ... in a row, from which on they are not a measurement


@dataclass(frozen=True)
class Layout(Header):
    """How a file of text is written.

    Parameters
    ----------
    path : of the file
    delimiter : what stands between cells
    """

    path: Path
    delimiter: str

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of every row but the header, blank lines left out.

        Raises
        ------
        DataError : a row with more or fewer cells than the first
        """
        with open_text(self.path) as file:
            reader = csv.reader(file, delimiter=self.delimiter, skipinitialspace=True)
            rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
            for line, cells in itertools.islice(rows, 1 if self.names else 0, None):
                if len(cells) != self.n_columns:
                    raise DataError(
                        str(self.path),
                        f"must have {self.n_columns} cells in every row",
                        value=f"{len(cells)} in line {line}",
                    )
                yield line, cells


class Csv(Reader):
    """Reads rows of numbers; one column may hold labels, and one named ``id`` (or a pandas index) the rows' names.

    Columns without a single number are left out, with a note.
    """

    reads = ".csv and .tsv tables of numbers, also as .gz"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is named .csv or .tsv, packed or not."""
        return path.is_file() and is_table(path)

    @long_cells()
    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read the table as vectors."""
        (path,) = paths
        try:
            layout = _layout(path)
            if any(map(vectors.is_listed, next(layout.lines(), (0, []))[1])):
                contents = [_content(cells) for cells in _texts(layout, range(layout.n_columns))]
                return frames.of_columns(layout.choices, contents, (), options, str(path))
            parts = parts_of(layout, options)
            unlabelled = parts.label is None and options.labels_word == "auto"
            values, positions, names, notes = _values(
                layout, parts.data, choose=not options.columns, unlabelled=unlabelled
            )
            others = [column for column in range(layout.n_columns) if column not in positions]
            texts = dict(zip(others, _texts(layout, others), strict=True)) if others else {}
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(str(path), "must be a table of text in UTF-8", remedy=f"{error}.") from error
        if layout.names and names is not None and not options.columns:
            notes = [columns.about(names), *notes]
        ids = () if parts.identity is None else tuple(texts[parts.identity])
        if len(set(ids)) != len(ids):
            if parts.identity != layout.index:
                raise DataError(str(path), "must have unique values in its column 'id'", value="repeated values")
            ids = ()
        return Raw(
            values,
            labels=None if parts.label is None else texts[parts.label],
            label_choices=layout.choices,
            columns=None if names is None else tuple(names),
            ids=ids,
            metadata={
                layout.choices[column]: metadata.of_texts(cells)
                for column, cells in texts.items()
                if column not in (parts.label, parts.identity)
            },
            notes=(*parts.notes, *parts.data.notes, *notes),
        )


# How the table is written


def _layout(path: Path) -> Layout:
    """Find out delimiter and header from the first lines."""
    with open_text(path) as file:
        sample = [line for line in itertools.islice(file, SAMPLE_LINES) if line.strip()]
    if not sample:
        raise DataError(str(path), "must have at least one row", value="an empty file")
    delimiter = "\t" if has_tabs(path) else columns.delimiter(sample)
    rows = list(csv.reader(sample, delimiter=delimiter, skipinitialspace=True))
    first, second = rows[0], rows[1] if len(rows) > 1 else []
    words = [not is_number(cell) for cell in first]
    counts = _counts(first, rows[1:])
    has_header = not any(map(vectors.is_listed, first)) and (
        all(words)
        or counts
        or any(word and is_number(below) for word, below in zip(words, second, strict=False) if below.strip())
    )
    if has_header and len(rows) == 1:
        raise DataError(str(path), "must have at least one row of numbers", value="a header alone")
    return Layout(str(path), _names(first) if has_header else [], len(first), counts, path, delimiter)


def _counts(first: list[str], below: list[list[str]]) -> bool:
    """Whether the numbers in the first row are 0, 1, 2, ...: names that a program gave to columns that had none.

    A row of data may begin to count as well. It is taken for names where numbers below have decimals, which these
    lack, or where there are many; and not where the next row goes on counting. Two numbers say nothing: 0, 1 is the
    first point of many a curve.
    """
    numbers = [i for i, cell in enumerate(first) if is_number(cell)]
    counting = [str(i) for i in range(2 * len(numbers))]
    if [first[i].strip() for i in numbers] != counting[: len(numbers)] or len(numbers) < 3:
        return False
    rows = [[row[i].strip() for i in numbers] for row in below if len(row) == len(first)]
    if not rows or rows[0] == counting[len(numbers) :]:
        return False
    has_decimals = [
        all(is_number(cell) and not _is_whole(cell) for cell in column) for column in zip(*rows, strict=True)
    ]
    return any(has_decimals) or len(numbers) >= MANY


def _names(header: list[str]) -> list[str]:
    """Return a name for each column, as pandas gives them: "Unnamed: 2" where there is none, "x.1" for a second x."""
    names: list[str] = []
    for column, cell in enumerate(header):
        name = cell.strip() or f"Unnamed: {column}"
        others = (f"{name}.{i}" for i in itertools.count(1))
        names.append(name if name not in names else next(other for other in others if other not in names))
    return names


# What its cells hold


def _values(
    layout: Layout, data: columns.Columns, *, choose: bool, unlabelled: bool
) -> tuple[Array, list[int], list[str] | None, list[str]]:
    """Return the columns as float64 (N, D), where they stand, their names, and notes; words are left out if allowed.

    Parameters
    ----------
    layout : of the table
    data : the columns
    choose : whether columns without a number are left out; otherwise they are an error
    unlabelled : whether a column that is left out may hold the labels
    """
    positions, names, notes = data.positions, data.names, []
    values = _numbers(layout, positions) if positions else None
    if values is None and choose and (words := _words(layout, positions)):
        kept = [i for i, column in enumerate(positions) if column not in words]
        positions, names = [positions[i] for i in kept], names and [names[i] for i in kept]
        hint = " If one of them is the labels, name it: labels=COLUMN." if unlabelled else ""
        notes.append(_about_words(layout, words) + hint)
        values = _numbers(layout, positions) if positions else None
    if not positions:
        raise DataError(
            str(layout.path),
            "must have at least one column of numbers apart from labels and ids",
            value="none",
            remedy=" ".join(notes) or None,
        )
    return _numbers_one_by_one(layout, positions) if values is None else values, positions, names, notes


def _numbers(layout: Layout, positions: list[int]) -> Array | None:
    """Return the columns as float64 (N, D), quickly; None where a cell is not a finite number."""
    # Without usecols, rows of unequal length are noticed; with it, ``_texts`` has looked for them.
    usecols = None if positions == list(range(layout.n_columns)) else positions
    try:
        with open_text(layout.path) as file:
            values: Array = np.loadtxt(
                file,
                dtype=np.float64,
                delimiter=layout.delimiter,
                skiprows=_header_lines(layout),
                usecols=usecols,
                quotechar='"',
                comments=None,
                ndmin=2,
            )
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        return None
    return values if values.shape[1] == len(positions) and (np.abs(values) <= LARGEST).all() else None


def _words(layout: Layout, positions: list[int]) -> dict[int, str]:
    """Return the columns in which no cell is a number, and the first cell of each that is not empty.

    Raises
    ------
    DataError : they are numbers after all, written with a comma for the decimal point
    """
    words = dict.fromkeys(positions, "")
    for line, cells in layout.lines():
        for column in list(words):
            cell = cells[column].strip()
            if re.fullmatch(r"[+-]?[0-9.]*,[0-9]+", cell):
                raise DataError(
                    str(layout.path),
                    f"must use a decimal point and no commas in numbers; column {layout.name(column)} does not",
                    value=f"{cell!r} in line {line}",
                    remedy=f"Replace the commas first, or leave the column out: {layout.ignoring(column)}.",
                )
            if is_number(cell):
                del words[column]
            else:
                words[column] = words[column] or cell
        if not words:
            break
    return words


def _about_words(layout: Layout, words: dict[int, str]) -> str:
    named = [
        f"{layout.name(column)} ({f'such as {short(cell)}' if cell else 'empty'})" for column, cell in words.items()
    ]
    shown = ", ".join(named[: columns.MOST_NAMED]) + (", ..." if len(named) > columns.MOST_NAMED else "")
    return f"Not read as data, because they are not numbers: {shown}."


def _numbers_one_by_one(layout: Layout, positions: list[int]) -> Array:
    """Read as the fast way does, slowly, to say in which column and line the trouble lies."""
    rows: list[list[float]] = []
    empty, first_empty = 0, ""
    for line, cells in layout.lines():
        row = []
        for column in positions:
            cell = cells[column].strip()
            if cell and not is_number(cell):
                raise DataError(
                    str(layout.path),
                    f"must contain numbers; column {layout.name(column)} does not",
                    value=f"{cell!r} in line {line}",
                    remedy=f"Correct the cell, or leave the column out: {layout.ignoring(column)}.",
                )
            number = float(cell) if cell else np.nan
            if not abs(number) <= LARGEST:
                empty += 1
                first_empty = first_empty or f"line {line}, column {layout.name(column)}"
            row.append(number)
        rows.append(row)
    if empty:
        raise DataError(
            str(layout.path),
            "must have a finite number in every cell",
            value=f"{empty:,} cells that are empty, NaN or too large",
            remedy=f"The first is in {first_empty}. Fill them in, delete those rows, or leave columns out with ignore.",
        )
    return np.array(rows, dtype=np.float64)


def _content(cells: list[str]) -> frames.Content:
    """Return what a column of text holds: vectors, numbers or words."""
    found = vectors.of_texts(cells)
    return metadata.of_texts(cells) if found is None else found


def _texts(layout: Layout, positions: Sequence[int]) -> list[list[str]]:
    """Return the cells of each column as they stand. Every row is looked at, and must be complete."""
    rows = [[cells[column].strip() for column in positions] for _, cells in layout.lines()]
    return [list(column) for column in zip(*rows, strict=True)]


def _header_lines(layout: Layout) -> int:
    """Return how many lines of the file the header takes, blank ones before it included."""
    if not layout.names:
        return 0
    with open_text(layout.path) as file:
        reader = csv.reader(file, delimiter=layout.delimiter)
        for row in reader:
            if any(cell.strip() for cell in row):
                return reader.line_num
    return 0


def _is_whole(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", cell) is not None
