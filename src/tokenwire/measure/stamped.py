"""A server whose every write is stamped, so that the way of a token can be timed from end to end.

The client and a server beside it read the same monotonic clock. The server tells when it handed how many bytes to its
socket; the client knows when it had read how many: the difference is the latency of a write.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, count
from multiprocessing.connection import Connection
from typing import Literal

from ..endpoint import ReferenceEndpoint, ServerConnection, serve
from ..recording import Recording

__all__ = ["Stamp", "Stamped", "delays", "serve_stamped", "stamps_of"]

#: Seconds since the clock's own beginning, and how many bytes were written then.
Stamp = tuple[float, int]

#: Seconds in which the last stamp of a stream, which is told after it was written, has come.
_PATIENCE = 2.0


class Stamped:
    """A connection of a server that tells its writes, once they are made.

    :param tell: takes the stamps since the last time.
    """

    def __init__(self, connection: ServerConnection, tell: Callable[[list[Stamp]], None]) -> None:
        self._connection = connection
        self._tell = tell
        self._stamps: list[Stamp] = []

    @property
    def ending(self) -> Literal["", "close", "reset"]:
        return self._connection.ending

    @property
    def full(self) -> bool:
        return self._connection.full

    def receive_data(self, data: bytes, now: float) -> None:
        self._connection.receive_data(data, now)

    def receive_eof(self, now: float) -> None:
        self._connection.receive_eof(now)

    def shut_down(self, now: float) -> None:
        self._connection.shut_down(now)

    def data_to_send(self, now: float) -> bytes:
        data = self._connection.data_to_send(now)
        if data:
            self._stamps.append((now, len(data)))
        elif self._stamps:
            self._tell(self._stamps)
            self._stamps = []
        return data

    def next_deadline(self) -> float | None:
        return self._connection.next_deadline()


async def serve_stamped(pace: float, pipe: Connection | None = None, *, ready: Callable[[int], None]) -> None:
    """The reference endpoint, stamped where somebody wants to know.

    :param pace: seconds between two tokens.
    :param pipe: takes the stamps, with the number of their connection.
    """
    endpoint = ReferenceEndpoint(pace=pace)
    numbers = count()

    def connection() -> ServerConnection:
        number = next(numbers)
        plain = endpoint.connection()
        if pipe is None:
            return plain
        send = pipe.send
        return Stamped(plain, lambda stamps: send((number, stamps)))

    await serve(connection, ready=ready)


def stamps_of(pipe: Connection, size: int) -> list[Stamp]:
    """The stamps of the newest connection, of which so many bytes were read; fewer where they do not come."""
    newest, stamps = -1, list[Stamp]()
    while sum(written for _, written in stamps) < size and pipe.poll(_PATIENCE):
        number, more = pipe.recv()
        if number > newest:
            newest, stamps = number, []
        if number == newest:
            stamps += more
    return stamps


def delays(stamps: Sequence[Stamp], recording: Recording, zero: float) -> list[float]:
    """Seconds from each write to the read that completed it; without the first write, which is the head's.

    :param recording: of the client.
    :param zero: what its times are counted from.
    """
    reads = [(zero + entry.seconds, len(entry.data)) for entry in recording.entries if entry.kind == "<"]
    read_by = list(accumulate(size for _, size in reads))
    found = []
    for (written, _), total in zip(stamps, accumulate(size for _, size in stamps), strict=True):
        place = bisect_left(read_by, total)
        if place < len(reads):
            found.append(reads[place][0] - written)
    return found[1:]
