"""OpenAI Realtime: one response after another on a socket, the names that providers give, errors that are no end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from tokenwire.dialects.openai_realtime import OPENAI_REALTIME
from tokenwire.errors import LocalProtocolError
from tokenwire.session.request import build_request


def read(*messages: Any) -> list[StreamEvent]:
    """The events of the messages of one response, with the raw messages of `Other` left out of comparison."""
    decoder = Decoder("openai-realtime")
    events = [event for message in messages for event in decoder.receive_message(json.dumps(message))]
    events += decoder.receive_eof(cut=True)
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def said(*messages: Any) -> list[StreamEvent]:
    """The events of what stands between `response.created` and `response.done`."""
    events = read(CREATED, *messages, DONE)
    assert events[0] == Start("r1", "")
    return events[1:]


def response(step: str, status: Any, name: str = "r1", **members: Any) -> dict[str, Any]:
    described = {"object": "realtime.response", "id": name, "status": status, "output": [], **members}
    return {"type": f"response.{step}", "event_id": "e", "response": described}


def event(kind: str, item: str = "i1", **members: Any) -> dict[str, Any]:
    place = {"response_id": "r1", "item_id": item, "output_index": 0, "content_index": 0}
    return {"type": f"response.{kind}", "event_id": "e", **place, **members}


def item(step: str, kind: str, known_by: str = "i1", **members: Any) -> dict[str, Any]:
    described = {"id": known_by, "object": "realtime.item", "type": kind, "status": "completed", **members}
    return {"type": f"response.output_item.{step}", "response_id": "r1", "output_index": 0, "item": described}


CREATED = response("created", "in_progress", usage={})
DONE = response("done", "completed", usage={"total_tokens": 3})
ENDED: list[StreamEvent] = [Usage({"total_tokens": 3}, True), Finish("stop", "completed"), End(True)]
CALLED: list[StreamEvent] = [Usage({"total_tokens": 3}, True), Finish("tool_calls", "completed"), End(True)]
HELLO: list[StreamEvent] = [BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0)]


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("output_text", "text"),
        ("text", "text"),
        ("output_audio_transcript", "transcript"),
        ("audio_transcript", "transcript"),
    ],
)
def test_text_and_transcripts_under_the_present_names_and_the_older_ones(name: str, member: str) -> None:
    end = event(f"{name}.done", **{member: "Hello"})
    assert said(event(f"{name}.delta", delta="Hel"), event(f"{name}.delta", delta="lo"), end) == [*HELLO, *ENDED]
    assert said(end) == [BlockStart(0, "text"), TextDelta(0, "Hello"), BlockStop(0), *ENDED]


@pytest.mark.parametrize("kind", ["text", "output_text", "audio", "output_audio"])
def test_an_item_that_came_whole(kind: str) -> None:
    part = {"type": kind, "transcript" if "audio" in kind else "text": "Hello"}
    whole = item("done", "message", role="assistant", content=[part])
    assert said(whole) == [BlockStart(0, "text"), TextDelta(0, "Hello"), BlockStop(0), *ENDED]
    spoken = event("output_audio_transcript.delta", delta="Hello")
    assert [type(event) for event in said(spoken, whole)].count(TextDelta) == 1


def test_what_is_not_of_the_answer_is_handed_on() -> None:
    kinds = [
        "session.updated", "conversation.created", "conversation.item.added", "conversation.item.done", "ping",
        "conversation.item.input_audio_transcription.delta", "input_audio_buffer.speech_started",
        "rate_limits.updated", "response.content_part.added", "response.output_audio.delta", "response.audio.done",
        "output_audio_buffer.started",
    ]  # fmt: skip
    assert said(*({"type": kind, "delta": "AAAA"} for kind in kinds)) == [*(Other(kind, "…") for kind in kinds), *ENDED]


def test_a_failed_transcription_of_the_users_speech_is_no_failure_of_the_answer() -> None:
    kind = "conversation.item.input_audio_transcription.failed"
    assert said({"type": kind, "error": {"code": "x", "message": "no"}}) == [Other(kind, "…"), *ENDED]


def test_a_call() -> None:
    call = {"call_id": "c1", "name": "add"}
    arguments = event("function_call_arguments.done", call_id="c1", name="add", arguments='{"a": 1}')
    start = [BlockStart(0, "tool", "c1", "add")]
    note = [Other("response.function_call_arguments.done", "…")]
    whole = [*start, ToolCallDelta(0, '{"a": 1}'), BlockStop(0), *CALLED]
    pieces = [event("function_call_arguments.delta", call_id="c1", delta=piece) for piece in ('{"a":', " 1}")]
    done = item("done", "function_call", **call, arguments='{"a": 1}')
    assert said(item("added", "function_call", **call, arguments=""), *pieces, arguments, done) == [
        *start, ToolCallDelta(0, '{"a":'), ToolCallDelta(0, " 1}"), *note, BlockStop(0), *CALLED,
    ]  # fmt: skip
    assert said(item("added", "function_call", **call), arguments, done) == whole
    assert said(arguments, done) == whole
    assert said(done) == whole
    assert said(arguments) == whole


def test_items_that_share_their_output_index_are_known_by_their_ids() -> None:
    events = said(
        item("added", "message", "i1"),
        event("output_audio_transcript.delta", "i1", delta="Wait"),
        event("output_audio_transcript.done", "i1", transcript="Wait"),
        item("done", "message", "i1"),
        item("added", "function_call", "i2", call_id="c1", name="add", arguments=""),
        {"type": "response.function_call_arguments.delta", "response_id": "r1", "item_id": "i2", "delta": "{}"},
        event("function_call_arguments.done", "i2", call_id="c1", name="add", arguments="{}"),
        item("done", "function_call", "i2", call_id="c1", name="add", arguments="{}"),
    )
    assert [event for event in events if not isinstance(event, Other)] == [
        BlockStart(0, "text"), TextDelta(0, "Wait"), BlockStop(0),
        BlockStart(1, "tool", "c1", "add"), ToolCallDelta(1, "{}"), BlockStop(1),
        *CALLED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "details", "finish"),
    [
        ("completed", None, Finish("stop", "completed")),
        ("completed", "unimplemented", Finish("stop", "completed")),
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, Finish("cancelled", "turn_detected")),
        ("cancelled", {"type": "cancelled", "reason": "client_cancelled"}, Finish("cancelled", "client_cancelled")),
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, Finish("length", "max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, Finish("content_filter", "content_filter")),
        ("incomplete", {"reason": 7}, Finish("other", "incomplete")),
        (None, None, Finish("other", "")),
    ],
)
def test_how_a_response_ends(status: Any, details: Any, finish: Finish) -> None:
    events = read(CREATED, response("done", status, status_details=details, usage=None))
    assert events == [Start("r1", ""), finish, End(True)]


def test_a_response_that_failed() -> None:
    details = {"type": "failed", "error": {"type": "server_error", "code": "boom", "message": "no"}}
    events = read(CREATED, event("text.delta", delta="a"), response("done", "failed", status_details=details))
    assert events[1:] == [
        BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0),
        Error("boom", "no", True), Finish("error", "failed"), End(False),
    ]  # fmt: skip
    assert Error("", "failed", True) in read(response("done", "failed"))


NO = {"type": "invalid_request_error", "code": "x", "message": "no", "param": None}


@pytest.mark.parametrize("error", [NO, {**NO, "event_id": None}, {**NO, "event_id": "mine"}, {**NO, "event_id": []}])
def test_after_most_errors_the_session_goes_on(error: dict[str, Any]) -> None:
    assert said({"type": "error", "event_id": "e", "error": error}) == [Error("x", "no", False), *ENDED]
    assert said({**error, "type": "error"}) == [Error("x", "no", False), *ENDED]


def test_the_refusal_of_what_was_asked_is_the_end() -> None:
    asked = OPENAI_REALTIME.opening
    assert asked is not None
    (create,) = asked({})
    refusal = {"type": "error", "event_id": "e", "error": {**NO, "event_id": create["event_id"]}}
    assert read({"type": "session.created"}, refusal) == [
        Other("session.created", "…"),
        Error("x", "no", True),
        End(False),
    ]


def test_the_end_of_the_session_is_the_end_of_the_response() -> None:
    expired = {"type": "error", "error": {**NO, "code": "session_expired"}}
    assert read(CREATED, expired) == [Start("r1", ""), Error("session_expired", "no", True), End(False)]


def test_a_socket_that_closes_before_the_response_is_done_cut_it() -> None:
    decoder = Decoder("openai-realtime")
    decoder.receive_message(json.dumps(CREATED))
    assert decoder.receive_eof() == [End(False)]
    assert decoder.outcome == "interrupted"


def test_each_response_of_a_socket_has_a_decoder_of_its_own() -> None:
    messages = [{"type": "session.created", "session": {"model": "m"}}]
    for name in ("r1", "r2"):
        messages += [
            response("created", "in_progress", name),
            {**event("output_text.delta", delta=f"of {name}"), "response_id": name},
            response("done", "completed", name),
            {"type": "rate_limits.updated"},
        ]
    texts = []
    decoder = Decoder("openai-realtime")
    for message in messages:
        texts += [e.text for e in decoder.receive_message(json.dumps(message)) if isinstance(e, TextDelta)]
        if decoder.ended:
            assert decoder.outcome == "clean"
            decoder = Decoder("openai-realtime")
    assert texts == ["of r1", "of r2"]


def test_another_response_at_the_same_time_is_handed_on() -> None:
    other = {**event("output_text.delta", delta="aside"), "response_id": "r2"}
    events = said(response("created", "in_progress", "r2"), other, response("done", "completed", "r2"))
    assert events == [Other(f"response.{kind}", "…") for kind in ("created", "output_text.delta", "done")] + ENDED


def test_a_response_without_an_id_takes_what_comes() -> None:
    events = read({"type": "response.created", "response": {}}, event("text.delta", delta="a"), DONE)
    assert TextDelta(0, "a") in events
    assert events[-1] == End(True)


def test_the_model_is_named_by_the_session() -> None:
    session = {"type": "session.created", "session": {"id": "s", "model": "gpt-realtime"}}
    assert read(session, CREATED)[:2] == [Other("session.created", "…"), Start("r1", "gpt-realtime")]


def test_a_session_that_translates() -> None:
    messages = [
        {"type": "session.created", "session": {"type": "translation"}},
        {"type": "session.input_transcript.delta", "delta": " The", "elapsed_ms": 600},
        {"type": "session.output_transcript.delta", "delta": "La", "elapsed_ms": 2400},
        {"type": "session.output_audio.delta", "delta": "AQID"},
        {"type": "session.output_transcript.delta", "delta": " rápida", "elapsed_ms": 2600},
        {"type": "session.closed"},
    ]
    assert read(*messages) == [
        Other("session.created", "…"),
        Other("session.input_transcript.delta", "…"),
        BlockStart(0, "text"),
        TextDelta(0, "La"),
        Other("session.output_audio.delta", "…"),
        TextDelta(0, " rápida"),
        BlockStop(0),
        End(True),
    ]


# What is asked.


def test_a_prompt_as_the_first_messages() -> None:
    tools = [Tool("add", "adds", {"type": "object"})]
    request = build_request(
        "wss://api.example",
        OPENAI_REALTIME,
        json=OPENAI_REALTIME.ask(Prompt("hi", "m 1", "be brief", 5, tools)),
        key="k",
    )
    assert request.http.target.path == "/v1/realtime?model=m%201"
    assert ("authorization", "Bearer k") in request.http.headers
    said, asked = (json.loads(message) for message in request.messages)
    assert said == {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    }
    assert asked["type"] == "response.create"
    assert asked["response"] == {
        "output_modalities": ["text"],
        "instructions": "be brief",
        "max_output_tokens": 5,
        "tools": [{"type": "function", "name": "add", "description": "adds", "parameters": {"type": "object"}}],
    }


def test_a_url_that_names_the_model_needs_no_other() -> None:
    url = "wss://api.example/v1/realtime?model=m"
    request = build_request(url, OPENAI_REALTIME, json=OPENAI_REALTIME.ask(Prompt("hi")))
    assert request.http.target.path == "/v1/realtime?model=m"
    assert len(request.messages) == 2


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="name one"):
        build_request("wss://api.example", OPENAI_REALTIME, json=OPENAI_REALTIME.ask(Prompt("hi")))
    with pytest.raises(LocalProtocolError, match="openai-realtime is spoken over WebSocket alone"):
        build_request("https://api.example", OPENAI_REALTIME, json=OPENAI_REALTIME.ask(Prompt("hi", "m")))


# Whatever comes.

WORD = st.sampled_from(
    ["", "a", "é", "\ud83d", "\ude00", "r1", "r2", "i1", "completed", "failed", "message", "function_call", "mcp_call",
     "audio", "session_expired"]
)  # fmt: skip
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | WORD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "id", "reason"]), inner),
    max_leaves=4,
)
KIND = st.sampled_from(
    [f"response.{kind}" for kind in (
        "created", "done", "output_item.added", "output_item.done", "output_text.delta", "output_text.done",
        "audio_transcript.delta", "audio_transcript.done", "function_call_arguments.delta",
        "function_call_arguments.done", "mcp_call_arguments.delta")]
    + ["error", "session.created", "session.closed", "session.output_transcript.delta"]
)  # fmt: skip
OBJECT = st.dictionaries(
    st.sampled_from(["id", "type", "name", "call_id", "arguments", "content", "status", "status_details", "usage"]),
    WORD | VALUE,
)
MESSAGE = st.fixed_dictionaries(
    {"type": KIND | VALUE},
    optional=dict.fromkeys(("delta", "text", "transcript", "arguments", "response_id", "item_id", "name"), WORD | VALUE)
    | dict.fromkeys(("item", "response", "session", "error"), OBJECT | VALUE)
    | {"content_index": VALUE},
)


@given(st.lists(MESSAGE | VALUE, max_size=12))
def test_whatever_comes_gives_events_that_hold_together(messages: list[Any]) -> None:
    events = read(*messages)
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
