"""What several checks of WebSockets find alike: that a question was not answered, or taken though it was wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ..judging.case import Case, at, at_frame
from ..judging.verdict import Evidence, Finding
from ..reading.frames import PING, Frame
from ..reading.sockets import Socket

__all__ = ["answered", "instead", "last_frame", "not_taken", "noted", "pong_of"]


def noted(socket: Socket, rule: str) -> Iterator[Finding]:
    """What the reading of the server's frames has noted under the id of a check: the first is shown, the rest counted.

    A server that does it once does it in every frame.
    """
    problems = [problem for problem in socket.wrong if problem.rule == rule]
    if problems:
        yield Finding(problems[0].message, at_frame(socket, problems[0].offset), len(problems))


def answered(case: Case, probe: str, how: str) -> Iterator[Finding]:
    """The question was answered, though it came in another shape."""
    case.talking()
    socket = case.socket(probe)
    if not socket.answered:
        yield Finding(f"a question {how} is not answered{instead(socket)}", last_frame(socket))


def instead(socket: Socket) -> str:
    """What came instead of an answer."""
    error = next((answer.error for answer in socket.answers if answer.error is not None), None)
    if error is not None:
        return f": the server says {error.code} {error.message}".rstrip()
    if socket.close is not None and not socket.left:
        return f": the server closes with {socket.close.code} {socket.close.reason}".rstrip()
    if socket.transcript.ended_by_server and not socket.left:
        return ": the server drops the connection"
    return ": nothing more comes"


def last_frame(socket: Socket) -> Evidence:
    """The last frame that came."""
    return at_frame(socket, socket.frames[-1].offset) if socket.frames else at(socket.response)


def not_taken(case: Case, probe: str, what: str) -> Iterator[Finding]:
    """What is invalid was not taken for valid, and the connection failed."""
    case.talking()
    socket = case.socket(probe)
    pong = pong_of(socket)
    if socket.answering:
        yield Finding(f"{what} is taken as if it were valid", at_frame(socket, socket.messages[-1].offset))
    elif pong is not None:
        yield Finding(f"{what} is answered by a pong", at_frame(socket, pong.offset))
    elif not socket.failed:
        yield Finding(f"after {what} the connection goes on", last_frame(socket))


def pong_of(socket: Socket) -> Frame | None:
    """The answer to a ping of the client. Pongs that nobody asked for are allowed (5.5.3)."""
    pings = [frame.payload for frame in socket.sent if frame.opcode == PING]
    answers = (pong for pong in socket.pongs if pong.payload and any(ping.startswith(pong.payload) for ping in pings))
    return next(answers, None)
