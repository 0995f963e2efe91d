"""The server's side of OpenAI Responses, as server-sent events and over WebSocket: `/v1/responses`.

`POST` answers streamed or whole: text, calls, a summary of the reasoning where one is asked for, a token limit, errors
before the stream as a status and within it as an `error` and `response.failed`. A response with `background: true` is
kept: `GET /v1/responses/{id}` gives it, with `stream=true&starting_after=N` what follows the event with that number.
What is said over WebSocket is in `responses_socket`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .recent import Recent
from .replies import Payload, json_reply, named_events, stream_reply
from .responses_events import MAX_KNOWN, encode, previous_not_found, response_id, wanted_of
from .responses_socket import ResponsesSocket
from .seams import Call, Reply, Seams
from .service import Identity, Service, bearer_of
from .story import Script, tell
from .wanted import Refusal, json_object

__all__ = ["MAX_KEPT", "openai_responses"]

#: Responses in the background that are kept, the last ones. Each holds its request, of 8 MiB at most.
MAX_KEPT = 32


@dataclass(frozen=True, slots=True)
class _Kept:
    """A response in the background."""

    script: Script
    identity: Identity
    request: Mapping[str, Any]

    def events(self) -> Iterator[Payload]:
        return encode(self.script, self.identity, self.request)


class _Responses:
    """The responses of an endpoint: it remembers them between requests."""

    def __init__(self) -> None:
        self._kept: Recent[_Kept] = Recent(MAX_KEPT)
        self._known: deque[str] = deque(maxlen=MAX_KNOWN)

    def create(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        request = json_object(call)
        previous = request.get("previous_response_id")
        if previous is not None and previous not in self._known:
            raise previous_not_found(previous)
        script = tell(wanted_of(request))
        made = _Kept(script, identity, request)
        self._known.append(response_id(identity))
        if request.get("background"):
            self._kept.keep(response_id(identity), made, bearer_of(call))
        if request.get("stream"):
            return stream_reply(call, seams, made.events(), named_events, pace=pace)
        if request.get("background"):
            return json_reply(200, next(made.events())["response"])
        script.refuse_failure()
        return json_reply(200, _last(made.events())["response"])

    def retrieve(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        asked = call.place["id"]
        kept = self._kept.get(asked, bearer_of(call))
        if kept is None:
            raise Refusal(404, "not_found", f"Response with id {asked!r} not found.")
        if call.query.get("stream") != "true":
            return json_reply(200, _last(kept.events())["response"])
        if not kept.request.get("stream"):
            raise Refusal(400, "invalid_request", "The response was not created with `stream: true`.")
        try:
            after = int(call.query.get("starting_after", "-1"))
        except ValueError:
            raise Refusal(400, "invalid_request", "`starting_after` must be a whole number.") from None
        rest = (event for event in kept.events() if event["sequence_number"] > after)
        return stream_reply(call, seams, rest, named_events, pace=pace)


def _last(events: Iterable[Payload]) -> Payload:
    *_, last = events
    return last


def openai_responses() -> Service:
    """The service, for one endpoint."""
    responses = _Responses()
    return Service(
        dialect="openai-responses",
        encode=encode,
        framing=named_events,
        routes={
            "/v1/responses": {"POST": responses.create},
            "/v1/responses/{id}": {"GET": responses.retrieve},
        },
        sockets={"/v1/responses": ResponsesSocket},
    )
