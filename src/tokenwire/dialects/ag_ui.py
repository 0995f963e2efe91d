"""AG-UI 1.0, the Agent User Interaction Protocol: what an agent tells a user interface about one run.

In: messages whose data is one event as JSON, its `type` in capitals, from `RUN_STARTED` to `RUN_FINISHED` or
`RUN_ERROR`. Out: stream events. The format is that of the protocol's schema (ag-ui-protocol 1.0.0), in its JSON over
server-sent events; its protobuf encoding is not read. Messages and tool calls have ids, so they may be interleaved.

A `_CHUNK` opens, continues and, when something else comes, closes what `_START`, `_CONTENT` and `_END` would. A text
message that is not the assistant's (`role`) is no answer: it is given as `Other`. `THINKING_TEXT_MESSAGE_…`, which
version 1.0 removed, is read as the reasoning that it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message, Prompt
from .events import BlockKind, Error, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import error_code, error_fields, error_message, listed, mapping, piece, word

__all__ = ["AG_UI", "AGUIDecoder"]

_REASONS: dict[str, FinishReason] = {"": "stop", "success": "stop", "interrupt": "pause", "cancelled": "cancelled"}

#: The kind of a block, and the member that has its id, by how the type of its events begins.
_FAMILIES: dict[str, tuple[BlockKind, str]] = {
    "TEXT_MESSAGE": ("text", "messageId"),
    "REASONING_MESSAGE": ("reasoning", "messageId"),
    "THINKING_TEXT_MESSAGE": ("reasoning", "messageId"),
    "TOOL_CALL": ("tool", "toolCallId"),
}

#: What may come between the chunks of a block without ending it: nothing of the conversation.
_ASIDES = ("RAW", "CUSTOM", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "REASONING_ENCRYPTED_VALUE")

#: The kind of a block and its id in the dialect.
_Address = tuple[BlockKind, str]


class AGUIDecoder(JSONDecoder):
    """Decodes the events of one run."""

    def __init__(self) -> None:
        super().__init__()
        self._chunked: _Address | None = None  # the block that chunks continue
        self._unanswered: set[str] = set()  # tool calls without a result

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        kind = word(value.get("type"))
        family, _, step = kind.rpartition("_")
        block, id_member = _FAMILIES.get(family, ("other", ""))
        address = self._address(block, word(value.get(id_member)), step)
        closing = [] if address == self._chunked or kind in _ASIDES else self._end_of_chunks(raw, cursor)
        if block == "other":
            said = self._about_the_run(kind, value, raw, cursor)
        else:
            said = self._about_a_block(address, step, value, raw, cursor)
        if said is None:
            return [*closing, Other(kind, raw, cursor)] if closing else None
        return closing + said

    def _address(self, block: BlockKind, known_by: str, step: str) -> _Address:
        """The id is in the first chunk, and may be in the others."""
        if step == "CHUNK" and not known_by and self._chunked is not None and self._chunked[0] == block:
            return self._chunked
        return (block, known_by)

    def _end_of_chunks(self, raw: str, cursor: str | None) -> list[StreamEvent]:
        address, self._chunked = self._chunked, None
        return [] if address is None else self._blocks.close(address, raw, cursor)

    def _about_a_block(
        self, address: _Address, step: str, value: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        match step:
            case "CONTENT" | "ARGS":
                if address not in self._blocks or not isinstance(value.get("delta"), str):
                    return None
                return self._blocks.delta(address, value["delta"], raw, cursor)
            case "START":
                return self._open(address, value, raw, cursor)
            case "END":
                return self._blocks.close(address, raw, cursor) or None
            case "CHUNK":
                return self._chunk(address, value, raw, cursor)
            case "RESULT":
                self._unanswered.discard(address[1])
                return None
            case _:
                return None

    def _chunk(
        self, address: _Address, value: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        opening: list[StreamEvent] | None = []
        if address not in self._blocks:
            opening = self._open(address, value, raw, cursor) if address[1] else None
        if opening is None:
            return None
        self._chunked = address
        if not opening and not isinstance(value.get("delta"), str):
            return None
        return opening + self._blocks.delta(address, piece(value.get("delta")), raw, cursor)

    def _open(self, address: _Address, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind, known_by = address
        if kind == "tool":
            self._unanswered.add(known_by)
            name = word(value.get("toolCallName"))
            return self._blocks.open(address, kind, raw, cursor, tool_id=known_by, name=name)
        if kind == "text" and value.get("role") not in (None, "assistant"):
            return None
        return self._blocks.open(address, kind, raw, cursor)

    def _about_the_run(
        self, kind: str, value: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        match kind:
            case "RUN_STARTED":
                return [Start(word(value.get("runId")), "", raw, cursor)]
            case "RUN_FINISHED":
                return self._run_finished(value, raw, cursor)
            case "RUN_ERROR":
                said: dict[str, Any] = {name: value[name] for name in ("code", "message") if name in value}
                failed = self._error(said, raw, cursor)
                return [*_usage(value, raw, cursor), failed, *self._end(raw, cursor, clean=False)]
            case "SUBAGENT_ERROR":
                return [Error(error_code(value, "code"), error_message(value), False, raw, cursor)]
            case _:
                return None

    def _run_finished(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        outcome = mapping(value.get("outcome"))
        raw_reason = word(outcome.get("type"))
        reason = _REASONS.get(raw_reason, "other")
        if reason == "stop" and (outcome.get("pendingToolCallIds") or self._unanswered):
            reason = "tool_calls"
        events = self._blocks.close_all(raw, cursor)
        events += _usage(value, raw, cursor)
        events.append(Finish(reason, raw_reason, raw=raw, cursor=cursor))
        return events + self._end(raw, cursor, clean=True)


def _usage(value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
    """The counts of the run, summed over its models, as the protocol says that they may be."""
    counts: dict[str, int] = {}
    for entry in listed(value.get("usage")):
        for name, count in entry.items():
            if isinstance(count, int) and not isinstance(count, bool):
                counts[name] = counts.get(name, 0) + count
    return [Usage(counts, True, raw, cursor)] if counts else []


def _ask(prompt: Prompt) -> dict[str, Any]:
    said = [("system", prompt.system)] if prompt.system else []
    return {
        "messages": [
            {"id": secrets.token_hex(8), "role": role, "content": text} for role, text in [*said, ("user", prompt.text)]
        ],
        "tools": [
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
            for tool in prompt.tools
        ],
        **({"forwardedProps": {"model": prompt.model}} if prompt.model else {}),
    }


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What `RunAgentInput` requires: the run is a new one, of a new thread, unless it is said."""
    return {
        "threadId": secrets.token_hex(8),
        "runId": secrets.token_hex(8),
        "state": {},
        "messages": [],
        "tools": [],
        "context": [],
        "forwardedProps": {},
        **body,
    }


AG_UI = Dialect(
    name="ag-ui",
    framing="sse",
    path="/",
    method="POST",
    content_type="text/event-stream",
    decoder=AGUIDecoder,
    ask=_ask,
    body=_body,
    error_fields=error_fields,
    terminator="RUN_FINISHED or RUN_ERROR",
)
