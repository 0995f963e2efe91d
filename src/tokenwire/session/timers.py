"""The timers of a conversation, without a clock: times are monotonic seconds that somebody hands in."""

from __future__ import annotations

from dataclasses import fields

from ..checking import must_be_number
from ..errors import TimeoutExceeded
from ..records import record

__all__ = ["DEFAULT_TIMEOUTS", "Timeouts", "Timers"]


@record(frozen=True)
class Timeouts:
    """Seconds; None waits for ever.

    :ivar connect: until the connection stands, TLS and proxy included.
    :ivar first_byte: from the request to the head of its response, or of the handshake's; 1xx responses do not count.
        Reasoning models think for minutes.
    :ivar idle: between two reads of a stream; any byte counts, a comment too. The body of a refusal has as long for
        all of it.
    :ivar first_event: from the request to the first event, or message; comments do not count.
    :ivar event_idle: between two reads that have an event in them; comments do not count, nor do pings and pongs. The
        timer to set where a peer may keep a connection alive and say nothing for ever.
    :ivar total: for the whole conversation, with all its connections.
    :ivar keepalive: over WebSocket, after which silence a ping is sent, and how long then any byte may take to come.
    :ivar close: over WebSocket, for the peer's half of the closing handshake.
    """

    connect: float | None = 10.0
    first_byte: float | None = 300.0
    idle: float | None = 120.0
    first_event: float | None = None
    event_idle: float | None = None
    total: float | None = None
    keepalive: float | None = 20.0
    close: float = 2.0

    def __post_init__(self) -> None:
        for field in fields(self):
            none = "" if field.name == "close" else "to wait for ever"
            must_be_number(getattr(self, field.name), f"Timeouts.{field.name}", none=none)


DEFAULT_TIMEOUTS = Timeouts()


class Timer:
    """One timer: its name, its setting in seconds (None for ever), and since when it runs."""

    __slots__ = ("name", "seconds", "since")

    def __init__(self) -> None:
        self.name: str = ""
        self.seconds: float | None = None
        self.since: float = 0.0


class Timers:
    """One timer for the bytes that are awaited now, one for the events, and one for the whole.

    Each read moves a deadline on, and few deadlines are ever asked for. So a read only notes when it came: in `since`.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        #: For the bytes that are awaited. Where more of the same are, `since` is all that changes.
        self.bytes: Timer = Timer()
        #: How often a timer was set to something else. While this stays the same, no deadline comes nearer.
        self.settings: int = 0
        self._events = Timer()
        self._whole = Timer()

    def start(self, now: float) -> None:
        """The conversation begins, with connecting."""
        self.set("connect", self.timeouts.connect, now)
        self._set(self._whole, "total", self.timeouts.total, now)

    def connected(self, now: float) -> None:
        """The request goes out."""
        self.set("first byte", self.timeouts.first_byte, now)
        self._set(self._events, "first event", self.timeouts.first_event, now)

    def event(self, now: float) -> None:
        """An event came."""
        self._events.since = now
        if self._events.name != "event idle":
            self._set(self._events, "event idle", self.timeouts.event_idle, now)

    def set(self, name: str, seconds: float | None, now: float) -> None:
        """Other bytes are awaited from now on."""
        self._set(self.bytes, name, seconds, now)

    def next_deadline(self) -> float | None:
        """When the first of them runs out; None for never."""
        timers = (self._whole, self._events, self.bytes)
        return min((timer.since + timer.seconds for timer in timers if timer.seconds is not None), default=None)

    def expired(self, now: float) -> TimeoutExceeded | None:
        """The error of the timer that has run out, if one has; that of the whole before others."""
        for timer in (self._whole, self._events, self.bytes):
            if timer.seconds is not None and now >= timer.since + timer.seconds:
                return TimeoutExceeded(timer.name, timer.seconds)
        return None

    def _set(self, timer: Timer, name: str, seconds: float | None, now: float) -> None:
        timer.since = now
        if timer.name != name or timer.seconds != seconds:
            timer.name, timer.seconds = name, seconds
            self.settings += 1
