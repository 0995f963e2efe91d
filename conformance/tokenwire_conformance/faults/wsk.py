"""Faults of the keepalive of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Literal

from tokenwire.endpoint import Seams, Turn

from .editing import CONTINUATION, PING, PONG, TEXT, Editing, RawFrame
from .fault import socket_fault


@socket_fault("no-pong", trips="wsk.pong wsf.control-between")
class NoPong(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if frame.opcode == PONG else [frame]


@socket_fault("wrong-payload", trips="wsk.pong")
class WrongPayload(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(frame.payload[:100]) if frame.opcode == PONG else frame


@socket_fault("pong-after-answer", trips="wsk.pong-latency")
class PongAfterAnswer(Editing):
    """Nothing is read while an answer runs, and this one takes its time before its last word."""

    def __init__(self) -> None:
        super().__init__()
        self._to_say = 0
        self._held: list[RawFrame] = []

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        self._to_say += len(turn.messages)
        if len(turn.messages) < 2:
            return turn
        *most, (_, last) = turn.messages
        return replace(turn, messages=[*most, (5.0, last)])

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        if frame.opcode == PONG and self._to_say:
            self._held.append(frame)
            return
        yield frame
        if frame.opcode in (TEXT, CONTINUATION) and frame.fin:
            self._to_say -= 1
        if not self._to_say:
            yield from self._held
            self._held = []


@socket_fault("close-on-pong", trips="wsk.unsolicited")
class CloseOnPong(Editing):
    _pinged = False

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        unsolicited = frame.opcode == PONG and not self._pinged
        yield replace(frame, rsv=2) if unsolicited else frame

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._pinged = self._pinged or frame.opcode == PING
        yield frame


@socket_fault("idle-drop-30", trips="wsk.idle")
class IdleDrop(Seams):
    ping_interval = 30.0

    def silence(self) -> Literal["ping", "close"]:
        return "close"


@socket_fault("no-ping-timeout", trips="wsk.dead-peer")
class NoPingTimeout(Seams):
    ping_timeout = inf


@socket_fault("1011-in-prefill", trips="wsk.long-prefill", stages="wsk.long-prefill")
class PrefillTakenForDeath(Editing):
    """An answer takes a minute to begin, and nobody reads the pongs meanwhile."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if not turn.messages:
            return turn
        (_, first), *rest = turn.messages
        return replace(turn, messages=[(60.0, first), *rest])

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if frame.opcode == PONG else [frame]
