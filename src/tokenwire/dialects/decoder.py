"""The bytes of a body in, stream events out: a framing and a dialect put together, without I/O.

decoder = Decoder("openai-chat")
for event in decoder.receive_data(chunk): ...
for event in decoder.receive_eof(): ...
decoder.outcome      # "clean", "error" (the server said so) or "interrupted"; None while it runs
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Literal

from ..errors import RemoteProtocolError
from ..framing.sse import MAX_EVENT_SIZE, Note, ServerSentEvent, SSEParser
from . import dialect_named
from .dialect import Dialect
from .events import End, Error, StreamEvent

__all__ = ["Decoder", "Outcome"]

Outcome = Literal["clean", "error", "interrupted"]

#: Characters of lines outside any field that are kept to find an error object in them: error texts that servers
#: write into a stream are a few kilobytes at most.
MAX_STRAY_TEXT = 64 * 1024

#: A JSON string, which ends on the line where it began; braces in it do not count.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Decoder:
    """Decodes one stream of one dialect.

    :param dialect: a dialect, or the name of one.
    :param last_event_id: where an earlier connection stopped (framing "sse").
    :param max_event_size: bytes, as in `SSEParser`.
    :raises LocalProtocolError: for the name of no dialect.
    """

    def __init__(
        self,
        dialect: str | Dialect,
        *,
        last_event_id: str = "",
        max_event_size: int = MAX_EVENT_SIZE,
    ) -> None:
        self.dialect = dialect_named(dialect) if isinstance(dialect, str) else dialect
        #: How the stream ended; None while it has not.
        self.outcome: Outcome | None = None
        self._failed = False
        self._decoder = self.dialect.decoder()
        self._frames: _SSEFrames | _RawFrames = (
            _SSEFrames(last_event_id, max_event_size, self.dialect.stray_errors)
            if self.dialect.framing == "sse"
            else _RawFrames()
        )

    @property
    def ended(self) -> bool:
        """The `End` has been given: what follows on the wire is of no interest."""
        return self.outcome is not None

    @property
    def error(self) -> RemoteProtocolError | None:
        """What terminated the framing, and what the next call raises."""
        return self._frames.error

    @property
    def last_event_id(self) -> str:
        """For the Last-Event-ID header of the next connection; empty where there is none."""
        return self._frames.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds."""
        return self._frames.retry

    def receive_data(self, data: bytes) -> list[StreamEvent]:
        """Takes the next bytes of the body.

        :raises RemoteProtocolError: when a limit of the framing is passed, after what came before it was given.
        """
        if self.ended:
            return []
        return self._decode(self._frames.receive_data(data))

    def receive_message(self, data: str | bytes) -> list[StreamEvent]:
        """Takes one message of a WebSocket; some servers put their JSON into binary ones."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        return [] if self.ended else self._decode([ServerSentEvent("", text, "")])

    def receive_eof(self, *, cut: bool = False) -> list[StreamEvent]:
        """The body ended. An `End` that is not clean means that the dialect's terminator had not been seen.

        :param cut: the transport knows that more should have come, so this end stands for no terminator.
        """
        if self.ended:
            return []
        events = self._decode(self._frames.receive_eof())
        if self.ended:
            return events
        last = self._decoder.receive_eof()
        for event in last:
            if isinstance(event, End):
                event.clean = event.clean and not cut
        return events + self._note(last, terminated=False)

    def _decode(self, messages: list[ServerSentEvent]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for message in messages:
            events += self._note(self._decoder.receive_message(message), terminated=True)
            if self.ended:
                break
        return events

    def _note(self, events: list[StreamEvent], *, terminated: bool) -> list[StreamEvent]:
        for event in events:
            if isinstance(event, Error):
                self._failed = self._failed or event.fatal
            elif isinstance(event, End):
                self.outcome = self._outcome(event, terminated)
        return events

    def _outcome(self, end: End, terminated: bool) -> Outcome:
        if end.clean:
            return "clean"
        return "error" if self._failed or terminated else "interrupted"


class _SSEFrames:
    """Server-sent events, and the errors that servers write between them outside of any field."""

    def __init__(self, last_event_id: str, max_event_size: int, stray_errors: bool) -> None:
        self._notes: list[Note] = []
        self._strays = _Strays()
        self._parser = SSEParser(
            last_event_id=last_event_id,
            max_event_size=max_event_size,
            observe=self._notes.append if stray_errors else None,
        )

    @property
    def error(self) -> RemoteProtocolError | None:
        return self._parser.error

    @property
    def last_event_id(self) -> str:
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        return self._parser.retry

    def receive_data(self, data: bytes) -> list[ServerSentEvent]:
        try:
            events = self._parser.receive_data(data)
        except RemoteProtocolError:
            if strays := self._with_strays([]):
                return strays  # the error takes effect after what came before it
            raise
        return self._with_strays(events) if self._notes else events

    def receive_eof(self) -> list[ServerSentEvent]:
        return self._parser.receive_eof()

    def _with_strays(self, events: list[ServerSentEvent]) -> list[ServerSentEvent]:
        merged: list[ServerSentEvent] = []
        taken = 0
        for note in self._notes:
            error = self._strays.receive_line(note.text) if note.kind == "ignored" else None
            if error is not None:
                merged += events[taken : note.position]
                merged.append(ServerSentEvent("error", error, ""))
                taken = note.position
        self._notes.clear()
        return merged + events[taken:]


class _Strays:
    """Lines outside any field, and the errors in them: Gemini and several gateways send bare JSON, on one line or
    many, llama.cpp sent a field named `error`."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._depth = 0

    def receive_line(self, line: str) -> str | None:
        """Takes the next line, returns the text of the error that it completes."""
        if line.startswith("error:"):
            return line.removeprefix("error:").strip()
        if not self._lines and not line.startswith("{"):
            return None
        self._lines.append(line)
        self._size += len(line)
        outside = _STRING.sub("", line)
        self._depth += outside.count("{") - outside.count("}")
        if self._depth > 0 and self._size <= MAX_STRAY_TEXT:
            return None
        text = "\n".join(self._lines)
        self._reset()
        return text if "error" in _json_object(text) else None


class _RawFrames:
    """No framing: each piece of text is a message."""

    error: RemoteProtocolError | None = None
    last_event_id = ""
    retry: int | None = None

    def __init__(self) -> None:
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
