"""Percentiles and how far they can be trusted."""

from __future__ import annotations

from random import Random
from statistics import fmean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.measure.figures import bootstrap, gaps, percentile, spread

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60)


@given(NUMBERS)
def test_percentiles_are_those_of_the_standard_library(numbers: list[float]) -> None:
    theirs = quantiles(numbers, n=100, method="inclusive")
    for percent in (1, 25, 50, 75, 95, 99):
        assert percentile(sorted(numbers), percent) == pytest.approx(theirs[percent - 1], abs=1e-6)
    assert percentile(sorted(numbers), 0) == min(numbers)
    assert percentile(sorted(numbers), 100) == max(numbers)


def test_gaps_are_from_each_to_the_next() -> None:
    assert gaps([1.0, 3.0, 3.5]) == [2.0, 0.5]
    assert gaps([1.0]) == gaps([]) == []


@given(st.lists(st.lists(st.floats(-1e3, 1e3), max_size=5), min_size=1, max_size=8).filter(any))
def test_an_interval_holds_only_what_was_there_and_is_always_the_same(groups: list[list[float]]) -> None:
    figure = bootstrap(groups, fmean)
    numbers = [number for group in groups for number in group]
    assert figure.of == len(numbers)
    assert figure.value == pytest.approx(fmean(sorted(numbers)))
    assert min(numbers) - 1e-9 <= figure.low <= figure.high <= max(numbers) + 1e-9
    assert bootstrap(groups, fmean) == figure


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    source = Random(11)
    held = 0
    for _ in range(200):
        figure = bootstrap([[source.gauss(10.0, 2.0)] for _ in range(40)], fmean)
        held += figure.low <= 10.0 <= figure.high
    assert 180 <= held <= 198


def test_numbers_of_one_stream_are_not_taken_for_many_witnesses() -> None:
    """Ten streams that each have a pace of their own: a thousand gaps do not make it a thousand times surer."""
    source = Random(12)
    groups = [[source.gauss(pace, 0.001) for _ in range(100)] for pace in range(10)]
    together = bootstrap(groups, fmean)
    apart = bootstrap([[number] for group in groups for number in group], fmean)
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_a_spread_of_nothing_is_none() -> None:
    assert spread([[], []]) is None
    found = spread([[3.0, 1.0], [2.0]])
    assert found is not None
    assert (found.p50.value, found.largest, found.p50.of) == (2.0, 3.0, 3)
