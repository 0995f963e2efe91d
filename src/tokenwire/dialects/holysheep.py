"""The dialect of the guide that tokenwire began from: `wss://…/v1/chat/stream`, or `GET` of it as an event stream.

Over WebSocket the first message is the request (`model`, `messages`, `stream: true`, …); the answer comes as
`{"type": "content_delta", "content": "…"}` until `{"type": "done"}`. As server-sent events the same objects come one an
event, where `type` may be missing from those with `content`, as the guide's browser client reads them. Errors are
`{"type": "error", "error": {…}}`, or with the message at the top, and end the answer: a WebSocket stays open after
them. While an answer runs, `{"type": "cancel"}` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Holes, Message, after_last_event_id, chat_body
from .events import Finish, FinishReason, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .values import error_fields, is_true

__all__ = ["HOLYSHEEP", "HolySheepDecoder"]

_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "cancelled": "cancelled"}

#: Members that need no `Other`, of a delta and of the end.
_DELTA = ("type", "content", "error")
_DONE = ("type", "finish_reason", "usage", "cancelled")

#: The only block there is: the dialect knows nothing but text.
_BLOCK = 0


class HolySheepDecoder(JSONDecoder):
    """Decodes one stream of the guide's messages."""

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        kind = value.get("type") or ("content_delta" if "content" in value else "")
        fields = error_fields(value)
        events: list[StreamEvent] | None = None
        match kind:
            case "content_delta" if value.get("content") is not None or fields:
                events = self._blocks.run(_BLOCK, "text", self._odd.text(value.get("content"), "content"), raw, cursor)
                self._odd.members(value, _DELTA)
            case "done" if not fields:
                self._odd.members(value, _DONE)
                return self._done(value, raw, cursor)
        if kind == "error" or fields:
            at_the_top: dict[str, Any] = {name: value[name] for name in ("code", "message") if name in value}
            failed = self._error(fields or at_the_top, raw, cursor)
            return [*(events or ()), failed, *self._end(raw, cursor, clean=False)]
        return events

    def _done(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        given = self._odd.name(value.get("finish_reason"), "finish_reason")
        reason = "cancelled" if is_true(value.get("cancelled")) else given or "stop"
        events = self._blocks.close_all(raw, cursor)
        counts = self._odd.object(value.get("usage"), "usage")
        if counts or value.get("usage") == {}:
            events.append(Usage(counts, complete=True, raw=raw, cursor=cursor))
        events.append(self._noted(Finish(self._reason_of(reason, _REASONS), reason, raw=raw, cursor=cursor)))
        return events + self._end(raw, cursor, clean=True)


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


HOLYSHEEP = Dialect(
    name="holysheep",
    framing="sse",
    path="/v1/chat/stream",
    method="GET",
    content_type="text/event-stream",
    decoder=HolySheepDecoder,
    ask=chat_body,
    body=_body,
    error_fields=error_fields,
    holes=Holes(texts=[("content",)]),
    opening=lambda json: [_body(json)],
    tools=False,
    reasoning=False,
    terminator="done",
    resume="GET with Last-Event-ID",
    resuming=after_last_event_id,
    beside="openai-chat",
)
