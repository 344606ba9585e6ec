"""Downloads that can be trusted: resumed when cut, checked by what is inside, and moved into place in one step."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path

from narrows.disk.files import naming
from narrows.errors import DataError
from narrows.work.progress import Progress

ROUNDS = 3  # each source is tried so often
PAUSE = 0.5  # seconds before the second round, doubled before each further one
TIMEOUT = 30  # seconds without a byte after which a connection counts as cut
CHUNK = 1 << 16


class _WrongContentError(Exception):
    """The whole file arrived, but it is not the right one."""


def fetch(
    urls: Sequence[str],
    target: Path,
    sha256_uncompressed: str,
    progress: Progress | None = None,
    *,
    remedy: str | None = None,
) -> Path:
    """Download a file unless it is there.

    What has arrived is kept in ``<target>.part``, and a later try, of this call or the next, goes on from there.
    Processes that want the same file wait for the first of them.

    Parameters
    ----------
    urls : where the same file lies, in the order to try
    target : where to put it
    sha256_uncompressed : of its content, unpacked if it is gzipped
    progress : shows how far it is
    remedy : what the user can do when nothing can be reached

    Returns
    -------
    target

    Raises
    ------
    DataError : no source can be reached, or what they send is not the file; nothing is left in its place
    """
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not (target.is_file() and hash_uncompressed(target) == sha256_uncompressed):
                _fetch(urls, target, sha256_uncompressed, progress or Progress(), remedy)
    except OSError as error:
        raise DataError(
            f"the download of {target.name}",
            "needs a writable folder",
            value=str(target.parent),
            remedy=f"{error.strerror or error}. Set NARROWS_CACHE to another folder.",
        ) from error
    return target


def hash_uncompressed(path: Path) -> str:
    """Return the sha256 of a file's content, unpacked if it is gzipped; of nothing if it is a damaged gzip."""
    digest = hashlib.sha256()
    with open(path, "rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.open(raw) if is_gzip else raw as content:
                while chunk := content.read(CHUNK):
                    digest.update(chunk)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return ""
    return digest.hexdigest()


def _fetch(urls: Sequence[str], target: Path, sha256: str, progress: Progress, remedy: str | None) -> None:
    part = target.with_name(f"{target.name}.part")
    complaints: dict[str, str] = {}
    for attempt in range(ROUNDS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        for url in urls:
            try:
                _receive(url, part, progress)
                if hash_uncompressed(part) != sha256:
                    raise _WrongContentError
                os.replace(part, target)
                return
            except _WrongContentError:
                # It may have been put together from two sources' halves, so the next try begins anew.
                part.unlink()
                complaints[url] = "sent something other than the original (its sha256 differs), which was deleted"
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                complaints[url] = f"{getattr(error, 'reason', None) or error}"
    raise DataError(
        target.name,
        "could not be downloaded from any source",
        remedy="; ".join(f"{url}: {complaint}" for url, complaint in complaints.items()) + f". {remedy or ''}".rstrip(),
    )


def _receive(url: str, part: Path, progress: Progress) -> None:
    """Append what is missing to ``part``; begin anew when the server cannot go on from the middle."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "narrows", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (addresses stand in our own source)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is here, or it is another file: its content will tell
        raise
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        goes_on = goes_on and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not goes_on and response.status != http.HTTPStatus.OK:
            part.unlink(missing_ok=True)
            raise ConnectionError(f"answered {response.status} with a part that was not requested")
        start = have if goes_on else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        task_of = progress.task(part.stem, total, start)
        with naming(part, total), open(part, "ab" if goes_on else "wb") as file, task_of as task:
            received = start
            while chunk := _next(response):
                file.write(chunk)
                received += len(chunk)
                task.advance(len(chunk), text=f"{received / 1e6:.1f} MB")
            file.flush()
            os.fsync(file.fileno())
    if total is not None and received < total:
        raise ConnectionError(f"the connection was cut after {received:,} of {total:,} bytes")


def _next(response: http.client.HTTPResponse) -> bytes:
    """Return the next bytes; a failing line is not to be mistaken for a failing disk, which is an OSError as well."""
    try:
        return response.read(CHUNK)
    except OSError as error:
        raise ConnectionError(f"the connection broke: {error}") from error
