"""The bytes of a body in, messages out: the framings behind one interface, so that a dialect knows none of them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import Protocol

from ..errors import RemoteProtocolError
from ..framing.sse import Note, ServerSentEvent, SSEParser
from .dialect import Dialect, Framing

__all__ = ["Frames", "frames_for"]

#: Characters of lines outside any field that are kept to find an error object in them: error texts that servers
#: write into a stream are a few kilobytes at most.
MAX_STRAY_TEXT = 64 * 1024

#: A JSON string, which ends on the line where it began; braces in it do not count.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Frames(Protocol):
    """Bytes in, messages out. A limit that is passed takes effect after what came before it: see `SSEParser`."""

    @property
    def error(self) -> RemoteProtocolError | None:
        """What terminated it, and what the next call raises."""

    @property
    def last_event_id(self) -> str:
        """For the Last-Event-ID header of the next connection; empty where there is none."""

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds."""

    def receive_data(self, data: bytes) -> list[ServerSentEvent]: ...
    def receive_eof(self) -> list[ServerSentEvent]: ...


def frames_for(dialect: Dialect, last_event_id: str, max_event_size: int) -> Frames:
    """The framing of one stream of the dialect."""
    return _FRAMES[dialect.framing](dialect, last_event_id, max_event_size)


class _SSEFrames:
    """Server-sent events, and the errors that servers write between them outside of any field."""

    def __init__(self, dialect: Dialect, last_event_id: str, max_event_size: int) -> None:
        self._notes: list[Note] = []
        self._strays = _Strays()
        self._parser = SSEParser(
            last_event_id=last_event_id,
            max_event_size=max_event_size,
            observe=self._notes.append if dialect.stray_errors else None,
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


_FRAMES: dict[Framing, Callable[[Dialect, str, int], Frames]] = {"sse": _SSEFrames, "raw": _RawFrames}
