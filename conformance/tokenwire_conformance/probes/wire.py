"""How a probe reaches an endpoint: bytes and times, over a socket, or inside one process with a simulated clock.

The simulated wire joins a probe and the reference endpoint without a network: what would take a second of waiting
takes none, and every run is the same. The kill matrix runs on it.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from time import monotonic, sleep
from typing import Protocol

from tokenwire.drivers.opening import connection_failed
from tokenwire.drivers.route import route_to
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.front import FrontDoor
from tokenwire.errors import ConnectionFailed
from tokenwire.protocol.url import Target

__all__ = ["Clock", "MemoryWire", "SimulatedClock", "SocketWire", "SystemClock", "Wire"]

READ_SIZE = 64 * 1024

#: Seconds in which a connection must stand.
CONNECT_TIMEOUT = 10.0


class Clock(Protocol):
    """Seconds that only go forward."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return monotonic()

    def sleep(self, seconds: float) -> None:
        sleep(seconds)


class SimulatedClock:
    """A clock that goes on when somebody waits, and at no other time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Wire(Clock, Protocol):
    """One connection from the client's side. Its times are those of a clock, which it may share with others."""

    def connect(self) -> None: ...
    def send(self, data: bytes) -> bool:
        """Whether the bytes could be handed over."""
        ...

    def receive(self, timeout: float) -> bytes | None:
        """What arrived; empty at the end of the stream, None when nothing came in time.

        :raises ConnectionResetError: when the connection was reset.
        """

    def drain(self) -> bool:
        """Has the endpoint shut down; False where that is not in our power."""
        ...

    def close(self) -> None: ...
    def reset(self) -> None:
        """Ends the connection without order: what is on its way is lost."""
        ...


class SocketWire(SystemClock):
    """A real connection.

    :param ssl_context: for a target with TLS; the usual one by default.
    :param stop: has the endpoint shut down, where that is in our power.
    :param proxy: as `tokenwire.stream` takes it.
    :param connected: is called when the connection stands.
    """

    def __init__(
        self,
        target: Target,
        ssl_context: ssl.SSLContext | None = None,
        stop: Callable[[], None] | None = None,
        proxy: str | None = "env",
        connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._connected = connected
        self._target = target
        self._stop = stop
        self._proxy = proxy
        self._ssl_context = (ssl_context or ssl.create_default_context()) if target.tls else None
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        route = route_to(self._target, self._proxy)
        try:
            self._socket = socket.create_connection((route.host, route.port), CONNECT_TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if route.tunnel is not None:
                while not route.tunnel.open:
                    self._socket.sendall(route.tunnel.data_to_send())
                    route.tunnel.receive_data(self._socket.recv(READ_SIZE))
            if self._ssl_context is not None:
                self._socket = self._ssl_context.wrap_socket(self._socket, server_hostname=self._target.host)
        except TimeoutError as error:
            raise ConnectionFailed(
                f"{route.host}:{route.port} did not answer within {CONNECT_TIMEOUT:g} s", phase="connect"
            ) from error
        except OSError as error:
            raise connection_failed(error, route.host, route.port) from error
        self._connected()

    def send(self, data: bytes) -> bool:
        assert self._socket is not None
        self._socket.settimeout(CONNECT_TIMEOUT)
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def receive(self, timeout: float) -> bytes | None:
        assert self._socket is not None
        self._socket.settimeout(max(timeout, 0.001))
        try:
            return self._socket.recv(READ_SIZE)
        except TimeoutError:
            return None
        except ssl.SSLError:
            return b""
        except OSError as error:
            raise ConnectionResetError(str(error)) from error

    def drain(self) -> bool:
        if self._stop is None:
            return False
        self._stop()
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def reset(self) -> None:
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class MemoryWire:
    """A connection to an endpoint in the same process, on a simulated clock: its own, unless it is given one."""

    def __init__(self, endpoint: ReferenceEndpoint, clock: SimulatedClock | None = None) -> None:
        self._endpoint = endpoint
        self._clock = clock or SimulatedClock()
        self._made: list[FrontDoor] = []

    def now(self) -> float:
        return self._clock.seconds

    def connect(self) -> None:
        self._connection = self._endpoint.connection()
        self._made.append(self._connection)

    def send(self, data: bytes) -> bool:
        if self._connection.ending:
            return False
        self._connection.receive_data(data, self._clock.seconds)
        return True

    def receive(self, timeout: float) -> bytes | None:
        until = self._clock.seconds + timeout
        while True:
            data = self._connection.data_to_send(self._clock.seconds)
            if data:
                return data
            if self._connection.ending == "reset":
                raise ConnectionResetError("the endpoint reset the connection")
            if self._connection.ending == "close":
                return b""
            deadline = self._connection.next_deadline()
            if deadline is None or deadline > until:
                self._clock.seconds = until
                return None
            self._clock.seconds = deadline

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def drain(self) -> bool:
        self._connection.shut_down(self._clock.seconds)
        return True

    def close(self) -> None:
        self._connection.receive_eof(self._clock.seconds)
        self._connection.client_left("close", self._clock.seconds)

    def reset(self) -> None:
        self._connection.client_left("reset", self._clock.seconds)

    def running(self) -> float:
        """How many requests the endpoint works on: those of connections before this one too."""
        return float(sum(made.works(self._clock.seconds) for made in self._made))
