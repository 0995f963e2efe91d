"""A report in, what pytest is told of each of its checks out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tokenwire import exit_codes
from tokenwire.secrecy import harmless

from ..judging.judged import Run
from ..judging.verdict import Level, Result, Verdict
from ..reports.report import Report, in_full

__all__ = ["RUN", "Outcome", "Told", "crashed", "told_of"]

#: The name of the item of the run itself.
RUN = "run"

#: "warned" passes with a warning; "expected" is what a baseline bears.
Outcome = Literal["passed", "warned", "expected", "skipped", "failed"]


class Told(NamedTuple):
    """What became of an item, and its words."""

    outcome: Outcome
    words: str


def told_of(report: Report) -> dict[str, Told]:
    """What became of the run and of each check, by name."""
    checks = {result.id: _told(report, result) for result in report.results}
    told = {RUN: _told_of_run(report.run), **checks}
    return {name: Told(outcome, harmless(words)) for name, (outcome, words) in told.items()}


def crashed(error: Exception) -> dict[str, Told]:
    """The same of a run that nothing came of."""
    return {RUN: Told("failed", harmless(str(error)))}


def _told(report: Report, result: Result) -> Told:
    news = [line for line in report.run.news or () if line.startswith(f"{result.id} ")]
    said = f"{result.verdict}: {result.message}"
    whole = "\n".join([*news, said, *in_full(report, result)])
    match result.verdict:
        case _ if news:
            return Told("failed", whole)
        case _ if result.expected:
            return Told("expected", result.expected)
        case Verdict.FAIL | Verdict.HARNESS_ERROR:
            return Told("failed", whole)
        case Verdict.WARN:
            return Told("warned", whole)
        case Verdict.PASS | Verdict.INFO:
            return Told("passed", whole)
        case _:
            return Told("skipped", said)


def _told_of_run(run: Run) -> Told:
    """Whether the run went well: what was not judged must not look like what is sound."""
    stopped = "\n".join(_stopped(run))
    return Told("failed", stopped) if stopped else Told("passed", "")


def _stopped(run: Run) -> Iterator[str]:
    if run.headline:
        yield run.headline
    elif run.exit_code == exit_codes.NOTHING_JUDGED:
        yield "nothing was judged: the skipped checks say why"
    open_ones = [result.id for result in run.results if result.incomplete and result.level is Level.MUST]
    if open_ones:
        yield f"what must hold was not all judged, for an answer did not come: {', '.join(open_ones)}"
