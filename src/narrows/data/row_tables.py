"""Tables about the rows of the data: their cells, and the column that identifies the rows."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from narrows.data import columns, frames, metadata, text
from narrows.data.labels import LABEL_WORDS
from narrows.errors import DataError

#: What the column is called that names the rows.
ID_WORDS = (
    "id",
    "path",
    "file",
    "filename",
    "image",
    "name",
    "file_name",
    "filepath",
    "file_path",
    "image_id",
    "image_name",
    "image_path",
    "index",
)
SAMPLE_LINES = 20  # by which the delimiter is told


@dataclass(frozen=True)
class Table:
    """Rows of cells below the header, if there is one, and what the columns are called (nothing without one)."""

    path: Path
    rows: list[list[str]]
    header: list[str]

    def cells(self, column: int) -> list[str]:
        """Return the cells of a column, without the blanks around them."""
        return [row[column].strip() for row in self.rows]

    def called(self, column: int) -> str:
        """Return a column as messages name it."""
        return repr(self.header[column]) if self.header else f"number {column}"

    def ask_for(self, column: int) -> str:
        """Return what a person writes to get the labels from this column."""
        return f"{self.path.name}:{self.header[column] if self.header else column}"


def is_table(path: Path) -> bool:
    """Whether a file is named like a table."""
    return text.is_table(path) or path.suffix.lower() in frames.PARQUET


@text.long_cells()
def cells_of(path: Path) -> list[list[str]]:
    """Return the cells of a table, row by row: of text, packed or not, or of Parquet, below the names of its columns.

    Raises
    ------
    DataError : a table that is empty or cannot be read
    """
    if path.suffix.lower() in frames.PARQUET:
        described = frames.described(frames.of_parquet([path]), str(path))
        return [list(described), *map(list, zip(*map(metadata.written, described.values()), strict=True))]
    try:
        with text.open_text(path) as file:
            lines = file.readlines()
        sample = [line for line in lines if line.strip()][:SAMPLE_LINES]
        if not sample:
            raise DataError(str(path), "must have at least one row", value="an empty file")
        delimiter = "\t" if text.has_tabs(path) else columns.delimiter(sample, spaces=False)
        # Blanks may belong to an id, but none before a quote does.
        blanks = any(f'{delimiter} "' in line for line in lines)
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=blanks)
        return [row for row in rows if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(str(path), "must be a table of text in UTF-8", remedy=f"{error}.") from error


def require_even(path: Path, cells: list[list[str]]) -> None:
    """Refuse a table of which a row has more or fewer cells than the first.

    Raises
    ------
    DataError : it has
    """
    width = len(cells[0])
    wrong = next((i for i, row in enumerate(cells) if len(row) != width), None)
    if wrong is not None:
        raise DataError(
            str(path), f"must have {width} cells in every row", value=f"{len(cells[wrong])} in row {wrong + 1}"
        )


def id_column(cells: list[list[str]], known: Collection[str], *, numbered: bool) -> int | None:
    """Return the column whose cells are the ids of rows; None where there is none.

    Rows that are ``numbered`` are told by a column without repeats alone: classes are small numbers too.
    """
    first = [cell.strip().lower() for cell in cells[0]]
    hits = [sum(row[i] in known or row[i].strip() in known for row in cells) for i in range(len(first))]
    called = [i for i, word in enumerate(first) if word in ID_WORDS and not recurs(cells, i)]
    if called:
        return max(called, key=lambda i: (hits[i], -ID_WORDS.index(first[i])))
    # Numbers from 0 may be ids of rows, but a column of ids names none of them twice.
    unique = [i for i, n in enumerate(hits) if n and len({row[i] for row in cells}) == len(cells)]
    candidates = unique or [i for i, n in enumerate(hits) if n and not numbered]
    return max(candidates, key=lambda i: (hits[i], -i)) if candidates else None


def recurs(cells: list[list[str]], column: int) -> bool:
    """Whether the first cell of a column is repeated below: then it is a value, not a header."""
    return any(row[column] == cells[0][column] for row in cells[1:])


def below_header(path: Path, cells: list[list[str]], of_ids: int, known: Collection[str]) -> Table:
    """Tell the header from the rows: its words are known, or it names no row and comes nowhere again."""
    first = [cell.strip() for cell in cells[0]]
    words = [
        i
        for i, word in enumerate(first)
        if (word.lower() in LABEL_WORDS or word.lower() in ID_WORDS) and not recurs(cells, i)
    ]
    names_a_row = cells[0][of_ids] in known or first[of_ids] in known
    values = [i for i, word in enumerate(first) if i != of_ids and word and recurs(cells, i)]
    is_header = bool(words) and (not names_a_row or of_ids in words)
    if is_header or not (names_a_row or values):
        return Table(path, cells[1:], first)
    return Table(path, cells, [])


def names_of(ids: Sequence[str]) -> list[list[str]]:
    """Return the names each row answers to: its id, then its file name and stem where no other row shares them."""
    files = [i.rpartition("/")[2] for i in ids]
    shorter = [[file, os.path.splitext(file)[0]] for file in files]
    counts = Counter(name for names in shorter for name in set(names))
    return [[i, *(name for name in names if counts[name] == 1)] for i, names in zip(ids, shorter, strict=True)]
