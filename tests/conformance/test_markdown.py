"""The report for the summary of a CI job: nothing that an endpoint says leaves its place."""

from __future__ import annotations

import re

import pytest

from tokenwire_conformance.judging.judged import Course, Ended, Run
from tokenwire_conformance.judging.verdict import Evidence, Finding, Level, Result, Verdict
from tokenwire_conformance.reports.markdown import as_markdown
from tokenwire_conformance.reports.report import Report

#: What an endpoint may say to leave a cell, a list, a block of code or a folded part, or to name somebody.
HOSTILE = (
    "a | b",
    "`code`",
    "```\n# big\n```",
    "</code></pre></details>",
    "<script>alert(1)</script>",
    "[click](http://evil)",
    "![x](http://evil/x.png)",
    "@somebody #1",
    "http://evil.example www.evil.example",
    "a\n\n| x |\n| - |",
    "*a* _b_ ~~c~~ \\| &lt;",
    "\u202eturned\x1b[31m",
)


def result(verdict: Verdict, message: str = "wrong", expected: str = "", check: str = "sse.json") -> Result:
    evidence = Evidence(message, 3, 0.1, message.encode())
    return Result(
        check, Level.MUST, verdict, message, message, message, message, [Finding(message, evidence)], expected=expected
    )


def cells(document: str) -> list[list[str]]:
    """The rows of the table of findings."""
    return [row.strip("|").split("|") for row in document.splitlines() if row.startswith("| ")][2:]


@pytest.mark.parametrize("said", HOSTILE)
def test_nothing_that_an_endpoint_says_leaves_its_place(said: str) -> None:
    run = Run([result(Verdict.FAIL, said), result(Verdict.INCONCLUSIVE, said)], Course(Ended.GONE, said), [said])
    told, plain = (as_markdown([Report(target, each, notes=[target])]) for target, each in ((said, run), _plain()))
    assert [len(row) for row in cells(told)] == [3]
    shape = re.compile(r"<[^>]*>|^#+ |^- |^\||\|$|\n\n|\*\*|`|\[|!\[|@|://|www\.", re.MULTILINE)
    assert shape.findall(told) == shape.findall(plain)


def _plain() -> tuple[str, Run]:
    run = Run([result(Verdict.FAIL), result(Verdict.INCONCLUSIVE)], Course(Ended.GONE, "stopped"), ["new"])
    return "target", run


def test_the_gravest_stand_first_and_what_is_expected_last() -> None:
    results = [
        result(Verdict.INFO, check="a.info"),
        result(Verdict.FAIL, expected="it is borne", check="a.borne"),
        result(Verdict.WARN, check="a.warn"),
        result(Verdict.PASS, check="a.pass"),
        result(Verdict.FAIL, check="a.fail"),
    ]
    rows = cells(as_markdown([Report("target", Run(results, news=["a.fail is new"]))]))
    assert [row[1].strip(" `") for row in rows] == ["a.fail", "a.warn", "a.info", "a.borne"]
    assert rows[-1][0].strip() == "FAIL (expected)"


def test_where_nothing_was_found_there_is_no_table() -> None:
    document = as_markdown([Report("target", Run([result(Verdict.PASS)]))])
    assert "1 checks: 1 PASS." in document
    assert not cells(document)


def test_of_many_findings_of_one_check_the_first_are_told() -> None:
    found = [Finding(f"wrong {number}") for number in range(9)]
    many = Result("sse.json", Level.MUST, Verdict.FAIL, "wrong", "RFC", "A rule.", findings=found)
    document = as_markdown([Report("target", Run([many]))])
    assert "**wrong 4**" in document
    assert "**wrong 5**" not in document
    assert "And 4 more." in document
