"""The 1,797 handwritten digits that ship with scikit-learn: no download."""

from __future__ import annotations

import numpy as np

from narrows.data.dataset import Dataset
from narrows.work.progress import Progress

__all__ = ["digits"]


def digits(progress: Progress | None = None) -> Dataset:
    """Return the digits (1797, 1, 8, 8): the test set of Optical Recognition of Handwritten Digits (UCI, 1998)."""
    from sklearn.datasets import load_digits

    source = load_digits()
    # Each value counts the ink, 0 to 16, in a 4x4 block of the scan.
    values = np.rint(source.images * (255 / 16)).astype(np.uint8)[:, None]  # (N, 1, 8, 8)
    return Dataset(
        values,
        labels=source.target.astype(np.int64),
        label_names=tuple("0123456789"),
        provenance={
            "source": "digits",
            "format": "scikit-learn",
            "preprocessing": {
                "size": [8, 8],
                "channels": 1,
                "fit": "crop",
                "white": 16,
                "dtype": source.images.dtype.name,
            },
        },
    )
