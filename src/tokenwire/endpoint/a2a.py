"""An A2A 1.0 agent, in both bindings over HTTP: JSON-RPC at `POST /a2a`, HTTP+JSON at `POST /a2a/message:stream`.

A message is answered by a task: submitted, worked on, an artifact that grows token by token, then completed, or failed
in words. `SendStreamingMessage` streams it, `SendMessage` (`message:send`) gives it whole. An agent knows its model
itself; this one heeds `model` and `maxTokens` in the `metadata` of a request. No task is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ..dialects.jsonrpc import Request, RequestId
from ..dialects.values import mapping, member
from .jsonrpc import envelope_of, refuse, refuse_request, response
from .replies import Payload, google_error, json_reply, refused, stream_reply, unnamed_events
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import MODELS, Delta, Failure, Script, Text, tell
from .wanted import Refusal, Wanted, count_tokens, json_object, limit_of, text_of

__all__ = ["A2A", "encode", "encode_rpc"]

_CONTEXT = "context-reference"


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The updates of a task. The dialect knows no tools and no reasoning: they are left out."""
    ids = {"taskId": _id(identity), "contextId": _CONTEXT}
    yield {"task": _task(identity, "SUBMITTED")}
    yield {"statusUpdate": {**ids, "status": _status(identity, "WORKING")}}
    left = sum(len(part.pieces) for part in script.parts if isinstance(part, Text))
    append = False
    for step in script.steps():
        match step:
            case Delta(_, Text(), token):
                left -= 1
                update = {**ids, "artifact": _artifact(token), "append": append, "lastChunk": not left}
                yield {"artifactUpdate": update}
                append = True
            case Failure():
                yield {"statusUpdate": {**ids, "status": _status(identity, "FAILED", step.message)}}
                return
    yield {"statusUpdate": {**ids, "status": _status(identity, "COMPLETED")}}


def encode_rpc(script: Script, identity: Identity, *, request_id: RequestId = 1) -> Iterator[Payload]:
    """The same in the JSON-RPC binding: each is the result of a response to the request."""
    return (response(request_id, update) for update in encode(script, identity))


def _answer_rpc(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    sent = envelope_of(call)
    if not isinstance(sent, Request):
        raise Refusal(400, "invalid_request", "An agent is sent requests.")
    try:
        if sent.method not in ("SendStreamingMessage", "SendMessage"):
            raise Refusal(404, "unknown_method", f"Method not found: {sent.method}")
        script = tell(_wanted(sent.params))
        if sent.method == "SendStreamingMessage":
            updates = encode_rpc(script, identity, request_id=sent.id)
            return stream_reply(call, seams, updates, unnamed_events, pace=pace)
        return json_reply(200, response(sent.id, _whole(script, identity)))
    except Refusal as refusal:
        return refused(refuse_request(refusal, sent.id), refusal)


def _answer_http(call: Call, seams: Seams, identity: Identity, pace: float, *, streams: bool) -> Reply:
    try:
        script = tell(_wanted(json_object(call)))
    except Refusal as refusal:
        return refused(json_reply(refusal.status, google_error(refusal.status, refusal.message)), refusal)
    if streams:
        return stream_reply(call, seams, encode(script, identity), unnamed_events, pace=pace)
    return json_reply(200, _whole(script, identity))


def _wanted(request: Mapping[str, Any]) -> Wanted:
    parts = member(request, "message", "parts")
    if not parts:
        raise Refusal(400, "invalid_params", "A message has at least one part.")
    asked = mapping(request.get("metadata"))
    return Wanted(asked.get("model", MODELS[0]), count_tokens([text_of(parts)]), (), limit_of(asked.get("maxTokens")))


def _whole(script: Script, identity: Identity) -> Payload:
    if script.failure is not None:
        return {"task": _task(identity, "FAILED", script.failure.message)}
    return {"task": {**_task(identity, "COMPLETED"), "artifacts": [_artifact(script.text)]}}


def _task(identity: Identity, state: str, said: str = "") -> Payload:
    return {"id": _id(identity), "contextId": _CONTEXT, "status": _status(identity, state, said)}


def _status(identity: Identity, state: str, said: str = "") -> Payload:
    status: Payload = {"state": f"TASK_STATE_{state}"}
    if said:
        parts = [{"text": said}]
        status["message"] = {"messageId": f"{_id(identity)}-said", "role": "ROLE_AGENT", "parts": parts}
    return status


def _artifact(text: str) -> Payload:
    return {"artifactId": "story", "parts": [{"text": text}]}


def _id(identity: Identity) -> str:
    return f"task-reference-{identity.number:06}"


A2A = Service(
    dialect="a2a",
    encode=encode_rpc,
    framing=unnamed_events,
    routes={
        "/a2a": {"POST": _answer_rpc},
        "/a2a/message:stream": {"POST": partial(_answer_http, streams=True)},
        "/a2a/message:send": {"POST": partial(_answer_http, streams=False)},
    },
    refuse=refuse,
)
