"""Training, validation and test images in MATLAB files of their own, as NIST36 comes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from narrows.data.formats import Options, Raw, Reader
from narrows.data.formats.mat import read_arrays
from narrows.errors import DataError
from narrows.files import Array

__all__ = ["DividedMat"]

PARTS = ("train", "valid", "test")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")  # what the columns of 36 one-hot labels stand for


class DividedMat(Reader):
    """Reads a folder with ``*train*.mat`` and, where there are, ``*valid*.mat`` and ``*test*.mat``.

    Each holds ``train_data`` (N, side * side), square images with their columns one after the other, and one-hot
    ``train_labels`` (N, C); likewise for the other parts. With 36 columns the classes are A to Z, then 0 to 9.
    """

    reads = "folders of train, valid and test .mat files (NIST36)"
    goes_first = True  # a folder of such files is no folder of pictures

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder with a file of training images."""
        return path.is_dir() and "train" in _files(path)

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Put the parts together, in the order training, validation, test."""
        images, labels, split, ids = [], [], [], []
        for part, path in _files(paths[0]).items():
            arrays = read_arrays(path)
            values = _array(arrays, f"{part}_data", path)
            side = math.isqrt(values.shape[1]) if values.ndim == 2 else 0
            if side < 1 or side * side != values.shape[1]:
                raise DataError(
                    f"{path.name}: {part}_data", "must be (N, side * side), one square image a row", value=values.shape
                )
            images.append(values.reshape(-1, side, side).transpose(0, 2, 1))  # MATLAB writes columns first
            labels.append(_classes(_array(arrays, f"{part}_labels", path), len(values), f"{path.name}: {part}_labels"))
            split.append(np.full(len(values), part))
            ids += [f"{path.stem}/{row}" for row in range(len(values))]
        if len({part.shape[1:] for part in images}) > 1:
            raise DataError(str(paths[0]), "must hold images of one size", value=[part.shape for part in images])
        classes = np.concatenate(labels)
        names = LETTERS if int(classes.max()) == len(LETTERS) - 1 else tuple(map(str, range(int(classes.max()) + 1)))
        return Raw(
            np.concatenate(images), labels=classes, label_names=names, split=np.concatenate(split), ids=tuple(ids)
        )


def _files(folder: Path) -> dict[str, Path]:
    """Return the file of each part; nothing if a part has several."""
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for path in sorted(folder.glob("*.mat")):
        words = re.findall(r"[a-z]+", path.stem.lower())
        for part in PARTS:
            if part in words or f"{part}ation" in words or (part == "valid" and "val" in words):
                found[part].append(path)
    if any(len(paths) > 1 for paths in found.values()):
        return {}
    return {part: paths[0] for part, paths in found.items() if paths}


def _array(arrays: dict[str, Array], key: str, path: Path) -> Array:
    if key not in arrays or not len(arrays[key]):
        raise DataError(str(path), f"must hold {key} with at least one row", value=", ".join(arrays) or "nothing")
    return arrays[key]


def _classes(labels: Array, n: int, origin: str) -> Array:
    """Return class numbers (N,) of one-hot rows (N, C)."""
    one_hot = labels.ndim == 2 and len(labels) == n and np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all()
    if not one_hot:
        raise DataError(origin, f"must be one-hot, one row for each of the {n} images", value=labels.shape)
    classes: Array = labels.argmax(1).astype(np.int64)
    return classes
