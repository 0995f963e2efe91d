"""A response whose body has a content coding (RFC 9110, 8.4): nothing can be overwritten in it, so it is kept until its
end, and given as it came if there is no secret in it. Else it is written without its coding, and its head says so."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import DecodingError
from ..protocol.coding import ContentDecoder
from .runs import Channel, Piece

__all__ = ["MAX_CODED", "MAX_DECODED", "Coded"]

#: Bytes of a coded body that are kept. Some 10 MB of text, which is more than streams have; what is longer is written
#: without its coding.
MAX_CODED = 1024 * 1024

#: Bytes that the kept ones may decode to.
MAX_DECODED = 16 * MAX_CODED

#: Fields that are no longer true, and what tells that they were there.
_DROPPED = re.compile(rb"(?im)^(?:content-encoding|content-length|transfer-encoding)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_TOLD = b"X-Recorded-Content-Encoding: "


@dataclass(slots=True)
class _Read:
    """What came of the body in one read: how many bytes, and how many they hold."""

    size: int = 0
    decoded: int = 0


class Coded:
    """A run: the head and the body.

    :param head: redacted.
    :param coding: the value of Content-Encoding.
    :param delimited: the body has an end of its own, by its length or its last chunk.
    :param channel: redacts what the body holds.
    :param plain: redacts the bytes as they come, which need not be coded as the head says.
    :raises DecodingError: when the coding is not known here.
    """

    def __init__(self, head: bytes, coding: str, channel: Channel, plain: Channel, *, delimited: bool) -> None:
        self._head: bytes | None = head  # until it is given
        self._coding = coding
        self._decoder: ContentDecoder | None = ContentDecoder(coding)
        self._channel = channel
        self._plain = plain
        self._chunked = delimited and not head.startswith(b"HTTP/1.0")
        self._reads = deque([_Read()])
        self._raw = self._decoded = 0
        self._rewrites = False
        self._over = False
        self._complete = False

    @property
    def done(self) -> bool:
        return self._over and self._head is None and not self._reads

    def next_read(self) -> None:
        """What comes now came by another read."""
        if self._reads[-1].size:
            self._reads.append(_Read())

    def framing(self, data: bytes) -> None:
        """Bytes that are no content: sizes of chunks, trailers."""
        read = self._reads[-1]
        read.size += len(data)
        self._raw += len(data)
        if not self._rewrites:
            self._plain.feed(data)

    def content(self, data: bytes) -> None:
        """Coded bytes."""
        self.framing(data)
        decoded = self._decode(data)
        self._reads[-1].decoded += len(decoded)
        self._decoded += len(decoded)
        self._channel.feed(decoded)
        if self._channel.changed or self._raw > MAX_CODED or self._decoded > MAX_DECODED:
            self._rewrites = True

    def force(self) -> None:
        """Nothing is waited for any more."""
        self._rewrites = True
        self._channel.force()

    def finish(self, *, complete: bool) -> None:
        """There is no more; `complete` where the body says so."""
        self._channel.finish()
        self._plain.finish()
        self._rewrites = self._rewrites or self._channel.changed
        self._over = True
        self._complete = complete

    def pieces(self) -> Iterator[Piece]:
        if not (self._rewrites or self._over):
            return
        if self._head is not None:
            yield Piece(len(self._head), self._new_head(self._head) if self._rewrites else self._head)
            self._head = None
        while self._reads and (len(self._reads) > 1 or self._over):
            read = self._reads[0]
            if not self._rewrites:
                yield Piece(read.size, self._plain.take(read.size))
            elif self._channel.ready >= read.decoded:
                last = self._complete and len(self._reads) == 1
                yield Piece(read.size, self._framed(self._channel.take(read.decoded), last=last))
            else:
                return
            self._reads.popleft()

    def _decode(self, data: bytes) -> bytes:
        """What does not decode is left out, if the rest is written without its coding."""
        if self._decoder is None:
            return b""
        try:
            return self._decoder.receive_data(data)
        except DecodingError:
            self._decoder = None
            return b""

    def _framed(self, data: bytes, *, last: bool) -> bytes:
        if not self._chunked:
            return data
        return (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + (b"0\r\n\r\n" if last else b"")

    def _new_head(self, head: bytes) -> bytes:
        line, end, fields = head.partition(b"\n")
        told = _TOLD + self._coding.encode("latin-1") + b"\r\n"
        chunked = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        return line + end + told + chunked + _DROPPED.sub(b"", fields)
