"""One story in every dialect: what is decoded from an encoded script is the script."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenwire
from cutting import cut_at, cuts
from tokenwire.dialects import dialect_named
from tokenwire.dialects.a2a import A2AReader, ArtifactUpdate, StatusUpdate, Task
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Tool
from tokenwire.dialects.jsonrpc import ErrorResponse, Notification, Response
from tokenwire.dialects.mcp import MCPReader, Primed
from tokenwire.endpoint.a2a import a2a
from tokenwire.endpoint.a2a import encode as encode_updates
from tokenwire.endpoint.gemini import GEMINI, json_array
from tokenwire.endpoint.gemini_live import encode as encode_turn
from tokenwire.endpoint.gemini_live import gemini_live
from tokenwire.endpoint.mcp import mcp, messages
from tokenwire.endpoint.ollama import OLLAMA, encode_generation
from tokenwire.endpoint.reference import services
from tokenwire.endpoint.replies import compact
from tokenwire.endpoint.service import Identity, Service
from tokenwire.endpoint.story import (
    REASONING,
    STORY,
    Delta,
    Failure,
    Reasoning,
    Script,
    Text,
    ToolCall,
    tell,
)
from tokenwire.endpoint.wanted import Heard, Refusal, Wanted, heard

MODEL = "tokenwire-reference"


@dataclass(frozen=True, slots=True)
class Account:
    """A script, or an answer, in words that both have.

    `counts`: of the prompt and of the completion. `calls`: id, name, arguments.
    """

    text: str
    reasoning: str
    calls: list[tuple[str, str, Any]]
    finish: str | None
    counts: tuple[int, int] | None
    error: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Way:
    """How a dialect tells what others tell otherwise.

    :ivar counts: the members with the count of the prompt, and with those that add up to that of the completion; none
        where it counts nothing.
    :ivar counts_within: the member that has these.
    :ivar has_ids: its tool calls have ids.
    :ivar has_codes: its errors have the script's codes.
    :ivar has_limit: it tells a generation that reached its limit from one that came to its end.
    :ivar whole_calls: its tool calls come in one piece, so of one that broke off nothing was told.
    :ivar calls_last: it calls tools last: whatever it says after a call it says since the tool has answered.
    """

    counts: tuple[str, ...]
    counts_within: str = ""
    has_ids: bool = True
    has_codes: bool = True
    has_limit: bool = True
    whole_calls: bool = False
    calls_last: bool = False

    def counted(self, usage: dict[str, Any]) -> tuple[int, int]:
        prompt, *completion = self.counts
        within = usage[self.counts_within] if self.counts_within else usage
        return within[prompt], sum(within.get(name, 0) for name in completion)


WAYS = {
    "openai-chat": Way(("prompt_tokens", "completion_tokens")),
    "openai-completions": Way(("prompt_tokens", "completion_tokens")),
    "openai-responses": Way(("input_tokens", "output_tokens")),
    "openai-realtime": Way(("input_tokens", "output_tokens")),
    "anthropic-messages": Way(("input_tokens", "output_tokens"), has_codes=False),
    "mistral": Way(("prompt_tokens", "completion_tokens"), whole_calls=True),
    "cohere-v2": Way(("input_tokens", "output_tokens"), counts_within="tokens"),
    "bedrock-converse": Way(("inputTokens", "outputTokens"), has_codes=False),
    "gemini": Way(
        ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"), has_codes=False, whole_calls=True
    ),
    "gemini-interactions": Way(("total_input_tokens", "total_output_tokens", "total_thought_tokens")),
    "gemini-live": Way(
        ("promptTokenCount", "responseTokenCount", "thoughtsTokenCount"),
        has_codes=False,
        has_limit=False,
        whole_calls=True,
        calls_last=True,
    ),
    "ollama": Way(("prompt_eval_count", "eval_count"), has_ids=False, has_codes=False, whole_calls=True),
    "holysheep": Way(("prompt_tokens", "completion_tokens")),
    "vercel-ui": Way((), has_codes=False),
    "ag-ui": Way(("inputTokens", "outputTokens"), has_limit=False),
    "mcp": Way((), has_codes=False, has_limit=False),
    "a2a": Way((), has_codes=False, has_limit=False),
}

#: All services, and other ways in which one speaks.
SERVICES = {service.dialect: service for service in services()} | {
    "gemini, one array": replace(GEMINI, framing=json_array),
    "gemini-live, transcribed": replace(gemini_live(), encode=partial(encode_turn, transcribed=True)),
    "ollama, a generation": replace(OLLAMA, encode=encode_generation),
    "mcp, not resumable": replace(mcp(), framing=messages),
    "a2a, without RPC": replace(a2a(), encode=encode_updates),
}

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
pieces = st.lists(words, min_size=1, max_size=5).map(tuple)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def calls(draw: st.DrawFn) -> ToolCall:
    arguments = json.dumps(draw(st.dictionaries(words, values, max_size=3)), ensure_ascii=False)
    places = sorted(draw(st.sets(st.integers(1, len(arguments) - 1), max_size=4)))
    cut = tuple(arguments[a:b] for a, b in zip([0, *places], [*places, len(arguments)], strict=True))
    number = draw(st.integers(0, 10_000))
    return ToolCall(f"call_{number}", draw(st.sampled_from(["weather", "time_of_day", "f"])), cut)


failures = st.builds(Failure, st.integers(0, 8), st.sampled_from(["failed", "overloaded"]), words)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    parts = draw(st.lists(pieces.map(Text) | pieces.map(Reasoning) | calls(), max_size=5))
    named = [replace(part, id=f"{part.id}_{n}") if isinstance(part, ToolCall) else part for n, part in enumerate(parts)]
    limited = draw(st.booleans()) and not any(isinstance(part, ToolCall) for part in named)
    return Script(MODEL, tuple(named), draw(st.integers(0, 99)), limited, draw(st.none() | failures))


def known_to(service: Service, script: Script) -> Script:
    """The script without the parts that the service has no words for."""
    dialect = dialect_named(service.dialect)
    tools = dialect.tools and service.encode is not encode_generation
    unknown = (() if tools else (ToolCall,)) + (() if dialect.reasoning else (Reasoning,))
    known = [part for part in script.parts if not isinstance(part, unknown)]
    if WAYS[service.dialect].calls_last:
        known.sort(key=lambda part: isinstance(part, ToolCall))
    return replace(script, parts=tuple(known))


def account_of(script: Script, way: Way) -> Account:
    told: dict[int, str] = {}
    begun = {}
    for step in script.steps():
        if not isinstance(step, Failure):
            begun[step.number] = step.part
            told.setdefault(step.number, "")
        if isinstance(step, Delta):
            told[step.number] += step.text
    made = [(begun[n], text) for n, text in told.items()]
    called = [
        (part.id if way.has_ids else "", part.name, text)
        for part, text in made
        if isinstance(part, ToolCall) and not (way.whole_calls and text != part.whole)
    ]
    failure = script.failure
    finish = "stop" if script.limited and not way.has_limit else script.finish
    return Account(
        text="".join(text for part, text in made if isinstance(part, Text)),
        reasoning="".join(text for part, text in made if isinstance(part, Reasoning)),
        calls=called,
        finish=None if failure else finish,
        counts=(script.prompt_tokens, script.completion_tokens) if way.counts and not failure else None,
        error=(failure.code if way.has_codes else "", failure.message) if failure else None,
    )


def account_of_answer(answer: tokenwire.Answer, way: Way) -> Account:
    called = [(call.tool_id if way.has_ids else "", call.name, call.arguments) for call in answer.tools]
    finish, usage, error = answer.finish, answer.usage, answer.error
    failed = finish is not None and finish.reason == "error"
    return Account(
        text=answer.text,
        reasoning=answer.reasoning,
        calls=called,
        finish=finish.reason if finish and not failed else None,
        counts=way.counted(usage) if usage and error is None else None,
        error=(error.code if way.has_codes else "", error.message) if error else None,
    )


def decoded(service: Service, script: Script, places: list[int]) -> tokenwire.Answer:
    """What is decoded over each transport that the dialect has; over both it is the same."""
    dialect = dialect_named(service.dialect)
    identity = Identity(1, 1_700_000_000)
    answers = []
    if "HTTP" in dialect.transports:
        decoder = Decoder(dialect)
        answers.append(tokenwire.Answer())
        for piece in cut_at(b"".join(service.framing(service.encode(script, identity))), places):
            answers[-1].add_all(decoder.receive_data(piece))
        answers[-1].add_all(decoder.receive_eof())
    if "WebSocket" in dialect.transports:
        decoder = Decoder(dialect)
        answers.append(tokenwire.Answer())
        for payload in service.encode(script, identity):
            answers[-1].add_all(decoder.receive_message(compact(payload).decode()))
        answers[-1].add_all(decoder.receive_eof())
    assert all(answer.events == answers[0].events for answer in answers)
    return answers[0]


def heard_by_mcp(pieces: list[bytes]) -> Account:
    """What the envelopes of MCP carry: the text as progress, and once more whole, in the result."""
    reader = MCPReader(1)
    envelopes = [envelope for piece in pieces for envelope in reader.receive_data(piece)]
    text, finish, error = "", None, None
    for envelope in [*envelopes, *reader.receive_eof()]:
        match envelope:
            case Notification(params=params):
                text += params["message"]
            case Response(result={"content": [{"text": whole}]}):
                assert whole == text
                finish = "stop"
            case ErrorResponse():
                error = ("", envelope.message)
            case _:
                assert isinstance(envelope, Primed)
    assert reader.ended
    return Account(text, "", [], finish, None, error)


def heard_by_a2a(pieces: list[bytes]) -> Account:
    """What the updates of A2A carry: the text as one artifact."""
    reader = A2AReader()
    updates = [update for piece in pieces for update in reader.receive_data(piece)]
    text, state, said = "", "", ""
    for update in [*updates, *reader.receive_eof()]:
        match update:
            case ArtifactUpdate():
                text = text + update.text if update.append else update.text
            case Task() | StatusUpdate():
                state, said = update.state, update.text
            case _:
                raise AssertionError(update)
    assert reader.ended
    failed = state == "TASK_STATE_FAILED"
    return Account(text, "", [], None if failed else "stop", None, ("", said) if failed else None)


HEARD = {"mcp": heard_by_mcp, "a2a": heard_by_a2a}
ENVELOPES = [name for name, service in SERVICES.items() if service.dialect in HEARD]


@pytest.mark.parametrize("name", ENVELOPES)
@given(script=scripts(), places=cuts)
def test_what_an_envelope_carries_is_what_was_told(name: str, script: Script, places: list[int]) -> None:
    service = SERVICES[name]
    script = known_to(service, script)
    body = b"".join(service.framing(service.encode(script, Identity(1, 1_700_000_000))))
    assert HEARD[service.dialect](cut_at(body, places)) == account_of(script, WAYS[service.dialect])
    *_, end = tokenwire.decode([body], dialect=service.dialect, on_error="event")
    assert end == tokenwire.End(clean=script.failure is None)


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ENVELOPES])
@given(script=scripts(), places=cuts)
def test_what_is_decoded_is_what_was_told(name: str, script: Script, places: list[int]) -> None:
    service = SERVICES[name]
    script = known_to(service, script)
    way = WAYS[service.dialect]
    answer = decoded(service, script, places)
    assert account_of_answer(answer, way) == account_of(script, way)
    assert answer.end == tokenwire.End(clean=script.failure is None)


# What is told.


def test_the_story_is_told_to_who_asks() -> None:
    assert tell(Wanted(MODEL, Heard(3))) == Script(MODEL, (Text(STORY),), 3)


def test_a_mark_is_repeated_before_the_story() -> None:
    script = tell(Wanted(MODEL, heard(["Say #1f", "and #2e, and more"])))
    assert script.text == "#2e, " + "".join(STORY)
    assert (Heard(2, "#a") + Heard(3)).mark == (Heard(2) + Heard(3, "#a")).mark == "#a"


def test_reasoning_comes_first_and_only_where_it_is_wanted() -> None:
    assert tell(Wanted(MODEL, reasoning=True)).parts == (Reasoning(REASONING), Text(STORY))


@pytest.mark.parametrize(
    ("limit", "text", "limited"),
    [(1, STORY[:1], True), (len(STORY) - 1, STORY[:-1], True), (len(STORY), STORY, False), (None, STORY, False)],
)
def test_the_limit_cuts_the_story(limit: int | None, text: tuple[str, ...], limited: bool) -> None:
    script = tell(Wanted(MODEL, max_tokens=limit))
    assert (script.parts, script.limited) == ((Text(text),), limited)


def test_the_limit_counts_reasoning_too() -> None:
    assert tell(Wanted(MODEL, max_tokens=3, reasoning=True)).parts == (Reasoning(REASONING[:3]),)
    script = tell(Wanted(MODEL, max_tokens=len(REASONING) + 2, reasoning=True))
    assert script.parts == (Reasoning(REASONING), Text(STORY[:2]))


def test_a_tool_is_called_with_arguments_that_fit_its_schema() -> None:
    schema = {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["K", "C"]}}}
    script = tell(Wanted(MODEL, tools=(Tool("weather", parameters=schema), Tool("now"))))
    assert [(call.name, json.loads(call.whole)) for call in script.calls] == [
        ("weather", {"city": "東京", "days": 3, "unit": "K"}),
        ("now", {}),
    ]
    assert script.finish == "tool_calls"


def test_the_failing_model_tells_five_tokens() -> None:
    script = tell(Wanted("tokenwire-fails-midstream"))
    assert [step.text for step in script.steps() if isinstance(step, Delta)] == list(STORY[:5])
    assert list(script.steps())[-1] == script.failure


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Wanted("no-such"), "model_not_found"),
        (Wanted("tokenwire-overloaded"), "overloaded"),
        (Wanted(MODEL, Heard(40_000)), "context_length_exceeded"),
    ],
)
def test_what_cannot_be_told_is_refused(wanted: Wanted, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        tell(wanted)
    assert refused.value.code == code


@given(script=scripts())
def test_the_steps_of_a_script_begin_and_stop_each_part_that_does_not_break_off(script: Script) -> None:
    whole = list(replace(script, failure=None).steps())
    told = list(script.steps())
    if script.failure is None:
        assert told == whole
    else:
        assert (told[:-1], told[-1]) == (whole[: len(told) - 1], script.failure)
