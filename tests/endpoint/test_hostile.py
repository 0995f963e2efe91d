"""The reference endpoint before clients that mean harm, or know no better: each request is answered, nothing fails.

    python tests/endpoint/test_hostile.py [SEEDS]       # more of the drawn requests and messages: 20,000 by default

All without a network: bytes and times in, bytes out.
"""

from __future__ import annotations

import json
import sys
from random import Random
from typing import Any

import pytest

from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.connection import PATIENCE
from tokenwire.endpoint.reference import services
from tokenwire.protocol.websocket import Closed, ConnectionState, Opened, WebSocketConnection

#: How many seeds a test run takes.
SEEDS = 1000

ROUTES = [(method, path) for service in services() for path, methods in service.routes.items() for method in methods]
SOCKETS = [path for service in services() for path in service.sockets]

BODIES: list[Any] = [
    {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}], "stream": True},
    {"model": "tokenwire-reference", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
    {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 3}},
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tell", "arguments": {}}},
    {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {"message": {"parts": [{"text": "hi"}]}}},
    {"threadId": "t", "runId": "r", "messages": [{"id": "1", "role": "user", "content": "hi"}], "tools": []},
]
MESSAGES: list[Any] = [
    *BODIES,
    {"type": "session.update", "session": {"model": "m", "tools": [{"name": "f", "parameters": {}}]}},
    {"type": "conversation.item.create", "item": {"content": [{"type": "input_text", "text": "hi"}]}},
    {"type": "response.create", "response": {"max_output_tokens": 3}, "stream_id": "a", "previous_response_id": None},
    {"type": "response.cancel"},
    {"type": "response.steer", "previous_response_id": "resp_reference_000001", "input": "on"},
    {"setup": {"model": "models/m", "sessionResumption": {"handle": "h"}}},
    {"clientContent": {"turns": [{"parts": [{"text": "hi"}]}], "turnComplete": True}},
    {"realtimeInput": {"text": "hi"}},
    {"toolResponse": {"functionResponses": [{"id": "1", "response": {}}]}},
]
ODD: list[Any] = [None, 0, -1, 1.5, 10**30, True, "", "x", "\ud800", [], [None], {}, {"a": 1}, [[]], [{}], {"text": 1}]
TARGETS = ["//[", "http://[", "*", "/", "/%", "/%ff", "/?\x7f", "/v1/models/%00", "http://test/v1/models", "/../.."]


def get(target: str, method: str = "GET", end: str = "\r\n") -> bytes:
    return f"{method} {target} HTTP/1.1{end}Host: test{end}{end}".encode("latin-1")


def heard(*pieces: bytes, endpoint: ReferenceEndpoint | None = None) -> tuple[bytes, str]:
    """All that is sent to a client that says this and then waits, and how the connection ends."""
    connection = (endpoint or ReferenceEndpoint()).connection()
    out = connection.data_to_send(0.0)
    for piece in pieces:
        connection.receive_data(piece, 0.0)
    while not connection.ending:
        deadline = connection.next_deadline()
        assert deadline is not None, "the endpoint waits for ever"
        out += connection.data_to_send(deadline)
    return out, connection.ending


@pytest.mark.parametrize("target", ["/v1/models", "/v1/chat/stream?model=m", "/nothing/here", "/v1/chat/completions"])
def test_head_is_answered_as_get_is_without_a_body(target: str) -> None:
    head, _, body = heard(get(target, "HEAD"))[0].partition(b"\r\n\r\n")
    of_get = heard(get(target))[0].partition(b"\r\n\r\n")[0]
    volatile = (b"date", b"x-request-id")

    def fields(head: bytes) -> list[bytes]:
        return [line for line in head.split(b"\r\n")[1:] if line.partition(b":")[0].lower() not in volatile]

    assert body == b""
    assert head.split(b" ")[1] == of_get.split(b" ")[1]
    assert [f for f in fields(head) if not f.lower().startswith(b"content-length")] == [
        f for f in fields(of_get) if not f.lower().startswith(b"content-length")
    ]


def test_the_methods_that_a_path_allows_include_head_where_there_is_get() -> None:
    assert b"\r\nAllow: GET, HEAD, OPTIONS\r\n" in heard(get("/v1/chat/stream", "DELETE"))[0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_bare_lf_ends_a_line_of_a_request_too(end: str) -> None:
    assert heard(get("/v1/models", end=end))[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("target", TARGETS)
def test_an_odd_target_is_answered(target: str) -> None:
    assert heard(get(target))[0].split(b" ")[1] in (b"200", b"400", b"404")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"", b""),
        (b"GET /v1/models HT", b"HTTP/1.1 408"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 408"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\n", b"HTTP/1.1 408"),
    ],
)
def test_a_request_that_is_not_complete_in_time_is_refused(said: bytes, answer: bytes) -> None:
    connection = ReferenceEndpoint().connection()
    assert connection.data_to_send(0.0) == b""
    if said:
        connection.receive_data(said, 1.0)
    assert not connection.data_to_send(PATIENCE - 0.5)
    assert not connection.ending
    out = connection.data_to_send(PATIENCE + 1.0)
    assert out[: len(b"HTTP/1.1 408")] == answer
    assert connection.ending == "close"


def test_a_slow_body_is_waited_for_as_long_as_it_goes_on() -> None:
    connection = ReferenceEndpoint().connection()
    body = json.dumps(BODIES[0]).encode()
    fields = b"Host: t\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    head = b"POST /v1/chat/completions HTTP/1.1\r\n" + fields
    connection.receive_data(head % len(body), 0.0)
    now = 0.0
    for at in range(len(body)):
        now += PATIENCE - 1.0
        assert not connection.data_to_send(now)
        connection.receive_data(body[at : at + 1], now)
    assert connection.data_to_send(now).startswith(b"HTTP/1.1 200")


def test_a_connection_that_is_not_used_again_is_closed() -> None:
    out, ending = heard(get("/v1/models"))
    assert out.startswith(b"HTTP/1.1 200")
    assert b"408" not in out
    assert ending == "close"


def test_a_fault_of_the_endpoints_own_is_told_and_the_next_request_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = ReferenceEndpoint()

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(endpoint, "_identify", fails)
        connection = endpoint.connection()
        connection.receive_data(get("/v1/models") + get("/nothing"), 0.0)
        out = connection.data_to_send(0.0)
    assert out.startswith(b"HTTP/1.1 500")
    assert b"ZeroDivisionError" in out
    assert b"HTTP/1.1 404" in out


def mutated(draw: Random, value: Any) -> Any:
    """The value with some of it replaced, left out, or added to."""
    if draw.random() < 0.1:
        return draw.choice(ODD)
    if isinstance(value, list):
        return [mutated(draw, item) for item in value] * draw.choice([1, 1, 1, 2])
    if not isinstance(value, dict):
        return value
    changed = {name: mutated(draw, item) for name, item in value.items() if draw.random() < 0.95}
    if draw.random() < 0.3:
        changed[draw.choice(MEMBERS)] = draw.choice(ODD)
    return changed


def _members(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_members, value))
    return set(value).union(*map(_members, value.values())) if isinstance(value, dict) else set()


MEMBERS = sorted(_members(MESSAGES) | {"tools", "tool_choice", "n", "stream_options", "system", "store", "thinking"})


def damaged(draw: Random, data: bytes) -> bytes:
    """The data with some bytes overwritten by those that mean something in HTTP and JSON."""
    bytes_ = bytearray(data)
    for _ in range(draw.choice([0, 0, 0, 1, 2, 5])):
        bytes_[draw.randrange(len(bytes_))] = draw.choice(b'\r\n\0\t :,/?%[]{}"\xff')
    return bytes(bytes_)


def a_request(draw: Random) -> bytes:
    method, path = draw.choice(ROUTES)
    path = path.format(model=draw.choice(["tokenwire-reference", "%00", "\xe9"]), id=draw.choice(["1", "%ff"]))
    if draw.random() < 0.2:
        method, path = draw.choice(["GET", "HEAD", "PUT", "OPTIONS", "POST"]), draw.choice(TARGETS)
    body = json.dumps(mutated(draw, draw.choice(BODIES))).encode()
    fields = {
        "Host": "test",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Last-Event-ID": draw.choice(["", "1", "1-1", "9" * 50, "\xb2"]),
        "X-Drop-After": draw.choice(["", "-1", "x", "1e9", "10"]),
        "Accept-Encoding": draw.choice(["gzip", "identity", ";q=1", "gzip;q=0"]),
    }
    lines = [f"{method} {path} HTTP/1.{draw.choice('01111')}", *(f"{name}: {value}" for name, value in fields.items())]
    return damaged(draw, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def answers_a_request(seed: int) -> None:
    """Whatever is asked, in any two pieces, is answered, or refused; the endpoint itself does not fail."""
    draw = Random(seed)
    request = a_request(draw)
    cut = draw.randrange(1, len(request))
    out, _ = heard(request[:cut], request[cut:])
    assert out.startswith(b"HTTP/1.1 "), f"seed {seed}: {request!r} is answered {out[:80]!r}"
    assert b"internal_error" not in out, f"seed {seed}: {request!r} makes the endpoint fail: {out!r}"


def answers_messages(seed: int) -> None:
    """Whatever is said on a WebSocket, the endpoint itself does not fail."""
    draw = Random(seed)
    path = draw.choice(SOCKETS)
    client = WebSocketConnection(f"ws://test{path}", compression=False)
    server = ReferenceEndpoint().connection()
    server.receive_data(client.data_to_send(), 0.0)
    opened, *_ = client.receive_data(server.data_to_send(0.0))
    assert isinstance(opened, Opened)
    said: list[str] = []
    for _ in range(draw.randrange(1, 6)):
        if client.state is not ConnectionState.OPEN:
            return  # some services close where they are not spoken to as they must be
        said.append(json.dumps(mutated(draw, draw.choice(MESSAGES))))
        client.send(said[-1])
        server.receive_data(client.data_to_send(), 0.0)
        for event in client.receive_data(server.data_to_send(0.0)):
            failed = isinstance(event, Closed) and event.code == 1011
            assert not failed, f"seed {seed}: at {path} {said} makes the endpoint fail"


@pytest.mark.parametrize("start", range(0, SEEDS, 100))
def test_drawn_requests_are_answered(start: int) -> None:
    for seed in range(start, start + 100):
        answers_a_request(seed)


@pytest.mark.parametrize("start", range(0, SEEDS, 100))
def test_drawn_messages_do_no_harm(start: int) -> None:
    for seed in range(start, start + 100):
        answers_messages(seed)


if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for number in range(seeds):
        answers_a_request(number)
        answers_messages(number)
    print(f"{seeds} requests and {seeds} conversations over WebSocket: all answered")
