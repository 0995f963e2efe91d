"""Both drivers over real sockets: they have to behave alike, byte for byte.

What the session decides is tested there, with a simulated clock; here is only what sockets add to it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import PATIENCE, Peer, Proxy, ScriptedServer

import tokenwire
from tokenwire import (
    BlockStart,
    BlockStop,
    ConnectionFailed,
    End,
    Finish,
    LocalProtocolError,
    NotAStream,
    Other,
    RemoteProtocolError,
    Start,
    StatusError,
    StreamEvent,
    StreamInterrupted,
    TextDelta,
    TimeoutExceeded,
    Timeouts,
    TokenwireError,
)
from tokenwire.drivers import opening
from tokenwire.recording import load
from tokenwire.session import Happening

KEY = "sk-canary-0123456789abcdef"


def text(content: str, finish: str | None = None) -> bytes:
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {"content": content}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CLOSE = HEAD + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = [
    Start("c", "m"),
    BlockStart(0, "text"),
    TextDelta(0, "Hel"),
    TextDelta(0, "lo"),
    BlockStop(0),
    Finish("stop", "stop"),
]


class Outcome:
    """What a program got out of a stream."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.error: TokenwireError | None = None
        self.stream: Any = None


def blocking(url: str, **options: Any) -> Outcome:
    outcome = Outcome()
    try:
        with tokenwire.stream(url, **options) as stream:
            outcome.stream = stream
            for event in stream:
                outcome.events.append(event)
    except TokenwireError as error:
        outcome.error = error
    return outcome


def asynchronous(url: str, **options: Any) -> Outcome:
    outcome = Outcome()

    async def run() -> None:
        try:
            async with tokenwire.astream(url, **options) as stream:
                outcome.stream = stream
                async for event in stream:
                    outcome.events.append(event)
        except TokenwireError as error:
            outcome.error = error

    asyncio.run(run())
    return outcome


Drive = Callable[..., Outcome]


@pytest.fixture(params=[blocking, asynchronous], ids=["blocking", "asyncio"])
def drive(request: pytest.FixtureRequest) -> Drive:
    function: Drive = request.param
    return function


def answering(*pieces: bytes, requests: list[bytes] | None = None) -> Callable[[Peer], None]:
    """A script: read the request, send the pieces, close."""

    def script(peer: Peer) -> None:
        request = peer.request()
        if requests is not None:
            requests.append(request)
        for piece in pieces:
            peer.send(piece)

    return script


# A stream.


def test_a_stream_is_read_to_its_end(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    requests: list[bytes] = []
    with ScriptedServer(answering(CLOSE, text("Hel"), text("lo", "stop") + DONE, requests=requests)) as server:
        outcome = drive(server.url, json={"model": "m"}, key_env="THE_KEY", headers={"X-Me": "1"})
    assert outcome.error is None
    assert outcome.events == [*HELLO, End(True)]
    assert (outcome.stream.text, outcome.stream.usage, outcome.stream.end) == ("Hello", None, End(True))
    assert outcome.stream.response.status == 200
    assert outcome.stream.answer.finish == Finish("stop", "stop")
    (request,) = requests
    assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost:")
    assert f"authorization: Bearer {KEY}\r\n".encode() in request
    assert b"x-me: 1\r\n" in request
    assert request.endswith(b'{"stream": true, "model": "m"}')
    assert server.failures == []


def test_events_come_as_soon_as_their_bytes(drive: Drive) -> None:
    """The server sends the next event only when the client has seen the one before."""
    seen = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE)
        for word in ("a", "b", "c"):
            peer.send(text(word))
            assert seen.acquire(timeout=PATIENCE), f"{word} was not seen"
        peer.send(DONE)

    def count(event: StreamEvent) -> None:
        if isinstance(event, TextDelta):
            seen.release()

    with ScriptedServer(script) as server:
        if drive is blocking:
            with tokenwire.stream(server.url) as stream:
                for event in stream:
                    count(event)
        else:

            async def run() -> None:
                async with tokenwire.astream(server.url) as stream:
                    async for event in stream:
                        count(event)

            asyncio.run(run())
    assert server.failures == []


def test_byte_by_byte_over_a_socket_it_is_the_same(drive: Drive) -> None:
    wire = (
        CHUNKED
        + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (text("Hel"), text("lo", "stop"), DONE))
        + b"0\r\n\r\n"
    )
    with ScriptedServer(answering(*[wire[i : i + 1] for i in range(len(wire))])) as server:
        outcome = drive(server.url)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)


@pytest.mark.parametrize("dialect", ["eventsource", "raw"])
def test_other_dialects_are_driven_alike(drive: Drive, dialect: str) -> None:
    requests: list[bytes] = []
    with ScriptedServer(answering(CLOSE, b"data: a\n\n", requests=requests)) as server:
        outcome = drive(server.url, dialect=dialect)
    assert outcome.error is None
    assert outcome.events[-1] == End(True)
    assert requests[0].startswith(b"GET /")


# What ends early.


def test_a_cut_raises_after_the_last_event(drive: Drive) -> None:
    with ScriptedServer(answering(CHUNKED, b"%x\r\n%s\r\n" % (len(text("Hel")), text("Hel")))) as server:
        outcome = drive(server.url)
    assert outcome.events == [*HELLO[:3], BlockStop(0), End(False)]
    assert isinstance(outcome.error, StreamInterrupted)
    assert outcome.error.text == outcome.stream.text == "Hel"


def test_a_reset_loses_nothing_that_had_arrived(drive: Drive) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + text("Hel"))
        assert seen.wait(PATIENCE)
        peer.send(text("lo", "stop"))
        peer.reset()

    with ScriptedServer(script) as server:
        outcome = read_after(drive, server.url, seen)
    assert server.failures == []
    assert outcome.events == [*HELLO, End(False)]
    assert isinstance(outcome.error, StreamInterrupted)
    assert "reset" in str(outcome.error)


def read_after(drive: Drive, url: str, seen: threading.Event) -> Outcome:
    """Reads one event, then lets the server go on, and reads on only when that is done."""
    outcome = Outcome()

    def after_the_first() -> None:
        seen.set()
        # No event tells that a reset has arrived: a moment is given to it, and a slow one makes no test fail.
        threading.Event().wait(0.2)

    def block() -> None:
        with tokenwire.stream(url) as stream:
            for event in stream:
                outcome.events.append(event)
                if len(outcome.events) == 3:
                    after_the_first()

    async def wait() -> None:
        async with tokenwire.astream(url) as stream:
            async for event in stream:
                outcome.events.append(event)
                if len(outcome.events) == 3:
                    await asyncio.to_thread(after_the_first)

    try:
        if drive is blocking:
            block()
        else:
            asyncio.run(wait())
    except TokenwireError as error:
        outcome.error = error
    return outcome


def test_a_server_that_closes_without_a_word_is_told(drive: Drive) -> None:
    with ScriptedServer(answering()) as server:
        outcome = drive(server.url)
    assert isinstance(outcome.error, tokenwire.BodyTruncated)
    assert "before any response" in str(outcome.error)


def test_a_refusal_is_raised_on_entering(drive: Drive) -> None:
    body = b'{"error": {"message": "Wrong key", "code": "invalid_api_key"}}'
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with ScriptedServer(answering(head, body)) as server:
        outcome = drive(server.url)
    assert isinstance(outcome.error, StatusError)
    assert (outcome.error.status, outcome.error.message) == (401, "Wrong key")
    assert outcome.stream is None


def test_a_refusal_that_comes_before_the_request_is_read_is_still_read(drive: Drive) -> None:
    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        outcome = drive(server.url, json={"messages": "x" * 100_000})
    assert isinstance(outcome.error, StatusError)
    assert outcome.error.status == 413


def test_what_is_no_stream_is_raised_on_entering(drive: Drive) -> None:
    with ScriptedServer(answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>hello</html>")) as server:
        outcome = drive(server.url)
    assert isinstance(outcome.error, NotAStream)
    assert outcome.error.body == b"<html>hello</html>"


def test_a_server_that_speaks_no_http_is_told(drive: Drive) -> None:
    with ScriptedServer(answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")) as server:
        outcome = drive(server.url)
    assert isinstance(outcome.error, RemoteProtocolError)


def test_the_stream_closes_when_the_block_is_left(drive: Drive) -> None:
    closed: list[bool] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + text("a"))
        closed.append(peer.wait_for_close())

    with ScriptedServer(script) as server:
        if drive is blocking:
            with tokenwire.stream(server.url) as stream:
                next(stream)
            with pytest.raises(LocalProtocolError, match="closed"):
                list(stream)
        else:

            async def run() -> None:
                async with tokenwire.astream(server.url) as stream:
                    await anext(stream)
                with pytest.raises(LocalProtocolError, match="closed"):
                    [event async for event in stream]

            asyncio.run(run())
    assert closed == [True]


def test_the_connection_closes_at_the_terminator_even_if_the_server_keeps_it_open(drive: Drive) -> None:
    closed: list[bool] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CHUNKED + b"%x\r\n%s\r\n" % (len(DONE), DONE))
        closed.append(peer.wait_for_close())

    with ScriptedServer(script) as server:
        outcome = drive(server.url)
    assert (outcome.error, closed) == (None, [True])


# Timers: that the driver asks the session at all; the session's own tests have the rest.


def silent(peer: Peer) -> None:
    peer.request()
    peer.wait_for_close()


def test_a_silent_server_runs_into_the_first_byte_timer(drive: Drive) -> None:
    with ScriptedServer(silent) as server:
        outcome = drive(server.url, timeouts=Timeouts(first_byte=0.2))
    assert isinstance(outcome.error, TimeoutExceeded)
    assert (outcome.error.timer, outcome.error.seconds) == ("first byte", 0.2)


@pytest.mark.parametrize(("timeouts", "timer"), [(Timeouts(idle=0.3), "idle"), (Timeouts(total=0.6), "total")])
def test_a_stream_that_stops_runs_into_a_timer_after_what_came(drive: Drive, timeouts: Timeouts, timer: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + text("Hel"))
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        outcome = drive(server.url, timeouts=timeouts)
    assert isinstance(outcome.error, TimeoutExceeded)
    assert outcome.error.timer == timer
    assert outcome.events == HELLO[:3]


def test_a_handshake_that_hangs_runs_into_the_connect_timer(drive: Drive) -> None:
    def script(peer: Peer) -> None:
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        outcome = drive(server.url.replace("http:", "https:"), timeouts=Timeouts(connect=0.3))
    assert isinstance(outcome.error, TimeoutExceeded)
    assert outcome.error.timer == "connect"


def test_the_systems_own_timeout_is_not_taken_for_ours() -> None:
    """ETIMEDOUT, from a peer that vanished, is a TimeoutError too: it breaks the connection, and no timer ran out."""
    assert opening.is_our_timeout(TimeoutError("timed out"))
    assert not opening.is_our_timeout(TimeoutError(110, "Connection timed out"))
    assert not opening.is_our_timeout(ConnectionResetError(104, "reset"))


# No connection.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_refused_connection_says_so(drive: Drive) -> None:
    port = free_port()
    outcome = drive(f"http://127.0.0.1:{port}")
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.error.phase == "connect"
    assert f"127.0.0.1:{port} refused the connection: does a server listen there?" in str(outcome.error)


def test_an_unknown_name_says_so(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    outcome = drive("http://no-such-host.invalid")
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.error.phase == "resolve"
    assert "no-such-host.invalid is not known" in str(outcome.error)


def test_a_name_that_nobody_answers_for_is_not_waited_for_longer_than_to_connect(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()

    def silent(host: str, *_: Any, flags: int = 0, **__: Any) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            given_up.wait(PATIENCE)
        raise socket.gaierror(-2, "Name or service not known")

    def observe(happening: Happening) -> None:
        if happening.kind == "done":
            given_up.set()

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    outcome = drive("http://slow.test", timeouts=Timeouts(connect=0.1), policy="never", observe=observe)
    assert isinstance(outcome.error, TimeoutExceeded)
    assert outcome.error.timer == "connect"


def test_the_key_for_idempotency_is_made_once_for_all_connections_of_a_stream(drive: Drive) -> None:
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        requests.append(peer.request())
        if len(requests) % 2 == 0:
            peer.send(CLOSE + text("Hel") + text("lo", "stop") + DONE)

    policy = replace(tokenwire.POLICIES["default"], base=0.001, idempotency_field="Idempotency-Key")
    with ScriptedServer(script) as server:
        outcomes = [drive(server.url, policy=policy) for _ in range(2)]
        own = drive(server.url, policy=policy, headers={"Idempotency-Key": "mine"})
    assert [outcome.error for outcome in [*outcomes, own]] == [None] * 3
    keys = [request.lower().partition(b"idempotency-key: ")[2].partition(b"\r\n")[0] for request in requests]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert len(keys[0]) == 32
    assert keys[4:] == [b"mine"] * 2


def test_a_missing_key_is_told_before_anything_is_sent(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "  \n"):
        if value is None:
            monkeypatch.delenv("THE_KEY", raising=False)
        else:
            monkeypatch.setenv("THE_KEY", value)
        outcome = drive("http://127.0.0.1:1", key_env="THE_KEY")
        assert isinstance(outcome.error, LocalProtocolError)
        assert "THE_KEY" in str(outcome.error)


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "model.example").configure_cert(context)
    with ScriptedServer(answering(CLOSE, text("Hel"), text("lo", "stop") + DONE), tls=context) as server:
        yield server


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_trusted_certificate_works(drive: Drive, secure: ScriptedServer, trusting: ssl.SSLContext) -> None:
    outcome = drive(secure.url, ssl_context=trusting)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)


def test_a_trusted_certificate_works_by_environment(
    drive: Drive, secure: ScriptedServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the message about an untrusted one tells to do."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    outcome = drive(secure.url)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)


def test_an_untrusted_certificate_is_refused_with_what_to_do(drive: Drive, secure: ScriptedServer) -> None:
    outcome = drive(secure.url)
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.error.phase == "tls"
    assert "the certificate of localhost is not trusted" in str(outcome.error)
    assert "SSL_CERT_FILE" in str(outcome.error)


def test_a_certificate_for_another_name_is_refused(
    drive: Drive, secure: ScriptedServer, trusting: ssl.SSLContext
) -> None:
    outcome = drive(secure.url.replace("localhost", "127.0.0.1"), ssl_context=trusting)
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.error.phase == "tls"
    assert "127.0.0.1" in str(outcome.error)


def test_a_port_without_tls_is_told(drive: Drive) -> None:
    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ScriptedServer(script) as server:
        outcome = drive(server.url.replace("http:", "https:"))
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.error.phase == "tls"
    assert "Does that port speak TLS?" in str(outcome.error)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("tunnelled", [False, True])
def test_an_end_of_tls_that_was_not_announced_is_a_cut(
    drive: Drive,
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    announced: bool,
    tunnelled: bool,
) -> None:
    """Whoever sits between can end the TCP connection, but cannot say goodbye in TLS (RFC 8446, 6.1)."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + b"data: a\n\n")
        if announced:
            assert isinstance(peer.connection, ssl.SSLSocket)
            with suppress(OSError):
                peer.connection.unwrap()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ScriptedServer(script, tls=context) as server, ScriptedServer(Proxy(server.port)) as proxy:
        through = proxy.url if tunnelled else None
        outcome = drive(server.url, dialect="eventsource", ssl_context=trusting, policy="never", proxy=through)
    assert outcome.events == [Other("message", "a"), End(announced)]
    assert isinstance(outcome.error, StreamInterrupted) == (not announced)


def test_a_connection_that_ends_within_the_handshake_of_tls_is_tried_again(
    drive: Drive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """Unlike a certificate, that passes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    connections = []

    def script(peer: Peer) -> None:
        connections.append(peer)
        if len(connections) == 1:
            peer.connection.recv(1)
            peer.reset()
        elif len(connections) == 2:
            peer.connection.recv(65536)
        else:
            peer.start_tls(context)
            answering(CLOSE, text("Hel"), text("lo", "stop") + DONE)(peer)

    with ScriptedServer(script) as server:
        policy = replace(tokenwire.POLICIES["default"], base=0.001)
        outcome = drive(server.url.replace("http:", "https:"), ssl_context=trusting, policy=policy)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)


# Proxies.


def test_https_goes_through_the_proxy_that_the_environment_names(
    drive: Drive, secure: ScriptedServer, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(secure.port)
    with ScriptedServer(proxy) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{server.port}")
        outcome = drive(secure.url.replace("localhost", "model.example"), ssl_context=trusting)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)
    (asked,) = proxy.asked
    assert asked.startswith(b"CONNECT model.example:%d HTTP/1.1\r\n" % secure.port)
    assert b"proxy-authorization: Basic bWU6cEBzcw==\r\n" in asked
    assert b"/v1/" not in asked


def test_loopback_goes_through_no_proxy_by_itself(
    drive: Drive, secure: ScriptedServer, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert drive(secure.url, ssl_context=trusting).error is None
    with ScriptedServer(answering(CLOSE, DONE)) as server:
        assert drive(server.url).error is None


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_plain_http_goes_through_a_tunnel_too(drive: Drive, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(answering(CLOSE, text("Hel"), text("lo", "stop") + DONE)) as server:
        proxy = Proxy(server.port)
        with ScriptedServer(proxy) as between:
            monkeypatch.setenv(name, between.url)
            outcome = drive(f"http://model.example:{server.port}")
        (asked,) = proxy.asked
        assert asked.startswith(b"CONNECT model.example:%d HTTP/1.1\r\n" % server.port)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)


def test_a_proxy_that_refuses_is_told_from_the_server(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(0, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with ScriptedServer(proxy) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{server.port}")
        outcome = drive("https://example.test")
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.error.phase == "proxy"
    assert "407" in str(outcome.error)


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://", "http://h:99999", "http://[::1"]
)
def test_a_proxy_that_is_none_is_told(drive: Drive, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    outcome = drive("https://example.test")
    assert isinstance(outcome.error, LocalProtocolError)
    assert "HTTPS_PROXY" in str(outcome.error)


# Cancellation and backpressure.


@pytest.mark.parametrize("when", ["head", "event"])
def test_a_cancelled_task_closes_the_connection_at_once(when: str) -> None:
    waiting = threading.Event()
    closed: list[bool] = []

    def script(peer: Peer) -> None:
        peer.request()
        if when == "event":
            peer.send(CLOSE + text("a"))
        waiting.set()
        closed.append(peer.wait_for_close())

    async def read(url: str) -> None:
        async with tokenwire.astream(url) as stream:
            async for _ in stream:
                pass

    async def run(url: str) -> None:
        task = asyncio.create_task(read(url))
        assert await asyncio.to_thread(waiting.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with ScriptedServer(script) as server:
        asyncio.run(run(server.url))
    assert closed == [True]


def test_a_program_that_does_not_read_slows_the_server_down(drive: Drive) -> None:
    """The server can send no more than what the sockets' buffers hold; a driver that reads ahead would take it all."""
    total = 64 * 1024 * 1024
    sent: list[int] = []
    stopped = threading.Event()

    def script(peer: Peer) -> None:
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        peer.request()
        peer.send(CLOSE + text("a"))
        peer.connection.settimeout(0.5)
        line = b": " + b"x" * 65_533 + b"\n"
        count = 0
        try:
            while count < total:
                count += peer.connection.send(line)
        except OSError:
            pass
        sent.append(count)
        stopped.set()

    with ScriptedServer(script) as server:
        if drive is blocking:
            with tokenwire.stream(server.url) as stream:
                next(stream)
                assert stopped.wait(PATIENCE)
        else:

            async def run() -> None:
                async with tokenwire.astream(server.url) as stream:
                    await anext(stream)
                    assert await asyncio.to_thread(stopped.wait, PATIENCE)

            asyncio.run(run())
    assert sent[0] < total // 2


# Recording.


def test_a_wire_can_be_recorded_without_the_key(drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    path = tmp_path / "capture.wire.jsonl"
    echo = b": you are " + KEY.encode() + b"\n\n"
    wire = [CLOSE, echo[:20], echo[20:], text("Hel"), text("lo", "stop"), DONE]
    with ScriptedServer(answering(*wire)) as server:
        outcome = drive(server.url, json={"user": KEY}, key_env="THE_KEY", headers={"x-copy": KEY}, record=path)
    assert outcome.error is None
    assert KEY not in path.read_text()
    recording = load(path)
    assert recording.header["dialect"] == "openai-chat"
    assert recording.header["request"]["headers"]["authorization"] == "[redacted]"
    assert recording.sent.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert len(recording.received) == sum(map(len, wire))
    assert recording.received.endswith(DONE)
    assert [entry.kind for entry in recording.entries[:2]] == ["connected", ">"]
    assert recording.entries[-1].kind == "closed by us"
    times = [entry.seconds for entry in recording.entries]
    assert times == sorted(times)
    assert times[0] == 0
    replayed = list(tokenwire.decode([recording.received.partition(b"\r\n\r\n")[2]]))
    assert replayed == outcome.events


@pytest.mark.parametrize(
    ("last", "timeouts", "kind"),
    [("close", None, "eof"), ("reset", None, "reset"), ("wait", Timeouts(idle=0.2), "timeout")],
)
def test_a_recording_says_how_the_connection_ended(
    drive: Drive, tmp_path: Path, last: str, timeouts: Timeouts | None, kind: str
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + text("a"))
        if last == "reset":
            peer.reset()
        elif last == "wait":
            peer.wait_for_close()

    path = tmp_path / "capture.wire.jsonl"
    with ScriptedServer(script) as server:
        outcome = drive(server.url, record=path, timeouts=timeouts)
    assert outcome.error is not None
    happened = [entry.kind for entry in load(path).entries if entry.kind not in "<>"]
    assert happened == ["connected", kind, *(["closed by us"] if kind == "timeout" else [])]


def test_a_refused_connection_leaves_a_recording_that_can_be_read(drive: Drive, tmp_path: Path) -> None:
    path = tmp_path / "capture.wire.jsonl"
    assert drive(f"http://127.0.0.1:{free_port()}", record=path).error is not None
    assert load(path).entries == []
