"""A report as Markdown, for the summary of a CI job (GitHub's flavour, which GitLab reads too)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tokenwire._version import __version__
from tokenwire.secrecy import one_line

from ..judging.verdict import Result, Verdict
from .report import Report, Told, alike, counted, findings, place, unjudged

__all__ = ["as_markdown", "shown"]

#: Marks that may stand in a text as they are: they begin nothing in Markdown, and nothing in HTML.
_PLAIN = frozenset(" ,.()-'")

#: Findings of one check that are told in full: a summary has an end, at GitHub after 1 MiB.
_TOLD = 5


def as_markdown(reports: Sequence[Report]) -> str:
    """For each target: what stood in the way, the findings as a table, and below it, folded, what proves them."""
    parts = [part for report in reports for part in _report(report)]
    return "\n\n".join([*parts, f"<sub>tokenwire {__version__}</sub>"]) + "\n"


def _report(report: Report) -> Iterator[str]:
    yield f"## {shown(report.target)}"
    if report.run.headline:
        yield f"**{shown(report.run.headline)}**"
    yield f"{counted(report)}."
    if report.about is not None:
        yield shown(f"{report.about.model or 'no model'}, {report.about.date}, {report.about.cost}")
    if report.run.news:
        yield "**What differs from the baseline**\n\n" + _listed(report.run.news)
    found = findings(report)
    if found:
        rows = [f"| {_verdict(result)} | `{result.id}` | {shown(result.message)} |" for result in found]
        yield "\n".join(["| Verdict | Check | What was found |", "| --- | --- | --- |", *rows])
    for result in found:
        yield _folded(f"{_verdict(result)} <code>{result.id}</code>", _details(report, result))
    if report.notes:
        yield _folded("Notes", [_listed(report.notes)])
    reasons = [f"{', '.join(ids)}: {reason}" for reason, ids in unjudged(report, Verdict.INCONCLUSIVE).items()]
    if reasons:
        yield _folded("What could not be judged", [_listed(reasons)])


def _details(report: Report, result: Result) -> Iterator[str]:
    """The rule, who is hurt, and each finding with its bytes and its question."""
    yield f"{result.level.value}: {shown(result.says)} ({shown(result.clause)})"
    if result.breaks:
        yield f"Who is hurt: {shown(result.breaks)}"
    if result.often:
        yield f"Seen in {shown(result.often)}"
    if result.expected:
        yield f"Expected: {shown(result.expected)}"
    told = alike(result)
    for each in told[:_TOLD]:
        yield from _proof(report, each)
    if len(told) > _TOLD:
        yield f"And {len(told) - _TOLD} more."
    yield f"What to do: <code>tokenwire check --explain {result.id}</code>"


def _proof(report: Report, told: Told) -> Iterator[str]:
    yield f"**{shown(told.first.counted)}**"
    if told.also:
        yield shown(told.elsewhere)
    for text in filter(None, [place(told.first), report.again(told.first)]):
        yield f"<pre><code>{shown(text)}</code></pre>"


def _verdict(result: Result) -> str:
    return f"{result.verdict.value} (expected)" if result.expected else result.verdict.value


def _folded(title: str, parts: Iterable[str]) -> str:
    # Behind the blank line Markdown is read as such again.
    return "\n\n".join([f"<details><summary>{title}</summary>", *parts, "</details>"])


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {shown(line)}" for line in lines)


def shown(text: str) -> str:
    """A text that stays in its place whatever is in it: on one line, each mark that could mean something an entity."""
    return "".join(map(_entity, one_line(text))).replace("www.", "www&#46;")


def _entity(character: str) -> str:
    return character if character.isalnum() or character in _PLAIN else f"&#{ord(character)};"
