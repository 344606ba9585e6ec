"""Distinct rows, compared by their bytes with one row in memory at a time."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from narrows.disk.files import Array


def first_rows(values: Array) -> Array:
    """Return the indices, in order, of the rows of ``values`` (N, ...) that differ from all rows before them."""
    return np.sort(np.unique(_digests(values), return_index=True)[1])


def distinct_rows(values: Array) -> tuple[Array, Array]:
    """Return the indices (M,) of rows of ``values`` (N, ...) that all differ, and for each row which of them it is."""
    _, rows, where = np.unique(_digests(values), return_index=True, return_inverse=True)
    return rows, where


def _digests(values: Array) -> Array:
    """Return 16 bytes (N,) for each row of ``values``; by them, rows need not be copied for sorting."""
    return np.frombuffer(b"".join(blake2b(row.tobytes(), digest_size=16).digest() for row in values), "V16")


def count_distinct(values: Array, enough: int) -> int:
    """Return the number of distinct rows of ``values`` (N, ...), or ``enough`` as soon as there are that many."""
    seen: set[bytes] = set()
    for row in values:
        seen.add((row + 0.0).tobytes())  # adding 0 turns -0 into 0
        if len(seen) == enough:
            break
    return len(seen)
