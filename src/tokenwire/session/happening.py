"""What happens to a conversation, for metrics and logs: one callback, which gets these.

tokenwire.stream(url, observe=lambda happening: print(happening))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..dialects.events import Other, StreamEvent
from ..errors import TokenwireError
from ..records import record

__all__ = ["Happening", "Kind", "Observe", "told_apart"]

Kind = Literal[
    "connecting",
    "connected",
    "failed",
    "waiting",
    "resuming",
    "restarting",
    "continuing",
    "falling back",
    "duplicate",
    "gap",
    "done",
]


@record(frozen=True)
class Happening:
    """Something that happened to the connection, and not in the stream.

    :ivar kind: what it was.
    :ivar at: when; monotonic seconds.
    :ivar connection: which, counted from 1.
    :ivar detail: in words: where to, from which cursor; of "done", why nothing follows where a policy had to decide.
    :ivar seconds: of "waiting": how long.
    :ivar error: of "failed", and of "done" where it did not end well.
    """

    kind: Kind
    at: float
    connection: int
    detail: str = ""
    seconds: float | None = None
    error: TokenwireError | None = None

    def __str__(self) -> str:
        what = f"{self.kind} {self.seconds:.1f} s" if self.seconds is not None else self.kind
        words = "; ".join(str(each) for each in (self.error, self.detail) if each)
        return f"{what}: {words}" if words else what


Observe = Callable[[Happening], None]

#: The events that tell how a resumed stream goes on, and what each is to an observer.
_TOLD: dict[str, Kind] = {"tokenwire.duplicate": "duplicate", "tokenwire.gap": "gap"}


def told_apart(events: list[StreamEvent]) -> tuple[list[tuple[Kind, str]], list[StreamEvent]]:
    """What an observer is told of a resumed stream, each with its detail, and the events of the stream itself."""
    told: list[tuple[Kind, str]] = []
    others: list[StreamEvent] = []
    for event in events:
        if isinstance(event, Other) and event.type in _TOLD:
            kind = _TOLD[event.type]
            told.append((kind, event.raw if kind == "gap" else ""))
        else:
            others.append(event)
    return told, others
