"""Why and where a stream of chunks ends."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ...judging.case import Case, at, brief, gathered, offsets_of
from ...judging.registry import active, passive
from ...judging.verdict import Finding, Inconclusive, Level
from ...reading.chat import ChatStream
from ...reading.stream import SENTINEL
from .common import DESCRIPTION, at_end, calls_of, has_choices, whole_chat

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO


_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


#: Tokens that the probe `length` asks for.
_LIMIT = 3


#: Words that no answer of so many tokens has: a token seldom holds more than one.
_WORDS_BEYOND_LIMIT = 2 * _LIMIT


def _judged_to_the_end(chat: ChatStream) -> bool:
    return chat.judged_to_the_end


@passive(
    "chat.finish-key",
    MUST,
    DESCRIPTION,
    "Every choice has finish_reason: null, or one of the reasons that are documented.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
)
def finish_key(chat: ChatStream) -> Iterator[Finding]:
    absent = [choice for choice in chat.choices if "finish_reason" not in choice.value]
    yield from gathered(chat.response, offsets_of(absent), "a choice has no `finish_reason`, not even null")
    wrong: dict[str, list[int]] = {}
    for choice in chat.choices:
        if choice.finish is not None and not (isinstance(choice.finish, str) and choice.finish in _FINISH_REASONS):
            wrong.setdefault(brief(choice.finish), []).append(choice.offset)
    for reason, offsets in wrong.items():
        yield from gathered(chat.response, offsets, f"`finish_reason` is {reason}, which is no documented reason")


@passive(
    "chat.finish-once",
    MUST,
    DESCRIPTION + " (inferred)",
    "Every choice gets exactly one finish_reason.",
    on="chats",
    when=_judged_to_the_end,
    absent="no stream of chunks was read to its end",
    needs=[Layer.END],
)
def finish_once(chat: ChatStream) -> Iterator[Finding]:
    last = chat.chunks[-1].offset
    if not chat.choices:
        yield Finding("the stream ends without any choice", at(chat.response, content=last))
    for number, reasons in chat.finishes.items():
        if not reasons:
            yield Finding(f"choice {number} never gets a finish_reason", at(chat.response, content=last))
        if len(reasons) > 1 and all(choice.is_numbered for choice in chat.choices):
            again = [choice for choice in chat.choices if choice.number == number and choice.finish][1]
            message = f"choice {number} is finished {len(reasons)} times: {', '.join(map(repr, reasons))}"
            yield Finding(message, at(chat.response, content=again.offset))


@passive(
    "chat.finish-last",
    MUST,
    DESCRIPTION + " (inferred)",
    "Nothing is said in a choice after its finish_reason.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
)
def finish_last(chat: ChatStream) -> Iterator[Finding]:
    finished: set[int] = set()
    late = []
    for choice in chat.choices:
        if choice.number in finished and choice.says_something and choice.is_numbered:
            late.append(choice)
        if choice.finish:
            finished.add(choice.number)
    yield from gathered(chat.response, offsets_of(late), "a delta with content follows the finish_reason of its choice")


@passive(
    "chat.finish-chunk-empty",
    INFO,
    "interoperability",
    "The delta of the chunk with the finish_reason is empty.",
    on="chats",
    when=lambda chat: any(chat.finishes.values()),
    absent="no finish_reason was seen",
)
def finish_chunk_empty(chat: ChatStream) -> Iterator[Finding]:
    full = [choice for choice in chat.choices if choice.finish and choice.says_something]
    yield from gathered(chat.response, offsets_of(full), "the chunk with the finish_reason has content too")


@active(
    "chat.finish-length",
    MUST,
    DESCRIPTION,
    "An answer that is cut by its token limit has finish_reason length.",
    probes=("length", "stream"),
)
def finish_length(case: Case) -> Iterator[Finding]:
    chat = whole_chat(case, "length")
    reasons = chat.finishes.get(0) or []
    if not reasons:
        raise Inconclusive("the answer has no finish_reason")
    if "length" in reasons:
        return
    last = at_end(chat)
    text = chat.text()
    words, pieces = len(text.split()), sum(choice.says_something for choice in chat.choices)
    counted = _completion_tokens(chat)
    asked = f"{_LIMIT} tokens were allowed"
    if words > _WORDS_BEYOND_LIMIT or counted > _LIMIT:
        came = f"{words} words came" if words > _WORDS_BEYOND_LIMIT else f"usage counts {counted}"
        yield Finding(f"{asked}, {came}, and finish_reason is {reasons[0]!r}: the limit was ignored", last)
    elif pieces == _LIMIT and text != _other_text(case):
        yield Finding(f"{asked}, {pieces} came, and finish_reason is {reasons[0]!r}, as if that were all", last)
    else:
        raise Inconclusive(f"{asked}, and the answer is too short to tell whether the limit was met: {brief(text)}")


def _completion_tokens(chat: ChatStream) -> int:
    counts = [payload.value["usage"].get("completion_tokens") for payload in chat.usages]
    return max((count for count in counts if type(count) is int), default=0)


def _other_text(case: Case) -> str | None:
    """The answer to another question. An endpoint that says the same to both plays a script, and was not cut."""
    try:
        return case.chat("stream").text()
    except Inconclusive:
        return None


def _finished_callers(chat: ChatStream) -> list[int]:
    """The choices that call tools of their own will, and give a reason to stop that is not the token limit.

    Of a recording without its request nobody can tell whether one function was demanded by name: then the reason is
    `stop` (the description of `tool_choice`).
    """
    if not chat.judged_to_the_end or not chat.request or isinstance(chat.request.get("tool_choice"), dict):
        return []
    callers = sorted({call.choice for call in calls_of(chat)})
    return [number for number in callers if chat.finishes.get(number) and "length" not in chat.finishes[number]]


@passive(
    "chat.finish-tools",
    SHOULD,
    DESCRIPTION,
    "A choice that calls tools has finish_reason tool_calls.",
    on="chats",
    when=lambda chat: bool(_finished_callers(chat)),
    absent="no tool call was seen that came to its end with a reason",
    shown_by=("tools",),
    needs=[Layer.REQUEST],
)
def finish_tools(chat: ChatStream) -> Iterator[Finding]:
    for number in _finished_callers(chat):
        reasons = chat.finishes[number]
        if "tool_calls" not in reasons:
            last = next(choice for choice in chat.choices if choice.number == number and choice.finish)
            message = f"the choice calls tools and has finish_reason {reasons[0]!r}"
            yield Finding(message, at(chat.response, content=last.offset))


@passive(
    "chat.done",
    MUST,
    DESCRIPTION,
    "The stream ends with exactly one `data: [DONE]`.",
    on="chats",
    when=_judged_to_the_end,
    absent="no stream of chunks was read to its end",
    breaks="a cut looks like the end: openai 3.54.0 returns the part that came, without an error",
    needs=[Layer.END],
)
def done(chat: ChatStream) -> Iterator[Finding]:
    events = chat.stream.events
    marks = [event for event in events if event.is_sentinel]
    if not marks and not _unclosed_mark(chat):
        how = "ends" if chat.response.complete else "was cut"
        yield Finding(f"the stream {how} without {SENTINEL}", at(chat.response, content=chat.chunks[-1].offset))
    elif len(marks) > 1:
        yield Finding(f"{SENTINEL} comes {len(marks)} times", at(chat.response, content=marks[1].offset))
    elif marks and not events[-1].is_sentinel:
        yield Finding(f"{SENTINEL} is not the last event", at(chat.response, content=marks[0].offset))


def _unclosed_mark(chat: ChatStream) -> bool:
    """The mark stands there without its blank line: it is discarded, which is for sse.final-blank-line to say."""
    last = chat.stream.blocks[-1]
    return not last.closed and [value.strip() for value in last.values("data")] == [SENTINEL]
