"""Server-sent events over GET, as a browser's EventSource reads them: `GET /v1/chat/stream?model=…`.

Every event has an id, the first one the reconnection time. After the last one the body ends; a browser would then
connect again, so a client closes at `done` (WHATWG HTML 9.2.2).
"""

from __future__ import annotations

import json

from ..framing.sse import encode
from .openai_chat import MODELS, error_reply, sse_reply
from .seams import Call, Reply, Seams
from .story import STORY

__all__ = ["RECONNECTION_TIME", "answer_eventsource"]

#: Milliseconds that a client is asked to wait before it connects again.
RECONNECTION_TIME = 1000


def answer_eventsource(call: Call, seams: Seams, *, pace: float) -> Reply:
    """Answers one request. `pace`: seconds between two events."""
    model = call.query.get("model", MODELS[0])
    if model != MODELS[0]:
        return error_reply(404, "invalid_request_error", "model_not_found", f"The model {model!r} does not exist.")
    messages = [{"type": "content_delta", "content": token} for token in STORY] + [{"type": "done"}]
    blocks = [
        encode(json.dumps(message, ensure_ascii=False), id=str(number), retry=None if number else RECONNECTION_TIME)
        for number, message in enumerate(messages)
    ]
    return sse_reply(seams.blocks(call, blocks), pace)
