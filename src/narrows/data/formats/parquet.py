"""Tables of Apache Parquet: numbers in columns, or embeddings as lists in one column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from narrows.data import frames
from narrows.data.formats import Options, Raw, Reader

__all__ = ["Parquet"]

MAGIC = b"PAR1"


class Parquet(Reader):
    """Reads one table, or several files of one table, as dataframes are read."""

    reads = ".parquet tables"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is named like one, or begins like one."""
        return path.is_file() and (path.suffix.lower() in frames.PARQUET or head.startswith(MAGIC))

    def accepts_several(self, paths: Sequence[Path]) -> bool:
        """Whether all are named like one."""
        return all(path.is_file() and path.suffix.lower() in frames.PARQUET for path in paths)

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read the rows of all files, one after the other."""
        return frames.read(frames.of_parquet(paths), options, str(paths[0]))
