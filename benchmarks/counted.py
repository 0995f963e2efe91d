"""One of the hottest paths, read for some rounds, with no more loaded than it needs: what valgrind watches.

python -S counted.py NAME ROUNDS FILE       FILE: the reads of a stream, as `marshal` writes a list of bytes
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Sequence

__all__ = ["READERS"]

Reads = Sequence[bytes]


def sse(pieces: Reads) -> None:
    from tokenwire.framing.sse import SSEParser

    parser = SSEParser()
    for piece in pieces:
        parser.receive_data(piece)


def chat(pieces: Reads) -> None:
    from tokenwire.dialects.decoder import Decoder

    decoder = Decoder("openai-chat")
    for piece in pieces:
        decoder.receive_data(piece)


def anthropic(pieces: Reads) -> None:
    from tokenwire.dialects.decoder import Decoder

    decoder = Decoder("anthropic-messages")
    for piece in pieces:
        decoder.receive_data(piece)


def frames(pieces: Reads) -> None:
    from tokenwire.framing.websocket import FrameParser

    parser = FrameParser(client=True)
    for piece in pieces:
        parser.receive_data(piece)


def exchange(pieces: Reads) -> None:
    """A whole response."""
    from tokenwire.protocol.http import HTTPExchange, HTTPRequest
    from tokenwire.protocol.url import parse_url

    exchange = HTTPExchange(HTTPRequest("POST", parse_url("http://recorded/"), [], b"{}"))
    exchange.data_to_send()
    for piece in pieces:
        exchange.receive_data(piece)
    assert exchange.reusable


def websocket(pieces: Reads) -> None:
    """A whole conversation, but for its Close."""
    from tokenwire.dialects import DIALECTS
    from tokenwire.session import DurableSession, build_request

    dialect = DIALECTS["holysheep"]
    request = build_request("ws://recorded/", dialect, json={"messages": []})
    session = DurableSession(request, dialect, random=float)
    session.start(0.0)
    session.connected(0.0)
    session.receive_data(_switching(session.data_to_send()), 0.0)
    session.data_to_send()
    for piece in pieces:
        session.receive_data(piece, 0.0)
    assert session.ended


def _switching(asked: bytes) -> bytes:
    """A server's answer to a handshake (RFC 6455 4.2.2)."""
    from base64 import b64encode
    from hashlib import sha1

    (key,) = (line[19:] for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
    accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
    return b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n\r\n"


def stream(pieces: Reads) -> None:
    """What a user types. The socket is real; the whole response waits in it, for the server sent it beforehand."""
    import socket

    import tokenwire
    from tokenwire.drivers import blocking

    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)  # a response that its buffer does not take is an error
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.sendall(b"".join(pieces))
    blocking.dial = lambda *_: ours  # to resolve and dial is the system's work
    with theirs, tokenwire.stream("http://127.0.0.1/", json={"model": "m"}, proxy=None) as stream:
        for _ in stream:
            pass
        assert stream.end is not None


READERS: dict[str, Callable[[Reads], None]] = {
    "sse": sse,
    "openai-chat": chat,
    "anthropic-messages": anthropic,
    "frames": frames,
    "exchange": exchange,
    "websocket": websocket,
    "stream": stream,
}


def main(name: str, rounds: int, file: str) -> None:
    with open(file, "rb") as stored:
        pieces = marshal.load(stored)
    for _ in range(rounds):
        READERS[name](pieces)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
