"""A report as lines of text, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from ..judging.verdict import Result, Verdict
from .report import Report, place

__all__ = ["as_text"]

#: Verdicts that the text shows one by one, the gravest first.
_SHOWN = (Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.WARN, Verdict.INFO)

#: Verdicts that it shows by their reason: many checks share one.
_BY_REASON = (Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)

#: Ids that are named together; of more their number is told.
_NAMED = 40

_STYLES = {
    Verdict.FAIL: "bold red",
    Verdict.HARNESS_ERROR: "bold magenta",
    Verdict.WARN: "yellow",
    Verdict.INFO: "cyan",
    Verdict.INCONCLUSIVE: "dim",
    Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
}


def as_text(report: Report) -> list[tuple[str, str]]:
    """Lines with their styles, which `Screen` knows: every finding with its words, clause and bytes, then the count."""
    headline = [(report.run.headline, "bold red"), ("", "")] if report.run.headline else []
    notes = [(f"  {note}", "dim") for note in report.notes]
    lines: list[tuple[str, str]] = [(report.target, "bold"), *notes, ("", ""), *headline]
    for verdict in _SHOWN:
        for result in report.results:
            if result.verdict is verdict:
                lines += _finding(result)
    passed = [result for result in report.results if result.verdict is Verdict.PASS]
    skipped = [result for result in report.results if result.verdict is Verdict.NOT_APPLICABLE]
    for verdict in _BY_REASON:
        lines += _reasons(verdict, [result for result in report.results if result.verdict is verdict])
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.summary.items())
    style = "bold green" if len(passed) + len(skipped) == len(report.results) and passed else "bold"
    return [*lines, (f"{len(report.results)} checks: {counts or 'nothing was judged'}", style), *headline[:1]]


def _finding(result: Result) -> list[tuple[str, str]]:
    lines = [(f"{result.verdict.value:<13} {result.id}: {result.message}", _STYLES[result.verdict])]
    lines.append((f"              {result.level.value}: {result.says} [{result.clause}]", ""))
    if result.breaks:
        lines.append((f"              Who is hurt: {result.breaks}", ""))
    lines += [(f"              {place(evidence)}", "dim") for evidence in result.evidence]
    return [*lines, ("", "")]


def _reasons(verdict: Verdict, results: Sequence[Result]) -> list[tuple[str, str]]:
    """What could not be judged, by reason. Where there is one reason for most, their number is enough."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        reasons.setdefault(result.message, []).append(result.id)
    lines = [
        (f"{verdict.value:<14} {', '.join(ids) if len(ids) <= _NAMED else f'{len(ids)} checks'}: {reason}", "dim")
        for reason, ids in reasons.items()
    ]
    return [*lines, ("", "")] if lines else []
