"""The reference endpoint over WebSocket: official clients, browsers' handshakes, and bytes on a simulated clock."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY
from tokenwire.protocol.websocket import Closed, Opened, Rejected, WebSocketConnection, WebSocketEvent

KEY = "a-key-of-some-length"
STORY_TEXT = "".join(STORY)


class Client:
    """A client of an endpoint in the same process, on a clock of its own."""

    def __init__(
        self,
        path: str,
        *,
        pace: float = 60.0,
        key: str | None = KEY,
        subprotocols: tuple[str, ...] = (),
        endpoint: ReferenceEndpoint | None = None,
    ) -> None:
        headers = [("authorization", f"Bearer {key}")] if key else []
        self.connection = WebSocketConnection(f"ws://test{path}", headers=headers, subprotocols=subprotocols)
        self._endpoint = (endpoint or ReferenceEndpoint(key=KEY, pace=pace)).connection()
        self.now = 0.0
        self.events = self.exchange()

    def say(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def exchange(self) -> list[WebSocketEvent]:
        """Carries bytes both ways until neither side has more to say at this time."""
        events: list[WebSocketEvent] = []
        while data := self.connection.data_to_send():
            self._endpoint.receive_data(data, self.now)
            events += self._hear()
        return events + self._hear()

    def wait(self, messages: int) -> list[Any]:
        """Lets the clock jump from deadline to deadline until so many messages have come, or an hour has gone by."""
        until = self.now + 3600.0
        heard: list[Any] = [json.loads(event) for event in self.exchange() if isinstance(event, str)]
        while len(heard) < messages:
            deadline = self._endpoint.next_deadline()
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            heard += [json.loads(event) for event in self.exchange() if isinstance(event, str)]
        return heard

    def _hear(self) -> list[WebSocketEvent]:
        return self.connection.receive_data(self._endpoint.data_to_send(self.now))


ASK = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}], "stream": True}


def test_the_story_comes_at_the_pace_of_the_clock() -> None:
    client = Client("/v1/chat/stream", pace=2.0)
    client.say(ASK)
    assert [m.get("content") for m in client.wait(3)] == list(STORY[:3])
    assert client.now == 4.0  # the first one came at once


def test_the_story_comes_whole() -> None:
    client = Client("/v1/chat/stream")
    client.say(ASK)
    messages = client.wait(len(STORY) + 1)
    assert "".join(message.get("content", "") for message in messages) == STORY_TEXT
    assert messages[-1]["type"] == "done"


def test_an_update_is_acknowledged_before_the_rest_and_a_cancel_ends_it() -> None:
    client = Client("/v1/chat/stream")
    client.say(ASK)
    client.wait(2)
    client.say({"type": "context_update", "context": "more"})
    assert client.wait(1) == [{"type": "context_updated"}]
    client.say({"type": "cancel"})
    assert client.wait(1) == [{"type": "done", "cancelled": True}]
    assert client.wait(1) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "invalid_json"),
        ([1], "invalid_request"),
        ({"model": "tokenwire-reference"}, "invalid_request"),
        ({**ASK, "model": "no-such"}, "model_not_found"),
        ({"type": "what"}, "unknown_type"),
        ({"type": "cancel"}, "nothing_to_cancel"),
    ],
)
def test_a_wrong_message_is_an_error_and_the_socket_lives(message: Any, code: str) -> None:
    client = Client("/v1/chat/stream")
    client.say(message)
    [answer] = client.wait(1)
    assert (answer["type"], answer["error"]["code"]) == ("error", code)
    client.say({**ASK, "max_tokens": 1})
    assert client.wait(2)[-1]["type"] == "done"


def test_binary_messages_are_refused_with_1003() -> None:
    client = Client("/v1/chat/stream")
    client.say(b"\x00")
    assert Closed(1003, "") in client.exchange()


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [("/v1/chat/stream", "wrong", 401, "invalid_api_key"), ("/v1/no-such", KEY, 404, "not_found")],
)
def test_a_refused_handshake_has_the_error_object(path: str, key: str, status: int, code: str) -> None:
    [event] = Client(path, key=key).events
    assert isinstance(event, Rejected)
    assert (event.status, json.loads(event.body)["error"]["code"]) == (status, code)


def test_the_first_subprotocol_that_holds_no_key_is_taken() -> None:
    [event] = Client("/echo", subprotocols=("openai-insecure-api-key.x", "realtime")).events
    assert isinstance(event, Opened)
    assert event.subprotocol == "realtime"


def test_a_bad_handshake_is_refused_in_the_dialects_words() -> None:
    connection = ReferenceEndpoint().connection()
    connection.receive_data(b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0.0)
    head, _, body = connection.data_to_send(0.0).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "bad_handshake"
    assert connection.ending == "close"


def test_realtime_cancels_a_response_and_complains_when_there_is_none() -> None:
    client = Client("/v1/realtime")
    client.say({"type": "response.create"})
    client.wait(6)
    client.say({"type": "response.cancel"})
    done = client.wait(1)[-1]
    assert (done["type"], done["response"]["status"]) == ("response.done", "cancelled")
    client.say({"type": "response.cancel"})
    assert client.wait(1)[-1]["type"] == "error"


def test_the_official_realtime_client_hears_the_story() -> None:
    openai = pytest.importorskip("openai")
    pytest.importorskip("websockets")

    async def talk(port: int) -> tuple[str, str]:
        base = f"127.0.0.1:{port}/v1"
        client = openai.AsyncOpenAI(api_key=KEY, base_url=f"http://{base}", websocket_base_url=f"ws://{base}")
        text = ""
        async with client.realtime.connect(model="tokenwire-reference") as connection:
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            content = [{"type": "input_text", "text": "say it"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.done":
                    break
        await client.close()
        return text, event.response.status

    with background(ReferenceEndpoint(key=KEY).connection) as port:
        assert asyncio.run(talk(port)) == (STORY_TEXT, "completed")
