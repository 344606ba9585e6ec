"""Limits on connections to the explorer's server: how many there may be, and how long each may stay idle.

Each connection takes a file descriptor, and a request body or an answer takes memory as well. So there is a time limit
for each state of a connection as a whole; sending a byte now and then does not extend it. A full server closes the
connection that has been idle longest.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


@dataclass(frozen=True)
class Limits:
    """The limits of connections.

    Parameters
    ----------
    connections : the most open at once
    request : seconds until the head of a request has arrived, counted from connecting or from the previous answer
    body : seconds until a body has arrived
    answer : seconds until the client has read an answer
    look : seconds between two checks of a connection
    stop : seconds that requests in progress may take when the server stops
    """

    connections: int = 128
    request: float = 10
    body: float = 10
    answer: float = 60
    look: float = 0.5
    stop: int = 2


class Connection(H11Protocol):
    """A connection that is checked regularly, and closed when it has been in one state for too long."""

    limits: ClassVar[Limits] = Limits()

    @classmethod
    def within(cls, limits: Limits) -> type[Connection]:
        """Return a class of connections with other limits."""
        return type(cls.__name__, (cls,), {"limits": limits})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection. If there are too many, close the one that has waited longest for a request or answer.

        If all others are being worked on, close this one.
        """
        super().connection_made(transport)
        self._state, self._since = self._now_in(), self.loop.time()
        self.loop.call_later(self.limits.look, self._look)
        # One that is cut stays in the set until the loop has closed it: of many that come at once, each cuts another.
        taken = [other for other in self.connections if not other.transport.is_closing()]
        if len(taken) > self.limits.connections:
            others = (other for other in taken if isinstance(other, Connection) and other is not self)
            idle = (other for other in others if other._now_in()[0] != "works")
            longest = min(idle, key=lambda other: (other._now_in()[0] == "answers", other._since), default=self)
            longest.transport.abort()

    def shutdown(self) -> None:
        """Let requests in progress finish if they do so soon, but do not wait for bodies."""
        if self._now_in()[0] == "works" and self.cycle.more_body:
            self.transport.abort()
        else:
            super().shutdown()
            self.loop.call_later(0.8 * self.limits.stop, self.transport.abort)

    def _now_in(self) -> tuple[str, RequestResponseCycle | None]:
        """Return the state ("waits" for a request, "works" on one, or "answers" it), and the request."""
        if self.cycle is None or self.cycle.response_complete or self.transport.is_closing():
            return "waits", self.cycle
        answers = self.cycle.response_started or not self._all_taken()  # of the previous answer
        return ("answers" if answers else "works"), self.cycle

    def _all_taken(self) -> bool:
        return self.transport.get_write_buffer_size() == 0

    def _look(self) -> None:
        if self not in self.connections:
            return
        now, state = self.loop.time(), self._now_in()
        if state != self._state:
            self._state, self._since = state, now
        most = self.limits.request if state[0] == "waits" and self._all_taken() else self.limits.answer
        if now - self._since > (math.inf if state[0] == "works" else most):
            self.transport.abort()
        else:
            self.loop.call_later(self.limits.look, self._look)
