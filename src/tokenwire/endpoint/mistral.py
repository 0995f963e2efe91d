"""The server's side of Mistral's chat completions, where they are not OpenAI's: `POST /mistral/v1/chat/completions`.

Its base is `/mistral`, for the path is OpenAI's. Thinking is a list within a list of parts, calls are whole, the counts
come with the finish, `p` pads, and errors have their words at the top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import listed
from .openai_chat import chat_usage
from .replies import Payload, done_events, json_reply, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import Delta, Failure, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["MISTRAL", "encode"]

#: What hides how long a token is.
_PADDING = "abcdefghijklmnop"

_KINDS = {401: "authentication_error", 404: "invalid_model", 500: "internal_server_error", 503: "unavailable"}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The chunks of a stream."""
    yield _chunk(script, identity, {"role": "assistant", "content": ""})
    for step in script.steps():
        match step:
            case Delta(_, Text(), token):
                yield {**_chunk(script, identity, {"content": token}), "p": _PADDING[len(token) :]}
            case Delta(_, Reasoning(), token):
                yield {**_chunk(script, identity, {"content": [_thinking(token)]}), "p": _PADDING[len(token) :]}
            case Stop(number, ToolCall() as call):
                yield _chunk(script, identity, {"tool_calls": [_called(call, script.call_index(number))]})
            case Failure():
                yield _error(500, step.code, step.message)
                return
    yield {**_chunk(script, identity, {"content": ""}, script.finish), "usage": chat_usage(script)}


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = json_object(call)
    script = tell(_wanted(request))
    if request.get("stream"):
        return stream_reply(call, seams, encode(script, identity), done_events, pace=pace)
    script.refuse_failure()
    message: Payload = {"role": "assistant", "content": script.text}
    if script.reasoning:
        message["content"] = [_thinking(script.reasoning), {"type": "text", "text": script.text}]
    if script.calls:
        message["tool_calls"] = [_called(part, number) for number, part in enumerate(script.calls)]
    choice = {"index": 0, "message": message, "finish_reason": script.finish}
    head = _head(script, identity, "chat.completion")
    return json_reply(200, {**head, "choices": [choice], "usage": chat_usage(script)})


def _wanted(request: Mapping[str, Any]) -> Wanted:
    messages = listed(request.get("messages"))
    if not messages:
        raise Refusal(422, "invalid_request", "messages: at least one message is required.")
    tools = listed(request.get("tools")) if request.get("tool_choice") != "none" else []
    called = tools if request.get("parallel_tool_calls", True) else tools[:1]
    effort = request.get("reasoning_effort") not in (None, "none")
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(text_of(message.get("content")) for message in messages),
        tools=tuple(tool_of(tool.get("function")) for tool in called),
        max_tokens=limit_of(request.get("max_tokens")),
        reasoning=effort or request.get("prompt_mode") == "reasoning",
    )


def _head(script: Script, identity: Identity, kind: str) -> Payload:
    return {"id": f"{identity.number:032x}", "object": kind, "created": identity.created, "model": script.model}


def _chunk(script: Script, identity: Identity, delta: Payload, finish: str | None = None) -> Payload:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_head(script, identity, "chat.completion.chunk"), "choices": [choice]}


def _thinking(text: str) -> Payload:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _called(call: ToolCall, index: int) -> Payload:
    return {"id": call.id, "function": {"name": call.name, "arguments": call.whole}, "index": index}


def _error(status: int, code: str, message: str) -> Payload:
    kind = _KINDS.get(status, "invalid_request_error")
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def _refuse(refusal: Refusal) -> Reply:
    return json_reply(refusal.status, _error(refusal.status, refusal.code, refusal.message))


MISTRAL = Service(
    dialect="mistral",
    encode=encode,
    framing=done_events,
    routes={"/mistral/v1/chat/completions": {"POST": _answer}},
    refuse=_refuse,
)
