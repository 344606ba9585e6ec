"""Which image files there are in folders, and which of their pages are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from narrows.data import images
from narrows.data.dataset import Skipped
from narrows.data.images import Unreadable
from narrows.data.labels import labels_file
from narrows.environment import usable_cores


@dataclass(frozen=True)
class File:
    path: Path
    name: str  # relative to the folder, with "/"; "#3" behind it is its fourth page, where all pages are read
    page: int = 0


def common_parent(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths]))


def list_files(paths: Sequence[Path], root: Path, ignore: str) -> tuple[list[File], list[Skipped], list[Skipped]]:
    """Return image files, sorted by name; folders that cannot be listed; and other files, but no hidden ones."""
    named = labels_file(ignore)
    of_labels = named and named[0].resolve()
    files: list[File] = []
    closed: list[Skipped] = []
    others: list[Skipped] = []
    walked = [found for path in paths for found in (_walk(path, root, closed) if path.is_dir() else [path])]
    for path in {os.path.abspath(path): path for path in walked}.values():  # once, however it was spelled
        file = File(path, _relative(path, root))
        if path.suffix.lower() in images.EXTENSIONS:
            files.append(file)
        elif path.resolve() != of_labels:
            others.append(Skipped(file.name, f"not an image file ({path.suffix or 'no extension'})"))
    return sorted(files, key=lambda file: file.name), closed, sorted(others, key=lambda file: file.path)


def with_pages(files: list[File]) -> list[File]:
    """Return a file for each page of those that have several."""

    def pages(file: File) -> int:
        try:
            return images.count(file.path)
        except Unreadable:
            return 1  # decoding it will say why

    with images.quiet(), ThreadPoolExecutor(usable_cores()) as pool:
        counts = list(pool.map(pages, files))
    return [
        file if count == 1 else File(file.path, f"{file.name}#{page}", page)
        for file, count in zip(files, counts, strict=True) for page in range(count)
    ]  # fmt: skip


def _walk(folder: Path, root: Path, closed: list[Skipped]) -> Iterator[Path]:
    """Yield all files below ``folder``, through links to folders too, but through each folder only once."""

    def note(error: OSError) -> None:
        name = _relative(Path(error.filename), root)
        closed.append(Skipped(name, f"a folder that cannot be listed: {(error.strerror or '').lower()}"))

    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=note):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _relative(path: Path, root: Path) -> str:
    return as_text(Path(os.path.relpath(path, root)).as_posix())


def as_text(name: str) -> str:
    """Return a file name as text that can be written anywhere: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
