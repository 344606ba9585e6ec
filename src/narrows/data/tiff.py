"""TIFFs beyond what photographs are: deep or floating-point values, channels of microscopy, stacks of pictures.

One picture of a file has height, width and channels. Channels are planes in one page or pages of their own (the axes C
and S of ImageJ and OME); all other axes (time, depth, scans one after another) count pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from narrows.disk.files import Array

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_CHANNELS = 64
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
    channels, dtype : how many planes there are, and of what
    held : how many bytes of the file must be decoded together
    rows : returns those of the planes from top to bottom, (C, H, W) of plain numbers, as they lie in the file, for as
        long as it is open; None where Pillow decodes the page as well
    """

    size: tuple[int, int]
    page: int
    pictures: int
    orientation: int
    channels: int
    dtype: np.dtype
    held: int = 0
    rows: Callable[[int, int], Array] | None = None


def count(path: Path) -> int:
    """Return how many pictures a TIFF holds."""
    with _file(path) as file:
        return sum(_pictures(series) for series in file.series)


@contextmanager
def opened(path: Path, picture: int) -> Iterator[Stored | None]:
    """Open one picture of a TIFF; None where there are not so many.

    Raises
    ------
    Refused : planes that are too many, or packed in a way that cannot be unpacked here
    """
    with _file(path) as file:
        counts = [_pictures(series) for series in file.series]
        for series, count in zip(file.series, counts, strict=True):
            if picture < count:
                yield _stored(series, picture, sum(counts))
                return
            picture -= count
        yield None


@contextmanager
def _file(path: Path) -> Iterator[Any]:
    """Open a TIFF whose pages have an end: tifffile would follow those of a damaged file in a circle for ever."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        form, content = file.tiff, file.filehandle
        order: Any = "little" if file.byteorder == "<" else "big"
        offset, seen = file.pages.first.offset, set()
        while offset and offset not in seen:
            seen.add(offset)
            content.seek(offset)
            tags = int.from_bytes(content.read(form.tagnosize), order)
            content.seek(offset + form.tagnosize + tags * form.tagsize)
            offset = int.from_bytes(content.read(form.offsetsize), order)  # 0 where the file ends before
        if offset in seen:
            raise ValueError("its pages refer to each other in a circle")
        yield file


def _pictures(series: Any) -> int:
    return math.prod(side for side, axis in zip(series.shape, series.axes, strict=True) if axis not in "CSYX")


def _stored(series: Any, picture: int, pictures: int) -> Stored:
    sides = dict(zip(series.axes, series.shape, strict=True))
    height, width = sides.get("Y", 1), sides.get("X", 1)
    channels = sides.get("C", 1) * sides.get("S", 1)
    if series.keyframe.dtype is None:
        raise Refused("its values have an unsupported type")
    if channels > MOST_CHANNELS:
        raise Refused(f"its images have {channels} channels; at most {MOST_CHANNELS} can be read")
    # Axes that run over pages are the first ones; the others lie within each page.
    inside = min(len(series.keyframe.shape), len(series.axes))
    over, within = series.axes[: len(series.axes) - inside], series.axes[len(series.axes) - inside :]
    counting = [axis for axis in series.axes if axis not in "CSYX"]
    place = np.unravel_index(picture, [sides[axis] for axis in counting] or [1])
    at = dict(zip(counting, map(int, place), strict=False))
    numbers = np.arange(math.prod(sides[axis] for axis in over)).reshape([sides[axis] for axis in over])
    numbers = np.atleast_1d(numbers[tuple(at.get(axis, slice(None)) for axis in over)]).ravel()
    key = series.keyframe  # what all of its pages have in common
    # Some programs write a stack behind the header of its first page alone.
    headless = numbers.max() >= len(series.pages)
    pages = [] if headless else [series.pages[int(number)] for number in numbers]
    tag = key.tags.get(ORIENTATION)
    orientation = int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else 1
    stored = Stored(
        (height, width),
        pages[0].index if pages else 0,
        pictures,
        orientation,
        channels,
        np.dtype(np.uint8 if key.dtype == bool else key.dtype),
    )
    if len(pages) == 1 and _is_ordinary(key):
        return stored
    if key.photometric.name == "PALETTE":
        raise Refused("it has a palette of more than 8 bits")
    if (
        any(axis not in "CSYX" for axis in within)
        or key.imagedepth > 1
        or (key.imagelength, key.imagewidth) != stored.size
    ):
        raise Refused(f"its pages have the axes {within}, which cannot be read")
    if headless and not key.is_final:
        raise Refused("its pages are stored under the header of the first, which cannot be read")
    starts = (
        [key.dataoffsets[0] + int(number) * key.nbytes for number in numbers]
        if headless
        else [page.dataoffsets[0] for page in pages]
    )
    parts = [_Plain(key, start) for start in starts] if key.is_final else [_Packed(page, key) for page in pages]
    try:
        parts[0].rows(0, 1)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        if channels == 1 and str(key.dtype) in PILLOW_KEEPS:
            return stored
        raise Refused(f"it is compressed with {key.compression.name}, which needs the package imagecodecs") from error
    if (inverse := key.photometric.name == "MINISWHITE") and key.dtype.kind not in "ub":
        raise Refused(f"its {key.dtype} values are inverted (the least is white), and where white is is not known")

    def rows(top: int, bottom: int) -> Array:
        planes = _without_alpha(np.concatenate([part.rows(top, bottom) for part in parts]), key)
        planes = planes * np.uint8(255) if planes.dtype == bool else planes
        return np.iinfo(planes.dtype).max - planes if inverse else planes

    return replace(stored, held=sum(part.held for part in parts), rows=rows)


class _Plain:
    """The planes of a page that lie in the file as they are: rows are read where they lie."""

    held = 0

    def __init__(self, key: Any, start: int) -> None:
        self._key, self._start = key, start

    def rows(self, top: int, bottom: int) -> Array:
        """Return rows (S, H, W)."""
        apart, _, height, width, beside = self._key.shaped
        file, dtype = self._key.parent.filehandle, np.dtype(self._key.parent.byteorder + self._key.dtype.char)
        row = width * beside * dtype.itemsize
        planes = np.empty((apart, bottom - top, width, beside), self._key.dtype)
        for plane in range(apart):
            file.seek(self._start + (plane * height + top) * row)
            content = file.read((bottom - top) * row)
            if len(content) < (bottom - top) * row:
                raise EOFError
            planes[plane] = np.frombuffer(content, dtype).reshape(planes.shape[1:])
        return planes[:, :, :, 0] if beside == 1 else planes[0].transpose(2, 0, 1)


class _Packed:
    """The planes of a page in strips or tiles, which are unpacked as far as the rows asked for reach."""

    def __init__(self, page: Any, key: Any) -> None:
        self._page, self._key = page, key
        _, _, height, width, _ = key.shaped
        self._tall = min(height, key.tilelength if key.is_tiled else key.rowsperstrip)
        self._grid = -(-height // self._tall), -(-width // key.tilewidth) if key.is_tiled else 1  # down, across
        self._last: tuple[int, Array] | None = None  # the strip, or row of tiles, that was unpacked last
        self.held = self._tall * width * key.samplesperpixel * key.dtype.itemsize

    def rows(self, top: int, bottom: int) -> Array:
        """Return rows (S, H, W)."""
        parts = []
        for number in range(top // self._tall, -(-bottom // self._tall)):
            start = number * self._tall
            parts.append(self._unpacked(number)[:, max(top - start, 0) : bottom - start])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _unpacked(self, number: int) -> Array:
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        self._last = None
        apart, _, height, width, beside = self._key.shaped
        tall = min(self._tall, height - number * self._tall)
        down, across = self._grid
        planes: Any = None
        for plane in range(apart):
            for index in range((plane * down + number) * across, (plane * down + number + 1) * across):
                part, left = self._part(index)
                part = part[:tall, : width - left]
                if part.shape == (tall, width, beside) and apart == 1:
                    planes = part[None]  # a strip is often most of the picture: not twice
                    continue
                if planes is None:
                    planes = np.full((apart, tall, width, beside), self._key.nodata, self._key.dtype)
                planes[plane, : part.shape[0], left : left + part.shape[1]] = part
        unpacked: Array = planes[:, :, :, 0] if beside == 1 else planes[0].transpose(2, 0, 1)
        self._last = number, unpacked
        return unpacked

    def _part(self, index: int) -> tuple[Array, int]:
        """Return a strip or tile (H, W, S), no rows of one never written, and the column at which it begins."""
        file, count = self._key.parent.filehandle, self._page.databytecounts[index]
        file.seek(self._page.dataoffsets[index])
        tables = {"jpegtables": self._page.jpegtables, "jpegheader": self._key.jpegheader}
        part, place, shape = self._key.decode(file.read(count) if count else None, index, **tables)
        return np.empty((0, *shape[2:]), self._key.dtype) if part is None else part[0], place[3]


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
