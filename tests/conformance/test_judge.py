"""What becomes of a check's findings, and of what it raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge
from tokenwire_conformance.judging.registry import Check
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
        (["broken", "worse"], "FAIL", "broken (and 1 more)"),
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
