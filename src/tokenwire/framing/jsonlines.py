"""Streams of JSON values: bytes in, the text of each value out, as soon as its last byte is there.

    parser = JSONLinesParser()        # one value a line: NDJSON, JSON Lines; or
    array_parser = JSONArrayParser()  # the elements of one array that is still being written; or objects in a row
    for value in parser.receive_data(chunk): ...      # any bytes, cut anywhere
    for value in parser.receive_eof(): ...
    parser.complete, parser.unfinished                # whether the end came where it may, and what it cut off

What stands in a value is not read here: it may be no JSON, as the caller will find. Blanks and blank lines between
values are skipped, one leading BOM is dropped (RFC 8259, 8.1, allows it), bytes that are not UTF-8 become U+FFFD.
Only LF ends a line: a CR before it is a blank, and no other character of Unicode ends one.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod

from .sse import MAX_EVENT_SIZE, EventTooLarge, RemoteProtocolError, as_bytes

__all__ = ["JSONArrayParser", "JSONLinesParser"]

_BOM = b"\xef\xbb\xbf"

#: What JSON calls whitespace (RFC 8259, 2).
_BLANK = b" \t\r\n"


class _Parser(ABC):
    """What both have in common: the limit, the error, and the value whose end has not come.

    Reads in pieces of any size, in time linear in their bytes.

    :param max_value_size: the limit in bytes on one value, with the blanks on its line where it has one of its own.
    """

    def __init__(self, *, max_value_size: int = MAX_EVENT_SIZE) -> None:
        #: What terminated the parser, and what every further call raises.
        self.error: RemoteProtocolError | None = None
        self._max_value_size = max_value_size
        self._start = 0  # the offset of the value that is being read
        self._unfinished = bytearray()  # what has come of it; grows in place, whatever the reads' size

    @property
    def unfinished(self) -> str:
        """What has come of a value whose end has not; empty where there is none."""
        return self._text(self._unfinished)

    @property
    def complete(self) -> bool:
        """The stream may end here: nothing of it is unfinished."""
        return not self.unfinished

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[str]:
        """Takes the next bytes of the stream, returns the values that they completed.

        :raises EventTooLarge: for a value over the limit; `offset` is that of its first byte.
        :raises RemoteProtocolError: for what no array has between its elements.

        Each is raised at once, or, where values came before it in the same read, at the next call.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self.error is not None:
            raise self.error
        values: list[str] = []
        self._split(data, values)
        if len(self._unfinished) > self._max_value_size:
            self._fail_at_limit()
        if self.error is not None and not values:
            raise self.error
        return values

    def receive_eof(self) -> list[str]:
        """The stream ended. An unfinished value is not given: see `unfinished`.

        :raises RemoteProtocolError: when the stream had been terminated by it.
        """
        if self.error is not None:
            raise self.error
        return []

    @abstractmethod
    def _split(self, data: bytes, values: list[str]) -> None:
        """Adds the values that end in `data`; keeps in `_unfinished` what begins there and goes on."""

    def _add(self, value: bytes | bytearray, values: list[str]) -> None:
        if len(value) > self._max_value_size:
            self._fail_at_limit()
        elif text := self._text(value):
            values.append(text)

    def _text(self, value: bytes | bytearray) -> str:
        if self._start == 0:
            value = value.removeprefix(_BOM)
        return value.strip(_BLANK).decode("utf-8", "replace")

    def _fail_at_limit(self) -> None:
        message = f"a JSON value is larger than the limit of {self._max_value_size} bytes"
        self._fail(EventTooLarge(message, offset=self._start, clause="limit of the reader"))

    def _fail(self, error: RemoteProtocolError) -> None:
        self.error = error
        self._unfinished = bytearray()


class JSONLinesParser(_Parser):
    """Reads one value a line (jsonlines.org; NDJSON)."""

    @property
    def between_values(self) -> bool:
        """Nothing is pending: the next byte begins a line."""
        return not self._unfinished and self.error is None

    def pass_over(self, size: int) -> None:
        """Counts bytes of whole lines that somebody else has read, who found `between_values` and so may."""
        self._start += size

    def receive_eof(self) -> list[str]:
        """The stream ended. The last line needs no LF where its value is whole without; see `unfinished`.

        :raises RemoteProtocolError: when the stream had been terminated by it.
        """
        super().receive_eof()
        text = self.unfinished
        if not _is_whole(text):
            return []
        self._unfinished = bytearray()
        return [text]

    def _split(self, data: bytes, values: list[str]) -> None:
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._unfinished += data
            return
        lines = self._unfinished + data[: end - 1]
        self._unfinished = bytearray()
        for line in lines.split(b"\n"):
            self._add(line, values)
            if self.error is not None:
                return
            self._start += len(line) + 1
        self._unfinished += data[end:]


def _is_whole(text: str) -> bool:
    """Whether it is a JSON value that cannot go on, as a number could."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return not text[-1].isdigit()


#: What may stand between values, and where that leads. A BOM is read like a separator.
_SEPARATORS = {
    ("start", b"\xef"): "BOM 2",
    ("BOM 2", b"\xbb"): "BOM 3",
    ("BOM 3", b"\xbf"): "after the BOM",
    ("start", b"["): "first element",
    ("after the BOM", b"["): "first element",
    ("first element", b"]"): "after the array",
    ("after an element", b","): "next element",
    ("after an element", b"]"): "after the array",
}

#: The bytes that a value may begin with, and what comes after it.
_ELEMENT = b'{["-0123456789tfn'
_VALUES = {
    "start": (b"{", "after an object"),
    "after the BOM": (b"{", "after an object"),
    "after an object": (b"{", "after an object"),
    "first element": (_ELEMENT, "after an element"),
    "next element": (_ELEMENT, "after an element"),
}

#: Where the stream may end.
_ENDS = ("start", "after the BOM", "after an object", "after the array")

#: The next byte that means something: between values, and inside of each kind of value.
_NO_BLANK = re.compile(rb"[^ \t\r\n]")
_INSIDE = {
    "nest": re.compile(rb'["{}\[\]]'),
    "string": re.compile(rb'["\\]'),
    "scalar": re.compile(rb"[ \t\r\n,\]]"),
}


class JSONArrayParser(_Parser):
    """Reads the elements of one array, each as soon as it ends, or objects that stand in a row without an array.

    Where values end follows from strings, escapes and nesting alone (RFC 8259, 4, 5 and 7).
    """

    def __init__(self, *, max_value_size: int = MAX_EVENT_SIZE) -> None:
        super().__init__(max_value_size=max_value_size)
        self._state = "start"  # between values: a key of the tables above
        self._inside = ""  # of a value: a key of `_INSIDE`; empty between values
        self._depth = 0  # of objects and arrays that are open in the value
        self._escaped = 0  # bytes at the beginning of the next read that belong to an escape
        self._received = 0  # before this read

    @property
    def complete(self) -> bool:
        """The stream may end here: no value is unfinished, and no array."""
        return not self._inside and self._state in _ENDS

    def _split(self, data: bytes, values: list[str]) -> None:
        begin, at = 0, self._escaped
        while at < len(data) and self.error is None:
            if not self._inside:
                begin = at = self._between(data, at)
                continue
            at = self._through(data, at)
            if not self._inside:
                self._add(self._unfinished + data[begin:at], values)
                self._unfinished = bytearray()
        self._escaped = max(0, at - len(data))
        if self._inside:
            self._unfinished += data[begin:]
        self._received += len(data)

    def _between(self, data: bytes, at: int) -> int:
        """Reads to the next separator, and past it, or to the first byte of a value."""
        found = _NO_BLANK.search(data, at)
        if found is None:
            return len(data)
        byte, at = found[0], found.start()
        following = _SEPARATORS.get((self._state, byte))
        if following is not None:
            self._state = following
            return at + 1
        beginnings, following = _VALUES.get(self._state, (b"", ""))
        if byte not in beginnings:
            message = f"a stream of JSON values cannot go on with {byte!r}: {self._state}"
            self._fail(RemoteProtocolError(message, offset=self._received + at, clause="RFC 8259, 2 and 5"))
            return at
        self._state = following
        self._inside = "nest" if byte in b'{["' else "scalar"
        self._start = self._received + at
        return at

    def _through(self, data: bytes, at: int) -> int:
        """Reads on in a value, to its end or to that of the read, past which an escape may reach."""
        while found := _INSIDE[self._inside].search(data, at):
            at = found.end()
            byte = found[0]
            if self._inside == "scalar":
                self._inside = ""
                return found.start()
            if byte == b"\\":
                at += 1
            elif byte == b'"':
                self._inside = "nest" if self._inside == "string" else "string"
            else:
                self._depth += 1 if byte in b"{[" else -1
            if self._depth == 0 and self._inside == "nest":
                self._inside = ""
                return at
        return max(at, len(data))
