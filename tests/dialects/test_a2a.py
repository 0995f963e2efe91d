"""A2A's updates, in both bindings over HTTP, and the same as stream events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import every_way
from tokenwire.dialects import dialect_named
from tokenwire.dialects.a2a import A2AReader, AgentMessage, ArtifactUpdate, StatusUpdate, Task, Update
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Broken, Prompt
from tokenwire.dialects.events import End, Error, Finish, Other, StreamEvent
from tokenwire.dialects.jsonrpc import ErrorResponse, Unreadable
from tokenwire.session import build_request


def task(state: str) -> dict[str, Any]:
    return {"task": {"id": "t", "contextId": "c", "status": {"state": state}}}


def status(state: str, *texts: str) -> dict[str, Any]:
    said = {"message": {"messageId": "m", "parts": [{"text": text} for text in texts]}} if texts else {}
    return {"statusUpdate": {"taskId": "t", "contextId": "c", "status": {"state": state, **said}}}


def artifact(text: str, **members: Any) -> dict[str, Any]:
    return {
        "artifactUpdate": {
            "taskId": "t",
            "contextId": "c",
            "artifact": {"artifactId": "a", "parts": [{"text": text}]},
            **members,
        }
    }


MESSAGE = {
    "message": {"messageId": "m", "contextId": "c", "role": "ROLE_AGENT", "parts": [{"text": "Hi"}, {"url": "x"}]}
}
SUBMITTED, WORKING = task("TASK_STATE_SUBMITTED"), status("TASK_STATE_WORKING", "one ", "moment")
COMPLETED = status("TASK_STATE_COMPLETED")

#: What comes, what it says, and whether the stream is whole then, before and after the end of the body.
CASES: dict[str, tuple[list[dict[str, Any]], list[Update], bool, bool]] = {
    "a task that is worked on": (
        [SUBMITTED, WORKING, artifact("Hel"), artifact("lo", append=True, lastChunk=True), COMPLETED, WORKING],
        [
            Task("t", "c", "TASK_STATE_SUBMITTED", SUBMITTED["task"]),
            StatusUpdate("t", "c", "TASK_STATE_WORKING", [{"text": "one "}, {"text": "moment"}]),
            ArtifactUpdate("t", "c", "a", [{"text": "Hel"}], append=False, last_chunk=False),
            ArtifactUpdate("t", "c", "a", [{"text": "lo"}], append=True, last_chunk=True),
            StatusUpdate("t", "c", "TASK_STATE_COMPLETED", []),
        ],
        True,
        True,
    ),
    "a message, and nothing else": ([MESSAGE], [AgentMessage("m", "c", MESSAGE["message"]["parts"])], True, True),
    "cut": (
        [WORKING],
        [StatusUpdate("t", "c", "TASK_STATE_WORKING", [{"text": "one "}, {"text": "moment"}])],
        False,
        False,
    ),
    "a snapshot of a task that is over": (
        [task("TASK_STATE_CANCELED")],
        [Task("t", "c", "TASK_STATE_CANCELED", task("TASK_STATE_CANCELED")["task"])],
        True,
        True,
    ),
    "a snapshot of a task that waits": (
        [task("TASK_STATE_INPUT_REQUIRED")],
        [Task("t", "c", "TASK_STATE_INPUT_REQUIRED", task("TASK_STATE_INPUT_REQUIRED")["task"])],
        False,
        True,
    ),
    "a task that waits": (
        [status("TASK_STATE_AUTH_REQUIRED")],
        [StatusUpdate("t", "c", "TASK_STATE_AUTH_REQUIRED", [])],
        True,
        True,
    ),
}


def rpc(value: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": value}


def sse(*messages: Any) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(message).encode() for message in messages)


@pytest.mark.parametrize(("values", "expected", "ends", "whole"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("binding", [rpc, dict], ids=["JSON-RPC", "HTTP+JSON"])
def test_updates_are_read_however_they_are_cut(
    binding: Any, values: list[dict[str, Any]], expected: list[Update], ends: bool, whole: bool
) -> None:
    for pieces in every_way(sse(*map(binding, values))):
        reader = A2AReader()
        read = [update for piece in pieces for update in reader.receive_data(piece)]
        assert read == expected
        assert reader.ended == ends
        assert reader.receive_eof() == []
        assert reader.ended == whole
        assert reader.task_id == ("" if values == [MESSAGE] else "t")


def test_the_text_is_at_hand() -> None:
    reader = A2AReader()
    read = reader.receive_data(sse(WORKING, artifact("Hi"), MESSAGE))
    assert [update.text for update in read if isinstance(update, StatusUpdate | ArtifactUpdate | AgentMessage)] == [
        "one moment",
        "Hi",
        "Hi",
    ]


ERRORS: list[tuple[bytes, ErrorResponse]] = [
    (
        sse({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "no such task"}}),
        ErrorResponse(1, -32001, "no such task"),
    ),
    (
        b"event: error\n" + sse({"error": {"code": 404, "status": "NOT_FOUND", "message": "gone", "details": [1]}}),
        ErrorResponse(None, 404, "gone", [1]),
    ),
]


@pytest.mark.parametrize(("body", "expected"), ERRORS)
def test_an_error_ends_the_stream_in_either_binding(body: bytes, expected: ErrorResponse) -> None:
    reader = A2AReader()
    assert reader.receive_data(body + sse(WORKING)) == [expected]
    assert reader.ended


def test_a_refusal_may_be_one_json_object() -> None:
    reader = A2AReader(content_type="application/json")
    reader.receive_data(b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32004, "message": "no streaming"}}')
    assert reader.receive_eof() == [ErrorResponse(1, -32004, "no streaming")]
    assert reader.ended


@pytest.mark.parametrize(
    "value",
    [rpc({}), rpc({"task": 1}), {"task": []}, {"jsonrpc": "2.0", "method": "x"}, {"jsonrpc": "1.0"}, [1], "x",
     {"kind": "status-update", "final": True}],
)  # fmt: skip
def test_what_is_no_update_is_handed_on(value: Any) -> None:
    reader = A2AReader()
    (read,) = reader.receive_data(sse(value))
    assert isinstance(read, Unreadable)
    assert read.raw == json.dumps(value)
    assert not reader.ended


def decoded(body: bytes) -> list[StreamEvent]:
    decoder = Decoder("a2a")
    events = decoder.receive_data(body) + decoder.receive_eof()
    return [Other(e.type, "…") if isinstance(e, Other) else e for e in events]


EVENTS: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "a task that is completed": (
        [SUBMITTED, artifact("Hi"), COMPLETED],
        [
            Other("task", "…"),
            Other("artifactUpdate", "…"),
            Other("statusUpdate", "…"),
            Finish("stop", "TASK_STATE_COMPLETED"),
            End(True),
        ],
    ),
    "a message": ([MESSAGE], [Other("message", "…"), End(True)]),
    "a task that failed, in its own words": (
        [status("TASK_STATE_FAILED", "no disk")],
        [
            Other("statusUpdate", "…"),
            Error("TASK_STATE_FAILED", "no disk", True),
            Finish("error", "TASK_STATE_FAILED"),
            End(False),
        ],
    ),
    "a task that had failed": (
        [task("TASK_STATE_FAILED")],
        [
            Other("task", "…"),
            Error("TASK_STATE_FAILED", "TASK_STATE_FAILED", True),
            Finish("error", "TASK_STATE_FAILED"),
            End(False),
        ],
    ),
    "a task that was rejected": (
        [status("TASK_STATE_REJECTED")],
        [Other("statusUpdate", "…"), Finish("refusal", "TASK_STATE_REJECTED"), End(True)],
    ),
    "a task that waits": (
        [status("TASK_STATE_INPUT_REQUIRED")],
        [Other("statusUpdate", "…"), Finish("pause", "TASK_STATE_INPUT_REQUIRED"), End(True)],
    ),
    "a snapshot of a task that waits": ([task("TASK_STATE_INPUT_REQUIRED")], [Other("task", "…"), End(True)]),
    "an error": (
        [{"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "no"}}],
        [Error("-32001", "no", True), End(False)],
    ),
    "cut": ([WORKING], [Other("statusUpdate", "…"), End(False)]),
    "something else": ([{"a": 1}], [Other("message", "…"), End(False)]),
}


@pytest.mark.parametrize(("messages", "expected"), EVENTS.values(), ids=EVENTS)
def test_updates_decode_to_stream_events(messages: list[Any], expected: list[StreamEvent]) -> None:
    assert decoded(sse(*messages)) == expected


def test_a_prompt_is_a_message_of_the_users() -> None:
    dialect = dialect_named("a2a")
    body = dialect.body(dialect.ask(Prompt("Hi")))
    assert (body["jsonrpc"], body["id"], body["method"]) == ("2.0", 1, "SendStreamingMessage")
    message = body["params"]["message"]
    assert (message["role"], message["parts"]) == ("ROLE_USER", [{"text": "Hi"}])
    assert message["messageId"] != dialect.ask(Prompt("Hi"))["params"]["message"]["messageId"]


def test_a_request_of_the_other_binding_stays_as_it_is() -> None:
    request = build_request("http://a.example/message:stream", dialect_named("a2a"), json={"message": {}})
    assert json.loads(request.http.body) == {"message": {}}
    assert ("a2a-version", "1.0") in request.http.headers


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just([])
STATES = st.sampled_from(["TASK_STATE_WORKING", "TASK_STATE_COMPLETED", "TASK_STATE_INPUT_REQUIRED", "completed"])
PARTS = st.lists(st.dictionaries(st.sampled_from(["text", "url"]), ODD) | ODD, max_size=2)
NESTED = st.recursive(
    ODD | STATES | PARTS,
    lambda inner: st.dictionaries(
        st.sampled_from(["status", "state", "message", "parts", "artifact", "taskId", "append", "lastChunk"]), inner
    ),
    max_leaves=6,
)
MEMBERS = ["jsonrpc", "id", "result", "error", "task", "message", "statusUpdate", "artifactUpdate"]


@given(st.lists(st.dictionaries(st.sampled_from(MEMBERS), NESTED | st.just("2.0"), max_size=3) | ODD))
def test_whatever_comes_is_an_update_or_unreadable(messages: list[Any]) -> None:
    body = sse(*messages)
    reader = A2AReader()
    read = reader.receive_data(body)
    assert len(read) >= len(messages) or reader.ended
    events = decoded(body)
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]


OF_03 = {
    "task": {"kind": "task", "id": "t", "contextId": "c", "status": {"state": "submitted"}},
    "artifact": {
        "kind": "artifact-update", "taskId": "t", "contextId": "c",
        "artifact": {"artifactId": "a", "parts": [{"kind": "text", "text": "hi"}]},
    },
    "not final": {"kind": "status-update", "taskId": "t", "status": {"state": "completed"}, "final": False},
    "final": {"kind": "status-update", "taskId": "t", "status": {"state": "working"}, "final": True},
}  # fmt: skip


def test_the_updates_of_03_are_typed_as_those_of_1_0_and_say_themselves_which_is_the_last() -> None:
    stream = sse(*[rpc(update) for update in OF_03.values()])
    for pieces in every_way(stream):
        reader = A2AReader()
        updates = [update for piece in pieces for update in reader.receive_data(piece)]
        assert [type(update) for update in updates] == [Task, ArtifactUpdate, StatusUpdate, StatusUpdate]
        assert isinstance(updates[1], ArtifactUpdate)
        assert updates[1].text == "hi"
        assert reader.ended
        assert reader.task_id == "t"
    reader = A2AReader()
    reader.receive_data(sse(rpc(OF_03["task"]), rpc(OF_03["not final"])))
    assert not reader.ended


@pytest.mark.parametrize(
    ("asked", "again"),
    [("SendStreamingMessage", "SubscribeToTask"), ("message/stream", "tasks/resubscribe")],
)
def test_a_stream_is_gone_on_with_by_the_method_of_its_version(asked: str, again: str) -> None:
    dialect = dialect_named("a2a")
    events = Decoder(dialect).receive_data(sse(rpc(OF_03["task"])))
    assert dialect.resuming is not None
    request = dialect.resuming(Broken("/", {}, {"method": asked}, events))
    assert request is not None
    assert request.json == {"jsonrpc": "2.0", "id": 1, "method": again, "params": {"id": "t"}}
