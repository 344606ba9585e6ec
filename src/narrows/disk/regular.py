"""Reading what must be a file: a pipe or a device would wait for ever or never end, and a folder comes from anyone.

A name is opened without waiting, and what was opened is looked at, not the name again: it must be a regular file, no
larger than what it is read as can be. Nothing of it is read before that is known.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import tomllib
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

from narrows.errors import InputError

#: Bytes of a file of settings, and of any other that is parsed as text.
MOST_SETTINGS, MOST_TEXT = 1 << 20, 1 << 27
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Windows has only the last of them.
NO_WAITING, NO_LINK, NO_TERMINAL, BINARY = (
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_BINARY")
)


def opened(
    path: str | Path, *, most: int | None = None, follow: bool = True, refused: type[InputError] = InputError
) -> BufferedReader:
    """Open a regular file for reading.

    Parameters
    ----------
    path : of the file
    most : bytes that it may have; None for any number
    follow : whether the name may be a link
    refused : the error to raise

    Raises
    ------
    InputError : a pipe, device, socket or folder, a link that may not be followed, or a file that is too large
    OSError : there is none, or it may not be read
    """
    flags = os.O_RDONLY | NO_WAITING | NO_TERMINAL | BINARY | (0 if follow else NO_LINK)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        kind = "a link" if error.errno == errno.ELOOP and not follow else _kind_of(path)
        if kind is None:
            raise
        raise refused(str(path), "must be a regular file", value=kind) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise refused(str(path), "must be a regular file", value=_named(found.st_mode))
        if most is not None and found.st_size > most:
            raise refused(str(path), f"must have at most {most:,} bytes", value=f"{found.st_size:,} bytes")
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read(
    path: str | Path, *, most: int | None = None, follow: bool = True, refused: type[InputError] = InputError
) -> bytes:
    """Return the content of a regular file, which by default may have half as many bytes as this machine has memory.

    Raises
    ------
    InputError, OSError : as ``opened`` does; and a file that grows as it is read
    """
    most = half_of_memory() if most is None else most
    with opened(path, most=most, follow=follow, refused=refused) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1) or b""
    if len(content) > size:
        raise refused(str(path), "must not grow while it is being read", value=f"more than {size:,} bytes")
    return content


def parse_json(content: bytes) -> Any:
    """Return what JSON (UTF-8) says.

    Raises
    ------
    ValueError : it is none, or too deep
    """
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse_toml(content: bytes) -> dict[str, Any]:
    """Return what TOML (UTF-8) says.

    Raises
    ------
    ValueError : it is none, or too deep
    """
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@cache
def half_of_memory() -> int:
    """Return half the bytes of this machine's memory: what is read and parsed is there twice."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return 1 << 34


def _kind_of(path: str | Path) -> str | None:
    """Return what a name stands for that is not a regular file; None where it is one, or is not there."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) else _named(mode)


def _named(mode: int) -> str:
    return next((name for is_it, name in KINDS if is_it(mode)), "something else")
