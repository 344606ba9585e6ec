"""nature8500: 8,500 unlabelled and 500 labelled colour images of animals and vehicles."""

from __future__ import annotations

from dataclasses import replace

from narrows.data.dataset import Dataset
from narrows.data.named._local import folder_of
from narrows.errors import DataError
from narrows.work.progress import Progress

__all__ = ["nature8500"]

SHAPE = (3, 32, 32)
LABEL_NAMES = ("vehicle", "animal")


def nature8500(progress: Progress | None = None) -> Dataset:
    """Return nature8500 (9000, 3, 32, 32): the 8,500 without a label train, the 500 with one test.

    A stand-in for the images of the colour-embedding study, made of CIFAR-10 (Krizhevsky 2009).

    Raises
    ------
    DataError : its files are not in ``$NARROWS_DATA/nature8500``, or hold something else
    """
    from narrows.data.open import open as open_source

    folder = folder_of(
        "nature8500",
        ["trainX.npy", "valX.npy", "valY.npy"],
        "Your own files of these names open by their folder (--data FOLDER), and so does any folder of images.",
    )
    data = open_source(folder)
    if data.shape != SHAPE or data.n_classes > len(LABEL_NAMES):
        raise DataError(
            str(folder),
            f"must have rows of shape {SHAPE}, of {len(LABEL_NAMES)} classes at most",
            value=f"{data.shape} of {data.n_classes}",
        )
    return replace(data, label_names=LABEL_NAMES, provenance=data.provenance | {"source": "nature8500"})
