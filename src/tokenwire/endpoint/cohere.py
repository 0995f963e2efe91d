"""The server's side of Cohere's chat, version 2: `POST /v2/chat`, streamed or whole.

Content and calls are counted apart. A generation that fails ends as every other does, with a `message-end` whose reason
is ERROR, and the end mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..dialects.values import listed, mapping
from .replies import Payload, json_reply, named_events, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import Begin, Delta, Failure, Part, Reasoning, Script, Stop, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["COHERE_V2", "encode"]

_REASONS = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The events of a stream."""
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": _id(identity), "delta": {"message": empty}}
    for step in script.steps():
        match step:
            case Failure():
                failed = {"finish_reason": "ERROR", "error": step.message, "error_type": step.code}
                yield {"type": "message-end", "id": _id(identity), "delta": failed}
                return
            case Begin(number, ToolCall() as call):
                yield _event("tool-call-start", _index(script, number), tool_calls=_called(call, ""))
            case Delta(number, ToolCall(), piece):
                yield _event("tool-call-delta", _index(script, number), tool_calls={"function": {"arguments": piece}})
            case Stop(number, ToolCall()):
                yield {"type": "tool-call-end", "index": _index(script, number)}
            case Begin(number, part):
                yield _event("content-start", _index(script, number), content=_content(part, ""))
            case Delta(number, part, token):
                yield _event("content-delta", _index(script, number), content={_word(part): token})
            case Stop(number, _):
                yield {"type": "content-end", "index": _index(script, number)}
    end = {"finish_reason": _REASONS[script.finish], "usage": _usage(script)}
    yield {"type": "message-end", "id": _id(identity), "delta": end}


def _framing(payloads: Iterable[Payload]) -> list[bytes]:
    return [*named_events(payloads), b"data: [DONE]\n\n"]


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = json_object(call)
    script = tell(_wanted(request))
    if request.get("stream"):
        return stream_reply(call, seams, encode(script, identity), _framing, pace=pace)
    script.refuse_failure()
    message: Payload = {"role": "assistant"}
    content = [_content(part, part.whole) for part in script.parts if not isinstance(part, ToolCall)]
    if content:
        message["content"] = content
    if script.calls:
        message["tool_calls"] = [_called(part, part.whole) for part in script.calls]
    answer = {"id": _id(identity), "finish_reason": _REASONS[script.finish], "message": message}
    return json_reply(200, {**answer, "usage": _usage(script)})


def _wanted(request: Mapping[str, Any]) -> Wanted:
    messages = listed(request.get("messages"))
    if not messages:
        raise Refusal(400, "invalid_request", "invalid request: at least one message must be specified.")
    tools = listed(request.get("tools")) if request.get("tool_choice") != "NONE" else []
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(text_of(message.get("content")) for message in messages),
        tools=tuple(tool_of(tool.get("function")) for tool in tools),
        max_tokens=limit_of(request.get("max_tokens")),
        reasoning=mapping(request.get("thinking")).get("type") == "enabled",
    )


def _event(kind: str, index: int, **said: Payload) -> Payload:
    return {"type": kind, "index": index, "delta": {"message": said}}


def _index(script: Script, number: int) -> int:
    """Which of the calls a part is, or which of all others."""
    calls = script.call_index(number)
    return calls if isinstance(script.parts[number], ToolCall) else number - calls


def _content(part: Part, text: str) -> Payload:
    kind = _word(part)
    return {"type": kind, kind: text}


def _word(part: Part) -> str:
    return "thinking" if isinstance(part, Reasoning) else "text"


def _called(call: ToolCall, arguments: str) -> Payload:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _usage(script: Script) -> Payload:
    counts = {"input_tokens": script.prompt_tokens, "output_tokens": script.completion_tokens}
    return {"billed_units": counts, "tokens": counts}


def _id(identity: Identity) -> str:
    return f"reference-{identity.number:06}"


def _refuse(refusal: Refusal) -> Reply:
    return json_reply(refusal.status, {"message": refusal.message})


COHERE_V2 = Service(
    dialect="cohere-v2",
    encode=encode,
    framing=_framing,
    routes={"/v2/chat": {"POST": _answer}},
    refuse=_refuse,
)
