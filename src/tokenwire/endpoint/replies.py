"""How payloads go out: the framings of a stream over HTTP, the messages of a WebSocket, whole replies of JSON, and
refusals in OpenAI's words.

A framing takes the payloads of a stream, in order, and gives the blocks of its body, each of which goes out by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .seams import Call, Piece, Reply, Seams
from .wanted import Refusal

__all__ = [
    "Framing",
    "Payload",
    "compact",
    "done_events",
    "google_error",
    "json_reply",
    "messages_of",
    "named_events",
    "refusal_reply",
    "refused",
    "stream_reply",
    "unnamed_events",
]

Payload = dict[str, Any]
Framing = Callable[[Iterable[Payload]], list[bytes]]

_EVENT_STREAM = "text/event-stream; charset=utf-8"

#: OpenAI's types of errors, by status; 500 and above are `server_error`, all others `invalid_request_error`.
_KINDS = {401: "authentication_error"}

#: Google's names for the statuses of HTTP (google.rpc.Code).
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def compact(value: Any) -> bytes:
    """JSON without blanks. Half a surrogate pair, which no UTF-8 can have, stays an escape (RFC 8259 8.2)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Legal as they are, and still taken for line ends by many readers of streams.
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")
    return text.encode("utf-8", "backslashreplace")


def unnamed_events(payloads: Iterable[Payload]) -> list[bytes]:
    """Server-sent events without a name."""
    return [b"data: " + compact(payload) + b"\n\n" for payload in payloads]


def done_events(payloads: Iterable[Payload]) -> list[bytes]:
    """Server-sent events without a name, then OpenAI's end mark."""
    return [*unnamed_events(payloads), b"data: [DONE]\n\n"]


def named_events(payloads: Iterable[Payload]) -> list[bytes]:
    """Server-sent events with the `type` of the payload for a name."""
    return [b"event: %s\ndata: %s\n\n" % (payload["type"].encode(), compact(payload)) for payload in payloads]


def stream_reply(
    call: Call,
    seams: Seams,
    payloads: Iterable[Payload],
    framing: Framing,
    *,
    pace: float,
    content_type: str = _EVENT_STREAM,
) -> Reply:
    """A streamed reply, through the seams. `pace`: seconds between two blocks."""
    blocks = seams.blocks(call, framing(seams.chunks(call, list(payloads))))
    # No cache keeps it and no proxy holds it back.
    headers = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store, no-transform"),
        ("X-Accel-Buffering", "no"),
    ]
    return Reply(200, headers, pieces=[Piece(pace if number else 0.0, block) for number, block in enumerate(blocks)])


def messages_of(payloads: Iterable[Payload], pace: float = 0.0) -> list[tuple[float, str | bytes]]:
    """The messages of a turn on a WebSocket, paced as a stream is: the first one goes out at once."""
    return [(pace if number else 0.0, compact(payload).decode()) for number, payload in enumerate(payloads)]


def json_reply(status: int, body: Mapping[str, Any]) -> Reply:
    """A whole reply of JSON."""
    return Reply(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], compact(body))


def refusal_reply(refusal: Refusal) -> Reply:
    """A refusal as OpenAI words it, which most others have taken over."""
    kind = "server_error" if refusal.status >= 500 else _KINDS.get(refusal.status, "invalid_request_error")
    error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
    return json_reply(refusal.status, {"error": error})


def refused(reply: Reply, refusal: Refusal) -> Reply:
    """A reply that refuses, with the fields that the refusal has besides."""
    return replace(reply, headers=[*reply.headers, *refusal.headers])


def google_error(status: int, message: str) -> Payload:
    """An error as Google's APIs have it, and A2A with them."""
    return {"error": {"code": status, "message": message, "status": _GOOGLE_STATUSES.get(status, "UNKNOWN")}}
