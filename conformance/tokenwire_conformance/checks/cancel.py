"""The checks of cancellation: who leaves in the middle of an answer costs nothing more, and disturbs nobody.

That work has stopped is seen from inside alone, so somebody has to say how many requests are being worked on.
"""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.dialects import DIALECTS

from ..judging.case import Case, at
from ..judging.registry import active
from ..judging.verdict import Finding, Inconclusive, Level
from ..probes.leaving import MARK
from ..reading.generation import dialect_of
from ..reading.http import Response
from ..reading.resumption import id_of

MUST, SHOULD = Level.MUST, Level.SHOULD

_PRACTICE = "practice"

_NO_HOOK = (
    "nobody says how many requests are being worked on: give --running URL (llama-server's /slots or /metrics, vLLM's"
    " /metrics) or --running-command CMD"
)


@active(
    "cancel.no-cross-talk",
    MUST,
    "RFC 9110 3.3",
    "An answer has nothing of another one that was abandoned before it.",
    probes=("cancel-next",),
)
def no_cross_talk(case: Case) -> Iterator[Finding]:
    response = case.accepted("cancel-next")
    abandoned = _abandoned(case, "cancel-next")
    marks = [MARK, *filter(None, (id_of(left, DIALECTS[dialect_of(response)]) for left in abandoned))]
    for mark in marks:
        place = response.content.find(mark.encode())
        if place >= 0:
            yield Finding(
                f"the answer has {mark}, which belongs to the one that was abandoned before it",
                at(response, content=place),
            )


@active(
    "cancel.repeat",
    SHOULD,
    _PRACTICE,
    "After many answers that were abandoned a question is answered as before.",
    probes=("cancel-repeat",),
)
def repeat(case: Case) -> Iterator[Finding]:
    made = case.transcript("cancel-repeat")
    _abandoned(case, "cancel-repeat")
    responses = [response for each in (*made.left, made) for response in each.responses]
    refused = [response for response in responses[-1:] if response.status == 429 or response.status >= 500]
    for response in refused:
        yield Finding(
            f"after {len(made.left)} answers that were abandoned the plain question is answered with {response.status}",
            at(response),
        )
    if not made.responses:
        yield Finding(f"after {len(made.left)} answers that were abandoned the plain question is not answered")


def _abandoned(case: Case, probe: str) -> list[Response]:
    """The answers that were begun and abandoned.

    :raises Inconclusive: when there were none.
    """
    responses = [response for left in case.transcript(probe).left for response in left.responses]
    if not any(response.status == 200 and not response.complete for response in responses):
        raise Inconclusive("no answer was abandoned: each was refused, or whole before there was time to leave")
    return responses


def _stops(id: str, probe: str, says: str) -> None:  # noqa: A002 - what it is called
    """Declares a check that the work stops."""

    @active(id, SHOULD, _PRACTICE, says, probes=(probe,))
    def judge(case: Case) -> Iterator[Finding]:
        work = case.transcript(probe).work
        if work is None:
            raise Inconclusive(_NO_HOOK)
        if work.during <= work.before:
            raise Inconclusive(
                f"the requests being worked on were {work.before:g} before the question and {work.during:g} during it:"
                " does --running count those of this endpoint, and does it answer that slowly?"
            )
        if work.after > work.before:
            yield Finding(
                f"{work.seconds:.0f} s after the client has left {work.after:g} requests are being worked on, where"
                f" there were {work.before:g} before it came: an answer that nobody reads is made all the same"
            )


_stops("cancel.fin", "cancel-fin", "When the client closes its connection, its answer is not made any further.")
_stops("cancel.rst", "cancel-rst", "When the client's connection is reset, its answer is not made any further.")
_stops(
    "cancel.before-first-token",
    "cancel-early",
    "When the client leaves before the answer has begun, it is not made.",
)
_stops(
    "cancel.nonstream",
    "cancel-whole",
    "When the client leaves that waits for a whole answer, it is not made any further.",
)
