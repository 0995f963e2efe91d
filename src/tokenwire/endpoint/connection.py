"""One connection to the reference endpoint as a state machine on h11: no I/O; time is an argument.

connection.receive_data(data, now)
send(connection.data_to_send(now))          # what is due by now
connection.next_deadline()                  # when more will be
connection.ending                           # "close" or "reset" once all is sent and the connection must end
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import h11

from .replies import refusal_reply
from .seams import Call, Ending, Exchange, Piece, Reply, Seams, Write
from .wanted import Refusal

__all__ = ["MAX_BODY_SIZE", "MAX_WAITING", "PATIENCE", "EndpointConnection", "internal_error", "parts_of"]

#: Bytes of a request's body. OpenAI takes 50 MB with images; text alone stays far below this.
MAX_BODY_SIZE = 8 * 1024 * 1024

#: Bytes of a request's head, as nginx and node allow by default, more or less.
MAX_HEADER_SIZE = 32 * 1024

#: Seconds in which the head of a request must be whole, from when it may begin; and between two reads of its body.
#: nginx waits 75 for the next request, and 60 for heads and bodies.
PATIENCE = 75.0

#: Writes, or messages, that wait for their time before a connection takes no more requests. An answer has forty.
MAX_WAITING = 10_000

#: What may stand in a Host field (RFC 9110 7.2, RFC 3986 3.2.2).
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[-A-Za-z0-9._~%!$&'()*+,;=]*)(:[0-9]*)?")

_BODILESS = (204, 304)


class EndpointConnection:
    """Reads requests, answers them in order.

    :param answer: makes the reply to a call.
    :param seams: where faults are planted.
    :param fields: name and value of what every response has, made anew for each (Date, request id).
    """

    def __init__(
        self,
        answer: Callable[[Call], Reply],
        seams: Seams,
        fields: Callable[[], list[tuple[str, str]]],
    ) -> None:
        self._answer = answer
        self._seams = seams
        self._fields = fields
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_SIZE)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._last_due = 0.0
        self._pending_ending: Ending = ""
        self._patient_until: float | None = None  # while a request is awaited, or the rest of one

    @property
    def ending(self) -> Ending:
        return "" if self._queue else self._pending_ending

    @property
    def waiting(self) -> bool:
        """Something waits to go out."""
        return bool(self._queue)

    @property
    def full(self) -> bool:
        """So much waits to go out that no more requests should be taken."""
        return len(self._queue) > MAX_WAITING

    def receive_data(self, data: bytes, now: float) -> None:
        """Takes bytes from the client."""
        if self._pending_ending:
            return
        if self._reads_a_body:
            self._patient_until = now + PATIENCE
        self._http.receive_data(data)
        self._read_requests(now)

    def receive_eof(self, now: float) -> None:
        """The client sends no more. What is being answered is answered, then the connection ends."""
        self._pending_ending = self._pending_ending or "close"

    def data_to_send(self, now: float) -> bytes:
        """Drains what is due by now."""
        self._stop_waiting_in_time(now)
        due = []
        while self._queue and self._queue[0][0] <= now:
            due.append(self._queue.popleft()[1])
        if self._patient_until is None and not self._queue:
            self._patient_until = now + PATIENCE
        return b"".join(due)

    def next_deadline(self) -> float | None:
        """When more is due, or a request has taken too long; None where nothing waits."""
        if self._queue:
            return self._queue[0][0]
        return None if self._pending_ending else self._patient_until

    @property
    def _reads_a_body(self) -> bool:
        return self._http.their_state is h11.SEND_BODY

    def _stop_waiting_in_time(self, now: float) -> None:
        """A client that has said nothing is left without a word: a request on its way would take a 408 for its answer
        (RFC 9110 15.5.9)."""
        if self._queue or self._pending_ending or self._patient_until is None or now < self._patient_until:
            return
        if not self._reads_a_body and not self._http.trailing_data[0]:
            self._pending_ending = "close"
            return
        reply = refusal_reply(Refusal(408, "request_timeout", f"The request was not complete after {PATIENCE:g} s."))
        self._schedule(self._call() if self._reads_a_body else None, self._serialise(reply, close=True), now)

    def _read_requests(self, now: float) -> None:
        while not self._pending_ending:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse_unreadable(error, now)
                return
            match event:
                case h11.Request():
                    self._begin(event, now)
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > MAX_BODY_SIZE:
                        self._refuse(413, "body_too_large", f"The body is larger than {MAX_BODY_SIZE} bytes.", now)
                case h11.EndOfMessage():
                    self._end(now)
                case _:
                    self._continue(now)
                    return

    def _begin(self, request: h11.Request, now: float) -> None:
        self._request = request
        self._body = bytearray()
        self._patient_until = now + PATIENCE
        if parts_of(request.target.decode("latin-1")) is None:
            self._refuse(400, "bad_target", "The target of the request is neither a path nor a URL.", now)
            return
        hosts = [value.decode("latin-1") for name, value in request.headers if name == b"host"]
        if any(not _HOST.fullmatch(host) for host in hosts):
            self._refuse(400, "bad_host", "The Host field is not valid.", now)
            return
        length = next((int(value) for name, value in request.headers if name == b"content-length"), 0)
        if length > MAX_BODY_SIZE:
            self._refuse(413, "body_too_large", f"The body is larger than {MAX_BODY_SIZE} bytes.", now)

    def _continue(self, now: float) -> None:
        if self._http.they_are_waiting_for_100_continue:
            data = self._http.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            self._schedule(self._call(), Exchange([Write(0.0, data or b"", "informational")]), now)

    def _end(self, now: float) -> None:
        self._patient_until = None
        call = self._seams.call(self._call())
        reply = self._seams.reply(call, _negotiated(call, self._answered(call)))
        names = {name.decode() for name, _ in self._request.headers} if self._request else set()
        # RFC 9112 6.1: whoever sends both may be smuggling, so the connection does not outlive the answer.
        ambiguous = {"transfer-encoding", "content-length"} <= names
        self._schedule(call, self._serialise(reply, close=reply.close or ambiguous), now)
        if not self._pending_ending:
            self._http.start_next_cycle()
            self._request = None

    def _answered(self, call: Call) -> Reply:
        """A fault of the endpoint's own is told as such: the client is not left with a connection that ends."""
        try:
            return self._answer(call)
        except Exception as error:
            return refusal_reply(internal_error(error))

    def _call(self) -> Call:
        assert self._request is not None
        path, query = parts_of(self._request.target.decode("latin-1")) or ("", "")
        return Call(
            method=self._request.method.decode("ascii"),
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in self._request.headers],
            body=bytes(self._body),
            http_version=self._request.http_version.decode("ascii"),
        )

    def _refuse(self, status: int, code: str, message: str, now: float) -> None:
        """Refuses before the body was read: the connection ends, so that the rest is never taken for a request."""
        reply = refusal_reply(Refusal(status, code, message))
        self._schedule(self._call(), self._serialise(reply, close=True), now)

    def _refuse_unreadable(self, error: h11.RemoteProtocolError, now: float) -> None:
        status = error.error_status_hint if "Transfer-Encoding" not in str(error) else 400
        reply = refusal_reply(Refusal(status, "bad_request", f"The request is not HTTP: {error}."))
        self._schedule(None, self._serialise(reply, close=True), now)

    def _serialise(self, reply: Reply, *, close: bool) -> Exchange:
        """Puts a reply into HTTP. h11 frames it as the request's version allows, and says whether to close."""
        headers = [*self._fields(), *reply.headers]
        if close:
            headers.append(("Connection", "close"))
        if reply.pieces is None and reply.status not in _BODILESS:
            headers.append(("Content-Length", str(len(reply.body))))
        head = h11.Response(status_code=reply.status, headers=headers)
        writes = [Write(0.0, self._http.send(head) or b"", "head")]
        for delay, data in self._body_parts(reply) if not self._asks_for_the_head else ():
            writes.append(Write(delay, self._http.send(h11.Data(data)) or b"", "body"))
        writes.append(Write(0.0, self._http.send(h11.EndOfMessage()) or b"", "end"))
        stays = self._http.our_state is h11.DONE
        return Exchange(writes, "" if stays else "close")

    @property
    def _asks_for_the_head(self) -> bool:
        """The answer to a HEAD is that to a GET, without its body (RFC 9110 9.3.2)."""
        return self._request is not None and self._request.method == b"HEAD"

    def _body_parts(self, reply: Reply) -> Iterator[tuple[float, bytes]]:
        if reply.pieces is None:
            if reply.body:
                yield 0.0, reply.body
        else:
            for piece in reply.pieces:
                yield piece.delay, piece.data

    def _schedule(self, call: Call | None, exchange: Exchange, now: float) -> None:
        exchange = self._seams.exchange(call, exchange)
        due = max(now, self._last_due)
        for write in exchange.writes:
            due += write.delay
            if write.data:
                self._queue.append((due, write.data))
        self._last_due = due
        self._pending_ending = exchange.ending


def internal_error(error: Exception) -> Refusal:
    """What is said where the endpoint itself failed."""
    return Refusal(500, "internal_error", f"The endpoint failed by a fault of its own: {type(error).__name__}.")


def parts_of(target: str) -> tuple[str, str] | None:
    """Path and query of a request's target (RFC 9112 3.2), of a URL too; None for a URL that is none."""
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return path, query
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return parts.path, parts.query


def _negotiated(call: Call, reply: Reply) -> Reply:
    """gzip where it was asked for (RFC 9110, 12.5.3), each piece flushed, so that no token waits for the next."""
    if reply.pieces is None:
        return reply
    codings = [coding.partition(";")[0].strip() for coding in call.header("accept-encoding").split(",")]
    varying = reply.with_header("Vary", "Accept-Encoding")
    if "gzip" not in codings:
        return varying
    deflater = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    coded = [
        Piece(piece.delay, deflater.compress(piece.data) + deflater.flush(zlib.Z_SYNC_FLUSH)) for piece in reply.pieces
    ]
    last = Piece(0.0, deflater.flush())
    return replace(varying.with_header("Content-Encoding", "gzip"), pieces=[*coded, last])
