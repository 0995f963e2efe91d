"""A report as lines of text, for a person."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tokenwire._version import __version__

from ..judging.verdict import Result, Verdict
from .report import Report, Told, alike, counted, place, unjudged

__all__ = ["as_text", "broken"]


class Line(NamedTuple):
    """A line and its style, which `Screen` knows.

    :ivar whole: it is never broken: a command that is copied from the screen.
    """

    text: str
    style: str = ""
    whole: bool = False


#: Verdicts that the text shows one by one: the gravest last, for that is where a terminal stands at the end.
_SHOWN = (Verdict.INFO, Verdict.WARN, Verdict.HARNESS_ERROR, Verdict.FAIL)

_STYLES = {
    Verdict.FAIL: "bold red",
    Verdict.HARNESS_ERROR: "bold magenta",
    Verdict.WARN: "yellow",
    Verdict.INFO: "cyan",
    Verdict.INCONCLUSIVE: "dim",
    Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
}

#: Ids that are named together; of more their number is told.
_NAMED = 40

#: Before what belongs to a finding.
_INDENT = "    "


def as_text(report: Report, *, width: int | None = None, verbose: bool = False) -> list[tuple[str, str]]:
    """Lines with their styles: what was judged; what could not be; every finding with its words, its bytes and its
    question; the counts.

    :param width: of a terminal, in columns; None breaks no lines.
    :param verbose: what was not applicable is told with its reasons, and not only counted.
    """
    headline = [Line(report.run.headline, "bold red")] if report.run.headline else []
    lines = [
        *headline,
        *([Line("")] if headline else []),
        *_head(report),
        Line(""),
        *_unjudged(report, verbose=verbose),
    ]
    for verdict in _SHOWN:
        for result in _of(report, verdict):
            lines += _finding(report, result)
    lines += [*_beside_baseline(report), *_end(report), *headline]
    return [
        (piece, line.style) for line in lines for piece in ([line.text] if line.whole else broken(line.text, width))
    ]


def broken(text: str, width: int | None) -> list[str]:
    """A line in pieces that are no longer than the terminal is wide. No word is broken, so that an id or a URL can be
    taken from the screen, and the indent stays.
    """
    if width is None or len(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip())] or _INDENT
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _of(report: Report, verdict: Verdict) -> list[Result]:
    return [result for result in report.results if result.verdict is verdict and not result.expected]


def _head(report: Report) -> list[Line]:
    about = report.about
    lines = [Line(report.target, "bold")]
    if about is not None:
        model = f", model {about.model}" if about.model else ""
        spoken = " and ".join(map(" over ".join, zip(about.dialects, about.transports, strict=True)))
        lines += [
            Line(f"{spoken}{model}"),
            Line(f"{about.date}, tokenwire {__version__}", "dim"),
            Line(about.cost, "dim"),
        ]
    return [*lines, *(Line(f"  {note}", "dim") for note in report.notes)]


def _unjudged(report: Report, *, verbose: bool) -> list[Line]:
    lines = _reasons(report, Verdict.INCONCLUSIVE)
    skipped = _of(report, Verdict.NOT_APPLICABLE)
    if verbose:
        return _reasons(report, Verdict.NOT_APPLICABLE) + lines
    if skipped:
        counted = f"{len(skipped)} of {len(report.results)} checks do not apply here: -v lists them"
        return [Line(counted, "dim"), Line(""), *lines]
    return lines


def _beside_baseline(report: Report) -> list[Line]:
    """What was expected, and what differs."""
    expected = [
        Line(f"expected: {result.id}: {result.expected}", "dim") for result in report.results if result.expected
    ]
    news = [Line(line, "bold red") for line in report.run.news or ()]
    return [*expected, *([Line("")] if expected else []), *news]


def _reasons(report: Report, verdict: Verdict) -> list[Line]:
    """What was not judged, by reason. Where there is one reason for most, their number is enough."""
    reasons = unjudged(report, verdict).items()
    lines = [Line(f"{verdict.value:<14} {_few(ids)}: {reason}", "dim") for reason, ids in reasons]
    return [*lines, Line("")] if lines else []


def _few(ids: Sequence[str]) -> str:
    return ", ".join(ids) if len(ids) <= _NAMED else f"{len(ids)} checks"


def _finding(report: Report, result: Result) -> list[Line]:
    lines, head = [], f"{result.verdict.value:<13} {result.id}: "
    for told in alike(result):
        lines += [Line(head + told.first.counted, _STYLES[result.verdict]), *_proof(report, told)]
        head = _INDENT
    if not lines:
        lines = [Line(head + result.message, _STYLES[result.verdict])]
    lines.append(Line(f"{_INDENT}{result.level.value}: {result.says} [{result.clause}]"))
    if result.often:
        lines.append(Line(f"{_INDENT}Seen in {result.often}"))
    if result.breaks:
        lines.append(Line(f"{_INDENT}Who is hurt: {result.breaks}"))
    return [*lines, Line(f"{_INDENT}What to do: tokenwire check --explain {result.id}"), Line("")]


def _proof(report: Report, told: Told) -> Iterable[Line]:
    """The bytes, where else they were found, and the question that led there."""
    where, again = place(told.first), report.again(told.first)
    if where:
        yield Line(f"{_INDENT}{_INDENT}{where}", "dim")
    if told.also:
        yield Line(f"{_INDENT}{_INDENT}{told.elsewhere}", "dim")
    if again:
        yield Line(f"{_INDENT}{_INDENT}{again}", "dim", whole=True)


def _end(report: Report) -> list[Line]:
    sound = Verdict.PASS in report.summary and set(report.summary) <= {Verdict.PASS, Verdict.NOT_APPLICABLE}
    failed = [result.id for result in _of(report, Verdict.FAIL)]
    named = [Line(f"FAIL: {', '.join(failed)}", "bold red")] if len(failed) > 1 else []
    return [*named, Line(counted(report), "bold green" if sound else "bold")]
