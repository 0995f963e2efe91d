"""Ollama: chats and generations as lines of JSON, whole calls, counts and durations, errors in a line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_invariants import check

from cutting import cut_at, cuts, every_way
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
from tokenwire.dialects.ollama import OLLAMA
from tokenwire.session.request import build_request


def lines(*values: Any) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def decode(*pieces: bytes) -> list[StreamEvent]:
    decoder = Decoder("ollama")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


def read(*values: Any) -> list[StreamEvent]:
    """The events of a stream, however it is cut, without the raw messages of `Other`."""
    stream = lines(*values)
    events = decode(stream)
    for pieces in every_way(stream):
        assert decode(*pieces) == events, pieces
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def chat(content: Any = "", **members: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content, **members}, "done": False}


def generated(response: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "response": response, "done": False, **members}


def call(name: Any, arguments: Any, **members: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **members}


DONE = {**chat(), "done": True, "done_reason": "stop"}
START = Start("", "m")
STOPPED = [Finish("stop", "stop"), End(True)]

CASES: list[tuple[str, list[Any], list[StreamEvent]]] = [
    (
        "a chat",
        [chat("Hel"), chat("lo"), DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0), *STOPPED],
    ),
    (
        "a generation",
        [generated("Hi"), {**generated(""), "done": True, "done_reason": "stop", "context": [1, 2]}],
        [START, BlockStart(0, "text"), TextDelta(0, "Hi"), Other("context", "…"), BlockStop(0), *STOPPED],
    ),
    (
        "thinking in a chat",
        [chat(thinking="Hm."), chat("Yes.", thinking=""), DONE],
        [START, BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockStop(0), BlockStart(1, "text"),
         TextDelta(1, "Yes."), BlockStop(1), *STOPPED],
    ),
    (
        "thinking in a generation",
        [generated("", thinking="Hm."), generated("Yes."), DONE],
        [START, BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockStop(0), BlockStart(1, "text"),
         TextDelta(1, "Yes."), BlockStop(1), *STOPPED],
    ),
    (
        "half a surrogate pair in each of two lines",
        [chat("\ud83d"), chat("\ude00"), DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0), *STOPPED],
    ),
    (
        "calls, whole and without an id",
        [chat(tool_calls=[call("f", {"a": [1, "é"]}), call("g", {})]), DONE],
        [START, BlockStart(0, "tool", "", "f"), ToolCallDelta(0, '{"a": [1, "é"]}'), BlockStop(0),
         BlockStart(1, "tool", "", "g"), ToolCallDelta(1, "{}"), BlockStop(1), Finish("tool_calls", "stop"), End(True)],
    ),
    (
        "a call with an id, after text",
        [chat("Wait.", tool_calls=[call("f", {}, id="call_1")]), DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "Wait."), BlockStop(0), BlockStart(1, "tool", "call_1", "f"),
         ToolCallDelta(1, "{}"), BlockStop(1), Finish("tool_calls", "stop"), End(True)],
    ),
    (
        "counts and durations",
        [{**DONE, "eval_count": 2, "total_duration": 3, "created_at": "now", "load_duration": 0}],
        [START, Usage({"eval_count": 2, "total_duration": 3, "load_duration": 0}, True), *STOPPED],
    ),
    ("cut by the limit", [{**DONE, "done_reason": "length"}], [START, Finish("length", "length"), End(True)]),
    ("a model that is only loaded", [{**DONE, "done_reason": "load"}], [START, Finish("other", "load"), End(True)]),
    ("an old version, without a reason", [{"model": "m", "done": True}], [START, Finish("other", ""), End(True)]),
    ("nothing follows the end", [DONE, chat("late"), DONE], [START, *STOPPED]),
    (
        "an error in the middle",
        [chat("a"), {"error": "out of memory"}],
        [START, BlockStart(0, "text"), TextDelta(0, "a"), Error("", "out of memory", True), BlockStop(0), End(False)],
    ),
    ("an error alone", [{"error": "no such model"}], [Error("", "no such model", True), End(False)]),
    ("no end", [chat("a")], [START, BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), End(False)]),
    (
        "the progress of a download",
        [{"status": "pulling", "total": 2, "completed": 1}, {"status": "success"}],
        [Other("message", "…"), Other("message", "…"), End(False)],
    ),
    (
        "what has no place",
        [chat("a", images=["…"]), generated("", logprobs=[1]), DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "a"), Other("images", "…"), Other("logprobs", "…"), BlockStop(0),
         *STOPPED],
    ),
    (
        "values of the wrong type",
        [chat(1, thinking=[], tool_calls={}), chat(tool_calls=[1, {"function": "f"}, call(1, "x")]), {"message": 1},
         {"done": "yes"}, [1], DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "1"), BlockStop(0), BlockStart(1, "tool"), ToolCallDelta(1, "{}"),
         BlockStop(1), BlockStart(2, "tool", name="1"), ToolCallDelta(2, "x"), BlockStop(2), Other("tool_calls", "…"),
         Other("function", "…"), BlockStart(3, "text"), TextDelta(3, "1"), Other("message", "…"),
         Other("not-an-object", "…"), BlockStop(3), Finish("tool_calls", "stop"), End(True)],
    ),
    (
        "arguments as JSON text, or of any other type",
        [chat(tool_calls=[call("f", '{"a":1}'), call("g", [1])]), DONE],
        [START, BlockStart(0, "tool", name="f"), ToolCallDelta(0, '{"a":1}'), BlockStop(0),
         BlockStart(1, "tool", name="g"), ToolCallDelta(1, "[1]"), BlockStop(1), Finish("tool_calls", "stop"),
         End(True)],
    ),
    (
        "an error beside text on one line",
        [{**chat("a"), "error": "no"}],
        [BlockStart(0, "text"), TextDelta(0, "a"), Error("", "no", True), BlockStop(0), End(False)],
    ),
    (
        "members that nobody knows, each told once",
        [{**chat("a", plan="x"), "shard": 3}, {**chat("b", plan="y"), "shard": 3}, DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "a"), Other("plan", "…"), Other("shard", "…"), TextDelta(0, "b"),
         BlockStop(0), Finish("stop", "stop"), End(True)],
    ),
    (
        "lines of which nothing is known but the form",
        [chat("a"), chat("", plan="hm"), {"message": {"role": "assistant", "plan": "hm"}, "done": False}, DONE],
        [START, BlockStart(0, "text"), TextDelta(0, "a"), Other("message", "…"), Other("message", "…"), BlockStop(0),
         Finish("stop", "stop"), End(True)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_lines_decode_to_events(values: list[Any], expected: list[StreamEvent]) -> None:
    assert read(*values) == expected


def test_a_last_line_needs_no_line_end_and_one_that_was_cut_is_told() -> None:
    stream = lines(chat("a"), DONE)
    assert decode(stream[:-1]) == decode(stream)
    *_, error, stop, end = decode(stream[:-2])
    assert isinstance(error, Error)
    assert (error.code, error.fatal, error.raw) == ("invalid_json", False, json.dumps(DONE)[:-1])
    assert (stop, end) == (BlockStop(0), End(False))


def test_a_line_that_is_garbled_costs_that_line() -> None:
    events = decode(lines(chat("a")) + b'{"message": {"content": "b}\n' + lines(chat("c"), DONE))
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "c"]
    assert [event.code for event in events if isinstance(event, Error)] == ["invalid_json", "incomplete"]
    assert events[-1] == End(False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.text(st.sampled_from("a\ud83d\ude00"), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "function", "error"]), inner),
    max_leaves=5,
)


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: strategy | JSON for name, strategy in strategies.items()})


CALLS = st.lists(members(id=JSON, function=members(name=JSON, arguments=JSON)) | JSON, max_size=3)
SAID = members(content=JSON, thinking=JSON, tool_calls=CALLS, images=JSON)
LINES = members(
    model=JSON, message=SAID, response=JSON, thinking=JSON, done=st.just(False), done_reason=JSON, eval_count=JSON,
    error=st.none(), context=JSON,
)  # fmt: skip


@given(st.lists(LINES | JSON, max_size=6), cuts)
def test_whatever_the_members_hold_nothing_raises_and_the_invariants_hold(values: list[Any], places: list[int]) -> None:
    stream = lines(*values)
    check("ollama", stream, cut_at(stream, places))


def test_what_is_asked() -> None:
    tool = Tool("add", "adds", {"type": "object"})
    assert OLLAMA.ask(Prompt("Hi", "llama", "Be brief.", 5, [tool])) == {
        "model": "llama",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "options": {"num_predict": 5},
        "tools": [
            {"type": "function", "function": {"name": "add", "description": "adds", "parameters": {"type": "object"}}}
        ],
    }


@pytest.mark.parametrize("url", ["http://localhost:11434", "http://localhost:11434/api"])
def test_a_request_goes_to_the_chat_and_needs_no_key(url: str) -> None:
    http = build_request(url, OLLAMA, json=OLLAMA.ask(Prompt("Hi", "llama"))).http
    fields = dict(http.headers)
    assert http.target.path == "/api/chat"
    assert fields["accept"] == "application/x-ndjson"
    assert "authorization" not in fields
    assert json.loads(http.body)["stream"] is True
    behind_a_proxy = build_request(f"{url}/api/generate" if url.endswith("4") else url, OLLAMA, key="k").http
    assert dict(behind_a_proxy.headers)["authorization"] == "Bearer k"


@pytest.mark.parametrize("more", [{"message": " b"}, {"done": True}, "words", [{"message": " b"}]])
def test_words_before_another_message_are_text(more: Any) -> None:
    for pieces in every_way(lines({"message": "a"}, more)):
        texts = [event.text for event in decode(*pieces) if isinstance(event, TextDelta)]
        assert texts[0] == "a"


def test_a_refusal_is_in_words() -> None:
    assert OLLAMA.error_fields({"error": "model 'x' not found"}) == {"message": "model 'x' not found"}
