"""The blocking driver: sockets, for programs of threads. It carries bytes and times; the session decides.

    with tokenwire.stream(url, json={"model": "m"}, dialect="openai-chat", key_env="OPENAI_API_KEY") as stream:
        for event in stream: ...
        stream.text, stream.usage, stream.end

`connect` opens a WebSocket, whose messages are taken as they are.
"""

from __future__ import annotations

import json as json_module
import socket
import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from time import monotonic, sleep
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
    record: str | Path | None = None,
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
    record: str | Path | None = None,
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


class _Driver(Generic[_Item]):
    """Drives a session over a socket: what Stream and WebSocket have in common."""

    def __init__(self, opening: Opening, session: Conversation[_Item]) -> None:
        self._opening = opening
        self._session = session
        self._socket: socket.socket | None = None
        self._hung_up = False
        self._ready: deque[_Item] = deque()

    def __enter__(self) -> Self:
        """Connects, sends the request and waits for the head of the response.

        :raises ConnectionFailed: when there is no connection.
        :raises StatusError: when the server refuses, `NotAStream` when it answers with something else.
        :raises TimeoutExceeded: when a timer runs out.
        """
        try:
            while not self._session.streaming and not self._session.ended:
                self._step()
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

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _Item:
        """The next event, or message.

        :raises StreamInterrupted: when the stream was cut, after the last event.
        :raises StreamFailed: when the server said a fatal error, after the last event; not with `on_error="event"`.
        :raises TimeoutExceeded: when a timer ran out.
        :raises RemoteProtocolError: when the server broke the protocol.
        """
        while not self._ready:
            if self._session.ended:
                self.close()
                error = self._opening.raised(self._session.error)
                if error is not None:
                    raise error
                raise StopIteration
            self._step()
        return self._ready.popleft()

    @property
    def response(self) -> ResponseHead:
        """Status and fields of the response."""
        assert self._session.head is not None
        return self._session.head

    def close(self) -> None:
        """Closes the connection; what is still on the way is lost, and the server may stop generating."""
        self._say_goodbye()
        self._disconnect()
        self._opening.close()

    def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Sends a message in mid-stream, over WebSocket: an object as JSON, text and bytes as they are.

        :raises LocalProtocolError: over HTTP, and when the connection is not open.
        """
        self._session.send(json_module.dumps(message) if isinstance(message, Mapping) else message)
        self._flush_unless_ended()

    def _step(self) -> None:
        """Does the one thing that the session wants now."""
        match self._session.wants:
            case "connect":
                self._disconnect()
                self._connect()
            case "wait":
                self._disconnect()
                sleep(self._time_left() or 0.0)
                self._ready += self._session.handle_deadline(monotonic())
            case _ if self._socket is None:
                raise LocalProtocolError("the stream is closed")
            case _:
                self._flush()
                self._read()

    def _connect(self) -> None:
        self._hung_up = False
        self._opening.connecting(self._session.request)
        self._session.start(monotonic())
        route = self._opening.route_to(self._session.request.http.target)
        try:
            self._socket = self._dial(route.host, route.port)
            if route.tunnel is not None:
                while not route.tunnel.open:
                    self._socket.settimeout(self._time_left())
                    self._socket.sendall(route.tunnel.data_to_send())
                    route.tunnel.receive_data(self._socket.recv(READ_SIZE))
            if self._opening.ssl_context is not None:
                self._socket.settimeout(self._time_left())
                # An end that TLS did not announce is an error then, as a reset is: anybody can make it (RFC 8446, 6.1).
                self._socket = self._opening.ssl_context.wrap_socket(
                    self._socket, server_hostname=self._opening.target.host, suppress_ragged_eofs=False
                )
        except ConnectionFailed as failure:
            self._ready += self._session.connection_failed(failure, monotonic())
        except OSError as error:
            if not self._timed_out(error):
                reason = connection_failed(error, *route.peer)
                reason.__cause__ = error
                self._ready += self._session.connection_failed(reason, monotonic())
        else:
            self._session.connected(monotonic())
            self._happened("connected")

    def _dial(self, host: str, port: int) -> socket.socket:
        """Tries each address of the host within the connect timer."""
        failure: OSError | None = None
        for family, kind, protocol, _, address in _resolve(host, port, self._time_left()):
            try:
                return self._dial_address(socket.socket(family, kind, protocol), address)
            except OSError as error:
                failure = error
        raise failure or OSError("the name has no address")

    def _dial_address(self, attempt: socket.socket, address: Any) -> socket.socket:
        try:
            attempt.settimeout(self._time_left())
            attempt.connect(address)
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            attempt.close()
            raise
        return attempt

    def _write(self, data: bytes) -> None:
        """Sends all of it, for half a frame would spoil what comes after; a timer may run out that is not the end."""
        assert self._socket is not None
        self._wrote(data)
        rest = memoryview(data)
        while rest:
            try:
                self._socket.settimeout(self._time_left())
                rest = rest[self._socket.send(rest) :]
            except OSError as error:
                # Where it is not our timeout, the server may have refused and closed while the request was on its way:
                # its answer is still to be read.
                if not self._timed_out(error) or self._session.wants != "transfer":
                    return

    def _read(self) -> None:
        if self._socket is None or self._session.wants != "transfer":
            return
        try:
            self._socket.settimeout(self._time_left())
            data = self._socket.recv(READ_SIZE)
        except OSError as error:
            if not self._timed_out(error):
                self._hang_up("reset")
            elif self._session.error is not None or self._session.wants in ("connect", "wait"):
                self._happened("timeout")
            self._flush()
            return
        now = monotonic()
        if data:
            if self._opening.writer is not None:
                self._opening.writer.read(now, data)
            self._ready += self._session.receive_data(data, now)
            self._flush_unless_ended()
        else:
            self._hang_up("eof")

    def _flush_unless_ended(self) -> None:
        """The last word, a Close, waits until what came before it could be answered."""
        if not self._session.ended:
            self._flush()

    def _flush(self) -> None:
        """Sends what the session has to say, such as the answer to a ping; it may say more while that is sent."""
        while self._session.wants in ("transfer", "over") and (data := self._session.data_to_send()):
            if self._hung_up:
                return
            self._write(data)

    def _say_goodbye(self) -> None:
        """The closing handshake, for transports that have one, within its time limit."""
        stands = self._socket is not None and self._session.wants in ("transfer", "over")
        waits = self._session.close(monotonic())
        if stands and self._session.streaming:
            self._flush()
            while waits and self._session.wants == "transfer":
                self._read()

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if not self._hung_up:
                self._happened("closed by us")

    def _hang_up(self, how: str) -> None:
        """The server's side of the connection ended."""
        self._hung_up = True
        self._happened(how)
        self._ready += self._session.receive_eof(monotonic(), reset=how == "reset")

    def _time_left(self) -> float | None:
        deadline = self._session.next_deadline()
        return None if deadline is None else max(deadline - monotonic(), 0.001)

    def _timed_out(self, error: OSError) -> bool:
        """Whether the socket waited until the deadline, of which the session is told then."""
        deadline = self._session.next_deadline()
        if not is_our_timeout(error) or deadline is None:
            return False
        self._ready += self._session.handle_deadline(deadline)
        return True

    def _wrote(self, data: bytes) -> None:
        if self._opening.writer is not None:
            self._opening.writer.wrote(monotonic(), data)

    def _happened(self, event: str) -> None:
        if self._opening.writer is not None:
            self._opening.writer.happened(monotonic(), event)


class Stream(SoFar, _Driver[StreamEvent]):
    """An open stream: an iterator of stream events, and what they add up to."""

    def __init__(self, opening: Opening) -> None:
        self._conversation = opening.conversation()
        super().__init__(opening, self._conversation)


class WebSocket(_Driver[str | bytes]):
    """An open WebSocket: an iterator of messages, str or bytes, until the peer closes."""

    def __init__(self, opening: Opening, subprotocols: Sequence[str]) -> None:
        self._messages = opening.messages(subprotocols)
        super().__init__(opening, self._messages)

    @property
    def closed(self) -> Closed | None:
        """How the peer closed, once it has."""
        return self._messages.closed


_Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]


def _resolve(host: str, port: int, seconds: float | None) -> _Addresses:
    """The addresses of a host. The system's resolver knows no timeout, so it is asked in a thread that may be left.

    :raises TimeoutError: after so many seconds.
    :raises OSError: where the name is not known.
    """
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # it is no address, but a name
    answers: Queue[_Addresses | OSError] = Queue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, name="tokenwire resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer
