"""The keepalive of a WebSocket: pings, pongs and silence (RFC 6455, 5.5.2 and 5.5.3)."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at_frame
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..probes.sessions import IDLE
from ..reading.frames import CLOSE, PING, PONG, TEXT, Frame
from ..reading.sockets import Socket
from .findings import instead, last_frame

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

#: Seconds in which a pong is prompt, over whatever network.
PROMPT = 2.0

#: Seconds of silence before an answer that a keepalive could take for the end.
LONG_SILENCE = 5.0

INTERNAL_ERROR = 1011


def _first(frames: list[Frame], opcode: int) -> Frame | None:
    return next((frame for frame in frames if frame.opcode == opcode), None)


def _has_pong(socket: Socket, ping: Frame) -> bool:
    return any(pong.payload == ping.payload for pong in socket.pongs)


# What the server answers.


@active(
    "wsk.pong",
    MUST,
    "RFC 6455 5.5.2, 5.5.3",
    "A ping is answered by a pong with the same payload.",
    probes=("ws-answer", "ws-ping"),
)
def pong(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-ping")
    unsolicited = _first(socket.sent, PONG)
    for ping in socket.sent:
        if ping is unsolicited:
            break
        if ping.opcode != PING or _has_pong(socket, ping):
            continue
        if socket.pongs:
            last = socket.pongs[-1]
            yield Finding(
                f"a ping of {ping.length} bytes is answered by a pong of {last.length} others",
                at_frame(socket, last.offset),
            )
        else:
            yield Finding(f"a ping gets no pong{instead(socket)}", last_frame(socket))


@active(
    "wsk.pong-latency",
    SHOULD,
    "RFC 6455 5.5.2",
    f"A ping is answered promptly while an answer runs: within {PROMPT:g} s.",
    probes=("ws-answer", "ws-ping", "ws-ping-amid"),
)
def pong_latency(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-ping-amid")
    ping = _first(socket.sent, PING)
    if ping is None:
        raise Inconclusive(f"no answer began{instead(socket)}")
    heard = socket.received_when(ping.offset)
    if not socket.messages or socket.messages[-1].offset < heard:
        raise NotApplicable("the answer was over before the ping could be sent")
    answer = next((pong for pong in socket.pongs if pong.payload == ping.payload), None)
    if answer is None:
        if not case.socket("ws-ping").pongs:
            raise Inconclusive("no ping is answered, whether an answer runs or not")
        yield Finding(f"a ping while an answer runs gets no pong{instead(socket)}", last_frame(socket))
    elif answer.seconds - ping.seconds > PROMPT:
        over = ", when the answer was over" if answer.offset > socket.messages[-1].offset else ""
        yield Finding(
            f"a ping while an answer runs gets its pong after {answer.seconds - ping.seconds:.1f} s{over}",
            at_frame(socket, answer.offset),
        )


@active(
    "wsk.unsolicited",
    MUST,
    "RFC 6455 5.5.3",
    "A pong that nobody asked for changes nothing.",
    probes=("ws-answer", "ws-ping"),
)
def unsolicited(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-ping")
    sent = [frame for frame in socket.sent if frame.opcode in (PING, PONG)]
    if not any(frame.opcode == PONG for frame in sent):
        raise Inconclusive("the pings before it were not answered as they should be")
    if not _has_pong(socket, sent[-1]):
        yield Finding(f"after a pong that nobody asked for a ping gets no answer{instead(socket)}", last_frame(socket))


# Silence.


@active(
    "wsk.idle",
    SHOULD,
    "practice",
    f"A connection lives through {IDLE:g} s of silence, in which the server may ping.",
    probes=("ws-answer", "ws-idle"),
)
def idle(case: Case) -> Iterator[Finding]:
    socket = _silent(case)
    if _first(socket.sent, TEXT) is None:
        since = socket.transcript.seconds_at(socket.response.offset)
        until = socket.close.seconds if socket.close is not None else socket.transcript.ending_time
        yield Finding(f"a silent connection lives for {until - since:.0f} s{instead(socket)}", last_frame(socket))
    elif not socket.answered:
        yield Finding(f"a question after {IDLE:g} s of silence is not answered{instead(socket)}", last_frame(socket))


@active(
    "wsk.dead-peer",
    SHOULD,
    "practice",
    f"A client that answers no ping is dropped within {IDLE:g} s.",
    probes=("ws-answer", "ws-idle"),
)
def dead_peer(case: Case) -> Iterator[Finding]:
    socket = _silent(case)
    bye = _first(socket.sent, CLOSE)
    end = socket.received_when(bye.offset) if bye is not None else len(socket.transcript.received)
    answered = sum(frame.opcode == PONG for frame in socket.sent)
    unanswered = [ping for ping in socket.pings if ping.offset < end][answered:]
    if not unanswered:
        raise NotApplicable(f"the server sends no ping within {IDLE:g} s")
    if bye is not None and socket.left:
        seconds = bye.seconds - unanswered[0].seconds
        yield Finding(
            f"a client that answers no ping is still there {seconds:.0f} s later",
            at_frame(socket, unanswered[0].offset),
        )


def _silent(case: Case) -> Socket:
    case.talking()
    return case.socket("ws-idle")


def _asked(socket: Socket) -> Frame | None:
    """The client's last question, or whatever it said in data."""
    return next((frame for frame in reversed(socket.sent) if frame.opcode == TEXT), None)


def _waited(socket: Socket) -> bool:
    """The client waited for long until an answer began, or until the server closed with 1011."""
    asked = _asked(socket)
    if asked is None:
        return False
    heard = socket.received_when(asked.offset)
    beginning = next((message for message in socket.messages if message.offset >= heard), None)
    end = beginning or (socket.close if socket.close is not None and socket.close.code == INTERNAL_ERROR else None)
    return end is not None and end.seconds - asked.seconds >= LONG_SILENCE


@passive(
    "wsk.long-prefill",
    SHOULD,
    "practice",
    "A long silence before an answer is not taken for a failure: the connection is not closed with 1011.",
    on="sockets",
    when=_waited,
    absent=f"no question was seen that waited {LONG_SILENCE:g} s for its answer",
    shown_by=("ws-answer",),
    needs=[Layer.END, Layer.FRAMES, Layer.TIMES],
)
def long_prefill(socket: Socket) -> Iterator[Finding]:
    asked = _asked(socket)
    if asked is not None and socket.close is not None and socket.close.code == INTERNAL_ERROR and not socket.answering:
        yield Finding(
            f"{socket.close.seconds - asked.seconds:.0f} s after a question, and before any answer, "
            f"the server closes with 1011 {socket.close.reason}".rstrip(),
            at_frame(socket, socket.close.offset),
        )
