"""How far a conversation has come. In: the events of each connection. Out: whether they go past the furthest point.

A generation that is asked for again says the same things again, and pays for them again. So the first events of a new
connection prove nothing: what counts is what goes past the furthest point that any generation had reached. An event
counts as many as it has characters of text, reasoning or tool arguments, and at least one. How far an event goes
depends on how its connection began:

    first, restarted     each event counts, from zero
    continued            only text counts, from where the text broke off: the rest is not what was asked for
    resumed              what has a cursor counts, from where the stream broke off: what came twice has been dropped
    resumed by picture   (A2A, a browser's EventSource without ids) what differs from every message that is remembered
                         counts, for nothing else tells what is new
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard

from ..dialects.events import Other, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta

__all__ = ["Progress"]


class Progress:
    """The furthest point of a conversation, and where its present generation stands."""

    def __init__(self) -> None:
        self._furthest = 0
        self._reached = 0
        self._size: Callable[[StreamEvent], int] = _any

    def receive_events(self, events: list[StreamEvent]) -> bool:
        """Whether they go past the furthest point, which is then where they end."""
        self._reached += _texts(events) if self._size is _any and _are_texts(events) else sum(map(self._size, events))
        further = self._reached > self._furthest
        self._furthest = max(self._reached, self._furthest)
        return further

    def restarted(self) -> None:
        """What follows is another generation, from its beginning."""
        self._reached = 0
        self._size = _any

    def continued(self) -> None:
        """What follows is another generation, which goes on with the text."""
        self._size = _text

    def resumed(self) -> None:
        """What follows is the rest of the same generation, each message with its cursor."""
        self._size = _with_cursor

    def resumed_by_picture(self, remembered: Iterable[StreamEvent]) -> None:
        """What follows is the same generation, and nothing tells which of its messages are new.

        :param remembered: the last events, or all.
        """
        known = frozenset(event.raw for event in remembered)
        self._size = lambda event: 0 if event.raw in known else _any(event)


def _are_texts(events: list[StreamEvent]) -> TypeGuard[list[TextDelta]]:
    """Whether all are deltas of text, as nearly all reads are: these are counted without looking at each."""
    return set(map(type, events)) == {TextDelta}


def _texts(deltas: list[TextDelta]) -> int:
    """What `_any` gives for all of them."""
    texts = [delta.text for delta in deltas]
    return sum(map(len, texts)) + texts.count("")


def _any(event: StreamEvent) -> int:
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text) | ToolCallDelta(arguments=text):
            return max(len(text), 1)
        case Other(type="tokenwire.duplicate" | "tokenwire.gap"):
            return 0
        case _:
            return 1


def _text(event: StreamEvent) -> int:
    return len(event.text) if isinstance(event, TextDelta) else 0


def _with_cursor(event: StreamEvent) -> int:
    return _any(event) if event.cursor else 0
