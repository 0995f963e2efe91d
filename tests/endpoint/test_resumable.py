"""What the endpoint keeps of a stream for whoever lost it, in every dialect that can be resumed, and for its key."""

from __future__ import annotations

from typing import Any

import pytest

from tokenwire.dialects import DIALECTS
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import MODELS
from tokenwire.session import PATIENT, DurableSession, build_request

SAID = {"role": "ROLE_USER", "parts": [{"text": "go"}]}

#: (dialect, URL, what is asked)
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("eventsource", "http://host", {"model": MODELS[0]}),
    ("holysheep", "http://host", {"model": MODELS[0]}),
    ("openai-responses", "http://host", {"model": MODELS[0], "input": "go", "background": True}),
    ("gemini-interactions", "http://host", {"model": MODELS[0], "input": "go"}),
    ("mcp", "http://host", {"method": "tools/call", "params": {"name": "tell", "arguments": {}}}),
    ("a2a", "http://host/a2a", {"method": "SendStreamingMessage", "params": {"message": SAID}}),
    ("a2a", "http://host/a2a/message:stream", {"message": SAID}),
]


def test_every_dialect_that_can_be_resumed_is_here() -> None:
    assert {name for name, _, _ in ASKED} == {name for name, kind in DIALECTS.items() if kind.resuming is not None}


@pytest.mark.parametrize(("dialect", "url", "asked"), ASKED)
def test_a_stream_that_broke_goes_on_for_whoever_asked_for_it_and_for_nobody_else(
    dialect: str, url: str, asked: dict[str, Any]
) -> None:
    endpoint = ReferenceEndpoint(clock=lambda: 0.0)
    kind = DIALECTS[dialect]
    request = build_request(url, kind, json=asked, key="mine", headers={"accept-encoding": "identity"})
    session = DurableSession(request, kind, policy=PATIENT, random=lambda: 0.0)
    session.connected(0.0)
    answer = exchange(endpoint, session.data_to_send())
    session.receive_data(answer[: answer.index(b"\r\n\r\n") + len(answer) // 5], 0.0)
    session.receive_eof(0.0)
    session.handle_deadline(session.next_deadline() or 0.0)
    session.connected(0.0)
    again = session.data_to_send()
    assert b"mine" in again
    assert exchange(endpoint, again.replace(b"mine", b"hers")).partition(b" ")[2][:3] in (b"400", b"404")
    session.receive_data(exchange(endpoint, again), 0.0)
    assert session.error is None
    assert session.answer.end is not None or kind.name == "eventsource"


def exchange(endpoint: ReferenceEndpoint, asked: bytes) -> bytes:
    """The whole response."""
    connection = endpoint.connection()
    connection.receive_data(asked, 0.0)
    return connection.data_to_send(1e9)
