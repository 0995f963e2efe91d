"""What is still to be sent over one connection, given out in pieces, so that the rest can be left unsent."""

from __future__ import annotations

from collections import deque

__all__ = ["Outgoing"]

#: Bytes of one piece, and of answers that may wait before reading stops.
PIECE = 64 * 1024


class Outgoing:
    """A queue of bytes.

    What answers the peer (a pong for each ping) is counted apart: a peer that makes us answer and does not read the
    answers must not fill our memory. What the program itself sends is not limited: `send` waits until it is gone.
    """

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._at = 0  # of the first of the queue, what was taken already
        self._answers = 0

    def __bool__(self) -> bool:
        return bool(self._queue)

    @property
    def crowded(self) -> bool:
        """More answers wait than may: nothing should be read until they are gone."""
        return self._answers > PIECE

    def add(self, data: bytes, *, answer: bool = False) -> None:
        """Puts bytes at the end of the queue.

        :param answer: they answer what was read.
        """
        self._queue.append(data)
        if answer:
            self._answers += len(data)

    def take(self) -> bytes:
        """The next piece; the queue must not be empty."""
        data = self._queue[0]
        piece = data[self._at : self._at + PIECE]
        self._at += len(piece)
        if self._at == len(data):
            self._queue.popleft()
            self._at = 0
        if not self._queue:
            self._answers = 0
        return piece

    def clear(self) -> None:
        """Nothing of it is to be sent any more."""
        self._queue.clear()
        self._at = self._answers = 0
