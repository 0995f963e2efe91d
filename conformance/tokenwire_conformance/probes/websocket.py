"""The probes over WebSocket."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from zlib import MAX_WBITS, Z_FINISH, Z_FIXED, Z_FULL_FLUSH, Z_SYNC_FLUSH, compressobj

from tokenwire.dialects import DIALECTS

from ..reading.deflate import Extension, window_bits
from ..reading.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from ..reading.responses import TERMINALS
from ..reading.sockets import Socket
from .asking import FORGIVING, RESPONSES_LIMIT, SPOKEN
from .socket_talk import ENDING, GREETING, SocketTalk, Write, asked, frame, socket_probe
from .talk import CLOSING, NO_SUCH_MODEL, QUESTION, QUIET, SHORT_PATIENCE, Talk, probe

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


def _visit(talk: SocketTalk, change: Mapping[str, str | None]) -> None:
    """A handshake, and a Close where it was granted."""
    if talk.open(change=change):
        talk.bye()


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


@socket_probe("ws-token-case", "none", "a handshake in other capitals, with an unknown field")
def _token_case(talk: SocketTalk) -> None:
    _visit(talk, {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade", "X-Probe": "not known to anybody"})


@socket_probe("ws-subprotocol", "none", "a handshake that offers two subprotocols")
def _subprotocol(talk: SocketTalk) -> None:
    _visit(talk, {"Sec-WebSocket-Protocol": "tokenwire.one, tokenwire.two"})


@socket_probe("ws-extension-lines", "none", "a handshake that offers two extensions, on two lines")
def _extension_lines(talk: SocketTalk) -> None:
    _visit(talk, {_EXTENSIONS: "x-tokenwire-unknown", _EXTENSIONS.lower(): "permessage-deflate"})


@socket_probe("ws-bad-extension", "none", "a handshake with a malformed offer of extensions")
def _bad_extension(talk: SocketTalk) -> None:
    if talk.open(change={_EXTENSIONS: "permessage-deflate; =, ;"}):
        talk.read_for(QUIET)


@socket_probe("ws-unknown-path", "none", "a handshake at a path where nothing should be")
def _somewhere_else(talk: SocketTalk) -> None:
    if talk.open(path=talk.plan.nowhere):
        talk.read_for(QUIET)


@socket_probe("ws-origin", "none", "a handshake by a page of a foreign origin")
def _origin(talk: SocketTalk) -> None:
    _visit(talk, {"Origin": FOREIGN_ORIGIN})


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


# wsz: permessage-deflate. Where the server does not take it, there is nothing to ask.

#: Bytes that a message inflates to that nobody should take: more than the largest limit of a server by default (100
#: MiB, of node's ws).
BOMB_SIZE = 128 * 1024 * 1024

_DEFLATE = "permessage-deflate"
_TAIL = b"\x00\x00\xff\xff"

#: What stands between two equal texts, so that the second refers to the first over more than 512 bytes.
_BETWEEN = b" ".join(sha256(b"%d" % n).hexdigest().encode() for n in range(16))


def _open_deflating(talk: SocketTalk, offer: str = _DEFLATE) -> bool:
    return talk.open(change={_EXTENSIONS: offer}) and _agreed(talk) is not None


def _agreed(talk: SocketTalk) -> Extension | None:
    return talk.socket.deflate if talk.socket is not None else None


def _deflated(payload: bytes, *, bits: int = MAX_WBITS, level: int = -1, window: bytes = b"") -> bytes:
    """A compressed message (RFC 7692, 7.2.1).

    :param bits: the window, as the power of two; zlib makes none of 256 bytes, so that then nothing is referred to.
    :param level: 0 for stored blocks.
    :param window: what was compressed before it, and may be referred to.
    """
    deflater = compressobj(level if bits > 8 else 0, wbits=-max(bits, 9), zdict=window)
    return (deflater.compress(payload) + deflater.flush(Z_SYNC_FLUSH)).removesuffix(_TAIL)


def _compressed(payload: bytes) -> bytes:
    return frame(TEXT, _deflated(payload), rsv=4)


@socket_probe("ws-deflate", "generation", "a compressed question, compression offered as browsers do")
def _deflate(talk: SocketTalk) -> None:
    talk.open(change={_EXTENSIONS: f"{_DEFLATE}; client_max_window_bits"})
    agreed = _agreed(talk)
    if agreed is not None:
        bits = window_bits(agreed, "client_max_window_bits")
        talk.ask(lambda payload: frame(TEXT, _deflated(payload, bits=bits), rsv=4))
        talk.send(frame(PING, _PAYLOAD))
        talk.bye()


@socket_probe("ws-deflate-plain", "generation", "a question that is not compressed, where it could have been")
def _deflate_plain(talk: SocketTalk) -> None:
    if _open_deflating(talk):
        talk.ask()
        talk.bye()


@socket_probe("ws-deflate-context", "generation", "two compressed questions, the second referring to the first")
def _deflate_context(talk: SocketTalk) -> None:
    def write_again(payload: bytes) -> bytes:
        return frame(TEXT, _deflated(payload, window=payload), rsv=4)

    if _open_deflating(talk):
        if talk.ask(_compressed):
            talk.ask(write_again)
        talk.bye()


@socket_probe("ws-deflate-no-context", "generation", "two questions, the answers to be compressed each for itself")
def _deflate_no_context(talk: SocketTalk) -> None:
    _ask_long_twice(talk, "server_no_context_takeover")


@socket_probe("ws-deflate-window", "generation", "two questions, the answers to have a window of 512 bytes")
def _deflate_window(talk: SocketTalk) -> None:
    _ask_long_twice(talk, "server_max_window_bits=9")


def _ask_long_twice(talk: SocketTalk, parameter: str) -> None:
    """Questions that are long enough to be compressed when they come back: node's ws leaves 1,024 bytes as they are."""
    question = QUESTION.encode()

    def write(payload: bytes) -> bytes:
        return _compressed(payload.replace(question, question + _BETWEEN + question))

    if _open_deflating(talk, f"{_DEFLATE}; {parameter}"):
        if talk.ask(write, lead=write):
            talk.ask(write, lead=write)
        talk.bye()


@socket_probe("ws-deflate-blocks", "generation", "a compressed question in three blocks, the last fragment empty")
def _deflate_blocks(talk: SocketTalk) -> None:
    def write(payload: bytes) -> bytes:
        third = len(payload) // 3
        fixed = compressobj(wbits=-MAX_WBITS, strategy=Z_FIXED)
        message = _deflated(payload[:third], level=0) + _TAIL
        message += fixed.compress(payload[third : 2 * third]) + fixed.flush(Z_SYNC_FLUSH)
        message += _deflated(payload[2 * third :]) + _TAIL
        # The empty block in whose stead the last four bytes are left out, by itself (7.2.3.6).
        return frame(TEXT, message, fin=False, rsv=4) + frame(CONTINUATION, b"\x00")

    if _open_deflating(talk):
        talk.ask(write)
        talk.bye()


@socket_probe("ws-deflate-last-block", "generation", "a compressed question that goes on behind a block with BFINAL")
def _deflate_last_block(talk: SocketTalk) -> None:
    def write(payload: bytes) -> bytes:
        first, second = _halves(payload)
        deflater = compressobj(wbits=-MAX_WBITS)
        return frame(TEXT, deflater.compress(first) + deflater.flush(Z_FINISH) + _deflated(second), rsv=4)

    if _open_deflating(talk):
        talk.ask(write)
        talk.bye()


def _declare_deflated(name: str, about: str, write: Write) -> None:
    @socket_probe(name, "refusal", about)
    def script(talk: SocketTalk) -> None:
        if _open_deflating(talk):
            talk.send(write(talk.lead()))
            talk.await_failure()


def _later_rsv1(payload: bytes) -> bytes:
    first, second = _halves(_deflated(payload))
    return frame(TEXT, first, fin=False, rsv=4) + frame(CONTINUATION, second, rsv=4)


_declare_deflated(
    "ws-deflate-corrupt",
    "a compressed message that does not inflate",
    # A block of the reserved type (RFC 1951, 3.2.3).
    lambda payload: frame(TEXT, b"\x06" + _deflated(payload), rsv=4),
)
_declare_deflated("ws-deflate-rsv1-ping", "a ping with RSV1", lambda _: frame(PING, _PAYLOAD, rsv=4))
_declare_deflated("ws-deflate-rsv1-later", "a compressed question with RSV1 on both of its fragments", _later_rsv1)


@socket_probe("ws-deflate-bomb", "refusal", f"a small message that inflates to {BOMB_SIZE:,} bytes")
def _deflate_bomb(talk: SocketTalk) -> None:
    if not _open_deflating(talk):
        return
    talk.read_for(GREETING)
    deflater = compressobj(9, wbits=-MAX_WBITS)
    piece = deflater.compress(b" " * (BOMB_SIZE // 128)) + deflater.flush(Z_FULL_FLUSH)
    talk.send(frame(TEXT, (piece * 128).removesuffix(_TAIL), rsv=4))
    # Whoever takes it may say it all again: the first bytes of that are enough.
    talk.read_socket(lambda socket: socket.failed or _has_spoken(socket), SHORT_PATIENCE)


def _has_spoken(socket: Socket) -> bool:
    return any(not frame.is_control and frame.offset >= socket.spoken_at for frame in socket.frames)


_OFFERS = (
    ("ws-deflate-unknown", "an unknown parameter", f"{_DEFLATE}; x_tokenwire_unknown"),
    ("ws-deflate-invalid", "an invalid value", f"{_DEFLATE}; server_max_window_bits=16"),
    ("ws-deflate-twice", "a parameter twice", f"{_DEFLATE}; server_no_context_takeover; server_no_context_takeover"),
    (
        "ws-deflate-second",
        "an unknown parameter, and one without",
        f"{_DEFLATE}; x_tokenwire_unknown, {_DEFLATE}",
    ),
)


def _declare_offer(name: str, about: str, offer: str) -> None:
    @socket_probe(name, "none", f"an offer of compression with {about}")
    def script(talk: SocketTalk) -> None:
        _visit(talk, {_EXTENSIONS: offer})


for _name, _about, _offer in _OFFERS:
    _declare_offer(_name, _about, _offer)


# wsk: the keepalive.

#: Seconds of silence that a connection should live through, and in which a peer that answers no ping should be left.
IDLE = 60.0


@socket_probe("ws-ping", "none", "two pings, a pong that nobody asked for, and a ping")
def _ping(talk: SocketTalk) -> None:
    if talk.open():
        if _pinged(talk, _PAYLOAD) and _pinged(talk, bytes(range(125))):
            talk.send(frame(PONG, _PAYLOAD))
            _pinged(talk, _PAYLOAD[::-1])
        talk.bye()


def _pinged(talk: SocketTalk, payload: bytes) -> bool:
    """Pings; whether the pong came."""
    talk.send(frame(PING, payload))
    talk.read_socket(lambda socket: socket.failed or payload in _pongs(socket), SHORT_PATIENCE)
    return talk.socket is not None and payload in _pongs(talk.socket)


def _pongs(socket: Socket) -> list[bytes]:
    return [pong.payload for pong in socket.pongs]


@socket_probe("ws-ping-amid", "generation", "a ping while the answer runs")
def _ping_amid(talk: SocketTalk) -> None:
    if talk.open():
        talk.send(frame(TEXT, talk.lead()))
        if talk.read_socket(lambda socket: socket.failed or socket.answering):
            before = talk.answered
            talk.send(frame(PING, _PAYLOAD))
            talk.read_socket(lambda socket: socket.failed or _PAYLOAD in _pongs(socket), SHORT_PATIENCE)
            if not before:
                talk.await_answer()
        talk.bye()


@socket_probe(
    "ws-idle", "generation", "a minute of silence, a question; after a ping that gets no pong, another", slow=True
)
def _idle(talk: SocketTalk) -> None:
    if talk.open():
        talk.stay(IDLE)
        talk.ask()
        if talk.pings:
            heard = talk.pings
            talk.read_socket(lambda socket: socket.failed or len(socket.pings) > heard, IDLE, pong=False)
            talk.stay(IDLE, pong=False)
        talk.bye()


# wsl: what is asked, and how much.

#: Bytes of a question that is large, and yet no larger than many are: a picture, or a long conversation.
BIG = 1024 * 1024

#: Bytes of a message that nobody takes: it is announced, not sent.
TOO_BIG = 1 << 30

#: How much of it is sent, in bytes: a client has sent more than the header by the time the server has read that.
TOO_BIG_SENT = 64 * 1024

#: What no dialect knows, by probe.
NONSENSE = {"ws-bad-json": b'{"model": ', "ws-unknown-type": b'{"type": "tokenwire.unknown"}'}

#: The dialects that are spoken over HTTP too.
_TWINS = tuple(name for name in SPOKEN if not DIALECTS[name].websocket_only)


@socket_probe("ws-big-question", "generation", "a question of 1 MiB, nearly all of it blanks")
def _big_question(talk: SocketTalk) -> None:
    if talk.open():
        talk.ask(lambda payload: frame(TEXT, payload[:1] + b" " * BIG + payload[1:]))
        talk.bye()


@socket_probe("ws-too-big", "refusal", "the beginning of a message of 1 GiB")
def _too_big(talk: SocketTalk) -> None:
    if talk.open():
        begun = (talk.lead() + b" " * TOO_BIG_SENT)[:TOO_BIG_SENT]
        talk.send(frame(TEXT, begun, length=TOO_BIG, length_size=8))
        talk.await_failure()


@socket_probe("ws-two-questions", "generation", "a second question, when the first is answered")
def _two_questions(talk: SocketTalk) -> None:
    if talk.open():
        if talk.ask():
            talk.read_for(QUIET)
            talk.ask()
        talk.bye()


def _declare_nonsense(name: str, about: str) -> None:
    @socket_probe(name, "generation", about, *FORGIVING)
    def script(talk: SocketTalk) -> None:
        if talk.open():
            question = talk.lead()
            heard = talk.messages
            talk.send(frame(TEXT, NONSENSE[name]))
            talk.read_socket(lambda socket: socket.failed or len(socket.messages) > heard, SHORT_PATIENCE)
            if not talk.failed:
                before = talk.answered
                talk.send(frame(TEXT, question))
                talk.await_answer(before)
            talk.bye()


_declare_nonsense("ws-bad-json", "a message that is not JSON, then a question")
_declare_nonsense("ws-unknown-type", "a message of an unknown type, then a question")


# wsl: what a connection knows of earlier responses, and several at once.

_RESPONSES = "openai-responses"

#: A response that nobody has made.
NO_SUCH_RESPONSE = "resp_tokenwire_unknown"


def _create(talk: SocketTalk, **more: Any) -> bytes:
    """The frame of a `response.create`. Nothing is stored, so that only the connection can know of it."""
    return frame(TEXT, json.dumps({**json.loads(talk.question[-1]), "store": False, **more}).encode())


@socket_probe(
    "ws-continued", "generation", "five questions that go on from earlier responses, two of them known", _RESPONSES
)
def _continued(talk: SocketTalk) -> None:
    def ask(**more: Any) -> bool:
        before = talk.answered
        talk.send(_create(talk, **more))
        return talk.await_answer(before)

    if not talk.open():
        return
    if ask() and ask(previous_response_id=_last_response(talk)) and ask(previous_response_id=NO_SUCH_RESPONSE):
        known = _last_response(talk)
        if ask(previous_response_id=known, model=NO_SUCH_MODEL):
            ask(previous_response_id=known)
    talk.bye()


def _last_response(talk: SocketTalk) -> str:
    """The id of the response that was told last."""
    responses = [message.value.get("response") for message in talk.socket.messages] if talk.socket is not None else []
    ids = [response.get("id") for response in responses if isinstance(response, dict)]
    return str(ids[-1]) if ids else ""


def _declare_together(name: str, about: str, *lanes: str) -> None:
    @socket_probe(name, "generation", about, _RESPONSES)
    def script(talk: SocketTalk) -> None:
        if talk.open():
            limits = range(RESPONSES_LIMIT, RESPONSES_LIMIT + len(lanes))
            named = [{"stream_id": lane} if lane else {} for lane in lanes]
            pairs = zip(limits, named, strict=True)
            talk.send(b"".join(_create(talk, max_output_tokens=limit, **lane) for limit, lane in pairs))
            over = _Over()
            talk.read_socket(lambda socket: socket.failed or over.count(socket) >= len(lanes))
            talk.bye()


class _Over:
    """Counts the responses that have come to their end, and errors, each message once."""

    def __init__(self) -> None:
        self._messages = 0
        self._over = 0

    def count(self, socket: Socket) -> int:
        values = [message.value for message in socket.messages[self._messages :]]
        self._messages += len(values)
        self._over += sum(isinstance(value, dict) and value.get("type") in (*TERMINALS, "error") for value in values)
        return self._over


_declare_together("ws-lanes", "three questions at once, two of them in one lane", "one", "one", "two")
_declare_together("ws-two-at-once", "two questions at once", "", "")


@probe("ws-twin", "generation", "the same question over HTTP, for an event stream", *_TWINS, beside="websocket")
def _twin(talk: Talk) -> None:
    plan, dialect = talk.plan, talk.plan.dialect
    path = dialect.path if dialect.websocket_path else plan.target.path
    change = {"Accept": "text/event-stream"}
    if dialect.method == "POST":
        body = json.dumps(dialect.body(asked(plan)), ensure_ascii=False).encode()
        talk.send(plan.request(path=path, body=body, change=change))
    else:
        query = f"?{urlencode({'model': plan.model})}" if plan.model and "?" not in path else ""
        talk.send(plan.request("GET", path=path + query, change=change))
    talk.read_answers()


# The last of all: after it there may be no endpoint any more.


@socket_probe("ws-drain", "none", "the endpoint shuts down, where that is in our power")
def _drain(talk: SocketTalk) -> None:
    if talk.open():
        if talk.drain():
            talk.await_failure()
        else:
            talk.bye()
