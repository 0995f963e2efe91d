"""Messages put together from the frames of a server, and all that is wrong with either (RFC 6455, RFC 7692)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tokenwire.framing.websocket import is_valid_close_code

from .deflate import (
    MOST_INFLATED,
    MOST_NARROW,
    TAIL,
    Extension,
    TooLarge,
    inflated,
    inflates,
    window_after,
    window_bits,
)
from .frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame
from .http import Problem

__all__ = ["Message", "MessageReader", "is_error"]

_KNOWN = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
_MAX_CONTROL_SIZE = 125


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message, inflated."""

    frames: tuple[Frame, ...]
    payload: bytes

    @property
    def offset(self) -> int:
        return self.frames[0].offset

    @property
    def seconds(self) -> float:
        """When its last byte was read."""
        return self.frames[-1].seconds

    @property
    def is_text(self) -> bool:
        return self.frames[0].opcode == TEXT

    @property
    def compressed(self) -> bool:
        return bool(self.frames[0].rsv & 4)

    @property
    def text(self) -> str:
        return self.payload.decode("utf-8", "replace")

    @property
    def value(self) -> Any:
        """Its JSON; None where it is none."""
        try:
            return json.loads(self.payload)
        except (ValueError, RecursionError):
            return None


def is_error(value: Any) -> bool:
    """The JSON of a message tells of an error, as any dialect writes it."""
    return isinstance(value, dict) and (value.get("type") == "error" or bool(value.get("error")))


class MessageReader:
    """Puts messages together, and notes what is wrong on the way. A problem's `rule` is the id of the check.

    :ivar messages: the server's messages, as far as they can be put together.
    :ivar problems: what is wrong with its complete frames, and with the messages.
    :ivar count: how many frames it has taken.
    :ivar too_large: messages were left out, for they inflate to more than is judged.
    :param deflate: what was agreed about permessage-deflate.
    """

    def __init__(self, deflate: Extension | None) -> None:
        self.messages: list[Message] = []
        self.problems: list[Problem] = []
        self._deflate = deflate
        self._frames: list[Frame] = []
        self._window = b""
        self._left = MOST_INFLATED
        self._left_narrow = MOST_NARROW
        self._broken = False
        self._closed = False
        self.count = 0
        self.too_large = False

    def read(self, frame: Frame) -> None:
        """Takes the next complete frame."""
        self.count += 1
        self.problems += self.wrong_with(frame)
        self._closed = self._closed or frame.opcode == CLOSE
        if frame.opcode in (CONTINUATION, TEXT, BINARY):
            self._data(frame)

    def wrong_with(self, frame: Frame) -> list[Problem]:
        """What is wrong with the next frame by itself, and with its place."""
        found = [*self._wrong_header(frame), *_wrong_control(frame)]
        if self._closed and not frame.is_control:
            found.append(("wsc.silent-after", "a data frame follows the server's own Close"))
        return [Problem(rule, frame.offset, message) for rule, message in found]

    def _note(self, rule: str, frame: Frame, message: str) -> None:
        self.problems.append(Problem(rule, frame.offset, message))

    def _wrong_header(self, frame: Frame) -> Iterator[tuple[str, str]]:
        if frame.masked:
            yield "wsf.server-unmasked", "a frame of the server is masked"
        if frame.opcode not in _KNOWN:
            yield "wsf.opcode-sent", f"a frame has the reserved opcode {frame.opcode:#x}"
        least = 0 if frame.length < 126 else 2 if frame.length <= 0xFFFF else 8
        if frame.length_size != least or frame.length >> 63:
            yield "wsf.minimal-length", f"the length {frame.length} is written in {frame.length_size} bytes"
        if frame.rsv & 3 or (frame.rsv & 4 and self._deflate is None):
            yield "wsf.rsv-sent", f"reserved bits are set ({frame.rsv:03b}) that nothing gave a meaning"
        elif frame.rsv & 4 and (frame.is_control or frame.opcode == CONTINUATION):
            yield "wsz.rsv1", "RSV1 is set on a control frame or a later fragment"

    def _data(self, frame: Frame) -> None:
        if frame.opcode == CONTINUATION and not self._frames:
            self._note("wsf.sequence-sent", frame, "a continuation has nothing to continue")
            return
        if frame.opcode != CONTINUATION and self._frames:
            self._note("wsf.sequence-sent", frame, "a new message begins within a fragmented one")
            self._frames = []
        self._frames.append(frame)
        if frame.fin:
            self._message(tuple(self._frames))
            self._frames = []

    def _message(self, frames: tuple[Frame, ...]) -> None:
        payload = b"".join(frame.payload for frame in frames)
        if frames[0].rsv & 4 and self._deflate is not None:
            inflated = self._inflate(payload, frames[0])
            if inflated is None:
                return
            payload = inflated
        if frames[0].opcode == TEXT:
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                self._note("wsf.utf8-sent", frames[0], f"a text message is not UTF-8: {error.reason}")
        self.messages.append(Message(frames, payload))

    def _inflate(self, payload: bytes, frame: Frame) -> bytes | None:
        if self._broken:
            return None
        if payload.endswith(TAIL):
            self._note("wsz.tail", frame, "a compressed message still ends in 00 00 FF FF")
            payload = payload.removesuffix(TAIL)
        try:
            message = inflated(payload, self._window, limit=self._left)
        except TooLarge:
            # What follows may refer to what is not kept.
            self._broken = self.too_large = True
            return None
        except zlib.error as error:
            # A client fails the connection here, and so nothing is said about what follows.
            self._note("wsz.tail", frame, f"a compressed message does not inflate: {str(error).rpartition(': ')[2]}")
            self._broken = True
            return None
        self._left -= len(message)
        self._inflate_as_agreed(payload, len(message), frame)
        self._window = window_after(self._window, message)
        return message

    def _inflate_as_agreed(self, payload: bytes, size: int, frame: Frame) -> None:
        """Whether the message inflates for a client that keeps no more of earlier ones than was agreed.

        :param size: bytes that it inflates to.
        """
        deflate = self._deflate
        assert deflate is not None
        window = b"" if deflate.has("server_no_context_takeover") else self._window
        bits = window_bits(deflate, "server_max_window_bits")
        if not window and self._window and not inflates(payload):
            self._note("wsz.no-context", frame, "a compressed message refers to an earlier one")
        elif bits < zlib.MAX_WBITS and self._pays(size) and not inflates(payload, window, bits):
            self._note("wsz.window-bits", frame, f"a compressed message refers back more than {1 << bits} bytes")

    def _pays(self, size: int) -> bool:
        """Whether so many bytes may still be inflated one by one."""
        self._left_narrow -= size
        return self._left_narrow >= 0


def _wrong_control(frame: Frame) -> Iterator[tuple[str, str]]:
    if not frame.is_control:
        return
    if not frame.fin or frame.length > _MAX_CONTROL_SIZE:
        what = f"is {frame.length} bytes long" if frame.fin else "is fragmented"
        yield "wsf.control-sent", f"a control frame {what}"
    if frame.opcode == CLOSE and frame.complete and (wrong := _why_no_close(frame.payload)):
        yield "wsc.code-sent", wrong


def _why_no_close(payload: bytes) -> str:
    """Why a server must not send a Close like that (5.5.1, 7.4; IANA's registry for 1012 to 1014); empty if it may."""
    if not payload:
        return ""
    if len(payload) == 1:
        return "the Close frame has a payload of one byte, which is no code"
    code = int.from_bytes(payload[:2], "big")
    if code == 1010:
        return "the Close frame has the code 1010, which is for clients"
    if not is_valid_close_code(code):
        return f"the Close frame has the code {code}, which must not be sent"
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        return f"the reason in the Close frame is not UTF-8: {error.reason}"
    return ""
