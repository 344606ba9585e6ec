"""Memory that an allocator keeps for the next step instead of handing it back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8  # from glibc's malloc.h
# One arena: what a thread frees, the next one may take. There is no way back to several, which only spare threads that
# allocate at the same moment a wait.
KEEPING = {M_ARENA_MAX: 1, M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 1 << 30}
# The greatest thresholds that glibc itself moves to, and its number of mapped blocks.
USUAL = {M_MMAP_THRESHOLD: 32 << 20, M_MMAP_MAX: 1 << 16, M_TRIM_THRESHOLD: 64 << 20}


@contextmanager
def kept_for_reuse() -> Iterator[None]:
    """Let glibc keep what is freed in here, and hand it back at the end; other allocators are as they were.

    A training step frees and allocates the same blocks again and again. Each that the system takes back costs a page
    fault for every 4 KiB of it when it is written next: a fifth of a step of a small convolutional network, and two
    fifths of one with 10^7 weights.
    """
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _inside.append(True)
        for option, value in KEEPING.items():
            library.mallopt(option, value)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                for option, value in USUAL.items():
                    library.mallopt(option, value)
                library.malloc_trim(0)


_lock = Lock()
_inside: list[bool] = []


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
