"""The bytes of a body in, messages out: the framings behind one interface, so that a dialect knows none of them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..errors import RemoteProtocolError
from ..framing.sse import Note, ServerSentEvent, SSEParser
from ..lazily import Lazily
from .dialect import Dialect, Framing
from .json_decoder import is_torn
from .refusals import refusal_in
from .surrogates import whole
from .values import json_text, value_of

if TYPE_CHECKING:  # most dialects have server-sent events
    from ..framing import jsonlines
    from ..framing.eventstream import EventStreamMessage
else:
    jsonlines = Lazily("tokenwire.framing.jsonlines")

__all__ = ["Frames", "frames_for"]

#: Characters of lines outside any field that are kept: errors that servers write into a stream are a few kilobytes.
MAX_STRAY_TEXT = 64 * 1024

#: Such lines before the first event that are kept until it comes. A frame that was cut leaves one or two.
MAX_EARLY = 16

#: Bytes at the beginning of a body that are kept while no message has come; of a JSON value, the limit of a message.
MAX_UNREAD = 64 * 1024

#: How a body of server-sent events begins: with a comment or a field, which may be cut in its name.
_FIELD = r"(?m)\ufeff?(:|(data|event|id|retry)(:|$)|(d|da|dat|e|ev|eve|even|i|r|re|ret|retr)\Z)"

#: As much of `[DONE]` as no other message begins with.
_BEGUN_DONE = r"\[D(O(N(E\]?)?)?)?"

#: Bytes of the prelude of an event stream. Text has no control character among its first ones; a prelude has, for no
#: message is as large as four letters say.
_PRELUDE_SIZE = 12
_CONTROL = rb"[^\t\r\n\x20-\xff]"

#: Bytes before the first that tells JSON from server-sent events. What servers send there is nothing, or a line end.
MAX_BLANK = 1024

_BOM = b"\xef\xbb\xbf"

#: A JSON string, which ends on the line where it began; braces in it do not count.
_STRING = r'"(?:[^"\\]|\\.)*"'


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


class _Unread:
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
    return beginning.removeprefix(_BOM).lstrip().startswith(letters)


class _SSEFrames:
    """Server-sent events, and the errors that servers write between them outside of any field."""

    def __init__(self, dialect: Dialect, last_event_id: str, max_event_size: int) -> None:
        self._notes: list[Note] = []
        self._plain = dialect.plain
        self._strays = _Strays()
        self._speaking = False  # an event has come: what stands outside of events is no page in place of a stream
        self._unread = _Unread(max_event_size)
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
        """An error that ends with the stream ends there too, without a line end."""
        events = self._parser.receive_eof()
        if not self._plain:
            strays = self._strays.receive_line(self._parser.unfinished_line, speaking=False)
            events = [*events, *_messages(strays, self.last_event_id)]
        self._unread.read(events)
        return events

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


class _Strays:
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
        outside = re.sub(_STRING, "", line)
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


class _JSONFrames:
    """Values of JSON, a message each. One that was cut off is handed on too, for all to see that it is none."""

    last_event_id = ""
    retry: int | None = None

    def __init__(self, parser: jsonlines.JSONLinesParser | jsonlines.JSONArrayParser, max_value_size: int) -> None:
        self._parser = parser
        self._unread = _Unread(max_value_size)

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
            text = data.removeprefix(_BOM).lstrip(b" \t\r\n")
            near = len(data) - len(text) <= MAX_BLANK
            if near and (not text or _BOM.startswith(data)):
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
