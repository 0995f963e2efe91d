"""Cohere's chat, both versions: every event of the dialects, and generations that fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts, every_way
from tokenwire.dialects.cohere import COHERE_V1, COHERE_V2, CohereV1Decoder
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
from tokenwire.framing.sse import ServerSentEvent

DONE = b"data: [DONE]\n\n"


def sse(*messages: Any, named: bool = True) -> bytes:
    lines = [
        (f"event: {message['type']}\n" if named else "") + f"data: {json.dumps(message)}\n\n" for message in messages
    ]
    return "".join(lines).encode()


def decode(*pieces: bytes) -> list[StreamEvent]:
    decoder = Decoder("cohere-v2")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


def read(*messages: Any) -> list[StreamEvent]:
    """The events of a stream that ends well, with the raw messages of `Other` left out of comparison."""
    return shown(decode(sse(*messages) + DONE))


def shown(events: list[StreamEvent]) -> list[StreamEvent]:
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def message(kind: str, said: Any = None, index: Any = None, **delta: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"type": kind} if index is None else {"type": kind, "index": index}
    return value | {"delta": delta if said is None else {"message": said, **delta}}


def content(kind: str, index: Any = 0, **members: Any) -> dict[str, Any]:
    return message(f"content-{kind}", {"content": members}, index)


def call(kind: str, index: Any = 0, **members: Any) -> dict[str, Any]:
    return message(f"tool-call-{kind}", {"tool_calls": members}, index)


def plan(text: Any) -> dict[str, Any]:
    return message("tool-plan-delta", {"tool_plan": text})


START = {"id": "c1", **message("message-start", {"role": "assistant", "content": [], "tool_calls": []})}
USED = {"billed_units": {"output_tokens": 7}, "tokens": {"output_tokens": 9}}


def end(reason: Any = "COMPLETE", **members: Any) -> dict[str, Any]:
    return message("message-end", finish_reason=reason, **members)


CASES: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "text": (
        [content("start", type="text", text=""), content("delta", text="Hel"), content("delta", text="lo"),
         content("end")],
        [BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0)],
    ),
    "text in the start": (
        [content("start", type="text", text="a"), content("end")],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0)],
    ),
    "thinking, then text": (
        [content("start", type="thinking", thinking=""), content("delta", thinking="hm"), content("end"),
         content("start", 1, type="text", text=""), content("delta", 1, text="a"), content("end", 1)],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), BlockStop(0),
         BlockStart(1, "text"), TextDelta(1, "a"), BlockStop(1)],
    ),
    "a plan, then tools": (
        [plan("I "), plan("will"), call("start", id="t1", type="function", function={"name": "add", "arguments": ""}),
         call("delta", function={"arguments": '{"a'}), call("delta", function={"arguments": '":1}'}), call("end"),
         call("start", 1, id="t2", function={"name": "now", "arguments": ""}), call("end", 1)],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "I "), ReasoningDelta(0, "will"), BlockStop(0),
         BlockStart(1, "tool", "t1", "add"), ToolCallDelta(1, '{"a'), ToolCallDelta(1, '":1}'), BlockStop(1),
         BlockStart(2, "tool", "t2", "now"), BlockStop(2)],
    ),
    "a plan, then text": (
        [plan("I"), content("start", type="text"), content("delta", text="a"), content("end")],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "I"), BlockStop(0),
         BlockStart(1, "text"), TextDelta(1, "a"), BlockStop(1)],
    ),
    "a tool whose arguments are in the start": (
        [call("start", id="t", function={"name": "n", "arguments": "{}"}), call("end")],
        [BlockStart(0, "tool", "t", "n"), ToolCallDelta(0, "{}"), BlockStop(0)],
    ),
    "content and a tool of the same index": (
        [content("start", type="text"), call("start", id="t", function={"name": "n"}), content("delta", text="a"),
         call("delta", function={"arguments": "{}"}), call("end"), content("end")],
        [BlockStart(0, "text"), BlockStart(1, "tool", "t", "n"), TextDelta(0, "a"), ToolCallDelta(1, "{}"),
         BlockStop(1), BlockStop(0)],
    ),
    "citations and what helps debugging": (
        [message("citation-start", {"citations": {"start": 0, "text": "a"}}, 0), message("citation-end", None, 0),
         {"type": "debug", "prompt": "…"}],
        [Other("citation-start", "…"), Other("citation-end", "…"), Other("debug", "…")],
    ),
    "what does not belong": (
        [call("delta", function={"arguments": "{}"}), call("end"), content("end"), content("start", type="hologram"),
         {"type": "x"}],
        [Other("tool-call-delta", "…"), Other("tool-call-end", "…"), Other("content-end", "…"),
         Other("content-start", "…"), Other("x", "…")],
    ),
    "members of no use": (
        [content("delta", [], text="a"), content("delta", {}, text=7, thinking=None), message("content-delta", "x"),
         plan(None), call("start", "z", function="f"), call("delta", "z", function=[])],
        [BlockStart(0, "text"), TextDelta(0, "a"), TextDelta(0, "7"), TextDelta(0, "x"),
         Other("tool-plan-delta", "…"), BlockStart(1, "tool"), Other("function", "…"),
         Other("tool-call-delta", "…"), BlockStop(0), BlockStop(1)],
    ),
    "deltas that say nothing": ([content("delta", text=""), plan("")], []),
    "a surrogate pair in two pieces": (
        [content("start", type="text"), content("delta", text="\ud83d"), content("delta", text="\ude00")],
        [BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES)
def test_messages_mean_what_the_api_says(messages: list[Any], expected: list[StreamEvent]) -> None:
    wanted = [Start("c1", ""), *expected, Usage(USED, True), Finish("stop", "COMPLETE"), End(True)]
    stream = [START, *messages, end(usage=USED)]
    assert read(*stream) == wanted
    assert shown(decode(sse(*stream, named=False) + DONE)) == wanted


@pytest.mark.parametrize(
    ("word", "reason"),
    [("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("TOOL_CALL", "tool_calls"),
     ("BORED", "other")],
)  # fmt: skip
def test_reasons(word: str, reason: Any) -> None:
    assert read(end(word)) == [Finish(reason, word), End(True)]


FAILED = end("ERROR", usage={}, error="invalid tool generation", error_type="INVALID_TOOL_GENERATION")


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (
            sse(FAILED) + DONE,
            [Usage({}, True), Error("INVALID_TOOL_GENERATION", "invalid tool generation", True),
             Finish("error", "ERROR")],
        ),
        (sse(end("TIMEOUT")) + DONE, [Error("", "TIMEOUT", True), Finish("error", "TIMEOUT")]),
        (sse(end("ERROR", error={"a": 1})), [Error("", '{"code": null, "message": {"a": 1}}', True),
                                             Finish("error", "ERROR")]),
        (b'data: {"message": "internal server error"}\n\n', [Error("", "internal server error", True)]),
        (b"event: error\ndata: gone\n\n", [Error("", "gone", True)]),
        (b'event: error\ndata: {"x": 1}\n\n', [Error("", '{"x": 1}', True)]),
    ],
)  # fmt: skip
def test_a_generation_that_failed(stream: bytes, expected: list[StreamEvent]) -> None:
    for pieces in every_way(stream):
        assert decode(*pieces) == [*expected, End(False)], pieces


def test_the_end_of_the_connection_stands_for_done_once_the_message_has_ended() -> None:
    assert decode(sse(START, end())) == [Start("c1", ""), Finish("stop", "COMPLETE"), End(True)]
    assert decode(sse(START)) == [Start("c1", ""), End(False)]
    assert read(end(), end()) == [Finish("stop", "COMPLETE"), Other("message-end", "…"), End(True)]
    assert decode(DONE + sse(START)) == [End(True)]


# Version 1.


def read_v1(*messages: Any) -> list[StreamEvent]:
    """The events of messages, whatever framed them."""
    decoder = CohereV1Decoder()
    texts = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    events = [event for text in texts for event in decoder.receive_message(ServerSentEvent("", text, ""))]
    return shown(events + decoder.receive_eof())


def v1(kind: str, **members: Any) -> dict[str, Any]:
    return {"is_finished": kind == "stream-end", "event_type": kind, **members}


V1_END = v1("stream-end", finish_reason="COMPLETE", response={"meta": {"api_version": {}, **USED}})
CALLS = [{"name": "add", "parameters": {"a": 1}}, {"name": "now", "parameters": {}}]

V1_CASES: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "text": (
        [v1("text-generation", text="Ar"), v1("text-generation", text="rr")],
        [BlockStart(0, "text"), TextDelta(0, "Ar"), TextDelta(0, "rr"), BlockStop(0)],
    ),
    "tools in pieces, which come whole again": (
        [v1("tool-calls-chunk", text="I will"),
         v1("tool-calls-chunk", tool_call_delta={"index": 0, "name": "add"}),
         v1("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": '{"a": '}),
         v1("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": "1}"}),
         v1("tool-calls-chunk", tool_call_delta={"index": 1, "name": "now"}),
         v1("tool-calls-generation", text="I will", tool_calls=CALLS)],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "I will"), BlockStop(0), BlockStart(1, "tool", "", "add"),
         ToolCallDelta(1, '{"a": '), ToolCallDelta(1, "1}"), BlockStart(2, "tool", "", "now"),
         Other("tool-calls-generation", "…"), BlockStop(1), BlockStop(2)],
    ),
    "tools whole": (
        [v1("tool-calls-generation", text="I will", tool_calls=CALLS)],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "I will"), BlockStop(0),
         BlockStart(1, "tool", "", "add"), ToolCallDelta(1, '{"a": 1}'), BlockStop(1),
         BlockStart(2, "tool", "", "now"), ToolCallDelta(2, "{}"), BlockStop(2)],
    ),
    "searches and citations": (
        [v1("search-queries-generation", search_queries=[]), v1("search-results"), v1("citation-generation"),
         v1("debug")],
        [Other("search-queries-generation", "…"), Other("search-results", "…"), Other("citation-generation", "…"),
         Other("debug", "…")],
    ),
    "members of no use": (
        [v1("text-generation", text=None), v1("tool-calls-chunk", tool_call_delta=[]),
         v1("tool-calls-chunk", tool_call_delta={"index": [], "parameters": 7})],
        [Other("text-generation", "…"), Other("tool-calls-chunk", "…"), BlockStart(0, "tool"),
         ToolCallDelta(0, "7"), BlockStop(0)],
    ),
    "calls that are none": ([v1("tool-calls-generation", calls=[])], [Other("tool-calls-generation", "…")]),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), V1_CASES.values(), ids=V1_CASES)
def test_version_1(messages: list[Any], expected: list[StreamEvent]) -> None:
    assert read_v1(v1("stream-start", generation_id="g"), *messages, V1_END) == [
        Start("g", ""), *expected, Usage(USED, True), Finish("stop", "COMPLETE"), End(True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("MAX_TOKENS", [Finish("length", "MAX_TOKENS"), End(True)]),
        ("ERROR_LIMIT", [Finish("length", "ERROR_LIMIT"), End(True)]),
        ("ERROR_TOXIC", [Finish("content_filter", "ERROR_TOXIC"), End(True)]),
        ("USER_CANCEL", [Finish("cancelled", "USER_CANCEL"), End(True)]),
        ("ERROR", [Error("", "ERROR", True), Finish("error", "ERROR"), End(False)]),
    ],
)
def test_reasons_of_version_1(word: str, expected: list[StreamEvent]) -> None:
    assert read_v1(v1("stream-end", finish_reason=word)) == expected


def test_version_1_cut_or_in_error() -> None:
    assert read_v1(v1("stream-start")) == [Start("", ""), End(False)]
    assert read_v1({"message": "trial key limit"}) == [Error("", "trial key limit", True), End(False)]


MEMBER = st.sampled_from(["type", "index", "text", "thinking", "message", "content", "tool_calls", "function", "name",
                          "arguments", "id", "error", "parameters", "finish_reason", "usage", "meta"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["text", "thinking", "ERROR", "\ud83d", "é", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(MEMBER, inner, max_size=3),
    max_leaves=8,
)
V2_TYPES = st.sampled_from(["message-start", "content-start", "content-delta", "content-end", "tool-plan-delta",
                            "tool-call-start", "tool-call-delta", "tool-call-end", "message-end"])  # fmt: skip
V1_TYPES = st.sampled_from(["stream-start", "text-generation", "tool-calls-chunk", "tool-calls-generation",
                            "stream-end"])  # fmt: skip
SAID = st.fixed_dictionaries(
    {}, optional={"content": JSON, "tool_calls": JSON, "tool_plan": JSON, "finish_reason": JSON, "error": JSON}
)
V2_MESSAGES = st.fixed_dictionaries(
    {"type": V2_TYPES},
    optional={"index": st.integers(0, 1) | JSON, "delta": st.fixed_dictionaries({"message": SAID | JSON}) | JSON},
)
V1_MESSAGES = st.fixed_dictionaries(
    {"event_type": V1_TYPES},
    optional={"text": JSON, "tool_call_delta": JSON, "tool_calls": JSON, "response": JSON, "finish_reason": JSON},
)


def check(events: list[StreamEvent]) -> None:
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    repr(events).encode()
    opened = [event.block for event in events if isinstance(event, BlockStart)]
    assert opened == list(range(len(opened)))
    assert sorted(event.block for event in events if isinstance(event, BlockStop)) == opened


@given(st.lists(V2_MESSAGES, max_size=8), cuts)
def test_whatever_the_members_hold_nothing_raises(messages: list[Any], places: list[int]) -> None:
    stream = sse(*messages)
    events = decode(stream)
    assert decode(*cut_at(stream, places)) == events
    check(events)


@given(st.lists(V1_MESSAGES | JSON, max_size=8))
def test_whatever_the_members_hold_nothing_raises_in_version_1(messages: list[Any]) -> None:
    check(read_v1(*messages))


def test_what_is_asked() -> None:
    tool = Tool("add", "adds", {"properties": {"a": {"type": "number"}, "b": {}}, "required": ["a"]})
    prompt = Prompt("Hi", "command", "Be brief.", 5, [tool])
    assert COHERE_V2.ask(prompt)["messages"][0] == {"role": "system", "content": "Be brief."}
    assert COHERE_V2.body({"model": "command"}) == {"stream": True, "model": "command"}
    assert COHERE_V1.ask(prompt) == {
        "model": "command",
        "message": "Hi",
        "preamble": "Be brief.",
        "max_tokens": 5,
        "tools": [
            {
                "name": "add",
                "description": "adds",
                "parameter_definitions": {
                    "a": {"type": "number", "description": "", "required": True},
                    "b": {"type": "string", "description": "", "required": False},
                },
            }
        ],
    }
    assert COHERE_V1.ask(Prompt("Hi")) == {"message": "Hi"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"message": "invalid api token"}, {"message": "invalid api token"}),
        ({"error": "no"}, {"message": "no"}),
        ({"message": 7}, {}),
        ("no", {}),
    ],
)
def test_the_error_of_a_refusal(body: Any, fields: dict[str, Any]) -> None:
    assert COHERE_V2.error_fields(body) == fields
