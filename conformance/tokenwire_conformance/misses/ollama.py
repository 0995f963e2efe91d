"""Near misses of Ollama's streams."""

from __future__ import annotations

from ..faults.err import fails
from ..faults.fault import EMOJI, wants_tools
from .edits import Json, blocks, chunks, reply
from .miss import Undo, near_miss

_OLLAMA = "checks.ollama"

#: The line in which most of them are planted: some tokens after the first.
_PLACE = 4


def _no_arguments(told: list[Json]) -> list[Json]:
    for line in told:
        for tool in line["message"].get("tool_calls", []):
            tool["function"]["arguments"] = {}
    return told


def _done_in_words(told: list[Json]) -> list[Json]:
    return [*told[:_PLACE], {**told[_PLACE], "done": "true"}, *told[_PLACE + 1 :]]


near_miss(
    "ollama.content-type",
    of="sse-content-type",
    what="The media type has a parameter.",
    seams=reply(lambda given: given.with_header("Content-Type", "application/x-ndjson; charset=utf-8")),
    undo=Undo(
        _OLLAMA,
        'if response.media_type != "application/x-ndjson":',
        'if response.header("content-type") != "application/x-ndjson":',
    ),
)
near_miss(
    "ollama.surrogates",
    of="ollama-split-surrogate",
    what="The two escapes of a pair stand together.",
    seams=blocks(lambda told: [line.replace(EMOJI, rb"\ud83d\ude00") for line in told]),
    undo=Undo(
        "reading.surrogates",
        "paired = high is not None and match.start() == end and",
        "paired = match.end() == end and",
    ),
)
near_miss(
    "ollama.line-objects",
    of="pretty-json",
    what="Blanks stand around the object of a line.",
    seams=blocks(lambda told: [*told[:_PLACE], b" " + told[_PLACE], *told[_PLACE + 1 :]]),
    undo=Undo(_OLLAMA, "if not isinstance(line.value, dict)]", 'if not line.raw.startswith(b"{")]'),
)
near_miss(
    "ollama.final-lf",
    of="no-final-lf",
    what="A blank stands before the last line feed.",
    seams=blocks(lambda told: [*told[:-1], told[-1].replace(b"\n", b" \n")]),
    undo=Undo(_OLLAMA, "    if not last.ended:", "    if not lines.response.content.endswith(b'}\\n'):"),
)
near_miss(
    "ollama.blank-lines",
    of="blank-lines",
    what="The lines end in CRLF.",
    seams=blocks(lambda told: [line.replace(b"\n", b"\r\n") for line in told]),
    undo=Undo(_OLLAMA, "if not line.raw.strip()]", "if not line.raw.endswith(b'}')]"),
)
near_miss(
    "ollama.done-once",
    of="done-twice",
    what="`done` of a line in the middle is the text true.",
    seams=chunks(_done_in_words),
    undo=Undo(
        _OLLAMA,
        'done = [line for line, value in _objects(lines) if value.get("done") is True]',
        'done = [line for line, value in _objects(lines) if value.get("done")]',
    ),
)
near_miss(
    "ollama.done-stats",
    of="no-stats",
    what="`done` of a line in the middle, which has no counts, is the text true.",
    seams=chunks(_done_in_words),
    undo=Undo(
        _OLLAMA,
        'if value.get("done") is True)\n    kinds',
        'if value.get("done"))\n    kinds',
    ),
)
near_miss(
    "ollama.error-line",
    of="plain-text-error",
    what="The words of the error are empty.",
    seams=chunks(lambda told: [*told[:-1], {"error": ""}], when=fails),
    undo=Undo(_OLLAMA, "    if not isinstance(error, str):", "    if not error:"),
)
near_miss(
    "ollama.tool-object",
    of="args-string",
    what="The arguments are an empty object.",
    seams=chunks(_no_arguments, when=wants_tools),
    undo=Undo(
        _OLLAMA,
        "        if not isinstance(arguments, dict):",
        "        if not (isinstance(arguments, dict) and arguments):",
    ),
)
near_miss(
    "ollama.default-stream",
    of="default-false",
    what="The answer is a stream of one line.",
    seams=chunks(lambda told: told[-1:], when=lambda call: b'"stream"' not in call.body),
    undo=Undo(_OLLAMA, " or response.media_type in JSON_LINES:", ":"),
)
