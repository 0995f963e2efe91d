"""Responses, as the reference endpoint serves them: kept in the background, in lanes on a socket, steered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_reference import KEY, STORY_TEXT, exchange, request
from test_websocket import Client

import tokenwire
from tokenwire.dialects.decoder import Decoder
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.openai_responses import MAX_KEPT
from tokenwire.endpoint.responses_socket import MAX_LANES
from tokenwire.endpoint.story import STORY

PATH = "/v1/responses"
ASK: dict[str, Any] = {"model": "tokenwire-reference", "input": "say it"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS}]


@pytest.fixture
def endpoint() -> ReferenceEndpoint:
    return ReferenceEndpoint(key=KEY)


def get(endpoint: ReferenceEndpoint, path: str) -> tuple[int, Any]:
    status, _, body = exchange(request(method="GET", path=path), endpoint)
    return status, json.loads(body)


def stream(endpoint: ReferenceEndpoint, data: bytes) -> list[dict[str, Any]]:
    _, headers, body = exchange(data, endpoint)
    assert headers["content-type"].startswith("text/event-stream")
    return [json.loads(event.data) for event in tokenwire.SSEParser().receive_data(body)]


def answer_of(events: list[dict[str, Any]]) -> tokenwire.Answer:
    """What the first response among the events says."""
    decoder = Decoder("openai-responses")
    answer = tokenwire.Answer()
    for event in events:
        answer.add_all(decoder.receive_message(json.dumps(event)))
    answer.add_all(decoder.receive_eof())
    return answer


# In the background.


def test_a_response_in_the_background_is_resumed_after_any_of_its_events(endpoint: ReferenceEndpoint) -> None:
    told = stream(endpoint, request({**ASK, "background": True, "stream": True}, path=PATH))
    path = f"{PATH}/{told[0]['response']['id']}?stream=true"
    assert [event["type"] for event in told[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert stream(endpoint, request(method="GET", path=path)) == told
    for after in range(len(told)):
        rest = stream(endpoint, request(method="GET", path=f"{path}&starting_after={after}"))
        assert rest == told[after + 1 :]


def test_a_stream_that_was_cut_and_resumed_is_the_whole_answer(endpoint: ReferenceEndpoint) -> None:
    told = stream(endpoint, request({**ASK, "background": True, "stream": True}, path=PATH))
    path = f"{PATH}/{told[0]['response']['id']}?stream=true&starting_after=12"
    answer = answer_of([*told[:13], *stream(endpoint, request(method="GET", path=path))])
    assert (answer.text, answer.end) == (STORY_TEXT, tokenwire.End(clean=True))


def test_a_response_in_the_background_is_queued_and_there_afterwards(endpoint: ReferenceEndpoint) -> None:
    queued = json.loads(exchange(request({**ASK, "background": True}, path=PATH), endpoint)[2])
    assert (queued["status"], queued["output"]) == ("queued", [])
    status, done = get(endpoint, f"{PATH}/{queued['id']}")
    assert (status, done["status"], done["output"][0]["content"][0]["text"]) == (200, "completed", STORY_TEXT)


def test_only_the_last_responses_are_kept(endpoint: ReferenceEndpoint) -> None:
    body = request({**ASK, "background": True}, path=PATH)
    made = [json.loads(exchange(body, endpoint)[2])["id"] for _ in range(MAX_KEPT + 1)]
    assert [get(endpoint, f"{PATH}/{response}")[0] for response in (made[0], made[1], made[-1])] == [404, 200, 200]


def test_another_endpoint_does_not_know_them(endpoint: ReferenceEndpoint) -> None:
    queued = json.loads(exchange(request({**ASK, "background": True}, path=PATH), endpoint)[2])
    assert get(ReferenceEndpoint(key=KEY), f"{PATH}/{queued['id']}")[0] == 404


@pytest.mark.parametrize(
    ("create", "query", "status"),
    [
        ({}, "", 404),
        ({"stream": True}, "", 404),
        ({"background": True}, "?stream=true", 400),
        ({"background": True, "stream": True}, "?stream=true&starting_after=x", 400),
        ({"background": True, "stream": True}, "?stream=true&starting_after=--1", 400),
    ],
)
def test_what_cannot_be_retrieved_is_refused(
    endpoint: ReferenceEndpoint, create: dict[str, Any], query: str, status: int
) -> None:
    _, _, body = exchange(request({**ASK, **create}, path=PATH), endpoint)
    response = json.loads(body.partition(b"data: ")[2].partition(b"\n")[0] or body)
    assert get(endpoint, f"{PATH}/{response.get('response', response)['id']}{query}")[0] == status


def test_a_response_goes_on_from_one_that_is_known(endpoint: ReferenceEndpoint) -> None:
    first = json.loads(exchange(request(ASK, path=PATH), endpoint)[2])
    second = exchange(request({**ASK, "previous_response_id": first["id"]}, path=PATH), endpoint)
    assert json.loads(second[2])["previous_response_id"] == first["id"]
    status, _, body = exchange(request({**ASK, "previous_response_id": "resp_x"}, path=PATH), endpoint)
    assert (status, json.loads(body)["error"]["code"]) == (400, "previous_response_not_found")


@pytest.mark.parametrize("said", [None, "", [], 5])
def test_without_input_there_is_nothing_to_answer(endpoint: ReferenceEndpoint, said: Any) -> None:
    assert exchange(request({**ASK, "input": said}, path=PATH), endpoint)[0] == 400


# On a socket.


def create(**more: Any) -> dict[str, Any]:
    return {"type": "response.create", **ASK, **more}


def until_terminal(client: Client, responses: int = 1) -> list[dict[str, Any]]:
    """What comes until so many responses have ended, each in its time."""
    heard: list[dict[str, Any]] = []
    terminals = ("response.completed", "response.incomplete", "response.failed")
    while sum(event["type"] in terminals for event in heard) < responses:
        heard += client.wait(1)
    return heard


def test_responses_of_one_lane_follow_each_other() -> None:
    client = Client(PATH)
    client.say(create())
    client.say(create())
    heard = until_terminal(client, 2)
    half = len(heard) // 2
    assert [answer_of(heard[:half]).text, answer_of(heard[half:]).text] == [STORY_TEXT] * 2
    assert "stream_id" not in heard[0]


def test_responses_of_two_lanes_go_side_by_side() -> None:
    client = Client(PATH, pace=2.0)
    client.say(create(stream_id="a"))
    client.wait(3)
    client.say(create(stream_id="b"))
    heard = until_terminal(client, 2)
    lanes = [event["stream_id"] for event in heard]
    assert lanes[:6] in (["a", "b"] * 3, ["b", "a"] * 3)
    assert answer_of([event for event in heard if event["stream_id"] == "b"]).text == STORY_TEXT


def test_a_previous_response_is_known_on_the_socket_that_made_it() -> None:
    client = Client(PATH)
    client.say(create(max_output_tokens=1))
    response = until_terminal(client)[-1]["response"]["id"]
    client.say(create(previous_response_id=response))
    assert until_terminal(client)[-1]["response"]["previous_response_id"] == response
    other = Client(PATH)
    other.say(create(previous_response_id=response, stream_id="a"))
    [error] = other.wait(1)
    assert (error["type"], error["status"], error["stream_id"]) == ("error", 400, "a")
    assert error["error"]["code"] == "previous_response_not_found"


def test_nothing_is_generated_to_warm_up() -> None:
    client = Client(PATH)
    client.say(create(generate=False))
    done = until_terminal(client)[-1]
    assert (done["type"], done["response"]["output"]) == ("response.completed", [])
    client.say(create(previous_response_id=done["response"]["id"]))
    assert answer_of(until_terminal(client)).text == STORY_TEXT


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "invalid_json"),
        ([1], "invalid_request"),
        ({"type": "what"}, "unknown_event"),
        (create(model="no-such"), "model_not_found"),
        (create(model="tokenwire-overloaded"), "overloaded"),
        (create(input=None), "invalid_request"),
    ],
)
def test_a_wrong_message_is_an_error_and_the_socket_lives(message: Any, code: str) -> None:
    client = Client(PATH)
    client.say(message)
    [error] = client.wait(1)
    assert (error["type"], error["error"]["code"]) == ("error", code)
    client.say(create(max_output_tokens=1))
    assert until_terminal(client)[-1]["type"] == "response.incomplete"


def test_a_socket_has_so_many_lanes() -> None:
    client = Client(PATH)
    for lane in range(MAX_LANES + 1):
        client.say(create(stream_id=str(lane), max_output_tokens=1))
    errors = [event["error"]["code"] for event in client.wait(2000) if event["type"] == "error"]
    assert errors == ["websocket_stream_limit_reached"]
    client.say(create())
    assert answer_of(until_terminal(client)).text == STORY_TEXT


# Steered.


def steer(response: str, said: Any = "shorter") -> dict[str, Any]:
    return {"type": "response.steer", "previous_response_id": response, "input": said}


@pytest.mark.parametrize("heard_before", range(1, len(STORY) + 8))
def test_a_steered_response_ends_with_what_it_has_told_and_its_successor_follows(heard_before: int) -> None:
    client = Client(PATH)
    client.say(create(stream_id="a"))
    before = client.wait(heard_before)
    response = before[0]["response"]["id"]
    client.say(steer(response))
    client.say(create(stream_id="a", max_output_tokens=1))
    heard = [*before, *until_terminal(client, 3)]
    kinds = [event["type"] for event in heard]
    first, second, _ = (at for at, kind in enumerate(kinds) if kind in ("response.incomplete", "response.completed"))
    assert kinds[heard_before] == "response.steer.accepted"
    assert [event["sequence_number"] for event in heard[: first + 1]] == list(range(first + 1))
    ended = heard[first]["response"]
    assert (ended["id"], ended["status"], ended["incomplete_details"]) == (
        response,
        "incomplete",
        {"reason": "steered"},
    )
    told = "".join(event["delta"] for event in before if event["type"].endswith("text.delta"))
    assert answer_of(heard[: first + 1]).text == told
    assert "".join(part["text"] for item in ended["output"] for part in item["content"]) == told
    successor = answer_of(heard[first + 1 : second + 1])
    assert (successor.text, successor.end) == (STORY_TEXT, tokenwire.End(clean=True))
    assert heard[second]["response"]["previous_response_id"] == response
    assert {event["stream_id"] for event in heard} == {"a"}


def test_a_response_that_calls_tools_is_not_ended_and_says_what_it_waits_for() -> None:
    client = Client(PATH)
    client.say(create(tools=TOOLS))
    before = client.wait(4)
    client.say(steer(before[0]["response"]["id"]))
    heard = [*before, *until_terminal(client), *client.wait(2)]
    assert [event["type"] for event in heard[-2:]] == ["response.completed", "response.steer.pending"]
    assert heard[-1]["required_input"] == [{"type": "function_call_output", "call_id": "call_reference_0"}]
    assert answer_of(heard).tools[0].arguments == '{"city": "東京"}'
    assert [event["sequence_number"] for event in heard] == list(range(len(heard)))


@pytest.mark.parametrize(
    ("heard_before", "said", "code"),
    [
        (500, "shorter", "response_already_completed"),
        (0, "shorter", "response_not_active"),
        (5, "", "invalid_input"),
        (5, 7, "invalid_input"),
    ],
)
def test_a_steer_that_comes_too_late_or_says_nothing_fails(heard_before: int, said: Any, code: str) -> None:
    client = Client(PATH, pace=1.0)
    client.say(create())
    client.say(create())
    heard = client.wait(6)
    response = heard[0]["response"]["id"] if heard_before else f"resp_reference_{3:06}"
    client.wait(heard_before)
    client.say(steer(response, said))
    failed = [event for event in client.wait(500) if event["type"] == "response.steer.failed"]
    assert [event["error"]["code"] for event in failed] == [code]
    assert failed[0]["steer"] == {"previous_response_id": response, "input": said}


def test_a_response_is_steered_once() -> None:
    client = Client(PATH)
    client.say(create())
    response = client.wait(6)[0]["response"]["id"]
    for _ in range(2):
        client.say(steer(response))
    [code] = [event["error"]["code"] for event in client.wait(500) if event["type"] == "response.steer.failed"]
    assert code == "too_many_pending_steers"


def test_a_successor_that_cannot_be_made_fails_and_the_response_goes_on() -> None:
    client = Client(PATH)
    client.say(create())
    before = client.wait(6)
    client.say(steer(before[0]["response"]["id"], "a " * 40_000))
    heard = [*before, *until_terminal(client)]
    [code] = [event["error"]["code"] for event in heard if event["type"] == "response.steer.failed"]
    assert code == "successor_creation_failed"
    assert answer_of(heard).text == STORY_TEXT


def test_nobody_elses_response_can_be_steered() -> None:
    client = Client(PATH)
    client.say(steer("resp_x"))
    [failed] = client.wait(1)
    assert failed["error"]["code"] == "response_not_found"
