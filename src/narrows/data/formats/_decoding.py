"""Many image files decoded, in parallel, into one .npy of uint8 images, block by block."""

from __future__ import annotations

import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from narrows.data import images, sizes
from narrows.data.dataset import Skipped
from narrows.data.formats import Options
from narrows.data.formats._image_files import File
from narrows.data.images import Picture, Unreadable
from narrows.data.reading import How, NeedsScale, of_format, scale_of
from narrows.data.scale import BYTES, Census, Scale
from narrows.data.upright import Size
from narrows.disk.files import atomic_file
from narrows.errors import DataError

BLOCK = 256  # files decoded between two writes
HEADER_BYTES = 128
MOST_NAMED = 20  # files that an error names


@dataclass(frozen=True)
class Decoded:
    """How each of the files fared that were decoded."""

    shape: tuple[int, ...]  # of the images that could be read
    all_grey: bool  # red, green and blue are equal in all, and nobody asked for three channels
    positions: list[int]  # of the files that could be read
    failures: list[Skipped]
    damaged: list[Skipped]  # read as far as they go
    conversions: dict[str, int]
    sizes: Counter[Size]  # how many files had which
    in_colour: int  # how many
    scaled: tuple[dict[str, Any], str] | None  # white or range that was measured on deep files, and a sentence


def size_for(files: list[File], options: Options, pool: ThreadPoolExecutor) -> Size:
    """Return the size to decode to."""
    if options.size != "auto":
        return options.size

    def measure(file: File) -> Size | None:
        try:
            return images.measure(file.path, file.page, options.max_pixels)
        except Unreadable:
            return None  # decoding it will say why

    found: set[Size] = set()
    for start in range(0, len(files), BLOCK):
        found |= {size for size in pool.map(measure, files[start : start + BLOCK]) if size is not None}
        if len(found) > 1:
            break
    return sizes.auto_size(found)


def decode(files: list[File], size: Size, options: Options, pool: ThreadPoolExecutor, sink: IO[bytes]) -> Decoded:
    """Write the images that can be read to ``sink`` as one .npy, block by block, so that memory stays bounded.

    Where files turn out to be deeper than bytes, and nobody has said what is white in them, all are looked at first.
    """
    of_types = scale_of(options.white, options.range, options.like)
    how = How(size, options.fit, options.channels, of_types or _bytes_alone, max_pixels=options.max_pixels)
    try:
        return _decode_as(files, how, options, pool, sink)
    except NeedsScale:
        sink.seek(0)
        sink.truncate()
    found = _measure_values(files, how, options, pool)
    if found is None:
        return _decode_as(files, replace(how, scale=of_format), options, pool, sink)
    dtype, measured, said = found

    def of_type(other: np.dtype) -> Scale:
        return measured if other == dtype else of_format(other)

    decoded = _decode_as(files, replace(how, scale=of_type), options, pool, sink)
    return replace(decoded, scaled=(measured.as_options() | {"dtype": dtype.name}, said))


def _bytes_alone(dtype: np.dtype) -> Scale:
    if dtype != np.uint8:
        raise NeedsScale
    return BYTES


def _measure_values(
    files: list[File], how: How, options: Options, pool: ThreadPoolExecutor
) -> tuple[np.dtype, Scale, str] | None:
    """Return the commonest type of the deep values in files, the scale that suits all of them, and a sentence.

    None where none of the deep files can be read.
    """

    def look(file: File) -> Census | None:
        try:
            return images.census(file.path, replace(how, page=file.page), len(files))
        except Unreadable:
            return None  # decoding it will say why

    found: dict[np.dtype, Census] = {}
    many: Counter[np.dtype] = Counter()
    with options.progress.task("measure values", len(files)) as task:
        for start in range(0, len(files), BLOCK):
            block = files[start : start + BLOCK]
            for census in pool.map(look, block):
                if census is not None:
                    found.setdefault(census.dtype, Census(census.dtype)).merge(census)
                    many[census.dtype] += 1
            task.advance(len(block))
    if not many:
        return None
    dtype = many.most_common(1)[0][0]
    return dtype, *found[dtype].scale()


def _decode_as(files: list[File], how: How, options: Options, pool: ThreadPoolExecutor, sink: IO[bytes]) -> Decoded:
    size = how.size
    channels = 1 if options.channels == 1 or len(_named_channels(options)) == 1 else 3
    positions: list[int] = []
    failures: list[Skipped] = []
    damaged: list[Skipped] = []
    conversions: Counter[str] = Counter()
    sizes: Counter[Size] = Counter()
    in_colour = 0

    def decode(file: File) -> Picture | str:
        try:
            return images.decode(file.path, replace(how, page=file.page))
        except Unreadable as error:
            return str(error)

    sink.write(bytes(HEADER_BYTES))  # the number of rows is known at the end
    with options.progress.task("decode", len(files)) as task:
        for start in range(0, len(files), BLOCK):
            block = files[start : start + BLOCK]
            rows = np.empty((len(block), channels, *size), dtype=np.uint8)
            filled = 0
            for position, picture in enumerate(pool.map(decode, block), start):
                if isinstance(picture, str):
                    failures.append(Skipped(files[position].name, picture))
                    continue
                rows[filled] = picture.pixels  # (1, H, W) spreads over the channels
                filled += 1
                if picture.damage:
                    damaged.append(Skipped(files[position].name, picture.damage))
                positions.append(position)
                conversions.update(picture.conversions)
                sizes[picture.native] += 1
                in_colour += len(picture.pixels) == 3
            sink.write(rows[:filled].tobytes())
            task.advance(len(block), text=f"{len(failures)} unreadable" if failures else "")
    if not positions:
        raise DataError(
            "images",
            "must include at least one readable file",
            value=f"{len(failures)} unreadable",
            remedy=f"{named(failures)}.",
        )
    shape = (len(positions), channels, *size)
    sink.seek(0)
    sink.write(npy_header(shape))
    all_grey = not in_colour and channels == 3 and options.channels == "auto"
    return Decoded(shape, all_grey, positions, failures, damaged, dict(conversions), sizes, in_colour, None)


def _named_channels(options: Options) -> tuple[int, ...]:
    return options.channels if isinstance(options.channels, tuple) else ()


def keep_one_channel(target: Path, shape: tuple[int, ...]) -> None:
    """Rewrite an .npy of grey images (N, 3, H, W) as (N, 1, H, W), block by block."""
    n, channels, height, width = shape
    with atomic_file(target) as file, open(target, "rb") as stored:
        file.write(npy_header((n, 1, height, width)))
        stored.seek(HEADER_BYTES)
        for start in range(0, n, BLOCK):
            rows = min(BLOCK, n - start)
            block = np.frombuffer(stored.read(rows * channels * height * width), np.uint8)
            file.write(block.reshape(rows, channels, height, width)[:, 0].tobytes())


def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a uint8 .npy, always of the same length, so that it can be written last."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    fixed = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10)
    return fixed + text.ljust(HEADER_BYTES - 11).encode("ascii") + b"\n"


def named(failures: list[Skipped]) -> str:
    text = "; ".join(f"{file.path}: {file.reason}" for file in failures[:MOST_NAMED])
    return text + ("; ..." if len(failures) > MOST_NAMED else "")
