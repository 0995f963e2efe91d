"""OpenAI Responses: the output in every shape, errors, and what proxies and other servers make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts, every_way
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Again, Broken, Prompt, Tool
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
from tokenwire.dialects.openai_responses import OPENAI_RESPONSES
from tokenwire.errors import LocalProtocolError
from tokenwire.session.request import build_request


def sse(*messages: Any, named: bool = True) -> bytes:
    """Messages as the API writes them: the name of the event is the type of its data."""
    lines = [
        (f"event: {message['type']}\n" if named else "") + f"data: {json.dumps(message)}\n\n" for message in messages
    ]
    return "".join(lines).encode()


def decode(*pieces: bytes) -> list[StreamEvent]:
    decoder = Decoder("openai-responses")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


def over_websocket(*messages: Any) -> list[StreamEvent]:
    decoder = Decoder("openai-responses")
    events = [event for message in messages for event in decoder.receive_message(json.dumps(message))]
    return events + decoder.receive_eof(cut=True)


def without_raw(events: list[StreamEvent]) -> list[StreamEvent]:
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def read(*messages: Any) -> list[StreamEvent]:
    """The events of a stream, with the raw messages of `Other` left out of comparison."""
    return without_raw(decode(sse(*messages)))


def said(*messages: Any) -> list[StreamEvent]:
    """The events of what stands between `response.created` and `response.completed`."""
    events = read(CREATED, *messages, COMPLETED)
    assert events[0] == START
    return events[1:]


def event(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **members}


def response(kind: str, status: Any = None, **members: Any) -> dict[str, Any]:
    status = kind if status is None else status
    return event(kind, response={"id": "resp_1", "model": "m", "status": status, "output": [], **members})


def delta(kind: str, text: Any, output: Any = 0, **members: Any) -> dict[str, Any]:
    place = {} if output is None else {"output_index": output}
    return event(f"{kind}.delta", delta=text, **place, **members)


def done(kind: str, output: Any = 0, **members: Any) -> dict[str, Any]:
    place = {} if output is None else {"output_index": output}
    return event(f"{kind}.done", **place, **members)


def text(piece: Any, output: Any = 0, content: Any = 0, **members: Any) -> dict[str, Any]:
    return delta("output_text", piece, output, content_index=content, **members)


def item(step: str, kind: str, index: Any = 0, **members: Any) -> dict[str, Any]:
    place = {} if index is None else {"output_index": index}
    return event(f"output_item.{step}", item={"type": kind, "id": "item_1", **members}, **place)


def call(step: str, output: Any = 0, **members: Any) -> dict[str, Any]:
    return item(step, "function_call", output, **{"call_id": "c1", "name": "add", "arguments": "", **members})


def spoken(block: int, *pieces: str, kind: Any = "text") -> list[StreamEvent]:
    return [BlockStart(block, kind), *(TextDelta(block, piece) for piece in pieces), BlockStop(block)]


def thought(block: int, *pieces: str) -> list[StreamEvent]:
    return [BlockStart(block, "reasoning"), *(ReasoningDelta(block, piece) for piece in pieces), BlockStop(block)]


def called(block: int, *pieces: str, kind: Any = "tool", tool_id: str = "c1", name: str = "add") -> list[StreamEvent]:
    start = BlockStart(block, kind, tool_id, name)
    return [start, *(ToolCallDelta(block, piece) for piece in pieces), BlockStop(block)]


CREATED = response("created", "in_progress")
COMPLETED = response("completed", usage={"total_tokens": 3})
START = Start("resp_1", "m")
COUNTED = Usage({"total_tokens": 3}, True)
STOP: list[StreamEvent] = [COUNTED, Finish("stop", "completed"), End(True)]
CALLS: list[StreamEvent] = [COUNTED, Finish("tool_calls", "completed"), End(True)]
ANEW = Error(
    "whole_differs", "the whole of the call in block 0 is not what its deltas said: the call is given anew", False
)
ADDED, PART, PART_DONE, ITEM_DONE = (
    Other(f"response.{kind}", "…")
    for kind in ("output_item.added", "content_part.added", "content_part.done", "output_item.done")
)

# (what stands between created and completed, its events)
SHAPES: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "as OpenAI sends text": (
        [
            event("in_progress", response={"id": "resp_1"}),
            item("added", "message", content=[]),
            event("content_part.added", output_index=0, content_index=0, part={"type": "output_text", "text": ""}),
            text("Hel", obfuscation="x7"),
            text("lo"),
            done("output_text", content_index=0, text="Hello"),
            event("content_part.done", output_index=0, content_index=0, part={"type": "output_text", "text": "Hello"}),
            item("done", "message", content=[{"type": "output_text", "text": "Hello"}]),
        ],
        [Other("response.in_progress", "…"), ADDED, PART, *spoken(0, "Hel", "lo"), PART_DONE, ITEM_DONE, *STOP],
    ),
    "another id in every message": (
        [
            item("added", "message", id="a"),
            text("Hel", item_id="b"),
            text("lo", item_id="c"),
            done("output_text", content_index=0, text="Hello", item_id="d"),
            item("done", "message", id="e", content=[{"type": "output_text", "text": "Hello"}]),
        ],
        [ADDED, *spoken(0, "Hel", "lo"), ITEM_DONE, *STOP],
    ),
    "ids and no index": (
        [
            text("hm", None, None, item_id="a"),
            call("added", None, id="f1", call_id="c1"),
            delta("function_call_arguments", "{", None, item_id="f1"),
            call("added", None, id="f2", call_id="c2", name="now"),
            delta("function_call_arguments", "[]", None, item_id="f2"),
            delta("function_call_arguments", "}", None, item_id="f1"),
            done("output_text", None, text="hm", item_id="a"),
            call("done", None, id="f1", arguments="{}"),
            call("done", None, id="f2", arguments="[]"),
        ],
        [
            BlockStart(0, "text"), TextDelta(0, "hm"),
            BlockStart(1, "tool", "c1", "add"), ToolCallDelta(1, "{"),
            BlockStart(2, "tool", "c2", "now"), ToolCallDelta(2, "[]"),
            ToolCallDelta(1, "}"),
            BlockStop(0), BlockStop(1), BlockStop(2),
            *CALLS,
        ],
    ),
    "a part whose number is not its place in the item": (
        [text("a", 1, 1), item("done", "message", 1, content=[{"type": "output_text", "text": "a"}])],
        [BlockStart(0, "text"), TextDelta(0, "a"), ITEM_DONE, BlockStop(0), *STOP],
    ),
    "two parts": (
        [text("a"), done("output_text", content_index=0, text="a"), text("b", content=1)],
        [*spoken(0, "a"), BlockStart(1, "text"), TextDelta(1, "b"), BlockStop(1), *STOP],
    ),
    "no delta, the part whole": (
        [done("output_text", content_index=0, text="Hello"), item("done", "message", content=[{"type": "output_text",
         "text": "Hello"}])],
        [*spoken(0, "Hello"), ITEM_DONE, *STOP],
    ),
    "no delta, the item whole": (
        [
            item("done", "reasoning", summary=[{"type": "summary_text", "text": "s"}],
                 content=[{"type": "reasoning_text", "text": "c"}]),
            item("done", "message", 1, content=[{"type": "output_text", "text": "Hello"}, {"type": "hologram"},
                                                {"type": "refusal", "refusal": "no"}, True]),
        ],
        [*thought(0, "s"), *thought(1, "c"), *spoken(2, "Hello"), *spoken(3, "no", kind="refusal"), ITEM_DONE, *STOP],
    ),
    "an empty text": (
        [text(""), done("output_text", content_index=0, text="")],
        [Other("response.output_text.done", "…"), *STOP],
    ),
    "a surrogate pair in two pieces": ([text("\ud83d"), text("\ude00")],
                                       [BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0), *STOP]),
    "a refusal": (
        [delta("refusal", "I ", content_index=0), delta("refusal", "won't", content_index=0),
         done("refusal", content_index=0, refusal="I won't")],
        [*spoken(0, "I ", "won't", kind="refusal"), *STOP],
    ),
    "reasoning": (
        [
            item("added", "reasoning", summary=[]),
            delta("reasoning_summary_text", "a", summary_index=0),
            done("reasoning_summary_text", summary_index=0, text="a"),
            delta("reasoning_summary_text", "b", summary_index=1),
            delta("reasoning_text", "c", content_index=0),
            item("done", "reasoning", summary=[{"type": "summary_text", "text": "ab"}], encrypted_content="gA…"),
        ],
        [
            ADDED, *thought(0, "a"), BlockStart(1, "reasoning"), ReasoningDelta(1, "b"),
            BlockStart(2, "reasoning"), ReasoningDelta(2, "c"), ITEM_DONE, BlockStop(1), BlockStop(2), *STOP,
        ],
    ),
    "a transcript": (
        [event("audio.delta", delta="AAAA"), event("audio.transcript.delta", delta="hi")],
        [Other("response.audio.delta", "…"), BlockStart(0, "text"), TextDelta(0, "hi"), BlockStop(0), *STOP],
    ),
    "a call in pieces": (
        [
            call("added"),
            delta("function_call_arguments", '{"a":'),
            delta("function_call_arguments", " 1}"),
            done("function_call_arguments", arguments='{"a": 1}'),
            call("done", arguments='{"a": 1}'),
        ],
        [BlockStart(0, "tool", "c1", "add"), ToolCallDelta(0, '{"a":'), ToolCallDelta(0, " 1}"),
         Other("response.function_call_arguments.done", "…"), BlockStop(0), *CALLS],
    ),
    "a call, whole at its end": ([call("added"), call("done", arguments="{}")], [*called(0, "{}"), *CALLS]),
    "a call, whole in its arguments' end": (
        [call("added"), done("function_call_arguments", arguments="{}"), call("done", arguments="{}")],
        [*called(0, "{}"), *CALLS],
    ),
    "a call that was not announced": ([call("done", arguments="{}"), call("done", arguments="{}")],
                                      [*called(0, "{}"), ITEM_DONE, *CALLS]),
    "arguments of a call that was not announced": (
        [delta("function_call_arguments", "{}", item_id="f1"), call("done", arguments="{}")],
        [*called(0, "{}", tool_id="f1", name=""), ANEW,
         BlockStart(1, "tool", "c1", "add", replaces=0), ToolCallDelta(1, "{}"), BlockStop(1), *CALLS],
    ),
    "a call without arguments": ([call("added"), call("done")], [*called(0), *CALLS]),
    "arguments as an object": ([call("done", arguments={"a": 1})], [*called(0, '{"a": 1}'), *CALLS]),
    "a call that has no end": ([call("added"), delta("function_call_arguments", "{}")], [*called(0, "{}"), *CALLS]),
    "two calls at once": (
        [call("added"), call("added", 1, call_id="c2"), delta("function_call_arguments", "{}", 1),
         delta("function_call_arguments", "[]", 0)],
        [BlockStart(0, "tool", "c1", "add"), BlockStart(1, "tool", "c2", "add"), ToolCallDelta(1, "{}"),
         ToolCallDelta(0, "[]"), BlockStop(0), BlockStop(1), *CALLS],
    ),
    "a custom tool": (
        [item("added", "custom_tool_call", call_id="c1", name="sql", input=""), delta("custom_tool_call_input", "SEL"),
         delta("custom_tool_call_input", "ECT"), item("done", "custom_tool_call", input="SELECT")],
        [*called(0, "SEL", "ECT", name="sql"), *CALLS],
    ),
    "a tool that the server runs": (
        [item("added", "mcp_call", name="ask", server_label="wiki"), event("mcp_call.in_progress", output_index=0),
         delta("mcp_call_arguments", "{}"), item("done", "mcp_call", name="ask", arguments="{}", output="42")],
        [BlockStart(0, "server_tool", "item_1", "ask"), Other("response.mcp_call.in_progress", "…"),
         ToolCallDelta(0, "{}"), BlockStop(0), *STOP],
    ),
    "what has no place among the events": (
        [
            item("added", "web_search_call"),
            event("web_search_call.searching", output_index=0),
            event("image_generation_call.partial_image", partial_image_b64="UklG"),
            event("output_text.annotation.added", annotation={"type": "url_citation"}),
            event("shell_call_output_content.delta", delta={"stdout": "x"}),
            event("steer.accepted", steer={"id": "s"}),
            event("telepathy.delta", delta="x"),
            {"type": "keepalive", "sequence_number": 3},
        ],
        [ADDED, *(Other(kind, "…") for kind in (
            "response.web_search_call.searching", "response.image_generation_call.partial_image",
            "response.output_text.annotation.added", "response.shell_call_output_content.delta",
            "response.steer.accepted", "response.telepathy.delta",
            "keepalive")), *STOP],
    ),
    "deltas that are none": ([text(None), text({"a": 1}), delta("output_text", "a", "x", content_index=[])],
                             [*[Other("response.output_text.delta", "…")] * 2, *spoken(0, "a"), *STOP]),
    "a delta that is a number": ([text(7), text("a")], [*spoken(0, "7", "a"), *STOP]),
    "more after the end of a part": (
        [text("a"), done("output_text", content_index=0, text="a"), text("b")],
        [*spoken(0, "a"), BlockStart(1, "text"), TextDelta(1, "b"), BlockStop(1), *STOP],
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    messages, events = SHAPES[shape]
    assert said(*messages) == events


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_alike_over_websocket_and_without_the_name_of_the_event(shape: str) -> None:
    messages = [CREATED, *SHAPES[shape][0], COMPLETED]
    assert without_raw(over_websocket(*messages)) == read(*messages)
    assert without_raw(decode(sse(*messages, named=False))) == read(*messages)


def test_the_type_may_stand_in_the_name_of_the_event_alone() -> None:
    lines = "".join(
        f"event: {m['type']}\ndata: {json.dumps({k: v for k, v in m.items() if k != 'type'})}\n\n"
        for m in (CREATED, text("a"), COMPLETED)
    )
    assert decode(lines.encode()) == read(CREATED, text("a"), COMPLETED)


@pytest.mark.parametrize(
    ("message", "finish"),
    [
        (response("completed"), Finish("stop", "completed")),
        (response("completed", output=[{"type": "function_call"}]), Finish("tool_calls", "completed")),
        (response("completed", output=[{"type": ["x"]}, {"type": "message"}]), Finish("stop", "completed")),
        (response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
         Finish("length", "max_output_tokens")),
        (response("incomplete", incomplete_details={"reason": "content_filter"}),
         Finish("content_filter", "content_filter")),
        (response("incomplete", incomplete_details={"reason": "steered"}), Finish("other", "steered")),
        (response("incomplete", incomplete_details={"reason": "boredom"}), Finish("other", "boredom")),
        (response("incomplete", incomplete_details=None), Finish("other", "incomplete")),
        (response("completed", "incomplete", incomplete_details={"reason": "max_output_tokens"}),
         Finish("length", "max_output_tokens")),
        (response("cancelled"), Finish("cancelled", "cancelled")),
        (response("completed", "in_progress"), Finish("stop", "completed")),
        (event("completed"), Finish("stop", "completed")),
        (event("incomplete", response=None), Finish("other", "incomplete")),
    ],
)  # fmt: skip
def test_how_a_response_ends(message: Any, finish: Finish) -> None:
    assert read(CREATED, message) == [START, finish, End(True)]


@pytest.mark.parametrize(
    ("message", "finish", "name"),
    [
        (response("completed", output=[True]), Finish("stop", "completed"), "output"),
        (response("completed", usage=7), Finish("stop", "completed"), "usage"),
        (event("incomplete", response="x"), Finish("other", "incomplete"), "response"),
    ],
)
def test_an_end_that_holds_what_has_no_meaning_tells_so(message: Any, finish: Finish, name: str) -> None:
    assert read(CREATED, message) == [START, finish, Other(name, "…"), End(True)]


def test_a_call_that_was_cut_off_by_the_limit_is_no_tool_call() -> None:
    limit = response("incomplete", incomplete_details={"reason": "max_output_tokens"})
    events = read(CREATED, call("added"), delta("function_call_arguments", '{"a'), limit)
    assert events[-2:] == [Finish("length", "max_output_tokens"), End(True)]


QUOTA = {"type": "insufficient_quota", "code": "quota", "message": "pay"}
FAILED = response("failed", error={"code": "quota", "message": "pay"}, usage=None)
FATAL = Error("quota", "pay", True)


@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "sequence_number": 2, "error": QUOTA},
        {"type": "error", "code": "quota", "message": "pay", "param": None},
        {"error": QUOTA},
        {"type": None, "error": QUOTA},
        {"type": "error", "status": 429, "error": QUOTA, "stream_id": ""},
    ],
)
def test_an_error_and_the_failure_that_it_announces_are_one(error: Any) -> None:
    finish = Finish("error", "failed")
    for end in ([FAILED], [response("failed")], [event("failed")]):
        assert over_websocket(CREATED, text("a"), error, *end) == [
            START, BlockStart(0, "text"), TextDelta(0, "a"), FATAL, BlockStop(0), finish, End(False),
        ]  # fmt: skip
    assert over_websocket(CREATED, error) == [START, FATAL, End(False)]
    assert over_websocket(CREATED, error, COMPLETED)[-1] == End(False)


def test_a_failure_that_nothing_announced() -> None:
    assert read(CREATED, FAILED) == [START, FATAL, Finish("error", "failed"), End(False)]
    assert read(CREATED, response("completed", "failed", error=QUOTA))[-3:-1] == [FATAL, Finish("error", "failed")]
    assert read(CREATED, response("failed", error="x"))[1] == Error("", "x", True)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'event: error\ndata: {"type": "server_error", "message": "no"}\n\n', Error("server_error", "no", True)),
        (b"event: error\ndata: upstream is gone\n\n", Error("", "upstream is gone", True)),
        (b'data: {"error": "no"}\n\n', Error("", "no", True)),
        (b'{"error": {"code": 500, "message": "no"}}\n', Error("500", "no", True)),
        (b'event: error\ndata: {"type": "error"}\n\n', Error("error", '{"type": "error"}', True)),
    ],
)
def test_errors_that_others_put_into_the_stream(line: bytes, error: Error) -> None:
    for pieces in every_way(sse(CREATED) + line):
        assert decode(*pieces) == [START, error, End(False)], pieces


def test_a_refused_request_is_the_end_though_the_socket_stays_open() -> None:
    refused = {"type": "error", "status": 400, "error": {"code": "previous_response_not_found", "message": "no"}}
    decoder = Decoder("openai-responses")
    assert decoder.receive_message(json.dumps(refused)) == [
        Error("previous_response_not_found", "no", True),
        End(False),
    ]
    assert decoder.outcome == "error"


def test_an_end_without_a_terminal_message_is_a_cut_and_done_is_no_terminal() -> None:
    for tail in (b"", b"data: [DONE]\n\n"):
        decoder = Decoder("openai-responses")
        decoder.receive_data(sse(CREATED, text("a")) + tail)
        assert decoder.receive_eof()[-2:] == [BlockStop(0), End(False)]
        assert decoder.outcome == "interrupted"


def test_done_after_the_terminal_message_says_nothing() -> None:
    assert decode(sse(CREATED, COMPLETED) + b"data: [DONE]\n\n") == decode(sse(CREATED, COMPLETED))


def test_a_message_of_a_stream_that_was_cut_inside_it() -> None:
    events = decode(sse(CREATED) + b'data: {"type":"response.output_te\n\n')
    assert isinstance(events[1], Error)
    assert (events[1].code, events[1].fatal) == ("invalid_json", False)


def test_the_cursor_is_the_sequence_number() -> None:
    numbered = [{**message, "sequence_number": n} for n, message in enumerate([CREATED, text("a"), COMPLETED])]
    assert [event.cursor for event in decode(sse(*numbered))] == ["0", "1", "1", "2", "2", "2", "2"]
    assert {event.cursor for event in decode(sse(CREATED, {**text("a"), "sequence_number": "x"}, COMPLETED))} == {None}


def test_a_resumed_stream_goes_on_in_the_decoder_that_read_its_beginning() -> None:
    decoder = Decoder("openai-responses")
    answer = Answer()
    answer.add_all(decoder.receive_data(sse(CREATED, text("Hel"))))
    answer.add_all(decoder.receive_data(sse(text("lo"), done("output_text", content_index=0, text="Hello"), COMPLETED)))
    assert answer.text == "Hello"
    assert decoder.outcome == "clean"


def test_a_resumed_stream_may_begin_without_created() -> None:
    queued = response("queued", "queued")
    assert read(queued, text("a"), COMPLETED)[0] == START
    assert read(text("a"), COMPLETED) == [
        BlockStart(0, "text"), TextDelta(0, "a"), START, BlockStop(0), *STOP,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "resumed"),
    [
        ({"background": True}, True),
        ({"background": True, "store": True}, True),
        ({"background": True, "store": None}, True),
        ({"background": True, "store": False}, False),
        ({"background": False, "store": True}, False),
        ({"store": True}, False),
    ],
)
def test_only_what_is_stored_and_runs_in_the_background_is_resumed(asked: dict[str, Any], resumed: bool) -> None:
    assert OPENAI_RESPONSES.resuming is not None
    again = OPENAI_RESPONSES.resuming(Broken("/v1/responses", {}, asked, id="resp_1", cursor="7"))
    assert again == (Again("/v1/responses/resp_1?stream=true&starting_after=7") if resumed else None)


def lane(message: dict[str, Any], name: Any) -> dict[str, Any]:
    return {**message, "stream_id": name}


def test_other_lanes_of_the_socket_are_handed_on() -> None:
    events = over_websocket(
        lane(CREATED, "a"),
        lane(response("created", "in_progress", id="resp_2"), "b"),
        lane(text("of b"), "b"),
        lane(text("of a"), "a"),
        text("of a too"),
        lane(COMPLETED, "b"),
        lane({"type": "error", "error": QUOTA}, "b"),
        lane(COMPLETED, "a"),
    )
    assert without_raw(events) == [
        START,
        Other("response.created", "…"),
        Other("response.output_text.delta", "…"),
        BlockStart(0, "text"),
        TextDelta(0, "of a"),
        TextDelta(0, "of a too"),
        Other("response.completed", "…"),
        Other("error", "…"),
        BlockStop(0),
        *STOP,
    ]


def test_a_response_in_no_lane_knows_those_that_are_in_one() -> None:
    events = over_websocket(CREATED, lane(text("of b"), "b"), text("mine"), COMPLETED)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["mine"]


def test_each_lane_read_by_a_decoder_of_its_own() -> None:
    messages = [lane(message, name) for message in (CREATED, text("x"), COMPLETED) for name in ("a", "b")]
    for name in ("a", "b"):
        decoder = Decoder("openai-responses")
        answer = Answer()
        for message in messages:
            if message["stream_id"] == name:
                answer.add_all(decoder.receive_message(json.dumps(message)))
        assert (answer.text, decoder.outcome) == ("x", "clean")


def test_the_successor_of_a_steered_response_is_another_response() -> None:
    steered = response("incomplete", incomplete_details={"reason": "steered"})
    decoder = Decoder("openai-responses")
    assert decoder.receive_message(json.dumps(CREATED)) == [START]
    assert decoder.receive_message(json.dumps(steered)) == [Finish("other", "steered"), End(True)]
    assert decoder.receive_message(json.dumps(CREATED)) == []


def test_a_transcription_is_of_the_same_form() -> None:
    body = (
        b'data: {"type":"transcript.text.delta","delta":"Ruby"}\r\n\r\n'
        b'data: {"type":"transcript.text.delta","delta":"!"}\r\n\r\n'
        b'data: {"type":"transcript.text.done","text":"Ruby!","usage":{"total_tokens":3}}\r\n\r\ndata: [DONE]\r\n\r\n'
    )
    for pieces in every_way(body):
        assert decode(*pieces) == [*spoken(0, "Ruby", "!"), COUNTED, End(True)]
    assert decode(body[: body.index(b"data: {", 60)])[-1] == End(False)
    assert decode(b'data: {"type":"transcript.text.done","text":"Ruby!"}\n\n') == [*spoken(0, "Ruby!"), End(True)]


def test_raw_is_the_message_as_received() -> None:
    padded = '{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}       '
    assert [event.raw for event in decode(f"data: {padded}\n\n".encode())] == [padded, padded, "", ""]


def test_the_cut_makes_no_difference() -> None:
    messages, _ = SHAPES["as OpenAI sends text"]
    stream = sse(CREATED, *messages, COMPLETED)
    for pieces in every_way(stream):
        assert decode(*pieces) == decode(stream), [len(piece) for piece in pieces]


# What is asked.

ADD = Tool("add", "adds", {"type": "object", "properties": {}})


def test_a_prompt_as_a_body() -> None:
    assert OPENAI_RESPONSES.ask(Prompt("hi")) == {"input": "hi"}
    assert OPENAI_RESPONSES.ask(Prompt("hi", "m", "be brief", 5, [ADD])) == {
        "model": "m",
        "instructions": "be brief",
        "input": "hi",
        "max_output_tokens": 5,
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "adds",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
    }


def test_a_request_over_http() -> None:
    request = build_request("https://api.example/v1", OPENAI_RESPONSES, json={"input": "hi"}, key="k")
    assert request.http.target.url == "https://api.example/v1/responses"
    assert json.loads(request.http.body) == {"stream": True, "input": "hi"}
    assert ("authorization", "Bearer k") in request.http.headers


def test_a_request_over_websocket() -> None:
    asked = {"model": "m", "input": "hi", "stream": True, "background": True, "stream_id": "a"}
    request = build_request("wss://api.example", OPENAI_RESPONSES, json=asked)
    assert request.http.target.path == "/v1/responses"
    assert [json.loads(message) for message in request.messages] == [
        {"type": "response.create", "model": "m", "input": "hi", "stream_id": "a"}
    ]


def test_a_request_that_is_no_json_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="not JSON"):
        build_request("wss://api.example", OPENAI_RESPONSES, json={"input": float("nan")})


# Whatever comes.

WORD = st.sampled_from(
    ["a", "", "é", "\ud83d", "\ude00", "completed", "failed", "steered", "function_call", "mcp_call", "message",
     "reasoning", "output_text", "summary_text", "refusal", "c1", "custom_tool_call"]
)  # fmt: skip
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | WORD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "id", "text"]), inner),
    max_leaves=4,
)
ANY = WORD | VALUE
PIECE = st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "text", "refusal", "transcript"), ANY))
ITEM = st.fixed_dictionaries(
    {"type": WORD},
    optional=dict.fromkeys(("id", "call_id", "name", "arguments", "input"), ANY)
    | dict.fromkeys(("content", "summary"), st.lists(PIECE, max_size=2) | VALUE),
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "model", "status", "error", "usage"), ANY)
    | {"output": st.lists(ITEM, max_size=2), "incomplete_details": st.fixed_dictionaries({"reason": ANY})},
)
KIND = st.sampled_from(
    [f"response.{kind}" for kind in (
        "created", "queued", "output_item.added", "output_item.done", "output_text.delta", "output_text.done",
        "refusal.delta", "reasoning_text.delta", "reasoning_text.done", "reasoning_summary_text.delta",
        "function_call_arguments.delta", "function_call_arguments.done", "custom_tool_call_input.delta",
        "mcp_call_arguments.delta", "mcp_call_arguments.done", "incomplete", "completed", "failed")]
    + ["error", "transcript.text.delta", "transcript.text.done"]
)  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {"type": KIND | VALUE},
    optional=dict.fromkeys(
        ("delta", "text", "refusal", "arguments", "item_id", "stream_id", "code", "message", "usage"), ANY
    )
    | dict.fromkeys(("output_index", "content_index", "summary_index"), st.integers(0, 2) | VALUE)
    | {"sequence_number": st.integers(0, 9) | VALUE, "item": ITEM | VALUE, "response": RESPONSE | VALUE},
)


@given(st.lists(MESSAGE | VALUE, max_size=12), cuts)
def test_whatever_comes_gives_events_that_hold_together(messages: list[Any], places: list[int]) -> None:
    stream = sse(*messages, named=False)
    events = decode(stream)
    assert decode(*cut_at(stream, places)) == events
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    opened: set[int] = set()
    for event in events:
        if isinstance(event, BlockStart):
            opened.add(event.block)
        elif isinstance(event, BlockStop):
            opened.remove(event.block)
        elif isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            assert event.block in opened
            (event.arguments if isinstance(event, ToolCallDelta) else event.text).encode()
    assert not opened
    if any(isinstance(event, Error) and event.fatal for event in events):
        assert events[-1] == End(False)
