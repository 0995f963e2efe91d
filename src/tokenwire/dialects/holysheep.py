"""The dialect of the guide that tokenwire began from: `wss://…/v1/chat/stream`, or `GET` of it as an event stream.

Over WebSocket the first message is the request (`model`, `messages`, `stream: true`, …); the answer comes as
`{"type": "content_delta", "content": "…"}` until `{"type": "done"}`. As server-sent events the same objects come one an
event, where `type` may be missing from those with `content`, as the guide's browser client reads them. Errors are
`{"type": "error", "error": {…}}`, or with the message at the top. While an answer runs, `{"type": "cancel"}` ends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Message
from .events import (
    BlockStart,
    BlockStop,
    End,
    Error,
    Finish,
    FinishReason,
    Other,
    StreamEvent,
    TextDelta,
    Usage,
)
from .openai_chat import error_fields
from .surrogates import SurrogateJoiner

__all__ = ["HOLYSHEEP", "HolySheepDecoder"]

_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "cancelled": "cancelled"}

#: The only block there is: the dialect knows nothing but text.
_BLOCK = 0


class HolySheepDecoder:
    """Decodes one stream of the guide's messages."""

    def __init__(self) -> None:
        self.ended = False
        self._open = False
        self._failed = False
        self._joiner = SurrogateJoiner()

    def receive_message(self, message: Message) -> list[StreamEvent]:
        if self.ended:
            return []
        raw, cursor = message.data, message.id or None
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            return [Other("not-json", raw, cursor)]
        if not isinstance(value, dict):
            return [Other("not-an-object", raw, cursor)]
        kind = value.get("type") or ("content_delta" if "content" in value else "")
        match kind:
            case "content_delta":
                return self._delta(value, raw, cursor)
            case "done":
                return self._done(value, raw, cursor)
            case _ if kind == "error" or error_fields(value):
                return [self._error(value, raw, cursor)]
            case _:
                return [Other(str(kind) or "message", raw, cursor)]

    def receive_eof(self) -> list[StreamEvent]:
        return [] if self.ended else self._end("", None, clean=False)

    def _delta(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        content = value.get("content")
        text = self._joiner.feed(content) if isinstance(content, str) else ""
        if not text:
            return []
        events: list[StreamEvent] = []
        if not self._open:
            self._open = True
            events.append(BlockStart(_BLOCK, "text", raw=raw, cursor=cursor))
        return [*events, TextDelta(_BLOCK, text, raw, cursor)]

    def _done(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        reason = "cancelled" if value.get("cancelled") else str(value.get("finish_reason") or "stop")
        events = self._close(raw, cursor)
        if isinstance(value.get("usage"), dict):
            events.append(Usage(value["usage"], complete=True, raw=raw, cursor=cursor))
        events.append(Finish(_REASONS.get(reason, "other"), reason, raw=raw, cursor=cursor))
        return events + self._end(raw, cursor, clean=not self._failed)

    def _error(self, value: dict[str, Any], raw: str, cursor: str | None) -> Error:
        fields = error_fields(value) or value
        self._failed = True
        code = fields.get("code")
        return Error("" if code is None else str(code), str(fields.get("message") or ""), True, raw, cursor)

    def _end(self, raw: str, cursor: str | None, *, clean: bool) -> list[StreamEvent]:
        self.ended = True
        return [*self._close(raw, cursor), End(clean, raw, cursor)]

    def _close(self, raw: str, cursor: str | None) -> list[StreamEvent]:
        if not self._open:
            return []
        self._open = False
        rest = self._joiner.flush()
        last: list[StreamEvent] = [TextDelta(_BLOCK, rest, raw, cursor)] if rest else []
        return [*last, BlockStop(_BLOCK, raw, cursor)]


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


HOLYSHEEP = Dialect(
    name="holysheep",
    framing="sse",
    path="/v1/chat/stream",
    method="GET",
    content_type="text/event-stream",
    decoder=HolySheepDecoder,
    body=_body,
    error_fields=error_fields,
    stray_errors=True,
    websocket=True,
)
