"""Both drivers over WebSocket, against the reference endpoint and against peers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import tokenwire
from tokenwire.dialects import DIALECTS
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY
from tokenwire.framing.websocket import Ping
from tokenwire.protocol.websocket import Asked, Closed, ConnectionState, WebSocketConnection, WebSocketEvent
from tokenwire.recording import load
from tokenwire.session import MessageSession

KEY = "a-key-of-some-length"
ASK = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}]}
STORY_TEXT = "".join(STORY)

Events = list[tokenwire.StreamEvent]
Stream = tokenwire.Stream | tokenwire.AsyncStream


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY, pace=0.001).connection) as port:
        yield f"ws://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    """At a pace at which a client can put a word in, on a busy machine too."""
    with background(ReferenceEndpoint(key=KEY, pace=0.1).connection) as port:
        yield f"ws://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_KEY", KEY)


def blocking(url: str, say: dict[int, object] | None = None, **options: object) -> tuple[Stream, Events]:
    """Streams with the blocking driver; `say`: what is sent after so many events."""
    events: Events = []
    with tokenwire.stream(url, **{"dialect": "holysheep", "key_env": "WS_KEY", **options}) as stream:  # type: ignore[arg-type]
        for event in stream:
            events.append(event)
            if say and len(events) in say:
                stream.send(say[len(events)])  # type: ignore[arg-type]
    return stream, events


def with_asyncio(url: str, say: dict[int, object] | None = None, **options: object) -> tuple[Stream, Events]:
    """The same with the asyncio driver."""

    async def run() -> tuple[Stream, Events]:
        events: Events = []
        async with tokenwire.astream(url, **{"dialect": "holysheep", "key_env": "WS_KEY", **options}) as stream:  # type: ignore[arg-type]
            async for event in stream:
                events.append(event)
                if say and len(events) in say:
                    await stream.send(say[len(events)])  # type: ignore[arg-type]
        return stream, events

    return asyncio.run(run())


Drive = Callable[..., tuple[Stream, Events]]
drivers = pytest.mark.parametrize("drive", [blocking, with_asyncio])


@drivers
def test_the_story_comes_whole(drive: Drive, url: str) -> None:
    stream, events = drive(url, json=ASK)
    assert stream.text == STORY_TEXT
    assert events[-1] == tokenwire.End(clean=True)
    assert stream.usage == {"prompt_tokens": 2, "completion_tokens": len(STORY)}


@drivers
def test_what_is_said_in_mid_stream_is_heard(drive: Drive, slow_url: str) -> None:
    stream, events = drive(
        slow_url, {3: {"type": "context_update", "context": "more"}, 9: {"type": "cancel"}}, json=ASK
    )
    assert any(isinstance(event, tokenwire.Other) and event.type == "context_updated" for event in events)
    assert tokenwire.Finish("cancelled", "cancelled") in events
    assert STORY_TEXT.startswith(stream.text)
    assert len(stream.text) < len(STORY_TEXT)


@drivers
def test_an_error_of_the_server_ends_the_stream_unclean(drive: Drive, url: str) -> None:
    ask = {**ASK, "model": "no-such"}  # the server goes on listening after its error
    with pytest.raises(tokenwire.StreamFailed, match="no-such") as caught:
        drive(url, json=ask)
    stream, events = drive(url, json=ask, on_error="event")
    assert [type(event) for event in events] == [tokenwire.Error, tokenwire.End]
    assert stream.end == tokenwire.End(clean=False)
    assert caught.value.error == events[0]
    assert caught.value.events == events


@drivers
def test_a_refused_handshake_is_a_status_error_with_its_words(
    drive: Drive, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WS_KEY", "another-key-altogether")
    with pytest.raises(tokenwire.StatusError, match="The key is missing or wrong") as caught:
        drive(url, json=ASK)
    assert caught.value.status == 401
    assert caught.value.fields["code"] == "invalid_api_key"


@drivers
def test_the_recording_has_both_directions_and_no_key(drive: Drive, url: str, tmp_path: Path) -> None:
    path = tmp_path / "ws.wire.jsonl"
    drive(url, json=ASK, record=path)
    recording = load(path)
    assert recording.header["transport"] == "websocket"
    assert recording.received.startswith(b"HTTP/1.1 101 ")
    assert KEY.encode() not in recording.sent
    assert KEY not in path.read_text()


def test_over_http_nothing_can_be_said_in_mid_stream(url: str) -> None:
    with tokenwire.stream(url.replace("ws:", "http:"), json={}, dialect="holysheep", key_env="WS_KEY") as stream:
        with pytest.raises(tokenwire.LocalProtocolError, match="ws or wss"):
            stream.send("hello")
        assert "".join(e.text for e in stream if isinstance(e, tokenwire.TextDelta)) == STORY_TEXT


def test_a_dialect_without_websocket_says_so() -> None:
    with pytest.raises(tokenwire.LocalProtocolError, match="openai-chat is not spoken over WebSocket"):
        tokenwire.stream("ws://127.0.0.1:1/", json=ASK)


def test_messages_go_both_ways_as_they_are(url: str) -> None:
    sent: list[str | bytes] = ["", "text 日本 😀", b"", bytes(range(256)) * 300, "x" * 70_000]
    with tokenwire.connect(f"{url}/echo") as websocket:
        for message in sent:
            websocket.send(message)
        assert [next(websocket) for _ in sent] == sent
    assert websocket.closed is not None
    assert websocket.closed.code == 1000


Script = Callable[[WebSocketConnection, socket.socket], None]


@contextmanager
def peer(script: Script) -> Iterator[str]:
    """A server of one connection: does the handshake, then what the script says."""

    def serve() -> None:
        with server.accept()[0] as accepted:
            accepted.settimeout(10.0)
            connection = WebSocketConnection.server(compression=False)
            while connection.state is ConnectionState.CONNECTING:
                if any(isinstance(event, Asked) for event in connection.receive_data(accepted.recv(65536))):
                    connection.accept()
            accepted.sendall(connection.data_to_send())
            script(connection, accepted)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(10.0)


def until_gone(connection: WebSocketConnection, accepted: socket.socket) -> None:
    """Reads and answers until the client has left."""
    while data := accepted.recv(65536):
        connection.receive_data(data)
        accepted.sendall(connection.data_to_send())


@drivers
@pytest.mark.parametrize("count", [1, 3, 5])
def test_each_opening_message_follows_on_the_answer_to_the_last(drive: Drive, count: int) -> None:
    opening = [{"number": number} for number in range(count)]
    heard: list[object] = []

    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        for number in range(count):
            while len(heard) <= number:
                heard.extend(json.loads(str(said)) for said in connection.receive_data(accepted.recv(65536)))
            connection.send(f'{{"type": "content_delta", "content": "{number}"}}')
            accepted.sendall(connection.data_to_send())
        connection.send('{"type": "done"}')
        accepted.sendall(connection.data_to_send())
        until_gone(connection, accepted)

    with peer(script) as url:
        stream, _ = drive(url, json=ASK, dialect=replace(DIALECTS["holysheep"], opening=lambda _: opening))
    assert heard == opening
    assert stream.text == "01234"[:count]


@drivers
def test_a_close_before_the_end_is_an_interruption_that_names_the_code(drive: Drive) -> None:
    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        connection.send('{"type": "content_delta", "content": "half"}')
        connection.close(1011, "no pong")
        accepted.sendall(connection.data_to_send())
        until_gone(connection, accepted)

    with (
        peer(script) as url,
        pytest.raises(tokenwire.StreamInterrupted, match="closed with 1011 \\(no pong\\)") as caught,
    ):
        drive(url, json=ASK)
    assert caught.value.text == "half"


@drivers
def test_a_connection_that_just_ends_is_an_interruption(drive: Drive) -> None:
    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        connection.send('{"type": "content_delta", "content": "half"}')
        accepted.sendall(connection.data_to_send())
        accepted.recv(65536)

    with peer(script) as url, pytest.raises(tokenwire.StreamInterrupted, match="without a Close frame") as caught:
        drive(url, json=ASK)
    assert caught.value.text == "half"


@drivers
def test_frames_that_break_the_protocol_are_an_error_after_what_came_before(drive: Drive) -> None:
    heard: list[object] = []

    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        connection.send('{"type": "content_delta", "content": "half"}')
        accepted.sendall(connection.data_to_send() + b"\x83\x00")
        while data := accepted.recv(65536):
            heard.extend(connection.receive_data(data))

    with peer(script) as url, pytest.raises(tokenwire.RemoteProtocolError, match="0x3 is reserved"):
        drive(url, json=ASK)
    assert isinstance(heard[-1], Closed)
    assert heard[-1].code == 1002  # the peer was told


@drivers
def test_a_peer_that_is_silent_after_a_ping_is_told_apart_from_one_that_closes(drive: Drive) -> None:
    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        while accepted.recv(65536):
            pass  # hears the ping, and does not answer

    with peer(script) as url, pytest.raises(tokenwire.TimeoutExceeded, match="keepalive") as caught:
        drive(url, json=ASK, timeouts=tokenwire.Timeouts(keepalive=0.1, close=0.1))
    assert caught.value.timer == "keepalive"


@drivers
def test_a_peer_that_answers_pings_may_be_silent_for_long(drive: Drive) -> None:
    pings = 0

    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        nonlocal pings
        while pings < 3:
            events = connection.receive_data(accepted.recv(65536))
            pings += sum(isinstance(event, tuple) for event in events)
            accepted.sendall(connection.data_to_send())
        connection.send('{"type": "content_delta", "content": "late"}')
        connection.send('{"type": "done"}')
        accepted.sendall(connection.data_to_send())
        until_gone(connection, accepted)

    with peer(script) as url:
        stream, _ = drive(url, json=ASK, timeouts=tokenwire.Timeouts(keepalive=0.2))
    assert stream.text == "late"
    assert pings >= 3


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
def test_a_message_that_the_peer_takes_late_arrives_whole_and_is_followed_by_the_ping(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer reads nothing until the client, half-way through a message, has lost patience and wants to ping."""
    large = "日本" * 2_000_000
    impatient = threading.Event()
    ping = MessageSession._ping
    heard: list[WebSocketEvent] = []

    def _ping(session: MessageSession, now: float) -> None:
        ping(session, now)
        session._timers.set("keepalive", 60.0, now)  # the peer begins to read only now, on however busy a machine
        impatient.set()

    monkeypatch.setattr(MessageSession, "_ping", _ping)

    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        assert impatient.wait(20.0)
        while not any(isinstance(event, Ping) for event in heard):
            heard.extend(connection.receive_data(accepted.recv(65536)))
        connection.send("thanks")
        accepted.sendall(connection.data_to_send())
        until_gone(connection, accepted)

    async def send(url: str) -> str | bytes:
        async with tokenwire.aconnect(url, timeouts=timeouts) as websocket:
            await websocket.send(large)
            return await anext(websocket)

    timeouts = tokenwire.Timeouts(keepalive=0.5)
    with peer(script) as url:
        if kind == "asyncio":
            assert asyncio.run(send(url)) == "thanks"
        else:
            with tokenwire.connect(url, timeouts=timeouts) as websocket:
                websocket.send(large)
                assert next(websocket) == "thanks"
    assert [event == large for event in heard] == [True, False]


def test_a_task_that_waits_to_send_does_not_take_the_timer_of_one_that_reads() -> None:
    """Whoever reads moves the idle timer on; where a send began under an earlier one, none has run out."""

    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        for _ in range(60):  # says something for longer than the timer, and hears nothing
            connection.send("wait")
            accepted.sendall(connection.data_to_send())
            time.sleep(0.05)
        while not connection.receive_data(accepted.recv(1_000_000)):
            connection.send("wait")
            accepted.sendall(connection.data_to_send())
        connection.send("thanks")
        accepted.sendall(connection.data_to_send())
        until_gone(connection, accepted)

    async def run(url: str) -> str | bytes:
        async with tokenwire.aconnect(url, timeouts=tokenwire.Timeouts(keepalive=None, idle=2.0)) as websocket:
            sending = asyncio.create_task(websocket.send("x" * 15_000_000))
            while (message := await anext(websocket)) == "wait":
                pass
            await sending
        return message

    with peer(script) as url:
        assert asyncio.run(run(url)) == "thanks"


@drivers
def test_a_peer_that_does_not_close_is_not_waited_for_longer_than_the_limit(drive: Drive) -> None:
    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        connection.send('{"type": "done"}')
        accepted.sendall(connection.data_to_send())
        while accepted.recv(65536):
            pass  # never answers the Close

    with peer(script) as url:
        stream, _ = drive(url, json=ASK, timeouts=tokenwire.Timeouts(close=0.1))
    assert stream.end == tokenwire.End(clean=True)


@pytest.mark.parametrize("drive", [blocking, with_asyncio])
def test_nothing_is_sent_in_the_clear_when_tls_fails(drive: Drive) -> None:
    heard = bytearray()

    def serve() -> None:
        with server.accept()[0] as accepted:
            heard.extend(accepted.recv(65536))
            accepted.sendall(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
            accepted.settimeout(5.0)
            try:
                while data := accepted.recv(65536):
                    heard.extend(data)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(tokenwire.ConnectionFailed):
            drive(f"wss://127.0.0.1:{server.getsockname()[1]}/", json=ASK)
        thread.join(10.0)
    assert KEY.encode() not in heard
    assert b"HTTP" not in heard


@pytest.mark.timeout(200)
def test_nothing_is_lost_under_a_slow_reader() -> None:
    """100,000 messages to a client that stops reading now and then: backpressure, and every message in its order."""
    count = 100_000

    def script(connection: WebSocketConnection, accepted: socket.socket) -> None:
        accepted.settimeout(60.0)
        for start in range(0, count, 1000):
            for number in range(start, start + 1000):
                connection.send(str(number))
            accepted.sendall(connection.data_to_send())
        connection.close()
        accepted.sendall(connection.data_to_send())
        until_gone(connection, accepted)

    async def read(url: str) -> list[str]:
        received = []
        async with tokenwire.aconnect(url) as websocket:
            async for message in websocket:
                received.append(str(message))
                if len(received) % 20_000 == 0:
                    await asyncio.sleep(0.05)
        return received

    with peer(script) as url:
        assert asyncio.run(read(url)) == [str(number) for number in range(count)]
