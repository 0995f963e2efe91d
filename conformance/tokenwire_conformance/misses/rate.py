"""Near misses of what goes wrong now and then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tokenwire.endpoint import Call

from ..faults.hop import cut_off
from ..faults.http import CloseDelimited
from ..faults.rate import BreaksArguments, now_and_then
from .edits import blocks, chunks, reply
from .miss import Undo, near_miss

_CHECKS, _OUTCOME = "checks.rate", "reading.outcome"


def _always(call: object) -> bool:
    return True


near_miss(
    "rate.answered",
    of="now-and-then-a-limit",
    what="The answer comes as 203, as from a proxy that has changed something in it.",
    seams=now_and_then(reply(lambda told: replace(told, status=203), _always)),
    undo=Undo(_OUTCOME, "response.status >= 300", "response.status > 200"),
)
near_miss(
    "rate.whole",
    of="now-and-then-a-cut",
    what="The end of the connection is that of the answer, and the end mark came before it.",
    seams=now_and_then(CloseDelimited),
    undo=Undo(
        _OUTCOME,
        "response.status != 101 and not response.complete",
        "response.status != 101 and (not response.chunks or response.chunks[-1].size)",
    ),
)


def _thought(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The text as reasoning."""
    return [
        {**chunk, "choices": [{**choice, "delta": _reasoning(choice["delta"])} for choice in chunk.get("choices", [])]}
        for chunk in told
    ]


def _reasoning(delta: dict[str, Any]) -> dict[str, Any]:
    text = delta.get("content")
    return {"reasoning_content": text} if text else delta


near_miss(
    "rate.not-empty",
    of="now-and-then-nothing",
    what="The model thinks aloud, and says nothing besides.",
    seams=now_and_then(chunks(_thought, _always)),
    undo=Undo(_OUTCOME, "answer.text or answer.reasoning or answer.all_tools", "answer.text or answer.all_tools"),
)
near_miss(
    "rate.no-error-inside",
    of="now-and-then-an-error",
    what="What says why the model stopped is garbled: the answer is not whole, and nobody said why.",
    seams=now_and_then(blocks(lambda told: [*told[:-2], told[-2][:40] + b"\n\n", told[-1]], _always)),
    undo=Undo(_OUTCOME, "error is not None and error.fatal and", "error is not None and"),
)


class _CutCall(BreaksArguments):
    def exchange(self, call: Call | None, exchange: Any) -> Any:
        return cut_off(exchange)


near_miss(
    "rate.tools",
    of="now-and-then-half-a-call",
    what="The answer breaks off within the call.",
    seams=now_and_then(_CutCall, 3, 8),  # the other calls are whole
    undo=Undo(_CHECKS, "if outcome.became is Became.WHOLE and outcome.answer.all_tools", "if outcome.answer.all_tools"),
)

_earlier: list[bytes] = []


def _commented(told: list[bytes]) -> list[bytes]:
    """What was said to somebody else stands in comments."""
    comments = [b": " + block.replace(b"\n", b" ") + b"\n\n" for block in _earlier]
    _earlier[:] = told
    return [*comments, *told]


near_miss(
    "rate.not-mixed",
    of="now-and-then-another-stream",
    what="What was said to somebody else stands in comments, which are no text.",
    seams=blocks(_commented, _always),
    undo=Undo(_CHECKS, "marks_in(outcome.answer.text)", "marks_in(outcome.transcript.received.decode())"),
)
