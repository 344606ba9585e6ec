"""letters36: 3,780 letters and digits, a stand-in for NIST36 that is not published."""

from __future__ import annotations

from dataclasses import replace

from narrows.data.dataset import Dataset
from narrows.data.named._local import folder_of
from narrows.work.progress import Progress

__all__ = ["letters36"]


def letters36(progress: Progress | None = None) -> Dataset:
    """Return letters36 (3780, 1, 32, 32): 2,340 training, 720 validation and 720 test images, black on white.

    Assembled from the strokes of Chars74K, from 16-720 letters and from MNIST, in the layout of NIST36.

    Raises
    ------
    DataError : its files are not in ``$NARROWS_DATA/letters36``
    """
    from narrows.data.open import open as open_source

    folder = folder_of(
        "letters36",
        ["letters36_train.mat", "letters36_valid.mat", "letters36_test.mat"],
        "It is a stand-in for NIST36, assembled for tests. Your own NIST36 files (nist36_train.mat, nist36_valid.mat, "
        "nist36_test.mat) open by their folder (--data FOLDER).",
    )
    data = open_source(folder)
    return replace(data, provenance=data.provenance | {"source": "letters36"})
