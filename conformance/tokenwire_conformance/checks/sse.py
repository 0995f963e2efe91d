"""Framing of server-sent events: what every reader of WHATWG HTML 9.2 may rely on, and what many trip over."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from tokenwire.dialects import DIALECTS

from ..judging.case import Case, asked_for_stream, at, gathered, json_of
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..reading.generation import dialect_of
from ..reading.http import Response
from ..reading.lines import JSON_LINES
from ..reading.stream import SENTINEL, Block, Event, Line, Payload, Stream

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_FIELDS = frozenset({"data", "event", "id", "retry"})

#: What a field of another name looks like, as against a payload that stands where a field should.
_UNKNOWN_FIELD = re.compile(r"[A-Za-z][-\w]*:")

#: Data that says nothing but "still here": empty, a comment sent as data, or one of the usual words.
_KEEPALIVE = re.compile(r"\s*([:#].*|\W*(ping|pong|keep-?alive|heart-?beat)\W*)?\s*", re.IGNORECASE | re.DOTALL)

#: Line ends that Python's str.splitlines knows and the standard does not: U+2028, U+2029, U+0085.
_FOREIGN_LINE_END = re.compile(rb"\xe2\x80[\xa8\xa9]|\xc2\x85")

_CR, _LF, _CRLF = b"\r", b"\n", b"\r\n"

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)

#: Bytes of an event at which readers with a fixed buffer stop: Go's bufio.Scanner, then the next usual limit.
_SMALL_BUFFER = 64 * 1024
_LARGE_BUFFER = 1024 * 1024

_JSON_DECODER = json.JSONDecoder()


def _has_type(stream: Stream) -> bool:
    return stream.response.media_type == "text/event-stream"


def _ended(stream: Stream) -> bool:
    """It was read to its end. Where its chunks cannot be read, nobody knows where that is."""
    broken = any(problem.rule == "chunk-syntax" for problem in stream.response.problems)
    return stream.complete and bool(stream.content) and not broken


def _speaks_json(stream: Stream) -> bool:
    """Its payloads are meant to be JSON. Server-sent events over GET may be of any kind."""
    return stream.response.request.method == "POST" or bool(stream.objects)


def _owes_events(response: Response) -> bool:
    """A stream was asked for, and the status promises it; and it is no dialect that streams in another framing."""
    if not (response.head_complete and response.status == 200 and asked_for_stream(response)):
        return False
    path = response.request.target.partition("?")[0]
    if path.endswith("/chat/completions"):
        return True
    framing = DIALECTS[dialect_of(response)].framing
    return response.media_type not in JSON_LINES and framing not in ("jsonlines", "eventstream")


def _uses(name: str) -> Any:
    """Tells the streams that use a field."""
    return lambda stream: any(block.values(name) for block in stream.blocks)


# What is said of the stream before it.


@passive(
    "sse.content-type",
    MUST,
    "WHATWG HTML 9.2.2, 9.2.5; Open Responses",
    "What is answered to stream: true has the media type text/event-stream.",
    on="responses",
    when=_owes_events,
    absent="no 200 to a request for server-sent events was seen",
    breaks="EventSource in browsers and httpx-sse 0.4.3 refuse the stream",
)
def content_type(response: Response) -> Iterator[Finding]:
    if response.media_type == "text/event-stream":
        return
    said = f"the answer is {response.media_type}" if response.media_type else "the answer has no Content-Type"
    looks = Stream(response).events and response.content.lstrip()[:1] not in (b"{", b"[", b"<")
    but = ", although an event stream follows" if looks else " and is no event stream"
    yield Finding(f"a stream was asked for: {said}{but}", at(response, response.field_offset("content-type")))


@passive(
    "sse.charset",
    MUST,
    "WHATWG HTML 17.7",
    "The Content-Type of a stream has no charset, or utf-8.",
    on="streams",
    when=_has_type,
    absent="no stream with the type text/event-stream was seen",
    breaks="readers that obey the parameter (httpx-sse 0.4.3 among them) turn every character beyond ASCII into others",
)
def charset(stream: Stream) -> Iterator[Finding]:
    response = stream.response
    for parameter in response.header("content-type").split(";")[1:]:
        name, _, value = parameter.partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() == "charset" and value.lower() != "utf-8":
            yield Finding(
                f"the charset is {value!r}: an event stream is always UTF-8",
                at(response, response.field_offset("content-type")),
            )


@active(
    "sse.nonstream-json",
    MUST,
    "OpenAI API description, chat; Open Responses",
    "Without stream: true the answer is one JSON text of the type application/json, without an end mark.",
    probes=("whole",),
    breaks="openai 3.54.0 hands the stream on as a string, and the first use of its fields raises",
)
def nonstream_json(case: Case) -> Iterator[Finding]:
    response = case.accepted("whole")
    if not response.complete:
        raise Inconclusive("the answer did not come to its end")
    if response.media_type != "application/json" and not response.media_type.endswith("+json"):
        said = response.media_type or "no type"
        yield Finding(
            f"no stream was asked for, and the answer has {said}",
            at(response, response.field_offset("content-type")),
        )
    elif not isinstance(json_of(response), dict):
        mark = response.content.find(SENTINEL.encode())
        what = f"{SENTINEL} stands in it" if mark >= 0 else "it does not parse as one"
        yield Finding(f"the answer is not a JSON object: {what}", at(response, content=max(mark, 0)))


# Bytes and lines.


@passive(
    "sse.utf8",
    MUST,
    "WHATWG HTML 9.2.5",
    "The whole body is valid UTF-8.",
    on="streams",
    breaks="openai 3.54.0 raises UnicodeDecodeError; conforming readers show U+FFFD",
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
    breaks="readers that look for one kind of line end; a lone CR is no line end for many of them",
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
    breaks="what stands in such a field is lost to every conforming reader; openai-go stumbles over the empty event",
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
    breaks="conforming readers drop the line: openai 3.54.0 shows what came before it as the whole answer",
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
    if line.is_comment or line.name in _FIELDS:
        return "known"
    if line.name.strip(" \t") in _FIELDS:
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
    breaks="conforming readers discard the event, openai 3.54.0 and httpx-sse 0.4.3 too; some others dispatch it",
)
def final_blank_line(stream: Stream) -> Iterator[Finding]:
    last = stream.blocks[-1] if stream.blocks else None
    if last is not None and not last.closed and (last.values("data") or last.values("event")):
        how = "the stream ends" if stream.response.complete else "the stream was cut"
        yield Finding(
            f"{how} before the blank line that closes its last event", at(stream.response, content=last.offset)
        )


# Payloads.


@passive(
    "sse.one-json-per-event",
    MUST,
    "OpenAI API description, chat streaming",
    "Every event has one payload: two are never merged for want of a blank line.",
    on="streams",
    breaks="openai 3.54.0 raises JSONDecodeError: Extra data",
)
def one_json_per_event(stream: Stream) -> Iterator[Finding]:
    offsets = [payload.offset for payload in stream.payloads if payload.error and _texts(payload.event.data) > 1]
    yield from gathered(stream.response, offsets, "one event has two payloads: a blank line is missing between them")


@passive(
    "sse.json",
    MUST,
    "OpenAI API description, chat streaming; Open Responses",
    "The data of every event, the end mark aside, is one JSON text.",
    on="streams",
    when=_speaks_json,
    absent="no stream of JSON payloads was seen",
    breaks="openai 3.54.0 raises JSONDecodeError, and what follows is lost",
)
def json_text(stream: Stream) -> Iterator[Finding]:
    for payload in stream.payloads:
        error = _json_error(payload)
        if error:
            yield Finding(f"the data of an event is not JSON: {error}", at(stream.response, content=payload.offset))


def _json_error(payload: Payload) -> str:
    """Why an event's data is no JSON, unless a check of its own says it better: keepalives, merged events."""
    data = payload.event.data
    if payload.error:
        return "" if _KEEPALIVE.fullmatch(data) or _texts(data) > 1 else payload.error
    constants: list[str] = []
    json.loads(data, parse_constant=constants.append)
    return f"{constants[0]} is no JSON value" if constants else ""


def _texts(data: str) -> int:
    """How many JSON texts and end marks stand one after the other in the data; 0 where there is anything else."""
    count = at_ = 0
    while at_ < len(data):
        if data[at_].isspace():
            at_ += 1
            continue
        if data.startswith(SENTINEL, at_):
            at_ += len(SENTINEL)
        elif data[at_] in "{[":
            try:
                at_ = _JSON_DECODER.raw_decode(data, at_)[1]
            except (ValueError, RecursionError):
                return 0
        else:
            return 0
        count += 1
    return count


@passive(
    "sse.json-dup-keys",
    SHOULD,
    "RFC 8259 4",
    "No object has the same name twice.",
    on="streams",
    breaks="readers take the first, the last or none of the values",
)
def json_dup_keys(stream: Stream) -> Iterator[Finding]:
    doubled: dict[str, list[int]] = {}
    for payload in stream.payloads:
        for name in payload.duplicates:
            doubled.setdefault(name, []).append(payload.offset)
    for name, offsets in doubled.items():
        yield from gathered(stream.response, offsets, f"an object has the name {name!r} twice")


@passive(
    "sse.surrogates",
    SHOULD,
    "RFC 8259 8.2",
    "The two escapes of a surrogate pair stand together in one event.",
    on="streams",
    breaks="Python programs raise UnicodeEncodeError on the half character; LiteLLM 1.109.1 cuts the stream there",
)
def surrogates(stream: Stream) -> Iterator[Finding]:
    lone = [(payload, code) for payload in stream.payloads if not payload.error for code in _lone(payload.event.data)]
    place = 0
    while place < len(lone):
        payload, code = lone[place]
        other, partner = lone[place + 1] if place + 1 < len(lone) else (payload, code)
        if _is_high(code) and not _is_high(partner) and other is not payload:
            message = f"a character is split over two events: \\u{code:04x} stands in one, \\u{partner:04x} in another"
            place += 2
        else:
            message = f"half a surrogate pair stands alone in an event: \\u{code:04x}"
            place += 1
        yield Finding(message, at(stream.response, content=_escape_offset(stream, payload, code)))


def _escape_offset(stream: Stream, payload: Payload, code: int) -> int:
    """Where the escape stands; it may be far into its event."""
    match = re.compile(rb"\\u%04x" % code, re.IGNORECASE).search(stream.content, payload.offset)
    return match.start() if match else payload.offset


def _lone(text: str) -> Iterator[int]:
    """The surrogates among the escapes of a JSON text that have no partner beside them."""
    high: int | None = None
    end = -1
    for match in _ESCAPE.finditer(text):
        code = int(match[1], 16) if match[1] else 0
        paired = high is not None and match.start() == end and 0xDC00 <= code <= 0xDFFF
        if high is not None and not paired:
            yield high
        high = None
        if _is_high(code):
            high, end = code, match.end()
        elif 0xDC00 <= code <= 0xDFFF and not paired:
            yield code
    if high is not None:
        yield high


def _is_high(code: int) -> bool:
    return 0xD800 <= code <= 0xDBFF


@active(
    "sse.no-fffd",
    SHOULD,
    "practice",
    "An answer with characters beyond ASCII has no U+FFFD in it.",
    probes=("stream",),
    breaks="the characters are lost for good: tokens were decoded one by one, each with a part of a character",
)
def no_fffd(case: Case) -> Iterator[Finding]:
    generation = case.generation("stream")
    if not isinstance(generation.body, Stream):
        raise NotApplicable("the answer is no event stream")
    said = [step for step in generation.steps if step.spoken]
    if not said:
        raise Inconclusive("the answer has no text")
    if all(step.spoken.isascii() for step in said):
        raise NotApplicable("the answer has no character beyond ASCII")
    offsets = [step.offset for step in said if "\ufffd" in step.spoken and _is_utf8(generation.body, step.offset)]
    yield from gathered(
        generation.response, offsets, "the answer holds U+FFFD, which stands for bytes that were no character"
    )


def _is_utf8(stream: Stream, offset: int) -> bool:
    """Where the bytes of a block are broken themselves, the U+FFFD is our reading of them."""
    block = next(block for block in stream.blocks if block.offset == offset)
    try:
        for line in block.lines:
            line.raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# Events that are none, and fields that are used wrongly.


@passive(
    "sse.comments",
    MUST,
    "WHATWG HTML 9.2.6, 9.2.7",
    "A sign of life is a comment line, not data that is no JSON.",
    on="streams",
    when=_speaks_json,
    absent="no stream of JSON payloads was seen",
    breaks="openai 3.54.0 raises JSONDecodeError in the middle of the answer",
)
def comments(stream: Stream) -> Iterator[Finding]:
    offsets = [
        payload.offset for payload in stream.payloads if payload.error and _KEEPALIVE.fullmatch(payload.event.data)
    ]
    yield from gathered(stream.response, offsets, "a keepalive is sent as data, which readers parse as JSON")


@passive(
    "sse.no-empty-events",
    SHOULD,
    "WHATWG HTML 9.2.6",
    "Every block with an id, event or retry field has data.",
    on="streams",
    breaks="openai 3.54.0 raises JSONDecodeError, httpx-sse 0.4.3 dispatches an empty event, as 6 of 12 readers do",
)
def no_empty_events(stream: Stream) -> Iterator[Finding]:
    offsets = [
        block.offset
        for block in stream.blocks
        if block.closed and not block.values("data") and any(block.values(name) for name in _FIELDS)
    ]
    yield from gathered(stream.response, offsets, "a blank line closes a block that has fields but no data")


@passive(
    "sse.keepalive-safe",
    SHOULD,
    "interoperability",
    "Once an id was sent, no comment is followed by a blank line of its own.",
    on="streams",
    breaks="at that blank line openai 3.54.0, anthropic 2.12.0 and httpx-sse 0.4.3 dispatch an event without data",
)
def keepalive_safe(stream: Stream) -> Iterator[Finding]:
    # These readers dispatch at a blank line whenever an id is remembered. An event name is not remembered that long.
    offsets = []
    last_id = ""
    for block in stream.blocks:
        if last_id and block.closed and all(line.is_comment for line in block.lines):
            offsets.append(block.offset)
        last_id = [last_id, *block.values("id")][-1]
    yield from gathered(stream.response, offsets, "a comment with a blank line of its own comes after an id was sent")


@passive(
    "sse.id-no-nul",
    SHOULD,
    "WHATWG HTML 9.2.6",
    "No id holds a NUL.",
    on="streams",
    when=_uses("id"),
    absent="no stream with ids was seen",
    breaks="conforming readers ignore such an id, and resume from the one before",
)
def id_no_nul(stream: Stream) -> Iterator[Finding]:
    offsets = [block.offset for block in stream.blocks if any("\0" in value for value in block.values("id"))]
    yield from gathered(stream.response, offsets, "an id holds a NUL and is ignored")


@passive(
    "sse.retry-digits",
    SHOULD,
    "WHATWG HTML 9.2.6",
    "The value of retry is digits, and nothing else.",
    on="streams",
    when=_uses("retry"),
    absent="no stream with retry was seen",
    breaks="conforming readers ignore the field",
)
def retry_digits(stream: Stream) -> Iterator[Finding]:
    for block in stream.blocks:
        for value in block.values("retry"):
            if not (value.isascii() and value.isdigit()):
                yield Finding(
                    f"retry is {value[:40]!r} and is ignored: it must be digits",
                    at(stream.response, content=block.offset),
                )


@passive(
    "sse.event-size",
    SHOULD,
    "interoperability",
    "No event is longer than 64 KiB.",
    on="streams",
    breaks="readers with a fixed buffer: Go's bufio.Scanner stops at 64 KiB, other clients at 1 MiB",
)
def event_size(stream: Stream) -> Iterator[Finding]:
    large = [block for block in stream.blocks if block.size > _SMALL_BUFFER]
    if large:
        largest = max(large, key=lambda block: block.size)
        line = max(len(line.raw) for line in largest.lines)
        limit = "1 MiB, the limit of many clients" if largest.size > _LARGE_BUFFER else "64 KiB"
        message = f"an event has {largest.size:,} bytes, its longest line {line:,}: more than {limit}"
        yield Finding(message, at(stream.response, content=largest.offset))


@passive(
    "sse.u2028-escaped",
    SHOULD,
    "interoperability",
    "U+2028, U+2029 and U+0085 are written as escapes in JSON.",
    on="streams",
    breaks="readers that split lines with Python's str.splitlines cut the event there (dify and evalscope did)",
)
def u2028_escaped(stream: Stream) -> Iterator[Finding]:
    offsets = [
        line.offset + match.start()
        for line in stream.lines
        if line.name == "data" and (match := _FOREIGN_LINE_END.search(line.raw))
    ]
    yield from gathered(stream.response, offsets, "U+2028, U+2029 or U+0085 stands unescaped in data")


@passive(
    "sse.nothing-after-terminal",
    MUST,
    "OpenAI API description, chat streaming; Open Responses",
    "No event follows the end mark.",
    on="streams",
    when=lambda stream: any(event.is_sentinel for event in stream.events),
    absent="no stream with an end mark was seen",
    breaks="openai 3.54.0 stops at the end mark: what follows is never seen",
)
def nothing_after_terminal(stream: Stream) -> Iterator[Finding]:
    # A second end mark is for the dialect to judge.
    later = [event.offset for event in _after_sentinel(stream) if not event.is_sentinel]
    yield from gathered(stream.response, later, f"an event follows {SENTINEL}")


def _after_sentinel(stream: Stream) -> list[Event]:
    first = next(place for place, event in enumerate(stream.events) if event.is_sentinel)
    return stream.events[first + 1 :]


@passive(
    "sse.status-200",
    MUST,
    "WHATWG HTML 9.2.2",
    "An event stream has the status 200, not another of success.",
    on="streams",
    breaks="EventSource in browsers fails the connection on any other status",
)
def status_200(stream: Stream) -> Iterator[Finding]:
    if stream.response.status != 200:
        yield Finding(f"an event stream has the status {stream.response.status}", at(stream.response))
