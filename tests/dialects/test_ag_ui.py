"""AG-UI: every event that the protocol's schema has, in its three forms: whole, in chunks, and before 1.0."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects import dialect_named
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


def read(*messages: Any) -> list[StreamEvent]:
    """The events of messages, without the raw text of what is handed on."""
    decoder = Decoder("ag-ui")
    events = decoder.receive_data("".join(f"data: {json.dumps(message)}\n\n" for message in messages).encode())
    return [Other(e.type, "…") if isinstance(e, Other) else e for e in events + decoder.receive_eof()]


def event(type: str, **members: Any) -> dict[str, Any]:  # noqa: A002 - the member's name
    return {"type": type, **members}


FINISHED = event("RUN_FINISHED", threadId="t", runId="r")
STOPPED: list[StreamEvent] = [Finish("stop", ""), End(True)]


def text(*pieces: str, block: int = 0) -> list[StreamEvent]:
    return [BlockStart(block, "text"), *(TextDelta(block, piece) for piece in pieces), BlockStop(block)]


CASES: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "a whole run": (
        [
            event("RUN_STARTED", threadId="t", runId="r"),
            event("STEP_STARTED", stepName="s"),
            event("TEXT_MESSAGE_START", messageId="m", role="assistant"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", delta="Hel"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", delta="lo"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", delta=""),
            event("TEXT_MESSAGE_END", messageId="m"),
            FINISHED,
        ],
        [Start("r", ""), Other("STEP_STARTED", "…"), *text("Hel", "lo"), *STOPPED],
    ),
    "a role that is absent is the assistant's": (
        [
            event("TEXT_MESSAGE_START", messageId="m"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", delta="a"),
            event("TEXT_MESSAGE_END", messageId="m"),
            FINISHED,
        ],
        [*text("a"), *STOPPED],
    ),
    "what the user said is no answer": (
        [
            event("TEXT_MESSAGE_START", messageId="m", role="user"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", delta="a"),
            event("TEXT_MESSAGE_END", messageId="m"),
            FINISHED,
        ],
        [
            Other("TEXT_MESSAGE_START", "…"),
            Other("TEXT_MESSAGE_CONTENT", "…"),
            Other("TEXT_MESSAGE_END", "…"),
            *STOPPED,
        ],
    ),
    "content of a message that never started is handed on": (
        [event("TEXT_MESSAGE_CONTENT", messageId="m", delta="a"), FINISHED],
        [Other("TEXT_MESSAGE_CONTENT", "…"), *STOPPED],
    ),
    "chunks open, continue without an id, and close when something else comes": (
        [
            event("TEXT_MESSAGE_CHUNK", messageId="m", delta="a"),
            event("TEXT_MESSAGE_CHUNK", delta="b"),
            event("STATE_DELTA", delta=[]),
            FINISHED,
        ],
        [*text("a", "b"), Other("STATE_DELTA", "…"), *STOPPED],
    ),
    "asides do not close them": (
        [
            event("TEXT_MESSAGE_CHUNK", messageId="m", delta="a"),
            event("CUSTOM", name="n", value=1),
            event("TEXT_MESSAGE_CHUNK", delta="b"),
            FINISHED,
        ],
        [BlockStart(0, "text"), TextDelta(0, "a"), Other("CUSTOM", "…"), TextDelta(0, "b"), BlockStop(0), *STOPPED],
    ),
    "chunks of another message, and of another kind": (
        [
            event("TEXT_MESSAGE_CHUNK", messageId="m1", delta="a"),
            event("TEXT_MESSAGE_CHUNK", messageId="m2", delta="b"),
            event("TOOL_CALL_CHUNK", toolCallId="c", toolCallName="f", delta="{"),
            event("TOOL_CALL_CHUNK", delta="}"),
            event("REASONING_MESSAGE_CHUNK", messageId="m1", delta="hm"),
            FINISHED,
        ],
        [
            *text("a"),
            *text("b", block=1),
            BlockStart(2, "tool", "c", "f"),
            ToolCallDelta(2, "{"),
            ToolCallDelta(2, "}"),
            BlockStop(2),
            BlockStart(3, "reasoning"),
            ReasoningDelta(3, "hm"),
            BlockStop(3),
            Finish("tool_calls", ""),
            End(True),
        ],
    ),
    "a first chunk without an id, and one that is the user's": (
        [
            event("TEXT_MESSAGE_CHUNK", delta="a"),
            event("TEXT_MESSAGE_CHUNK", messageId="u", role="user", delta="b"),
            event("TEXT_MESSAGE_CHUNK", delta="c"),
            FINISHED,
        ],
        [*[Other("TEXT_MESSAGE_CHUNK", "…")] * 3, *STOPPED],
    ),
    "two tool calls, interleaved": (
        [
            event("TOOL_CALL_START", toolCallId="a", toolCallName="f"),
            event("TOOL_CALL_START", toolCallId="b", toolCallName="g"),
            event("TOOL_CALL_ARGS", toolCallId="a", delta='{"x":'),
            event("TOOL_CALL_ARGS", toolCallId="b", delta="{}"),
            event("TOOL_CALL_ARGS", toolCallId="a", delta="1}"),
            event("TOOL_CALL_END", toolCallId="a"),
            event("TOOL_CALL_END", toolCallId="b"),
            FINISHED,
        ],
        [
            BlockStart(0, "tool", "a", "f"),
            BlockStart(1, "tool", "b", "g"),
            ToolCallDelta(0, '{"x":'),
            ToolCallDelta(1, "{}"),
            ToolCallDelta(0, "1}"),
            BlockStop(0),
            BlockStop(1),
            Finish("tool_calls", ""),
            End(True),
        ],
    ),
    "a call that the agent answered itself is not pending": (
        [
            event("TOOL_CALL_START", toolCallId="a", toolCallName="f"),
            event("TOOL_CALL_END", toolCallId="a"),
            event("TOOL_CALL_RESULT", messageId="m", toolCallId="a", content="3"),
            FINISHED,
        ],
        [BlockStart(0, "tool", "a", "f"), BlockStop(0), Other("TOOL_CALL_RESULT", "…"), *STOPPED],
    ),
    "reasoning": (
        [
            event("REASONING_START", messageId="r"),
            event("REASONING_MESSAGE_START", messageId="r", role="reasoning"),
            event("REASONING_MESSAGE_CONTENT", messageId="r", delta="hm"),
            event("REASONING_MESSAGE_END", messageId="r"),
            event("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="r", encryptedValue="x"),
            event("REASONING_END", messageId="r"),
            FINISHED,
        ],
        [
            Other("REASONING_START", "…"),
            BlockStart(0, "reasoning"),
            ReasoningDelta(0, "hm"),
            BlockStop(0),
            Other("REASONING_ENCRYPTED_VALUE", "…"),
            Other("REASONING_END", "…"),
            *STOPPED,
        ],
    ),
    "thinking, as it was called before 1.0": (
        [
            event("THINKING_START"),
            event("THINKING_TEXT_MESSAGE_START"),
            event("THINKING_TEXT_MESSAGE_CONTENT", delta="hm"),
            event("THINKING_TEXT_MESSAGE_END"),
            FINISHED,
        ],
        [
            Other("THINKING_START", "…"),
            BlockStart(0, "reasoning"),
            ReasoningDelta(0, "hm"),
            BlockStop(0),
            *STOPPED,
        ],
    ),
    "the usage of several models, summed": (
        [
            event(
                "RUN_FINISHED",
                outcome={"type": "success"},
                usage=[
                    {"model": "a", "inputTokens": 2, "outputTokens": 3},
                    {"model": "b", "inputTokens": 5, "reasoningTokens": 1},
                ],
            )
        ],
        [
            Usage({"inputTokens": 7, "outputTokens": 3, "reasoningTokens": 1}, True),
            Finish("stop", "success"),
            End(True),
        ],
    ),
    "calls that are pending, by name": (
        [event("RUN_FINISHED", outcome={"type": "success", "pendingToolCallIds": ["a"]})],
        [Finish("tool_calls", "success"), End(True)],
    ),
    "an interrupt": (
        [event("RUN_FINISHED", outcome={"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval"}]})],
        [Finish("pause", "interrupt"), End(True)],
    ),
    "a cancelled run": (
        [event("RUN_FINISHED", outcome={"type": "cancelled"})],
        [Finish("cancelled", "cancelled"), End(True)],
    ),
    "an outcome of tomorrow": (
        [event("RUN_FINISHED", outcome={"type": "new"})],
        [Finish("other", "new"), End(True)],
    ),
    "a run that failed": (
        [event("TEXT_MESSAGE_CHUNK", messageId="m", delta="a"), event("RUN_ERROR", message="no", code="E1")],
        [*text("a"), Error("E1", "no", True), End(False)],
    ),
    "a run that failed, and what it cost": (
        [event("RUN_ERROR", message="no", usage=[{"inputTokens": 1}])],
        [Usage({"inputTokens": 1}, True), Error("", "no", True), End(False)],
    ),
    "a subagent that failed does not end the run": (
        [event("SUBAGENT_ERROR", subagentRunId="s", message="no"), FINISHED],
        [Error("", "no", False), *STOPPED],
    ),
    "content without a delta": (
        [
            event("TEXT_MESSAGE_START", messageId="m"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", new="a"),
            event("TEXT_MESSAGE_CONTENT", messageId="m", delta=""),
            event("TEXT_MESSAGE_CHUNK", messageId="m", new="a"),
            FINISHED,
        ],
        [
            BlockStart(0, "text"),
            Other("TEXT_MESSAGE_CONTENT", "…"),
            Other("TEXT_MESSAGE_CHUNK", "…"),
            BlockStop(0),
            *STOPPED,
        ],
    ),
    "nothing follows the end": ([FINISHED, event("TEXT_MESSAGE_CHUNK", messageId="m", delta="a")], STOPPED),
    "cut": (
        [event("TEXT_MESSAGE_CHUNK", messageId="m", delta="a")],
        [*text("a"), End(False)],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES)
def test_events_decode(messages: list[Any], expected: list[StreamEvent]) -> None:
    assert read(*messages) == expected


@pytest.mark.parametrize(
    "type",
    ["STATE_SNAPSHOT", "STATE_DELTA", "MESSAGES_SNAPSHOT", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "RAW", "CUSTOM",
     "STEP_STARTED", "STEP_FINISHED", "SUBAGENT_STARTED", "SUBAGENT_FINISHED", "TOOL_CALL_OF_TOMORROW"],
)  # fmt: skip
def test_what_has_no_place_among_the_events_is_handed_on_whole(type: str) -> None:  # noqa: A002
    decoder = Decoder("ag-ui")
    raw = json.dumps({"type": type, "snapshot": {"a": 1}})
    assert decoder.receive_data(f"data: {raw}\n\n".encode()) == [Other(type, raw)]


def test_a_prompt_becomes_the_input_of_a_run() -> None:
    dialect = dialect_named("ag-ui")
    body = dialect.body(dialect.ask(Prompt("Hi", "m1", system="Be brief.", tools=[Tool("f", "does it")])))
    assert set(body) == {"threadId", "runId", "state", "messages", "tools", "context", "forwardedProps"}
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hi"),
    ]
    assert body["tools"] == [{"name": "f", "description": "does it", "parameters": {}}]
    assert body["forwardedProps"] == {"model": "m1"}
    assert dialect.body({"threadId": "mine"})["threadId"] == "mine"


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=1)
TYPES = st.sampled_from(
    [f"{family}_{step}"
     for family in ("TEXT_MESSAGE", "TOOL_CALL", "REASONING_MESSAGE", "THINKING_TEXT_MESSAGE")
     for step in ("START", "CONTENT", "ARGS", "END", "CHUNK", "RESULT")]
    + ["RUN_STARTED", "RUN_ERROR", "SUBAGENT_ERROR", "CUSTOM", "x"]
)  # fmt: skip
MEMBERS = st.sampled_from(
    ["messageId", "toolCallId", "toolCallName", "delta", "role", "message", "code", "usage", "outcome", "runId"]
)
VALUES = ODD | st.just("1") | st.lists(st.dictionaries(st.text(max_size=2), ODD), max_size=2)
EVENTS = st.builds(lambda kind, rest: {**rest, "type": kind}, TYPES, st.dictionaries(MEMBERS, VALUES))


@given(st.lists(EVENTS | ODD), st.dictionaries(MEMBERS, VALUES))
def test_whatever_comes_the_blocks_and_the_end_are_in_order(messages: list[Any], last: dict[str, Any]) -> None:
    events = read(*messages, {**last, "type": "RUN_FINISHED"})
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    opened = [event.block for event in events if isinstance(event, BlockStart)]
    assert sorted(opened) == sorted(event.block for event in events if isinstance(event, BlockStop))
    assert len(set(opened)) == len(opened)
    if any(isinstance(event, Error) and event.fatal for event in events):
        assert events[-1] == End(False)


# Snapshots, and who speaks.


def snapshot(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"type": "MESSAGES_SNAPSHOT", "messages": list(messages)}


def say(known_by: str, *pieces: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "TEXT_MESSAGE_START", "messageId": known_by, **more},
        *({"type": "TEXT_MESSAGE_CONTENT", "messageId": known_by, "delta": piece} for piece in pieces),
        {"type": "TEXT_MESSAGE_END", "messageId": known_by},
    ]


def assistant(known_by: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"id": known_by, "role": "assistant", "content": content, **more}


STARTED = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
USER = {"id": "u", "role": "user", "content": "hi"}
OLD = assistant("old", "earlier")
CALL_WHOLE = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
CALL_BEGUN = [
    {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "add"},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": '{"a"'},
]
CALL_ENDS = {"type": "TOOL_CALL_END", "toolCallId": "c"}

# name: (messages, text, calls, errors)
SNAPSHOTS: dict[str, tuple[list[Any], str, list[tuple[str, str]], int]] = {
    "all of it was told": ([*say("m", "He", "llo"), snapshot(OLD, USER, assistant("m", "Hello"))], "Hello", [], 0),
    "the rest": ([*say("m", "He"), snapshot(USER, assistant("m", "Hello"))], "Hello", [], 0),
    "only the snapshot": ([snapshot(OLD, USER, assistant("m", "Hello"))], "Hello", [], 0),
    "what was said before the run": ([snapshot(OLD, USER), *say("m", "Hello")], "Hello", [], 0),
    "a run that begins with its messages": (
        [{**STARTED, "input": {"messages": [USER, OLD]}}, snapshot(USER, OLD), *say("m", "Hello")], "Hello", [], 0),
    "other text": ([*say("m", "Hxl"), snapshot(USER, assistant("m", "Hello"))], "Hxl", [], 1),
    "a message that is still open": (
        [*say("m", "He")[:2], snapshot(USER, assistant("m", "He")),
         {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "llo"}], "Hello", [], 0),
    "a message that is open at the end": ([*say("m", "He")[:2], snapshot(USER, assistant("m", "Hello"))],
                                          "Hello", [], 0),
    "text that follows was told": ([*say("m", "a"), *say("n", "b"), snapshot(assistant("m", "aA"))], "abA", [], 1),
    "the rest of arguments": ([*CALL_BEGUN, snapshot(assistant("m", "", toolCalls=[CALL_WHOLE])), CALL_ENDS],
                              "", [("add", '{"a":1}')], 0),
    "other arguments": ([*CALL_BEGUN, CALL_ENDS, snapshot(assistant("m", "", toolCalls=[CALL_WHOLE]))],
                        "", [("add", '{"a":1}')], 1),
    "a call only in the snapshot": ([snapshot(USER, assistant("m", "", toolCalls=[CALL_WHOLE]))],
                                    "", [("add", '{"a":1}')], 0),
    "numbers": ([*say("m", "1"), snapshot(assistant("m", 12))], "12", [], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_what_only_a_snapshot_says_is_told(name: str) -> None:
    messages, text, calls, errors = SNAPSHOTS[name]
    answer = Answer()
    answer.add_all(read(STARTED, *messages, FINISHED))
    assert answer.text == text
    assert [(call.name, call.arguments) for call in answer.tools] == calls
    assert sum(isinstance(event, Error) for event in answer.events) == errors
    assert answer.end == End(True)


def test_a_sub_agent_is_named_and_is_not_the_answer() -> None:
    began = {"type": "SUBAGENT_STARTED", "subagentRunId": "s1", "name": "researcher"}
    call = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "add", "parentMessageId": "m"}
    answer = Answer()
    answer.add_all(
        read(STARTED, began, *say("m", "Found.", subagentRunId="s1"), call, *say("n", "x", subagentRunId="s2"),
             *say("o", "42"), FINISHED)
    )  # fmt: skip
    assert (answer.text, answer.commentary) == ("42", "Found.x")
    starts = [event for event in answer.events if isinstance(event, BlockStart)]
    assert [start.agent for start in starts] == ["researcher", "researcher", "s2", ""]
