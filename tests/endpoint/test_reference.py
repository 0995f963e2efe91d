"""The reference endpoint, without a network: bytes and times in, bytes out."""

from __future__ import annotations

import json
from typing import Any

import h11
import pytest

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import STORY

KEY = "a-key-of-some-length"
STORY_TEXT = "".join(STORY)


def request(body: Any = None, *, method: str = "POST", path: str = "/v1/chat/completions", **fields: str) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"Host": "test", "Authorization": f"Bearer {KEY}", **fields}
    if body is not None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + data


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}], **more}


def exchange(data: bytes, endpoint: ReferenceEndpoint | None = None) -> tuple[int, dict[str, str], bytes]:
    """One exchange with an endpoint whose pace is so slow that only a simulated clock can wait for it."""
    connection = (endpoint or ReferenceEndpoint(key=KEY, pace=3600.0)).connection()
    connection.receive_data(data, 0.0)
    out = connection.data_to_send(0.0)
    while (deadline := connection.next_deadline()) is not None:
        out += connection.data_to_send(deadline)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=data.split(b" ")[0], target="/", headers=[("Host", "test")]))
    client.send(h11.EndOfMessage())
    client.receive_data(out)
    if connection.ending:
        client.receive_data(b"")
    status, headers, body = 0, {}, b""
    while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        if isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
    return status, headers, body


def answer(body: bytes) -> tokenwire.Answer:
    result = tokenwire.Answer()
    result.add_all(tokenwire.decode([body], on_error="event"))
    return result


def test_the_story_is_streamed_and_ends_cleanly() -> None:
    status, headers, body = exchange(request(chat(stream=True)))
    told = answer(body)
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert told.text == STORY_TEXT
    assert told.finish == tokenwire.Finish("stop", "stop")
    assert told.end == tokenwire.End(clean=True)
    assert told.usage is None


def test_the_whole_answer_is_the_streamed_one() -> None:
    status, headers, body = exchange(request(chat()))
    whole = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert whole["choices"][0]["message"]["content"] == STORY_TEXT
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + whole["usage"]["completion_tokens"]


def test_usage_comes_last_and_only_when_asked_for() -> None:
    _, _, body = exchange(request(chat(stream=True, stream_options={"include_usage": True})))
    assert answer(body).usage == {"prompt_tokens": 2, "completion_tokens": len(STORY), "total_tokens": len(STORY) + 2}


def test_the_token_limit_holds() -> None:
    told = answer(exchange(request(chat(stream=True, max_tokens=3)))[2])
    assert told.text == "".join(STORY[:3])
    assert told.finish == tokenwire.Finish("length", "length")


def test_tools_are_called_with_arguments_that_fit_their_schema() -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tools = [{"type": "function", "function": {"name": name, "parameters": parameters}} for name in ("one", "two")]
    told = answer(exchange(request(chat(stream=True, tools=tools)))[2])
    assert [call.name for call in told.tools] == ["one", "two"]
    assert [json.loads(call.arguments) for call in told.tools] == [{"city": "東京", "days": 3}] * 2
    assert told.finish is not None
    assert told.finish.reason == "tool_calls"


def test_every_choice_tells_the_whole_story() -> None:
    told = answer(exchange(request(chat(stream=True, n=3)))[2])
    assert [told.text_of(choice) for choice in range(3)] == [STORY_TEXT] * 3


def test_an_error_within_the_stream_is_told_in_the_stream() -> None:
    status, _, body = exchange(request(chat(stream=True, model="tokenwire-fails-midstream")))
    told = answer(body)
    assert status == 200
    assert told.text == "".join(STORY[:5])
    assert told.error == tokenwire.Error("failed", "The model failed.", fatal=True)
    assert told.end == tokenwire.End(clean=False)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (request(chat(), Authorization="Bearer wrong"), 401, "invalid_api_key"),
        (request(chat(model="no-such")), 404, "model_not_found"),
        (request(chat(model="tokenwire-overloaded")), 503, "overloaded"),
        (request(chat(messages=[])), 400, "invalid_request"),
        (request(chat(n=99)), 400, "invalid_request"),
        (request(chat(messages=[{"role": "user", "content": "a " * 40_000}])), 400, "context_length_exceeded"),
        (request(chat(), Content_Type="text/plain"), 415, "unsupported_media_type"),
        (request([1, 2]), 400, "invalid_request"),
        (request(method="GET"), 405, "method_not_allowed"),
        (request(method="GET", path="/nowhere"), 404, "not_found"),
        (request(method="GET", path="/v1/models", Content_Length="99999999"), 413, "body_too_large"),
        (request(method="GET", path="/v1/models", Host="not valid/"), 400, "bad_host"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"NO REQUEST\r\n\r\n", 400, "bad_request"),
    ],
)
def test_a_refusal_has_its_status_and_the_dialects_error_object(data: bytes, status: int, code: str) -> None:
    got, headers, body = exchange(data)
    assert (got, json.loads(body)["error"]["code"]) == (status, code)
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("at", range(0, len(request(chat(stream=True))), 7))
def test_a_request_may_come_in_any_two_pieces(at: int) -> None:
    data = request(chat(stream=True))
    connection = ReferenceEndpoint(key=KEY).connection()
    connection.receive_data(data[:at], 0.0)
    connection.receive_data(data[at:], 0.0)
    assert connection.data_to_send(0.0).endswith(b"0\r\n\r\n")


def test_the_pace_is_kept_by_the_clock_that_is_handed_in() -> None:
    connection = ReferenceEndpoint(key=KEY, pace=2.0).connection()
    connection.receive_data(request(chat(stream=True)), 100.0)
    assert connection.data_to_send(100.0).count(b"data: ") == 1
    assert connection.next_deadline() == 102.0
    assert connection.data_to_send(101.9) == b""
    assert connection.data_to_send(102.0).count(b"data: ") == 1


def test_gzip_is_flushed_with_every_token() -> None:
    connection = ReferenceEndpoint(key=KEY, pace=1.0).connection()
    connection.receive_data(request(chat(stream=True), Accept_Encoding="gzip"), 0.0)
    decoder = tokenwire.Decoder("openai-chat")
    exchanged = tokenwire.HTTPExchange(
        tokenwire.HTTPRequest("POST", tokenwire.protocol.url.parse_url("http://test/"), [])
    )
    texts = []
    for second in range(8):
        for event in exchanged.receive_data(connection.data_to_send(float(second)) or b""):
            if isinstance(event, tokenwire.protocol.http.Body):
                texts += [e.text for e in decoder.receive_data(event.data) if isinstance(e, tokenwire.TextDelta)]
        assert texts == list(STORY[: max(second, 0)])


def test_the_eventsource_stream_has_ids_and_a_reconnection_time() -> None:
    _, headers, body = exchange(request(method="GET", path="/v1/chat/stream?model=tokenwire-reference"))
    parser = tokenwire.SSEParser()
    events = parser.receive_data(body)
    assert headers["cache-control"].startswith("no-store")
    assert "".join(json.loads(event.data).get("content", "") for event in events) == STORY_TEXT
    assert json.loads(events[-1].data) == {"type": "done"}
    assert [event.id for event in events] == [f"1-{number}" for number in range(len(events))]
    assert parser.retry == 1000
