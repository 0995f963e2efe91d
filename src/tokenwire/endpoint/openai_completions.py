"""The server's side of OpenAI Completions, the legacy endpoint that continues a prompt: `POST /v1/completions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import mapping
from .openai_chat import chat_usage, failure_chunk
from .replies import Payload, done_events, json_reply, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import Delta, Failure, Script, Text, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of

__all__ = ["OPENAI_COMPLETIONS", "encode"]


def encode(script: Script, identity: Identity, *, usage: bool = True) -> Iterator[Payload]:
    """The chunks of a stream. The dialect knows no tools and no reasoning: they are left out."""
    for step in script.steps():
        match step:
            case Delta(_, Text(), token):
                yield _completion(script, identity, token)
            case Failure():
                yield failure_chunk(step)
                return
    yield _completion(script, identity, "", script.finish)
    if usage:
        yield {**_completion(script, identity, ""), "choices": [], "usage": chat_usage(script)}


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = json_object(call)
    script = tell(_wanted(request))
    if request.get("stream"):
        usage = mapping(request.get("stream_options")).get("include_usage") is True
        return stream_reply(call, seams, encode(script, identity, usage=usage), done_events, pace=pace)
    script.refuse_failure()
    whole = _completion(script, identity, script.text, script.finish)
    return json_reply(200, {**whole, "usage": chat_usage(script)})


def _wanted(request: Mapping[str, Any]) -> Wanted:
    prompt = request.get("prompt")
    if not isinstance(prompt, str):
        raise Refusal(400, "invalid_request", "`prompt` must be a text.")
    return Wanted(request.get("model", ""), heard([prompt]), max_tokens=limit_of(request.get("max_tokens")))


def _completion(script: Script, identity: Identity, text: str, finish: str | None = None) -> Payload:
    return {
        "id": f"cmpl-reference-{identity.number:06}",
        "object": "text_completion",
        "created": identity.created,
        "model": script.model,
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}],
    }


OPENAI_COMPLETIONS = Service(
    dialect="openai-completions",
    encode=encode,
    framing=done_events,
    routes={"/v1/completions": {"POST": _answer}},
)
