"""Gemini's Interactions: `POST …/interactions` with `stream: true`, or `GET …/interactions/{id}` to go on with one.

In: messages with `event_type`: an interaction that is created, its steps that start, grow and stop, an interaction
that is completed; then `[DONE]`. Out: stream events. A step is a block, known by its `index`: output, thought, function
call, or a tool that the server runs itself. The interaction that is completed may have all steps once more, whole: see
`wholes`. Any message may have usage. The cursor is the `event_id` in the JSON, and
not the id of the event around it: `GET …/interactions/{id}?stream=true&last_event_id=…` goes on after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from .dialect import Again, Broken, Dialect, Message, Prompt
from .events import BlockKind, Error, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .gemini_content import goog_key
from .json_decoder import JSONDecoder
from .openai_output import function_tools
from .pieces import Pieces
from .refusals import refusal_in
from .values import (
    arguments_of,
    error_fields,
    index_of,
    json_text,
    member,
    name_of,
    object_of,
    percent_encoded,
    text_of,
    value_of,
    word,
)
from .wholes import WholeBlocks, paired, too_late

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

#: Members of a step that need no `Other` when it starts.
_STEP = ("type", "id", "name", "arguments")

#: Where a step has the texts that its deltas say.
_TEXTS = {"model_output": ("content", "text"), "thought": ("summary", "content", "text")}

#: Deltas of text by their type, and where they have it.
_DELTAS: dict[str, BlockKind] = {
    "": "text",
    "text": "text",
    "thought_summary": "reasoning",
    "thought": "reasoning",
    "reasoning": "reasoning",
}

#: A step of the completed interaction that the client has said itself.
_ASKED = "user_input"

#: The index of a step that was told of at the end alone.
_NOWHERE = -1

#: Members of an event and of a delta that need no `Other`.
_MEMBERS = frozenset({
    "delta", "error", "event_id", "event_type", "index", "interaction", "interaction_id", "metadata", "status", "step",
    "step_usage", "usage",
})  # fmt: skip
_DELTA = frozenset({
    "annotations", "arguments", "call_id", "channels", "content", "data", "id", "is_error", "mime_type", "name", "rate",
    "result", "sample_rate", "server_name", "signature", "text", "type", "uri",
})  # fmt: skip

#: Members of an event that may have usage; `total_usage` stands in `metadata`.
_USAGE = (("usage",), ("metadata", "usage"), ("metadata", "total_usage"), ("interaction", "usage"))

_INTERACTION = frozenset({
    "agent", "agent_config", "cached_content", "continuation_ids", "continuation_token", "created", "environment",
    "environment_id", "error", "errors", "generation_config", "id", "input", "labels", "model", "object",
    "previous_interaction_id", "response_format", "response_mime_type", "response_modalities", "role",
    "safety_settings", "service_tier", "status", "steps", "system_instruction", "tools", "updated", "usage",
    "webhook_config",
})  # fmt: skip


class _Step(NamedTuple):
    """A step that has a block: its type, its id, and the address of the block."""

    kind: str
    id: str
    address: int


class GeminiInteractionsDecoder(JSONDecoder):
    """Decodes one stream of an interaction, from its beginning or from where it is gone on with."""

    done_ends = True
    json_events = r"(interaction|step)\..*"

    def __init__(self) -> None:
        super().__init__()
        self._blocks: WholeBlocks = WholeBlocks()
        self._started = False
        self._completed = False
        self._status = ""  # the last that an update told
        self._called = False
        self._arguments: dict[int, Any] = {}  # those that a call holds
        self._begun: dict[int, str] = {}  # the text that a step started with, until it is told
        self._steps: list[_Step] = []
        self._at: dict[int, _Step] = {}  # the last step at each index
        self._unread: Counter[str] = Counter()  # steps that have no block, by their type

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor, value = message.data, self._cursor(value, message), _as_told(value)
        self._odd.members(value, _MEMBERS)
        kind = word(value.get("event_type")) or message.event
        events = self._event(kind, value, raw, cursor)
        if events is None and not kind:
            return None
        if events is None:
            self._odd.take()  # the `Other` has the whole message
            name = word(member(value, "delta", "type")) or word(member(value, "step", "type")) or kind
            events = list[StreamEvent]([Other(name, raw, cursor)])
        counts = next((found for path in _USAGE if isinstance(found := member(value, *path), dict)), None)
        if counts is not None:
            events.append(Usage(counts, self._completed, raw, cursor))
        return events

    def _cursor(self, value: dict[str, Any], message: Message) -> str | None:
        return word(value.get("event_id")) or None

    def finished(self) -> bool:
        """The interaction was completed: nothing but `[DONE]` follows."""
        return self._completed

    def _end(self, raw: str = "", cursor: str | None = None, *, clean: bool) -> list[StreamEvent]:
        if self._status == "failed" and not self._completed:
            self._missing = self._missing or "the interaction failed"
        return super()._end(raw, cursor, clean=clean)

    def _event(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        match kind:
            case "step.delta":
                return self._deltas(_index(value), value.get("delta"), raw, cursor)
            case "step.start":
                return self._step(_index(value), object_of(value.get("step"), "content") or {}, raw, cursor)
            case "step.stop":
                return self._stop(_index(value), raw, cursor) or None
            case "interaction.created":
                return self._start(self._odd.object(value.get("interaction"), "interaction"), raw, cursor) or None
            case "interaction.completed":
                return self._complete(self._odd.object(value.get("interaction"), "interaction"), raw, cursor) or None
            case _ if kind == "error" or error_fields(value):
                return [self._error(error_fields(value) or value, raw, cursor)]
            case _ if (status := kind.removeprefix("interaction.")) in _REASONS:
                interaction = self._odd.object(value.get("interaction"), "interaction")
                return self._complete({"status": status, **interaction}, raw, cursor) or None
            case "interaction.status_update":
                self._status = word(value.get("status")) or word(member(value, "interaction", "status"))
                return None
            case _:
                return None

    def _start(self, interaction: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if self._started:
            return []
        self._started = True
        known_by, model = (self._odd.name(interaction.get(name), name) for name in ("id", "model"))
        return [Start(known_by, model, raw, cursor)]

    def _step(self, index: int, step: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind = word(step.get("type")) or ("model_output" if "content" in step else "")
        block = _kind(kind)
        if block is None:
            self._unread[kind] += 1
            return None
        events = self._stop(index, raw, cursor) + self._open(index, kind, block, step, raw, cursor)
        if block in ("tool", "server_tool") and step.get("arguments") not in (None, "", []):
            self._hold(index, step["arguments"], raw)
        if kind in _TEXTS:
            self._begun[index] = self._odd.text(_said(kind, step), kind)
        held = [name for name in step if step[name] and (name not in _STEP or (name == "arguments" and kind in _TEXTS))]
        return events + [Other(word(name), raw, cursor) for name in held]

    def _open(
        self, index: int, kind: str, block: BlockKind, step: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        known_by = self._odd.name(step.get("id"), "id")
        name = self._odd.name(step.get("name"), "name") or (kind if block == "server_tool" else "")
        self._called = self._called or block == "tool"
        address = self._new_step(index, kind, known_by).address
        return self._blocks.open(address, block, raw, cursor, tool_id=known_by, name=name)

    def _new_step(self, index: int, kind: str, known_by: str = "") -> _Step:
        step = _Step(kind, known_by, len(self._steps))
        self._steps.append(step)
        self._at[index] = step
        return step

    def _deltas(self, index: int, value: Any, raw: str, cursor: str | None) -> list[StreamEvent] | None:
        """The delta of a step. A text alone is a piece of whatever the step is."""
        name = "arguments" if self._kind_at(index) in ("tool", "server_tool") else "text"
        said = [self._delta(index, delta, raw, cursor) for delta in self._odd.objects(value, "delta", name)]
        if not any(events is not None for events in said):
            return None
        if None in said:
            self._odd.note("delta")
        return [event for events in said for event in events or ()]

    def _delta(self, index: int, delta: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind, arguments = word(delta.get("type")), delta.get("arguments")
        self._odd.members(delta, _DELTA)
        if arguments is not None and (kind == "arguments_delta" or self._kind_at(index) in ("tool", "server_tool")):
            return self._more_arguments(index, kind, arguments, raw, cursor)
        text = delta.get("content" if kind == "thought_summary" and "content" in delta else "text")
        if kind not in _DELTAS or text is None:
            return None
        if isinstance(text, dict):
            self._odd.members(text, ("type", "text"))
        reasons = _DELTAS[kind] == "reasoning" or self._kind_at(index) == "reasoning"
        step, block = ("thought", _KINDS["thought"]) if reasons else ("model_output", _KINDS["model_output"])
        return self._run(index, step, block, text_of(text), raw, cursor)

    def _more_arguments(
        self, index: int, kind: str, arguments: Any, raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        """Pieces of JSON text, or members of the object, which is given when the step stops."""
        if kind == "arguments_delta" or isinstance(arguments, str):
            self._arguments.pop(index, None)
            block = self._kind_at(index)
            of_kind: BlockKind = block if block == "server_tool" else "tool"
            return self._run(index, "function_call", of_kind, arguments_of(arguments), raw, cursor)
        held, said = self._arguments.get(index), object_of(arguments)
        if said:
            self._hold(index, {**held, **said} if isinstance(held, dict) else said, raw)
        return None

    def _hold(self, index: int, arguments: Any, raw: str) -> None:
        """Keeps arguments until the step stops, or pieces come."""
        self._arguments[index] = arguments
        words = arguments if isinstance(arguments, str) else json_text(arguments)
        self._blocks.hold(self._at[index].address, words, raw)

    def _run(
        self, index: int, step: str, kind: BlockKind, text: str | None, raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        if text is None:
            return None
        address = (self._at.get(index) or self._new_step(index, step)).address
        return self._blocks.run(address, kind, text, raw, cursor)

    def _kind_at(self, index: int) -> BlockKind | None:
        return self._blocks.kind(self._at[index].address) if index in self._at else None

    def _stop(self, index: int, raw: str, cursor: str | None) -> list[StreamEvent]:
        """Text that came at the start, and not in pieces, is all there now. So are the arguments that a call holds."""
        self._arguments.pop(index, None)
        text = self._begun.pop(index, "")
        if index not in self._at:
            return []
        address, kind = self._at[index].address, self._kind_at(index)
        told = self._blocks.told(address)
        events: list[StreamEvent] = []
        if text and kind is not None and told is not None and not told.pieces.some:
            events = self._blocks.delta(address, text, raw, cursor)
        return events + self._blocks.close(address, raw, cursor)

    # Steps that are whole.

    def _wholes(self, steps: list[dict[str, Any]], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What is new in the steps of an interaction that is completed."""
        events: list[StreamEvent] = []
        unread = Counter(kind for it in steps if _kind(kind := word(it.get("type"))) is None and kind != _ASKED)
        if unread - self._unread:
            self._odd.note("steps")  # none told of them
        for kind in _TEXTS:
            of_kind = [(-1 - place, it) for place, it in enumerate(steps) if it.get("type") == kind]
            told = {it.address: self._pieces(it.address) for it in self._steps if it.kind == kind}
            texts = [(address, self._odd.text(_said(kind, it), kind)) for address, it in of_kind]
            for address, text in paired(told, texts):
                events += self._whole_text(kind, address, text, max(told, default=address), raw, cursor)
        calls = [it for it in steps if _kind(word(it.get("type"))) in ("tool", "server_tool")]
        by_id = {(it.kind, it.id): it for it in reversed(self._steps) if it.id}
        nameless = {
            kind: iter([it for it in self._steps if it.kind == kind and not it.id])
            for kind in {word(it.get("type")) for it in calls}
        }
        for it in calls:
            kind, known_by = word(it.get("type")), name_of(it.get("id")) or ""
            step = by_id.get((kind, known_by)) or next(nameless[kind], None)
            events += self._whole_call(it, step, raw, cursor)
        return events

    def _whole_text(
        self, kind: str, address: int, text: str, last: int, raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        """All of a text; `last` is the address of the last that was told."""
        if self._blocks.told(address) is None:
            return self._blocks.run(address, _KINDS[kind], text, raw, cursor) + self._blocks.close(address, raw, cursor)
        events = self._blocks.whole(address, text, raw, cursor)
        late = [too_late(raw, cursor)] if events and not isinstance(events[0], Error) and address != last else []
        return [*events, *late]

    def _whole_call(self, call: dict[str, Any], step: _Step | None, raw: str, cursor: str | None) -> list[StreamEvent]:
        """All of a call, of which a step may have told."""
        events: list[StreamEvent] = []
        if step is None:
            kind = word(call.get("type"))
            events = self._open(_NOWHERE, kind, _kind(kind) or "tool", call, raw, cursor)
            step = self._at[_NOWHERE]
        arguments = call.get("arguments")
        if isinstance(arguments, str):
            return events + self._blocks.whole(step.address, arguments, raw, cursor)
        if arguments is None:
            return events
        return events + self._blocks.whole_value(step.address, arguments, raw, cursor)

    def _pieces(self, address: int) -> Pieces:
        told = self._blocks.told(address)
        return Pieces() if told is None else told.pieces

    def _complete(self, interaction: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if self._completed:
            return []
        self._completed = True
        self._odd.members(interaction, _INTERACTION)
        events = self._start(interaction, raw, cursor)
        for index in (*list(self._arguments), *list(self._begun)):
            events += self._stop(index, raw, cursor)
        steps = self._odd.objects(interaction.get("steps"), "steps", "content")
        events += self._wholes([{"type": "model_output", **it} if "content" in it else it for it in steps], raw, cursor)
        events += self._blocks.close_all(raw, cursor)
        status = self._odd.name(interaction.get("status"), "status")
        reason = self._reason_of(status, _REASONS)
        failure = error_fields(interaction) or refusal_in({"errors": interaction.get("errors")})
        if status == "failed":
            events.append(self._error(failure or {"message": "failed"}, raw, cursor))
        elif failure:
            self._odd.note("error")
        if reason == "stop" and self._called:
            reason = "tool_calls"
        return [*events, self._noted(Finish(reason, status, raw=raw, cursor=cursor))]


def _as_told(value: dict[str, Any]) -> dict[str, Any]:
    """An interaction that does not come as a stream, as the message that ends one."""
    if "steps" not in value or value.get("status") not in _REASONS or "event_type" in value:
        return value
    return {"event_type": "interaction.completed", "interaction": value}


def _said(kind: str, step: dict[str, Any]) -> Any:
    """The text of a step that is whole."""
    return next((step[name] for name in _TEXTS[kind] if step.get(name)), None)


def _kind(step: str) -> BlockKind | None:
    """The kind of the block of a step; None for one that has none."""
    return _KINDS.get(step) or ("server_tool" if step.endswith("_call") else None)


def _index(value: dict[str, Any]) -> int:
    return index_of(value.get("index")) or 0


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
    key_fields=goog_key,
    terminator="[DONE], or the end after interaction.completed",
    resume="GET /v1beta/interactions/{id}?stream=true&last_event_id={cursor}",
    resuming=_resuming,
    cursor=lambda message: word(member(value_of(message.data), "event_id")),
)
