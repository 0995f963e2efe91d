"""Gemini's Interactions: steps as blocks, calls in pieces and whole, how one ends, and from where to go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_invariants import check

from cutting import cut_at, cuts, every_way
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Prompt, Tool
from tokenwire.dialects.events import (
    BlockStart,
    BlockStop,
    End,
    Error,
    Finish,
    Other,
    ReasoningDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tokenwire.dialects.gemini_interactions import GEMINI_INTERACTIONS
from tokenwire.session.request import build_request


def sse(*events: Any, done: bool = True) -> bytes:
    """Events as the API writes them, which names them twice."""
    blocks = [f"event: {event.get('event_type', 'x')}\ndata: {json.dumps(event)}\n\n" for event in events]
    return ("".join(blocks) + "event: done\ndata: [DONE]\n\n" * done).encode()


def decode(*pieces: bytes) -> list[StreamEvent]:
    decoder = Decoder("gemini-interactions")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


def read(*events: Any, done: bool = True) -> list[StreamEvent]:
    """The events of a stream, without the raw messages of `Other`."""
    decoded = decode(sse(*events, done=done))
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in decoded]


def event(kind: str, **members: Any) -> dict[str, Any]:
    return {**members, "event_type": kind}


def interaction(kind: str, **members: Any) -> dict[str, Any]:
    return event(f"interaction.{kind}", interaction={"id": "v1", "model": "m", **members})


def start(index: Any, kind: str, **members: Any) -> dict[str, Any]:
    return event("step.start", index=index, step={"type": kind, **members})


def delta(index: Any, kind: str, **members: Any) -> dict[str, Any]:
    return event("step.delta", index=index, delta={"type": kind, **members})


def stop(index: Any, **members: Any) -> dict[str, Any]:
    return event("step.stop", index=index, **members)


CREATED = interaction("created", status="in_progress")
COMPLETED = interaction("completed", status="completed")
START = Start("v1", "m")
STOPPED = [Finish("stop", "completed"), End(True)]
TEXT = [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0)]

CASES: list[tuple[str, list[Any], list[StreamEvent]]] = [
    (
        "text",
        [CREATED, event("interaction.status_update", status="in_progress"), start(0, "model_output"),
         delta(0, "text", text="Hel"), delta(0, "text", text="lo"), stop(0), COMPLETED],
        [START, Other("interaction.status_update", "…"), BlockStart(0, "text"), TextDelta(0, "Hel"),
         TextDelta(0, "lo"), BlockStop(0), *STOPPED],
    ),
    (
        "a thought: its summary and its signature",
        [CREATED, start(0, "thought"), delta(0, "thought_summary", content={"type": "text", "text": "Hm."}),
         delta(0, "thought_summary", content={"type": "image"}), delta(0, "thought_signature", signature="s"), stop(0),
         COMPLETED],
        [START, BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), Other("thought_summary", "…"),
         Other("thought_signature", "…"), BlockStop(0), *STOPPED],
    ),
    (
        "a delta without a type",
        [CREATED, start(0, "thought"), event("step.delta", index=0, delta={"signature": "s"}), stop(0), COMPLETED],
        [START, BlockStart(0, "reasoning"), Other("step.delta", "…"), BlockStop(0), *STOPPED],
    ),
    (
        "a call in pieces",
        [CREATED, start(0, "function_call", id="c1", name="f", arguments={}),
         delta(0, "arguments_delta", arguments='{"a"'), delta(0, "arguments_delta", arguments=": 1}"), stop(0),
         interaction("completed", status="requires_action")],
        [START, BlockStart(0, "tool", "c1", "f"), ToolCallDelta(0, '{"a"'), ToolCallDelta(0, ": 1}"), BlockStop(0),
         Finish("tool_calls", "requires_action"), End(True)],
    ),
    (
        "a call that is whole when it starts",
        [CREATED, start(0, "function_call", id="c1", name="f", arguments={"a": "é"}), stop(0), COMPLETED],
        [START, BlockStart(0, "tool", "c1", "f"), ToolCallDelta(0, '{"a": "é"}'), BlockStop(0),
         Finish("tool_calls", "completed"), End(True)],
    ),
    (
        "a call without its stop",
        [CREATED, start(0, "function_call", name="f", arguments={}), COMPLETED],
        [START, BlockStart(0, "tool", "", "f"), ToolCallDelta(0, "{}"), BlockStop(0),
         Finish("tool_calls", "completed"), End(True)],
    ),
    (
        "text in a call",
        [CREATED, start(0, "function_call", name="f", arguments={}), delta(0, "text", text="a"), stop(0), COMPLETED],
        [START, BlockStart(0, "tool", "", "f"), ToolCallDelta(0, "{}"), BlockStop(0), BlockStart(1, "text"),
         TextDelta(1, "a"), BlockStop(1), Finish("tool_calls", "completed"), End(True)],
    ),
    (
        "a tool that the server runs, and its result",
        [CREATED, start(0, "google_search_call", id="g", signature="s"),
         delta(0, "google_search_call", arguments={"queries": ["q"]}), stop(0),
         start(1, "google_search_result", call_id="g"), delta(1, "google_search_result", result=[]), stop(1),
         COMPLETED],
        [START, BlockStart(0, "server_tool", "g", "google_search_call"), Other("signature", "…"),
         Other("google_search_call", "…"), ToolCallDelta(0, '{"queries": ["q"]}'), BlockStop(0),
         Other("google_search_result", "…"), Other("google_search_result", "…"), Other("step.stop", "…"), *STOPPED],
    ),
    (
        "a tool of another server, by its own name",
        [CREATED, start(0, "mcp_server_tool_call", id="1", name="find", arguments={}), stop(0), COMPLETED],
        [START, BlockStart(0, "server_tool", "1", "find"), ToolCallDelta(0, "{}"), BlockStop(0), *STOPPED],
    ),
    (
        "two steps at once",
        [CREATED, start(0, "model_output"), start(1, "thought"), delta(0, "text", text="a"),
         delta(1, "thought_summary", content={"text": "b"}), stop(0), stop(1), COMPLETED],
        [START, BlockStart(0, "text"), BlockStart(1, "reasoning"), TextDelta(0, "a"), ReasoningDelta(1, "b"),
         BlockStop(0), BlockStop(1), *STOPPED],
    ),
    (
        "citations and media",
        [CREATED, start(0, "model_output"), delta(0, "text_annotation_delta", annotations=[]), delta(0, "image"),
         stop(0), COMPLETED],
        [START, BlockStart(0, "text"), Other("text_annotation_delta", "…"), Other("image", "…"), BlockStop(0),
         *STOPPED],
    ),
    (
        "usage on any event",
        [CREATED, start(0, "model_output"), {**delta(0, "text", text="a"), "metadata": {"total_usage": {"n": 1}}},
         stop(0, usage={"n": 2}), interaction("completed", status="completed", usage={"n": 3})],
        [START, BlockStart(0, "text"), TextDelta(0, "a"), Usage({"n": 1}, False), BlockStop(0), Usage({"n": 2}, False),
         Finish("stop", "completed"), Usage({"n": 3}, True), End(True)],
    ),
    (
        "a stream that goes on in the middle of a step",
        [delta(3, "text", text="a"), stop(3), COMPLETED],
        [*TEXT, START, *STOPPED],
    ),
    (
        "a call that goes on in the middle",
        [delta(3, "arguments_delta", arguments="1}"), stop(3), COMPLETED],
        [BlockStart(0, "tool"), ToolCallDelta(0, "1}"), BlockStop(0), START, *STOPPED],
    ),
    (
        "an error",
        [CREATED, event("error", error={"code": "quota", "message": "no"})],
        [START, Error("quota", "no", True), End(False)],
    ),
    ("an error without words", [event("error")], [Error("", '{"event_type": "error"}', True), End(False)]),
    (
        "an interaction that failed",
        [CREATED, interaction("completed", status="failed", error={"message": "no"})],
        [START, Error("", "no", True), Finish("error", "failed"), End(False)],
    ),
    (
        "a step of a kind that is not known, and an event",
        [CREATED, start(0, "new"), event("step.new", index=0), COMPLETED],
        [START, Other("new", "…"), Other("step.new", "…"), *STOPPED],
    ),
    (
        "values of the wrong type",
        [event("interaction.created", interaction=1), event("step.start", index="0", step=[]),
         event("step.delta", index=[], delta=1), start({}, "model_output"), delta(None, "text", text=1),
         delta(0, "arguments_delta", arguments={}), stop("x"), interaction("completed", status=1)],
        [Start("", ""), Other("interaction", "…"), Other("step.start", "…"), BlockStart(0, "text"), TextDelta(0, "1"),
         BlockStop(0), BlockStart(1, "text"), TextDelta(1, "1"), BlockStop(1), BlockStart(2, "tool"),
         ToolCallDelta(2, "{}"), BlockStop(2), Finish("other", "1"), End(True)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_messages_decode_to_events(events: list[Any], expected: list[StreamEvent]) -> None:
    assert read(*events) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", "stop"),
        ("requires_action", "tool_calls"),
        ("requires_continuation", "pause"),
        ("incomplete", "length"),
        ("budget_exceeded", "length"),
        ("cancelled", "cancelled"),
        ("new", "other"),
    ],
)
def test_the_status_has_our_word_and_theirs(status: str, expected: str) -> None:
    finish = Finish(expected, status)  # type: ignore[arg-type]
    assert read(CREATED, interaction("completed", status=status)) == [START, finish, End(True)]


def test_done_ends_the_stream_and_after_the_last_event_the_end_does() -> None:
    assert read(CREATED, COMPLETED, done=False) == [START, *STOPPED]
    assert read(CREATED, start(0, "model_output"), delta(0, "text", text="a"), done=False) == [START, *TEXT, End(False)]
    assert decode(sse(CREATED), sse(CREATED)) == decode(sse(CREATED)) == [START, End(True)]


def test_the_cursor_is_the_id_in_the_json_and_not_that_of_the_event() -> None:
    events = decode(
        b'id: 7\ndata: {"event_type":"step.delta","index":0,"delta":{"type":"text","text":"a"},"event_id":"e1"}\n\n'
        b'id: 8\ndata: {"event_type":"new","event_id":"e2"}\n\n'
        b'id: 9\ndata: {"event_type":"step.stop","index":0}\n\n'
    )
    assert [event.cursor for event in events] == ["e1", "e1", "e2", None, None]


def test_the_name_of_the_event_stands_in_for_a_type_that_is_missing() -> None:
    events = decode(b'event: step.delta\ndata: {"index":0,"delta":{"type":"text","text":"a"}}\n\n')
    assert events == [*TEXT, End(False)]


def test_a_stream_is_the_same_however_it_is_cut() -> None:
    stream = sse(*CASES[3][1])
    for pieces in every_way(stream):
        assert decode(*pieces) == decode(stream), pieces


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.text(st.sampled_from("a\ud83d\ude00"), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "type", "usage"]), inner),
    max_leaves=5,
)
KINDS = st.sampled_from(
    ["interaction.created", "step.start", "step.delta", "step.stop", "interaction.completed", "error", "new"]
)
STEPS = st.sampled_from(["model_output", "thought", "function_call", "google_search_call", "new"])
DELTAS = st.sampled_from(["text", "thought_summary", "arguments_delta", "google_search_call", "new"])


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: strategy | JSON for name, strategy in strategies.items()})


EVENTS = st.builds(
    lambda kind, rest: {**rest, "event_type": kind},
    KINDS,
    members(
        index=st.integers(0, 1), step=members(type=STEPS, id=JSON, name=JSON, arguments=JSON, signature=JSON),
        delta=members(type=DELTAS, text=JSON, content=JSON, arguments=JSON), event_id=JSON, usage=JSON, metadata=JSON,
        interaction=members(id=JSON, status=JSON, usage=JSON, error=JSON), error=JSON,
    ),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=8), cuts)
def test_whatever_the_members_hold_nothing_raises_and_the_invariants_hold(events: list[Any], places: list[int]) -> None:
    stream = sse(*events)
    check("gemini-interactions", stream, cut_at(stream, places))


def test_what_is_asked() -> None:
    tool = Tool("add", "adds", {"type": "object"})
    asked = GEMINI_INTERACTIONS.ask(Prompt("Hi", "gemini-x", "Be brief.", 5, [tool]))
    assert asked == {
        "model": "gemini-x",
        "input": "Hi",
        "system_instruction": "Be brief.",
        "generation_config": {"max_output_tokens": 5},
        "tools": [{"type": "function", "name": "add", "description": "adds", "parameters": {"type": "object"}}],
    }
    http = build_request("https://api.test/v1beta", GEMINI_INTERACTIONS, json=asked, key="k").http
    assert http.target.path == "/v1beta/interactions"
    assert dict(http.headers)["x-goog-api-key"] == "k"
    assert json.loads(http.body) == {**asked, "stream": True}


# Steps that are whole.


def output(words: Any, kind: str = "model_output") -> dict[str, Any]:
    part = [{"type": "text", "text": words}]
    return {"type": kind, "summary" if kind == "thought" else "content": part}


def ended(*steps: dict[str, Any]) -> dict[str, Any]:
    return interaction("completed", status="completed", steps=list(steps))


ASKED = {"type": "user_input", "content": [{"type": "text", "text": "hi"}]}
CALLED = {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": 1}}

# name: (messages, text, reasoning, calls, errors)
WHOLES: dict[str, tuple[list[Any], str, str, list[tuple[str, str]], int]] = {
    "all of it was told": ([start(0, "model_output"), delta(0, "text", text="Hello"), stop(0),
                            ended(ASKED, output("Hello"))], "Hello", "", [], 0),
    "the rest": ([start(0, "model_output"), delta(0, "text", text="He"), stop(0), ended(ASKED, output("Hello"))],
                 "Hello", "", [], 0),
    "only in the end": ([ended(ASKED, output("hm", "thought"), output("Hello"), CALLED)],
                        "Hello", "hm", [("f", '{"a": 1}')], 0),
    "only in the start": ([event("step.start", index=0, step=output("Hello")), stop(0), ended()], "Hello", "", [], 0),
    "the start, and deltas that repeat it": (
        [event("step.start", index=0, step=output("He")), delta(0, "text", text="He"), delta(0, "text", text="llo"),
         stop(0), ended()], "Hello", "", [], 0),
    "other text": ([start(0, "model_output"), delta(0, "text", text="Hxl"), stop(0), ended(output("Hello"))],
                   "Hxl", "", [], 1),
    "text that follows was told": ([start(0, "model_output"), delta(0, "text", text="a"), stop(0),
                                    start(1, "model_output"), delta(1, "text", text="b"), stop(1),
                                    ended(output("aA"), output("b"))], "abA", "", [], 1),
    "the rest of thoughts": ([start(0, "thought"), delta(0, "thought_summary", content={"type": "text", "text": "h"}),
                              stop(0), ended(output("hm", "thought"))], "", "hm", [], 0),
    "a call that was told": ([event("step.start", index=0, step=CALLED), stop(0), ended(CALLED)],
                             "", "", [("f", '{"a": 1}')], 0),
    "a call without its arguments": (
        [event("step.start", index=0, step={**CALLED, "arguments": None}),
         delta(0, "arguments_delta", arguments='{"a":1'), ended(CALLED)],
        "", "", [("f", '{"a":1}')], 0),
    "two calls without ids": (
        [start(0, "function_call", name="f"), delta(0, "arguments_delta", arguments="[1]"), stop(0),
         ended({"type": "function_call", "name": "f", "arguments": [1]},
               {"type": "function_call", "name": "f", "arguments": [2]})],
        "", "", [("f", "[1]"), ("f", "[2]")], 0),
    "arguments as text": ([event("step.start", index=0, step={**CALLED, "arguments": '{"a":1}'}), stop(0),
                           ended({**CALLED, "arguments": '{"a":1}'})], "", "", [("f", '{"a":1}')], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLES)
def test_what_only_a_whole_step_says_is_told_once(name: str) -> None:
    messages, text, reasoning, calls, errors = WHOLES[name]
    answer = Answer()
    answer.add_all(read(CREATED, *messages))
    assert (answer.text, answer.reasoning) == (text, reasoning)
    assert [(call.name, call.arguments) for call in answer.all_tools] == calls
    assert sum(isinstance(event, Error) for event in answer.events) == errors
    assert answer.end == End(True)
