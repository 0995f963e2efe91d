"""permessage-deflate (RFC 7692)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..probes.deflate import BOMB_SIZE
from ..reading.deflate import Extension, window_bits
from ..reading.frames import TEXT
from ..reading.sockets import Socket
from .findings import answered, instead, last_frame, not_taken, noted
from .refusals import not_busy

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_NAME = "permessage-deflate"
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")
_BITS = re.compile(r"[89]|1[0-5]")

_MIB = 1024 * 1024


def _is_agreed(socket: Socket) -> bool:
    return socket.deflate is not None


def _has_compressed(socket: Socket) -> bool:
    return _is_agreed(socket) and any(frame.rsv & 4 for frame in socket.frames if not frame.is_control)


def _agreed(case: Case, probe: str) -> Socket:
    """The WebSocket of a probe, with permessage-deflate as the probe offered it.

    :raises NotApplicable: when the server does not take it, which it need not.
    """
    if case.socket("ws-deflate").deflate is None:
        raise NotApplicable("the server does not take permessage-deflate")
    socket = case.socket(probe)
    if socket.deflate is None:
        offer = socket.response.request.header("sec-websocket-extensions")
        raise NotApplicable(f"the server declines the offer `{offer}`")
    return socket


def _understood(case: Case, probe: str, how: str) -> Iterator[Finding]:
    """The question was answered; and where the endpoint says again what it is told, it has said it whole."""
    findings = list(answered(case, probe, how))
    yield from findings
    plain, socket = case.talking(), case.socket(probe)
    question = next((frame.payload for frame in reversed(plain.sent) if frame.opcode == TEXT), b"")
    if not findings and _says(plain, question) and not _says(socket, question):
        yield Finding(f"a question {how} is not understood: it does not come back as it was asked", last_frame(socket))


def _says(socket: Socket, text: bytes) -> bool:
    return any(text in message.payload for message in socket.messages)


def _sound_answers(socket: Socket) -> int:
    return sum(answer.end is not None and answer.end.clean for answer in socket.answers)


# What the server agrees to.


@passive(
    "wsz.negotiate",
    MUST,
    "RFC 7692 5, 7.1.1.1, 7.1.1.2, 7.1.2.1, 7.1.2.2",
    "permessage-deflate is agreed to with parameters that fit what was offered.",
    on="sockets",
    when=lambda socket: _is_agreed(socket) and any(offer.name == _NAME for offer in socket.offered),
    absent="permessage-deflate was agreed on no WebSocket",
    shown_by=("ws-deflate", "ws-deflate-no-context", "ws-deflate-window"),
    needs=[Layer.FIELDS, Layer.REQUEST],
)
def negotiate(socket: Socket) -> Iterator[Finding]:
    agreed = [extension for extension in socket.extensions if extension.name == _NAME]
    wrong = list(_wrong_parameters(agreed[0], answer=True))
    if len(agreed) > 1:
        wrong.append("it stands there twice")
    # An offer that is wrong in itself should have been declined: that is another check's.
    offers = [offer for offer in socket.offered if offer.name == _NAME and not list(_wrong_parameters(offer))]
    misfits = [list(_misfits(agreed[0], offer)) for offer in offers]
    if not wrong and misfits and all(misfits):
        wrong = misfits[0]
    said = socket.response.header("sec-websocket-extensions")
    for why in wrong:
        evidence = at(socket.response, socket.response.field_offset("sec-websocket-extensions"))
        yield Finding(f"the answer `{said}`: {why}", evidence)


def _wrong_parameters(extension: Extension, *, answer: bool = False) -> Iterator[str]:
    """What is wrong with the parameters by themselves (7.1)."""
    names = [name for name, _ in extension.parameters]
    for name, value in extension.parameters:
        if names.count(name) > 1:
            yield f"{name} stands there twice"
        if name in _FLAGS:
            if value is not None:
                yield f"{name} has a value"
        elif name not in _WINDOWS:
            yield f"{name!r} is not known"
        elif value is None:
            if answer or name == "server_max_window_bits":
                yield f"{name} has no value"
        elif not _BITS.fullmatch(value):
            yield f"{name} is {value!r}, not a number from 8 to 15"


def _misfits(agreed: Extension, offer: Extension) -> Iterator[str]:
    """What of an answer does not fit the offer."""
    if agreed.has("client_max_window_bits") and not offer.has("client_max_window_bits"):
        yield "client_max_window_bits was not offered"
    if offer.has("server_no_context_takeover") and not agreed.has("server_no_context_takeover"):
        yield "server_no_context_takeover was demanded, and is missing"
    if offer.has("server_max_window_bits") and not agreed.has("server_max_window_bits"):
        yield "server_max_window_bits was demanded, and is missing"
    for name in _WINDOWS:
        if agreed.has(name) and window_bits(agreed, name) > window_bits(offer, name):
            yield f"{name} is {window_bits(agreed, name)}, where {window_bits(offer, name)} was offered"


@active(
    "wsz.decline",
    MUST,
    "RFC 7692 7",
    "An offer with a parameter that is unknown, invalid or there twice is not accepted.",
    probes=("ws-deflate", "ws-deflate-unknown", "ws-deflate-invalid", "ws-deflate-twice"),
)
def decline(case: Case) -> Iterator[Finding]:
    _agreed(case, "ws-deflate")
    for probe in ("ws-deflate-unknown", "ws-deflate-invalid", "ws-deflate-twice"):
        response = case.response(probe)
        if response.status == 101 and case.socket(probe).deflate is not None:
            offer = response.request.header("sec-websocket-extensions")
            evidence = at(response, response.field_offset("sec-websocket-extensions"))
            yield Finding(f"the offer `{offer}` is accepted", evidence)


@active(
    "wsz.fallback-offer",
    SHOULD,
    "RFC 7692 5, 7.1.3",
    "Where the first offer cannot be taken the second is, or none.",
    probes=("ws-deflate", "ws-deflate-second"),
)
def fallback_offer(case: Case) -> Iterator[Finding]:
    _agreed(case, "ws-deflate")
    response = case.response("ws-deflate-second")
    offer = response.request.header("sec-websocket-extensions")
    not_busy("ws-deflate-second", response)
    if response.status != 101:
        yield Finding(f"the offers `{offer}` are refused with {response.status}", at(response))
        return
    agreed = case.socket("ws-deflate-second").deflate
    if agreed is not None and any(name not in (*_FLAGS, *_WINDOWS) for name, _ in agreed.parameters):
        evidence = at(response, response.field_offset("sec-websocket-extensions"))
        yield Finding(f"of the offers `{offer}` the one is accepted that nobody knows", evidence)


# What the server sends.


@passive(
    "wsz.rsv1",
    MUST,
    "RFC 7692 6.1",
    "RSV1 is set on no control frame, and of a message on the first frame only.",
    on="sockets",
    when=_is_agreed,
    absent="permessage-deflate was agreed on no WebSocket",
    shown_by=("ws-deflate",),
    needs=[Layer.FRAMES],
)
def rsv1(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsz.rsv1")


@passive(
    "wsz.tail",
    MUST,
    "RFC 7692 7.2.1",
    "Every compressed message inflates, and the 00 00 FF FF at its end, and only there, is left out.",
    on="sockets",
    when=_has_compressed,
    absent="no compressed message was seen",
    shown_by=("ws-deflate",),
    needs=[Layer.FRAMES],
)
def tail(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsz.tail")


@active(
    "wsz.no-context",
    MUST,
    "RFC 7692 7.2.1, 7.1.1.1",
    "Where server_no_context_takeover was agreed, each message inflates by itself.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-no-context"),
)
def no_context(case: Case) -> Iterator[Finding]:
    socket = _agreed(case, "ws-deflate-no-context")
    if sum(bool(frame.rsv & 4) for frame in socket.frames if not frame.is_control) < 2:
        raise NotApplicable("fewer than two compressed messages came")
    yield from noted(socket, "wsz.no-context")


@active(
    "wsz.window-bits",
    MUST,
    "RFC 7692 7.2.1, 7.1.2.1",
    "Where server_max_window_bits was agreed, no message refers back further than that.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-window"),
)
def window(case: Case) -> Iterator[Finding]:
    socket = _agreed(case, "ws-deflate-window")
    assert socket.deflate is not None
    size = sum(len(message.payload) for message in socket.messages if message.compressed)
    if not size:
        raise NotApplicable("no compressed message came")
    if size <= 1 << window_bits(socket.deflate, "server_max_window_bits"):
        raise Inconclusive(f"only {size} bytes came: too few to refer back too far")
    yield from noted(socket, "wsz.window-bits")


# What the server must take.


@active(
    "wsz.uncompressed",
    MUST,
    "RFC 7692 6.2",
    "With permessage-deflate agreed, a message that is not compressed is taken all the same.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-plain"),
)
def uncompressed(case: Case) -> Iterator[Finding]:
    _agreed(case, "ws-deflate-plain")
    yield from _understood(case, "ws-deflate-plain", "that is not compressed")


@active(
    "wsz.client-context",
    MUST,
    "RFC 7692 7.2.2",
    "A compressed message is taken, and it may refer to earlier ones, unless the server has ruled that out.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-context", "ws-deflate-no-context"),
)
def client_context(case: Case) -> Iterator[Finding]:
    _agreed(case, "ws-deflate")
    yield from _understood(case, "ws-deflate", "that is compressed")
    socket = _agreed(case, "ws-deflate-context")
    assert socket.deflate is not None
    if socket.deflate.has("client_no_context_takeover"):
        raise NotApplicable("the server has ruled out that messages refer to earlier ones")
    if _sound_answers(socket) == 1:
        if not any(_sound_answers(other) > 1 for other in case.sockets):
            raise Inconclusive("the server answers but one question on a connection")
        what = "a compressed question that refers to the one before it"
        yield Finding(f"{what} is not answered{instead(socket)}", last_frame(socket))


@active(
    "wsz.blocks",
    MUST,
    "RFC 7692 7.2.1, 7.2.3",
    "A compressed message may have several blocks, of any kind, one marked as the last, and an empty last fragment.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-blocks", "ws-deflate-last-block"),
)
def blocks(case: Case) -> Iterator[Finding]:
    for probe, how in (
        ("ws-deflate-blocks", "in several DEFLATE blocks, one of them stored, with an empty last fragment"),
        ("ws-deflate-last-block", "that goes on behind a DEFLATE block with BFINAL"),
    ):
        _agreed(case, probe)
        yield from _understood(case, probe, how)


# What the server must not take.


@active(
    "wsz.bad-deflate",
    MUST,
    "RFC 6455 10.7; RFC 7692 6.2",
    "A compressed message that does not inflate ends the connection.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-corrupt"),
)
def bad_deflate(case: Case) -> Iterator[Finding]:
    _agreed(case, "ws-deflate-corrupt")
    yield from not_taken(case, "ws-deflate-corrupt", "a compressed message that does not inflate")


@active(
    "wsz.rsv1-reject",
    MUST,
    "RFC 7692 6.1",
    "RSV1 on a control frame, or on a later fragment, ends the connection.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-rsv1-ping", "ws-deflate-rsv1-later"),
)
def rsv1_reject(case: Case) -> Iterator[Finding]:
    for probe, what in (
        ("ws-deflate-rsv1-ping", "a ping with RSV1"),
        ("ws-deflate-rsv1-later", "a second fragment with RSV1"),
    ):
        _agreed(case, probe)
        yield from not_taken(case, probe, what)


@active(
    "wsz.bomb",
    SHOULD,
    "RFC 6455 10.4",
    f"A small message that inflates to {BOMB_SIZE // _MIB} MiB is not taken.",
    probes=("ws-answer", "ws-deflate", "ws-deflate-bomb"),
)
def bomb(case: Case) -> Iterator[Finding]:
    socket = _agreed(case, "ws-deflate-bomb")
    heard = [frame for frame in socket.frames if not frame.is_control and frame.offset >= socket.spoken_at]
    sent = len(socket.sent[0].payload) // 1024 if socket.sent else 0
    if heard:
        what = f"a message of {sent} KiB that inflates to {BOMB_SIZE // _MIB} MiB is taken"
        yield Finding(what, at(socket.response, heard[0].offset))
    elif not socket.failed:
        raise Inconclusive("nothing came: nobody can tell whether the message was inflated")
