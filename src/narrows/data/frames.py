"""Tables whose columns have names and types already: dataframes, and files that hold such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import narwhals.stable.v2 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from narrows.data import columns, metadata, vectors
from narrows.data.arrays import require_room
from narrows.data.formats import Options, Raw
from narrows.data.parts import Header, parts_of
from narrows.disk.files import Array
from narrows.errors import DataError

#: What stands in a column: numbers (N,), vectors (N, D), or words.
Content = Array | tuple[str, ...]

LEVEL = re.compile(r"__index_level_[0-9]+__")  # what pandas calls an index without a name in a file
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4}  # bytes of a value of Parquet; of any other, 8 or more
PARQUET = (".parquet", ".pq")  # how its files are named


def is_frame(source: Any) -> bool:
    """Whether ``source`` is a dataframe in memory: of pandas, polars, pyarrow or the like."""
    return bool(nw.dependencies.is_into_dataframe(source))


def read(frame: Any, options: Options, origin: str = "dataframe") -> Raw:
    """Read a dataframe as a file of the same table is read: labels, ids and data told apart by the columns' names.

    The names of the rows are those of a column ``id``, or else its index, where that is none of mere numbers.

    Raises
    ------
    DataError : columns that are not there, no column of numbers, or cells without one
    """
    asked = (*options.columns, *options.ignore, options.labels_word)
    of_index = [name for name in _levels(frame) if name not in asked]
    return of_columns(*_parted(frame, origin, of_index), options, origin)


def of_parquet(paths: Sequence[Path]) -> Any:
    """Return what files hold that have the same columns, as a table of pyarrow.

    Raises
    ------
    DataError : pyarrow is not installed; files that are damaged, promise more than memory holds, or do not fit together
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            str(paths[0]),
            "needs pyarrow, which is not installed",
            remedy="pip install 'narrows[parquet]', or save the table as .csv.",
        ) from error
    path, held = paths[0], 0
    try:
        tables = []
        for path in paths:
            with parquet.ParquetFile(path) as file:
                # Equal values take no room in the file, so its size says nothing of what it holds.
                require_room((file.metadata.num_rows, file.metadata.num_columns), np.dtype(np.float64), str(path))
                held += _bytes_of(file.metadata)
                require_room((held,), np.dtype(np.uint8), str(path))
                tables.append(file.read())
        return pyarrow.concat_tables(tables)
    except MemoryError as error:  # of texts, whose lengths the file does not say beforehand
        raise DataError(str(path), "must fit in the memory that is free", remedy=f"{error}.") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(str(path), "must be an undamaged Parquet table", remedy=f"{error}.") from error


def contents_of(frame: Any, origin: str = "dataframe") -> tuple[list[str], list[Content]]:
    """Return the names of the columns of a dataframe, and what stands in each.

    Raises
    ------
    DataError : two columns of one name
    """
    try:
        table = nw.from_native(frame, eager_only=True)
        names = [str(name) for name in table.columns]
    except DuplicateError as error:
        raise DataError(origin, "must name each column once", value=str(error)) from error
    if len(set(names)) < len(names):
        raise DataError(origin, "must name each column once", value=next(n for n in names if names.count(n) > 1))
    return names, [_content(column) for column in table.iter_columns()]


def described(frame: Any, origin: str = "dataframe") -> dict[str, metadata.Column]:
    """Return the columns of a dataframe that hold no vectors, as metadata has them, and its index as the first."""
    names, contents, index = _parted(frame, origin)
    found: dict[str, metadata.Column] = {"index": index} if index else {}
    known = zip(names, contents, strict=True)
    return found | {name: _described(content) for name, content in known if not _holds_vectors(content)}


def with_values(frame: Any, names: Sequence[str], values: Array) -> Any:
    """Return columns ``values`` (N, D) as a dataframe of the same library, or as they are where names are numbers."""
    table = nw.from_native(frame, eager_only=True)
    if not all(isinstance(name, str) for name in table.columns):
        return values
    return nw.from_numpy(values, schema=list(names), backend=table.implementation).to_native()


def of_columns(
    names: Sequence[str], contents: Sequence[Content], index: Sequence[str], options: Options, origin: str
) -> Raw:
    """Tell labels, ids, data and what else is known of rows apart; ``index`` names rows where no column does.

    A column of vectors is the data, unless other columns are asked for: its numbers are columns with names of their
    own, ``embedding[0]`` and so on. What is neither data nor ids nor labels is metadata.

    Raises
    ------
    DataError : as ``read``; or several columns of vectors, of which nobody chose one
    """
    places = [
        (column, at)
        for column, content in enumerate(contents)
        for at in (range(content.shape[1]) if _holds_vectors(content) else [None])
    ]
    header = [names[column] if at is None else f"{names[column]}[{at}]" for column, at in places]
    options, notes = _about_vectors(names, contents, options, origin)
    parts = parts_of(Header(origin, header, len(header), counts=False), options)
    positions, kept = parts.data.positions, parts.data.names or []
    notes += [*parts.notes, *parts.data.notes] if not notes else parts.notes
    words = [i for i in positions if isinstance(contents[places[i][0]], tuple)]
    if words and options.columns:
        raise DataError("columns", "must be numbers", value=header[words[0]])
    if words:
        notes.append(f"Not read as data, because they are not numbers: {columns.listed([header[i] for i in words])}.")
        kept = [header[i] for i in positions if i not in words]
        positions = [i for i in positions if i not in words]
    if not positions:
        raise DataError(origin, "must have at least one column of numbers apart from labels and ids", value="none")
    if not options.columns:
        notes.insert(0, columns.about(kept))
    data = {places[i][0] for i in positions}
    label = None if parts.label is None else contents[places[parts.label][0]]
    ids = index
    if parts.identity is not None:
        ids = metadata.written(_described(contents[places[parts.identity][0]]))
    known = {*data, *(places[i][0] for i in (parts.label, parts.identity) if i is not None)}
    if len(set(ids)) < len(ids):
        if parts.identity is not None:
            raise DataError(origin, "must have unique values in its column 'id'", value="repeated values")
        notes.append("The index has repeated values, so rows are identified by number.")
        ids = ()
    return Raw(
        _values(contents, [places[i] for i in positions]),
        labels=np.array(label) if isinstance(label, tuple) else label,
        label_choices=tuple(header),
        columns=tuple(kept),
        ids=tuple(ids),
        notes=tuple(notes),
        metadata={
            name: _described(content)
            for column, (name, content) in enumerate(zip(names, contents, strict=True))
            if column not in known and not _holds_vectors(content)
        },
    )


def _about_vectors(
    names: Sequence[str], contents: Sequence[Content], options: Options, origin: str
) -> tuple[Options, list[str]]:
    """Return options that ask for the numbers in a column of vectors, and a sentence where nobody named it."""
    parts = {
        name: vectors.named(name, content.shape[1])
        for name, content in zip(names, contents, strict=True)
        if _holds_vectors(content)
    }
    asked = tuple(part for name in options.columns for part in parts.get(name, [name]))
    ignored = tuple(part for name in options.ignore for part in parts.get(name, [name]))
    free = [name for name in parts if name not in options.ignore and name != options.labels_word]
    notes = []
    if not asked and len(free) > 1:
        raise DataError(
            origin,
            "has several columns of vectors, so one must be named",
            value=columns.listed(free),
            remedy=f"Set columns, for example columns=[{free[0]!r}].",
        )
    if not asked and free:
        asked = tuple(parts[free[0]])
        notes.append(f"The column {free[0]!r}, which holds vectors of {len(asked):,} numbers, was read as the data.")
        ignored = ()  # whatever else there is, is no data
    return replace(options, columns=asked, ignore=ignored), notes


def _values(contents: Sequence[Content], places: Sequence[tuple[int, int | None]]) -> Array:
    """Return the columns at ``places`` as (N, D): whole numbers where all are, else float64 or float32."""
    column, content = places[0][0], contents[places[0][0]]
    if _holds_vectors(content) and list(places) == [(column, at) for at in range(content.shape[1])]:
        return np.ascontiguousarray(content)
    taken = [
        np.asarray(contents[column])[..., at or 0] if at is not None else contents[column] for column, at in places
    ]
    if all(np.asarray(one).dtype.kind in "iu" for one in taken):
        return np.column_stack(taken)
    return np.column_stack([np.asarray(one, np.float64) for one in taken])


def _holds_vectors(content: Content) -> TypeGuard[Array]:
    return not isinstance(content, tuple) and content.ndim == 2


def _bytes_of(file: Any) -> int:
    """Return how many bytes all values of a Parquet file take, those in lists too, by its own metadata."""
    groups = map(file.row_group, range(file.num_row_groups))
    parts = (group.column(i) for group in groups for i in range(group.num_columns))
    return sum(part.num_values * WIDTHS.get(part.physical_type, 8) for part in parts)


def _described(content: Content) -> metadata.Column:
    return content if isinstance(content, tuple) else metadata.of_values(content, "column")


def _parted(frame: Any, origin: str, of_index: Sequence[str] = ()) -> tuple[list[str], list[Content], tuple[str, ...]]:
    """Return names and contents of the columns of a dataframe, and its index, which may be columns of a file.

    ``of_index`` are those of them that have a name; what describes rows keeps them under it.
    """
    names, contents = contents_of(frame, origin)
    kept = [i for i, name in enumerate(names) if not (LEVEL.fullmatch(name) or name in of_index)]
    levels = [metadata.written(_described(contents[i])) for i in range(len(names)) if i not in kept]
    index = _index(frame) or tuple("/".join(parts) for parts in zip(*levels, strict=True))
    return [names[i] for i in kept], [contents[i] for i in kept], index


def _index(frame: Any) -> tuple[str, ...]:
    """Return the index of a pandas dataframe; none where it merely counts the rows."""
    index = nw.maybe_get_index(nw.from_native(frame, eager_only=True))
    if index is None or (index.dtype.kind in "iu" and (np.asarray(index) == np.arange(len(index))).all()):
        return ()
    return tuple("/".join(map(str, item)) if isinstance(item, tuple) else str(item) for item in index)


def _levels(frame: Any) -> list[str]:
    """Return which columns of a table of pyarrow are the index of the dataframe that was made one."""
    if not nw.dependencies.is_pyarrow_table(frame):
        return []
    try:
        said = (frame.schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in said if isinstance(name, str)]  # an index that only counts is no column
    except (ValueError, TypeError, AttributeError, RecursionError):  # a stranger's file says what it likes
        return []


def _content(column: nw.Series[Any]) -> Content:
    dtype, unknown = column.dtype, column.null_count()
    if dtype.is_numeric() or dtype == nw.Boolean:
        numbers = np.asarray(column.cast(nw.Float64).to_numpy() if unknown else column.to_numpy())
        numbers = numbers.astype(np.float64) if numbers.dtype == object else numbers
        return ("",) * len(numbers) if np.isnan(numbers).all() and len(numbers) else numbers  # an empty column
    if dtype == nw.Unknown and (plain := np.asarray(column.to_numpy())).dtype.kind in "biuf":  # of zeros mostly
        return plain
    are_arrow = dtype in (nw.List, nw.Array) and column.implementation.is_pyarrow()
    if are_arrow and (lists := vectors.of_arrow(column.to_native())) is not None:
        return lists
    if isinstance(dtype, nw.Datetime | nw.Date | nw.Duration | nw.Time):
        column = column.cast(nw.String)
    gone = column.is_null().to_list()
    items = [None if is_gone else item for item, is_gone in zip(column.to_list(), gone, strict=True)]
    if (found := vectors.of_lists(items)) is not None:
        return found
    known = metadata.of_values(items, str(column.name))
    found = vectors.of_texts(known) if isinstance(known, tuple) else None
    return known if found is None else found
