"""MCP's envelopes, in both revisions, and the same as stream events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import every_way
from tokenwire.dialects import dialect_named
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Prompt
from tokenwire.dialects.events import End, Error, Other, StreamEvent
from tokenwire.dialects.jsonrpc import Envelope, ErrorResponse, Notification, Request, Response, Unreadable
from tokenwire.dialects.mcp import MCPReader, Primed
from tokenwire.errors import EventTooLarge, LocalProtocolError


def rpc(**members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", **members}


def sse(*messages: Any) -> bytes:
    return b"".join(b"event: message\r\ndata: %s\r\n\r\n" % json.dumps(message).encode() for message in messages)


PROGRESS = rpc(method="notifications/progress", params={"progress": 1})
RESULT = rpc(id=7, result={"content": [], "isError": False})
FAILED = rpc(id=7, error={"code": -32602, "message": "no such tool", "data": {"x": 1}})
SAMPLING = rpc(id="s1", method="sampling/createMessage", params={})

CASES: dict[str, tuple[Any, list[Envelope]]] = {
    "a notification, then the response": (
        [PROGRESS, RESULT],
        [Notification("notifications/progress", {"progress": 1}), Response(7, {"content": [], "isError": False})],
    ),
    "an error response": ([FAILED], [ErrorResponse(7, -32602, "no such tool", {"x": 1})]),
    "an error in words": ([rpc(id=7, error="no")], [ErrorResponse(7, 0, "no")]),
    "an error whose code is text": (
        [rpc(id=7, error={"code": "-32602", "message": ["no"]})],
        [ErrorResponse(7, -32602, '{"code": "-32602", "message": ["no"]}')],
    ),
    "a request of the server's": (
        [SAMPLING, RESULT],
        [Request("s1", "sampling/createMessage", {}), Response(7, RESULT["result"])],
    ),
    "a response to another request does not end it": (
        [rpc(id="7", result={}), rpc(id=8, result={}), RESULT],
        [Response("7", {}), Response(8, {}), Response(7, RESULT["result"])],
    ),
    "an error without an id is about the request": (
        [rpc(id=None, error={"code": -32700, "message": "parse error"})],
        [ErrorResponse(None, -32700, "parse error")],
    ),
    "nothing follows the response": ([RESULT, PROGRESS], [Response(7, RESULT["result"])]),
}


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES)
def test_messages_are_read_as_envelopes_however_they_are_cut(messages: Any, expected: list[Envelope]) -> None:
    for pieces in every_way(sse(*messages)):
        reader = MCPReader(7)
        read = [message for piece in pieces for message in reader.receive_data(piece)] + reader.receive_eof()
        assert read == expected
        assert reader.ended


UNREADABLE = [
    ([PROGRESS], "it is no object"),
    ("x", "it is no object"),
    ({"id": 1, "result": {}}, "it has no member jsonrpc that says 2.0"),
    (rpc(id=7), "it is no request, notification or response"),
    (rpc(id=True, result={}), "it is no request, notification or response"),
    (rpc(id=1.5, method="ping"), "it is no request, notification or response"),
]


@pytest.mark.parametrize(("message", "reason"), UNREADABLE)
def test_what_is_no_message_is_handed_on_with_the_reason(message: Any, reason: str) -> None:
    reader = MCPReader(7)
    (read,) = reader.receive_data(sse(message))
    assert read == Unreadable(reason)
    assert read.raw == json.dumps(message)
    assert not reader.ended


def test_an_event_of_another_name_is_no_message() -> None:
    reader = MCPReader(7)
    (read,) = reader.receive_data(b"event: ping\ndata: " + json.dumps(RESULT).encode() + b"\n\n")
    assert read == Unreadable("the event is named 'ping'")


# 2025-11-25: a server that primes, closes, and is asked again.

PRIMED = [b"id: p1\ndata:\nretry: 500\n\n", b"id: p1\nretry: 500\n\n"]


@pytest.mark.parametrize("priming", PRIMED, ids=["with empty data", "without data"])
def test_a_stream_that_was_primed_can_be_resumed_from_there(priming: bytes) -> None:
    body = b": ping\n\n" + priming + b"id: 2\n" + sse(PROGRESS) + b"id: 3\n\n"
    for pieces in every_way(body):
        reader = MCPReader(7)
        read = [message for piece in pieces for message in reader.receive_data(piece)] + reader.receive_eof()
        assert read == [Primed("p1"), Notification("notifications/progress", {"progress": 1}), Primed("3")]
        assert [message.cursor for message in read] == ["p1", "2", "3"]
        assert (reader.ended, reader.resume_from, reader.retry) == (False, "3", 500)
    resumed = MCPReader(7, last_event_id="3")
    assert resumed.resume_from == "3"
    assert resumed.receive_data(sse(RESULT)) == [Response(7, RESULT["result"])]
    assert resumed.resume_from is None


def test_without_ids_nothing_can_be_resumed() -> None:
    reader = MCPReader(7)
    reader.receive_data(sse(PROGRESS))
    assert reader.receive_eof() == []
    assert (reader.ended, reader.resume_from, reader.retry) == (False, None, None)


@pytest.mark.parametrize("priming", PRIMED)
def test_the_revision_of_2026_knows_no_ids(priming: bytes) -> None:
    reader = MCPReader(7, revision="2026-07-28")
    (read,) = reader.receive_data(priming + b"id: 2\n" + sse(PROGRESS))
    assert isinstance(read, Notification)
    assert read.cursor is None
    assert reader.resume_from is None


# A reply that is no stream.


def test_a_reply_may_be_one_json_object() -> None:
    body = json.dumps(RESULT, indent=1).encode()
    for pieces in every_way(body):
        reader = MCPReader(7, content_type="Application/JSON; charset=utf-8")
        assert [message for piece in pieces for message in reader.receive_data(piece)] == []
        assert reader.receive_eof() == [Response(7, RESULT["result"])]
        assert reader.ended


def test_a_json_reply_that_was_cut_is_none() -> None:
    reader = MCPReader(7, content_type="application/json")
    reader.receive_data(b'{"jsonrpc": "2.0", "id"')
    (read,) = reader.receive_eof()
    assert isinstance(read, Unreadable)
    assert read.reason.startswith("it is not JSON")
    assert not reader.ended


def test_an_empty_json_reply_is_nothing() -> None:
    assert MCPReader(7, content_type="application/json").receive_eof() == []


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_a_message_over_the_limit_is_an_error(content_type: str) -> None:
    reader = MCPReader(7, content_type=content_type, max_event_size=100)
    with pytest.raises(EventTooLarge):
        reader.receive_data(b"data: " + b"x" * 200)


# The dialect.


def decoded(body: bytes) -> list[StreamEvent]:
    decoder = Decoder("mcp")
    events = decoder.receive_data(body) + decoder.receive_eof()
    return [Other(e.type, "…") if isinstance(e, Other) else e for e in events]


EVENTS: dict[str, tuple[bytes, list[StreamEvent]]] = {
    "a response": (
        sse(PROGRESS, RESULT),
        [Other("notifications/progress", "…"), Other("response", "…"), End(True)],
    ),
    "an error": (sse(FAILED, PROGRESS), [Error("-32602", "no such tool", True), End(False)]),
    "a request of the server's": (sse(SAMPLING), [Other("sampling/createMessage", "…"), End(False)]),
    "primed, and cut": (b"id: 1\ndata:\n\n", [Other("primed", "…"), End(False)]),
    "no envelope": (sse({"a": 1}, RESULT), [Other("message", "…"), Other("response", "…"), End(True)]),
    "a reply that is one object": (json.dumps(RESULT).encode(), [Other("response", "…"), End(True)]),
    "a reply that is one error": (json.dumps(FAILED).encode(), [Error("-32602", "no such tool", True), End(False)]),
}


@pytest.mark.parametrize(("body", "expected"), EVENTS.values(), ids=EVENTS)
def test_messages_decode_to_stream_events(body: bytes, expected: list[StreamEvent]) -> None:
    assert decoded(body) == expected


def test_the_cursor_is_the_id_of_the_event() -> None:
    decoder = Decoder("mcp")
    events = decoder.receive_data(b"id: 1\ndata:\n\nid: 2\n" + sse(PROGRESS))
    assert [event.cursor for event in events] == ["1", "2"]


def test_there_is_no_prompt() -> None:
    with pytest.raises(LocalProtocolError, match="JSON-RPC request itself"):
        dialect_named("mcp").ask(Prompt("Hi"))
    assert dialect_named("mcp").body({"method": "tools/list"}) == rpc(id=1, method="tools/list")


@pytest.mark.parametrize(
    "name", ["test-mcptoolset-in-temporal-workflow-6", "test-mcptoolset-dynamic-toolset-in-workflow-7"]
)
def test_recordings_are_a_notification_and_the_response(name: str, corpus: Path) -> None:
    body = (corpus / "public" / "mcp" / f"{name}.sse").read_bytes()
    reader = MCPReader()
    first, second = reader.receive_data(body)
    assert isinstance(first, Notification)
    assert first.method == "notifications/message"
    assert first.params["level"] == "info"
    assert isinstance(second, Response)
    assert second.result["isError"] is False
    assert len(second.result["content"][0]["text"]) > 1000
    assert reader.ended


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([])
VALUES = ODD | st.just("2.0") | st.dictionaries(st.sampled_from(["code", "message", "data"]), ODD)
MESSAGES = st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"]), VALUES) | ODD


@given(st.lists(MESSAGES))
def test_whatever_comes_is_an_envelope_or_unreadable(messages: list[Any]) -> None:
    body = sse(*messages)
    reader = MCPReader(7)
    read = reader.receive_data(body) + reader.receive_eof()
    assert len(read) == len(messages) or reader.ended
    events = decoded(body)
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
