"""Near misses of resuming."""

from __future__ import annotations

import re
from dataclasses import replace

from tokenwire.endpoint import Call, Seams

from ..faults.resume import with_field
from ..probes.resuming import UNKNOWN
from .edits import blocks, reply
from .miss import Undo, near_miss

_CHECKS = "checks.resume"

#: An event that is none of the answer, and has neither id nor number.
_PING = b'data: {"type": "ping"}\n\n'


def _is_again(call: Call) -> bool:
    """What follows an event is asked for."""
    return bool(call.header("last-event-id")) or "starting_after" in call.query


def _counting_down(blocks: list[bytes]) -> list[bytes]:
    """The events with ids whose numbers go down, each under a name of its own."""
    return [re.sub(rb"(?m)^id: .*$", b"id: e%d-%d" % (n, len(blocks) - n), block) for n, block in enumerate(blocks)]


class _OwnStory(Seams):
    """Another key gets a new stream, from its beginning: by the second key on the connection it is known."""

    def __init__(self) -> None:
        self._first = ""

    def call(self, call: Call) -> Call:
        own = call.header("authorization")
        self._first = self._first or own
        return call if own == self._first else with_field(call, "last-event-id", lambda _: "")


near_miss(
    "resume.ids-monotonic",
    of="repeat-id",
    what="The numbers of the ids go down, and each counts something else.",
    seams=blocks(_counting_down, when=lambda call: True),
    undo=Undo(_CHECKS, "first[1] == second[1] and int(", "int("),
    seen_in="events",
)
near_miss(
    "resume.last-event-id",
    of="replay-all",
    what="An event without an id comes before what was missed.",
    seams=blocks(lambda told: [_PING, *told], when=_is_again),
    undo=Undo(_CHECKS, "if event.cursor and event.cursor not in rest]", "if event.cursor not in rest]"),
)
near_miss(
    "resume.starting-after",
    of="ignore-cursor",
    what="An event without a number comes before what was missed.",
    seams=blocks(lambda told: [_PING, *told], when=_is_again),
    undo=Undo(_CHECKS, "if event.cursor and event.cursor not in rest]", "if event.cursor not in rest]"),
)
near_miss(
    "resume.no-gap-no-dup",
    of="skip-one",
    what="An event without an id comes between those that were missed.",
    seams=blocks(lambda told: [*told[:2], _PING, *told[2:]], when=_is_again),
    undo=Undo(_CHECKS, "for event in _again(case) if event.cursor in set(wanted)]", "for event in _again(case)]"),
)
near_miss(
    "resume.unknown-id",
    of="silent-restart",
    what="Whoever asks for what follows an event that never was is told by 204 to stop.",
    seams=reply(
        lambda given: replace(given, status=204, body=b"", headers=[]),
        when=lambda call: call.header("last-event-id") == UNKNOWN,
    ),
    undo=Undo(_CHECKS, "if events and not _tells_an_error(", "if response.status < 300 and not _tells_an_error("),
)
near_miss(
    "resume.cross-tenant",
    of="open-replay",
    what="Another key gets a new stream of its own.",
    seams=_OwnStory,
    undo=Undo(
        _CHECKS, "[event for event in told if (event.cursor, event.event.data) in rest]", "[event for event in told]"
    ),
)
