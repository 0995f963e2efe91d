"""The AI SDK's UI message stream: every chunk that the SDK's schema has, and what its reader takes besides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects import dialect_named
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Prompt
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
)

DONE = "[DONE]"


def read(*chunks: Any) -> list[StreamEvent]:
    """The events of chunks, without the raw text of what is handed on."""
    decoder = Decoder("vercel-ui")
    texts = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    events = decoder.receive_data("".join(f"data: {text}\n\n" for text in texts).encode())
    return [Other(e.type, "…") if isinstance(e, Other) else e for e in events + decoder.receive_eof()]


def chunk(type: str, **members: Any) -> dict[str, Any]:  # noqa: A002 - the member's name
    return {"type": type, **members}


def call(type: str, **members: Any) -> dict[str, Any]:  # noqa: A002
    return chunk(type, toolCallId="c1", **members)


CASES: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "a whole answer": (
        [
            chunk("start", messageId="m1"),
            chunk("start-step"),
            chunk("text-start", id="t"),
            chunk("text-delta", id="t", delta="Hel"),
            chunk("text-delta", id="t", delta="lo"),
            chunk("text-end", id="t"),
            chunk("finish-step"),
            chunk("finish", finishReason="stop"),
            DONE,
        ],
        [
            Start("m1", ""),
            Other("start-step", "…"),
            BlockStart(0, "text"),
            TextDelta(0, "Hel"),
            TextDelta(0, "lo"),
            BlockStop(0),
            Other("finish-step", "…"),
            Finish("stop", "stop"),
            End(True),
        ],
    ),
    "text and reasoning with the same id are two blocks, which may be interleaved": (
        [
            chunk("reasoning-start", id="0"),
            chunk("text-start", id="0"),
            chunk("reasoning-delta", id="0", delta="hm"),
            chunk("text-delta", id="0", delta="yes"),
            chunk("reasoning-end", id="0"),
            DONE,
        ],
        [
            BlockStart(0, "reasoning"),
            BlockStart(1, "text"),
            ReasoningDelta(0, "hm"),
            TextDelta(1, "yes"),
            BlockStop(0),
            BlockStop(1),
            End(True),
        ],
    ),
    "a delta without its start opens the block": (
        [chunk("text-delta", id="t", delta="x"), DONE],
        [BlockStart(0, "text"), TextDelta(0, "x"), BlockStop(0), End(True)],
    ),
    "the input of a call in pieces, and once more whole, counts once": (
        [
            call("tool-input-start", toolName="weather"),
            call("tool-input-delta", inputTextDelta='{"city":'),
            call("tool-input-delta", inputTextDelta='"Bern"}'),
            call("tool-input-available", toolName="weather", input={"city": "Bern"}),
            call("tool-output-available", output={"degrees": 3}),
            chunk("finish", finishReason="tool-calls"),
            DONE,
        ],
        [
            BlockStart(0, "tool", "c1", "weather"),
            ToolCallDelta(0, '{"city":'),
            ToolCallDelta(0, '"Bern"}'),
            BlockStop(0),
            Other("tool-output-available", "…"),
            Finish("tool_calls", "tool-calls"),
            End(True),
        ],
    ),
    "a call that comes whole": (
        [call("tool-input-available", toolName="weather", input={"city": "Zürich"}), DONE],
        [BlockStart(0, "tool", "c1", "weather"), ToolCallDelta(0, '{"city": "Zürich"}'), BlockStop(0), End(True)],
    ),
    "a call that was announced, and then comes whole": (
        [call("tool-input-start", toolName="now"), call("tool-input-available", toolName="now", input={}), DONE],
        [BlockStart(0, "tool", "c1", "now"), ToolCallDelta(0, "{}"), BlockStop(0), End(True)],
    ),
    "input that is no JSON while it comes is given when it is": (
        [
            call("tool-input-start", toolName="run", inputEncoding="text"),
            call("tool-input-delta", inputTextDelta="ls -l"),
            call("tool-input-available", toolName="run", input="ls -l"),
            DONE,
        ],
        [
            BlockStart(0, "tool", "c1", "run"),
            Other("tool-input-delta", "…"),
            ToolCallDelta(0, '"ls -l"'),
            BlockStop(0),
            End(True),
        ],
    ),
    "a call that the server runs itself": (
        [call("tool-input-start", toolName="search", providerExecuted=True), DONE],
        [BlockStart(0, "server_tool", "c1", "search"), BlockStop(0), End(True)],
    ),
    "a call with bad input": (
        [call("tool-input-error", toolName="weather", input="{", errorText="no JSON"), DONE],
        [
            BlockStart(0, "tool", "c1", "weather"),
            ToolCallDelta(0, '"{"'),
            BlockStop(0),
            Other("tool-input-error", "…"),
            End(True),
        ],
    ),
    "a call that is told twice counts once": (
        [
            call("tool-input-available", toolName="a", input=1),
            call("tool-input-available", toolName="a", input=1),
            call("tool-input-start", toolName="a"),
            call("tool-input-delta", inputTextDelta="2"),
            DONE,
        ],
        [
            BlockStart(0, "tool", "c1", "a"),
            ToolCallDelta(0, "1"),
            BlockStop(0),
            Other("tool-input-available", "…"),
            Other("tool-input-start", "…"),
            Other("tool-input-delta", "…"),
            End(True),
        ],
    ),
    "an error is fatal, though the terminator follows": (
        [chunk("error", errorText="overloaded"), DONE],
        [Error("", "overloaded", True), End(False)],
    ),
    "an abort": ([chunk("abort", reason="user"), DONE], [Finish("cancelled", "user"), End(True)]),
    "an abort without a reason, and without a terminator": (
        [chunk("abort")],
        [Finish("cancelled", "abort"), End(True)],
    ),
    "the SDK's reader takes the end after finish for the end": (
        [chunk("finish")],
        [Finish("other", ""), End(True)],
    ),
    "the reason length": ([chunk("finish", finishReason="length"), DONE], [Finish("length", "length"), End(True)]),
    "the reason content-filter": (
        [chunk("finish", finishReason="content-filter"), DONE],
        [Finish("content_filter", "content-filter"), End(True)],
    ),
    "a reason of tomorrow": ([chunk("finish", finishReason="new"), DONE], [Finish("other", "new"), End(True)]),
    "deltas without one": (
        [
            chunk("text-delta", id="t", new="x"),
            chunk("text-delta", id="t", delta=""),
            chunk("text-end", id="t"),
            chunk("tool-input-start", toolCallId="c", toolName="f"),
            chunk("tool-input-delta", toolCallId="c", new="x"),
            DONE,
        ],
        [
            Other("text-delta", "…"),
            Other("text-end", "…"),
            BlockStart(0, "tool", "c", "f"),
            Other("tool-input-delta", "…"),
            BlockStop(0),
            Error("incomplete", "the stream came to its end, but the rest of a tool call did not come", True),
            End(False),
        ],
    ),
    "cut": (
        [chunk("text-delta", id="t", delta="x")],
        [BlockStart(0, "text"), TextDelta(0, "x"), BlockStop(0), End(False)],
    ),
    "lone surrogates are joined": (
        [chunk("text-delta", id="t", delta="\ud83d"), chunk("text-delta", id="t", delta="\ude00"), DONE],
        [BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0), End(True)],
    ),
}


@pytest.mark.parametrize(("chunks", "expected"), CASES.values(), ids=CASES)
def test_chunks_decode(chunks: list[Any], expected: list[StreamEvent]) -> None:
    assert read(*chunks) == expected


@pytest.mark.parametrize(
    "type",
    ["source-url", "source-document", "file", "reasoning-file", "custom", "data-weather", "message-metadata",
     "tool-output-error", "tool-output-denied", "tool-approval-request", "tool-approval-response", "reset-step",
     "start-step", "finish-step", "of-tomorrow"],
)  # fmt: skip
def test_what_has_no_place_among_the_events_is_handed_on_whole(type: str) -> None:  # noqa: A002
    decoder = Decoder("vercel-ui")
    raw = json.dumps({"type": type, "id": "x", "data": [1]})
    assert decoder.receive_data(f"data: {raw}\n\n".encode()) == [Other(type, raw)]


def test_a_prompt_is_a_message_of_parts() -> None:
    body = dialect_named("vercel-ui").ask(Prompt("Hi", system="Be brief."))
    said = [(message["role"], message["parts"]) for message in body["messages"]]
    assert said == [
        ("system", [{"type": "text", "text": "Be brief."}]),
        ("user", [{"type": "text", "text": "Hi"}]),
    ]
    assert len({message["id"] for message in body["messages"]}) == 2


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=1)
TYPES = st.sampled_from(
    ["start", "text-start", "text-delta", "text-end", "reasoning-start", "reasoning-delta", "reasoning-end", "error",
     "tool-input-start", "tool-input-delta", "tool-input-available", "tool-input-error", "finish", "abort", "x", 7]
)  # fmt: skip
MEMBERS = st.sampled_from(
    ["id", "delta", "toolCallId", "toolName", "inputTextDelta", "input", "inputEncoding", "providerExecuted",
     "errorText", "finishReason", "reason", "messageId"]
)  # fmt: skip
CHUNKS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    TYPES,
    st.dictionaries(MEMBERS, ODD | st.just("1") | st.just("text") | st.dictionaries(st.text(max_size=2), ODD)),
)


@given(st.lists(CHUNKS | ODD))
def test_whatever_comes_the_blocks_and_the_end_are_in_order(chunks: list[Any]) -> None:
    events = read(*(json.dumps(item) for item in chunks))
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    opened = [event.block for event in events if isinstance(event, BlockStart)]
    assert sorted(opened) == sorted(event.block for event in events if isinstance(event, BlockStop))
    assert len(set(opened)) == len(opened)
    if any(isinstance(event, Error) and event.fatal for event in events):
        assert events[-1] == End(False)


BEGUN = call("tool-input-start", toolName="add")

# name: (the pieces of the input, its whole, the arguments, errors)
INPUTS: dict[str, tuple[list[Any], dict[str, Any], str, int]] = {
    "no pieces": ([], {"input": {"a": 1}}, '{"a": 1}', 0),
    "all pieces": (['{"a":', "1}"], {"input": {"a": 1}}, '{"a":1}', 0),
    "the rest": (['{"a":1'], {"input": {"a": 1, "b": 2}}, '{"a":1,"b":2}', 0),
    "the rest, with blanks": (['{"a": '], {"input": {"a": 1}}, '{"a": 1}', 0),
    "another input": (['{"a":2}'], {"input": {"a": 1}}, '{"a": 1}', 1),
    "an input that is no JSON": (['{"a'], {"input": '{"a'}, '{"a', 0),
    "the rest of one that is no JSON": (['{"a'], {"input": '{"a":x}'}, '{"a":x}', 0),
    "no input": (['{"a":1}'], {}, '{"a":1}', 0),
    "a piece that is an object": ([{"a": 1}], {"input": {"a": 1}}, '{"a": 1}', 0),
}


@pytest.mark.parametrize("end", ["tool-input-available", "tool-input-error"])
@pytest.mark.parametrize("name", INPUTS)
def test_an_input_that_is_whole_is_compared_with_its_pieces(name: str, end: str) -> None:
    pieces, whole, arguments, errors = INPUTS[name]
    deltas = [call("tool-input-delta", inputTextDelta=piece) for piece in pieces]
    answer = Answer()
    answer.add_all(read(BEGUN, *deltas, call(end, toolName="add", **whole), chunk("finish"), DONE))
    assert [(it.name, it.arguments) for it in answer.tools] == [("add", arguments)]
    assert sum(isinstance(event, Error) for event in answer.events) == errors


def test_an_input_that_comes_again_is_told_once() -> None:
    again = call("tool-input-available", toolName="add", input={"a": 1})
    answer = Answer()
    answer.add_all(read(BEGUN, again, again, chunk("finish"), DONE))
    assert [it.arguments for it in answer.tools] == ['{"a": 1}']
    assert answer.error is None
