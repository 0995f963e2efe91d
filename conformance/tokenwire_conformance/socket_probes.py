"""The probes over WebSocket."""

from __future__ import annotations

from base64 import b64encode

from .socket_talk import ENDING, SocketTalk, Write, frame, socket_probe
from .sockets import BINARY, CLOSE, CONTINUATION, PING, TEXT
from .talk import CLOSING, QUIET, SHORT_PATIENCE

# What is asked of a model.


@socket_probe("ws-answer", "generation", "a question, its answer, and a Close")
def _answer(talk: SocketTalk) -> None:
    if talk.open():
        talk.ask()
        talk.read_for(QUIET)
        talk.bye()


# The handshake.


@socket_probe("ws-version-12", "none", "a handshake of version 12")
def _version_12(talk: SocketTalk) -> None:
    talk.shake(change={"Sec-WebSocket-Version": "12"})


#: Where a page comes from that has nothing to do with the endpoint.
FOREIGN_ORIGIN = "http://page.test"

_EXTENSIONS = "Sec-WebSocket-Extensions"


def _unknown_path(talk: SocketTalk) -> str:
    return talk.plan.models_path.removesuffix("/models") + "/no-such-path"


@socket_probe("ws-nonce-missing", "none", "a handshake without Sec-WebSocket-Key")
def _nonce_missing(talk: SocketTalk) -> None:
    talk.shake(change={"Sec-WebSocket-Key": None})


@socket_probe("ws-nonce-short", "none", "a handshake with a Sec-WebSocket-Key of 8 bytes")
def _nonce_short(talk: SocketTalk) -> None:
    talk.shake(change={"Sec-WebSocket-Key": b64encode(b"8 bytes.").decode()})


@socket_probe("ws-post", "none", "a handshake by POST")
def _post(talk: SocketTalk) -> None:
    talk.shake(method="POST", change={"Content-Length": "0"})


@socket_probe("ws-http10", "none", "a handshake in HTTP/1.0")
def _http10(talk: SocketTalk) -> None:
    talk.shake(version="1.0")


@socket_probe("ws-no-upgrade", "none", "a handshake without Upgrade")
def _no_upgrade(talk: SocketTalk) -> None:
    talk.shake(change={"Upgrade": None})


@socket_probe("ws-no-connection", "none", "a handshake without `Upgrade` in Connection")
def _no_connection(talk: SocketTalk) -> None:
    talk.shake(change={"Connection": "keep-alive"})


@socket_probe(
    "ws-token-case", "none", "a handshake in other capitals, with an unknown field"
)
def _token_case(talk: SocketTalk) -> None:
    talk.shake(change={"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade", "X-Probe": "not known to anybody"})


@socket_probe("ws-subprotocol", "none", "a handshake that offers two subprotocols")
def _subprotocol(talk: SocketTalk) -> None:
    talk.shake(change={"Sec-WebSocket-Protocol": "tokenwire.one, tokenwire.two"})


@socket_probe("ws-extension-lines", "none", "a handshake that offers two extensions, on two lines")
def _extension_lines(talk: SocketTalk) -> None:
    talk.shake(change={_EXTENSIONS: "x-tokenwire-unknown", _EXTENSIONS.lower(): "permessage-deflate"})


@socket_probe("ws-bad-extension", "none", "a handshake with a malformed offer of extensions")
def _bad_extension(talk: SocketTalk) -> None:
    if talk.open(change={_EXTENSIONS: "permessage-deflate; =, ;"}):
        talk.read_for(QUIET)


@socket_probe("ws-unknown-path", "none", "a handshake at a path where nothing should be")
def _somewhere_else(talk: SocketTalk) -> None:
    if talk.open(path=_unknown_path(talk)):
        talk.read_for(QUIET)


@socket_probe("ws-origin", "none", "a handshake by a page of a foreign origin")
def _origin(talk: SocketTalk) -> None:
    talk.shake(change={"Origin": FOREIGN_ORIGIN})


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


@socket_probe("ws-no-key", "refusal", "a handshake without a key")
def _no_key(talk: SocketTalk) -> None:
    if talk.open(key=None):
        talk.read_socket(lambda socket: socket.failed, CLOSING)


@socket_probe("ws-wrong-key", "refusal", "a handshake with a wrong key")
def _wrong_key(talk: SocketTalk) -> None:
    if talk.open(key="wrong-key-0123456789abcdef"):
        talk.read_socket(lambda socket: socket.failed, CLOSING)


# wsf: frames. What is sound in another shape is answered all the same.


def _fragmented(*pieces: bytes, between: bytes = b"") -> bytes:
    """A text message in fragments; `between` stands between them."""
    last = len(pieces) - 1
    fragments = [frame(CONTINUATION if n else TEXT, piece, fin=n == last) for n, piece in enumerate(pieces)]
    return between.join(fragments)


def _halves(payload: bytes) -> tuple[bytes, bytes]:
    """The payload cut in the middle, between two characters."""
    place = len(payload) // 2
    while payload[place] & 0xC0 == 0x80:
        place += 1
    return payload[:place], payload[place:]


def _in_a_character(payload: bytes) -> tuple[bytes, bytes]:
    """The payload cut within its first character of several bytes; in the middle where it has none."""
    place = next((n for n, byte in enumerate(payload) if byte & 0xC0 == 0x80), len(payload) // 2)
    return payload[:place], payload[place:]


@socket_probe("ws-fragments", "generation", "a question in three fragments, one of them empty")
def _fragments(talk: SocketTalk) -> None:
    def write(payload: bytes) -> bytes:
        first, second = _halves(payload)
        return _fragmented(first, b"", second)

    if talk.open():
        talk.ask(write)
        talk.bye()


@socket_probe("ws-split-character", "generation", "a question whose fragments are cut within a character")
def _split_character(talk: SocketTalk) -> None:
    def write(payload: bytes) -> bytes:
        return _fragmented(*_in_a_character(payload))

    if talk.open():
        talk.ask(write, lead=write)
        talk.bye()


@socket_probe("ws-ping-between", "generation", "a question in two fragments with a ping between them")
def _ping_between(talk: SocketTalk) -> None:
    if talk.open():
        talk.ask(lambda payload: _fragmented(*_halves(payload), between=frame(PING, _PAYLOAD)))
        talk.bye()


@socket_probe("ws-dribble", "generation", "a question sent byte by byte")
def _dribble(talk: SocketTalk) -> None:
    if talk.open():
        before = talk.answered
        talk.send(frame(TEXT, talk.lead()), piece=1, over_seconds=0.5)
        talk.await_answer(before)
        talk.bye()


@socket_probe("ws-binary", "refusal", "a question in a binary message")
def _binary(talk: SocketTalk) -> None:
    if talk.open():
        last = talk.lead()
        heard = talk.messages
        talk.send(frame(BINARY, last))
        talk.read_socket(lambda socket: socket.failed or len(socket.messages) > heard, SHORT_PATIENCE)
        talk.bye()


# wsf: frames that must not be accepted. Where they can, they hold the question, so that an answer shows they were.

#: What a ping or a Close has in it, to be known again.
_PAYLOAD = b"tokenwire"


def _not_utf8(payload: bytes) -> bytes:
    """The JSON object with a member more, whose name is not UTF-8."""
    return payload[:1] + b'"caf\xe9":0,' + payload[1:]


_INVALID: tuple[tuple[str, str, Write], ...] = (
    ("ws-unmasked", "a question that is not masked", lambda payload: frame(TEXT, payload, masked=False)),
    ("ws-rsv1", "a question with RSV1 set and no extension agreed", lambda payload: frame(TEXT, payload, rsv=4)),
    ("ws-rsv2", "a question with RSV2 set", lambda payload: frame(TEXT, payload, rsv=2)),
    ("ws-opcode-3", "a question with the reserved opcode 3", lambda payload: frame(0x3, payload)),
    ("ws-opcode-b", "a control frame with the reserved opcode B", lambda _: frame(0xB, _PAYLOAD)),
    (
        "ws-length-msb",
        "a question whose length has its highest bit set",
        lambda payload: frame(TEXT, payload, length=len(payload) | 1 << 63, length_size=8),
    ),
    ("ws-long-ping", "a ping of 126 bytes", lambda _: frame(PING, _PAYLOAD * 14)),
    ("ws-fragmented-ping", "a ping without FIN", lambda _: frame(PING, _PAYLOAD, fin=False)),
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
        lambda _: frame(CLOSE, (1000).to_bytes(2, "big") + _PAYLOAD + b"\xe9"),
    ),
)


def _declare(name: str, about: str, write: Write) -> None:
    @socket_probe(name, "refusal", about)
    def script(talk: SocketTalk) -> None:
        if talk.open():
            talk.send(write(talk.lead()))
            talk.await_failure()


for _name, _about, _write in _INVALID:
    _declare(_name, _about, _write)


# wsc: the closing.


@socket_probe("ws-close", "none", "a Close, and nothing before it")
def _close(talk: SocketTalk) -> None:
    if talk.open():
        talk.bye()
        talk.read_for(ENDING)


@socket_probe("ws-drain", "none", "the endpoint shuts down, where that is in our power")
def _drain(talk: SocketTalk) -> None:
    if talk.open():
        if talk.drain():
            talk.await_failure()
        else:
            talk.bye()
