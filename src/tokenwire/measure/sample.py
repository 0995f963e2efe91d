"""One request as it was measured: times, counts and sizes, no bytes; and back from the JSON of a report.

Times are seconds since the run began, so that requests can be drawn beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..dialects.dialect import Dialect
from ..errors import TokenwireError
from ..recording import Recording
from .anatomy import Sizes, dissect

__all__ = ["Sample", "Taken", "sample_of"]


@dataclass(frozen=True, slots=True)
class Taken:
    """One request as it went.

    :ivar scheduled: when it should have been made; monotonic seconds, as are the others.
    :ivar started: when it was: the connection was begun.
    :ivar zero: what the times of the recording are counted from.
    :ivar error: why the stream did not end as it should; empty where it did.
    :ivar failure: the exception that says so, if it was one.
    """

    scheduled: float
    started: float
    ended: float
    zero: float
    recording: Recording
    error: str = ""
    failure: TokenwireError | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. `None` where it did not come so far.

    :ivar ended: at the dialect's terminator, or else at the end.
    :ivar sent: the request was out, over WebSocket after the handshake.
    :ivar tokens: when each delta of text, reasoning or arguments came.
    :ivar usage: output tokens as the provider counted them.
    :ivar messages: events of the framing, or WebSocket messages.
    :ivar error: empty where the stream ended as it should.
    """

    scheduled: float
    started: float
    ended: float
    sent: float | None
    first_byte: float | None
    first_event: float | None
    tokens: list[float] = field(default_factory=list)
    usage: int | None = None
    reads: int = 0
    messages: int = 0
    sizes: Sizes = field(default_factory=Sizes)
    error: str = ""

    @property
    def first_token(self) -> float | None:
        return self.tokens[0] if self.tokens else None

    @property
    def count(self) -> int:
        """Tokens that were made: as the provider counts them, or else deltas."""
        return self.usage or len(self.tokens)

    def since_sent(self, moment: float | None) -> float | None:
        """Seconds from the request to that: what the server took."""
        return None if moment is None or self.sent is None else moment - self.sent

    def since_scheduled(self, moment: float | None) -> float | None:
        """Seconds from when the request was due: what a user would have waited."""
        return None if moment is None else moment - self.scheduled

    @property
    def tokens_per_second(self) -> float | None:
        """From the first delta to the last; only where the provider counts, for a delta may be several tokens."""
        took = self.tokens[-1] - self.tokens[0] if self.tokens else 0.0
        return (self.usage - 1) / took if self.usage and took > 0 else None

    def as_json(self) -> dict[str, Any]:
        return {name: _rounded(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Sample:
        """The inverse.

        :raises TypeError: for what is none.
        """
        known = {each.name for each in fields(cls)}
        return cls(**{**{n: v for n, v in value.items() if n in known}, "sizes": Sizes(**value["sizes"])})


def sample_of(taken: Taken, dialect: Dialect, origin: float) -> Sample:
    """What was measured of one request.

    :param origin: when the run began, monotonic seconds.
    """
    anatomy = dissect(taken.recording, dialect)
    shift = taken.zero - origin

    def moment(seconds: float | None) -> float | None:
        return None if seconds is None else seconds + shift

    return Sample(
        scheduled=taken.scheduled - origin,
        started=taken.started - origin,
        ended=taken.ended - origin if anatomy.ended is None else anatomy.ended + shift,
        sent=moment(anatomy.sent),
        first_byte=moment(anatomy.first_byte),
        first_event=moment(anatomy.first_event),
        tokens=[seconds + shift for seconds in anatomy.tokens],
        usage=anatomy.usage,
        reads=anatomy.reads,
        messages=anatomy.messages,
        sizes=anatomy.sizes,
        error=taken.error,
    )


def _rounded(value: Any) -> Any:
    """Microseconds are more than a clock in Python tells."""
    if isinstance(value, float):
        return round(value, 6)
    return [_rounded(each) for each in value] if isinstance(value, list) else value
