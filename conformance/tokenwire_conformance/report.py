"""Results as a person, a program and a CI server read them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenwire._version import __version__
from tokenwire.secrecy import escaped, harmless

from .verdict import Evidence, Result, Verdict, exit_code

__all__ = ["Report", "as_json", "as_junit", "as_text"]

#: Verdicts that the text shows one by one, the gravest first.
_SHOWN = (Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.WARN, Verdict.INFO, Verdict.INCONCLUSIVE)

_STYLES = {
    Verdict.FAIL: "bold red",
    Verdict.HARNESS_ERROR: "bold magenta",
    Verdict.WARN: "yellow",
    Verdict.INFO: "cyan",
    Verdict.INCONCLUSIVE: "dim",
    Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
}

#: Characters that XML 1.0 does not have, beside controls.
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")

#: Characters of evidence on a line of text.
_EXCERPT = 100


@dataclass(frozen=True, slots=True)
class Report:
    """The results for one target: an endpoint, or a file."""

    target: str
    results: Sequence[Result]

    @property
    def summary(self) -> dict[str, int]:
        return summary(self.results)


def summary(results: Sequence[Result]) -> dict[str, int]:
    """How many of each verdict, in the order of their declaration."""
    counts = Counter(result.verdict for result in results)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


def as_json(reports: Sequence[Report]) -> str:
    """One object for all. Where there are several targets, each result says in `target` which one it is of."""
    results: list[Mapping[str, Any]] = [
        {**result.as_json(), **({"target": report.target} if len(reports) > 1 else {})}
        for report in reports
        for result in report.results
    ]
    everything = [result for report in reports for result in report.results]
    document = {
        "tool": {"name": "tokenwire", "version": __version__},
        "target": ", ".join(report.target for report in reports),
        "results": results,
        "summary": summary(everything),
        "exit_code": exit_code(everything),
    }
    return escaped(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def as_junit(reports: Sequence[Report]) -> str:
    """JUnit XML: a suite a target, a case a check. WARN and INFO are output of a passed case."""
    from junitparser import JUnitXml, TestCase, TestSuite

    document = JUnitXml("tokenwire")
    for report in reports:
        suite = TestSuite(_printable(report.target))
        for result in report.results:
            case = TestCase(result.id, f"tokenwire.{result.id.partition('.')[0]}")
            _fill(case, result)
            suite.add_testcase(case)
        document.add_testsuite(suite)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode()


def _fill(case: Any, result: Result) -> None:
    from junitparser import Error, Failure, Skipped

    details = "\n".join([result.clause, *(_place(evidence) for evidence in result.evidence)])
    match result.verdict:
        case Verdict.FAIL:
            case.result = [Failure(_printable(result.message), result.level.value)]
        case Verdict.HARNESS_ERROR:
            case.result = [Error(_printable(result.message))]
        case Verdict.NOT_APPLICABLE | Verdict.INCONCLUSIVE:
            case.result = [Skipped(_printable(f"{result.verdict}: {result.message}"))]
        case Verdict.WARN | Verdict.INFO:
            case.system_out = _printable(f"{result.verdict}: {result.message}\n{details}")
    for outcome in case.result:
        outcome.text = _printable(details)


def _printable(text: str) -> str:
    """What may stand in XML 1.0, and misleads nobody."""
    return _NO_XML.sub("?", harmless(text)).replace("\ufffd", "?")


def as_text(report: Report) -> list[tuple[str, str]]:
    """Lines with their styles, which `Screen` knows: every finding with its words, clause and bytes, then the count."""
    lines: list[tuple[str, str]] = [(report.target, "bold"), ("", "")]
    for verdict in _SHOWN:
        for result in report.results:
            if result.verdict is verdict:
                lines += _finding(result)
    passed = [result for result in report.results if result.verdict is Verdict.PASS]
    skipped = [result for result in report.results if result.verdict is Verdict.NOT_APPLICABLE]
    lines += _reasons(skipped)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.summary.items())
    style = "bold green" if len(passed) + len(skipped) == len(report.results) and passed else "bold"
    return [*lines, (f"{len(report.results)} checks: {counts or 'nothing was judged'}", style)]


def _finding(result: Result) -> list[tuple[str, str]]:
    lines = [(f"{result.verdict.value:<13} {result.id}: {result.message}", _STYLES[result.verdict])]
    if result.verdict is Verdict.INCONCLUSIVE:
        return lines
    lines.append((f"              {result.level.value}: {result.says} [{result.clause}]", ""))
    if result.breaks:
        lines.append((f"              Who is hurt: {result.breaks}", ""))
    lines += [(f"              {_place(evidence)}", "dim") for evidence in result.evidence]
    return [*lines, ("", "")]


def _place(evidence: Evidence) -> str:
    shown = repr(evidence.data.decode("utf-8", "backslashreplace"))[1:-1]
    shown = shown if len(shown) <= _EXCERPT else shown[:_EXCERPT] + "…"
    return f"{evidence.transcript}, byte {evidence.offset}, {evidence.seconds:.3f} s: {shown}"


def _reasons(skipped: Sequence[Result]) -> list[tuple[str, str]]:
    """What was not applicable, by reason."""
    reasons: dict[str, list[str]] = {}
    for result in skipped:
        reasons.setdefault(result.message, []).append(result.id)
    lines = [(f"{'NOT-APPLICABLE':<14} {', '.join(ids)}: {reason}", "dim") for reason, ids in reasons.items()]
    return [*lines, ("", "")] if lines else []
