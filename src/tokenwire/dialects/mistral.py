"""Mistral's chat completions: OpenAI's, with differences that `openai_chat` reads as well.

In: messages whose data is a `chat.completion.chunk`, then `[DONE]`. Out: stream events. What is Mistral's own: usage
comes with the finish; content is a string or a list of parts, where thinking is a list of its own and references and
images become `Other`; tool calls come whole, without an index, or in pieces; `p` is padding. Errors have their words at
the top, or under `detail` what is wrong with the request.
"""

from __future__ import annotations

from typing import Any

from .dialect import Dialect, prefilled
from .openai_chat import OPENAI_CHAT, ChatDecoder
from .values import error_fields, json_text

__all__ = ["MISTRAL"]


def _error_fields(body: Any) -> dict[str, Any]:
    """`{"object": "error", "message": …, "type": …, "code": …}`, and `{"detail": …}` for what does not validate."""
    fields = error_fields(body)
    if fields or not isinstance(body, dict):
        return fields
    if body.get("detail"):
        detail = body["detail"]
        return {"message": detail if isinstance(detail, str) else json_text(detail)}
    return body if isinstance(body.get("message"), str) else {}


MISTRAL = Dialect(
    name="mistral",
    framing="sse",
    path="/v1/chat/completions",
    method="POST",
    content_type="text/event-stream",
    decoder=ChatDecoder,
    ask=OPENAI_CHAT.ask,
    continuing=lambda json, text: prefilled(json, text, prefix=True),
    body=OPENAI_CHAT.body,
    error_fields=_error_fields,
    terminator=OPENAI_CHAT.terminator,
)
