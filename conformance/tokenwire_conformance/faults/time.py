"""Faults of time: a stream that is held back, gathered, or followed by a silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Seams, Write

from .fault import fault

#: Writes of a body, from which on it is a stream that can be held back.
_MANY = 4


def timed(
    *,
    head: float | None = None,
    first: float | None = None,
    last: float | None = None,
    end: float | None = None,
    body: Callable[[Sequence[Write]], Sequence[Write]] = lambda writes: writes,
    when: Callable[[Call], bool] = lambda call: True,
) -> type[Seams]:
    """Seams by which the parts of every stream come at other times.

    :param head: seconds before the head.
    :param first: seconds before the first event.
    :param last: seconds before the last event.
    :param end: seconds between the last event and the end of the response.
    :param body: sets the times of the events.
    :param when: for which calls.
    """

    class Timed(Seams):
        def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
            events = [write for write in exchange.writes if write.part == "body"]
            if call is None or len(events) < _MANY or not when(call):
                return exchange
            begin = [_late(write, head) for write in exchange.writes if write.part in ("informational", "head")]
            ends = [_late(write, end) for write in exchange.writes if write.part == "end"]
            events = list(body(events))
            events = [_late(events[0], first), *events[1:-1], _late(events[-1], last)]
            return replace(exchange, writes=[*begin, *events, *ends])

    return Timed


def _late(write: Write, seconds: float | None) -> Write:
    return write if seconds is None else replace(write, delay=seconds)


def gathered(size: int) -> Callable[[Sequence[Write]], Sequence[Write]]:
    """The events come so many at a time; the times in which they are made stay."""

    def gather(writes: Sequence[Write]) -> Sequence[Write]:
        groups = [writes[start : start + size] for start in range(0, len(writes), size)]
        return [write for group in groups for write in held(group)]

    return gather


def held(writes: Sequence[Write]) -> list[Write]:
    """These events come together, when the last of them is made."""
    waited = sum(write.delay for write in writes)
    return [replace(write, delay=0.0 if number else waited) for number, write in enumerate(writes)]


def is_coded(call: Call) -> bool:
    """The call allows the answer to be compressed."""
    return "gzip" in call.header("accept-encoding")


def _plant(id: str, trips: str, seams: type[Seams], *, stages: str = "") -> None:  # noqa: A002 - what it is called
    fault(id, trips=trips, stages=stages)(seams)


_plant("headers-with-first-token", "time.headers-early", timed(head=1.0, first=0.0), stages="time.headers-early")
_plant("buffer-all", "time.progressive", timed(body=held))
_plant("buffer-after-first", "time.progressive", timed(body=lambda writes: [*writes[:2], *held(writes[2:])]))
_plant("gzip-no-sync", "time.gzip-flush", timed(body=held, when=is_coded))
_plant("coalesce", "time.coalescing", timed(body=gathered(6)))
_plant("sleep-before-done", "time.terminal-prompt", timed(last=2.0))
_plant("linger", "time.close-after-terminal", timed(end=5.0))
_plant("silent-prefill", "time.keepalive", timed(first=30.0), stages="time.keepalive")
