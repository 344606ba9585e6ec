"""NumPy's own files: .npy holds one array, .npz several by name."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np

from narrows.data.arrays import as_array
from narrows.data.formats import MOST_INFLATION, Options, Raw, Reader, _keyed
from narrows.disk.files import Array
from narrows.disk.regular import opened
from narrows.errors import DataError

__all__ = ["Npy"]

MAGIC = b"\x93NUMPY"
# The arrays of which SciPy makes a sparse matrix, of one format or another.
SPARSE = {"format", "shape", "data", "indices", "indptr", "row", "col", "offsets", "coords", "_is_array"}


class Npy(Reader):
    """Reads .npy, mapped into memory, and .npz; never Python objects, which could run code."""

    reads = ".npy and .npz arrays"
    has_keys = True

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is named like one, or begins like a .npy."""
        return path.is_file() and (path.suffix.lower() in (".npy", ".npz") or head.startswith(MAGIC))

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read the array, or choose among those of a .npz."""
        (path,) = paths
        if zipfile.is_zipfile(path):
            return _read_npz(path, options)
        if options.key is not None:
            raise DataError(
                "key", "applies only to .npz and .mat files; this file has a single array", value=options.key
            )
        with opened(path, refused=DataError) as file:
            shape, order, dtype, header_bytes, nbytes = _header(file, str(path))
            _refuse_objects(dtype, str(path))
            found = os.fstat(file.fileno()).st_size - header_bytes
            if found < nbytes:
                raise DataError(
                    str(path),
                    f"must contain the {nbytes:,} bytes that its header announces",
                    value=f"{found:,} bytes",
                    remedy="It is truncated; copy or download it again.",
                )
            if not nbytes:  # it cannot be mapped; the rules for arrays will say what is wrong with it
                return Raw(np.empty(shape, dtype))
            # What was opened, and not the name again, which may be another file's by now.
            return Raw(np.memmap(file, dtype, "r", header_bytes, shape, order))


def _read_npz(path: Path, options: Options) -> Raw:
    try:
        with opened(path, refused=DataError) as packed, zipfile.ZipFile(packed) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            shapes: dict[str, tuple[int, ...]] = {}
            objects: dict[str, np.dtype] = {}  # passed over, unless they are what was asked for
            for key, info in members.items():
                with archive.open(info) as file:
                    shape, _, dtype, header_bytes, nbytes = _header(file, f"{key} in {path}")
                if dtype.hasobject:
                    objects[key] = dtype
                    continue
                if header_bytes + nbytes != info.file_size or nbytes > MOST_INFLATION * info.compress_size:
                    raise DataError(
                        f"{key} in {path}",
                        "must contain the values that its header announces",
                        value=f"{info.file_size - header_bytes:,} bytes where {nbytes:,} belong",
                    )
                if dtype.kind in "buifUS":
                    shapes[key] = shape
            if {"format", "shape", "data"} <= shapes.keys() and shapes.keys() <= SPARSE:
                return _read_sparse(packed, path, options)
            for name in (options.key, options.labels_word, *([] if shapes else objects)):
                if name in objects:
                    _refuse_objects(objects[name], f"{name} in {path}")
            key, label_key, notes = _keyed.choose(shapes, options, str(path))
            values = _load(archive, members[key])
            labels = None if label_key is None else _load(archive, members[label_key])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(str(path), "must be an undamaged .npz", remedy=f"{error}.") from error
    return Raw(values, labels=labels, label_choices=tuple(shapes), notes=tuple(notes))


def _read_sparse(file: IO[bytes], path: Path, options: Options) -> Raw:
    """Read what ``scipy.sparse.save_npz`` wrote, whose arrays have been found to be as large as they say."""
    from scipy import sparse

    if options.key is not None:
        raise DataError(
            "key", "applies only to files with several arrays; this file contains one sparse matrix", value=options.key
        )
    file.seek(0)
    try:
        matrix = sparse.load_npz(file)  # never Python objects
        if matrix.format in ("csr", "csc", "bsr"):
            matrix.check_format(full_check=True)  # an index beyond the last column would be written somewhere else
    except Exception as error:  # arrays that do not fit each other make SciPy fail in every way there is
        raise DataError(str(path), "must contain an undamaged sparse matrix", remedy=f"{error}.") from error
    return Raw(as_array(matrix))


def _load(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(file: IO[bytes], origin: str) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype, int, int]:
    """Return shape, order, dtype, the header's length and the bytes that must follow it; nothing is allocated.

    Raises
    ------
    DataError : no .npy header, or one of named fields
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"version {version} is of arrays with named fields")
        if dtype.itemsize == 0 or min(shape, default=0) < 0 or any(isinstance(side, bool) for side in shape):
            raise ValueError(f"shape {shape} of {dtype}")
    except Exception as error:  # a damaged header makes NumPy's parser fail in every way there is
        raise DataError(origin, "must be an undamaged .npy", remedy=f"{error}.") from error
    return shape, "F" if by_columns else "C", dtype, file.tell(), math.prod(shape) * dtype.itemsize


def _refuse_objects(dtype: np.dtype, origin: str) -> None:
    if dtype.hasobject:
        raise DataError(
            origin,
            "must contain plain numbers, because reading Python objects from a file could run code",
            value=f"dtype {dtype}",
            remedy="Save it again as numbers: np.save(path, np.stack(list_of_arrays)).",
        )
