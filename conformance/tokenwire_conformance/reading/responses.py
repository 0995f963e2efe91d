"""A stream read as the events of OpenAI's Responses: what the `resp` checks look at."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .http import Response
from .stream import Payload, Stream, key_of

__all__ = ["DELTAS", "TERMINALS", "Item", "Part", "ResponseStream", "kind_of"]

#: The events of which one is the last of a response.
TERMINALS = ("response.completed", "response.failed", "response.incomplete", "response.cancelled")

#: What comes in deltas: the beginning of its events' names, and the member of the `.done` that repeats the whole.
DELTAS = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_text": "text",
    "response.reasoning_summary_text": "text",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.mcp_call_arguments": "arguments",
}

#: The events that open and close a part, and the member that numbers it.
_PARTS = {"response.content_part": "content_index", "response.reasoning_summary_part": "summary_index"}

#: Of what comes in deltas: where its part is numbered. What is not named here has no parts.
_NUMBERED = {
    "response.output_text": "content_index",
    "response.refusal": "content_index",
    "response.reasoning_text": "content_index",
    "response.reasoning_summary_text": "summary_index",
}


def kind_of(payload: Payload) -> str:
    """The `type` of an event; empty where it has none."""
    kind = payload.value.get("type")
    return kind if isinstance(kind, str) else ""


@dataclass(slots=True)
class Part:
    """A part of an item, or the arguments of a call, which are like one: its events as they came.

    :ivar run: the beginning of the names of its deltas; empty while none has come.
    """

    numbered: str
    number: Any
    first: Payload
    run: str = ""
    added: Payload | None = None
    deltas: list[Payload] = field(default_factory=list)
    whole: Payload | None = None
    done: Payload | None = None

    @property
    def text(self) -> str:
        """The joined deltas."""
        return "".join(piece for delta in self.deltas if isinstance(piece := delta.value.get("delta"), str))

    @property
    def told(self) -> Any:
        """What is said to be the whole; None where nothing is."""
        return self.whole.value.get(DELTAS[self.run]) if self.whole is not None else None


@dataclass(slots=True)
class Item:
    """One item of the output: its events as they came.

    :ivar by_number: its parts, by what numbers them and their number.
    :ivar after: what came for it when it was done.
    """

    first: Payload
    index: Any = None
    id: Any = None
    added: Payload | None = None
    early: list[Payload] = field(default_factory=list)
    events: list[Payload] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    by_number: dict[tuple[str, Hashable], Part] = field(default_factory=dict, repr=False)
    done: Payload | None = None
    after: list[Payload] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"item {self.index}" if self.index is not None else f"the item {self.id}"

    @property
    def begun(self) -> dict[str, Any]:
        """The item as it was added."""
        return _item(self.added)

    @property
    def ended(self) -> dict[str, Any]:
        """The item as it was done."""
        return _item(self.done)


class ResponseStream:
    """The events of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @property
    def response(self) -> Response:
        return self.stream.response

    @property
    def events(self) -> list[Payload]:
        return self.stream.objects

    def of_kind(self, *kinds: str) -> list[Payload]:
        return [payload for payload in self.events if kind_of(payload) in kinds]

    @property
    def errors(self) -> list[Payload]:
        """The events `error`, and errors without a type."""
        return [
            payload
            for payload in self.events
            if kind_of(payload) == "error" or (not kind_of(payload) and payload.value.get("error"))
        ]

    @property
    def terminals(self) -> list[Payload]:
        return self.of_kind(*TERMINALS)

    @property
    def begun(self) -> bool:
        """There is a response: an event of one was seen, beyond an error that refuses it."""
        return any(kind_of(payload).startswith("response.") for payload in self.events)

    @property
    def resumed(self) -> bool:
        """It goes on with a response that was begun in another stream."""
        return self.response.request.method == "GET"

    @property
    def judged_to_the_end(self) -> bool:
        """Its end can be judged: we did not leave, the server announced no failure, and the last event counts."""
        return self.stream.complete and not self.stream.end_discarded and not self.errors and self.begun

    @property
    def completed(self) -> bool:
        """The response is complete, so that nothing in it may be missing."""
        return [kind_of(payload) for payload in self.terminals] == ["response.completed"] and not self.errors

    @property
    def final(self) -> dict[str, Any]:
        """The response as the terminal event has it."""
        response = self.terminals[-1].value.get("response") if self.terminals else None
        return response if isinstance(response, dict) else {}

    @cached_property
    def items(self) -> list[Item]:
        """The items of the output, in the order in which they began. What names no item belongs to none."""
        items = _Items()
        for payload in self.events:
            if _tells_of_item(payload):
                _receive(items.of(payload), payload)
        return items.all

    def parts(self, *runs: str) -> Iterator[tuple[Item, Part]]:
        """The parts of certain kinds, each with its item."""
        for item in self.items:
            for part in item.parts:
                if part.run in runs:
                    yield item, part


def _item(payload: Payload | None) -> dict[str, Any]:
    item = payload.value.get("item") if payload is not None else None
    return item if isinstance(item, dict) else {}


def _tells_of_item(payload: Payload) -> bool:
    kind = kind_of(payload)
    if kind.startswith("response.output_item."):
        return True
    return kind.startswith("response.") and ("output_index" in payload.value or "item_id" in payload.value)


class _Items:
    """The items in the order in which they began, to be found by index and by id."""

    def __init__(self) -> None:
        self.all: list[Item] = []
        self._by_index: dict[Hashable, Item] = {}
        self._by_id: dict[Hashable, Item] = {}

    def of(self, payload: Payload) -> Item:
        """The item that an event tells of: by its index, or by its id where a server has no index."""
        index = payload.value.get("output_index")
        own = payload.value.get("item_id") or _item(payload).get("id")
        found = self._by_index.get(key_of(index)) if index is not None else self._by_id.get(key_of(own))
        item = found if found is not None else Item(payload, index, own)
        if found is None:
            self.all.append(item)
        if index is not None:
            self._by_index[key_of(index)] = item
        if own is not None or index is None:
            self._by_id[key_of(own)] = item
        return item


def _receive(item: Item, payload: Payload) -> None:
    kind = kind_of(payload)
    if kind == "response.output_item.added" and item.added is None:
        item.added = payload
        item.id = _item(payload).get("id") or item.id
        return
    if item.added is None:
        item.early.append(payload)
    if item.done is not None:
        item.after.append(payload)
    elif kind == "response.output_item.done":
        item.done = payload
    else:
        item.events.append(payload)
        _receive_part(item, payload)


def _receive_part(item: Item, payload: Payload) -> None:
    start, _, end = kind_of(payload).rpartition(".")
    if start in _PARTS and end in ("added", "done"):
        part = _part_for(item, _PARTS[start], payload)
        if end == "added":
            part.added = payload
        else:
            part.done = payload
    elif start in DELTAS and end in ("delta", "done"):
        part = _part_for(item, _NUMBERED.get(start, ""), payload)
        part.run = start
        if end == "delta":
            part.deltas.append(payload)
        else:
            part.whole = payload


def _part_for(item: Item, numbered: str, payload: Payload) -> Part:
    number = payload.value.get(numbered)
    key = numbered, key_of(number)
    if key not in item.by_number:
        item.by_number[key] = Part(numbered, number, payload)
        item.parts.append(item.by_number[key])
    return item.by_number[key]
