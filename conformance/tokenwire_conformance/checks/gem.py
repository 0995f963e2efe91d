"""Gemini's generateContent as a stream: its chunks, their end, the two framings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tokenwire.recording.captures import Layer

from ..judging.case import asked_for_stream, at, excerpt, gathered, is_dialects_own, json_of
from ..judging.registry import passive
from ..judging.verdict import Finding, Level
from ..reading.gemini import Array, Candidate, GeminiStream
from ..reading.generation import dialect_of
from ..reading.http import Response
from ..reading.stream import SENTINEL, Stream

MUST, SHOULD = Level.MUST, Level.SHOULD

_CLAUSE = "Gemini API, streamGenerateContent"

#: What a chunk may have, and of which kind it is.
_MEMBERS: dict[str, type] = {"candidates": list, "promptFeedback": dict, "usageMetadata": dict}


def _has_candidates(gemini: GeminiStream) -> bool:
    return bool(gemini.candidates)


# The two framings.


def _wants_events(response: Response) -> bool:
    path = response.request.target.partition("?")[0]
    asks = response.request.method == "POST" and path.endswith(":streamGenerateContent")
    return asks and asked_for_stream(response) and 200 <= response.status < 300


@passive(
    "gem.alt-sse",
    MUST,
    _CLAUSE,
    "With alt=sse the answer is an event stream.",
    on="responses",
    when=lambda response: response.head_complete and _wants_events(response),
    absent="no stream was asked for with alt=sse",
    breaks="google-genai 3.4.0 reads lines that begin with `data:`, and finds none",
    needs=[Layer.FIELDS, Layer.REQUEST],
)
def alt_sse(response: Response) -> Iterator[Finding]:
    if response.media_type != "text/event-stream":
        said = response.media_type or "no Content-Type"
        where = at(response, response.field_offset("content-type"))
        yield Finding(f"alt=sse was asked for, and the answer has {said}", where)


@passive(
    "gem.json-array",
    SHOULD,
    _CLAUSE,
    "Without alt=sse the answer is one JSON array of chunks.",
    on="gemini_streams",
    when=lambda gemini: isinstance(gemini.body, Array) and gemini.response.complete,
    absent="no stream was asked for without alt=sse, and read to its end",
    shown_by=("array",),
    needs=[Layer.END, Layer.REQUEST],
)
def json_array(gemini: GeminiStream) -> Iterator[Finding]:
    response, array = gemini.response, gemini.body
    assert isinstance(array, Array)
    wrong = [offset for offset, value in array.elements if not isinstance(value, dict)]
    if array.flaw:
        yield Finding(f"the answer is no JSON array: {array.flaw}", at(response, content=0))
    yield from gathered(response, wrong, "an element of the array is no object")


@passive(
    "gem.no-done",
    MUST,
    _CLAUSE,
    "There is no [DONE]: the end of the body is the end.",
    on="gemini_streams",
    when=lambda gemini: isinstance(gemini.body, Stream),
    absent="no event stream of Gemini's was seen",
    breaks="google-genai 3.4.0 parses every data as JSON, and raises",
)
def no_done(gemini: GeminiStream) -> Iterator[Finding]:
    assert isinstance(gemini.body, Stream)
    marks = [event.offset for event in gemini.body.events if event.is_sentinel]
    yield from gathered(gemini.response, marks, f"OpenAI's end mark {SENTINEL} is sent")


# Chunks.


@passive(
    "gem.shape",
    MUST,
    _CLAUSE,
    "Every chunk has candidates, promptFeedback or usageMetadata, each of its kind.",
    on="gemini_streams",
    shown_by=("array",),
    breaks="google-genai 3.4.0 gives an empty chunk, or raises a validation error",
)
def shape(gemini: GeminiStream) -> Iterator[Finding]:
    flaws: dict[str, list[int]] = {}
    for chunk in gemini.chunks:
        flaw = _flaw_of_chunk(chunk.value)
        if flaw:
            flaws.setdefault(flaw, []).append(chunk.offset)
    for flaw, offsets in flaws.items():
        yield from gathered(gemini.response, offsets, f"a chunk has {flaw}")


def _flaw_of_chunk(value: dict[str, Any]) -> str:
    if not value.keys() & _MEMBERS.keys():
        return f"none of {', '.join(_MEMBERS)}"
    for name, kind in _MEMBERS.items():
        if name in value and not isinstance(value[name], kind):
            return f"`{name}` that is no {'array' if kind is list else 'object'}"
    candidates = value.get("candidates", [])
    return "" if all(isinstance(candidate, dict) for candidate in candidates) else "a candidate that is no object"


@passive(
    "gem.finish-final",
    MUST,
    _CLAUSE,
    "A candidate has a finishReason only when it has stopped.",
    on="gemini_streams",
    when=_has_candidates,
    absent="no candidate was seen",
    shown_by=("array",),
)
def finish_final(gemini: GeminiStream) -> Iterator[Finding]:
    for number in gemini.numbers:
        candidates = [candidate for candidate in gemini.candidates if candidate.number == number]
        last = max((place for place, candidate in enumerate(candidates) if candidate.says_something), default=0)
        early = [candidate for candidate in candidates[:last] if candidate.finish is not None]
        if early:
            said = f"candidate {number} has the finishReason {early[0].finish}, and goes on"
            yield from gathered(gemini.response, [candidate.offset for candidate in early], said)


@passive(
    "gem.finish-present",
    MUST,
    _CLAUSE,
    "Every candidate gets a finishReason.",
    on="gemini_streams",
    when=lambda gemini: gemini.judged_to_the_end and not gemini.blocked,
    absent="no stream of Gemini's was read to its end",
    needs=[Layer.END],
)
def finish_present(gemini: GeminiStream) -> Iterator[Finding]:
    last = at(gemini.response, content=gemini.chunks[-1].offset)
    if not gemini.candidates:
        yield Finding("the stream ends without any candidate", last)
    finished = {candidate.number for candidate in gemini.candidates if candidate.finish is not None}
    for number in gemini.numbers:
        if number not in finished:
            how = "the stream ends" if gemini.response.complete else "the stream was cut"
            yield Finding(f"{how}, and candidate {number} has no finishReason", last)


@passive(
    "gem.usage",
    SHOULD,
    _CLAUSE,
    "The last chunk has usageMetadata.",
    on="gemini_streams",
    when=lambda gemini: gemini.judged_to_the_end and gemini.response.complete,
    absent="no whole stream of Gemini's was seen",
    needs=[Layer.END],
)
def usage(gemini: GeminiStream) -> Iterator[Finding]:
    last = gemini.chunks[-1]
    if not last.value.get("usageMetadata"):
        yield Finding("the last chunk has no usageMetadata", at(gemini.response, content=last.offset))


@passive(
    "gem.fn-whole",
    SHOULD,
    _CLAUSE,
    "A functionCall has its args whole, as an object.",
    on="gemini_streams",
    when=lambda gemini: any(map(_calls, gemini.candidates)),
    absent="no call of a function was seen",
    shown_by=("tools",),
    breaks="google-genai 3.4.0 raises a validation error",
)
def fn_whole(gemini: GeminiStream) -> Iterator[Finding]:
    for candidate, call in ((one, call) for one in gemini.candidates for call in _calls(one)):
        where = at(gemini.response, content=candidate.offset)
        if not isinstance(call.get("args", {}), dict):
            yield Finding(f"the args of a functionCall are no object: {json.dumps(call['args'])[:60]}", where)
        elif "partialArgs" in call or call.get("willContinue"):
            yield Finding("a functionCall comes in pieces, which were not asked for", where)


def _calls(candidate: Candidate) -> list[dict[str, Any]]:
    calls = [part.get("functionCall") for part in candidate.parts]
    return [call for call in calls if isinstance(call, dict)]


# Errors.


@passive(
    "gem.error-shape",
    MUST,
    _CLAUSE,
    'An error is {"error": {"code": …, "message": …, "status": …}}, before the stream and within it.',
    on="responses",
    when=lambda response: dialect_of(response) == "gemini" and bool(_errors_of(response)),
    absent="no error of Gemini's was seen",
    shown_by=("failure", "bad-json", "unknown-model"),
    breaks="google-genai 3.4.0 raises an error without its code and its status",
)
def error_shape(response: Response) -> Iterator[Finding]:
    for offset, error in _errors_of(response):
        flaw = _flaw_of_error(error)
        if flaw:
            text = json.dumps(error, ensure_ascii=False).encode("utf-8", "backslashreplace")
            yield Finding(f"an error has {flaw}: {excerpt(text)}", at(response, content=offset))


def _errors_of(response: Response) -> list[tuple[int, Any]]:
    """The errors in an answer, each with its offset. What is no JSON at all is for err.prestream-envelope to judge."""
    if response.status >= 400:
        body = json_of(response) if is_dialects_own(response) else None
        whole = body[0] if isinstance(body, list) and body else body
        return [(0, whole["error"])] if isinstance(whole, dict) and whole.get("error") else []
    if response.media_type != "text/event-stream":
        return []
    stream = Stream(response)
    bare = [block for block in stream.blocks if block.lines[0].raw.startswith(b"{")]
    said = [(payload.offset, payload.value) for payload in stream.objects]
    said += [(block.offset, _parsed(b"".join(line.raw for line in block.lines))) for block in bare]
    return [(offset, value["error"]) for offset, value in said if isinstance(value, dict) and value.get("error")]


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _flaw_of_error(error: Any) -> str:
    if not isinstance(error, dict):
        return "no object `error`"
    for name, kind in (("code", int), ("message", str), ("status", str)):
        if not isinstance(error.get(name), kind):
            return f"no {name}" if name not in error else f"a {name} that is no {'number' if kind is int else 'text'}"
    return ""
