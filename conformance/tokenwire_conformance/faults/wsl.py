"""Faults of sessions over WebSocket: what is asked one after the other, how large it may be, how errors are told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import Any

from tokenwire.endpoint import Call, Seams, Turn

from ..probes.asking import RESPONSES_LIMIT
from ..probes.sessions import NO_SUCH_RESPONSE, TOO_BIG
from .editing import TEXT, Editing, RawFrame
from .fault import socket_fault

_LIMIT = 64 * 1024

#: The messages of a turn, each with its delay.
Said = list[tuple[float, str | bytes]]


def is_error(turn: Turn, code: str) -> bool:
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
        return Turn([], close=1011) if is_error(turn, "invalid_json") else turn


@socket_fault("ignore-unknown", trips="wsl.unknown-type")
class IgnoreUnknown(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return Turn([]) if is_error(turn, "unknown_type") else turn


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


# OpenAI's Responses: what a connection knows, and several at once.

_responses_fault = partial(socket_fault, dialect="openai-responses")


def _event(message: str | bytes | None) -> dict[str, Any]:
    """A message of the client; empty where it is none."""
    try:
        value = json.loads(message or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@_responses_fault("forget-state", trips="wsl.continuation")
class ForgetState(Seams):
    """No response is known once it is complete."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if not _event(message).get("previous_response_id") or not _begins(turn):
            return turn
        error = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "Not found."}
        return Turn([(0.0, json.dumps({"type": "error", "status": 400, "error": error}))])


def _begins(turn: Turn) -> bool:
    return any('"type":"response.created"' in said for _, said in turn.messages if isinstance(said, str))


@_responses_fault("generic-500", trips="wsl.prev-not-found")
class Generic500(Seams):
    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if _event(message).get("previous_response_id") != NO_SUCH_RESPONSE:
            return turn
        error = {"type": "server_error", "code": "server_error", "message": "Something went wrong."}
        return Turn([(0.0, json.dumps({"type": "error", "status": 500, "error": error}))])


@_responses_fault("no-evict", trips="wsl.evict")
class NoEvict(Seams):
    """The last question is answered as the second was, though what it goes on from should be forgotten."""

    _answered: Turn | None = None

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        event = _event(message)
        if event.get("previous_response_id") and _begins(turn):
            self._answered = turn
        known = event.get("previous_response_id") != NO_SUCH_RESPONSE
        return self._answered if known and is_error(turn, "previous_response_not_found") and self._answered else turn


class _Held(Seams):
    """Holds an answer back until the next question of its lane has one too, then gives both in another order."""

    lane = ""
    _first: Turn | None = None

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        event = _event(message)
        if event.get("max_output_tokens") not in _LIMITS or event.get("stream_id", "") != self.lane:
            return turn
        if self._first is None:
            self._first = turn
            return Turn([], lane=turn.lane)
        return replace(turn, messages=self.both(self._first.messages, turn.messages))

    def both(self, first: Said, second: Said) -> Said:
        return [*second, *first]


#: The limits of the questions that are asked at once; the others have a larger one.
_LIMITS = range(RESPONSES_LIMIT, RESPONSES_LIMIT + 3)


@_responses_fault("reorder-lane", trips="wsl.lanes-fifo")
class ReorderLane(_Held):
    lane = "one"


@_responses_fault("interleave-lane", trips="wsl.lanes-fifo")
class InterleaveLane(_Held):
    lane = "one"

    def both(self, first: Said, second: Said) -> Said:
        return [said for pair in zip_longest(first, second) for said in pair if said is not None]


@_responses_fault("parallel-turns", trips="wsl.no-multiplex")
class ParallelTurns(InterleaveLane):
    lane = ""


@_responses_fault("mix-lanes", trips="wsl.lanes-isolated")
class MixLanes(Seams):
    """Some events of a lane come without its name."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if _event(message).get("stream_id") != "two":
            return turn
        return replace(turn, messages=[_unnamed(said) if n % 2 else said for n, said in enumerate(turn.messages)])


def _unnamed(said: tuple[float, str | bytes]) -> tuple[float, str | bytes]:
    delay, message = said
    return delay, str(message).replace(',"stream_id":"two"', "")
