"""Near misses of what several checks of WebSockets find alike."""

from __future__ import annotations

from dataclasses import replace

from tokenwire.endpoint import Turn

from ..faults.editing import CLOSE, PONG, RawFrame
from .edits import before, turn
from .miss import Undo, near_miss

_FINDINGS = "checks.findings"


def _fails_behind(told: Turn) -> Turn:
    """The server fails when it has said an answer."""
    return replace(told, close=1011) if len(told.messages) > 1 else told


for _check, _fault in (
    ("wsf.fragments", "per-fragment-dispatch"),
    ("wsf.utf8-split", "check-per-fragment"),
    ("wsf.control-between", "mix-ping"),
    ("wsf.dribble", "need-whole-frame"),
    ("wsz.uncompressed", "require-rsv1"),
    ("wsz.blocks", "no-stored-blocks"),
    ("wsl.big-request", "limit-64KiB"),
):
    near_miss(
        _check,
        of=_fault,
        what="The question is answered, and then the server fails.",
        seams=turn(_fails_behind),
        undo=Undo(_FINDINGS, "    if not socket.answered:", "    if not (socket.answered and socket.left):"),
    )
for _check, _fault in (
    ("wsf.need-mask", "accept-unmasked"),
    ("wsf.rsv", "ignore-rsv"),
    ("wsf.opcode", "ignore-opcode"),
    ("wsf.length-msb", "accept-msb"),
    ("wsf.control-len", "big-ping"),
    ("wsf.control-fin", "frag-ping"),
    ("wsf.continuation", "accept-stray"),
    ("wsf.utf8-reject", "accept-bad-utf8"),
    ("wsz.bad-deflate", "swallow-inflate"),
    ("wsz.rsv1-reject", "ignore-rsv1-ping"),
):
    near_miss(
        _check,
        of=_fault,
        what="Before the Close comes a pong that answers no ping.",
        seams=before(CLOSE, RawFrame(PONG, b"beat")),
        undo=Undo(
            _FINDINGS,
            "if pong.payload and any(ping.startswith(pong.payload) for ping in pings))",
            "if pong.payload)",
        ),
    )
