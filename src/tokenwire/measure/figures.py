"""Numbers in, what they add up to out: percentiles, and how far they can be trusted. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from random import Random

__all__ = ["CONFIDENCE", "Figure", "Spread", "bootstrap", "gaps", "percentile", "spread", "time_shown"]

#: The share of confidence intervals that hold what they should.
CONFIDENCE = 0.95

#: Every bootstrap begins here, so that the same numbers always give the same intervals.
SEED = 2505

#: Resamples of a bootstrap, and how many numbers they may hold all together: with many there is less to be doubted.
RESAMPLES = 1000
MAX_RESAMPLED = 2_000_000
MIN_RESAMPLES = 100

Groups = Sequence[Sequence[float]]
Statistic = Callable[[Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the interval in which it lies with `CONFIDENCE`; `of`: how many numbers it was made from."""

    value: float
    low: float
    high: float
    of: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How numbers are spread."""

    p50: Figure
    p95: Figure
    p99: Figure
    largest: float


def percentile(numbers: Sequence[float], percent: float) -> float:
    """The number that so many per cent are not above, between two of them where it falls there.

    :param numbers: in ascending order, at least one.
    """
    place = (len(numbers) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (numbers[above] - numbers[below]) * (place - below)


def gaps(times: Sequence[float]) -> list[float]:
    """From each to the next."""
    return [later - earlier for earlier, later in pairwise(times)]


def time_shown(seconds: float) -> str:
    """A time in the unit that fits its size."""
    size = abs(seconds)
    if size < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if size < 1 else f"{seconds:.2f} s"


def bootstrap(groups: Groups, statistic: Statistic) -> Figure:
    """A statistic of all the numbers in ascending order, and its confidence interval.

    Whole groups are drawn again: the gaps of one stream resemble each other more than those of two, and taken one by
    one they would pretend to say more than they do.

    :param groups: at least one number in all.
    """
    groups = [group for group in groups if group]
    size = sum(map(len, groups))
    random = Random(SEED)  # noqa: S311 - no secret
    count = max(MIN_RESAMPLES, min(RESAMPLES, MAX_RESAMPLED // size))
    drawn = sorted(statistic(sorted(chain.from_iterable(random.choices(groups, k=len(groups))))) for _ in range(count))
    outside = (1 - CONFIDENCE) / 2 * 100
    low, high = percentile(drawn, outside), percentile(drawn, 100 - outside)
    return Figure(statistic(sorted(chain.from_iterable(groups))), low, high, size)


def spread(groups: Groups) -> Spread | None:
    """The percentiles of all the numbers, or None where there is none."""
    numbers = list(chain.from_iterable(groups))
    if not numbers:
        return None
    p50, p95, p99 = (bootstrap(groups, _at(percent)) for percent in (50, 95, 99))
    return Spread(p50, p95, p99, max(numbers))


def _at(percent: float) -> Statistic:
    return lambda numbers: percentile(numbers, percent)
