"""Near misses of Gemini's streams."""

from __future__ import annotations

from tokenwire.endpoint import Seams

from ..faults.err import fails
from ..faults.fault import wants_tools
from .edits import Json, anything, blocks, chunks, reply
from .miss import Undo, near_miss

_GEM = "checks.gem"

#: The chunk in which most of them are planted: some tokens after the first.
_PLACE = 4


def _with(chunk: Json, place: int = _PLACE) -> type[Seams]:
    """One chunk more."""
    return chunks(lambda told: [*told[:place], chunk, *told[place:]])


def _in_candidate(place: int, members: Json) -> type[Seams]:
    def edit(told: list[Json]) -> list[Json]:
        told[place]["candidates"][0].update(members)
        return told

    return chunks(edit)


def _usage_alone(told: list[Json]) -> list[Json]:
    """The usage comes by itself, after the reason to stop."""
    usage = told[-1].pop("usageMetadata")
    return [*told, {"usageMetadata": usage}]


def _stops_in_nothing(told: list[Json]) -> list[Json]:
    """A last chunk says nothing after the reason to stop."""
    last = told[-1]
    return [*told, {**last, "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ""}]}}]}]


def _without_args(told: list[Json]) -> list[Json]:
    for chunk in told:
        for part in chunk["candidates"][0]["content"]["parts"]:
            if "functionCall" in part:
                del part["functionCall"]["args"]
    return told


near_miss(
    "gem.alt-sse",
    of="ignore-alt",
    what="The type of the event stream is written in capitals.",
    seams=reply(lambda given: given.with_header("Content-Type", "TEXT/event-stream"), when=anything),
    undo=Undo("reading.http", '.partition(";")[0].strip().lower()', '.partition(";")[0].strip()'),
)
near_miss(
    "gem.no-done",
    of="gem-append-done",
    what="The end mark stands in a comment.",
    seams=blocks(lambda told: [*told, b":data: [DONE]\r\n\r\n"]),
    undo=Undo(
        _GEM,
        "marks = [event.offset for event in gemini.body.events if event.is_sentinel]",
        'marks = [block.offset for block in gemini.body.blocks if b"[DONE]" in block.lines[0].raw]',
    ),
)
near_miss(
    "gem.shape",
    of="openai-shape",
    what="A chunk has no candidates, only usage.",
    seams=_with({"usageMetadata": {"promptTokenCount": 1}}),
    undo=Undo(_GEM, "if not value.keys() & _MEMBERS.keys():", 'if "candidates" not in value:'),
)
near_miss(
    "gem.finish-final",
    of="finish-every-chunk",
    what="A chunk that says nothing follows the reason.",
    seams=chunks(_stops_in_nothing),
    undo=Undo(
        _GEM,
        "(place for place, candidate in enumerate(candidates) if candidate.says_something)",
        "(place for place, candidate in enumerate(candidates))",
    ),
)
near_miss(
    "gem.finish-present",
    of="gem-no-finish",
    what="The reason is not in the last chunk, which has usage alone.",
    seams=chunks(_usage_alone),
    undo=Undo(
        _GEM,
        "for candidate in gemini.candidates if candidate.finish is not None}",
        "for candidate in gemini.candidates "
        "if candidate.finish is not None and candidate.offset >= gemini.chunks[-1].offset}",
    ),
)
near_miss(
    "gem.usage",
    of="no-usage",
    what="The last chunk has usage, and no candidate.",
    seams=chunks(_usage_alone),
    undo=Undo(
        _GEM,
        "    last = gemini.chunks[-1]\n    if not last",
        '    last = [one for one in gemini.chunks if "candidates" in one.value][-1]\n    if not last',
    ),
)
near_miss(
    "gem.fn-whole",
    of="split-args",
    what="A functionCall has no args at all.",
    seams=chunks(_without_args, when=wants_tools),
    undo=Undo(
        _GEM,
        'if not isinstance(call.get("args", {}), dict):',
        'if not isinstance(call.setdefault("args", None), dict):',
    ),
)
near_miss(
    "gem.error-shape",
    of="gem-flat-error",
    what="The message of an error is empty.",
    seams=chunks(
        lambda told: [*told[:-1], {"error": {**told[-1]["error"], "message": ""}}] if "error" in told[-1] else told,
        when=fails,
    ),
    undo=Undo(
        _GEM,
        "if not isinstance(error.get(name), kind):",
        "if not error.get(name):",
    ),
    seen_in="failure",
)
near_miss(
    "gem.json-array",
    of="unclosed-array",
    what="Blanks follow the array.",
    seams=blocks(lambda told: [*told, b" \r\n"], when=lambda call: "alt" not in call.query),
    undo=Undo("reading.gemini", "elif text[place + 1 :].strip(_BLANKS):", "elif text[place + 1 :]:"),
)
