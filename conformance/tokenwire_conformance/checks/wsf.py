"""WebSocket frames (RFC 6455, 5)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at_frame
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..reading.frames import BINARY
from ..reading.sockets import Socket
from .findings import answered, instead, last_frame, not_taken, noted, pong_of

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

PROTOCOL_ERROR, UNSUPPORTED, INVALID_DATA, POLICY, TOO_BIG = 1002, 1003, 1007, 1008, 1009

#: What a Close says that fails a connection for this, by probe (7.4.1).
_FITTING = {
    "ws-unmasked": (PROTOCOL_ERROR,),
    "ws-rsv1": (PROTOCOL_ERROR,),
    "ws-rsv2": (PROTOCOL_ERROR,),
    "ws-opcode-3": (PROTOCOL_ERROR,),
    "ws-opcode-b": (PROTOCOL_ERROR,),
    "ws-length-msb": (PROTOCOL_ERROR, TOO_BIG),
    "ws-long-ping": (PROTOCOL_ERROR, TOO_BIG),
    "ws-fragmented-ping": (PROTOCOL_ERROR,),
    "ws-stray": (PROTOCOL_ERROR,),
    "ws-interleaved": (PROTOCOL_ERROR,),
    "ws-bad-utf8": (INVALID_DATA,),
}


def _has_data(socket: Socket) -> bool:
    return any(not frame.is_control for frame in socket.frames)


def _has_control(socket: Socket) -> bool:
    return any(frame.is_control for frame in socket.frames)


def _has_text(socket: Socket) -> bool:
    return any(message.is_text for message in socket.messages)


def _speaks_json(socket: Socket) -> bool:
    return socket.dialect is not None and socket.dialect.name != "raw" and _has_text(socket)


# What the server sends.


@passive(
    "wsf.server-unmasked",
    MUST,
    "RFC 6455 5.1",
    "The server's frames are not masked.",
    on="sockets",
    when=lambda socket: bool(socket.frames),
    absent="no frame of a server was seen",
    shown_by=("ws-answer",),
    needs=[Layer.FRAMES],
)
def server_unmasked(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.server-unmasked")


@passive(
    "wsf.rsv-sent",
    MUST,
    "RFC 6455 5.2",
    "The server sets no reserved bit to which no agreed extension gave a meaning.",
    on="sockets",
    when=lambda socket: bool(socket.frames),
    absent="no frame of a server was seen",
    shown_by=("ws-answer",),
    needs=[Layer.FRAMES],
)
def rsv_sent(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.rsv-sent")


@passive(
    "wsf.opcode-sent",
    MUST,
    "RFC 6455 5.2",
    "The server sends no frame with a reserved opcode.",
    on="sockets",
    when=lambda socket: bool(socket.frames),
    absent="no frame of a server was seen",
    shown_by=("ws-answer",),
    needs=[Layer.FRAMES],
)
def opcode_sent(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.opcode-sent")


@passive(
    "wsf.minimal-length",
    MUST,
    "RFC 6455 5.2",
    "The server writes every length in the fewest bytes, and the highest of 64 bits is 0.",
    on="sockets",
    when=lambda socket: bool(socket.frames),
    absent="no frame of a server was seen",
    shown_by=("ws-answer",),
    breaks="wsproto 1.3 fails the connection",
    needs=[Layer.FRAMES],
)
def minimal_length(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.minimal-length")


@passive(
    "wsf.control-sent",
    MUST,
    "RFC 6455 5.5",
    "The server's control frames are whole, and no longer than 125 bytes.",
    on="sockets",
    when=_has_control,
    absent="no control frame of a server was seen",
    shown_by=("ws-answer",),
    needs=[Layer.FRAMES],
)
def control_sent(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.control-sent")


@passive(
    "wsf.sequence-sent",
    MUST,
    "RFC 6455 5.4",
    "The fragments of the server's messages are in order, and no message begins within another.",
    on="sockets",
    when=_has_data,
    absent="no data frame of a server was seen",
    shown_by=("ws-answer",),
    needs=[Layer.FRAMES],
)
def sequence_sent(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.sequence-sent")


@passive(
    "wsf.utf8-sent",
    MUST,
    "RFC 6455 5.6; RFC 7692 6.1",
    "The server's text messages are valid UTF-8, put together and inflated.",
    on="sockets",
    when=_has_text,
    absent="no text message of a server was seen",
    shown_by=("ws-answer",),
    needs=[Layer.FRAMES],
)
def utf8_sent(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsf.utf8-sent")


@passive(
    "wsf.json-message",
    MUST,
    "RFC 8259 2; OpenAI, Realtime server events; Gemini API, Live",
    "Every text message is one JSON text.",
    on="sockets",
    when=_speaks_json,
    absent="no text message of a dialect of JSON was seen",
    shown_by=("ws-answer",),
)
def json_message(socket: Socket) -> Iterator[Finding]:
    for message in socket.messages:
        error = _json_error(message.text) if message.is_text else ""
        if error:
            yield Finding(f"a text message is not one JSON text: {error}", at_frame(socket, message.offset))


def _json_error(text: str) -> str:
    constants: list[str] = []
    try:
        json.loads(text, parse_constant=constants.append)
    except (ValueError, RecursionError) as error:
        return str(error)
    return f"{constants[0]} is no JSON value" if constants else ""


# What the server must take, in whatever frames it comes.


@active(
    "wsf.fragments",
    MUST,
    "RFC 6455 5.4",
    "A message in fragments is put together, empty ones included.",
    probes=("ws-answer", "ws-fragments"),
)
def fragments(case: Case) -> Iterator[Finding]:
    yield from answered(case, "ws-fragments", "in three fragments")


@active(
    "wsf.utf8-split",
    MUST,
    "RFC 6455 5.6",
    "A character may be cut by the end of a fragment: UTF-8 is checked in the whole message.",
    probes=("ws-answer", "ws-split-character"),
)
def utf8_split(case: Case) -> Iterator[Finding]:
    yield from answered(case, "ws-split-character", "whose fragments are cut within a character")


@active(
    "wsf.control-between",
    MUST,
    "RFC 6455 5.4, 5.5.2",
    "A ping between two fragments is answered, and the message is put together all the same.",
    probes=("ws-answer", "ws-ping-between"),
)
def control_between(case: Case) -> Iterator[Finding]:
    yield from answered(case, "ws-ping-between", "with a ping between its fragments")
    socket = case.socket("ws-ping-between")
    if pong_of(socket) is None:
        yield Finding(f"a ping between two fragments gets no pong{instead(socket)}", last_frame(socket))


@active(
    "wsf.dribble",
    MUST,
    "RFC 6455 5.2, 6.2",
    "A frame may come byte by byte.",
    probes=("ws-answer", "ws-dribble"),
)
def dribble(case: Case) -> Iterator[Finding]:
    yield from answered(case, "ws-dribble", "that comes byte by byte")


@active(
    "wsf.binary-policy",
    SHOULD,
    "RFC 6455 7.4.1",
    "A binary message is taken, or refused by an error or by a Close with 1003.",
    probes=("ws-answer", "ws-binary"),
)
def binary_policy(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-binary")
    sent = next((frame for frame in socket.sent if frame.opcode == BINARY), None)
    if sent is None:
        raise Inconclusive("the connection had ended before a binary message could be sent")
    if any(message.offset >= socket.received_when(sent.offset) for message in socket.messages):
        return
    if socket.close is None or socket.left:
        yield Finding(f"a binary message gets neither an answer nor an error{instead(socket)}", last_frame(socket))
    elif socket.close.code not in (UNSUPPORTED, INVALID_DATA, POLICY):
        yield Finding(
            f"a binary message is refused by a Close with {socket.close.code}, not with {UNSUPPORTED}",
            last_frame(socket),
        )


# What the server must not take.


@active(
    "wsf.need-mask",
    MUST,
    "RFC 6455 5.1",
    "A frame of a client that is not masked ends the connection.",
    probes=("ws-answer", "ws-unmasked"),
)
def need_mask(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-unmasked", "a frame that is not masked")


@active(
    "wsf.rsv",
    MUST,
    "RFC 6455 5.2",
    "A reserved bit to which nothing gave a meaning ends the connection.",
    probes=("ws-answer", "ws-rsv1", "ws-rsv2"),
)
def rsv(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-rsv1", "a frame with RSV1 and no extension")
    yield from not_taken(case, "ws-rsv2", "a frame with RSV2")


@active(
    "wsf.opcode",
    MUST,
    "RFC 6455 5.2",
    "A reserved opcode ends the connection.",
    probes=("ws-answer", "ws-opcode-3", "ws-opcode-b"),
)
def opcode(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-opcode-3", "a frame with the reserved opcode 3")
    yield from not_taken(case, "ws-opcode-b", "a control frame with the reserved opcode B")


@active(
    "wsf.length-msb",
    SHOULD,
    "RFC 6455 5.2, 10.7",
    "A length of 64 bits whose highest bit is set ends the connection.",
    probes=("ws-answer", "ws-length-msb"),
)
def length_msb(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-length-msb", "a frame whose length has its highest bit set")


@active(
    "wsf.control-len",
    MUST,
    "RFC 6455 5.5, 10.7",
    "A control frame of more than 125 bytes is not taken for valid: the connection ends.",
    probes=("ws-answer", "ws-long-ping"),
)
def control_len(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-long-ping", "a ping of 126 bytes")


@active(
    "wsf.control-fin",
    MUST,
    "RFC 6455 5.4, 5.5, 10.7",
    "A control frame without FIN is not taken for valid: the connection ends.",
    probes=("ws-answer", "ws-fragmented-ping"),
)
def control_fin(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-fragmented-ping", "a ping without FIN")


@active(
    "wsf.continuation",
    MUST,
    "RFC 6455 5.4, 10.7",
    "A continuation of nothing, or a message within a fragmented one, is not taken for valid: the connection ends.",
    probes=("ws-answer", "ws-stray", "ws-interleaved"),
)
def continuation(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-stray", "a continuation of nothing")
    yield from not_taken(case, "ws-interleaved", "a message that begins within a fragmented one")


@active(
    "wsf.utf8-reject",
    MUST,
    "RFC 6455 8.1",
    "A text message that is not UTF-8 ends the connection.",
    probes=("ws-answer", "ws-bad-utf8"),
)
def utf8_reject(case: Case) -> Iterator[Finding]:
    yield from not_taken(case, "ws-bad-utf8", "a text message that is not UTF-8")


# How the server fails a connection.


@active(
    "wsf.fail-no-process",
    MUST,
    "RFC 6455 7.1.7",
    "After an invalid frame nothing that comes later on the connection is processed.",
    probes=("ws-answer", "ws-after-error"),
)
def fail_no_process(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-after-error")
    if socket.answering:
        yield Finding(
            "a question that came behind an invalid frame is answered", at_frame(socket, socket.messages[-1].offset)
        )


@active(
    "wsf.fail-code",
    SHOULD,
    "RFC 6455 7.1.7, 7.4.1",
    "Whoever fails a connection says why in a Close: 1002 for the protocol, 1007 for UTF-8, 1009 for the size.",
    probes=("ws-answer", *_FITTING),
)
def fail_code(case: Case) -> Iterator[Finding]:
    case.talking()
    failed = [socket for socket in case.sockets if socket.transcript.name in _FITTING and socket.failed]
    if not failed:
        raise NotApplicable("no invalid frame made the server fail a connection")
    misfits: dict[tuple[str, int], list[Socket]] = {}
    for socket in failed:
        codes = _FITTING[socket.transcript.name]
        if socket.close is None:
            misfits.setdefault(("drops the connection without a Close", codes[0]), []).append(socket)
        elif socket.close.code not in codes:
            misfits.setdefault((f"closes with {socket.close.code}", codes[0]), []).append(socket)
    for (how, fitting), sockets in misfits.items():
        names = ", ".join(socket.transcript.name for socket in sockets)
        yield Finding(f"the server {how}, where {fitting} would say why, after {names}", last_frame(sockets[0]))
