"""The second half of the kill matrix: what is nearly a fault and none, on which the checks stay silent."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from mutants import mutated, source_of

from tokenwire.endpoint import Seams
from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.matrix import verdict_on
from tokenwire_conformance.misses import NEAR_MISSES, NearMiss, all_near_misses

CHECKS = [check.id for check in select()]
MISSES = list(all_near_misses())
TRIPPED = ("FAIL", "WARN", "INFO")


def test_every_check_has_a_near_miss() -> None:
    assert sorted(MISSES) == sorted(CHECKS)


@pytest.mark.parametrize("check", MISSES)
def test_a_near_miss_is_one_of_a_fault_that_trips_the_check(check: str) -> None:
    assert check in NEAR_MISSES[check].fault.trips


@pytest.mark.parametrize("check", MISSES)
def test_an_undone_condition_is_another_and_not_the_same_with_a_case_more(check: str) -> None:
    undo = NEAR_MISSES[check].undo
    whole = undo.condition.strip().rstrip(":])")
    assert not re.search(re.escape(whole) + r"\)* (or|and) ", undo.undone), "it would say so of any transcript"


@pytest.mark.parametrize("check", MISSES)
def test_the_check_judges_its_near_miss_and_stays_silent(check: str) -> None:
    assert verdict_on(NEAR_MISSES[check]) == "PASS"


@pytest.mark.parametrize("check", MISSES)
def test_without_the_condition_the_check_trips_over_the_near_miss_too_and_not_over_the_clean_endpoint(
    check: str,
) -> None:
    miss = NEAR_MISSES[check]
    assert source_of(miss.undo)[1].count(miss.undo.condition) == 1, "the condition is written otherwise by now"
    with mutated(miss.undo) as matrix:
        assert matrix.verdict_on(miss, miss.fault.origin or Seams) in ("PASS", "NOT-APPLICABLE")
        assert matrix.verdict_on(miss) in TRIPPED
        assert _trips_over_its_fault(matrix, miss), "what is left is not the check without a distinction"


def _trips_over_its_fault(matrix: ModuleType, miss: NearMiss) -> bool:
    """By the probes in which the near miss is seen, or else by all."""
    fault = miss.fault
    return any(
        miss.check
        in matrix.tripped(
            matrix.examine(
                fault.seams, fault.dialect, [miss.check], fault.transport, asked, origin=fault.origin, many=fault.many
            )
        )
        for asked in (miss.probes, ())
    )
