"""One direction of a WebSocket (RFC 6455), redacted: messages over their fragments, unmasked and masked again.

A message that was deflated (RFC 7692) is kept until it is whole: see deflated.py.
"""

from __future__ import annotations

from ..framing.websocket import CLOSE, CONTINUATION, MAX_MESSAGE_SIZE
from ..framing.websocket import mask as unmask
from ..secrecy.search import mark
from ..secrecy.secrets import MAX_LOOKED_AT
from .deflated import FIN, RSV1, Deflated, Frame, Window, frame_header_size
from .http_wire import Exchange
from .runs import Channel, Plain, Runs, Through

__all__ = ["FramesWire"]


class FramesWire:
    """One direction.

    :param client: it is what the client says.
    """

    def __init__(self, exchange: Exchange, runs: Runs, *, client: bool) -> None:
        self._exchange = exchange
        self._runs = runs
        self._client = client
        self._window: Window | None = None
        self._header = b""
        self._frame: Frame | None = None
        self._place = 0  # in its payload
        self._kept: bytearray | None = None  # of it, while it is looked at
        self._message = self._control = self._new_channel()
        self._deflated: Deflated | None = None  # a message that is coming
        self._left_out = False  # of the message that is coming

    def receive_data(self, data: bytes) -> None:
        while data:
            data = self._begin(data) if self._frame is None else self._read_payload(self._frame, data)

    def force(self) -> None:
        """Nothing is waited for any more."""
        self._give_kept(whole=False)
        if self._deflated is not None:
            self._deflated.leave_out()
            self._deflated = None
            self._left_out = True
        self._message.force()
        self._control.force()

    def finish(self) -> None:
        """There is no more."""
        self._give_kept(whole=False)
        if self._header:
            self._runs.add(Plain(len(self._header), self._header))
            self._header = b""
        if self._deflated is not None:
            self._deflated.finish(final=False)
            self._deflated = None
        self._message.finish()
        self._control.finish()

    def _new_channel(self) -> Channel:
        return Channel(self._exchange.secrets.needles)

    def _begin(self, data: bytes) -> bytes:
        self._header += data
        size = frame_header_size(self._header)
        if len(self._header) < size:
            return b""
        header, rest, self._header = self._header[:size], self._header[size:], b""
        frame = self._frame = Frame(header)
        self._place = 0
        self._kept = None
        if frame.opcode >= CLOSE:
            self._control = self._new_channel()
        elif frame.opcode != CONTINUATION:
            self._begin_message(frame)
        if self._deflated is not None:
            self._deflated.frames.append(frame)
        else:
            self._runs.add(Plain(size, header))
            self._kept = bytearray() if self._is_looked_at(frame) else None
        if not frame.size:
            self._end_frame(frame)
        return rest

    def _begin_message(self, frame: Frame) -> None:
        self._message = self._new_channel()
        self._left_out = False
        if self._window is None and self._exchange.secrets.needles:
            self._window = Window.agreed(self._exchange, client=self._client)
        if self._window is not None and frame.first & RSV1:
            self._left_out = self._window.lost or frame.size > MAX_MESSAGE_SIZE
            self._window.lost = self._left_out
            if not self._left_out:
                self._deflated = Deflated(self._window)
                self._runs.add(self._deflated)

    def _is_looked_at(self, frame: Frame) -> bool:
        return self._client and frame.opcode < CLOSE and frame.size <= MAX_LOOKED_AT and not self._left_out

    def _read_payload(self, frame: Frame, data: bytes) -> bytes:
        piece, rest = data[: frame.size - self._place], data[frame.size - self._place :]
        if self._deflated is not None:
            frame.payload += piece
            if len(frame.payload) > MAX_MESSAGE_SIZE:
                self.force()
        elif self._kept is not None:
            self._kept += piece
        elif self._left_out and frame.opcode < CLOSE:
            self._runs.add(Plain(len(piece), mark(len(piece))))
        else:
            self._give(frame, piece, self._place)
        self._place += len(piece)
        if self._place == frame.size:
            self._end_frame(frame)
        return rest

    def _end_frame(self, frame: Frame) -> None:
        self._give_kept(whole=True)
        self._frame = None
        if frame.opcode >= CLOSE:
            self._control.finish()
        elif frame.first & FIN:
            self._message.finish()
            if self._deflated is not None:
                self._deflated.finish(final=True)
                self._deflated = None

    def _give_kept(self, *, whole: bool) -> None:
        kept, self._kept, frame = self._kept, None, self._frame
        if kept and frame is not None:
            if whole and frame.first & FIN and frame.opcode != CONTINUATION:
                self._exchange.look_at(frame.unmasked(bytes(kept)))
                self._message = self._new_channel()
            self._give(frame, bytes(kept), 0)

    def _give(self, frame: Frame, data: bytes, place: int) -> None:
        channel = self._control if frame.opcode >= CLOSE else self._message
        start = place % 4
        channel.feed(unmask(data, frame.key[start:] + frame.key[:start]) if frame.key else data)
        self._runs.add(Through(channel, len(data), frame.key, place))
