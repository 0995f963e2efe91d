"""The payloads of an event stream: JSON, and the text in it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...judging.case import Case, at, gathered
from ...judging.registry import active, passive
from ...judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ...reading.stream import SENTINEL, Payload, Stream
from ...reading.surrogates import escape_offset, halves
from .common import KEEPALIVE, speaks_json

MUST, SHOULD = Level.MUST, Level.SHOULD


_JSON_DECODER = json.JSONDecoder()


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
    when=speaks_json,
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
        return "" if KEEPALIVE.fullmatch(data) or _texts(data) > 1 else payload.error
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
    breaks="LiteLLM 1.109.1 cuts the stream there",
)
def surrogates(stream: Stream) -> Iterator[Finding]:
    payloads = [payload for payload in stream.payloads if not payload.error]
    for half in halves(payload.event.data for payload in payloads):
        where = escape_offset(stream.content, payloads[half.place].offset, half.code)
        yield Finding(half.told("event"), at(stream.response, content=where))


@active(
    "sse.no-fffd",
    SHOULD,
    "practice",
    "An answer with characters beyond ASCII has no U+FFFD in it.",
    probes=("stream",),
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
