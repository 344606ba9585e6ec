"""Folders and files that operating systems and other programs leave among a person's own; they are not data."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

# What each is. Names are compared without regard to case; "*" stands for anything.
KNOWN = {
    "@eaDir": "thumbnails of a Synology",
    "@tmp": "work of a Synology",
    "#recycle": "bin of a Synology",
    "#snapshot": "snapshots of a Synology",
    ".@__thumb": "thumbnails of a QNAP",
    "@Recycle": "bin of a QNAP",
    "@Recently-Snapshot": "snapshots of a QNAP",
    ".@upload_cache": "work of a QNAP",
    ".thumbnails": "thumbnails of Android or Linux",
    ".thumb": "thumbnails of Android",
    ".thumbcache*": "thumbnails of Android",
    ".nomedia": "mark of Android",
    ".picasaoriginals": "originals of Picasa",
    ".picasa.ini": "notes of Picasa",
    "Picasa.ini": "notes of Picasa",
    "*.lrdata": "previews of Lightroom",
    "iPod Photo Cache": "thumbnails of iTunes",
    "__MACOSX": "what macOS adds to archives",
    "._*": "what macOS adds to files",
    ".DS_Store": "folder view of macOS",
    ".AppleDouble": "what macOS adds to files",
    ".Spotlight-V100": "index of macOS",
    ".fseventsd": "journal of macOS",
    ".TemporaryItems": "work of macOS",
    ".DocumentRevisions-V100": "versions of macOS",
    "Icon\r": "icon of macOS",
    ".Trash*": "bin",
    "$RECYCLE.BIN": "bin of Windows",
    "RECYCLER": "bin of Windows",
    "RECYCLED": "bin of Windows",
    "System Volume Information": "work of Windows",
    "Thumbs.db": "thumbnails of Windows",
    "ehthumbs*.db": "thumbnails of Windows",
    "desktop.ini": "folder view of Windows",
    ".directory": "folder view of KDE",
    "lost+found": "what Linux recovers",
    ".stfolder": "mark of Syncthing",
    ".stversions": "versions of Syncthing",
    ".dropbox": "mark of Dropbox",
    ".dropbox.cache": "work of Dropbox",
    ".dropbox.attr": "notes of Dropbox",
    ".sync": "work of Resilio",
    ".ipynb_checkpoints": "versions of Jupyter",
}
MOST_NAMED = 6  # of them, in a sentence

_EXACT = {name.lower(): name for name in KNOWN if "*" not in name}
_PATTERNS = {name.lower(): name for name in KNOWN if "*" in name}


def known_as(name: str) -> str | None:
    """Return which of ``KNOWN`` a folder or file is, by its name; None if it is none of them."""
    low = name.lower()
    return _EXACT.get(low) or next((known for form, known in _PATTERNS.items() if fnmatchcase(low, form)), None)


def about(passed_over: Counter[str]) -> list[str]:
    """Return a sentence about the files that were ignored, from their counts by name in ``KNOWN``."""
    if not passed_over:
        return []
    most = passed_over.most_common(MOST_NAMED)
    named = ", ".join(f"{count:,} {name.strip()} ({KNOWN[name]})" for name, count in most)
    rest = passed_over.total() - sum(count for _, count in most)
    named += f", {rest:,} of other names" if rest else ""
    return [f"Ignored as files of the system or another program: {named}."]
