"""Near misses of keepalive."""

from __future__ import annotations

from dataclasses import replace

from tokenwire.endpoint import Turn

from .edits import turn
from .miss import Undo, near_miss

_KEEPALIVE = "checks.wsk"


def _answers_late_and_fails(told: Turn) -> Turn:
    if len(told.messages) < 2:
        return told
    (_, first), *rest = told.messages
    return replace(told, messages=[(60.0, first), *rest], close=1011)


near_miss(
    "wsk.long-prefill",
    of="1011-in-prefill",
    what="After a long silence the answer comes, and it is behind it that the server fails.",
    seams=turn(_answers_late_and_fails),
    undo=Undo(_KEEPALIVE, " == INTERNAL_ERROR and not socket.answering:", " == INTERNAL_ERROR:"),
)
