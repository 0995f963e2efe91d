"""Events that are none, and fields that are used wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tokenwire.recording.captures import Layer

from ...judging.case import at, gathered
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.stream import SENTINEL, Event, Stream
from .common import FIELDS, KEEPALIVE, speaks_json

MUST, SHOULD = Level.MUST, Level.SHOULD


#: Line ends that Python's str.splitlines knows and the standard does not: U+2028, U+2029, U+0085.
_FOREIGN_LINE_END = re.compile(rb"\xe2\x80[\xa8\xa9]|\xc2\x85")


#: Bytes of an event at which readers with a fixed buffer stop: Go's bufio.Scanner, then the next usual limit.
_SMALL_BUFFER = 64 * 1024


_LARGE_BUFFER = 1024 * 1024


def _uses(name: str) -> Any:
    """Tells the streams that use a field."""
    return lambda stream: any(block.values(name) for block in stream.blocks)


@passive(
    "sse.comments",
    MUST,
    "WHATWG HTML 9.2.6, 9.2.7",
    "A sign of life is a comment line, not data that is no JSON.",
    on="streams",
    when=speaks_json,
    absent="no stream of JSON payloads was seen",
    breaks="openai 3.54.0 raises JSONDecodeError in the middle of the answer",
)
def comments(stream: Stream) -> Iterator[Finding]:
    offsets = [
        payload.offset for payload in stream.payloads if payload.error and KEEPALIVE.fullmatch(payload.event.data)
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
        if block.closed and not block.values("data") and any(block.values(name) for name in FIELDS)
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
    needs=[Layer.FIELDS],
)
def status_200(stream: Stream) -> Iterator[Finding]:
    if stream.response.status != 200:
        yield Finding(f"an event stream has the status {stream.response.status}", at(stream.response))
