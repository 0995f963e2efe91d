"""The bytes of one direction, redacted run by run, and given back in their order.

A run is redacted by itself, or goes on where an earlier one stopped, such as the body between the sizes of its chunks.
What comes out of a run has the length of what went in, so that offsets, Content-Length and sizes of chunks stay true;
only where bytes are coded, so that nothing can be overwritten in them, it is written anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from ..framing.websocket import mask
from ..secrecy.search import Needles, Search
from .fields import FieldMask

__all__ = ["Channel", "Piece", "Plain", "Run", "Runs", "Through"]


class Piece(NamedTuple):
    """What became of so many bytes that came."""

    size: int
    data: bytes


class Run(Protocol):
    """Bytes that stand together on the wire."""

    @property
    def done(self) -> bool:
        """All of it was given."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """What is certain by now, and was not given yet."""
        ...


class Channel:
    """Text that goes on, over chunks, frames and reads: secret fields in it and secrets are overwritten.

    :param fields: names of the secret fields, in lower case.
    """

    def __init__(self, needles: Needles, fields: Collection[str] = ()) -> None:
        self._lines = FieldMask(fields) if fields else None
        self._search = Search(needles)
        self._fed = 0
        self._ready = bytearray()

    @property
    def changed(self) -> bool:
        """Something was overwritten."""
        return self._search.changed or (self._lines is not None and self._lines.changed)

    @property
    def ready(self) -> int:
        """Bytes that can be taken."""
        return len(self._ready)

    def feed(self, data: bytes) -> None:
        self._fed += len(data)
        self._ready += self._search.feed(self._lines.feed(data) if self._lines is not None else data)

    def begin(self) -> None:
        """Another message begins."""
        if self._lines is not None:
            self._ready += self._search.feed(self._lines.begin())

    def finish(self) -> None:
        """There is no more of it."""
        if self._lines is not None:
            self._ready += self._search.feed(self._lines.finish())
        self._ready += self._search.finish()

    def force(self) -> None:
        """No more is waited for."""
        if self._lines is not None:
            self._ready += self._search.feed(self._lines.finish())
        self._ready += self._search.force()

    def take(self, size: int) -> bytes:
        """Up to so many bytes, redacted."""
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken


class Through:
    """A run of a channel.

    :param key: of the frame that it is the payload of; empty where that is not masked (RFC 6455, 5.3).
    """

    def __init__(self, channel: Channel, size: int, key: bytes = b"", place: int = 0) -> None:
        self._channel = channel
        self._left = size
        self._key = key
        self._place = place  # in the payload

    @property
    def done(self) -> bool:
        return not self._left

    def pieces(self) -> Iterator[Piece]:
        data = self._channel.take(self._left)
        if data:
            self._left -= len(data)
            start = self._place % 4
            self._place += len(data)
            yield Piece(len(data), mask(data, self._key[start:] + self._key[:start]) if self._key else data)


class Plain:
    """A run that is decided already, perhaps with other bytes than came."""

    def __init__(self, size: int, data: bytes) -> None:
        self.done: bool = False
        self._piece = Piece(size, data)

    def pieces(self) -> Iterator[Piece]:
        if not self.done:
            self.done = True
            yield self._piece


class Runs:
    """The runs of one direction, in the order of the wire."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()

    def add(self, run: Run) -> None:
        self._runs.append(run)

    def drain(self) -> Iterator[Piece]:
        """What is certain by now."""
        while self._runs:
            yield from self._runs[0].pieces()
            if not self._runs[0].done:
                return
            self._runs.popleft()
