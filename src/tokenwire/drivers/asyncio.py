"""The asyncio driver. It carries bytes and times; the session decides. What is not asked for is not read, so that
a slow consumer slows the server down and nothing piles up.

    async with tokenwire.astream(url, json={"model": "m"}, dialect="openai-chat", key_env="OPENAI_API_KEY") as stream:
        async for event in stream: ...

A cancelled task closes the connection at once, so that the server can stop generating.
"""

from __future__ import annotations

import asyncio
import json as json_module
import socket
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ..decoding import OnError
from ..dialects import DialectName
from ..dialects.dialect import Dialect
from ..dialects.events import StreamEvent
from ..errors import ConnectionFailed, LocalProtocolError
from ..protocol.http import ResponseHead
from ..protocol.websocket import Closed
from ..session import DEFAULT, Hosts, Observe, Policy, PolicyName, Timeouts
from .opening import READ_SIZE, Conversation, Opening, SoFar, connection_failed, is_our_timeout

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
    record: str | Path | None = None,
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
    record: str | Path | None = None,
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


class _Driver(Generic[_Item]):
    """Drives a session over asyncio's streams: what AsyncStream and AsyncWebSocket have in common."""

    def __init__(self, opening: Opening, session: Conversation[_Item]) -> None:
        self._opening = opening
        self._session = session
        self._reader: _Reader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tls: ssl.SSLObject | None = None
        self._hung_up = False
        self._ready: deque[_Item] = deque()

    async def __aenter__(self) -> Self:
        """Connects, sends the request and waits for the head of the response.

        :raises ConnectionFailed: when there is no connection.
        :raises StatusError: when the server refuses, `NotAStream` when it answers with something else.
        :raises TimeoutExceeded: when a timer runs out.
        """
        try:
            while not self._session.streaming and not self._session.ended:
                await self._step()
            if not self._session.streaming and self._session.error is not None:
                raise self._session.error
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self._say_goodbye()
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Item:
        """The next event, or message; errors as in `tokenwire.Stream`."""
        while not self._ready:
            if self._session.ended:
                await self._say_goodbye()
                self.close()
                error = self._opening.raised(self._session.error)
                if error is not None:
                    raise error
                raise StopAsyncIteration
            try:
                await self._step()
            except asyncio.CancelledError:
                self.close()
                raise
        return self._ready.popleft()

    @property
    def response(self) -> ResponseHead:
        """Status and fields of the response."""
        assert self._session.head is not None
        return self._session.head

    def close(self) -> None:
        """Closes the connection at once; what is still on the way is lost."""
        self._session.close(monotonic())
        self._disconnect()
        self._opening.close()

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Sends a message in mid-stream, over WebSocket: an object as JSON, text and bytes as they are.

        :raises LocalProtocolError: over HTTP, and when the connection is not open.
        """
        self._session.send(json_module.dumps(message) if isinstance(message, Mapping) else message)
        await self._flush_unless_ended()

    async def _step(self) -> None:
        """Does the one thing that the session wants now."""
        match self._session.wants:
            case "connect":
                self._disconnect()
                await self._connect()
            case "wait":
                self._disconnect()
                await asyncio.sleep(_time_left(self._session.next_deadline()) or 0.0)
                self._ready += self._session.handle_deadline(monotonic())
            case _ if self._writer is None:
                raise LocalProtocolError("the stream is closed")
            case _:
                await self._flush()
                await self._read()

    async def _connect(self) -> None:
        self._hung_up = False
        self._opening.connecting(self._session.request)
        self._session.start(monotonic())
        route = self._opening.route_to(self._session.request.http.target)
        tls = self._opening.ssl_context
        deadline = self._session.next_deadline()
        try:
            async with asyncio.timeout(_time_left(deadline)):
                direct_tls = tls if route.tunnel is None else None
                self._reader, self._writer = await _open_connection(
                    route.host, route.port, direct_tls, self._opening.target.host if direct_tls else None
                )
                if route.tunnel is not None:
                    while not route.tunnel.open:
                        self._writer.write(route.tunnel.data_to_send())
                        route.tunnel.receive_data(await self._reader.read(READ_SIZE))
                    if tls is not None:
                        await self._writer.start_tls(tls, server_hostname=self._opening.target.host)
        except ConnectionFailed as failure:
            self._ready += self._session.connection_failed(failure, monotonic())
        except OSError as error:
            if not self._timed_out(error, deadline):
                reason = connection_failed(error, *route.peer)
                reason.__cause__ = error
                self._ready += self._session.connection_failed(reason, monotonic())
        else:
            self._tls = self._writer.get_extra_info("ssl_object")
            connected = self._writer.get_extra_info("socket")
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._session.connected(monotonic())
            self._happened("connected")

    async def _write(self, data: bytes) -> None:
        """Sends, and waits while too much of it is still on its way; a timer may run out that is not the end."""
        writer = self._writer
        assert writer is not None
        if self._opening.writer is not None:
            self._opening.writer.wrote(monotonic(), data)
        writer.write(data)
        while True:
            deadline = self._session.next_deadline()
            try:
                async with asyncio.timeout(_time_left(deadline)):
                    await writer.drain()
                return
            except OSError as error:
                # Where it is not our timeout, the server may have refused and closed while the request was on its way:
                # its answer is still to be read.
                if not self._timed_out(error, deadline) or self._session.wants != "transfer":
                    return

    async def _read(self) -> None:
        if self._reader is None or self._writer is None or self._session.wants != "transfer":
            return
        reader = self._reader
        deadline = self._session.next_deadline()
        try:
            async with asyncio.timeout(_time_left(deadline)):
                data = await reader.read(READ_SIZE)
        except TimeoutError as error:
            self._timed_out(error, deadline)
            if self._session.error is not None or self._session.wants in ("connect", "wait"):
                self._happened("timeout")
            await self._flush()
            return
        if not data:
            self._hang_up("reset" if reader.reset or not _announced_end(self._tls) else "eof")
            return
        now = monotonic()
        if self._opening.writer is not None:
            self._opening.writer.read(now, data)
        self._ready += self._session.receive_data(data, now)
        await self._flush_unless_ended()

    async def _flush_unless_ended(self) -> None:
        """The last word, a Close, waits until what came before it could be answered."""
        if not self._session.ended:
            await self._flush()

    async def _flush(self) -> None:
        """Sends what the session has to say, such as the answer to a ping; it may say more while that is sent."""
        while self._session.wants in ("transfer", "over") and (data := self._session.data_to_send()):
            if self._hung_up:
                return
            await self._write(data)

    async def _say_goodbye(self) -> None:
        """The closing handshake, for transports that have one, within its time limit."""
        stands = self._writer is not None and self._session.wants in ("transfer", "over")
        waits = self._session.close(monotonic())
        if stands and self._session.streaming:
            await self._flush()
            while waits and self._session.wants == "transfer":
                await self._read()

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
            if not self._hung_up:
                self._happened("closed by us")

    def _hang_up(self, how: str) -> None:
        """The server's side of the connection ended."""
        self._hung_up = True
        self._happened(how)
        self._ready += self._session.receive_eof(monotonic(), reset=how == "reset")

    def _timed_out(self, error: OSError, deadline: float | None) -> bool:
        """Whether the wait lasted until the deadline, of which the session is told then."""
        if not is_our_timeout(error) or deadline is None:
            return False
        self._ready += self._session.handle_deadline(deadline)
        return True

    def _happened(self, event: str) -> None:
        if self._opening.writer is not None:
            self._opening.writer.happened(monotonic(), event)


class AsyncStream(SoFar, _Driver[StreamEvent]):
    """An open stream: an asynchronous iterator of stream events, and what they add up to."""

    def __init__(self, opening: Opening) -> None:
        self._conversation = opening.conversation()
        super().__init__(opening, self._conversation)


class AsyncWebSocket(_Driver[str | bytes]):
    """An open WebSocket: an asynchronous iterator of messages, str or bytes, until the peer closes."""

    def __init__(self, opening: Opening, subprotocols: Sequence[str]) -> None:
        self._messages = opening.messages(subprotocols)
        super().__init__(opening, self._messages)

    @property
    def closed(self) -> Closed | None:
        """How the peer closed, once it has."""
        return self._messages.closed


def _time_left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - monotonic(), 0.0)


def _announced_end(tls: ssl.SSLObject | None) -> bool:
    """Whether TLS, if there is any, said that its peer would send no more: anybody can end TCP (RFC 8446, 6.1)."""
    try:
        return tls is None or not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


class _Reader(asyncio.StreamReader):
    """Gives what had arrived before the connection broke; asyncio's own drops it and raises at once."""

    reset = False

    def set_exception(self, exc: Exception) -> None:
        self.reset = True
        self.feed_eof()


async def _open_connection(
    host: str, port: int, tls: ssl.SSLContext | None, server_hostname: str | None
) -> tuple[_Reader, asyncio.StreamWriter]:
    """What `asyncio.open_connection` does, with our reader."""
    loop = asyncio.get_running_loop()
    reader = _Reader(limit=READ_SIZE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls, server_hostname=server_hostname)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
