"""OpenAI chat completions as a stream: the chunks, their end, usage, tool calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..judging.case import Case, at, gathered, json_of, not_whole
from ..judging.registry import active, passive
from ..judging.verdict import Evidence, Finding, Inconclusive, Level, NotApplicable
from ..reading.chat import ChatStream, Choice
from ..reading.http import Response
from ..reading.stream import SENTINEL, Payload

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_DESCRIPTION = "OpenAI API description, chat streaming"

_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})

#: Where servers put what a model thinks. OpenAI's description has no field for it.
_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking", "thought")

#: Tokens that the probe `length` asks for.
_LIMIT = 3

#: Words that no answer of so many tokens has: a token seldom holds more than one.
_WORDS_BEYOND_LIMIT = 2 * _LIMIT

#: Deltas that must repeat all that came before until they are called cumulative. Fewer may be chance.
_CUMULATIVE_DELTAS = 4

#: Statuses that say: this is not offered here.
_NOT_OFFERED = (400, 422, 501)


def _offsets(items: Sequence[Payload] | Sequence[Choice]) -> list[int]:
    return [item.offset for item in items]


def _has_choices(chat: ChatStream) -> bool:
    return bool(chat.choices)


def _judged_to_the_end(chat: ChatStream) -> bool:
    return chat.judged_to_the_end


def _has_tools(chat: ChatStream) -> bool:
    return any(choice.delta.get("tool_calls") for choice in chat.choices)


def _kind(value: Any) -> str:
    """What JSON calls it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds: dict[type, str] = {int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:60] + "…"


# What every chunk has.


@passive(
    "chat.object",
    MUST,
    _DESCRIPTION,
    "Every chunk has object: chat.completion.chunk.",
    on="chats",
    breaks="the stream helper of openai 3.54.0 passes over every other chunk, and with it over its content",
)
def object_(chat: ChatStream) -> Iterator[Finding]:
    wrong = [payload for payload in chat.chunks if payload.value.get("object") != "chat.completion.chunk"]
    if wrong:
        said = f"is {_brief(wrong[0].value['object'])}" if "object" in wrong[0].value else "is absent"
        yield from gathered(chat.response, _offsets(wrong), f"`object` of a chunk {said}")


@passive(
    "chat.id-constant",
    MUST,
    _DESCRIPTION,
    "All chunks of a stream have the same id.",
    on="chats",
    breaks="whoever collects chunks by id, as gateways and logs do, sees many answers instead of one",
)
def id_constant(chat: ChatStream) -> Iterator[Finding]:
    return _constant(chat, "id")


@passive(
    "chat.created-model-constant",
    SHOULD,
    _DESCRIPTION,
    "All chunks of a stream have the same created and the same model.",
    on="chats",
)
def created_model_constant(chat: ChatStream) -> Iterator[Finding]:
    yield from _constant(chat, "created")
    yield from _constant(chat, "model")


def _constant(chat: ChatStream, name: str) -> Iterator[Finding]:
    """Whether a member stays the same. An empty one says nothing: Azure opens a stream so."""
    given = [payload for payload in chat.chunks if payload.value.get(name)]
    changed = [payload for payload in given if payload.value[name] != given[0].value[name]]
    if changed:
        was, now = _brief(given[0].value[name]), _brief(changed[0].value[name])
        yield from gathered(chat.response, _offsets(changed), f"`{name}` of a chunk is {now}; it began as {was}")


@passive(
    "chat.choices-array",
    MUST,
    _DESCRIPTION,
    "Every chunk has choices, an array of objects; that of usage has an empty one.",
    on="chats",
    breaks="openai 3.54.0 gives None for them: TypeError in every loop over choices, and in its own stream helper",
)
def choices_array(chat: ChatStream) -> Iterator[Finding]:
    absent = [payload for payload in chat.chunks if "choices" not in payload.value]
    yield from gathered(chat.response, _offsets(absent), "a chunk has no `choices`")
    present = [payload for payload in chat.chunks if "choices" in payload.value]
    no_array = [payload for payload in present if not isinstance(payload.value["choices"], list)]
    if no_array:
        message = f"`choices` of a chunk is {_kind(no_array[0].value['choices'])}"
        yield from gathered(chat.response, _offsets(no_array), message)
    arrays = [payload for payload in present if isinstance(payload.value["choices"], list)]
    odd = [payload for payload in arrays if not all(isinstance(choice, dict) for choice in payload.value["choices"])]
    yield from gathered(chat.response, _offsets(odd), "a member of `choices` is no object")


@passive(
    "chat.choice-index",
    MUST,
    _DESCRIPTION,
    "Every choice has an integer index.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="the stream helper of openai 3.54.0 raises TypeError",
)
def choice_index(chat: ChatStream) -> Iterator[Finding]:
    wrong = [choice for choice in chat.choices if type(choice.value.get("index")) is not int]
    yield from gathered(chat.response, _offsets(wrong), "a choice has no integer `index`")


@passive(
    "chat.delta-object",
    MUST,
    _DESCRIPTION,
    "Every choice has a delta, an object, be it empty.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="openai 3.54.0 gives None for it: AttributeError at choice.delta.content, and in its own stream helper",
)
def delta_object(chat: ChatStream) -> Iterator[Finding]:
    wrong = [choice for choice in chat.choices if not isinstance(choice.value.get("delta"), dict)]
    if wrong:
        said = f"is {_kind(wrong[0].value['delta'])}" if "delta" in wrong[0].value else "is absent"
        yield from gathered(chat.response, _offsets(wrong), f"`delta` of a choice {said}")


@passive(
    "chat.role-once",
    SHOULD,
    _DESCRIPTION,
    "The role comes at most once in a choice, and is assistant.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="the stream helper of openai 3.54.0 joins repeated roles to 'assistantassistant'",
)
def role_once(chat: ChatStream) -> Iterator[Finding]:
    given = [choice for choice in chat.choices if choice.delta.get("role") is not None]
    wrong = [choice for choice in given if choice.delta["role"] != "assistant"]
    if wrong:
        message = f"the role of a delta is {_brief(wrong[0].delta['role'])}, not assistant"
        yield from gathered(chat.response, _offsets(wrong), message)
    for number in chat.finishes:
        repeated = [choice for choice in given if choice.number == number][1:]
        message = f"the role comes again in a later delta of choice {number}"
        yield from gathered(chat.response, _offsets(repeated), message)


# Why and where it ends.


@passive(
    "chat.finish-key",
    MUST,
    _DESCRIPTION,
    "Every choice has finish_reason: null, or one of the reasons that are documented.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="strictly typed clients refuse the chunk; whoever asks `is not None` takes an empty reason for the end",
)
def finish_key(chat: ChatStream) -> Iterator[Finding]:
    absent = [choice for choice in chat.choices if "finish_reason" not in choice.value]
    yield from gathered(chat.response, _offsets(absent), "a choice has no `finish_reason`, not even null")
    wrong: dict[str, list[int]] = {}
    for choice in chat.choices:
        if choice.finish is not None and not (isinstance(choice.finish, str) and choice.finish in _FINISH_REASONS):
            wrong.setdefault(_brief(choice.finish), []).append(choice.offset)
    for reason, offsets in wrong.items():
        yield from gathered(chat.response, offsets, f"`finish_reason` is {reason}, which is no documented reason")


@passive(
    "chat.finish-once",
    MUST,
    _DESCRIPTION + " (inferred)",
    "Every choice gets exactly one finish_reason.",
    on="chats",
    when=_judged_to_the_end,
    absent="no stream of chunks was read to its end",
    breaks="without one an end cannot be told from a cut; of two the last wins: stop hides tool_calls",
)
def finish_once(chat: ChatStream) -> Iterator[Finding]:
    last = chat.chunks[-1].offset
    if not chat.choices:
        yield Finding("the stream ends without any choice", at(chat.response, content=last))
    for number, reasons in chat.finishes.items():
        if not reasons:
            yield Finding(f"choice {number} never gets a finish_reason", at(chat.response, content=last))
        if len(reasons) > 1:
            again = [choice for choice in chat.choices if choice.number == number and choice.finish][1]
            message = f"choice {number} is finished {len(reasons)} times: {', '.join(map(repr, reasons))}"
            yield Finding(message, at(chat.response, content=again.offset))


@passive(
    "chat.finish-last",
    MUST,
    _DESCRIPTION + " (inferred)",
    "Nothing is said in a choice after its finish_reason.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="clients that stop at finish_reason lose the rest",
)
def finish_last(chat: ChatStream) -> Iterator[Finding]:
    finished: set[int] = set()
    late = []
    for choice in chat.choices:
        if choice.number in finished and choice.says_something:
            late.append(choice)
        if choice.finish:
            finished.add(choice.number)
    yield from gathered(chat.response, _offsets(late), "a delta with content follows the finish_reason of its choice")


@passive(
    "chat.finish-chunk-empty",
    INFO,
    "interoperability",
    "The delta of the chunk with the finish_reason is empty.",
    on="chats",
    when=lambda chat: any(chat.finishes.values()),
    absent="no finish_reason was seen",
    breaks="clients that look at finish_reason before the delta lose its content",
)
def finish_chunk_empty(chat: ChatStream) -> Iterator[Finding]:
    full = [choice for choice in chat.choices if choice.finish and choice.says_something]
    yield from gathered(chat.response, _offsets(full), "the chunk with the finish_reason has content too")


@active(
    "chat.finish-length",
    MUST,
    _DESCRIPTION,
    "An answer that is cut by its token limit has finish_reason length.",
    probes=("length", "stream"),
    breaks="users take a part of an answer for the whole",
)
def finish_length(case: Case) -> Iterator[Finding]:
    chat = _whole_chat(case, "length")
    reasons = chat.finishes.get(0) or []
    if not reasons:
        raise Inconclusive("the answer has no finish_reason")
    if "length" in reasons:
        return
    last = _at_end(chat)
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
        raise Inconclusive(f"the answer was too short to hit its limit: {_brief(text)}")


def _completion_tokens(chat: ChatStream) -> int:
    counts = [payload.value["usage"].get("completion_tokens") for payload in chat.usages]
    return max((count for count in counts if type(count) is int), default=0)


def _other_text(case: Case) -> str | None:
    """The answer to another question. An endpoint that says the same to both plays a script, and was not cut."""
    try:
        return case.chat("stream").text()
    except Inconclusive:
        return None


def _whole_chat(case: Case, probe: str) -> ChatStream:
    """The chat stream that a probe got, come to its end without an error.

    :raises Inconclusive: when it did not.
    """
    chat = case.chat(probe)
    if not chat.judged_to_the_end:
        raise not_whole(probe, chat.response)
    return chat


@active(
    "chat.finish-tools",
    SHOULD,
    _DESCRIPTION,
    "A choice that calls tools has finish_reason tool_calls.",
    probes=("tools",),
    breaks="agents that wait for tool_calls take the turn for finished and call nothing",
)
def finish_tools(case: Case) -> Iterator[Finding]:
    chat = _tools_chat(case)
    for number in sorted({call.choice for call in _calls(chat)}):
        reasons = chat.finishes.get(number) or []
        if not reasons:
            raise Inconclusive("the answer has no finish_reason")
        if "length" in reasons:
            raise Inconclusive("the token limit cut the tool call")
        if "tool_calls" not in reasons:
            last = next(choice for choice in chat.choices if choice.number == number and choice.finish)
            message = f"the choice calls tools and has finish_reason {reasons[0]!r}"
            yield Finding(message, at(chat.response, content=last.offset))


@passive(
    "chat.done",
    MUST,
    _DESCRIPTION,
    "The stream ends with exactly one `data: [DONE]`.",
    on="chats",
    when=_judged_to_the_end,
    absent="no stream of chunks was read to its end",
    breaks="a cut looks like the end: openai 3.54.0 returns the part that came, without an error",
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


# Usage.


@active(
    "chat.usage-chunk",
    MUST,
    _DESCRIPTION,
    "With include_usage, one chunk with usage and empty choices comes just before [DONE].",
    probes=("usage",),
    breaks="clients that bill or budget by tokens count nothing, or look for usage in the wrong chunk",
)
def usage_chunk(case: Case) -> Iterator[Finding]:
    chat = _whole_chat(case, "usage")
    own = [payload for payload in chat.usages if not payload.value.get("choices")]
    before_mark = [payload for payload in chat.stream.payloads if payload.offset < _mark_offset(chat)]
    if not chat.usages:
        yield Finding("include_usage was asked for, and no chunk has usage", _at_end(chat))
    elif not own:
        message = "usage comes in a chunk whose `choices` is not empty, instead of one of its own"
        yield Finding(message, at(chat.response, content=chat.usages[-1].offset))
    elif len(own) > 1:
        yield from gathered(chat.response, _offsets(own), "more than one chunk of its own has usage")
    elif before_mark and before_mark[-1] is not own[0]:
        yield Finding(
            f"the chunk with usage is not the last before {SENTINEL}", at(chat.response, content=own[0].offset)
        )


def _mark_offset(chat: ChatStream) -> int:
    """Where the end mark stands; past the end where there is none."""
    return next((event.offset for event in chat.stream.events if event.is_sentinel), len(chat.stream.content))


def _at_end(chat: ChatStream) -> Evidence:
    return at(chat.response, content=chat.chunks[-1].offset)


@active(
    "chat.usage-null",
    SHOULD,
    _DESCRIPTION,
    "With include_usage, all chunks but that of usage have usage: null.",
    probes=("usage",),
    breaks="clients that add up what each chunk says count too much",
)
def usage_null(case: Case) -> Iterator[Finding]:
    chat = _whole_chat(case, "usage")
    if not any("usage" in payload.value for payload in chat.chunks):
        raise NotApplicable("no chunk has usage at all")
    last = chat.usages[-1] if chat.usages else None
    others = [payload for payload in chat.chunks if payload is not last]
    absent = [payload for payload in others if "usage" not in payload.value]
    filled = [payload for payload in others if payload.value.get("usage") is not None]
    yield from gathered(chat.response, _offsets(absent), "a chunk has no `usage`, not even null")
    yield from gathered(chat.response, _offsets(filled), "a chunk before the last has usage that is not null")


@active(
    "chat.usage-sums",
    SHOULD,
    _DESCRIPTION,
    "In usage, total is prompt plus completion, and what comes more than once never falls.",
    probes=("usage",),
)
def usage_sums(case: Case) -> Iterator[Finding]:
    chat = _whole_chat(case, "usage")
    if not chat.usages:
        raise NotApplicable("no chunk has usage")
    before: dict[str, int] = {}
    for payload in chat.usages:
        counts = {name: payload.value["usage"].get(f"{name}_tokens") for name in ("prompt", "completion", "total")}
        where = at(chat.response, content=payload.offset)
        wrong = [name for name, count in counts.items() if type(count) is not int]
        if wrong:
            yield Finding(f"{wrong[0]}_tokens is {_brief(counts[wrong[0]])}, not a number", where)
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


# Tool calls.


@dataclass(slots=True)
class _Call:
    """One tool call: its deltas, each with the choice that it came in.

    A new id begins a new call, even under an index that is taken: that is a breach of its own.
    """

    choice: int
    index: Any
    id: str = ""
    deltas: list[tuple[Choice, dict[str, Any]]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"tool call {self.index}" if self.index is not None else "a tool call"


def _calls(chat: ChatStream) -> list[_Call]:
    calls: list[_Call] = []
    current: dict[tuple[int, int | None], _Call] = {}
    for choice in chat.choices:
        for delta in choice.tool_calls:
            index = delta.get("index")
            key = (choice.number, index if type(index) is int else None)
            call = current.get(key)
            given = _text(delta.get("id"))
            if call is None or (given and call.id and given != call.id):
                call = current[key] = _Call(*key)
                calls.append(call)
            call.id = call.id or given
            call.deltas.append((choice, delta))
    return calls


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _function(delta: dict[str, Any]) -> dict[str, Any]:
    """What is called: a function, or a tool of one's own (`custom`)."""
    function = delta.get("function") or delta.get("custom")
    return function if isinstance(function, dict) else {}


def _tools_chat(case: Case) -> ChatStream:
    """The answer to the probe of tools.

    :raises NotApplicable: when the model called none.
    """
    chat = _whole_chat(case, "tools")
    if not _calls(chat):
        raise NotApplicable("the model called no tool")
    return chat


@passive(
    "chat.tool-index",
    MUST,
    _DESCRIPTION,
    "tool_calls is an array, and each of its deltas has an integer index.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 raises TypeError",
)
def tool_index(chat: ChatStream) -> Iterator[Finding]:
    no_array = [choice for choice in chat.choices if not isinstance(choice.delta.get("tool_calls") or [], list)]
    yield from gathered(chat.response, _offsets(no_array), "`tool_calls` is no array")
    wrong = [choice for choice in chat.choices for delta in choice.tool_calls if type(delta.get("index")) is not int]
    yield from gathered(chat.response, _offsets(wrong), "a delta of a tool call has no integer `index`")


@passive(
    "chat.tool-index-unique",
    MUST,
    _DESCRIPTION,
    "A tool call with a new id has a new index.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 merges the calls: ids, names and arguments are joined",
)
def tool_index_unique(chat: ChatStream) -> Iterator[Finding]:
    first: dict[tuple[int, int], _Call] = {}
    for call in _calls(chat):
        if type(call.index) is not int:
            continue
        taken = first.setdefault((call.choice, call.index), call)
        if taken is not call:
            message = f"index {call.index} has the tool call {_brief(taken.id)}, then {_brief(call.id)}"
            yield Finding(message, at(chat.response, content=call.deltas[0][0].offset))


@passive(
    "chat.tool-first-delta",
    MUST,
    _DESCRIPTION + "; practice",
    "The first delta of a tool call has its id, its type and the name of the function.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the AI SDK of Vercel raises when the id or the name is missing there",
)
def tool_first_delta(chat: ChatStream) -> Iterator[Finding]:
    for call in _calls(chat):
        choice, delta = call.deltas[0]
        given = {"id": delta.get("id"), "type": delta.get("type"), "name": _function(delta).get("name")}
        missing = [name for name, value in given.items() if not _text(value)]
        if missing:
            message = f"the first delta of {call.label} lacks {', '.join(missing)}"
            yield Finding(message, at(chat.response, content=choice.offset))


@passive(
    "chat.tool-id-once",
    SHOULD,
    "practice (openai-python)",
    "The id and the name of a tool call come once.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 joins repeated ids and names: 'get_weatherget_weather'",
)
def tool_id_once(chat: ChatStream) -> Iterator[Finding]:
    for call in _calls(chat):
        for what, values in (
            ("id", [(choice, delta.get("id")) for choice, delta in call.deltas]),
            ("name", [(choice, _function(delta).get("name")) for choice, delta in call.deltas]),
        ):
            again = [choice for choice, value in values if _text(value)][1:]
            yield from gathered(chat.response, _offsets(again), f"the {what} of {call.label} comes again")


@active(
    "chat.tool-args-json",
    SHOULD,
    _DESCRIPTION,
    "The joined arguments of a tool call are JSON, unless the token limit cut them.",
    probes=("tools",),
    breaks="the tool cannot be called",
)
def tool_args_json(case: Case) -> Iterator[Finding]:
    chat = _tools_chat(case)
    calls = [call for call in _calls(chat) if "length" not in (chat.finishes.get(call.choice) or [])]
    if not calls:
        raise Inconclusive("the token limit cut the arguments")
    for call in calls:
        pieces = [_function(delta).get("arguments") for _, delta in call.deltas if "custom" not in delta]
        where = at(chat.response, content=call.deltas[-1][0].offset)
        odd = [piece for piece in pieces if piece is not None and not isinstance(piece, str)]
        if odd:
            yield Finding(f"the arguments of {call.label} are {_kind(odd[0])}, not a string", where)
            continue
        arguments = "".join(map(_text, pieces))
        if pieces and not _is_json(arguments):
            yield Finding(f"the arguments of {call.label} are not JSON: {_brief(arguments)}", where)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@active(
    "chat.tools-same-as-nonstream",
    SHOULD,
    _DESCRIPTION,
    "A request that makes the model call tools does so with and without streaming.",
    probes=("tools", "tools-whole"),
    breaks="agents that stream never see the tool calls",
)
def tools_same_as_nonstream(case: Case) -> Iterator[Finding]:
    chat = _whole_chat(case, "tools")
    message = _message(case.accepted("tools-whole"))
    streamed, whole = bool(_calls(chat)), bool(message.get("tool_calls"))
    if not streamed and not whole:
        raise NotApplicable("the model called no tool, streamed or not")
    if streamed != whole:
        only = "without streaming" if whole else "when streaming"
        yield Finding(f"the same request calls tools only {only}", _at_end(chat))


def _message(response: Response) -> dict[str, Any]:
    """The message of an answer that is not streamed.

    :raises Inconclusive: when it has none.
    """
    value = json_of(response)
    choices = value.get("choices") if isinstance(value, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise Inconclusive("the answer without streaming has no message")
    return message


# Content.


@passive(
    "chat.content-type-string",
    MUST,
    _DESCRIPTION,
    "The content of a delta is a string, or null.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="whoever joins the content as openai's examples do: TypeError",
)
def content_type_string(chat: ChatStream) -> Iterator[Finding]:
    wrong = [choice for choice in chat.choices if not isinstance(choice.delta.get("content"), str | None)]
    if wrong:
        message = f"`content` of a delta is {_kind(wrong[0].delta['content'])}"
        yield from gathered(chat.response, _offsets(wrong), message)


@passive(
    "chat.delta-not-cumulative",
    MUST,
    _DESCRIPTION,
    "Deltas add to each other; the message as it stands is not repeated.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="all clients, openai 3.54.0 among them, show the beginning over and over again",
)
def delta_not_cumulative(chat: ChatStream) -> Iterator[Finding]:
    copies = [choice for choice in chat.choices if isinstance(choice.value.get("message"), dict)]
    yield from gathered(chat.response, _offsets(copies), "a choice has a `message` beside its delta")
    for number in chat.finishes:
        said = [choice for choice in chat.choices if choice.number == number and choice.content.strip()]
        pairs = [(before.content, after.content) for before, after in pairwise(said)]
        grown = sum(len(after) > len(before) for before, after in pairs)
        if grown >= _CUMULATIVE_DELTAS - 1 and all(after.startswith(before) for before, after in pairs):
            message = f"every delta of choice {number} repeats what came before"
            yield Finding(message, at(chat.response, content=said[1].offset))


@active(
    "chat.n-choices",
    SHOULD,
    _DESCRIPTION,
    "With n = 2, two choices come.",
    probes=("choices",),
)
def n_choices(case: Case) -> Iterator[Finding]:
    if case.response("choices").status in _NOT_OFFERED:
        raise NotApplicable(f"the endpoint refuses n = 2 with {case.response('choices').status}")
    chat = _whole_chat(case, "choices")
    said = {choice.number for choice in chat.choices if choice.says_something}
    missing = sorted({0, 1} - said)
    if not said:
        raise Inconclusive("no choice says anything")
    if missing:
        yield Finding(f"n = 2 was asked for, and nothing came for choice {missing[0]}", _at_end(chat))


@active(
    "chat.logprobs-aligned",
    SHOULD,
    _DESCRIPTION,
    "The tokens of logprobs, joined, are the content.",
    probes=("logprobs",),
)
def logprobs_aligned(case: Case) -> Iterator[Finding]:
    if case.response("logprobs").status in _NOT_OFFERED:
        raise NotApplicable(f"the endpoint refuses logprobs with {case.response('logprobs').status}")
    chat = _whole_chat(case, "logprobs")
    tokens = [token for choice in chat.choices if choice.number == 0 for token in _logprob_tokens(choice)]
    if not tokens:
        raise NotApplicable("no log probabilities came")
    # A limit may cut the last token in the middle of a character, which then is in no content.
    joined = b"".join(map(_token_bytes, tokens)).decode("utf-8", "ignore")
    content = chat.text().replace("\ufffd", "").encode("utf-8", "ignore").decode()
    if joined.replace("\ufffd", "") != content:
        message = f"the tokens make {_brief(joined)}, the content is {_brief(content)}"
        yield Finding(message, _at_end(chat))


def _logprob_tokens(choice: Choice) -> list[dict[str, Any]]:
    logprobs = choice.value.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [token for token in content if isinstance(token, dict)] if isinstance(content, list) else []


def _token_bytes(token: dict[str, Any]) -> bytes:
    """The bytes of a token. They are given beside its text because a token may hold a part of a character."""
    given = token.get("bytes")
    if isinstance(given, list) and all(type(byte) is int and 0 <= byte < 256 for byte in given):
        return bytes(given)
    return _text(token.get("token")).encode("utf-8", "ignore")


@active(
    "chat.stream-equals-nonstream",
    INFO,
    _DESCRIPTION,
    "With temperature 0 and a seed, the streamed text is that of the whole answer.",
    probes=("logprobs", "whole"),
)
def stream_equals_nonstream(case: Case) -> Iterator[Finding]:
    chat = _whole_chat(case, "logprobs")
    streamed, whole = chat.text(), _text(_message(case.accepted("whole")).get("content"))
    if not streamed or not whole:
        raise Inconclusive("one of the two answers has no text")
    if streamed != whole:
        place = next(
            (place for place, (a, b) in enumerate(zip(streamed, whole, strict=False)) if a != b),
            min(len(streamed), len(whole)),
        )
        parts = f"{_brief(streamed[place : place + 20])} and {_brief(whole[place : place + 20])}"
        yield Finding(f"the streamed text and the whole one part after {place} characters: {parts}", _at_end(chat))


@passive(
    "chat.reasoning-field",
    INFO,
    "interoperability",
    "No reasoning travels in fields that OpenAI's description does not have.",
    on="chats",
    when=_has_choices,
    absent="no choice was seen",
    breaks="clients show reasoning only from the fields that they know",
)
def reasoning_field(chat: ChatStream) -> Iterator[Finding]:
    for name in _REASONING_FIELDS:
        used = [choice for choice in chat.choices if choice.delta.get(name)]
        yield from gathered(chat.response, _offsets(used), f"reasoning travels in delta.{name}")


@passive(
    "chat.required",
    MUST,
    _DESCRIPTION,
    "Every chunk has id, created and model.",
    on="chats",
    breaks="strictly typed clients refuse the chunk; openai 3.54.0 gives None",
)
def required(chat: ChatStream) -> Iterator[Finding]:
    for name in ("id", "created", "model"):
        absent = [payload for payload in chat.chunks if payload.value.get(name) is None]
        yield from gathered(chat.response, _offsets(absent), f"a chunk has no `{name}`")
