"""How a fault is declared.

    @fault("no-date", trips="http.date")
    class NoDate(Seams):
        def reply(self, call, reply): ...

A fault overrides one seam of the reference endpoint. `trips` names every check that it makes fail (or warn, or
report): the kill matrix holds it to exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TypeVar

from tokenwire.endpoint import Call, Exchange, Seams, Write

from ..judging.registry import GROUPS
from ..probes.talk import Transport

__all__ = [
    "FAULTS",
    "Fault",
    "all_faults",
    "closes",
    "edit_head",
    "edit_writes",
    "fault",
    "is_stream",
    "is_streamed_chat",
    "socket_fault",
    "wants_tools",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    :ivar trips: ids of the checks that it must trip, and no others.
    :ivar dialect: the dialect under which it shows.
    :ivar stages: those of the checks that judge what a sound endpoint need not do at all, so that the clean one gives
        them nothing to pass: the fault does it, and does it wrong.
    :ivar origin: the seams of an endpoint behind it: the fault is what a hop does, and what compares the two has to
        find it. None for an endpoint by itself.
    :ivar many: how many questions show it, for what goes wrong now and then; 0 for what the probes show.
    """

    id: str
    trips: frozenset[str]
    seams: Callable[[], Seams]
    dialect: str = "openai-chat"
    transport: Transport = "http/1.1"
    stages: frozenset[str] = frozenset()
    origin: Callable[[], Seams] | None = None
    many: int = 0


FAULTS: dict[str, Fault] = {}

#: As any client writes it: with blanks or without.
_STREAMS = re.compile(rb'"stream"\s*:\s*true')

_Made = TypeVar("_Made", bound=Callable[[], Seams])

#: A character of the built-in endpoint's story that takes two UTF-16 units.
EMOJI = "😀".encode()


def fault(
    id: str,  # noqa: A002 - what it is called
    *,
    trips: str,
    dialect: str = "openai-chat",
    stages: str = "",
    transport: Transport = "http/1.1",
    origin: Callable[[], Seams] | None = None,
    many: int = 0,
) -> Callable[[_Made], _Made]:
    """Declares a fault. `trips` and `stages`: check ids, separated by blanks."""

    def declare(seams: _Made) -> _Made:
        if id in FAULTS:
            raise ValueError(f"the fault id {id} is taken")
        FAULTS[id] = Fault(
            id, frozenset(trips.split()), seams, dialect, transport, frozenset(stages.split()), origin, many
        )
        return seams

    return declare


#: Declares a fault that shows over WebSocket.
socket_fault = partial(fault, dialect="holysheep", transport="websocket")


def all_faults() -> dict[str, Fault]:
    """All faults by id, in the order of the catalogue."""
    for group in GROUPS:
        import_module(f".{group}", __package__)
    return FAULTS


def split_surrogate(told: list[bytes]) -> list[bytes]:
    """The text is cut into pieces of so many UTF-16 units, as in JavaScript."""
    place = next(place for place, message in enumerate(told) if EMOJI in message)
    first = told[place].replace(EMOJI, rb"\ud83d")
    second = told[place].replace(b" " + EMOJI, rb"\ude00")
    return [*told[:place], first, second, *told[place + 1 :]]


def is_stream(call: Call | None) -> bool:
    """The call asks for a stream of either kind."""
    return call is not None and (is_streamed_chat(call) or call.path == "/v1/chat/stream")


def is_streamed_chat(call: Call | None) -> bool:
    return call is not None and call.path == "/v1/chat/completions" and _STREAMS.search(call.body) is not None


def closes(call: Call | None) -> bool:
    """The call asks for a stream on a connection that shall be closed: that of the probe `usage`, in every dialect."""
    return call is not None and call.method == "POST" and call.header("connection") == "close"


def wants_tools(call: Call | None) -> bool:
    """The call offers tools: that of the probe `tools`."""
    return call is not None and b'"tools"' in call.body


def edit_writes(exchange: Exchange, edit: Callable[[Write], Write | None]) -> Exchange:
    """The exchange with every write edited; None takes one away."""
    writes = [edited for write in exchange.writes if (edited := edit(write)) is not None]
    return replace(exchange, writes=writes)


def edit_head(exchange: Exchange, edit: Callable[[bytes], bytes]) -> Exchange:
    """The exchange with the bytes of its head edited."""
    return edit_writes(exchange, lambda write: replace(write, data=edit(write.data)) if write.part == "head" else write)
