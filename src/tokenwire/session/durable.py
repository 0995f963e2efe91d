"""A conversation that outlives its connections: it tries again, resumes, starts over or falls back, as a policy says.

A driver asks what is wanted and does it, then tells what came of it, with the time:

    session = DurableSession(request, dialect, policy=PATIENT, random=random.random)
    session.wants               # what is to be done now:
    "connect"                   # session.start(now); a connection to session.request.http.target; then
                                # session.connected(now), or session.connection_failed(error, now)
    "transfer"                  # send what session.data_to_send() gives; tell session.receive_data(data, now) what
                                # comes, and session.receive_eof(now, reset=…) when nothing more does
    "wait"                      # nothing, without a connection, until session.next_deadline()
    "over"                      # the connection is of no more use

At `next_deadline()` it is told `handle_deadline(now)`. Whatever it is told of may return stream events. `Session` and
`WebSocketSession` are one connection each; here is what follows when one fails. What arrives is kept in one `Answer`,
and read by one `Decoder` as long as it is the same stream.

Events of its own, each an `Other`: "tokenwire.duplicate" and "tokenwire.gap" (see dialects/overlap), and, only by a
policy that asks for it, "tokenwire.restart", after which the answer begins anew, and "tokenwire.continuation", after
which the model goes on with the text as far as it had come. Open blocks are closed before both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..dialects.answer import Answer
from ..dialects.decoder import Decoder
from ..dialects.dialect import Again, Broken, Dialect
from ..dialects.events import BlockStop, Other, StreamEvent
from ..dialects.guess import Guess
from ..dialects.overlap import Overlap
from ..errors import (
    BodyTruncated,
    ConnectionFailed,
    LocalProtocolError,
    NotAStream,
    RemoteProtocolError,
    StatusError,
    StreamFailed,
    StreamInterrupted,
    TimeoutExceeded,
    TokenwireError,
)
from ..protocol.http import ResponseHead
from ..protocol.url import Target
from .conversation import Session, failure
from .happening import Happening, Kind, Observe
from .hosts import Hosts
from .policy import DEFAULT, Policy, retry_after
from .request import Request, Want, asking, going_on
from .timers import Timeouts
from .websocket import WebSocketSession

__all__ = ["DurableSession"]

#: Events that are remembered though the program clears the list of them, for a resumed stream begins among the last.
MAX_REMEMBERED = 64

#: Characters of these together, but for the last event: tokens have some hundred each.
MAX_REMEMBERED_SIZE = 256 * 1024

#: Phases of `ConnectionFailed` in which another try may do better: a certificate stays as it is.
_PASSING = ("resolve", "connect")


@dataclass(frozen=True, slots=True)
class _Try:
    """What is to be asked over the next connection.

    :ivar again: of a stream that is resumed.
    """

    kind: Literal["first", "resuming", "restarting", "continuing", "falling back"]
    request: Request
    dialect: Dialect
    again: Again | None = None


class DurableSession:
    """One conversation over as many connections as it takes.

    :param request: made by `build_request`.
    :param guess: as in `Session`.
    :param fallback: the same conversation over the other transport, and the dialect that it is in there.
    :param random: gives a number from 0 up to 1, for the jitter.
    :param wall: seconds since 1970, for a Retry-After that is a date in a response without Date.
    :param observe: is told what happens, as it happens.
    :param hosts: what was learned about hosts, and what will be.
    :raises LocalProtocolError: when the request cannot be sent as it is.
    """

    def __init__(
        self,
        request: Request,
        dialect: Dialect,
        timeouts: Timeouts | None = None,
        guess: Guess | None = None,
        *,
        policy: Policy = DEFAULT,
        random: Callable[[], float],
        fallback: tuple[Request, Dialect] | None = None,
        wall: Callable[[], float] | None = None,
        observe: Observe | None = None,
        hosts: Hosts | None = None,
    ) -> None:
        #: What has arrived so far.
        self.answer: Answer = Answer()
        #: There are no more events to come.
        self.ended: bool = False
        #: Why it is over, where it is not as it should be; see `Session`. A driver raises it after the last event.
        self.error: TokenwireError | None = None
        #: The head of the last response that there was.
        self.head: ResponseHead | None = None
        #: What was learned about hosts.
        self.hosts: Hosts = hosts or Hosts()
        self._policy = policy
        self._random = random
        self._wall = wall
        self._observe = observe
        self._guess = guess
        self._timeouts = timeouts or Timeouts()
        self._fallback = fallback
        self._wants: Want = "connect"
        self._try = _Try("first", request, dialect)
        if fallback is not None and self._allows_fallback() and self.hosts.lacks(request.http.target):
            self._try = _Try("falling back", *fallback)
        self._generation = self._try  # what was asked of the model last
        self._decoder = self._new_decoder()
        self._attempt = self._new_attempt()
        self._connections = 0
        self._sent = False  # of this attempt
        self._streamed = False  # there was a stream, over any connection
        self._heard = False  # and events in it, of this generation
        self._closing = False
        self._cursor = ""  # of the last event that has one
        self._latest = _Latest()
        self._failures = 0  # in a row
        self._row_began: float | None = None
        self._retry: int | None = None
        self._until: float | None = None
        self._total: float | None = None
        self._lesson: tuple[Target, str] | None = None  # what cannot be had and why, if the other transport can

    @property
    def request(self) -> Request:
        """What is asked over this connection, or the next one."""
        return self._try.request

    @property
    def streaming(self) -> bool:
        """A server has answered, and with a stream."""
        return self._streamed or self._attempt.streaming

    @property
    def wants(self) -> Want:
        """What a driver is to do now."""
        if self._wants == "transfer" and (self.ended or self._closing) and self._attempt.gone:
            return "over"
        return self._wants

    # What a driver tells.

    def start(self, now: float) -> None:
        """The driver begins to connect."""
        if self._total is None and self._timeouts.total is not None:
            self._total = now + self._timeouts.total
        if self._row_began is None:
            self._row_began = now
        self._connections += 1
        self._happened("connecting", now, _place(self._try.request))
        self._attempt.start(now)

    def connected(self, now: float) -> None:
        """The connection stands."""
        self._wants = "transfer"
        self._happened("connected", now)
        self._attempt.connected(now)

    def connection_failed(self, error: ConnectionFailed, now: float) -> list[StreamEvent]:
        """No connection could be made."""
        return self._failed(error, now)

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        if self._closing and not self._attempt.streaming:
            return b""
        data = self._attempt.data_to_send()
        self._sent = self._sent or bool(data)
        return data

    def receive_data(self, data: bytes, now: float) -> list[StreamEvent]:
        """Takes bytes from the connection, returns the events in them; none once the connection was given up."""
        return self._take(self._attempt.receive_data(data, now), now) if self._wants == "transfer" else []

    def receive_eof(self, now: float, *, reset: bool = False) -> list[StreamEvent]:
        """The connection ended, or was reset."""
        return self._take(self._attempt.receive_eof(now, reset=reset), now) if self._wants == "transfer" else []

    def next_deadline(self) -> float | None:
        """When to call `handle_deadline` unless something happens before; None for never."""
        if self.wants == "over" or (self.ended and not self._closing):
            return None
        own = self._until if self._wants == "wait" else self._attempt.next_deadline()
        return min((deadline for deadline in (own, self._total) if deadline is not None), default=None)

    def handle_deadline(self, now: float) -> list[StreamEvent]:
        """The time has come: a timer ran out, a ping is due, or the wait is over."""
        if self._total is not None and now >= self._total and not self.ended:
            return self._give_up(TimeoutExceeded("total", self._timeouts.total or 0.0, self.answer), now)
        if self._wants == "wait":
            if self._until is not None and now >= self._until:
                self._wants = "connect"
            return []
        self._attempt.handle_deadline(now)
        return self._take([], now)

    def send(self, message: str | bytes) -> None:
        """Sends a message in mid-stream, over WebSocket.

        :raises LocalProtocolError: over HTTP, and while there is no connection.
        """
        if self._wants != "transfer":
            raise LocalProtocolError("there is no connection now: the last one broke, and the next one is not made yet")
        self._attempt.send(message)

    def close(self, now: float) -> bool:
        """The user has had enough; whether there is an end of the peer's to wait for."""
        waits = self._wants == "transfer" and self._attempt.close(now)
        self._closing = True
        if not waits:
            self._wants = "over"
        return waits

    # What follows from it.

    def _take(self, events: list[StreamEvent], now: float) -> list[StreamEvent]:
        attempt = self._attempt
        if attempt.head is not None:
            self.head = attempt.head
            self._streamed = self._streamed or attempt.streaming
            if self._lesson is not None and attempt.streaming:
                self.hosts.learn(*self._lesson)
                self._lesson = None
        if events:
            self._arrived(events, now)
        if attempt.ended and not self.ended and not self._closing:
            if attempt.error is not None and not isinstance(attempt.error, StreamFailed):
                return events + self._failed(attempt.error, now)
            self._end(attempt.error, now)
        return events

    def _arrived(self, events: list[StreamEvent], now: float) -> None:
        """An event that had not arrived before proves that the connection is healthy."""
        if self._try.again is not None:
            told = [event for event in events if isinstance(event, Other) and event.type in _TOLD]
            for event in told:
                self._happened(_TOLD[event.type], now, event.raw if event.type == "tokenwire.gap" else "")
            if all(event.type == "tokenwire.duplicate" for event in told) and len(told) == len(events):
                return
        self._cursor = next((event.cursor for event in reversed(events) if event.cursor is not None), self._cursor)
        self._latest.add_all(events)
        self._heard = True
        self._failures = 0
        self._row_began = None

    def _failed(self, error: TokenwireError, now: float) -> list[StreamEvent]:
        """The connection is lost, or could not be had. Decides what comes next."""
        self._happened("failed", now, error=error)
        self._retry = self._decoder.retry if self._decoder.retry is not None else self._retry
        other = self._falls_back(error)
        if other is not None:
            self._lesson = (self._try.request.http.target, str(error))
            return self._begin(other, 0.0, now)
        following = self._following(error)
        if isinstance(following, str):
            return self._give_up(error, now, following)
        wait = self._wait(error, now)
        if isinstance(wait, str):
            return self._give_up(error, now, wait)
        return self._begin(following, wait, now)

    def _following(self, error: TokenwireError) -> _Try | str:
        """What to try after that, or why nothing, empty where the error says it. Reads as the table of phases does."""
        nothing_was_asked = not self._attempt.streaming if self._try.request.websocket else not self._sent
        match error:
            case TimeoutExceeded(timer="total"):
                return ""
            case StatusError(status=status) if status in self._policy.statuses:
                return self._try
            case StatusError() if self._try.again is not None:
                return self._ask_anew() if error.status != 204 else ""
            case ConnectionFailed(phase=phase):
                return self._try if phase in _PASSING else ""
            case BodyTruncated() | StreamInterrupted() | TimeoutExceeded() if nothing_was_asked:
                return self._try
            case BodyTruncated() | StreamInterrupted() | TimeoutExceeded() if self._heard:
                return self._go_on() if self._may_go_on() else "by this code the server closed it for good"
            case BodyTruncated() | StreamInterrupted() | TimeoutExceeded() if self._is_repeatable():
                return self._try
            case BodyTruncated() | StreamInterrupted() | TimeoutExceeded():
                return "what was asked may have been received, and is not asked twice"
            case _:
                return ""

    def _is_repeatable(self) -> bool:
        """The request may be sent again though nobody knows whether it arrived (RFC 9110, 9.2.2)."""
        http = self._try.request.http
        if self._try.again is not None or (http.method == "GET" and not self._try.request.websocket):
            return True
        key = self._policy.idempotency_field.lower()
        return bool(key) and any(name == key for name, _ in http.headers)

    def _may_go_on(self) -> bool:
        """A WebSocket's peer may have closed it for good."""
        attempt = self._attempt
        closed = attempt.closed if isinstance(attempt, WebSocketSession) else None
        return closed is None or closed.code in self._policy.close_codes

    def _go_on(self) -> _Try | str:
        """Some of the stream had arrived."""
        if self._policy.interrupted == "raise":
            return ""
        again = self._resumption()
        if again is None:
            return self._ask_anew()
        request = going_on(self._generation.request, again)
        return _Try("resuming", request, self._generation.dialect, again)

    def _resumption(self) -> Again | None:
        request, dialect = self._generation.request, self._decoder.dialect
        if request.websocket:
            return None
        again = dialect.resuming(self._broken()) if dialect.resuming is not None else None
        if again is None and self._reconnects():
            return Again(request.http.target.path, snapshot=True)
        return again

    def _broken(self) -> Broken:
        request = self._generation.request
        return Broken(
            path=request.http.target.path,
            fields=dict(request.http.headers),
            json=request.json,
            events=self._had_arrived(),
            id=self.answer.start.id if self.answer.start is not None else "",
            cursor=self._cursor,
            last_event_id=self._decoder.last_event_id,
        )

    def _reconnects(self) -> bool:
        """As a browser's EventSource does, for which a stream has no end of its own."""
        asked = self._generation.request.http.method
        return self._policy.interrupted == "reconnect" and asked == "GET" and self._decoder.may_end

    def _ask_anew(self) -> _Try | str:
        """The stream cannot be resumed: the model is asked once more, by a policy that wants it so."""
        request, dialect = self._generation.request, self._generation.dialect
        text = self.answer.text
        if self._policy.interrupted == "continue" and text and not self.answer.all_tools:
            longer = dialect.continuing(request.json, text)
            if longer is None:
                return f"{dialect.name} cannot be asked to go on with a text"
            return _Try("continuing", self._with_another_key(asking(request, dialect, longer)), dialect)
        if self._policy.interrupted not in ("restart", "continue"):
            return f"{dialect.name} cannot resume this stream"
        json = dialect.asking_again(self._broken()) if request.websocket else request.json
        return _Try("restarting", asking(request, dialect, json), dialect)

    def _with_another_key(self, request: Request) -> Request:
        """It has another body, with which a key that was used is refused."""
        field = self._policy.idempotency_field.lower()
        headers = [
            (name, f"{value}-{self._connections}" if field and name == field else value)
            for name, value in request.http.headers
        ]
        return replace(request, http=replace(request.http, headers=headers))

    def _wait(self, error: TokenwireError, now: float) -> float | str:
        """Seconds before the next try, or why there is none any more."""
        policy = self._policy
        self._failures += 1
        if policy.attempts is not None and self._failures >= policy.attempts:
            return f"that was the last of {policy.attempts} tries"
        wait = policy.backoff(self._failures, self._random)
        if isinstance(error, StatusError):
            asked = retry_after(error.headers, self._wall) or 0.0
            if asked > policy.longest:
                return f"to wait {asked:g} s is asked, and no more than {policy.longest:g} s are waited"
            wait = max(wait, asked)
        elif self._retry is not None:
            asked = min(self._retry / 1000, policy.longest)
            wait = asked if self._failures == 1 else max(wait, asked)
        began = now if self._row_began is None else self._row_began
        self._row_began = began
        if policy.elapsed is not None and now + wait - began > policy.elapsed:
            return f"for {policy.elapsed:g} s nothing new has come"
        return wait

    def _begin(self, following: _Try, wait: float, now: float) -> list[StreamEvent]:
        """Makes ready for the next connection."""
        events: list[StreamEvent] = []
        if wait > 0:
            self._happened("waiting", now, seconds=wait)
        if following is not self._try and following.kind != "first":
            place = _place(following.request) if following.kind == "falling back" else ""
            self._happened(following.kind, now, place or self._decoder.last_event_id or self._cursor)
        if following.again is None and following is not self._try:
            events = self._leave_the_generation(following)
        self._try = following
        if following.again is not None:
            self._decoder.resume(self._overlap(following.again))
        elif not self._heard:
            self._decoder = self._new_decoder()  # the last one may have half an event
        self._attempt = self._new_attempt()
        self._sent = False
        self._until = now + wait
        self._wants = "wait" if wait > 0 else "connect"
        return events

    def _leave_the_generation(self, following: _Try) -> list[StreamEvent]:
        """What is asked next is another generation, or the first one over another transport."""
        events: list[StreamEvent] = []
        if self._heard:
            left = self._decoder.receive_eof(cut=True)
            kind = "tokenwire.restart" if following.kind == "restarting" else "tokenwire.continuation"
            events = [*(event for event in left if isinstance(event, BlockStop)), Other(kind, "")]
            self.answer.add_all(events)
        self._heard = False
        self._cursor = ""
        self._latest.clear()
        self._generation = replace(following, request=replace(following.request, json=self._generation.request.json))
        self._guess = None
        return events

    def _overlap(self, again: Again) -> Overlap:
        dialect = self._decoder.dialect
        cursor = self._decoder.last_event_id or self._cursor
        return Overlap(self._had_arrived(), cursor, dialect.cursor, snapshot=again.snapshot)

    def _had_arrived(self) -> Sequence[StreamEvent]:
        """All events, or the last ones, where the program has cleared the list."""
        return max(self.answer.events, self._latest.events, key=len)

    def _new_decoder(self) -> Decoder:
        return Decoder("auto", hint=self._guess) if self._guess else Decoder(self._try.dialect)

    def _new_attempt(self) -> Session | WebSocketSession:
        request, dialect = self._try.request, self._try.dialect
        timeouts = replace(self._timeouts, total=None)
        going = (self.answer, self._decoder)
        if request.websocket:
            return WebSocketSession(request, dialect, timeouts, going_on=going, last_word=False)
        reconnects = self._reconnects()
        return Session(request, dialect, timeouts, self._guess, going_on=going, last_word=False, reconnects=reconnects)

    # Falling back.

    def _allows_fallback(self) -> bool:
        websocket = self._try.request.websocket
        return self._policy.fallback == "both" or (websocket and self._policy.fallback == "to HTTP")

    def _falls_back(self, error: TokenwireError) -> _Try | None:
        """The same over the other transport, where the error says that this one cannot be had."""
        fallback = self._fallback
        if fallback is None or self._streamed or self._try.kind == "falling back" or not self._allows_fallback():
            return None
        if isinstance(error, StatusError):
            # Over HTTP 400 speaks of the body, and 200 is no refusal.
            unusable = error.status in self._policy.no_transport
            unusable = unusable and (self._try.request.websocket or error.status not in (200, 400))
        else:
            unusable = self._try.request.websocket and self._sent and isinstance(error, _NO_HANDSHAKE)
        return _Try("falling back", *fallback) if unusable else None

    # The end.

    def _give_up(self, error: TokenwireError, now: float, why: str = "") -> list[StreamEvent]:
        """No connection follows: what had arrived is all there is."""
        if not self._streamed or not isinstance(error, _BROKEN_OFF):
            self._end(error, now, why)
            return []
        stopped = isinstance(error, StatusError) and error.status == 204  # WHATWG HTML 9.2.3: no more of it
        cut = not stopped and (self._attempt.cut or not isinstance(error, StreamInterrupted))
        events = self._decoder.receive_eof(cut=cut)
        self.answer.add_all(events)
        if self._decoder.outcome in ("clean", "error"):
            self._end(failure(self._decoder, self.answer), now)
        elif isinstance(error, StreamInterrupted):
            self._end(error, now, why)
        else:
            words = f"the stream broke off after {len(self.answer.text)} characters of text, and then: {error}"
            interrupted = StreamInterrupted(words, self.answer)
            interrupted.__cause__ = error
            self._end(interrupted, now, why)
        return events

    def _end(self, error: TokenwireError | None, now: float, why: str = "") -> None:
        self.ended = True
        self.error = error
        if self._wants != "transfer":
            self._wants = "over"
        if self._policy.attempts == 1:
            why = ""  # nobody expects a second one
        self._happened("done", now, why, error=error)

    def _happened(
        self,
        kind: Kind,
        now: float,
        detail: str = "",
        *,
        seconds: float | None = None,
        error: TokenwireError | None = None,
    ) -> None:
        if self._observe is not None:
            self._observe(Happening(kind, now, self._connections, detail, seconds, error))


class _Latest:
    """The last events, few and not large."""

    def __init__(self) -> None:
        self.events: deque[StreamEvent] = deque()
        self._size = 0

    def add_all(self, events: Sequence[StreamEvent]) -> None:
        for event in events[-MAX_REMEMBERED:]:
            self.events.append(event)
            self._size += len(event.raw)
        while len(self.events) > MAX_REMEMBERED or (len(self.events) > 1 and self._size > MAX_REMEMBERED_SIZE):
            self._size -= len(self.events.popleft().raw)

    def clear(self) -> None:
        self.events.clear()
        self._size = 0


def _place(request: Request) -> str:
    """Where to, without what may be secret in a query."""
    return f"{request.http.target.scheme}://{request.http.target.authority}"


#: What the events that tell of a resumed stream are to an observer.
_TOLD: dict[str, Kind] = {"tokenwire.duplicate": "duplicate", "tokenwire.gap": "gap"}

#: A handshake to which there was no answer, or none that a WebSocket can begin with.
_NO_HANDSHAKE = (RemoteProtocolError, TimeoutExceeded)

#: After these a stream that had begun is one that broke off.
_BROKEN_OFF = (StreamInterrupted, ConnectionFailed, StatusError, NotAStream, BodyTruncated)
