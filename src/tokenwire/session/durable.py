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

At `next_deadline()` it calls `handle_deadline(now)`. Each of these calls may return stream events. `Session` and
`WebSocketSession` are one connection each; here is what follows when one fails. What arrives is kept in one `Answer`,
and read by one `Decoder` as long as it is the same stream.

A conversation is in one of the states of `states`, which says for each what a driver does and what may follow when the
connection breaks; `_following` decides it. Four things live for different times:

    the ask, and the exchange       of one connection: what is asked over it, and the session that carries it
    the failures in a row           until there is new progress
    the generation, the decoder     of one request that is paid for, over as many connections as it takes
    the answer, the progress        of the whole conversation

Events of its own, each an `Other`: "tokenwire.duplicate" and "tokenwire.gap" (see dialects/overlap), and, only by a
policy that asks for it, "tokenwire.restart", after which the answer begins anew, and "tokenwire.continuation", after
which the model goes on with the text as far as it had come. Open blocks are closed before each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..dialects.answer import Answer
from ..dialects.decoder import Decoder
from ..dialects.dialect import Dialect
from ..dialects.events import BlockStop, Other, StreamEvent
from ..dialects.latest import are_many
from ..errors import (
    BodyTruncated,
    ConnectionFailed,
    LocalProtocolError,
    NotAStream,
    StatusError,
    StreamFailed,
    StreamInterrupted,
    TimeoutExceeded,
    TokenwireError,
)
from ..lazily import Lazily
from ..protocol.http import ResponseHead
from .asks import Allowance, Ask, Stop
from .conversation import Session, failure
from .fallback import Fallback
from .generation import Generation
from .happening import Happening, Kind, Observe, told_apart
from .hosts import Hosts
from .policy import DEFAULT, Policy
from .progress import Progress
from .request import Request, Want
from .row import FailureRow
from .states import STATES, Move, State
from .timers import DEFAULT_TIMEOUTS, Timeouts

if TYPE_CHECKING:  # few streams are guessed, or go over WebSocket
    from ..dialects import guess as guessing
    from .websocket import WebSocketSession
else:
    guessing = Lazily("tokenwire.dialects.guess")

__all__ = ["DurableSession"]

#: Events that wait to be counted; fewer, where they are large.
MAX_UNCOUNTED = 64

#: Phases of `ConnectionFailed` in which another try may do better: a certificate stays as it is.
_TRANSIENT = ("resolve", "connect")

#: After these a stream that had begun is one that broke off.
_BROKEN_OFF = (StreamInterrupted, ConnectionFailed, StatusError, NotAStream, BodyTruncated)

#: The status that says that there is no more of a stream (WHATWG HTML 9.2.3).
_NO_MORE = 204


class DurableSession:
    """One conversation over as many connections as it takes.

    :param request: made by `build_request`.
    :param guess: as in `Session`.
    :param fallback: the same conversation over the other transport, and the dialect that it is in there.
    :param random: gives a number from 0 up to 1, for the jitter.
    :param wall: seconds since 1970, for a Retry-After that is a date in a response without Date.
    :param observe: is told what happens, as it happens.
    :param hosts: what was learned about hosts, and what will be.
    :param keep_events: as in `Answer`.
    :raises LocalProtocolError: when the request cannot be sent as it is.
    """

    def __init__(
        self,
        request: Request,
        dialect: Dialect,
        timeouts: Timeouts | None = None,
        guess: guessing.Guess | None = None,
        *,
        policy: Policy = DEFAULT,
        random: Callable[[], float],
        fallback: tuple[Request, Dialect] | None = None,
        wall: Callable[[], float] | None = None,
        observe: Observe | None = None,
        hosts: Hosts | None = None,
        keep_events: bool = False,
    ) -> None:
        #: What has arrived so far.
        self.answer: Answer = Answer(keep_events=keep_events)
        #: There are no more events to come.
        self.ended: bool = False
        #: Why it is over, where it is not as it should be; see `Session`. A driver raises it after the last event.
        self.error: TokenwireError | None = None
        #: The head of the last response.
        self.head: ResponseHead | None = None
        #: The last read brought events, or none, and changed nothing else: what is wanted and what is to be sent are as
        #: before it, and no deadline is nearer. So a driver need not ask for them after each read.
        self.quiet: bool = False
        #: What was learned about hosts.
        self.hosts: Hosts = hosts or Hosts()
        self._policy = policy
        self._observe = observe
        self._guess = guess
        self._timeouts = timeouts or DEFAULT_TIMEOUTS
        # Of one connection: `total` is for all of them.
        self._one_timeouts = self._timeouts if self._timeouts.total is None else replace(self._timeouts, total=None)
        self._fallback = Fallback(fallback, policy, self.hosts)
        self._state = State.CONNECTING
        self._rules = STATES[self._state]
        self._listens = False  # what comes is read
        self._ask = self._fallback.first(Ask("first", request, dialect))
        self._generation = Generation(self._ask, self.answer, policy)
        self._decoder = self._new_decoder()
        self._exchange = self._new_exchange()
        self._failures = FailureRow(policy, random, wall)
        self._progress = Progress()
        self._uncounted: list[StreamEvent] = []
        self._connections = 0
        self._generations = Allowance(policy.generations, "the model was asked anew")  # besides the first
        self._resumptions = Allowance(policy.resumptions, "it was resumed")
        self._streamed = False  # there was a stream, over any connection
        self._retry: int | None = None
        self._until: float | None = None  # of the wait
        self._total: float | None = None

    @property
    def request(self) -> Request:
        """What is asked over this connection, or the next one."""
        return self._ask.request

    @property
    def streaming(self) -> bool:
        """A server has answered, and with a stream."""
        return self._streamed or self._exchange.streaming

    @property
    def reusable(self) -> bool:
        """The conversation is over, and this connection can carry another; see `Session.reusable`."""
        return self.ended and isinstance(self._exchange, Session) and self._exchange.reusable

    @property
    def wants(self) -> Want:
        """What a driver is to do now."""
        finished = self._state in (State.ENDED, State.CLOSING) and self._exchange.gone
        return "over" if finished else self._rules.wants

    # What a driver tells.

    def start(self, now: float) -> None:
        """The driver begins to connect."""
        if self._total is None and self._timeouts.total is not None:
            self._total = now + self._timeouts.total
        self._failures.begin(now)
        self._connections += 1
        self._happened("connecting", now, self._ask.request.http.target.origin)
        self._exchange.start(now)

    def connected(self, now: float) -> None:
        """The connection stands."""
        if self._state is State.CONNECTING:  # and was not closed meanwhile
            self._move("connected")
            self._happened("connected", now)
            self._exchange.connected(now)

    def connection_failed(self, error: ConnectionFailed, now: float) -> list[StreamEvent]:
        """No connection could be made."""
        if self._state is not State.CONNECTING:
            return []
        return self._failed(self.request.secrets.redact(error), now)

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        if not self._has_connection and not self._exchange.streaming:
            return b""
        data = self._exchange.data_to_send()
        if data and self._state is State.CONNECTED and not self._ask.request.websocket:
            self._asked()
        return data

    def receive_data(self, data: bytes, now: float) -> list[StreamEvent]:
        """Takes bytes from the connection, returns the events in them; none once the connection was given up."""
        if not self._listens:
            return []
        exchange = self._exchange
        events = exchange.receive_data(data, now)
        self.quiet = exchange.quiet and self._state is State.HEARD
        if not self.quiet:
            return self._after_exchange(events, now)
        if events:
            self._arrived(events, now)
        return events

    def receive_eof(self, now: float, *, reset: bool = False) -> list[StreamEvent]:
        """The connection ended, or was reset."""
        return self._after_exchange(self._exchange.receive_eof(now, reset=reset), now) if self._listens else []

    def next_deadline(self) -> float | None:
        """When to call `handle_deadline` unless something happens before; None for never."""
        if self._state is State.ENDED or self.wants == "over":
            return None
        own = self._until if self._state is State.WAITING else self._exchange.next_deadline()
        return min((moment for moment in (own, self._total) if moment is not None), default=None)

    def handle_deadline(self, now: float) -> list[StreamEvent]:
        """The time has come: a timer ran out, a ping is due, or the wait is over."""
        if self.next_deadline() is None:
            return []
        if self._total is not None and now >= self._total:
            return self._total_exceeded(now)
        if self._state is State.WAITING:
            if self._until is not None and now >= self._until:
                self._move("to connect")
            return []
        self._exchange.handle_deadline(now)
        return self._after_exchange([], now)

    def send(self, message: str | bytes) -> None:
        """Sends a message in mid-stream, over WebSocket.

        :raises LocalProtocolError: over HTTP, and while there is no connection.
        """
        if not self._has_connection:
            raise LocalProtocolError("there is no connection now: send it again once there is one")
        self._exchange.send(message)
        if not isinstance(self._exchange, Session):
            self._ask = self._ask.keeping(self._exchange.secrets)

    def close(self, now: float) -> bool:
        """The user closes. Whether the peer's Close is to be waited for: keep driving then until `wants` is "over"."""
        if self._state is State.OVER:
            return False
        waits = self._has_connection and self._exchange.close(now)
        self._move("closing" if waits else "closed")
        return waits

    # What follows from it.

    @property
    def _has_connection(self) -> bool:
        """There is a connection, even if nothing more is asked over it; not while one is being made."""
        return self._rules.wants == "transfer"

    def _move(self, move: Move) -> None:
        self._state = self._rules.moves[move]
        self._rules = STATES[self._state]
        # Nothing is read after we gave up (by `total`, say) an exchange that has not ended itself.
        self._listens = self._has_connection and (self._state is not State.ENDED or self._exchange.ended)
        self.quiet = False

    def _asked(self) -> None:
        """What is asked has begun to go out."""
        self._move("asked for the rest" if self._generation.heard else "asked")

    def _after_exchange(self, events: list[StreamEvent], now: float) -> list[StreamEvent]:
        """Handles what the exchange did with what it was told: a new head, events, its end."""
        self.quiet = False
        exchange = self._exchange
        if exchange.head is not self.head and exchange.head is not None:
            self.head = exchange.head
            if exchange.streaming:
                self._streamed = True
                self._fallback.streamed()
        if self._state is State.CONNECTED and self._ask.request.websocket and exchange.streaming:
            self._asked()  # the first message goes out as soon as it is open
        if events:
            self._arrived(events, now)
        if exchange.ended and self._state not in (State.ENDED, State.CLOSING):
            if exchange.error is not None and not isinstance(exchange.error, StreamFailed):
                return events + self._failed(exchange.error, now)
            self._end(exchange.error, now)
        return events

    def _arrived(self, events: list[StreamEvent], now: float) -> None:
        """Takes events, to be counted."""
        if self._ask.again is not None:
            told, events = told_apart(events)
            for kind, detail in told:
                self._happened(kind, now, detail)
            if not events and all(kind == "duplicate" for kind, _ in told):
                return
        self._uncounted += events
        if are_many(self._uncounted, MAX_UNCOUNTED):
            self._count()
        if self._state is not State.HEARD:
            self._move("heard")

    def _count(self) -> None:
        """How far the events take the conversation matters once it breaks, so many are counted at once. Those past the
        furthest point reached end the row of failures; repeated ones do not."""
        events, self._uncounted = self._uncounted, []
        self._generation.receive_events(events)
        if self._progress.receive_events(events):
            self._failures.end()

    def _failed(self, error: TokenwireError, now: float) -> list[StreamEvent]:
        """The connection is lost, or could not be had. Decides what comes next."""
        if self._uncounted:
            self._count()
        self._happened("failed", now, error=error)
        self._retry = self._decoder.retry if self._decoder.retry is not None else self._retry
        in_handshake = self._state is State.CONNECTED
        other = None if self._streamed else self._fallback.instead_of(self._ask, error, in_handshake=in_handshake)
        if other is not None:  # at most once, so it is no failure of the row
            return self._begin(other, 0.0, now)
        following = self._following(error)
        if isinstance(following, Stop):
            return self._give_up(error, now, following)
        wait = self._failures.fail(error, self._retry, now)
        if isinstance(wait, Stop):
            return self._give_up(error, now, wait)
        return self._begin(following, wait, now)

    def _following(self, error: TokenwireError) -> Ask | Stop:
        """What to ask after this error, or why nothing; after a break, by how far the exchange had got."""
        match error:
            case StatusError(status=status) if status in self._policy.statuses:
                return self._ask
            case StatusError() if self._ask.again is not None:
                return self._ask_anew() if error.status != _NO_MORE else Stop()
            case ConnectionFailed(phase=phase):
                return self._ask if phase in _TRANSIENT else Stop()
            case BodyTruncated() | StreamInterrupted() | TimeoutExceeded():
                return self._following_a_break()
            case _:
                return Stop()

    def _following_a_break(self) -> Ask | Stop:
        """The connection broke, or was silent for too long: what follows goes by how far the exchange had got."""
        match self._rules.when_broken:
            case "ask again":
                return self._ask
            case "ask again if it is harmless" if self._ask.is_harmless(self._policy):
                return self._ask
            case "ask again if it is harmless":
                return Stop("what was asked may have been received, and is not asked twice")
            case "go on" if self._was_closed_for_good():
                return Stop("by this code the server closed it for good")
            case "go on":
                return self._resume_or_ask_anew()
            case "nothing":
                return Stop()

    def _was_closed_for_good(self) -> bool:
        closed = None if isinstance(self._exchange, Session) else self._exchange.closed
        return closed is not None and closed.code not in self._policy.close_codes

    def _resume_or_ask_anew(self) -> Ask | Stop:
        """Some of the generation had arrived: the rest is asked for, else another generation."""
        if self._policy.interrupted == "raise":
            return Stop()
        rest = self._generation.ask_for_the_rest(self._decoder)
        return self._ask_anew() if rest is None else self._resumptions.allows(rest)

    def _ask_anew(self) -> Ask | Stop:
        """The stream cannot be resumed: the model is asked once more, by a policy that wants and allows it."""
        ask = self._generation.ask_anew(self._decoder, self._connections)
        return self._generations.allows(ask) if isinstance(ask, Ask) else ask

    def _begin(self, ask: Ask, wait: float, now: float) -> list[StreamEvent]:
        """Makes ready for the next connection."""
        if wait > 0:
            self._happened("waiting", now, seconds=wait)
        events = self._turn_to(ask, now) if ask is not self._ask else []
        if ask.again is not None:
            self._decoder.resume(self._generation.overlap(self._decoder, ask.again))
        else:
            self._decoder = self._new_decoder()  # the last one may have half an event
        self._exchange = self._new_exchange()
        self._until = now + wait
        self._move("to wait" if wait > 0 else "to connect")
        return events

    def _turn_to(self, ask: Ask, now: float) -> list[StreamEvent]:
        """The next connection asks something else: the rest, another generation, or this one over another transport."""
        assert ask.kind != "first"
        events: list[StreamEvent] = []
        origin, cursor = ask.request.http.target.origin, self._generation.cursor(self._decoder)
        self._happened(ask.kind, now, origin if ask.kind == "falling back" else cursor)
        if ask.again is None:
            events = self._leave_the_generation(ask)
        match ask.kind:
            case "resuming":
                self._resumptions.use()
                if ask.again is not None and ask.again.snapshot:
                    self._progress.resumed_by_picture(self._generation.had_arrived())
                else:
                    self._progress.resumed()
            case "restarting":
                self._generations.use()
                self._progress.restarted()
            case "continuing":
                self._generations.use()
                self._progress.continued()
        self._ask = ask.keeping(self._ask.request.secrets)
        return events

    def _leave_the_generation(self, ask: Ask) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self._generation.heard:
            left = self._decoder.receive_eof(cut=True)
            kind = "tokenwire.restart" if ask.kind == "restarting" else "tokenwire.continuation"
            events = [*(event for event in left if isinstance(event, BlockStop)), Other(kind, "")]
            self.answer.add_all(events)
        self._generation = self._generation.followed_by(ask)
        self._guess = None
        return events

    def _new_decoder(self) -> Decoder:
        return Decoder("auto", hint=self._guess) if self._guess else Decoder(self._ask.dialect)

    def _new_exchange(self) -> Session | WebSocketSession:
        request, dialect = self._ask.request, self._ask.dialect
        timeouts = self._one_timeouts
        going = (self.answer, self._decoder)
        if request.websocket:
            from .websocket import WebSocketSession  # wsproto is not loaded for streams over HTTP

            return WebSocketSession(request, dialect, timeouts, going_on=going, last_word=False)
        reconnects = self._generation.reconnects(self._decoder)
        return Session(request, dialect, timeouts, self._guess, going_on=going, last_word=False, reconnects=reconnects)

    # The end.

    def _total_exceeded(self, now: float) -> list[StreamEvent]:
        if self._state is State.CLOSING:
            self._move("closed")
            return []
        return self._give_up(TimeoutExceeded("total", self._timeouts.total or 0.0, self.answer), now, Stop())

    def _give_up(self, error: TokenwireError, now: float, stop: Stop) -> list[StreamEvent]:
        """No connection follows: what had arrived is all there is."""
        if not self._streamed or not isinstance(error, _BROKEN_OFF):
            self._end(error, now, stop.why)
            return []
        stopped = isinstance(error, StatusError) and error.status == _NO_MORE
        cut = not stopped and (self._exchange.cut or not isinstance(error, StreamInterrupted))
        events = self._decoder.receive_eof(cut=cut)
        self.answer.add_all(events)
        if self._decoder.outcome in ("clean", "error"):
            self._end(failure(self._decoder, self.answer, self._ask.request.secrets), now)
        elif isinstance(error, StreamInterrupted):
            self._end(error, now, stop.why)
        else:
            words = f"the stream broke off after {len(self.answer.text)} characters of text, and then: {error}"
            interrupted = StreamInterrupted(words, self.answer)
            interrupted.__cause__ = error
            self._end(interrupted, now, stop.why)
        return events

    def _end(self, error: TokenwireError | None, now: float, why: str = "") -> None:
        self.ended = True
        self.error = error
        if not self._streamed:
            self._fallback.failed()
        self._move("ended")
        # With one attempt nobody expects a second one.
        self._happened("done", now, "" if self._policy.attempts == 1 else why, error=error)

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
