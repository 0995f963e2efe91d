"""The output of a response, which OpenAI's Responses and Realtime APIs describe in the same words.

A response has output items: messages, reasoning, calls. An item comes as `response.output_item.added`, then the deltas
of its parts, each run of them ended by a `.done` that repeats the whole, then `response.output_item.done`, which
repeats all of it once more. What a delta has said is not said again; a whole of which no delta came is given, since
some servers send nothing else. Messages that say nothing new are `Other`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from .dialect import Message, Tool
from .events import BlockKind, Finish, FinishReason, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import json_text, listed, mapping, piece, word

__all__ = ["CALL", "Address", "OutputDecoder", "Run", "function_tools"]

#: The item that a part belongs to, the index that counts such parts, and the part's number in it.
Address = tuple[Hashable, str, int]


class Run(NamedTuple):
    """What comes in deltas: the kind of its block, the index that counts it within its item, where a whole has it."""

    kind: BlockKind
    counter: str
    member: str


#: A call is one run, so nothing counts it within its item.
CALL = ""

_REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "failed": "error",
    "cancelled": "cancelled",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}

#: Items that are calls, and where their arguments are. The input of a custom tool is text, and no JSON.
_CALLS: dict[str, Run] = {
    "function_call": Run("tool", CALL, "arguments"),
    "custom_tool_call": Run("tool", CALL, "input"),
    "mcp_call": Run("server_tool", CALL, "arguments"),
}

#: Those that the client is to run.
_TOOLS = ("function_call", "custom_tool_call")

#: The parts of the other items.
_PARTS: dict[str, Run] = {
    "output_text": Run("text", "content_index", "text"),
    "text": Run("text", "content_index", "text"),
    "output_audio": Run("text", "content_index", "transcript"),
    "audio": Run("text", "content_index", "transcript"),
    "refusal": Run("refusal", "content_index", "refusal"),
    "reasoning_text": Run("reasoning", "content_index", "text"),
    "summary_text": Run("reasoning", "summary_index", "text"),
}


class OutputDecoder(JSONDecoder):
    """Decodes one response. A dialect says what its runs are called, and how it knows an item."""

    def __init__(self, runs: Mapping[str, Run]) -> None:
        super().__init__()
        self._runs = runs  # by the type of their messages, without `.delta` or `.done`
        self._started = False
        self._model = ""  # where the description of the response does not name it
        self._called = False
        self._told: set[Hashable] = set()  # the addresses that need no repeating, and the items that they are in

    @abstractmethod
    def _item(self, value: dict[str, Any]) -> Hashable:
        """By what the item is known that a message is about."""

    @abstractmethod
    def _is_of_another(self, value: dict[str, Any]) -> bool:
        """Whether a message is about another response on the same connection."""

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, self._cursor(value, message)
        kind = "error" if message.event == "error" else word(value.get("type")) or message.event
        if self._started and self._is_of_another(value):
            return None
        name, _, step = kind.rpartition(".")
        run = self._runs.get(name)
        if run is not None and step == "delta" and isinstance(value.get("delta"), str):
            return self._more(self._address(run, value), run, value["delta"], raw, cursor, value)
        events = self._start(value, raw, cursor)
        if run is not None and step == "done":
            events += self._done(run, value, raw, cursor)
        return events + self._event(kind, value, raw, cursor) or None

    def _event(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What a message says that is no part of a run."""
        match kind:
            case "response.output_item.added":
                return self._item_added(value, raw, cursor)
            case "response.output_item.done":
                return self._item_done(value, raw, cursor)
            case _:
                return []

    def _start(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """The first message that describes the response; a resumed stream has no `response.created`."""
        response = value.get("response")
        if self._started or not isinstance(response, dict):
            return []
        self._started = True
        return [Start(word(response.get("id")), word(response.get("model")) or self._model, raw, cursor)]

    # Runs.

    def _done(self, run: Run, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        address = self._address(run, value)
        text = _whole(value.get(run.member))
        events = [] if address in self._told else self._more(address, run, text, raw, cursor, value)
        # A call stays open for its item's end: only that has its name where the item's beginning was not sent.
        return events if run.counter == CALL else events + self._blocks.close(address, raw, cursor)

    def _more(
        self, address: Address, run: Run, text: str, raw: str, cursor: str | None, call: Mapping[str, Any]
    ) -> list[StreamEvent]:
        """More of a run. Text opens with its first piece; a call that was not announced with what the message says."""
        if not text:
            return []
        if address not in self._told:
            self._told |= {address, address[0]}
        if run.counter == CALL and address not in self._blocks:
            opening = self._open_call(address, run, call, raw, cursor)
            return opening + self._blocks.delta(address, text, raw, cursor)
        return self._blocks.run(address, run.kind, text, raw, cursor)

    def _address(self, run: Run, value: dict[str, Any]) -> Address:
        number = value.get(run.counter)
        return self._item(value), run.counter, number if isinstance(number, int) else 0

    # Items.

    def _item_added(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        item = mapping(value.get("item"))
        call = _CALLS.get(word(item.get("type")))
        if call is None:
            return []
        return self._open_call(self._address(call, value), call, item, raw, cursor)

    def _item_done(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        item = mapping(value.get("item"))
        call = _CALLS.get(word(item.get("type")))
        if call is not None:
            return self._call_done(self._address(call, value), call, item, raw, cursor)
        place = self._item(value)
        if place in self._told:
            return []
        events: list[StreamEvent] = []
        for parts in (item.get("summary"), item.get("content")):
            for number, part in enumerate(listed(parts)):
                run = _PARTS.get(word(part.get("type")))
                if run is not None:
                    address = (place, run.counter, number)
                    events += self._more(address, run, piece(part.get(run.member)), raw, cursor, part)
                    events += self._blocks.close(address, raw, cursor)
        return events

    def _open_call(
        self, address: Address, run: Run, call: Mapping[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        self._called = self._called or run.kind == "tool"
        tool_id = word(call.get("call_id")) or word(call.get("id")) or word(call.get("item_id"))
        return self._blocks.open(address, run.kind, raw, cursor, tool_id=tool_id, name=word(call.get("name")))

    def _call_done(
        self, address: Address, run: Run, call: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if address not in self._told:
            self._told.add(address)
            if address not in self._blocks:
                events += self._open_call(address, run, call, raw, cursor)
            events += self._blocks.delta(address, _whole(call.get(run.member)), raw, cursor)
        return events + self._blocks.close(address, raw, cursor)

    # The end.

    def _finish(
        self, status: str, why: str, error: dict[str, Any], response: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        """The last events of the response.

        :param why: the provider's word for what the status leaves open; empty for none.
        :param error: of a response that failed. Where a message of type `error` told of it before, it counts once.
        """
        events = self._blocks.close_all(raw, cursor)
        if isinstance(response.get("usage"), dict):
            events.append(Usage(response["usage"], True, raw, cursor))
        if status == "failed" and not self._failed:
            events.append(self._error(error or {"message": status}, raw, cursor))
        events.append(Finish(self._reason(status, why, response), why or status, raw=raw, cursor=cursor))
        return events + self._end(raw, cursor, clean=True)

    def _reason(self, status: str, why: str, response: dict[str, Any]) -> FinishReason:
        """Calls have no word of their own: the response is complete, and they are in its output."""
        called = self._called or any(item.get("type") in _TOOLS for item in listed(response.get("output")))
        if status == "completed" and called:
            return "tool_calls"
        return _REASONS.get(why) or _REASONS.get(status, "other")


def _whole(value: Any) -> str:
    """The arguments of a call, or a text; some servers send arguments as the object that they are the text of."""
    return json_text(value) if isinstance(value, dict) else piece(value)


def function_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools of a prompt, as both APIs have them."""
    return [
        {"type": "function", "name": t.name, "description": t.description, "parameters": dict(t.parameters)}
        for t in tools
    ]
