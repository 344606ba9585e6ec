"""Where a source lies, in words that mean the same from every folder.

A run, a report and an explorer come back to their data later, and from elsewhere: what a person typed from the folder
they were in is kept as an absolute path.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path

from narrows.data.labels import LABEL_ANSWERS, labels_file
from narrows.data.named import named


def lasting(source: str) -> str:
    """Return a file, folder or pattern of files as an absolute path, and whatever else is a source as it is.

    Links are followed in what comes before the last name or the pattern, but not there: the name of a file says what it
    holds, and what a link leads to may be called otherwise.
    """
    if not source.strip() or ("/" not in source and "\\" not in source and source in named.names()):
        return source
    try:
        path = Path(source).expanduser()
        if not os.path.lexists(path) and not (glob.has_magic(source) and glob.glob(str(path), recursive=True)):
            return source
    except (RuntimeError, OSError, ValueError):  # ~name of nobody, a name too long, a NUL: refused when it is opened
        return source
    if path.name in ("", ".."):
        return os.path.realpath(path)
    if os.path.lexists(path):
        return os.path.join(os.path.realpath(path.parent), path.name)
    fixed = path
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return os.path.join(glob.escape(os.path.realpath(fixed)), path.relative_to(fixed))


def lasting_labels(labels: str) -> str:
    """Return a file of labels, with the column or key behind it, as an absolute path, and any other word as it is."""
    found = None if labels in LABEL_ANSWERS else labels_file(labels)
    if found is None:
        return labels
    path, part = found
    return f"{lasting(str(path))}:{part}" if part else lasting(str(path))


def is_same(one: str, other: str) -> bool:
    """Whether two sources are one, whichever links lead there."""
    return one == other or os.path.realpath(lasting(one)) == os.path.realpath(lasting(other))
