"""The bytes and lines of an event stream."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Literal

from tokenwire.recording.captures import Layer

from ...judging.case import at, gathered
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.generation import dialect_of
from ...reading.stream import Block, Line, Stream
from .common import FIELDS

MUST, SHOULD = Level.MUST, Level.SHOULD


#: What a field of another name looks like, as against a payload that stands where a field should.
_UNKNOWN_FIELD = re.compile(r"[A-Za-z][-\w]*:")


_CR, _LF, _CRLF = b"\r", b"\n", b"\r\n"


def _ended(stream: Stream) -> bool:
    """It was read to its end. Where its chunks cannot be read, nobody knows where that is."""
    broken = any(problem.rule == "chunk-syntax" for problem in stream.response.problems)
    return stream.complete and bool(stream.content) and not broken


@passive(
    "sse.utf8",
    MUST,
    "WHATWG HTML 9.2.5",
    "The whole body is valid UTF-8.",
    on="streams",
    breaks="openai 3.54.0 raises UnicodeDecodeError",
    needs=[Layer.OCTETS],
)
def utf8(stream: Stream) -> Iterator[Finding]:
    # A body that was cut may well end within a character: that it was cut is for others to say.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(stream.content, final=stream.response.complete)
    except UnicodeDecodeError as error:
        yield Finding(f"the body is not UTF-8: {error.reason}", at(stream.response, content=error.start))


@passive(
    "sse.no-bom",
    SHOULD,
    "interoperability; WHATWG HTML 9.2.5",
    "The stream does not begin with a byte order mark, legal as it is.",
    on="streams",
    breaks="the first event is lost in 8 of 12 readers measured, openai 3.54.0 and httpx-sse 0.4.3 among them",
    needs=[Layer.OCTETS],
)
def no_bom(stream: Stream) -> Iterator[Finding]:
    if stream.has_bom:
        yield Finding("the stream begins with a byte order mark", at(stream.response, content=0))


@passive(
    "sse.eol",
    SHOULD,
    "interoperability; WHATWG HTML 9.2.5",
    "All lines end alike, in LF or CRLF. (A lone CR, and all three mixed, are legal.)",
    on="streams",
)
def eol(stream: Stream) -> Iterator[Finding]:
    error = _googles_error(stream)
    lines = [line for line in stream.lines if line.end and (error is None or line not in error.lines)]
    if lines and lines[-1].end == _CR and not stream.response.complete:
        lines.pop()  # the LF may have been cut off
    yield from gathered(stream.response, [line.offset for line in lines if line.end == _CR], "a line ends in a lone CR")
    kinds = [line.end for line in lines if line.end != _CR]
    if len(set(kinds)) > 1:
        odd = min(set(kinds), key=kinds.count)
        first = next(line for line in lines if line.end == odd)
        message = f"lines end differently: {kinds.count(_LF)} in LF, {kinds.count(_CRLF)} in CRLF"
        yield Finding(message, at(stream.response, content=first.offset))


@passive(
    "sse.known-fields",
    SHOULD,
    "WHATWG HTML 9.2.6",
    "Only the fields data, event, id and retry are used, and comments: every other one is ignored.",
    on="streams",
)
def known_fields(stream: Stream) -> Iterator[Finding]:
    unknown: dict[str, list[int]] = {}
    for line in _lines(stream, "unknown"):
        unknown.setdefault(line.name, []).append(line.offset)
    for name, offsets in unknown.items():
        message = f"the field {name!r} is none of server-sent events and is ignored"
        yield from gathered(stream.response, offsets, message)


@passive(
    "sse.no-naked-lines",
    MUST,
    "WHATWG HTML 9.2.6",
    "Whatever is said stands in a data field.",
    on="streams",
    breaks="openai 3.54.0 drops the line, and shows what came before it as the whole answer",
)
def no_naked_lines(stream: Stream) -> Iterator[Finding]:
    offsets = [line.offset for line in _lines(stream, "naked")]
    if offsets and _googles_error(stream) is not None:
        return
    yield from gathered(stream.response, offsets, "a line stands outside any field and is ignored")


def _googles_error(stream: Stream) -> Block | None:
    """The one block of a stream of Gemini's that is an error as Google's servers write it, and its SDKs look for it."""
    naked = [block for block in stream.blocks if block.lines[0].raw.startswith(b"{")]
    if len(naked) != 1 or dialect_of(stream.response) != "gemini":
        return None
    try:
        value = json.loads(b"".join(line.raw for line in naked[0].lines))
    except (ValueError, RecursionError):
        return None
    return naked[0] if isinstance(value, dict) and isinstance(value.get("error"), dict) else None


@passive(
    "sse.field-column",
    SHOULD,
    "WHATWG HTML 9.2.6",
    "Field names begin their line and end at the colon, without blanks.",
    on="streams",
    breaks="' data' is another field: openai 3.54.0 and httpx-sse 0.4.3 drop the event",
)
def field_column(stream: Stream) -> Iterator[Finding]:
    offsets = [line.offset for line in _lines(stream, "padded")]
    yield from gathered(stream.response, offsets, "a blank stands beside a field name, so the field is ignored")


def _lines(stream: Stream, kind: Literal["unknown", "naked", "padded"]) -> list[Line]:
    """The lines of a kind. The rest of a line that was cut is of none."""
    lines = stream.lines
    if lines and not lines[-1].end and not stream.response.complete:
        lines = lines[:-1]
    return [line for line in lines if line.raw and _line_kind(line) == kind]


def _line_kind(line: Line) -> Literal["known", "unknown", "naked", "padded"]:
    if line.is_comment or line.name in FIELDS:
        return "known"
    if line.name.strip(" \t") in FIELDS:
        return "padded"
    return "unknown" if _UNKNOWN_FIELD.match(line.text) else "naked"


@passive(
    "sse.final-blank-line",
    MUST,
    "WHATWG HTML 9.2.5, 9.2.6",
    "The last event is closed by a blank line before the stream ends.",
    on="streams",
    when=_ended,
    absent="no stream was read to its end",
    breaks="openai 3.54.0 and httpx-sse 0.4.3 discard the event",
    needs=[Layer.END],
)
def final_blank_line(stream: Stream) -> Iterator[Finding]:
    last = stream.blocks[-1] if stream.blocks else None
    if last is not None and not last.closed and (last.values("data") or last.values("event")):
        how = "the stream ends" if stream.response.complete else "the stream was cut"
        yield Finding(
            f"{how} before the blank line that closes its last event", at(stream.response, content=last.offset)
        )
