"""Near misses of OpenAI's Responses as a stream."""

from __future__ import annotations

from collections.abc import Callable

from tokenwire.endpoint import Call, Seams

from ..faults import all_faults
from ..faults.err import fails
from ..faults.fault import closes, wants_tools
from ..probes.asking import RESPONSES_LIMIT
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


def _place_of(told: list[Json], kind: str) -> int:
    return next(place for place, event in enumerate(told) if event["type"] == kind)


def _before(kind: str, more: Json, when: Callable[[Call], bool] = closes) -> type[Seams]:
    """One event more, before the first of a type."""

    def edit(told: list[Json]) -> list[Json]:
        place = _place_of(told, kind)
        return [*told[:place], more, *told[place:]]

    return _events(edit, when)


def _nameless(told: list[Json]) -> list[Json]:
    """The item is added without its id."""
    place = _place_of(told, "response.output_item.added")
    item = {name: value for name, value in told[place]["item"].items() if name != "id"}
    return [*told[:place], {**told[place], "item": item}, *told[place + 1 :]]


def _second_unframed(told: list[Json]) -> list[Json]:
    """The second item is neither added nor done."""
    return [
        event
        for event in told
        if not (event["type"].startswith("response.output_item.") and event["output_index"] == 1)
    ]


def _left_incomplete(told: list[Json]) -> list[Json]:
    """The item that the limit cut says so."""
    place = _place_of(told, "response.output_item.done")
    item = {**told[place]["item"], "status": "incomplete"}
    return [*told[:place], {**told[place], "item": item}, *told[place + 1 :]]


def _summary(told: list[Json]) -> list[Json]:
    """A summary of the reasoning comes in the item, which is numbered by itself."""
    said = {**told[_PLACE], "type": "response.reasoning_summary_text.delta", "summary_index": 0}
    del said["content_index"]
    return [*told[:_PLACE], said, *told[_PLACE:]]


#: An event of an implementor's own that tells of the first item.
_OWN: Json = {"type": "acme:planned", "output_index": 0}

#: Whatever tells of an item is an event of it.
_ANY_EVENT = Undo(
    "reading.responses",
    'return kind.startswith("response.") and ("output_index" in payload.value or "item_id" in payload.value)',
    'return "output_index" in payload.value or "item_id" in payload.value',
)


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
near_miss(
    "resp.terminal-once",
    of="completed-twice",
    what="An end mark follows the event that ends the response.",
    seams=all_faults()["resp-append-done"].seams,
    undo=Undo(
        _LIFECYCLE, "elif last is not terminals[0]:", "elif response.stream.events[-1] is not terminals[0].event:"
    ),
)
near_miss(
    "resp.done",
    of="resp-append-done",
    what="The end mark stands in a comment.",
    seams=blocks(lambda told: [*told, b":data: [DONE]\n\n"]),
    undo=Undo(
        _LIFECYCLE,
        "marks = [event.offset for event in response.stream.events if event.is_sentinel]",
        'marks = [block.offset for block in response.stream.blocks if b"[DONE]" in block.lines[0].raw]',
    ),
)
near_miss(
    "resp.output-streamed",
    of="output-not-streamed",
    what="The item in the output came in the stream without being added.",
    seams=all_faults()["delta-without-item"].seams,
    undo=Undo(
        _LIFECYCLE,
        "streamed = len(response.items)",
        "streamed = sum(item.added is not None for item in response.items)",
    ),
)
near_miss(
    "resp.item-added-first",
    of="delta-without-item",
    what="Before the item is added, an event of an implementor's own names its place.",
    seams=_before("response.output_item.added", _OWN),
    undo=_ANY_EVENT,
)
near_miss(
    "resp.no-update-after-done",
    of="delta-after-done",
    what="After the item is done, an event of an implementor's own names its place.",
    seams=_before("response.completed", _OWN),
    undo=_ANY_EVENT,
)
near_miss(
    "resp.item-id",
    of="foreign-item-id",
    what="The item was added without an id, which is for another check.",
    seams=_events(_nameless),
    undo=Undo(_ITEMS, "if one not in absent and own is not None and one", "if one not in absent and one"),
)
near_miss(
    "resp.indexes",
    of="index-gap",
    what="A summary of the reasoning, which has numbers of its own, stands beside the content.",
    seams=_events(_summary),
    undo=Undo(_ITEMS, 'for part in item.parts if part.numbered == "content_index"]', "for part in item.parts]"),
    seen_in="usage",
)
near_miss(
    "resp.item-done",
    of="item-left-open",
    what="An item that was never added is never done.",
    seams=_events(_second_unframed, when=wants_tools),
    undo=Undo(
        _ITEMS,
        'if item.added is not None and item.done is None:\n            yield Finding(f"{item.label} was added and is '
        'never done", place_of(response, item.added))',
        'if item.done is None:\n            yield Finding("", place_of(response, item.first))',
    ),
)
near_miss(
    "resp.response-id",
    of="new-response-id",
    what="The id is written with an escape.",
    seams=blocks(lambda told: [*told[:-1], told[-1].replace(b'"resp_', rb'"\u0072esp_')]),
    undo=Undo(_LIFECYCLE, "if told_id != ids[0][1]]", "if ids[0][1] not in payload.event.data]"),
)
near_miss(
    "resp.incomplete-last",
    of="completed-at-limit",
    what="The last item, which the limit cut, is incomplete.",
    seams=_events(_left_incomplete, when=lambda call: b'"max_output_tokens": %d,' % RESPONSES_LIMIT in call.body),
    undo=Undo(_LIFECYCLE, "for item in response.items[:-1]:", "for item in response.items:"),
)
near_miss(
    "resp.error-then-failed",
    of="error-then-eof",
    what="Between the error and response.failed stands another event.",
    seams=_before("response.failed", {"type": "acme:cleanup"}, when=fails),
    undo=Undo(
        _ERRORS,
        'if not any(payload.offset > error.offset for payload in response.of_kind("response.failed")):',
        'if "response.failed" not in map(kind_of, response.events[response.events.index(error) + 1 :][:1]):',
    ),
)
