"""What the probes of a run share: how long they may wait for what should not come, and how much they may receive.

A wait that is too short misses what comes late; one that is always long costs everybody. So a probe waits as long as
this endpoint was seen to need for its answers, and no longer. Both limits are told by the transcripts, so that a check
knows when they decided instead of the endpoint. And an endpoint that goes on and on must not fill the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..reading.transcript import Transcript

__all__ = [
    "LEAST_RECEIVED",
    "MOST_RECEIVED",
    "MOST_RECEIVED_BY_MANY",
    "MOST_RECEIVED_IN_ALL",
    "MOST_WAITED",
    "MOST_WAITED_IN_ALL",
    "PIECE",
    "Room",
    "Waits",
]

#: Seconds that one wait takes at most.
MOST_WAITED = 5.0

#: Seconds that all waits of a run take at most.
MOST_WAITED_IN_ALL = 30.0

#: Bytes that a probe receives at most. What is asked has small answers; the largest sound one is a refusal that repeats
#: a question of 3 MB.
MOST_RECEIVED = 16 * 1024 * 1024

#: Bytes that the probes of a run receive at most, but for the least that each may receive.
MOST_RECEIVED_IN_ALL = 64 * 1024 * 1024

#: Bytes that many questions receive at most, beside the other probes: thousands of answers of usual size.
MOST_RECEIVED_BY_MANY = 128 * 1024 * 1024

#: Bytes that a probe may receive whatever came before: an answer of some hundred tokens.
LEAST_RECEIVED = 512 * 1024

#: Bytes that are kept of each piece besides its own: of a read, a line, a frame.
PIECE = 512


@dataclass(slots=True)
class Waits:
    """What was seen of an endpoint's pace in a run, and what of the waiting is left.

    :ivar needed: the most seconds that an answer was seen to need until its first byte.
    """

    needed: float = 0.0
    left: float = MOST_WAITED_IN_ALL

    def learn(self, transcript: Transcript) -> None:
        """One probe more was answered."""
        self.needed = max([self.needed, *transcript.delays])

    def wait(self, least: float) -> float:
        """Seconds to wait now.

        :param least: seconds that are waited however quick the endpoint is.
        """
        return max(least, min(self.needed, MOST_WAITED, self.left))

    def spend(self, seconds: float) -> None:
        """So long was waited."""
        self.left = max(self.left - seconds, 0.0)


@dataclass(slots=True)
class Room:
    """How many bytes may still be received in a run.

    :ivar most: that a probe may receive.
    """

    left: int = MOST_RECEIVED_IN_ALL
    most: int = MOST_RECEIVED

    @property
    def for_one(self) -> int:
        """Bytes that the next probe may receive."""
        return max(LEAST_RECEIVED, min(self.most, self.left))

    def fill(self, size: int) -> None:
        """So many bytes were received."""
        self.left = max(self.left - size, 0)
