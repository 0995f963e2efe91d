"""The seams of the reference endpoint: where a test may take the behaviour apart and plant a fault.

The clean endpoint passes everything through. A fault overrides one method, and what it gets is what the layer at
that depth is about to do: bytes that came in, a call, the payloads of a stream, its server-sent blocks, a reply,
the writes of an exchange. One instance serves one connection, so it may remember.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = ["Call", "Exchange", "Piece", "Reply", "Seams", "Write"]

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it was understood. Field names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes = b""
    http_version: str = "1.1"

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
    ending: Literal["", "close", "reset"] = ""


class Seams:
    """Passes everything through."""

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
