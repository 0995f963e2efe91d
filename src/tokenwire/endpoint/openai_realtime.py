"""The server's side of OpenAI's Realtime API, for text: `GET /v1/realtime?model=…`, upgraded.

`session.created` greets; `session.update` and `conversation.item.create` are acknowledged; `response.create` is
answered by a response with one message of text; `response.cancel` ends it with status cancelled, and with nothing to
cancel there is an `error`, after which the session goes on.
"""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from .seams import Turn
from .story import STORY

__all__ = ["Realtime"]


class Realtime:
    """One session.

    :param model: as the URL named it.
    :param pace: seconds between two deltas.
    """

    def __init__(self, model: str, pace: float) -> None:
        self._session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_reference",
            "model": model,
            "output_modalities": ["text"],
        }
        self._pace = pace
        self._numbers = count(1)
        self._response = 0

    def opened(self) -> Turn:
        return Turn([self._event("session.created", session=self._session)])

    def received(self, message: str | bytes, pending: int) -> Turn:
        try:
            event = json.loads(message)
        except (ValueError, RecursionError):
            return self._error("invalid_json", "The event is not JSON.")
        if not isinstance(event, dict):
            return self._error("invalid_event", "The event is no JSON object.")
        match event.get("type"):
            case "session.update":
                changes = event.get("session")
                self._session.update(changes if isinstance(changes, dict) else {})
                return Turn([self._event("session.updated", session=self._session)])
            case "conversation.item.create":
                item = event.get("item")
                added = {"id": f"item_{next(self._numbers)}", **(item if isinstance(item, dict) else {})}
                kinds = ("conversation.item.added", "conversation.item.done")
                return Turn([self._event(kind, previous_item_id=None, item=added) for kind in kinds])
            case "response.create":
                return self._generation()
            case "response.cancel" if pending:
                return Turn([self._event("response.done", response=self._described("cancelled"))], replaces=True)
            case "response.cancel":
                return self._error("response_cancel_not_active", "Nothing is being generated.")
            case other:
                return self._error("unknown_event", f"An event of type {other!r} is not known.")

    def _generation(self) -> Turn:
        self._response = next(self._numbers)
        response, item = f"resp_{self._response}", f"item_{self._response}"
        place: dict[str, Any] = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        message = {"id": item, "object": "realtime.item", "type": "message", "role": "assistant", "content": []}
        text = "".join(STORY)
        whole = {**message, "status": "completed", "content": [{"type": "output_text", "text": text}]}
        in_response: dict[str, Any] = {"response_id": response, "output_index": 0}
        part = {"type": "text", "text": ""}
        begun = [
            self._event("response.created", response=self._described("in_progress")),
            self._event("response.output_item.added", **in_response, item={**message, "status": "in_progress"}),
            self._event("conversation.item.added", previous_item_id=None, item={**message, "status": "in_progress"}),
            self._event("response.content_part.added", **place, part=part),
        ]
        deltas = [self._event("response.output_text.delta", self._pace, **place, delta=token) for token in STORY]
        ended = [
            self._event("response.output_text.done", **place, text=text),
            self._event("response.content_part.done", **place, part={"type": "text", "text": text}),
            self._event("response.output_item.done", **in_response, item=whole),
            self._event("conversation.item.done", previous_item_id=None, item=whole),
            self._event("response.done", response={**self._described("completed"), "output": [whole]}),
        ]
        return Turn([*begun, *deltas, *ended])

    def _described(self, status: str) -> dict[str, Any]:
        usage = {"total_tokens": len(STORY), "input_tokens": 0, "output_tokens": len(STORY)}
        return {
            "object": "realtime.response",
            "id": f"resp_{self._response}",
            "status": status,
            "status_details": None,
            "output": [],
            "conversation_id": "conv_reference",
            "usage": None if status == "in_progress" else usage,
        }

    def _error(self, code: str, message: str) -> Turn:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": None}
        return Turn([self._event("error", error=error)])

    def _event(self, kind: str, delay: float = 0.0, **members: Any) -> tuple[float, str]:
        event = {"type": kind, "event_id": f"event_{next(self._numbers)}", **members}
        return delay, json.dumps(event, ensure_ascii=False, separators=(",", ":"))
