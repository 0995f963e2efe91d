"""What happens to a conversation, for metrics and logs: one callback, which gets these.

tokenwire.stream(url, observe=lambda happening: print(happening))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..errors import TokenwireError
from ..records import record

__all__ = ["Happening", "Observe"]

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
