"""What clusterings and projections accept: codes to work on."""

from __future__ import annotations

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
