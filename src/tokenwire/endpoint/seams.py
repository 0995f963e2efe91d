"""The seams of the reference endpoint: where a test may take the behaviour apart and plant a fault.

The clean endpoint passes everything through. A fault overrides one method, and what it gets is what the layer at
that depth is about to do: bytes that came in, a call, the payloads of a stream, its server-sent blocks, a reply,
the writes of an exchange; on a WebSocket what an application says, and the bytes that go out. One instance serves one
connection, so it may remember.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = ["Call", "Ending", "Exchange", "Piece", "Reply", "Seams", "Turn", "Write"]

Headers = list[tuple[str, str]]

#: How a connection ends; empty while it goes on.
Ending = Literal["", "close", "reset"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it was understood. Field names are in lower case.

    :ivar place: what the placeholders in the path of its route stand for.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes = b""
    http_version: str = "1.1"
    place: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The field's values, joined by commas; empty where it is absent."""
        return ", ".join(value for field_name, value in self.headers if field_name == name)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed body, sent `delay` seconds after the one before."""

    delay: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: a whole body, or the pieces of a stream."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    pieces: Sequence[Piece] | None = None
    close: bool = False

    def with_header(self, name: str, value: str | None) -> Reply:
        """The same with the field set, or taken away by None."""
        headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        return replace(self, headers=headers if value is None else [*headers, (name, value)])


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that go out `delay` seconds after the write before; `part` says what of the message they are."""

    delay: float
    data: bytes
    part: Literal["informational", "head", "body", "end"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """All that goes out for one request, and how the connection ends after it, if it does."""

    writes: list[Write]
    ending: Ending = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """What an application says on a WebSocket: messages, each so many seconds after the one before.

    :ivar replaces: what was still to be said in the lane is not said any more.
    :ivar at_once: it goes before what was still to be said.
    :ivar close: the code with which the connection is closed afterwards.
    :ivar lane: turns of the same lane follow each other, those of different lanes go side by side.
    """

    messages: list[tuple[float, str | bytes]]
    replaces: bool = False
    at_once: bool = False
    close: int | None = None
    lane: str = ""


class Seams:
    """Passes everything through."""

    #: Seconds of silence on a WebSocket after which the client is pinged.
    ping_interval: float = 20.0

    #: Seconds in which something must come after a ping; a client from which nothing does is taken for dead.
    ping_timeout: float = 20.0

    def incoming(self, data: bytes) -> bytes | None:
        """Bytes from the client, before they are read; None resets the connection."""
        return data

    def call(self, call: Call) -> Call:
        """A request, before it is answered."""
        return call

    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The payloads of a stream, without its end mark."""
        return chunks

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        """The server-sent blocks of a stream, each closed by its blank line, with its end mark."""
        return blocks

    def reply(self, call: Call, reply: Reply) -> Reply:
        """The reply, before it is put into HTTP."""
        return reply

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        """The bytes of the reply; `call` is None where the request could not be read."""
        return exchange

    def left(self, how: Ending, *, begun: bool) -> float:
        """Seconds for which an answer is still made when its client has left. `begun`: some of it was sent."""
        return 0.0

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        """What an application says to a message on a WebSocket; None stands for the opening."""
        return turn

    def outgoing(self, data: bytes) -> bytes:
        """Bytes of a WebSocket, the answer to the handshake included, before they are sent."""
        return data

    def silence(self) -> Literal["ping", "close"]:
        """What is done when a WebSocket was silent for `ping_interval` seconds."""
        return "ping"

    def drained(self) -> int:
        """The close code of a WebSocket when the endpoint shuts down."""
        return 1001

    def ending(self, ending: Ending) -> Ending:
        """How a WebSocket's connection ends, asked until it does."""
        return ending
