"""The server's side of Amazon Bedrock's Converse: `POST /model/{model}/converse-stream`, and `…/converse` for a whole.

The stream is an event stream: blocks of text and reasoning have no start, the counts come after the stop, and a failure
is an exception in mid-stream. The key is a bearer token; of a signed request it is the access key id: whether the
signature is right is not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..dialects.values import listed, mapping, member
from ..framing.eventstream import encode as encode_message
from .replies import Payload, compact, json_reply, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service, bearer_of
from .story import SIGNATURE, Begin, Delta, Failure, Part, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["BEDROCK_CONVERSE", "encode", "event_stream"]

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

#: What hides how long a token is.
_PADDING = "abcdefghijklmnop"

#: The exceptions of Bedrock's API reference, and the status with which each comes.
_EXCEPTIONS = {
    400: (400, "ValidationException"),
    401: (403, "UnrecognizedClientException"),
    404: (404, "ResourceNotFoundException"),
    500: (500, "InternalServerException"),
    503: (503, "ServiceUnavailableException"),
}

#: Where Signature Version 4 has the access key id.
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)/")


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The messages of a stream: objects with one member, which has the name of the event or the exception."""
    yield {"messageStart": {"role": "assistant"}}
    for step in script.steps():
        match step:
            case Begin(number, ToolCall() as call):
                start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
                yield {"contentBlockStart": {"contentBlockIndex": number, "start": start}}
            case Delta(number, part, text):
                padded = {"p": _PADDING[len(text) :]}
                yield {"contentBlockDelta": {"contentBlockIndex": number, "delta": _delta(part, text), **padded}}
            case Stop(number, part):
                if isinstance(part, Reasoning):
                    signature = {"reasoningContent": {"signature": SIGNATURE}}
                    yield {"contentBlockDelta": {"contentBlockIndex": number, "delta": signature}}
                yield {"contentBlockStop": {"contentBlockIndex": number}}
            case Failure():
                exception = "serviceUnavailable" if step.code == "overloaded" else "internalServer"
                yield {f"{exception}Exception": {"message": step.message}}
                return
    yield {"messageStop": {"stopReason": _STOP_REASONS[script.finish]}}
    yield {"metadata": {"usage": _usage(script), "metrics": {"latencyMs": 0}}}


def event_stream(payloads: Iterable[Payload]) -> list[bytes]:
    """Messages of an event stream."""
    return [_message(name, body) for payload in payloads for name, body in payload.items()]


def _message(name: str, body: Payload) -> bytes:
    kind = "exception" if name.endswith("Exception") else "event"
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return encode_message(headers, compact(body))


def _stream(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    chunks = encode(_script(call), identity)
    kind = "application/vnd.amazon.eventstream"
    return stream_reply(call, seams, chunks, event_stream, pace=pace, content_type=kind)


def _whole(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    script = _script(call)
    script.refuse_failure()
    message = {"role": "assistant", "content": [_block(part) for part in script.parts]}
    answer = {"output": {"message": message}, "stopReason": _STOP_REASONS[script.finish]}
    return json_reply(200, {**answer, "usage": _usage(script), "metrics": {"latencyMs": 0}})


def _script(call: Call) -> Script:
    return tell(_wanted(json_object(call), call.place["model"]))


def _wanted(request: Mapping[str, Any], model: str) -> Wanted:
    messages = listed(request.get("messages"))
    if not messages:
        raise Refusal(400, "invalid_request", "At least one message is required.")
    asked = mapping(request.get("additionalModelRequestFields"))
    said = [request.get("system"), *(message.get("content") for message in messages)]
    specs = [tool.get("toolSpec") for tool in listed(member(request, "toolConfig", "tools"))]
    return Wanted(
        model=model,
        prompt=heard(text_of(content) for content in said),
        tools=tuple(tool_of({**mapping(spec), **mapping(member(spec, "inputSchema"))}, "json") for spec in specs),
        max_tokens=limit_of(member(request, "inferenceConfig", "maxTokens")),
        reasoning=member(asked, "thinking", "type") == "enabled",
    )


def _delta(part: Part, text: str) -> Payload:
    match part:
        case Text():
            return {"text": text}
        case Reasoning():
            return {"reasoningContent": {"text": text}}
        case ToolCall():
            return {"toolUse": {"input": text}}


def _block(part: Part) -> Payload:
    match part:
        case Text():
            return {"text": part.whole}
        case Reasoning():
            return {"reasoningContent": {"reasoningText": {"text": part.whole, "signature": SIGNATURE}}}
        case ToolCall():
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": json.loads(part.whole)}}


def _usage(script: Script) -> Payload:
    prompt, completion = script.prompt_tokens, script.completion_tokens
    return {"inputTokens": prompt, "outputTokens": completion, "totalTokens": prompt + completion}


def _refuse(refusal: Refusal) -> Reply:
    status, exception = _EXCEPTIONS.get(refusal.status, (refusal.status, "ValidationException"))
    return json_reply(status, {"message": refusal.message}).with_header("x-amzn-ErrorType", exception)


def _key(call: Call) -> str:
    signed = _CREDENTIAL.match(call.header("authorization"))
    return signed[1] if signed else bearer_of(call)


BEDROCK_CONVERSE = Service(
    dialect="bedrock-converse",
    encode=encode,
    framing=event_stream,
    routes={"/model/{model}/converse-stream": {"POST": _stream}, "/model/{model}/converse": {"POST": _whole}},
    refuse=_refuse,
    key=_key,
)
