"""A client session and the reference endpoint in one process: a simulated network between them, and a virtual clock.

    simulation = Simulation(session, endpoint.connection, [Fault(cut=700, how="reset")], seed=1)
    simulation.run()
    simulation.events, session.error, simulation.log

Each connection that the client makes takes the next fault of the list, and none where the list is at its end. What is
random comes from the seed, so a run is the same each time; `simulation.story()` is what to print when one fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Literal

from tokenwire.dialects.events import StreamEvent
from tokenwire.endpoint import ServerConnection
from tokenwire.errors import ConnectionFailed
from tokenwire.session import DurableSession

__all__ = ["Fault", "Simulation"]

#: Rounds after which a simulation is taken to go on for ever.
MAX_ROUNDS = 20_000


@dataclass(frozen=True)
class Fault:
    """What one connection suffers.

    :ivar refused: it cannot be made.
    :ivar cut: bytes from the server after which it breaks; None for never.
    :ivar cut_up: bytes from the client after which it breaks.
    :ivar how: by FIN, by RST, or so that nobody is told, and nothing comes any more.
    :ivar delay: seconds of each way.
    :ivar bandwidth: bytes a second.
    :ivar idle_drop: a proxy ends the connection after so many seconds without a byte from the server.
    :ivar held: a proxy holds back so many bytes before it passes them on, or the end comes.
    :ivar pieces: each read is at most of this many bytes, or of a random size for 0.
    """

    refused: bool = False
    cut: int | None = None
    cut_up: int | None = None
    how: Literal["fin", "reset", "silence"] = "fin"
    delay: float = 0.01
    bandwidth: float = inf
    idle_drop: float | None = None
    held: int = 0
    pieces: int = 1 << 16


class _Pipe:
    """One direction: bytes in order, each piece with the time at which it arrives."""

    def __init__(self, fault: Fault, cut: int | None, random: Random) -> None:
        self.queue: deque[tuple[float, bytes]] = deque()
        self.broken = False  # nothing more goes through
        self._fault = fault
        self._left = cut
        self._random = random
        self._free = 0.0  # when the line is free again
        self._held = b""

    def send(self, data: bytes, now: float) -> None:
        if self.broken:
            return
        if self._left is not None and len(data) >= self._left:
            data, self.broken = data[: self._left], True
        if self._left is not None:
            self._left -= len(data)
        self._held += data
        if len(self._held) >= self._fault.held or self.broken:
            self.flush(now)

    def flush(self, now: float) -> None:
        data, self._held = self._held, b""
        while data:
            size = self._fault.pieces or self._random.randint(1, 200)
            piece, data = data[:size], data[size:]
            self._free = max(self._free, now) + len(piece) / self._fault.bandwidth
            self.queue.append((self._free + self._fault.delay, piece))

    def take(self, now: float) -> bytes | None:
        return self.queue.popleft()[1] if self.queue and self.queue[0][0] <= now else None

    @property
    def next(self) -> float:
        return self.queue[0][0] if self.queue else inf


class _Connection:
    """A connection as the client has made it, and the server's side of it."""

    def __init__(self, server: ServerConnection, fault: Fault, random: Random, now: float) -> None:
        self.server = server
        self.fault = fault
        self.up = _Pipe(replace(fault, held=0), fault.cut_up, random)
        self.down = _Pipe(fault, fault.cut, random)
        self.last_down = now
        self.ended = False


class Simulation:
    """Drives a session, as a driver would, until it is over.

    :param endpoint: makes the server's side of a connection.
    :param faults: of one connection after the other.
    """

    def __init__(
        self,
        session: DurableSession,
        endpoint: Callable[[], ServerConnection],
        faults: Sequence[Fault] = (),
        *,
        seed: int = 0,
        now: float = 0.0,
    ) -> None:
        self.events: list[StreamEvent] = []
        self.sent: list[bytes] = []  # by connection
        self.received: list[bytes] = []
        self.log: list[str] = []
        self.now = now
        self.seed = seed
        self._session = session
        self._endpoint = endpoint
        self._faults = deque(faults)
        self._random = Random(seed)
        self._connection: _Connection | None = None

    @property
    def posts(self) -> int:
        """Requests of which a byte left that may start a generation: POSTs, and what was said on a WebSocket."""
        spoken = [sent.partition(b"\r\n\r\n")[2] for sent in self.sent if b"upgrade: websocket\r\n" in sent.lower()]
        return sum(sent.startswith(b"POST") for sent in self.sent) + sum(map(bool, spoken))

    def story(self) -> str:
        """The seed and the conversation."""
        wire = [
            f"--- connection {number}\n> {sent!r}\n< {received!r}"
            for number, (sent, received) in enumerate(zip(self.sent, self.received, strict=True), 1)
        ]
        return "\n".join([f"seed {self.seed}", *self.log, *wire, f"error {self._session.error!r}"])

    def run(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """To the end of the session, or until something is so."""
        session = self._session
        for _ in range(MAX_ROUNDS):
            if session.ended or session.wants == "over" or until():
                return
            match session.wants:
                case "connect":
                    self._connect()
                case "wait":
                    self._connection = None
                    self._advance(session.next_deadline())
                    self.events += session.handle_deadline(self.now)
                case _:
                    self._transfer()
        raise AssertionError(f"it never ends\n{self.story()}")

    def _connect(self) -> None:
        session = self._session
        fault = self._faults.popleft() if self._faults else Fault()
        session.start(self.now)
        self._note(f"connect, {fault}")
        if fault.refused:
            self._advance(self.now + fault.delay)
            self.events += session.connection_failed(ConnectionFailed("refused", phase="connect"), self.now)
            return
        self._advance(self.now + 2 * fault.delay)
        self._connection = _Connection(self._endpoint(), fault, self._random, self.now)
        self.sent.append(b"")
        self.received.append(b"")
        session.connected(self.now)

    def _transfer(self) -> None:
        """What is due now, and else the clock goes on to what comes next."""
        connection, session = self._connection, self._session
        assert connection is not None
        if data := session.data_to_send():
            connection.up.send(data, self.now)
            self.sent[-1] += data
            return
        if self._served(connection) or self._delivered(connection):
            return
        times = [connection.up.next, connection.down.next]
        if connection.fault.idle_drop is not None and not connection.ended and not connection.down.queue:
            times.append(connection.last_down + connection.fault.idle_drop)
        servers = None if connection.down.broken else connection.server.next_deadline()  # nobody hears it any more
        for deadline in (servers, session.next_deadline()):
            times.append(inf if deadline is None else deadline)
        self._advance(min(times))
        deadline = session.next_deadline()
        if deadline is not None and self.now >= deadline:
            self._note("deadline")
            self.events += session.handle_deadline(self.now)

    def _served(self, connection: _Connection) -> bool:
        """The server's side does what it can now."""
        server = connection.server
        if (data := connection.up.take(self.now)) is not None:
            server.receive_data(data, self.now)
            return True
        if not connection.down.broken and (data := server.data_to_send(self.now)):
            connection.down.send(data, self.now)
            connection.last_down = self.now
            if server.next_deadline() is None:
                connection.down.flush(self.now)  # the response is complete
            return True
        return False

    def _delivered(self, connection: _Connection) -> bool:
        """The client is told of what arrives, and of an end."""
        session, fault = self._session, connection.fault
        if (data := connection.down.take(self.now)) is not None:
            self.received[-1] += data
            self.events += session.receive_data(data, self.now)
            return True
        if connection.ended or connection.down.queue:
            return False
        idle = fault.idle_drop is not None and self.now >= connection.last_down + fault.idle_drop
        ends = connection.server.ending and not connection.up.queue
        if connection.down.broken or (connection.up.broken and not connection.up.queue) or idle or ends:
            connection.down.flush(self.now)
            if connection.down.queue:
                return True
            connection.ended = True
            if connection.down.broken or connection.up.broken:
                how = fault.how
            else:
                how = "reset" if connection.server.ending == "reset" else "fin"
            self._note(f"the connection ends by {how}")
            if how != "silence":
                self.events += session.receive_eof(self.now, reset=how == "reset")
            return True
        return False

    def _advance(self, to: float | None) -> None:
        if to is None or to == inf:
            raise AssertionError(f"nothing will ever happen\n{self.story()}")
        self.now = max(self.now, to)

    def _note(self, text: str) -> None:
        self.log.append(f"{self.now:9.3f} {text}")
