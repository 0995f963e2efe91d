"""The reference endpoint before a client that asks and asks, and reads no answer: it stops listening in time."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.connection import MAX_WAITING
from tokenwire.endpoint.story import STORY
from tokenwire.protocol.websocket import Opened, WebSocketConnection

MEASURED = Path(__file__).with_name("measured.py")
ASK = json.dumps({"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}], "stream": True})

#: Seconds in which a client asks. An endpoint that took everything would grow by 20 MiB in each.
ASKING = 4.0

#: KiB by which the endpoint may grow. One read of 64 KiB can ask for a thousand stories, of some 10 KiB each before
#: they are sent; what had been read before is as much again where it is to go out later.
BOUND = 40 * 1024

pytestmark = pytest.mark.timeout(200)


def pipelined(client: socket.socket) -> bytes:
    """Requests over HTTP, one behind the other."""
    return b"GET /v1/chat/stream HTTP/1.1\r\nHost: x\r\n\r\n" * 1000


def echoed(client: socket.socket) -> bytes:
    """Messages that come back."""
    return _messages(client, "/echo", "x" * 10_000)


def asked(client: socket.socket) -> bytes:
    """Requests of the guide's dialect."""
    return _messages(client, "/v1/chat/stream", ASK)


def _messages(client: socket.socket, path: str, message: str) -> bytes:
    connection = WebSocketConnection(f"ws://x{path}", compression=False)
    client.sendall(connection.data_to_send())
    assert any(isinstance(event, Opened) for event in connection.receive_data(client.recv(65536)))
    for _ in range(100):
        connection.send(message)
    return connection.data_to_send()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process's memory")
@pytest.mark.parametrize(("ask", "pace"), [(pipelined, 0.0), (echoed, 0.0), (asked, 0.0), (asked, 60.0)])
def test_a_client_that_reads_no_answer_is_not_listened_to_without_end(
    ask: Callable[[socket.socket], bytes], pace: float
) -> None:
    with subprocess.Popen(
        [sys.executable, str(MEASURED), str(pace)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as endpoint:
        assert endpoint.stdin is not None
        assert endpoint.stdout is not None
        with socket.create_connection(("127.0.0.1", int(endpoint.stdout.readline()))) as client:
            questions = ask(client) * 10
            until = time.monotonic() + ASKING
            sent = 0
            while (left := until - time.monotonic()) > 0:
                client.settimeout(left)
                try:
                    sent += client.send(questions[sent % (len(questions) // 10) :])
                except TimeoutError:
                    break
            endpoint.stdin.close()
            grown = int(endpoint.stdout.readline())
    assert grown < BOUND, f"{grown / 1024:.1f} MiB more"


def test_what_was_not_listened_to_at_first_is_answered_in_the_end() -> None:
    count = MAX_WAITING // len(STORY) * 2
    with (
        background(ReferenceEndpoint(pace=0.0001).connection) as port,
        tokenwire.connect(f"ws://127.0.0.1:{port}/v1/chat/stream") as websocket,
    ):
        for _ in range(count):
            websocket.send(ASK)
        done = 0
        while done < count:
            done += '"type":"done"' in str(next(websocket))


@pytest.mark.parametrize("question", ["http", "websocket"])
def test_a_connection_is_full_while_too_much_waits(question: str) -> None:
    connection = ReferenceEndpoint(pace=1.0).connection()
    if question == "http":
        ask = b"GET /v1/chat/stream HTTP/1.1\r\nHost: x\r\n\r\n"
    else:
        client = WebSocketConnection("ws://x/v1/chat/stream", compression=False)
        connection.receive_data(client.data_to_send(), 0.0)
        client.receive_data(connection.data_to_send(0.0))
        client.send(ASK)
        ask = client.data_to_send()
    answers = 0
    while not connection.full:
        connection.receive_data(ask, 0.0)
        answers += 1
    assert answers > 100  # a client may be far ahead
    deadline = connection.next_deadline()
    assert deadline is not None
    while connection.full:  # what waits goes out in its time, and nothing else is due before, such as a ping
        assert connection.next_deadline() == deadline
        assert connection.data_to_send(deadline)
        deadline += 1.0
