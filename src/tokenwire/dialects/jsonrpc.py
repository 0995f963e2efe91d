"""JSON-RPC 2.0 as MCP and A2A send it over HTTP: the bytes of a reply in, envelopes out.

A reply is an event stream with one message an event, or one JSON object, as its content type says. Nothing a peer may
send raises: what is no JSON-RPC message becomes `Unreadable`, batches too, which both protocols have done away with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import EventTooLarge
from ..framing.sse import MAX_EVENT_SIZE, Note, ServerSentEvent, SSEParser, as_bytes
from .values import error_fields, error_message, index_of, mapping, parse, word

__all__ = [
    "Envelope",
    "ErrorResponse",
    "Notification",
    "Reply",
    "Request",
    "RequestId",
    "Response",
    "Unreadable",
    "as_object",
    "envelope",
    "error_response",
    "is_same_id",
]

#: JSON-RPC 2.0, 4: a string or a number; both protocols leave out fractions, and MCP also null.
RequestId = str | int


@dataclass(slots=True)
class Request:
    """The peer asks something, and waits for a response with this id."""

    id: RequestId
    method: str
    params: Mapping[str, Any]
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class Notification:
    """The peer tells something, such as progress."""

    method: str
    params: Mapping[str, Any]
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class Response:
    """The answer to the request with this id."""

    id: RequestId
    result: Any
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class ErrorResponse:
    """The request failed. `id` is None where the peer could not tell which one; `code` is 0 where it gave none."""

    id: RequestId | None
    code: int
    message: str
    data: Any = None
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class Unreadable:
    """A message that is none of the protocol; `reason` says why."""

    reason: str
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


Envelope = Request | Notification | Response | ErrorResponse | Unreadable


class Reply:
    """The body of a reply: its messages, and the blocks that only moved the last event ID, in their order.

    :param content_type: of the reply; "application/json" is one message, anything else an event stream.
    :param last_event_id: where an earlier connection stopped.
    :param max_event_size: bytes, as in `SSEParser`; also of a JSON reply.
    """

    def __init__(self, content_type: str, last_event_id: str = "", max_event_size: int = MAX_EVENT_SIZE) -> None:
        self._notes: list[Note] = []
        self._parser = SSEParser(last_event_id=last_event_id, max_event_size=max_event_size, observe=self._notes.append)
        self._is_json = content_type.partition(";")[0].strip().lower() == "application/json"
        self._json = bytearray()
        self._max_event_size = max_event_size

    @property
    def last_event_id(self) -> str:
        """For the Last-Event-ID header of the next connection; empty where there is none."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds."""
        return self._parser.retry

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[ServerSentEvent]:
        """Takes the next bytes of the body. An empty `data` stands for an event without one: only its id counts.

        :raises EventTooLarge: when the limit is passed.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self._is_json:
            self._json += data
            if len(self._json) > self._max_event_size:
                raise EventTooLarge(
                    f"the reply is larger than max_event_size, {self._max_event_size} bytes",
                    offset=len(self._json),
                    clause="limit of the reader",
                )
            return []
        events = self._parser.receive_data(data)
        return self._with_ids(events) if self._notes else events

    def receive_eof(self) -> list[ServerSentEvent]:
        """The body ended: a JSON reply is complete."""
        if not self._is_json:
            return self._parser.receive_eof()
        text, self._json = self._json.decode("utf-8", "replace"), bytearray()
        return [ServerSentEvent("message", text, "")] if text else []

    def _with_ids(self, events: list[ServerSentEvent]) -> list[ServerSentEvent]:
        merged: list[ServerSentEvent] = []
        taken = 0
        for note in self._notes:
            if note.kind == "id":
                merged += events[taken : note.position]
                merged.append(ServerSentEvent("message", "", note.text))
                taken = note.position
        self._notes.clear()
        return merged + events[taken:]


def as_object(text: str, cursor: str | None) -> dict[str, Any] | Unreadable:
    """The JSON object that a message is."""
    try:
        value = parse(text)
    except ValueError as error:
        return Unreadable(f"it is not JSON: {error}", text, cursor)
    if not isinstance(value, dict):
        return Unreadable("it is no object", text, cursor)
    return value


def envelope(value: Mapping[str, Any], raw: str, cursor: str | None = None) -> Envelope:
    """The envelope that an object is, by the members that JSON-RPC 2.0, 4 and 5, demands of each."""
    known_by, method, error = _request_id(value.get("id")), value.get("method"), value.get("error")
    if value.get("jsonrpc") != "2.0":
        return Unreadable("it has no member jsonrpc that says 2.0", raw, cursor)
    if isinstance(method, str) and known_by is not None:
        return Request(known_by, word(method), mapping(value.get("params")), raw, cursor)
    if isinstance(method, str) and "id" not in value:
        return Notification(word(method), mapping(value.get("params")), raw, cursor)
    if error not in (None, False, ""):
        return error_response(value, known_by, raw, cursor)
    if "result" in value and known_by is not None:
        return Response(known_by, value["result"], raw, cursor)
    return Unreadable("it is no request, notification or response", raw, cursor)


def error_response(
    value: Mapping[str, Any], known_by: RequestId | None, raw: str, cursor: str | None = None
) -> ErrorResponse:
    """The error that a message has, be it an object or words; what has no words says all that it has."""
    fields = error_fields(value)
    message = error_message(fields) if fields else ""
    data = fields.get("data", fields.get("details"))
    return ErrorResponse(known_by, index_of(fields.get("code")) or 0, message, data, raw, cursor)


def _request_id(value: Any) -> RequestId | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def is_same_id(one: RequestId | None, other: RequestId | None) -> bool:
    """Whether two ids are the same: 1 is not "1" (JSON-RPC 2.0, 5: the same as in the request)."""
    return type(one) is type(other) and one == other
