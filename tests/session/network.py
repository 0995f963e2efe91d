"""A client session and the reference endpoint in one process: a simulated network between them, and a virtual clock.

    simulation = Simulation(session, endpoint.connection, [Fault(cut=700, how="reset")], seed=1)
    simulation.run()
    simulation.events, session.error, simulation.log

Each connection that the client makes takes the next fault of the list, and none where the list is at its end. What is
random comes from the seed, so a run is the same each time; `simulation.story()` is what to print when one fails.

Simulations that share a `Kept`, one after the other, hand connections on to each other as streams of a `Client` do. The
second one begins when the first one has ended, or some seconds later:

    later = Simulation(other, endpoint.connection, kept=kept, now=simulation.now + 5)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Literal

from kept import Kept, Line

from tokenwire.dialects.events import StreamEvent
from tokenwire.endpoint import ServerConnection
from tokenwire.errors import ConnectionFailed
from tokenwire.session import DurableSession

__all__ = ["Fault", "Simulation"]

#: Rounds after which a simulation is taken to go on for ever.
MAX_ROUNDS = 20_000


How = Literal["fin", "reset", "silence"]


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
    how: How = "fin"
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
        self.sent = 0  # bytes
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
        self.sent += len(data)
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


class _Connection(Line):
    """A connection as the client has made it, and the server's side of it."""

    def __init__(self, server: ServerConnection, fault: Fault, random: Random, now: float) -> None:
        super().__init__()
        self.server = server
        self.fault = fault
        self.up = _Pipe(replace(fault, held=0), fault.cut_up, random)
        self.down = _Pipe(fault, fault.cut, random)
        self.last_down = now
        self.ended = False
        self.idle_since = now

    @property
    def next(self) -> float:
        """When something happens on it by itself."""
        times = [self.up.next, self.down.next]
        if self.fault.idle_drop is not None and not self.ended and not self.down.queue:
            times.append(self.last_down + self.fault.idle_drop)
        deadline = None if self.down.broken else self.server.next_deadline()  # nobody hears it any more
        return min([*times, inf if deadline is None else deadline])

    def serve(self, now: float) -> bool:
        """The server's side does what it can now."""
        server = self.server
        if (data := self.up.take(now)) is not None:
            server.receive_data(data, now)
            return True
        if not self.down.broken and (data := server.data_to_send(now)):
            self.down.send(data, now)
            self.last_down = now
            if server.next_deadline() is None:
                self.down.flush(now)  # the response is complete
            return True
        return False

    def news(self, now: float) -> bytes | How | None:
        """What arrives at the client now: bytes, or how the connection ends; None for nothing."""
        if (data := self.down.take(now)) is not None:
            return data
        if self.ended or self.down.queue:
            return None
        idle = self.fault.idle_drop is not None and now >= self.last_down + self.fault.idle_drop
        broken = self.down.broken or (self.up.broken and not self.up.queue)
        if not broken and not idle and not (self.server.ending and not self.up.queue):
            return None
        self.down.flush(now)
        if self.down.queue:
            return self.news(now)
        self.ended = True
        if self.down.broken or self.up.broken:
            return self.fault.how
        return "reset" if self.server.ending == "reset" else "fin"

    def idle_until(self, now: float) -> None:
        """What happens by then on a connection that no conversation uses."""
        at, self.idle_since = self.idle_since, now
        for _ in range(MAX_ROUNDS):
            if self.serve(at):
                continue
            match self.news(at):
                case None if self.ended or self.next > now:
                    return
                case None:
                    at = max(at, self.next)
                case bytes(data):
                    self.coming += data
                case how:
                    self.end = "" if how == "silence" else how
        raise AssertionError("an idle connection never comes to rest")


class Simulation:
    """Drives a session, as a driver would, until it is over.

    :param endpoint: makes the server's side of a connection.
    :param faults: of one connection after the other.
    :param kept: connections that other simulations have left.
    """

    def __init__(
        self,
        session: DurableSession,
        endpoint: Callable[[], ServerConnection],
        faults: Sequence[Fault] = (),
        *,
        seed: int = 0,
        now: float = 0.0,
        kept: Kept | None = None,
    ) -> None:
        self.reused = 0  # connections that another simulation had left
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
        self._kept = kept

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
                self._give_back()
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
        if (kept := self._idle_connection()) is not None:
            self._note("a connection is used again")
            session.start(self.now)
            self._begin(kept)
            return
        fault = self._faults.popleft() if self._faults else Fault()
        session.start(self.now)
        self._note(f"connect, {fault}")
        if fault.refused:
            self._advance(self.now + fault.delay)
            self.events += session.connection_failed(ConnectionFailed("refused", phase="connect"), self.now)
            return
        self._advance(self.now + 2 * fault.delay)
        self._begin(_Connection(self._endpoint(), fault, self._random, self.now))

    def _begin(self, connection: _Connection) -> None:
        self._connection = connection
        self.sent.append(b"")
        self.received.append(b"")
        self._session.connected(self.now)

    def _idle_connection(self) -> _Connection | None:
        """A connection that another simulation has left, and that can take a request as far as a driver can see."""
        if self._kept is None or self._session.request.websocket:
            return None
        for line in self._kept.lines:
            assert isinstance(line, _Connection)
            line.idle_until(self.now)
        taken = self._kept.take()
        assert taken is None or isinstance(taken, _Connection)
        self.reused += taken is not None
        return taken

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if self._kept is not None and connection is not None and not connection.ended:
            connection.idle_since = self.now
            self._kept.give(connection, self._session)

    def _transfer(self) -> None:
        """What is due now, and else the clock goes on to what comes next."""
        connection, session = self._connection, self._session
        assert connection is not None
        if data := session.data_to_send():
            connection.up.send(data, self.now)
            self.sent[-1] += data
            return
        if connection.serve(self.now) or self._delivered(connection):
            return
        deadline = session.next_deadline()
        self._advance(min(connection.next, inf if deadline is None else deadline))
        deadline = session.next_deadline()
        if deadline is not None and self.now >= deadline:
            self._note("deadline")
            self.events += session.handle_deadline(self.now)

    def _delivered(self, connection: _Connection) -> bool:
        """The client is told of what arrives, and of an end."""
        match connection.news(self.now):
            case None:
                return False
            case bytes(data):
                self.received[-1] += data
                self.events += self._session.receive_data(data, self.now)
            case how:
                self._note(f"the connection ends by {how}")
                if how != "silence":
                    self.events += self._session.receive_eof(self.now, reset=how == "reset")
        return True

    def _advance(self, to: float | None) -> None:
        if to is None or to == inf:
            raise AssertionError(f"nothing will ever happen\n{self.story()}")
        self.now = max(self.now, to)

    def _note(self, text: str) -> None:
        self.log.append(f"{self.now:9.3f} {text}")
