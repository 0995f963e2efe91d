"""The codes with which `tokenwire` exits: what a shell sees of a verb, and of a run of the conformance suite."""

from __future__ import annotations

__all__ = [
    "BROKEN_PIPE",
    "FINDINGS",
    "FINE",
    "HUNG_UP",
    "INCOMPLETE",
    "INTERRUPTED",
    "NOTHING_JUDGED",
    "PROTOCOL_BROKEN",
    "REFUSED",
    "TERMINATED",
    "UNREACHABLE",
    "USAGE",
    "Terminated",
]

FINE = 0
FINDINGS = 1
USAGE = 2
UNREACHABLE = 3
NOTHING_JUDGED = 4
REFUSED = 5
PROTOCOL_BROKEN = 6
INCOMPLETE = 7
HUNG_UP = 129
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: what is open is closed, as after Ctrl-C.

    :ivar code: of the exit.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code: int = 128 + number
