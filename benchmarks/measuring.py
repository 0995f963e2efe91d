"""What is measured, and how: contenders on the same bytes, each first shown to read the same in them.

A case is a workload with those who are measured on it. A contender is prepared once: it imports what it needs and
gives a function that reads one stream, handing on the items as they come to whoever takes them, who drops them. So
nobody pays for keeping what others drop. Times are of the processor, and in microseconds an item.
"""

from __future__ import annotations

import gc
import statistics
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from math import comb, inf
from typing import Any

__all__ = ["Case", "Contender", "Input", "Run", "Take", "Timing", "check", "drop", "measure", "ratio"]

Take = Callable[[Iterable[Any]], object]
Run = Callable[[Sequence[Any], Take], object]

#: Takes items and drops them: what costs least of all that can be done with them.
drop: Take = deque[Any](maxlen=0).extend

#: Seconds that one round of one contender takes at least: a hundred thousand times what the clock resolves.
MIN_ROUND = 0.01


@dataclass(frozen=True)
class Input:
    """What contenders are given.

    :ivar reads: the bytes, as they come from a socket.
    :ivar expected: what they hold, item by item.
    :ivar payloads: the messages without their framing, for those that only parse.
    """

    reads: Sequence[Any]
    expected: Sequence[Any]
    payloads: Sequence[bytes] = ()


@dataclass(frozen=True)
class Contender:
    """Somebody who reads a stream.

    :ivar prepare: imports what is needed, and gives the function that reads one stream; ImportError where it is not
        installed.
    :ivar shown: an item as it is compared; None for one that is not. Where there is no such function, the contender is
        a floor: no parser, but something that every parser must do as well.
    :ivar parses_only: it is given the payloads.
    """

    name: str
    prepare: Callable[[], Run]
    shown: Callable[[Any], Any] | None = None
    parses_only: bool = False

    def input_of(self, case: Case) -> Sequence[Any]:
        return case.input.payloads if self.parses_only else case.input.reads


@dataclass(frozen=True)
class Case:
    """A workload, made when it is asked for, and those who are measured on it."""

    name: str
    make: Callable[[], Input]
    contenders: Sequence[Contender]

    @property
    def input(self) -> Input:
        return _made(self.make)

    @property
    def items(self) -> int:
        return len(self.input.expected)


@lru_cache(maxsize=1)
def _made(make: Callable[[], Input]) -> Input:
    """The input of the case that is measured, and of no other: all of them would fill the memory."""
    return make()


@dataclass
class Timing:
    """Microseconds an item, round by round."""

    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """How far the middle half of the rounds lies apart, as a share of their median."""
        return _spread(self.rounds)


def check(case: Case, contender: Contender, run: Run) -> None:
    """A contender that reads something else is not measured: it would be compared with what it is not.

    :raises AssertionError: with the first difference.
    """
    items: list[Any] = []
    run(contender.input_of(case), items.extend)
    if contender.shown is None:
        return
    shown = [value for value in map(contender.shown, items) if value is not None]
    for place, (got, expected) in enumerate(zip(shown, case.input.expected, strict=False)):
        assert got == expected, f"{contender.name}, item {place}: {got!r:.300} instead of {expected!r:.300}"
    assert len(shown) == case.items, f"{contender.name}: {len(shown)} items instead of {case.items}"


def measure(case: Case, rounds: int) -> tuple[dict[str, Timing], list[str]]:
    """Times the contenders side by side: in each round every one of them, beginning with another each time.

    Also gives the names of the packages that are not installed.
    """
    runs: dict[str, Callable[[], object]] = {}
    missing = []
    for contender in case.contenders:
        try:
            run = contender.prepare()
        except ImportError as error:
            missing.append(error.name or contender.name)
            continue
        check(case, contender, run)
        runs[contender.name] = _bound(run, contender.input_of(case))
    loops = {name: _loops(run) for name, run in runs.items()}
    timings = {name: Timing() for name in runs}
    order = list(runs)
    # What was there before is not the contenders' garbage.
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        first = number % len(order)
        for name in order[first:] + order[:first]:
            gc.collect()
            timings[name].rounds.append(_time(runs[name], loops[name]) / case.items * 1e6)
    gc.unfreeze()
    return timings, missing


@dataclass(frozen=True)
class Ratio:
    """The one as a share of the other: the median of the rounds, and where that lies with a certainty of 95 %."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """How wide that is, as a share of the median."""
        return (self.high - self.low) / self.median


def ratio(ours: Timing, theirs: Timing, floor: Timing | None = None) -> Ratio:
    """Round by round, for a disturbance lasts longer than one; of what stands above a floor, if one is given."""
    bare = floor.rounds if floor is not None else [0.0] * len(ours.rounds)
    rounds = zip(ours.rounds, theirs.rounds, bare, strict=True)
    ratios = sorted((a - c) / (b - c) if b > c else inf for a, b, c in rounds)
    outside = _outside(len(ratios))
    return Ratio(statistics.median(ratios), ratios[outside], ratios[-1 - outside])


def _outside(rounds: int) -> int:
    """How many rounds on either side do not belong to the interval of the median: each of them lies above or below the
    true one as a coin falls. Fewer than six give no such certainty; then it is all of them."""
    below = list(accumulate(comb(rounds, place) / 2**rounds for place in range(rounds + 1)))
    return max(0, bisect_right(below, 0.025) - 1)


def _bound(run: Run, data: Sequence[Any]) -> Callable[[], object]:
    return lambda: run(data, drop)


def _loops(run: Callable[[], object]) -> int:
    run()
    once = max(_time(run, 1), 1e-6)  # some clocks are too coarse to see it
    return max(1, round(MIN_ROUND / once))


def _time(run: Callable[[], object], loops: int) -> float:
    """Seconds of the processor that one run takes."""
    start = time.process_time()
    for _ in range(loops):
        run()
    return (time.process_time() - start) / loops


def _spread(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / statistics.median(values)
