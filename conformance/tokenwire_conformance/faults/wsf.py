"""Faults of WebSocket frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tokenwire.endpoint import Seams, Turn

from .editing import BINARY, CLOSE, CONTINUATION, PING, TEXT, Editing, RawFrame
from .fault import socket_fault

_KNOWN = (CONTINUATION, TEXT, BINARY, CLOSE, PING, 0xA)


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _readable(frame: RawFrame) -> RawFrame:
    """The frame with what is not UTF-8 replaced."""
    return frame.with_payload(frame.payload.decode("utf-8", "replace").encode())


# What the endpoint sends.


@socket_fault("mask-server", trips="wsf.server-unmasked")
class MaskServer(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, masked=True)


@socket_fault("long-length", trips="wsf.minimal-length")
class LongLength(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame if frame.is_control else replace(frame, length_size=8)


@socket_fault("set-rsv2", trips="wsf.rsv-sent")
class SetRsv2(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, rsv=frame.rsv | 2)


@socket_fault("send-opcode-3", trips="wsf.opcode-sent")
class SendOpcode3(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        if frame.opcode == TEXT:
            yield RawFrame(0x3, b"")
        yield frame


@socket_fault("long-close-reason", trips="wsf.control-sent")
class LongCloseReason(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(frame.payload[:2] + b"." * 124) if frame.opcode == CLOSE else frame


@socket_fault("interleave-messages", trips="wsf.sequence-sent")
class InterleaveMessages(Editing):
    """The first delta of an answer is sent within the second."""

    def __init__(self) -> None:
        super().__init__()
        self._first: RawFrame | None = None
        self._done = False

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        if self._done or b"content_delta" not in frame.payload or frame.rsv:
            return [frame]
        if self._first is None:
            self._first = frame
            return []
        self._done = True
        begin = replace(frame.with_payload(frame.payload[:9]), fin=False)
        end = replace(frame.with_payload(frame.payload[9:]), opcode=CONTINUATION)
        return [begin, self._first, end]


@socket_fault("bad-utf8-frame", trips="wsf.utf8-sent")
class BadUtf8Frame(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        plain = frame.opcode == TEXT and not frame.rsv
        yield frame.with_payload(frame.payload.replace(b"\xc3\xaf", b"\xef")) if plain else frame


@socket_fault("two-json-per-message", trips="wsf.json-message")
class TwoJsonPerMessage(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if len(turn.messages) < 3:
            return turn
        (delay, first), (_, second), *rest = turn.messages
        return replace(turn, messages=[(delay, f"{first!s}\n{second!s}"), *rest])


# What the endpoint takes.


@socket_fault("per-fragment-dispatch", trips="wsf.fragments wsf.utf8-split wsf.control-between")
class PerFragmentDispatch(Editing):
    """Every fragment is taken for a message, once the last one has come."""

    def __init__(self) -> None:
        super().__init__()
        self._fragments: list[RawFrame] = []

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        goes_on = frame.opcode == CONTINUATION
        if frame.rsv or frame.is_control or (frame.fin and not goes_on and not self._fragments):
            return [frame]
        if goes_on != bool(self._fragments):  # out of order: as it came
            return [*self._fragments, frame]
        self._fragments.append(frame)
        if not frame.fin:
            return []
        messages = [replace(_readable(fragment), opcode=TEXT, fin=True) for fragment in self._fragments]
        self._fragments = []
        return messages


@socket_fault("check-per-fragment", trips="wsf.utf8-split")
class CheckPerFragment(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        in_a_fragment = frame.opcode == CONTINUATION or (frame.opcode == TEXT and not frame.fin)
        return None if in_a_fragment and not frame.rsv and not _is_utf8(frame.payload) else [frame]


@socket_fault("mix-ping", trips="wsf.control-between")
class MixPing(Editing):
    """A ping between two fragments is taken for one of them."""

    def __init__(self) -> None:
        super().__init__()
        self._within = False

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        if not frame.is_control:
            self._within = not frame.fin
        elif frame.opcode == PING and self._within:
            return [replace(frame, opcode=CONTINUATION, fin=False)]
        return [frame]


@socket_fault("need-whole-frame", trips="wsf.dribble")
class NeedWholeFrame(Editing):
    """Every read is taken to end where a frame does."""

    def incoming(self, data: bytes) -> bytes | None:
        edited = super().incoming(data)
        return None if self._asked and self._in else edited


@socket_fault("crash-binary", trips="wsf.binary-policy")
class CrashBinary(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return Turn([], close=1011) if isinstance(message, bytes) else turn


# What the endpoint should not take.


@socket_fault("accept-unmasked", trips="wsf.need-mask")
class AcceptUnmasked(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, masked=True)


@socket_fault("ignore-rsv", trips="wsf.rsv")
class IgnoreRsv(Editing):
    def __init__(self) -> None:
        super().__init__()
        self._meant = 0

    def answer(self, head: bytes) -> bytes:
        self._meant = 4 if b"permessage-deflate" in head.lower() else 0
        return head

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, rsv=frame.rsv & self._meant)


@socket_fault("ignore-opcode", trips="wsf.opcode wsf.fail-no-process")
class IgnoreOpcode(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [frame] if frame.opcode in _KNOWN else []


@socket_fault("accept-msb", trips="wsf.length-msb")
class AcceptMsb(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(frame.payload) if (frame.length or 0) >> 63 else frame


@socket_fault("big-ping", trips="wsf.control-len")
class BigPing(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(frame.payload[:125]) if frame.opcode == PING else frame


@socket_fault("frag-ping", trips="wsf.control-fin")
class FragPing(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, fin=frame.fin or frame.opcode == PING)


@socket_fault("accept-stray", trips="wsf.continuation")
class AcceptStray(Editing):
    """Whether a message begins or goes on is told from FIN alone."""

    def __init__(self) -> None:
        super().__init__()
        self._within = False

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        if frame.is_control:
            return [frame]
        opcode = CONTINUATION if self._within else frame.opcode or TEXT
        self._within = not frame.fin
        return [replace(frame, opcode=opcode)]


@socket_fault("accept-bad-utf8", trips="wsf.utf8-reject")
class AcceptBadUtf8(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        whole = frame.opcode == TEXT and frame.fin and not frame.rsv and frame.length is None
        yield _readable(frame) if whole else frame


# How the endpoint fails a connection.


@socket_fault("process-after-error", trips="wsf.fail-no-process")
class ProcessAfterError(Editing):
    """A frame with a reserved opcode is found only when all that was read with it has been processed."""

    def __init__(self) -> None:
        super().__init__()
        self._reserved = b""

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        if frame.opcode in _KNOWN:
            return [frame]
        self._reserved += frame.encode()
        return []

    def incoming(self, data: bytes) -> bytes | None:
        edited = super().incoming(data) or b""
        edited, self._reserved = edited + self._reserved, b""
        return edited


@socket_fault("drop-without-close", trips="wsf.fail-code")
class DropWithoutClose(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        failing = frame.opcode == CLOSE and frame.payload[:2] in (b"\x03\xea", b"\x03\xef")  # 1002, 1007
        return [] if failing else [frame]
