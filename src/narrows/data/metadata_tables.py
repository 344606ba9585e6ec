"""Tables of metadata, and how their rows are matched to the rows of the data: by a cell, or in order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data import frames
from narrows.data.labels import labels_file
from narrows.data.metadata import Column, of_texts, of_values, taken, written
from narrows.data.row_tables import ID_WORDS, below_header, cells_of, names_of, require_even
from narrows.disk.files import Array
from narrows.errors import DataError
from narrows.wording import out_of, plural

Columns = dict[str, Column]

TENSORS, METADATA = "tensors", "metadata"  # how the embedding projector names the two halves of what it shows


def read(
    asked: Any, ids: Sequence[str], positions: Array | None = None, n_source: int | None = None
) -> tuple[Columns, list[str]]:
    """Return what a table knows of rows, and sentences about how they were found in it.

    A table names the rows in a column that is called as ids are (``id``, ``file``, ``filename``, ``path``, ...; the
    index of a dataframe), or whose cells are ids of rows for the greater part: by the whole id, its file name or that
    without extension. A table that names none has a row for each, in order, below a header or not, as the count says;
    so it is read too where rows are numbers that its ids are not.

    Parameters
    ----------
    asked : a .csv, .tsv (both also as .gz) or .parquet; a dataframe; or a mapping of names to columns (N,)
    ids : of the rows, (N,)
    positions, n_source : of each row among the rows of the source, and how many these are, where some were left out

    Returns
    -------
    columns : name -> (N,), unknown where the table has no row for a row of the data
    notes : how rows were found, and how many were not

    Raises
    ------
    DataError : a table that cannot be read, does not match the rows, or has two different rows for one
    """
    n = len(ids)
    counts = {n, n_source or n}
    origin, cells, typed = _opened(asked)
    names_of_rows = names_of(ids)
    known = {name for row in names_of_rows for name in row}
    of_ids = None if isinstance(asked, Mapping) else _id_column(cells, ids, known)
    if of_ids is None:
        header = len(cells) - 1 in counts if typed is None else True
        rows = len(cells) - header
        if rows not in counts:
            there = f"{n:,}" if len(counts) == 1 else f"{n:,} (or the {n_source:,} of the source)"
            raise DataError(
                origin,
                f"must identify rows by their ids, or have one row for each of {there}",
                value=plural(rows, "row"),
                remedy=f"Ids look like {ids[0]!r}.",
            )
        at = np.arange(n) if rows == n or positions is None else positions
        names = cells[0] if header else [f"column {i}" for i in range(len(cells[0]))]
        body = cells[header:]
        notes = [f"Metadata: {plural(len(names), 'column')} of {origin}, in order, used only to describe rows."]
    else:
        table = below_header(Path(origin), cells, of_ids, known)
        body, header_ = (table.rows, table.header) if typed is None else (cells[1:], cells[0])
        names = header_ or [f"column {i}" for i in range(len(cells[0]))]
        at, notes = _by_id([row[of_ids] for row in body], body, names_of_rows, known, origin, repr(names[of_ids]))
    if typed is not None:
        columns = list(typed.values())
    else:
        columns = [of_texts([row[i].strip() for row in body]) for i in range(len(names))]
    found = {name: column for i, (name, column) in enumerate(zip(_unique(names), columns, strict=True)) if i != of_ids}
    if not found:
        raise DataError(origin, "must have a column apart from the ids", value=names[of_ids or 0])
    return _placed(found, at), notes


def beside(path: Path) -> Path | None:
    """Return the table of metadata that belongs to a table of tensors by its name, if there is one."""
    stem, _, rest = path.name.rpartition(TENSORS)
    other = path.with_name(f"{stem}{METADATA}{rest}")
    return other if other != path and TENSORS in path.name and other.is_file() else None


def _opened(asked: Any) -> tuple[str, list[list[str]], Columns | None]:
    """Return what a table is called, its cells with its header first, and its columns where they have types."""
    if isinstance(asked, str | os.PathLike):
        found = labels_file(os.fspath(asked))
        if found is None or found[1]:
            raise DataError("metadata", 'must be an existing table, or "none"', value=os.fspath(asked))
        path = found[0]
        if path.suffix.lower() not in frames.PARQUET:
            cells = cells_of(path)
            require_even(path, cells)
            return path.name, cells, None
        origin, typed = path.name, frames.described(frames.of_parquet([path]), str(path))
    elif isinstance(asked, Mapping):
        origin, typed = "metadata", {str(name): of_values(column, str(name)) for name, column in asked.items()}
        if len({len(column) for column in typed.values()}) > 1:
            raise DataError("metadata", "must have columns of equal length", value=[len(c) for c in typed.values()])
    elif frames.is_frame(asked):
        origin, typed = "the dataframe", frames.described(asked)
    else:
        raise DataError(
            "metadata",
            "must be a file (.csv, .tsv, .parquet), a dataframe or a mapping of columns",
            value=type(asked).__name__,
        )
    if not typed:
        raise DataError(origin, "must have at least one column that is not a vector", value="none")
    return origin, [list(typed), *map(list, zip(*map(written, typed.values()), strict=True))], typed


def _id_column(cells: list[list[str]], ids: Sequence[str], known: Collection[str]) -> int | None:
    """Return the column that names the rows; None if the table is in the order of the rows.

    Raises
    ------
    DataError : a column that is called as ids are, of which none is that of a row
    """
    texts = [[row[i] for row in cells] for i in range(len(cells[0]))]
    hits = [sum(any(key in known for key in _keys(cell)) for cell in column) for column in texts]
    called = [i for i, column in enumerate(texts) if column[0].strip().lower() in ID_WORDS]
    best = max(called, key=lambda i: (hits[i], -i), default=None)
    if list(ids) == [str(row) for row in range(len(ids))]:  # of rows without names any column of numbers could speak
        return best if best is not None and 0 < hits[best] == len(cells) - 1 else None
    if best is not None and hits[best]:
        return best
    clear = [i for i, n in enumerate(hits) if 2 * n >= len(cells) and len(set(texts[i])) == len(cells)]
    if clear or best is None:
        return max(clear, key=lambda i: hits[i], default=None)
    raise DataError(
        "metadata",
        f"must identify rows by their ids, but column {texts[best][0]!r} matches none",
        value=texts[best][-1],
        remedy=f"Ids look like {ids[0]!r}. Correct the column, or rename it if the table has the rows in order.",
    )


def _by_id(
    keys: Sequence[str],
    rows: Sequence[Sequence[str]],
    names: Sequence[Sequence[str]],
    known: Collection[str],
    origin: str,
    column: str,
) -> tuple[Array, list[str]]:
    """Return the row of the table (N,) that speaks of each row by one of its names, -1 where none does, and notes."""
    first: dict[str, int] = {}
    speaks, twice = 0, Counter[str]()
    for i, cell in enumerate(keys):
        key = next((key for key in _keys(cell) if key in known), None)
        speaks += key is not None
        if key is not None and first.setdefault(key, i) != i and rows[first[key]] != rows[i]:
            twice[key] += 1
    if twice:
        raise DataError(
            origin,
            "must have at most one row for each row of the data",
            value=f"{plural(len(twice), 'id')} with several rows",
            remedy=f"One is {next(iter(twice))!r}. Merge its rows into one.",
        )
    places = [sorted({first[name] for name in row if name in first}) for row in names]
    several = next((i for i, found in enumerate(places) if len(found) > 1), None)
    if several is not None:
        raise DataError(
            origin, "must have at most one row for each row of the data", value=f"two rows for {names[several][0]}"
        )
    at = np.array([found[0] if found else -1 for found in places], np.int64)
    matched = int((at >= 0).sum())
    notes = [
        f"Metadata: {plural(len(rows[0]) - 1, 'column')} of {origin}, by its column {column}, for "
        f"{out_of(matched, len(names), 'row')}, used only to describe rows."
    ]
    if unused := len(keys) - speaks:
        notes.append(f"{plural(unused, 'row')} of {origin} {'names' if unused == 1 else 'name'} no row of the data.")
    return at, notes


def _keys(cell: str) -> tuple[str, ...]:
    """Return what a cell may name a row by: as it stands, without blanks, and as the last part of a path."""
    bare = cell.strip()
    return cell, bare, bare.replace("\\", "/").rpartition("/")[2]


def _placed(columns: Columns, at: Array) -> Columns:
    """Return the rows ``at`` of columns; where that is -1 nothing is known."""
    known = taken(columns, np.maximum(at, 0))
    gone = at < 0
    return {
        name: tuple("" if is_gone else word for word, is_gone in zip(column, gone, strict=True))
        if isinstance(column, tuple)
        else np.where(gone, np.nan, column)
        for name, column in known.items()
    }


def _unique(names: Sequence[str]) -> list[str]:
    """Return names without blanks, numbered where two are alike or one is empty."""
    made: list[str] = []
    for i, name in enumerate(names):
        bare = name.strip() or f"column {i}"
        made.append(bare if bare not in made else f"{bare} ({i})")
    return made
