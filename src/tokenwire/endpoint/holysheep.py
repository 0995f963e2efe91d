"""The server's side of the guide's WebSocket dialect.

`GET /v1/chat/stream`, upgraded: a JSON request with `model` and `messages`, answered by `{"type": "content_delta",
"content": …}` until `{"type": "done"}`. While an answer runs the client may send `{"type": "context_update", …}`,
which is acknowledged, and `{"type": "cancel"}`, which ends it with `{"type": "done", "cancelled": true}`.
"""

from __future__ import annotations

import json
from typing import Any

from .openai_chat import MODELS
from .seams import Turn
from .story import STORY

__all__ = ["HolySheep"]

#: Deltas that the failing model gives before it fails.
_TOKENS_BEFORE_FAILURE = 5


class HolySheep:
    """One conversation; requests are answered one after the other.

    :param pace: seconds between two messages.
    """

    def __init__(self, pace: float) -> None:
        self._pace = pace

    def opened(self) -> Turn:
        return Turn([])

    def received(self, message: str | bytes, pending: int) -> Turn:
        if isinstance(message, bytes):
            return Turn([], close=1003)
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            return _error("invalid_json", "The message is not JSON.")
        if not isinstance(request, dict):
            return _error("invalid_request", "The message is no JSON object.")
        match request.get("type", "request"):
            case "request":
                return self._generation(request)
            case "context_update":
                return Turn([(0.0, _json(type="context_updated"))], at_once=True)
            case "cancel":
                return self._cancelled(pending)
            case other:
                return _error("unknown_type", f"A message of type {other!r} is not known.")

    def _generation(self, request: dict[str, Any]) -> Turn:
        messages = request.get("messages")
        if not isinstance(messages, list) or not messages:
            return _error("invalid_request", "`messages` must be a list with at least one message.")
        model = request.get("model")
        if model not in MODELS:
            return _error("model_not_found", f"The model {model!r} does not exist.")
        limit = request.get("max_tokens")
        tokens = STORY[:limit] if isinstance(limit, int) and limit > 0 else STORY
        deltas = [(self._pace, _json(type="content_delta", content=token)) for token in tokens]
        if model != MODELS[0]:
            failure = _error("failed", "The model failed.").messages
            return Turn([*deltas[:_TOKENS_BEFORE_FAILURE], *failure])
        usage = {"prompt_tokens": len(messages), "completion_tokens": len(tokens)}
        return Turn([*deltas, (self._pace, _json(type="done", usage=usage))])

    def _cancelled(self, pending: int) -> Turn:
        if not pending:
            return _error("nothing_to_cancel", "Nothing is being generated.")
        return Turn([(0.0, _json(type="done", cancelled=True))], replaces=True)


def _error(code: str, message: str) -> Turn:
    return Turn([(0.0, _json(type="error", error={"code": code, "message": message}))])


def _json(**members: Any) -> str:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))
