"""What every event has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...judging.case import gathered, offsets_of
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.responses import DELTAS, TERMINALS, ResponseStream, kind_of
from ...reading.stream import Payload
from .common import BOTH, OPEN, has_events, place_of

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO


#: What an event has to have besides its type, by the type or by what it ends in. Numbers, ids and indexes have checks
#: of their own.
_REQUIRED = {
    **dict.fromkeys(("response.created", "response.in_progress", "response.queued", *TERMINALS), ("response",)),
    "response.output_item.added": ("item",),
    "response.output_item.done": ("item",),
    "response.content_part.added": ("part",),
    "response.content_part.done": ("part",),
    "response.reasoning_summary_part.added": ("part",),
    "response.reasoning_summary_part.done": ("part",),
    **{f"{run}.delta": ("delta",) for run in DELTAS},
    **{f"{run}.done": (whole,) for run, whole in DELTAS.items()},
}


#: The beginnings of the events that OpenAI's description has, beyond those above.
_KNOWN = (
    "error", "keepalive", "response.audio.", "response.cancelled", "response.code_interpreter_call",
    "response.compaction", "response.content_part.", "response.custom_tool_call_input.", "response.file_search_call.",
    "response.function_call_arguments.", "response.image_generation_call.", "response.mcp_", "response.output_item.",
    "response.output_text.", "response.reasoning_", "response.refusal.", "response.shell_call_", "response.steer.",
    "response.web_search_call.",
)  # fmt: skip


@passive(
    "resp.event-eq-type",
    MUST,
    OPEN,
    "The name of every event is the type of its data.",
    on="response_streams",
)
def event_eq_type(response: ResponseStream) -> Iterator[Finding]:
    wrong = [payload for payload in response.events if payload.event.name != kind_of(payload)]
    if wrong:
        name, kind = wrong[0].event.name, kind_of(wrong[0]) or "none"
        other = f"an event has another name than its type: {kind} has the name {name}"
        said = "an event has no name" if name == "message" else other
        yield from gathered(response.response, offsets_of(wrong), said)


@passive(
    "resp.required-fields",
    MUST,
    BOTH,
    "Every event of a known type has what its schema requires.",
    on="response_streams",
    when=has_events,
    absent="no stream of a response was seen",
    shown_by=("tools",),
    breaks="openai 3.54.0 gives None",
)
def required_fields(response: ResponseStream) -> Iterator[Finding]:
    for kind, names in _REQUIRED.items():
        for name in names:
            lacking = [payload for payload in response.of_kind(kind) if payload.value.get(name) is None]
            yield from gathered(response.response, offsets_of(lacking), f"{kind} has no `{name}`")


@passive(
    "resp.sequence",
    MUST,
    BOTH,
    "Every event has a sequence_number, and it rises.",
    on="response_streams",
    breaks="openai 3.54.0 gives None",
)
def sequence(response: ResponseStream) -> Iterator[Finding]:
    absent = [one for one in response.events if type(one.value.get("sequence_number")) is not int]
    yield from gathered(response.response, offsets_of(absent), "an event has no sequence_number")
    pairs = _numbered_pairs(response)
    fallen = [after for before, after in pairs if after.value["sequence_number"] <= before.value["sequence_number"]]
    yield from gathered(response.response, offsets_of(fallen), "the sequence_number of an event does not rise")


def _numbered_pairs(response: ResponseStream) -> list[tuple[Payload, Payload]]:
    numbered = [payload for payload in response.events if type(payload.value.get("sequence_number")) is int]
    return list(pairwise(numbered))


@passive(
    "resp.sequence-gapless",
    SHOULD,
    OPEN,
    "The sequence_number rises by one.",
    on="response_streams",
    when=lambda response: bool(_numbered_pairs(response)),
    absent="no stream with sequence numbers was seen",
)
def sequence_gapless(response: ResponseStream) -> Iterator[Finding]:
    for before, after in _numbered_pairs(response):
        was, now = before.value["sequence_number"], after.value["sequence_number"]
        if now > was + 1:
            yield Finding(f"the sequence_number goes from {was} to {now}", place_of(response, after))


@passive(
    "resp.no-sse-id",
    SHOULD,
    OPEN,
    "Events have no id: the sequence_number is what a stream is resumed by.",
    on="response_streams",
)
def no_sse_id(response: ResponseStream) -> Iterator[Finding]:
    offsets = [block.offset for block in response.stream.blocks if block.values("id")]
    yield from gathered(response.response, offsets, "an event has an id")


@passive(
    "resp.ext-prefix",
    INFO,  # a MUST of Open Responses for whoever implements it
    OPEN,
    "An event that OpenAI does not have carries the name of its implementor: `acme:thing`.",
    on="response_streams",
    when=has_events,
    absent="no stream of a response was seen",
)
def ext_prefix(response: ResponseStream) -> Iterator[Finding]:
    for payload in response.events:
        kind = kind_of(payload)
        if kind and kind not in _REQUIRED and not kind.startswith(_KNOWN) and ":" not in kind:
            yield Finding(f"an event has the type {kind}, which is not OpenAI's", place_of(response, payload))
