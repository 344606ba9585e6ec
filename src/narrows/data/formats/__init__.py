"""Formats of files and folders. One reader per file of this folder; each says what it accepts.

A reader returns what it found as it stands in the file; ``narrows.data.open`` makes a ``Dataset`` of it.
"""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from narrows.data import kinds
from narrows.data.dataset import Skipped
from narrows.data.metadata import Column
from narrows.data.reading import MOST_PIXELS, Channels, Fit
from narrows.data.scale import Range, White
from narrows.data.upright import Size
from narrows.disk.files import Array
from narrows.disk.regular import opened
from narrows.errors import DataError
from narrows.registry import Registry
from narrows.work.progress import Progress

formats = Registry("narrows.data.formats", "format")

# Deflate shrinks at most 1032 to 1, so a header that promises more than this is a bomb or damaged.
MOST_INFLATION = 1032


@dataclass(frozen=True, eq=False)
class Options:
    """What ``narrows.open`` was asked for, checked; see there."""

    labels: Any = "auto"
    key: str | None = None
    size: Size | Literal["auto"] = "auto"
    channels: Channels = "auto"
    fit: Fit = "crop"
    limit: int | None = None
    strict: bool = False
    progress: Progress = field(default_factory=Progress)
    seed: int = 0
    white: White = "auto"
    range: Range = "auto"
    page: int | Literal["all"] = 0
    columns: tuple[str, ...] = ()  # all of them
    ignore: tuple[str, ...] = ()
    metadata: Any = None  # what the source offers
    max_pixels: int = MOST_PIXELS
    like: Mapping[str, Any] | None = None
    from_model: frozenset[str] = frozenset()  # size, channels, page, max_pixels: which nobody asked for but ``like``

    @property
    def labels_word(self) -> str:
        """What ``labels`` says where it is a word rather than an array; "" otherwise."""
        return self.labels if isinstance(self.labels, str) else ""

    def choose(self, n: int) -> Array | None:
        """Return the rows that ``limit`` leaves of ``n``, sorted; None when it leaves all."""
        if self.limit is None or self.limit >= n:
            return None
        return np.sort(np.random.default_rng(self.seed).choice(n, self.limit, replace=False))


@dataclass(frozen=True, eq=False)
class Raw:
    """What a reader found.

    Parameters
    ----------
    values : an array of any kind ``arrays.as_values`` takes; or finished images where ``preprocessing`` says so
    labels : as found, where ``Options.labels`` asks for some that the source itself holds
    label_names : of the classes, where ``labels`` are their numbers and the source says what they stand for
    label_choices : what ``labels`` could name in this source, for messages
    preprocessing : size, channels, fit, page, white or range, when the reader has already applied them (and the limit)
    positions : of each row among the ``n_source`` rows of the source, where the reader left some out
    columns : names of the columns of a table, where the reader has chosen among them already
    ids, paths, split, metadata, skipped, damaged, notes : as in ``Dataset``
    """

    values: Array
    labels: Any = None
    label_names: tuple[str, ...] | None = None
    label_choices: tuple[str, ...] = ()
    preprocessing: dict[str, Any] | None = None
    positions: Array | None = None
    n_source: int | None = None
    columns: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    paths: tuple[str, ...] | None = None
    split: Array | None = None
    metadata: Mapping[str, Column] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    damaged: tuple[Skipped, ...] = ()


class Reader(ABC):
    """Reads one format."""

    reads: ClassVar[str]  # in a user's words, for messages: ".npy and .npz arrays"
    has_keys: ClassVar[bool] = False  # whether ``key`` can choose among several arrays
    has_pages: ClassVar[bool] = False  # whether ``page`` can choose among several pictures of a file
    goes_first: ClassVar[bool] = False  # whether it is asked before the readers that accept more

    @abstractmethod
    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether ``path``, which exists, is of this format; ``head`` is its first bytes, none for a folder."""

    def accepts_several(self, paths: Sequence[Path]) -> bool:
        """Whether ``paths``, which exist, can be read together as one source."""
        return False

    @abstractmethod
    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read ``paths``: one, or several that ``accepts_several`` has accepted.

        Raises
        ------
        DataError : content that is not what it should be
        """


def find(path: Path) -> tuple[str, Reader]:
    """Return the name and the reader of the format of ``path``, which exists.

    Raises
    ------
    DataError : no reader accepts it
    """
    head = _head(path)
    for name, reader in _readers():
        if reader.accepts(path, head):
            return name, reader
    raise DataError(
        str(path),
        "must be of a format that narrows reads",
        value=path.suffix or "no extension",
        remedy=f"It is {what}." if (what := kinds.of_file(path)) else f"It reads {readable()}.",
    )


def find_several(paths: Sequence[Path]) -> tuple[str, Reader]:
    """Return the name and the reader of ``paths``, which exist: several files that are one source."""
    for name, reader in _readers():
        if reader.accepts_several(paths):
            return name, reader
    return "folder", formats.get("folder")()


def _readers() -> list[tuple[str, Reader]]:
    """Return all readers in the order in which they are asked."""
    readers = [(name, formats.get(name)()) for name in formats.names()]
    return sorted(readers, key=lambda item: not item[1].goes_first)


def readable() -> str:
    """Return all formats in a user's words."""
    return ", ".join(formats.get(name).reads for name in formats.names())


def _head(path: Path) -> bytes:
    """Return the first 16 bytes of a file, unpacked if it is gzipped."""
    if not path.is_file():
        return b""
    with opened(path, refused=DataError) as file:
        head = file.read(16)
        if head[:2] == b"\x1f\x8b":
            file.seek(0)
            try:
                return gzip.GzipFile(fileobj=file).read(16)
            except (OSError, EOFError, zlib.error):
                return head
    return head
