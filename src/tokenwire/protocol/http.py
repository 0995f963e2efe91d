"""One HTTP request and one streamed response as a state machine on h11: no I/O, no clock (RFC 9110, RFC 9112).

    exchange = HTTPExchange(HTTPRequest("POST", target, headers, body))
    send(exchange.data_to_send())
    for event in exchange.receive_data(chunk): ...     # Informational, ResponseHead, Body, ResponseEnd
    for event in exchange.receive_eof(): ...

The events hold no detail of HTTP/1.1. An error takes effect after the events that came before it were delivered:
the call that meets it returns them and keeps the error in `error`, which every further call raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import h11

from ..checking import must_be
from ..errors import BodyTruncated, HeaderTooLarge, LocalProtocolError, RemoteProtocolError
from ..framing.sse import as_bytes
from .coding import ContentDecoder
from .url import Target

__all__ = [
    "MAX_HEADER_SIZE",
    "Body",
    "HTTPEvent",
    "HTTPExchange",
    "HTTPRequest",
    "Informational",
    "ResponseEnd",
    "ResponseHead",
]

#: Bytes of the head of a response. node allows 80 KiB, nginx some 32 KiB, aiohttp 8 KiB a line; gateways that put
#: their rate limits and cookies there have been seen with 20 KiB.
MAX_HEADER_SIZE = 64 * 1024

#: CR, LF and NUL end a field or a string (RFC 9110, 5.5); h11 takes no other space character either, and would say
#: so with the value in its message, which may be a key.
_FORBIDDEN_IN_FIELDS = re.compile(r"[\0\r\n\v\f]")
#: The status by which h11 tells that a line or a head is over the limit.
TOO_LONG = 431

_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request: Host, and Content-Length where there is a body, are added when it is sent."""

    method: str
    target: Target
    headers: Headers
    body: bytes = b""

    def __post_init__(self) -> None:
        must_be(self.method, str, "method", "a method as text")
        must_be(self.target, Target, "target", "what parse_url gives")
        must_be(self.body, (bytes, bytearray, memoryview), "body", "bytes", "encode it")
        for name, value in self.headers:
            must_be(name, str, "headers", "names that are text")
            must_be(value, str, f"the field {name!r} of headers", "text")


@dataclass(frozen=True, slots=True)
class Informational:
    """A 1xx response (RFC 9110, 15.2): the final one is still to come."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and fields of the response, names in lower case."""

    status: int
    reason: str
    headers: Headers

    def header(self, name: str) -> str:
        """The field's values, joined by commas (RFC 9110, 5.3); empty where it is absent."""
        return ", ".join(value for field, value in self.headers if field == name)


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of the body, content codings removed."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ResponseEnd:
    """The body is complete. `how`: "announced" where the protocol said so (last chunk, or Content-Length reached),
    "closed" where only the end of the connection did, so that a cut cannot be told from it (RFC 9112, 8)."""

    how: Literal["announced", "closed"]
    trailers: Headers


HTTPEvent = Informational | ResponseHead | Body | ResponseEnd


class HTTPExchange:
    """The client's side of one exchange.

    :param max_header_size: bytes; past it `HeaderTooLarge`.
    :raises LocalProtocolError: for a method, field name or field value that cannot be sent as it is.
    """

    def __init__(self, request: HTTPRequest, *, max_header_size: int = MAX_HEADER_SIZE) -> None:
        #: What ended the exchange early, and what every further call raises.
        self.error: RemoteProtocolError | None = None
        #: The head of the response, once it is there.
        self.head: ResponseHead | None = None
        self.ended: bool = False
        self._max_header_size = max_header_size
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=max_header_size)
        self._request = request
        self._received = 0
        self._head_start = 0  # where the head that is awaited begins, in bytes received
        self._eof = False
        self._decoder: ContentDecoder | None = None
        self._close_delimited = False
        self._to_send = self._serialise(request)

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[HTTPEvent]:
        """Takes the next bytes from the connection.

        :raises RemoteProtocolError: when the peer broke the protocol and nothing came before that.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self.error is not None:
            raise self.error
        if self.ended or not data:
            return []
        return self._delivered(self._receive(data))

    def receive_eof(self) -> list[HTTPEvent]:
        """The connection ended, cleanly or not.

        :raises BodyTruncated: when the response was not complete.
        """
        if self.error is not None:
            raise self.error
        if self.ended:
            return []
        if self.head is None:
            self.error = BodyTruncated(self._no_response(), offset=self._received, clause="RFC 9112 8")
            raise self.error
        self._eof = True
        return self._delivered(self._events(b""))

    def _no_response(self) -> str:
        if self._received:
            return "the connection ended within the head of the response"
        return "the connection ended before any response"

    def _serialise(self, request: HTTPRequest) -> bytes:
        headers = list(request.headers)
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("host", request.target.authority))
        if request.body or request.method == "POST":
            headers.append(("content-length", str(len(request.body))))
        checked_fields(headers)
        try:
            head = self._connection.send(
                h11.Request(
                    method=request.method,
                    target=request.target.path,
                    headers=[(name.encode("ascii"), value.strip(" \t").encode("utf-8")) for name, value in headers],
                )
            )
            body = self._connection.send(h11.Data(request.body)) if request.body else b""
            end = self._connection.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise LocalProtocolError(f"the request cannot be sent: {error}") from error
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"the request cannot be sent: {error.reason} in its method or fields") from None
        return (head or b"") + (body or b"") + (end or b"")

    def _receive(self, data: bytes) -> list[HTTPEvent]:
        """The head goes to h11 in pieces, so that no read is larger than what the limit lets it keep."""
        events: list[HTTPEvent] = []
        start = 0
        while self.head is None and self.error is None and start < len(data):
            piece = data[start : start + self._max_header_size]
            events += self._events(piece)
            start += len(piece)
        if start < len(data) and self.error is None and not self.ended:
            events += self._events(data[start:])
        return events

    def _delivered(self, events: list[HTTPEvent]) -> list[HTTPEvent]:
        if self.error is not None and not events:
            raise self.error
        return events

    def _events(self, data: bytes) -> list[HTTPEvent]:
        events: list[HTTPEvent] = []
        self._received += len(data)
        try:
            self._connection.receive_data(data)
            while not self.ended:
                event = self._connection.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    break
                translated = self._translate(event)
                if translated is not None:
                    events.append(translated)
        except h11.RemoteProtocolError as error:
            self.error = self._remote_error(error)
        except RemoteProtocolError as error:
            self.error = error
        return events

    def _translate(self, event: object) -> HTTPEvent | None:
        match event:
            case h11.InformationalResponse():
                self._check_head_size()
                return Informational(event.status_code, _decoded(event.headers))
            case h11.Response():
                self._check_head_size()
                return self._response(event)
            case h11.Data():
                data = self._decoded_body(bytes(event.data))
                return Body(data) if data else None
            case h11.EndOfMessage():
                if self._decoder:
                    self._decoder.receive_eof()
                self.ended = True
                return ResponseEnd("closed" if self._close_delimited else "announced", _decoded(event.headers))
        return None

    def _response(self, event: h11.Response) -> ResponseHead:
        self.head = ResponseHead(event.status_code, event.reason.decode("latin-1"), _decoded(event.headers))
        has_body = self._request.method != "HEAD" and event.status_code not in (204, 304)
        delimited = self.head.header("transfer-encoding") or self.head.header("content-length")
        self._close_delimited = has_body and not delimited
        return self.head

    def _decoded_body(self, data: bytes) -> bytes:
        """The decoder is made for the first bytes, so that a coding that is not known hides no response head."""
        assert self.head is not None
        if self._decoder is None:
            self._decoder = ContentDecoder(self.head.header("content-encoding"))
        return self._decoder.receive_data(data)

    def _check_head_size(self) -> None:
        """A whole head in one read is as large as the same head in many."""
        end = self._offset()
        if end - self._head_start > self._max_header_size:
            raise self._header_too_large()
        self._head_start = end

    def _offset(self) -> int:
        """How far h11 has read."""
        return self._received - len(self._connection.trailing_data[0])

    def _remote_error(self, error: h11.RemoteProtocolError) -> RemoteProtocolError:
        if error.error_status_hint == TOO_LONG:
            return self._header_too_large()
        if self._eof:
            return BodyTruncated(f"the body was cut: {error}", offset=self._received, clause="RFC 9112 8")
        return RemoteProtocolError(f"not HTTP as it should be: {error}", offset=self._offset(), clause="RFC 9112")

    def _header_too_large(self) -> HeaderTooLarge:
        return HeaderTooLarge(
            f"the head of the response is larger than {self._max_header_size} bytes",
            offset=self._received,
            clause="limit of the reader",
        )


def checked_fields(headers: Headers) -> Headers:
    """The fields, as they are.

    :raises LocalProtocolError: when one cannot be sent: its name is no token, or its value holds CR, LF or NUL.
    """
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise LocalProtocolError(f"the field name {name!r} is not a token (RFC 9110 5.1)")
        if _FORBIDDEN_IN_FIELDS.search(value):
            raise LocalProtocolError(f"the value of the field {name!r} holds CR, LF, NUL or the like (RFC 9110 5.5)")
    return headers


def _decoded(headers: object) -> list[tuple[str, str]]:
    """Field values are bytes; UTF-8 where they are it, else Latin-1, so that none is lost (RFC 9110, 5.5)."""
    decoded = []
    for name, value in headers:  # type: ignore[attr-defined]
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        decoded.append((name.decode("ascii"), text))
    return decoded
