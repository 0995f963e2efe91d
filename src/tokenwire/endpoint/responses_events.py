"""The events of OpenAI's Responses, and what a request for one wants.

The format is that of OpenAI's API description: `response.created`, the output items with their parts and deltas, each
ended by what repeats the whole, then `response.completed`, `response.incomplete`, or an `error` and `response.failed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.values import listed, mapping
from .replies import Payload
from .service import Identity
from .story import Begin, Delta, Failure, Part, Reasoning, Script, Stop, Text, ToolCall
from .wanted import Refusal, Wanted, heard, limit_of, text_of, tool_of

__all__ = ["MAX_KNOWN", "encode", "previous_not_found", "response_id", "wanted_of"]

#: Ids that are remembered as those of earlier responses, the last ones.
MAX_KNOWN = 1000

#: The beginning of an item's id.
_PREFIXES: dict[type[Part], str] = {Text: "msg", Reasoning: "rs", ToolCall: "fc"}

#: What a response repeats of its request, and what it has where that does not say.
_REPEATED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": None,
    "tool_choice": "auto",
    "tools": [],
}


def encode(
    script: Script, identity: Identity, request: Mapping[str, Any] | None = None, *, steered: bool = False
) -> Iterator[Payload]:
    """The events of a response.

    :param request: which the response repeats in part.
    :param steered: what the script tells is all, since the response was steered.
    """
    for number, event in enumerate(_events(script, identity, request or {}, steered)):
        yield {"type": event["type"], "sequence_number": number, **event}


def _events(script: Script, identity: Identity, request: Mapping[str, Any], steered: bool) -> Iterator[Payload]:
    response = _described(script, identity, request)
    if response["background"]:
        yield {"type": "response.created", "response": {**response, "status": "queued"}}
        yield {"type": "response.queued", "response": {**response, "status": "queued"}}
    else:
        yield {"type": "response.created", "response": response}
    yield {"type": "response.in_progress", "response": response}
    output: list[Payload] = []
    for step in script.steps():
        if isinstance(step, Failure):
            error = {"type": "server_error", "code": step.code, "message": step.message, "param": None}
            yield {"type": "error", "error": error}
            said = {"code": step.code, "message": step.message}
            failed = {**response, "status": "failed", "output": output, "error": said}
            yield {"type": "response.failed", "response": failed}
            return
        item = f"{_PREFIXES[type(step.part)]}_reference_{identity.number:06}_{step.number}"
        place = {"item_id": item, "output_index": step.number}
        match step:
            case Begin(number, part):
                added = _item(part, item, "in_progress")
                yield {"type": "response.output_item.added", "output_index": number, "item": added}
                yield from _part_added(part, place)
            case Delta(_, part, text):
                yield {"type": f"{_run(part)}.delta", **place, **_address(part), "delta": text}
            case Stop(number, part):
                yield from _part_done(part, place)
                output.append(_item(part, item, "completed"))
                yield {"type": "response.output_item.done", "output_index": number, "item": output[-1]}
    why = "steered" if steered else "max_output_tokens" if script.limited else None
    status = "incomplete" if why else "completed"
    done = {
        **response,
        "status": status,
        "incomplete_details": why and {"reason": why},
        "output": output,
        "usage": _usage(script),
    }
    yield {"type": f"response.{status}", "response": done}


def _described(script: Script, identity: Identity, request: Mapping[str, Any]) -> Payload:
    return {
        "id": response_id(identity),
        "object": "response",
        "created_at": identity.created,
        "status": "in_progress",
        "model": script.model,
        "error": None,
        "incomplete_details": None,
        **{name: request.get(name, default) for name, default in _REPEATED.items()},
        "output": [],
        "usage": None,
    }


def response_id(identity: Identity) -> str:
    """The id of a response."""
    return f"resp_reference_{identity.number:06}"


def _run(part: Part) -> str:
    match part:
        case Text():
            return "response.output_text"
        case Reasoning():
            return "response.reasoning_summary_text"
        case ToolCall():
            return "response.function_call_arguments"


def _address(part: Part) -> Payload:
    """What a delta has besides its place."""
    match part:
        case Text():
            return {"content_index": 0, "logprobs": []}
        case Reasoning():
            return {"summary_index": 0}
        case ToolCall():
            return {}


def _part_added(part: Part, place: Payload) -> Iterator[Payload]:
    match part:
        case Text():
            yield {"type": "response.content_part.added", **place, "content_index": 0, "part": _text("")}
        case Reasoning():
            summary = {"type": "summary_text", "text": ""}
            yield {"type": "response.reasoning_summary_part.added", **place, "summary_index": 0, "part": summary}


def _part_done(part: Part, place: Payload) -> Iterator[Payload]:
    match part:
        case Text(whole=whole):
            yield {"type": "response.output_text.done", **place, **_address(part), "text": whole}
            yield {"type": "response.content_part.done", **place, "content_index": 0, "part": _text(whole)}
        case Reasoning(whole=whole):
            summary = {"type": "summary_text", "text": whole}
            yield {"type": "response.reasoning_summary_text.done", **place, "summary_index": 0, "text": whole}
            yield {"type": "response.reasoning_summary_part.done", **place, "summary_index": 0, "part": summary}
        case ToolCall(whole=whole, name=name):
            yield {"type": "response.function_call_arguments.done", **place, "name": name, "arguments": whole}


def _item(part: Part, item: str, status: str) -> Payload:
    """An item of the output: empty as long as it is in progress, since the deltas tell what is in it."""
    done = status == "completed"
    match part:
        case Text():
            content = [_text(part.whole)] if done else []
            return {"type": "message", "id": item, "status": status, "role": "assistant", "content": content}
        case Reasoning():
            return {
                "type": "reasoning",
                "id": item,
                "summary": [{"type": "summary_text", "text": part.whole}] if done else [],
            }
        case ToolCall():
            arguments = part.whole if done else ""
            call = {"call_id": part.id, "name": part.name, "arguments": arguments}
            return {"type": "function_call", "id": item, "status": status, **call}


def _text(text: str) -> Payload:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _usage(script: Script) -> Payload:
    return {
        "input_tokens": script.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": script.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": script.reasoning_tokens},
        "total_tokens": script.prompt_tokens + script.completion_tokens,
    }


def wanted_of(request: Mapping[str, Any]) -> Wanted:
    """What a request wants.

    :raises Refusal: when it has no input.
    """
    said = request.get("input")
    if not said or not isinstance(said, str | list):
        raise Refusal(400, "invalid_request", "`input` must be a text or a list with at least one item.")
    contents = [said] if isinstance(said, str) else [item.get("content") for item in listed(said)]
    offered = listed(request.get("tools")) if request.get("tool_choice") != "none" else []
    tools = [tool for tool in offered if tool.get("type") == "function"]
    called = tools if request.get("parallel_tool_calls", True) else tools[:1]
    return Wanted(
        model=request.get("model", ""),
        prompt=heard(text_of(content) for content in [request.get("instructions"), *contents]),
        tools=tuple(tool_of(tool) for tool in called),
        max_tokens=limit_of(request.get("max_output_tokens")),
        reasoning=mapping(request.get("reasoning")).get("summary") is not None,
    )


def previous_not_found(previous: str) -> Refusal:
    """The refusal of a request that goes on from a response which is not known."""
    return Refusal(400, "previous_response_not_found", f"Previous response with id {previous!r} not found.")
