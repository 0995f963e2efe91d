"""An application's server for Vercel's AI SDK: `POST /vercel-ui/api/chat`, answered by a UI message stream.

Its base is `/vercel-ui`, for the path, which is the SDK's default, is Ollama's too. What the SDK sends says nothing of
the model; of an application's own members this one knows `model`, `tools` (`name`, `parameters`), `reasoning` and
`maxOutputTokens`. What is refused is refused in OpenAI's words, for the SDK shows any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import listed
from .replies import Payload, done_events, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import MODELS, Begin, Delta, Failure, Part, Reasoning, Script, Stop, ToolCall, tell
from .wanted import Refusal, Wanted, heard, json_object, limit_of, text_of, tool_of

__all__ = ["VERCEL_UI", "encode"]

_FINISH_REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool-calls"}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The chunks of a stream: one message of one step."""
    yield {"type": "start", "messageId": f"msg-reference-{identity.number:06}"}
    yield {"type": "start-step"}
    for step in script.steps():
        match step:
            case Failure():
                yield {"type": "error", "errorText": step.message}
                return
            case Begin(_, ToolCall() as call):
                yield {"type": "tool-input-start", "toolCallId": call.id, "toolName": call.name}
            case Delta(_, ToolCall() as call, piece):
                yield {"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": piece}
            case Stop(_, ToolCall() as call):
                called = {"toolCallId": call.id, "toolName": call.name, "input": json.loads(call.whole)}
                yield {"type": "tool-input-available", **called}
            case Begin(number, part):
                yield {"type": f"{_run(part)}-start", "id": str(number)}
            case Delta(number, part, token):
                yield {"type": f"{_run(part)}-delta", "id": str(number), "delta": token}
            case Stop(number, part):
                yield {"type": f"{_run(part)}-end", "id": str(number)}
    yield {"type": "finish-step"}
    yield {"type": "finish", "finishReason": _FINISH_REASONS[script.finish]}


def _answer(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    script = tell(_wanted(json_object(call)))
    reply = stream_reply(call, seams, encode(script, identity), done_events, pace=pace)
    return reply.with_header("x-vercel-ai-ui-message-stream", "v1")


def _wanted(request: Mapping[str, Any]) -> Wanted:
    messages = listed(request.get("messages"))
    if not messages:
        raise Refusal(400, "invalid_request", "`messages` must be a list with at least one message.")
    return Wanted(
        model=request.get("model", MODELS[0]),
        prompt=heard(text_of(message.get("parts")) for message in messages),
        tools=tuple(tool_of(tool) for tool in listed(request.get("tools"))),
        max_tokens=limit_of(request.get("maxOutputTokens")),
        reasoning=request.get("reasoning") is True,
    )


def _run(part: Part) -> str:
    return "reasoning" if isinstance(part, Reasoning) else "text"


VERCEL_UI = Service(
    dialect="vercel-ui",
    encode=encode,
    framing=done_events,
    routes={"/vercel-ui/api/chat": {"POST": _answer}},
)
