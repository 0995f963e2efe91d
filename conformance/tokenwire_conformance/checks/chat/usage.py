"""The usage that a stream of chunks tells."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ...judging.case import at, brief, gathered, offsets_of
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.chat import ChatStream
from ...reading.stream import SENTINEL
from .common import DESCRIPTION, at_end

MUST, SHOULD = Level.MUST, Level.SHOULD


def _wants_usage(chat: ChatStream) -> bool:
    """The request asked for usage, and the stream came to its end."""
    options = chat.request.get("stream_options")
    return chat.judged_to_the_end and isinstance(options, dict) and options.get("include_usage") is True


@passive(
    "chat.usage-chunk",
    MUST,
    DESCRIPTION,
    "With include_usage, one chunk with usage and empty choices comes just before [DONE].",
    on="chats",
    when=_wants_usage,
    absent="no whole stream was seen for which usage was asked",
    shown_by=("usage",),
    needs=[Layer.END, Layer.REQUEST],
)
def usage_chunk(chat: ChatStream) -> Iterator[Finding]:
    own = [payload for payload in chat.usages if not payload.value.get("choices")]
    before_mark = [payload for payload in chat.stream.payloads if payload.offset < _mark_offset(chat)]
    if not chat.usages:
        yield Finding("include_usage was asked for, and no chunk has usage", at_end(chat))
    elif not own:
        message = "usage comes in a chunk whose `choices` is not empty, instead of one of its own"
        yield Finding(message, at(chat.response, content=chat.usages[-1].offset))
    elif len(own) > 1:
        yield from gathered(chat.response, offsets_of(own), "more than one chunk of its own has usage")
    elif before_mark and before_mark[-1] is not own[0]:
        yield Finding(
            f"the chunk with usage is not the last before {SENTINEL}", at(chat.response, content=own[0].offset)
        )


def _mark_offset(chat: ChatStream) -> int:
    """Where the end mark stands; past the end where there is none."""
    return next((event.offset for event in chat.stream.events if event.is_sentinel), len(chat.stream.content))


@passive(
    "chat.usage-null",
    SHOULD,
    DESCRIPTION,
    "With include_usage, all chunks but that of usage have usage: null.",
    on="chats",
    when=lambda chat: _wants_usage(chat) and any("usage" in payload.value for payload in chat.chunks),
    absent="no chunk has usage at all",
    shown_by=("usage",),
    needs=[Layer.END, Layer.REQUEST],
)
def usage_null(chat: ChatStream) -> Iterator[Finding]:
    last = chat.usages[-1] if chat.usages else None
    others = [payload for payload in chat.chunks if payload is not last]
    absent = [payload for payload in others if "usage" not in payload.value]
    filled = [payload for payload in others if payload.value.get("usage") is not None]
    yield from gathered(chat.response, offsets_of(absent), "a chunk has no `usage`, not even null")
    yield from gathered(chat.response, offsets_of(filled), "a chunk before the last has usage that is not null")


@passive(
    "chat.usage-sums",
    SHOULD,
    DESCRIPTION,
    "In usage, total is prompt plus completion, and what comes more than once never falls.",
    on="chats",
    when=lambda chat: chat.judged_to_the_end and bool(chat.usages),
    absent="no chunk has usage",
    shown_by=("usage",),
)
def usage_sums(chat: ChatStream) -> Iterator[Finding]:
    before: dict[str, int] = {}
    for payload in chat.usages:
        counts = {name: payload.value["usage"].get(f"{name}_tokens") for name in ("prompt", "completion", "total")}
        where = at(chat.response, content=payload.offset)
        wrong = [name for name, count in counts.items() if type(count) is not int]
        if wrong:
            yield Finding(f"{wrong[0]}_tokens is {brief(counts[wrong[0]])}, not a number", where)
            return
        if counts["prompt"] + counts["completion"] != counts["total"]:
            message = "{prompt} prompt and {completion} completion tokens make {total} in total".format(**counts)
            yield Finding(message, where)
            return
        fallen = [name for name, count in before.items() if counts[name] < count]
        if fallen:
            now, was = counts[fallen[0]], before[fallen[0]]
            yield Finding(f"{fallen[0]}_tokens falls from {was} to {now}: usage is not cumulative", where)
            return
        before = counts
