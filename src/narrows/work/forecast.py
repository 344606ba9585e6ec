"""Which step of how many is under way, and about how long all the rest takes.

What a step takes on a usual core is known roughly; how quick this machine is shows in the steps that are done.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

TELLING = 1.0  # seconds that done steps were expected to take, before they say anything about the machine


class Forecast:
    """The time left of steps that are done one after the other.

    Parameters
    ----------
    expected : step -> about how many seconds it takes; None if unknown
    single : the steps that show one task only, whose own pace says more than what was expected
    """

    def __init__(self, expected: Mapping[str, float | None], single: Collection[str] = ()) -> None:
        self.expected, self.single = dict(expected), frozenset(single)
        self._order = list(expected)
        self._now = ""
        self._start = 0.0
        self._taken: dict[str, float] = {}

    def begin(self, step: str) -> None:
        """Note that a step begins; the one before it has ended."""
        self.end()
        self._now, self._start = step, time.monotonic()

    def end(self) -> None:
        """Note that the step under way has ended."""
        if self._now:
            self._taken[self._now] = time.monotonic() - self._start
        self._now = ""

    @property
    def place(self) -> str:
        """Which step of how many is under way, such as "3 of 10"; empty where none is."""
        return f"{self._order.index(self._now) + 1} of {len(self._order)}" if self._now else ""

    def left(self, task: float | None = None) -> float | None:
        """Return about how many seconds all the rest takes, where the ``task`` under way takes so many.

        None while a step of unknown length is still to be done, or the one under way takes longer than was expected.
        """
        if not self._now:
            return None
        ahead = [self.expected[step] for step in self._order[self._order.index(self._now) :]]
        known = [seconds for seconds in ahead if seconds is not None]
        if len(known) < len(ahead):
            return None
        pace = self._pace()
        usual, since = pace * known[0], time.monotonic() - self._start
        if task is not None and self._now in self.single:
            here = task
        elif since > max(usual, TELLING):
            return None  # its task, if any, is only a part of it
        else:
            here = max(usual - since, task or 0.0)
        return max(here, 0.0) + pace * sum(known[1:])

    def _pace(self) -> float:
        """Return how much longer steps take here than was expected; those whose tasks tell say little of others."""
        told = self._taken.keys() - self.single
        known = {step: seconds for step in told if (seconds := self.expected[step]) is not None}
        expected = sum(known.values())
        return sum(self._taken[step] for step in known) / expected if expected >= TELLING else 1.0


def about(seconds: float) -> str:
    """Return a time as people say it: "less than a minute", "about 4 min", "about 1 h 20 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"about {minutes} min"
    hours, minutes = divmod(10 * round(minutes / 10), 60)
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"
