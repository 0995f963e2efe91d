"""The results for one target, and what all forms of a report have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..judging.judged import Run
from ..judging.verdict import Evidence, Result, Verdict

__all__ = ["Report", "place", "summary"]

#: Characters of evidence on a line of text.
_EXCERPT = 100


@dataclass(frozen=True, slots=True)
class Report:
    """The results for one target: an endpoint, or a file.

    :ivar notes: what holds for all of them, in lines.
    """

    target: str
    run: Run
    notes: Sequence[str] = ()

    @property
    def results(self) -> Sequence[Result]:
        return self.run.results

    @property
    def summary(self) -> dict[str, int]:
        return summary(self.results)


def summary(results: Sequence[Result]) -> dict[str, int]:
    """How many of each verdict, in the order of their declaration."""
    counts = Counter(result.verdict for result in results)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


def place(evidence: Evidence) -> str:
    """Where the bytes of a finding stand, and the bytes, on one line."""
    shown = repr(evidence.data.decode("utf-8", "backslashreplace"))[1:-1]
    shown = shown if len(shown) <= _EXCERPT else shown[:_EXCERPT] + "…"
    when = "" if evidence.seconds is None else f", {evidence.seconds:.3f} s"
    return f"{evidence.transcript}, byte {evidence.offset}{when}: {shown}"
