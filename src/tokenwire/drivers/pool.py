"""Idle connections, kept for other streams to the same origin (RFC 9112, 9.3)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..errors import StreamFailed
from ..protocol.url import Target
from .opening import Conversation
from .route import Route

if TYPE_CHECKING:
    from ssl import SSLSession

    from .tls import TLS

__all__ = ["IDLE_CONNECTIONS", "IDLE_TIME", "Connection", "Idle", "Pool", "may_be_reused", "origin_of"]

#: Idle connections that are kept to one origin.
IDLE_CONNECTIONS = 10

#: Seconds that one is kept. Servers close idle connections after 5 s (node, uvicorn) to 75 s (nginx).
IDLE_TIME = 30.0

#: Bytes of a body that may follow the dialect's end: usually it is the last chunk, of five bytes.
MAX_REST = 64 * 1024


class Connection(Protocol):
    """What is kept: a link of either driver."""

    tls: TLS | None

    def close(self) -> None: ...


_Link = TypeVar("_Link", bound=Connection)


class Idle(Generic[_Link]):
    """A connection that nobody uses.

    A dialect's end usually comes before that of the body. It is not waited for: the session that used the connection
    is kept with it, and reads the rest until the body is complete.

    :param session: that used the connection, and has ended.
    """

    def __init__(self, link: _Link, session: Conversation[Any]) -> None:
        self.link = link
        #: Monotonic seconds.
        self.since: float = monotonic()
        #: It will never be fit: something came that is not the end of the last body, or too much of that.
        self.spoilt: bool = False
        self._rest = None if session.reusable else session
        self._size = 0

    @property
    def fit(self) -> bool:
        """It can take a request: the last body has come whole, and nothing else."""
        return self._rest is None and not self.spoilt

    def take_in(self, data: bytes) -> None:
        """Bytes came."""
        self._size += len(data)
        if self._rest is None or self._size > MAX_REST:
            self.spoilt = True
            return
        self._rest.receive_data(data, monotonic())
        if self._rest.reusable:
            self._rest = None


class Pool(Generic[_Link]):
    """What is idle, by origin. Threads may share it.

    :param limit: idle connections to one origin; the one that was idle longest is closed for another.
    :param idle_time: seconds after which an idle connection is closed.
    """

    def __init__(self, limit: int, idle_time: float) -> None:
        self._limit = limit
        self._idle_time = idle_time
        self._idle: dict[Hashable, deque[Idle[_Link]]] = {}
        self._tls_sessions: dict[Hashable, SSLSession] = {}
        self._lock = threading.Lock()
        #: It keeps nothing any more.
        self.closed: bool = False

    def give(self, origin: Hashable, idle: Idle[_Link]) -> None:
        """Keeps the connection, or closes it."""
        tls_session = idle.link.tls.session if idle.link.tls is not None else None
        with self._lock:
            if tls_session is not None:
                self._tls_sessions[origin] = tls_session
            self._idle.setdefault(origin, deque()).append(idle)
            self._close_what_is_too_much()

    def take(self, origin: Hashable) -> Idle[_Link] | None:
        """The connection to the origin that was used last; whoever takes it has to look at it."""
        with self._lock:
            self._close_what_is_too_much()
            idle = self._idle.get(origin)
            return idle.pop() if idle else None

    def drop(self, origin: Hashable, idle: Idle[_Link]) -> None:
        """Closes a connection that is of no more use, unless somebody has taken it."""
        with self._lock:
            kept = self._idle.get(origin)
            if kept is not None and idle in kept:
                kept.remove(idle)
                idle.link.close()

    def tls_session(self, origin: Hashable) -> SSLSession | None:
        """For a new connection to the origin: with it the handshake costs less (RFC 8446, 2.2)."""
        return self._tls_sessions.get(origin)

    def close(self) -> None:
        """Closes all of them, and those that will be given."""
        with self._lock:
            self.closed = True
            self._close_what_is_too_much()

    def _close_what_is_too_much(self) -> None:
        oldest = monotonic() - self._idle_time
        limit = 0 if self.closed else self._limit
        for origin, kept in list(self._idle.items()):
            while kept and (len(kept) > limit or kept[0].since < oldest):
                kept.popleft().link.close()
            if not kept:
                del self._idle[origin]


def may_be_reused(session: Conversation[Any]) -> bool:
    """Whether the connection of a session that has ended may serve another one, now or when its body is complete.

    An error that the server told in the stream ends the stream as its dialect does, and the body goes on to its end.
    """
    if not session.ended or session.request.websocket:
        return False
    return session.reusable or session.error is None or isinstance(session.error, StreamFailed)


def origin_of(target: Target, route: Route) -> Hashable:
    """What connections must have in common to stand for each other: scheme, host and port, and the way there."""
    return target.scheme, target.host, target.port, route.host, route.port
