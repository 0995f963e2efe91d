"""The UI message stream of Vercel's AI SDK: what `useChat` reads from an application's own server.

In: messages whose data is one UI message chunk as JSON, then `[DONE]`. Out: stream events. The format is that of the
SDK's `UIMessageChunk` (versions 5 to 7; header `x-vercel-ai-ui-message-stream: v1`). Blocks have ids of their own,
tool calls the id of the call; the input of a call comes in pieces, and once more whole, or only whole.

The SDK's own reader takes the end of the body for the end and ignores `[DONE]`, so an end after `finish` or `abort` is
clean. `reset-step` takes back what a step said: what was given cannot be, so it is an `Other` for those who care.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable
from typing import Any

from .dialect import Dialect, Message, Prompt
from .events import BlockKind, Finish, FinishReason, Other, Start, StreamEvent
from .json_decoder import JSONDecoder
from .pieces import rest_of
from .values import arguments_of, error_fields, json_text, name_of, text_of, word
from .wholes import WholeBlocks

__all__ = ["VERCEL_UI", "VercelUIDecoder"]

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content-filter": "content_filter",
    "tool-calls": "tool_calls",
    "error": "error",
}

_KINDS: dict[str, BlockKind] = {"text": "text", "reasoning": "reasoning"}

#: Members of chunks that need no `Other`, by how the type of the chunk begins. Chunks of other types are handed on.
_MEMBERS = {
    "text": ("type", "id", "delta", "providerMetadata"),
    "reasoning": ("type", "id", "delta", "providerMetadata"),
    "tool": ("type", "toolCallId", "toolName", "input", "inputTextDelta", "inputEncoding", "dynamic", "title",
             "providerExecuted", "providerMetadata", "toolMetadata", "errorText"),
    "start": ("type", "messageId", "messageMetadata"),
    "finish": ("type", "finishReason", "messageMetadata"),
    "abort": ("type", "reason"),
    "error": ("type", "errorText", "error"),
}  # fmt: skip


class VercelUIDecoder(JSONDecoder):
    """Decodes one stream of UI message chunks."""

    done_ends = True

    def __init__(self) -> None:
        super().__init__()
        self._blocks: WholeBlocks = WholeBlocks()
        self._finish_seen = False
        self._in_text: dict[str, bool] = {}  # of each call: its pieces are no JSON

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        events = self._event(value, raw, cursor)
        if events is not None:
            self._odd.members(value, _MEMBERS.get(word(value.get("type")).partition("-")[0], ()))
        return events

    def _event(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        match value.get("type"):
            case "text-delta" | "reasoning-delta" as kind:
                address, block = _run(kind, value)
                text = None if value.get("delta") is None else text_of(value["delta"])
                return None if text is None else self._blocks.run(address, block, text, raw, cursor)
            case "text-start" | "reasoning-start" as kind:
                address, block = _run(kind, value)
                return self._blocks.open(address, block, raw, cursor)
            case "text-end" | "reasoning-end" as kind:
                return self._blocks.close(_run(kind, value)[0], raw, cursor) or None
            case "tool-input-start":
                return self._tool_start(value, raw, cursor)
            case "tool-input-delta":
                return self._tool_delta(value, raw, cursor)
            case "tool-input-available":
                return self._tool_input(value, raw, cursor)
            case "tool-input-error":
                events = self._tool_input(value, raw, cursor) or []
                return [*events, Other("tool-input-error", raw, cursor)]
            case "start":
                return [Start(self._odd.name(value.get("messageId"), "messageId"), "", raw, cursor)]
            case "finish":
                reason = self._odd.name(value.get("finishReason"), "finishReason")
                return self._finish(self._reason_of(reason, _REASONS), reason, raw, cursor)
            case "abort":
                return self._finish("cancelled", word(value.get("reason")) or "abort", raw, cursor)
            case "error":
                fields = error_fields({"error": value.get("errorText")}) or error_fields(value)
                return [self._error(fields or {"message": raw}, raw, cursor)]
            case _:
                return None

    def finished(self) -> bool:
        return self._finish_seen

    def _finish(self, reason: FinishReason, raw_reason: str, raw: str, cursor: str | None) -> list[StreamEvent]:
        self._finish_seen = True
        finish = self._noted(Finish(reason, raw_reason, raw=raw, cursor=cursor))
        return [*self._blocks.close_all(raw, cursor), finish]

    def _tool_start(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        tool_id = self._odd.name(value.get("toolCallId"), "toolCallId")
        if tool_id in self._in_text:
            return None
        self._in_text[tool_id] = value.get("inputEncoding") == "text"
        kind: BlockKind = "server_tool" if value.get("providerExecuted") is True else "tool"
        name = self._odd.name(value.get("toolName"), "toolName")
        return self._blocks.open(_address(tool_id), kind, raw, cursor, tool_id=tool_id, name=name)

    def _tool_delta(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        tool_id = name_of(value.get("toolCallId")) or ""
        if _address(tool_id) not in self._blocks or self._in_text[tool_id]:
            return None  # what is no JSON comes once more, as JSON, when it is whole
        text = None if value.get("inputTextDelta") is None else arguments_of(value["inputTextDelta"])
        return None if text is None else self._blocks.delta(_address(tool_id), text, raw, cursor)

    def _tool_input(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        """The input of a call, whole: all that there is of it, or what had come in pieces."""
        tool_id = name_of(value.get("toolCallId")) or ""
        events, address = self._tool_start(value, raw, cursor) or [], _address(tool_id)
        whole, told = value.get("input"), self._blocks.told(address)
        begun, name = "" if told is None else told.arguments, name_of(value.get("toolName"))
        if told is not None and name and not told.start.name:
            text = begun if whole is None else json_text(whole)
            events += self._blocks.call_anew(address, tool_id, name, text, raw, cursor)
        elif isinstance(whole, str) and begun and rest_of(begun, whole) is not None:
            events += self._blocks.whole(address, whole, raw, cursor)  # it was no JSON, and so is what it was called
        elif whole is not None or (told is not None and not begun):
            events += self._blocks.whole_value(address, whole, raw, cursor)
        return events + self._blocks.close(address, raw, cursor) or None


def _run(kind: str, value: dict[str, Any]) -> tuple[Hashable, BlockKind]:
    """The address and kind of a block of text or reasoning, from the type of a chunk, such as `text-delta`."""
    family = kind.partition("-")[0]
    return (family, word(value.get("id"))), _KINDS[family]


def _address(tool_id: str) -> Hashable:
    return ("tool", tool_id)


def _ask(prompt: Prompt) -> dict[str, Any]:
    said = [("system", prompt.system)] if prompt.system else []
    messages = [
        {"id": secrets.token_hex(8), "role": role, "parts": [{"type": "text", "text": text}]}
        for role, text in [*said, ("user", prompt.text)]
    ]
    model = {"model": prompt.model} if prompt.model else {}
    return {**model, "id": secrets.token_hex(8), "trigger": "submit-message", "messages": messages}


VERCEL_UI = Dialect(
    name="vercel-ui",
    framing="sse",
    path="/api/chat",
    method="POST",
    content_type="text/event-stream",
    decoder=VercelUIDecoder,
    ask=_ask,
    body=dict,
    error_fields=error_fields,
    usage=False,
    terminator="[DONE], or the end after finish",
)
