"""Cohere's chat: version 2 as server-sent events, and version 1, which is older, as lines of JSON.

Version 2 in: messages whose data is an object with a `type`, which is also the name of the event, from `message-start`
to `message-end`, then `[DONE]`. Content and tool calls are in `delta.message`, one object at a time, addressed by
`index`; the plan of the tools, which comes before them, is reasoning. A generation that failed ends with the reason
`ERROR` and the words beside it. Version 1 in: objects with an `event_type`, from `stream-start` to `stream-end`.
Out: stream events. The formats are those of Cohere's API reference and of its SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message, Prompt, chat_body
from .events import BlockKind, Finish, FinishReason, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import error_fields, json_text, listed, mapping, member, piece, word

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

    def finished(self) -> bool:
        return self._stopped

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

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        delta = mapping(value.get("delta"))
        said = mapping(delta.get("message"))
        match value.get("type") or message.event:
            case "content-delta":
                return self._content_delta(_address("content", value), mapping(said.get("content")), raw, cursor)
            case "content-start":
                return self._content_start(_address("content", value), mapping(said.get("content")), raw, cursor)
            case "content-end":
                return self._blocks.close(_address("content", value), raw, cursor) or None
            case "tool-plan-delta" if isinstance(said.get("tool_plan"), str):
                return self._blocks.run(_PLAN, "reasoning", said["tool_plan"], raw, cursor)
            case "tool-call-start":
                return self._tool_start(_address("tool", value), mapping(said.get("tool_calls")), raw, cursor)
            case "tool-call-delta" if _address("tool", value) in self._blocks:
                return self._tool_delta(_address("tool", value), mapping(said.get("tool_calls")), raw, cursor)
            case "tool-call-end":
                return self._blocks.close(_address("tool", value), raw, cursor) or None
            case "message-start":
                return [Start(word(value.get("id")), "", raw, cursor)]
            case "message-end" if not self._stopped:
                return self._stop(delta, delta.get("usage"), raw, cursor)
            case _:
                return self._failure(value, message)

    def _not_json(self, message: Message, error: ValueError) -> list[StreamEvent]:
        if message.data.startswith("[DONE]"):
            return self._end(message.data, message.id or None, clean=True)
        return super()._not_json(message, error)

    def _content_start(
        self, address: _Address, content: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        kind = _KINDS.get(word(content.get("type")))
        if kind is None:
            return None
        plan = self._blocks.close(_PLAN, raw, cursor)
        opened = self._blocks.open(address, kind, raw, cursor)
        return plan + opened + self._content(address, content, raw, cursor)

    def _content_delta(
        self, address: _Address, content: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        known = isinstance(content.get("text"), str) or isinstance(content.get("thinking"), str)
        return self._content(address, content, raw, cursor) if known else None

    def _content(self, address: _Address, content: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        thinking = self._blocks.run(address, "reasoning", piece(content.get("thinking")), raw, cursor)
        return thinking + self._blocks.run(address, "text", piece(content.get("text")), raw, cursor)

    def _tool_start(self, address: _Address, call: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        function = mapping(call.get("function"))
        events = self._blocks.close(_PLAN, raw, cursor)
        events += self._blocks.open(
            address, "tool", raw, cursor, tool_id=word(call.get("id")), name=word(function.get("name"))
        )
        return events + self._blocks.delta(address, piece(function.get("arguments")), raw, cursor)

    def _tool_delta(
        self, address: _Address, call: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        arguments = member(call, "function", "arguments")
        return self._blocks.delta(address, arguments, raw, cursor) if isinstance(arguments, str) else None


class CohereV1Decoder(_CohereDecoder):
    """Decodes one stream of version 1. Tool calls have no id."""

    def __init__(self) -> None:
        super().__init__()
        self._tools_seen = False

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        match value.get("event_type"):
            case "text-generation" if isinstance(value.get("text"), str):
                return self._blocks.run(_TEXT, "text", value["text"], raw, cursor)
            case "tool-calls-chunk":
                call = mapping(value.get("tool_call_delta"))
                plan = self._blocks.run(_PLAN, "reasoning", piece(value.get("text")), raw, cursor)
                return plan + (self._tool_chunk(call, raw, cursor) if call else []) or None
            case "tool-calls-generation" if not self._tools_seen:
                plan = self._blocks.run(_PLAN, "reasoning", piece(value.get("text")), raw, cursor)
                calls = listed(value.get("tool_calls"))
                return plan + [event for call in calls for event in self._tool(call, raw, cursor)] or None
            case "stream-start":
                return [Start(word(value.get("generation_id")), "", raw, cursor)]
            case "stream-end":
                return self._stream_end(value, raw, cursor)
            case _:
                return self._failure(value, message)

    def _tool_chunk(self, call: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """A call begins with its name; the whole of it comes again afterwards, in `tool-calls-generation`."""
        self._tools_seen = True
        address = _address("tool", call)
        name = word(call.get("name"))
        events = []
        if name or address not in self._blocks:
            events = self._blocks.close(_PLAN, raw, cursor)
            events += self._blocks.open(address, "tool", raw, cursor, name=name)
        return events + self._blocks.delta(address, piece(call.get("parameters")), raw, cursor)

    def _tool(self, call: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        events = self._blocks.close(_PLAN, raw, cursor)
        events += self._blocks.open("tool", "tool", raw, cursor, name=word(call.get("name")))
        events += self._blocks.delta("tool", json_text(mapping(call.get("parameters"))), raw, cursor)
        return events + self._blocks.close("tool", raw, cursor)

    def _stream_end(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        meta = mapping(member(value, "response", "meta"))
        usage = {name: meta[name] for name in ("billed_units", "tokens") if name in meta}
        return self._stop(value, usage or None, raw, cursor) + self._end(raw, cursor, clean=True)


def _address(kind: str, value: dict[str, Any]) -> _Address:
    index = value.get("index")
    return kind, index if isinstance(index, int) else None


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
