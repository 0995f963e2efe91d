"""The closing of a WebSocket (RFC 6455, 5.5.1 and 7)."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at_frame
from ..judging.registry import active, passive
from ..judging.verdict import Evidence, Finding, Inconclusive, Level, NotApplicable
from ..probes.socket_talk import ENDING
from ..reading.sockets import Socket
from .findings import last_frame, noted

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, SERVICE_RESTART = 1001, 1002, 1007, 1012

#: Codes of a Close that says that all is well, or nothing; or that the server has failed.
_NO_EXCUSE = (1000, 1005, 1011)


def _closed(socket: Socket) -> bool:
    return socket.close is not None


def _close_of(socket: Socket) -> Evidence:
    """The server's Close; the last frame where there is none."""
    return last_frame(socket) if socket.close is None else at_frame(socket, socket.close.offset)


# What the server says.


@passive(
    "wsc.code-sent",
    MUST,
    "RFC 6455 5.5.1, 7.4.1, 7.4.2",
    "The server's Close is empty, or has a code that may be sent and a reason in UTF-8.",
    on="sockets",
    when=_closed,
    absent="no Close of a server was seen",
    shown_by=("ws-answer", "ws-close"),
    needs=[Layer.FRAMES],
)
def code_sent(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsc.code-sent")


@passive(
    "wsc.silent-after",
    MUST,
    "RFC 6455 5.5.1",
    "After its Close the server sends no more data.",
    on="sockets",
    when=_closed,
    absent="no Close of a server was seen",
    shown_by=("ws-answer", "ws-close"),
    needs=[Layer.FRAMES],
)
def silent_after(socket: Socket) -> Iterator[Finding]:
    yield from noted(socket, "wsc.silent-after")


@passive(
    "wsc.clean",
    SHOULD,
    "RFC 6455 7.1.2, 7.3",
    "A connection on which the server has answered ends by a Close, and not by a lost connection.",
    on="sockets",
    when=lambda socket: socket.answering,
    absent="no WebSocket was seen on which the server answered",
    shown_by=("ws-answer",),
    needs=[Layer.END, Layer.FRAMES],
)
def clean(socket: Socket) -> Iterator[Finding]:
    if socket.close is None and not socket.left and not socket.mute and socket.transcript.ended_by_server:
        how = "resets" if socket.transcript.ending == "reset" else "ends"
        yield Finding(f"the server {how} the connection without a Close", _close_of(socket))


@passive(
    "wsc.terminal-first",
    MUST,
    "OpenAI, Realtime server events: response.done; Gemini API, Live: turnComplete",
    "The server closes no connection in the middle of an answer, before the event that ends it.",
    on="sockets",
    when=lambda socket: socket.answering and socket.dialect is not None and socket.dialect.name != "raw",
    absent="no answer was seen whose end can be told",
    shown_by=("ws-answer",),
    needs=[Layer.END, Layer.FRAMES],
)
def terminal_first(socket: Socket) -> Iterator[Finding]:
    close = socket.close
    # 1001 and 1012 say that the server goes away; the codes that blame the client are judged where it was to blame.
    if close is None or socket.left or close.code not in _NO_EXCUSE:
        return
    if socket.in_answer:
        yield Finding(f"the server closes with {close.code} in the middle of an answer", _close_of(socket))


# What the server does when the client closes.


def _client_left(case: Case, probe: str) -> Socket:
    """The connection on which the client said Close.

    :raises NotApplicable: when the server had closed before.
    :raises Inconclusive: when the connection was gone before.
    """
    socket = case.socket(probe)
    if not socket.left:
        if socket.close is not None:
            raise NotApplicable(f"the server closed first, with {socket.close.code} {socket.close.reason}".rstrip())
        raise Inconclusive(f"the connection was gone before the client could close it: {socket.transcript.ending}")
    return socket


@active(
    "wsc.echo",
    MUST,
    "RFC 6455 5.5.1",
    "A Close is answered by a Close.",
    probes=("ws-close",),
)
def echo(case: Case) -> Iterator[Finding]:
    socket = _client_left(case, "ws-close")
    if socket.close is None:
        yield Finding("the client's Close is not answered by one", _close_of(socket))


@active(
    "wsc.server-tcp-first",
    MUST,
    "RFC 6455 5.5.1, 7.1.1",
    f"When both sides have said Close, the server ends the connection within {ENDING:g} s.",
    probes=("ws-close",),
)
def server_tcp_first(case: Case) -> Iterator[Finding]:
    socket = case.socket("ws-close")
    if socket.close is None and not socket.left:
        raise Inconclusive(f"the connection was gone before the client could close it: {socket.transcript.ending}")
    if socket.close is None:
        raise NotApplicable("the server said no Close")
    if not socket.transcript.ended_by_server:
        yield Finding(f"{ENDING:g} s after both have said Close the connection still stands", _close_of(socket))


@active(
    "wsc.code-reject",
    SHOULD,
    "RFC 6455 7.4.1, 10.7",
    "A Close with a code that must not be sent is answered by 1002, and never by the same code.",
    probes=("ws-close-1005",),
)
def code_reject(case: Case) -> Iterator[Finding]:
    yield from _failed_by(case.socket("ws-close-1005"), "a Close with the code 1005", (PROTOCOL_ERROR,))


@active(
    "wsc.len1",
    SHOULD,
    "RFC 6455 5.5.1, 10.7",
    "A Close with a payload of one byte is answered by 1002, and the connection ends.",
    probes=("ws-close-one-byte",),
)
def len1(case: Case) -> Iterator[Finding]:
    yield from _failed_by(case.socket("ws-close-one-byte"), "a Close with a payload of one byte", (PROTOCOL_ERROR,))


@active(
    "wsc.reason-utf8",
    MUST,
    "RFC 6455 5.5.1, 8.1",
    "A Close whose reason is not UTF-8 fails the connection, with 1007 or 1002.",
    probes=("ws-close-bad-reason",),
)
def reason_utf8(case: Case) -> Iterator[Finding]:
    socket = case.socket("ws-close-bad-reason")
    if socket.close is not None and not socket.close.payload:
        raise Inconclusive("the server's Close says nothing, so nobody can tell whether it minded")
    yield from _failed_by(socket, "a Close whose reason is not UTF-8", (INVALID_DATA, PROTOCOL_ERROR))


def _failed_by(socket: Socket, what: str, codes: tuple[int, ...]) -> Iterator[Finding]:
    """What came made the server fail the connection: with one of these codes, or by ending it without a word."""
    if not socket.failed:
        yield Finding(f"after {what} the connection goes on", _close_of(socket))
    elif socket.close is not None and socket.close.code not in codes:
        said = f"with {socket.close.code}" if socket.close.payload else "without a code"
        yield Finding(f"{what} is answered by a Close {said}, as if it were valid", _close_of(socket))


# What the server does when it goes away.


@active(
    "wsc.drain",
    SHOULD,
    "RFC 6455 7.4.1",
    "An endpoint that shuts down says so on every WebSocket, by a Close with 1001 or 1012.",
    probes=("ws-drain",),
)
def drain(case: Case) -> Iterator[Finding]:
    socket = case.socket("ws-drain")
    if socket.left:
        raise Inconclusive("it is not in our power to shut the endpoint down")
    if socket.close is None:
        yield Finding("the endpoint shuts down without a Close", _close_of(socket))
    elif socket.close.code not in (GOING_AWAY, SERVICE_RESTART):
        yield Finding(f"the endpoint shuts down with {socket.close.code}, not with {GOING_AWAY}", _close_of(socket))
