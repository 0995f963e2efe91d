"""Faults of the closing of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tokenwire.endpoint import Ending, Seams, Turn

from .editing import CLOSE, TEXT, Editing, RawFrame
from .fault import socket_fault

NORMAL, NO_CODE, ABNORMAL = ((1000).to_bytes(2, "big"), (1005).to_bytes(2, "big"), (1006).to_bytes(2, "big"))


# What the endpoint says.


@socket_fault("send-1006", trips="wsc.code-sent")
class Send1006(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(ABNORMAL) if frame.opcode == CLOSE and frame.payload == NORMAL else frame


@socket_fault("data-after-close", trips="wsc.silent-after")
class DataAfterClose(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame
        if frame.opcode == CLOSE and frame.payload == NORMAL:
            yield RawFrame(TEXT, b'{"type":"bye"}')


@socket_fault("rst-after-terminal", trips="wsc.clean")
class RstAfterTerminal(Editing):
    def __init__(self) -> None:
        super().__init__()
        self._terminated = False

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._terminated = self._terminated or b'"type":"done"' in frame.payload
        return [frame]

    def ending(self, ending: Ending) -> Ending:
        return "reset" if self._terminated else ending


@socket_fault("close-mid-response", trips="wsc.terminal-first")
class CloseMidResponse(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        half = len(turn.messages) // 2
        return replace(turn, messages=turn.messages[:half], close=1000) if half else turn


# What the endpoint does when the client closes.


@socket_fault("no-close-reply", trips="wsc.echo")
class NoCloseReply(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if frame.opcode == CLOSE and frame.payload == NORMAL else [frame]


@socket_fault("wait-client", trips="wsc.server-tcp-first")
class WaitClient(Editing):
    """The endpoint has said its Close, and waits for the client to end the connection."""

    def __init__(self) -> None:
        super().__init__()
        self._closed = False

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._closed = self._closed or frame.opcode == CLOSE
        return [frame]

    def ending(self, ending: Ending) -> Ending:
        return "" if self._closed else ending


class _AcceptClose(Editing):
    """A Close that must not be sent is taken for a sound one."""

    def sound(self, payload: bytes) -> bytes:
        raise NotImplementedError

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(self.sound(frame.payload)) if frame.opcode == CLOSE else frame


@socket_fault("accept-1005", trips="wsc.code-reject")
class Accept1005(_AcceptClose):
    def sound(self, payload: bytes) -> bytes:
        return NORMAL if payload[:2] == NO_CODE else payload


@socket_fault("accept-len1", trips="wsc.len1")
class AcceptLen1(_AcceptClose):
    def sound(self, payload: bytes) -> bytes:
        return b"" if len(payload) == 1 else payload


@socket_fault("accept-reason", trips="wsc.reason-utf8")
class AcceptReason(_AcceptClose):
    def sound(self, payload: bytes) -> bytes:
        return payload[:2] + payload[2:].decode("utf-8", "replace").encode()


# What the endpoint does when it goes away.


@socket_fault("drop-on-drain", trips="wsc.drain")
class DropOnDrain(Editing):
    def __init__(self) -> None:
        super().__init__()
        self._gone = False

    def drained(self) -> int:
        self._gone = True
        return super().drained()

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if self._gone else [frame]

    def ending(self, ending: Ending) -> Ending:
        return "close" if self._gone else ending
