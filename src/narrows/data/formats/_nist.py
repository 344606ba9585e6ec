"""NIST36's layout: square images one a row, column after column as MATLAB stores them, and one-hot labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.data.formats import Options, Raw
from narrows.data.scale import OVERSHOOT
from narrows.data.sizes import SMALLEST_SIDE
from narrows.disk.files import Array
from narrows.errors import DataError

PARTS = ("train", "valid", "test")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the data.

    Parameters
    ----------
    name : what its rows are called by
    split : "train", "valid" or "test"
    images : (N, side, side), upright
    labels : one-hot (N, C)
    """

    name: str
    split: str
    images: Array
    labels: Array


def is_clear(arrays: dict[str, Array]) -> bool:
    """Whether arrays of a file can be nothing but images in this layout.

    There is ``train_data`` (N, side * side) with one-hot ``train_labels`` (N, C), or those of another part; the side is
    at least 8, because there are many tables with 4, 9 or 16 columns; and values lie in 0..1 or 0..255.
    """
    found = [split for split in PARTS if f"{split}_data" in arrays]
    for split in found:
        data, labels = arrays[f"{split}_data"], arrays.get(f"{split}_labels")
        if labels is None or data.ndim != 2 or data.dtype.kind not in "buif" or not len(data):
            return False
        if _side(data) < SMALLEST_SIDE or not _is_one_hot(labels, len(data)):
            return False
        if not (data.min() >= -OVERSHOOT and data.max() <= 255):
            return False
    return bool(found)


def part(arrays: dict[str, Array], split: str, name: str, origin: str) -> Part:
    """Return one part of the data from the arrays of a file.

    Raises
    ------
    DataError : an array is missing, or is not what it should be
    """
    data, labels = (_array(arrays, f"{split}_{what}", origin) for what in ("data", "labels"))
    side = _side(data) if data.ndim == 2 else 0
    if side < 1:
        raise DataError(
            f"{origin}: {split}_data", "must be (N, side * side), one square image per row", value=data.shape
        )
    if not _is_one_hot(labels, len(data)):
        raise DataError(
            f"{origin}: {split}_labels",
            f"must be one-hot, one row for each of the {len(data)} images",
            value=labels.shape,
        )
    return Part(name, split, data.reshape(-1, side, side).transpose(0, 2, 1), labels)


def join(parts: Sequence[Part], options: Options, origin: str) -> Raw:
    """Put the parts together, one after the other.

    With 36 classes they are called A to Z, then 0 to 9, with 26 A to Z (NIST26), and by their numbers otherwise.

    Raises
    ------
    DataError : parts of different sizes or numbers of classes
    """
    if len({part.images.shape[1:] for part in parts}) > 1:
        raise DataError(origin, "must contain images of one size", value=[part.images.shape for part in parts])
    counts = {part.labels.shape[1] for part in parts}
    if len(counts) > 1:
        raise DataError(origin, "must have the same classes in all parts", value=f"{sorted(counts)} classes")
    images = np.concatenate([part.images for part in parts])  # (N, side, side)
    (n_classes,) = counts
    names = LETTERS[:n_classes] if n_classes in (26, 36) else tuple(str(i) for i in range(n_classes))
    classes = np.concatenate([part.labels.argmax(1) for part in parts])  # (N,)
    side = images.shape[1]
    return Raw(
        images,
        # Other labels than the source's own are seen to where they are asked for.
        labels=classes if options.labels_word == "auto" else None,
        label_names=names,
        split=np.repeat([part.split for part in parts], [len(part.images) for part in parts]),
        ids=tuple(f"{part.name}/{row}" for part in parts for row in range(len(part.images))),
        notes=(f"Rows of {side * side} values were read as images of {side}x{side}, column after column.",),
    )


def _side(data: Array) -> int:
    """Return the side of the square images in rows (N, side * side); 0 where they are none."""
    side = math.isqrt(data.shape[1])
    return side if side * side == data.shape[1] else 0


def _array(arrays: dict[str, Array], key: str, origin: str) -> Array:
    if key not in arrays or not len(arrays[key]):
        raise DataError(origin, f"must contain {key} with at least one row", value=", ".join(arrays) or "nothing")
    return arrays[key]


def _is_one_hot(labels: Array, n: int) -> bool:
    if labels.ndim != 2 or len(labels) != n or labels.shape[1] < 2:
        return False
    return bool(np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all())
