"""Near misses of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tokenwire.endpoint import Write

from ..faults.time import gathered, held, is_coded, timed
from .miss import Undo, near_miss

_CHECKS = "checks.time"


def _hurried(writes: Sequence[Write]) -> list[Write]:
    """All of them at once."""
    return [replace(write, delay=0.0) for write in writes]


near_miss(
    "time.headers-early",
    of="headers-with-first-token",
    what="The head needs a while too, but is there long before the first event.",
    seams=timed(head=0.2, first=1.0),
    undo=Undo(_CHECKS, "answer.asked <= _SOONER * (answer.first", "answer.asked <= 0 * (answer.first"),
)
near_miss(
    "time.progressive",
    of="buffer-all",
    what="The second half of the events is held back, and the first is not.",
    seams=timed(body=lambda writes: [*writes[: len(writes) // 2], *held(writes[len(writes) // 2 :])]),
    undo=Undo("reading.arrivals", "_MOST = 0.9", "_MOST = 0.4"),
)
near_miss(
    "time.gzip-flush",
    of="gzip-no-sync",
    what="The compressed stream comes at once, but so soon that nobody waits for it.",
    seams=timed(body=lambda writes: _hurried(held(writes)), first=0.3, when=is_coded),
    undo=Undo(_CHECKS, "answer.took >= NOTICED and answer.came_at_once:", "answer.came_at_once:"),
)
near_miss(
    "time.coalescing",
    of="coalesce",
    what="Two or three events come at a time.",
    seams=timed(body=gathered(3)),
    undo=Undo(_CHECKS, "_GATHERED = 4", "_GATHERED = 2"),
)
near_miss(
    "time.terminal-prompt",
    of="sleep-before-done",
    what="The last event comes nearly a second after the last text.",
    seams=timed(last=0.9),
    undo=Undo(_CHECKS, "answer.words[-1] > PROMPT]", "answer.words[-1] > PROMPT / 2]"),
)
near_miss(
    "time.close-after-terminal",
    of="linger",
    what="The end comes nearly a second after the last event.",
    seams=timed(end=0.9),
    undo=Undo(_CHECKS, "_lingers(answer) > PROMPT]", "_lingers(answer) > PROMPT / 2]"),
)
near_miss(
    "time.keepalive",
    of="silent-prefill",
    what="The silence is a little longer than advised.",
    seams=timed(first=18.0),
    undo=Undo(_CHECKS, "_ABOUT = 5.0", "_ABOUT = 0.0"),
)
