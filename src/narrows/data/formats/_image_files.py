"""Which image files there are in folders, and which of their pages are read."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from narrows.data import images, kinds
from narrows.data.dataset import Skipped
from narrows.data.formats._system_files import known_as
from narrows.data.images import Unreadable
from narrows.data.labels import labels_file
from narrows.data.walking import READ_ALREADY, walk
from narrows.work.cores import usable_cores


@dataclass(frozen=True)
class File:
    path: Path
    name: str  # relative to the folder, with "/"; "#3" behind it is its fourth page, where all pages are read
    page: int = 0


def common_parent(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths]))


@dataclass
class Listed:
    """What lies in folders, or was named one by one."""

    files: list[File] = field(default_factory=list)  # named like images, sorted by name
    closed: list[Skipped] = field(default_factory=list)  # folders that cannot be listed
    others: list[Skipped] = field(default_factory=list)  # files of other kinds, and links to what is listed already
    passed_over: Counter[str] = field(default_factory=Counter)  # systems' own, and how many there are


def list_files(paths: Sequence[Path], root: Path, ignore: str) -> Listed:
    """List files, of which ``ignore`` may be one of labels; neither hidden files nor systems' own."""
    named = labels_file(ignore)
    of_labels = named and os.path.realpath(named[0])
    found = Listed()
    walked: list[Path] = []
    folders: list[Path] = []
    own: dict[str, str] = {}
    for path in paths:
        parts = Path(_relative(path, root)).parts
        system = next(((at, known) for at, part in enumerate(parts, 1) if (known := known_as(part))), None)
        if system is not None:
            own[os.path.join(*parts[: system[0]])] = system[1]
        else:
            (folders if path.is_dir() else walked).append(path)
    found.passed_over.update(own.values())
    walked += _walk(folders, root, found)
    for path in _once(walked, root, found):
        file = File(path, _relative(path, root))
        if path.suffix.lower() in images.EXTENSIONS:
            found.files.append(file)
        elif os.path.realpath(path) != of_labels:
            found.others.append(Skipped(file.name, _what(path)))
    found.files.sort(key=lambda file: file.name)
    found.others.sort(key=lambda file: file.path)
    return found


def _what(path: Path) -> str:
    """Say why a file whose name is not an image's is not read."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads nowhere" if path.is_symlink() else "it cannot be accessed"
    if not stat.S_ISREG(mode):
        return "it is not a regular file"
    return kinds.of_file(path) or f"not an image file ({path.suffix or 'no extension'})"


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
        for file, count in zip(files, counts, strict=True)
        for page in range(count)
    ]


def _walk(folders: Sequence[Path], root: Path, found: Listed) -> Iterator[Path]:
    """Yield all files below ``folders``."""

    def failed(error: OSError) -> None:
        name = _relative(Path(error.filename), root)
        found.closed.append(Skipped(name, f"a folder that cannot be listed: {(error.strerror or '').lower()}"))

    def passed(link: str, why: str) -> None:
        found.others.append(Skipped(_relative(Path(link), root), why))

    for place, below, names in walk(map(str, folders), failed, passed):
        found.passed_over.update(known for name in (*below, *names) if (known := known_as(name)))
        below[:] = sorted(name for name in below if not name.startswith(".") and not known_as(name))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith(".") and not known_as(name))


def _once(paths: Sequence[Path], root: Path, found: Listed) -> list[Path]:
    """Return each file once, however it was spelled, and rather by a name that leads through no link."""
    top, within = Path(os.path.abspath(root)), os.path.realpath(root)
    real = {parent: os.path.realpath(parent) for parent in {path.parent for path in paths}}
    linked = {parent for parent, place in real.items() if place != os.path.join(within, os.path.relpath(parent, root))}
    kept: dict[tuple[str, str], Path] = {}
    doubled: set[str] = set()
    for path in sorted(paths, key=lambda path: path.parent in linked):
        if kept.setdefault((real[path.parent], path.name), path) is not path and path.parent in linked:
            above = (place for place in reversed(Path(os.path.abspath(path)).parents) if top in place.parents)
            doubled.update(_relative(place, root) for place in above if place.is_symlink())
    found.others += [Skipped(name, READ_ALREADY) for name in doubled]
    return list(kept.values())


def _relative(path: Path, root: Path) -> str:
    return as_text(Path(os.path.relpath(path, root)).as_posix())


def as_text(name: str) -> str:
    """Return a file name as text that can be written anywhere: bytes that are not UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
