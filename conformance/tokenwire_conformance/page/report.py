"""Reports in, one page out: what is wrong first, then what could not be judged, then what is sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tokenwire.html.elements import Content, Html, join, tag
from tokenwire.html.look import page, table

from ..judging.verdict import Result, Verdict
from ..reports.report import Report, findings, overall, unjudged
from .finding import badge, finding, name_of

__all__ = ["as_html"]

#: Verdicts as they concern a reader.
_ORDER = (
    Verdict.FAIL,
    Verdict.HARNESS_ERROR,
    Verdict.WARN,
    Verdict.INFO,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)


class _Target(NamedTuple):
    """One report, and its place among the others.

    :ivar name: what it is to the others; of one alone, or of a file, its target.
    :ivar before: of a hop, the report on what stands behind it.
    """

    report: Report
    number: int
    name: str
    before: Report | None = None


def as_html(reports: Sequence[Report]) -> str:
    """The page. Its size is bounded by what is shown of each exchange, and by the number of checks."""
    targets = list(_targets(reports))
    return page(
        f"tokenwire: {', '.join(report.target for report in reports)}",
        tag("a", "To the findings", href="#findings", class_="skip"),
        tag("h1", _verdict(reports)),
        _matrix(targets) if len(targets) > 1 else None,
        [_report(target) for target in targets],
    )


def _targets(reports: Sequence[Report]) -> Iterator[_Target]:
    first, *others = reports
    if first.decides:  # it has no hops
        yield from (_Target(report, number, report.target) for number, report in enumerate(reports))
        return
    yield _Target(first, 0, "The origin")
    for number, (before, report) in enumerate(zip(reports, others, strict=False), 1):
        yield _Target(report, number, f"Hop {number}", before)


def _verdict(reports: Sequence[Report]) -> Content:
    """What a person wants to know first, in a sentence."""
    run = overall(reports)
    failed = sorted({result.id for result in run.results if result.verdict is Verdict.FAIL and not result.expected})
    warned = {result.id for result in run.results if result.verdict is Verdict.WARN and not result.expected}
    if failed:
        return tag("span", _many(len(failed), "rule is", "rules are"), " broken: ", ", ".join(failed), class_="bad")
    if run.headline or not any(result.verdict is Verdict.PASS for result in run.results):
        return tag("span", "It could not be judged", class_="bad")
    if run.news:
        return tag("span", "It differs from the baseline", class_="bad")
    if warned:
        return f"No rule that binds is broken; {_many(len(warned), 'warning', 'warnings')}"
    return tag("span", "No rule is broken", class_="good")


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _matrix(targets: Sequence[_Target]) -> Html:
    """The findings of an endpoint and of its hops, or of several files: where each of them is."""
    found = [result for target in targets for result in findings(target.report)]
    found.sort(key=lambda result: (bool(result.expected), _ORDER.index(result.verdict)))
    by_target = [(target, {result.id: result for result in target.report.results}) for target in targets]
    rows = [
        (tag("code", check), *(_cell(target, results.get(check)) for target, results in by_target))
        for check in dict.fromkeys(result.id for result in found)
    ]
    return table("What was found where", ("Check", *(target.name for target in targets)), rows)


def _cell(target: _Target, result: Result | None) -> Content:
    if result is None:  # of a hop, what was found before it is left out
        return "as before it" if target.before is not None else "not judged"
    if result.findings:
        label = f"{result.verdict}, {result.id}, {target.name}"
        return tag("a", badge(result.verdict), href=f"#{name_of(target.number, result.id)}", aria_label=label)
    return badge(result.verdict)


def _report(target: _Target) -> Html:
    """All about one target."""
    report, number, name, before = target
    found = findings(report)
    shown = [finding(report, result, number, before) for result in found]
    return tag(
        "section",
        tag("h2", name if name == report.target else f"{name}: {report.target}", id=f"target-{number}"),
        tag("p", report.run.headline, class_="panel stopped") if report.run.headline else None,
        _about(report),
        tag("ul", [tag("li", note) for note in report.notes]) if report.notes else None,
        _news(report.run.news),
        _contents(found, number) if len(found) > 1 else None,
        tag("h3", "Findings", id="findings" if number == 0 else None),
        shown or tag("p", _nothing(report)),
        _unjudged(report),
        _passed(report),
        aria_labelledby=f"target-{number}",
    )


def _nothing(report: Report) -> str:
    return "Nothing was found" + (" in what could be judged." if Verdict.INCONCLUSIVE in report.summary else ".")


def _about(report: Report) -> Html:
    about = report.about
    counts = [tag("li", badge(each), report.summary[each]) for each in _ORDER if each in report.summary]
    rows: list[tuple[str, Content]] = [("Checks", tag("ul", counts, class_="counts"))]
    if about is not None:
        spoken = " and ".join(map(" over ".join, zip(about.dialects, about.transports, strict=True)))
        rows += [
            ("Asked", f"{spoken}, model {about.model or 'not named'}"),
            ("When", f"{about.date}, {about.seconds:.1f} s"),
            ("Cost", about.cost),
        ]
    return tag("dl", [(tag("dt", title), tag("dd", said)) for title, said in rows])


def _news(news: Sequence[str] | None) -> Html | None:
    if news is None:
        return None
    if not news:
        return tag("p", "It is as the baseline expects.", class_="good")
    return join(
        tag("h3", "What differs from the baseline"), tag("ul", [tag("li", line) for line in news], class_="bad")
    )


def _contents(found: Sequence[Result], number: int) -> Html:
    """The findings in short, each with the way to it."""
    rows = [
        (tag("a", tag("code", result.id), href=f"#{name_of(number, result.id)}"), _told(result), result.message)
        for result in found
    ]
    return tag(
        "nav", table("The findings in short", ("Check", "Verdict", "What was found"), rows), aria_label="Findings"
    )


def _told(result: Result) -> Html:
    return join(badge(result.verdict), " expected" if result.expected else None)


def _unjudged(report: Report) -> Html:
    """What was left open, and what does not apply, each by its reason."""
    return join(
        _reasons("What could not be judged", unjudged(report, Verdict.INCONCLUSIVE), is_open=True),
        _reasons("What does not apply here", unjudged(report, Verdict.NOT_APPLICABLE), is_open=False),
    )


def _reasons(title: str, reasons: Mapping[str, Sequence[str]], *, is_open: bool) -> Html | None:
    if not reasons:
        return None
    count = sum(map(len, reasons.values()))
    rows = [(reason, _ids(ids)) for reason, ids in reasons.items()]
    return _folded(title, count, table(title, ("Why", "Checks"), rows, has_title=True), is_open=is_open)


def _passed(report: Report) -> Html | None:
    rows = [(tag("code", result.id), result.says) for result in report.results if result.verdict is Verdict.PASS]
    shown = table("What is sound", ("Check", "The rule"), rows, has_title=True)
    return _folded("What is sound", len(rows), shown, is_open=False) if rows else None


def _folded(title: str, count: int, content: Content, *, is_open: bool) -> Html:
    return tag("details", tag("summary", f"{title} ({count})"), content, open=is_open)


def _ids(ids: Iterable[str]) -> Html:
    return join(list(_spaced(ids)))


def _spaced(ids: Iterable[str]) -> Iterator[Content]:
    for number, check in enumerate(ids):
        yield ", " if number else None
        yield tag("code", check)
