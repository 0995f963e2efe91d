"""OpenAI Responses over WebSocket, the server's side of one connection.

`response.create` has the body of the POST. Responses with the same `stream_id` follow each other, those with different
ones go side by side. `response.steer` ends a response with `response.incomplete`, and its successor follows by itself;
one that calls tools is not ended, and the steer waits for their results. A `previous_response_id` is known on the
connection that made the response, or not at all.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from ..dialects.values import word
from .replies import Payload, messages_of
from .responses_events import MAX_KNOWN, encode, previous_not_found, response_id, wanted_of
from .seams import Turn
from .service import Identity
from .story import Part, Script, tell
from .wanted import Refusal, parse_object

__all__ = ["MAX_LANES", "ResponsesSocket"]

#: Named lanes of a connection, as OpenAI allows.
MAX_LANES = 32


@dataclass(slots=True, eq=False)
class _Running:
    """A response on its way. `left`: how many of its events have not gone out yet."""

    script: Script
    identity: Identity
    request: dict[str, Any]
    events: list[Payload]
    left: int
    steered: bool = False

    @property
    def id(self) -> str:
        return response_id(self.identity)

    @property
    def told(self) -> list[Payload]:
        return self.events[: len(self.events) - self.left]

    def steer(self, steer_id: str) -> None:
        """Ends the response with what has been told; one that calls tools goes on, and says what it waits for."""
        self.steered = True
        told = self.told
        steer = {"id": steer_id, "previous_response_id": self.id}
        if self.script.calls:
            outputs = [{"type": "function_call_output", "call_id": call.id} for call in self.script.calls]
            waiting = {"reason": "waiting_for_required_input", "required_input": outputs, "steer": steer}
            rest = [*self.events[len(told) :], {"type": "response.steer.pending", **waiting}]
        else:
            rest = list(encode(self._so_far(), self.identity, self.request, steered=True))[len(told) :]
        accepted = {"type": "response.steer.accepted", "steer": steer}
        new = [{**event, "sequence_number": number} for number, event in enumerate([accepted, *rest], len(told))]
        self.events, self.left = [*told, *new], len(new)

    def _so_far(self) -> Script:
        """What has been told, as a script of its own."""
        begun = sum(event["type"] == "response.output_item.added" for event in self.told)
        pieces = sum(event["type"].endswith(".delta") for event in self.told)
        parts: list[Part] = []
        for part in self.script.parts[:begun]:
            parts.append(replace(part, pieces=part.pieces[:pieces]))
            pieces -= len(parts[-1].pieces)
        return replace(self.script, parts=tuple(parts), limited=False, failure=None)


class ResponsesSocket:
    """One connection."""

    def __init__(self, query: Mapping[str, str], identify: Callable[[], Identity], pace: float) -> None:
        self._identify = identify
        self._pace = pace
        self._known: deque[str] = deque(maxlen=MAX_KNOWN)
        self._lanes: dict[str, list[_Running]] = {}
        self._steers = count(1)

    def opened(self) -> Turn:
        return Turn([])

    def received(self, message: str | bytes, pending: Counter[str]) -> Turn:
        lane = ""
        self._forget_what_was_told(pending)
        try:
            event = parse_object(message, "The message")
            lane = word(event.get("stream_id"))
            match event.get("type"):
                case "response.create":
                    return self._create(event, lane)
                case "response.steer":
                    return self._steer(event)
                case other:
                    raise Refusal(400, "unknown_event", f"An event of type {other!r} is not known.")
        except Refusal as refusal:
            kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
            error = {"type": kind, "code": refusal.code, "message": refusal.message, "param": None}
            said = {"type": "error", "status": refusal.status, "error": error}
            return Turn(messages_of(_in_lane([said], lane)))

    def _create(self, request: dict[str, Any], lane: str) -> Turn:
        previous = request.get("previous_response_id")
        if previous is not None and previous not in self._known:
            raise previous_not_found(previous)
        if lane and len({*self._lanes, lane} - {""}) > MAX_LANES:
            message = f"A connection has {MAX_LANES} streams at most."
            raise Refusal(400, "websocket_stream_limit_reached", message)
        try:
            running = self._run({**request, "background": False})
        except Refusal:
            if previous is not None:
                self._known.remove(previous)  # what a turn that failed went on from is forgotten
            raise
        self._lanes.setdefault(lane, []).append(running)
        return self._say(running.events, lane)

    def _run(self, request: dict[str, Any]) -> _Running:
        script = tell(wanted_of(request))
        if request.get("generate") is False:  # to warm up: there is a response to go on from, and nothing in it
            script = Script(script.model, (), script.prompt_tokens)
        identity = self._identify()
        events = list(encode(script, identity, request))
        self._known.append(response_id(identity))
        return _Running(script, identity, request, events, len(events))

    def _steer(self, event: Mapping[str, Any]) -> Turn:
        target, said = word(event.get("previous_response_id")), event.get("input")
        try:
            lane, running = self._steerable(target, said)
            successors = [] if running.script.calls else [self._successor(running, said)]
        except Refusal as refusal:
            error = {"type": "invalid_request_error", "code": refusal.code, "message": refusal.message}
            steer = {"previous_response_id": target, "input": said}
            failed = {"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": steer}
            return Turn(messages_of([failed]))
        running.steer(f"steer_reference_{next(self._steers)}")
        queue = self._lanes[lane]
        after = queue.index(running) + 1
        queue[after:after] = successors
        rest = [one for response in queue for one in response.events[-response.left :]]
        return self._say(rest, lane, replaces=True)

    def _successor(self, running: _Running, said: Any) -> _Running:
        """The response that follows a steered one.

        :raises Refusal: when it cannot be made.
        """
        try:
            return self._run({**running.request, "previous_response_id": running.id, "input": said})
        except Refusal as refusal:
            raise Refusal(400, "successor_creation_failed", refusal.message) from None

    def _steerable(self, target: str, said: Any) -> tuple[str, _Running]:
        """The lane and the response that can be steered.

        :raises Refusal: when it cannot.
        """
        if not said or not isinstance(said, str | list):
            raise Refusal(400, "invalid_input", "`input` must be a text or a list with at least one message.")
        for lane, queue in self._lanes.items():
            for running in queue:
                if running.id == target and running.steered:
                    raise Refusal(400, "too_many_pending_steers", "The response has been steered.")
                if running.id == target and not running.told:
                    raise Refusal(400, "response_not_active", "The response has not begun.")
                if running.id == target:
                    return lane, running
        if target in self._known:
            raise Refusal(400, "response_already_completed", "The response is complete.")
        raise Refusal(400, "response_not_found", f"Response with id {target!r} not found.")

    def _forget_what_was_told(self, pending: Counter[str]) -> None:
        for lane, queue in self._lanes.items():
            left = pending[_turns_of(lane)]
            for running in reversed(queue):
                running.left = min(left, len(running.events))
                left -= running.left
            self._lanes[lane] = [running for running in queue if running.left]

    def _say(self, events: Iterable[Payload], lane: str, *, replaces: bool = False) -> Turn:
        return Turn(messages_of(_in_lane(events, lane), self._pace), replaces=replaces, lane=_turns_of(lane))


def _turns_of(lane: str) -> str:
    """The lane of the turns that are about responses: all else has the one without a name."""
    return f"stream {lane}"


def _in_lane(events: Iterable[Payload], lane: str) -> Iterable[Payload]:
    return ({**event, "stream_id": lane} for event in events) if lane else events
