"""The probes over WebSocket: a plain question, the handshake, frames, the closing."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from ..reading.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT
from . import leaving as _before  # noqa: F401 - probes are made in the order of their declaration
from .socket_talk import (
    ENDING,
    EXTENSIONS,
    PAYLOAD,
    Script,
    SocketTalk,
    Write,
    asking,
    frame,
    halves,
    invalid,
    opened,
    shaking,
    socket_probe,
    visiting,
)
from .talk import CLOSING, QUIET, SHORT_PATIENCE, Cost

# What is asked of a model.


@socket_probe("ws-answer", "generation", "a question, its answer, and a Close")
@opened
def _answer(talk: SocketTalk) -> None:
    talk.ask()
    talk.read_for(QUIET)


# The handshake.

#: Where a page comes from that has nothing to do with the endpoint.
FOREIGN_ORIGIN = "http://page.test"


def _unread(talk: SocketTalk, **request: Any) -> None:
    """A handshake that should be refused; where it is not, the connection may be failed behind it."""
    if talk.open(**request):
        talk.read_late(CLOSING)


def _keyed(key: str | None) -> Script:
    """A handshake with another key, which may be refused behind it, too."""

    def script(talk: SocketTalk) -> None:
        if talk.open(key=key):
            talk.read_socket(lambda socket: socket.failed, CLOSING)

    return script


_HANDSHAKES: tuple[tuple[str, Cost, str, Script], ...] = (
    ("ws-version-12", "none", "a handshake of version 12", shaking(change={"Sec-WebSocket-Version": "12"})),
    ("ws-nonce-missing", "none", "a handshake without Sec-WebSocket-Key", shaking(change={"Sec-WebSocket-Key": None})),
    (
        "ws-nonce-short",
        "none",
        "a handshake with a Sec-WebSocket-Key of 8 bytes",
        shaking(change={"Sec-WebSocket-Key": b64encode(b"8 bytes.").decode()}),
    ),
    ("ws-post", "none", "a handshake by POST", shaking(method="POST", change={"Content-Length": "0"})),
    ("ws-http10", "none", "a handshake in HTTP/1.0", shaking(version="1.0")),
    ("ws-no-upgrade", "none", "a handshake without Upgrade", shaking(change={"Upgrade": None})),
    (
        "ws-no-connection",
        "none",
        "a handshake without `Upgrade` in Connection",
        shaking(change={"Connection": "keep-alive"}),
    ),
    (
        "ws-token-case",
        "none",
        "a handshake in other capitals, with an unknown field",
        visiting({"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade", "X-Probe": "not known to anybody"}),
    ),
    (
        "ws-subprotocol",
        "none",
        "a handshake that offers two subprotocols",
        visiting({"Sec-WebSocket-Protocol": "tokenwire.one, tokenwire.two"}),
    ),
    (
        "ws-extension-lines",
        "none",
        "a handshake that offers two extensions, on two lines",
        visiting({EXTENSIONS: "x-tokenwire-unknown", EXTENSIONS.lower(): "permessage-deflate"}),
    ),
    (
        "ws-bad-extension",
        "none",
        "a handshake with a malformed offer of extensions",
        lambda talk: _unread(talk, change={EXTENSIONS: "permessage-deflate; =, ;"}),
    ),
    (
        "ws-unknown-path",
        "none",
        "a handshake at a path where nothing should be",
        lambda talk: _unread(talk, path=talk.plan.nowhere),
    ),
    ("ws-origin", "none", "a handshake by a page of a foreign origin", visiting({"Origin": FOREIGN_ORIGIN})),
)

for _name, _cost, _about, _script in _HANDSHAKES:
    socket_probe(_name, _cost, _about)(_script)


@socket_probe("ws-preflight", "none", "a browser's preflight request (CORS) for the same page")
def _preflight(talk: SocketTalk) -> None:
    change = {
        "Origin": FOREIGN_ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
        "Authorization": None,
    }
    talk.send(talk.plan.request("OPTIONS", change=change))
    talk.read_answers(1, SHORT_PATIENCE)


socket_probe("ws-no-key", "refusal", "a handshake without a key")(_keyed(None))
socket_probe("ws-wrong-key", "refusal", "a handshake with a wrong key")(_keyed("wrong-key-0123456789abcdef"))


# wsf: frames. What is sound in another shape is answered all the same.


def _fragmented(*pieces: bytes, between: bytes = b"") -> bytes:
    """A text message in fragments; `between` stands between them."""
    last = len(pieces) - 1
    fragments = [frame(CONTINUATION if n else TEXT, piece, fin=n == last) for n, piece in enumerate(pieces)]
    return between.join(fragments)


def _in_a_character(payload: bytes) -> tuple[bytes, bytes]:
    """The payload cut within its first character of several bytes; in the middle where it has none."""
    place = next((n for n, byte in enumerate(payload) if byte & 0xC0 == 0x80), len(payload) // 2)
    return payload[:place], payload[place:]


def _in_three(payload: bytes) -> bytes:
    first, second = halves(payload)
    return _fragmented(first, b"", second)


def _cut_in_a_character(payload: bytes) -> bytes:
    return _fragmented(*_in_a_character(payload))


def _around_a_ping(payload: bytes) -> bytes:
    return _fragmented(*halves(payload), between=frame(PING, PAYLOAD))


_SOUND: tuple[tuple[str, str, Script], ...] = (
    ("ws-fragments", "a question in three fragments, one of them empty", asking(_in_three)),
    (
        "ws-split-character",
        "a question whose fragments are cut within a character",
        asking(_cut_in_a_character, lead=_cut_in_a_character),
    ),
    ("ws-ping-between", "a question in two fragments with a ping between them", asking(_around_a_ping)),
)

for _name, _about, _script in _SOUND:
    socket_probe(_name, "generation", _about)(_script)


@socket_probe("ws-dribble", "generation", "a question sent byte by byte")
@opened
def _dribble(talk: SocketTalk) -> None:
    before = talk.answered
    talk.send(frame(TEXT, talk.lead()), piece=1, over_seconds=0.5)
    talk.await_answer(before)


@socket_probe("ws-binary", "refusal", "a question in a binary message")
@opened
def _binary(talk: SocketTalk) -> None:
    last = talk.lead()
    heard = talk.messages
    talk.send(frame(BINARY, last))
    talk.read_socket(lambda socket: socket.failed or len(socket.messages) > heard, SHORT_PATIENCE)


# wsf: frames that must not be accepted. Where they can, they hold the question, so that an answer shows they were.


def _not_utf8(payload: bytes) -> bytes:
    """The JSON object with a member more, whose name is not UTF-8."""
    return payload[:1] + b'"caf\xe9":0,' + payload[1:]


_INVALID: tuple[tuple[str, str, Write], ...] = (
    ("ws-unmasked", "a question that is not masked", lambda payload: frame(TEXT, payload, masked=False)),
    ("ws-rsv1", "a question with RSV1 set and no extension agreed", lambda payload: frame(TEXT, payload, rsv=4)),
    ("ws-rsv2", "a question with RSV2 set", lambda payload: frame(TEXT, payload, rsv=2)),
    ("ws-opcode-3", "a question with the reserved opcode 3", lambda payload: frame(0x3, payload)),
    ("ws-opcode-b", "a control frame with the reserved opcode B", lambda _: frame(0xB, PAYLOAD)),
    (
        "ws-length-msb",
        "a question whose length has its highest bit set",
        lambda payload: frame(TEXT, payload, length=len(payload) | 1 << 63, length_size=8),
    ),
    ("ws-long-ping", "a ping of 126 bytes", lambda _: frame(PING, PAYLOAD * 14)),
    ("ws-fragmented-ping", "a ping without FIN", lambda _: frame(PING, PAYLOAD, fin=False)),
    ("ws-stray", "a question as the continuation of nothing", lambda payload: frame(CONTINUATION, payload)),
    (
        "ws-interleaved",
        "a question that begins within a fragmented message",
        lambda payload: frame(TEXT, b" ", fin=False) + frame(TEXT, payload),
    ),
    ("ws-bad-utf8", "a question that is not UTF-8", lambda payload: frame(TEXT, _not_utf8(payload))),
    (
        "ws-after-error",
        "a frame with a reserved opcode, and a sound question behind it",
        lambda payload: frame(0x3, b"") + frame(TEXT, payload),
    ),
    # wsc: a Close that must not be sent.
    ("ws-close-1005", "a Close with the code 1005", lambda _: frame(CLOSE, (1005).to_bytes(2, "big"))),
    ("ws-close-one-byte", "a Close with a payload of one byte", lambda _: frame(CLOSE, b"\x03")),
    (
        "ws-close-bad-reason",
        "a Close whose reason is not UTF-8",
        lambda _: frame(CLOSE, (1000).to_bytes(2, "big") + PAYLOAD + b"\xe9"),
    ),
)

for _name, _about, _write in _INVALID:
    socket_probe(_name, "refusal", _about)(invalid(_write))


# wsc: the closing.


@socket_probe("ws-close", "none", "a Close, and nothing before it")
def _close(talk: SocketTalk) -> None:
    if talk.open():
        talk.bye()
        talk.read_for(ENDING)
