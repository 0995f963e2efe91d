"""The last events of a stream: few, and not large, however long the stream is."""

from __future__ import annotations

from .events import StreamEvent

__all__ = ["MAX_LATEST", "MAX_LATEST_SIZE", "Latest", "are_many"]

#: Events that are kept: a resumed stream begins among the last that had arrived.
MAX_LATEST = 64

#: Characters of their messages together, but for the last event: tokens have some hundred each.
MAX_LATEST_SIZE = 256 * 1024

#: Characters of a message that is large: of fewer, so many events as are kept are not too large together.
_LARGE = MAX_LATEST_SIZE // MAX_LATEST


class Latest:
    """Takes events as they come, at the cost of a list that grows, and drops the old ones now and then."""

    def __init__(self) -> None:
        self._events: list[StreamEvent] = []

    @property
    def events(self) -> list[StreamEvent]:
        """The last events, up to `MAX_LATEST` of them and `MAX_LATEST_SIZE` characters, as a list of the caller's."""
        self._trim()
        return list(self._events)

    def add_all(self, events: list[StreamEvent]) -> None:
        """Takes the next events of the stream."""
        self._events += events[-MAX_LATEST:]
        if are_many(self._events, 2 * MAX_LATEST):
            self._trim()

    def _trim(self) -> None:
        events = self._events
        del events[:-MAX_LATEST]
        size = sum([len(event.raw) for event in events])
        drop = 0
        while size > MAX_LATEST_SIZE and drop < len(events) - 1:
            size -= len(events[drop].raw)
            drop += 1
        del events[:drop]


def are_many(events: list[StreamEvent], limit: int) -> bool:
    """Whether they are as many as the limit, or so large, as far as the last one tells, that they should not wait."""
    count = len(events)
    return count >= limit or (count > 0 and len(events[-1].raw) > _LARGE)
