"""The results for one target, and what all forms of a report have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenwire._version import __version__

from ..judging.judged import Run
from ..judging.verdict import Evidence, Finding, Result, Verdict
from ..reading.transcript import Transcript
from .questions import Questions

__all__ = [
    "About",
    "Report",
    "Told",
    "alike",
    "counted",
    "findings",
    "in_full",
    "overall",
    "place",
    "summary",
    "unjudged",
]

#: Verdicts that are told one by one, the gravest first.
_FOUND = (Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.WARN, Verdict.INFO)

#: Transcripts that are named in which the same was found; of more their number is told.
_ALSO = 12

#: Characters of evidence in a text.
_EXCERPT = 240

#: Characters of it before the word that a finding is about.
_BEFORE = 40


@dataclass(frozen=True, slots=True)
class About:
    """What was judged, when, and at what cost.

    :ivar dialects: that were spoken.
    :ivar model: that was asked; empty where none was.
    :ivar transports: over which it was asked.
    :ivar date: when the run began, in UTC (ISO 8601).
    :ivar requests: that were made.
    :ivar tokens: used, as far as the endpoint told it; None where it told nothing.
    :ivar tellers: answers that told it.
    :ivar seconds: that the run took.
    """

    dialects: Sequence[str]
    model: str
    transports: Sequence[str]
    date: str
    requests: int = 0
    tokens: int | None = None
    tellers: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "dialects": list(self.dialects),
            "model": self.model or None,
            "transports": list(self.transports),
            "date": self.date,
            "version": __version__,
            "requests": self.requests,
            "tokens": self.tokens,
            "tokens_told_by": self.tellers,
            "seconds": round(self.seconds, 3),
        }

    @property
    def cost(self) -> str:
        """What it took, in words."""
        requests = f"{self.requests:,} requests"
        if self.tokens is None:
            return f"{requests}; tokens used: not told"
        return f"{requests}; tokens used: {self.tokens:,} (told {self.tellers:,} times)"


@dataclass(frozen=True, slots=True)
class Report:
    """The results for one target: an endpoint, or a file.

    :ivar notes: what holds for all of them, in lines.
    :ivar about: the run in which an endpoint was asked; None for a file.
    :ivar transcripts: of what went over the wire, by the probe or the file.
    :ivar questions: how those are asked again, where that is known.
    :ivar took: seconds of the exchanges that a check judged, by its id, where that is known.
    :ivar decides: its verdicts decide the exit code. Those on an origin do not where its hops are judged.
    """

    target: str
    run: Run
    notes: Sequence[str] = ()
    about: About | None = None
    transcripts: Mapping[str, Transcript] = field(default_factory=dict, repr=False)
    questions: Questions | None = None
    took: Mapping[str, float] = field(default_factory=dict)
    decides: bool = True

    @property
    def results(self) -> Sequence[Result]:
        return self.run.results

    @property
    def summary(self) -> dict[str, int]:
        return summary(self.results)

    def again(self, finding: Finding) -> str:
        """The command that asks what led to a finding; empty where that is not known."""
        evidence, transcript = finding.evidence, self.transcript(finding)
        if self.questions is None or evidence is None or transcript is None:
            return ""
        return self.questions.again(transcript, evidence)

    def transcript(self, finding: Finding) -> Transcript | None:
        """What went over the wire where the finding was made; None where that is not known."""
        return self.transcripts.get(finding.evidence.transcript) if finding.evidence is not None else None


def overall(reports: Sequence[Report]) -> Run:
    """The run that decides the exit code."""
    return Run.of_all([report.run for report in reports if report.decides])


def summary(results: Sequence[Result]) -> dict[str, int]:
    """How many of each verdict, in the order of their declaration."""
    counts = Counter(result.verdict for result in results)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


def findings(report: Report) -> list[Result]:
    """What was found, the gravest first; what the baseline expects comes last."""
    found = [result for result in report.results if result.verdict in _FOUND]
    return sorted(found, key=lambda result: (bool(result.expected), _FOUND.index(result.verdict)))


def unjudged(report: Report, verdict: Verdict) -> dict[str, list[str]]:
    """The checks of a verdict that judges nothing, by the reason."""
    reasons: dict[str, list[str]] = {}
    for result in report.results:
        if result.verdict is verdict:
            reasons.setdefault(result.message, []).append(result.id)
    return reasons


def counted(report: Report) -> str:
    """How many checks of each verdict, in words."""
    expected = sum(bool(result.expected) for result in report.results)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.summary.items())
    counts += f" ({expected} expected)" if expected else ""
    return f"{len(report.results)} checks: {counts or 'nothing was judged'}"


@dataclass(frozen=True, slots=True)
class Told:
    """Findings of the same words.

    :ivar first: the first of them, which stands for all.
    :ivar also: in which other transcripts the same was found.
    """

    first: Finding
    also: Sequence[str]

    @property
    def elsewhere(self) -> str:
        """Those in words; empty where there are none."""
        more = f" and {len(self.also) - _ALSO} more" if len(self.also) > _ALSO else ""
        return f"The same in: {', '.join(self.also[:_ALSO])}{more}" if self.also else ""


def alike(result: Result) -> list[Told]:
    """The findings of a check, those of the same words together."""
    same: dict[str, list[Finding]] = {}
    for finding in result.findings:
        same.setdefault(finding.message, []).append(finding)
    return [Told(findings[0], _others(findings)) for findings in same.values()]


def _others(findings: Sequence[Finding]) -> list[str]:
    names = dict.fromkeys(finding.evidence.transcript for finding in findings if finding.evidence is not None)
    return list(names)[1:]


def in_full(report: Report, result: Result) -> Iterator[str]:
    """The rule in words, its clause, and each finding with its bytes and its question."""
    yield f"{result.level.value}: {result.says} [{result.clause}]"
    if result.often:
        yield f"Seen in {result.often}"
    for told in alike(result):
        yield told.first.counted
        yield from filter(None, [place(told.first), report.again(told.first), told.elsewhere])
    if result.findings:
        yield f"tokenwire check --explain {result.id}"


def place(finding: Finding) -> str:
    """Where the bytes of a finding stand, and those of the bytes that its words are about, on one line; empty where it
    has none.
    """
    evidence = finding.evidence
    if evidence is None:
        return ""
    when = "" if evidence.seconds is None else f", {evidence.seconds:.3f} s"
    return f"{evidence.transcript}, byte {evidence.offset}{when}: {_excerpt(evidence, finding.message)}"


def _excerpt(evidence: Evidence, message: str) -> str:
    shown = repr(evidence.data.decode("utf-8", "backslashreplace"))[1:-1]
    if len(shown) <= _EXCERPT:
        return shown
    begin = max(_mentioned(shown, message) - _BEFORE, 0)
    end = begin + _EXCERPT
    return ("…" if begin else "") + shown[begin:end] + ("…" if end < len(shown) else "")


def _mentioned(shown: str, message: str) -> int:
    """Where the first member or field stands that the words name; 0 where none does."""
    for word in re.findall(r"[A-Za-z][\w-]{2,}", message):
        named = re.search(rf'"{word}"|(?:\\n|\A){word}:', shown, re.IGNORECASE)
        if named is not None:
            return named.start()
    return 0
