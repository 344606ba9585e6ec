"""Folders and files that systems and other programs keep among a person's own, and that are none of the data."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

# What each is. Names are compared without regard to case; "*" stands for anything.
KNOWN = {
    "@eadir": "thumbnails of a Synology", "@tmp": "work of a Synology", "#recycle": "bin of a Synology",
    "#snapshot": "snapshots of a Synology", ".@__thumb": "thumbnails of a QNAP", "@recycle": "bin of a QNAP",
    "@recently-snapshot": "snapshots of a QNAP", ".@upload_cache": "work of a QNAP",
    ".thumbnails": "thumbnails of Android or Linux", ".thumb": "thumbnails of Android",
    ".thumbcache*": "thumbnails of Android", ".nomedia": "mark of Android", ".picasaoriginals": "originals of Picasa",
    ".picasa.ini": "notes of Picasa", "picasa.ini": "notes of Picasa", "*.lrdata": "previews of Lightroom",
    "ipod photo cache": "thumbnails of iTunes", "__macosx": "what macOS adds to archives",
    "._*": "what macOS adds to files", ".ds_store": "folder view of macOS", ".appledouble": "what macOS adds to files",
    ".spotlight-v100": "index of macOS", ".fseventsd": "journal of macOS", ".temporaryitems": "work of macOS",
    ".documentrevisions-v100": "versions of macOS", "icon\r": "icon of macOS", ".trash*": "bin",
    "$recycle.bin": "bin of Windows", "recycler": "bin of Windows", "recycled": "bin of Windows",
    "system volume information": "work of Windows", "thumbs.db": "thumbnails of Windows",
    "ehthumbs*.db": "thumbnails of Windows", "desktop.ini": "folder view of Windows",
    ".directory": "folder view of KDE",
    "lost+found": "what Linux recovers", ".stfolder": "mark of Syncthing", ".stversions": "versions of Syncthing",
    ".dropbox": "mark of Dropbox", ".dropbox.cache": "work of Dropbox", ".dropbox.attr": "notes of Dropbox",
    ".sync": "work of Resilio", ".ipynb_checkpoints": "versions of Jupyter",
}  # fmt: skip
MOST_NAMED = 6  # kinds that a sentence names


def known_as(name: str) -> str | None:
    """Return the pattern of ``KNOWN`` that a name of a file or folder fits; None where it is a person's own."""
    low = name.lower()
    return low if low in KNOWN else next((known for known in KNOWN if "*" in known and fnmatchcase(low, known)), None)


def about(passed_over: Counter[str]) -> list[str]:
    """Return a sentence about what was passed over, given how often each name was met."""
    if not passed_over:
        return []
    named = ", ".join(
        f"{count:,} {name.strip()} ({KNOWN[known_as(name) or name]})"
        for name, count in passed_over.most_common(MOST_NAMED)
    )
    rest = passed_over.total() - sum(count for _, count in passed_over.most_common(MOST_NAMED))
    named += f", {rest:,} others" if rest else ""
    return [f"Passed over, being of a system or another program: {named}."]
