"""The bytes of a body in, messages out: the framings behind one interface, so that a dialect knows none of them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..errors import RemoteProtocolError
from ..framing.sse import Note, ServerSentEvent, SSEParser
from ..lazily import Lazily
from .dialect import Dialect, Framing
from .strays import BOM, MAX_BLANK, MAX_UNREAD, Strays, Unread
from .surrogates import whole
from .values import json_text, value_of

if TYPE_CHECKING:  # most dialects have server-sent events
    from ..framing import jsonlines
    from ..framing.eventstream import EventStreamMessage
else:
    jsonlines = Lazily("tokenwire.framing.jsonlines")

__all__ = ["Frames", "frames_for"]

#: How a body of server-sent events begins: with a comment or a field, which may be cut in its name.
_FIELD = r"(?m)\ufeff?(:|(data|event|id|retry)(:|$)|(d|da|dat|e|ev|eve|even|i|r|re|ret|retr)\Z)"

#: As much of `[DONE]` as no other message begins with.
_BEGUN_DONE = r"\[D(O(N(E\]?)?)?)?"

#: Bytes of the prelude of an event stream. Text has no control character among its first ones; a prelude has, for no
#: message is as large as four letters say.
_PRELUDE_SIZE = 12
_CONTROL = rb"[^\t\r\n\x20-\xff]"


class Frames(Protocol):
    """Bytes in, messages out. A limit that is passed takes effect after what came before it: see `SSEParser`."""

    @property
    def error(self) -> RemoteProtocolError | None:
        """What terminated it, and what the next call raises."""

    @property
    def last_event_id(self) -> str:
        """For the Last-Event-ID header of the next connection; empty where there is none."""
        ...

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds."""

    @property
    def cut(self) -> bool:
        """After the end: something was unfinished, and what it said is lost."""
        ...

    @property
    def words(self) -> str:
        """After the end: what was said in place of a stream, such as an error object or an HTML page; empty where
        messages came, or nothing did."""
        ...

    @property
    def between_messages(self) -> bool:
        """Nothing is pending, and whole messages may be read by somebody else, who then tells `pass_over`."""
        ...

    def receive_data(self, data: bytes) -> list[ServerSentEvent]: ...
    def receive_eof(self) -> list[ServerSentEvent]: ...
    def pass_over(self, size: int) -> None: ...


def frames_for(dialect: Dialect, last_event_id: str, max_event_size: int) -> Frames:
    """The framing of one stream of the dialect."""
    return _FRAMES[dialect.framing](dialect, last_event_id, max_event_size)


class _SSEFrames:
    """Server-sent events, and the errors that servers write between them outside of any field."""

    def __init__(self, dialect: Dialect, last_event_id: str, max_event_size: int) -> None:
        self._notes: list[Note] = []
        self._plain = dialect.plain
        self._strays = Strays()
        self._speaking = False  # an event has come: what stands outside of events is no page in place of a stream
        self._unread = Unread(max_event_size)
        self._parser = SSEParser(
            last_event_id=last_event_id,
            max_event_size=max_event_size,
            observe=None if dialect.plain else self._notes.append,
        )

    @property
    def error(self) -> RemoteProtocolError | None:
        return self._parser.error

    @property
    def cut(self) -> bool:
        """The standard has an event without its blank line discarded, which a dialect that is no more than the standard
        follows. In the others it is a loss; many servers send no blank line after `[DONE]`."""
        if self._plain:
            return False
        begun = self._parser.unfinished and not re.fullmatch(_BEGUN_DONE, self._parser.unfinished_data.strip())
        return begun or self._strays.unfinished

    @property
    def last_event_id(self) -> str:
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        return self._parser.retry

    @property
    def words(self) -> str:
        text = self._unread.text
        return "" if re.match(_FIELD, text) else text

    @property
    def between_messages(self) -> bool:
        return self._parser.between_events

    def pass_over(self, size: int) -> None:
        self._speaking = True
        self._unread.read((size,))
        self._parser.pass_over(size)

    def receive_data(self, data: bytes) -> list[ServerSentEvent]:
        self._unread.receive_data(data)
        last_event_id = self.last_event_id
        try:
            events = self._parser.receive_data(data)
        except RemoteProtocolError:
            events = self._with_strays([], last_event_id)
            if not events:
                raise
            return events  # the error takes effect after what came before it
        told = events
        if self._notes or (events and self._strays.pending):
            told = self._with_strays(events, last_event_id)
        if self._unread.pending and self._unread.is_page and not self._plain:
            return []
        self._speaking = self._speaking or bool(events)
        self._unread.read(told)
        return told

    def receive_eof(self) -> list[ServerSentEvent]:
        """What stands outside of any field ends with the stream, without a line end."""
        events = self._parser.receive_eof()
        if not self._plain:
            events = [*events, *_messages(self._last_line(), self.last_event_id)]
        self._unread.read(events)
        return events

    def _last_line(self) -> list[tuple[str, str]]:
        """What the last line says that has no line end. A field that was cut is a loss: see `cut`."""
        line = self._parser.unfinished_line
        if re.match(_FIELD, line) or re.fullmatch(_BEGUN_DONE, line.strip()):
            return []
        return self._strays.receive_line(line, self._speaking)

    def _with_strays(self, events: list[ServerSentEvent], last_event_id: str) -> list[ServerSentEvent]:
        """The events of a read with the errors between them, each with the last event ID as it was there.

        :param last_event_id: before the read.
        """
        merged: list[ServerSentEvent] = []
        taken = 0
        speaking = self._speaking
        for note in self._notes:
            between = events[taken : note.position]
            taken = note.position
            if between:
                merged += _messages(self._strays.before_event(), last_event_id) + between
                speaking = True
            if note.kind == "id":
                last_event_id = note.text
            elif between:
                last_event_id = between[-1].id
            if note.kind == "ignored":
                merged += _messages(self._strays.receive_line(note.text, speaking), last_event_id)
        self._notes.clear()
        rest = events[taken:]
        if rest:
            merged += _messages(self._strays.before_event(), last_event_id)
        return merged + rest


def _messages(strays: list[tuple[str, str]], last_event_id: str) -> list[ServerSentEvent]:
    return [ServerSentEvent(name, text, last_event_id) for name, text in strays]


class _JSONFrames:
    """Values of JSON, a message each. One that was cut off is handed on too, for all to see that it is none."""

    last_event_id = ""
    retry: int | None = None

    def __init__(self, parser: jsonlines.JSONLinesParser | jsonlines.JSONArrayParser, max_value_size: int) -> None:
        self._parser = parser
        self._unread = Unread(max_value_size)

    @property
    def error(self) -> RemoteProtocolError | None:
        return self._parser.error

    @property
    def cut(self) -> bool:
        return self._parser.error is not None or not self._parser.complete

    @property
    def words(self) -> str:
        """Lines of which none is a JSON value, though all together may be one: an error that was made pretty."""
        text = self._unread.text
        lost = text.startswith(("{", "[")) and value_of(text) is None
        return "" if lost or not isinstance(self._parser, jsonlines.JSONLinesParser) else text

    @property
    def between_messages(self) -> bool:
        return isinstance(self._parser, jsonlines.JSONLinesParser) and self._parser.between_values

    def pass_over(self, size: int) -> None:
        assert isinstance(self._parser, jsonlines.JSONLinesParser)
        self._unread.read((size,))
        self._parser.pass_over(size)

    def receive_data(self, data: bytes) -> list[ServerSentEvent]:
        self._unread.receive_data(data)
        return self._messages(self._parser.receive_data(data))

    def receive_eof(self) -> list[ServerSentEvent]:
        values = self._parser.receive_eof()
        return self._messages([value for value in [*values, self._parser.unfinished] if value])

    def _messages(self, values: list[str]) -> list[ServerSentEvent]:
        if self._unread.pending:
            self._unread.read([value for value in values if isinstance(value_of(value), dict)])
        return [ServerSentEvent("", value, "") for value in values]


class _EitherFrames:
    """Server-sent events or JSON: the first byte that is no blank tells, for no field begins with a bracket."""

    def __init__(self, dialect: Dialect, last_event_id: str, max_event_size: int) -> None:
        self._max_event_size = max_event_size
        self._frames: Frames = _SSEFrames(dialect, last_event_id, max_event_size)
        self._head: bytes | None = b""  # the first bytes, while they may still be either; None afterwards

    @property
    def error(self) -> RemoteProtocolError | None:
        return self._frames.error

    @property
    def last_event_id(self) -> str:
        return self._frames.last_event_id

    @property
    def retry(self) -> int | None:
        return self._frames.retry

    @property
    def cut(self) -> bool:
        return self._frames.cut

    @property
    def words(self) -> str:
        return self._frames.words

    @property
    def between_messages(self) -> bool:
        return self._head is None and self._frames.between_messages

    def pass_over(self, size: int) -> None:
        self._frames.pass_over(size)

    def receive_data(self, data: bytes) -> list[ServerSentEvent]:
        if self._head is not None:
            data = self._head + data
            text = data.removeprefix(BOM).lstrip(b" \t\r\n")
            near = len(data) - len(text) <= MAX_BLANK
            if near and (not text or BOM.startswith(data)):
                self._head = data
                return []
            self._head = None
            if near and text.startswith((b"[", b"{")):
                parser = jsonlines.JSONArrayParser(max_value_size=self._max_event_size)
                self._frames = _JSONFrames(parser, self._max_event_size)
        return self._frames.receive_data(data)

    def receive_eof(self) -> list[ServerSentEvent]:
        return self._frames.receive_eof()


class _Opaque:
    """A framing whose messages nobody else can read."""

    between_messages = False

    def pass_over(self, size: int) -> None:
        raise AssertionError("nothing can be passed over in this framing")


class _EventStreamFrames(_Opaque):
    """The Amazon event stream encoding. The name of an event is in the headers; exceptions and errors, whose name and
    words may be there alone, become a message named "error" with an error object."""

    last_event_id = ""
    retry: int | None = None

    def __init__(self, dialect: Dialect, last_event_id: str, max_event_size: int) -> None:
        self._head: bytearray | None = bytearray()  # all that came, as long as it is text; None once it is not
        from ..framing.eventstream import EventStreamParser  # for Bedrock's dialects alone

        self._parser = EventStreamParser(max_message_size=max_event_size)

    @property
    def error(self) -> RemoteProtocolError | None:
        return self._parser.error

    @property
    def cut(self) -> bool:
        return not self._parser.complete

    @property
    def words(self) -> str:
        return (self._head or b"").decode("utf-8", "replace").strip()

    def receive_data(self, data: bytes) -> list[ServerSentEvent]:
        if self._head is not None and len(self._head) >= _PRELUDE_SIZE:
            self._head += data[: MAX_UNREAD - len(self._head)]
            return []
        if self._head is not None:
            data = bytes(self._head) + data
            is_text = not re.search(_CONTROL, data[:_PRELUDE_SIZE])
            self._head = bytearray(data[:MAX_UNREAD]) if is_text else None
            if is_text:
                return []
        return [_event_of(message) for message in self._parser.receive_data(data)]

    def receive_eof(self) -> list[ServerSentEvent]:
        return [_event_of(message) for message in self._parser.receive_eof()]


def _event_of(message: EventStreamMessage) -> ServerSentEvent:
    text = message.payload.decode("utf-8", "replace")
    kind = message.text(":message-type")
    if kind not in ("exception", "error"):
        return ServerSentEvent(message.text(":event-type"), text, "")
    fields = {
        "message": message.text(":error-message") or text,
        **_json_object(text),
        "type": message.text(":exception-type") or message.text(":error-code"),
    }
    return ServerSentEvent("error", whole(json_text({"error": fields})) or text, "")


class _RawFrames(_Opaque):
    """No framing: each piece of text is a message."""

    error: RemoteProtocolError | None = None
    last_event_id = ""
    retry: int | None = None
    cut = False
    words = ""

    def __init__(self, dialect: Dialect, last_event_id: str, max_event_size: int) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def receive_data(self, data: bytes) -> list[ServerSentEvent]:
        return [ServerSentEvent("", self._utf8.decode(data), "")]

    def receive_eof(self) -> list[ServerSentEvent]:
        return [ServerSentEvent("", self._utf8.decode(b"", final=True), "")]


def _json_object(text: str) -> dict[str, object]:
    """The JSON object that the text is; empty where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _json_lines(dialect: Dialect, last_event_id: str, max_event_size: int) -> Frames:
    return _JSONFrames(jsonlines.JSONLinesParser(max_value_size=max_event_size), max_event_size)


_FRAMES: dict[Framing, Callable[[Dialect, str, int], Frames]] = {
    "sse": _SSEFrames,
    "jsonlines": _json_lines,
    "sse-or-json": _EitherFrames,
    "eventstream": _EventStreamFrames,
    "raw": _RawFrames,
}
