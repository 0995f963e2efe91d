"""One finding in full: the rule, who is hurt, how it is repaired, and what proves it."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.html.elements import Content, Html, join, tag

from ..checks.repairs import Repair
from ..explaining import explained
from ..judging.verdict import Result
from ..probes.talk import all_probes
from ..reports.report import Report, Told, alike
from .hops import beside
from .wire import exchange, hexadecimal, offset_of, text_of

__all__ = ["badge", "finding", "name_of"]

#: Findings of one check that are shown with their bytes; those of others are named.
SHOWN = 3

#: Where no server is known for it.
_OWN = "In the program that answers: do as the rule says."


def badge(verdict: str) -> Html:
    """A verdict, told by its word and by its colour."""
    return tag("span", verdict, class_=f"verdict {verdict}")


def name_of(number: int, check: str) -> str:
    """By which a finding is linked: of which report, and of which check."""
    return f"r{number}-{check}"


def finding(report: Report, result: Result, number: int, before: Report | None) -> Html:
    """A finding as a part of the page.

    :param number: of the report.
    :param before: of a hop, the report on what stands behind it.
    """
    told = alike(result)
    more = [each.first.counted for each in told[SHOWN:]]
    words = told[0].first.counted if len(told) == 1 else result.message
    name = name_of(number, result.id)
    return tag(
        "article",
        tag("h4", badge(result.verdict), " ", tag("code", result.id), id=name),
        tag("p", f"Expected by the baseline: {result.expected}") if result.expected else None,
        tag("p", tag("strong", words)),
        tag("p", f"Seen in {result.often}") if result.often else None,
        _about(result),
        [_proof(report, each, before, alone=len(told) == 1) for each in told[:SHOWN]],
        tag("details", tag("summary", f"{len(more)} more"), tag("ul", [tag("li", said) for said in more]))
        if more
        else None,
        class_=f"panel {result.verdict}",
        aria_labelledby=name,
    )


def _about(result: Result) -> Html:
    """What the rule is, and what to do."""
    about = explained(result.id)
    rows: list[tuple[str, Content]] = [
        ("The rule", f"{result.says} ({result.level}; {result.clause})"),
        ("Why it matters", [tag("div", reason) for reason in about.why]),
        ("How to repair it", [_repair(repair) for repair in about.repairs] or _OWN),
    ]
    return tag("dl", [(tag("dt", title), tag("dd", said)) for title, said in rows])


def _repair(repair: Repair) -> Html:
    config = tag("pre", tag("code", repair.config)) if repair.config else None
    return tag("div", tag("strong", f"{repair.server}: "), repair.how, config)


def _place(transcript: str) -> Html:
    """What was asked, or which file it is."""
    probe = all_probes().get(transcript)
    if probe is None:
        return tag("code", transcript)
    return join("the answer to the probe ", tag("code", transcript), f" ({probe.about})")


def _proof(report: Report, told: Told, before: Report | None, *, alone: bool) -> Html:
    """:param alone: it is the only one of its check, whose words stand above."""
    return tag("section", None if alone else tag("h5", told.first.counted), list(_proofs(report, told, before)))


def _proofs(report: Report, told: Told, before: Report | None) -> Iterator[Content]:
    evidence, transcript = told.first.evidence, report.transcript(told.first)
    if evidence is None:
        return
    when = "" if evidence.seconds is None else f", read after {evidence.seconds:.3f} s"
    yield tag("p", "In ", _place(evidence.transcript), f", at byte {evidence.offset:,}{when}:")
    if told.also:
        yield tag("p", told.elsewhere)
    yield text_of(evidence)
    if transcript is None:
        return
    again = report.again(told.first)
    if again:
        yield tag("p", "To ask the same again:")
        yield tag("pre", tag("code", again))
    offset = offset_of(transcript, evidence)
    other = before.transcripts.get(transcript.name) if before is not None else None
    if other is not None:
        yield beside(other, transcript, offset)
    else:
        yield exchange(transcript, offset, transcript.ending_time, "The exchange")
    yield tag("details", tag("summary", "The bytes on the wire"), hexadecimal(transcript, offset, evidence))
