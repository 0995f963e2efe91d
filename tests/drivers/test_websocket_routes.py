"""Both drivers over WebSocket on the way to the reference endpoint: through TLS, and through a proxy's tunnel."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from scripted import Peer, Proxy, ScriptedServer

import tokenwire
from tokenwire import ConnectionFailed, RemoteProtocolError, TimeoutExceeded, Timeouts
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY

KEY = "sk-canary-0123456789abcdef"
ASK = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}]}
STORY_TEXT = "".join(STORY)

#: Messages that no single read holds, so that TLS records and frames end at different places.
LARGE: list[str | bytes] = ["日本" * 100_000, bytes(range(256)) * 4_000]


def blocking(url: str, **options: object) -> str:
    """The text of the story by the blocking driver."""
    with tokenwire.stream(url, json=ASK, dialect="holysheep", policy="never", key_env="WS_KEY", **options) as stream:  # type: ignore[arg-type]
        for _ in stream:
            pass
        return stream.text


def with_asyncio(url: str, **options: object) -> str:
    """The same by the asyncio driver."""

    async def run() -> str:
        async with tokenwire.astream(
            url, json=ASK, dialect="holysheep", policy="never", key_env="WS_KEY", **options
        ) as stream:  # type: ignore[arg-type]
            async for _ in stream:
                pass
            return stream.text

    return asyncio.run(run())


def blocking_echo(url: str, trusting: ssl.SSLContext) -> list[str | bytes]:
    """What `/echo` makes of LARGE, by the blocking driver."""
    with tokenwire.connect(url, ssl_context=trusting) as websocket:
        echoed = []
        for message in LARGE:
            websocket.send(message)
            echoed.append(next(websocket))
        return echoed


def asyncio_echo(url: str, trusting: ssl.SSLContext) -> list[str | bytes]:
    """The same by the asyncio driver."""

    async def run() -> list[str | bytes]:
        async with tokenwire.aconnect(url, ssl_context=trusting) as websocket:
            echoed = []
            for message in LARGE:
                await websocket.send(message)
                echoed.append(await anext(websocket))
            return echoed

    return asyncio.run(run())


Drive = Callable[..., str]
drivers = pytest.mark.parametrize("drive", [blocking, with_asyncio])
schemes = pytest.mark.parametrize("scheme", ["ws", "wss"])


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_KEY", KEY)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def ports(authority: trustme.CA) -> Iterator[dict[str, int]]:
    """The reference endpoint, by scheme."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    endpoint = ReferenceEndpoint(key=KEY, pace=0.001)
    with background(endpoint.connection) as plain, background(endpoint.connection, ssl_context=context) as secure:
        yield {"ws": plain, "wss": secure}


# TLS.


@drivers
def test_the_story_comes_whole_through_tls(drive: Drive, ports: dict[str, int], trusting: ssl.SSLContext) -> None:
    assert drive(f"wss://localhost:{ports['wss']}", ssl_context=trusting) == STORY_TEXT


@pytest.mark.parametrize("echo", [blocking_echo, asyncio_echo])
def test_large_messages_go_both_ways_through_tls(
    echo: Callable[[str, ssl.SSLContext], list[str | bytes]], ports: dict[str, int], trusting: ssl.SSLContext
) -> None:
    assert echo(f"wss://localhost:{ports['wss']}/echo", trusting) == LARGE


@drivers
def test_a_certificate_that_is_not_trusted_is_refused(drive: Drive, ports: dict[str, int]) -> None:
    with pytest.raises(ConnectionFailed, match="the certificate of localhost is not trusted") as caught:
        drive(f"wss://localhost:{ports['wss']}")
    assert caught.value.phase == "tls"


@drivers
def test_a_certificate_for_another_name_is_refused(
    drive: Drive, ports: dict[str, int], trusting: ssl.SSLContext
) -> None:
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1") as caught:
        drive(f"wss://127.0.0.1:{ports['wss']}", ssl_context=trusting)
    assert caught.value.phase == "tls"


@drivers
def test_tls_to_a_port_that_has_none_is_told(drive: Drive, ports: dict[str, int]) -> None:
    with pytest.raises(ConnectionFailed, match="Does that port speak TLS") as caught:
        drive(f"wss://localhost:{ports['ws']}")
    assert caught.value.phase == "tls"


# A proxy.


@drivers
@schemes
def test_a_websocket_goes_through_the_proxy(
    drive: Drive,
    scheme: str,
    ports: dict[str, int],
    trusting: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    proxy = Proxy(ports[scheme])
    with ScriptedServer(proxy) as server:
        through = f"http://me:p%40ss@127.0.0.1:{server.port}"
        place = f"{scheme}://localhost:{ports[scheme]}"
        text = drive(place, ssl_context=trusting, record=tmp_path / "wire", proxy=through)
    assert text == STORY_TEXT
    [asked] = proxy.asked
    assert asked.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % ports[scheme])
    assert b"proxy-authorization: Basic bWU6cEBzcw==\r\n" in asked
    assert KEY.encode() not in asked
    assert "CONNECT" not in (tmp_path / "wire").read_text()


@drivers
def test_no_proxy_is_asked_for_loopback(drive: Drive, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert drive(f"ws://localhost:{ports['ws']}") == STORY_TEXT


@drivers
@schemes
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "refused a tunnel .* 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\nno route\n", "refused a tunnel .* 502 Bad Gateway"),
        (b"", "the proxy closed the connection"),
        (b"HTTP/1.1 200 Connection esta", "the proxy closed the connection"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the proxy closed the connection"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the proxy does not speak HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16" * 20_000, "the proxy does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03", "bytes before the tunnel was used"),
    ],
)
def test_a_proxy_that_gives_no_tunnel_is_told(
    drive: Drive, scheme: str, answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def script(peer: Peer) -> None:
        asked.append(peer.request())
        peer.send(answer)

    with ScriptedServer(script) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{server.port}")
        with pytest.raises(ConnectionFailed, match=words) as caught:
            drive(f"{scheme}://example.test")
    assert caught.value.phase == "proxy"
    assert KEY.encode() not in asked[0]


@drivers
@pytest.mark.parametrize(
    ("scheme", "error", "words"),
    [("ws", RemoteProtocolError, "ended within the handshake"), ("wss", ConnectionFailed, "example.test")],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_tunnel_that_breaks_at_once_is_told(
    drive: Drive, scheme: str, error: type[Exception], words: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer.connection.recv(65536)
        if how == "reset":
            peer.reset()

    with ScriptedServer(script) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{server.port}")
        with pytest.raises(error, match=words):
            drive(f"{scheme}://example.test")


@drivers
def test_behind_a_proxy_a_bad_certificate_is_the_servers(drive: Drive, ports: dict[str, int]) -> None:
    untrusted = pytest.raises(ConnectionFailed, match="the certificate of localhost is not trusted")
    with ScriptedServer(Proxy(ports["wss"])) as server, untrusted as caught:
        drive(f"wss://localhost:{ports['wss']}", proxy=f"127.0.0.1:{server.port}")
    assert caught.value.phase == "tls"


@drivers
def test_a_proxy_that_does_not_answer_runs_into_the_connect_timer(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{server.port}")
        with pytest.raises(TimeoutExceeded) as caught:
            drive("wss://example.test", timeouts=Timeouts(connect=0.3))
    assert caught.value.timer == "connect"
