"""JPEGs that lack their end, and what it takes to decode one."""

from __future__ import annotations

import io
import os
import re

import numpy as np

from narrows.data import sizes
from narrows.data.pixels import Image

SEGMENT, LONGEST_SEGMENT = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]"), 2 + (1 << 16)
START, END = b"\xff\xd8\xff", b"\xff\xd9"


class Padded(io.BufferedReader):
    """A JPEG that, where ``pads`` says so, ends with the mark of its end even if it was cut off.

    ``padded`` says whether it did. Pillow can be told to do without the end of files, but only all threads at once.
    """

    pads = padded = False
    _end: int | None = None  # where it ends before it ends

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as files are read."""
        if self._end is not None and size is not None and size >= 0:
            size = min(size, max(0, self._end - self.tell()))
        found = super().read(size)
        if found or not self.pads or self.padded:
            return found
        self.padded = True
        return END

    def leave_out_last_segment(self) -> None:
        """End, from now on, before the last segment: what is cut off in the midst of tables cannot be read."""
        start = max(0, self.seek(0, os.SEEK_END) - LONGEST_SEGMENT)
        self.seek(start)
        marks = [mark.start() for mark in SEGMENT.finditer(super().read())]
        self.padded, self._end = False, start + marks[-1] if marks else 0


def ends(file: Padded, place: int) -> bool:
    """Whether a JPEG, whose pixels begin behind ``place``, has the mark of its end, whatever follows."""
    file.pads = False
    file.seek(-len(END), os.SEEK_END)
    if file.read() == END:
        return True
    file.seek(place)
    before = b""
    while part := file.read(1 << 16):
        if END in before + part:
            return True
        before = part[-1:]
    return False


def lines(image: Image) -> int:
    """Return how many lines of a loaded JPEG that was cut off were in the file."""
    # Blocks that are not in the file come out grey.
    step = max(1, sizes.BAND_PIXELS // image.width)
    for bottom in range(image.height, 0, -step):
        top = max(0, bottom - step)
        band = np.asarray(image.crop((0, top, image.width, bottom))).reshape(bottom - top, -1)
        there = np.flatnonzero(((band < 127) | (band > 128)).any(axis=1))
        if len(there):
            return int(top + there[-1] + 1)
    return 0


def coefficients(image: Image) -> float:
    """Return how many pixels of four bytes the coefficients take that a progressive JPEG holds all at once."""
    if not image.info.get("progressive"):
        return 0.0
    sampled = [across * down for _, across, down, _ in image.layer]
    return float(image.width * image.height * 2 * sum(sampled) / max(sampled) / 4)
