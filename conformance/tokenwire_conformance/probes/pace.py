"""How long to wait for what should not come: as long as this endpoint was seen to need for its answers, and no longer.

A wait that is too short misses what comes late; one that is always long costs everybody. Both limits are told by the
transcripts, so that a check knows when they decided instead of the endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..reading.transcript import Transcript

__all__ = ["MOST", "MOST_OF_ALL", "Pace"]

#: Seconds that one wait takes at most.
MOST = 5.0

#: Seconds that all waits of a run take at most.
MOST_OF_ALL = 30.0


@dataclass(slots=True)
class Pace:
    """What was seen of an endpoint's pace in a run, and what of the waiting is left.

    :ivar needed: the most seconds that an answer was seen to need until its first byte.
    """

    needed: float = 0.0
    left: float = MOST_OF_ALL

    def learn(self, transcript: Transcript) -> None:
        """One probe more was answered."""
        self.needed = max([self.needed, *transcript.delays])

    def wait(self, least: float) -> float:
        """Seconds to wait now.

        :param least: seconds that are waited however quick the endpoint is.
        """
        return max(least, min(self.needed, MOST, self.left))

    def spend(self, seconds: float) -> None:
        """So long was waited."""
        self.left = max(self.left - seconds, 0.0)
