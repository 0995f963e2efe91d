"""How the work of something grows with its input: the shape of the curve, not a speed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any

import tokenwire
import tokenwire_conformance

#: Where the library and the suite stand.
PACKAGES = tuple(str(Path(str(package.__file__)).parent) for package in (tokenwire, tokenwire_conformance))


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


def steps(work: Callable[[int], object], size: int) -> int:
    """How many lines of tokenwire and of its suite an input of that size makes run, each as often as it does. It
    depends on no clock."""
    count = 0

    def in_tokenwire(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += 1
        return in_tokenwire

    def anywhere(frame: FrameType, event: str, arg: Any) -> Any:
        return in_tokenwire(frame, event, arg) if frame.f_code.co_filename.startswith(PACKAGES) else None

    before = sys.gettrace()
    sys.settrace(anywhere)
    try:
        work(size)
    finally:
        sys.settrace(before)
    return count
