"""The parts of the items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tokenwire.recording.captures import Layer

from ...judging.case import brief
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.responses import DELTAS, Item, Part, ResponseStream
from .common import BOTH, place_of

MUST = Level.MUST


#: Of what is streamed in a part that is added before it and done after it.
_IN_PARTS = ("response.output_text", "response.refusal", "response.reasoning_text", "response.reasoning_summary_text")


_ARGUMENTS = "response.function_call_arguments"


@passive(
    "resp.part-lifecycle",
    MUST,
    BOTH,
    "A part that is streamed is added, then come its deltas, then the whole, then it is done.",
    on="response_streams",
    when=lambda response: not response.resumed and any(response.parts(*_IN_PARTS)),
    absent="no part was streamed",
    breaks="the stream helper of openai 3.54.0 raises IndexError for a part that was not added",
    needs=[Layer.END],
)
def part_lifecycle(response: ResponseStream) -> Iterator[Finding]:
    for item, part in response.parts(*_IN_PARTS):
        flaw = _flaw_of_part(item, part)
        if flaw:
            yield Finding(f"a part of {item.label} {flaw}", place_of(response, part.first))


def _flaw_of_part(item: Item, part: Part) -> str:
    first = part.deltas[0] if part.deltas else part.whole
    added = "reasoning_summary_part.added" if part.numbered == "summary_index" else "content_part.added"
    if first is not None and (part.added is None or part.added.offset > first.offset):
        return f"is told before its {added}"
    if item.done is None:
        return ""  # that is for resp.item-done to tell, or the response was cut
    if part.whole is None:
        return f"has deltas and no {part.run.removeprefix('response.')}.done"
    if part.done is None:
        return f"has no {added.replace('added', 'done')}"
    if part.deltas and part.deltas[-1].offset > part.whole.offset:
        return "has a delta after its whole"
    return "is done before its whole is told" if part.done.offset < part.whole.offset else ""


@passive(
    "resp.delta-sum",
    MUST,
    BOTH,
    "The deltas of a part, joined, are the whole that its done repeats.",
    on="response_streams",
    when=lambda response: not response.resumed and any(part.whole for _, part in _summed(response)),
    absent="no part was streamed to its end",
)
def delta_sum(response: ResponseStream) -> Iterator[Finding]:
    for item, part in _summed(response):
        if part.whole is not None and part.deltas and isinstance(part.told, str) and _joined(part.text) != part.told:
            said = f"the deltas of {item.label} make {brief(part.text)}, the whole is {brief(part.told)}"
            yield Finding(said, place_of(response, part.whole))


def _summed(response: ResponseStream) -> list[tuple[Item, Part]]:
    return list(response.parts(*(run for run in DELTAS if run != _ARGUMENTS)))


def _joined(text: str) -> str:
    """The text, halves of a surrogate pair that came in two deltas joined to a character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@passive(
    "resp.fn-args",
    MUST,
    BOTH,
    "The arguments of a call are the same in their deltas, their done and their item, and JSON when they are whole.",
    on="response_streams",
    when=lambda response: any(_calls(response)),
    absent="no call of a function was seen to be done",
    shown_by=("tools",),
)
def fn_args(response: ResponseStream) -> Iterator[Finding]:
    for item in _calls(response):
        assert item.done is not None
        where = place_of(response, item.done)
        final = item.ended.get("arguments")
        part = next((part for part in item.parts if part.run == _ARGUMENTS), None)
        if part is None or part.whole is None:
            yield Finding(f"{item.label} has no function_call_arguments.done", where)
        elif part.deltas and _joined(part.text) != part.told:
            said = f"the deltas of the arguments make {brief(part.text)}, the whole is {brief(part.told)}"
            yield Finding(said, place_of(response, part.whole))
        elif part.told != final:
            yield Finding(f"the arguments are {brief(part.told)}, in the item {brief(final)}", where)
        elif item.ended.get("status") != "incomplete" and not _is_json(final):
            yield Finding(f"the arguments are not JSON: {brief(final)}", where)


def _calls(response: ResponseStream) -> list[Item]:
    return [item for item in response.items if item.ended.get("type") == "function_call"]


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
