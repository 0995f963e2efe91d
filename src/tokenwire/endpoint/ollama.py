"""The server's side of Ollama's own API: `POST /api/chat` and `POST /api/generate`, as lines of JSON, or whole.
`GET /api/tags` lists the models.

An answer is streamed unless `stream` is false. The last line says `done`, with the reason, counts and durations, which
are 0 here. Calls are whole, and thinking comes where `think` asks for it. Ollama wants no Content-Type, and no key:
where the endpoint has one it is a bearer token, as a proxy before Ollama wants it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..dialects.values import listed, mapping, word
from .replies import Payload, compact, json_reply, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import MODELS, Delta, Failure, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, limit_of, parse_object, text_of, tool_of

__all__ = ["OLLAMA", "encode", "encode_generation", "json_lines"]

#: The reason is "stop" also where tools are called.
_REASONS = {"stop": "stop", "length": "length", "tool_calls": "stop"}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The lines of a chat."""
    head = _head(script, identity)
    for step in script.steps():
        match step:
            case Delta(_, Text(), token):
                yield {**head, "message": _message(token), "done": False}
            case Delta(_, Reasoning(), token):
                yield {**head, "message": _message(thinking=token), "done": False}
            case Stop(_, ToolCall() as call):
                yield {**head, "message": _message(calls=[_called(call)]), "done": False}
            case Failure():
                yield {"error": step.message}
                return
    yield {**head, "message": _message(), **_done(script)}


def encode_generation(script: Script, identity: Identity) -> Iterator[Payload]:
    """The lines of a generation. It knows no tools: they are left out."""
    head = _head(script, identity)
    for step in script.steps():
        match step:
            case Delta(_, Text(), token):
                yield {**head, "response": token, "done": False}
            case Delta(_, Reasoning(), token):
                yield {**head, "response": "", "thinking": token, "done": False}
            case Failure():
                yield {"error": step.message}
                return
    yield {**head, "response": "", **_done(script)}


def json_lines(payloads: Iterable[Payload]) -> list[bytes]:
    """One line of JSON each."""
    return [compact(payload) + b"\n" for payload in payloads]


def _chat(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = _request(call)
    said = [text_of(message.get("content")) for message in listed(request.get("messages"))]
    script = tell(_wanted(request, said))
    if request.get("stream", True):
        return _streamed(call, seams, encode(script, identity), pace)
    script.refuse_failure()
    message = _message(script.text, script.reasoning, [_called(part) for part in script.calls])
    return json_reply(200, {**_head(script, identity), "message": message, **_done(script)})


def _generate(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = _request(call)
    script = tell(_wanted({**request, "tools": None}, [word(request.get("system")), word(request.get("prompt"))]))
    if request.get("stream", True):
        return _streamed(call, seams, encode_generation(script, identity), pace)
    script.refuse_failure()
    thinking = {"thinking": script.reasoning} if script.reasoning else {}
    return json_reply(200, {**_head(script, identity), "response": script.text, **thinking, **_done(script)})


def _tags(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    return json_reply(200, {"models": [{"name": model, "model": model} for model in MODELS]})


def _request(call: Call) -> dict[str, Any]:
    return parse_object(call.body, "The body of the request")


def _wanted(request: Mapping[str, Any], said: Sequence[str]) -> Wanted:
    if not any(said):
        raise Refusal(400, "invalid_request", "nothing is asked")
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(said),
        tools=tuple(tool_of(tool.get("function")) for tool in listed(request.get("tools"))),
        max_tokens=limit_of(mapping(request.get("options")).get("num_predict")),
        reasoning=bool(request.get("think")),
    )


def _streamed(call: Call, seams: Seams, lines: Iterable[Payload], pace: float) -> Reply:
    return stream_reply(call, seams, lines, json_lines, pace=pace, content_type="application/x-ndjson")


def _head(script: Script, identity: Identity) -> Payload:
    created = datetime.fromtimestamp(identity.created, UTC)
    return {"model": script.model, "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}"}


def _message(content: str = "", thinking: str = "", calls: Sequence[Payload] = ()) -> Payload:
    message: Payload = {"role": "assistant", "content": content}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = list(calls)
    return message


def _called(call: ToolCall) -> Payload:
    return {"function": {"name": call.name, "arguments": json.loads(call.whole)}}


def _done(script: Script) -> Payload:
    """What the last line has besides. Durations are nanoseconds."""
    return {
        "done": True,
        "done_reason": _REASONS[script.finish],
        "total_duration": 0,
        "load_duration": 0,
        "prompt_eval_count": script.prompt_tokens,
        "prompt_eval_duration": 0,
        "eval_count": script.completion_tokens,
        "eval_duration": 0,
    }


def _refuse(refusal: Refusal) -> Reply:
    return json_reply(refusal.status, {"error": refusal.message})


OLLAMA = Service(
    dialect="ollama",
    encode=encode,
    framing=json_lines,
    routes={"/api/chat": {"POST": _chat}, "/api/generate": {"POST": _generate}, "/api/tags": {"GET": _tags}},
    refuse=_refuse,
)
