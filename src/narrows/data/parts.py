"""Which columns of a table hold labels, the names of the rows, and data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from narrows.data import columns
from narrows.data.formats import Options
from narrows.data.labels import LABEL_ANSWERS, called_labels, labels_file
from narrows.errors import DataError, nearest

INDEX = "Unnamed: 0"  # what pandas calls a first column without a name: the index of the table it wrote


@dataclass(frozen=True)
class Header:
    """What the columns of a table are called.

    Parameters
    ----------
    origin : the table, in messages
    names : a name for each column, no two alike; empty where the table has none
    n_columns : how many there are
    counts : whether the names are 0, 1, 2, ..., and stand in the first row
    """

    origin: str
    names: list[str]
    n_columns: int
    counts: bool

    @property
    def index(self) -> int | None:
        """The column in which pandas and R write the names of the rows: the first, where it has no name."""
        return 0 if self.names[:1] == [INDEX] else None

    @property
    def choices(self) -> tuple[str, ...]:
        """What a person may call the columns: their names, or else their numbers from 0."""
        return tuple(self.names) or tuple(str(column) for column in range(self.n_columns))

    def name(self, column: int) -> str:
        """Return a column as messages name it."""
        return repr(self.names[column]) if self.names else f"number {column}"

    def ignoring(self, column: int) -> str:
        """Return what a person says to leave a column out."""
        return f"ignore=[{self.names[column]!r}]" if self.names else f"ignore=[{column}]"


@dataclass(frozen=True)
class Parts:
    """What the columns of a table hold.

    Parameters
    ----------
    label, identity : the columns of labels and of the names of rows, if there are any
    data : the others that are data
    notes : sentences about what was taken for what
    """

    label: int | None
    identity: int | None
    data: columns.Columns
    notes: list[str]


def parts_of(header: Header, options: Options) -> Parts:
    """Tell labels, ids and data apart."""
    n, origin = header.n_columns, header.origin
    chosen, _ = columns.find(options.columns, header.names, n)
    ignored, _ = columns.find(options.ignore, header.names, n)
    label, notes = _label_column(header, options.labels_word, {*chosen, *ignored})
    if label in chosen:
        raise DataError("labels", "must be a column that is not in columns", value=options.labels_word)
    # A column called label holds no measurement, whether labels are wanted or not.
    others = [i for i in called_labels(header.names) if i not in (label, *chosen, *ignored)]
    if others:
        names = ", ".join(header.name(column) for column in others)
        notes.append(f"Left out, because their names suggest labels: {names}.")
    by_id = next((i for i, name in enumerate(header.names) if name.lower() == "id"), None)
    names_of_rows = [i for i in (by_id, header.index) if i is not None and i not in (label, *chosen, *ignored)]
    free = [i for i in range(n) if i not in (label, *others, *names_of_rows)]
    if header.index in names_of_rows:
        notes.append("The first column has no name and was read as row ids, not as data.")
    if by_id in names_of_rows:
        notes.append(f"The column {header.name(by_id)} was read as row ids, not as data.")
    if header.counts:
        notes.append("The first row counts 0, 1, 2, ... and was read as column names, not as data.")
    data = columns.choose(free, n, header.names, options.columns, options.ignore, origin)
    return Parts(label, names_of_rows[0] if names_of_rows else None, data, notes)


def _label_column(header: Header, asked: str, taken: set[int]) -> tuple[int | None, list[str]]:
    """Return the column of the labels that are wanted, and a note if nobody named it; unasked, none of ``taken``."""
    if asked in header.names:
        return header.names.index(asked), []
    if re.fullmatch("-?[0-9]{1,9}", asked) and -header.n_columns <= int(asked) < header.n_columns:
        return int(asked) % header.n_columns, []
    if asked == "auto" and (found := [column for column in called_labels(header.names) if column not in taken]):
        if len(found) > 1:
            raise DataError(
                header.origin,
                "has several columns that could be the labels, so one must be named",
                value=", ".join(header.names[column] for column in found),
                remedy=f"Set labels, for example labels={header.name(found[0])}; the others are left out.",
            )
        return found[0], [f"The column {header.name(found[0])} was read as labels, used only for scoring."]
    if asked in LABEL_ANSWERS or labels_file(asked) is not None:
        return None, []
    raise DataError(
        "labels",
        f"must name a column of {PurePath(header.origin).name} by its header or number, from 0",
        value=asked,
        remedy=nearest(asked, header.names) if header.names else f"It has {header.n_columns} columns and no header.",
    )
