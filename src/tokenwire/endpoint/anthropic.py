"""The server's side of Anthropic Messages: `POST /v1/messages`, streamed or whole.

As Anthropic's API description has it: thinking with its signature, tool use, a ping after the beginning, errors before
the stream as a status and within it as an event. The key comes in `x-api-key`, or as a bearer token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import listed, mapping
from .replies import Payload, json_reply, named_events, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service, bearer_of
from .story import SIGNATURE, Begin, Delta, Failure, Part, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["ANTHROPIC_MESSAGES", "encode"]

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

#: The type of an error, by the status that it would have before the stream.
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    500: "api_error",
    529: "overloaded_error",
}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The events of a stream."""
    begun = _message(script, identity, content=[], stop_reason=None, output_tokens=0)
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for step in script.steps():
        match step:
            case Begin(number, part):
                yield {"type": "content_block_start", "index": number, "content_block": _begun(part)}
            case Delta(number, part, text):
                yield {"type": "content_block_delta", "index": number, "delta": _delta(part, text)}
            case Stop(number, part):
                if isinstance(part, Reasoning):
                    signature = {"type": "signature_delta", "signature": SIGNATURE}
                    yield {"type": "content_block_delta", "index": number, "delta": signature}
                yield {"type": "content_block_stop", "index": number}
            case Failure():
                yield _error(529 if step.code == "overloaded" else 500, step.message)
                return
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": _STOP_REASONS[script.finish], "stop_sequence": None},
        "usage": {"output_tokens": script.completion_tokens},
    }
    yield {"type": "message_stop"}


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = json_object(call)
    if not call.header("anthropic-version"):
        raise Refusal(400, "invalid_request", "anthropic-version: the header is required.")
    script = tell(_wanted(request))
    if request.get("stream"):
        return stream_reply(call, seams, encode(script, identity), named_events, pace=pace)
    script.refuse_failure()
    content = [_whole(part) for part in script.parts]
    reason, tokens = _STOP_REASONS[script.finish], script.completion_tokens
    return json_reply(200, _message(script, identity, content=content, stop_reason=reason, output_tokens=tokens))


def _wanted(request: Mapping[str, Any]) -> Wanted:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "invalid_request", "messages: at least one message is required.")
    limit = limit_of(request.get("max_tokens"))
    if limit is None:
        raise Refusal(400, "invalid_request", "max_tokens: a whole number above 0 is required.")
    choice = mapping(request.get("tool_choice"))
    tools = listed(request.get("tools")) if choice.get("type") != "none" else []
    called = tools[:1] if choice.get("disable_parallel_tool_use") else tools
    said = [request.get("system"), *(message.get("content") for message in listed(messages))]
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(text_of(content) for content in said),
        tools=tuple(tool_of(tool, "input_schema") for tool in called),
        max_tokens=limit,
        reasoning=mapping(request.get("thinking")).get("type") in ("enabled", "adaptive"),
    )


def _message(
    script: Script, identity: Identity, *, content: list[Payload], stop_reason: str | None, output_tokens: int
) -> Payload:
    return {
        "id": f"msg_reference_{identity.number:06}",
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": script.prompt_tokens, "output_tokens": output_tokens},
    }


def _begun(part: Part) -> Payload:
    match part:
        case Text():
            return {"type": "text", "text": ""}
        case Reasoning():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}


def _delta(part: Part, text: str) -> Payload:
    match part:
        case Text():
            return {"type": "text_delta", "text": text}
        case Reasoning():
            return {"type": "thinking_delta", "thinking": text}
        case ToolCall():
            return {"type": "input_json_delta", "partial_json": text}


def _whole(part: Part) -> Payload:
    match part:
        case Text():
            return {"type": "text", "text": part.whole}
        case Reasoning():
            return {"type": "thinking", "thinking": part.whole, "signature": SIGNATURE}
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": json.loads(part.whole)}


def _error(status: int, message: str) -> Payload:
    return {"type": "error", "error": {"type": _KINDS.get(status, _KINDS[400]), "message": message}}


def _refuse(refusal: Refusal) -> Reply:
    status = 529 if refusal.code == "overloaded" else refusal.status
    return json_reply(status, _error(status, refusal.message))


def _key(call: Call) -> str:
    return call.header("x-api-key") or bearer_of(call)


ANTHROPIC_MESSAGES = Service(
    dialect="anthropic-messages",
    encode=encode,
    framing=named_events,
    routes={"/v1/messages": {"POST": _answer}},
    refuse=_refuse,
    key=_key,
)
