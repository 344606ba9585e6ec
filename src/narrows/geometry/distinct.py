"""Distinct rows, compared by their bytes with one row in memory at a time."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from narrows.disk.files import Array


def first_rows(values: Array) -> Array:
    """Return the indices, in order, of the rows of ``values`` (N, ...) that differ from all rows before them."""
    # By hashes, so that rows need not be copied for sorting.
    digests = np.frombuffer(b"".join(blake2b(row.tobytes(), digest_size=16).digest() for row in values), "V16")
    return np.sort(np.unique(digests, return_index=True)[1])


def count_distinct(values: Array, enough: int) -> int:
    """Return the number of distinct rows of ``values`` (N, ...), or ``enough`` as soon as there are that many."""
    seen: set[bytes] = set()
    for row in values:
        seen.add((row + 0.0).tobytes())  # adding 0 turns -0 into 0
        if len(seen) == enough:
            break
    return len(seen)
