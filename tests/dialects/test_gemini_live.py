"""Gemini Live: one turn over WebSocket, with thoughts, transcriptions, calls, interruptions and a session to resume."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_invariants import check_events

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
from tokenwire.dialects.gemini_live import GEMINI_LIVE
from tokenwire.errors import LocalProtocolError
from tokenwire.session.request import build_request


def decode(*messages: Any, binary: bool = False) -> list[StreamEvent]:
    """The events of messages until the connection ends."""
    decoder = Decoder("gemini-live")
    texts = [json.dumps(message) for message in messages]
    events = [event for text in texts for event in decoder.receive_message(text.encode() if binary else text)]
    return events + decoder.receive_eof(cut=True)


def read(*messages: Any) -> list[StreamEvent]:
    """The same, which frames of both kinds give, without the raw messages of `Other`."""
    events = [Other(event.type, "…") if isinstance(event, Other) else event for event in decode(*messages)]
    assert decode(*messages, binary=True) == decode(*messages)
    return events


def content(**members: Any) -> dict[str, Any]:
    return {"serverContent": members}


def parts(*said: Any) -> dict[str, Any]:
    return content(modelTurn={"parts": list(said)})


def spoken(text: str = "", **members: Any) -> dict[str, Any]:
    return content(outputTranscription={"text": text, **members} if text else members)


def calls(*called: Any) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": list(called)}}


SETUP = {"setupComplete": {"sessionId": "s"}}
TURN = content(turnComplete=True)
START = Start("s", "")
STOPPED = [Finish("stop", "turnComplete"), End(True)]
CALL = {"name": "f", "args": {"a": 1}, "id": "c1"}
CALLED = [BlockStart(0, "tool", "c1", "f"), ToolCallDelta(0, '{"a": 1}'), BlockStop(0)]

CASES: list[tuple[str, list[Any], list[StreamEvent]]] = [
    (
        "text",
        [SETUP, parts({"text": "Hel"}), parts({"text": "lo"}), content(generationComplete=True), TURN],
        [START, BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), Other("generationComplete", "…"),
         BlockStop(0), *STOPPED],
    ),
    (
        "thoughts and speech",
        [SETUP, parts({"text": "Hm.", "thought": True}), spoken("It"), parts({"inlineData": {"data": "…"}}),
         spoken(" is."), spoken(finished=True), TURN],
        [START, BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockStart(1, "text"), TextDelta(1, "It"),
         Other("inlineData", "…"), TextDelta(1, " is."), BlockStop(1), BlockStop(0), *STOPPED],
    ),
    ("a transcription of nothing", [SETUP, spoken(), content(), TURN], [START, *STOPPED]),
    (
        "the last content with the end of the turn",
        [SETUP, {"serverContent": {"modelTurn": {"parts": [{"text": "a"}]}, "turnComplete": True},
                 "usageMetadata": {"totalTokenCount": 1}}],
        [START, BlockStart(0, "text"), TextDelta(0, "a"), Usage({"totalTokenCount": 1}, True), BlockStop(0), *STOPPED],
    ),
    (
        "usage in the middle",
        [SETUP, {"usageMetadata": {"totalTokenCount": 1}}, TURN],
        [START, Usage({"totalTokenCount": 1}, False), *STOPPED],
    ),
    (
        "a call, its answer and the rest of the turn",
        [SETUP, calls(CALL), spoken("Done."), TURN],
        [START, *CALLED, BlockStart(1, "text"), TextDelta(1, "Done."), BlockStop(1), *STOPPED],
    ),
    (
        "a turn that ends with its calls",
        [SETUP, calls(CALL, {"name": "g"}), spoken(finished=True), TURN],
        [START, *CALLED, BlockStart(1, "tool", "", "g"), ToolCallDelta(1, "{}"), BlockStop(1),
         Finish("tool_calls", "turnComplete"), End(True)],
    ),
    (
        "a call whose arguments come in patches",
        [SETUP, calls({"name": "f", "id": "c1", "willContinue": True}),
         calls({"partialArgs": [{"jsonPath": "$.a", "numberValue": 1}]}), TURN],
        [START, CALLED[0], Other("partialArgs", "…"), *CALLED[1:], Finish("tool_calls", "turnComplete"), End(True)],
    ),
    (
        "a call whose last patch the end of the turn cuts off",
        [SETUP, calls({"name": "f", "id": "c1", "willContinue": True}),
         calls({"partialArgs": [{"jsonPath": "$.a", "numberValue": 1}], "willContinue": True}), TURN],
        [START, CALLED[0], Other("partialArgs", "…"), *CALLED[1:], Finish("tool_calls", "turnComplete"), End(True)],
    ),
    (
        "a barge-in",
        [SETUP, spoken("I wa"), content(interrupted=True), TURN],
        [START, BlockStart(0, "text"), TextDelta(0, "I wa"), Other("interrupted", "…"), BlockStop(0),
         Finish("cancelled", "interrupted"), End(True)],
    ),
    (
        "a later turn, which no setup precedes",
        [content(inputTranscription={"text": "What?"}), spoken("Yes."), TURN],
        [Start("", ""), Other("inputTranscription", "…"), BlockStart(0, "text"), TextDelta(0, "Yes."), BlockStop(0),
         *STOPPED],
    ),
    (
        "what the session says for itself",
        [SETUP, {"goAway": {"timeLeft": "10s"}}, {"toolCallCancellation": {"ids": ["c1"]}}, {"voiceActivity": {"a": 1}},
         {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}, TURN],
        [START, Other("goAway", "…"), Other("toolCallCancellation", "…"), Other("voiceActivity", "…"),
         Other("sessionResumptionUpdate", "…"), *STOPPED],
    ),
    (
        "what stands beside the turn",
        [SETUP, content(groundingMetadata={"a": 1}, urlContextMetadata={}, waitingForInput=True), TURN],
        [START, Other("groundingMetadata", "…"), Other("waitingForInput", "…"), *STOPPED],
    ),
    (
        "members that nobody knows, at every depth",
        [SETUP, content(modelTurn={"new": [1]}), content(outputTranscription={"new": 1}), {"toolCall": {"new": 1}},
         TURN],
        [START, *[Other("new", "…")] * 3, *STOPPED],
    ),
    ("a message of none of the kinds", [SETUP, {"new": {}}, TURN], [START, Other("message", "…"), *STOPPED]),
    (
        "an error as a message",
        [SETUP, {"code": 429, "message": "quota"}, spoken("late")],
        [START, Error("429", "quota", True), End(False)],
    ),
    ("an error object", [{"error": {"code": 400, "message": "no"}}], [Error("400", "no", True), End(False)]),
    (
        "a connection that ends in the turn",
        [SETUP, spoken("I"), content(generationComplete=True)],
        [START, BlockStart(0, "text"), TextDelta(0, "I"), Other("generationComplete", "…"), BlockStop(0), End(False)],
    ),
    ("nothing follows the turn", [SETUP, TURN, spoken("late"), TURN], [START, *STOPPED]),
    (
        "values of the wrong type",
        [{"setupComplete": 1}, {"serverContent": []}, content(modelTurn=1, outputTranscription="a", turnComplete="yes"),
         {"toolCall": {"functionCalls": {}}}, {"usageMetadata": 1}, {"sessionResumptionUpdate": 1}, TURN],
        [Start("", ""), Other("setupComplete", "…"), BlockStart(0, "text"), TextDelta(0, "1"), BlockStart(1, "text"),
         TextDelta(1, "a"), Other("usageMetadata", "…"), Other("sessionResumptionUpdate", "…"), BlockStop(0),
         BlockStop(1), *STOPPED],
    ),
    (
        "an error beside text in one message",
        [{**content(outputTranscription={"text": "a"}), "error": {"message": "no"}}],
        [Start("", ""), BlockStart(0, "text"), TextDelta(0, "a"), Error("", "no", True), BlockStop(0), End(False)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_messages_decode_to_events(messages: list[Any], expected: list[StreamEvent]) -> None:
    assert read(*messages) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("NEED_MORE_INPUT", "pause"),
        ("RESPONSE_REJECTED", "refusal"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("MAX_REGENERATION_REACHED", "error"),
        ("PROHIBITED_INPUT_CONTENT", "content_filter"),
        ("GENERATED_AUDIO_SAFETY", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("INPUT_IMAGE_CELEBRITY", "content_filter"),
        ("TURN_COMPLETE_REASON_UNSPECIFIED", "stop"),
        ("NEW_IN_2027", "other"),
    ],
)
def test_the_reason_of_a_turn_has_our_word_and_theirs(reason: str, expected: str) -> None:
    assert read(SETUP, content(turnComplete=True, turnCompleteReason=reason))[1:] == [
        Finish(expected, reason), End(True),  # type: ignore[arg-type]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("update", "cursor"),
    [
        ({"newHandle": "h", "resumable": True}, "h"),
        ({"resumable": False}, None),
        ({"newHandle": "", "resumable": False}, None),
        ({"newHandle": 1}, None),
    ],
)
def test_the_handle_of_a_session_is_the_cursor(update: Any, cursor: str | None) -> None:
    events = decode(SETUP, {"sessionResumptionUpdate": update}, TURN)
    assert [event.cursor for event in events] == [None, cursor, None, None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.text(st.sampled_from("a\ud83d\ude00"), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "parts", "name"]), inner),
    max_leaves=5,
)


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: strategy | JSON for name, strategy in strategies.items()})


PARTS = st.lists(members(text=JSON, thought=st.booleans(), inlineData=JSON), max_size=3)
CALLS = st.lists(members(name=JSON, id=JSON, args=JSON, partialArgs=JSON, willContinue=JSON), max_size=3)
MESSAGES = members(
    setupComplete=JSON,
    serverContent=members(
        modelTurn=members(parts=PARTS), outputTranscription=members(text=JSON, finished=JSON), interrupted=JSON,
        turnComplete=JSON, turnCompleteReason=JSON, inputTranscription=JSON,
    ),
    toolCall=members(functionCalls=CALLS), usageMetadata=JSON, sessionResumptionUpdate=members(newHandle=JSON),
    error=JSON, code=JSON,
)  # fmt: skip


@given(st.lists(MESSAGES | JSON, max_size=6))
def test_whatever_the_members_hold_nothing_raises_and_the_invariants_hold(messages: list[Any]) -> None:
    decoder = Decoder("gemini-live")
    events = [event for message in messages for event in decoder.receive_message(json.dumps(message))]
    events += decoder.receive_eof(cut=True)
    check_events(events, decoder.outcome)


def test_what_is_asked_opens_with_the_setup_and_goes_on_with_what_the_user_says() -> None:
    tool = Tool("add", "adds", {"type": "object"})
    asked = GEMINI_LIVE.ask(Prompt("Hi", "gemini-live", "Be brief.", 5, [tool]))
    request = build_request("wss://api.test", GEMINI_LIVE, json=asked, key="k")
    setup, said = map(json.loads, request.messages)
    assert setup == {
        "setup": {
            "model": "models/gemini-live",
            "generationConfig": {"responseModalities": ["AUDIO"], "maxOutputTokens": 5},
            "outputAudioTranscription": {},
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "add", "description": "adds", "parametersJsonSchema": {"type": "object"}}
                    ]
                }
            ],
        }
    }
    assert said == {
        "clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hi"}]}], "turnComplete": True},
    }
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    assert request.http.target.path == path
    assert dict(request.http.headers)["x-goog-api-key"] == "k"


def test_a_model_with_a_path_keeps_it_and_none_is_left_out() -> None:
    assert GEMINI_LIVE.ask(Prompt("Hi", "publishers/google/models/x"))["setup"]["model"] == "publishers/google/models/x"
    assert "model" not in GEMINI_LIVE.ask(Prompt("Hi"))["setup"]


def test_it_is_not_spoken_over_http() -> None:
    with pytest.raises(LocalProtocolError, match="WebSocket"):
        build_request("https://api.test", GEMINI_LIVE, json={})
