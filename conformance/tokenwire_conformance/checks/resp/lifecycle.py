"""The response: how it begins, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tokenwire.recording.captures import Layer

from ...judging.case import Case, brief, gathered, not_whole, offsets_of
from ...judging.registry import active, passive
from ...judging.verdict import Finding, Inconclusive, Level
from ...probes.asking import RESPONSES_LIMIT
from ...reading.responses import ResponseStream, kind_of
from ...reading.stream import SENTINEL
from .common import BOTH, OPEN, has_events, place_of

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO


#: Words that no answer of so many tokens has: a token seldom holds more than one.
_WORDS_BEYOND_LIMIT = 2 * RESPONSES_LIMIT


#: What OpenAI encrypts anew each time it is told.
_SEALED = {"encrypted_content"}


def _judged_to_the_end(response: ResponseStream) -> bool:
    return response.judged_to_the_end


@passive(
    "resp.created-first",
    MUST,
    BOTH,
    "response.created comes first.",
    on="response_streams",
    when=lambda response: response.begun and not response.resumed,
    absent="no stream of a response was seen from its beginning",
    breaks="the stream helper of openai 3.54.0 raises RuntimeError",
)
def created_first(response: ResponseStream) -> Iterator[Finding]:
    first = next(payload for payload in response.events if kind_of(payload))
    if kind_of(first) != "response.created":
        yield Finding(f"the first event is {kind_of(first)}", place_of(response, first))


@passive(
    "resp.response-id",
    SHOULD,
    BOTH + " (inferred)",
    "The response has the same id in all events.",
    on="response_streams",
    when=has_events,
    absent="no stream of a response was seen",
)
def response_id(response: ResponseStream) -> Iterator[Finding]:
    told = [payload for payload in response.events if isinstance(payload.value.get("response"), dict)]
    ids = [(payload, payload.value["response"].get("id")) for payload in told]
    changed = [payload for payload, told_id in ids if told_id != ids[0][1]]
    if changed:
        was, now = ids[0][1], changed[0].value["response"].get("id")
        said = f"the id of the response is {brief(now)}; it began as {brief(was)}"
        yield from gathered(response.response, offsets_of(changed), said)


@passive(
    "resp.terminal-once",
    MUST,
    BOTH,
    "Exactly one response.completed, response.incomplete or response.failed ends the stream.",
    on="response_streams",
    when=_judged_to_the_end,
    absent="no stream of a response was read to its end",
    breaks="openai 3.54.0 has no final response",
    needs=[Layer.END],
)
def terminal_once(response: ResponseStream) -> Iterator[Finding]:
    terminals, last = response.terminals, response.events[-1]
    if not terminals:
        how = "ends" if response.response.complete else "was cut"
        yield Finding(f"the stream {how} without response.completed or its like", place_of(response, last))
    elif len(terminals) > 1:
        names = ", ".join(map(kind_of, terminals))
        yield Finding(f"the response is ended {len(terminals)} times: {names}", place_of(response, terminals[1]))
    elif last is not terminals[0]:
        yield Finding(f"{kind_of(last)} comes after {kind_of(terminals[0])}", place_of(response, last))


@passive(
    "resp.done",
    INFO,  # a MUST of Open Responses, which OpenAI itself does not follow
    "OpenAI API description, Responses streaming",
    "There is no [DONE]: the event that ends the response is the last.",
    on="response_streams",
)
def done(response: ResponseStream) -> Iterator[Finding]:
    marks = [event.offset for event in response.stream.events if event.is_sentinel]
    yield from gathered(response.response, marks, f"the end mark {SENTINEL} is sent, as Open Responses has it")


@passive(
    "resp.final-output",
    MUST,
    BOTH,
    "The response that ends the stream has the items in its output that were done, as they were.",
    on="response_streams",
    when=lambda response: bool(response.final) and any(item.done for item in response.items),
    absent="no response with a done item was read to its end",
    breaks="openai 3.54.0 takes its result from there",
    needs=[Layer.END],
)
def final_output(response: ResponseStream) -> Iterator[Finding]:
    where = place_of(response, response.terminals[-1])
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


def _output(response: ResponseStream) -> list[Any]:
    """The items of the response that ends the stream."""
    output = response.final.get("output")
    return output if isinstance(output, list) else []


@passive(
    "resp.output-streamed",
    MUST,
    BOTH,
    "Every item in the output of the response that ends the stream came in the stream before.",
    on="response_streams",
    when=lambda response: bool(_output(response)) and not response.resumed,
    absent="no response with an output was streamed from its beginning to its end",
)
def output_streamed(response: ResponseStream) -> Iterator[Finding]:
    streamed = len(response.items)
    missing = _output(response)[streamed:]
    if missing:
        kinds = ", ".join(str(item.get("type")) if isinstance(item, dict) else brief(item) for item in missing)
        said = f"{len(missing)} of {streamed + len(missing)} items in the output never came in the stream: {kinds}"
        yield Finding(said, place_of(response, response.terminals[-1]))


@active(
    "resp.incomplete-last",
    MUST,
    OPEN,
    "An answer that is cut by its token limit is ended by response.incomplete, its incomplete item the last.",
    probes=("length", "stream"),
)
def incomplete_last(case: Case) -> Iterator[Finding]:
    response = _whole(case, "length")
    ended = kind_of(response.terminals[0])
    where = place_of(response, response.terminals[0])
    if ended == "response.incomplete":
        for item in response.items[:-1]:
            if item.ended.get("status") == "incomplete":
                yield Finding(f"{item.label} is incomplete, and another item follows it", where)
        return
    usage = response.final.get("usage")
    counted = usage.get("output_tokens") if isinstance(usage, dict) else None
    words = len(_text(response).split())
    asked = f"{RESPONSES_LIMIT} tokens were allowed"
    if words > _WORDS_BEYOND_LIMIT:
        said = f"{words} words came, and the end is {ended}: the limit was ignored"
    elif type(counted) is int and counted >= RESPONSES_LIMIT and _text(response) != _other_text(case):
        said = f"usage counts {counted}, and the end is {ended}, as if that were all"
    else:
        raise Inconclusive(f"{asked}, and the answer is too short to tell whether the limit was met")
    yield Finding(f"{asked}, {said}", where)


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
