"""A server that goes away says so on every WebSocket, and keeps nobody waiting."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.protocol.websocket import Closed, Opened, WebSocketConnection, WebSocketEvent
from tokenwire.recording import load
from tokenwire.recording.replay import ReplayConnection

GONE = Closed(1001, "")
ASK = '{"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}]}'
FIXTURES = Path(__file__).parent.parent.parent / "fixtures"


class Client:
    """A client on a socket: it answers a Close, as the connection does by itself."""

    def __init__(self, port: int, path: str = "/v1/chat/stream") -> None:
        self._connection = WebSocketConnection(f"ws://127.0.0.1:{port}{path}")
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.events = self._receive()
        assert isinstance(next(self.events), Opened)

    def send(self, text: str) -> None:
        self._connection.send(text)
        self._socket.sendall(self._connection.data_to_send())

    def rest(self) -> list[WebSocketEvent]:
        return list(self.events)

    def _receive(self) -> Iterator[WebSocketEvent]:
        with self._socket:
            while True:
                self._socket.sendall(self._connection.data_to_send())
                data = self._socket.recv(65536)
                yield from self._connection.receive_data(data) if data else self._connection.receive_eof()
                if not data:
                    return


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


def test_each_of_its_websockets_is_told_by_1001(pool: ThreadPoolExecutor) -> None:
    with background(ReferenceEndpoint().connection) as port:
        clients = [Client(port), Client(port, "/echo"), Client(port, "/v1/realtime")]
        told = [pool.submit(client.rest) for client in clients]
    assert [events.result()[-1] for events in told] == [GONE] * 3


def test_what_was_still_to_be_said_is_not_said(pool: ThreadPoolExecutor) -> None:
    with background(ReferenceEndpoint(pace=30.0).connection) as port:
        client = Client(port)
        client.send(ASK)
        told = pool.submit(client.rest)
    *said, last = told.result()
    assert last == GONE
    assert len(said) <= 1  # the first message is due at once


def test_a_client_that_does_not_listen_is_not_waited_for_long() -> None:
    with background(ReferenceEndpoint().connection) as port:
        client = Client(port)
    assert client.rest() == [GONE]


def test_over_http_the_connection_just_ends() -> None:
    with background(ReferenceEndpoint().connection) as port:
        quiet = socket.create_connection(("127.0.0.1", port), timeout=30)
        asked = socket.create_connection(("127.0.0.1", port), timeout=30)
        asked.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        assert asked.recv(65536).startswith(b"HTTP/1.1 200 ")
    for connection in (quiet, asked):
        with connection:
            assert connection.recv(65536) == b""


def test_a_replay_says_nothing_that_was_not_recorded() -> None:
    recording = load(FIXTURES / "node-ws/cancel.wire.jsonl")
    with background(lambda: ReplayConnection(recording)) as port:
        client = Client(port)
    assert client.rest() == [Closed(1006, "")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_the_command_says_so_when_it_is_stopped(number: str, code: int) -> None:
    command = [sys.executable, "-c", "import sys; from tokenwire.cli import main; sys.exit(main())", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            client = Client(int(process.stdout.readline().rpartition(":")[2]))
            process.send_signal(getattr(signal, number))
            assert client.rest() == [GONE]
            assert process.wait(30) == code
            assert process.communicate() == ("", "")
        finally:
            process.kill()
