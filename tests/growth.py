"""How the work of something grows with its input: the shape of the curve, not a speed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from time import process_time
from typing import Any


def growth(work: Callable[[int], object], small: int, large: int) -> float:
    """How many times as long the large input takes as the small one: each the best of three, in time of this process,
    without the collector, whose share depends on what else lives in the process."""
    return _seconds(work, large) / _seconds(work, small)


def _seconds(work: Callable[[int], object], size: int) -> float:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return min(_once(work, size) for _ in range(3))
    finally:
        if was_enabled:
            gc.enable()


def _once(work: Callable[[int], object], size: int) -> float:
    start = process_time()
    work(size)
    return process_time() - start


def lines_run(run: Callable[[], None]) -> int:
    """How many lines of Python it takes."""
    count = 0

    def trace(_: Any, event: str, __: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count
