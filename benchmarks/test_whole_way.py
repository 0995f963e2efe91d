"""What it costs from the socket to the text that a user prints: what is typed, over loopback, beside what others type.

The server is another process, and sends bytes that were prepared (see sending.py). A time is that of the client's
process alone. Everybody has a timeout set. A floor reads the bytes and does nothing with them: where each event wakes
the client, nobody can cost less, and what counts is what stands above it.
"""

from __future__ import annotations

import asyncio
import atexit
import http.client
import json
import socket
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from measuring import Case, Contender, Input, Run, Take
from sending import Address, Plan, chunked, sent
from test_deltas import shown, shown_chunk, shown_json, shown_json_chunk
from workloads import Traffic, chat, holysheep_messages

import tokenwire

__all__ = ["CASES"]

TIMEOUT = 60.0
BODY = {"model": "m", "messages": [{"role": "user", "content": "say it"}], "stream": True}
JSON = json.dumps(BODY).encode()
FIELDS = {"Content-Type": "application/json"}

#: The Close with which a server ends (RFC 6455 5.5.1): 1000.
CLOSE = b"\x88\x02\x03\xe8"

#: Events of a stream in a burst or 50 µs apart, and 20 ms apart; tokens of a short answer, and how many are asked for.
MANY, FEW, SHORT, ANSWERS = 5000, 50, 30, 20


def plans() -> dict[str, Plan]:
    """What the server has, by the name that a case asks for."""
    written = {count: chunked(chat(count).blocks) for count in (MANY, FEW, SHORT)}
    told = {count: [*holysheep_messages(count).blocks, CLOSE] for count in (MANY, FEW)}
    return {
        "burst": Plan(written[MANY]),
        "50us": Plan(written[MANY], 50e-6),
        "20ms": Plan(written[FEW], 20e-3),
        "short": Plan(written[SHORT]),
        "ws-burst": Plan(told[MANY]),
        "ws-50us": Plan(told[MANY], 50e-6),
        "ws-20ms": Plan(told[FEW], 20e-3),
    }


@cache
def server() -> Address:
    """One for all cases, until the end of the process."""
    serving = sent(plans())
    address = serving.__enter__()
    atexit.register(serving.__exit__, None, None, None)
    return address


@cache
def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server().authority)


# Ours.


def tokenwire_stream(dialect: str) -> Callable[[], Run]:
    def prepare() -> Run:
        def run(urls: Sequence[str], take: Take) -> None:
            for url in urls:
                context = trusting() if url.startswith("https") else None
                with tokenwire.stream(url, json=BODY, dialect=dialect, ssl_context=context) as stream:
                    take(stream)

        return run

    return prepare


def tokenwire_client() -> Run:
    """One client, whose connection is used again."""
    client = tokenwire.Client(server().url("http", "short"), dialect="openai-chat")

    def run(urls: Sequence[str], take: Take) -> None:
        for _ in urls:
            with client.stream(json=BODY) as stream:
                take(stream)

    return run


def in_a_loop(main: Callable[[str], Awaitable[list[Any]]]) -> Callable[[], Run]:
    """A contender of asyncio: all of them run in a loop that stands, and keep what they read in a list."""

    def prepare() -> Run:
        async def each(urls: Sequence[str], take: Take) -> None:
            for url in urls:
                take(await main(url))

        return lambda urls, take: runner().run(each(urls, take))

    return prepare


@cache
def runner() -> asyncio.Runner:
    """One loop for all, until the end of the process."""
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


def tokenwire_astream(dialect: str) -> Callable[[], Run]:
    async def main(url: str) -> list[Any]:
        items = []
        async with tokenwire.astream(url, json=BODY, dialect=dialect) as stream:
            async for event in stream:
                items.append(event)
        return items

    return in_a_loop(main)


# The standard library and its naive loop.


def connection_to(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=trusting())
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)


def asked(connection: http.client.HTTPConnection, url: str) -> Iterator[Any]:
    connection.request("POST", urlsplit(url).path, JSON, FIELDS)
    for line in connection.getresponse():
        if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
            yield json.loads(line[6:])


def http_client() -> Run:
    def run(urls: Sequence[str], take: Take) -> None:
        for url in urls:
            connection = connection_to(url)
            take(asked(connection, url))
            connection.close()

    return run


def http_client_reused() -> Run:
    connection = connection_to(server().url("http", "short"))
    atexit.register(connection.close)

    def run(urls: Sequence[str], take: Take) -> None:
        for url in urls:
            take(asked(connection, url))

    return run


# SDKs and HTTP clients.


@cache
def openai_client(url: str) -> Any:
    import openai

    client = openai.OpenAI(api_key="none", base_url=url, max_retries=0, timeout=TIMEOUT)
    atexit.register(client.close)
    return client


def openai_sdk() -> Run:
    import openai  # noqa: F401 where it is missing, that is told before anything is measured

    def run(urls: Sequence[str], take: Take) -> None:
        for url in urls:
            take(openai_client(url).chat.completions.create(**BODY))

    return run


@cache
def httpx2_client() -> Any:
    import httpx2

    client = httpx2.Client(timeout=TIMEOUT)
    atexit.register(client.close)
    return client


@cache
def httpx2_async_client() -> Any:
    import httpx2

    client = httpx2.AsyncClient(timeout=TIMEOUT)
    atexit.register(lambda: runner().run(client.aclose()))
    return client


@cache
def aiohttp_session() -> Any:
    """Made where a loop runs."""
    import aiohttp

    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=TIMEOUT))
    atexit.register(lambda: runner().run(session.close()))
    return session


def httpx2_sse() -> Run:
    import httpx2

    client = httpx2_client()

    def run(urls: Sequence[str], take: Take) -> None:
        for url in urls:
            with client.stream("POST", url, content=JSON, headers=FIELDS) as response:
                take(event.json() for event in httpx2.EventSource(response) if event.data != "[DONE]")

    return run


def httpx2_sse_async() -> Run:
    import httpx2

    client = httpx2_async_client()

    async def main(url: str) -> list[Any]:
        async with client.stream("POST", url, content=JSON, headers=FIELDS) as response:
            events: AsyncIterable[Any] = httpx2.EventSource(response)
            return [event.json() async for event in events if event.data != "[DONE]"]

    return in_a_loop(main)()


def aiohttp_lines() -> Run:
    import aiohttp  # noqa: F401 where it is missing, that is told before anything is measured

    async def main(url: str) -> list[Any]:
        async with aiohttp_session().post(url, data=JSON, headers=FIELDS) as response:
            return [
                json.loads(line[6:])
                async for line in response.content
                if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]")
            ]

    return in_a_loop(main)()


# WebSockets.


def websockets_sync() -> Run:
    from websockets.sync.client import connect

    def run(urls: Sequence[str], take: Take) -> None:
        for url in urls:
            with connect(url, compression=None, open_timeout=TIMEOUT) as socket_:
                socket_.send(JSON.decode())
                take(json.loads(message) for message in socket_)

    return run


def websockets_asyncio() -> Run:
    from websockets.asyncio.client import connect

    async def main(url: str) -> list[Any]:
        async with connect(url, compression=None, open_timeout=TIMEOUT) as socket_:
            await socket_.send(JSON.decode())
            return [json.loads(message) async for message in socket_]

    return in_a_loop(main)()


def picows_listener() -> Run:
    import picows

    class Listener(picows.WSListener):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            self.items: list[Any] = []
            self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                self.items.append(json.loads(frame.get_payload_as_utf8_text()))
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                transport.disconnect()

        def on_ws_disconnected(self, transport: Any) -> None:
            if not self.over.done():
                self.over.set_result(None)

    async def main(url: str) -> list[Any]:
        transport, listener = await picows.ws_connect(Listener, url, websocket_handshake_timeout=TIMEOUT)
        transport.send(picows.WSMsgType.TEXT, JSON)
        async with asyncio.timeout(TIMEOUT):
            await listener.over
        items: list[Any] = listener.items
        return items

    return in_a_loop(main)()


# Floors.


def request_to(url: str) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.hostname}\r\nContent-Length: {len(JSON)}\r\n"
    if parts.scheme == "ws":
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.hostname}\r\nUpgrade: websocket\r\n"
        head += "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        return parts.hostname, parts.port, head.encode() + b"\r\n"
    return parts.hostname, parts.port, head.encode() + b"\r\n" + JSON


def end_of(url: str) -> bytes:
    return CLOSE if url.startswith("ws") else b"0\r\n\r\n"


def bare_recv() -> Run:
    def run(urls: Sequence[str], take: Take) -> None:
        for url in urls:
            host, port, request = request_to(url)
            with socket.create_connection((host, port), timeout=TIMEOUT) as client:
                client.sendall(request)
                if url.startswith("ws"):
                    client.recv(65536)
                    client.sendall(b"begin")
                end = end_of(url)
                while not client.recv(65536).endswith(end):
                    pass

    return run


class _Waking(asyncio.Protocol):
    """Wakes who waits for each read."""

    def __init__(self) -> None:
        self.read = b""
        self.waiting: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        self.read = data
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    async def next(self) -> bytes:
        if not self.read:
            self.waiting = asyncio.get_running_loop().create_future()
            await self.waiting
        data, self.read = self.read, b""
        return data


def bare_protocol() -> Run:
    async def main(url: str) -> list[Any]:
        host, port, request = request_to(url)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(_Waking, host, port)
        transport.write(request)
        if url.startswith("ws"):
            await protocol.next()
            transport.write(b"begin")
        end = end_of(url)
        while not (await protocol.next()).endswith(end):
            pass
        transport.close()
        return []

    return in_a_loop(main)()


# The cases.


def given(scheme: str, plan: str, traffic: Callable[[], Traffic], times: int = 1) -> Callable[[], Input]:
    return lambda: Input([server().url(scheme, plan)] * times, list(traffic().texts) * times)


def over_http(name: str, plan: str, count: int, scheme: str = "http", *more: Contender) -> list[Case]:
    """A stream of chat, blocking and under asyncio."""
    make = given(scheme, plan, lambda: chat(count))
    blocking = [
        Contender("tokenwire", tokenwire_stream("openai-chat"), shown),
        Contender("http.client + json", lambda: http_client(), shown_json_chunk),
        *more,
    ]
    floors = [Contender("floor: recv", bare_recv)] if scheme == "http" else []
    asynchronous = [
        Contender("tokenwire", tokenwire_astream("openai-chat"), shown),
        Contender("aiohttp + json", aiohttp_lines, shown_json_chunk),
        Contender("httpx2's SSE + json", httpx2_sse_async, shown_json_chunk),
        Contender("floor: Protocol", bare_protocol),
    ]
    cases = [Case(f"whole way: {name}, blocking", make, [*blocking, *floors])]
    return cases if scheme == "https" else [*cases, Case(f"whole way: {name}, asyncio", make, asynchronous)]


def over_websocket(name: str, plan: str, count: int) -> list[Case]:
    """Messages of 60 to 100 bytes, blocking and under asyncio."""
    make = given("ws", plan, lambda: holysheep_messages(count))
    return [
        Case(
            f"whole way: {name}, blocking",
            make,
            [
                Contender("tokenwire", tokenwire_stream("holysheep"), shown),
                Contender("websockets + json", websockets_sync, shown_json),
                Contender("floor: recv", bare_recv),
            ],
        ),
        Case(
            f"whole way: {name}, asyncio",
            make,
            [
                Contender("tokenwire", tokenwire_astream("holysheep"), shown),
                Contender("websockets + json", websockets_asyncio, shown_json),
                Contender("picows + json", picows_listener, shown_json),
                Contender("floor: Protocol", bare_protocol),
            ],
        ),
    ]


SDK = Contender("openai", openai_sdk, shown_chunk)
HTTPX2 = Contender("httpx2's SSE + json", httpx2_sse, shown_json_chunk)

CASES = [
    *over_http("chat in a burst", "burst", MANY, "http", HTTPX2, SDK),
    *over_http("chat, 50 µs apart", "50us", MANY),
    *over_http("chat, 20 ms apart", "20ms", FEW),
    *over_http("chat in a burst over TLS", "burst", MANY, "https"),
    *over_websocket("WebSocket in a burst", "ws-burst", MANY),
    *over_websocket("WebSocket, 50 µs apart", "ws-50us", MANY),
    *over_websocket("WebSocket, 20 ms apart", "ws-20ms", FEW),
    Case(
        "whole way: answers of 30 tokens, a connection each",
        given("http", "short", lambda: chat(SHORT), ANSWERS),
        [
            Contender("tokenwire", tokenwire_stream("openai-chat"), shown),
            Contender("http.client + json", http_client, shown_json_chunk),
        ],
    ),
    Case(
        "whole way: answers of 30 tokens, one connection",
        given("http", "short", lambda: chat(SHORT), ANSWERS),
        [
            Contender("tokenwire", tokenwire_client, shown),
            Contender("http.client + json", http_client_reused, shown_json_chunk),
        ],
    ),
]


def test_whole_way(measured: Callable[[], None]) -> None:
    measured()
