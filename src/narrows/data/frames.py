"""Dataframes: tables whose columns have names and types already."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from narrows.data import columns
from narrows.data.formats import Options, Raw
from narrows.data.formats.csv import Layout, Parts, parts_of
from narrows.errors import DataError


def is_frame(source: Any) -> bool:
    """Whether ``source`` is a dataframe of pandas, which can be one only where pandas has been imported."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def read(frame: Any, options: Options) -> Raw:
    """Read a dataframe as a file of the same table is read: labels, ids and data told apart by the columns' names.

    Raises
    ------
    DataError : columns that are not there, no column of numbers, or cells without one
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise DataError("dataframe", "must name each column once", value=next(n for n in names if names.count(n) > 1))
    layout = Layout("dataframe", ",", names, len(names), counts=False)
    parts: Parts = parts_of(layout, options)
    positions, kept, notes = parts.data.positions, parts.data.names or [], [*parts.notes, *parts.data.notes]
    words = [i for i in positions if frame.dtypes.iloc[i].kind not in "buif"]
    if words and options.columns:
        raise DataError("columns", "must be numbers", value=names[words[0]])
    if words:
        notes.append(f"Left out, because they hold no numbers: {columns.listed([names[i] for i in words])}.")
        kept = [names[i] for i in positions if i not in words]
        positions = [i for i in positions if i not in words]
    if not positions:
        raise DataError("dataframe", "must have at least one column of numbers besides labels and ids", value="none")
    table = frame.iloc[:, positions]
    whole = all(dtype.kind in "iu" for dtype in table.dtypes)
    values = table.to_numpy(dtype=None if whole else np.float64, na_value=np.nan)
    if not options.columns:
        notes.insert(0, columns.about(kept))
    text = frame.iloc[:, parts.identity].astype(str).tolist() if parts.identity is not None else []
    return Raw(
        np.ascontiguousarray(values), labels=None if parts.label is None else frame.iloc[:, parts.label].to_numpy(),
        label_choices=tuple(names), columns=tuple(kept), ids=tuple(text), notes=tuple(notes),
    )  # fmt: skip
