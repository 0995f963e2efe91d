"""The server's side of OpenAI's Realtime API, for text and tools: `GET /v1/realtime?model=…`, upgraded.

`session.created` greets; `session.update` and `conversation.item.create` are acknowledged; `response.create` is
answered by a response whose output is text, or calls where the session or the response has tools; `response.cancel`
ends it with status cancelled, and with nothing to cancel there is an `error`, after which the session goes on. A
response that fails is done with status failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from ..dialects.values import listed, mapping
from .replies import Payload, messages_of
from .seams import Turn
from .service import Identity, Service
from .story import MODELS, Begin, Delta, Failure, Part, Reasoning, Script, Stop, Text, ToolCall, tell
from .wanted import Heard, Refusal, Wanted, heard, limit_of, parse_object, text_of, tool_of

__all__ = ["OPENAI_REALTIME", "Realtime", "encode"]

#: The lane of responses: what is said of other things does not wait for them.
_RESPONSE = "response"


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The events of a response, without their `event_id`. The dialect shows no reasoning: it is left out."""
    response = _response_id(identity)
    output: list[Payload] = []
    yield {"type": "response.created", "response": _described(response, "in_progress")}
    for step in script.steps():
        if isinstance(step, Failure):
            error = {"type": "server_error", "code": step.code, "message": step.message}
            done = _described(response, "failed", output, {"type": "failed", "error": error})
            yield {"type": "response.done", "response": done}
            return
        if isinstance(step.part, Reasoning):
            continue
        item = f"item_reference_{identity.number:06}_{len(output)}"
        place = {"response_id": response, "item_id": item, "output_index": len(output)}
        match step:
            case Begin(_, part):
                yield from _begun(part, place)
            case Delta(_, part, text):
                yield {"type": f"{_run(part)}.delta", **place, **_address(part), "delta": text}
            case Stop(_, part):
                yield from _stopped(part, place)
                output.append(_item(part, item, "completed"))
    status, details = "completed", None
    if script.limited:
        status, details = "incomplete", {"type": "incomplete", "reason": "max_output_tokens"}
    yield {"type": "response.done", "response": _described(response, status, output, details, _usage(script))}


class Realtime:
    """One session."""

    def __init__(self, query: Mapping[str, str], identify: Callable[[], Identity], pace: float) -> None:
        self._session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_reference",
            "model": query.get("model", MODELS[0]),
            "output_modalities": ["text"],
        }
        self._identify = identify
        self._pace = pace
        self._numbers = count(1)
        self._heard = Heard()
        self._response = ""  # the last one

    def opened(self) -> Turn:
        return self._turn([{"type": "session.created", "session": self._session}])

    def received(self, message: str | bytes, pending: Counter[str]) -> Turn:
        asking = None
        try:
            event = parse_object(message, "The event")
            asking = event.get("event_id")
            return self._answer(event, bool(pending[_RESPONSE]))
        except Refusal as refusal:
            kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
            error = {"type": kind, "code": refusal.code, "message": refusal.message, "param": None}
            return self._turn([{"type": "error", "error": {**error, "event_id": asking}}])

    def _answer(self, event: Payload, active: bool) -> Turn:
        match event.get("type"):
            case "session.update":
                self._session.update(mapping(event.get("session")))
                return self._turn([{"type": "session.updated", "session": self._session}])
            case "conversation.item.create":
                return self._turn(self._added(mapping(event.get("item"))))
            case "response.create" if active:
                raise Refusal(400, "conversation_already_has_active_response", "A response is being generated.")
            case "response.create":
                return self._respond(mapping(event.get("response")))
            case "response.cancel" if active:
                done = {"type": "response.done", "response": _described(self._response, "cancelled")}
                return self._turn([done], lane=_RESPONSE, replaces=True)
            case "response.cancel":
                raise Refusal(400, "response_cancel_not_active", "Nothing is being generated.")
            case other:
                raise Refusal(400, "unknown_event", f"An event of type {other!r} is not known.")

    def _added(self, item: Payload) -> Iterator[Payload]:
        self._heard += heard([text_of(item.get("content"))])
        item = {"id": f"item_{next(self._numbers)}", **item}
        for kind in ("conversation.item.added", "conversation.item.done"):
            yield {"type": kind, "previous_item_id": None, "item": item}

    def _respond(self, response: Payload) -> Turn:
        """What the response does not say itself, the session says."""
        script = tell(_wanted({**self._session, **response}, self._heard))
        identity = self._identify()
        self._response = _response_id(identity)
        return self._turn(encode(script, identity), self._pace, lane=_RESPONSE)

    def _turn(self, events: Iterable[Payload], pace: float = 0.0, *, lane: str = "", replaces: bool = False) -> Turn:
        numbered = [{**event, "event_id": f"event_{next(self._numbers)}"} for event in events]
        return Turn(messages_of(numbered, pace), lane=lane, replaces=replaces)


def _wanted(asked: Mapping[str, Any], said: Heard) -> Wanted:
    tools = listed(asked.get("tools")) if asked.get("tool_choice") != "none" else []
    return Wanted(
        model=asked["model"],
        prompt=said,
        tools=tuple(tool_of(tool) for tool in tools),
        max_tokens=limit_of(asked.get("max_output_tokens")),
    )


def _begun(part: Part, place: Payload) -> Iterator[Payload]:
    item = _item(part, place["item_id"], "in_progress")
    yield {"type": "response.output_item.added", **_in_response(place), "item": item}
    yield {"type": "conversation.item.added", "previous_item_id": None, "item": item}
    if isinstance(part, Text):
        yield {"type": "response.content_part.added", **place, **_address(part), "part": {"type": "text", "text": ""}}


def _stopped(part: Part, place: Payload) -> Iterator[Payload]:
    whole = {"text": part.whole} if isinstance(part, Text) else {"arguments": part.whole}
    yield {"type": f"{_run(part)}.done", **place, **_address(part), **whole}
    if isinstance(part, Text):
        said = {"type": "text", "text": part.whole}
        yield {"type": "response.content_part.done", **place, **_address(part), "part": said}
    item = _item(part, place["item_id"], "completed")
    yield {"type": "response.output_item.done", **_in_response(place), "item": item}
    yield {"type": "conversation.item.done", "previous_item_id": None, "item": item}


def _run(part: Part) -> str:
    return "response.output_text" if isinstance(part, Text) else "response.function_call_arguments"


def _address(part: Part) -> Payload:
    """What a delta has besides its place."""
    return {"call_id": part.id} if isinstance(part, ToolCall) else {"content_index": 0}


def _in_response(place: Payload) -> Payload:
    return {"response_id": place["response_id"], "output_index": place["output_index"]}


def _item(part: Part, item: str, status: str) -> Payload:
    """An item of the output: what has been said of it as long as it is in progress is told by the deltas."""
    whole = part.whole if status == "completed" else ""
    described = {"id": item, "object": "realtime.item", "status": status}
    if isinstance(part, ToolCall):
        call = {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": whole}
        return {**described, **call}
    content = [{"type": "output_text", "text": whole}] if whole else []
    return {**described, "type": "message", "role": "assistant", "content": content}


def _described(
    response: str,
    status: str,
    output: Sequence[Payload] = (),
    details: Payload | None = None,
    usage: Payload | None = None,
) -> Payload:
    return {
        "object": "realtime.response",
        "id": response,
        "status": status,
        "status_details": details,
        "output": list(output),
        "conversation_id": "conv_reference",
        "usage": usage,
    }


def _usage(script: Script) -> Payload:
    prompt, completion = script.prompt_tokens, script.completion_tokens
    return {"total_tokens": prompt + completion, "input_tokens": prompt, "output_tokens": completion}


def _response_id(identity: Identity) -> str:
    return f"resp_reference_{identity.number:06}"


OPENAI_REALTIME = Service(
    dialect="openai-realtime",
    encode=encode,
    sockets={"/v1/realtime": Realtime},
)
