"""Every way in which a parser's input may be cut, for tests that say: the cut makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from hypothesis import strategies as st

__all__ = ["bytewise", "cut_at", "cuts", "every_way", "some_ways"]


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    """The pieces between the places, which may be in any order and may repeat."""
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def every_way(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and cut in two at every place."""
    yield [data]
    yield bytewise(data)
    for place in range(1, len(data)):
        yield [data[:place], data[place:]]


def some_ways(data: bytes, count: int, seed: int = 20) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and cut at random into two and into many, the same each time."""
    random = Random(seed)
    yield [data]
    yield bytewise(data)
    for _ in range(count):
        yield cut_at(data, [random.randrange(len(data) + 1)])
        yield cut_at(data, [random.randrange(len(data) + 1) for _ in range(1 + len(data) // 50)])


#: Places to cut at, for `cut_at`.
cuts = st.lists(st.integers(0, 10_000), max_size=8)
