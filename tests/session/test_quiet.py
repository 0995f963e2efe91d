"""`quiet` is a promise to a driver: after such a read there is nothing to send, and nothing else to do than before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from cutting import bytewise
from test_vectors import OF_DIALECTS, pieces, stream
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.dialect import Dialect
from tokenwire.protocol.websocket import WebSocketConnection
from tokenwire.session import DurableSession, MessageSession, Request, Session, build_request
from tokenwire.session.websocket import WebSocketSession

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

#: Enough of them to draw all opening messages out, whatever the dialect makes of them.
UNKNOWN = ['{"type": "unheard.of"}'] * 8

Kind = Callable[[Request, Dialect], Any]
OVER_WEBSOCKET: dict[str, Kind] = {
    "MessageSession": MessageSession,
    "WebSocketSession": WebSocketSession,
    "DurableSession": partial(DurableSession, random=lambda: 0.5),
}
OVER_HTTP: dict[str, Kind] = {"Session": Session, "DurableSession": OVER_WEBSOCKET["DurableSession"]}


def connected(kind: Kind, request: Request, dialect: Dialect) -> Any:
    session = kind(request, dialect)
    session.start(0.0)
    session.connected(0.0)
    return session


def is_quiet_as_promised(session: Any, read: bytes, now: float) -> bool:
    """Hands in one read; whether it was quiet."""
    wants, deadline = getattr(session, "wants", ""), session.next_deadline()
    session.receive_data(read, now)
    if not session.quiet:
        return False
    assert session.data_to_send() == b""
    assert getattr(session, "wants", "") == wants
    if deadline is not None:
        assert session.next_deadline() >= deadline
    return True


# Over WebSocket.


def said(dialect: str) -> Iterator[list[str | bytes]]:
    """The messages of each vector of the dialect; none, where it has bytes."""
    for vector in OF_DIALECTS.values():
        if vector["dialect"] == dialect:
            yield pieces(vector) if "messages" in vector else []


def frames_of(messages: Sequence[str | bytes], server: WebSocketConnection) -> Iterator[bytes]:
    """Each message, a ping after every third, and a Close."""
    for number, message in enumerate(messages):
        server.send(message)
        yield server.data_to_send()
        if number % 3 == 2:
            server.ping()
            yield server.data_to_send()
    server.close(1001)
    yield server.data_to_send()


def one_a_read(frames: list[bytes]) -> list[bytes]:
    return frames


def two_a_read(frames: list[bytes]) -> list[bytes]:
    return [b"".join(frames[at : at + 2]) for at in range(0, len(frames), 2)]


def byte_by_byte(frames: list[bytes]) -> list[bytes]:
    return bytewise(b"".join(frames))


@pytest.mark.parametrize("cut", [one_a_read, two_a_read, byte_by_byte])
@pytest.mark.parametrize("opening", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("kind", OVER_WEBSOCKET)
@pytest.mark.parametrize("dialect", [name for name, dialect in DIALECTS.items() if dialect.opening is not None])
def test_over_websocket_it_is_kept_with_any_number_of_opening_messages(
    dialect: str, kind: str, opening: int, cut: Callable[[list[bytes]], list[bytes]]
) -> None:
    for messages in said(dialect):
        request = build_request("ws://host", DIALECTS[dialect], json=ASKED)
        request = replace(request, messages=[f'{{"opening": {number}}}' for number in range(opening)])
        session = connected(OVER_WEBSOCKET[kind], request, DIALECTS[dialect])
        server = WebSocketConnection.server(compression=False)
        server.receive_data(session.data_to_send())
        server.accept()
        session.receive_data(server.data_to_send(), 1.0)
        heard = server.receive_data(session.data_to_send())
        quiet = 0
        for number, read in enumerate(cut(list(frames_of([*UNKNOWN, *messages], server))), 2):
            quiet += is_quiet_as_promised(session, read, float(number))
            heard += server.receive_data(session.data_to_send())
        assert [message for message in heard if isinstance(message, str)] == list(request.messages)
        assert quiet, "or the test shows nothing"


# Over HTTP.

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n"


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("dialect", [name for name, dialect in DIALECTS.items() if not dialect.websocket_only])
def test_over_http_it_is_kept_at_every_byte(dialect: str, kind: str) -> None:
    asked = DIALECTS[dialect]
    quiet = 0
    for vector in OF_DIALECTS.values():
        if vector["dialect"] == dialect and "bytes" in vector:
            session = connected(OVER_HTTP[kind], build_request("http://host", asked, json=ASKED), asked)
            assert session.data_to_send()
            media_type = "text/event-stream" if vector["framing"] == "sse" else asked.content_type.partition(",")[0]
            reads = bytewise(HEAD % media_type.encode() + stream(vector))
            quiet += sum(is_quiet_as_promised(session, read, float(now)) for now, read in enumerate(reads, 1))
    assert quiet, "or the test shows nothing"
