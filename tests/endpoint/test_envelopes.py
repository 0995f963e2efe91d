"""The services of MCP and A2A: what is no stream of tokens by itself, and carries one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_reference import KEY, STORY_TEXT, exchange, request

import tokenwire
from tokenwire.dialects.a2a import A2AReader, ArtifactUpdate, Task
from tokenwire.dialects.jsonrpc import Notification, Response
from tokenwire.dialects.mcp import MCPReader, Primed
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import STORY

FAILING = "tokenwire-fails-midstream"
OVERLOADED = "tokenwire-overloaded"


def rpc(method: str, number: int | str | None = 7, **params: Any) -> dict[str, Any]:
    known_by = {} if number is None else {"id": number}
    return {"jsonrpc": "2.0", **known_by, "method": method, "params": params}


# MCP.

CALL = rpc("tools/call", name="tell", arguments={}, _meta={"progressToken": "mine"})


def mcp(body: Any, endpoint: ReferenceEndpoint | None = None, **fields: str) -> tuple[int, dict[str, str], bytes]:
    accepting = {"Accept": "application/json, text/event-stream", **fields}
    return exchange(request(body, path="/mcp", **accepting), endpoint)


def answered(body: Any) -> dict[str, Any]:
    status, headers, data = mcp(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    answer = json.loads(data)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", body["id"])
    result: dict[str, Any] = answer["result"]
    return result


@pytest.mark.parametrize(
    ("asked", "given"), [("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("1999-12-31", "2025-11-25")]
)
def test_the_handshake_agrees_on_a_revision(asked: str, given: str) -> None:
    result = answered(rpc("initialize", protocolVersion=asked, capabilities={}, clientInfo={}))
    assert (result["protocolVersion"], result["capabilities"]) == (given, {"tools": {}})
    assert mcp(rpc("notifications/initialized", None))[0] == 202


def test_without_a_handshake_it_is_asked_what_it_speaks() -> None:
    assert "2026-07-28" in answered(rpc("server/discover"))["supportedVersions"]


def test_it_lists_its_tool_and_answers_a_ping() -> None:
    [tool] = answered(rpc("tools/list"))["tools"]
    assert tool["name"] == "tell"
    assert answered(rpc("ping", "p")) == {}


def test_a_call_is_answered_by_progress_and_the_result() -> None:
    _, headers, body = mcp(CALL)
    assert headers["content-type"].startswith("text/event-stream")
    reader = MCPReader(7)
    primed, *progress, response = reader.receive_data(body)
    assert primed == Primed("1-0")
    assert reader.retry == 250
    assert progress == [
        Notification("notifications/progress", {"progressToken": "mine", "progress": number, "message": token})
        for number, token in enumerate(STORY, start=1)
    ]
    assert isinstance(response, Response)
    assert response.result["content"] == [{"type": "text", "text": STORY_TEXT}]


def test_without_a_token_there_is_no_progress() -> None:
    reader = MCPReader(7)
    assert len(reader.receive_data(mcp(rpc("tools/call", name="tell"))[2])) == 2
    assert reader.ended


def test_the_newer_revision_has_no_ids() -> None:
    _, _, body = mcp(CALL, MCP_Protocol_Version="2026-07-28")
    assert {event.id for event in tokenwire.SSEParser().receive_data(body)} == {""}
    assert b"retry" not in body


def test_a_broken_stream_is_gone_on_with_after_any_event() -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    _, _, body = mcp(CALL, endpoint)
    whole = MCPReader(7).receive_data(body)
    for number, message in enumerate(whole[:-1], start=1):
        assert message.cursor is not None
        fields = {"Accept": "text/event-stream", "Last-Event-ID": message.cursor}
        _, _, rest = exchange(request(method="GET", path="/mcp", **fields), endpoint)
        assert MCPReader(7).receive_data(rest) == whole[number:]


@pytest.mark.parametrize("cursor", ["99-1", "1-x", "1"])
def test_an_event_that_there_is_not_is_refused(cursor: str) -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    mcp(CALL, endpoint)
    status, _, body = exchange(request(method="GET", path="/mcp", Last_Event_ID=cursor), endpoint)
    assert (status, json.loads(body)["id"]) == (400, None)


def test_the_server_says_nothing_by_itself() -> None:
    status, headers, _ = exchange(request(method="GET", path="/mcp"))
    assert (status, headers["allow"]) == (405, "POST, OPTIONS")


def test_who_takes_no_event_stream_gets_the_result_alone() -> None:
    status, headers, body = mcp(CALL, Accept="application/json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["result"]["content"][0]["text"] == STORY_TEXT


def test_what_the_model_asked_wrongly_is_a_result_that_it_can_read() -> None:
    result = answered(rpc("tools/call", name="tell", arguments={"model": "no-such"}))
    assert result["isError"] is True
    assert "does not exist" in result["content"][0]["text"]


@pytest.mark.parametrize(
    ("body", "status", "code", "number"),
    [
        ([CALL], 400, -32600, None),
        ({"id": 7, "method": "ping"}, 400, -32600, None),
        (rpc("no/such"), 404, -32601, 7),
        (rpc("tools/call", name="no-such"), 400, -32602, 7),
        (rpc("tools/call", name="tell", arguments={"model": OVERLOADED}), 503, -32603, 7),
    ],
)
def test_what_is_refused_is_an_error_response(body: Any, status: int, code: int, number: int | None) -> None:
    got, _, data = mcp(body)
    answer = json.loads(data)
    assert (got, answer["error"]["code"], answer["id"]) == (status, code, number)


def test_what_is_not_json_is_an_error_response() -> None:
    data = request({}, path="/mcp").replace(b"{}", b"no")
    assert json.loads(exchange(data)[2])["error"]["code"] == -32700


# A2A.


def message(model: str = "tokenwire-reference", **more: Any) -> dict[str, Any]:
    said = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "say it"}]}
    return {"message": said, "metadata": {"model": model, **more}}


#: What is asked in each binding.
BINDINGS = {
    "JSON-RPC": ("/a2a", lambda asked: rpc("SendStreamingMessage", **asked)),
    "HTTP+JSON": ("/a2a/message:stream", dict),
}


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_message_is_answered_by_a_task_whose_artifact_grows(binding: str) -> None:
    path, put = BINDINGS[binding]
    _, headers, body = exchange(request(put(message(maxTokens=3)), path=path))
    assert headers["content-type"].startswith("text/event-stream")
    reader = A2AReader()
    _, _, *artifacts, _ = reader.receive_data(body)
    assert reader.ended
    assert [(update.text, update.append, update.last_chunk) for update in artifacts] == [
        (STORY[0], False, False),
        (STORY[1], True, False),
        (STORY[2], True, True),
    ]
    assert all(isinstance(update, ArtifactUpdate) for update in artifacts)


#: How a task is subscribed to in each binding.
SUBSCRIBING = {
    "JSON-RPC": ("/a2a", lambda task: rpc("SubscribeToTask", id=task)),
    "HTTP+JSON": ("/a2a/tasks/{}:subscribe", lambda task: {}),
}


@pytest.mark.parametrize("model", ["tokenwire-reference", FAILING])
@pytest.mark.parametrize("binding", BINDINGS)
def test_whoever_lost_the_stream_of_a_task_subscribes_to_it(binding: str, model: str) -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    path, put = BINDINGS[binding]
    reader = A2AReader()
    *_, last = reader.receive_data(exchange(request(put(message(model)), path=path), endpoint)[2])
    path, subscribe = SUBSCRIBING[binding]
    body = exchange(request(subscribe(reader.task_id), path=path.format(reader.task_id)), endpoint)[2]
    task, end = A2AReader().receive_data(body)
    assert isinstance(task, Task)
    assert (task.id, task.state, end) == (reader.task_id, "TASK_STATE_WORKING", last)
    text = task.task["artifacts"][0]["parts"][0]["text"]
    assert text == (STORY_TEXT if model != FAILING else "".join(STORY[:5]))
    assert exchange(request(subscribe("task-x"), path=path.format("task-x")), endpoint)[0] == 404


def test_the_responses_have_the_id_of_the_request() -> None:
    _, _, body = exchange(request({**rpc("SendStreamingMessage", "mine"), "params": message()}, path="/a2a"))
    assert {json.loads(event.data)["id"] for event in tokenwire.SSEParser().receive_data(body)} == {"mine"}


def test_a_task_may_be_had_whole() -> None:
    _, _, body = exchange(request(rpc("SendMessage", **message()), path="/a2a"))
    task = json.loads(body)["result"]["task"]
    assert (task["status"]["state"], task["artifacts"][0]["parts"]) == ("TASK_STATE_COMPLETED", [{"text": STORY_TEXT}])
    _, _, body = exchange(request(message(FAILING), path="/a2a/message:send"))
    status = json.loads(body)["task"]["status"]
    assert (status["state"], status["message"]["parts"][0]["text"]) == ("TASK_STATE_FAILED", "The model failed.")


@pytest.mark.parametrize(
    ("body", "status", "code", "number"),
    [
        (rpc("ping", None), 400, -32600, None),
        (rpc("GetSandwich"), 404, -32601, 7),
        (rpc("SendStreamingMessage"), 400, -32602, 7),
        (rpc("SendStreamingMessage", **message("no-such")), 404, -32602, 7),
        (rpc("SendMessage", **message(OVERLOADED)), 503, -32603, 7),
    ],
)
def test_what_is_refused_over_json_rpc_is_an_error_response(
    body: Any, status: int, code: int, number: int | None
) -> None:
    got, headers, data = exchange(request(body, path="/a2a"))
    answer = json.loads(data)
    assert (got, answer["error"]["code"], answer["id"]) == (status, code, number)
    assert ("retry-after" in headers) == (status == 503)


@pytest.mark.parametrize("path", ["/a2a/message:stream", "/a2a/message:send"])
@pytest.mark.parametrize(
    ("body", "status", "name"),
    [({}, 400, "INVALID_ARGUMENT"), (message("no-such"), 404, "NOT_FOUND"), (message(OVERLOADED), 503, "UNAVAILABLE")],
)
def test_what_is_refused_over_http_has_googles_words(path: str, body: Any, status: int, name: str) -> None:
    got, headers, data = exchange(request(body, path=path))
    error = json.loads(data)["error"]
    assert (got, error["code"], error["status"]) == (status, status, name)
    assert ("retry-after" in headers) == (status == 503)
