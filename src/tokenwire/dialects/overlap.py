"""Where a resumed stream meets what had arrived: which of its first messages came before, and whether some are missing.

In: the events that had arrived, then the messages of the new connection. Out: for each whether it is new, and `Other`
events that tell of what was found: "tokenwire.duplicate", a message that had arrived and is dropped, and
"tokenwire.gap", where messages are missing, its `raw` a JSON object with the cursors on both sides.

A message is known by its cursor. The last cursors that arrived are known, and the first: a server that sends it again
has begun anew, and everything is old until the last cursor comes by. Where several messages share a cursor, as
server-sent events do that come without an id of their own, those after the first are known by their data, in order. A
gap shows where cursors are numbers that rise by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from .dialect import Message
from .events import Other, StreamEvent
from .values import json_text

__all__ = ["Overlap", "gap"]


class Overlap:
    """Looks at the messages of one resumed connection, until the first that is new.

    :param events: what had arrived, or the last of it.
    :param cursor: from which the server was asked to go on.
    :param first: the first cursor that had arrived.
    :param cursor_of: gives the cursor of a message, empty for none.
    :param snapshot: what was missed does not come again, so the first message is on the other side of a gap.
    """

    def __init__(
        self,
        events: Sequence[StreamEvent],
        cursor: str,
        cursor_of: Callable[[Message], str],
        *,
        first: str = "",
        snapshot: bool = False,
    ) -> None:
        #: A message was new: what follows is, too.
        self.over: bool = False
        self._cursor = cursor
        self._cursor_of = cursor_of
        self._seen = {event.cursor for event in events if event.cursor is not None}
        messages = _last_messages(events, cursor)
        self._own = len(messages) == 1  # the last message had its cursor for itself, so others have theirs
        self._after = deque(messages[1:])
        self._counts = _rises_by_one(events)
        self._first = first
        self._from_the_start = False  # the server sends again what it sent first
        self._snapshot = snapshot

    def look(self, message: Message) -> tuple[bool, list[StreamEvent]]:
        """Whether the message is new, and what is to be told of it."""
        cursor = self._cursor_of(message)
        if self._snapshot:
            self.over = True
            return True, [gap(self._cursor, cursor)]
        if cursor == self._cursor:
            self._from_the_start = False
        elif cursor and cursor == self._first:
            self._from_the_start = True
        if cursor == self._cursor or (not cursor and not self._from_the_start):
            return self._look_at_data(message, cursor)
        if self._from_the_start or cursor in self._seen or (self._counts and _number(cursor) < _number(self._cursor)):
            return False, [_duplicate(message, cursor)]
        self.over = True
        missing = self._counts and _number(cursor) > _number(self._cursor) + 1
        return True, [gap(self._cursor, cursor)] if missing else []

    def _look_at_data(self, message: Message, cursor: str) -> tuple[bool, list[StreamEvent]]:
        """It has the cursor of the last message, or none."""
        if cursor and self._own:
            return False, [_duplicate(message, cursor)]
        if self._after and self._after[0] == message.data:
            self._after.popleft()
            return False, [_duplicate(message, cursor)]
        return True, []


def gap(after: str, before: str) -> Other:
    """Tells that something is missing between two cursors; empty where one is not known."""
    return Other("tokenwire.gap", json_text({"after": after, "before": before}), before or None)


def _duplicate(message: Message, cursor: str) -> Other:
    return Other("tokenwire.duplicate", message.data, cursor or None)


def _last_messages(events: Sequence[StreamEvent], cursor: str) -> list[str]:
    """The messages that had arrived with the last cursor; the first of them brought it."""
    raws: list[str] = []
    for event in reversed(events):
        if event.cursor != cursor:
            break
        if not raws or raws[-1] is not event.raw:
            raws.append(event.raw)
    return raws[::-1]


def _rises_by_one(events: Sequence[StreamEvent]) -> bool:
    """Whether the last two cursors are numbers, one after the other."""
    cursors: list[str] = []
    for event in reversed(events):
        if event.cursor is not None and event.cursor not in cursors:
            cursors.append(event.cursor)
        if len(cursors) == 2:
            return _number(cursors[0]) == _number(cursors[1]) + 1 > 0
    return False


def _number(cursor: str) -> int:
    """The number that a cursor is; far below all where it is none."""
    return int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 20 else -(10**20)
