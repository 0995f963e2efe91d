"""The server's half of resuming: what was told is kept for a while, silence is filled, connections drop on command.

`ReplayBuffer` keeps the streams of numbered server-sent events: each event has an id, `STREAM-NUMBER`, and a request
with Last-Event-ID gets what followed it (WHATWG HTML 9.2.4). Who has had all of it is told so by 204, which stops a
browser. `with_keepalive` puts comments into a silence, `DropOnCommand` ends connections where a request says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..framing.sse import encode as encode_event
from .recent import Recent
from .replies import Payload, compact
from .seams import Call, Ending, Exchange, Piece, Reply, Seams, Write
from .wanted import Refusal

__all__ = ["DropOnCommand", "ReplayBuffer", "numbered_events", "with_keepalive"]

#: Streams that are kept, the last ones; a story takes some 10 kB.
MAX_KEPT = 2000

#: What a comment says that keeps a connection alive.
KEEPALIVE = b": keepalive\n\n"


class ReplayBuffer:
    """The last streams, each known to the key that asked for it."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._streams: Recent[Sequence[Payload]] = Recent(limit)

    def keep(self, key: str, stream: int, payloads: Sequence[Payload]) -> None:
        """Remembers a stream from its beginning."""
        self._streams.keep(str(stream), payloads, key)

    def after(self, key: str, last_event_id: str) -> tuple[int, int, Sequence[Payload]]:
        """The stream of an event, the number of what follows it, and that, which may be nothing.

        :raises Refusal: where the event is not known, or not to this key.
        """
        stream, _, number = last_event_id.partition("-")
        payloads = self._streams.get(stream, key)
        if payloads is None or not number.isdecimal():
            raise Refusal(404, "unknown_event", f"No event has the id {last_event_id!r}, or it was forgotten.")
        first = int(number) + 1
        return int(stream), first, payloads[first:]


def numbered_events(
    payloads: Iterable[Payload], stream: int = 1, first: int = 0, retry: int | None = None
) -> list[bytes]:
    """Server-sent events without a name, each with an id; the first has the reconnection time, in milliseconds."""
    return [
        encode_event(compact(payload).decode(), id=f"{stream}-{number}", retry=retry if number == first else None)
        for number, payload in enumerate(payloads, first)
    ]


def with_keepalive(reply: Reply, every: float) -> Reply:
    """The same stream with a comment after each so many seconds of silence (WHATWG HTML 9.2.7)."""
    kinds = dict(reply.headers)
    if reply.pieces is None or not kinds.get("Content-Type", "").startswith("text/event-stream"):
        return reply
    pieces: list[Piece] = []
    for piece in reply.pieces:
        silence = piece.delay
        while silence > every:
            pieces.append(Piece(every, KEEPALIVE))
            silence -= every
        pieces.append(Piece(silence, piece.data))
    return replace(reply, pieces=pieces)


class DropOnCommand(Seams):
    """Ends a connection after so many bytes of a response, where the request says so in a field:
    `X-Drop-After: 500` or, to reset it, `X-Drop-After: 500 reset`."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        size, _, how = (call.header("x-drop-after") if call is not None else "").partition(" ")
        if not size.isdecimal():
            return exchange
        left = int(size)
        writes: list[Write] = []
        for write in exchange.writes:
            writes.append(replace(write, data=write.data[:left]))
            left -= len(writes[-1].data)
        ending: Ending = "reset" if how == "reset" else "close"
        return exchange if left else Exchange(writes, ending)
