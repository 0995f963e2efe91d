"""How the body of a response is delimited (RFC 9112 6.3): by chunks, by a length, or by the end of the connection.

Each reader takes bytes and gives those that belong to the body, content codings not removed. The chunks are read by
framing/chunked, trailer section included, so that what ends a body is decided in one place and with one strictness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..errors import RemoteProtocolError
from ..framing.chunked import ChunkedParser

__all__ = ["BodyReader", "Chunks", "Length", "UntilClose"]


class BodyReader(Protocol):
    """Reads one body.

    :ivar error: what terminated the reader.
    :ivar complete: the body came to the end that the protocol announces.
    :ivar trailers: the fields after it, once it is complete.
    :ivar unused: the bytes that followed its end in the same read.
    """

    @property
    def error(self) -> RemoteProtocolError | None: ...
    @property
    def complete(self) -> bool: ...
    @property
    def trailers(self) -> Sequence[tuple[bytes, bytes]]: ...
    @property
    def unused(self) -> bytes: ...

    @property
    def missing(self) -> str:
        """Where the end of the connection is, as seen from the end that the body should have had."""
        ...

    def receive_data(self, data: bytes) -> list[bytes]:
        """Takes the next bytes, returns those of the body: no piece is empty.

        :raises RemoteProtocolError: when the peer broke the protocol and no piece came before that.
        """
        ...


class Chunks(ChunkedParser):
    """A body in chunks, with trailers."""

    missing = "before the last chunk and the trailers were complete"


class Length:
    """A body of so many bytes; of none where there is no body."""

    error = None
    trailers: Sequence[tuple[bytes, bytes]] = ()
    unused: bytes = b""

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    @property
    def complete(self) -> bool:
        return self._left == 0

    @property
    def missing(self) -> str:
        return f"after {self._size - self._left} of {self._size} bytes"

    def receive_data(self, data: bytes) -> list[bytes]:
        piece = data[: self._left]
        self._left -= len(piece)
        self.unused = data[len(piece) :]
        return [piece] if piece else []


class UntilClose:
    """A body that goes on until the connection ends, so that a cut cannot be told from its end (RFC 9112 8)."""

    error = None
    complete = False
    trailers: Sequence[tuple[bytes, bytes]] = ()
    unused: bytes = b""
    missing = ""

    def receive_data(self, data: bytes) -> list[bytes]:
        return [data] if data else []
