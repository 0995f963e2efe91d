"""MCP, the Model Context Protocol, over Streamable HTTP: RPC envelopes, and no token stream.

`MCPReader` gives the envelopes as they are typed in `jsonrpc`:

    reader = MCPReader(request_id=1, content_type=response_content_type)
    for message in reader.receive_data(chunk): ...      # Request, Notification, Response, ErrorResponse, Primed
    for message in reader.receive_eof(): ...
    reader.ended                                        # the response to the request has come
    reader.resume_from, reader.retry                    # where it has not: GET with Last-Event-ID, after so many ms

Two revisions are in use. In 2025-11-25 a server may give its events ids, send an empty one first (`Primed`), close the
connection and be asked again with `GET` and Last-Event-ID; to disconnect is not to cancel. In 2026-07-28 there are no
ids and nothing is resumed: a broken stream has lost the request, which is made again with a new id, and to close the
stream is to cancel. Comments are keepalives in both.

The dialect "mcp" gives the same as stream events, which know no RPC: each message an `Other` named for its method, or
"response"; an error response an `Error`; then the `End`. A POST carries one request, so the first response on its
stream is the response to it. A result that says `isError` is a result: the model is to read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import LocalProtocolError
from ..framing.sse import MAX_EVENT_SIZE, ServerSentEvent
from .dialect import Again, Broken, Dialect, Message, Prompt, after_last_event_id
from .events import Other, StreamEvent
from .json_decoder import JSONDecoder
from .jsonrpc import (
    Envelope,
    ErrorResponse,
    Notification,
    Reply,
    Request,
    RequestId,
    Response,
    Unreadable,
    as_object,
    envelope,
    is_same_id,
)
from .values import error_fields

__all__ = ["MCP", "MCPDecoder", "MCPReader", "Primed", "Revision"]

Revision = Literal["2025-11-25", "2026-07-28"]


@dataclass(slots=True)
class Primed:
    """An event without a message: from here the stream can be resumed, should it break before the next."""

    cursor: str


class MCPReader:
    """Reads one reply, to a POST or, for what the server says by itself, to a GET.

    :param request_id: of the request; None takes whichever response comes first.
    :param content_type: of the reply: "application/json" or "text/event-stream".
    :param revision: of the protocol, as negotiated.
    :param last_event_id: where an earlier connection stopped.
    :param max_event_size: bytes of one message.
    """

    def __init__(
        self,
        request_id: RequestId | None = None,
        *,
        content_type: str = "text/event-stream",
        revision: Revision = "2025-11-25",
        last_event_id: str = "",
        max_event_size: int = MAX_EVENT_SIZE,
    ) -> None:
        #: The response to the request has come: what follows is of no interest.
        self.ended: bool = False
        self._request_id = request_id
        self._has_ids = revision == "2025-11-25"
        self._reply = Reply(content_type, last_event_id, max_event_size)

    @property
    def resume_from(self) -> str | None:
        """What to send as Last-Event-ID with a GET, should the stream break now; None where it cannot be resumed."""
        return self._reply.last_event_id or None if self._has_ids and not self.ended else None

    @property
    def retry(self) -> int | None:
        """How long to wait before that, in milliseconds, where the server said so: then it MUST be kept to."""
        return self._reply.retry

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Envelope | Primed]:
        """Takes the next bytes of the body.

        :raises EventTooLarge: when a message passes `max_event_size`.
        """
        return [] if self.ended else self._read(self._reply.receive_data(data))

    def receive_eof(self) -> list[Envelope | Primed]:
        """The body ended. Unless `ended`, the response has not come.

        :raises EventTooLarge: when the reply had been terminated by it.
        """
        return [] if self.ended else self._read(self._reply.receive_eof())

    def _read(self, events: list[ServerSentEvent]) -> list[Envelope | Primed]:
        messages: list[Envelope | Primed] = []
        for event in events:
            cursor = event.id or None if self._has_ids else None
            if event.data:
                messages.append(_envelope(event, cursor))
            elif cursor is not None:
                messages.append(Primed(cursor))
            if messages and self._is_the_response(messages[-1]):
                self.ended = True
                break
        return messages

    def _is_the_response(self, message: Envelope | Primed) -> bool:
        if isinstance(message, ErrorResponse) and message.id is None:
            return True  # the server could not read even the id of what it was asked
        if not isinstance(message, Response | ErrorResponse):
            return False
        return self._request_id is None or is_same_id(message.id, self._request_id)


class MCPDecoder(JSONDecoder):
    """Decodes the reply to one request into stream events."""

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, message.id or None
        match envelope(value, raw, cursor):
            case Request(method=method) | Notification(method=method):
                return [Other(method, raw, cursor)]
            case Response():
                self._heard.add(True)
                return [Other("response", raw, cursor), *self._end(raw, cursor, clean=True)]
            case ErrorResponse(code=code, message=words):
                failed = self._error({"code": code, "message": words, **error_fields(value)}, raw, cursor)
                return [failed, *self._end(raw, cursor, clean=False)]
            case _ if fields := error_fields(value):
                return [self._error(fields, raw, cursor)]  # of a gateway, which knows no JSON-RPC
            case _:
                return None

    def _not_json(self, message: Message, error: ValueError) -> list[StreamEvent]:
        if not message.data:
            return [Other("primed", "", message.id or None)]
        return super()._not_json(message, error)


def _envelope(event: ServerSentEvent, cursor: str | None) -> Envelope:
    value = as_object(event.data, cursor)
    if event.event != "message":
        return Unreadable(f"the event is named {event.event!r}", event.data, cursor)
    return value if isinstance(value, Unreadable) else envelope(value, event.data, cursor)


def _ask(prompt: Prompt) -> dict[str, Any]:
    raise LocalProtocolError("MCP has no prompt that goes to a model: give the JSON-RPC request itself")


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, **body}


def _resuming(broken: Broken) -> Again | None:
    """By GET, though the stream was the answer to a POST. Later revisions have taken that away again."""
    return None if broken.fields.get("mcp-protocol-version", "") > "2025-11-25" else after_last_event_id(broken)


MCP = Dialect(
    name="mcp",
    framing="sse-or-json",
    path="/mcp",
    method="POST",
    content_type="application/json, text/event-stream",
    decoder=MCPDecoder,
    ask=_ask,
    body=_body,
    error_fields=error_fields,
    tools=False,
    reasoning=False,
    usage=False,
    terminator="the response",
    resume="GET with Last-Event-ID (2025-11-25)",
    resuming=_resuming,
)
