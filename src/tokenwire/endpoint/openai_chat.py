"""The server's side of OpenAI Chat Completions: a call in, a reply out, streamed or whole.

`POST /v1/chat/completions` as OpenAI's API description has it: usage on request, tools, several choices, log
probabilities, a token limit, errors before the stream as a status and within it as an error chunk. Reasoning, which
OpenAI does not show here, comes as `reasoning_content`, as its followers have it, for a `reasoning_effort`.
`GET /v1/models` lists the models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import listed, mapping
from .replies import Payload, done_events, json_reply, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service, bearer_of
from .story import MODELS, Begin, Delta, Failure, Reasoning, Script, Step, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["OPENAI_CHAT", "chat_usage", "encode", "failure_chunk"]

#: Choices that may be asked for at once.
MAX_CHOICES = 8


def encode(
    script: Script, identity: Identity, *, choices: int = 1, usage: bool = True, logprobs: bool = False
) -> Iterator[Payload]:
    """The chunks of a stream. `usage` and `logprobs`: whether they were asked for."""
    no_usage = {"usage": None} if usage else {}

    def chunk(choice: int, delta: Payload, finish: str | None = None, **more: Any) -> Payload:
        return {
            **_head(script, identity, "chat.completion.chunk"),
            "choices": [{"index": choice, "delta": delta, **more, "finish_reason": finish}],
            **no_usage,
        }

    def probability(token: str | None) -> Payload:
        return {"logprobs": token and {"content": [_logprob(token)], "refusal": None}} if logprobs else {}

    for choice in range(choices):
        role = {"role": "assistant", "content": "" if script.text else None}
        yield chunk(choice, role, **probability(None))
    for step in script.steps():
        match step:
            case Failure():
                yield failure_chunk(step)
                return
            case Delta(_, Text(), token):
                for choice in range(choices):
                    yield chunk(choice, {"content": token}, **probability(token))
            case _:
                for delta in _deltas(script, step):
                    for choice in range(choices):
                        yield chunk(choice, delta)
    for choice in range(choices):
        yield chunk(choice, {}, script.finish, **probability(None))
    if usage:
        yield {**chunk(0, {}), "choices": [], "usage": chat_usage(script, choices)}


def failure_chunk(failure: Failure) -> Payload:
    """The chunk that says that the generation failed."""
    return {"error": {"message": failure.message, "type": "server_error", "param": None, "code": failure.code}}


def chat_usage(script: Script, choices: int = 1) -> dict[str, Any]:
    """The counts of a generation."""
    completion = script.completion_tokens * choices
    counts = {
        "prompt_tokens": script.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": script.prompt_tokens + completion,
    }
    if not script.reasoning_tokens:
        return counts
    return {**counts, "completion_tokens_details": {"reasoning_tokens": script.reasoning_tokens * choices}}


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = json_object(call)
    script = tell(_wanted(request))
    choices = request.get("n", 1)
    if not isinstance(choices, int) or not 1 <= choices <= MAX_CHOICES:
        raise Refusal(400, "invalid_request", f"`n` must be a whole number from 1 to {MAX_CHOICES}.")
    logprobs = bool(request.get("logprobs"))
    if not request.get("stream"):
        script.refuse_failure()
        return json_reply(200, _completion(script, identity, choices, logprobs))
    usage = mapping(request.get("stream_options")).get("include_usage") is True
    chunks = encode(script, identity, choices=choices, usage=usage, logprobs=logprobs)
    return stream_reply(call, seams, chunks, done_events, pace=pace)


def _models(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    models = [{"id": model, "object": "model", "created": 0, "owned_by": "tokenwire"} for model in MODELS]
    return json_reply(200, {"object": "list", "data": models})


def _wanted(request: Mapping[str, Any]) -> Wanted:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "invalid_request", "`messages` must be a list with at least one message.")
    tools = listed(request.get("tools")) if request.get("tool_choice") != "none" else []
    called = tools if request.get("parallel_tool_calls", True) else tools[:1]
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(text_of(message.get("content")) for message in listed(messages)),
        tools=tuple(tool_of(tool.get("function")) for tool in called),
        max_tokens=limit_of(request.get("max_completion_tokens"), request.get("max_tokens")),
        reasoning=request.get("reasoning_effort") not in (None, "none"),
    )


def _head(script: Script, identity: Identity, kind: str) -> Payload:
    number, created = identity.number, identity.created
    return {"id": f"chatcmpl-reference-{number:06}", "object": kind, "created": created, "model": script.model}


def _deltas(script: Script, step: Step) -> Iterator[Payload]:
    """The deltas of what is no text."""
    match step:
        case Delta(_, Reasoning(), token):
            yield {"reasoning_content": token}
        case Begin(number, ToolCall(id, name)):
            function = {"name": name, "arguments": ""}
            index = script.call_index(number)
            yield {"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}
        case Delta(number, ToolCall(), piece):
            yield {"tool_calls": [{"index": script.call_index(number), "function": {"arguments": piece}}]}


def _completion(script: Script, identity: Identity, choices: int, logprobs: bool) -> Payload:
    """The whole answer."""
    message: Payload = {"role": "assistant", "content": script.text or None, "refusal": None}
    if script.reasoning:
        message["reasoning_content"] = script.reasoning
    if script.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.whole}}
            for call in script.calls
        ]
    choice: Payload = {"message": message, "logprobs": None, "finish_reason": script.finish}
    if logprobs:
        tokens = [token for part in script.parts if isinstance(part, Text) for token in part.pieces]
        choice["logprobs"] = {"content": [_logprob(token) for token in tokens], "refusal": None}
    return {
        **_head(script, identity, "chat.completion"),
        "choices": [{"index": number, **choice} for number in range(choices)],
        "usage": chat_usage(script, choices),
    }


def _logprob(token: str) -> Payload:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}


def _key(call: Call) -> str:
    """Anthropic's clients list the models at the same path, and have their key in a field of their own."""
    return bearer_of(call) or (call.header("x-api-key") if call.path == "/v1/models" else "")


OPENAI_CHAT = Service(
    dialect="openai-chat",
    encode=encode,
    framing=done_events,
    key=_key,
    routes={
        "/v1/chat/completions": {"POST": _answer},
        "/v1/models": {"GET": _models},
    },
)
