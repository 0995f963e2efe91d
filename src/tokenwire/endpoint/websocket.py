"""A WebSocket connection to the reference endpoint as a state machine: no I/O; time is an argument.

What is said on it is an application's: it is told of messages and answers with a `Turn`, messages with the delays at
which they go out. A turn may replace what an earlier one still has to say: that is what a cancel does. Turns of
different lanes go side by side.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol

from ..errors import RemoteProtocolError
from ..protocol.upgrade import refusal_for
from ..protocol.websocket import Asked, Closed, ConnectionState, WebSocketConnection
from .connection import MAX_WAITING
from .replies import refusal_reply
from .seams import Ending, Reply, Seams, Turn
from .wanted import Refusal

__all__ = ["Application", "Echo", "WebSocketEndpoint", "asks_for_websocket"]


#: When it is due, its lane, and a message or the code of a close.
_Waiting = tuple[float, str, str | bytes | int]


class Application(Protocol):
    """What is said on a connection."""

    def opened(self) -> Turn:
        """The connection stands."""
        ...

    def received(self, message: str | bytes, pending: Counter[str]) -> Turn:
        """A message came. `pending`: by lane, how many messages of earlier turns have not gone out yet."""
        ...


class Echo:
    """Says every message again."""

    def opened(self) -> Turn:
        return Turn([])

    def received(self, message: str | bytes, pending: Counter[str]) -> Turn:
        return Turn([(0.0, message)])


class WebSocketEndpoint:
    """The server's side of one connection.

    :param admit: the application for a request; or a reply that refuses it.
    :param fields: what every answer to a handshake has (Date, request id), made anew for each.
    """

    def __init__(
        self,
        admit: Callable[[Asked], Application | Reply],
        fields: Callable[[], list[tuple[str, str]]],
        seams: Seams,
    ) -> None:
        self._admit = admit
        self._fields = fields
        self._seams = seams
        self._connection = WebSocketConnection.server()
        self._application: Application | None = None
        self._queue: deque[_Waiting] = deque()  # by the time at which they are due
        self._pending: Counter[str] = Counter()
        self._gone = False
        self._silent_since = 0.0
        self._pinged = False

    @property
    def ending(self) -> Ending:
        return self._seams.ending("close" if self._over else "")

    @property
    def waiting(self) -> bool:
        """Something waits to go out."""
        return bool(self._queue)

    @property
    def full(self) -> bool:
        """So much waits to go out that no more messages should be taken."""
        return len(self._queue) > MAX_WAITING

    @property
    def _over(self) -> bool:
        return self._gone or self._connection.state is ConnectionState.CLOSED

    def receive_data(self, data: bytes, now: float) -> None:
        """Takes bytes from the client."""
        if self._over:
            return
        self._silent_since = now
        self._pinged = False
        try:
            events = self._connection.receive_data(data)
        except RemoteProtocolError as error:
            if self._connection.state is ConnectionState.CONNECTING:
                status, headers = refusal_for(error)
                self._refuse(refusal_reply(Refusal(status, "bad_handshake", str(error))), headers)
            return
        for event in events:
            match event:
                case Asked():
                    self._answer(event, now)
                case Closed():
                    self._drop_the_rest()
                case str() | bytes() if self._application is not None:
                    self._say(self._seams.turn(event, self._received(self._application, event)), now)
                case _:
                    pass

    def _received(self, application: Application, message: str | bytes) -> Turn:
        """What the application says; where it fails by a fault of its own, the client is told so (RFC 6455 7.4.1)."""
        try:
            return application.received(message, self._pending)
        except Exception:
            return Turn([], close=1011)

    def receive_eof(self, now: float) -> None:
        """The client is gone: nothing more is said."""
        self._drop_the_rest()
        self._gone = True

    def shut_down(self) -> None:
        """The endpoint goes away, and the client is told so (RFC 6455, 7.4.1)."""
        self._drop_the_rest()
        if self._connection.state is ConnectionState.OPEN:
            self._connection.close(self._seams.drained())

    def data_to_send(self, now: float) -> bytes:
        """Drains what is due by now."""
        self._keep_alive(now)
        while self._queue and self._queue[0][0] <= now:
            _, lane, message = self._queue.popleft()
            self._pending[lane] -= 1
            if self._connection.state is not ConnectionState.OPEN:
                continue
            if isinstance(message, int):
                self._connection.close(message)
            else:
                self._connection.send(message)
        data = self._connection.data_to_send()
        return self._seams.outgoing(data) if data else b""

    def next_deadline(self) -> float | None:
        """When more is due; None where nothing waits."""
        if self._over:
            return None
        return min(self._silent_until(), self._queue[0][0] if self._queue else inf)

    def _silent_until(self) -> float:
        if self.full:
            return inf  # nobody listens, so nobody is silent
        patience = self._seams.ping_timeout if self._pinged else 0.0
        return self._silent_since + self._seams.ping_interval + patience

    def _keep_alive(self, now: float) -> None:
        """Pings a client that is silent, and leaves one that stays so: any byte is a sign of life.

        It is told why, should it hear after all, but not waited for.
        """
        if self._over or now < self._silent_until():
            return
        if self._connection.state is not ConnectionState.OPEN:
            self._gone = True
        elif self._pinged:
            self._connection.close(1011, "no answer to a ping")
        elif self._seams.silence() == "close":
            self._connection.close(1001)
        else:
            self._pinged = True
            self._connection.ping()

    def _answer(self, asked: Asked, now: float) -> None:
        admitted = self._admit(asked)
        if isinstance(admitted, Reply):
            self._refuse(admitted, [])
            return
        # A browser fails where it offered subprotocols and none is taken; OpenAI's name the protocol, and the key.
        offered = [name for name in asked.subprotocols if "key" not in name]
        self._connection.accept(subprotocol=offered[0] if offered else None, headers=self._fields())
        self._application = admitted
        self._say(self._seams.turn(None, admitted.opened()), now)

    def _refuse(self, reply: Reply, headers: Sequence[tuple[str, str]]) -> None:
        self._connection.reject(reply.status, headers=[*self._fields(), *reply.headers, *headers], body=reply.body)

    def _say(self, turn: Turn, now: float) -> None:
        if turn.replaces:
            self._queue = deque(waiting for waiting in self._queue if waiting[1] != turn.lane)
            del self._pending[turn.lane]
        due = max(now, self._last_due(turn.lane)) if self._pending[turn.lane] else now
        self._pending[turn.lane] += len(turn.messages) + (turn.close is not None)
        if turn.at_once:
            self._queue.extendleft((now, turn.lane, message) for _, message in reversed(turn.messages))
            return
        for delay, message in turn.messages:
            due += delay
            self._wait((due, turn.lane, message))
        if turn.close is not None:
            self._wait((due, turn.lane, turn.close))

    def _last_due(self, lane: str) -> float:
        return next(due for due, of, _ in reversed(self._queue) if of == lane)

    def _wait(self, waiting: _Waiting) -> None:
        if not self._queue or self._queue[-1][0] <= waiting[0]:
            self._queue.append(waiting)
        else:
            self._queue.insert(bisect_right(self._queue, waiting[0], key=lambda other: other[0]), waiting)

    def _drop_the_rest(self) -> None:
        """What was still to be said is not said any more."""
        self._queue.clear()
        self._pending.clear()


def asks_for_websocket(head: bytes) -> bool:
    """Whether the head of a GET wants a WebSocket, perhaps wrongly: the handshake then says what is wrong."""
    lines = head.lower().split(b"\r\n")
    return any(
        line.startswith(b"sec-websocket-") or (line.startswith(b"upgrade:") and b"websocket" in line) for line in lines
    )
