"""The bytes of a body in, stream events out: a framing and a dialect put together, without I/O.

decoder = Decoder("openai-chat")
for event in decoder.receive_data(chunk): ...
for event in decoder.receive_eof(): ...
decoder.outcome      # "clean", "error" (the server said so) or "interrupted"; None while it runs
"""

from __future__ import annotations

import codecs
import json
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
            _SSEFrames(last_event_id, max_event_size) if self.dialect.framing == "sse" else _RawFrames()
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

    def receive_eof(self) -> list[StreamEvent]:
        """The body ended. An `End` that is not clean means that the dialect's terminator had not been seen."""
        if self.ended:
            return []
        events = self._decode(self._frames.receive_eof())
        return events if self.ended else events + self._note(self._decoder.receive_eof(), terminated=False)

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
    """Server-sent events, and the JSON error objects that servers write between them outside of any field."""

    def __init__(self, last_event_id: str, max_event_size: int) -> None:
        self._notes: list[Note] = []
        self._stray = ""
        self._parser = SSEParser(last_event_id=last_event_id, max_event_size=max_event_size, observe=self._notes.append)

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
        events = self._parser.receive_data(data)
        return self._with_strays(events) if self._notes else events

    def receive_eof(self) -> list[ServerSentEvent]:
        self._parser.receive_eof()
        return []

    def _with_strays(self, events: list[ServerSentEvent]) -> list[ServerSentEvent]:
        merged: list[ServerSentEvent] = []
        taken = 0
        for note in self._notes:
            error = self._stray_error(note.text) if note.kind == "ignored" else None
            if error is not None:
                merged += events[taken : note.position]
                merged.append(ServerSentEvent("error", error, self._parser.last_event_id))
                taken = note.position
        self._notes.clear()
        return merged + events[taken:]

    def _stray_error(self, line: str) -> str | None:
        """Gemini and several gateways send an error as bare JSON, llama.cpp did as a field named `error`."""
        if line.startswith("error:"):
            return line.removeprefix("error:").strip()
        if not self._stray and not line.startswith("{"):
            return None
        self._stray += line + "\n"
        if line.rstrip().endswith("}"):
            text, value = self._stray, _json_object(self._stray)
            if value is not None:
                self._stray = ""
                return text if "error" in value else None
        if len(self._stray) > MAX_STRAY_TEXT:
            self._stray = ""
        return None


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


def _json_object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
