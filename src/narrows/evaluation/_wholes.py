"""Whole pictures of rows: files that were cropped to the common size are decoded again without cropping."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data import images
from narrows.data.dataset import Dataset
from narrows.data.images import Unreadable
from narrows.data.reading import How, how_of, page_of
from narrows.data.upright import Size
from narrows.disk.files import Array, naming, reserve, sha256
from narrows.work.cores import usable_cores
from narrows.work.progress import Progress

SIDE = 64  # of pictures that are decoded again, in pixels
COARSE = 32  # stored rows whose shorter side is below this are decoded again if their files have more pixels
FINE = 0.55  # of the highest frequency: halving the size removes those above one half, but no filter is sharp
CHROMA = 0.5  # weight of colour relative to brightness
BLOCK = 256  # files at a time


class Wholes:
    """The whole picture of each row of a data set of images, and the file it came from.

    The stored row is the picture if it comes from an array or from a file with several rows, if the file is gone or
    cannot be read, or if its picture has the same aspect ratio. Other files are decoded again without cropping, and so
    are those that were stored very small.

    Parameters
    ----------
    data : images
    progress : shows the decoding
    """

    def __init__(self, data: Dataset, progress: Progress) -> None:
        self.data = data
        self.native = np.tile(np.array(data.shape[1:], np.int64), (len(data), 1))  # (N, 2): height, width in the file
        self._place = np.full(len(data), -1, np.int64)  # of each row among those decoded again
        self._again: Array = np.empty((0, data.shape[0], SIDE, SIDE), np.uint8)
        self._opened: dict[str, Any] = data.provenance.get("preprocessing", {})
        self._files = self._single_files()
        self._pixels: dict[int, bytes] = {}  # of a row
        self._pixels_of: dict[str, bytes] = {}  # of a file's content
        if self._files:
            self._measure(progress)

    def smooth(self, rows: Array, side: int, blur: float, *, grey: bool) -> Array:
        """Return pictures of ``rows`` in [0, 1], float32 (B, C or 1, side, side), smoothed by a Gaussian.

        ``blur`` is the standard deviation of the Gaussian in pixels of the result. All pictures become square. Colour
        counts less than brightness, since JPEG keeps less of it.
        """
        made = np.empty((len(rows), 1 if grey else self.data.shape[0], side, side), np.float32)
        places = self._place[rows]
        stored = places < 0
        for which, source, index in ((stored, self.data.values, rows), (~stored, self._again, places)):
            if which.any():
                made[which] = _smoothed(source[index[which]], side, blur, grey=grey)
        if not grey and made.shape[1] == 3:
            light = made.mean(axis=1, keepdims=True)
            made = light + np.float32(CHROMA) * (made - light)
        return made

    def contents(self, row: int, *, mirrored: bool = False) -> bytes:
        """Return a hash of the stored row and of its whole picture: pictures with equal hashes look the same."""
        parts = [self.data.values[row], *([] if self._place[row] < 0 else [self._again[self._place[row]]])]
        digest = hashlib.blake2b(digest_size=16)
        for part in parts:
            digest.update(np.ascontiguousarray(part[..., ::-1] if mirrored else part).data)
        return digest.digest()

    def fine_detail(self, row: int) -> float:
        """Return the share of a picture's variance in the frequencies that halving its size would remove.

        0 if the row does not contain the picture at full size.
        """
        from scipy.fft import dctn

        height, width = self.data.shape[1:]
        if (self.native[row] != (height, width)).any():
            return 0.0
        power = dctn(self.data.values[row].mean(axis=0), norm="ortho") ** 2
        down, across = np.indices(power.shape)
        fine = (down > FINE * height) | (across > FINE * width)
        return float(power[fine].sum() / max(power.sum() - power[0, 0], 1e-12))

    def pixels(self, row: int) -> bytes:
        """Return a hash of the picture in the row's file, decoded at full size, or of the row if it has no file.

        Files with the same bytes are decoded once.
        """
        if row not in self._pixels:
            self._pixels[row] = self._hash_of_pixels(row)
        return self._pixels[row]

    def _hash_of_pixels(self, row: int) -> bytes:
        path = self._files.get(row)
        if path is None:
            return self.contents(row)
        try:
            content = sha256(path)
            if content not in self._pixels_of:
                size = images.measure(path, self._page(row), how_of(self._opened).max_pixels)
                pixels = images.decode(path, self._how_whole(row, size)).pixels
                described = str(pixels.shape).encode() + pixels.tobytes()
                self._pixels_of[content] = hashlib.blake2b(described, digest_size=16).digest()
            return self._pixels_of[content]
        except (Unreadable, OSError):  # since it was opened
            return self.contents(row)

    def _single_files(self) -> dict[int, Path]:
        """Return the files of rows that do not share theirs, if it is known how the files of these data were read."""
        if self.data.paths is None or not {"size", "channels", "fit"} <= self._opened.keys():
            return {}
        rows_of = Counter(self.data.paths)
        return {row: Path(path) for row, path in enumerate(self.data.paths) if path and rows_of[path] == 1}

    def _measure(self, progress: Progress) -> None:
        height, width = self.data.shape[1:]
        stretched = self._opened["fit"] == "stretch"
        with images.quiet(), ThreadPoolExecutor(usable_cores(), thread_name_prefix="whole") as pool:
            rows = np.array(sorted(self._files), np.int64)
            for row, size in zip(rows.tolist(), pool.map(self._size, rows.tolist()), strict=True):
                if size is None:
                    del self._files[row]
                else:
                    self.native[row] = size
            # A difference of half a pixel of the stored rows is rounding, not a different aspect ratio.
            cut = np.abs(self.native[:, 0] * width - self.native[:, 1] * height) * 2 > self.native.max(1)
            coarse = (min(height, width) < COARSE) & (self.native.min(1) > min(height, width))
            wanted = np.flatnonzero((cut & (not stretched)) | coarse)
            again = np.array([row for row in wanted.tolist() if row in self._files], np.int64)
            if not len(again):
                return
            self._again = _on_disk((len(again), self.data.shape[0], SIDE, SIDE))
            with progress.task("whole pictures", len(again)) as task:
                for block in _blocks(len(again), BLOCK):
                    decoded = pool.map(self._whole, again[block].tolist())
                    for place, pixels in zip(range(block.start, block.stop), decoded, strict=True):
                        if pixels is not None:
                            self._again[place] = pixels
                            self._place[again[place]] = place
                    task.advance(block.stop - block.start)

    def _size(self, row: int) -> Size | None:
        try:
            return images.measure(self._files[row], self._page(row), how_of(self._opened).max_pixels)
        except Unreadable:
            return None

    def _whole(self, row: int) -> Array | None:
        try:
            pixels = images.decode(self._files[row], self._how_whole(row, (SIDE, SIDE))).pixels
        except Unreadable:
            return None
        return np.repeat(pixels, 3, axis=0) if len(pixels) < self.data.shape[0] else pixels

    def _how_whole(self, row: int, size: Size) -> How:
        """Return how to read the whole picture of a row: with the black, white and channels of its data."""
        return replace(how_of(self._opened), size=size, fit="stretch", page=self._page(row))

    def _page(self, row: int) -> int:
        return page_of(self.data.ids[row], self._opened)


def _smoothed(values: Array, side: int, blur: float, *, grey: bool) -> Array:
    """Return images uint8 (B, C, H, W) as pictures (B, C or 1, side, side) in [0, 1]."""
    pictures = values.mean(axis=1, keepdims=True, dtype=np.float32) if grey else values.astype(np.float32)
    down, across = (_gaussian(length, side, blur) for length in values.shape[2:])
    smooth: Array = (down @ pictures @ across.T) / np.float32(255)
    return smooth


@cache
def _gaussian(length: int, side: int, blur: float) -> Array:
    """Return the matrix (side, length) that samples a line of ``length`` pixels at ``side`` places, smoothed."""
    width = np.hypot(blur / side, 0.5 / length)  # at least half a pixel of the source
    places, pixels = ((np.arange(count) + 0.5) / count for count in (side, length))
    weights = np.exp(-(((pixels[None, :] - places[:, None]) / width) ** 2) / 2)
    matrix: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


def _on_disk(shape: Sequence[int]) -> Array:
    """Return a uint8 array in a temporary file that disappears with the array, so that it need not fit in memory."""
    size = int(np.prod(shape))
    with naming(Path(tempfile.gettempdir(), "narrows"), size):
        file = tempfile.TemporaryFile(prefix="narrows-")  # noqa: SIM115 (mapped for as long as the array lives)
        reserve(file, size)
    return np.memmap(file, np.uint8, "r+", shape=tuple(shape))


def _blocks(rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
