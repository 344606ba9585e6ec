"""TIFFs beyond what photographs are: deep or floating-point values, channels of microscopy, stacks of pictures.

One picture of a file has height, width and channels. Channels are planes in one page or pages of their own (the axes C
and S of ImageJ and OME); all other axes (time, depth, scans one after another) count pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from narrows.files import Array

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_CHANNELS = 64
MOST_WHOLE = 1 << 31  # bytes of a stack that is read at once
ORIENTATION = 274  # the tag
PILLOW_KEEPS = ("uint16", "int16", "int32", "float32")  # of which Pillow decodes a single plane without loss


class Refused(Exception):
    """An undamaged file that is not read. Its text is the reason."""


@dataclass(frozen=True, eq=False)
class Stored:
    """One picture of a TIFF.

    Parameters
    ----------
    size : height and width, as they lie in the file
    page : which of the file's pages it is, for Pillow to decode
    pictures : that the file holds
    orientation : as EXIF counts it, 1 to 8
    planes : (C, H, W) of plain numbers, as they lie in the file; None where Pillow decodes the page as well, or nobody
        asked for them
    """

    size: tuple[int, int]
    page: int
    pictures: int
    orientation: int
    planes: Array | None = None


def count(path: Path) -> int:
    """Return how many pictures a TIFF holds."""
    with _opened(path) as file:
        return sum(_pictures(series) for series in file.series)


def read(path: Path, picture: int, most_pixels: int, *, planes: bool = True) -> Stored | None:
    """Read one picture of a TIFF, with its ``planes`` or without; None where there are not so many.

    Raises
    ------
    Refused : planes that are too large, too many, or packed in a way that cannot be unpacked here
    """
    with _opened(path) as file:
        counts = [_pictures(series) for series in file.series]
        for series, count in zip(file.series, counts, strict=True):
            if picture < count:
                return _read(series, picture, sum(counts), most_pixels, planes)
            picture -= count
    return None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        yield file


def _pictures(series: Any) -> int:
    return math.prod(side for side, axis in zip(series.shape, series.axes, strict=True) if axis not in "CSYX")


def _read(series: Any, picture: int, pictures: int, most_pixels: int, with_planes: bool) -> Stored:
    sides = dict(zip(series.axes, series.shape, strict=True))
    height, width = sides.get("Y", 1), sides.get("X", 1)
    channels = sides.get("C", 1) * sides.get("S", 1)
    if height * width > most_pixels or channels > MOST_CHANNELS:
        raise Refused(f"its pictures have {channels} channels of {height}x{width}, which is too large")
    # Axes that run over pages are the first ones; the others lie within each page.
    inside = min(len(series.keyframe.shape), len(series.axes))
    over, within = series.axes[: len(series.axes) - inside], series.axes[len(series.axes) - inside :]
    counting = [axis for axis in series.axes if axis not in "CSYX"]
    place = np.unravel_index(picture, [sides[axis] for axis in counting] or [1])
    at = dict(zip(counting, map(int, place), strict=False))
    numbers = np.arange(math.prod(sides[axis] for axis in over)).reshape([sides[axis] for axis in over])
    numbers = np.atleast_1d(numbers[tuple(at.get(axis, slice(None)) for axis in over)]).ravel()
    # Some programs write a stack behind the header of its first page alone.
    pages = [series.pages[int(number)] for number in numbers] if numbers.max() < len(series.pages) else []
    key = series.keyframe  # what all of its pages have in common
    tag = key.tags.get(ORIENTATION)
    orientation = int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else 1
    stored = Stored((height, width), pages[0].index if pages else 0, pictures, orientation)
    if not with_planes or (len(pages) == 1 and _is_ordinary(key)):
        return stored
    if key.photometric.name == "PALETTE":
        raise Refused("it has a palette of more than 8 bits")
    try:
        parts = [np.asarray(page.asarray()) for page in pages] if pages else _from_whole(series, numbers, within)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        if channels == 1 and str(key.dtype) in PILLOW_KEEPS:
            return stored
        raise Refused(
            f"it is packed by {key.compression.name}, for which the package imagecodecs must be installed"
        ) from error
    left = [axis for axis in within if axis in "CSYX"]
    chosen = tuple(at.get(axis, slice(None)) for axis in within)
    stack = np.stack([part.reshape([sides[axis] for axis in within])[chosen] for part in parts])  # (pages, *left)
    order = [0, *(1 + left.index(axis) for axis in left if axis in "CS"), 1 + left.index("Y"), 1 + left.index("X")]
    planes = _without_alpha(stack.transpose(order).reshape(-1, height, width), key)
    if key.photometric.name == "MINISWHITE":
        if planes.dtype.kind != "u":
            raise Refused(f"its {planes.dtype} values are brightest at the least, and how bright that is nobody knows")
        planes = np.iinfo(planes.dtype).max - planes
    return replace(stored, planes=np.ascontiguousarray(planes))


def _from_whole(series: Any, numbers: Array, within: str) -> list[Array]:
    """Return the pages ``numbers`` of a stack that lies in the file in one piece."""
    if series.nbytes > MOST_WHOLE:
        raise Refused(f"its stack of {series.nbytes / 2**30:.1f} GiB lies in one piece, which is too large")
    whole = np.asarray(series.asarray())
    pages = whole.reshape(-1, *whole.shape[whole.ndim - len(within) :])
    return [pages[int(number)] for number in numbers]


def _is_ordinary(page: Any) -> bool:
    """Whether a page is what Pillow reads whole: bytes or bits, grey, with a palette, in colour, with transparency."""
    colours = page.photometric.name in ("RGB", "YCBCR", "SEPARATED", "CIELAB")
    samples = (3, 4) if colours else (1,) if not page.extrasamples else (1, 2)
    return str(page.dtype) in ("uint8", "bool") and page.samplesperpixel in samples and _extra_is_alpha(page)


def _extra_is_alpha(page: Any) -> bool:
    return all(extra.name in ("ASSOCALPHA", "UNASSALPHA") for extra in page.extrasamples)


def _without_alpha(planes: Array, page: Any) -> Array:
    extra = len(page.extrasamples)
    return planes[: len(planes) - extra] if extra and _extra_is_alpha(page) and len(planes) > extra else planes
