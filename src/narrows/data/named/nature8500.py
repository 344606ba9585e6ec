"""nature8500: 8,500 unlabelled and 500 labelled colour images of animals and vehicles."""

from __future__ import annotations

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.named._local import folder_of
from narrows.errors import DataError
from narrows.progress import Progress

__all__ = ["nature8500"]

LABEL_NAMES = ("vehicle", "animal")


def nature8500(progress: Progress | None = None) -> Dataset:
    """Return nature8500 (9000, 3, 32, 32): the 8,500 without a label train, the 500 with one test.

    A stand-in for the images of the colour-embedding study, made of CIFAR-10 (Krizhevsky 2009).

    Raises
    ------
    DataError : its files are not in ``$NARROWS_DATA/nature8500``, or hold something else
    """
    folder = folder_of(
        "nature8500", ["trainX.npy", "valX.npy", "valY.npy"], "Any folder of images opens by its path (--data FOLDER)."
    )
    unlabelled, labelled, labels = (
        np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("trainX", "valX", "valY")
    )
    expected = (("trainX", unlabelled, (32, 32, 3)), ("valX", labelled, (32, 32, 3)), ("valY", labels, ()))
    for name, array, shape in expected:
        if array.shape[1:] != shape or (shape and array.dtype != np.uint8):
            raise DataError(
                str(folder / f"{name}.npy"), f"must have rows of shape {shape}", value=f"{array.shape} {array.dtype}"
            )
    images = np.concatenate([unlabelled, labelled]).transpose(0, 3, 1, 2)  # (N, 3, 32, 32)
    return Dataset(
        np.ascontiguousarray(images),
        labels=np.concatenate([np.full(len(unlabelled), -1), labels]).astype(np.int64),
        label_names=LABEL_NAMES,
        split=np.repeat(["train", "test"], [len(unlabelled), len(labelled)]),
        ids=(*(f"train/{row}" for row in range(len(unlabelled))), *(f"labelled/{row}" for row in range(len(labelled)))),
        provenance={
            "source": "nature8500", "format": "npy",
            "preprocessing": {"size": [32, 32], "channels": 3, "fit": "crop"},
        },
    )  # fmt: skip
