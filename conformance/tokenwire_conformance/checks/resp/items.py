"""The items of the output."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ...judging.case import brief, gathered, offsets_of
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.responses import ResponseStream, kind_of
from .common import BOTH, OPEN, place_of

MUST, SHOULD = Level.MUST, Level.SHOULD


def _has_items(response: ResponseStream) -> bool:
    return bool(response.items)


@passive(
    "resp.item-added-first",
    MUST,
    BOTH,
    "Every item is added by output_item.added before anything else comes for it.",
    on="response_streams",
    when=lambda response: _has_items(response) and not response.resumed,
    absent="no item of an output was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 raises IndexError",
)
def item_added_first(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        if item.early:
            said = f"{kind_of(item.early[0])} comes for {item.label}, which was not added"
            yield from gathered(response.response, offsets_of(item.early), said)


@passive(
    "resp.added-complete",
    SHOULD,  # a MUST of Open Responses
    OPEN,
    "An item is added with all that it needs: a message with its role, a call with its name and its call_id.",
    on="response_streams",
    when=lambda response: any(item.begun for item in response.items),
    absent="no item was seen to be added",
    shown_by=("tools",),
)
def added_complete(response: ResponseStream) -> Iterator[Finding]:
    needed = {"message": ("role", "content"), "function_call": ("name", "call_id", "arguments")}
    for item in response.items:
        missing = [name for name in needed.get(str(item.begun.get("type")), ()) if item.begun.get(name) is None]
        if missing and item.added is not None:
            said = f"a {item.begun['type']} is added without {', '.join(missing)}"
            yield Finding(said, place_of(response, item.added))


@passive(
    "resp.status-field",
    SHOULD,  # a MUST of Open Responses for all items
    OPEN,
    "Every item has a type and an id; messages and calls have a status.",
    on="response_streams",
    when=_has_items,
    absent="no item of an output was seen",
    shown_by=("tools",),
    breaks="openai 3.54.0 gives None for them",
)
def status_field(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        for payload, value in ((item.added, item.begun), (item.done, item.ended)):
            if payload is None or not value:
                continue
            with_status = value.get("type") in ("message", "function_call")
            names = ("type", "id", "status") if with_status else ("type", "id")
            missing = [name for name in names if not isinstance(value.get(name), str)]
            if missing:
                yield Finding(f"an item has no {', '.join(missing)}", place_of(response, payload))


@passive(
    "resp.item-id",
    MUST,
    BOTH,
    "Every event of a part has the item_id of its item.",
    on="response_streams",
    when=lambda response: any(item.parts for item in response.items),
    absent="no part of an item was seen",
    shown_by=("tools",),
)
def item_id(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        told = item.events + [one for one in item.after if kind_of(one) != "response.output_item.done"]
        absent = [payload for payload in told if not isinstance(payload.value.get("item_id"), str)]
        yield from gathered(response.response, offsets_of(absent), "an event of a part has no item_id")
        own = item.begun.get("id") if item.added is not None else None
        foreign = [one for one in told if one not in absent and own is not None and one.value["item_id"] != own]
        if foreign:
            said = f"an event has the item_id {brief(foreign[0].value['item_id'])}; its item has {brief(own)}"
            yield from gathered(response.response, offsets_of(foreign), said)


@passive(
    "resp.indexes",
    SHOULD,
    BOTH,
    "Items and the parts of their content are numbered, without a gap and from 0.",
    on="response_streams",
    when=lambda response: _has_items(response) and not response.resumed,
    absent="no item of an output was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 finds items by their place: IndexError",
)
def indexes(response: ResponseStream) -> Iterator[Finding]:
    for place, item in enumerate(response.items):
        if item.index != place:
            said = f"has the output_index {brief(item.index)}" if item.index is not None else "has no output_index"
            yield Finding(f"item number {place} {said}", place_of(response, item.first))
        content = [part for part in item.parts if part.numbered == "content_index"]
        for number, part in enumerate(content):
            if part.number != number:
                index = f"has the content_index {brief(part.number)}"
                said = index if part.number is not None else "has no content_index"
                yield Finding(f"part number {number} of {item.label} {said}", place_of(response, part.first))


@passive(
    "resp.item-done",
    MUST,
    BOTH,
    "Every item that was added is done by output_item.done.",
    on="response_streams",
    when=lambda response: response.completed and any(item.added for item in response.items),
    absent="no response with an item was completed",
    shown_by=("tools",),
    needs=[Layer.END],
)
def item_done(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        if item.added is not None and item.done is None:
            yield Finding(f"{item.label} was added and is never done", place_of(response, item.added))


@passive(
    "resp.no-update-after-done",
    MUST,
    OPEN,
    "Nothing comes for an item after its output_item.done.",
    on="response_streams",
    when=lambda response: any(item.done for item in response.items),
    absent="no item was seen to be done",
)
def no_update_after_done(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        if item.after:
            said = f"{kind_of(item.after[0])} comes for {item.label}, which was done"
            yield from gathered(response.response, offsets_of(item.after), said)
