"""Tables of text as they are read: line by line, in UTF-8, unpacked where they are gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from narrows.disk.regular import half_of_memory, opened
from narrows.errors import DataError

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
MOST_UNPACKED = 1 << 31  # bytes of a packed table: one that anybody reads by hand is smaller, a bomb larger
MOST_READ = 4  # times half of the memory: numbers take less room than their text
MOST_IN_CELL = 1 << 24  # characters


def is_table(path: Path) -> bool:
    """Whether a file is named like a table of text."""
    return path.name.lower().endswith(SUFFIXES)


def has_tabs(path: Path) -> bool:
    """Whether its name says that tabs are between its cells."""
    return path.name.lower().endswith((".tsv", ".tsv.gz"))


@contextmanager
def open_text(path: Path | str) -> Iterator[IO[str]]:
    """Open a table, unpacked if its name ends in .gz, with the ends of its lines as they are.

    Raises
    ------
    DataError : no regular file, one that is too large for this machine, or a packed table that is damaged or unpacks
        to more than ``MOST_UNPACKED`` bytes
    """
    most = MOST_READ * half_of_memory()
    if not str(path).lower().endswith(".gz"):
        with io.TextIOWrapper(opened(path, most=most, refused=DataError), "utf-8-sig", newline="") as file:
            yield file
        return
    try:
        with (
            opened(path, most=most, refused=DataError) as packed,
            io.TextIOWrapper(_Unpacked(path, "rb", fileobj=packed), "utf-8-sig", newline="") as file,
        ):
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(str(path), "must be an undamaged .gz", remedy=f"{error}.") from error


@contextmanager
def long_cells() -> Iterator[None]:
    """Let cells hold the text of an embedding: the usual limit of Python's reader is reached by some 6,000 numbers."""
    before = csv.field_size_limit(MOST_IN_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Unpacked(gzip.GzipFile):
    """A gzipped file that says no more than so much."""

    said = 0  # bytes

    def read1(self, size: int = -1) -> bytes:
        content = super().read1(size)
        self.said += len(content)
        if self.said > MOST_UNPACKED:
            raise DataError(
                str(self.name),
                f"must decompress to at most {MOST_UNPACKED:,} bytes",
                value="more",
                remedy="Decompress it yourself if you trust it; an uncompressed table may have any size.",
            )
        return content
