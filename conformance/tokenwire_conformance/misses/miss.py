"""How a near miss is declared.

    near_miss(
        "sse.no-bom",
        of="emit-bom",
        what="The bytes of a byte order mark stand within the stream, in a comment.",
        seams=blocks(lambda told: [told[0], b": \\xef\\xbb\\xbf\\n\\n", *told[1:]]),
        undo=Undo("reading.stream", "self.content.startswith(_BOM)", "_BOM in self.content"),
    )

A near miss is nearly the fault that it names, and what its rule allows: the check must judge it and pass. `undo` takes
out of the check's condition what makes the difference. The check that is left passes the clean endpoint and finds the
fault, and must trip over the near miss: so the near miss touches what the check looks at, and is no sound answer picked
at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from tokenwire.endpoint import Seams

from ..faults import Fault, all_faults
from ..judging.registry import GROUPS, Check, catalogue

__all__ = ["NEAR_MISSES", "NearMiss", "Undo", "all_near_misses", "near_miss"]

#: The modules that declare near misses: one for each group, one more for the many of HTTP, and one for what several
#: checks of WebSockets find alike.
_MODULES = (*GROUPS, "requests", "findings")


@dataclass(frozen=True, slots=True)
class Undo:
    """A text in a module of the suite that stands there once, and what stands in its place when it is undone.

    :ivar module: within this package, as in `checks.sse.lines`.
    """

    module: str
    condition: str
    undone: str


@dataclass(frozen=True, slots=True)
class NearMiss:
    """One near miss of one check.

    :ivar of: id of the fault that it is one edit away from; it shows in the same dialect, over the same transport.
    :ivar what: what is done, in a sentence.
    :ivar seen_in: the probes in whose answers it is seen, where they are not those that the check needs or is shown by.
    """

    check: str
    of: str
    what: str
    seams: Callable[[], Seams]
    undo: Undo
    seen_in: tuple[str, ...] = ()

    @property
    def fault(self) -> Fault:
        return all_faults()[self.of]

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes that are asked: those that the check needs or is shown by, or that of the plain question."""
        check: Check = catalogue()[self.check]
        plain = "ws-answer" if self.fault.transport == "websocket" else "usage"
        return self.seen_in or tuple(check.probes) or (plain, *check.shown_by)


#: Near misses by check.
NEAR_MISSES: dict[str, NearMiss] = {}


def near_miss(check: str, *, of: str, what: str, seams: Callable[[], Seams], undo: Undo, seen_in: str = "") -> None:
    """Declares the near miss of a check. `seen_in`: names of probes, separated by blanks."""
    if check in NEAR_MISSES:
        raise ValueError(f"the check {check} has a near miss")
    NEAR_MISSES[check] = NearMiss(check, of, what, seams, undo, tuple(seen_in.split()))


def all_near_misses() -> dict[str, NearMiss]:
    """All near misses by check."""
    for module in _MODULES:
        import_module(f".{module}", __package__)
    return NEAR_MISSES
