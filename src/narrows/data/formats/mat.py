"""MATLAB's .mat files up to version 7, read in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from narrows.data.formats import Options, Raw, Reader, _keyed, _nist
from narrows.disk.files import Array, read_json
from narrows.disk.regular import half_of_memory, opened
from narrows.errors import DataError

__all__ = ["Mat"]

CHILD = Path(__file__).with_name("_mat_child.py")
MEGABYTES, SECONDS = 4096, 60  # that reading any file may take; both grow with the file


class Mat(Reader):
    """Reads arrays of numbers; a damaged file that crashes the reader is an error message here.

    A file in NIST36's layout holds images (see ``_nist``), unless its key is named: then they are rows like others.
    """

    reads = ".mat (MATLAB up to version 7)"
    has_keys = True

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is named .mat, or begins like one."""
        return path.is_file() and (path.suffix.lower() == ".mat" or head.startswith(b"MATLAB"))

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Choose the data among the file's arrays."""
        (path,) = paths
        (arrays,) = read_arrays(path)
        if options.key is None and options.labels_word not in arrays and _nist.is_clear(arrays):
            splits = [split for split in _nist.PARTS if f"{split}_data" in arrays]
            parts = [_nist.part(arrays, split, split, str(path)) for split in splits]
            return _nist.join(parts, options, str(path))
        # MATLAB's stacks of images run over their last axis: (H, W, C, N).
        turned = {key for key, array in arrays.items() if _is_stack(array)}
        arrays |= {key: np.moveaxis(arrays[key], -1, 0) for key in turned}
        shapes = {key: array.shape for key, array in arrays.items()}
        key, label_key, notes = _keyed.choose(shapes, options, str(path))
        labels = None if label_key is None else arrays[label_key]
        if labels is not None and labels.ndim == 2 and 1 in labels.shape:
            labels = labels.reshape(-1)  # MATLAB has no vectors, only matrices with one row or column
        if key in turned:
            notes.append(f"{key} was read as a stack of images along its last axis.")
        return Raw(arrays[key], labels=labels, label_choices=tuple(arrays), notes=tuple(notes))


def read_arrays(*paths: Path) -> list[dict[str, Array]]:
    """Return the arrays of each .mat by their names.

    Raises
    ------
    DataError : a file of a version that is not read, damaged, or without arrays
    """
    for path in paths:
        _refuse_hdf5(path)
    with tempfile.TemporaryDirectory(prefix="narrows-mat-") as folder:
        _extract(paths, Path(folder))
        found = [_load(Path(folder) / str(number)) for number in range(len(paths))]
    for path, arrays in zip(paths, found, strict=True):
        if not arrays:
            raise DataError(str(path), "must contain at least one array of numbers")
    return found


def _load(folder: Path) -> dict[str, Array]:
    names = read_json(folder / "names.json")
    return {key: np.load(folder / name, allow_pickle=False) for key, name in names.items()}


def _is_stack(array: Array) -> bool:
    return array.ndim == 4 and array.shape[2] in (1, 3) and array.shape[3] > 3 and 3 not in array.shape[:2]


def _refuse_hdf5(path: Path) -> None:
    with opened(path, most=half_of_memory(), refused=DataError) as file:
        head = file.read(520)
    if head.startswith(b"MATLAB 7.3") or b"\x89HDF" in (head[:4], head[512:516]):
        raise DataError(
            str(path),
            "must be a .mat of version 7 or older",
            value="version 7.3 (HDF5)",
            remedy="In MATLAB: save('file.mat', 'x', '-v7').",
        )


def _extract(paths: Sequence[Path], folder: Path) -> None:
    """Have one child write the arrays of each file into ``folder``.

    Raises
    ------
    DataError : it crashed, failed, or took too much memory or time
    """
    size = sum(path.stat().st_size for path in paths) >> 20
    megabytes, seconds = MEGABYTES + 20 * size, SECONDS + size // 5
    # The child finds the packages this process has, but nothing that lies about in the working folder.
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    settings = [str(folder), str(megabytes), str(seconds)]
    command = [sys.executable, "-P", str(CHILD), *settings, *(str(path.absolute()) for path in paths)]
    try:
        child = subprocess.run(  # noqa: S603 (our own file; the paths are arguments, and no shell sees them)
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        rule, value = "must be a .mat that can be read in time", f"more than {seconds} s"
        raise DataError(_reached(paths, folder), rule, value=value) from error
    if child.returncode != 0:
        lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines and child.returncode > 0 else f"The reader crashed (signal {-child.returncode})"
        raise DataError(_reached(paths, folder), "must be an undamaged .mat", remedy=f"{reason.rstrip('.')}.")


def _reached(paths: Sequence[Path], folder: Path) -> str:
    """Return the file that the child was reading as it ended: the names of an array come last."""
    unread = (path for number, path in enumerate(paths) if not (folder / str(number) / "names.json").exists())
    return str(next(unread, paths[-1]))
