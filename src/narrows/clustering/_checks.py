"""What clusterings and projections accept: codes to work on, and their own arrays when these come back from a file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from narrows.data.dataset import all_finite
from narrows.errors import InputError
from narrows.files import Array


def checked_codes(codes: Array) -> Array:
    """Return ``codes`` when they are finite numbers (N, K).

    Raises
    ------
    InputError : they are not
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.shape[1] == 0 or codes.dtype.kind not in "fiu":
        raise InputError("codes", "must be numbers (N, K)", value=f"{codes.dtype} {codes.shape}")
    if not all_finite(codes):
        raise InputError("codes", "must be finite", value="NaN or infinity")
    return codes


def checked_state(owner: str, shapes: Mapping[str, str], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return ``arrays`` when they are what ``owner`` saved.

    Parameters
    ----------
    owner : in the words of a message
    shapes : of each array, a letter for each axis; the same letter stands for the same length, a digit for itself
    arrays : floating-point numbers

    Raises
    ------
    InputError : other names, shapes that do not fit together, or values that are no finite numbers
    """
    if set(arrays) != set(shapes):
        raise InputError(f"the saved {owner}", f"must hold {', '.join(sorted(shapes))}", value=sorted(arrays))
    lengths: dict[str, int] = {}
    for name, letters in shapes.items():
        shape, dtype = arrays[name].shape, arrays[name].dtype
        fits = len(shape) == len(letters) and all(
            length == (int(letter) if letter.isdigit() else lengths.setdefault(letter, length)) and length > 0
            for letter, length in zip(letters, shape, strict=True)
        )
        if not fits or dtype.kind != "f" or not np.isfinite(arrays[name]).all():
            raise InputError(
                f"the saved {owner}", f"must have finite numbers of shape ({', '.join(letters)}) in {name!r}",
                value=f"{dtype} {shape}", remedy="The file is damaged or from another program; run again.",
            )  # fmt: skip
    return dict(arrays)
