"""Requests made at their time, some at once, and kept as they went; with what the client took for it itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from time import monotonic, process_time

from ..drivers.asyncio import AsyncStream
from ..drivers.opening import Opening
from ..endpoint import serve
from ..endpoint.apart import apart
from ..errors import TokenwireError
from ..recording import Recording, RecordingWriter
from ..recording.replay import ReplayConnection
from .anatomy import dissect
from .sample import Taken
from .selfcheck import SelfCheck

__all__ = ["Calibration", "Load", "Toll", "calibrate", "elsewhere", "make_requests", "take", "watched"]

#: Seconds between two looks at the clock: often enough to meet a stall of the length that matters, and rare enough to
#: cost nothing.
LOOK = 0.01

#: Events of a calibration, replays at the most, and seconds between two writes of them, so that each is read by itself:
#: to be woken costs more than to parse. Some seconds in all.
CALIBRATION_EVENTS = 500
MAX_REPLAYS = 50
APART = 0.002


@dataclass(frozen=True, slots=True)
class Load:
    """How the requests are made.

    :ivar requests: how many.
    :ivar concurrency: how many at once at the most.
    :ivar rate: requests a second, whether the earlier ones are answered or not; 0 makes the next when one has ended.
    """

    requests: int
    concurrency: int
    rate: float = 0.0


@dataclass(slots=True)
class Toll:
    """What a run took of the client: seconds."""

    worst_lag: float = 0.0
    cpu: float = 0.0
    wall: float = 0.0

    @property
    def cpu_share(self) -> float:
        return self.cpu / self.wall if self.wall else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """CPU seconds of the client for one event, and of how many that is the mean."""

    cost_per_event: float | None
    events: int

    def self_check(self, toll: Toll) -> SelfCheck:
        return SelfCheck(self.cost_per_event, self.events, toll.worst_lag, toll.cpu_share)


async def make_requests(opening: Opening, load: Load, tell: Callable[[int], None]) -> list[Taken]:
    """Makes them all, and keeps them in memory until the end: to look at them earlier would disturb the others.

    :param tell: is told how many have ended.
    :return: in the order in which they were due.
    """
    begun = monotonic()
    numbers = iter(range(load.requests))
    taken: list[Taken] = []

    async def one_after_the_other() -> None:
        for number in numbers:
            scheduled = begun + number / load.rate if load.rate else monotonic()
            await asyncio.sleep(max(scheduled - monotonic(), 0.0))
            taken.append(await take(copy(opening), scheduled))
            tell(len(taken))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(load.concurrency, load.requests)):
            group.create_task(one_after_the_other())
    return sorted(taken, key=lambda each: each.scheduled)


async def take(opening: Opening, scheduled: float | None = None) -> Taken:
    """Makes one request and reads its stream to the end; an error is kept, and not raised.

    :param scheduled: when it was due, monotonic seconds; now by default.
    """
    writer = opening.writer = RecordingWriter({}, secrets=opening.request.secrets)
    started = monotonic()
    failure: TokenwireError | None = None
    error = ""
    try:
        async with AsyncStream(opening) as stream:
            async for _ in stream:
                pass
    except TokenwireError as raised:
        failure, error = raised, str(raised) or type(raised).__name__
    return Taken(
        scheduled=started if scheduled is None else scheduled,
        started=started,
        ended=monotonic(),
        zero=started if writer.zero is None else writer.zero,
        recording=writer.recording,
        error=error,
        failure=failure,
    )


def elsewhere(opening: Opening, port: int) -> Opening:
    """The parts of the same request to a server on loopback, in the clear."""
    scheme = "ws" if opening.request.websocket else "http"
    return opening.straight_to(replace(opening.target, scheme=scheme, host="127.0.0.1", port=port))


@asynccontextmanager
async def watched() -> AsyncIterator[Toll]:
    """What the context takes of the client, complete when it is left."""
    toll = Toll()
    watch = asyncio.create_task(_watch(toll))
    cpu, wall = process_time(), monotonic()
    try:
        yield toll
    finally:
        toll.cpu, toll.wall = process_time() - cpu, monotonic() - wall
        watch.cancel()


async def _watch(toll: Toll) -> None:
    """Sleeps again and again. The system's timer is late by itself, and that much is no lag of ours."""
    least, most = inf, 0.0
    while True:
        before = monotonic()
        await asyncio.sleep(LOOK)
        late = monotonic() - before - LOOK
        least, most = min(least, late), max(most, late)
        toll.worst_lag = most - least


async def calibrate(recording: Recording | None, opening: Opening) -> Calibration:
    """What one event costs the client alone: a stream, replayed over loopback by another process.

    :param recording: of a stream that came whole.
    :param opening: of the request to which it was the answer.
    """
    if recording is None:
        return Calibration(None, 0)
    replays: list[Taken] = []
    count = min(MAX_REPLAYS, CALIBRATION_EVENTS // max(dissect(recording, opening.dialect).messages, 1) + 1)
    with apart(partial(serve, partial(ReplayConnection, _spaced(recording), "recorded"))) as port:
        request = elsewhere(opening, port)
        await take(copy(request))  # what is loaded once is no cost of an event
        cpu = process_time()
        for _ in range(count):
            replays.append(await take(copy(request)))
        cpu = process_time() - cpu
    events = sum(dissect(replay.recording, opening.dialect).messages for replay in replays)
    return Calibration(cpu / events if events else None, events)


def _spaced(recording: Recording) -> Recording:
    """The same reads, evenly."""
    entries = [entry._replace(seconds=number * APART) for number, entry in enumerate(recording.entries)]
    return Recording(recording.header, entries)
