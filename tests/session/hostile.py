"""A server that does as it likes on each connection, one client, and a clock that is set by hand.

    said = converse(session, lambda number, asked: Says([(0.1, b"HTTP/1.1 200 OK…")], end="cut"))
    said.asked, said.now

The server is asked for every connection anew, for ever: who gives up is the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tokenwire.dialects.events import StreamEvent
from tokenwire.errors import ConnectionFailed
from tokenwire.protocol.websocket import Asked, WebSocketConnection
from tokenwire.session import DurableSession

__all__ = ["Conversation", "Says", "Server", "converse"]

#: Connections and reads after which a conversation is taken to go on for ever.
MAX_CONNECTIONS, MAX_READS = 3000, 20_000


@dataclass(frozen=True)
class Says:
    """What the server does on one connection.

    :ivar pieces: what it says, each after so many seconds.
    :ivar upgrades: a handshake is answered as it should be, before them.
    :ivar end: "cut" and "reset" by the transport; "silence": nothing more, for ever; "drip": the last piece again and
        again; "refused": there is no connection.
    """

    pieces: Sequence[tuple[float, bytes]] = ()
    end: Literal["cut", "reset", "silence", "drip", "refused"] = "cut"
    upgrades: bool = True


Server = Callable[[int, bytes], Says]


@dataclass
class Conversation:
    """What came of it: what was asked on each connection that stood, and when each connection began."""

    asked: list[bytes] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    events: list[StreamEvent] = field(default_factory=list)
    now: float = 0.0

    @property
    def posts(self) -> int:
        return sum(asked.startswith(b"POST") for asked in self.asked)


def converse(session: DurableSession, server: Server) -> Conversation:
    """Drives the session to its end."""
    told = Conversation()
    while not session.ended:
        if session.wants == "wait":
            _expire(session, told)
            continue
        assert len(told.began) < MAX_CONNECTIONS, "it never ends"
        told.began.append(told.now)
        session.start(told.now)
        _connect(session, server, told)
    return told


def _connect(session: DurableSession, server: Server, told: Conversation) -> None:
    number = len(told.began)
    if (says := server(number, b"")).end == "refused":
        told.events += session.connection_failed(ConnectionFailed("refused", phase="connect"), told.now)
        return
    session.connected(told.now)
    asked = session.data_to_send()
    if session.request.websocket and says.upgrades:
        peer = WebSocketConnection.server(compression=False)
        assert isinstance(peer.receive_data(asked)[0], Asked)
        peer.accept()
        told.events += session.receive_data(peer.data_to_send(), told.now)
        asked += session.data_to_send()
    told.asked.append(asked)
    says = server(number, asked)
    for seconds, piece in says.pieces:
        _say(session, told, seconds, piece)
    for _ in range(MAX_READS):
        if session.wants != "transfer" or session.ended:
            return
        if says.end in ("cut", "reset"):
            told.events += session.receive_eof(told.now, reset=says.end == "reset")
        elif says.end == "drip":
            _say(session, told, *says.pieces[-1])
        else:
            _expire(session, told)
    raise AssertionError("a connection never ends")


def _say(session: DurableSession, told: Conversation, seconds: float, piece: bytes) -> None:
    """It takes its time, in which a timer of the client's may run out."""
    then = told.now + seconds
    while session.wants == "transfer" and not session.ended:
        deadline = session.next_deadline()
        if deadline is None or deadline > then:
            told.now = then
            told.events += session.receive_data(piece, then)
            _flush(session)
            return
        _expire(session, told)


def _expire(session: DurableSession, told: Conversation) -> None:
    deadline = session.next_deadline()
    assert deadline is not None, "nothing will ever happen"
    told.now = max(told.now, deadline)
    told.events += session.handle_deadline(told.now)
    _flush(session)


def _flush(session: DurableSession) -> None:
    """Pings, pongs and closes."""
    if session.wants == "transfer":
        session.data_to_send()
