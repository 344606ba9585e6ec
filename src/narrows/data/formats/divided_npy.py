"""Rows without labels and a few with, in NumPy files of their own, as the colour-embedding data come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from narrows.data.formats import Options, Raw, Reader
from narrows.data.formats.npy import Npy
from narrows.data.labels import UNKNOWN, as_labels
from narrows.disk.files import Array
from narrows.errors import DataError

__all__ = ["DividedNpy"]

FILES = ("trainX", "valX", "valY")


class DividedNpy(Reader):
    """Reads a folder with ``trainX.npy``, ``valX.npy`` and ``valY.npy``: images or vectors, in any layout of a .npy.

    The rows of ``trainX`` have no labels and are the training rows. Those of ``valX`` have ``valY`` and are the test
    rows: labels only score, so that nothing is chosen by them.
    """

    reads = "folders of trainX, valX and valY .npy files"
    goes_first = True  # a folder of such files is not a folder of pictures

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder with those three files."""
        return path.is_dir() and all((path / f"{name}.npy").is_file() for name in FILES)

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Put the rows without labels first, then those with."""
        train, val, labels = (_array(paths[0] / f"{name}.npy") for name in FILES)
        if val.shape[1:] != train.shape[1:]:
            raise DataError(
                str(paths[0] / "valX.npy"),
                f"must have rows of shape {train.shape[1:]}, as trainX.npy has",
                value=val.shape[1:],
            )
        found, names = as_labels(labels, len(val), str(paths[0] / "valY.npy"))
        sizes = [len(train), len(val)]
        return Raw(
            np.concatenate([train, val]),
            # Other labels than the source's own are seen to where they are asked for.
            labels=np.concatenate([np.full(sizes[0], UNKNOWN), found]) if options.labels_word == "auto" else None,
            label_names=names or tuple(str(label) for label in range(int(found.max(initial=0)) + 1)),
            split=np.repeat(["train", "test"], sizes),
            ids=tuple(
                f"{name}/{row}" for name, size in zip(("train", "val"), sizes, strict=True) for row in range(size)
            ),
        )


def _array(path: Path) -> Array:
    array = Npy().read([path], Options()).values
    if array.ndim == 0 or len(array) == 0:
        raise DataError(str(path), "must have at least one row", value=f"shape {array.shape}")
    return array
