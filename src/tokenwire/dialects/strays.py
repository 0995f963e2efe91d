"""What a body has outside of its messages: lines between the events, and what stands in place of a stream."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .json_decoder import is_torn
from .refusals import refusal_in
from .values import value_of

__all__ = ["BOM", "MAX_BLANK", "MAX_STRAY_TEXT", "MAX_UNREAD", "Strays", "Unread"]

#: Characters of lines outside any field that are kept: errors that servers write into a stream are a few kilobytes.
MAX_STRAY_TEXT = 64 * 1024

#: Such lines before the first event that are kept until it comes. A frame that was cut leaves one or two.
MAX_EARLY = 16

#: Bytes at the beginning of a body that are kept while no message has come; of a JSON value, the limit of a message.
MAX_UNREAD = 64 * 1024

#: Bytes before the first that tells JSON from server-sent events. What servers send there is nothing, or a line end.
MAX_BLANK = 1024

BOM = b"\xef\xbb\xbf"

#: A JSON string on one line, or (the group) the rest of a line that it does not end on. Nothing is tried twice: of a
#: string without its end every quotation mark would be, and the rest of the line with each.
_STRING = r'"(?:[^"\\]|\\.?)*+(?:"|(\Z))'


class Unread:
    """The beginning of a body, as long as no message has come in it."""

    def __init__(self, max_size: int) -> None:
        self._bytes: bytearray | None = bytearray()  # None once a message has come
        self._max_size = max_size

    def receive_data(self, data: bytes) -> None:
        if self._bytes is not None:
            beginning = bytes(self._bytes[:MAX_BLANK]) or data[:MAX_BLANK]
            limit = self._max_size if _begins_with(beginning, b"{", b"[") else MAX_UNREAD
            self._bytes += data[: max(0, limit - len(self._bytes))]

    @property
    def is_page(self) -> bool:
        """It begins as HTML and XML do. No event stream does, whatever its later lines look like."""
        return _begins_with(bytes((self._bytes or b"")[:MAX_BLANK]), b"<")

    def read(self, messages: Sequence[object]) -> None:
        """Takes the messages that came; with the first there is nothing to keep any more."""
        if messages:
            self._bytes = None

    @property
    def pending(self) -> bool:
        return self._bytes is not None

    @property
    def text(self) -> str:
        return (self._bytes or b"").decode("utf-8", "replace").strip()


def _begins_with(beginning: bytes, *letters: bytes) -> bool:
    """Whether the first byte that is no blank is one of these."""
    return beginning.removeprefix(BOM).lstrip().startswith(letters)


class Strays:
    """Lines outside any field, and the messages in them, each with its name: "error" for an error, which Gemini and
    several gateways send as bare JSON, on one line or many, and llama.cpp as a field named `error`; no name for what is
    another message without its field, or what is left of one that was cut."""

    def __init__(self) -> None:
        self._early: list[str] = []  # what came before the first event, and may be a page in place of a stream
        self._reset()

    @property
    def pending(self) -> bool:
        return bool(self._lines or self._early)

    def _reset(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._depth = 0

    @property
    def unfinished(self) -> bool:
        """An object was begun and not closed, which may have been an error."""
        return bool(self._lines)

    def receive_line(self, line: str, speaking: bool) -> list[tuple[str, str]]:
        """Takes the next line, returns the message that it completes.

        :param speaking: an event has come, so that this is a stream.
        """
        if line.startswith("error:"):
            return [("error", line.removeprefix("error:").strip())]
        if not self._lines and not line.startswith("{"):
            return self._told(line, speaking) if is_torn(line) else []
        self._lines.append(line)
        self._size += len(line)
        outside = re.sub(_STRING, _what_counts, line)
        self._depth += outside.count("{") - outside.count("}")
        if self._depth > 0 and self._size <= MAX_STRAY_TEXT:
            return []
        text = "\n".join(self._lines)
        self._reset()
        return [("error", text)] if refusal_in(value_of(text)) else self._told(text, speaking)

    def before_event(self) -> list[tuple[str, str]]:
        """An event comes: what was held back is of its stream, and the rest of what is unfinished does not come."""
        texts = [*self._early, "\n".join(self._lines)]
        self._early = []
        self._reset()
        return [("", text) for text in texts if text]

    def _told(self, text: str, speaking: bool) -> list[tuple[str, str]]:
        if speaking:
            return [("", text)]
        if len(self._early) < MAX_EARLY:
            self._early.append(text[: MAX_STRAY_TEXT // MAX_EARLY])
        return []


def _what_counts(string: re.Match[str]) -> str:
    """Braces in a string do not count; where it does not end, it is none."""
    return "" if string[1] is None else string[0]
