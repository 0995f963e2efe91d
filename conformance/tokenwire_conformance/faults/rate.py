"""Faults that show now and then: in every fourth answer, so that both of what many questions ask are met."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from tokenwire.endpoint import Call, Exchange, Reply, Seams

from .fault import fault
from .hop import cut_off

#: How many questions are asked, to show them.
MANY = 12

_EACH = 4

rate_fault = partial(fault, many=MANY)


def now_and_then(made: Callable[[], Seams], first: int = 0, each: int = _EACH) -> Callable[[], Seams]:
    """Every fourth connection has these seams, or every `each`th, beginning with the one of this number."""
    numbers = count()

    def seams() -> Seams:
        return made() if next(numbers) % MANY % each == first else Seams()

    return seams


class _Resets(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return Exchange([], "reset")


class _Limits(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return Reply(429, [("Content-Type", "application/json")], b'{"error": {"message": "Too many requests."}}')


class _Cuts(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return cut_off(exchange)


class _LeavesOutDone(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return blocks[:-3]


class _SaysNothing(Seams):
    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [chunks[0], chunks[-1]]


class _Fails(Seams):
    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        failed = {"error": {"message": "The engine is overloaded.", "type": "overloaded_error", "code": "overloaded"}}
        return [*chunks[:3], failed]


class BreaksArguments(Seams):
    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [chunk for chunk in chunks if '"}' not in str(_arguments(chunk))]


def _arguments(chunk: dict[str, Any]) -> list[str]:
    calls = [call for choice in chunk.get("choices", []) for call in choice["delta"].get("tool_calls", [])]
    return [call["function"].get("arguments", "") for call in calls]


class _Mixed(Seams):
    """Says what it said to somebody else."""

    last: list[bytes] = []  # noqa: RUF012 - it is shared: that is the fault

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        earlier = _Mixed.last or blocks
        _Mixed.last = blocks
        return earlier


rate_fault("now-and-then-a-reset", trips="rate.answered")(now_and_then(_Resets))
rate_fault("now-and-then-a-limit", trips="rate.answered")(now_and_then(_Limits))
rate_fault("now-and-then-a-cut", trips="rate.whole")(now_and_then(_Cuts))
rate_fault("now-and-then-no-end", trips="rate.whole")(now_and_then(_LeavesOutDone))
rate_fault("now-and-then-nothing", trips="rate.not-empty")(now_and_then(_SaysNothing))
rate_fault("now-and-then-an-error", trips="rate.no-error-inside")(now_and_then(_Fails))
rate_fault("now-and-then-half-a-call", trips="rate.tools")(now_and_then(BreaksArguments, 3))
rate_fault("now-and-then-another-stream", trips="rate.not-mixed")(now_and_then(_Mixed))
