"""Anthropic Messages: every block, delta and event of the dialect, and what proxies make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts, every_way
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.anthropic import ANTHROPIC_MESSAGES, MAX_TOKENS
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
from tokenwire.session.request import build_request


def sse(*messages: Any, named: bool = True) -> bytes:
    """Messages as the API writes them: the name of the event is the type of its data."""
    lines = [
        (f"event: {message['type']}\n" if named else "") + f"data: {json.dumps(message)}\n\n" for message in messages
    ]
    return "".join(lines).encode()


def decode(*pieces: bytes) -> list[StreamEvent]:
    decoder = Decoder("anthropic-messages")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


def read(*messages: Any) -> list[StreamEvent]:
    """The events of a stream, with the raw messages of `Other` left out of comparison."""
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in decode(sse(*messages))]


def message_start(name: str = "msg_1", **members: Any) -> dict[str, Any]:
    usage = {"input_tokens": 9, "output_tokens": 1, "service_tier": "standard"}
    return {"type": "message_start", "message": {"id": name, "model": "m", "content": [], "usage": usage, **members}}


def start(index: Any, kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **members}}


def delta(index: Any, kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **members}}


def text_delta(text: Any, index: Any = 0) -> dict[str, Any]:
    return delta(index, "text_delta", text=text)


def piece(text: Any, index: Any = 0) -> dict[str, Any]:
    return delta(index, "input_json_delta", partial_json=text)


def stop(index: Any = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def message_delta(reason: Any = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


PING = {"type": "ping"}
MESSAGE_STOP = {"type": "message_stop"}

BEGUN = [Start("msg_1", "m"), Usage({"input_tokens": 9, "output_tokens": 1, "service_tier": "standard"}, False)]
ENDED = [End(True)]

# What stands between message_start and message_stop, and what becomes of it.
CASES: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "text": (
        [start(0, "text", text=""), PING, text_delta("Hel"), text_delta(""), text_delta("lo"), stop()],
        [BlockStart(0, "text"), Other("ping", "…"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0)],
    ),
    "text that is in the start already": (
        [start(0, "text", text="Hel"), text_delta("lo"), stop()],
        [BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0)],
    ),
    "a surrogate pair in two pieces": (
        [start(0, "text", text="\ud83d"), text_delta("\ude00"), stop()],
        [BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0)],
    ),
    "thinking and its signature": (
        [start(0, "thinking", thinking="", signature=""), delta(0, "thinking_delta", thinking="hm"),
         delta(0, "signature_delta", signature="Eo…"), stop()],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), Other("signature_delta", "…"), BlockStop(0)],
    ),
    "thinking that is in the start already, signed": (
        [start(0, "thinking", thinking="hm", signature="Eo…"), stop()],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), Other("thinking", "…"), BlockStop(0)],
    ),
    "redacted thinking": (
        [start(0, "redacted_thinking", data="Em…"), stop()],
        [BlockStart(0, "reasoning"), Other("redacted_thinking", "…"), BlockStop(0)],
    ),
    "a tool": (
        [start(0, "tool_use", id="t1", name="add", input={}), piece(""), piece('{"a":'), piece(" 1}"), stop()],
        [BlockStart(0, "tool", "t1", "add"), ToolCallDelta(0, '{"a":'), ToolCallDelta(0, " 1}"), BlockStop(0)],
    ),
    "a tool without arguments": (
        [start(0, "tool_use", id="t1", name="now", input={}), piece(""), stop()],
        [BlockStart(0, "tool", "t1", "now"), BlockStop(0)],
    ),
    "a tool whose arguments are in the start": (
        [start(0, "tool_use", id="t1", name="add", input={"a": "é"}), stop()],
        [BlockStart(0, "tool", "t1", "add"), ToolCallDelta(0, '{"a": "é"}'), BlockStop(0)],
    ),
    "a tool whose arguments are in the start and in pieces: the pieces count": (
        [start(0, "tool_use", id="t1", name="add", input={"a": 1}), piece('{"a":2}'), stop()],
        [BlockStart(0, "tool", "t1", "add"), Other("input", "…"), ToolCallDelta(0, '{"a":2}'), BlockStop(0)],
    ),
    "a tool of the server, and its result": (
        [start(0, "server_tool_use", id="s1", name="web_search", input={}), piece('{"q":1}'), stop(),
         start(1, "web_search_tool_result", tool_use_id="s1", content=[{"type": "web_search_result"}]), stop(1)],
        [BlockStart(0, "server_tool", "s1", "web_search"), ToolCallDelta(0, '{"q":1}'), BlockStop(0),
         BlockStart(1, "other"), Other("web_search_tool_result", "…"), BlockStop(1)],
    ),
    "a tool of an MCP server": (
        [start(0, "mcp_tool_use", id="m1", name="echo", server_name="x", input={"a": 1}), stop(),
         start(1, "mcp_tool_result", tool_use_id="m1", is_error=False, content=[]), stop(1)],
        [BlockStart(0, "server_tool", "m1", "echo"), Other("server_name", "…"), ToolCallDelta(0, '{"a": 1}'),
         BlockStop(0), BlockStart(1, "other"), Other("mcp_tool_result", "…"), BlockStop(1)],
    ),
    "citations": (
        [start(0, "text", text="", citations=[]), delta(0, "citations_delta", citation={}), text_delta("a"), stop()],
        [BlockStart(0, "text"), Other("citations_delta", "…"), TextDelta(0, "a"), BlockStop(0)],
    ),
    "citations that are in the start": (
        [start(0, "text", text="a", citations=[{"type": "char_location"}]), stop()],
        [BlockStart(0, "text"), TextDelta(0, "a"), Other("text", "…"), BlockStop(0)],
    ),
    "a compaction": (
        [start(0, "compaction", content=None), delta(0, "compaction_delta", content="so far"), stop()],
        [BlockStart(0, "other"), Other("compaction", "…"), Other("compaction_delta", "…"), BlockStop(0)],
    ),
    "a fallback to another model, an upload, a listing, an advisor": (
        [start(0, "fallback", **{"from": "a", "to": "b"}), stop(), start(1, "container_upload", file_id="f"), stop(1),
         start(2, "mcp_tool_listing"), stop(2), start(3, "advisor_tool_result"), stop(3)],
        [BlockStart(0, "other"), Other("fallback", "…"), BlockStop(0),
         BlockStart(1, "other"), Other("container_upload", "…"), BlockStop(1),
         BlockStart(2, "other"), Other("mcp_tool_listing", "…"), BlockStop(2),
         BlockStart(3, "other"), Other("advisor_tool_result", "…"), BlockStop(3)],
    ),
    "blocks side by side": (
        [start(0, "text"), start(1, "thinking"), text_delta("a"), delta(1, "thinking_delta", thinking="b"),
         text_delta("c"), stop(1), stop(0)],
        [BlockStart(0, "text"), BlockStart(1, "reasoning"), TextDelta(0, "a"), ReasoningDelta(1, "b"),
         TextDelta(0, "c"), BlockStop(1), BlockStop(0)],
    ),
    "a delta without the start of its block": (
        [text_delta("a"), stop(), piece("{}", 1)],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), Other("input_json_delta", "…")],
    ),
    "a delta of another kind than its block": (
        [start(0, "tool_use", id="t", name="n", input={"a": 1}), text_delta("a"), piece("x"), stop()],
        [BlockStart(0, "tool", "t", "n"), ToolCallDelta(0, '{"a": 1}'), BlockStop(0), BlockStart(1, "text"),
         TextDelta(1, "a"), Other("input_json_delta", "…"), BlockStop(1)],
    ),
    "a block that starts where another is open": (
        [start(0, "text"), text_delta("a"), start(0, "text"), text_delta("b"), stop()],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0),
         BlockStart(1, "text"), TextDelta(1, "b"), BlockStop(1)],
    ),
    "a stop of what is not open": ([stop(7)], [Other("content_block_stop", "…")]),
    "a block that is not closed": (
        [start(0, "tool_use", id="t", name="n", input={"a": 1}), message_delta("tool_use")],
        [BlockStart(0, "tool", "t", "n"), ToolCallDelta(0, '{"a": 1}'), BlockStop(0),
         Usage(BEGUN[1].counts, True), Finish("tool_calls", "tool_use")],
    ),
    "types that nobody knows": (
        [{"type": "content_block_pause"}, start(0, "hologram", input={"a": 1}), delta(0, "hologram_delta"), stop()],
        [Other("content_block_pause", "…"), BlockStart(0, "other"), Other("hologram", "…"),
         Other("hologram_delta", "…"), BlockStop(0)],
    ),
    "indexes and members of no use": (
        [start(None, "text"), text_delta("a", [0]), text_delta(7), text_delta(None), stop({}), delta(0, "text_delta"),
         {"type": "content_block_delta", "index": 0, "delta": "x"}],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStart(1, "text"), TextDelta(1, "7"), Other("text_delta", "…"),
         BlockStop(0), Other("text_delta", "…"), TextDelta(1, "x"), BlockStop(1)],
    ),
    "deltas of which nothing is known but the type": (
        [start(0, "text"), delta(0, "text_delta", words="a"), delta(0, "thinking_delta", thought="hm"),
         delta(0, "text_delta", text=""), stop()],
        [BlockStart(0, "text"), Other("text_delta", "…"), Other("thinking_delta", "…"), BlockStop(0)],
    ),
    "counts are merged, and null keeps what was": (
        [message_delta(None, output_tokens=5), message_delta("end_turn", output_tokens=7, input_tokens=None, more={})],
        [Usage({"input_tokens": 9, "output_tokens": 5, "service_tier": "standard"}, False),
         Usage({"input_tokens": 9, "output_tokens": 7, "service_tier": "standard", "more": {}}, True),
         Finish("stop", "end_turn")],
    ),
    "a second reason": (
        [message_delta("end_turn"), {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}],
        [Usage(BEGUN[1].counts, True), Finish("stop", "end_turn"), Other("message_delta", "…")],
    ),
    "a message_delta that says nothing": (
        [{"type": "message_delta", "delta": {"stop_reason": None}, "usage": None}],
        [Other("message_delta", "…")],
    ),
    "a message_start that comes twice": (
        [message_start(), start(0, "text"), message_start(), text_delta("a"), stop()],
        [Other("message_start", "…"), BlockStart(0, "text"), Other("message_start", "…"), TextDelta(0, "a"),
         BlockStop(0)],
    ),
    "another message inside the first": (
        [start(0, "text"), text_delta("a"), message_delta("end_turn"), message_start("msg_2"),
         start(0, "text"), text_delta("b"), stop(), message_delta("max_tokens")],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), Usage(BEGUN[1].counts, True),
         Finish("stop", "end_turn"), Start("msg_2", "m"), BEGUN[1], BlockStart(1, "text"), TextDelta(1, "b"),
         BlockStop(1), Usage(BEGUN[1].counts, True), Finish("length", "max_tokens")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES)
def test_messages_mean_what_the_api_says(messages: list[Any], expected: list[StreamEvent]) -> None:
    assert read(message_start(), *messages, MESSAGE_STOP) == [*BEGUN, *expected, *ENDED]


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES)
def test_the_type_in_the_data_counts_and_the_name_of_the_event_stands_in_for_it(
    messages: list[Any], expected: list[StreamEvent]
) -> None:
    stream = [message_start(), *messages, MESSAGE_STOP]
    named = decode(sse(*stream))
    assert decode(sse(*stream, named=False)) == named
    bare = [({**message, "type": None}, message["type"]) for message in stream]
    lines = "".join(f"event: {name}\ndata: {json.dumps(message)}\n\n" for message, name in bare).encode()
    assert [type(event) for event in decode(lines)] == [type(event) for event in named]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause"),
        ("compaction", "pause"),
        ("refusal", "refusal"),
        ("bored", "other"),
    ],
)
def test_reasons(word: str, reason: Any) -> None:
    assert Finish(reason, word) in read(message_start(), message_delta(word), MESSAGE_STOP)


def test_blocks_of_a_message_that_starts_with_content() -> None:
    content = [{"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}, "x", {"type": "text", "text": "hi"}]
    assert read(message_start(content=content), MESSAGE_STOP) == [
        BEGUN[0],
        BlockStart(0, "tool", "t", "n"),
        ToolCallDelta(0, '{"a": 1}'),
        BlockStop(0),
        BlockStart(1, "text"),
        TextDelta(1, "x"),
        BlockStop(1),
        BlockStart(2, "text"),
        TextDelta(2, "hi"),
        BlockStop(2),
        BEGUN[1],
        End(True),
    ]


def test_a_whole_message_is_read_where_a_stream_was_asked_for() -> None:
    block = {"type": "text", "text": "Hi"}
    message = {"type": "message", "id": "m1", "model": "m", "role": "assistant", "content": [block]}
    finished = {**message, "stop_reason": "end_turn", "usage": {"output_tokens": 2}}
    told = [Start("m1", "m"), BlockStart(0, "text"), TextDelta(0, "Hi"), BlockStop(0)]
    assert read(finished) == [*told, Usage({"output_tokens": 2}, True), Finish("stop", "end_turn"), End(True)]
    assert read(message) == [*told, End(False)]


def test_an_error_beside_a_piece_of_text_keeps_the_text() -> None:
    events = read(message_start(), start(0, "text"), {**text_delta("a"), "error": {"type": "x", "message": "no"}})
    told = [BlockStart(0, "text"), TextDelta(0, "a"), Error("x", "no", True), BlockStop(0), End(False)]
    assert events == [*BEGUN, *told]
    assert read(message_start(), {**MESSAGE_STOP, "error": "no"}) == [*BEGUN, Error("", "no", True), End(False)]


def test_members_that_nobody_knows_are_told_once_beside_the_text() -> None:
    events = read(message_start(), start(0, "text"), delta(0, "text_delta", text="a", mood=1), MESSAGE_STOP)
    assert events == [
        *BEGUN, BlockStart(0, "text"), TextDelta(0, "a"), Other("mood", "…"), BlockStop(0), End(True),
    ]  # fmt: skip


OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (sse({"type": "error", "error": OVERLOADED, "request_id": "r"}), Error("overloaded_error", "Overloaded", True)),
        (sse({"error": OVERLOADED, "type": None}, named=False), Error("overloaded_error", "Overloaded", True)),
        (sse({"type": "error", "message": "no"}), Error("", "no", True)),
        (sse({"type": "error"}), Error("error", '{"type": "error"}', True)),
        (b"event: error\ndata: upstream is gone\n\n", Error("", "upstream is gone", True)),
        (b'{"type": "error", "error": {"type": "api_error", "message": "no"}}\n', Error("api_error", "no", True)),
    ],
)
def test_an_error_after_a_200_is_fatal(line: bytes, error: Error) -> None:
    begun = sse(message_start(), start(0, "text"), text_delta("a"))
    wanted = [*BEGUN, BlockStart(0, "text"), TextDelta(0, "a"), error, BlockStop(0), End(False)]
    for pieces in every_way(begun + line):
        assert decode(*pieces) == wanted, pieces
    assert decode(begun + line + sse(MESSAGE_STOP)) == wanted


def test_an_end_without_message_stop_is_a_cut() -> None:
    stream = sse(message_start(), start(0, "tool_use", id="t", name="n", input={"a": 1}), message_delta("tool_use"))
    decoder = Decoder("anthropic-messages")
    decoder.receive_data(stream)
    assert decoder.receive_eof() == [End(False)]
    assert decoder.outcome == "interrupted"


def test_arguments_that_came_whole_are_not_lost_in_a_cut() -> None:
    answer = Answer()
    answer.add_all(decode(sse(message_start(), start(0, "tool_use", id="t", name="n", input={"a": 1}))))
    assert [(call.name, call.arguments, call.server) for call in answer.tools] == [("n", '{"a": 1}', False)]


@pytest.mark.parametrize(("text", "clean"), [('{"a": 1', False), ('{"a": 1}', True), ("words", True)])
def test_arguments_that_came_whole_as_text_may_be_cut_too(text: str, clean: bool) -> None:
    call = start(0, "tool_use", id="t", name="f", input=text)
    events = read(message_start(), call, message_delta("tool_use"), {"type": "message_stop"})
    assert ToolCallDelta(0, text) in events
    assert events[-1] == End(clean=clean)


def test_the_servers_own_tools_are_not_for_the_client_to_run() -> None:
    answer = Answer()
    answer.add_all(decode(sse(start(0, "server_tool_use", id="s", name="x"), start(1, "tool_use", id="t", name="y"))))
    assert [call.name for call in answer.tools] == ["y"]
    assert [(call.name, call.server) for call in answer.all_tools] == [("x", True), ("y", False)]


def test_raw_is_the_message_as_received() -> None:
    padded = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}         }'
    events = decode(f"event: content_block_delta\ndata: {padded}\n\n".encode())
    assert [event.raw for event in events] == [padded, padded, "", ""]


MEMBER = st.sampled_from(["type", "index", "text", "thinking", "partial_json", "id", "name", "input", "usage",
                          "stop_reason", "content", "error", "message", "citations", "signature"])  # fmt: skip
WORD = st.sampled_from(
    ["text", "thinking", "tool_use", "server_tool_use", "text_delta", "thinking_delta", "input_json_delta", "end_turn",
     "é", "\ud83d", "\ude00", ""]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBER, inner, max_size=4),
    max_leaves=8,
)
TYPES = st.sampled_from(["message_start", "content_block_start", "content_block_delta", "content_block_stop",
                         "message_delta", "error", "ping"])  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {"type": TYPES},
    optional={
        "index": st.integers(0, 1) | JSON,
        "content_block": st.dictionaries(MEMBER, JSON, max_size=4) | JSON,
        "delta": st.dictionaries(MEMBER, JSON, max_size=4) | JSON,
        "message": st.dictionaries(MEMBER, JSON, max_size=4) | JSON,
        "usage": JSON,
        "error": JSON,
    },
)


@given(st.lists(MESSAGES, max_size=8), cuts)
def test_whatever_the_members_hold_nothing_raises_and_blocks_are_sound(messages: list[Any], places: list[int]) -> None:
    stream = sse(*messages)
    events = decode(stream)
    assert decode(*cut_at(stream, places)) == events
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    repr(events).encode()
    opened: dict[int, str] = {}
    for event in events:
        match event:
            case BlockStart(block, kind):
                assert block not in opened
                opened[block] = kind
            case TextDelta(block):
                assert opened[block] == "text"
            case ReasoningDelta(block):
                assert opened[block] == "reasoning"
            case ToolCallDelta(block):
                assert opened[block] in ("tool", "server_tool")
            case BlockStop(block):
                opened[block] = "closed"
    assert set(opened.values()) <= {"closed"}


def test_what_is_asked() -> None:
    tool = Tool("add", "adds", {"properties": {"a": {"type": "number"}}})
    prompt = Prompt("Hi", "claude", "Be brief.", None, [tool])
    assert ANTHROPIC_MESSAGES.ask(prompt) == {
        "model": "claude",
        "max_tokens": MAX_TOKENS,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [
            {
                "name": "add",
                "description": "adds",
                "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}},
            }
        ],
    }
    assert ANTHROPIC_MESSAGES.ask(Prompt("Hi", max_tokens=5)) == {
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_a_request_has_what_the_api_demands() -> None:
    request = build_request("https://api.test/v1", ANTHROPIC_MESSAGES, json={"model": "claude"}, key="k").http
    fields = dict(request.headers)
    assert request.target.path == "/v1/messages"
    assert (fields["x-api-key"], fields["anthropic-version"]) == ("k", "2023-06-01")
    assert "authorization" not in fields
    assert json.loads(request.body) == {"stream": True, "max_tokens": MAX_TOKENS, "model": "claude"}
    assert ANTHROPIC_MESSAGES.body({"max_tokens": 7})["max_tokens"] == 7
