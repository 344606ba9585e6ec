"""Decoded image files, kept in the cache folder, and mapped into memory from there.

The next time, the same files with the same settings are there at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data import images, scale
from narrows.data.dataset import Skipped
from narrows.data.formats import Options
from narrows.data.formats._decoding import HEADER_BYTES, Decoded, decode, keep_one_channel, size_for
from narrows.data.formats._image_files import File
from narrows.data.upright import Size
from narrows.disk.files import Array, atomic_file, cache_folder, read_json, sha256, sweep, write_json
from narrows.errors import DataError
from narrows.work.cores import usable_cores

CACHE_FORMAT = 5  # raised when the same files would be decoded to other pixels, or others would be read


Images = tuple[Array, Decoded]  # those that could be read (N, C, H, W) uint8, and how each of the files fared


def decode_or_recall(files: list[File], root: Path, options: Options) -> tuple[Images, list[str]]:
    """Return the decoded files: from the cache, or decoded into it, or into memory where it cannot be written."""
    target = cache_folder() / "images" / f"{_key(files, root, options)}.npy"
    recalled = _recall(target)
    if recalled is not None:
        return recalled, []
    with images.quiet(), ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode") as pool:
        files = [file if options.page == "all" else replace(file, page=options.page) for file in files]
        size = size_for(files, options, pool)
        try:
            _to_disk(files, size, options, pool, target)
            recalled = _recall(target)
        except OSError as error:
            reason = error.strerror or str(error)
            note = f"Decoded images are kept in memory, because the cache folder cannot be written ({reason.lower()})."
            return _to_memory(files, size, options, pool), [note]
    if recalled is None:
        raise DataError(
            str(target),
            "must contain what was just written to it",
            remedy="The disk may be failing; set NARROWS_CACHE to a folder on another one.",
        )
    return recalled, []


def _to_disk(files: list[File], size: Size, options: Options, pool: ThreadPoolExecutor, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(target.parent).free < len(files) * 3 * size[0] * size[1]:
        raise OSError("not enough room on its disk")
    sweep(target.parent)
    with atomic_file(target) as file:
        decoded = decode(files, size, options, pool, file)
    if decoded.all_grey:
        keep_one_channel(target, decoded.shape)
    # The sidecar is written last: without it, or where it does not fit, there is nothing in the cache.
    outcome = {
        "positions": decoded.positions,
        "failures": [asdict(file) for file in decoded.failures],
        "damaged": [asdict(file) for file in decoded.damaged],
        "conversions": decoded.conversions,
        "sizes": [[*native, count] for native, count in decoded.sizes.items()],
        "in_colour": decoded.in_colour,
        "scaled": decoded.scaled,
    }
    write_json(target.with_suffix(".json"), outcome | {"sha256": sha256(target, target.stat().st_size)})


def _to_memory(files: list[File], size: Size, options: Options, pool: ThreadPoolExecutor) -> Images:
    memory = BytesIO()
    decoded = decode(files, size, options, pool, memory)
    values = np.frombuffer(memory.getbuffer(), np.uint8, offset=HEADER_BYTES).reshape(decoded.shape)
    return values[:, :1].copy() if decoded.all_grey else values, decoded


def _key(files: Iterable[File], root: Path, options: Options) -> str:
    """Return a name for these files, as they are now, decoded with these settings."""
    import PIL

    content = [
        CACHE_FORMAT,
        PIL.__version__,
        os.path.realpath(root),
        options.size,
        options.channels,
        options.fit,
        options.white,
        options.range,
        options.page,
        options.max_pixels,
        images.readable_formats(),
        options.like and _scale_in(options.like),
        [(file.name, *_status(file.path)) for file in files],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _scale_in(like: Mapping[str, Any]) -> list[Any]:
    return [like.get(name) for name in scale.KEPT]


def _status(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    # The time of the last change of status as well: permission may have been given since.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _recall(target: Path) -> Images | None:
    """Return what the cache holds, mapped into memory; None when it holds nothing or something damaged."""
    try:
        known = read_json(target.with_suffix(".json"))
        if sha256(target, target.stat().st_size) != known["sha256"]:
            return None
        values = np.load(target, mmap_mode="r", allow_pickle=False)
        return values, Decoded(
            values.shape,
            False,
            known["positions"],
            [Skipped(**file) for file in known["failures"]],
            [Skipped(**file) for file in known["damaged"]],
            known["conversions"],
            Counter({(h, w): count for h, w, count in known["sizes"]}),
            known["in_colour"],
            None if known["scaled"] is None else (known["scaled"][0], known["scaled"][1]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
