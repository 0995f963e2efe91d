"""The server's side of OpenAI Chat Completions: a call in, a reply out, streamed or whole.

`POST /v1/chat/completions` as OpenAI's API description has it: usage on request, tools, several choices, log
probabilities, a token limit, errors before the stream as a status and within it as an error chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .seams import Call, Piece, Reply, Seams
from .story import STORY, count_tokens, tool_argument_tokens, tool_arguments

__all__ = ["CONTEXT_TOKENS", "MODELS", "answer_chat", "error_reply", "json_reply", "sse_reply"]

#: The models that are served. The first one answers; the others fail, before the stream and within it.
MODELS = ("tokenwire-reference", "tokenwire-overloaded", "tokenwire-fails-midstream")

#: Tokens that a prompt may have.
CONTEXT_TOKENS = 32_768

#: Choices that may be asked for at once.
MAX_CHOICES = 8

#: Tokens that the failing model gives before it fails.
_TOKENS_BEFORE_FAILURE = 5


@dataclass(frozen=True, slots=True)
class _Generation:
    """One answer: its text or its tool calls, and why it stops."""

    tokens: tuple[str, ...]
    tools: tuple[tuple[str, str, str], ...]
    finish: str

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def count(self) -> int:
        return len(self.tokens) + sum(len(tool_argument_tokens(arguments)) for _, _, arguments in self.tools)


class _Refused(Exception):
    """The request is answered by an error reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


def answer_chat(call: Call, seams: Seams, *, number: int, created: int, pace: float) -> Reply:
    """Answers one request.

    :param number: makes the id, so that it differs from request to request.
    :param created: seconds since 1970, as the chunks say.
    :param pace: seconds between two pieces of the stream.
    """
    try:
        request = _request(call)
        identity = {"id": f"chatcmpl-reference-{number:06}", "created": created, "model": request["model"]}
        generation = _generation(request)
    except _Refused as refused:
        return refused.reply
    if not request.get("stream"):
        return json_reply(200, _completion(request, generation, identity))
    chunks = seams.chunks(call, list(_chunks(request, generation, identity)))
    blocks = [b"data: " + _json(chunk) + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
    return sse_reply(seams.blocks(call, blocks), pace)


def json_reply(status: int, body: Mapping[str, Any]) -> Reply:
    """A whole reply of JSON."""
    return Reply(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], _json(body))


def error_reply(status: int, kind: str, code: str, message: str) -> Reply:
    """A refusal in OpenAI's form."""
    return json_reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


def sse_reply(blocks: list[bytes], pace: float) -> Reply:
    """A reply of server-sent events that no cache keeps and no proxy holds back."""
    headers = [
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("Cache-Control", "no-store, no-transform"),
        ("X-Accel-Buffering", "no"),
    ]
    return Reply(200, headers, pieces=[Piece(pace if number else 0.0, block) for number, block in enumerate(blocks)])


def _request(call: Call) -> dict[str, Any]:
    if call.header("content-type").partition(";")[0].strip().lower() != "application/json":
        raise _refusal(415, "unsupported_media_type", "Send the request as application/json.")
    try:
        request = json.loads(call.body)
    except (ValueError, RecursionError):
        raise _refusal(400, "invalid_json", "The body of the request is not JSON.") from None
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list) or not request["messages"]:
        raise _refusal(400, "invalid_request", "`messages` must be a list with at least one message.")
    model = request.get("model")
    if model not in MODELS:
        raise _refusal(404, "model_not_found", f"The model {model!r} does not exist. Known: {', '.join(MODELS)}.")
    if model == MODELS[1]:
        reply = error_reply(503, "server_error", "overloaded", "The model is overloaded. Try again in two seconds.")
        raise _Refused(reply.with_header("Retry-After", "2"))
    if _prompt_tokens(request) > CONTEXT_TOKENS:
        raise _refusal(400, "context_length_exceeded", f"The prompt is longer than {CONTEXT_TOKENS} tokens.")
    choices = request.get("n", 1)
    if not isinstance(choices, int) or not 1 <= choices <= MAX_CHOICES:
        raise _refusal(400, "invalid_request", f"`n` must be a whole number from 1 to {MAX_CHOICES}.")
    return request


def _refusal(status: int, code: str, message: str) -> _Refused:
    return _Refused(error_reply(status, "invalid_request_error", code, message))


def _generation(request: Mapping[str, Any]) -> _Generation:
    tools = request.get("tools")
    if isinstance(tools, list) and tools and request.get("tool_choice") != "none":
        called = tools if request.get("parallel_tool_calls", True) else tools[:1]
        calls = tuple(
            (f"call_reference_{number}", _tool_name(tool), tool_arguments(tool)) for number, tool in enumerate(called)
        )
        return _Generation((), calls, "tool_calls")
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    if isinstance(limit, int) and 0 < limit < len(STORY):
        return _Generation(STORY[:limit], (), "length")
    return _Generation(STORY, (), "stop")


def _tool_name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    return str(function.get("name")) if isinstance(function, dict) else "unnamed"


def _chunks(
    request: Mapping[str, Any], generation: _Generation, identity: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    choices = range(request.get("n", 1))
    options = request.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    no_usage = {"usage": None} if with_usage else {}
    fails = request["model"] == MODELS[2]

    def chunk(choice: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
        return {
            "id": identity["id"],
            "object": "chat.completion.chunk",
            "created": identity["created"],
            "model": identity["model"],
            "choices": [{"index": choice, "delta": delta, **more, "finish_reason": finish}],
            **no_usage,
        }

    def logprobs(token: str | None) -> dict[str, Any]:
        return {"logprobs": _logprobs(token)} if request.get("logprobs") else {}

    for choice in choices:
        yield chunk(choice, {"role": "assistant", "content": "" if generation.tokens else None}, **logprobs(None))
    for number, token in enumerate(generation.tokens):
        if fails and number == _TOKENS_BEFORE_FAILURE:
            yield {"error": {"message": "The model failed.", "type": "server_error", "param": None, "code": "failed"}}
            return
        for choice in choices:
            yield chunk(choice, {"content": token}, **logprobs(token))
    for number, (tool_id, name, arguments) in enumerate(generation.tools):
        for choice in choices:
            function = {"name": name, "arguments": ""}
            first = {"index": number, "id": tool_id, "type": "function", "function": function}
            yield chunk(choice, {"tool_calls": [first]})
            for piece in tool_argument_tokens(arguments):
                yield chunk(choice, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    for choice in choices:
        yield chunk(choice, {}, generation.finish, **logprobs(None))
    if with_usage:
        last = chunk(0, {})
        yield {**last, "choices": [], "usage": _usage(request, generation)}


def _completion(request: Mapping[str, Any], generation: _Generation, identity: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": generation.text or None, "refusal": None}
    if generation.tools:
        message["tool_calls"] = [
            {"id": tool_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for tool_id, name, arguments in generation.tools
        ]
    choice = {"message": message, "logprobs": None, "finish_reason": generation.finish}
    if request.get("logprobs"):
        choice["logprobs"] = {"content": [_logprob(token) for token in generation.tokens], "refusal": None}
    return {
        "id": identity["id"],
        "object": "chat.completion",
        "created": identity["created"],
        "model": identity["model"],
        "choices": [{"index": number, **choice} for number in range(request.get("n", 1))],
        "usage": _usage(request, generation),
    }


def _usage(request: Mapping[str, Any], generation: _Generation) -> dict[str, int]:
    prompt, completion = _prompt_tokens(request), generation.count * int(request.get("n", 1))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _prompt_tokens(request: Mapping[str, Any]) -> int:
    contents = (message.get("content") for message in request["messages"] if isinstance(message, dict))
    return sum(count_tokens(content) for content in contents if isinstance(content, str))


def _logprobs(token: str | None) -> dict[str, Any] | None:
    return None if token is None else {"content": [_logprob(token)], "refusal": None}


def _logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Legal as they are, and still taken for line ends by many readers of streams.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085").encode()
