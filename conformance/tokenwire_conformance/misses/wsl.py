"""Near misses of conversations over a WebSocket."""

from __future__ import annotations

import json
from dataclasses import replace

from tokenwire.endpoint import Turn

from ..faults.editing import BINARY, TEXT, RawFrame
from .edits import before, turn
from .miss import Undo, near_miss

_SESSIONS = "checks.wsl"


def _said(told: Turn, code: str) -> bool:
    return any(f'"code":"{code}"' in message for _, message in told.messages if isinstance(message, str))


def _beats_before_error(told: Turn) -> Turn:
    refused = _said(told, "invalid_json") or _said(told, "unknown_type")
    return replace(told, messages=[(0.0, '{"type":"ping"}'), *told.messages]) if refused else told


def _beats(told: Turn) -> Turn:
    if len(told.messages) < 2:
        return told
    return replace(told, messages=[told.messages[0], (0.0, '{"type":"ping"}'), *told.messages[1:]])


def _without_code(told: Turn) -> Turn:
    return replace(told, messages=[(delay, _nullcode(message)) for delay, message in told.messages])


def _nullcode(message: str | bytes) -> str | bytes:
    value = json.loads(message)
    if value.get("type") != "error":
        return message
    return json.dumps({**value, "error": {**value["error"], "code": None}})


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
        what="A sign of life comes before the error.",
        seams=turn(_beats_before_error),
        undo=Undo(
            _SESSIONS,
            "error = next((message for message in said if _is_error(message.value)), None)",
            "error = next((message for message in said[:1] if _is_error(message.value)), None)",
        ),
    )
