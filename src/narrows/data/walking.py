"""Folders walked through links, each of them once, and patterns matched so: loops end, and nothing is doubled."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator

READ_ALREADY = "a link to a folder that was already read"
AROUND = "a link to a folder that contains this one"


def walk(
    tops: Iterable[str],
    failed: Callable[[OSError], None] = lambda error: None,
    passed: Callable[[str, str], None] = lambda link, why: None,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk folders as ``os.walk`` does from the top, through links too, which come after all that are not links.

    Parameters
    ----------
    tops : where to begin
    failed : told of a folder that cannot be listed
    passed : told of a link that is not followed, and why
    """
    seen: set[tuple[int, int]] = set()
    left = sorted(tops, key=os.path.islink)
    roots = [os.path.join(os.path.realpath(top), "") for top in left]
    while left:
        links: list[str] = []
        for top in left:
            for place, below, names in os.walk(top, onerror=failed):
                try:
                    status = os.stat(place)
                except OSError as error:
                    failed(error)
                    continue
                if (status.st_dev, status.st_ino) in seen:
                    below.clear()
                    if os.path.islink(place):
                        passed(place, READ_ALREADY)
                    continue
                seen.add((status.st_dev, status.st_ino))
                yield place, below, names
                links += [path for name in below if os.path.islink(path := os.path.join(place, name))]
        left = []
        for link in links:
            around = os.path.join(os.path.realpath(link), "")
            if any(root != around and root.startswith(around) for root in roots):
                passed(link, AROUND)
            else:
                left.append(link)


def matching(pattern: str) -> list[str]:
    """Return what a pattern matches, sorted; where no links are, as ``glob.glob(pattern, recursive=True)`` does."""
    start, *rest = re.split(r"(?:(?<=/)|^)\*\*(?:/+|$)", pattern.replace(os.sep, "/"), maxsplit=1)
    if not rest:
        return sorted(glob.glob(pattern))
    tops = [top for top in (glob.glob(start) if start else [os.curdir]) if os.path.isdir(top)]
    found: set[str] = set()
    for top, below, names in walk(tops):
        below[:] = [name for name in below if not name.startswith(".")]
        place = os.path.normpath(top) if os.path.normpath(top) != os.curdir else ""
        if rest[0]:
            found.update(matching(os.path.join(glob.escape(place), rest[0])))
        else:
            found.update([place] if place else [])
            found.update(os.path.join(place, name) for name in names if not name.startswith("."))
    return sorted(found)
