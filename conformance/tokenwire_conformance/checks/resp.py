"""OpenAI's Responses as a stream: its events, the items of the output and their parts, the end.

What Open Responses demands and OpenAI's own description does not is a SHOULD here, or only told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ..judging.case import Case, at, gathered, not_whole
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level
from ..probes.asking import RESPONSES_LIMIT
from ..reading.responses import DELTAS, TERMINALS, Item, Part, ResponseStream, kind_of
from ..reading.stream import SENTINEL, Payload

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_BOTH = "OpenAI API description, Responses streaming; Open Responses"
_OPEN = "Open Responses"

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

#: Words that no answer of so many tokens has: a token seldom holds more than one.
_WORDS_BEYOND_LIMIT = 2 * RESPONSES_LIMIT

#: Of what is streamed in a part that is added before it and done after it.
_IN_PARTS = ("response.output_text", "response.refusal", "response.reasoning_text", "response.reasoning_summary_text")

_ARGUMENTS = "response.function_call_arguments"

#: What OpenAI encrypts anew each time it is told.
_SEALED = {"encrypted_content"}


def _offsets(payloads: Sequence[Payload]) -> list[int]:
    return [payload.offset for payload in payloads]


def _has_events(response: ResponseStream) -> bool:
    return response.begun


def _judged_to_the_end(response: ResponseStream) -> bool:
    return response.judged_to_the_end


def _has_items(response: ResponseStream) -> bool:
    return bool(response.items)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:60] + "…"


def _where(response: ResponseStream, payload: Payload) -> Any:
    return at(response.response, content=payload.offset)


# What every event has.


@passive(
    "resp.event-eq-type",
    MUST,
    _OPEN,
    "The name of every event is the type of its data.",
    on="response_streams",
    breaks="EventSource and clients that go by the name see no event that they know",
)
def event_eq_type(response: ResponseStream) -> Iterator[Finding]:
    wrong = [payload for payload in response.events if payload.event.name != kind_of(payload)]
    if wrong:
        name, kind = wrong[0].event.name, kind_of(wrong[0]) or "none"
        said = f"an event of the type {kind} has {'no name' if name == 'message' else f'the name {name}'}"
        yield from gathered(response.response, _offsets(wrong), said)


@passive(
    "resp.required-fields",
    MUST,
    _BOTH,
    "Every event of a known type has what its schema requires.",
    on="response_streams",
    when=_has_events,
    absent="no stream of a response was seen",
    shown_by=("tools",),
    breaks="strictly typed clients refuse the event; openai 3.54.0 gives None",
)
def required_fields(response: ResponseStream) -> Iterator[Finding]:
    for kind, names in _REQUIRED.items():
        for name in names:
            lacking = [payload for payload in response.of_kind(kind) if payload.value.get(name) is None]
            yield from gathered(response.response, _offsets(lacking), f"{kind} has no `{name}`")


@passive(
    "resp.sequence",
    MUST,
    _BOTH,
    "Every event has a sequence_number, and it rises.",
    on="response_streams",
    breaks="whoever resumes a stream does not know where; openai 3.54.0 gives None",
)
def sequence(response: ResponseStream) -> Iterator[Finding]:
    absent = [one for one in response.events if type(one.value.get("sequence_number")) is not int]
    yield from gathered(response.response, _offsets(absent), "an event has no sequence_number")
    pairs = _numbered_pairs(response)
    fallen = [after for before, after in pairs if after.value["sequence_number"] <= before.value["sequence_number"]]
    yield from gathered(response.response, _offsets(fallen), "the sequence_number of an event does not rise")


def _numbered_pairs(response: ResponseStream) -> list[tuple[Payload, Payload]]:
    numbered = [payload for payload in response.events if type(payload.value.get("sequence_number")) is int]
    return list(pairwise(numbered))


@passive(
    "resp.sequence-gapless",
    SHOULD,
    _OPEN,
    "The sequence_number rises by one.",
    on="response_streams",
    when=lambda response: bool(_numbered_pairs(response)),
    absent="no stream with sequence numbers was seen",
    breaks="a gap cannot be told from a loss",
)
def sequence_gapless(response: ResponseStream) -> Iterator[Finding]:
    for before, after in _numbered_pairs(response):
        was, now = before.value["sequence_number"], after.value["sequence_number"]
        if now > was + 1:
            yield Finding(f"the sequence_number goes from {was} to {now}", _where(response, after))


@passive(
    "resp.no-sse-id",
    SHOULD,
    _OPEN,
    "Events have no id: the sequence_number is what a stream is resumed by.",
    on="response_streams",
    breaks="browsers send it back in Last-Event-ID, which nobody heeds",
)
def no_sse_id(response: ResponseStream) -> Iterator[Finding]:
    offsets = [block.offset for block in response.stream.blocks if block.values("id")]
    yield from gathered(response.response, offsets, "an event has an id")


@passive(
    "resp.ext-prefix",
    INFO,  # a MUST of Open Responses for whoever implements it
    _OPEN,
    "An event that OpenAI does not have carries the name of its implementor: `acme:thing`.",
    on="response_streams",
    when=_has_events,
    absent="no stream of a response was seen",
    breaks="a later version may give the name another meaning",
)
def ext_prefix(response: ResponseStream) -> Iterator[Finding]:
    for payload in response.events:
        kind = kind_of(payload)
        if kind and kind not in _REQUIRED and not kind.startswith(_KNOWN) and ":" not in kind:
            yield Finding(f"an event has the type {kind}, which is not OpenAI's", _where(response, payload))


# The response.


@passive(
    "resp.created-first",
    MUST,
    _BOTH,
    "response.created comes first.",
    on="response_streams",
    when=lambda response: response.begun and not response.resumed,
    absent="no stream of a response was seen from its beginning",
    breaks="the stream helper of openai 3.54.0 raises RuntimeError",
)
def created_first(response: ResponseStream) -> Iterator[Finding]:
    first = next(payload for payload in response.events if kind_of(payload))
    if kind_of(first) != "response.created":
        yield Finding(f"the first event is {kind_of(first)}", _where(response, first))


@passive(
    "resp.response-id",
    SHOULD,
    _BOTH + " (inferred)",
    "The response has the same id in all events.",
    on="response_streams",
    when=_has_events,
    absent="no stream of a response was seen",
    breaks="previous_response_id and the retrieval name a response that nobody knows",
)
def response_id(response: ResponseStream) -> Iterator[Finding]:
    told = [payload for payload in response.events if isinstance(payload.value.get("response"), dict)]
    ids = [(payload, payload.value["response"].get("id")) for payload in told]
    changed = [payload for payload, told_id in ids if told_id != ids[0][1]]
    if changed:
        was, now = ids[0][1], changed[0].value["response"].get("id")
        said = f"the id of the response is {_brief(now)}; it began as {_brief(was)}"
        yield from gathered(response.response, _offsets(changed), said)


@passive(
    "resp.terminal-once",
    MUST,
    _BOTH,
    "Exactly one response.completed, response.incomplete or response.failed ends the stream.",
    on="response_streams",
    when=_judged_to_the_end,
    absent="no stream of a response was read to its end",
    breaks="an end cannot be told from a cut; openai 3.54.0 has no final response",
)
def terminal_once(response: ResponseStream) -> Iterator[Finding]:
    terminals, last = response.terminals, response.events[-1]
    if not terminals:
        how = "ends" if response.response.complete else "was cut"
        yield Finding(f"the stream {how} without response.completed or its like", _where(response, last))
    elif len(terminals) > 1:
        names = ", ".join(map(kind_of, terminals))
        yield Finding(f"the response is ended {len(terminals)} times: {names}", _where(response, terminals[1]))
    elif last is not terminals[0]:
        yield Finding(f"{kind_of(last)} comes after {kind_of(terminals[0])}", _where(response, last))


@passive(
    "resp.done",
    INFO,  # a MUST of Open Responses, which OpenAI itself does not follow
    "OpenAI API description, Responses streaming",
    "There is no [DONE]: the event that ends the response is the last.",
    on="response_streams",
    breaks="clients that parse every data as JSON; Open Responses has the mark, OpenAI has not",
)
def done(response: ResponseStream) -> Iterator[Finding]:
    marks = [event.offset for event in response.stream.events if event.is_sentinel]
    yield from gathered(response.response, marks, f"the end mark {SENTINEL} is sent, as Open Responses has it")


@passive(
    "resp.final-output",
    MUST,
    _BOTH,
    "The response that ends the stream has the items in its output that were done, as they were.",
    on="response_streams",
    when=lambda response: bool(response.final) and any(item.done for item in response.items),
    absent="no response with a done item was read to its end",
    breaks="openai 3.54.0 takes its result from there",
)
def final_output(response: ResponseStream) -> Iterator[Finding]:
    where = _where(response, response.terminals[-1])
    output = response.final.get("output")
    if not isinstance(output, list):
        yield Finding("the response that ends the stream has no output", where)
        return
    for item in response.items:
        if item.done is None:
            continue
        alike = [one for one in output if isinstance(one, dict) and one.get("id") == item.ended.get("id")]
        if not alike:
            yield Finding(f"{item.label} was done, and is not in the output of the response", where)
            continue
        names = {name for name in {*alike[0], *item.ended} if alike[0].get(name) != item.ended.get(name)}
        if names - _SEALED:
            yield Finding(f"{item.label} is another in the output: {', '.join(sorted(names))}", where)


@active(
    "resp.incomplete-last",
    MUST,
    _OPEN,
    "An answer that is cut by its token limit is ended by response.incomplete, its incomplete item the last.",
    probes=("length", "stream"),
    breaks="users take a part of an answer for the whole",
)
def incomplete_last(case: Case) -> Iterator[Finding]:
    response = _whole(case, "length")
    ended = kind_of(response.terminals[0])
    where = _where(response, response.terminals[0])
    if ended == "response.incomplete":
        for item in response.items[:-1]:
            if item.ended.get("status") == "incomplete":
                yield Finding(f"{item.label} is incomplete, and another item follows it", where)
        return
    usage = response.final.get("usage")
    counted = usage.get("output_tokens") if isinstance(usage, dict) else None
    words = len(_text(response).split())
    if words > _WORDS_BEYOND_LIMIT:
        said = f"{words} words came, and the end is {ended}: the limit was ignored"
    elif type(counted) is int and counted >= RESPONSES_LIMIT and _text(response) != _other_text(case):
        said = f"usage counts {counted}, and the end is {ended}, as if that were all"
    else:
        raise Inconclusive("the answer was too short to hit its limit")
    yield Finding(f"{RESPONSES_LIMIT} tokens were allowed, {said}", where)


def _text(response: ResponseStream) -> str:
    return "".join(part.text for _, part in response.parts("response.output_text"))


def _other_text(case: Case) -> str | None:
    """The answer to another question. An endpoint that says the same to both plays a script, and was not cut."""
    try:
        return _text(_whole(case, "stream"))
    except Inconclusive:
        return None


def _whole(case: Case, probe: str) -> ResponseStream:
    """The stream that a probe got, come to its end without an error.

    :raises Inconclusive: when it did not.
    """
    answer = case.accepted(probe)
    response = next((one for one in case.response_streams if one.response is answer), None)
    if response is None or not response.judged_to_the_end or len(response.terminals) != 1:
        raise not_whole(probe, answer)
    return response


# The items of the output.


@passive(
    "resp.item-added-first",
    MUST,
    _BOTH,
    "Every item is added by output_item.added before anything else comes for it.",
    on="response_streams",
    when=lambda response: _has_items(response) and not response.resumed,
    absent="no item of an output was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 raises IndexError",
)
def item_added_first(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        if item.early:
            said = f"{kind_of(item.early[0])} comes for {item.label}, which was not added"
            yield from gathered(response.response, _offsets(item.early), said)


@passive(
    "resp.added-complete",
    SHOULD,  # a MUST of Open Responses
    _OPEN,
    "An item is added with all that it needs: a message with its role, a call with its name and its call_id.",
    on="response_streams",
    when=lambda response: any(item.begun for item in response.items),
    absent="no item was seen to be added",
    shown_by=("tools",),
    breaks="strictly typed clients refuse the item; a call is shown without its name",
)
def added_complete(response: ResponseStream) -> Iterator[Finding]:
    needed = {"message": ("role", "content"), "function_call": ("name", "call_id", "arguments")}
    for item in response.items:
        missing = [name for name in needed.get(str(item.begun.get("type")), ()) if item.begun.get(name) is None]
        if missing and item.added is not None:
            said = f"a {item.begun['type']} is added without {', '.join(missing)}"
            yield Finding(said, _where(response, item.added))


@passive(
    "resp.status-field",
    SHOULD,  # a MUST of Open Responses for all items
    _OPEN,
    "Every item has a type and an id; messages and calls have a status.",
    on="response_streams",
    when=_has_items,
    absent="no item of an output was seen",
    shown_by=("tools",),
    breaks="openai 3.54.0 gives None for them",
)
def status_field(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        for payload, value in ((item.added, item.begun), (item.done, item.ended)):
            if payload is None or not value:
                continue
            with_status = value.get("type") in ("message", "function_call")
            names = ("type", "id", "status") if with_status else ("type", "id")
            missing = [name for name in names if not isinstance(value.get(name), str)]
            if missing:
                yield Finding(f"an item has no {', '.join(missing)}", _where(response, payload))


@passive(
    "resp.item-id",
    MUST,
    _BOTH,
    "Every event of a part has the item_id of its item.",
    on="response_streams",
    when=lambda response: any(item.parts for item in response.items),
    absent="no part of an item was seen",
    shown_by=("tools",),
    breaks="clients that find items by their id lose the text",
)
def item_id(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        told = item.events + [one for one in item.after if kind_of(one) != "response.output_item.done"]
        absent = [payload for payload in told if not isinstance(payload.value.get("item_id"), str)]
        yield from gathered(response.response, _offsets(absent), "an event of a part has no item_id")
        own = item.begun.get("id") if item.added is not None else None
        foreign = [one for one in told if one not in absent and own is not None and one.value["item_id"] != own]
        if foreign:
            said = f"an event has the item_id {_brief(foreign[0].value['item_id'])}; its item has {_brief(own)}"
            yield from gathered(response.response, _offsets(foreign), said)


@passive(
    "resp.indexes",
    SHOULD,
    _BOTH,
    "Items and the parts of their content are numbered, without a gap and from 0.",
    on="response_streams",
    when=lambda response: _has_items(response) and not response.resumed,
    absent="no item of an output was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 finds items by their place: IndexError",
)
def indexes(response: ResponseStream) -> Iterator[Finding]:
    for place, item in enumerate(response.items):
        if item.index != place:
            said = f"has the output_index {_brief(item.index)}" if item.index is not None else "has no output_index"
            yield Finding(f"item number {place} {said}", _where(response, item.first))
        content = [part for part in item.parts if part.numbered == "content_index"]
        for number, part in enumerate(content):
            if part.number != number:
                index = f"has the content_index {_brief(part.number)}"
                said = index if part.number is not None else "has no content_index"
                yield Finding(f"part number {number} of {item.label} {said}", _where(response, part.first))


@passive(
    "resp.item-done",
    MUST,
    _BOTH,
    "Every item that was added is done by output_item.done.",
    on="response_streams",
    when=lambda response: response.completed and any(item.added for item in response.items),
    absent="no response with an item was completed",
    shown_by=("tools",),
    breaks="clients wait for the item, and never make the call",
)
def item_done(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        if item.added is not None and item.done is None:
            yield Finding(f"{item.label} was added and is never done", _where(response, item.added))


@passive(
    "resp.no-update-after-done",
    MUST,
    _OPEN,
    "Nothing comes for an item after its output_item.done.",
    on="response_streams",
    when=lambda response: any(item.done for item in response.items),
    absent="no item was seen to be done",
    breaks="what comes late is lost to clients that have taken the item",
)
def no_update_after_done(response: ResponseStream) -> Iterator[Finding]:
    for item in response.items:
        if item.after:
            said = f"{kind_of(item.after[0])} comes for {item.label}, which was done"
            yield from gathered(response.response, _offsets(item.after), said)


# Their parts.


@passive(
    "resp.part-lifecycle",
    MUST,
    _BOTH,
    "A part that is streamed is added, then come its deltas, then the whole, then it is done.",
    on="response_streams",
    when=lambda response: not response.resumed and any(response.parts(*_IN_PARTS)),
    absent="no part was streamed",
    breaks="the stream helper of openai 3.54.0 raises IndexError for a part that was not added",
)
def part_lifecycle(response: ResponseStream) -> Iterator[Finding]:
    for item, part in response.parts(*_IN_PARTS):
        flaw = _flaw_of_part(item, part)
        if flaw:
            yield Finding(f"a part of {item.label} {flaw}", _where(response, part.first))


def _flaw_of_part(item: Item, part: Part) -> str:
    first = part.deltas[0] if part.deltas else part.whole
    added = "reasoning_summary_part.added" if part.numbered == "summary_index" else "content_part.added"
    if first is not None and (part.added is None or part.added.offset > first.offset):
        return f"is told before its {added}"
    if item.done is None:
        return ""  # that is for resp.item-done to tell, or the response was cut
    if part.whole is None:
        return f"has deltas and no {part.run.removeprefix('response.')}.done"
    if part.done is None:
        return f"has no {added.replace('added', 'done')}"
    if part.deltas and part.deltas[-1].offset > part.whole.offset:
        return "has a delta after its whole"
    return "is done before its whole is told" if part.done.offset < part.whole.offset else ""


@passive(
    "resp.delta-sum",
    MUST,
    _BOTH,
    "The deltas of a part, joined, are the whole that its done repeats.",
    on="response_streams",
    when=lambda response: not response.resumed and any(part.whole for _, part in _summed(response)),
    absent="no part was streamed to its end",
    breaks="what is shown while it comes is not what is kept",
)
def delta_sum(response: ResponseStream) -> Iterator[Finding]:
    for item, part in _summed(response):
        if part.whole is not None and part.deltas and isinstance(part.told, str) and _joined(part.text) != part.told:
            said = f"the deltas of {item.label} make {_brief(part.text)}, the whole is {_brief(part.told)}"
            yield Finding(said, _where(response, part.whole))


def _summed(response: ResponseStream) -> list[tuple[Item, Part]]:
    return list(response.parts(*(run for run in DELTAS if run != _ARGUMENTS)))


def _joined(text: str) -> str:
    """The text, halves of a surrogate pair that came in two deltas joined to a character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@passive(
    "resp.fn-args",
    MUST,
    _BOTH,
    "The arguments of a call are the same in their deltas, their done and their item, and JSON when they are whole.",
    on="response_streams",
    when=lambda response: any(_calls(response)),
    absent="no call of a function was seen to be done",
    shown_by=("tools",),
    breaks="the function cannot be called, or with other arguments than were shown",
)
def fn_args(response: ResponseStream) -> Iterator[Finding]:
    for item in _calls(response):
        assert item.done is not None
        where = _where(response, item.done)
        final = item.ended.get("arguments")
        part = next((part for part in item.parts if part.run == _ARGUMENTS), None)
        if part is None or part.whole is None:
            yield Finding(f"{item.label} has no function_call_arguments.done", where)
        elif part.deltas and _joined(part.text) != part.told:
            said = f"the deltas of the arguments make {_brief(part.text)}, the whole is {_brief(part.told)}"
            yield Finding(said, _where(response, part.whole))
        elif part.told != final:
            yield Finding(f"the arguments are {_brief(part.told)}, in the item {_brief(final)}", where)
        elif item.ended.get("status") != "incomplete" and not _is_json(final):
            yield Finding(f"the arguments are not JSON: {_brief(final)}", where)


def _calls(response: ResponseStream) -> list[Item]:
    return [item for item in response.items if item.ended.get("type") == "function_call"]


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


# Errors.


@passive(
    "resp.error-then-failed",
    MUST,
    _OPEN,
    "An error within a response is followed by response.failed.",
    on="response_streams",
    when=lambda response: response.begun and bool(response.errors) and response.stream.complete,
    absent="no error within a response was seen",
    shown_by=("failure",),
    breaks="clients that wait for the end of the response take the cut for one of the network, and ask again",
)
def error_then_failed(response: ResponseStream) -> Iterator[Finding]:
    error = response.errors[0]
    if not any(payload.offset > error.offset for payload in response.of_kind("response.failed")):
        yield Finding("after the error there is no response.failed", _where(response, error))


@passive(
    "resp.error-shape",
    SHOULD,  # a MUST in each of the two, which differ
    _BOTH,
    "An error event has a code and a message, in an object `error` (Open Responses) or flat (OpenAI).",
    on="response_streams",
    when=lambda response: bool(response.errors),
    absent="no error within a response was seen",
    shown_by=("failure",),
    breaks="openai 3.54.0 raises an error without a message",
)
def error_shape(response: ResponseStream) -> Iterator[Finding]:
    for payload in response.errors:
        nested = payload.value.get("error")
        told = payload.value if nested is None else nested
        if kind_of(payload) != "error":
            flaw = "not the type `error`"
        elif not isinstance(told, dict):
            flaw = "an `error` that is no object"
        elif not isinstance(told.get("message"), str):
            flaw = "no message"
        elif "code" not in told:
            flaw = "no code"
        else:
            continue
        yield Finding(f"an error has {flaw}: {_brief(payload.value)}", _where(response, payload))
