"""Stopping on request: the first signal saves and stops, the second stops at once.

While training, a signal is only noted, and the loop saves before it stops. In every other stage it stops the work
there and then, because a stage leaves nothing half written and is simply done again on resume.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from narrows.errors import Interrupted

STOPPED = "finished steps are saved"


class Interrupt:
    """Notes SIGINT and SIGTERM while its ``with`` block runs; call it to learn which has come (0 for none)."""

    def __init__(self) -> None:
        self.signal = 0
        self._deferred = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        """Install the handlers; outside the main thread there is nothing to install."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Put the former handlers back."""
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def __call__(self) -> int:
        """Return the number of the signal that came, or 0."""
        return self.signal

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note a signal while this block runs; the code inside checks for it, saves and raises Interrupted."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.signal:  # it came after the last question
            raise Interrupted(self.signal, STOPPED)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            os._exit(128 + number)
        self.signal = number
        if not self._deferred:
            raise Interrupted(number, STOPPED)
