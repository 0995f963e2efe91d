"""Editing what goes over a WebSocket: heads and frames are taken out of the bytes, changed, and put back.

The reference endpoint is strict on both sides, and cannot be told to be wrong. So a fault of receiving edits what the
client sent into something that is right, before the endpoint reads it; a fault of sending edits what the endpoint said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tokenwire.endpoint import Seams
from tokenwire.framing.websocket import BINARY, CLOSE, CONTINUATION, MAX_MESSAGE_SIZE, PING, PONG, TEXT, mask

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Editing", "RawFrame"]

#: Any key will do: these bytes go from a fault to the endpoint in the same process.
_KEY = b"\x37\xfa\x21\x3d"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame as it is to be written. `payload` is not masked; `masked` says whether it shall be.

    `length` is what the header says where that is not the truth: the frame announced more than anybody takes, and
    was not waited for.
    """

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = False
    length_size: int | None = None
    length: int | None = None

    @property
    def is_control(self) -> bool:
        return self.opcode >= CLOSE

    def with_payload(self, payload: bytes) -> RawFrame:
        return replace(self, payload=payload, length=None, length_size=None)

    def encode(self) -> bytes:
        said = len(self.payload) if self.length is None else self.length
        least = 0 if said < 126 else 2 if said <= 0xFFFF else 8
        size = least if self.length_size is None else self.length_size
        short = {0: said, 2: 126, 8: 127}[size]
        head = bytes([self.fin << 7 | self.rsv << 4 | self.opcode, self.masked << 7 | short])
        head += said.to_bytes(size, "big") if size else b""
        return head + (_KEY + mask(self.payload, _KEY) if self.masked else self.payload)


class Editing(Seams):
    """A fault overrides `request`, `answer`, `received` or `sent`; what it does not override passes through."""

    def __init__(self) -> None:
        self._asked = self._answered = False
        self._in = self._out = b""

    def request(self, head: bytes) -> bytes:
        """The client's handshake, with the blank line at its end."""
        return head

    def answer(self, head: bytes) -> bytes:
        """The endpoint's answer to it."""
        return head

    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        """A frame from the client; None resets the connection."""
        return [frame]

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        """A frame of the endpoint."""
        return [frame]

    def incoming(self, data: bytes) -> bytes | None:
        data = self._in + data
        edited = b""
        if not self._asked:
            head, blank, data = data.partition(b"\r\n\r\n")
            if not blank:
                self._in = head
                return b""
            self._asked = True
            edited = self.request(head + blank)
        frames, self._in = _take_frames(data)
        for frame in frames:
            passed = self.received(frame)
            if passed is None:
                return None
            edited += b"".join(one.encode() for one in passed)
        return edited

    def outgoing(self, data: bytes) -> bytes:
        data = self._out + data
        edited = b""
        if not self._answered:
            head, blank, data = data.partition(b"\r\n\r\n")
            self._answered = True
            edited = self.answer(head + blank)
            if not head.startswith(b"HTTP/1.1 101"):
                return edited + data
        frames, self._out = _take_frames(data)
        return edited + b"".join(one.encode() for frame in frames for one in self.sent(frame))


def _take_frames(data: bytes) -> tuple[list[RawFrame], bytes]:
    """The whole frames at the beginning of the data, and the rest."""
    frames = []
    while len(data) >= 2:
        first, second = data[0], data[1]
        size = {126: 2, 127: 8}.get(second & 0x7F, 0)
        start = 2 + size + (4 if second & 0x80 else 0)
        length = int.from_bytes(data[2 : 2 + size], "big") if size else second & 0x7F
        too_long = length > MAX_MESSAGE_SIZE
        if len(data) < start + (0 if too_long else length):
            break
        payload = data[start : start + length]
        if second & 0x80:
            payload = mask(payload, data[start - 4 : start])
        frames.append(
            RawFrame(
                first & 0xF,
                payload,
                bool(first & 0x80),
                first >> 4 & 7,
                bool(second & 0x80),
                size,
                length if too_long else None,
            )
        )
        data = data[start + length :]
    return frames, data
