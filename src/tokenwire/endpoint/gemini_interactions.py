"""The server's side of Gemini's interactions: `POST /v1beta/interactions`, streamed or whole.

What is told is kept, unless `store` is false: `GET …/interactions/{id}` gives it whole, with `stream=true` the events
again, and with `last_event_id` what follows that one. Calls come in pieces. The key is as for `gemini`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..dialects.values import listed, mapping
from .gemini_content import key_of, refuse
from .recent import Recent
from .replies import Payload, compact, json_reply, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import SIGNATURE, Begin, Delta, Failure, Part, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["MAX_KEPT", "encode", "gemini_interactions"]

#: Interactions that are kept, the last ones.
MAX_KEPT = 32

_STATUSES = {"stop": "completed", "length": "incomplete", "tool_calls": "requires_action"}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The events of an interaction. The id of an event is its number."""
    for number, event in enumerate(_events(script, identity)):
        yield {**event, "event_id": str(number)}


def _events(script: Script, identity: Identity) -> Iterator[Payload]:
    head = _head(script, identity)
    yield {"event_type": "interaction.created", "interaction": {**head, "status": "in_progress"}}
    for step in script.steps():
        match step:
            case Begin(number, part):
                yield {"event_type": "step.start", "index": number, "step": _begun(part)}
            case Delta(number, part, text):
                yield {"event_type": "step.delta", "index": number, "delta": _delta(part, text)}
            case Stop(number, part):
                if isinstance(part, Reasoning):
                    signature = {"type": "thought_signature", "signature": SIGNATURE}
                    yield {"event_type": "step.delta", "index": number, "delta": signature}
                yield {"event_type": "step.stop", "index": number}
            case Failure():
                yield {"event_type": "error", "error": {"code": step.code, "message": step.message}}
                return
    ended = {**head, "status": _STATUSES[script.finish], "usage": _usage(script)}
    yield {"event_type": "interaction.completed", "interaction": ended}


def _framing(payloads: Iterable[Payload]) -> list[bytes]:
    """Server-sent events with the `event_type` for a name, then the end mark."""
    events = [b"event: %s\ndata: %s\n\n" % (payload["event_type"].encode(), compact(payload)) for payload in payloads]
    return [*events, b"event: done\ndata: [DONE]\n\n"]


@dataclass(frozen=True, slots=True)
class _Told:
    """An interaction that is kept."""

    script: Script
    identity: Identity


class _Interactions:
    """The interactions of an endpoint: it remembers them between requests."""

    def __init__(self) -> None:
        self._told: Recent[_Told] = Recent(MAX_KEPT)

    def create(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        request = json_object(call)
        script = tell(_wanted(request))
        if request.get("store", True):
            self._told.keep(_id(identity), _Told(script, identity), key_of(call))
        if request.get("stream"):
            return stream_reply(call, seams, encode(script, identity), _framing, pace=pace)
        script.refuse_failure()
        return json_reply(200, _whole(script, identity))

    def retrieve(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        told = self._told.get(call.place["id"], key_of(call))
        if told is None:
            raise Refusal(404, "not_found", "Requested entity was not found.")
        if call.query.get("stream") != "true":
            told.script.refuse_failure()
            return json_reply(200, _whole(told.script, told.identity))
        events = list(encode(told.script, told.identity))
        last = call.query.get("last_event_id", "")
        first = next((n for n, event in enumerate(events, start=1) if event["event_id"] == last), 0)
        if last and not first:
            raise Refusal(400, "invalid_request", f"No event has the id {last!r}.")
        return stream_reply(call, seams, events[first:], _framing, pace=pace)


def _wanted(request: Mapping[str, Any]) -> Wanted:
    asked = request.get("input")
    if not asked:
        raise Refusal(400, "invalid_request", "input is required.")
    config = mapping(request.get("generation_config"))
    said = [request.get("system_instruction"), asked, *(turn.get("content") for turn in listed(asked))]
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(text_of(content) for content in said),
        tools=tuple(tool_of(tool) for tool in listed(request.get("tools")) if tool.get("type") == "function"),
        max_tokens=limit_of(config.get("max_output_tokens")),
        reasoning=config.get("thinking_summaries") == "auto",
    )


def _begun(part: Part) -> Payload:
    match part:
        case Text():
            return {"type": "model_output"}
        case Reasoning():
            return {"type": "thought"}
        case ToolCall():
            return {"type": "function_call", "id": part.id, "name": part.name, "arguments": {}}


def _delta(part: Part, text: str) -> Payload:
    match part:
        case Text():
            return {"type": "text", "text": text}
        case Reasoning():
            return {"type": "thought_summary", "content": {"type": "text", "text": text}}
        case ToolCall():
            return {"type": "arguments_delta", "arguments": text}


def _step(part: Part) -> Payload:
    content = [{"type": "text", "text": part.whole}]
    match part:
        case Text():
            return {**_begun(part), "content": content}
        case Reasoning():
            return {**_begun(part), "signature": SIGNATURE, "summary": content}
        case ToolCall():
            return {**_begun(part), "arguments": json.loads(part.whole)}


def _whole(script: Script, identity: Identity) -> Payload:
    ended = {"status": _STATUSES[script.finish], "usage": _usage(script)}
    return {**_head(script, identity), "steps": [_step(part) for part in script.parts], **ended}


def _head(script: Script, identity: Identity) -> Payload:
    return {"id": _id(identity), "object": "interaction", "model": script.model}


def _usage(script: Script) -> Payload:
    prompt, completion, thoughts = script.prompt_tokens, script.completion_tokens, script.reasoning_tokens
    return {
        "total_input_tokens": prompt,
        "total_output_tokens": completion - thoughts,
        "total_thought_tokens": thoughts,
        "total_tokens": prompt + completion,
    }


def _id(identity: Identity) -> str:
    return f"interaction-reference-{identity.number:06}"


def gemini_interactions() -> Service:
    """The service, for one endpoint."""
    interactions = _Interactions()
    return Service(
        dialect="gemini-interactions",
        encode=encode,
        framing=_framing,
        routes={
            "/v1beta/interactions": {"POST": interactions.create},
            "/v1beta/interactions/{id}": {"GET": interactions.retrieve},
        },
        refuse=refuse,
        key=key_of,
    )
