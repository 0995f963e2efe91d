"""What arrives for a program that only sends is bounded, and nothing of it is lost, nor of what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from scripted import Peer, ScriptedServer

import tokenwire
from tokenwire.drivers.unread import MAX_UNREAD, size_of
from tokenwire.protocol.websocket import Asked, ConnectionState

PIECE = b"x" * 60_000
PIECES = MAX_UNREAD // len(PIECE) + 200

#: More than the sockets' buffers take.
MESSAGE = b"y" * 15_000_000


def talkative(peer: Peer) -> None:
    """Says much before it reads anything; then says how much it has read, and closes."""
    connection = tokenwire.WebSocketConnection.server(compression=False)
    while connection.state is ConnectionState.CONNECTING:
        if any(isinstance(event, Asked) for event in connection.receive_data(peer.connection.recv(65536))):
            connection.accept()
    peer.send(connection.data_to_send())
    connection.send(PIECE)
    frame = connection.data_to_send()
    for _ in range(PIECES):
        peer.send(frame)
    while not (messages := connection.receive_data(peer.connection.recv(65536))):
        pass
    assert messages == [MESSAGE]
    connection.send("read")
    connection.close()
    peer.send(connection.data_to_send())
    peer.wait_for_close()


def blocking(url: str) -> list[str | bytes]:
    with tokenwire.connect(url) as websocket:
        with pytest.raises(tokenwire.LocalProtocolError, match=r"64 MiB arrived .*iterate"):
            websocket.send(MESSAGE)
        assert size_of(websocket._arrived) < MAX_UNREAD * 1.1
        return list(websocket)


def with_asyncio(url: str) -> list[str | bytes]:
    async def run() -> list[str | bytes]:
        async with tokenwire.aconnect(url) as websocket:
            with pytest.raises(tokenwire.LocalProtocolError, match=r"64 MiB arrived .*iterate"):
                await websocket.send(MESSAGE)
            assert size_of(websocket._arrived) < MAX_UNREAD * 1.1
            return [message async for message in websocket]

    return asyncio.run(run())


@pytest.mark.parametrize("drive", [blocking, with_asyncio])
def test_a_peer_that_talks_and_does_not_listen_ends_a_send_and_loses_nothing(
    drive: Callable[[str], list[str | bytes]],
) -> None:
    with ScriptedServer(talkative) as server:
        given = drive(server.url.replace("http", "ws"))
    assert not server.failures
    assert given[-1] == "read"
    assert given[:-1] == [PIECE] * PIECES


@pytest.mark.parametrize(
    ("item", "content"),
    [
        ("abc", 3),
        (b"abc", 3),
        (tokenwire.TextDelta(0, "abc", raw="12345"), 8),
        (tokenwire.ToolCallDelta(0, "abc"), 3),
        (tokenwire.Error("a", "bc", fatal=False), 3),
        (tokenwire.Other("ab", "c", cursor="d"), 4),
    ],
)
def test_a_message_and_an_event_are_as_large_as_what_they_hold(item: object, content: int) -> None:
    assert size_of([item]) - size_of([""]) == content
