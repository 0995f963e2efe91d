"""What it costs to receive WebSocket messages: bytes to text, beside the peers. All are clients, so nothing is masked.

Connections are opened before the clock runs, and read one stream after another. Nobody reads from a socket: those who
take bytes are given them, and picows, which lends a buffer to be read into, is given a copy into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from measuring import Case, Contender, Input, Run, Take
from workloads import READ_SIZE, Traffic, frames, huge_frame, reads, recorded_frames
from wsproto.utilities import generate_accept_token

from tokenwire import WebSocketConnection
from tokenwire.framing.websocket import MAX_MESSAGE_SIZE, FrameParser

__all__ = ["CASES"]

URL = "ws://recorded/"


def switching(request: bytes) -> bytes:
    """A server's answer to a handshake."""
    (key,) = (line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
    accept = generate_accept_token(key.partition(b": ")[2])
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def tokenwire_parser() -> Run:
    """The frames alone, as aiohttp's reader reads them."""

    def run(pieces: Sequence[bytes], take: Take) -> None:
        parser = FrameParser(client=True)
        for piece in pieces:
            take(parser.receive_data(piece))

    return run


def tokenwire_connection() -> Run:
    """The whole connection, as wsproto, websockets and picows have it."""
    connection = WebSocketConnection(URL)
    connection.receive_data(switching(connection.data_to_send()))

    def run(pieces: Sequence[bytes], take: Take) -> None:
        for piece in pieces:
            take(connection.receive_data(piece))

    return run


def wsproto() -> Run:
    """A message in pieces is put together, for it gives the pieces as they come."""
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import TextMessage

    connection = Connection(ConnectionType.CLIENT)

    def run(pieces: Sequence[bytes], take: Take) -> None:
        parts: list[str] = []
        for piece in pieces:
            connection.receive_data(piece)
            for event in connection.events():
                assert isinstance(event, TextMessage)
                if event.message_finished and not parts:
                    take((event.data,))
                    continue
                parts.append(event.data)
                if event.message_finished:
                    take(("".join(parts),))
                    parts.clear()

    return run


def websockets() -> Run:
    """Its frames hold bytes, so what its users do is done here."""
    from websockets.client import ClientProtocol
    from websockets.protocol import State
    from websockets.uri import parse_uri

    protocol = ClientProtocol(parse_uri(URL), state=State.OPEN, max_size=MAX_MESSAGE_SIZE)

    def run(pieces: Sequence[bytes], take: Take) -> None:
        for piece in pieces:
            protocol.receive_data(piece)
            received = protocol.events_received()
            take([frame.data.decode() for frame in received])  # type: ignore[union-attr]  # it is bytes here

    return run


def aiohttp(module: str) -> Callable[[], Run]:
    def prepare() -> Run:
        from importlib import import_module

        reader = import_module(f"aiohttp._websocket.{module}")

        def run(pieces: Sequence[bytes], take: Take) -> None:
            # Without a limit, so that it never stops to wait for the queue to be read.
            queue = reader.WebSocketDataQueue(_Unpaused(), 2**30, loop=None)
            parser = reader.WebSocketReader(queue, 0, False, True)
            messages = queue._buffer
            for piece in pieces:
                parser.feed_data(piece)
                if messages:
                    take([message.data for message, _ in messages])
                    messages.clear()

        return run

    return prepare


class _Unpaused:
    """As much of aiohttp's protocol as its queue asks for."""

    _reading_paused = False

    def pause_reading(self) -> None:
        raise AssertionError("the queue has no limit")


def picows() -> Run:
    from logging import getLogger

    from picows import WSListener
    from picows.picows import WSProtocol  # type: ignore[attr-defined]  # a part of its own, which its types leave out

    texts: list[str] = []

    class Listener(WSListener):
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            texts.append(frame.get_payload_as_utf8_text())

    transport = _Transport()

    async def connect() -> Any:
        return WSProtocol(
            host_port="recorded:80",
            ws_path="/",
            is_client_side=True,
            ws_listener_factory=Listener,
            logger=getLogger("picows"),
            disconnect_on_exception=True,
            websocket_handshake_timeout=None,
            enable_auto_ping=False,
            auto_ping_idle_timeout=0,
            auto_ping_reply_timeout=0,
            auto_ping_strategy=0,
            enable_auto_pong=True,
            max_frame_size=MAX_MESSAGE_SIZE,
            extra_headers=None,
            read_buffer_init_size=4 * READ_SIZE,
        )

    protocol = asyncio.run(connect())
    protocol.connection_made(transport)
    lend, updated = protocol.get_buffer, protocol.buffer_updated

    def receive(piece: bytes) -> None:
        size = len(piece)
        lend(-1)[:size] = piece
        updated(size)

    receive(switching(transport.written))

    def run(pieces: Sequence[bytes], take: Take) -> None:
        for piece in pieces:
            receive(piece)
            take(texts)
            texts.clear()

    return run


class _Transport:
    """As much of a transport as picows asks for, and of its socket, which is never read or written."""

    written = b""

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else None

    def write(self, data: bytes) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: int) -> None:
        pass

    def getsockopt(self, *_: int) -> int:
        return 0


def shown(message: str) -> str:
    return message


CONTENDERS = [
    Contender("tokenwire", tokenwire_parser, shown),
    Contender("tokenwire connection", tokenwire_connection, shown),
    Contender("picows", picows, shown),
    Contender("aiohttp, Cython", aiohttp("reader_c"), shown),
    Contender("aiohttp, Python", aiohttp("reader_py"), shown),
    Contender("websockets", websockets, shown),
    Contender("wsproto", wsproto, shown),
]


def case(name: str, make: Callable[[], Traffic], size: int | None) -> Case:
    def input_() -> Input:
        traffic = make()
        return Input(reads(traffic.blocks, size), traffic.data)

    return Case(f"WebSocket frames: {name}", input_, CONTENDERS)


CASES = [
    case("60 bytes, 16 KiB reads", lambda: frames(60), READ_SIZE),
    case("60 bytes, one a read", lambda: frames(60), None),
    case("280 bytes, 16 KiB reads", lambda: frames(280), READ_SIZE),
    case("280 bytes, one a read", lambda: frames(280), None),
    case("one of 8 MB in 1 KiB reads", huge_frame, 1024),
    case("recorded from node's ws, one a read", lambda: recorded_frames("node-ws"), None),
]


def test_frames(measured: Callable[[], None]) -> None:
    measured()
