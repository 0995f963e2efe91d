"""Near misses of the closing of a WebSocket."""

from __future__ import annotations

from dataclasses import replace

from tokenwire.endpoint import Seams, Turn

from ..faults import all_faults
from ..faults.editing import CLOSE, PONG, RawFrame
from .edits import ResetsAfterClose, closing_with, code, sent
from .miss import Undo, near_miss

_CLOSING = "checks.wsc"
_MESSAGES = "reading.messages"


class _GoesAwayMidway(Seams):
    """The server goes away in the middle of an answer, and says so."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        half = len(turn.messages) // 2
        return replace(turn, messages=turn.messages[:half], close=1001) if half else turn


class _Restarts(Seams):
    def drained(self) -> int:
        return 1012


near_miss(
    "wsc.code-sent",
    of="send-1006",
    what="The server's Close is empty.",
    seams=closing_with(b""),
    undo=Undo(_MESSAGES, '    if not payload:\n        return ""', '    if not payload:\n        return "no code"'),
)
near_miss(
    "wsc.silent-after",
    of="data-after-close",
    what="A pong follows the server's Close.",
    seams=sent(lambda frame: [frame, RawFrame(PONG, b"")] if frame.opcode == CLOSE else [frame]),
    undo=Undo(_MESSAGES, "if self._closed and not frame.is_control:", "if self._closed:"),
)
near_miss(
    "wsc.clean",
    of="rst-after-terminal",
    what="The client had said its Close when the server ended the connection without one.",
    seams=all_faults()["no-close-reply"].seams,
    undo=Undo(_CLOSING, "socket.close is None and not socket.left and not socket.mute", "socket.close is None"),
)
near_miss(
    "wsc.terminal-first",
    of="close-mid-response",
    what="The server closes in the middle of an answer with 1001: it goes away.",
    seams=_GoesAwayMidway,
    undo=Undo(_CLOSING, " or socket.left or close.code not in _NO_EXCUSE:", " or socket.left:"),
)
near_miss(
    "wsc.echo",
    of="no-close-reply",
    what="The Close that answers has another code.",
    seams=closing_with(code(1001)),
    undo=Undo(
        _CLOSING,
        "    if socket.close is None:\n        yield Finding(\"the client's",
        "    if socket.close is None or socket.close.code != 1000:\n        yield Finding(\"the client's",
    ),
)
near_miss(
    "wsc.server-tcp-first",
    of="wait-client",
    what="The server ends the connection in a reset.",
    seams=ResetsAfterClose,
    undo=Undo(_CLOSING, "if not socket.transcript.ended_by_server:", 'if socket.transcript.ending != "eof":'),
)
for _check, _fault in (("wsc.code-reject", "accept-1005"), ("wsc.len1", "accept-len1")):
    near_miss(
        _check,
        of=_fault,
        what="The server ends the connection without a word.",
        seams=sent(lambda frame: [] if frame.opcode == CLOSE else [frame]),
        undo=Undo(_CLOSING, "    if not socket.failed:", "    if socket.close is None:"),
    )
near_miss(
    "wsc.reason-utf8",
    of="accept-reason",
    what="A reason that is not UTF-8 fails the connection with 1002.",
    seams=closing_with(code(1002)),
    undo=Undo(_CLOSING, "(INVALID_DATA, PROTOCOL_ERROR))", "(INVALID_DATA,))"),
)
near_miss(
    "wsc.drain",
    of="drop-on-drain",
    what="An endpoint that restarts says so, with 1012.",
    seams=_Restarts,
    undo=Undo(_CLOSING, "not in (GOING_AWAY, SERVICE_RESTART):", "not in (GOING_AWAY,):"),
)
