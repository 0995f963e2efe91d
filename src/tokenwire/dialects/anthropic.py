"""Anthropic Messages, as server-sent events.

In: messages whose data is an object with a `type`, which is also the name of the event: `message_start`, then for each
block of content `content_block_start`, `content_block_delta`…, `content_block_stop`, then `message_delta` with the
reason and the usage, then `message_stop`, without which the stream was cut. Out: stream events.
The format is that of Anthropic's streaming guide and of its SDK. What is read here beyond them was seen behind proxies:
data without the event's name, a `message_start` that comes twice, one of a second message inside the first, a whole
`message` where a stream was asked for, and an `error` beside what an event says.

Signatures, redacted thinking, citations, compactions and the results of the server's own tools are `Other`, their text
in `raw`: a turn that is sent back needs them unchanged. A tool call without arguments has no piece, which means `{}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Holes, Message, Prompt, prefilled
from .events import BlockKind, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import error_fields, index_of, word

__all__ = ["ANTHROPIC_MESSAGES", "AnthropicDecoder"]

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}

_KINDS: dict[str, BlockKind] = {
    "text": "text",
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "tool_use": "tool",
    "server_tool_use": "server_tool",
    "mcp_tool_use": "server_tool",
}

#: Members that need no `Other`: of the events, of a message, and of blocks by their type. The start of any other block
#: says more than stream events can, and is handed on.
_EVENTS = {
    "content_block_delta": ("type", "index", "delta", "error"),
    "content_block_start": ("type", "index", "content_block", "error"),
    "content_block_stop": ("type", "index", "error"),
    "message_start": ("type", "message", "error"),
    "message_delta": ("type", "delta", "usage", "error"),
    # Bedrock adds what it counted, which Anthropic's own usage has too.
    "message_stop": ("type", "error", "amazon-bedrock-invocationMetrics"),
}
_MESSAGE = ("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "error")
_BLOCKS = {
    "text": ("type", "text", "citations"),
    "thinking": ("type", "thinking", "signature"),
    "tool_use": ("type", "id", "name", "input"),
    "server_tool_use": ("type", "id", "name", "input"),
    "mcp_tool_use": ("type", "id", "name", "input"),
}

#: Where the piece of a delta is, by its type, and which type is meant where it has none, by that or by its block.
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
_TYPES = {name: kind for kind, name in _DELTAS.items()}
_PIECES: dict[BlockKind | None, str] = {
    "reasoning": "thinking",
    "tool": "partial_json",
    "server_tool": "partial_json",
}

#: Tokens of an answer when nobody says: the API demands a number, and this is the largest that every model since
#: Claude 3 takes.
MAX_TOKENS = 4096


class AnthropicDecoder(JSONDecoder):
    """Decodes one stream. A block is known by its `index`."""

    json_events = "message_(start|delta|stop)|content_block_.*"

    def __init__(self) -> None:
        super().__init__()
        self._id: str | None = None
        self._usage: dict[str, Any] = {}

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        kind = value.get("type") or message.event
        events = self._event(kind, value, message.data, message.id or None)
        if events is not None:
            self._odd.members(value, _EVENTS.get(kind, _MESSAGE))
        return events

    def _event(self, kind: Any, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        match kind:
            case "content_block_delta":
                return self._deltas(_index(value), value.get("delta"), raw, cursor)
            case "content_block_start":
                return self._content(_index(value), value.get("content_block"), "content_block", raw, cursor)
            case "content_block_stop":
                return self._blocks.close(_index(value), raw, cursor) or None
            case "message_start":
                return self._message(self._odd.object(value.get("message"), "message", "content"), raw, cursor)
            case "message_delta":
                return self._message_delta(value, raw, cursor) or None
            case "message_stop":
                return self._end(raw, cursor, clean=True)
            case "message" if value.get("type"):  # which is also how an event is called that has no name
                return self._whole(value, raw, cursor)
            case _:
                return None

    def _whole(self, message: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """A message that does not come in pieces: the server was not asked for a stream, or does not know any."""
        events = self._message({**message, "usage": None}, raw, cursor)
        events += self._message_delta({"delta": message, "usage": message.get("usage")}, raw, cursor)
        return events + self._end(raw, cursor, clean=self._why is not None)

    def _message(self, message: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """The first begins the stream. The same again is a repetition; another one starts over, in new blocks."""
        if self._id is not None and word(message.get("id")) == self._id:
            return [Other("message_start", raw, cursor)]
        events = self._blocks.close_all(raw, cursor)
        self._blocks.call_cut = False  # the call is made again
        self._id = word(message.get("id"))
        self._why = None
        self._usage = {}
        events.append(Start(self._id, word(message.get("model")), raw, cursor))
        self._odd.members(message, _MESSAGE)
        events += self._content(None, message.get("content"), "content", raw, cursor)
        events += self._blocks.close(None, raw, cursor)
        return events + self._count(message.get("usage"), raw, cursor, complete=False)

    def _content(self, index: int | None, value: Any, name: str, raw: str, cursor: str | None) -> list[StreamEvent]:
        """Blocks one after the other; the last one stays open. A text alone is a block of text."""
        blocks = self._odd.objects(value, name, "text")
        return [event for block in blocks for event in self._block(index, block, raw, cursor)]

    def _block(self, index: int | None, block: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        kind = word(block.get("type")) or ("text" if "text" in block else "")
        tool_id, name = self._odd.name(block.get("id"), "id"), self._odd.name(block.get("name"), "name")
        events = self._blocks.open(index, _KINDS.get(kind, "other"), raw, cursor, tool_id=tool_id, name=name)
        if kind in ("text", "thinking") and (text := self._odd.text(block.get(kind), kind)):
            events += self._blocks.delta(index, text, raw, cursor)
        if block.get("input") and self._is_tool(index):
            self._blocks.hold(index, self._odd.arguments(block["input"], "input"), raw)
        if kind not in _BLOCKS or block.get("signature") or block.get("citations"):
            events.append(Other(kind or "content_block", raw, cursor))
        else:
            self._odd.members(block, _BLOCKS[kind])
        return events

    def _deltas(self, index: int | None, value: Any, raw: str, cursor: str | None) -> list[StreamEvent]:
        """The delta of a block. A text alone is a piece of whatever the block is."""
        if type(value) is dict:
            return self._delta(index, value, raw, cursor)
        deltas = self._odd.objects(value, "delta", _PIECES.get(self._blocks.kind(index), "text"))
        return [event for delta in deltas for event in self._delta(index, delta, raw, cursor)]

    def _delta(self, index: int | None, delta: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        kind = word(delta.get("type")) or next((_TYPES[name] for name in delta if name in _TYPES), "")
        name = _DELTAS.get(kind, "")
        if delta.get(name) is None or (kind == "input_json_delta" and not self._is_tool(index)):
            return [Other(kind or "content_block_delta", raw, cursor)]
        self._odd.members(delta, ("type", name))
        if kind == "input_json_delta":
            return self._blocks.delta(index, self._odd.arguments(delta[name], name), raw, cursor)
        of_kind: BlockKind = "text" if kind == "text_delta" else "reasoning"
        return self._blocks.run(index, of_kind, self._odd.text(delta[name], name), raw, cursor)

    def _is_tool(self, index: int | None) -> bool:
        return self._blocks.kind(index) in ("tool", "server_tool")

    def _message_delta(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        delta = self._odd.object(value.get("delta"), "delta")
        self._odd.members(delta, _MESSAGE)
        reason = self._odd.name(delta.get("stop_reason"), "stop_reason")
        events = self._blocks.close_all(raw, cursor) if reason else []
        events += self._count(value.get("usage"), raw, cursor, complete=bool(reason))
        if reason and self._why is None:
            events.append(self._noted(Finish(self._reason_of(reason, _REASONS), reason, raw=raw, cursor=cursor)))
        return events

    def _count(self, usage: Any, raw: str, cursor: str | None, *, complete: bool) -> list[StreamEvent]:
        """Counts are cumulative: each stands for the one before it, and null keeps that."""
        if not isinstance(usage, dict):
            return []
        self._usage = {**self._usage, **{name: count for name, count in usage.items() if count is not None}}
        return [Usage(self._usage, complete, raw, cursor)]


def _index(value: dict[str, Any]) -> int | None:
    return index_of(value.get("index"))


def _ask(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    body["max_tokens"] = MAX_TOKENS if prompt.max_tokens is None else prompt.max_tokens
    if prompt.system:
        body["system"] = prompt.system
    body["messages"] = [{"role": "user", "content": prompt.text}]
    if prompt.tools:
        body["tools"] = [
            {"name": t.name, "description": t.description, "input_schema": {"type": "object", **t.parameters}}
            for t in prompt.tools
        ]
    return body


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, "max_tokens": MAX_TOKENS, **body}


ANTHROPIC_MESSAGES = Dialect(
    name="anthropic-messages",
    framing="sse",
    path="/v1/messages",
    method="POST",
    content_type="text/event-stream",
    decoder=AnthropicDecoder,
    ask=_ask,
    # Its API takes no answer that ends in a blank.
    continuing=lambda json, text: prefilled(json, text.rstrip()),
    body=_body,
    error_fields=error_fields,
    holes=Holes(texts=[("delta", name) for name in ("text", "thinking", "partial_json")]),
    key_fields=lambda key: {"x-api-key": key},
    fields={"anthropic-version": "2023-06-01"},
    terminator="message_stop",
)
