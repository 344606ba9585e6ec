"""How many may be connected to the explorer's server, and for how long without asking or taking anything.

Whoever connects costs a descriptor, and a body or an answer memory besides. So each state of a connection has its time,
all of it together: a letter now and then gains none. The server that is full lets go of whoever has waited longest.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


@dataclass(frozen=True)
class Limits:
    """What a connection may take.

    Parameters
    ----------
    connections : at once
    request : seconds until the head of a request has come, from connecting or the answer before on
    body : seconds until a body has come
    answer : seconds until an answer is taken
    look : seconds between two looks at a connection
    stop : seconds that what is being worked on has when the server is to stop
    """

    connections: int = 128
    request: float = 10
    body: float = 10
    answer: float = 60
    look: float = 0.5
    stop: int = 2


class Connection(H11Protocol):
    """A connection that is looked at now and then, and cut where its state has lasted too long."""

    limits: ClassVar[Limits] = Limits()

    @classmethod
    def within(cls, limits: Limits) -> type[Connection]:
        """Return connections that keep to other limits."""
        return type(cls.__name__, (cls,), {"limits": limits})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; of too many one goes: who has waited longest for a request, or left an answer longest.

        Where all are worked on it is this one.
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
        """Let what is being worked on come to its end if it does soon, and wait for nobody's body."""
        if self._now_in()[0] == "works" and self.cycle.more_body:
            self.transport.abort()
        else:
            super().shutdown()
            self.loop.call_later(0.8 * self.limits.stop, self.transport.abort)

    def _now_in(self) -> tuple[str, RequestResponseCycle | None]:
        """Return whether the connection waits for a request, works on one, or answers it, and which it was."""
        if self.cycle is None or self.cycle.response_complete or self.transport.is_closing():
            return "waits", self.cycle
        answers = self.cycle.response_started or not self._all_taken()  # of the answer before
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
