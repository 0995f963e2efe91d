"""One HTTP request and one streamed response as a state machine: no I/O, no clock (RFC 9110, RFC 9112).

    exchange = HTTPExchange(HTTPRequest("POST", target, headers, body))
    send(exchange.data_to_send())
    for event in exchange.receive_data(chunk): ...     # Informational, ResponseHead, Body, ResponseEnd
    for event in exchange.receive_eof(): ...

h11 writes the request and reads the heads. The body, where nearly all bytes are, is read by protocol/body: there is one
`Body` a read, however many chunks are in it.

The events hold no detail of HTTP/1.1. An error takes effect after the events that came before it were delivered:
the call that meets it returns them and keeps the error in `error`, which every further call raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import h11

from ..checking import must_be
from ..errors import (
    BodyTruncated,
    DecodingError,
    EventTooLarge,
    HeaderTooLarge,
    LocalProtocolError,
    RemoteProtocolError,
)
from ..framing.sse import as_bytes
from ..records import record
from .body import BodyReader, Chunks, Length, UntilClose
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

#: Characters of the longest head of a request that is kept, so that a cache of 32 stays small.
_MAX_KEPT_HEAD = 4096

#: CR, LF and NUL end a field or a string (RFC 9110, 5.5); h11 takes no other space character either, and would say
#: so with the value in its message, which may be a key.
_FORBIDDEN_IN_FIELDS = re.compile(r"[\0\r\n\v\f]")
#: The status by which h11 tells that a line or a head is over the limit.
TOO_LONG = 431

#: A token, as the names of fields are (RFC 9110 5.6.2).
TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")

Headers = Sequence[tuple[str, str]]
_Fields = Sequence[tuple[bytes, bytes]]


@record(frozen=True)
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
            if type(name) is not str or type(value) is not str:  # words are made where something is wrong
                must_be(name, str, "headers", "names that are text")
                must_be(value, str, f"the field {name!r} of headers", "text")


@record(frozen=True)
class Informational:
    """A 1xx response (RFC 9110, 15.2): the final one is still to come."""

    status: int
    headers: Headers


@record(frozen=True)
class ResponseHead:
    """Status and fields of the response, names in lower case."""

    status: int
    reason: str
    headers: Headers

    def header(self, name: str) -> str:
        """The field's values, joined by commas (RFC 9110, 5.3); empty where it is absent."""
        return ", ".join([value for field, value in self.headers if field == name])


@record
class Body:
    """Bytes of the body, content codings removed. Not frozen: there is one a read, and a frozen one costs four times as
    much to make."""

    data: bytes


@record(frozen=True)
class ResponseEnd:
    """The body is complete. `how`: "announced" where the protocol said so (last chunk, or Content-Length reached),
    "closed" where only the end of the connection did, so that a cut cannot be told from it (RFC 9112, 8)."""

    how: Literal["announced", "closed"]
    trailers: Headers


HTTPEvent = Informational | ResponseHead | Body | ResponseEnd


class HTTPExchange:
    """The client's side of one exchange.

    :param max_header_size: bytes; past it `HeaderTooLarge`.
    :raises LocalProtocolError: for a method, field name or field value that cannot be sent as it is, and for a field
        that would say something else of the body than is sent.
    """

    def __init__(self, request: HTTPRequest, *, max_header_size: int = MAX_HEADER_SIZE) -> None:
        #: What ended the exchange early, and what every further call raises.
        self.error: RemoteProtocolError | None = None
        #: The head of the response, once it is there.
        self.head: ResponseHead | None = None
        self.ended: bool = False
        self._max_header_size = max_header_size
        self._connection: h11.Connection | None = None  # which reads the head, once it begins to come
        self._request = request
        self._received = 0
        self._head_start = 0  # where the head that is awaited begins, in bytes received; then where the body does
        self._body: BodyReader | None = None
        self._decoder: ContentDecoder | None = None
        self._chunks: Chunks | None = None  # what reads a body in chunks that has no content coding, once it has begun
        self._persistent = False  # both sides mean to keep the connection
        self._over = False  # it has ended, or has more bytes than the response
        self._to_send = _written(request)

    @property
    def reusable(self) -> bool:
        """The connection can carry another exchange: the request is out, the response came to the end that it
        announced, nothing follows it, and neither side wants to close (RFC 9112 9.3)."""
        return self.ended and self._persistent and not self._over and not self._to_send

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[HTTPEvent]:
        """Takes the next bytes from the connection. What follows the end of the response is dropped.

        :raises HeaderTooLarge: for a head, the line that begins a chunk, or a trailer section that is over its limit.
        :raises DecodingError: for a content coding that is unknown, broken or a bomb.
        :raises RemoteProtocolError: when the peer broke the protocol.

        Each is raised at once, or, where events came before it in the same read, at the next call.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self.error is not None:
            raise self.error
        if self.ended or not data:
            self._over = self._over or bool(data)
            return []
        if self._chunks is not None and (chunk := self._chunks.whole_chunk(data)):
            self._received += len(data)
            return [Body(chunk)]
        events: list[HTTPEvent] = []
        try:
            if self._body is None:
                data = self._receive_head(data, events)
            if self._body is not None:
                self._receive_body(self._body, data, events)
        except RemoteProtocolError as error:
            self.error = error
        if self.error is not None and not events:
            raise self.error
        return events

    def receive_eof(self) -> list[HTTPEvent]:
        """The connection ended, cleanly or not.

        :raises BodyTruncated: when the response was not complete.
        """
        if self.error is not None:
            raise self.error
        self._over = True
        events: list[HTTPEvent] = []
        try:
            if not self.ended:
                self._receive_eof(self._body, events)
        except RemoteProtocolError as error:
            self.error = error
        if self.error is not None and not events:
            raise self.error
        return events

    # The head.

    def _receive_head(self, data: bytes, events: list[HTTPEvent]) -> bytes:
        """Adds the heads in the bytes, returns those that follow the last of them.

        They go to h11 in pieces, so that no read is larger than what the limit lets it keep.
        """
        if self._connection is None:
            self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._max_header_size)
            self._connection.send(_asked(self._request.method))
        for start in range(0, len(data), self._max_header_size):
            piece = data[start : start + self._max_header_size]
            self._received += len(piece)
            try:
                self._connection.receive_data(piece)
                event = self._connection.next_event()
                while isinstance(event, h11.InformationalResponse):
                    self._head_ends()
                    events.append(Informational(event.status_code, _decoded(event.headers)))
                    event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise self._bad_head(error) from error
            if isinstance(event, h11.Response):
                self._head_ends()
                events.append(self._begin_response(event))
                rest = self._connection.trailing_data[0]
                self._received -= len(rest)
                self._connection = None
                return rest + data[start + len(piece) :]
        return b""

    def _head_ends(self) -> None:
        """A whole head in one read is as large as the same head in many."""
        assert self._connection is not None
        end = self._received - len(self._connection.trailing_data[0])
        if end - self._head_start > self._max_header_size:
            raise self._header_too_large()
        self._head_start = end

    def _bad_head(self, error: h11.RemoteProtocolError) -> RemoteProtocolError:
        if error.error_status_hint == TOO_LONG:
            return self._header_too_large()
        return RemoteProtocolError(
            f"the head of the response is not HTTP as it should be: {error}",
            offset=self._head_start,
            clause="RFC 9112",
        )

    def _header_too_large(self) -> HeaderTooLarge:
        return HeaderTooLarge(
            f"the head of the response is larger than {self._max_header_size} bytes",
            offset=self._head_start + self._max_header_size,
            clause="limit of the reader",
        )

    def _begin_response(self, event: h11.Response) -> ResponseHead:
        self.head = head = ResponseHead(event.status_code, event.reason.decode("latin-1"), _decoded(event.headers))
        self._body = self._body_reader(head)
        self._persistent = _is_persistent(head, event.http_version.decode()) and "close" not in _options(
            self._request.headers
        )
        return head

    def _body_reader(self, head: ResponseHead) -> BodyReader:
        """How the body is delimited (RFC 9112 6.3). h11 has refused what is no length, lengths that differ, and every
        transfer coding but `chunked` alone, for none other was asked for."""
        if self._request.method == "HEAD" or head.status in (204, 304):
            return Length(0)
        if head.header("transfer-encoding"):
            return Chunks(base=self._head_start)
        length = head.header("content-length")
        return Length(int(length)) if length else UntilClose()

    # The body.

    def _receive_body(self, body: BodyReader, data: bytes, events: list[HTTPEvent]) -> None:
        self._received += len(data)
        try:
            pieces = body.receive_data(data)
        except RemoteProtocolError:
            pieces = []
        if pieces and (decoded := self._without_coding(pieces)):
            events.append(Body(decoded))
        if body.error is not None and self.error is None:
            self.error = _of_http(body.error)
        if body.complete:
            self._over = bool(body.unused)
            self._end("announced", body.trailers, events)

    def _without_coding(self, pieces: list[bytes]) -> bytes:
        """What the pieces hold, as far as they can be decoded.

        The decoder is made for the first bytes, so that a coding that is not known hides no response head.
        """
        if self._decoder is None:
            assert self.head is not None
            self._decoder = ContentDecoder(self.head.header("content-encoding"))
            if self._decoder.identity and isinstance(self._body, Chunks):
                self._chunks = self._body
        if self._decoder.identity:
            return b"".join(pieces)
        decoded = []
        try:
            for piece in pieces:
                decoded.append(self._decoder.receive_data(piece))
        except DecodingError as error:
            self.error = error
        return b"".join(decoded)

    def _receive_eof(self, body: BodyReader | None, events: list[HTTPEvent]) -> None:
        if isinstance(body, UntilClose):
            self._end("closed", [], events)
            return
        if body is not None:
            what = f"the body was cut: the connection ended {body.missing}"
        elif self._received:
            what = "the connection ended within the head of the response"
        else:
            what = "the connection ended before any response"
        raise BodyTruncated(what, offset=self._received, clause="RFC 9112 8")

    def _end(self, how: Literal["announced", "closed"], trailers: _Fields, events: list[HTTPEvent]) -> None:
        if self._decoder is not None and self.error is None:
            self._decoder.receive_eof()
        if self.error is None:
            self.ended = True
            events.append(ResponseEnd(how, _decoded(trailers)))


def _of_http(error: RemoteProtocolError) -> RemoteProtocolError:
    """The error of a body's framing; what is over a limit there are the fields around the data."""
    if isinstance(error, EventTooLarge):
        return HeaderTooLarge(error.message, offset=error.offset, clause=error.clause)
    return error


def _is_persistent(head: ResponseHead, version: str) -> bool:
    """Whether the server keeps the connection (RFC 9112 9.3). It is not to be trusted where the framing of the response
    is faulty: a transfer coding beside a length, or in HTTP/1.0 (RFC 9112 6.1)."""
    options = _options(head.headers)
    if "close" in options:
        return False
    if head.header("transfer-encoding") and (head.header("content-length") or version < "1.1"):
        return False
    return version >= "1.1" or "keep-alive" in options


def _options(headers: Headers) -> set[str]:
    """The connection options that the fields name (RFC 9110 7.6.1)."""
    values = [value for name, value in headers if name.lower() == "connection"]
    return {option.strip(" \t").lower() for value in values for option in value.split(",")}


def _written(request: HTTPRequest) -> bytes:
    """The bytes of a request.

    :raises LocalProtocolError: see `HTTPExchange`.
    """
    body = request.body
    headers = tuple([(name, value) for name, value in request.headers])
    path, authority = request.target.path, request.target.authority
    size = len(path) + len(authority) + sum([len(name) + len(value) for name, value in headers])
    write = _kept_head if size <= _MAX_KEPT_HEAD else _written_head
    head, lengths = write(request.method, path, authority, headers)
    for name, value in lengths:
        if value != str(len(body)):
            raise LocalProtocolError(
                f"the field {name} says another length than the body has, {len(body)} bytes (RFC 9110 8.6)"
            )
    length = b"content-length: %d\r\n" % len(body) if body or request.method == "POST" else b""
    return b"%b%b\r\n%b" % (head, length, body)


def _written_head(
    method: str, path: str, authority: str, headers: tuple[tuple[str, str], ...]
) -> tuple[bytes, Sequence[tuple[str, str]]]:
    """The head of a request, without its length and the line that ends it; and what the fields say of the length."""
    kept, lengths = _own_length_apart(headers)
    if not any(name.lower() == "host" for name, _ in kept):
        kept.insert(0, ("host", authority))
    checked_fields(kept)
    try:
        request = h11.Request(
            method=method,
            target=path,
            headers=[(name.encode("ascii"), value.strip(" \t").encode("utf-8")) for name, value in kept],
        )
        head = h11.Connection(h11.CLIENT).send(request) or b""
    except h11.LocalProtocolError as error:
        raise LocalProtocolError(f"the request cannot be sent: {error}") from error
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"the request cannot be sent: {error.reason} in its method or fields") from None
    return head.removesuffix(b"\r\n"), lengths


#: The same for the last few heads, for many streams ask with the same one. A key in one stays in memory with it.
_kept_head = lru_cache(maxsize=32)(_written_head)


@lru_cache(maxsize=8)
def _asked(method: str) -> h11.Request:
    """What h11 has to know of a request to read its response."""
    return h11.Request(method=method, target="/", headers=[("host", "")])


#: Fields that only who writes the message can set, and why.
_NOT_FOR_USERS = {
    "transfer-encoding": "the body goes out with its length, and a message has one of the two (RFC 9112 6.2)",
    "upgrade": "no other protocol is spoken here afterwards; for WebSocket use a ws or wss URL (RFC 9110 7.8)",
}


def _own_length_apart(headers: Headers) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The fields that are sent beside our Content-Length, and those that repeat it."""
    kept, lengths = [], []
    for name, value in headers:
        lowered = name.lower()
        if lowered in _NOT_FOR_USERS:
            raise LocalProtocolError(f"the field {name} cannot be set: {_NOT_FOR_USERS[lowered]}")
        if lowered != "content-length":
            kept.append((name, value))
        else:
            lengths.append((name, value.strip(" \t")))
    return kept, lengths


def checked_fields(headers: Headers) -> Headers:
    """The fields, as they are.

    :raises LocalProtocolError: when one cannot be sent: its name is no token, or its value holds CR, LF or NUL.
    """
    for name, value in headers:
        if not TOKEN.fullmatch(name):
            token = TOKEN.match(name)  # what follows it may be the value, and that a key
            begins = f" that begins with {token[0]!r}" if token else ""
            raise LocalProtocolError(f"a field name{begins} is not a token (RFC 9110 5.1)")
        if _FORBIDDEN_IN_FIELDS.search(value):
            raise LocalProtocolError(f"the value of the field {name!r} holds CR, LF, NUL or the like (RFC 9110 5.5)")
    return headers


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Names in lower case. Field values are bytes; UTF-8 where they are it, else Latin-1, so that none is lost
    (RFC 9110, 5.5)."""
    decoded = []
    for name, value in headers:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        decoded.append((name.decode("ascii").lower(), text))
    return decoded
