"""Connections that serve several streams: `Client` and `AsyncClient`, over real sockets.

A server counts its connections. What must not be reused is not; and what was sent once is not sent twice.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trustme
from fault_proxy import FaultProxy, harming
from scripted import PATIENCE, Peer, Proxy, ScriptedServer
from test_drivers import CHUNKED, DONE, HEAD, text

import tokenwire
from tokenwire import BodyTruncated, LocalProtocolError, StatusError, StreamInterrupted, TextDelta, TokenwireError
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.recording import load

LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


BODY = chunk(text("Hello", "stop")) + chunk(DONE)
ANSWER = CHUNKED + BODY + LAST
COUNTED = HEAD + b"Content-Length: %d\r\n\r\n" % len(text("Hello", "stop") + DONE) + text("Hello", "stop") + DONE


class Kept:
    """A server that answers each request on each connection with the next of `answers`, and then as the last says.

    :ivar asked: requests, by connection.
    """

    def __init__(self, *answers: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[list[bytes]] = []
        self._answers = list(answers)
        self.server = ScriptedServer(self._serve, tls=tls)

    @property
    def requests(self) -> int:
        return sum(map(len, self.asked))

    def _serve(self, peer: Peer) -> None:
        mine: list[bytes] = []
        self.asked.append(mine)
        with suppress(ConnectionResetError):
            while True:
                mine.append(peer.request())
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                peer.send(answer)


@contextmanager
def kept(*answers: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Kept]:
    served = Kept(*answers, tls=tls)
    with served.server:
        yield served


class Said:
    """What came of some streams, one after the other: a text or an error each."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.errors: list[TokenwireError | None] = []


def blocking(
    url: str, count: int = 2, *, between: Callable[[int], None] = lambda _: None, early: bool = False, **options: Any
) -> Said:
    """Asks so many times with one `Client`.

    :param between: is called before each but the first.
    :param early: each stream is left at its first text.
    """
    said = Said()
    asked = {name: options.pop(name) for name in ("json", "record") if name in options}
    with tokenwire.Client(url, **options) as client:
        for number in range(count):
            if number:
                between(number)
            error: TokenwireError | None = None
            pieces: list[str] = []
            try:
                with client.stream(**asked) as stream:
                    for event in stream:
                        pieces += [event.text] if isinstance(event, TextDelta) else []
                        if early and pieces:
                            break
            except TokenwireError as raised:
                error = raised
            said.texts.append("".join(pieces))
            said.errors.append(error)
    return said


def asynchronous(
    url: str, count: int = 2, *, between: Callable[[int], None] = lambda _: None, early: bool = False, **options: Any
) -> Said:
    """The same with one `AsyncClient`."""
    said = Said()
    asked = {name: options.pop(name) for name in ("json", "record") if name in options}

    async def run() -> None:
        async with tokenwire.AsyncClient(url, **options) as client:
            for number in range(count):
                if number:
                    await asyncio.to_thread(between, number)
                error: TokenwireError | None = None
                pieces: list[str] = []
                try:
                    async with client.stream(**asked) as stream:
                        async for event in stream:
                            pieces += [event.text] if isinstance(event, TextDelta) else []
                            if early and pieces:
                                break
                except TokenwireError as raised:
                    error = raised
                said.texts.append("".join(pieces))
                said.errors.append(error)

    asyncio.run(run())
    return said


Drive = Callable[..., Said]
drives = pytest.mark.parametrize("drive", [blocking, asynchronous], ids=["blocking", "asyncio"])


def pause(_: int) -> None:
    """What the server sent last has arrived by then; where it has not, a test that expects reuse could fail."""
    time.sleep(0.1)


# Reuse.


@drives
@pytest.mark.parametrize("answer", [ANSWER, COUNTED], ids=["chunked", "content-length"])
def test_a_body_that_was_read_to_its_end_gives_its_connection_back(drive: Drive, answer: bytes) -> None:
    with kept(answer) as served:
        said = drive(served.server.url, 5, between=pause)
    assert (said.texts, said.errors) == (["Hello"] * 5, [None] * 5)
    assert [len(asked) for asked in served.asked] == [5]


@drives
def test_the_last_chunk_may_come_after_the_stream_has_ended(drive: Drive) -> None:
    """The dialect's end is not the body's. Nobody waits for that, and the next stream finds it."""
    ended = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        with suppress(ConnectionResetError):
            while True:
                peer.request()
                peer.send(CHUNKED + BODY)
                assert ended.acquire(timeout=PATIENCE)
                for byte in LAST:
                    peer.send(bytes([byte]))

    def between(_: int) -> None:
        ended.release()
        time.sleep(0.1)

    with ScriptedServer(script) as server:
        said = drive(server.url, 4, between=between)
        ended.release()
    assert (said.texts, said.errors) == (["Hello"] * 4, [None] * 4)
    assert server.connections == 1


@drives
def test_a_connection_through_tls_is_reused_and_a_new_one_resumes_its_session(drive: Drive) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    closing = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY + LAST
    with kept(ANSWER, ANSWER, closing, ANSWER, tls=context) as served:
        said = drive(served.server.url, 5, between=pause, ssl_context=trusting)
    assert (said.texts, said.errors) == (["Hello"] * 5, [None] * 5)
    assert [len(asked) for asked in served.asked] == [3, 2]
    assert context.session_stats()["hits"] == 1


@drives
def test_a_tunnel_through_a_proxy_is_reused(drive: Drive) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with kept(ANSWER, tls=context) as served:
        proxy = Proxy(served.server.port)
        with ScriptedServer(proxy) as between:
            said = drive(served.server.url, 3, between=pause, ssl_context=trusting, proxy=between.url)
    assert said.errors == [None] * 3
    assert len(proxy.asked) == len(served.asked) == 1


@drives
def test_a_refusal_that_came_whole_gives_its_connection_back(drive: Drive) -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nwrong"
    with kept(refusal, ANSWER) as served:
        said = drive(served.server.url, 2, between=pause)
    assert isinstance(said.errors[0], StatusError)
    assert said.texts[1] == "Hello"
    assert [len(asked) for asked in served.asked] == [2]


@drives
def test_a_recording_of_a_reused_connection_is_whole(drive: Drive, tmp_path: Any) -> None:
    path = tmp_path / "kept.wire.jsonl"
    with kept(ANSWER) as served:
        assert drive(served.server.url, 2, between=pause, record=path).errors == [None, None]
        assert len(served.asked) == 1
    recording = load(path)
    assert recording.sent.startswith(b"POST ")
    assert recording.received == ANSWER
    assert [entry.kind for entry in recording.entries if entry.kind not in "<>"] == ["connected", "left open"]


# What must not be reused.

CLOSED = {
    "connection: close": HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY + LAST,
    "http/1.0": ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0", 1).replace(b"Transfer-Encoding: chunked", b"X: y") + b"",
    "bytes after the end": ANSWER + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    "a blank line after the end": ANSWER + b"\r\n",
    "no last chunk": CHUNKED + BODY,
    "half a last chunk": CHUNKED + BODY + LAST[:-2],
    "more events after the end": CHUNKED + BODY + chunk(b"data: {}\n\n"),
    "much more after the end": CHUNKED + BODY + chunk(b": " + b"x" * 2_000_000 + b"\n") + LAST,
    "a broken chunk after the end": CHUNKED + BODY + b"xyz\r\n",
}


@drives
@pytest.mark.parametrize("answer", CLOSED.values(), ids=CLOSED)
def test_a_connection_that_cannot_be_used_again_is_not(drive: Drive, answer: bytes) -> None:
    with kept(answer) as served:
        said = drive(served.server.url, 3, between=pause)
    assert (said.texts, said.errors) == (["Hello"] * 3, [None] * 3)
    assert [len(asked) for asked in served.asked] == [1] * 3


@drives
def test_a_stream_that_was_left_early_closes_its_connection(drive: Drive) -> None:
    closed: list[bool] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CHUNKED + chunk(text("Hel")))
        closed.append(peer.wait_for_close())

    with ScriptedServer(script) as server:
        said = drive(server.url, 2, early=True)
    assert said.texts == ["Hel"] * 2
    assert closed == [True] * 2


@drives
def test_a_stream_that_was_cut_closes_its_connection(drive: Drive) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CHUNKED + chunk(text("Hel")))

    with ScriptedServer(script) as server:
        said = drive(server.url, 2)
    assert [type(error) for error in said.errors] == [StreamInterrupted] * 2
    assert server.connections == 2


@drives
def test_a_websocket_is_not_reused(drive: Drive) -> None:
    ask = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "go"}]}
    with background(ReferenceEndpoint().connection) as port:
        proxy = FaultProxy(port)
        with harming(proxy) as between:
            said = drive(f"ws://127.0.0.1:{between}", 2, json=ask, dialect="holysheep")
    assert said.errors == [None, None]
    assert said.texts[0] == said.texts[1] != ""
    assert len(proxy.sent) == 2


# Connections that are stale.


@drives
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_ended_while_it_was_idle_is_replaced(drive: Drive, how: str) -> None:
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ANSWER)
        time.sleep(0.1)
        if how == "reset":
            peer.reset()
        else:
            peer.connection.close()
        gone.set()

    def between(_: int) -> None:
        assert gone.wait(PATIENCE)
        gone.clear()
        time.sleep(0.1)

    with ScriptedServer(script) as server:
        said = drive(server.url, 3, between=between, policy="never")
    assert (said.texts, said.errors) == (["Hello"] * 3, [None] * 3)
    assert server.connections == 3


@drives
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_request_that_a_stale_connection_may_have_taken_is_not_sent_twice(drive: Drive, how: str) -> None:
    """The server closes when the request has come: nobody can tell whether it was read (RFC 9110, 9.2.2)."""
    asked: list[bytes] = []

    def script(peer: Peer) -> None:
        asked.append(peer.request())
        peer.send(ANSWER)
        peer.connection.recv(1)
        asked.append(b"the second")
        if how == "reset":
            peer.reset()

    with ScriptedServer(script) as server:
        said = drive(server.url, 2, between=pause)
    assert said.errors[0] is None
    assert isinstance(said.errors[1], BodyTruncated)
    assert len(asked) == 2
    assert server.connections == 1


@drives
def test_a_request_that_may_be_repeated_is_sent_again_over_a_new_connection(drive: Drive) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"Content-Length: 9\r\n\r\ndata: a\n\n")
        peer.connection.recv(1)  # the second request, which is dropped

    with ScriptedServer(script) as server:
        said = drive(server.url, 3, between=pause, dialect="eventsource")
    assert said.errors == [None] * 3
    assert server.connections == 3


# Limits.


@drives
def test_a_connection_that_was_idle_for_long_is_not_used(drive: Drive) -> None:
    with kept(ANSWER) as served:
        said = drive(served.server.url, 3, between=lambda _: time.sleep(0.4), idle_time=0.1)
    assert said.errors == [None] * 3
    assert len(served.asked) == 3


@drives
def test_a_client_that_keeps_none_makes_a_connection_each(drive: Drive) -> None:
    with kept(ANSWER) as served:
        said = drive(served.server.url, 3, between=pause, idle_connections=0)
    assert said.errors == [None] * 3
    assert len(served.asked) == 3


def test_no_more_are_kept_than_the_limit_says() -> None:
    with kept(ANSWER) as served, tokenwire.Client(served.server.url, idle_connections=2) as client:
        streams = [client.stream() for _ in range(5)]
        for stream in streams:
            stream.__enter__()
        for stream in streams:
            assert len(list(stream)) > 2
        time.sleep(0.1)
        for _ in range(4):
            with client.stream() as stream:
                assert len(list(stream)) > 2
        assert len(served.asked) == 5
        again = [client.stream() for _ in range(3)]
        for stream in again:
            stream.__enter__()
        for stream in again:
            list(stream)
        assert len(served.asked) == 6


@drives
def test_a_closed_client_gives_no_streams_and_keeps_no_connections(drive: Drive) -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ANSWER)
        peer.wait_for_close()
        closed.set()

    with ScriptedServer(script) as server:
        if drive is blocking:
            client = tokenwire.Client(server.url)
            with client.stream() as stream:
                list(stream)
            assert not closed.is_set()
            client.close()
            assert closed.wait(PATIENCE)
            with pytest.raises(LocalProtocolError, match="the client is closed"):
                client.stream()
        else:

            async def run() -> None:
                client = tokenwire.AsyncClient(server.url)
                async with client.stream() as stream:
                    _ = [event async for event in stream]
                assert not closed.is_set()
                client.close()
                assert await asyncio.to_thread(closed.wait, PATIENCE)
                with pytest.raises(LocalProtocolError, match="the client is closed"):
                    client.stream()

            asyncio.run(run())


def test_a_stream_that_outlives_its_client_closes_its_connection() -> None:
    closed: list[bool] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ANSWER)
        closed.append(peer.wait_for_close())

    with ScriptedServer(script) as server:
        with tokenwire.Client(server.url) as client:
            stream = client.stream()
            stream.__enter__()
        assert len(list(stream)) > 2
    assert closed == [True]


# What is shared.


def test_threads_share_a_client() -> None:
    with kept(ANSWER) as served, tokenwire.Client(served.server.url) as client:

        def ask(_: int) -> str:
            with client.stream(json={"model": "m"}) as stream:
                for _event in stream:
                    pass
            return stream.text

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(ask, range(200))) == ["Hello"] * 200
    assert served.requests == 200
    assert len(served.asked) < 60


def test_tasks_share_a_client() -> None:
    async def run(url: str) -> list[str]:
        async with tokenwire.AsyncClient(url) as client:
            at_once = asyncio.Semaphore(8)

            async def ask() -> str:
                async with at_once, client.stream(json={"model": "m"}) as stream:
                    async for _ in stream:
                        pass
                    return stream.text

            return await asyncio.gather(*(ask() for _ in range(200)))

    with kept(ANSWER) as served:
        assert asyncio.run(run(served.server.url)) == ["Hello"] * 200
    assert served.requests == 200
    assert len(served.asked) < 60


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
def test_a_client_of_a_loop_that_is_gone_makes_new_connections() -> None:
    """asyncio warns of the old ones, for the client was not closed within its loop."""

    async def run() -> str:
        async with client.stream() as stream:
            async for _ in stream:
                pass
            return stream.text

    with kept(ANSWER) as served:
        client = tokenwire.AsyncClient(served.server.url)
        assert [asyncio.run(run()) for _ in range(2)] == ["Hello"] * 2
        client.close()
        gc.collect()
        assert len(served.asked) == 2


@drives
def test_what_a_stream_gives_is_added_to_what_the_client_has(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-canary-0123456789abcdef")
    options: dict[str, Any] = {"key_env": "THE_KEY", "headers": {"X-Shared": "1", "X-Own": "shared"}}
    with kept(ANSWER) as served:
        if drive is blocking:
            with (
                tokenwire.Client(served.server.url, **options) as client,
                client.stream(json={"model": "m"}, headers={"X-Own": "mine"}) as stream,
            ):
                list(stream)
        else:

            async def run() -> None:
                async with (
                    tokenwire.AsyncClient(served.server.url, **options) as client,
                    client.stream(json={"model": "m"}, headers={"X-Own": "mine"}) as stream,
                ):
                    _ = [event async for event in stream]

            asyncio.run(run())
    [[request]] = served.asked
    for field in (b"authorization: Bearer sk-canary", b"x-shared: 1\r\n", b"x-own: mine\r\n"):
        assert field in request
    assert b"x-own: shared" not in request


def test_tls_settings_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    default = ssl.create_default_context

    def counting() -> ssl.SSLContext:
        made.append(default())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counting)
    client = tokenwire.Client("https://example.test")
    streams = [client.stream() for _ in range(3)]
    assert len(made) == 1
    assert len(streams) == 3


@pytest.mark.parametrize("kind", [tokenwire.Client, tokenwire.AsyncClient])
def test_a_client_is_made_before_it_is_known_what_is_asked(kind: Any) -> None:
    kind("http://h", dialect="gemini").close()  # whose path has the model in it


@pytest.mark.parametrize("kind", [tokenwire.Client, tokenwire.AsyncClient])
@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://"},
        {"base_url": "ws://h"},
        {"base_url": 5},
        {"dialect": "openai"},
        {"dialect": "openai-realtime"},
        {"key": "a b"},
        {"key": "a", "key_env": "A"},
        {"key_env": "NOT_SET_ANYWHERE"},
        {"headers": {"a": 1}},
        {"headers": [("a", "b")]},
        {"timeouts": 3},
        {"ssl_context": True},
        {"policy": "often"},
        {"observe": 1},
        {"hosts": {}},
        {"proxy": "socks5://h:1"},
        {"usage": "yes"},
        {"on_error": "ignore"},
    ],
    ids=str,
)
def test_a_client_tells_a_mistake_when_it_is_made(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(tokenwire.LocalProtocolError):
        kind(**{"base_url": "http://h", **wrong})
