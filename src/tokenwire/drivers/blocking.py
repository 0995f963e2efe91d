"""The blocking driver: sockets, for programs of threads. It carries bytes and times; the session decides.

    with tokenwire.stream(url, json={"model": "m"}, dialect="openai-chat", key_env="OPENAI_API_KEY") as stream:
        for event in stream: ...
        stream.text, stream.usage, stream.end

One thread iterates. Others may call `send` and `close`: all of it happens under one lock, which is free while the
thread that carries the bytes waits for the socket. `connect` opens a WebSocket, whose messages are taken as they are.
"""

from __future__ import annotations

import json as json_module
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from ..dialects import DialectName
from ..dialects.dialect import Dialect
from ..dialects.events import StreamEvent
from ..errors import ConnectionFailed, LocalProtocolError, OnError
from ..lazily import Lazily
from ..protocol.http import ResponseHead
from ..session import DEFAULT, Hosts, Observe, Policy, PolicyName, Timeouts, Want
from .driving import Driving
from .opening import Conversation, Opening, SoFar, connection_failed, is_our_timeout
from .pool import Idle, Pool, origin_of
from .route import Route
from .sockets import CLOSED, Link, Poll, dial, is_fit
from .unread import MAX_UNREAD, too_much_unread

if TYPE_CHECKING:  # neither TLS nor wsproto is loaded for a stream that needs none
    import ssl

    from ..protocol import websocket
    from .tls import TLS
else:
    ssl, websocket = Lazily("ssl"), Lazily("tokenwire.protocol.websocket")

__all__ = ["Stream", "WebSocket", "connect", "stream"]

_Item = TypeVar("_Item")


def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    key: str | None = None,
    key_env: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeouts: Timeouts | None = None,
    record: str | os.PathLike[str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = "env",
) -> WebSocket:
    """Opens a WebSocket, to send and receive messages as they are; use it in a `with` statement and iterate.

    Parameters and errors are those of `stream`.
    """
    opening = Opening(
        url,
        json=None,
        dialect="raw",
        key=key,
        key_env=key_env,
        headers=headers,
        timeouts=timeouts,
        record=record,
        ssl_context=ssl_context,
        proxy=proxy,
    )
    return WebSocket(opening, subprotocols)


def stream(
    url: str,
    *,
    json: Mapping[str, Any] | None = None,
    dialect: DialectName | Dialect = "openai-chat",
    key: str | None = None,
    key_env: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeouts: Timeouts | None = None,
    record: str | os.PathLike[str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    policy: PolicyName | Policy = DEFAULT,
    observe: Observe | None = None,
    hosts: Hosts | None = None,
    proxy: str | None = "env",
    usage: bool = False,
    on_error: OnError = "raise",
    keep_events: bool = False,
) -> Stream:
    """Asks an endpoint for a stream; use it in a `with` statement and iterate.

    :param url: of the endpoint; a base URL, such as https://api.example.com/v1, gets the rest of the dialect's path.
    :param json: the body of the request.
    :param dialect: of the endpoint; "auto" guesses it from the URL, and takes the stream for what it is.
    :param key: the key, sent in the dialect's own field.
    :param key_env: the environment variable that holds the key, instead of `key`.
    :param headers: more fields, or others instead of ours.
    :param timeouts: in seconds.
    :param record: a file for the recording of the wire, secrets redacted; each further connection gets one of its own.
        It is written as `NAME.part` and renamed at the end. Where it cannot be written, `mishaps` says why.
    :param ssl_context: instead of the default, which verifies certificates.
    :param policy: what follows when a connection fails: "default", "patient", "fixed", "never", "browser", or a
        `Policy` of your own.
    :param observe: is told of each connection that is made, fails, or is waited for. What it raises is in `mishaps`.
    :param hosts: what is learned about hosts, for other streams to go by.
    :param proxy: the URL of an HTTP proxy, through which a tunnel is made (CONNECT); None for none; "env" for what
        HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say, which never concern an address of loopback.
    :param usage: the usage is asked for, in dialects that tell it only then.
    :param on_error: "event" leaves a fatal error of the server's among the events; by default `StreamFailed` is raised
        after the last one.
    :param keep_events: `answer.events` has all events and not only the last 64.
    :raises LocalProtocolError: for what cannot be sent, and for arguments of another kind than is wanted.
    """
    return Stream(
        Opening(
            url,
            json=json,
            dialect=dialect,
            key=key,
            key_env=key_env,
            headers=headers,
            timeouts=timeouts,
            record=record,
            ssl_context=ssl_context,
            policy=policy,
            observe=observe,
            hosts=hosts,
            proxy=proxy,
            usage=usage,
            on_error=on_error,
            keep_events=keep_events,
        )
    )


class _Driver(Driving[_Item, Link]):
    """Drives a session over a socket: what Stream and WebSocket have in common."""

    def __init__(self, opening: Opening, session: Conversation[_Item], pool: Pool[Link] | None = None) -> None:
        super().__init__(opening, session, pool)
        self._state: Literal["new", "open", "closing", "closed"] = "new"
        self._wants: Want = "connect"  # what the session wanted when it was last asked,
        self._due: float | None = None  # and its deadline then: today's is no earlier
        self._lock = threading.RLock()
        self._carried = threading.Condition(self._lock)
        self._poll: Poll | None = None
        self._carrier: int | None = None  # the thread that carries bytes now
        self._others = 0  # threads that wait for what it brings

    def __enter__(self) -> Self:
        """Connects, sends the request and waits for the head of the response.

        :raises ConnectionFailed: when there is no connection.
        :raises StatusError: when the server refuses, `NotAStream` when it answers with something else.
        :raises TimeoutExceeded: when a timer runs out.
        :raises LocalProtocolError: when it was entered before, or is closed.
        """
        if self._state != "new":
            raise LocalProtocolError("a stream can be entered once: ask for another one")
        self._state = "open"
        try:
            with self._lock:
                self._carry_until(self._is_answered)
            if not self._session.streaming and self._session.error is not None:
                raise self._session.error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[_Item]:
        """The events, or messages, that were not given yet; errors as in `next`."""
        while True:
            yield from self._ready
            if not self._get_ready():
                return

    def __next__(self) -> _Item:
        """The next event, or message. After `close`, what had arrived before is still given.

        :raises StreamInterrupted: when the stream was cut, after the last event.
        :raises StreamFailed: when the server said a fatal error, after the last event; not with `on_error="event"`.
        :raises TimeoutExceeded: when a timer ran out.
        :raises RemoteProtocolError: when the server broke the protocol.
        :raises LocalProtocolError: when the stream was closed before its end, and when another thread iterates too.
        """
        while True:
            for item in self._ready:
                return item
            if not self._get_ready():
                raise StopIteration

    @property
    def response(self) -> ResponseHead:
        """Status and fields of the response.

        :raises LocalProtocolError: when there is none yet.
        """
        if self._session.head is None:
            raise LocalProtocolError("there is no response yet: it comes when the `with` statement is entered")
        return self._session.head

    def close(self) -> None:
        """Closes the connection; what is still on the way is lost, and the server may stop generating.

        May be called from another thread, of which it wakes whoever connects, reads, sends or waits: there
        `LocalProtocolError` is raised.
        """
        with self._lock:
            if self._state == "closed":
                return
            self._state = "closing"
            if self._poll is not None:
                self._poll.stop()
            if self._carrier == threading.get_ident():
                return  # called by an observer, or a signal's handler: what is in progress ends first
            while self._carrier is not None:
                self._wait_for_the_carrier()
            if self._state == "closing":
                self._leave()

    def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Sends a message in mid-stream, over WebSocket: an object as JSON, text and bytes as they are.

        May be called from another thread. What comes from the server meanwhile is kept for whoever iterates.

        :raises LocalProtocolError: over HTTP, and when the connection is not open; and when more than
            `unread.MAX_UNREAD` bytes came meanwhile that nobody takes.
        """
        with self._lock:
            self._check_open()
            self._session.send(json_module.dumps(message) if isinstance(message, Mapping) else message)
            self._flush()
            if self._carrier != threading.get_ident():
                self._carry_until(self._is_sent_or_stuck)
                if self._unread > MAX_UNREAD and not self._is_sent():
                    raise too_much_unread()
            self._check_open()

    def _check_open(self) -> None:
        if self._state in ("closing", "closed"):
            raise LocalProtocolError(CLOSED)

    # What is waited for.

    def _get_ready(self) -> bool:
        """Waits for more events; False when there are no more."""
        with self._lock:
            if self._carrier is not None and self._carrier == threading.get_ident():
                raise LocalProtocolError("an observer cannot wait for the stream that it observes: it may close it")
            if self._iterating:
                raise LocalProtocolError("two threads iterate over one stream: let one of them hand the events on")
            self._iterating = True
            try:
                if self._state in ("new", "open"):
                    self._carry_until(self._has_news)
            finally:
                self._iterating = False
            arrived = self._take_arrived()
        return arrived or self._finish()

    def _finish(self) -> Literal[False]:
        """There are no more events."""
        if not self._session.ended:
            raise LocalProtocolError(CLOSED)
        self.close()
        error = self._opening.raised(self._session.error)
        if error is not None:
            raise error
        return False

    def _carry_until(self, done: Callable[[], bool]) -> None:
        """Carries bytes and times until then. One thread does so at a time, and others look at what it has brought."""
        woken = False
        while not done():
            if self._carrier is None:
                self._carrier = threading.get_ident()
                try:
                    self._step()
                finally:
                    self._carrier = None
                    if self._others:
                        self._carried.notify_all()
            else:
                if not woken and self._poll is not None:
                    self._poll.wake()  # there may be more to send now
                    woken = True
                self._wait_for_the_carrier()

    def _wait_for_the_carrier(self) -> None:
        """Until it has brought something, or left."""
        self._others += 1
        try:
            self._carried.wait()
        finally:
            self._others -= 1

    # What is done.

    def _step(self) -> None:
        """Does the one thing that the session wants now."""
        session = self._session
        if not session.quiet:
            self._wants, self._due = session.wants, session.next_deadline()
        match self._wants:
            case "transfer" | "over" if self._link is not None:
                self._transfer(self._link)
            case "connect":
                self._disconnect()
                self._connect()
            case "wait":
                self._disconnect()
                self._place_to_wait().wait(self._due)
                self._arrived += session.handle_deadline(monotonic())
            case _:
                raise LocalProtocolError(CLOSED)

    def _connect(self) -> None:
        session = self._session
        self._opening.connecting(session.request)
        session.start(monotonic())
        route = self._opening.route_to(session.request.http.target)
        try:
            link = self._link_by(route, session.next_deadline())
        except ConnectionFailed as failure:
            self._arrived += session.connection_failed(failure, monotonic())
        except OSError as error:
            if is_our_timeout(error):
                self._arrived += session.handle_deadline(monotonic())
                return
            reason = connection_failed(error, *route.peer)
            reason.__cause__ = error
            self._arrived += session.connection_failed(reason, monotonic())
        else:
            self._begin(link)

    def _link_by(self, route: Route, deadline: float | None) -> Link:
        """A connection that is idle, or a new one."""
        poll = self._place_to_wait()
        wrote = self._wrote if self._opening.writer is not None else None
        self._origin = origin_of(self._session.request.http.target, route)
        idle = self._take_idle() if not self._session.request.websocket else None
        if idle is not None:
            idle.attach(poll, wrote)
            return idle
        link = Link(dial(route.host, route.port, poll, deadline), poll, wrote)
        try:
            link.establish(route.tunnel, self._new_tls(), deadline)
        except BaseException:
            link.detach()
            link.close()
            raise
        return link

    def _new_tls(self) -> TLS | None:
        context = self._opening.ssl_context
        if context is None:
            return None
        from .tls import TLS

        earlier = self._pool.tls_session(self._origin) if self._pool is not None else None
        return TLS(context, self._opening.target.host, earlier)

    def _transfer(self, link: Link) -> None:
        try:
            data = link.transfer(self._due)
        except OSError:
            self._hang_up("reset")
            return
        now = monotonic()
        if data:
            self._receive(link, data, now)
        elif data is not None:
            self._hang_up("eof")
        elif self._due is not None and now >= self._due:
            self._time_may_be_out(now)

    def _time_may_be_out(self, now: float) -> None:
        """The deadline that there was has come, and there may be a later one by now."""
        session = self._session
        self._due = session.next_deadline()
        if self._due is not None and now >= self._due:
            self._arrived += session.handle_deadline(now)
            if session.error is not None or session.wants in ("connect", "wait"):
                self._happened("timeout")
            self._flush()

    def _hang_up(self, how: Literal["eof", "reset"]) -> None:
        if self._link is not None:
            self._link.hung_up = True
            self._link.drop()
        super()._hang_up(how)

    def _leave(self) -> None:
        """Nobody waits any more: the connection is given back, or closed."""
        self._state = "closed"
        try:
            self._give_back()
            self._say_goodbye()
        finally:
            self._disconnect()
            self._opening.close()
            if self._poll is not None:
                self._poll.close()

    def _say_goodbye(self) -> None:
        """The closing handshake, for transports that have one, within its time limit."""
        if self._link is None:
            return
        waits = self._session.close(monotonic())
        if self._session.streaming:
            self._flush()
            if waits and self._poll is not None:
                self._poll.go_on()
                self._carry_until(self._has_parted)

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.detach()
            link.close()
            if not link.hung_up:
                self._happened("closed by us")

    def _take_idle(self) -> Link | None:
        """A connection to the same origin which nobody uses, if there is one."""
        while self._pool is not None and (idle := self._pool.take(self._origin)) is not None:
            if is_fit(idle):
                return idle.link
            idle.link.close()
        return None

    def _give_back(self) -> None:
        """Keeps the connection for others, if they can use it."""
        link = self._link
        if self._pool is None or link is None or link.hung_up or not self._may_give_back(link):
            return
        self._link = None
        link.detach()
        self._happened("left open")
        self._pool.give(self._origin, Idle(link, self._session))

    def _place_to_wait(self) -> Poll:
        if self._poll is None:
            self._poll = Poll(self._lock)
        return self._poll


class Stream(SoFar, _Driver[StreamEvent]):
    """An open stream: an iterator of stream events, and what they add up to."""

    def __init__(self, opening: Opening, pool: Pool[Link] | None = None) -> None:
        self._conversation = opening.conversation()
        super().__init__(opening, self._conversation, pool)


class WebSocket(_Driver[str | bytes]):
    """An open WebSocket: an iterator of messages, str or bytes, until the peer closes."""

    def __init__(self, opening: Opening, subprotocols: Sequence[str]) -> None:
        self._messages = opening.messages(subprotocols)
        super().__init__(opening, self._messages)

    @property
    def closed(self) -> websocket.Closed | None:
        """How the peer closed, once it has."""
        return self._messages.closed
