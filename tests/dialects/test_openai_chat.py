"""The OpenAI chat dialect, in all the shapes that some twenty servers send."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from cutting import every_way
from tokenwire.dialects.answer import Answer, ToolCall
from tokenwire.dialects.decoder import Decoder
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
from tokenwire.dialects.openai_chat import MAX_CHOICES, MAX_WAITING, OPENAI_CHAT
from tokenwire.dialects.strays import MAX_STRAY_TEXT
from tokenwire.dialects.values import error_fields
from tokenwire.errors import EventTooLarge

DONE = b"data: [DONE]\n\n"
START = Start("c1", "m")


def sse(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def choice(delta: Any = None, finish: Any = None, index: Any = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish, **more}


def chunk(*choices: Any, **more: Any) -> bytes:
    return sse({"id": "c1", "model": "m", "object": "chat.completion.chunk", "choices": list(choices), **more})


def text(content: Any, finish: Any = None, index: Any = 0) -> bytes:
    return chunk(choice({"content": content}, finish, index))


def tools(*calls: dict[str, Any], finish: Any = None) -> bytes:
    return chunk(choice({"tool_calls": list(calls)}, finish))


def call(arguments: Any = None, *, name: Any = None, **more: Any) -> dict[str, Any]:
    """`index` and `id` where they are given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"type": "function", "function": function, **more}


def finish(reason: str = "stop", index: int = 0) -> bytes:
    return chunk(choice({}, reason, index))


def decode(stream: bytes, pieces: Iterable[bytes] | None = None) -> tuple[list[StreamEvent], str]:
    """The events and the outcome of a stream up to its end."""
    decoder = Decoder("openai-chat")
    events: list[StreamEvent] = []
    for piece in pieces or [stream]:
        events += decoder.receive_data(piece)
    events += decoder.receive_eof()
    assert decoder.outcome is not None
    return events, decoder.outcome


def answer(stream: bytes) -> Answer:
    result = Answer()
    result.add_all(decode(stream)[0])
    return result


def spoken(block: int, *pieces: str, kind: Any = "text", choice: int = 0) -> list[StreamEvent]:
    """An open block of text and its deltas."""
    return [BlockStart(block, kind, choice=choice), *(TextDelta(block, piece) for piece in pieces)]


STOP: list[StreamEvent] = [BlockStop(0), Finish("stop", "stop"), End(True)]

# (what it shows, the stream, its events without the Start that comes first)
SHAPES: list[tuple[str, bytes, list[StreamEvent]]] = [
    (
        "as OpenAI sends it",
        chunk(choice({"role": "assistant", "content": ""})) + text("Hel") + text("lo") + finish() + DONE,
        [*spoken(0, "Hel", "lo"), *STOP],
    ),
    (
        "text and finish in one chunk",
        text("a", "length") + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("length", "length"), End(True)],
    ),
    ("no [DONE] after the finish", text("a", "stop"), [*spoken(0, "a"), *STOP]),
    ("no finish before [DONE]", text("a") + DONE, [*spoken(0, "a"), BlockStop(0), End(True)]),
    ("neither", text("a"), [*spoken(0, "a"), BlockStop(0), End(False)]),
    ("more after [DONE]", text("a", "stop") + DONE + text("b") + DONE, [*spoken(0, "a"), *STOP]),
    (
        "finish_reason empty in every chunk",
        text("a", "") + text("b", "") + DONE,
        [*spoken(0, "a", "b"), BlockStop(0), End(True)],
    ),
    (
        "finish_reason of another kind",
        text("a", 7) + DONE,
        [*spoken(0, "a"), Other("finish_reason", ""), BlockStop(0), End(True)],
    ),
    (
        "two finishes",
        finish("tool_calls") + finish("stop") + DONE,
        [Finish("tool_calls", "tool_calls"), Other("finish_reason", ""), End(True)],
    ),
    (
        "the finish before the text",
        finish("stop") + text("late") + DONE,
        [Finish("stop", "stop"), *spoken(0, "late"), BlockStop(0), End(True)],
    ),
    (
        "empty choices",
        chunk(prompt_filter_results=[]) + text("a", "stop") + chunk() + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), Other("chat.completion.chunk", ""), End(True)],
    ),
    (
        "no delta",
        chunk({"index": 0, "finish_reason": None, "content_filter_results": {}})
        + text("a")
        + chunk({"index": 0, "finish_reason": "stop"})
        + DONE,
        [*spoken(0, "a"), *STOP],
    ),
    ("a delta of null", chunk({"index": 0, "delta": None}) + DONE, [End(True)]),
    (
        "choices of null and none at all",
        text("a", "stop")
        + sse({"id": "c1", "choices": None, "usage": {"total_tokens": 3}})
        + sse({"usage": {"total_tokens": 4}})
        + DONE,
        [
            *spoken(0, "a"),
            BlockStop(0),
            Finish("stop", "stop"),
            Usage({"total_tokens": 3}, True),
            Usage({"total_tokens": 4}, True),
            End(True),
        ],
    ),
    (
        "usage with the finish",
        chunk(choice({"content": "a"}, "stop"), usage={"total_tokens": 3}),
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), Usage({"total_tokens": 3}, True), End(True)],
    ),
    (
        "usage in every chunk",
        chunk(choice({"content": "a"}), usage={"total_tokens": 1})
        + chunk(choice({"content": "b"}, "stop"), usage={"total_tokens": 2})
        + DONE,
        [
            *spoken(0, "a"),
            Usage({"total_tokens": 1}, False),
            TextDelta(0, "b"),
            BlockStop(0),
            Finish("stop", "stop"),
            Usage({"total_tokens": 2}, True),
            End(True),
        ],
    ),
    ("usage of null", chunk(choice({"content": "a"}, "stop"), usage=None) + DONE, [*spoken(0, "a"), *STOP]),
    (
        "a role in every delta",
        chunk(choice({"role": "assistant", "content": "a"}))
        + chunk(choice({"role": "", "content": "b"}, "stop"))
        + DONE,
        [*spoken(0, "a", "b"), *STOP],
    ),
    (
        "choices without an index",
        chunk({"delta": {"content": "a"}}) + chunk({"delta": {"content": "b"}, "finish_reason": "stop"}),
        [*spoken(0, "a", "b"), *STOP],
    ),
    (
        "several choices",
        text("a0")
        + text("b0", index=1)
        + text("a1")
        + chunk(choice({"content": "b1"}, "stop", 1), choice({}, "length", 0))
        + DONE,
        [
            *spoken(0, "a0"),
            *spoken(1, "b0", choice=1),
            TextDelta(0, "a1"),
            TextDelta(1, "b1"),
            BlockStop(1),
            Finish("stop", "stop", 1),
            BlockStop(0),
            Finish("length", "length", 0),
            End(True),
        ],
    ),
    (
        "one of several choices unfinished at the end",
        text("a", "stop") + text("b", index=1),
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), *spoken(1, "b", choice=1), BlockStop(1), End(False)],
    ),
    (
        "reasoning_content before the text",
        chunk(choice({"content": None, "reasoning_content": "hm"}))
        + chunk(choice({"reasoning_content": "m", "content": None}))
        + text("a", "stop"),
        [
            BlockStart(0, "reasoning"),
            ReasoningDelta(0, "hm"),
            ReasoningDelta(0, "m"),
            BlockStop(0),
            *spoken(1, "a"),
            BlockStop(1),
            Finish("stop", "stop"),
            End(True),
        ],
    ),
    (
        "reasoning and text in one delta",
        chunk(choice({"reasoning": "hm", "content": "a"}, "stop")),
        [
            BlockStart(0, "reasoning"),
            ReasoningDelta(0, "hm"),
            BlockStop(0),
            *spoken(1, "a"),
            BlockStop(1),
            Finish("stop", "stop"),
            End(True),
        ],
    ),
    (
        "reasoning under both names counts once",
        chunk(choice({"reasoning": "hm", "reasoning_content": "hm"}, "stop")),
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), *STOP],
    ),
    (
        "reasoning_details",
        chunk(choice({"reasoning_details": [{"type": "reasoning.encrypted"}]})) + DONE,
        [Other("reasoning_details", ""), End(True)],
    ),
    (
        "audio and annotations",
        chunk(choice({"audio": {"data": "x"}, "annotations": [{}]})) + DONE,
        [Other("audio", ""), Other("annotations", ""), End(True)],
    ),
    (
        "a refusal",
        chunk(choice({"refusal": "I ", "content": None})) + chunk(choice({"refusal": "won't"}, "stop")) + DONE,
        [*spoken(0, "I ", "won't", kind="refusal"), *STOP],
    ),
    (
        "content as a list of parts",
        chunk(
            choice(
                {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}
                    ]
                }
            )
        )
        + chunk(
            choice(
                {
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "reference", "reference_ids": [1]},
                        {"type": "text", "text": "b"},
                        7,
                    ]
                },
                "stop",
            )
        ),
        [
            BlockStart(0, "reasoning"),
            ReasoningDelta(0, "hm"),
            BlockStop(0),
            *spoken(1, "a"),
            Other("reference", ""),
            TextDelta(1, "b"),
            Other("part", ""),
            BlockStop(1),
            Finish("stop", "stop"),
            End(True),
        ],
    ),
    (
        "thinking as a string",
        chunk(choice({"content": [{"type": "thinking", "thinking": "hm"}]}, "stop")),
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), *STOP],
    ),
    (
        "parts that are not as they should be",
        chunk(choice({"content": [{"type": "text"}, {"type": "thinking", "thinking": 3}, {"type": ["x"]}, None]}))
        + DONE,
        [
            BlockStart(0, "reasoning"),
            ReasoningDelta(0, "3"),
            Other("part", ""),
            Other("part", ""),
            BlockStop(0),
            End(True),
        ],
    ),
    (
        "a surrogate pair split over two deltas",
        b'data: {"id":"c1","model":"m","choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"\\ude00b"}}]}\n\n' + finish() + DONE,
        [*spoken(0, "a", "😀b"), *STOP],
    ),
    (
        "half a pair at the end of a block",
        b'data: {"id":"c1","model":"m","choices":[{"delta":{"content":"\\ud83d"}}]}\n\n' + finish() + DONE,
        [*spoken(0), TextDelta(0, "\ufffd"), *STOP],
    ),
    (
        "a chunk that names itself otherwise",
        text("a", "stop") + sse({"object": "chat.completion.ping"}) + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), Other("chat.completion.ping", ""), End(True)],
    ),
    (
        "a chunk of nothing",
        text("a", "stop") + sse({}) + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), Other("chunk", ""), End(True)],
    ),
    (
        "JSON that is no object",
        text("a", "stop") + sse([1]) + sse("x") + sse(None) + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), *[Other("not-a-chunk", "")] * 3, End(True)],
    ),
    (
        "a comment sent as data",
        text("a") + b"data: : OPENROUTER PROCESSING\n\n" + finish() + DONE,
        [*spoken(0, "a"), Other("not-json", ""), *STOP],
    ),
    (
        "empty data",
        text("a", "stop") + b"data:\n\n" + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "stop"), Other("not-json", ""), End(True)],
    ),
    (
        "comments and pings",
        b": OPENROUTER PROCESSING\n\n" + text("a", "stop") + b": ping - 2026\r\n\r\nevent: ping\n\nid: 7\n\n" + DONE,
        [*spoken(0, "a"), *STOP],
    ),
    (
        "no space after data:",
        text("a", "stop").replace(b"data: ", b"data:") + b"data:[DONE]\n\n",
        [*spoken(0, "a"), *STOP],
    ),
    ("[DONE] with something behind it", text("a", "stop") + b"data: [DONE] \n\n", [*spoken(0, "a"), *STOP]),
    ("line ends of CRLF", (text("a", "stop") + DONE).replace(b"\n", b"\r\n"), [*spoken(0, "a"), *STOP]),
    (
        "finish reasons of others",
        text("a", "eos") + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("stop", "eos"), End(True)],
    ),
    (
        "a filter",
        text("a", "content_filter") + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("content_filter", "content_filter"), End(True)],
    ),
    (
        "a finish reason that nobody knows",
        text("a", "moon_phase") + DONE,
        [*spoken(0, "a"), BlockStop(0), Finish("other", "moon_phase"), End(True)],
    ),
]

each_shape = pytest.mark.parametrize(
    ("stream", "expected"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES]
)


def without_raw(events: list[StreamEvent]) -> list[StreamEvent]:
    """`Other` is compared with its raw text, which these tables leave out."""
    return [Other(event.type, "") if isinstance(event, Other) else event for event in events]


@each_shape
def test_each_shape_is_read_alike_however_it_is_cut(stream: bytes, expected: list[StreamEvent]) -> None:
    for pieces in every_way(stream):
        events, _ = decode(stream, pieces)
        assert without_raw(events) == [START, *expected], pieces


@each_shape
def test_a_shape_ends_clean_or_as_an_interruption(stream: bytes, expected: list[StreamEvent]) -> None:
    assert decode(stream)[1] == ("clean" if expected[-1] == End(True) else "interrupted")


def test_every_event_carries_the_message_that_it_came_from() -> None:
    events, _ = decode(text("a") + finish())
    first, second = (part.removeprefix(b"data: ").strip().decode() for part in (text("a"), finish()))
    assert [event.raw for event in events] == [first, first, first, second, second, ""]


def test_the_start_comes_first_even_where_the_server_names_nothing() -> None:
    events, _ = decode(sse({"choices": [choice({"content": "a"})]}) + DONE)
    assert events == [Start("", ""), *spoken(0, "a"), BlockStop(0), End(True)]


def test_the_start_waits_for_a_chunk_that_names_something() -> None:
    """Azure opens with a chunk of filter results, whose id and model are empty."""
    events, _ = decode(sse({"id": "", "model": "", "choices": []}) + text("a") + text("b") + DONE)
    assert [type(event) for event in events[:2]] == [Other, Start]
    assert sum(isinstance(event, Start) for event in events) == 1


# Tool calls.

WEATHER = ToolCall("t1", "weather", '{"city":"Oslo"}')
NEWS = ToolCall("t2", "news", "{}")

# (what it shows, the stream, the calls)
TOOLS: list[tuple[str, bytes, list[ToolCall]]] = [
    (
        "in pieces",
        tools(call("", name="weather", index=0, id="t1"))
        + tools(call('{"city":', index=0))
        + tools(call('"Oslo"}', index=0)),
        [WEATHER],
    ),
    ("whole", tools(call('{"city":"Oslo"}', name="weather", index=0, id="t1")), [WEATHER]),
    (
        "whole, with the finish",
        tools(call('{"city":"Oslo"}', name="weather", index=0, id="t1"), finish="tool_calls"),
        [WEATHER],
    ),
    (
        "two in one chunk",
        tools(call('{"city":"Oslo"}', name="weather", index=0, id="t1"), call("{}", name="news", index=1, id="t2")),
        [WEATHER, NEWS],
    ),
    (
        "two interleaved",
        tools(call(name="weather", index=0, id="t1"), call(name="news", index=1, id="t2"))
        + tools(call('{"city":', index=0), call("{", index=1))
        + tools(call("}", index=1), call('"Oslo"}', index=0)),
        [WEATHER, NEWS],
    ),
    (
        "without an index, with ids",
        tools(call('{"city":', name="weather", id="t1"), call("{", name="news", id="t2"))
        + tools(call("}", id="t2"), call('"Oslo"}', id="t1")),
        [WEATHER, NEWS],
    ),
    (
        "without an index, the id only at first",
        tools(call("", name="weather", id="t1")) + tools(call('{"city":')) + tools(call('"Oslo"}')),
        [WEATHER],
    ),
    (
        "without an index or an id",
        tools(call('{"city":"Oslo"}', name="weather"), call("{}", name="news")),
        [ToolCall("", "weather", '{"city":"Oslo"}'), ToolCall("", "news", "{}")],
    ),
    (
        "without an index or an id, the same tool twice",
        tools(call("{}", name="news")) + tools(call("{}", name="news")),
        [ToolCall("", "news", "{}")] * 2,
    ),
    (
        "without an index or an id, in pieces",
        tools(call("{", name="news")) + tools(call("}")) + tools(call("{", name="weather")) + tools(call("}")),
        [ToolCall("", "news", "{}"), ToolCall("", "weather", "{}")],
    ),
    (
        "an index of null",
        tools(
            call('{"city":"Oslo"}', name="weather", index=None, id="t1"), call("{}", name="news", index=None, id="t2")
        ),
        [WEATHER, NEWS],
    ),
    (
        "all with index 0, ids differ",
        tools(call('{"city":"Oslo"}', name="weather", index=0, id="t1"))
        + tools(call("{}", name="news", index=0, id="t2")),
        [WEATHER, NEWS],
    ),
    (
        "all with index 0 in one chunk",
        tools(call('{"city":"Oslo"}', name="weather", index=0, id="t1"), call("{}", name="news", index=0, id="t2")),
        [WEATHER, NEWS],
    ),
    (
        "all with index 0, in pieces",
        tools(call('{"city":', name="weather", index=0, id="t1"))
        + tools(call('"Oslo"}', index=0))
        + tools(call("{", name="news", index=0, id="t2"))
        + tools(call("}", index=0)),
        [WEATHER, NEWS],
    ),
    (
        "all with index 0 and the same name, ids differ",
        tools(call("{}", name="news", index=0, id="t1"), call("{}", name="news", index=0, id="t2")),
        [ToolCall("t1", "news", "{}"), NEWS],
    ),
    (
        "all with index 0 and no ids",
        tools(call('{"city":"Oslo"}', name="weather", index=0), call("{}", name="news", index=0)),
        [ToolCall("", "weather", '{"city":"Oslo"}'), ToolCall("", "news", "{}")],
    ),
    (
        "the name and the id in every piece",
        tools(call('{"city":', name="weather", index=0, id="t1"))
        + tools(call('"Oslo"}', name="weather", index=0, id="t1")),
        [WEATHER],
    ),
    (
        "another id in every piece",
        tools(call('{"city":', name="weather", index=0, id="t1")) + tools(call('"Oslo"}', index=0, id="t9")),
        [WEATHER],
    ),
    (
        "an empty id and name in the later pieces",
        tools(call('{"city":', name="weather", index=0, id="t1")) + tools(call('"Oslo"}', name="", index=0, id="")),
        [WEATHER],
    ),
    (
        "a late name",
        tools(call(index=0, id="t1")) + tools(call(name="weather", index=0)) + tools(call('{"city":"Oslo"}', index=0)),
        [WEATHER],
    ),
    (
        "a name after the arguments",
        tools(call('{"city":', index=0, id="t1")) + tools(call('"Oslo"}', name="weather", index=0)),
        [WEATHER],
    ),
    ("no name at all", tools(call("{}", index=0, id="t1")), [ToolCall("t1", "", "{}")]),
    (
        "arguments as an object",
        tools(call({"city": "Oslo"}, name="weather", index=0, id="t1")),
        [ToolCall("t1", "weather", '{"city": "Oslo"}')],
    ),
    ("arguments of null", tools(call(None, name="weather", index=0, id="t1")), [ToolCall("t1", "weather", "")]),
    ("no arguments", tools({"index": 0, "id": "t1", "function": {"name": "news"}}), [ToolCall("t1", "news", "")]),
    ("no function", tools({"index": 0, "id": "t1"}), [ToolCall("t1", "", "")]),
    (
        "indexes with gaps",
        tools(call("{}", name="a", index=5, id="x"), call("{}", name="b", index=-1, id="y")),
        [ToolCall("x", "a", "{}"), ToolCall("y", "b", "{}")],
    ),
    (
        "what is no call",
        tools(call("{}", name="news", index=0, id="t2"))
        + chunk(choice({"tool_calls": [None, 7]}))
        + chunk(choice({"tool_calls": "x"})),
        [NEWS],
    ),
    (
        "the legacy function_call",
        chunk(choice({"function_call": {"name": "news", "arguments": ""}}))
        + chunk(choice({"function_call": {"arguments": "{}"}}, "function_call")),
        [ToolCall("", "news", "{}")],
    ),
    (
        "a surrogate pair split in the arguments",
        (
            b'data: {"id":"c1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"t1",'
            b'"function":{"name":"f","arguments":"\\"\\ud83d"}}]}}]}\n\n'
            b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\ude00\\""}}]}}]}\n\n'
        ),
        [ToolCall("t1", "f", '"😀"')],
    ),
    (
        "a second choice's call",
        tools(call("{}", name="news", index=0, id="t2"))
        + chunk(choice({"tool_calls": [call("{}", name="b", index=0, id="t3")]}, index=1)),
        [NEWS, ToolCall("t3", "b", "{}", 1)],
    ),
]


@pytest.mark.parametrize(("stream", "expected"), [row[1:] for row in TOOLS], ids=[row[0] for row in TOOLS])
def test_tool_calls_are_told_apart_and_joined(stream: bytes, expected: list[ToolCall]) -> None:
    assert answer(stream + DONE).tools == expected
    assert answer(stream + finish("tool_calls")).tools == expected


def test_a_tool_call_opens_with_its_name_and_closes_at_the_finish() -> None:
    stream = (
        text("Let me see.")
        + tools(call("", name="weather", index=0, id="t1"))
        + tools(call("{}", index=0))
        + finish("tool_calls")
        + DONE
    )
    assert decode(stream)[0] == [
        START,
        *spoken(0, "Let me see."),
        BlockStart(1, "tool", "t1", "weather"),
        ToolCallDelta(1, "{}"),
        BlockStop(0),
        BlockStop(1),
        Finish("tool_calls", "tool_calls"),
        End(True),
    ]


def test_arguments_do_not_wait_for_a_name_without_end() -> None:
    piece = "x" * 1000
    events, _ = decode(tools(call(piece, index=0, id="t1")) * (MAX_WAITING // 1000 + 10) + DONE)
    opened = next(event for event in events if isinstance(event, BlockStart))
    assert (opened.tool_id, opened.name) == ("t1", "")
    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    assert len(deltas) == 10
    assert sum(len(event.arguments) for event in deltas) == 1000 * (MAX_WAITING // 1000 + 10)


def test_a_thousand_calls_without_an_index_are_a_thousand() -> None:
    stream = b"".join(tools(call("{}", name="f", id=f"t{number}")) for number in range(1000))
    assert [tool.tool_id for tool in answer(stream + DONE).tools] == [f"t{number}" for number in range(1000)]


# Errors.

SAID = {"message": "Overloaded", "type": "server_error", "param": None, "code": None}
OVERLOADED = Error("server_error", "Overloaded", fatal=True)

# (what it shows, the bytes, the error)
ERRORS: list[tuple[str, bytes, Error]] = [
    ("an object as data", sse({"error": SAID}), OVERLOADED),
    ("event: error", b"event: error\n" + sse({"error": SAID}), OVERLOADED),
    ("event: error, the object bare", b"event: error\n" + sse(SAID), OVERLOADED),
    ("event: error, in words", b"event: error\ndata: Overloaded\n\n", Error("", "Overloaded", fatal=True)),
    ("event: error, a JSON string", b'event: error\ndata: "Overloaded"\n\n', Error("", '"Overloaded"', fatal=True)),
    ("event: error, no message", b'event: error\ndata: {"code": 5}\n\n', Error("5", '{"code": 5}', fatal=True)),
    ("event: error, empty", b"event: error\ndata: {}\n\n", Error("", "{}", fatal=True)),
    ("a field named error", b"error: " + json.dumps(SAID).encode() + b"\n\n", OVERLOADED),
    ("a field named error, wrapped", b"error:" + json.dumps({"error": SAID}).encode() + b"\n\n", OVERLOADED),
    ("a field named error, in words", b"error: Overloaded\n", Error("", "Overloaded", fatal=True)),
    ("bare JSON on one line", json.dumps({"error": SAID}).encode() + b"\n", OVERLOADED),
    ("bare JSON on many lines", json.dumps({"error": SAID}, indent=2).encode() + b"\n\n", OVERLOADED),
    (
        "bare JSON on many lines of CRLF",
        json.dumps({"error": SAID}, indent=2).encode().replace(b"\n", b"\r\n") + b"\r\n",
        OVERLOADED,
    ),
    (
        "bare JSON with braces in its words",
        json.dumps({"error": {"message": '}}{ "}'}}, indent=1).encode() + b"\n",
        Error("", '}}{ "}', fatal=True),
    ),
    (
        "bare JSON after bare JSON without an error",
        b'{\n"note": 1\n}\n{\n"error": "Overloaded"\n}\n',
        Error("", "Overloaded", fatal=True),
    ),
    ("a string", sse({"error": "Overloaded"}), Error("", "Overloaded", fatal=True)),
    ("a list", sse({"error": ["Overloaded"]}), Error("", '["Overloaded"]', fatal=True)),
    ("a number", sse({"error": 529}), Error("", "529", fatal=True)),
    (
        "object: error",
        sse({"object": "error", "message": "Overloaded", "code": 503}),
        Error("503", "Overloaded", fatal=True),
    ),
    ("a code that is a number", sse({"error": {"code": 400, "message": "no"}}), Error("400", "no", fatal=True)),
    (
        "a status for a code",
        b"event: error\n" + sse({"error": {"message": "no", "status_code": 400}}),
        Error("400", "no", fatal=True),
    ),
    ("no words at all", sse({"error": {"code": 500}}), Error("500", '{"code": 500}', fatal=True)),
    (
        "a message that is no string",
        sse({"error": {"message": {"x": 1}}}),
        Error("", '{"message": {"x": 1}}', fatal=True),
    ),
    (
        "lone surrogates",
        b'data: {"error": {"message": "\\ud800", "code": "\\udfff"}}\n\n',
        Error("\ufffd", "\ufffd", fatal=True),
    ),
]


@pytest.mark.parametrize("end", [b"", DONE], ids=["EOF", "[DONE]"])
@pytest.mark.parametrize(("said", "expected"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_an_error_in_any_shape_makes_the_end_unclean(said: bytes, expected: Error, end: bytes) -> None:
    for before in (b"", text("a")):
        stream = before + said + end
        for pieces in every_way(stream):
            events, outcome = decode(stream, pieces)
            assert [event for event in events if isinstance(event, Error)] == [expected], pieces
            assert events[-1] == End(False), pieces
            assert outcome == "error"


def test_an_error_beside_choices_comes_after_them() -> None:
    """OpenRouter, recorded: a finish and an error in the same chunk."""
    stream = chunk(choice({"content": "a"}, "length"), error={"code": 400, "message": "Token limit reached"}) + DONE
    assert decode(stream)[0] == [
        START,
        *spoken(0, "a"),
        BlockStop(0),
        Finish("length", "length"),
        Error("400", "Token limit reached", fatal=True),
        End(False),
    ]


@pytest.mark.parametrize("error", [None, {}, "", False, [], 0])
def test_an_error_of_nothing_is_none(error: object) -> None:
    events, outcome = decode(chunk(choice({"content": "a"}, "stop"), error=error))
    assert outcome == "clean"
    assert not any(isinstance(event, Error) for event in events)


def test_a_garbled_chunk_is_told_and_the_stream_goes_on() -> None:
    stream = text("a") + b'data: {"choices":[{"del\n\ndata: [1,\n\n' + text("b", "stop") + DONE
    events, outcome = decode(stream)
    errors = [event for event in events if isinstance(event, Error)]
    assert [(error.code, error.fatal) for error in errors] == [("invalid_json", False)] * 2 + [("incomplete", True)]
    assert errors[0].raw == '{"choices":[{"del'
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b"]
    assert events[-1] == End(False), "what was lost with the chunk nobody knows"
    assert outcome == "error"


DEEP = 100_000
NEST = b"[" * 900 + b"]" * 900
PATHOLOGICAL = [
    b'data: {"x":' + b"[" * DEEP + b"\n\n",
    b'data: {"error":' + NEST + b"}\n\n",
    b'data: {"error":{"code":' + NEST + b"}}\n\n",
    b'data: {"error":{"message":' + NEST + b"}}\n\n",
    b'data: {"object":' + NEST + b"}\n\n",
    b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":' + NEST + b"}}}]}}]}\n\n",
    b'data: {"choices":[{"index":' + b"9" * 5000 + b"}]}\n\n",
    b'data: {"choices":[{"index":' + b"9" * 4000 + b',"delta":{"content":"a"}}]}\n\n',
    b'data: {"usage":{"total_tokens":1e999,"x":NaN}}\n\n',
    b'data: {"id":"\\ud800","model":"\\udfff","object":"\\ud800","choices":[{"finish_reason":"\\ud800"}]}\n\n',
    b'data: {"object":"\\ud800"}\n\n',
    b'data: {"choices":[{"delta":{"content":[{"type":"\\ud800"}]}}]}\n\n',
    b'data: {"choices":[{"delta":{"tool_calls":[{"id":"\\ud800","function":{"name":"\\udfff"}}]}}]}\n\n',
    b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":"\\udfff"}}}]}}]}\n\n',
    b'data: {"choices":{"0":{"delta":{"content":"a"}}}}\n\n',
    b'data: {"choices":[[],null,7,"x"],"id":7,"model":[]}\n\n',
    b"event: error\ndata: " + b"[" * DEEP + b"\n\n",
    b"error: " + b"[" * DEEP + b"\n\n",
    b"{" * DEEP + b"\n\n",
    b'{"error":' + NEST + b"}\n\n",
]


@pytest.mark.parametrize("stream", PATHOLOGICAL, ids=[repr(stream[:40]) for stream in PATHOLOGICAL])
def test_nothing_that_a_peer_may_send_raises_or_gives_what_cannot_be_encoded(stream: bytes) -> None:
    events, _ = decode(text("a") + stream + DONE)
    assert isinstance(events[-1], End)
    repr(events).encode()
    for event in events:
        for value in (getattr(event, name) for name in event.__slots__):
            assert not isinstance(value, str) or value.encode() is not None


# Lines outside any field.


def test_lines_outside_any_field_are_not_kept_without_end() -> None:
    decoder = Decoder("openai-chat")
    decoder.receive_data(b"{\n" + b'"x": 1,\n' * (MAX_STRAY_TEXT // 4))
    events = decoder.receive_data(b'{"error": "Overloaded"}\n')
    assert events == [Error("", "Overloaded", fatal=True)]


def test_answers_are_not_told_apart_without_end() -> None:
    decoder = Decoder("openai-chat")
    events = [event for number in range(MAX_CHOICES + 2) for event in decoder.receive_data(text("a", index=number))]
    assert sum(isinstance(event, TextDelta) for event in events) == MAX_CHOICES
    assert [event.type for event in events if isinstance(event, Other)] == ["choices"] * 2


def test_a_member_that_is_told_is_not_kept() -> None:
    decoder = Decoder("openai-chat")
    tracemalloc.start()
    try:
        for number in range(20):
            decoder.receive_data(chunk(choice({"content": "a", f"member_{number}": "x" * 100_000})))
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


def test_reading_them_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that tries the JSON at every closing brace reads it thousands of times."""
    calls: list[int] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: calls.append(len(text)) or loads(text))
    stream = b'{"a":[\n' + b"{}\n,{}\n" * 10_000
    Decoder("openai-chat").receive_data(stream)
    assert sum(calls) <= 2 * len(stream)


@pytest.mark.parametrize("end", ["", "\\"])
def test_a_string_that_does_not_end_is_looked_at_once(end: str) -> None:
    """Tried anew from every quotation mark, a line of this size would take longer than anybody waits."""
    decoder = Decoder("openai-chat")
    decoder.receive_data(chunk() + b'{"' + b'\\"' * 2_000_000 + end.encode() + b"\n")
    assert decoder.receive_data(b'}\n{"error": "Overloaded"}\n')[-1] == Error("", "Overloaded", fatal=True)


def test_an_error_outside_any_field_comes_before_the_limit_that_is_passed_after_it() -> None:
    stream = b"error: Overloaded\n" + b"x" * 200
    for pieces in every_way(stream):
        decoder = Decoder("openai-chat", max_event_size=100)
        events: list[StreamEvent] = []
        with pytest.raises(EventTooLarge):
            feed(decoder, [*pieces, b""], events)
        assert events == [Error("", "Overloaded", fatal=True)], pieces


def feed(decoder: Decoder, pieces: list[bytes], events: list[StreamEvent]) -> None:
    for piece in pieces:
        events += decoder.receive_data(piece)


# The rest of the dialect.


def test_a_request_asks_for_a_stream() -> None:
    assert OPENAI_CHAT.body({"model": "m"}) == {"stream": True, "model": "m"}
    assert OPENAI_CHAT.body({"model": "m", "stream": False})["stream"] is False


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"error": SAID}, SAID),
        ({"error": "words"}, {"message": "words"}),
        ({"object": "error", "message": "words"}, {"object": "error", "message": "words"}),
        ({"detail": "words"}, {}),
        ({"error": None}, {}),
        ([{"error": SAID}], {}),
        ("words", {}),
        (None, {}),
    ],
)
def test_the_error_object_of_a_refusal_is_found(body: Any, fields: dict[str, Any]) -> None:
    assert error_fields(body) == fields


def test_an_answer_adds_up() -> None:
    said = answer(
        chunk(choice({"reasoning": "hm"}))
        + text("a")
        + text("B", index=1)
        + text("b")
        + chunk(choice({}, "stop", 1), choice({}, "length", 0), usage={"total_tokens": 9})
        + sse({"error": "one"})
        + sse({"error": "two"})
        + DONE
    )
    assert (said.text, said.reasoning, said.text_of(1), said.text_of(2)) == ("ab", "hm", "B", "")
    assert said.usage == {"total_tokens": 9}
    assert (said.finish, said.start, said.end) == (Finish("length", "length", 0), START, End(False))
    assert said.error == Error("", "one", fatal=True)
    assert len(said.events) == 17
