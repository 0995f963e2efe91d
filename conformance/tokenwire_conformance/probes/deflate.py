"""The probes of permessage-deflate (RFC 7692). Where the server does not take it, there is nothing to ask."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from zlib import MAX_WBITS, Z_FINISH, Z_FIXED, Z_FULL_FLUSH, Z_SYNC_FLUSH, compressobj

from ..reading.deflate import TAIL, Extension, window_bits
from ..reading.frames import CONTINUATION, PING, TEXT
from ..reading.sockets import Socket
from . import websocket as _before  # noqa: F401 - probes are made in the order of their declaration
from .socket_talk import (
    EXTENSIONS,
    GREETING,
    PAYLOAD,
    Script,
    SocketTalk,
    Write,
    frame,
    halves,
    socket_probe,
    text,
    visiting,
)
from .talk import QUESTION, SHORT_PATIENCE

#: Bytes that a message inflates to that nobody should take: more than the largest limit of a server by default (100
#: MiB, of node's ws).
BOMB_SIZE = 128 * 1024 * 1024

_DEFLATE = "permessage-deflate"

#: What stands between two equal texts, so that the second refers to the first over more than 512 bytes.
_BETWEEN = b" ".join(sha256(b"%d" % n).hexdigest().encode() for n in range(16))


def _opens(talk: SocketTalk, offer: str = _DEFLATE) -> bool:
    return talk.open(change={EXTENSIONS: offer}) and _agreed(talk) is not None


def _deflating(script: Callable[[SocketTalk], object], offer: str = _DEFLATE) -> Script:
    """Runs the script on a WebSocket that deflates, and says Close; does nothing where that was not agreed."""

    def run(talk: SocketTalk) -> None:
        if _opens(talk, offer):
            script(talk)
            talk.bye()

    return run


def _deflating_bad(write: Write) -> Script:
    """Sends what must fail a WebSocket that deflates."""

    def run(talk: SocketTalk) -> None:
        if _opens(talk):
            talk.send(write(talk.lead()))
            talk.await_failure()

    return run


def _agreed(talk: SocketTalk) -> Extension | None:
    return talk.socket.deflate if talk.socket is not None else None


def _deflated(payload: bytes, *, bits: int = MAX_WBITS, level: int = -1, window: bytes = b"") -> bytes:
    """A compressed message (RFC 7692, 7.2.1).

    :param bits: the window, as the power of two; zlib makes none of 256 bytes, so that then nothing is referred to.
    :param level: 0 for stored blocks.
    :param window: what was compressed before it, and may be referred to.
    """
    deflater = compressobj(level if bits > 8 else 0, wbits=-max(bits, 9), zdict=window)
    return (deflater.compress(payload) + deflater.flush(Z_SYNC_FLUSH)).removesuffix(TAIL)


def _compressed(payload: bytes) -> bytes:
    return frame(TEXT, _deflated(payload), rsv=4)


@socket_probe("ws-deflate", "generation", "a compressed question, compression offered as browsers do")
def _deflate(talk: SocketTalk) -> None:
    talk.open(change={EXTENSIONS: f"{_DEFLATE}; client_max_window_bits"})
    agreed = _agreed(talk)
    if agreed is not None:
        bits = window_bits(agreed, "client_max_window_bits")
        talk.ask(lambda payload: frame(TEXT, _deflated(payload, bits=bits), rsv=4))
        talk.send(frame(PING, PAYLOAD))
        talk.bye()


def _referring(payload: bytes) -> bytes:
    """The question once more, referring to itself as it was asked before."""
    return frame(TEXT, _deflated(payload, window=payload), rsv=4)


def _ask_twice(first: Write, second: Write, *, lead: Write = text) -> Callable[[SocketTalk], object]:
    return lambda talk: talk.ask(first, lead=lead) and talk.ask(second, lead=lead)


def _long(payload: bytes) -> bytes:
    """A question that is long enough to be compressed when it comes back: node's ws leaves 1,024 bytes as they are."""
    question = QUESTION.encode()
    return _compressed(payload.replace(question, question + _BETWEEN + question))


_LONG_TWICE = _ask_twice(_long, _long, lead=_long)


def _in_blocks(payload: bytes) -> bytes:
    third = len(payload) // 3
    fixed = compressobj(wbits=-MAX_WBITS, strategy=Z_FIXED)
    message = _deflated(payload[:third], level=0) + TAIL
    message += fixed.compress(payload[third : 2 * third]) + fixed.flush(Z_SYNC_FLUSH)
    message += _deflated(payload[2 * third :]) + TAIL
    # The empty block in whose stead the last four bytes are left out, by itself (7.2.3.6).
    return frame(TEXT, message, fin=False, rsv=4) + frame(CONTINUATION, b"\x00")


def _behind_a_last_block(payload: bytes) -> bytes:
    first, second = halves(payload)
    deflater = compressobj(wbits=-MAX_WBITS)
    return frame(TEXT, deflater.compress(first) + deflater.flush(Z_FINISH) + _deflated(second), rsv=4)


def _asked(write: Write = text) -> Callable[[SocketTalk], object]:
    return lambda talk: talk.ask(write)


_SOUND: tuple[tuple[str, str, Script], ...] = (
    ("ws-deflate-plain", "a question that is not compressed, where it could have been", _deflating(_asked())),
    (
        "ws-deflate-context",
        "two compressed questions, the second referring to the first",
        _deflating(_ask_twice(_compressed, _referring)),
    ),
    (
        "ws-deflate-no-context",
        "two questions, the answers to be compressed each for itself",
        _deflating(_LONG_TWICE, f"{_DEFLATE}; server_no_context_takeover"),
    ),
    (
        "ws-deflate-window",
        "two questions, the answers to have a window of 512 bytes",
        _deflating(_LONG_TWICE, f"{_DEFLATE}; server_max_window_bits=9"),
    ),
    (
        "ws-deflate-blocks",
        "a compressed question in three blocks, the last fragment empty",
        _deflating(_asked(_in_blocks)),
    ),
    (
        "ws-deflate-last-block",
        "a compressed question that goes on behind a block with BFINAL",
        _deflating(_asked(_behind_a_last_block)),
    ),
)

for _name, _about, _script in _SOUND:
    socket_probe(_name, "generation", _about)(_script)


def _later_rsv1(payload: bytes) -> bytes:
    first, second = halves(_deflated(payload))
    return frame(TEXT, first, fin=False, rsv=4) + frame(CONTINUATION, second, rsv=4)


_INVALID: tuple[tuple[str, str, Write], ...] = (
    (
        "ws-deflate-corrupt",
        "a compressed message that does not inflate",
        # A block of the reserved type (RFC 1951, 3.2.3).
        lambda payload: frame(TEXT, b"\x06" + _deflated(payload), rsv=4),
    ),
    ("ws-deflate-rsv1-ping", "a ping with RSV1", lambda _: frame(PING, PAYLOAD, rsv=4)),
    ("ws-deflate-rsv1-later", "a compressed question with RSV1 on both of its fragments", _later_rsv1),
)

for _name, _about, _write in _INVALID:
    socket_probe(_name, "refusal", _about)(_deflating_bad(_write))


@socket_probe("ws-deflate-bomb", "refusal", f"a small message that inflates to {BOMB_SIZE:,} bytes", costly=True)
def _deflate_bomb(talk: SocketTalk) -> None:
    if not _opens(talk):
        return
    talk.read_for(GREETING)
    deflater = compressobj(9, wbits=-MAX_WBITS)
    piece = deflater.compress(b" " * (BOMB_SIZE // 128)) + deflater.flush(Z_FULL_FLUSH)
    talk.send(frame(TEXT, (piece * 128).removesuffix(TAIL), rsv=4))
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


for _name, _about, _offer in _OFFERS:
    socket_probe(_name, "none", f"an offer of compression with {_about}")(visiting({EXTENSIONS: _offer}))
