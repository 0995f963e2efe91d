"""The timers of a conversation, without a clock: times are monotonic seconds that somebody hands in."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TimeoutExceeded

__all__ = ["Timeouts", "Timers"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None waits for ever.

    :ivar connect: until the connection stands, TLS and proxy included.
    :ivar first_byte: from the request to the first byte of the response. Reasoning models think for minutes.
    :ivar idle: between two reads; any byte counts, a comment too.
    :ivar total: for the whole conversation.
    :ivar keepalive: over WebSocket, after which silence a ping is sent, and how long then any byte may take to come.
    :ivar close: over WebSocket, for the peer's half of the closing handshake.
    """

    connect: float | None = 10.0
    first_byte: float | None = 300.0
    idle: float | None = 120.0
    total: float | None = None
    keepalive: float | None = 20.0
    close: float = 2.0


class Timers:
    """One timer for what is awaited now, and one for the whole."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._name = ""
        self._seconds = 0.0
        self._deadline: float | None = None
        self._total: float | None = None

    def start(self, now: float) -> None:
        """The conversation begins, with connecting."""
        self.set("connect", self.timeouts.connect, now)
        if self.timeouts.total is not None:
            self._total = now + self.timeouts.total

    def set(self, name: str, seconds: float | None, now: float) -> None:
        """Something else is awaited from now on."""
        self._name = name
        self._seconds = seconds or 0.0
        self._deadline = None if seconds is None else now + seconds

    def next_deadline(self) -> float | None:
        """When the first of them runs out; None for never."""
        return min((deadline for deadline in (self._deadline, self._total) if deadline is not None), default=None)

    def expired(self, now: float) -> TimeoutExceeded | None:
        """The error of the timer that has run out, if one has."""
        if self._total is not None and now >= self._total:
            return TimeoutExceeded("total", self.timeouts.total or 0.0)
        if self._deadline is not None and now >= self._deadline:
            return TimeoutExceeded(self._name, self._seconds)
        return None
