"""An A2A 1.0 agent, in both bindings over HTTP: JSON-RPC at `POST /a2a`, HTTP+JSON at `POST /a2a/message:stream`.

A message is answered by a task: submitted, worked on, an artifact that grows token by token, then completed, or failed
in words. `SendStreamingMessage` streams it, `SendMessage` (`message:send`) gives it whole. An agent knows its model
itself; this one heeds `model` and `maxTokens` in the `metadata` of a request.

A task that was streamed is kept for whoever lost the stream: `SubscribeToTask` (`tasks/{id}:subscribe`) gives the task
as it stands, which is all of its artifact, for the work went on meanwhile, and then its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..dialects.jsonrpc import Request, RequestId
from ..dialects.values import mapping, member, word
from .jsonrpc import envelope_of, refuse, refuse_request, response
from .recent import Recent
from .replies import Payload, google_error, json_reply, refused, stream_reply, unnamed_events
from .seams import Call, Reply, Seams
from .service import Identity, Service, bearer_of
from .story import MODELS, Delta, Failure, Script, Text, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of

__all__ = ["MAX_KEPT", "a2a", "encode", "encode_rpc"]

#: Tasks that are kept, the last ones.
MAX_KEPT = 32

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
    return _in_rpc(encode(script, identity), request_id)


def _in_rpc(updates: Iterable[Payload], request_id: RequestId) -> Iterator[Payload]:
    return (response(request_id, update) for update in updates)


class _Agent:
    """The agent: it remembers its tasks between requests."""

    def __init__(self) -> None:
        self._tasks: Recent[_Told] = Recent(MAX_KEPT)

    def answer_rpc(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        sent = envelope_of(call)
        if not isinstance(sent, Request):
            raise Refusal(400, "invalid_request", "An agent is sent requests.")
        try:
            match sent.method:
                case "SendStreamingMessage":
                    updates = self._stream(_wanted(sent.params), identity, call)
                case "SubscribeToTask":
                    updates = self._rest(word(sent.params.get("id")), call)
                case "SendMessage":
                    return json_reply(200, response(sent.id, _whole(tell(_wanted(sent.params)), identity)))
                case other:
                    raise Refusal(404, "unknown_method", f"Method not found: {other}")
        except Refusal as refusal:
            return refused(refuse_request(refusal, sent.id), refusal)
        return stream_reply(call, seams, _in_rpc(updates, sent.id), unnamed_events, pace=pace)

    def send(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        try:
            return json_reply(200, _whole(tell(_wanted(json_object(call))), identity))
        except Refusal as refusal:
            return _refuse_http(refusal)

    def stream(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        try:
            updates = self._stream(_wanted(json_object(call)), identity, call)
        except Refusal as refusal:
            return _refuse_http(refusal)
        return stream_reply(call, seams, updates, unnamed_events, pace=pace)

    def subscribe(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        try:
            updates = self._rest(call.place["id"], call)
        except Refusal as refusal:
            return _refuse_http(refusal)
        return stream_reply(call, seams, updates, unnamed_events, pace=pace)

    def _stream(self, wanted: Wanted, identity: Identity, call: Call) -> Iterable[Payload]:
        told = _Told(tell(wanted), identity)
        self._tasks.keep(_id(identity), told, bearer_of(call))
        return encode(told.script, identity)

    def _rest(self, task: str, call: Call) -> Iterable[Payload]:
        """The task as it stands, and its end."""
        told = self._tasks.get(task, bearer_of(call))
        if told is None:
            raise Refusal(404, "unknown_task", f"Task not found: {task}")
        *_, last = encode(told.script, told.identity)
        text = "".join(
            step.text for step in told.script.steps() if isinstance(step, Delta) and isinstance(step.part, Text)
        )
        return [{"task": {**_task(told.identity, "WORKING"), "artifacts": [_artifact(text)]}}, last]


@dataclass(frozen=True, slots=True)
class _Told:
    """A task that is kept."""

    script: Script
    identity: Identity


def _refuse_http(refusal: Refusal) -> Reply:
    return refused(json_reply(refusal.status, google_error(refusal.status, refusal.message)), refusal)


def _wanted(request: Mapping[str, Any]) -> Wanted:
    parts = member(request, "message", "parts")
    if not parts:
        raise Refusal(400, "invalid_params", "A message has at least one part.")
    asked = mapping(request.get("metadata"))
    return Wanted(asked.get("model", MODELS[0]), heard([text_of(parts)]), (), limit_of(asked.get("maxTokens")))


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


def a2a() -> Service:
    """The service, for one endpoint."""
    agent = _Agent()
    return Service(
        dialect="a2a",
        encode=encode_rpc,
        framing=unnamed_events,
        routes={
            "/a2a": {"POST": agent.answer_rpc},
            "/a2a/message:stream": {"POST": agent.stream},
            "/a2a/message:send": {"POST": agent.send},
            "/a2a/tasks/{id}:subscribe": {"POST": agent.subscribe},
        },
        refuse=refuse,
    )
