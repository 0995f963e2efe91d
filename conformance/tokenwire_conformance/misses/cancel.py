"""Near misses of cancellation."""

from __future__ import annotations

from ..faults.cancel import asks_long, before_it_begins, busy, by_fin, by_reset, goes_on, without_streaming
from .edits import reply
from .miss import Undo, near_miss

_CHECKS = "checks.cancel"

#: Seconds that the last words may take.
_A_WHILE = 3.0

_SOON = Undo("probes.leaving", "LEAVING = 5.0", "LEAVING = 1.0")

for check, fault, when in (
    ("cancel.fin", "ignore-fin", by_fin),
    ("cancel.rst", "ignore-rst", by_reset),
    ("cancel.before-first-token", "ignore-before-first", before_it_begins),
    ("cancel.nonstream", "ignore-nonstream", without_streaming),
):
    near_miss(
        check,
        of=fault,
        what="The work goes on for a while, and then it stops.",
        seams=goes_on(_A_WHILE, when),
        undo=_SOON,
    )
near_miss(
    "cancel.repeat",
    of="slot-leak",
    what="While answers are abandoned, those after the tenth are refused; the plain question is answered as before.",
    seams=busy(lambda call, before: before >= 10 and asks_long(call)),
    undo=Undo(_CHECKS, "for response in responses[-1:] if", "for response in responses if"),
)
near_miss(
    "cancel.no-cross-talk",
    of="leak-into-next",
    what="The word is in a field of the next answer, and not in what it says.",
    seams=reply(lambda given: given.with_header("X-Before", "zanzibar-7f3a"), when=lambda call: not asks_long(call)),
    undo=Undo(_CHECKS, "place = response.content.find(", "place = response.transcript.received.find("),
)
