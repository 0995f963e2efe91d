"""AG-UI 1.0, the Agent User Interaction Protocol: what an agent tells a user interface about one run.

In: messages whose data is one event as JSON, its `type` in capitals, from `RUN_STARTED` to `RUN_FINISHED` or
`RUN_ERROR`. Out: stream events. The format is that of the protocol's schema (ag-ui-protocol 1.0.0), in its JSON over
server-sent events; its protobuf encoding is not read. Messages and tool calls have ids, so they may be interleaved.

A `_CHUNK` opens, continues and, when something else comes, closes what `_START`, `_CONTENT` and `_END` would. A text
message that is not the assistant's (`role`) is no answer: it is given as `Other`. `THINKING_TEXT_MESSAGE_…`, which
version 1.0 removed, is read as the reasoning that it was.

`MESSAGES_SNAPSHOT` has all messages whole, those of earlier runs too. Messages of this run are compared with what was
told of them, and new ones of the agent at the end of the snapshot are given; it stays an `Other` besides.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message, Prompt
from .events import BlockKind, Error, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import NOT_ENDED, JSONDecoder
from .values import (
    arguments_of,
    error_code,
    error_fields,
    error_message,
    index_of,
    listed,
    member,
    name_of,
    text_of,
    word,
)
from .wholes import WholeBlocks, too_late

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

#: Members that need no `Other`: of every event, of those of blocks, and of those of the run that become events.
_EVERY = ("type", "timestamp", "rawEvent", "metadata", "event")
_BLOCK = frozenset({
    *_EVERY, "delta", "messageId", "name", "parentMessageId", "parentToolCallId", "role", "subagentRunId", "toolCallId",
    "toolCallName",
})  # fmt: skip
_RUN = {
    "RUN_STARTED": (*_EVERY, "threadId", "runId", "parentRunId", "protocolVersion", "input"),
    "RUN_FINISHED": (*_EVERY, "threadId", "runId", "outcome", "usage"),
    "RUN_ERROR": (*_EVERY, "threadId", "runId", "code", "message", "usage", "error"),
    "MESSAGES_SNAPSHOT": (*_EVERY, "messages"),
    "SUBAGENT_ERROR": (*_EVERY, "subagentRunId", "code", "message", "usage", "error"),
}

#: Roles of messages that the agent says itself.
_OWN: dict[str, BlockKind] = {"assistant": "text", "reasoning": "reasoning"}


class AGUIDecoder(JSONDecoder):
    """Decodes the events of one run."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: WholeBlocks = WholeBlocks()
        self._chunked: _Address | None = None  # the block that chunks continue
        self._unanswered: set[str] = set()  # tool calls without a result
        self._asked: set[str] = set()  # the messages that the run began with
        self._wholes: dict[_Address, str] = {}  # those that a snapshot has, of blocks that are still open
        self._newest: dict[BlockKind, _Address] = {}  # the last block of each kind
        self._subagents: dict[str, str] = {}  # their names, by their runs
        self._speakers: dict[str, str] = {}  # the sub-agents, by their messages

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        kind = word(value.get("type"))
        family, _, step = kind.rpartition("_")
        block, id_member = _FAMILIES.get(family, ("other", ""))
        address = self._address(block, self._odd.name(value.get(id_member), id_member), step)
        closing = [] if address == self._chunked or kind in _ASIDES else self._end_of_chunks(raw, cursor)
        if block == "other":
            said = self._about_the_run(kind, value, raw, cursor)
        else:
            said = self._about_a_block(address, step, value, raw, cursor)
        if said is None:
            return [*closing, Other(kind, raw, cursor)] if closing else None
        self._odd.members(value, _RUN[kind] if block == "other" else _BLOCK)
        return closing + said

    def _address(self, block: BlockKind, known_by: str, step: str) -> _Address:
        """The id is in the first chunk, and may be in the others."""
        if step == "CHUNK" and not known_by and self._chunked is not None and self._chunked[0] == block:
            return self._chunked
        return (block, known_by)

    def _end_of_chunks(self, raw: str, cursor: str | None) -> list[StreamEvent]:
        address, self._chunked = self._chunked, None
        return [] if address is None else self._blocks.break_off(address, raw, cursor)

    def _about_a_block(
        self, address: _Address, step: str, value: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        match step:
            case "CONTENT" | "ARGS":
                text = _piece(address[0], value.get("delta"))
                if text is None or address not in self._blocks:
                    return None
                return self._blocks.delta(address, text, raw, cursor)
            case "START":
                return self._open(address, value, raw, cursor)
            case "END":
                return self._close(address, raw, cursor) or None
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
        text = _piece(address[0], value.get("delta"))
        if text is None:
            if value.get("delta") is not None:
                self._odd.note("delta")
            return opening or None
        return opening + self._blocks.delta(address, text, raw, cursor)

    def _open(self, address: _Address, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        kind, known_by = address
        if kind == "text" and value.get("role") not in (None, "assistant"):
            return None
        agent = self._agent(value)
        self._newest[kind] = address
        if kind != "tool":
            self._speakers[known_by] = agent
            return self._blocks.open(address, kind, raw, cursor, agent=agent)
        self._unanswered.add(known_by)
        name = self._odd.name(value.get("toolCallName"), "toolCallName")
        return self._blocks.open(address, kind, raw, cursor, tool_id=known_by, name=name, agent=agent)

    def _agent(self, value: dict[str, Any]) -> str:
        """The sub-agent that speaks, by its name or else its run; a call belongs to whoever said the message of it."""
        run = self._odd.name(value.get("subagentRunId"), "subagentRunId")
        return self._subagents.get(run, run) or self._speakers.get(word(value.get("parentMessageId")), "")

    def _close(self, address: _Address, raw: str, cursor: str | None) -> list[StreamEvent]:
        whole, told = self._wholes.pop(address, ""), self._blocks.told(address)
        grown = told is not None and told.pieces.begin_with(whole) is not False  # since the snapshot
        events = [] if grown or not whole else self._blocks.whole(address, whole, raw, cursor)
        return events + self._blocks.close(address, raw, cursor)

    # Snapshots.

    def _snapshot(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        messages = self._odd.objects(value.get("messages"), "messages")
        others = [place for place, it in enumerate(messages) if word(it.get("role")) not in _OWN]
        last = others[-1] if others else -1
        answered = {word(it.get("toolCallId")) for it in messages if it.get("role") == "tool"}
        events: list[StreamEvent] = []
        for place, it in enumerate(messages):
            new = place > last and name_of(it.get("id")) not in self._asked
            events += self._message_whole(it, new, raw, cursor)
        self._unanswered -= answered
        return events

    def _message_whole(self, message: dict[str, Any], new: bool, raw: str, cursor: str | None) -> list[StreamEvent]:
        kind, known_by = _OWN.get(word(message.get("role"))), name_of(message.get("id")) or ""
        if kind is None:
            return []
        text = self._odd.text(message.get("content"), "content")
        events = self._whole((kind, known_by), text, message, new, raw, cursor)
        for call in self._odd.objects(message.get("toolCalls"), "toolCalls"):
            function = self._odd.object(call.get("function"), "function")
            said = {"toolCallName": function.get("name"), "parentMessageId": known_by, **message}
            arguments = self._odd.arguments(function.get("arguments"), "arguments")
            address: _Address = ("tool", self._odd.name(call.get("id"), "id"))
            events += self._whole(address, arguments, said, new, raw, cursor)
        return events

    def _whole(
        self, address: _Address, text: str, said: dict[str, Any], new: bool, raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        """A block as a snapshot has it. One that is open goes on by itself, and is compared when it closes."""
        if address in self._blocks:
            self._wholes[address] = text
            return []
        if self._blocks.told(address) is not None:
            events = self._blocks.whole(address, text, raw, cursor)
            late = address[0] != "tool" and events and self._newest[address[0]] != address
            late_error = [too_late(raw, cursor)] if late and not isinstance(events[0], Error) else []
            return [*events, *late_error, *self._blocks.close(address, raw, cursor)]
        if not new or not (text or address[0] == "tool"):
            return []
        opening = self._open(address, said, raw, cursor) or []
        whole = self._blocks.whole(address, text, raw, cursor) if opening else []
        return opening + whole + self._blocks.close(address, raw, cursor)

    def _about_the_run(
        self, kind: str, value: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent] | None:
        match kind:
            case "RUN_STARTED":
                began_with = listed(member(value, "input", "messages"))
                self._asked |= {name_of(it.get("id")) or "" for it in began_with}
                return [Start(self._odd.name(value.get("runId"), "runId"), "", raw, cursor)]
            case "RUN_FINISHED":
                return self._run_finished(value, raw, cursor)
            case "RUN_ERROR":
                said: dict[str, Any] = {name: value[name] for name in ("code", "message") if name in value}
                failed = self._error(said or error_fields(value), raw, cursor)
                return [*self._usage(value, raw, cursor), failed, *self._end(raw, cursor, clean=False)]
            case "MESSAGES_SNAPSHOT":
                told = self._snapshot(value, raw, cursor)
                return [*told, Other(kind, raw, cursor)] if told else None
            case "SUBAGENT_STARTED":
                run, name = (self._odd.name(value.get(it), it) for it in ("subagentRunId", "name"))
                self._subagents[run] = name
                return None
            case "SUBAGENT_ERROR":
                return [Error(error_code(value, "code"), error_message(value), False, raw, cursor)]
            case _:
                return None

    def _run_finished(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        outcome = self._odd.object(value.get("outcome"), "outcome", "type")
        raw_reason = self._odd.name(outcome.get("type"), "outcome")
        reason = self._reason_of(raw_reason, _REASONS)
        if reason == "stop" and (outcome.get("pendingToolCallIds") or self._unanswered):
            reason = "tool_calls"
        events = [event for address in list(self._wholes) for event in self._close(address, raw, cursor)]
        if self._blocks.some_open and reason in ("stop", "tool_calls"):
            self._missing = NOT_ENDED
        events += self._blocks.close_all(raw, cursor)
        events += self._usage(value, raw, cursor)
        events.append(self._noted(Finish(reason, raw_reason, raw=raw, cursor=cursor)))
        return events + self._end(raw, cursor, clean=True)

    def _usage(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """The counts of the run, summed over its models, as the protocol says that they may be."""
        counts: dict[str, int] = {}
        for entry in self._odd.objects(value.get("usage"), "usage"):
            for name, count in entry.items():
                if isinstance(count, int | float) and (whole := index_of(count)) is not None:
                    counts[name] = counts.get(name, 0) + whole
        return [Usage(counts, True, raw, cursor)] if counts else []


def _piece(kind: BlockKind, value: Any) -> str | None:
    """The piece that a delta is; None for what is none."""
    if value is None:
        return None
    return arguments_of(value) if kind == "tool" else text_of(value)


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
