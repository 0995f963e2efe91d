"""Whether a probe has waited long enough for what it says did not come."""

from __future__ import annotations

from ..judging.case import Case
from ..judging.verdict import Inconclusive
from ..reading.http import Response

__all__ = ["waited_enough"]

#: Seconds by which the clock of a wait and that of an answer may differ.
_INEXACT = 0.05


def waited_enough(case: Case, response: Response) -> None:
    """After this answer the connection was watched for as long as the endpoint was seen to need for its answers before.

    :raises Inconclusive: when it was not, because the wait of one probe, or of all of them, has a limit.
    """
    transcript = response.transcript
    if transcript.ended_by_server:
        return
    waited = transcript.ending_time - transcript.seconds_at(transcript.size - 1)
    needed = max(
        (delay for name in _before(case, transcript.name) for delay in case.transcripts[name].delays), default=0.0
    )
    if waited + _INEXACT < needed:
        raise Inconclusive(
            f"the probe {transcript.name!r} could wait {waited:.1f} s, and the endpoint was seen to need {needed:.1f} "
            "s for an answer: what came later was not seen"
        )


def _before(case: Case, probe: str) -> list[str]:
    """The probes that were made before, and so told how long to wait."""
    names = list(case.transcripts)
    return names[: names.index(probe)]
