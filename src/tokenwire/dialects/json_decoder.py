"""What the decoders of JSON dialects have in common: one JSON object a message, blocks, errors, one `End`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..framing.sse import ServerSentEvent
from .blocks import Blocks
from .dialect import Message, is_done
from .events import End, Error, Finish, FinishReason, Other, StreamEvent
from .odd import Odd
from .pieces import Pieces
from .refusals import refusal_in
from .values import (
    error_code,
    error_fields,
    error_in_words,
    error_message,
    items_of,
    names_failure,
    object_of,
    parse,
    word,
)

__all__ = [
    "CALL_CUT",
    "GARBLED",
    "NOT_ENDED",
    "JSONDecoder",
    "failed_without_words",
    "incomplete",
    "is_lost",
    "is_torn",
    "prefixed_twice",
]


#: What may be missing of a stream that has come to its end.
GARBLED = "a message could not be read, and what it said is missing"
CALL_CUT = "the rest of a tool call did not come"
NOT_ENDED = "a message or a tool call was begun and not ended"

#: Reasons to stop with which every call is whole: nobody made the model stop.
_WITH_WHOLE_CALLS = (None, "stop", "tool_calls")

#: The name of the field, however often: what follows has none.
_PREFIX = r"(?:data:\s*)+"

#: Words of a keepalive, with whatever stands around them.
_KEEPALIVE = re.compile(r"[^\w{}\"]*(ping|pong|keep[-_ ]?alive|heart[-_ ]?beat)[^\w{}\"]*", re.IGNORECASE)


def incomplete(missing: str) -> dict[str, Any]:
    """The error object of a stream that came to its end, of which something is missing: that end is not clean."""
    return {"code": "incomplete", "message": f"the stream came to its end, but {missing}"}


def failed_without_words(reason: str) -> dict[str, Any]:
    """The error object of a stream whose server failed, and said no more of it than a reason to stop."""
    return {"code": reason, "message": f"the server ended the answer with the reason {reason!r}, and told no error"}


def prefixed_twice(message: Message) -> Message | None:
    """The message that a proxy put into a second event's data, field name and all (`data: data: {…}`); None for any
    other."""
    found = re.match(_PREFIX, message.data)
    return None if found is None else ServerSentEvent(message.event, message.data[found.end() :].strip(), message.id)


def is_torn(data: str) -> bool:
    """Whether data that is no JSON is what is left of some: the head of a message, its tail, or what is between them.

    It has what words and keepalives do not have: a brace, a quotation mark or a bracket without its other.
    """
    if data.startswith(":"):
        return False  # a comment
    return any(mark in data for mark in '{}"') or data.count("[") != data.count("]")


def is_lost(message: Message, json_events: str = "") -> bool:
    """Whether data that is no JSON was meant to be, so that what it said is lost.

    Lines, frames and the messages of a WebSocket, which have no name, are JSON or nothing. Among server-sent events
    words may be a keepalive; but what `is_torn` was JSON, and so was what has a name of the dialect's.

    :param json_events: a pattern of these names.
    """
    data = message.data.strip()
    if not data or data.startswith(":") or _KEEPALIVE.fullmatch(data):
        return False
    return not message.event or is_torn(data) or bool(re.fullmatch(json_events, message.event))


class JSONDecoder(ABC):
    """Decodes one stream. A dialect says in `_object` what its messages mean, in `finished` what an end is worth."""

    #: `[DONE]` ends a stream of the dialect.
    done_ends: ClassVar[bool] = False

    #: The names of events whose data is never anything but JSON, as a pattern.
    json_events: ClassVar[str] = ""

    def __init__(self) -> None:
        self.ended: bool = False
        self._failed = False
        self._told_error = False  # of the message that is being read
        self._missing = ""  # what was lost, in words, although the stream went on
        self._failed_with = ""  # the reason to stop, where it says that the server failed
        self._why: FinishReason | None = None  # the model stopped
        self._blocks = Blocks()
        self._odd = Odd()
        self._heard: set[bool] = set()  # whether messages were of this dialect: all, none, or some

    @abstractmethod
    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        """What a message says, which may be nothing; None where the dialect does not know it: it becomes an `Other`."""

    def finished(self) -> bool:
        """Whether the end of the connection may stand for the dialect's terminator. Most demand the terminator."""
        return False

    def _cursor(self, value: dict[str, Any], message: Message) -> str | None:
        """From where the stream could be resumed after this message."""
        return message.id or None

    def receive_message(self, message: Message) -> list[StreamEvent]:
        if self.ended:
            return []
        raw = message.data
        try:
            value = parse(raw)
        except ValueError as error:
            if self.done_ends and is_done(raw):
                return self._end(raw, message.id or None, clean=True)
            return self._not_json(message, error)
        if isinstance(value, dict):
            return self._receive(value, message)
        objects = [object_of(item) for item in items_of(value)]
        events: list[StreamEvent] = []
        for each in filter(None, objects):
            events += [] if self.ended else self._receive(each, message)
        if any(objects) and None not in objects:
            return events
        self._heard.add(any(objects))
        return self._with(events, [Other("not-an-object", raw, message.id or None)])

    def _receive(self, value: dict[str, Any], message: Message) -> list[StreamEvent]:
        """What one object says. There may be several in a message."""
        raw = message.data
        self._told_error = False
        events = self._object(value, message)
        names = self._odd.take()
        failed: list[StreamEvent] = []
        if not self._told_error and (events is None or "error" in value or message.event == "error"):
            failed = self._error_beside(value, message, known=events is not None)
        if failed:
            self._heard.add(True)
            names = [] if events is None else [name for name in names if name != "error"]
            events = self._with(events or [], failed)
        elif events is None:
            kind = word(value.get("type")) or word(value.get("event_type")) or message.event or "message"
            events, names = [], [kind]
            self._heard.add(kind != "message")
        else:
            self._heard.add(bool(events) or not names)
        return self._with(events, [Other(name, raw, self._cursor(value, message)) for name in names])

    def _error_beside(self, value: dict[str, Any], message: Message, *, known: bool) -> list[StreamEvent]:
        """The error of a message that was read for something else, or that is none of the dialect. A message of a type
        that the dialect does not know may tell of an error that is not the answer's: it stays an `Other`."""
        kind = value.get("type") or value.get("event_type") or value.get("jsonrpc") or "error"
        fields: dict[str, Any] = {}
        if message.event == "error":
            fields = refusal_in(value, alone=True) or value
        elif known or kind == "error" or "title" in value:  # which problem details have beside a type of their own
            fields = error_fields(value) or ({} if known else refusal_in(value, alone=not message.event))
        return self._said_error(fields, message.data, self._cursor(value, message)) if fields else []

    def _said_error(self, fields: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What an error means that the server said. In most dialects it is fatal, whatever follows."""
        return [self._error(fields, raw, cursor)]

    def receive_eof(self) -> list[StreamEvent]:
        return [] if self.ended else self._end(clean=self.finished())

    def _not_json(self, message: Message, error: ValueError) -> list[StreamEvent]:
        """An error in words, or a message that was cut or garbled; a keepalive that was sent as data."""
        raw, cursor = message.data, message.id or None
        if (inner := prefixed_twice(message)) is not None:
            return self.receive_message(inner)
        if message.event == "error":
            return [self._error({"message": raw}, raw, cursor)]
        if fields := error_in_words(raw):
            return [self._error(fields, raw, cursor)]
        if is_lost(message, self.json_events):
            self._missing = GARBLED
            return [Error("invalid_json", f"a message is not JSON: {error}", False, raw, cursor)]
        return [Other("not-json", raw, cursor)]

    def _error(self, fields: dict[str, Any], raw: str, cursor: str | None = None, *, fatal: bool = True) -> Error:
        """An error, from an error object of the usual members."""
        self._failed = self._failed or fatal
        self._told_error = True
        return Error(error_code(fields, "code", "type", "status_code"), error_message(fields), fatal, raw, cursor)

    def _reason_of(self, reason: str, table: Mapping[str, FinishReason]) -> FinishReason:
        """The reason to stop in tokenwire's words. One that says that the server failed makes the end unclean."""
        if names_failure(reason):
            self._failed_with = reason
            return "error"
        return table.get(reason, "other")

    def _with(self, events: list[StreamEvent], more: Sequence[StreamEvent]) -> list[StreamEvent]:
        """More beside the events of a message; nothing comes after the `End`, which is not clean after an error."""
        end = events[-1] if more and events else None
        if not isinstance(end, End):
            return [*events, *more] if more else events
        end.clean = end.clean and not self._failed
        return [*events[:-1], *more, end]

    def texts(self, block: int) -> Pieces | None:
        """Where the pieces of a block's text are kept: see `template`."""
        return self._blocks.texts(block)

    def _noted(self, finish: Finish) -> Finish:
        """Takes note of why the model stopped."""
        self._why = finish.reason
        return finish

    def _end(self, raw: str = "", cursor: str | None = None, *, clean: bool) -> list[StreamEvent]:
        """The last events of the stream. It is never clean after a fatal error or a loss, nor where messages came of
        which none is the dialect's: a terminator then ends something else than an answer.

        A tool call that was begun and has not come to its own end is a loss where nothing says why the model stopped,
        and, unless the reason says that it was made to stop, where its JSON is not whole.
        """
        self.ended = True
        foreign = self._heard == {False} and not self._blocks.opened
        if self._why is None and self._blocks.tools_open:
            self._missing = self._missing or CALL_CUT
        events = self._blocks.close_all(raw, cursor)
        if self._failed_with and not self._failed:
            events.append(self._error(failed_without_words(self._failed_with), raw, cursor))
        if self._blocks.call_cut and self._why in _WITH_WHOLE_CALLS:
            self._missing = self._missing or CALL_CUT
        if clean and self._missing and not self._failed:
            events.append(self._error(incomplete(self._missing), raw, cursor))
        return [*events, End(clean and not self._failed and not foreign, raw, cursor)]
