"""Faults of sessions over WebSocket: what is asked one after the other, how large it may be, how errors are told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from tokenwire.endpoint import Call, Seams, Turn

from ..socket_probes import TOO_BIG
from .editing import TEXT, Editing, RawFrame
from .fault import socket_fault

_LIMIT = 64 * 1024


def _said(turn: Turn, code: str) -> bool:
    """The turn is the error of this code."""
    return any(f'"code":"{code}"' in message for _, message in turn.messages if isinstance(message, str))


@socket_fault("limit-64KiB", trips="wsl.big-request")
class Limit64KiB(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        too_big = frame.length is None and len(frame.payload) > _LIMIT
        yield replace(frame, payload=b"", length=TOO_BIG, length_size=8) if too_big else frame


@socket_fault("rst-too-big", trips="wsl.too-big")
class ResetTooBig(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        return None if frame.length == TOO_BIG else [frame]


@socket_fault("one-shot-socket", trips="wsl.sequential")
class OneShotSocket(Editing):
    """After the first answer nothing is read any more."""

    _served = False

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if frame.opcode == TEXT and self._served else [frame]

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._served = self._served or b'"type":"done"' in frame.payload
        yield frame


@socket_fault("ws-skips-events", trips="wsl.parity")
class SkipsEvents(Seams):
    """The event stream tells the source, which the WebSocket does not."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return [*blocks[:-1], b'data: {"type":"citation","url":"https://example.org/"}\n\n', blocks[-1]]


@socket_fault("drop-on-bad-json", trips="wsl.bad-json")
class DropOnBadJson(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return Turn([], close=1011) if _said(turn, "invalid_json") else turn


@socket_fault("ignore-unknown", trips="wsl.unknown-type")
class IgnoreUnknown(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return Turn([]) if _said(turn, "unknown_type") else turn


@socket_fault("flat-ws-error", trips="wsl.error-envelope")
class FlatError(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return replace(turn, messages=[(delay, _flat(said)) for delay, said in turn.messages])


def _flat(message: str | bytes) -> str | bytes:
    value = json.loads(message)
    return json.dumps({"type": "error", **value["error"]}) if value["type"] == "error" else message


@socket_fault("ws-done", trips="wsl.no-done wsf.json-message")
class SendsDone(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        ends = any('"type":"done"' in said for _, said in turn.messages if isinstance(said, str))
        return replace(turn, messages=[*turn.messages, (0.0, "[DONE]")]) if ends else turn
