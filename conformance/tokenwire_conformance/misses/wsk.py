"""Near misses of keepalive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from tokenwire.endpoint import Seams, Turn

from ..faults import all_faults
from ..faults.editing import CLOSE, PONG, TEXT, Editing, RawFrame
from .edits import sent, turn
from .miss import Undo, near_miss

_KEEPALIVE = "checks.wsk"


class _PongWithNextWord(Editing):
    """An answer takes its time, and a pong goes out with its second word."""

    def __init__(self) -> None:
        super().__init__()
        self._said = 0
        self._held: list[RawFrame] = []

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        if len(turn.messages) < 3:
            return turn
        first, (_, second), *rest = turn.messages
        return replace(turn, messages=[first, (1.0, second), *rest[:-1], (5.0, rest[-1][1])])

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        if frame.opcode == PONG and self._said == 1:
            self._held.append(frame)
            return
        yield frame
        self._said += frame.opcode == TEXT
        if frame.opcode == TEXT:
            yield from self._held
            self._held = []


class _DropsAfterLong(Seams):
    ping_interval = 70.0

    def silence(self) -> Literal["ping", "close"]:
        return "close"


def _answers_late_and_fails(told: Turn) -> Turn:
    if len(told.messages) < 2:
        return told
    (_, first), *rest = told.messages
    return replace(told, messages=[(60.0, first), *rest], close=1011)


near_miss(
    "wsk.pong",
    of="no-pong",
    what="The ping that gets no pong came behind a pong that nobody asked for, which is for another check.",
    seams=all_faults()["close-on-pong"].seams,
    undo=Undo(_KEEPALIVE, "        if ping is unsolicited:\n            break\n", ""),
)
near_miss(
    "wsk.pong-latency",
    of="pong-after-answer",
    what="The pong comes within a second, while the answer runs.",
    seams=_PongWithNextWord,
    undo=Undo(_KEEPALIVE, "answer.seconds - ping.seconds > PROMPT:", "answer.seconds - ping.seconds > 0:"),
)
near_miss(
    "wsk.unsolicited",
    of="close-on-pong",
    what="Behind the pong comes another that nobody asked for.",
    seams=sent(lambda frame: [frame, RawFrame(PONG, b"beat")] if frame.opcode == PONG else [frame]),
    undo=Undo(_KEEPALIVE, "if not _has_pong(socket, sent[-1]):", "if socket.pongs[-1].payload != sent[-1].payload:"),
)
near_miss(
    "wsk.idle",
    of="idle-drop-30",
    what="The server closes a connection that is silent for longer than a minute.",
    seams=_DropsAfterLong,
    undo=Undo("probes.sessions", "IDLE = 60.0", "IDLE = 90.0"),
)
near_miss(
    "wsk.dead-peer",
    of="no-ping-timeout",
    what="A client that answers no ping is dropped without a Close.",
    seams=sent(lambda frame: [] if frame.opcode == CLOSE else [frame]),
    undo=Undo(
        _KEEPALIVE,
        "    if bye is not None and socket.left:\n        seconds = bye.seconds",
        "    if bye is None or socket.left:\n        seconds = socket.transcript.ending_time",
    ),
)
near_miss(
    "wsk.long-prefill",
    of="1011-in-prefill",
    what="After a long silence the answer comes, and it is behind it that the server fails.",
    seams=turn(_answers_late_and_fails),
    undo=Undo(_KEEPALIVE, " == INTERNAL_ERROR and not socket.answering:", " == INTERNAL_ERROR:"),
)
