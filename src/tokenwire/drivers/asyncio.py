"""The asyncio driver. It carries bytes and times; the session decides. What is not asked for is not read, so that
a slow consumer slows the server down and nothing piles up.

    async with tokenwire.astream(url, json={"model": "m"}, dialect="openai-chat", key_env="OPENAI_API_KEY") as stream:
        async for event in stream: ...

What arrives is handed to the session by the event loop itself, and a task only waits until there is something for it.
So nothing is lost when a wait is cancelled, by `asyncio.wait_for` for example, and the stream can go on. A task that is
cancelled outright leaves the `async with` statement, which closes the connection at once, so that the server can stop.
"""

from __future__ import annotations

import asyncio
import json as json_module
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from ..dialects import DialectName
from ..dialects.dialect import Dialect
from ..dialects.events import StreamEvent
from ..errors import ConnectionFailed, LocalProtocolError, OnError
from ..protocol.http import ResponseHead
from ..protocol.websocket import Closed
from ..session import DEFAULT, Hosts, Observe, Policy, PolicyName, Timeouts
from .driving import Driving
from .opening import Conversation, Opening, SoFar, connection_failed
from .pool import Idle, Pool, origin_of
from .route import Route
from .sockets import CLOSED
from .tls import TLS
from .transport import Ending, Keeper, Link, Timer, dial, is_fit
from .unread import MAX_UNREAD, too_much_unread

__all__ = ["AsyncStream", "AsyncWebSocket", "aconnect", "astream"]

_Item = TypeVar("_Item")


def aconnect(
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
) -> AsyncWebSocket:
    """Opens a WebSocket, to send and receive messages as they are; use it in an `async with` statement and iterate.

    Parameters and errors are those of `tokenwire.stream`.
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
    return AsyncWebSocket(opening, subprotocols)


def astream(
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
) -> AsyncStream:
    """Asks an endpoint for a stream; use it in an `async with` statement and iterate.

    Parameters and errors are those of `tokenwire.stream`.
    """
    return AsyncStream(
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
    """Drives a session over a link: what AsyncStream and AsyncWebSocket have in common."""

    def __init__(self, opening: Opening, session: Conversation[_Item], pool: Pool[Link] | None = None) -> None:
        super().__init__(opening, session, pool)
        self._state: Literal["new", "open", "closed"] = "new"
        self._connecting: asyncio.Task[None] | None = None
        self._timer = Timer(self._ring)
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}  # and what for
        self._failure: Exception | None = None  # of what the event loop did for us

    async def __aenter__(self) -> Self:
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
            await self._carry_until(self._is_answered)
            if not self._session.streaming and self._session.error is not None:
                raise self._session.error
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._say_goodbye()
        finally:
            self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Item:
        """The next event, or message; errors as in `tokenwire.Stream`. Where events are at hand, nothing is waited for.

        A cancelled wait loses nothing: the stream can go on.
        """
        while True:
            for item in self._ready:
                return item
            if not await self._get_ready():
                raise StopAsyncIteration

    @property
    def response(self) -> ResponseHead:
        """Status and fields of the response.

        :raises LocalProtocolError: when there is none yet.
        """
        if self._session.head is None:
            raise LocalProtocolError("there is no response yet: it comes when the `async with` statement is entered")
        return self._session.head

    def close(self) -> None:
        """Closes the connection at once; what is still on the way is lost. Whoever waits gets `LocalProtocolError`."""
        if self._state == "closed":
            return
        self._state = "closed"
        self._give_back()
        if self._link is not None:
            self._session.close(monotonic())
        if self._connecting is not None:
            self._connecting.cancel()
        self._timer.cancel()
        self._disconnect()
        self._opening.close()
        self._wake()

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Sends a message in mid-stream, over WebSocket: an object as JSON, text and bytes as they are.

        May be called by another task than the one that iterates.

        :raises LocalProtocolError: over HTTP, and when the connection is not open; and when more than
            `unread.MAX_UNREAD` bytes came meanwhile that nobody takes.
        """
        self._check_open()
        self._session.send(json_module.dumps(message) if isinstance(message, Mapping) else message)
        self._flush()
        await self._carry_until(self._is_sent_or_stuck)
        if self._unread > MAX_UNREAD and not self._is_sent():
            raise too_much_unread()
        self._check_open()

    def _check_open(self) -> None:
        if self._state == "closed":
            raise LocalProtocolError(CLOSED)

    # What is waited for.

    async def _get_ready(self) -> bool:
        """Waits for more events; False when there are no more."""
        if self._iterating:
            raise LocalProtocolError("two tasks iterate over one stream: let one of them hand the events on")
        self._iterating = True
        try:
            if self._state != "closed":
                await self._carry_until(self._has_news)
        finally:
            self._iterating = False
        return self._take_arrived() or await self._finish()

    async def _finish(self) -> Literal[False]:
        """There are no more events."""
        if not self._session.ended:
            raise LocalProtocolError(CLOSED)
        await self._say_goodbye()
        self.close()
        error = self._opening.raised(self._session.error)
        if error is not None:
            raise error
        return False

    async def _carry_until(self, done: Callable[[], bool]) -> None:
        """Lets the event loop carry bytes and times until then. Nothing of it is lost when this is cancelled."""
        while not done():
            if self._failure is not None:
                raise self._failure
            self._check_open()
            if not self._is_at_rest():
                wants = self._session.wants
                self._act()
                if done() or self._session.wants != wants:
                    continue
                self._timer.set(self._session.next_deadline())
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[waiter] = done
            try:
                await waiter
            finally:
                del self._waiting[waiter]

    def _is_at_rest(self) -> bool:
        """There is nothing to do but to wait, as before the last read."""
        link = self._link
        return self._session.quiet and self._timer.running and link is not None and not link.has_news

    def _wake(self) -> None:
        """Wakes those who have what they wait for, and all of them where there is something else to do.

        Who goes on waiting does so until the deadline that holds now, which may be earlier than it was.
        """
        for waiter, done in self._waiting.items():
            if waiter.done():
                continue
            if done() or self._has_to_act():
                waiter.set_result(None)
            else:
                self._timer.set(self._session.next_deadline())

    def _has_to_act(self) -> bool:
        """Something is to be done by whoever waits."""
        if self._session.wants != "transfer" or self._failure is not None or self._state == "closed":
            return True
        return self._link is not None and self._link.ending is not None

    # What is done.

    def _act(self) -> None:
        """Begins what the session wants now, and does what can be done at once."""
        match self._session.wants:
            case "connect" if self._connecting is None or self._connecting.done():
                self._disconnect()
                self._connecting = asyncio.create_task(self._connect())
            case "wait":
                self._disconnect()
            case "transfer" | "over" if self._link is not None:
                self._take_in(self._link)
            case _:
                pass

    async def _connect(self) -> None:
        session = self._session
        try:
            self._opening.connecting(session.request)
            session.start(monotonic())
            self._timer.set(session.next_deadline())
            route = self._opening.route_to(session.request.http.target)
            try:
                link = await self._link_by(route)
            except ConnectionFailed as failure:
                self._arrived += session.connection_failed(failure, monotonic())
            except OSError as error:
                reason = connection_failed(error, *route.peer)
                reason.__cause__ = error
                self._arrived += session.connection_failed(reason, monotonic())
            else:
                self._begin(link)
        except Exception as failure:
            self._failure = failure
        finally:
            self._wake()

    async def _link_by(self, route: Route) -> Link:
        """A connection that is idle, or a new one."""
        self._origin = origin_of(self._session.request.http.target, route)
        link = await self._take_idle() if not self._session.request.websocket else None
        if link is None:
            context = self._opening.ssl_context
            earlier = self._pool.tls_session(self._origin) if self._pool is not None else None
            tls = TLS(context, self._opening.target.host, earlier) if context is not None else None
            link = await Link.over(await dial(route.host, route.port), route.tunnel, tls)
        link.attach(self, self._wrote if self._opening.writer is not None else None)
        return link

    def _take_in(self, link: Link) -> None:
        """What was held for us, and the end that followed it."""
        if data := link.take():
            self._receive(link, data, monotonic())
        if link.ending is not None and link is self._link and self._session.wants == "transfer":
            self._hang_up(link.ending)

    async def _say_goodbye(self) -> None:
        """The closing handshake, for transports that have one, within its time limit."""
        self._give_back()
        if self._link is None:
            return
        waits = self._session.close(monotonic())
        if self._session.streaming:
            self._flush()
            if waits:
                await self._carry_until(self._has_parted)

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
            if link.ending is None:
                self._happened("closed by us")

    async def _take_idle(self) -> Link | None:
        """A connection to the same origin which nobody uses, if there is one."""
        while self._pool is not None and (idle := self._pool.take(self._origin)) is not None:
            try:
                if await is_fit(idle):
                    return idle.link
            except BaseException:
                idle.link.close()
                raise
            idle.link.close()
        return None

    def _give_back(self) -> None:
        """Keeps the connection for others, if they can use it."""
        link = self._link
        if self._pool is None or link is None or link.ending is not None or not self._may_give_back(link):
            return
        self._link = None
        self._happened("left open")
        idle = Idle(link, self._session)
        link.attach(Keeper(self._pool, self._origin, idle), None)
        if data := link.take():
            idle.take_in(data)
        self._pool.give(self._origin, idle)

    def _ring(self) -> None:
        """The timer rang, perhaps too early."""
        deadline, now = self._session.next_deadline(), monotonic()
        if not self._waiting or deadline is None:
            return  # nobody waits; whoever does next sets it
        if now >= deadline:
            try:
                self._time_is_out(now)
            except Exception as failure:
                self._failure = failure
            self._wake()
        self._timer.set(self._session.next_deadline())

    def _time_is_out(self, now: float) -> None:
        session = self._session
        if self._connecting is not None:
            self._connecting.cancel()
        self._arrived += session.handle_deadline(now)
        if self._link is not None and (session.error is not None or session.wants in ("connect", "wait")):
            self._happened("timeout")
        self._flush()

    # What the link tells.

    def received(self, data: bytes) -> bool:
        """Bytes came; whether anybody waits for them."""
        if not self._waiting or self._link is None:
            return False
        try:
            self._receive(self._link, data, monotonic())
        except Exception as failure:
            self._failure = failure
        self._wake()
        return True

    def ended(self, how: Ending) -> None:
        """The connection ended."""
        self._wake()  # whoever waits takes it in

    def sent(self) -> None:
        """All is sent."""
        self._wake()


class AsyncStream(SoFar, _Driver[StreamEvent]):
    """An open stream: an asynchronous iterator of stream events, and what they add up to."""

    def __init__(self, opening: Opening, pool: Pool[Link] | None = None) -> None:
        self._conversation = opening.conversation()
        super().__init__(opening, self._conversation, pool)


class AsyncWebSocket(_Driver[str | bytes]):
    """An open WebSocket: an asynchronous iterator of messages, str or bytes, until the peer closes."""

    def __init__(self, opening: Opening, subprotocols: Sequence[str]) -> None:
        self._messages = opening.messages(subprotocols)
        super().__init__(opening, self._messages)

    @property
    def closed(self) -> Closed | None:
        """How the peer closed, once it has."""
        return self._messages.closed
