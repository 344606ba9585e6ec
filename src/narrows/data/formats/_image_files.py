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
from narrows.environment import usable_cores


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
    passed_over: Counter[str] = field(default_factory=Counter)  # names of systems' own, and how many have them


def list_files(paths: Sequence[Path], root: Path, ignore: str) -> Listed:
    """List files, of which ``ignore`` may be one of labels; neither hidden files nor systems' own."""
    named = labels_file(ignore)
    of_labels = named and os.path.realpath(named[0])
    found = Listed()
    walked: list[Path] = []
    folders: list[Path] = []
    own: set[str] = set()
    for path in paths:
        parts = Path(_relative(path, root)).parts
        known = [known_as(part) is not None for part in parts]
        if any(known):
            own.add(os.path.join(*parts[: known.index(True) + 1]))
        else:
            (folders if path.is_dir() else walked).append(path)
    found.passed_over.update(map(os.path.basename, own))
    walked += _walk(sorted(folders, key=os.path.islink), root, set(), found)
    for path in {os.path.abspath(path): path for path in walked}.values():  # once, however it was spelled
        file = File(path, _relative(path, root))
        if path.suffix.lower() in images.EXTENSIONS:
            found.files.append(file)
        elif os.path.realpath(path) != of_labels:
            found.others.append(Skipped(file.name, _what(path)))
    found.files.sort(key=lambda file: file.name)
    found.others.sort(key=lambda file: file.path)
    return found


def _what(path: Path) -> str:
    """Say why a file is not read that is not named like an image."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads nowhere" if path.is_symlink() else "it cannot be looked at"
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
        for file, count in zip(files, counts, strict=True) for page in range(count)
    ]  # fmt: skip


def _walk(folders: Sequence[Path], root: Path, seen: set[tuple[int, int]], found: Listed) -> Iterator[Path]:
    """Yield all files below ``folders``, each folder once; links to folders come last, if they lead to more."""

    def note(error: OSError) -> None:
        name = _relative(Path(error.filename), root)
        found.closed.append(Skipped(name, f"a folder that cannot be listed: {(error.strerror or '').lower()}"))

    links: list[Path] = []
    for folder in folders:
        for place, below, names in os.walk(folder, onerror=note):
            if not _is_new(place, seen):
                below.clear()
                if os.path.islink(place):
                    found.others.append(
                        Skipped(_relative(Path(place), root), "a link to a folder that is read already")
                    )
                continue
            found.passed_over.update(name for name in (*below, *names) if known_as(name))
            below[:] = sorted(name for name in below if not name.startswith(".") and not known_as(name))
            links += [Path(place, name) for name in below if os.path.islink(os.path.join(place, name))]
            yield from (Path(place, name) for name in sorted(names) if not name.startswith(".") and not known_as(name))
    within = os.path.realpath(root)
    above = [link for link in links if within.startswith(os.path.join(os.path.realpath(link), ""))]
    found.others += [Skipped(_relative(link, root), "a link to a folder around this one") for link in above]
    if below_links := [link for link in links if link not in above]:
        yield from _walk(below_links, root, seen, found)


def _is_new(place: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder is not among those ``seen``, by whatever name; now it is."""
    status = os.stat(place)
    which = (status.st_dev, status.st_ino)
    is_new = which not in seen
    seen.add(which)
    return is_new


def _relative(path: Path, root: Path) -> str:
    return as_text(Path(os.path.relpath(path, root)).as_posix())


def as_text(name: str) -> str:
    """Return a file name as text that can be written anywhere: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
