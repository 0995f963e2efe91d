"""The frames of a WebSocket as they stand in the bytes (RFC 6455, 5.2), sound or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tokenwire.framing.websocket import mask

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Frame", "Frames"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    :ivar offset: of its first byte, in what was received on the connection, or in what was sent.
    :ivar rsv: RSV1, RSV2 and RSV3 as the bits 4, 2 and 1.
    :ivar length: as announced; `payload` is shorter where the frame was cut.
    :ivar length_size: bytes of the extended length: 0, 2 or 8.
    """

    offset: int
    seconds: float
    fin: bool
    rsv: int
    opcode: int
    masked: bool
    length: int
    length_size: int
    payload: bytes

    @property
    def complete(self) -> bool:
        return len(self.payload) == self.length

    @property
    def header_size(self) -> int:
        """Bytes before the payload."""
        return 2 + self.length_size + 4 * self.masked

    @property
    def is_control(self) -> bool:
        return self.opcode >= CLOSE

    @property
    def code(self) -> int:
        """The code of a Close frame; 1005 where it has none."""
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else 1005

    @property
    def reason(self) -> str:
        """The reason of a Close frame."""
        return self.payload[2:].decode("utf-8", "replace")


class Frames:
    """The frames of one side, as they come: it reads on where it stopped, and nothing twice.

    :ivar whole: those that were read and are complete.
    :param data: the bytes of that side, which grow.
    :param start: where the first frame begins.
    :param seconds_at: when the byte at an offset came.
    """

    def __init__(self, data: bytearray, start: int, seconds_at: Callable[[int], float]) -> None:
        self.whole: list[Frame] = []
        self._data = data
        self._at = start
        self._seconds_at = seconds_at
        self._by_opcode: dict[int, list[Frame]] = {}

    def read(self) -> None:
        """Reads the frames that have become complete."""
        while (span := self._span()) is not None and span[1] <= len(self._data):
            frame = self._frame(*span)
            self.whole.append(frame)
            self._by_opcode.setdefault(frame.opcode, []).append(frame)
            self._at = span[1]

    def of(self, opcode: int) -> list[Frame]:
        """The complete ones with this opcode, as far as they were read."""
        return self._by_opcode.get(opcode, [])

    @property
    def cut(self) -> Frame | None:
        """The frame behind the complete ones, whose header is there and whose payload is not all there."""
        self.read()
        span = self._span()
        return self._frame(*span) if span is not None else None

    @property
    def first(self) -> Frame | None:
        """The first frame, complete or cut."""
        self.read()
        return self.whole[0] if self.whole else self.cut

    @property
    def all(self) -> list[Frame]:
        """Every frame, the last one perhaps cut."""
        cut = self.cut
        return self.whole if cut is None else [*self.whole, cut]

    def _span(self) -> tuple[int, int] | None:
        """Where the payload of the next frame begins, and where it will end; None before its header is there."""
        data, at = self._data, self._at
        if len(data) - at < 2:
            return None
        start = at + 2 + _length_size(data[at + 1]) + (4 if data[at + 1] & 0x80 else 0)
        return (start, start + self._length()) if start <= len(data) else None

    def _length(self) -> int:
        """What the header says of the payload's length."""
        second, size = self._data[self._at + 1], _length_size(self._data[self._at + 1])
        return int.from_bytes(self._data[self._at + 2 : self._at + 2 + size], "big") if size else second & 0x7F

    def _frame(self, start: int, end: int) -> Frame:
        """The frame at the place that is read, with as much of its payload as has come."""
        at, (first, second) = self._at, self._data[self._at : self._at + 2]
        payload = bytes(self._data[start:end])
        if second & 0x80:
            payload = mask(payload, bytes(self._data[start - 4 : start]))
        return Frame(
            offset=at,
            seconds=self._seconds_at(max(start + len(payload) - 1, at)),
            fin=bool(first & 0x80),
            rsv=first >> 4 & 0x7,
            opcode=first & 0xF,
            masked=bool(second & 0x80),
            length=self._length(),
            length_size=_length_size(second),
            payload=payload,
        )


def _length_size(second: int) -> Literal[0, 2, 8]:
    """Bytes of the extended length, by the second byte of a header."""
    short = second & 0x7F
    return 2 if short == 126 else 8 if short == 127 else 0
