"""Faults of resuming. One request is told from the next by what it has in it, for all come on one connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tokenwire.endpoint import Call, Seams

from ..probes.resuming import UNKNOWN
from .fault import fault

_fault = partial(fault, dialect="eventsource")

_LAST_EVENT_ID = "last-event-id"

#: Parameters that say after which event to go on.
_CURSORS = ("last_event_id", "starting_after")


def with_cursor(edit: Callable[[str], str]) -> type[Seams]:
    """What follows another event is asked for than the client says; nothing of an event that is not known."""

    class Edited(Seams):
        def call(self, call: Call) -> Call:
            query = {name: edit(value) if name in _CURSORS else value for name, value in call.query.items()}
            return replace(with_field(call, _LAST_EVENT_ID, edit), query=query)

    return Edited


def with_field(call: Call, name: str, edit: Callable[[str], str]) -> Call:
    """The call with a field edited; without it where nothing is left."""
    edited = [(n, edit(value) if n == name else value) for n, value in call.headers]
    return replace(call, headers=[(n, value) for n, value in edited if value])


def counted(by: int | None) -> Callable[[str], str]:
    """An id that is by so many higher; that of the first event for None."""

    def count(last: str) -> str:
        stream, dash, number = last.rpartition("-")
        if not number.isdecimal():
            return last
        return f"{stream}{dash}{int(number) + by if by is not None else 0}"

    return count


@_fault("repeat-id", trips="resume.ids-monotonic")
class RepeatId(Seams):
    """The third event has the id of the second."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return blocks if call.header(_LAST_EVENT_ID) else [*blocks[:2], _with_id_of(blocks[1], blocks[2]), *blocks[3:]]


def _with_id_of(other: bytes, block: bytes) -> bytes:
    own = re.search(rb"(?m)^id: .*$", other)
    return re.sub(rb"(?m)^id: .*$", own[0] if own else b"", block)


_fault("replay-all", trips="resume.last-event-id")(with_cursor(counted(None)))
_fault("skip-one", trips="resume.no-gap-no-dup")(with_cursor(counted(1)))
_fault("silent-restart", trips="resume.unknown-id")(with_cursor(lambda last: "" if last == UNKNOWN else last))


@fault("ignore-cursor", trips="resume.starting-after", dialect="openai-responses")
class IgnoreCursor(Seams):
    def call(self, call: Call) -> Call:
        return replace(call, query={name: value for name, value in call.query.items() if name != "starting_after"})


@_fault("open-replay", trips="resume.cross-tenant")
class OpenReplay(Seams):
    """Whatever key comes later on a connection, the first one counts."""

    def __init__(self) -> None:
        self._first = ""

    def call(self, call: Call) -> Call:
        self._first = self._first or call.header("authorization")
        return with_field(call, "authorization", lambda _: self._first)
