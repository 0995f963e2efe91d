"""Gemini's Interactions: `POST …/interactions` with `stream: true`, or `GET …/interactions/{id}` to go on with one.

In: messages with `event_type`: an interaction that is created, its steps that start, grow and stop, an interaction
that is completed; then `[DONE]`. Out: stream events. A step is a block, known by its `index`: output, thought, function
call, or a tool that the server runs itself. Any message may have usage. The cursor is the `event_id` in the JSON, and
not the id of the event around it: `GET …/interactions/{id}?stream=true&last_event_id=…` goes on after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Again, Broken, Dialect, Message, Prompt
from .events import BlockKind, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .gemini_content import goog_key
from .json_decoder import JSONDecoder
from .openai_output import function_tools
from .values import error_fields, json_text, mapping, member, percent_encoded, piece, value_of, word

__all__ = ["GEMINI_INTERACTIONS", "GeminiInteractionsDecoder"]

#: How an interaction ends; an open set, of which others mean that it goes on.
_REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "requires_continuation": "pause",
    "incomplete": "length",
    "budget_exceeded": "length",
    "cancelled": "cancelled",
    "failed": "error",
}

_KINDS: dict[str, BlockKind] = {"model_output": "text", "thought": "reasoning", "function_call": "tool"}

#: Members of a step that need no `Other`.
_STEP = ("type", "id", "name", "arguments")

#: Members of an event that may have usage; `total_usage` stands in `metadata`.
_USAGE = (("usage",), ("metadata", "usage"), ("metadata", "total_usage"), ("interaction", "usage"))


class GeminiInteractionsDecoder(JSONDecoder):
    """Decodes one stream of an interaction, from its beginning or from where it is gone on with."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._completed = False
        self._called = False
        self._arguments: dict[int, dict[str, Any]] = {}  # those that a step started with, until others come

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, self._cursor(value, message)
        kind = word(value.get("event_type")) or message.event
        events = self._event(kind, value, raw, cursor)
        if events is None:
            name = word(member(value, "delta", "type")) or word(member(value, "step", "type")) or kind
            events = list[StreamEvent]([Other(name, raw, cursor)])
        counts = next((found for path in _USAGE if isinstance(found := member(value, *path), dict)), None)
        if counts is not None:
            events.append(Usage(counts, self._completed, raw, cursor))
        return events

    def _cursor(self, value: dict[str, Any], message: Message) -> str | None:
        return word(value.get("event_id")) or None

    def _not_json(self, message: Message, error: ValueError) -> list[StreamEvent]:
        if message.data.startswith("[DONE]"):
            return self._end(message.data, clean=True)
        return super()._not_json(message, error)

    def finished(self) -> bool:
        """The interaction was completed: nothing but `[DONE]` follows."""
        return self._completed

    def _event(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        match kind:
            case "step.delta":
                return self._delta(_index(value), mapping(value.get("delta")), raw, cursor)
            case "step.start":
                return self._step(_index(value), mapping(value.get("step")), raw, cursor)
            case "step.stop":
                return self._stop(_index(value), raw, cursor) or None
            case "interaction.created":
                return self._start(mapping(value.get("interaction")), raw, cursor) or None
            case "interaction.completed":
                return self._complete(mapping(value.get("interaction")), raw, cursor) or None
            case _ if kind == "error" or error_fields(value):
                return [self._error(error_fields(value) or value, raw, cursor)]
            case _:
                return None

    def _start(self, interaction: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if self._started:
            return []
        self._started = True
        return [Start(word(interaction.get("id")), word(interaction.get("model")), raw, cursor)]

    def _step(self, index: int, step: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind = word(step.get("type"))
        block = _KINDS.get(kind) or ("server_tool" if kind.endswith("_call") else None)
        if block is None:
            return None
        events = self._stop(index, raw, cursor)
        name = word(step.get("name")) or (kind if block == "server_tool" else "")
        events += self._blocks.open(index, block, raw, cursor, tool_id=word(step.get("id")), name=name)
        self._called = self._called or block == "tool"
        if isinstance(step.get("arguments"), dict):
            self._arguments[index] = step["arguments"]
        held = [name for name in step if step[name] and name not in _STEP]
        return events + [Other(word(name), raw, cursor) for name in held]

    def _delta(self, index: int, delta: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind, arguments = delta.get("type"), delta.get("arguments")
        summary = mapping(delta.get("content"))
        if kind == "text" and isinstance(delta.get("text"), str):
            return self._blocks.run(index, "text", delta["text"], raw, cursor)
        if kind == "thought_summary" and "text" in summary:
            return self._blocks.run(index, "reasoning", piece(summary["text"]), raw, cursor)
        if kind == "arguments_delta" and isinstance(arguments, str):
            self._arguments.pop(index, None)
            return self._blocks.run(index, "tool", arguments, raw, cursor)
        if isinstance(arguments, dict) and self._blocks.kind(index) == "server_tool":
            self._arguments[index] = self._arguments.get(index, {}) | arguments  # they are given when the step stops
        return None

    def _stop(self, index: int, raw: str, cursor: str | None) -> list[StreamEvent]:
        """Arguments that came as an object, and not in pieces, are all there now."""
        arguments = self._arguments.pop(index, None)
        events: list[StreamEvent] = []
        if arguments is not None and self._blocks.kind(index) in ("tool", "server_tool"):
            events = self._blocks.delta(index, json_text(arguments), raw, cursor)
        return events + self._blocks.close(index, raw, cursor)

    def _complete(self, interaction: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if self._completed:
            return []
        self._completed = True
        events = self._start(interaction, raw, cursor)
        for index in list(self._arguments):
            events += self._stop(index, raw, cursor)
        events += self._blocks.close_all(raw, cursor)
        status = word(interaction.get("status"))
        reason = _REASONS.get(status, "other")
        if status == "failed":
            events.append(self._error(mapping(interaction.get("error")) or {"message": "failed"}, raw, cursor))
        elif reason == "stop" and self._called:
            reason = "tool_calls"
        return [*events, Finish(reason, status, raw=raw, cursor=cursor)]


def _index(value: dict[str, Any]) -> int:
    index = value.get("index")
    return index if isinstance(index, int) else 0


def _ask(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    body["input"] = prompt.text
    if prompt.system:
        body["system_instruction"] = prompt.system
    if prompt.max_tokens is not None:
        body["generation_config"] = {"max_output_tokens": prompt.max_tokens}
    if prompt.tools:
        body["tools"] = function_tools(prompt.tools)
    return body


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


def _resuming(broken: Broken) -> Again | None:
    if broken.json.get("store") is False or not broken.id or not broken.cursor:
        return None
    path = f"{broken.path.partition('?')[0].rstrip('/')}/{percent_encoded(broken.id)}"
    return Again(f"{path}?stream=true&last_event_id={percent_encoded(broken.cursor)}")


GEMINI_INTERACTIONS = Dialect(
    name="gemini-interactions",
    framing="sse",
    path="/v1beta/interactions",
    method="POST",
    content_type="text/event-stream",
    decoder=GeminiInteractionsDecoder,
    ask=_ask,
    body=_body,
    error_fields=error_fields,
    stray_errors=True,
    key_fields=goog_key,
    terminator="[DONE], or the end after interaction.completed",
    resume="GET /v1beta/interactions/{id}?stream=true&last_event_id={cursor}",
    resuming=_resuming,
    cursor=lambda message: word(member(value_of(message.data), "event_id")),
)
