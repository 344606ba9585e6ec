"""Output that never stops the work: what cannot be encoded is escaped; what nobody reads any more is dropped."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Enduring(io.TextIOWrapper):
    """A text stream that drops what cannot be written: its reader has gone, or the disk behind it is full."""

    def write(self, text: str) -> int:
        """Write ``text`` if that is possible; return its length."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written if that is possible."""
        with suppress(OSError):
            super().flush()


@contextmanager
def enduring() -> Iterator[None]:
    """Let nothing that goes to standard output or standard error raise an error while the block runs."""
    former = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_enduring, former)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Enduring):
                _let_go(stream)
        sys.stdout, sys.stderr = former


def _enduring(stream: Any) -> Any:
    if stream is None:  # closed before we began
        return open(os.devnull, "w", encoding="utf-8")
    if not hasattr(stream, "buffer"):  # a person's own, of text alone
        return stream
    stream.flush()
    return Enduring(
        stream.buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=stream.line_buffering
    )


def _let_go(stream: Enduring) -> None:
    """Leave the stream below to whoever had it; what it could not hand on would otherwise be tried again at the end."""
    below = stream.detach()
    try:
        below.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, below.fileno())
        os.close(nowhere)
