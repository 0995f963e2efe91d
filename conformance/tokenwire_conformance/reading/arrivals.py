"""When the parts of a streamed answer came: its head, its bytes, its words, its end.

All times are seconds on the clock of the transcript. The bytes of one read came together, as far as can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .generation import Generation, Step
from .http import Response

__all__ = ["Arrivals"]

#: What came at once: so much of an answer, within so much of the time from the question to the end.
_MOST = 0.9
_AT_ONCE = 0.05

#: Seconds by which two reads of one flush may differ.
_ONE_FLUSH = 0.005


@dataclass(frozen=True)
class Arrivals:
    """When the parts of one answer came. There is a head, and a body that is not empty."""

    generation: Generation

    @property
    def response(self) -> Response:
        return self.generation.response

    @property
    def coded(self) -> bool:
        """A content coding lies between the bytes and the words, so that a word has no place in the bytes."""
        return bool(self.response.header("content-encoding"))

    @cached_property
    def asked(self) -> float:
        """When the question had been sent."""
        transcript, offset = self.response.transcript, self.response.offset
        return transcript.seconds_at(offset) - transcript.delay_of(offset)

    @cached_property
    def head(self) -> float:
        """When the head had come."""
        return self.response.transcript.seconds_at(self.response.head_end - 1)

    @cached_property
    def reads(self) -> list[tuple[float, int]]:
        """The time of each read that brought bytes of the body, and how many those were."""
        return self.response.transcript.reads(*self.response.body_span)

    @property
    def first(self) -> float:
        """When the first byte of the body came."""
        return self.reads[0][0]

    @property
    def last(self) -> float:
        """When the last byte of the body came."""
        return self.reads[-1][0]

    @property
    def took(self) -> float:
        """Seconds from the question to the end."""
        return self.last - self.asked

    @cached_property
    def words(self) -> list[float]:
        """When each message had come that says something. Those of a coded body cannot be told apart."""
        return [] if self.coded else [self._when(at) for at, step in enumerate(self._steps) if step.spoken]

    @property
    def closing(self) -> float:
        """When the last message had come."""
        return self.last if self.coded or not self._steps else self._when(len(self._steps) - 1)

    @property
    def ended(self) -> float | None:
        """When the end of the response was seen; None where it was not."""
        if not self.response.complete:
            return None
        transcript = self.response.transcript
        closed = self.response.delimited == "close"
        return transcript.ending_time if closed else transcript.seconds_at(self.response.end - 1)

    @cached_property
    def bursts(self) -> int:
        """In how many moments the words came."""
        return bool(self.words) + sum(later - earlier > _ONE_FLUSH for earlier, later in pairwise(self.words))

    @property
    def came_at_once(self) -> bool:
        """Nearly all of it came within a moment, compared with the time that was waited for it."""
        weights = self.reads if self.coded else [(seconds, 1) for seconds in self.words]
        return _shortest(weights) < _AT_ONCE * self.took

    @property
    def _steps(self) -> list[Step]:
        return self.generation.steps

    def _when(self, number: int) -> float:
        """When the message of this number had come to its end."""
        following = self._steps[number + 1 : number + 2]
        end = following[0].offset if following else len(self.response.content)
        return self.response.transcript.seconds_at(self.response.wire_offset(end - 1))


def _shortest(weights: list[tuple[float, int]]) -> float:
    """The shortest time within which most of the weight came."""
    wanted = _MOST * sum(weight for _, weight in weights)
    shortest, held, begin = weights[-1][0] - weights[0][0], 0.0, 0
    for seconds, weight in weights:
        held += weight
        while held - weights[begin][1] >= wanted:
            held -= weights[begin][1]
            begin += 1
        if held >= wanted:
            shortest = min(shortest, seconds - weights[begin][0])
    return shortest
