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
from .values import error_fields, json_text, word

__all__ = ["VERCEL_UI", "VercelUIDecoder"]

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content-filter": "content_filter",
    "tool-calls": "tool_calls",
    "error": "error",
}

_KINDS: dict[str, BlockKind] = {"text": "text", "reasoning": "reasoning"}


class VercelUIDecoder(JSONDecoder):
    """Decodes one stream of UI message chunks."""

    done_ends = True

    def __init__(self) -> None:
        super().__init__()
        self._finish_seen = False
        self._tools: dict[str, _Tool] = {}

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        match value.get("type"):
            case "text-delta" | "reasoning-delta" as kind if isinstance(value.get("delta"), str):
                address, block = _run(kind, value)
                return self._blocks.run(address, block, value["delta"], raw, cursor)
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
                return [Start(word(value.get("messageId")), "", raw, cursor)]
            case "finish":
                reason = word(value.get("finishReason"))
                return self._finish(_REASONS.get(reason, "other"), reason, raw, cursor)
            case "abort":
                return self._finish("cancelled", word(value.get("reason")) or "abort", raw, cursor)
            case "error":
                return [self._error({"message": word(value.get("errorText")) or raw}, raw, cursor)]
            case _:
                return None

    def finished(self) -> bool:
        return self._finish_seen

    def _finish(self, reason: FinishReason, raw_reason: str, raw: str, cursor: str | None) -> list[StreamEvent]:
        self._finish_seen = True
        return [*self._blocks.close_all(raw, cursor), Finish(reason, raw_reason, raw=raw, cursor=cursor)]

    def _tool_start(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        tool_id = word(value.get("toolCallId"))
        if tool_id in self._tools:
            return None
        self._tools[tool_id] = _Tool(in_text=value.get("inputEncoding") == "text")
        kind: BlockKind = "server_tool" if value.get("providerExecuted") is True else "tool"
        name = word(value.get("toolName"))
        return self._blocks.open(_address(tool_id), kind, raw, cursor, tool_id=tool_id, name=name)

    def _tool_delta(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        tool_id = word(value.get("toolCallId"))
        if _address(tool_id) not in self._blocks or self._tools[tool_id].in_text:
            return None  # what is no JSON comes once more, as JSON, when it is whole
        text = value.get("inputTextDelta")
        if not isinstance(text, str):
            return None
        self._tools[tool_id].in_pieces |= bool(text)
        return self._blocks.delta(_address(tool_id), text, raw, cursor)

    def _tool_input(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent] | None:
        """The input of a call, whole: all that there is of it, or what had come in pieces."""
        tool_id = word(value.get("toolCallId"))
        events = self._tool_start(value, raw, cursor) or []
        if _address(tool_id) not in self._blocks:
            return None
        if not self._tools[tool_id].in_pieces:
            events += self._blocks.delta(_address(tool_id), json_text(value.get("input")), raw, cursor)
        return events + self._blocks.close(_address(tool_id), raw, cursor)


class _Tool:
    """A call that began. `in_text`: its pieces are no JSON; `in_pieces`: some came."""

    __slots__ = ("in_pieces", "in_text")

    def __init__(self, *, in_text: bool) -> None:
        self.in_text = in_text
        self.in_pieces = False


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
