"""Cohere's chat: version 2 as server-sent events, and version 1, which is older, as lines of JSON.

Version 2 in: messages whose data is an object with a `type`, which is also the name of the event, from `message-start`
to `message-end`, then `[DONE]`. Content and tool calls are in `delta.message`, one object at a time, addressed by
`index`; lists of several are read too. The plan of the tools, which comes before them, is reasoning. A generation that
failed ends with the reason `ERROR` and the words beside it. Version 1 in: objects with an `event_type`, from
`stream-start` to `stream-end`.
Out: stream events. The formats are those of Cohere's API reference and of its SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message, Prompt, chat_body
from .events import BlockKind, Error, Finish, FinishReason, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import error_fields, index_of, items_of, mapping, name_of, word
from .wholes import WholeBlocks

__all__ = ["COHERE_V1", "COHERE_V2", "CohereDecoder", "CohereV1Decoder"]

_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    # version 1
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
    "USER_CANCEL": "cancelled",
}

_KINDS: dict[str, BlockKind] = {"text": "text", "thinking": "reasoning"}
_KINDS_OF: dict[BlockKind | None, str] = {kind: name for name, kind in _KINDS.items()}

#: Members that are read, or say nothing to a user: of a message of version 2, of what it says or ends with, of a call.
_TOP = ("type", "index", "id", "delta")
_SAID = ("role",)
_CONTENT = ("type", "text", "thinking")
_DELTA = ("message", "finish_reason", "usage", "error", "error_type")
_CALL = ("type", "id", "function")
_WHOLE = ("role", "tool_plan", "content", "tool_calls")
_FUNCTION = ("name", "arguments")

#: The same of version 1: of a message, of a call, and of the whole answer at the end.
_TOP_V1 = ("event_type", "is_finished", "text", "tool_calls", "tool_call_delta", "generation_id", "finish_reason",
           "response", "error", "error_type")  # fmt: skip
_CALL_V1 = ("index", "name", "parameters")
_RESPONSE = ("response_id", "generation_id", "text", "tool_calls", "finish_reason", "meta", "chat_history", "documents",
             "citations", "search_queries", "search_results", "is_search_required", "prompt")  # fmt: skip

#: Where a block is: "content" or "tool", its index, and its place among several calls that come under one index.
_Address = tuple[str, int | None, int]

#: Where a call of version 1 is: its number.
_CallAddress = tuple[str, int]

#: What else a message of a type is read for. What it says beyond that is told by an `Other`, each time.
_READ: dict[str, tuple[str, ...]] = {
    "content-start": ("content",),
    "content-delta": ("content",),
    "tool-plan-delta": ("tool_plan",),
    "tool-call-start": ("tool_calls",),
    "tool-call-delta": ("tool_calls",),
    "citation-start": ("citations",),
}

#: The address of the text before the tool calls that says what they are for.
_PLAN = "plan"

#: The address of the only text of version 1.
_TEXT = "text"


class _CohereDecoder(JSONDecoder):
    """What both versions have: a reason that may be an error, and errors as a message at the top."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False

    def finished(self) -> bool:
        """The model has stopped, and has not gone on since: what is open then was cut."""
        return self._stopped and not self._blocks.some_open

    def _stop(self, end: dict[str, Any], usage: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        """The message is complete, or failed."""
        self._stopped = True
        events = self._blocks.close_all(raw, cursor)
        counts = self._odd.object(usage, "usage")
        if counts or usage == {}:
            events.append(Usage(counts, complete=True, raw=raw, cursor=cursor))
        raw_reason = self._odd.name(end.get("finish_reason"), "finish_reason")
        reason = self._reason_of(raw_reason, _REASONS)
        if reason == "error" or end.get("error"):
            said = {"code": end.get("error_type"), "message": end.get("error") or raw_reason}
            events.append(self._error(said, raw, cursor))
        return [*events, self._noted(Finish(reason, raw_reason, raw=raw, cursor=cursor))]

    def _failure(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        """An error that took the place of a message of the dialect, or nothing that it knows."""
        self._odd.take()  # either has all of the message
        fields = _error_fields(value)
        if fields or message.event == "error":
            return [self._error(fields or value, message.data, message.id or None)]
        return None


class CohereDecoder(_CohereDecoder):
    """Decodes one stream of version 2. A block is known by its `index`, content and tool calls apart."""

    json_events = "(message|content|tool|citation)-.*"

    done_ends = True

    def __init__(self) -> None:
        super().__init__()
        self._by_id: dict[str, _Address] = {}  # the calls, where they have ids

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        if not value.get("type") and isinstance(value.get("message"), dict) and "finish_reason" in value:
            return self._whole_answer(value, message)
        self._odd.members(value, _TOP)
        kind = word(value.get("type")) or message.event
        delta = self._odd.object(value.get("delta"), "delta", "message" if kind in _READ else "")
        said = self._odd.object(delta.get("message"), "message", _READ.get(kind, ("",))[0])
        self._odd.members(delta, _DELTA)
        for name in (name for name in said if said[name] and name not in (*_SAID, *_READ.get(kind, ()))):
            self._odd.note(name)
        match kind:
            case "content-delta":
                return self._content(_address("content", value), said.get("content"), raw, cursor)
            case "content-start":
                return self._content_start(_address("content", value), said.get("content"), raw, cursor)
            case "content-end":
                return self._close("content", value, raw, cursor) or None
            case "tool-plan-delta" if said.get("tool_plan") is not None:
                plan = self._odd.text(said["tool_plan"], "tool_plan")
                return self._blocks.run(_PLAN, "reasoning", plan, raw, cursor)
            case "tool-call-start":
                return self._tool_starts(value, said.get("tool_calls"), raw, cursor)
            case "tool-call-delta" if _address("tool", value) in self._blocks:
                return self._tool_deltas(value, said.get("tool_calls"), raw, cursor)
            case "tool-call-end":
                return self._close("tool", value, raw, cursor) or None
            case "message-start":
                return [Start(self._odd.name(value.get("id"), "id"), "", raw, cursor)]
            case "message-end" if not self._stopped:
                return self._stop(delta, delta.get("usage"), raw, cursor)
            case _:
                return self._failure(value, message)

    def _whole_answer(self, value: dict[str, Any], message: Message) -> list[StreamEvent]:
        """An answer that does not come as a stream, by the messages that would have told it."""
        said = value["message"]
        self._odd.members(said, _WHOLE)
        told = [{"type": "message-start", "id": value.get("id")}]
        if said.get("tool_plan"):
            told.append(_telling("tool-plan-delta", 0, tool_plan=said["tool_plan"]))
        for index, content in enumerate(items_of(said.get("content"))):
            content = {"type": "text", "text": content} if isinstance(content, str) else content
            told += [_telling("content-start", index, content=content), {"type": "content-end", "index": index}]
        for index, call in enumerate(items_of(said.get("tool_calls"))):
            told += [_telling("tool-call-start", index, tool_calls=call), {"type": "tool-call-end", "index": index}]
        told.append({"type": "message-end", "delta": {name: value[name] for name in _DELTA[1:] if name in value}})
        return [event for it in told for event in self._object(it, message) or ()]

    def _content_start(self, address: _Address, value: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        first = next(iter(self._odd.objects(value, "content", "text")), {})
        kind = _KINDS.get(word(first.get("type") or next((name for name in _KINDS if name in first), "")))
        if kind is None:
            return None
        plan = self._blocks.close(_PLAN, raw, cursor)
        opened = self._blocks.open(address, kind, raw, cursor)
        return plan + opened + (self._content(address, value, raw, cursor) or [])

    def _content(self, address: _Address, value: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        """Text or thinking, or both; None where neither is there."""
        events: list[StreamEvent] = []
        contents = self._odd.objects(value, "content", _KINDS_OF.get(self._blocks.kind(address), "text"))
        for content in contents:
            self._odd.members(content, _CONTENT)
            thinking, text = (self._odd.text(content.get(name), name) for name in ("thinking", "text"))
            events += self._blocks.run(address, "reasoning", thinking, raw, cursor)
            events += self._blocks.run(address, "text", text, raw, cursor)
        said = any(content.get(name) is not None for content in contents for name in ("thinking", "text"))
        return events if said else None

    def _tool_starts(self, value: dict[str, Any], calls: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        events = self._blocks.close(_PLAN, raw, cursor) + self._close("tool", value, raw, cursor)
        for place, each in enumerate(self._odd.objects(calls, "tool_calls") or [{}]):
            call, function = self._call(each)
            tool_id, name = self._odd.name(call.get("id"), "id"), self._odd.name(function.get("name"), "name")
            arguments = self._odd.arguments(function.get("arguments"), "arguments")
            address = _address("tool", value, place)
            if tool_id:
                self._by_id[tool_id] = address
            events += self._blocks.open(address, "tool", raw, cursor, tool_id=tool_id, name=name)
            events += self._blocks.delta(address, arguments, raw, cursor)
        return events

    def _tool_deltas(
        self, value: dict[str, Any], pieces: Any, raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        """More of the call at an index; of several there, by their ids, or else in their order."""
        events: list[StreamEvent] | None = None
        for place, each in enumerate(self._odd.objects(pieces, "tool_calls")):
            call, function = self._call(each)
            if function.get("arguments") is None:
                continue
            address = _address("tool", value, place)
            known = self._by_id.get(name_of(call.get("id")) or "", address)
            address = known if known[1] == address[1] and known in self._blocks else address
            arguments = self._odd.arguments(function["arguments"], "arguments")
            if address not in self._blocks:
                self._odd.note("tool_calls")
                continue
            events = (events or []) + self._blocks.delta(address, arguments, raw, cursor)
        return events

    def _close(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """Closes what is open at an index."""
        events: list[StreamEvent] = []
        place = 0
        while (address := _address(kind, value, place)) in self._blocks:
            events += self._blocks.close(address, raw, cursor)
            place += 1
        return events

    def _call(self, call: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """A tool call, or a piece of one, and its function."""
        function = self._odd.object(call.get("function"), "function")
        self._odd.members(call, _CALL)
        self._odd.members(function, _FUNCTION)
        return call, function


class CohereV1Decoder(_CohereDecoder):
    """Decodes one stream of version 1. Tool calls have no id. The end has the whole answer once more."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: WholeBlocks = WholeBlocks()
        self._opened = 0  # calls, which counts their addresses
        self._calls: list[_CallAddress] = []  # of the latest step
        self._by_index: dict[int | None, _CallAddress] = {}  # those that are told in pieces

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        if "generation_id" in value and "text" in value and "event_type" not in value:
            ended = {"event_type": "stream-end", "finish_reason": value.get("finish_reason"), "response": value}
            return [Start(word(value["generation_id"]), "", raw, cursor), *self._stream_end(ended, raw, cursor)]
        self._odd.members(value, _TOP_V1)
        match value.get("event_type"):
            case "text-generation" if value.get("text") is not None:
                return self._blocks.run(_TEXT, "text", self._odd.text(value["text"], "text"), raw, cursor)
            case "tool-calls-chunk":
                plan = self._plan(value, raw, cursor)
                call = self._odd.object(value.get("tool_call_delta"), "tool_call_delta")
                return plan + (self._tool_chunk(call, raw, cursor) if call else []) or None
            case "tool-calls-generation":
                return self._generation(value, raw, cursor) or None
            case "stream-start":
                return [Start(self._odd.name(value.get("generation_id"), "generation_id"), "", raw, cursor)]
            case "stream-end":
                return self._stream_end(value, raw, cursor)
            case _:
                return self._failure(value, message)

    def _plan(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        return self._blocks.run(_PLAN, "reasoning", self._odd.text(value.get("text"), "text"), raw, cursor)

    def _call(self, call: dict[str, Any]) -> tuple[str, str]:
        """The name and the parameters of a tool call, or what a piece of one has of them."""
        self._odd.members(call, _CALL_V1)
        return self._odd.name(call.get("name"), "name"), self._odd.arguments(call.get("parameters"), "parameters")

    def _tool_chunk(self, call: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """A call begins with its name; the whole of it comes again afterwards, in `tool-calls-generation`."""
        index = index_of(call.get("index"))
        name, parameters = self._call(call)
        events: list[StreamEvent] = []
        if not self._by_index:
            self._calls = []  # another step begins
        if name or index not in self._by_index:
            events = self._open_call(name, raw, cursor)
            self._by_index[index] = self._calls[-1]
        return events + self._blocks.delta(self._by_index[index], parameters, raw, cursor)

    def _open_call(self, name: str, raw: str, cursor: str | None) -> list[StreamEvent]:
        events = self._blocks.close(_PLAN, raw, cursor)
        self._calls.append(("tool", self._opened))
        self._opened += 1
        return events + self._blocks.open(self._calls[-1], "tool", raw, cursor, name=name)

    def _generation(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """The calls of a step, whole: once more after their pieces, or for the first time."""
        plan: list[StreamEvent] = []
        if not self._by_index:
            self._calls = []
            plan = self._plan(value, raw, cursor)
        self._by_index = {}
        return plan + self._wholes(self._odd.objects(value.get("tool_calls"), "tool_calls"), raw, cursor)

    def _wholes(self, calls: list[dict[str, Any]], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What is new in the whole calls of a step, which are told in the order in which they began."""
        told = list(self._calls)
        events: list[StreamEvent] = []
        for number, call in enumerate(calls):
            events += self._whole(told[number] if number < len(told) else None, call, raw, cursor)
        return events

    def _whole(
        self, address: _CallAddress | None, call: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        name, parameters = self._call(call)
        if address is None:
            events = self._open_call(name, raw, cursor)
            events += self._blocks.delta(self._calls[-1], parameters or "{}", raw, cursor)
            return events + self._blocks.close(self._calls[-1], raw, cursor)
        told = self._blocks.told(address)
        if told is not None and name not in ("", told.start.name):
            return self._blocks.call_anew(address, "", name, parameters, raw, cursor)
        value = call.get("parameters")
        if not value and told is not None and not told.pieces.some:
            return []  # no parameters, which pieces say by saying nothing
        if isinstance(value, str) or value is None:
            return self._blocks.whole(address, parameters, raw, cursor)
        return self._blocks.whole_value(address, value, raw, cursor)

    def _stream_end(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        response = self._odd.object(value.get("response"), "response")
        self._odd.members(response, _RESPONSE)
        meta = mapping(response.get("meta"))
        usage = {name: meta[name] for name in ("billed_units", "tokens") if name in meta}
        rest = self._rest(self._odd.text(response.get("text"), "text"), raw, cursor)
        rest += self._wholes(self._odd.objects(response.get("tool_calls"), "tool_calls"), raw, cursor)
        return rest + self._stop(value, usage or None, raw, cursor) + self._end(raw, cursor, clean=True)

    def _rest(self, whole: str, raw: str, cursor: str | None) -> list[StreamEvent]:
        """What of the whole text no message has told. Where there were tool calls, the text may be their plan."""
        told = self._blocks.told(_TEXT)
        rest = whole if told is None else told.pieces.rest(whole)
        if rest is not None:
            return self._blocks.run(_TEXT, "text", rest, raw, cursor)
        if not whole or self._opened:
            return []
        return [Error("text_differs", "the whole text is not that of the deltas", False, raw, cursor)]


def _telling(kind: str, index: int, **said: Any) -> dict[str, Any]:
    """A message of version 2."""
    return {"type": kind, "index": index, "delta": {"message": said}}


def _address(kind: str, value: dict[str, Any], place: int = 0) -> _Address:
    return kind, index_of(value.get("index")), place


def _error_fields(body: Any) -> dict[str, Any]:
    """Cohere has the message of an error at the top: `{"message": "invalid api token"}`."""
    return error_fields(body) or (body if isinstance(body, dict) and word(body.get("message")) else {})


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


def _ask_v1(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    body["message"] = prompt.text
    if prompt.system:
        body["preamble"] = prompt.system
    if prompt.max_tokens is not None:
        body["max_tokens"] = prompt.max_tokens
    if prompt.tools:
        body["tools"] = [
            {"name": t.name, "description": t.description, "parameter_definitions": _definitions(t.parameters)}
            for t in prompt.tools
        ]
    return body


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a tool as version 1 has them: one by one, instead of a JSON schema."""
    required = schema.get("required", ())
    return {
        name: {
            "type": definition.get("type", "string"),
            "description": definition.get("description", ""),
            "required": name in required,
        }
        for name, definition in schema.get("properties", {}).items()
    }


COHERE_V2 = Dialect(
    name="cohere-v2",
    framing="sse",
    path="/v2/chat",
    method="POST",
    content_type="text/event-stream",
    decoder=CohereDecoder,
    ask=chat_body,
    body=_body,
    error_fields=_error_fields,
    terminator="[DONE], or the end after message-end",
)

COHERE_V1 = Dialect(
    name="cohere-v1",
    framing="jsonlines",
    path="/v1/chat",
    method="POST",
    content_type="application/stream+json",
    decoder=CohereV1Decoder,
    ask=_ask_v1,
    body=_body,
    error_fields=_error_fields,
    terminator="stream-end",
)
