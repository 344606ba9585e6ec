"""Files that hold several arrays by name: which of them is the data, and which its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping

from narrows.data.formats import Options
from narrows.data.labels import LABEL_WORDS
from narrows.errors import DataError, nearest

DATA_WORDS = frozenset({"images", "image", "x", "data", "features", "pixels", "vectors", "codes"})

Shapes = Mapping[str, tuple[int, ...]]


def choose(shapes: Shapes, options: Options, origin: str) -> tuple[str, str | None, list[str]]:
    """Choose the data and its labels among arrays.

    The data are ``options.key``; otherwise the only array with two to four axes whose name is not a label's, the only
    one of those with a usual name (``images``, ``x_train``, ``data``), or the one with most rows. Labels are what
    ``options.labels`` names; with "auto", an array with a label's name that has as many rows.

    Returns
    -------
    key, label_key : of the data; of the labels, or None
    notes : what else there was to choose from

    Raises
    ------
    DataError : no such key, or nothing that stands out
    """
    key, notes = options.key, []
    if key is None:
        key, others = _data_key(shapes, origin)
        if others:
            notes.append(f"{key} was read as the data; the file also contains {', '.join(others)}.")
    elif key not in shapes:
        raise DataError("key", f"must name an array in {origin}", value=key, remedy=nearest(key, shapes))
    if options.labels_word in shapes:
        return key, options.labels_word, notes
    label_key = _label_key(shapes, key) if options.labels_word == "auto" else None
    if label_key is not None:
        notes.append(f"{label_key} was read as labels, used only for scoring.")
    return key, label_key, notes


def _data_key(shapes: Shapes, origin: str) -> tuple[str, list[str]]:
    candidates = [
        key for key, shape in shapes.items() if 2 <= len(shape) <= 4 and shape[0] > 1 and not _words(key) & LABEL_WORDS
    ]
    usual = [key for key in candidates if _words(key) & DATA_WORDS]
    most = max((shapes[key][0] for key in candidates), default=0)
    for group in (candidates, usual, [key for key in candidates if shapes[key][0] == most]):
        if len(group) == 1:
            return group[0], [key for key in candidates if key != group[0]]
    raise DataError(
        origin,
        "must contain one array that is clearly the data; otherwise name it with key",
        value=f"{len(shapes)} arrays",
        remedy="It contains " + ", ".join(f"{key} {shape}" for key, shape in shapes.items()) + ".",
    )


def _label_key(shapes: Shapes, key: str) -> str | None:
    """Return the labels' key that belongs to ``key``: train_labels to train_data, y to x."""
    n = shapes[key][0]
    found = [
        name
        for name, shape in shapes.items()
        if name != key and _words(name) & LABEL_WORDS and shape and n in (shape[0], shape[-1]) and len(shape) <= 2
    ]
    partners = [name for name in found if _words(name) - LABEL_WORDS == _words(key) - DATA_WORDS]
    return next((group[0] for group in (partners, found) if len(group) == 1), None)


def _words(key: str) -> set[str]:
    """Split a name at underscores, dots, digits' edges and capitals: trainX -> {train, x}."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", key)}
