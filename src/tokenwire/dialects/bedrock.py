"""Amazon Bedrock's ConverseStream: one dialect for every model that Bedrock has.

In: messages of an event stream, named by their event, whose data is a JSON object; or, without a name, objects with one
member that has the event's name, as Nova's own format and the logs of SDKs have them. Out: stream events.
The format is that of the Bedrock Runtime API reference. Blocks of text have no start; `metadata` with the usage comes
after `messageStop`, and then the connection ends, which is the only end there is. `p` is padding. Exceptions come in
mid-stream, and end it.

Signatures and encrypted reasoning, citations, images, the results of the server's own tools, and what a guardrail found
are `Other`. A key is sent as a bearer token, which Bedrock calls an API key: requests are not signed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message, Prompt
from .events import BlockKind, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import error_fields, index_of, member, object_of, word

__all__ = ["BEDROCK_CONVERSE", "CONVERSE_EVENTS", "BedrockDecoder", "bedrock_error_fields", "converse_body"]

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}

#: Members that need no `Other`, of the events and of what they hold. `p` is padding.
_MEMBERS = {
    "contentBlockDelta": ("contentBlockIndex", "delta", "p"),
    "contentBlockStart": ("contentBlockIndex", "start", "p"),
    "contentBlockStop": ("contentBlockIndex", "p"),
    "messageStart": ("role", "p"),
    "messageStop": ("stopReason", "p"),
    "metadata": ("usage", "metrics", "p"),
}
_TOOL = ("toolUseId", "name", "type", "input")
_DELTA = ("text", "toolUse", "reasoningContent")

CONVERSE_EVENTS = (
    "contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStart", "messageStop", "metadata",
    "internalServerException", "modelStreamErrorException", "modelTimeoutException", "serviceUnavailableException",
    "throttlingException", "validationException",
)  # fmt: skip


class BedrockDecoder(JSONDecoder):
    """Decodes one stream. A block is known by its `contentBlockIndex`."""

    json_events = ".*"

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False

    def finished(self) -> bool:
        """The model has stopped, and has not gone on since: what is open then was cut."""
        return self._stopped and not self._blocks.some_open

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        if "stopReason" in value and "output" in value:
            return self._whole_answer(value, raw, cursor)
        named = _named(value, message)
        if not named:
            return None
        events = [event for name, body in named for event in self._one(name, body, raw, cursor)]
        if message.event in ("", "message"):
            self._odd.members(value, ("error", *(name for name, _ in named)))
        return events

    def _one(self, name: str, body: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if name == "error" or name.endswith("Exception"):
            said = error_fields(body) or bedrock_error_fields(body) or body
            return [self._error({**said, "type": name} if name != "error" else said, raw, cursor)]
        events = self._event(name, body, raw, cursor)
        if events is None:
            return [Other(name, raw, cursor)]
        self._odd.members(body, (*_MEMBERS[name], "error"))
        return events

    def _not_json(self, message: Message, error: ValueError) -> list[StreamEvent]:
        if message.event.endswith("Exception"):
            return [self._error({"type": message.event, "message": message.data}, message.data, message.id or None)]
        return super()._not_json(message, error)

    def _whole_answer(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What Converse answers, which does not stream, by the events that would have told it."""
        self._odd.members(value, ("output", "stopReason", "usage", "metrics"))
        said = self._odd.object(member(value, "output", "message"), "message")
        self._odd.members(said, ("role", "content"))
        told: list[tuple[str, dict[str, Any]]] = [("messageStart", said)]
        for index, part in enumerate(self._odd.objects(said.get("content"), "content", "text")):
            told += [(name, {"contentBlockIndex": index, **it}) for name, it in _telling(part)]
        told += [("messageStop", value), ("metadata", value)]
        return [event for name, it in told for event in self._event(name, it, raw, cursor) or ()]

    def _event(self, name: str, body: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        match name:
            case "contentBlockDelta":
                deltas = self._odd.objects(body.get("delta"), "delta", "text") or [{}]
                return [event for delta in deltas for event in self._delta(_index(body), delta, raw, cursor)]
            case "contentBlockStart":
                starts = self._odd.objects(body.get("start"), "start", "text") or [{}]
                return [event for start in starts for event in self._start(_index(body), start, raw, cursor)]
            case "contentBlockStop" if _index(body) in self._blocks:
                return self._blocks.close(_index(body), raw, cursor)
            case "messageStart":
                return [Start("", "", raw, cursor)]
            case "messageStop" if not self._stopped:
                self._stopped = True
                reason = self._odd.name(body.get("stopReason"), "stopReason")
                finish = self._noted(Finish(self._reason_of(reason, _REASONS), reason, raw=raw, cursor=cursor))
                return [*self._blocks.close_all(raw, cursor), finish]
            case "metadata" if isinstance(body.get("usage"), dict):
                return [Usage(body["usage"], complete=True, raw=raw, cursor=cursor)]
            case _:
                return None

    def _start(self, index: int | None, start: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if tools := self._odd.objects(start.get("toolUse"), "toolUse"):
            self._odd.members(start, ("toolUse",))
            return [event for tool in tools for event in self._tool(index, tool, raw, cursor)]
        if start.keys() & {"text", "reasoningContent"}:
            return self._delta(index, start, raw, cursor)
        opened = self._blocks.open(index, "media" if "image" in start else "other", raw, cursor)
        return [*opened, Other(_only(start, "contentBlockStart"), raw, cursor)]

    def _tool(self, index: int | None, tool: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        kind: BlockKind = "server_tool" if tool.get("type") == "server_tool_use" else "tool"
        self._odd.members(tool, _TOOL)
        tool_id, name = self._odd.name(tool.get("toolUseId"), "toolUseId"), self._odd.name(tool.get("name"), "name")
        events = self._blocks.open(index, kind, raw, cursor, tool_id=tool_id, name=name)
        if tool.get("input"):
            self._blocks.hold(index, self._odd.arguments(tool["input"], "input"), raw)
        return events

    def _delta(self, index: int | None, delta: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """A delta is a union of one member; what else it has is told as what it is."""
        events: list[StreamEvent] = []
        for reasoning in self._odd.objects(delta.get("reasoningContent"), "reasoningContent", "text"):
            events += self._reasoning(index, reasoning, raw, cursor)
        if delta.get("text") is not None:
            events += self._blocks.run(index, "text", self._odd.text(delta["text"], "text"), raw, cursor)
        for tool in self._odd.objects(delta.get("toolUse"), "toolUse", "input"):
            events += self._input(index, tool, raw, cursor)
        if all(delta.get(name) is None for name in _DELTA):
            return [Other(_only(delta, "contentBlockDelta"), raw, cursor)]
        self._odd.members(delta, _DELTA)
        return events

    def _reasoning(
        self, index: int | None, reasoning: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        """Its text, which Converse wraps once more where it does not stream; a signature and what is encrypted."""
        if (wrapped := object_of(reasoning.get("reasoningText"), "text")) and "text" not in reasoning:
            reasoning = {**reasoning, **wrapped}
        if reasoning.get("text") is None:
            return [Other(_only(reasoning, "reasoningContent"), raw, cursor)]
        self._odd.members(reasoning, ("text", "reasoningText"))
        return self._blocks.run(index, "reasoning", self._odd.text(reasoning["text"], "text"), raw, cursor)

    def _input(self, index: int | None, tool: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """A piece of the input of a tool that was begun."""
        if tool.get("input") is None or not self._is_tool(index):
            return [Other("toolUse", raw, cursor)]
        self._odd.members(tool, ("input",))
        return self._blocks.delta(index, self._odd.arguments(tool["input"], "input"), raw, cursor)

    def _is_tool(self, index: int | None) -> bool:
        return self._blocks.kind(index) in ("tool", "server_tool")


def _named(value: dict[str, Any], message: Message) -> list[tuple[str, dict[str, Any]]]:
    """The event's name and its members, whether the name is the message's or that of a member; there is seldom more
    than one."""
    if message.event not in ("", "message"):
        return [(message.event, value)]
    named: list[tuple[str, dict[str, Any]]] = []
    for name in CONVERSE_EVENTS:
        body = object_of(value.get(name), "message" if name.endswith("Exception") else "")
        if body is not None and value.get(name) is not None:
            named.append((name, body))
    return named


def _telling(part: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream that tell of one part of a content."""
    tool, reasoning = part.get("toolUse"), member(part, "reasoningContent", "reasoningText")
    if isinstance(tool, dict):
        start = {name: it for name, it in tool.items() if name != "input"}
        delta = {"toolUse": {"input": tool.get("input") or {}}}
        told = [("contentBlockStart", {"start": {"toolUse": start}}), ("contentBlockDelta", {"delta": delta})]
    else:
        told = [("contentBlockDelta", {"delta": part if reasoning is None else {"reasoningContent": reasoning}})]
    return [*told, ("contentBlockStop", {})]


def _index(body: dict[str, Any]) -> int | None:
    return index_of(body.get("contentBlockIndex"))


def _only(value: dict[str, Any], otherwise: str) -> str:
    """What a union holds, by the name of its first member."""
    return word(next(iter(value), "")) or otherwise


def bedrock_error_fields(body: Any) -> dict[str, Any]:
    """Bedrock has the message of a refusal at the top: `{"message": …}`, or `{"Message": …}`."""
    fields = error_fields(body)
    if fields or not isinstance(body, dict):
        return fields
    said = word(body.get("message")) or word(body.get("Message"))
    return {**body, "message": said} if said else {}


def converse_body(prompt: Prompt) -> dict[str, Any]:
    """A prompt as Converse has it. The model stays beside it, for the path."""
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    if prompt.system:
        body["system"] = [{"text": prompt.system}]
    body["messages"] = [{"role": "user", "content": [{"text": prompt.text}]}]
    if prompt.max_tokens is not None:
        body["inferenceConfig"] = {"maxTokens": prompt.max_tokens}
    if prompt.tools:
        specs = [
            {
                "name": t.name,
                **({"description": t.description} if t.description else {}),
                "inputSchema": {"json": {"type": "object", **t.parameters}},
            }
            for t in prompt.tools
        ]
        body["toolConfig"] = {"tools": [{"toolSpec": spec} for spec in specs]}
    return body


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "model"}


BEDROCK_CONVERSE = Dialect(
    name="bedrock-converse",
    framing="eventstream",
    path="/model/{model}/converse-stream",
    method="POST",
    content_type="application/vnd.amazon.eventstream",
    decoder=BedrockDecoder,
    ask=converse_body,
    body=_body,
    error_fields=bedrock_error_fields,
    terminator="the end after messageStop",
)
