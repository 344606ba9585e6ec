"""The page: one HTML file with its program, style and all data, which opens from disk."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset
from narrows.disk.files import atomic_file
from narrows.disk.sealed import Parts
from narrows.explorer.bundle import Bundle, gather
from narrows.runs import Run

NAME = "explorer.html"
BLOB = '<script type="application/octet-stream" id="blob-'


def write(run: Run, data: Dataset | None) -> Path:
    """Write ``explorer.html`` into a finished run's folder, and return its path.

    Parameters
    ----------
    run : the run
    data : its rows, for thumbnails; None if they are gone, and then the page has no pictures

    Raises
    ------
    RunFolderError : the run is not finished
    """
    path = run.folder / NAME
    bundle = gather(run, data)
    run.renew(NAME, lambda: save(bundle, path))
    return path


def save(bundle: Bundle, path: Path) -> None:
    """Write the page of ``bundle`` to ``path`` in one step."""
    with atomic_file(path) as file:
        for part in _parts(bundle):
            file.write(part.encode("utf-8"))


def read(path: Path) -> Bundle:
    """Read the data of a page that ``write`` wrote.

    Raises
    ------
    RunFolderError : there is no page, or it was changed or damaged
    """
    parts = Parts.of(path.parent, remedy="`narrows explore RUN --rebuild` writes it again.")
    bundle: Bundle = parts.parsed(path.name, _data_in)
    return bundle


def _data_in(page: bytes) -> Bundle:
    text = page.decode("utf-8")
    start = text.index('<script type="application/json" id="header">')
    header = json.loads(text[text.index(">", start) + 1 : text.index("</script>", start)])
    blobs = []
    end = start
    while (start := text.find(BLOB, end)) >= 0:
        first, end = text.index(">", start) + 1, text.index("</script>", start)
        blobs.append(base64.b64decode(text[first:end], validate=True))
    _check(header, len(blobs))
    return Bundle(header, blobs)


def _check(part: Any, blobs: int) -> None:
    """Raise ValueError unless the blobs that a header describes can exist."""
    if isinstance(part, list):
        for one in part:
            _check(one, blobs)
    if not isinstance(part, dict):
        return
    if "blob" in part:
        known = part["blob"] in range(blobs) and isinstance(part["type"], str)
        if not known or (part["type"] != "text" and np.dtype(part["type"]).kind not in "fiu"):
            raise ValueError(f"{part} cannot describe an array")
    for one in part.values():
        _check(one, blobs)


def policy(*, served: bool) -> str:
    """Return the content security policy, which allows only the page's own program and style."""
    script, style = (_digest(asset(name)) for name in ("explorer.js", "explorer.css"))
    connect = "'self'" if served else "'none'"
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src blob: data:; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'; object-src 'none'"
    )


def shell(title: str, *, served: bool) -> tuple[str, str]:
    """Return the parts of a page before and after its data."""
    mode = "served" if served else "file"
    before = (
        '<!doctype html>\n<html lang="en" data-form="' + mode + '">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(served=served)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>{asset('explorer.css')}</style>\n</head>\n<body>\n"
        '<div id="app"><p class="loading" role="status">Loading the map …</p></div>\n'
        "<noscript>The explorer needs JavaScript; report.html does not.</noscript>\n"
    )
    return before, f"<script>{asset('explorer.js')}</script>\n</body>\n</html>\n"


@cache
def asset(name: str) -> str:
    """Return a file of the built page, as text."""
    return (files("narrows.explorer") / "built" / name).read_text(encoding="utf-8")


def _parts(bundle: Bundle) -> Iterator[str]:
    before, after = shell(f"{bundle.header['name']}: explorer", served=False)
    yield before
    yield f'<script type="application/json" id="header">{_json(bundle.header)}</script>\n'
    for number, blob in enumerate(bundle.blobs):
        yield f'{BLOB}{number}">{base64.b64encode(blob).decode()}</script>\n'
    yield after


def _json(content: Any) -> str:
    """Return JSON that is safe inside a script element, which only "</" can end."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
