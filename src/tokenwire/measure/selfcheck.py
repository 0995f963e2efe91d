"""What the client itself took, and whether its figures can be believed. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MAX_CPU_SHARE", "MAX_LAG_SHARE", "SelfCheck"]

#: Of one core. At half of it an event waits on average about as long for the client as the client takes for one, and
#: beyond that the wait grows without bound (M/M/1: the load divided by what is left of it).
MAX_CPU_SHARE = 0.5

#: Of the longest stall that was measured. Beyond it the stall may as well have been the client's own.
MAX_LAG_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """One run's.

    :ivar cost_per_event: CPU seconds that an event took the client, connecting and asking included, measured in the
        same run with a replay of one of its streams over loopback; None where no stream was whole.
    :ivar replayed: events in that.
    :ivar worst_lag: seconds by which the event loop came late at worst.
    :ivar cpu_share: CPU time of the client by the time of the run, of one core.
    """

    cost_per_event: float | None
    replayed: int
    worst_lag: float
    cpu_share: float

    @property
    def told(self) -> str:
        """The same in words."""
        cost = "not known" if self.cost_per_event is None else f"{self.cost_per_event * 1e6:.0f} µs"
        return (
            f"self-check: an event costs the client {cost} of CPU ({self.replayed} replayed over loopback), its loop "
            f"was late by {self.worst_lag * 1000:.1f} ms at worst, and it used {self.cpu_share:.1%} of a core"
        )

    def doubts(self, longest_stall: float | None) -> Sequence[str]:
        """Why the run is invalid; empty where it is not.

        :param longest_stall: in the run, in seconds.
        """
        found = []
        if self.cpu_share > MAX_CPU_SHARE:
            found.append(
                f"the client used {self.cpu_share:.0%} of a core, more than {MAX_CPU_SHARE:.0%}: "
                "events waited for it, so ask for less at once"
            )
        if longest_stall is not None and self.worst_lag > MAX_LAG_SHARE * longest_stall:
            found.append(
                f"the client was late by {self.worst_lag * 1000:.1f} ms, more than {MAX_LAG_SHARE:.0%} of the longest "
                f"stall of {longest_stall * 1000:.1f} ms, which may be its own"
            )
        if self.cost_per_event is None:
            found.append("no stream came whole, so the client could not be calibrated")
        return found
