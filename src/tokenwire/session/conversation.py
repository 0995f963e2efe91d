"""One conversation: a request, its response, and the stream events in it, with every timer, and without a clock.

    session = Session(request, dialect, timeouts)
    session.start(now)                                  # the connect timer runs
    session.connected(now);  send(session.data_to_send())
    for event in session.receive_data(chunk, now): ...
    for event in session.receive_eof(now): ...
    session.next_deadline();  session.handle_deadline(now)

Times are monotonic seconds. A driver carries bytes and times; everything that is decided is decided here, so that
all drivers behave alike. The session is over when `ended` is true: the rest of the connection is of no interest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..dialects.answer import Answer
from ..dialects.decoder import Decoder
from ..dialects.dialect import Dialect
from ..dialects.events import StreamEvent
from ..errors import (
    BodyTruncated,
    LocalProtocolError,
    NotAStream,
    RemoteProtocolError,
    StatusError,
    StreamFailed,
    StreamInterrupted,
    TimeoutExceeded,
    TokenwireError,
)
from ..lazily import Lazily
from ..protocol.http import Body, HTTPEvent, HTTPExchange, ResponseEnd, ResponseHead
from ..secrecy.secrets import Secrets
from .request import Request
from .timers import DEFAULT_TIMEOUTS, Timeouts, Timers

if TYPE_CHECKING:  # few streams are guessed
    from ..dialects import guess as guessing
else:
    guessing = Lazily("tokenwire.dialects.guess")

__all__ = ["MAX_ERROR_BODY", "Session", "failure", "refusal"]

#: Bytes of the body of a refusal that are kept. Error objects are a few hundred; HTML error pages some kilobytes.
MAX_ERROR_BODY = 64 * 1024

#: Characters of a refusal's body that stand in for its message where it has no error object.
MAX_ERROR_TEXT = 500


class Session:
    """One conversation over one connection.

    :param request: made by `build_request`.
    :param guess: the dialect is guessed from the URL; the stream itself decides.
    :param going_on: the answer and the decoder that an earlier connection began with.
    :param last_word: this is the only connection: a stream that is cut ends with an `End`. Where it is not, the decoder
        is left as it stands, for another connection to go on with.
    :param reconnects: the end of the body does not end the stream.
    :raises LocalProtocolError: when the request cannot be sent as it is.
    """

    def __init__(
        self,
        request: Request,
        dialect: Dialect,
        timeouts: Timeouts | None = None,
        guess: guessing.Guess | None = None,
        *,
        going_on: tuple[Answer, Decoder] | None = None,
        last_word: bool = True,
        reconnects: bool = False,
    ) -> None:
        self.answer: Answer
        self.decoder: Decoder
        #: What has arrived so far, and what reads it.
        self.answer, self.decoder = going_on or (Answer(), Decoder("auto", hint=guess) if guess else Decoder(dialect))
        #: The head of the response, once it is there.
        self.head: ResponseHead | None = None
        #: The server has answered, and with a stream: what its content type means is decided at the head.
        self.streaming: bool = False
        #: The conversation is over; there is nothing more to send or to receive. What still comes from the connection
        #: decides only whether it is `reusable`.
        self.ended: bool = False
        #: Why it is over, where it is not as it should be. A driver raises it after it has handed on the events.
        #: `StatusError`: the server refused. `NotAStream`: it answered with something else. `StreamInterrupted`:
        #: the stream was cut. `StreamFailed`: the server said an error in it. `TimeoutExceeded`: a timer ran out.
        #: `RemoteProtocolError`: the peer broke the protocol.
        self.error: TokenwireError | None = None
        #: The body ended before it was complete.
        self.cut: bool = False
        #: The last read brought events, or none, and changed nothing else: no deadline is nearer than before.
        self.quiet: bool = False
        self._secrets = request.secrets
        self._exchange = HTTPExchange(request.http)
        self._dialect = dialect
        self._last_word = last_word
        self._reconnects = reconnects
        self._stream_types = {*dialect.content_type.split(", "), *(guessing.STREAM_TYPES if guess else ())}
        self._timers = Timers(timeouts or DEFAULT_TIMEOUTS)
        self._refused = bytearray()
        self._reset = False
        self._events: list[StreamEvent] = []  # that are not yet given

    @property
    def gone(self) -> bool:
        """The connection is of no more use to this conversation."""
        return self.ended

    @property
    def reusable(self) -> bool:
        """The conversation is over and its connection can carry another: see `HTTPExchange.reusable`."""
        return self.ended and self._exchange.reusable

    # What a driver tells.

    def start(self, now: float) -> None:
        """The driver begins to connect."""
        self._timers.start(now)

    def connected(self, now: float) -> None:
        """The connection stands: `data_to_send` has the request."""
        self._timers.connected(now)

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        return self._exchange.data_to_send()

    def receive_data(self, data: bytes, now: float) -> list[StreamEvent]:
        """Takes bytes from the connection, returns the events in them. See `error` for how it may fail."""
        timers = self._timers
        settings = timers.settings
        try:
            self._handle_all(self._exchange.receive_data(data), now)
        except RemoteProtocolError as error:
            self._break_off(error)
        if self.streaming:
            timers.bytes.since = now
        events, self._events = self._events, []
        if events:
            timers.event(now)
        self.quiet = timers.settings == settings and not self.ended
        return events

    def receive_eof(self, now: float, *, reset: bool = False) -> list[StreamEvent]:
        """The connection ended.

        :param reset: by a failure and no close, so that a body which only the close delimits was cut (RFC 9112, 8).
        """
        self._reset = reset
        self.quiet = False
        try:
            self._handle_all(self._exchange.receive_eof(), now)
        except RemoteProtocolError as error:
            self._break_off(error)
        events, self._events = self._events, []
        return events

    def next_deadline(self) -> float | None:
        """When to call `handle_deadline` unless something happens before; None for never."""
        return None if self.ended else self._timers.next_deadline()

    def handle_deadline(self, now: float) -> None:
        """The time has come: where a timer ran out, `error` becomes a `TimeoutExceeded` that names it.

        Where the server had refused by then, and only its words were awaited, `error` is that refusal.
        """
        expired = self._timers.expired(now)
        self.quiet = False
        if expired is not None:
            self._break_off(TimeoutExceeded(expired.timer, expired.seconds, self.answer))

    def send(self, message: str | bytes) -> None:
        """Over HTTP the request is all that can be said.

        :raises LocalProtocolError: always.
        """
        raise LocalProtocolError("nothing can be sent in mid-stream over HTTP: use a ws or wss URL")

    def close(self, now: float) -> bool:
        """Whether there is an end of the peer's to wait for: over HTTP there is none."""
        return False

    # What follows from it.

    def _handle_all(self, events: list[HTTPEvent], now: float) -> None:
        """Takes what the exchange gives; its error takes effect after that."""
        for event in events:
            if self.ended:
                return
            if type(event) is Body and self.streaming:  # nearly all of them
                self._receive_stream(event.data)
            else:
                self._handle(event, now)
        if self._exchange.error is not None:
            raise self._exchange.error

    def _handle(self, event: HTTPEvent, now: float) -> None:
        match event:
            case ResponseHead():
                self.head = event
                self.streaming = event.status == 200 and self._is_stream_type(_media_type(event))
                self._timers.set("idle", self._timers.timeouts.idle, now)
            case Body(data):
                self._refused += data[: MAX_ERROR_BODY - len(self._refused)]
                if len(self._refused) >= MAX_ERROR_BODY:
                    self._fail(self._refusal())
            case ResponseEnd("closed") if self._reset:
                self._finish("the connection was reset:", cut=True)
            case ResponseEnd():
                self._finish("the body is complete, but")

    def _receive_stream(self, data: bytes) -> None:
        decoder = self.decoder
        self._give(decoder.receive_data(data))
        if decoder.outcome is not None:
            self.ended = True
            self.error = failure(decoder, self.answer, self._secrets)
        elif decoder.error is not None:
            raise decoder.error

    def _finish(self, how: str, *, cut: bool = False, cause: BodyTruncated | None = None) -> None:
        """Nothing more will come, and the dialect's terminator has not."""
        if not self.streaming:
            self._fail(self._refusal())
            return
        self.cut = cut
        self.ended = True
        if self._last_word or (self.decoder.may_end and not cut and not self._reconnects):
            self._give(self.decoder.receive_eof(cut=cut))
        self.error = failure(self.decoder, self.answer, self._secrets)
        if self.decoder.outcome in (None, "interrupted"):
            interrupted = StreamInterrupted(
                f"{how} the end that {self.decoder.dialect.name} marks had not come, "
                f"after {len(self.answer.text)} characters of text",
                self.answer,
            )
            interrupted.__cause__ = cause
            self._fail(interrupted)

    def _give(self, events: list[StreamEvent]) -> None:
        self.answer.add_all(events)
        self._events += events

    def _break_off(self, error: TokenwireError) -> None:
        """The response, or the wait for it, went wrong.

        Where the server had refused by then, that is what is told, and not what was wrong with its words.
        """
        if self.ended:
            return  # it is of no interest any more
        if isinstance(error, BodyTruncated) and self.head is not None:
            self._finish(f"{error}:", cut=True, cause=error)
        elif self.head is not None and not self.streaming:
            self._fail(self._refusal())
        else:
            self._fail(error)

    def _fail(self, error: TokenwireError) -> None:
        self.ended = True
        self.error = self._secrets.redact(error)

    def _is_stream_type(self, media_type: str) -> bool:
        return not self._dialect.content_type or media_type in self._stream_types

    def _refusal(self) -> TokenwireError:
        """The response is no stream: why."""
        assert self.head is not None
        body = bytes(self._refused)
        if self.head.status == 200:
            kind = _media_type(self.head)
            return NotAStream(
                f"the server answered 200 with {kind or 'no content type'} instead of {self._dialect.content_type}: "
                f"{_excerpt(body)}",
                content_type=kind,
                body=body,
                clause="WHATWG HTML 9.2.2",
            )
        return refusal(self._dialect, self.head.status, self.head.headers, body)


def failure(decoder: Decoder, answer: Answer, secrets: Secrets) -> StreamFailed | None:
    """The error of a stream that ended with a fatal one; None for any other end, and before it."""
    said = decoder.failure
    if said is None:
        return None
    # The event is the program's, and stays as it came; the error is what a log has, with all that it holds.
    words = (said.code, said.message, said.raw)
    code, message, raw = cleaned = tuple(map(secrets.clean, words))
    shown = said if cleaned == words else replace(said, code=code, message=message, raw=raw)
    return secrets.redact(StreamFailed(shown, answer))


def refusal(dialect: Dialect, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> StatusError:
    """What a server said when it refused, in its own words as far as it has any."""
    fields = dialect.error_fields(_json_or_none(body))
    message = fields.get("message")
    return StatusError(status, headers, message if isinstance(message, str) else _excerpt(body), body, fields)


def _media_type(head: ResponseHead) -> str:
    return head.header("content-type").partition(";")[0].strip().lower()


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _excerpt(body: bytes) -> str:
    text = " ".join(body.decode("utf-8", "replace").split())
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + "…"
