"""Cohere's chat: version 2 as server-sent events, and version 1, which is older, as lines of JSON.

Version 2 in: messages whose data is an object with a `type`, which is also the name of the event, from `message-start`
to `message-end`, then `[DONE]`. Content and tool calls are in `delta.message`, one object at a time, addressed by
`index`; the plan of the tools, which comes before them, is reasoning. A generation that failed ends with the reason
`ERROR` and the words beside it. Version 1 in: objects with an `event_type`, from `stream-start` to `stream-end`.
Out: stream events. The formats are those of Cohere's API reference and of its SDK.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message, Prompt, chat_body
from .events import BlockKind, Error, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .surrogates import whole
from .values import (
    arguments_of,
    error_fields,
    index_of,
    items_of,
    mapping,
    name_of,
    object_of,
    text_of,
    unknown_members,
    word,
)

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

#: Members that are read, wherever they stand, and those that say nothing to a user.
_MEMBERS = frozenset(
    {"type", "event_type", "index", "id", "generation_id", "response_id", "role", "is_finished", "delta", "message"}
    | {"content", "text", "thinking", "tool_plan", "tool_calls", "tool_call_delta", "function", "name", "arguments"}
    | {"parameters", "finish_reason", "error", "error_type", "usage", "citations", "prompt", "response", "meta"}
    | {"chat_history", "documents", "search_queries", "search_results", "is_search_required"}
)

#: Those of the end of version 2.
_END = ("finish_reason", "usage", "error", "error_type")

#: Those of a tool call of version 1.
_CALL_V1 = ("index", "name", "parameters")

#: Members that are handed on as they are, or repeat what was told.
_OPAQUE = frozenset(
    {"usage", "parameters", "arguments", "error", "citations", "meta", "chat_history", "documents"}
    | {"search_queries", "search_results"}
)

#: Names of unknown members that are remembered, of one message.
_MAX_NAMES = 256

#: Where a block is: "content" or "tool", and its index.
_Address = tuple[str, int | None]

#: The address of the text before the tool calls that says what they are for.
_PLAN = "plan"

#: The address of the only text of version 1.
_TEXT = "text"


class _CohereDecoder(JSONDecoder):
    """What both versions have: a reason that may be an error, and errors as a message at the top."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False
        self._told: set[str] = set()  # unknown members: one that stands in every message is told once

    def finished(self) -> bool:
        return self._stopped

    @abstractmethod
    def _known(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        """What a message says by the members that are known; None where it says nothing by them."""

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        events = self._known(value, message)
        if events is None or any(isinstance(event, Other | Error) for event in events):
            return events
        new = [name for name in unknown_members(value, _MEMBERS, _OPAQUE) if name not in self._told]
        self._told.update(new[:_MAX_NAMES])
        told = [Other(whole(name), message.data, message.id or None) for name in new]
        return [*events[:-1], *told, events[-1]] if self.ended else [*events, *told]

    def _stop(self, end: dict[str, Any], usage: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        """The message is complete, or failed."""
        self._stopped = True
        events = self._blocks.close_all(raw, cursor)
        if isinstance(usage, dict):
            events.append(Usage(usage, complete=True, raw=raw, cursor=cursor))
        raw_reason = word(end.get("finish_reason"))
        reason = _REASONS.get(raw_reason, "other")
        if reason == "error" or end.get("error"):
            said = {"code": end.get("error_type"), "message": end.get("error") or raw_reason}
            events.append(self._error(said, raw, cursor))
        return [*events, Finish(reason, raw_reason, raw=raw, cursor=cursor)]

    def _failure(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        """An error that took the place of a message of the dialect, or nothing that it knows."""
        fields = _error_fields(value)
        if fields or message.event == "error":
            return [self._error(fields or value, message.data, message.id or None)]
        return None


class CohereDecoder(_CohereDecoder):
    """Decodes one stream of version 2. A block is known by its `index`, content and tool calls apart."""

    done_ends = True

    def _known(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        kind = value.get("type") or message.event
        if kind == "message-start":
            return [Start(word(value.get("id")), "", raw, cursor)]
        if kind == "message-end" and not self._stopped:
            return self._message_end(value.get("delta"), raw, cursor)
        if kind == "content-end":
            return self._blocks.close(_address("content", value), raw, cursor) or None
        if kind == "tool-call-end":
            return self._blocks.close(_address("tool", value), raw, cursor) or None
        said = _message_of(value)
        if said is None:
            return self._failure(value, message)
        match kind:
            case "content-delta":
                return self._content(_address("content", value), said.get("content"), raw, cursor)
            case "content-start":
                return self._content_start(_address("content", value), said.get("content"), raw, cursor)
            case "tool-plan-delta" if said.get("tool_plan") is not None:
                plan = text_of(said["tool_plan"])
                return None if plan is None else self._blocks.run(_PLAN, "reasoning", plan, raw, cursor)
            case "tool-call-start":
                return self._tool_start(_address("tool", value), said.get("tool_calls"), raw, cursor)
            case "tool-call-delta" if _address("tool", value) in self._blocks:
                return self._tool_delta(_address("tool", value), said.get("tool_calls"), raw, cursor)
            case _:
                return self._failure(value, message)

    def _message_end(self, delta: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        end = object_of(delta) or {}
        odd = not end or unknown_members(end, _END, _OPAQUE)
        told: list[StreamEvent] = [Other("message-end", raw, cursor)] if odd else []
        return told + self._stop(end, end.get("usage"), raw, cursor)

    def _content_start(self, address: _Address, content: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind = _KINDS.get(word((object_of(content) or {}).get("type")))
        if kind is None:
            return None
        plan = self._blocks.close(_PLAN, raw, cursor)
        opened = self._blocks.open(address, kind, raw, cursor)
        said = self._content(address, content, raw, cursor)
        if said is None and unknown_members(content, ("type",)):
            said = [Other("content-start", raw, cursor)]
        return plan + opened + (said or [])

    def _content(self, address: _Address, content: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        """Text or thinking, or both; None where neither is there, or one of them is something else."""
        members = object_of(content)
        if members is None:
            members = {"text": content}
        values = [members.get("thinking"), members.get("text")]
        thinking, text = map(text_of, values)
        if thinking is None or text is None or values == [None, None]:
            return None
        events = self._blocks.run(address, "reasoning", thinking, raw, cursor)
        return events + self._blocks.run(address, "text", text, raw, cursor)

    def _tool_start(self, address: _Address, call: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        tool_id, name, arguments = _call_of(call)
        events = self._blocks.close(_PLAN, raw, cursor)
        events += self._blocks.open(address, "tool", raw, cursor, tool_id=tool_id or "", name=name or "")
        events += self._blocks.delta(address, arguments or "", raw, cursor)
        if tool_id is None or arguments is None or not name:
            events.append(Other("tool-call-start", raw, cursor))
        return events

    def _tool_delta(self, address: _Address, call: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        members = object_of((object_of(call) or {}).get("function")) or {}
        arguments = arguments_of(members.get("arguments"))
        if arguments is None or "arguments" not in members:
            return None
        return self._blocks.delta(address, arguments, raw, cursor)


def _message_of(value: dict[str, Any]) -> dict[str, Any] | None:
    """What a delta of version 2 says; None where that is no object."""
    delta = object_of(value.get("delta"))
    return None if delta is None else object_of(delta.get("message"))


def _call_of(call: Any) -> tuple[str | None, str | None, str | None]:
    """The id, the name and the arguments of a tool call of version 2; None for what cannot be read."""
    members = object_of(call)
    function = None if members is None else object_of(members.get("function"))
    if members is None or function is None:
        return None, None, None
    return name_of(members.get("id")), name_of(function.get("name")), arguments_of(function.get("arguments"))


class CohereV1Decoder(_CohereDecoder):
    """Decodes one stream of version 1. Tool calls have no id. The end has the whole answer once more."""

    def __init__(self) -> None:
        super().__init__()
        self._tools_seen = False
        self._said: list[str] = []

    def _known(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        match value.get("event_type"):
            case "text-generation" if value.get("text") is not None:
                return self._text(value["text"], raw, cursor)
            case "tool-calls-chunk":
                plan = self._plan(value, raw, cursor)
                call = object_of(value.get("tool_call_delta"))
                if call is None:
                    return [*plan, Other("tool-calls-chunk", raw, cursor)]
                if not (plan or call):
                    return None
                return plan + (self._tool_chunk(call, raw, cursor) if call else [])
            case "tool-calls-generation" if not self._tools_seen:
                calls = items_of(value.get("tool_calls"))
                events = self._plan(value, raw, cursor)
                return [*events, *(event for call in calls for event in self._tool(call, raw, cursor))] or None
            case "stream-start":
                return [Start(word(value.get("generation_id")), "", raw, cursor)]
            case "stream-end":
                return self._stream_end(value, raw, cursor)
            case _:
                return self._failure(value, message)

    def _text(self, value: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        text = text_of(value)
        if text is None:
            return None
        self._said.append(text)
        return self._blocks.run(_TEXT, "text", text, raw, cursor)

    def _plan(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        plan = text_of(value.get("text"))
        if plan is None:
            return [Other("text", raw, cursor)]
        return self._blocks.run(_PLAN, "reasoning", plan, raw, cursor)

    def _tool_chunk(self, call: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """A call begins with its name; the whole of it comes again afterwards, in `tool-calls-generation`."""
        self._tools_seen = True
        address = _address("tool", call)
        name, parameters = name_of(call.get("name")), arguments_of(call.get("parameters"))
        events: list[StreamEvent] = []
        if name or address not in self._blocks:
            events = self._blocks.close(_PLAN, raw, cursor)
            events += self._blocks.open(address, "tool", raw, cursor, name=name or "")
        events += self._blocks.delta(address, parameters or "", raw, cursor)
        odd = name is None or parameters is None or unknown_members(call, _CALL_V1, _OPAQUE)
        return [*events, Other("tool-calls-chunk", raw, cursor)] if odd else events

    def _tool(self, value: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        call = object_of(value)
        name, parameters = name_of((call or {}).get("name")), arguments_of((call or {}).get("parameters"))
        if call is None or name is None or parameters is None or unknown_members(call, _CALL_V1, _OPAQUE):
            return [Other("tool-calls-generation", raw, cursor)]
        events = self._blocks.close(_PLAN, raw, cursor)
        events += self._blocks.open("tool", "tool", raw, cursor, name=name)
        events += self._blocks.delta("tool", parameters or "{}", raw, cursor)
        return events + self._blocks.close("tool", raw, cursor)

    def _stream_end(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        response = object_of(value.get("response"))
        if response is None:
            return [
                Other("stream-end", raw, cursor),
                *self._stop(value, None, raw, cursor),
                *self._end(raw, cursor, clean=True),
            ]
        meta = mapping(response.get("meta"))
        usage = {name: meta[name] for name in ("billed_units", "tokens") if name in meta}
        whole = self._whole(response, raw, cursor)
        return whole + self._stop(value, usage or None, raw, cursor) + self._end(raw, cursor, clean=True)

    def _whole(self, response: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What of the whole answer no message has told."""
        text, said = text_of(response.get("text")), "".join(self._said)
        events: list[StreamEvent] = []
        if text and text.startswith(said):
            events += self._blocks.run(_TEXT, "text", text.removeprefix(said), raw, cursor)
        elif text is None or (text and not self._tools_seen):
            events.append(Error("text_differs", "the whole text is not the text of the deltas", False, raw, cursor))
        return events


def _address(kind: str, value: dict[str, Any]) -> _Address:
    return kind, index_of(value.get("index"))


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
    stray_errors=True,
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
