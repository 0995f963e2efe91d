"""A report as JUnit XML, for CI servers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tokenwire.secrecy import harmless

from ..judging.verdict import Result, Verdict
from .report import Report, place

__all__ = ["as_junit"]

#: Characters that XML 1.0 does not have, beside controls.
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


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

    details = "\n".join([result.clause, *(place(evidence) for evidence in result.evidence)])
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
