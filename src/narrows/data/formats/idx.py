"""IDX, the format of MNIST: a header of big-endian numbers, then the values; plain or gzipped.

Bytes 0 and 1 are zero, byte 2 is the type of the values, byte 3 the number of axes; then the length of each axis in 4
bytes.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from narrows.data.formats import MOST_INFLATION, Options, Raw, Reader
from narrows.disk.files import Array
from narrows.disk.regular import opened
from narrows.errors import DataError

__all__ = ["Idx"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Idx(Reader):
    """Reads IDX; labels that lie beside the images under the usual name come with them."""

    reads = "IDX (plain or .gz)"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it begins like an IDX file, or is named like one."""
        named_so = "ubyte" in path.name.lower() or path.suffix.lower() == ".idx"
        return path.is_file() and (named_so or _begins_like_idx(head))

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read the array, and the labels beside it with labels="auto"."""
        (path,) = paths
        values, labels = read_file(path), None
        notes: tuple[str, ...] = ()
        beside = _labels_beside(path)
        if options.labels_word == "auto" and beside is not None:
            labels = read_file(beside)
            notes = (f"Labels were read from {beside.name} next to the images.",)
        return Raw(values, labels=labels, notes=notes)


def read_file(path: Path) -> Array:
    """Return the array in an IDX file, plain (mapped into memory) or gzipped.

    Raises
    ------
    DataError : another format, or a length that is not what the header promises
    """
    with opened(path, refused=DataError) as file:
        head, size = file.read(20), os.fstat(file.fileno()).st_size
        if head[:2] != b"\x1f\x8b":
            shape, dtype, start = _header(head, path)
            _check_length(path, size - start, shape, dtype)
            return np.memmap(file, dtype=dtype, mode="r", offset=start, shape=shape)
    try:
        with opened(path, refused=DataError) as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            shape, dtype, start = _header(unpacked.read(20), path)
            nbytes = math.prod(shape) * dtype.itemsize
            if nbytes > MOST_INFLATION * size:
                _check_length(path, MOST_INFLATION * size, shape, dtype)
            unpacked.seek(start)
            content = unpacked.read(nbytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(str(path), "is damaged; copy or download it again", remedy=f"{error}.") from error
    _check_length(path, len(content), shape, dtype)
    return np.frombuffer(content, dtype).reshape(shape)


def _header(head: bytes, path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    axes = head[3] if _begins_like_idx(head) else 0
    if axes == 0 or len(head) < 4 + 4 * axes:
        raise DataError(str(path), "must begin with an IDX header", value=head[:4].hex(" ") or "an empty file")
    shape = struct.unpack(f">{axes}I", head[4 : 4 + 4 * axes])
    if 0 in shape:
        raise DataError(str(path), "must have at least one row, and one value in each", value=f"shape {shape}")
    return shape, np.dtype(TYPES[head[2]]), 4 + 4 * axes


def _begins_like_idx(head: bytes) -> bool:
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 4


def _check_length(path: Path, found: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
    expected = math.prod(shape) * dtype.itemsize
    if found != expected:
        raise DataError(
            str(path),
            f"must contain the {expected:,} bytes that its header announces ({'x'.join(map(str, shape))})",
            value=f"{'more' if found > expected else f'{found:,} bytes'}",
            remedy="Copy or download it again.",
        )


def _labels_beside(path: Path) -> Path | None:
    """Return train-labels-idx1-ubyte(.gz) for train-images-idx3-ubyte(.gz), if it is there."""
    if "images" not in path.name:
        return None
    name = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    return next((path.with_name(n) for n in (name, f"{name}.gz") if path.with_name(n).is_file()), None)
