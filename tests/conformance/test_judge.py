"""What becomes of a check's findings, and of what it raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge
from tokenwire_conformance.judging.registry import Check, catalogue
from tokenwire_conformance.judging.verdict import Finding, Inconclusive, Level, NotApplicable


def check(*steps: str | Exception) -> Check:
    """A check that finds these strings and raises these errors, in this order."""

    def run(_: Case) -> Iterator[Finding]:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            yield Finding(step)

    return Check("any.check", Level.MUST, "a clause", "all is well", run)


@pytest.mark.parametrize(
    ("steps", "verdict", "message"),
    [
        ([], "PASS", "all is well"),
        (["broken"], "FAIL", "broken"),
        (["broken", "worse", "broken"], "FAIL", "broken; worse"),
        ([NotApplicable("nothing there")], "NOT-APPLICABLE", "nothing there"),
        ([Inconclusive("no answer")], "INCONCLUSIVE", "no answer"),
        (["broken", Inconclusive("no answer")], "FAIL", "broken"),
        (["broken", NotApplicable("nothing there")], "FAIL", "broken"),
        (["said \x1b[31mé\0\ufffd\x9b"], "FAIL", "said \\x1b[31mé\\x00\ufffd\\x9b"),
        (["broken", KeyError("x")], "HARNESS-ERROR", "the check itself failed: KeyError: 'x'"),
    ],
)
def test_a_verdict(steps: list[str | Exception], verdict: str, message: str) -> None:
    result = judge(Case([]), check(*steps))
    assert (result.verdict, result.message) == (verdict, message)


GONE = {"tools": "the endpoint answered no more"}


@pytest.mark.parametrize(
    ("of", "failures", "verdict", "incomplete"),
    [
        ("chat.tool-index", {}, "NOT-APPLICABLE", False),
        ("chat.tool-index", GONE, "INCONCLUSIVE", True),
        ("sse.retry-digits", GONE, "INCONCLUSIVE", True),
        ("http.chunk-syntax", GONE, "INCONCLUSIVE", True),
        # The answer to that probe could not have had what they judge.
        ("wsh.accept", GONE, "NOT-APPLICABLE", False),
        ("sse.retry-digits", {"preflight": "the endpoint answered no more"}, "NOT-APPLICABLE", False),
        ("gem.alt-sse", {}, "NOT-APPLICABLE", False),
    ],
)
def test_nothing_of_the_kind_is_said_only_of_what_was_read(
    of: str, failures: dict[str, str], verdict: str, incomplete: bool
) -> None:
    result = judge(Case([], failures), catalogue()[of])
    assert (result.verdict, result.incomplete) == (verdict, incomplete)
