"""A connection that one conversation leaves and another takes, without a socket: the decisions are the drivers' own."""

from __future__ import annotations

from math import inf
from typing import Any, Literal

from tokenwire.drivers.pool import Idle, Pool, may_be_reused
from tokenwire.drivers.sockets import is_fit
from tokenwire.session import DurableSession

__all__ = ["Kept", "Line"]

#: All connections here are to one server.
ORIGIN = "http://host"


class Line:
    """What a driver's link is to a pool. `coming`: what has arrived and was not read yet; then `end`, if any."""

    tls = None

    def __init__(self) -> None:
        self.coming = b""
        self.end: Literal["", "fin", "reset"] = ""
        self.closed = False

    def look(self) -> bytes | None:
        """As `Link.look`."""
        data, self.coming = self.coming, b""
        if data or not self.end:
            return data or None
        if self.end == "reset":
            raise ConnectionResetError
        return b""

    def close(self) -> None:
        self.closed = True


class Kept:
    """Connections that are kept for other conversations, in a driver's pool: one at a time, however long."""

    def __init__(self) -> None:
        #: All that were ever given.
        self.lines: list[Line] = []
        self._pool: Pool[Any] = Pool(1, inf)

    def give(self, line: Line, session: DurableSession) -> None:
        """Keeps the connection of a conversation that is over, or closes it."""
        if not may_be_reused(session):
            line.close()
            return
        self.lines.append(line)
        self._pool.give(ORIGIN, Idle(line, session))

    def take(self) -> Line | None:
        """A connection that can take a request; those that cannot are closed."""
        while (idle := self._pool.take(ORIGIN)) is not None:
            if is_fit(idle):
                line: Line = idle.link
                return line
            idle.link.close()
        return None
