"""An AG-UI agent: `POST /ag-ui` with a `RunAgentInput`, answered by the events of one run.

An agent knows its model itself; this one heeds `model`, `reasoning` and `maxTokens` in `forwardedProps`. The tools are
those of the user interface, which has to run what is called: the run ends with the calls pending. What is refused is
refused in OpenAI's words, for the protocol has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import listed, mapping, word
from .replies import Payload, stream_reply, unnamed_events
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import MODELS, Begin, Delta, Failure, Part, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["AG_UI", "encode"]


def encode(script: Script, identity: Identity, *, thread: str = "", run: str = "") -> Iterator[Payload]:
    """The events of a run. `thread` and `run`: the ids that the client gave them."""
    ids = {"threadId": thread or "thread-reference", "runId": run or f"run-reference-{identity.number:06}"}
    yield {"type": "RUN_STARTED", **ids}
    for step in script.steps():
        match step:
            case Failure():
                yield {"type": "RUN_ERROR", "message": step.message, "code": step.code}
                return
            case Begin(number, part):
                yield from _begun(part, _message(identity, number))
            case Delta(_, ToolCall() as call, piece):
                yield {"type": "TOOL_CALL_ARGS", "toolCallId": call.id, "delta": piece}
            case Delta(number, part, token):
                yield {"type": f"{_family(part)}_CONTENT", "messageId": _message(identity, number), "delta": token}
            case Stop(number, part):
                yield from _stopped(part, _message(identity, number))
    outcome: Payload = {"type": "success"}
    if script.calls:
        outcome["pendingToolCallIds"] = [call.id for call in script.calls]
    yield {"type": "RUN_FINISHED", **ids, "outcome": outcome, "usage": [_usage(script)]}


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    request = json_object(call)
    script = tell(_wanted(request))
    events = encode(script, identity, thread=word(request.get("threadId")), run=word(request.get("runId")))
    return stream_reply(call, seams, events, unnamed_events, pace=pace)


def _wanted(request: Mapping[str, Any]) -> Wanted:
    missing = [name for name in ("threadId", "runId", "messages") if name not in request]
    if missing:
        raise Refusal(422, "invalid_request", f"A RunAgentInput has {' and '.join(missing)}.")
    asked = mapping(request.get("forwardedProps"))
    return Wanted(
        model=asked.get("model", MODELS[0]),
        prompt=heard(text_of(message.get("content")) for message in listed(request.get("messages"))),
        tools=tuple(tool_of(tool) for tool in listed(request.get("tools"))),
        max_tokens=limit_of(asked.get("maxTokens")),
        reasoning=asked.get("reasoning") is True,
    )


def _begun(part: Part, message: str) -> Iterator[Payload]:
    match part:
        case Text():
            yield {"type": "TEXT_MESSAGE_START", "messageId": message, "role": "assistant"}
        case Reasoning():
            yield {"type": "REASONING_START", "messageId": message}
            yield {"type": "REASONING_MESSAGE_START", "messageId": message, "role": "reasoning"}
        case ToolCall():
            yield {"type": "TOOL_CALL_START", "toolCallId": part.id, "toolCallName": part.name}


def _stopped(part: Part, message: str) -> Iterator[Payload]:
    if isinstance(part, ToolCall):
        yield {"type": "TOOL_CALL_END", "toolCallId": part.id}
        return
    yield {"type": f"{_family(part)}_END", "messageId": message}
    if isinstance(part, Reasoning):
        yield {"type": "REASONING_END", "messageId": message}


def _family(part: Part) -> str:
    """How the types of the events of a message begin."""
    return "REASONING_MESSAGE" if isinstance(part, Reasoning) else "TEXT_MESSAGE"


def _message(identity: Identity, number: int) -> str:
    return f"msg-reference-{identity.number:06}-{number}"


def _usage(script: Script) -> Payload:
    prompt, completion = script.prompt_tokens, script.completion_tokens
    counts = {"inputTokens": prompt, "outputTokens": completion, "totalTokens": prompt + completion}
    reasoning = {"reasoningTokens": script.reasoning_tokens} if script.reasoning_tokens else {}
    return {"provider": "tokenwire", "model": script.model, **counts, **reasoning}


AG_UI = Service(
    dialect="ag-ui",
    encode=encode,
    framing=unnamed_events,
    routes={"/ag-ui": {"POST": _answer}},
)
