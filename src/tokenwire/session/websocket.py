"""One conversation over WebSocket: the handshake, messages, keepalive and closing, with every timer, without a clock.

`MessageSession` gives the messages as they are, `WebSocketSession` the stream events of a dialect in them. Both are
driven like `Session`: start, connected, data_to_send, receive_data, receive_eof, next_deadline, handle_deadline.
After each of the last three there may be something to send: a pong, a ping, a Close.

The keepalive: after a time of silence a ping goes out, and then any byte is a sign of life, not only its pong, since
servers that are busy with an answer answer pings late. What runs out is named "keepalive", so that a local timeout
cannot be taken for a close by the peer, which is an error of its own, with the peer's code.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ..dialects.answer import Answer
from ..dialects.decoder import Decoder
from ..dialects.dialect import Dialect
from ..dialects.events import StreamEvent
from ..errors import ConnectionFailed, RemoteProtocolError, StreamInterrupted, TimeoutExceeded, TokenwireError
from ..protocol.http import ResponseHead
from ..protocol.websocket import (
    Closed,
    ConnectionState,
    Opened,
    Rejected,
    WebSocketConnection,
    WebSocketEvent,
    are_messages,
)
from ..secrecy.secrets import Secrets, secrets_in_message
from .conversation import failure, refusal
from .request import Request, Want
from .timers import DEFAULT_TIMEOUTS, Timeouts, Timers

__all__ = ["MessageSession", "WebSocketSession"]


class MessageSession:
    """Messages in both directions.

    :param request: made by `build_request` with a ws or wss URL.
    :param dialect: whose form the errors of a refused handshake have.
    :param subprotocols: offered, in the order of preference.
    """

    def __init__(
        self, request: Request, dialect: Dialect, timeouts: Timeouts | None = None, subprotocols: tuple[str, ...] = ()
    ) -> None:
        #: The answer to the handshake, once it is there.
        self.head: ResponseHead | None = None
        #: There is nothing more to receive.
        self.ended: bool = False
        #: Why it is over, where it is not as it should be; a driver raises it after it has handed on what came.
        self.error: TokenwireError | None = None
        #: How the peer closed, once it has.
        self.closed: Closed | None = None
        #: The last read brought messages, or none, and changed nothing else: see `DurableSession.quiet`.
        self.quiet: bool = False
        #: What is asked.
        self.request: Request = request
        self._connected = False
        self._dialect = dialect
        self._opening = deque(request.messages)
        target = request.http.target
        self._connection = WebSocketConnection(target.url, headers=request.http.headers, subprotocols=subprotocols)
        self._timers = Timers(timeouts or DEFAULT_TIMEOUTS)
        self._silence = "idle" if self._timers.timeouts.keepalive is None else "silence"  # the timer of an open one
        self._closing = False

    @property
    def streaming(self) -> bool:
        """The server has taken the connection."""
        return self.head is not None and self.head.status == 101

    @property
    def reusable(self) -> bool:
        """The connection of a WebSocket serves nobody else."""
        return False

    @property
    def wants(self) -> Want:
        """What a driver is to do now. The connection is of no more use once both sides have closed, or one cannot."""
        if self.ended:
            return "over"
        return "transfer" if self._connected else "connect"

    # What a driver tells.

    def start(self, now: float) -> None:
        """The driver begins to connect."""
        self._timers.start(now)

    def connected(self, now: float) -> None:
        """The connection stands: `data_to_send` has the handshake."""
        self._connected = True
        self._timers.connected(now)

    def connection_failed(self, error: ConnectionFailed, now: float) -> list[str | bytes]:
        """No connection could be made."""
        self._fail(error)
        return []

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        return self._connection.data_to_send()

    def receive_data(self, data: bytes, now: float) -> list[str | bytes]:
        """Takes bytes from the connection, returns the messages in them. See `error` for how it may fail."""
        timers = self._timers
        settings, unsaid = timers.settings, len(self._opening)
        try:
            events = self._connection.receive_data(data)
        except RemoteProtocolError as error:
            self._fail(error)
            return []
        messages = self._handle(events)
        if not self._closing:
            self._await_more(now)
            if messages:
                timers.event(now)
        if self._connection.error is not None:
            self._fail(self._connection.error)
        unchanged = timers.settings == settings and len(self._opening) == unsaid
        self.quiet = unchanged and len(messages) == len(events) and not self.ended
        return messages

    def receive_eof(self, now: float, *, reset: bool = False) -> list[str | bytes]:
        """The connection ended, or was reset."""
        self.quiet = False
        if self.closed is not None or self.error is not None:
            self.ended = True
            return []
        try:
            return self._handle(self._connection.receive_eof())
        except RemoteProtocolError as error:
            self._fail(error)
            return []

    def next_deadline(self) -> float | None:
        """When to call `handle_deadline` unless something happens before; None for never."""
        return self._timers.next_deadline()

    def handle_deadline(self, now: float) -> list[str | bytes]:
        """The time has come: a ping goes out, or `error` becomes a `TimeoutExceeded` that names the timer."""
        self.quiet = False
        expired = self._timers.expired(now)
        if expired is None or (self.ended and not self._closing):
            return []
        if self._closing:
            self.ended = True
        elif expired.timer == "silence":
            self._ping(now)
        else:
            self._fail(expired)
        return []

    # What a user asks for.

    def send(self, message: str | bytes) -> None:
        """Sends a message; it is in `data_to_send` then.

        :raises LocalProtocolError: when the connection is not open.
        """
        self._connection.send(message)
        said = list(secrets_in_message(message))
        if said:
            self.request = replace(self.request, secrets=self.request.secrets | said)

    def close(self, now: float, code: int = 1000, reason: str = "") -> bool:
        """Begins the closing handshake, where that makes sense; whether the peer's half is worth waiting for."""
        if (
            self._connection.state is not ConnectionState.OPEN
            or self.closed is not None
            or self._connection.error is not None
        ):
            return False
        self._connection.close(code, reason)
        self._closing = True
        self.quiet = False
        self._timers.set("close", self._timers.timeouts.close, now)
        return True

    # What follows from it.

    def _await_more(self, now: float) -> None:
        """Something came, and once the connection is open any byte is a sign of life."""
        timers = self._timers
        if timers.bytes.name == self._silence:
            timers.bytes.since = now
        elif self.streaming:
            keepalive, idle = timers.timeouts.keepalive, timers.timeouts.idle
            timers.set(self._silence, idle if keepalive is None else keepalive, now)

    def _ping(self, now: float) -> None:
        self._connection.ping()
        self._timers.set("keepalive", self._timers.timeouts.keepalive, now)

    def _handle(self, events: list[WebSocketEvent]) -> list[str | bytes]:
        if not self._opening and not self._closing and are_messages(events):
            return events  # type: ignore[return-value]  # all that most reads hold
        messages: list[str | bytes] = []
        for event in events:
            match event:
                case str() | bytes():
                    if not self._closing:  # who has closed is not asking any more, and much may still be on its way
                        messages.append(event)
                    if self._opening:
                        self._say_next()
                case Opened():
                    self.head = ResponseHead(101, "Switching Protocols", event.headers)
                    self._say_next()
                case Rejected():
                    self.head = ResponseHead(event.status, "", event.headers)
                    self._fail(refusal(self._dialect, event.status, event.headers, event.body))
                case Closed():
                    self.closed = event
                    self.ended = True
                case _:
                    pass  # a ping is answered, and a pong was awaited as a byte like any other
        return messages

    def _say_next(self) -> None:
        """The first of the opening messages goes out at once, each further one after the server's next message."""
        if self._opening and self._connection.state is ConnectionState.OPEN:
            self._connection.send(self._opening.popleft())

    def _fail(self, error: TokenwireError) -> None:
        self.ended = True
        self.quiet = False
        self.error = self.request.secrets.redact(error)


class WebSocketSession:
    """The stream events of a dialect over one WebSocket; ends with the dialect's terminator.

    :param going_on: as in `Session`.
    :param last_word: as in `Session`.
    """

    def __init__(
        self,
        request: Request,
        dialect: Dialect,
        timeouts: Timeouts | None = None,
        *,
        going_on: tuple[Answer, Decoder] | None = None,
        last_word: bool = True,
    ) -> None:
        self.answer: Answer
        self.decoder: Decoder
        #: What has arrived so far, and what reads it.
        self.answer, self.decoder = going_on or (Answer(), Decoder(dialect))
        #: The connection ended before the stream did.
        self.cut: bool = False
        #: The last read brought events, or none, and changed nothing else: see `DurableSession.quiet`.
        self.quiet: bool = False
        self._messages = MessageSession(request, dialect, timeouts)
        self._dialect = dialect
        self._last_word = last_word
        self._error: TokenwireError | None = None

    @property
    def head(self) -> ResponseHead | None:
        """The answer to the handshake, once it is there."""
        return self._messages.head

    @property
    def streaming(self) -> bool:
        """The server has taken the connection."""
        return self._messages.streaming

    @property
    def ended(self) -> bool:
        """The stream is over."""
        return self.decoder.ended or self._messages.ended

    @property
    def gone(self) -> bool:
        """The connection is of no more use: both sides have closed, or one of them cannot."""
        return self._messages.ended

    @property
    def closed(self) -> Closed | None:
        """How the peer closed, once it has."""
        return self._messages.closed

    @property
    def error(self) -> TokenwireError | None:
        """Why it is over, where it is not as it should be."""
        if self.decoder.outcome == "clean":
            return None
        return self._error or self._messages.error

    @property
    def secrets(self) -> Secrets:
        """What must not be shown: of the request, and of what was sent."""
        return self._messages.request.secrets

    def start(self, now: float) -> None:
        self._messages.start(now)

    def connected(self, now: float) -> None:
        self._messages.connected(now)

    def data_to_send(self) -> bytes:
        return self._messages.data_to_send()

    def receive_data(self, data: bytes, now: float) -> list[StreamEvent]:
        """Takes bytes from the connection, returns the stream events in them."""
        return self._decode(self._messages.receive_data(data, now))

    def receive_eof(self, now: float, *, reset: bool = False) -> list[StreamEvent]:
        """The connection ended, or was reset."""
        return self._decode(self._messages.receive_eof(now, reset=reset))

    def next_deadline(self) -> float | None:
        return self._messages.next_deadline()

    def handle_deadline(self, now: float) -> None:
        self._messages.handle_deadline(now)
        expired = self._messages.error
        if isinstance(expired, TimeoutExceeded):
            self._error = TimeoutExceeded(expired.timer, expired.seconds, self.answer)

    def send(self, message: str | bytes) -> None:
        """Sends a message in mid-stream.

        :raises LocalProtocolError: when the connection is not open.
        """
        self._messages.send(message)

    def close(self, now: float) -> bool:
        """Begins the closing handshake; whether the peer's half is worth waiting for."""
        return self._messages.close(now)

    def _decode(self, messages: list[str | bytes]) -> list[StreamEvent]:
        events = self.decoder.receive_messages(messages)
        self.answer.add_all(events)
        self.quiet = self._messages.quiet and self.decoder.outcome is None
        return events if self.quiet else events + self._last_events()

    def _last_events(self) -> list[StreamEvent]:
        """Where something has ended: the events that only follow from that, and why it ended as it did."""
        closed = self._messages.closed
        self.cut = closed is not None and not self.decoder.ended
        events = self.decoder.receive_eof(cut=True) if self.cut and self._last_word else []
        self.answer.add_all(events)
        self._error = self._error or failure(self.decoder, self.answer, self._messages.request.secrets)
        if closed is not None and self.decoder.outcome in (None, "interrupted"):
            interrupted = StreamInterrupted(
                f"{_how(closed)} before the end that {self._dialect.name} marks, "
                f"after {len(self.answer.text)} characters of text",
                self.answer,
            )
            self._error = self._messages.request.secrets.redact(interrupted)
        return events


def _how(closed: Closed) -> str:
    if closed.code == 1006:
        return "the connection ended without a Close frame"
    return f"the server closed with {closed.code}{f' ({closed.reason})' if closed.reason else ''}"
