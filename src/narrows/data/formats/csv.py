"""Tables of numbers: .csv, .tsv and their kin, one vector a row."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from narrows.data import columns
from narrows.data.formats import Options, Raw, Reader
from narrows.data.labels import called_labels, is_number, labels_file
from narrows.errors import DataError, nearest
from narrows.files import Array

__all__ = ["Csv"]

SAMPLE_LINES = 20
LARGEST = float(np.finfo(np.float32).max)  # of what becomes a vector
INDEX = "Unnamed: 0"  # what pandas calls a first column without a name: the index of the table it wrote
MANY = 10  # whole numbers 0, 1, 2, ... in a row, from which on they are no measurement


@dataclass(frozen=True)
class Layout:
    """How a table is written."""

    path: Path | str  # or what a table that is no file is called
    delimiter: str
    header: list[str]  # a name for each column, no two alike; empty where the table has none
    n_columns: int
    counts: bool  # whether the header is 0, 1, 2, ...

    @property
    def index(self) -> int | None:
        """The column in which pandas and R write the names of the rows: the first, where it has no name."""
        return 0 if self.header[:1] == [INDEX] else None

    @property
    def called(self) -> str:
        """The table, in messages."""
        return Path(self.path).name

    def name(self, column: int) -> str:
        return repr(self.header[column]) if self.header else f"number {column}"

    def ignoring(self, column: int) -> str:
        return f"ignore=[{self.header[column]!r}]" if self.header else f"ignore=[{column}]"

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


@dataclass(frozen=True)
class Parts:
    """What the columns of a table hold."""

    label: int | None
    identity: int | None
    data: columns.Columns
    notes: list[str]


class Csv(Reader):
    """Reads rows of numbers; one column may hold labels, and one named ``id`` (or a pandas index) the rows' names.

    Columns without a single number are left out, with a note.
    """

    reads = ".csv and .tsv tables of numbers"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is named .csv or .tsv."""
        return path.is_file() and path.suffix.lower() in (".csv", ".tsv")

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read the table as vectors."""
        (path,) = paths
        try:
            layout = _layout(path)
            parts = parts_of(layout, options)
            wanted = [column for column in (parts.label, parts.identity) if column is not None]
            texts = [] if parts.data.positions == list(range(layout.n_columns)) else _texts(layout, wanted)
            values, names, notes = _values(layout, parts.data, choose=not options.columns)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(str(path), "must be a table of text in UTF-8", remedy=f"{error}.") from error
        if layout.header and names is not None and not options.columns:
            notes = [columns.about(names), *notes]
        labels = None if parts.label is None else texts[0]
        ids = () if parts.identity is None else tuple(texts[-1])
        if len(set(ids)) != len(ids):
            if parts.identity != layout.index:
                raise DataError(str(path), "must name each row once in its column 'id'", value="names that occur twice")
            ids = ()
        choices = tuple(layout.header) or tuple(str(column) for column in range(layout.n_columns))
        return Raw(
            values, labels=labels, label_choices=choices, columns=None if names is None else tuple(names), ids=ids,
            notes=(*parts.notes, *parts.data.notes, *notes),
        )  # fmt: skip


# How the table is written


def _layout(path: Path) -> Layout:
    """Find out delimiter and header from the first lines."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        sample = [line for line in itertools.islice(file, SAMPLE_LINES) if line.strip()]
    if not sample:
        raise DataError(str(path), "must have at least one row", value="an empty file")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else columns.delimiter(sample)
    rows = list(csv.reader(sample, delimiter=delimiter, skipinitialspace=True))
    first, second = rows[0], rows[1] if len(rows) > 1 else []
    words = [not is_number(cell) for cell in first]
    counts = _counts(first, rows[1:])
    has_header = (
        all(words)
        or counts
        or any(word and is_number(below) for word, below in zip(words, second, strict=False) if below.strip())
    )
    if has_header and len(rows) == 1:
        raise DataError(str(path), "must have at least one row of numbers", value="a header alone")
    return Layout(path, delimiter, _names(first) if has_header else [], len(first), counts)


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


# What its columns hold


def parts_of(layout: Layout, options: Options) -> Parts:
    """Tell labels, ids and data apart."""
    n, origin = layout.n_columns, str(layout.path)
    chosen, _ = columns.find(options.columns, layout.header, n)
    ignored, _ = columns.find(options.ignore, layout.header, n)
    label, notes = _label_column(layout, options.labels_word, {*chosen, *ignored})
    if label in chosen:
        raise DataError("labels", "must be another column than those asked for as data", value=options.labels_word)
    # A column called label holds no measurement, whether labels are wanted or not.
    others = [i for i in called_labels(layout.header) if i not in (label, *chosen, *ignored)]
    if others:
        names = ", ".join(layout.name(column) for column in others)
        notes.append(f"Left out, because of names that labels have: {names}.")
    by_id = next((i for i, name in enumerate(layout.header) if name.lower() == "id"), None)
    names_of_rows = [i for i in (by_id, layout.index) if i is not None and i not in (label, *chosen, *ignored)]
    free = [i for i in range(n) if i not in (label, *others, *names_of_rows)]
    if layout.index in names_of_rows:
        notes.append("The first column, which has no name, was taken as the index of the rows and not as data.")
    if by_id in names_of_rows:
        notes.append(f"The column {layout.name(by_id)} was taken as the names of the rows and not as data.")
    if layout.counts:
        notes.append("The first row, which counts 0, 1, 2, ..., was read as the names of the columns, not as data.")
    data = columns.choose(free, n, layout.header, options.columns, options.ignore, origin)
    return Parts(label, names_of_rows[0] if names_of_rows else None, data, notes)


def _label_column(layout: Layout, asked: str, taken: set[int]) -> tuple[int | None, list[str]]:
    """Return the column of the labels that are wanted, and a note if nobody named it; unasked, none of ``taken``."""
    if asked in layout.header:
        return layout.header.index(asked), []
    if re.fullmatch("-?[0-9]{1,9}", asked) and -layout.n_columns <= int(asked) < layout.n_columns:
        return int(asked) % layout.n_columns, []
    if asked == "auto" and (found := [column for column in called_labels(layout.header) if column not in taken]):
        if len(found) > 1:
            raise DataError(
                str(layout.path), "must have one column that is called as labels are, or have it named by labels",
                value=", ".join(layout.header[column] for column in found),
                remedy=f"Say labels={layout.name(found[0])}, for one; the others are left out.",
            )  # fmt: skip
        return found[0], [f"The column {layout.name(found[0])} was taken as labels; they only score."]
    if asked in ("", "auto", "none", "folders") or labels_file(asked) is not None:
        return None, []
    raise DataError(
        "labels", f"must name a column of {layout.called}, by its header or its number from 0", value=asked,
        remedy=nearest(asked, layout.header) if layout.header else f"It has {layout.n_columns} columns and no header.",
    )  # fmt: skip


# What its cells hold


def _values(layout: Layout, data: columns.Columns, *, choose: bool) -> tuple[Array, list[str] | None, list[str]]:
    """Return the columns as float64 (N, D), their names, and notes; columns of words are left out, where allowed.

    Parameters
    ----------
    layout : of the table
    data : the columns
    choose : whether columns without a number are left out; otherwise they are an error
    """
    positions, names, notes = data.positions, data.names, []
    values = _numbers(layout, positions) if positions else None
    if values is None and choose and (words := _words(layout, positions)):
        kept = [i for i, column in enumerate(positions) if column not in words]
        positions, names = [positions[i] for i in kept], names and [names[i] for i in kept]
        notes.append(_about_words(layout, words))
        values = _numbers(layout, positions) if positions else None
    if not positions:
        raise DataError(
            str(layout.path), "must have at least one column of numbers besides labels and ids", value="none",
            remedy=" ".join(notes) or None,
        )  # fmt: skip
    return _numbers_one_by_one(layout, positions) if values is None else values, names, notes


def _numbers(layout: Layout, positions: list[int]) -> Array | None:
    """Return the columns as float64 (N, D), quickly; None where a cell is no finite number."""
    # Without usecols, rows of unequal length are noticed; with it, ``_texts`` has looked for them.
    usecols = None if positions == list(range(layout.n_columns)) else positions
    try:
        values: Array = np.loadtxt(
            layout.path, dtype=np.float64, delimiter=layout.delimiter, skiprows=_header_lines(layout),
            usecols=usecols, quotechar='"', comments=None, encoding="utf-8-sig", ndmin=2,
        )  # fmt: skip
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
                    f"must write numbers with a point and without commas; column {layout.name(column)} does not",
                    value=f"{cell!r} in line {line}",
                    remedy=f"Replace its commas first, or leave it out: {layout.ignoring(column)}.",
                )  # fmt: skip
            if is_number(cell):
                del words[column]
            else:
                words[column] = words[column] or cell
        if not words:
            break
    return words


def _about_words(layout: Layout, words: dict[int, str]) -> str:
    named = [f"{layout.name(column)} ({f'such as {cell!r}' if cell else 'empty'})" for column, cell in words.items()]
    shown = ", ".join(named[: columns.MOST_NAMED]) + (", ..." if len(named) > columns.MOST_NAMED else "")
    return f"Left out, because they hold no numbers: {shown}. If one of them holds labels, name it: labels=COLUMN."


def _numbers_one_by_one(layout: Layout, positions: list[int]) -> Array:
    """Read as the fast way does, slowly, to say in which column and line the trouble lies."""
    rows: list[list[float]] = []
    empty, first_empty = 0, ""
    for line, cells in layout.lines():
        row = []
        for column in positions:
            cell = cells[column].strip()
            try:
                number = float(cell) if cell else np.nan
            except ValueError:
                raise DataError(
                    str(layout.path), f"must hold numbers; column {layout.name(column)} does not",
                    value=f"{cell!r} in line {line}",
                    remedy=f"Correct the cell, or leave the column out: {layout.ignoring(column)}.",
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
            remedy=f"The first is in {first_empty}. Fill them in, delete those rows, or leave columns out with ignore.",
        )  # fmt: skip
    return np.array(rows, dtype=np.float64)


def _texts(layout: Layout, positions: list[int]) -> list[list[str]]:
    """Return the cells of each column as they stand. Every row is looked at, and must be complete."""
    rows = [[cells[column].strip() for column in positions] for _, cells in layout.lines()]
    return [list(column) for column in zip(*rows, strict=True)]


def _header_lines(layout: Layout) -> int:
    """Return how many lines of the file the header takes, blank ones before it included."""
    if not layout.header:
        return 0
    with open(layout.path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter)
        for row in reader:
            if any(cell.strip() for cell in row):
                return reader.line_num
    return 0


def _is_whole(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", cell) is not None
