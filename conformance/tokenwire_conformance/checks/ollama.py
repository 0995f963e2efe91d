"""Ollama's own API as a stream: lines of JSON, and their end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at, excerpt, gathered
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level
from ..reading.generation import dialect_of
from ..reading.http import Response
from ..reading.lines import JSON_LINES, JSONLine, Lines
from ..reading.surrogates import escape_offset, halves

MUST, SHOULD = Level.MUST, Level.SHOULD

_API, _SOURCE, _NDJSON = "Ollama API", "Ollama server", "ndjson"


def _objects(lines: Lines) -> list[tuple[JSONLine, dict[str, Any]]]:
    """The lines that are JSON objects, each with its value."""
    return [(line, value) for line in lines.lines if isinstance(value := line.value, dict)]


def _ended(lines: Lines) -> bool:
    """Its end can be judged: we did not leave, and the server announced no failure."""
    return lines.complete and bool(lines.lines) and not any("error" in value for _, value in _objects(lines))


def _has_done(lines: Lines) -> bool:
    return any(value.get("done") is True for _, value in _objects(lines))


@passive(
    "ollama.content-type",
    MUST,
    _API,
    "A stream has the media type application/x-ndjson.",
    on="ollama_streams",
    needs=[Layer.FIELDS],
)
def content_type(lines: Lines) -> Iterator[Finding]:
    response = lines.response
    if response.media_type != "application/x-ndjson":
        said = response.media_type or "no Content-Type"
        yield Finding(f"a stream of lines has {said}", at(response, response.field_offset("content-type")))


@passive(
    "ollama.line-objects",
    MUST,
    _NDJSON,
    "Every line is one JSON object.",
    on="ollama_streams",
    breaks="ollama 0.6.3 raises JSONDecodeError",
)
def line_objects(lines: Lines) -> Iterator[Finding]:
    # The rest of a line that was cut is none.
    whole = [line for line in lines.lines if line.ended or lines.response.complete]
    wrong = [line.offset for line in whole if not isinstance(line.value, dict)]
    yield from gathered(lines.response, wrong, "a line is no JSON object")


@passive(
    "ollama.surrogates",
    SHOULD,
    "RFC 8259 8.2",
    "The two escapes of a surrogate pair stand together in one line.",
    on="ollama_streams",
)
def surrogates(lines: Lines) -> Iterator[Finding]:
    for half in halves(line.text for line in lines.lines):
        where = escape_offset(lines.content, lines.lines[half.place].offset, half.code)
        yield Finding(half.told("line"), at(lines.response, content=where))


@passive(
    "ollama.final-lf",
    SHOULD,
    _SOURCE,
    "The last line ends with a line feed.",
    on="ollama_streams",
    when=lambda lines: lines.response.complete and bool(lines.lines),
    absent="no stream of Ollama's was read to its end",
    needs=[Layer.END],
)
def final_lf(lines: Lines) -> Iterator[Finding]:
    last = lines.lines[-1]
    if not last.ended:
        yield Finding("the last line has no line feed", at(lines.response, content=last.offset))


@passive(
    "ollama.blank-lines",
    SHOULD,
    _NDJSON + " (practice)",
    "There are no blank lines.",
    on="ollama_streams",
)
def blank_lines(lines: Lines) -> Iterator[Finding]:
    blank = [line.offset for line in lines.all if not line.raw.strip()]
    yield from gathered(lines.response, blank, "a line is blank")


@passive(
    "ollama.done-once",
    MUST,
    _API,
    "The last line, and no other, has done: true.",
    on="ollama_streams",
    when=_ended,
    absent="no stream of Ollama's was read to its end",
    breaks="a cut looks like the end: ollama 0.6.3 returns the part that came, without an error",
    needs=[Layer.END],
)
def done_once(lines: Lines) -> Iterator[Finding]:
    done = [line for line, value in _objects(lines) if value.get("done") is True]
    last = lines.lines[-1]
    if not done:
        how = "ends" if lines.response.complete else "was cut"
        yield Finding(f"the stream {how} without done: true", at(lines.response, content=last.offset))
    elif len(done) > 1:
        yield Finding(f"done: true comes {len(done)} times", at(lines.response, content=done[1].offset))
    elif done[0] is not last:
        yield Finding("a line comes after done: true", at(lines.response, content=last.offset))


@passive(
    "ollama.done-stats",
    SHOULD,
    _API,
    "The last line has done_reason, total_duration and eval_count.",
    on="ollama_streams",
    when=_has_done,
    absent="no line with done: true was seen",
    needs=[Layer.END],
)
def done_stats(lines: Lines) -> Iterator[Finding]:
    line, value = next((line, value) for line, value in _objects(lines) if value.get("done") is True)
    kinds = (("done_reason", str), ("total_duration", int), ("eval_count", int))
    missing = [name for name, kind in kinds if not isinstance(value.get(name), kind)]
    if missing:
        where = at(lines.response, content=line.offset)
        yield Finding(f"the line with done: true lacks {', '.join(missing)}", where)


def _leaves_it_open(response: Response) -> bool:
    """An answer to a question that does not say whether to stream."""
    request = response.request
    asks = request.method == "POST" and bool(request.asked) and "stream" not in request.asked
    return asks and response.complete and response.status == 200 and dialect_of(response) == "ollama"


@passive(
    "ollama.default-stream",
    MUST,
    _API,
    "An answer is streamed unless `stream` is false.",
    on="responses",
    when=_leaves_it_open,
    absent="no question was asked without saying whether to stream",
    shown_by=("stream-unsaid",),
    needs=[Layer.REQUEST, Layer.BODY],
)
def default_stream(response: Response) -> Iterator[Finding]:
    lines = Lines(response)
    if len(lines.lines) > 1 or response.media_type in JSON_LINES:
        return
    yield Finding(f"the answer comes whole, as {response.media_type or 'no media type'}", at(response))


@active(
    "ollama.error-line",
    MUST,
    _API,
    'A failure within the stream is one line {"error": "…"}, and then the body ends.',
    probes=("failure",),
    breaks="ollama 0.6.3 raises ResponseError for that line, and for nothing else",
)
def error_line(case: Case) -> Iterator[Finding]:
    response = case.accepted("failure")
    lines = Lines(response)
    if not lines.lines or _has_done(lines):
        raise Inconclusive("the model that should fail tells of no failure")
    last = lines.lines[-1]
    error = last.value.get("error") if isinstance(last.value, dict) else None
    where = at(response, content=last.offset)
    if not isinstance(error, str):
        yield Finding(f"the last line of an answer that failed is {excerpt(last.raw)}", where)
    elif not response.complete:
        yield Finding("the body does not end after the error", where)


@passive(
    "ollama.tool-object",
    SHOULD,
    _API,
    "The arguments of a tool call are an object.",
    on="ollama_streams",
    when=lambda lines: any(_calls(value) for _, value in _objects(lines)),
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="ollama 0.6.3 raises a validation error",
)
def tool_object(lines: Lines) -> Iterator[Finding]:
    for line, call in ((line, call) for line, value in _objects(lines) for call in _calls(value)):
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(arguments, dict):
            said = f"the arguments of a tool call are no object: {json.dumps(arguments)[:60]}"
            yield Finding(said, at(lines.response, content=line.offset))


def _calls(value: dict[str, Any]) -> list[dict[str, Any]]:
    message = value.get("message")
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
