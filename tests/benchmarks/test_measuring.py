"""How the benchmarks measure: nobody is timed who reads something else, and what is not installed is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from measuring import Case, Contender, Input, Run, Take, Timing, check, measure, ratio


def counting(pieces: Sequence[Any], take: Take) -> None:
    take(len(piece) for piece in pieces)


def prepare() -> Run:
    return counting


def not_installed() -> Run:
    raise ModuleNotFoundError("No module named 'absent'", name="absent")


def case(*contenders: Contender, expected: Sequence[int] = (3, 2)) -> Case:
    return Case("sizes", lambda: Input([b"abc", b"de"], expected, [b"x"]), contenders)


RIGHT = Contender("right", prepare, int)


def test_a_contender_that_reads_the_same_is_accepted() -> None:
    check(case(RIGHT), RIGHT, counting)


@pytest.mark.parametrize(
    ("expected", "message"), [((3, 9), "right, item 1: 2 instead of 9"), ((3,), "2 items instead of 1")]
)
def test_a_contender_that_reads_something_else_is_refused(expected: Sequence[int], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(case(RIGHT, expected=expected), RIGHT, counting)


def test_what_is_not_shown_is_not_compared() -> None:
    odd = Contender("odd", prepare, lambda size: size if size % 2 else None)
    check(case(odd, expected=(3,)), odd, counting)


def test_who_only_parses_is_given_the_payloads() -> None:
    parser = Contender("parser", prepare, int, parses_only=True)
    check(case(parser, expected=(1,)), parser, counting)


def test_all_take_their_turn_in_every_round_and_who_is_missing_is_named() -> None:
    floor = Contender("floor", prepare)
    timings, missing = measure(case(RIGHT, floor, Contender("absent", not_installed)), 3)
    assert missing == ["absent"]
    assert {name: len(timing.rounds) for name, timing in timings.items()} == {"right": 3, "floor": 3}
    assert all(taken >= 0 for timing in timings.values() for taken in timing.rounds)


def test_a_case_with_a_wrong_reader_is_not_measured() -> None:
    with pytest.raises(AssertionError):
        measure(case(RIGHT, expected=(0, 0)), 1)


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that slows down for both does not change what one costs beside the other."""
    share = ratio(Timing([1.0, 10.0, 3.0]), Timing([2.0, 20.0, 6.0]))
    assert (share.median, share.low, share.high, share.spread) == (0.5, 0.5, 0.5, 0.0)


# Of so many rounds, how many lie outside of the interval at either end: the tables of the sign test have it one higher.
@pytest.mark.parametrize(("rounds", "outside"), [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (15, 3), (25, 7)])
def test_the_interval_of_a_median(rounds: int, outside: int) -> None:
    share = ratio(Timing([float(number) for number in range(1, rounds + 1)]), Timing([1.0] * rounds))
    assert (share.low, share.high) == (1 + outside, rounds - outside)


def test_the_spread_is_that_of_the_middle_half() -> None:
    assert Timing([1.0, 1.0, 1.0, 1.0, 100.0]).spread == 0.0
    assert Timing([1.0, 2.0, 3.0, 4.0, 5.0]).spread == pytest.approx(2 / 3)
    assert Timing([1.0]).spread == 0.0


def test_a_ratio_above_a_floor_is_that_of_what_stands_above_it() -> None:
    ours, theirs, floor = Timing([3.0] * 9), Timing([10.0] * 9), Timing([2.0] * 9)
    assert ratio(ours, theirs, floor).median == pytest.approx(1 / 8)


def test_who_stands_no_higher_than_the_floor_cannot_be_beaten() -> None:
    assert ratio(Timing([3.0] * 9), Timing([2.0] * 9), Timing([2.0] * 9)).median == math.inf
