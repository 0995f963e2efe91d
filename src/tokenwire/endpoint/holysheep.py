"""The server's side of the guide's dialect, over WebSocket, and over GET as a browser's EventSource reads it.

`GET /v1/chat/stream`, upgraded: a JSON request with `model` and `messages`, answered by `{"type": "content_delta",
"content": …}` until `{"type": "done"}`. While an answer runs the client may send `{"type": "context_update", …}`,
which is acknowledged, and `{"type": "cancel"}`, which ends it with `{"type": "done", "cancelled": true}`.

Not upgraded, `GET /v1/chat/stream?model=…`: the same messages as server-sent events, each with an id, the first one
with the reconnection time. After the last one the body ends; a browser would then connect again, so a client closes at
`done` (WHATWG HTML 9.2.2). With Last-Event-ID a stream goes on after that event; after the last one there is 204.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ..dialects.values import listed
from .replay_buffer import ReplayBuffer, numbered_events
from .replies import Payload, messages_of, stream_reply
from .seams import Call, Reply, Seams, Turn
from .service import Identity, Service, bearer_of
from .story import MODELS, Delta, Failure, Script, Text, tell
from .wanted import Refusal, Wanted, heard, limit_of, parse_object, text_of

__all__ = ["RECONNECTION_TIME", "HolySheep", "encode", "holysheep"]

#: Milliseconds that a client of the event stream is asked to wait before it connects again.
RECONNECTION_TIME = 1000


def encode(script: Script, identity: Identity, *, usage: bool = True) -> Iterator[Payload]:
    """The messages of an answer. The dialect knows no tools and no reasoning: they are left out."""
    for step in script.steps():
        match step:
            case Delta(_, Text(), token):
                yield {"type": "content_delta", "content": token}
            case Failure(_, code, message):
                yield _error(code, message)
                return
    done: Payload = {"type": "done"}
    if script.limited:
        done["finish_reason"] = "length"
    if usage:
        done["usage"] = {"prompt_tokens": script.prompt_tokens, "completion_tokens": script.completion_tokens}
    yield done


class HolySheep:
    """One conversation; requests are answered one after the other."""

    def __init__(self, query: Mapping[str, str], identify: Callable[[], Identity], pace: float) -> None:
        self._identify = identify
        self._pace = pace

    def opened(self) -> Turn:
        return Turn([])

    def received(self, message: str | bytes, pending: Counter[str]) -> Turn:
        if isinstance(message, bytes):
            return Turn([], close=1003)
        try:
            return self._answer(parse_object(message, "The message"), pending)
        except Refusal as refusal:
            return Turn(messages_of([_error(refusal.code, refusal.message)]))

    def _answer(self, request: Mapping[str, Any], pending: Counter[str]) -> Turn:
        match request.get("type", "request"):
            case "request":
                return Turn(messages_of(encode(tell(_wanted(request)), self._identify()), self._pace))
            case "context_update":
                return Turn(messages_of([{"type": "context_updated"}]), at_once=True)
            case "cancel" if pending[""]:
                return Turn(messages_of([{"type": "done", "cancelled": True}]), replaces=True)
            case "cancel":
                raise Refusal(400, "nothing_to_cancel", "Nothing is being generated.")
            case other:
                raise Refusal(400, "unknown_type", f"A message of type {other!r} is not known.")


def _wanted(request: Mapping[str, Any]) -> Wanted:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "invalid_request", "`messages` must be a list with at least one message.")
    prompt = heard(text_of(message.get("content")) for message in listed(messages))
    return Wanted(request.get("model", ""), prompt, max_tokens=limit_of(request.get("max_tokens")))


class _EventStreams:
    """The answers over GET, kept for those who come back with Last-Event-ID."""

    def __init__(self) -> None:
        self._told = ReplayBuffer()

    def get(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        key, last = bearer_of(call), call.header("last-event-id")
        if last:
            stream, first, payloads = self._told.after(key, last)
            if not payloads:
                return Reply(204)  # which stops a browser
        else:
            script = tell(Wanted(call.query.get("model", MODELS[0])))
            stream, first, payloads = identity.number, 0, list(encode(script, identity, usage=False))
            self._told.keep(key, stream, payloads)
        framing = partial(numbered_events, stream=stream, first=first, retry=RECONNECTION_TIME)
        return stream_reply(call, seams, payloads, framing, pace=pace)


def _error(code: str, message: str) -> Payload:
    return {"type": "error", "error": {"code": code, "message": message}}


def holysheep() -> Service:
    """The service, for one endpoint."""
    return Service(
        dialect="holysheep",
        encode=encode,
        framing=numbered_events,
        routes={"/v1/chat/stream": {"GET": _EventStreams().get}},
        sockets={"/v1/chat/stream": HolySheep},
    )
