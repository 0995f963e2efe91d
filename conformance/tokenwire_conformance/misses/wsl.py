"""Near misses of conversations over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Seams, Turn

from ..faults.editing import BINARY, TEXT, RawFrame
from ..faults.wsl import is_error
from .edits import Json, ResetsAfterClose, before, turn
from .miss import Undo, near_miss

_SESSIONS = "checks.wsl"

_BUSY = '{"type":"error","error":{"type":"invalid_request_error","code":"busy","message":"One at a time."}}'


def _beats_before_error(told: Turn) -> Turn:
    refused = any(is_error(told, code) for code in ("invalid_json", "unknown_type", "previous_response_not_found"))
    late = [(1.0, message) for _, message in told.messages]
    return replace(told, messages=[(0.0, '{"type":"ping"}'), *late]) if refused else told


def _beats(told: Turn) -> Turn:
    if len(told.messages) < 2:
        return told
    return replace(told, messages=[told.messages[0], (0.0, '{"type":"ping"}'), *told.messages[1:]])


class _RefusesSecond(Seams):
    """A second question is refused by an error."""

    _answered = False

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if len(turn.messages) < 2:
            return turn
        answered, self._answered = self._answered, True
        return replace(turn, messages=[(0.0, _BUSY)]) if answered else turn


def _cut_by_its_limit(told: Turn) -> Turn:
    """An answer that goes on from another is cut."""
    return replace(told, messages=[(delay, _incomplete(said)) for delay, said in told.messages])


def _incomplete(message: str | bytes) -> str | bytes:
    value = json.loads(message)
    goes_on = value.get("type") == "response.completed" and value["response"].get("previous_response_id")
    return json.dumps({**value, "type": "response.incomplete"}) if goes_on else message


def _tells_limits(lane: str) -> Callable[[Turn], Turn]:
    """Behind each response stands an event that belongs to none.

    :param lane: its stream_id, where it has one.
    """
    event: Json = {"type": "rate_limits.updated", "rate_limits": []}
    limits = json.dumps({**event, "stream_id": lane} if lane else event)
    return lambda told: replace(told, messages=[*told.messages, (0.0, limits)]) if len(told.messages) > 1 else told


def _without_code(told: Turn) -> Turn:
    return replace(told, messages=[(delay, _null_code(message)) for delay, message in told.messages])


def _null_code(message: str | bytes) -> str | bytes:
    value = json.loads(message)
    if value.get("type") != "error":
        return message
    return json.dumps({**value, "error": {**value["error"], "code": None}})


near_miss(
    "wsl.too-big",
    of="rst-too-big",
    what="The connection is reset behind the Close with 1009.",
    seams=ResetsAfterClose,
    undo=Undo(
        _SESSIONS,
        "    if socket.close is None:\n        how",
        '    if socket.transcript.ending == "reset":\n        how',
    ),
)
near_miss(
    "wsl.sequential",
    of="one-shot-socket",
    what="A second question is refused by an error.",
    seams=_RefusesSecond,
    undo=Undo(
        _SESSIONS,
        " or any(\n        is_error(message.value) for message in _said_since(socket, second.offset)\n    ):",
        ":",
    ),
)
near_miss(
    "wsl.parity",
    of="ws-skips-events",
    what="A sign of life comes in the answer, which the event stream has not.",
    seams=turn(_beats),
    undo=Undo(_SESSIONS, "for kind in kinds if kind not in _BEATS)]", "for kind in kinds)]"),
)
near_miss(
    "wsl.error-envelope",
    of="flat-ws-error",
    what="The code of an error is null.",
    seams=turn(_without_code),
    undo=Undo(_SESSIONS, 'return "" if "code" in error else "no code"', 'return "" if error["code"] else "no code"'),
)
near_miss(
    "wsl.no-done",
    of="ws-done",
    what="The end mark is sent in a binary message, which is none.",
    seams=before(TEXT, RawFrame(BINARY, b"[DONE]")),
    undo=Undo(_SESSIONS, "if message.is_text and message.text.strip()", "if message.text.strip()"),
)
for _check, _fault in (("wsl.bad-json", "drop-on-bad-json"), ("wsl.unknown-type", "ignore-unknown")):
    near_miss(
        _check,
        of=_fault,
        what="A sign of life comes a second before the error.",
        seams=turn(_beats_before_error),
        undo=Undo(
            _SESSIONS,
            "error = next((message for message in said if is_error(message.value)), None)",
            "error = next((message for message in said[:1] if is_error(message.value)), None)",
        ),
    )

# OpenAI's Responses.

near_miss(
    "wsl.continuation",
    of="forget-state",
    what="An answer that goes on from another is cut by its limit.",
    seams=turn(_cut_by_its_limit),
    undo=Undo(_SESSIONS, 'in ("response.completed", "response.incomplete")', 'in ("response.completed",)'),
)
for _check, _fault in (("wsl.prev-not-found", "generic-500"), ("wsl.evict", "no-evict")):
    near_miss(
        _check,
        of=_fault,
        what="A sign of life comes a second before the error.",
        seams=turn(_beats_before_error),
        undo=Undo(
            _SESSIONS,
            "return next((message for message in self.said if is_error(message.value)), None)",
            "return next((message for message in self.said[:1] if is_error(message.value)), None)",
        ),
    )
for _check, _fault, _lane in (
    ("wsl.lanes-fifo", "reorder-lane", "one"),
    ("wsl.lanes-isolated", "mix-lanes", ""),
    ("wsl.no-multiplex", "parallel-turns", ""),
):
    near_miss(
        _check,
        of=_fault,
        what="Behind each response stands an event that belongs to none.",
        seams=turn(_tells_limits(_lane)),
        undo=Undo(_SESSIONS, 'if _kind_of(message).startswith("response.")]', "]"),
    )
