"""A report as JUnit XML, for CI servers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tokenwire.secrecy import harmless

from ..judging.verdict import Result, Verdict
from .report import Report, in_full

__all__ = ["as_junit"]

#: Characters that XML 1.0 does not have, beside controls.
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


def as_junit(reports: Sequence[Report]) -> str:
    """JUnit XML: a suite a target, a case a check. A case takes as long as the exchanges took by which it was judged.

    What stood in the way of the run is an error of its own: a CI server must not take a run that judged nothing for one
    that found nothing. JUnit knows no warnings, and CI servers hide the output of what has passed: WARN and INFO are
    skipped cases, whose message they show.
    """
    from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

    document = JUnitXml("tokenwire")
    for report in reports:
        suite = TestSuite(_printable(report.target))
        if report.run.headline:
            stopped = TestCase("run", "tokenwire")
            stopped.result = [Error(_printable(report.run.headline))]
            suite.add_testcase(stopped)
        for line in report.run.news or ():
            differing = TestCase("baseline", "tokenwire")
            differing.result = [Failure(_printable(line))]
            suite.add_testcase(differing)
        for result in report.results:
            case = TestCase(
                result.id, f"tokenwire.{result.id.partition('.')[0]}", round(report.took.get(result.id, 0.0), 3)
            )
            _fill(case, report, result)
            suite.add_testcase(case)
        _name(suite, report)
        document.add_testsuite(suite)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode()


def _name(suite: Any, report: Report) -> None:
    """What was judged, when, and how long it took."""
    about = report.about
    if about is not None:
        suite.timestamp = about.date
        suite.time = round(about.seconds, 3)
        for name, value in about.as_json().items():
            suite.add_property(name, _printable(", ".join(value) if isinstance(value, list) else str(value)))


def _fill(case: Any, report: Report, result: Result) -> None:
    from junitparser import Error, Failure, Skipped

    message, details = _printable(result.message), _printable("\n".join(in_full(report, result)))
    match result.verdict:
        case _ if result.expected:
            case.result = [Skipped(f"expected: {_printable(result.expected)}", result.verdict.value)]
        case Verdict.FAIL:
            case.result = [Failure(message, result.level.value)]
        case Verdict.HARNESS_ERROR:
            case.result = [Error(message)]
        case Verdict.PASS:
            case.system_out = details
        case _:
            case.result = [Skipped(f"{result.verdict}: {message}", result.verdict.value)]
    for outcome in case.result:
        outcome.text = details
    if result.verdict in (Verdict.WARN, Verdict.INFO):
        case.system_out = f"{result.verdict}: {message}\n{details}"


def _printable(text: str) -> str:
    """What may stand in XML 1.0, and misleads nobody."""
    return _NO_XML.sub("?", harmless(text)).replace("\ufffd", "?")
