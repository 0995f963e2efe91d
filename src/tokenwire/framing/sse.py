"""Server-sent events: bytes in, events out, as WHATWG HTML 9.2.5 and 9.2.6 have it, to the letter.

This file imports nothing but the standard library, so it can be copied into another project and used there alone.

    parser = SSEParser()
    for event in parser.receive_data(chunk):     # any bytes, cut anywhere
        event.event, event.data, event.id
    parser.receive_eof()                          # an unfinished event is dropped, as the standard demands

The rules of the standard that other readers get wrong, and that hold here: one leading BOM is dropped; CR, LF and
CRLF all end a line, also where a read cuts a CRLF; bytes that are not UTF-8 become U+FFFD and nothing else happens;
U+2028 and U+0085 end no line; a block without data dispatches nothing; `id` stays until it is set again, and is
ignored when it holds a NUL; `retry` takes ASCII digits only; an unfinished block at the end is discarded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

__all__ = [
    "MAX_EVENT_SIZE",
    "EventTooLarge",
    "LocalProtocolError",
    "Note",
    "RemoteProtocolError",
    "SSEParser",
    "ServerSentEvent",
    "TokenwireError",
    "as_bytes",
    "encode",
]

#: Bytes of one line, and of the data of one event. The largest events seen in recordings of providers are the
#: closing events of the Responses API (100 kB) and base64 images (3.4 MB); 16 MiB is what WebSocket peers take.
MAX_EVENT_SIZE = 16 * 1024 * 1024

#: Digits of a `retry` value that are read: milliseconds for 31,000 years, and no int() of a megabyte of digits.
MAX_RETRY_DIGITS = 15

#: The bytes that end a line. Python looks for a byte by its number in a tenth of the time that bytes of one take it.
_LF, _CR = 0x0A, 0x0D

#: The fields that are part of an event.
_OF_AN_EVENT = ("data", "event", "id")


class TokenwireError(Exception):
    """The root of everything that tokenwire raises on purpose. It can be copied, pickled and sent between processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        """The default calls the class with `args`, which fits no class whose constructor takes something else."""
        state = dict(self.__dict__)
        if self.__cause__ is not None and _can_be_pickled(self.__cause__):
            state["__cause__"] = self.__cause__
        return _remade, (type(self), self.args), state


def _remade(kind: type[TokenwireError], args: tuple[Any, ...]) -> TokenwireError:
    """The error without its attributes, which `pickle` and `copy` set afterwards."""
    return kind.__new__(kind, *args)


def _can_be_pickled(cause: BaseException) -> bool:
    """Whether a cause, which may be anybody's class, survives. The error itself must survive without it."""
    import pickle  # rarely needed

    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - these bytes are our own
    except Exception:
        return False
    return True


class LocalProtocolError(TokenwireError):
    """You asked for something that the protocol forbids; nothing was sent."""


class RemoteProtocolError(TokenwireError):
    """The peer broke a rule. `offset` is where, in bytes of what was received; `clause` is the rule."""

    def __init__(self, message: str, *, offset: int | None = None, clause: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.clause = clause

    def __str__(self) -> str:
        at = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.message}{at}" + (f" [{self.clause}]" if self.clause else "")


class EventTooLarge(RemoteProtocolError):
    """A line, or the data of one event, passed `max_event_size`; the parser stays terminated."""


class ServerSentEvent(NamedTuple):
    """One dispatched event. `event` is "message" unless the stream named it; `id` is the last event ID."""

    event: str
    data: str
    id: str


class Note(NamedTuple):
    """Something that the algorithm reads but does not dispatch, for those who ask to see it.

    `kind` is "comment", "retry", "id" (a block that only moved the last event ID) or "ignored" (a line that is no
    field of the standard, or one with a value that the standard ignores). `position` is how many events of the same
    `receive_data` call came before it.
    """

    kind: str
    text: str
    position: int


def as_bytes(data: object) -> bytes:
    """The bytes of whatever holds bytes.

    :raises LocalProtocolError: for anything else.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    instead = "give the bytes as they came"
    if isinstance(data, str):
        instead += ", by iter_bytes() and not by iter_text() or iter_lines()"
    elif isinstance(data, tuple):
        instead += ", and nothing beside them: from aiohttp's content by iter_any() and not by iter_chunks()"
    raise LocalProtocolError(f"bytes are wanted, and a value of type {type(data).__name__} was given: {instead}")


# A tuple made in C: half the cost of calling the class, on the path that every token takes.
_make_event: Callable[[tuple[str, str, str]], ServerSentEvent] = partial(tuple.__new__, ServerSentEvent)


class SSEParser:
    """Reads one event stream, in pieces of any size, in time linear in its bytes.

    :param last_event_id: where an earlier connection stopped; kept until the stream sets another.
    :param max_event_size: the limit in bytes on a line and on the data of an event.
    :param observe: called with a `Note` for each comment, `retry`, id-only block and ignored line.
    :raises LocalProtocolError: for arguments of another kind.
    """

    def __init__(
        self,
        *,
        last_event_id: str = "",
        max_event_size: int = MAX_EVENT_SIZE,
        observe: Callable[[Note], None] | None = None,
    ) -> None:
        if not isinstance(max_event_size, int) or max_event_size < 0:
            raise LocalProtocolError("max_event_size takes a number of bytes, 0 or more")
        if not isinstance(last_event_id, str):
            raise LocalProtocolError("last_event_id takes text, empty for none")
        #: The last event ID string, for the Last-Event-ID header of the next connection (9.2.4).
        self.last_event_id: str = last_event_id
        #: The reconnection time that the stream asked for, in milliseconds, or None.
        self.retry: int | None = None
        #: What terminated the parser, and what every further call raises.
        self.error: RemoteProtocolError | None = None
        #: Nothing is pending: the next byte begins an event.
        self.between_events: bool = False
        self._max_event_size = max_event_size
        self._observe = observe
        self._received = 0
        self._head: bytes | None = b""  # the first bytes, while they may still be a BOM; None afterwards
        self._after_cr = False  # the last read ended in CR: an LF that comes first now belongs to it
        self._unfinished = bytearray()  # a line whose end has not come; grows in place, whatever the reads' size
        self._in_block = False  # lines of an unfinished block have been processed
        self._event_buffer = ""
        self._data_buffer: list[str] = []
        self._data_size = 0
        self._id_buffer = last_event_id
        self._id_seen = False

    @property
    def unfinished(self) -> bool:
        """An event was begun whose blank line has not come; at the end of the stream it is discarded. A field that was
        cut in its name counts, a comment does not."""
        name, colon, _ = self.unfinished_line.partition(":")
        begun = name in _OF_AN_EVENT if colon else name != "" and any(field.startswith(name) for field in _OF_AN_EVENT)
        return begun or bool(self._data_buffer or self._event_buffer or self._id_seen)

    @property
    def unfinished_line(self) -> str:
        """The line whose end has not come; at the end of the stream, what is discarded of it."""
        return self._unfinished.decode("utf-8", "replace")

    @property
    def unfinished_data(self) -> str:
        """The data of the event whose blank line has not come; at the end of the stream, what is discarded of it."""
        field, _, value = self.unfinished_line.partition(":")
        last = [value[1:] if value.startswith(" ") else value] if field == "data" else []
        return "\n".join([*self._data_buffer, *last])

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[ServerSentEvent]:
        """Takes the next bytes of the stream, returns the events that they completed.

        :raises EventTooLarge: at once, or, where events came before it in the same read, at the next call.
        :raises LocalProtocolError: for what is no bytes.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        size = len(data)
        unfinished = self._unfinished
        if unfinished and _LF not in data and _CR not in data and len(unfinished) + size <= self._max_event_size:
            # Small reads mostly complete nothing. What begins a line is past the BOM, past a CR, and in no error.
            unfinished += data
            self._received += size
            return []
        if self.between_events and data.endswith(b"\n\n") and _CR not in data and size <= self._max_event_size:
            self._received += size
            # The commonest read is one whole event, and needs no account of lines.
            if data.startswith(b"data: ") and data.find(b"\n") == size - 2:
                return [_make_event(("message", data[6:-2].decode("utf-8", "replace"), self.last_event_id))]
            return self._whole_blocks(data.decode("utf-8", "replace"))
        if self.error is not None:
            raise self.error
        self._received += len(data)
        lines = self._whole_lines(data)
        events: list[ServerSentEvent] = []
        if len(lines) > self._max_event_size:
            self._process_within_limit(lines, events)
        elif lines:
            self._process(lines.decode("utf-8", "replace"), events)
        if len(self._unfinished) > self._max_event_size:
            self._terminate("a line")
        pending = self._head is not None or self._after_cr or self._unfinished or self._in_block
        self.between_events = not pending and self.error is None
        if self.error is not None and not events:
            raise self.error
        return events

    def _whole_blocks(self, text: str) -> list[ServerSentEvent]:
        """A read that is whole events and nothing else; one that has a name has a short way too."""
        if text.startswith("event: ") and text.count("\n") == 3:
            name, found, value = text[7:-2].partition("\ndata: ")
            if name and found:
                return [_make_event((name, value, self.last_event_id))]
        events: list[ServerSentEvent] = []
        self._blocks(text[:-2], events)
        self.between_events = self.error is None
        if self.error is not None and not events:
            raise self.error
        return events

    def pass_over(self, size: int) -> None:
        """Counts bytes of whole events that somebody else has read, who found `between_events` and so may."""
        self._received += size

    def receive_eof(self) -> list[ServerSentEvent]:
        """The stream ended. Whatever is unfinished is discarded (9.2.6), so the list is empty.

        :raises EventTooLarge: when the stream had been terminated by it.
        """
        if self.error is not None:
            raise self.error
        return []

    # Bytes to lines.

    def _whole_lines(self, data: bytes) -> bytes | bytearray:
        """Holds back what follows the last line end; gives the rest with every line end an LF."""
        if self._head is not None:
            data = self._strip_bom(data)
        if self._after_cr and data:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        if _CR in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._unfinished += data
            return b""
        lines: bytes | bytearray = data[:end]
        if self._unfinished:
            self._unfinished += lines
            lines = self._unfinished
            self._unfinished = bytearray(data[end:])
        elif end < len(data):
            self._unfinished += data[end:]
        return lines

    def _strip_bom(self, data: bytes) -> bytes:
        data = (self._head or b"") + data
        bom = b"\xef\xbb\xbf"
        if len(data) < len(bom) and bom.startswith(data):
            self._head = data
            return b""
        self._head = None
        return data[len(bom) :] if data.startswith(bom) else data

    def _process_within_limit(self, lines: bytes | bytearray, events: list[ServerSentEvent]) -> None:
        """A read so large that a line of it may be over the limit: what stands before that line still counts."""
        start = 0
        while (end := lines.find(b"\n", start)) >= 0:
            if end - start > self._max_event_size:
                break
            start = end + 1
        if start:
            self._process(lines[:start].decode("utf-8", "replace"), events)
        if start < len(lines):
            self._terminate("a line")

    # Lines to events.

    def _process(self, text: str, events: list[ServerSentEvent]) -> None:
        """Takes whole lines. Blocks that lie wholly in one read take the short way, the others the long one."""
        if self._in_block:
            if text[0] == "\n":
                self._dispatch(events)
                text = text[1:]
            else:
                first, blank, text = text.partition("\n\n")
                self._lines(first if blank else first[:-1], events)
                if not blank or self.error is not None:
                    return
                self._dispatch(events)
        end = text.rfind("\n\n") + 2
        if end >= 2:
            self._blocks(text[: end - 2], events)
            text = text[end:]
        if text and self.error is None:
            self._lines(text[:-1], events)

    def _blocks(self, text: str, events: list[ServerSentEvent]) -> None:
        """Whole blocks, the last blank line taken off. The parser is between two blocks, so its buffers are empty."""
        if text.startswith("data: "):
            data = text[6:].split("\n\ndata: ")
            # As many line feeds as the separators hold: no other line is hidden in any of the blocks.
            if text.count("\n") == 2 * len(data) - 2:
                events += map(_make_event, zip(repeat("message"), data, repeat(self.last_event_id)))
                return
        elif text.startswith("event: "):
            named = [block.partition("\ndata: ") for block in text[7:].split("\n\nevent: ")]
            # One line feed within each block and two between them: each is one `event` and one `data` line.
            if text.count("\n") == 3 * len(named) - 2 and all(name and found for name, found, _ in named):
                last_event_id = self.last_event_id
                events += [_make_event((name, value, last_event_id)) for name, _, value in named]
                return
        elif text.startswith("id: "):
            numbered = [block.partition("\ndata: ") for block in text[4:].split("\n\nid: ")]
            # The same, of one `id` and one `data` line.
            if (
                text.count("\n") == 3 * len(numbered) - 2
                and "\0" not in text
                and all(found for _, found, _ in numbered)
            ):
                events += [_make_event(("message", value, number)) for number, _, value in numbered]
                self.last_event_id = self._id_buffer = numbered[-1][0]
                return
        for block in text.split("\n\n"):
            if block.startswith("data: ") and "\n" not in block:
                events.append(_make_event(("message", block[6:], self.last_event_id)))
                continue
            self._lines(block, events)
            if self.error is not None:
                return
            self._dispatch(events)

    def _lines(self, text: str, events: list[ServerSentEvent]) -> None:
        """The long way: each line by the algorithm of 9.2.6."""
        for line in text.split("\n"):
            if line:
                self._line(line, events)
            else:
                self._dispatch(events)
            if self.error is not None:
                return

    def _line(self, line: str, events: list[ServerSentEvent]) -> None:
        self._in_block = True
        name, colon, value = line.partition(":")
        if value.startswith(" "):
            value = value[1:]
        if name == "data":
            # The line feed that will join it counts too, so that a million empty lines are no empty event.
            self._data_size += 1 + (len(value) if value.isascii() else len(value.encode()))
            # One line alone is bounded as a line, in the bytes that came; U+FFFD may have made it longer since.
            if self._data_buffer and self._data_size > self._max_event_size:
                self._terminate("the data of one event")
            else:
                self._data_buffer.append(value)
        elif name == "event":
            self._event_buffer = value
        elif name == "id":
            if "\0" in value:
                self._tell("ignored", line, events)
            else:
                self._id_buffer = value
                self._id_seen = True
        elif name == "retry":
            self._set_retry(line, value, events)
        elif not name and colon:
            self._tell("comment", value, events)
        else:
            self._tell("ignored", line, events)

    def _set_retry(self, line: str, value: str, events: list[ServerSentEvent]) -> None:
        if value.isascii() and value.isdigit() and len(value) <= MAX_RETRY_DIGITS:
            self.retry = int(value)
            self._tell("retry", value, events)
        else:
            self._tell("ignored", line, events)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        """A blank line: 9.2.6, "dispatch the event"."""
        self.last_event_id = self._id_buffer
        if self._data_buffer:
            data = "\n".join(self._data_buffer)
            events.append(ServerSentEvent(self._event_buffer or "message", data, self.last_event_id))
            self._data_buffer = []
            self._data_size = 0
        elif self._id_seen:
            self._tell("id", self.last_event_id, events)
        self._event_buffer = ""
        self._id_seen = False
        self._in_block = False

    def _tell(self, kind: str, text: str, events: list[ServerSentEvent]) -> None:
        if self._observe is not None:
            self._observe(Note(kind, text, len(events)))

    # The limit.

    def _terminate(self, what: str) -> None:
        if self.error is not None:
            return
        self.error = EventTooLarge(
            f"{what} is larger than max_event_size, {self._max_event_size} bytes",
            offset=self._received,
            clause="limit of the reader",
        )
        self._unfinished = bytearray()
        self._data_buffer = []


def encode(
    data: str | None = None,
    *,
    event: str | None = None,
    id: str | None = None,  # noqa: A002 - the field's name
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """Writes one block such that every conforming parser reads the same event back.

    Each line of `data` becomes a `data:` line, whichever of the three line ends it had. `retry` is in milliseconds.

    :raises LocalProtocolError: for an `event` or `id` with a line end or NUL, which no parser could read back, for
        a lone surrogate, which no UTF-8 can hold, and for a negative `retry`.
    """
    lines: list[str] = []
    if comment is not None:
        lines += [f": {line}" for line in _split_lines(comment)]
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            if any(bad in value for bad in "\r\n\0"):
                raise LocalProtocolError(
                    f"{name} {value!r} holds a line end or NUL: WHATWG HTML 9.2.6 has no way to send it"
                )
            lines.append(f"{name}: {value}")
    if retry is not None:
        if retry < 0:
            raise LocalProtocolError(f"retry {retry} is negative: WHATWG HTML 9.2.6 takes ASCII digits only")
        lines.append(f"retry: {retry}")
    if data is not None:
        lines += [f"data: {line}" for line in _split_lines(data)]
    try:
        return "".join(f"{line}\n" for line in [*lines, ""]).encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("a lone surrogate has no form in UTF-8 (WHATWG HTML 9.2.5)") from None


def _split_lines(text: str) -> Iterable[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
