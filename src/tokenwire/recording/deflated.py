"""A deflated message of a WebSocket (RFC 7692): nothing can be overwritten in it, so it is kept until it is whole.

It is given as it came if there is no secret in it. Else it, and all that follow it in that direction, are written in
blocks that are stored and not compressed: what follows may refer to what was overwritten.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import RemoteProtocolError
from ..framing.websocket import CLOSE, MAX_MESSAGE_SIZE, mask
from ..protocol.deflate import MessageInflater, parse_extension
from ..secrecy.search import clean, mark
from .http_wire import Exchange
from .runs import Piece

__all__ = ["FIN", "RSV1", "Deflated", "Frame", "Window", "frame_header_size"]

FIN, RSV1 = 0x80, 0x40
_MASKED, _OPCODE, _LENGTH = 0x80, 0x0F, 0x7F

#: Bytes of the length that stand behind the first two of a header.
_MORE = {126: 2, 127: 8}

_TAIL = b"\x00\x00\xff\xff"


def frame_header_size(header: bytes) -> int:
    """How long the header is that begins so (RFC 6455, 5.2)."""
    if len(header) < 2:
        return 2
    return 2 + _MORE.get(header[1] & _LENGTH, 0) + (4 if header[1] & _MASKED else 0)


@dataclass(slots=True)
class Frame:
    """A frame as it came.

    :ivar payload: as far as it has come, where it is kept.
    """

    header: bytes
    payload: bytearray = field(default_factory=bytearray)

    @property
    def first(self) -> int:
        return self.header[0]

    @property
    def opcode(self) -> int:
        return self.header[0] & _OPCODE

    @property
    def key(self) -> bytes:
        return self.header[-4:] if self.header[1] & _MASKED else b""

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        short = self.header[1] & _LENGTH
        return int.from_bytes(self.header[2 : 2 + _MORE[short]], "big") if short in _MORE else short

    def unmasked(self, payload: bytes) -> bytes:
        return mask(payload, self.key) if self.key else payload

    def with_payload(self, payload: bytes) -> bytes:
        """The frame with another payload, masked with the same key."""
        size = len(payload)
        masked = self.header[1] & _MASKED
        if size < 126:
            header = bytes([self.first, masked | size])
        elif size < 0x10000:
            header = bytes([self.first, masked | 126]) + size.to_bytes(2, "big")
        else:
            header = bytes([self.first, masked | 127]) + size.to_bytes(8, "big")
        return header + self.key + self.unmasked(payload)


class Window:
    """What the deflated messages of one direction have in common.

    :ivar rewritten: a secret was in one of them.
    :ivar lost: one was left out, and what follows may refer to it: all that follow are left out too.
    """

    def __init__(self, exchange: Exchange, *, client: bool, no_context_takeover: bool) -> None:
        self.rewritten = False
        self.lost = False
        self._exchange = exchange
        self._client = client
        self._no_context_takeover = no_context_takeover
        self._inflater = MessageInflater(no_context_takeover)

    @classmethod
    def agreed(cls, exchange: Exchange, *, client: bool) -> Window | None:
        """None where permessage-deflate was not."""
        for member in exchange.extensions.split(","):
            try:
                name, parameters = parse_extension(member)
            except RemoteProtocolError:
                continue
            if name.lower() == "permessage-deflate":
                side = "client" if client else "server"
                return cls(
                    exchange, client=client, no_context_takeover=f"{side}_no_context_takeover" in dict(parameters)
                )
        return None

    def inflate(self, data: bytes, *, final: bool) -> bytes | None:
        """What the message says; None where it cannot be read, so that nobody else can either.

        :raises OverflowError: when it is larger than messages may be.
        """
        try:
            text = self._inflater.inflate(data, final=final, limit=MAX_MESSAGE_SIZE)
        except ValueError:
            self._inflater = MessageInflater(self._no_context_takeover)
            return None
        if self._client:
            self._exchange.look_at(text)
        return text

    def clean(self, data: bytes) -> bytes:
        return clean(self._exchange.secrets.needles, data)


class Deflated:
    """A run: a message, with the control frames that came between its fragments."""

    def __init__(self, window: Window) -> None:
        self.frames: list[Frame] = []
        self._window = window
        self._out: list[bytes] | None = None  # what is given, a frame at a time
        self._given = False

    @property
    def done(self) -> bool:
        return self._given

    def pieces(self) -> Iterator[Piece]:
        if self._out is not None and not self._given:
            self._given = True
            for frame, data in zip(self.frames, self._out, strict=True):
                yield Piece(len(frame.header) + len(frame.payload), data)

    def finish(self, *, final: bool) -> None:
        """It is whole, or the connection ended within it."""
        data = b"".join(frame.unmasked(bytes(frame.payload)) for frame in self.frames if frame.opcode < CLOSE)
        try:
            text = self._window.inflate(data, final=final)
        except OverflowError:
            self.leave_out()
            return
        cleaned = self._window.clean(text) if text is not None else b""
        self._window.rewritten = self._window.rewritten or cleaned != (text or b"")
        if text is None or not self._window.rewritten:
            self._out = [self._as_it_came(frame) for frame in self.frames]
            return
        payload = _stored(cleaned)
        self._out = []
        for frame in self.frames:
            if frame.opcode >= CLOSE:
                self._out.append(self._as_it_came(frame))
            else:
                self._out.append(frame.with_payload(payload))
                payload = b""

    def leave_out(self) -> None:
        """It cannot be looked at: it is overwritten, and what follows it is too."""
        self._window.lost = True
        self._out = [frame.header + mark(len(frame.payload)) for frame in self.frames]

    def _as_it_came(self, frame: Frame) -> bytes:
        """Without what stands in it in the clear: the reason of a Close, or what is called deflated and is not."""
        return frame.header + frame.unmasked(self._window.clean(frame.unmasked(bytes(frame.payload))))


def _stored(text: bytes) -> bytes:
    """A message of DEFLATE that refers to nothing (RFC 7692, 7.2.3.3)."""
    deflater = zlib.compressobj(0, wbits=-zlib.MAX_WBITS)
    return (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
