"""Near misses of OpenAI's Responses as a stream."""

from __future__ import annotations

from collections.abc import Callable

from tokenwire.endpoint import Call, Seams

from ..faults.err import fails
from ..faults.fault import closes, wants_tools
from .edits import Json, blocks, chunks, name_after_data
from .miss import Undo, near_miss

#: The event in which most of them are planted: some deltas after the first.
_PLACE = 7

_EVENTS, _LIFECYCLE, _ITEMS, _PARTS, _ERRORS = (
    f"checks.resp.{name}" for name in ("events", "lifecycle", "items", "parts", "errors")
)


def _events(edit: Callable[[list[Json]], list[Json]], when: Callable[[Call], bool] = closes) -> type[Seams]:
    """The events edited, and numbered again."""
    return chunks(lambda told: [{**event, "sequence_number": number} for number, event in enumerate(edit(told))], when)


def _with(event: Json) -> type[Seams]:
    """One event more."""
    return _events(lambda told: [*told[:_PLACE], event, *told[_PLACE:]])


def _split_pair(told: list[Json]) -> list[Json]:
    """A character comes as the two halves of its pair, in two deltas."""
    place = next(place for place, event in enumerate(told) if event.get("delta") == " 😀")
    halves = [{**told[place], "delta": " \ud83d"}, {**told[place], "delta": "\ude00"}]
    return [*told[:place], *halves, *told[place + 1 :]]


def _sealed_anew(told: list[Json]) -> list[Json]:
    response = told[-1]["response"]
    output = [{**item, "encrypted_content": "anew"} for item in response["output"]]
    return [*told[:-1], {**told[-1], "response": {**response, "output": output}}]


near_miss(
    "resp.event-eq-type",
    of="no-event-name",
    what="The name of the event stands after its data.",
    seams=name_after_data(),
    undo=Undo(
        _EVENTS,
        "if payload.event.name != kind_of(payload)]",
        "if payload.event.block.lines[0].value != kind_of(payload)]",
    ),
)
near_miss(
    "resp.required-fields",
    of="drop-required",
    what="A delta is empty, which is not absent.",
    seams=_with({"type": "response.output_text.delta", "delta": "", "output_index": 0, "content_index": 0}),
    undo=Undo(_EVENTS, "if payload.value.get(name) is None]", "if not payload.value.get(name)]"),
)
near_miss(
    "resp.sequence",
    of="seq-hardcoded",
    what="The numbers leave some out, and rise.",
    seams=chunks(lambda told: [{**event, "sequence_number": 3 * n} for n, event in enumerate(told)]),
    undo=Undo(
        _EVENTS,
        'if after.value["sequence_number"] <= before.value["sequence_number"]]',
        'if after.value["sequence_number"] != before.value["sequence_number"] + 1]',
    ),
)
near_miss(
    "resp.sequence-gapless",
    of="seq-gap",
    what="The same number comes twice: nothing is lost.",
    seams=chunks(lambda told: [{**event, "sequence_number": n - (n >= _PLACE)} for n, event in enumerate(told)]),
    undo=Undo(_EVENTS, "if now > was + 1:", "if now != was + 1:"),
)
near_miss(
    "resp.no-sse-id",
    of="emit-id",
    what="A comment looks like an id.",
    seams=blocks(lambda told: [b":id: 4\n" + told[0], *told[1:]]),
    undo=Undo(_EVENTS, 'if block.values("id")]', 'if any(b"id:" in line.raw for line in block.lines)]'),
)
near_miss(
    "resp.ext-prefix",
    of="bare-custom-event",
    what="An event that OpenAI does not have carries the name of its implementor.",
    seams=_with({"type": "acme:speed", "tokens_per_second": 40}),
    undo=Undo(_EVENTS, ' and ":" not in kind:', ":"),
)
near_miss(
    "resp.created-first",
    of="skip-created",
    what="An object without a type stands before response.created.",
    seams=blocks(lambda told: [b'data: {"note":"warming up"}\n\n', *told]),
    undo=Undo(_LIFECYCLE, "for payload in response.events if kind_of(payload))", "for payload in response.events)"),
)
near_miss(
    "resp.final-output",
    of="empty-final-output",
    what="What OpenAI encrypts anew each time is another in the output.",
    seams=_events(_sealed_anew),
    undo=Undo(_LIFECYCLE, "if names - _SEALED:", "if names:"),
)
near_miss(
    "resp.added-complete",
    of="added-without-role",
    what="A kind of item that has no role is added without one.",
    seams=_events(
        lambda told: [
            {**event, "item": {"type": "reasoning", "id": event["item"]["id"]}} if "item" in event else event
            for event in told
        ]
    ),
    undo=Undo(
        _ITEMS, 'needed.get(str(item.begun.get("type")), ())', 'needed.get(str(item.begun.get("type")), ("role",))'
    ),
)
near_miss(
    "resp.status-field",
    of="no-status",
    what="A kind of item that needs no status has none.",
    seams=_events(
        lambda told: [
            {**event, "item": {"type": "reasoning", "id": event["item"]["id"]}} if "item" in event else event
            for event in told
        ]
    ),
    undo=Undo(_ITEMS, 'if with_status else ("type", "id")', 'if with_status else ("type", "id", "status")'),
)
near_miss(
    "resp.delta-sum",
    of="drop-delta",
    what="The two halves of a surrogate pair come in two deltas: joined they are the character.",
    seams=_events(_split_pair),
    undo=Undo(
        _PARTS,
        "isinstance(part.told, str) and _joined(part.text) != part.told",
        "isinstance(part.told, str) and part.text != part.told",
    ),
)
near_miss(
    "resp.error-shape",
    of="wrong-error-shape",
    what="The error is flat, as OpenAI has it.",
    seams=_events(
        lambda told: [
            {**event, **event["error"], "type": "error", "error": None} if event["type"] == "error" else event
            for event in told
        ],
        when=fails,
    ),
    undo=Undo(_ERRORS, "told = payload.value if nested is None else nested", "told = nested"),
    seen_in="failure",
)
near_miss(
    "resp.fn-args",
    of="drop-args-delta",
    what="A call has no deltas of its arguments, only the whole.",
    seams=_events(
        lambda told: [event for event in told if event["type"] != "response.function_call_arguments.delta"],
        when=wants_tools,
    ),
    undo=Undo(_PARTS, "elif part.deltas and _joined(part.text) != part.told:", "elif _joined(part.text) != part.told:"),
)
near_miss(
    "resp.part-lifecycle",
    of="no-text-done",
    what="A part has no delta, only the whole.",
    seams=_events(lambda told: [event for event in told if event["type"] != "response.output_text.delta"]),
    undo=Undo(
        _PARTS,
        "first = part.deltas[0] if part.deltas else part.whole",
        'if not part.deltas:\n        return "has no delta"\n    first = part.deltas[0]',
    ),
)
