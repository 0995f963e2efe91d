"""What each dialect's service makes of a request: its refusals in its words, its tools, its limits, its seams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_reference import KEY, STORY_TEXT, exchange, request
from test_websocket import Client

import tokenwire
from tokenwire.dialects import dialect_named
from tokenwire.endpoint import Call, ReferenceEndpoint, Seams
from tokenwire.endpoint.reference import services
from tokenwire.endpoint.story import STORY

MODEL = "tokenwire-reference"
MESSAGES = [{"role": "user", "content": "say it"}]
CHAT = ("openai-chat", "/v1/chat/completions", {"model": MODEL, "messages": MESSAGES})
COMPLETIONS = ("openai-completions", "/v1/completions", {"model": MODEL, "prompt": "say it"})
RESPONSES = ("openai-responses", "/v1/responses", {"model": MODEL, "input": "say it"})
ANTHROPIC = ("anthropic-messages", "/v1/messages", {"model": MODEL, "max_tokens": 99, "messages": MESSAGES})

Asked = tuple[str, str, dict[str, Any]]

each_dialect = pytest.mark.parametrize("asked", [CHAT, COMPLETIONS, RESPONSES, ANTHROPIC], ids=lambda asked: asked[0])


def answer(asked: Asked, endpoint: ReferenceEndpoint | None = None, **more: Any) -> tokenwire.Answer:
    dialect, path, body = asked
    fields = dialect_named(dialect).fields
    status, headers, data = exchange(request({**body, "stream": True, **more}, path=path, **fields), endpoint)
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    told = tokenwire.Answer()
    told.add_all(tokenwire.decode([data], dialect=dialect, on_error="event"))
    return told


def refused(asked: Asked, **more: Any) -> tuple[int, dict[str, Any]]:
    """The status of a refusal, and its error object."""
    dialect, path, body = asked
    status, headers, data = exchange(request({**body, **more}, path=path, **dialect_named(dialect).fields))
    assert headers["content-type"] == "application/json"
    return status, json.loads(data)["error"]


def without(asked: Asked, member: str) -> Asked:
    dialect, path, body = asked
    return dialect, path, {name: value for name, value in body.items() if name != member}


@each_dialect
def test_the_story_is_told_and_ends_cleanly(asked: Asked) -> None:
    told = answer(asked)
    assert (told.text, told.end) == (STORY_TEXT, tokenwire.End(clean=True))


@pytest.mark.parametrize("asked", [CHAT, RESPONSES, ANTHROPIC], ids=lambda asked: asked[0])
def test_a_tool_that_has_no_arguments_is_called_with_an_empty_object(asked: Asked) -> None:
    tool = {"type": "function", "name": "now", "function": {"name": "now"}}
    assert [(call.name, call.arguments) for call in answer(asked, tools=[tool]).tools] == [("now", "{}")]


FUNCTIONS = [{"type": "function", "name": name, "function": {"name": name}} for name in "ab"]


@pytest.mark.parametrize(
    ("asked", "more", "names"),
    [
        (CHAT, {}, ["a", "b"]),
        (CHAT, {"parallel_tool_calls": False}, ["a"]),
        (CHAT, {"tool_choice": "none"}, []),
        (RESPONSES, {}, ["a", "b"]),
        (RESPONSES, {"parallel_tool_calls": False}, ["a"]),
        (RESPONSES, {"tool_choice": "none"}, []),
        (RESPONSES, {"tools": [{"type": "web_search"}, *FUNCTIONS]}, ["a", "b"]),
        (ANTHROPIC, {}, ["a", "b"]),
        (ANTHROPIC, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, ["a"]),
        (ANTHROPIC, {"tool_choice": {"type": "none"}}, []),
    ],
)
def test_the_tools_are_called_that_may_be(asked: Asked, more: dict[str, Any], names: list[str]) -> None:
    told = answer(asked, **{"tools": FUNCTIONS, **more})
    assert [call.name for call in told.tools] == names
    assert told.text == ("" if names else STORY_TEXT)


@pytest.mark.parametrize(
    ("asked", "more", "status", "error"),
    [
        (CHAT, {"messages": []}, 400, {"type": "invalid_request_error", "code": "invalid_request"}),
        (CHAT, {"model": "no-such"}, 404, {"type": "invalid_request_error", "code": "model_not_found"}),
        (CHAT, {"model": "tokenwire-overloaded"}, 503, {"type": "server_error", "code": "overloaded"}),
        (COMPLETIONS, {"prompt": ["say", "it"]}, 400, {"code": "invalid_request"}),
        (COMPLETIONS, {"model": "tokenwire-overloaded"}, 503, {"code": "overloaded"}),
        (RESPONSES, {"model": ["no-such"]}, 404, {"code": "model_not_found"}),
        (RESPONSES, {"model": "tokenwire-fails-midstream"}, 500, {"type": "server_error", "code": "failed"}),
        (ANTHROPIC, {"model": "no-such"}, 404, {"type": "not_found_error"}),
        (ANTHROPIC, {"model": "tokenwire-overloaded"}, 529, {"type": "overloaded_error"}),
        (ANTHROPIC, {"model": "tokenwire-fails-midstream"}, 500, {"type": "api_error"}),
        (ANTHROPIC, {"max_tokens": 0}, 400, {"type": "invalid_request_error"}),
        (without(ANTHROPIC, "max_tokens"), {}, 400, {"type": "invalid_request_error"}),
    ],
)
def test_a_refusal_is_in_the_dialects_words(
    asked: Asked, more: dict[str, Any], status: int, error: dict[str, str]
) -> None:
    got, fields = refused(asked, **more)
    assert (got, {name: fields[name] for name in error}) == (status, error)
    assert fields["message"]


@each_dialect
def test_without_a_key_nothing_is_told(asked: Asked) -> None:
    _, path, body = asked
    status, headers, data = exchange(request(body, path=path, Authorization="Bearer wrong"))
    assert (status, json.loads(data)["error"]["type"]) == (401, "authentication_error")
    assert headers["www-authenticate"].startswith("Bearer")


def test_anthropics_key_may_stand_in_its_own_field() -> None:
    _, path, body = ANTHROPIC
    version = {"anthropic-version": "2023-06-01"}
    assert exchange(request(body, path=path, Authorization="", X_Api_Key=KEY, **version))[0] == 200
    assert exchange(request(CHAT[2], path=CHAT[1], Authorization="", X_Api_Key=KEY))[0] == 401


def test_anthropics_clients_name_the_version_and_list_the_models() -> None:
    assert exchange(request(ANTHROPIC[2], path=ANTHROPIC[1]))[0] == 400
    assert exchange(request(method="GET", path="/v1/models", Authorization="", X_Api_Key=KEY))[0] == 200


@each_dialect
def test_the_limit_holds(asked: Asked) -> None:
    limit = "max_output_tokens" if asked is RESPONSES else "max_tokens"
    told = answer(asked, **{limit: 3})
    assert told.text == "".join(STORY[:3])
    assert told.finish is not None
    assert told.finish.reason == "length"


@each_dialect
def test_the_payloads_and_the_blocks_go_through_the_seams(asked: Asked) -> None:
    class Doubling(Seams):
        def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [json.loads(json.dumps(chunk).replace("Tokens", "Two")) for chunk in chunks]

        def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
            return [block.replace(b"travel", b"walk") for block in blocks]

    told = answer(asked, ReferenceEndpoint(key=KEY, seams=Doubling))
    assert told.text.startswith("Two walk one by one")


def test_each_dialect_has_one_service() -> None:
    names = [service.dialect for service in services()]
    assert len(names) == len(set(names))
    assert all(service.routes or service.sockets for service in services())


# Realtime.

CREATE = {"type": "response.create", "event_id": "mine"}


def realtime(model: str = MODEL) -> Client:
    client = Client(f"/v1/realtime?model={model}")
    assert client.wait(1) == []  # it was greeted when it came
    return client


def test_a_response_that_is_refused_is_known_by_the_event_that_asked_for_it() -> None:
    client = realtime("no-such")
    client.say(CREATE)
    [error] = client.wait(1)
    assert (error["error"]["event_id"], error["error"]["code"]) == ("mine", "model_not_found")


def test_a_response_that_fails_says_so_and_the_session_lives() -> None:
    client = realtime("tokenwire-fails-midstream")
    client.say(CREATE)
    *_, done = client.wait(10)
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["message"] == "The model failed."
    client.say({"type": "session.update", "session": {}})
    assert client.wait(1)[0]["type"] == "session.updated"


def test_what_is_said_of_the_session_does_not_wait_for_the_response() -> None:
    client = realtime()
    client.say(CREATE)
    client.wait(3)
    client.say({"type": "session.update", "session": {"instructions": "briefly"}})
    assert client.wait(1)[0]["type"] == "session.updated"
    client.say(CREATE)
    assert client.wait(1)[0]["error"]["code"] == "conversation_already_has_active_response"


@pytest.mark.parametrize("message", ["not json", [1], {"type": "what"}])
def test_a_wrong_event_is_an_error_and_the_session_lives(message: Any) -> None:
    client = realtime()
    client.say(message)
    assert client.wait(1)[0]["type"] == "error"
    client.say(CREATE)
    assert client.wait(1)[0]["type"] == "response.created"


def test_the_session_says_what_the_response_does_not() -> None:
    client = realtime()
    client.say({"type": "session.update", "session": {"tools": FUNCTIONS, "max_output_tokens": 2}})
    client.say(CREATE)
    heard = client.wait(30)
    assert [event["name"] for event in heard[-1]["response"]["output"]] == ["a", "b"]
    client.say({**CREATE, "response": {"tools": []}})
    heard = client.wait(30)
    assert heard[-1]["response"]["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
