"""Anthropic's SDK streams from the reference endpoint, and hears what tokenwire hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hearing import KEY, hear

from tokenwire.endpoint import ReferenceEndpoint, background

anthropic = pytest.importorskip("anthropic")

ASK: dict[str, Any] = {
    "model": "tokenwire-reference",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "say it"}],
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = [{"name": name, "description": "Looks it up.", "input_schema": PARAMETERS} for name in ("weather", "time_of")]
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{port}", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.mark.parametrize(
    "more",
    [{}, {"max_tokens": 3}, THINKING, {"tools": TOOLS}, {"tools": TOOLS, **THINKING}],
    ids=["text", "limit", "thinking", "tools", "thinking and tools"],
)
def test_both_hear_the_same(client: anthropic.Anthropic, port: int, more: dict[str, Any]) -> None:
    with client.messages.stream(**{**ASK, **more}) as stream:
        for _ in stream:
            pass
        message = stream.get_final_message()
    answer = hear(f"http://127.0.0.1:{port}/v1/messages", "anthropic-messages", {**ASK, **more})
    of_type = {kind: [block for block in message.content if block.type == kind] for kind in ("text", "thinking")}
    assert answer.text == "".join(block.text for block in of_type["text"])
    assert answer.reasoning == "".join(block.thinking for block in of_type["thinking"])
    assert [(call.tool_id, call.name, json.loads(call.arguments)) for call in answer.tools] == [
        (block.id, block.name, block.input) for block in message.content if block.type == "tool_use"
    ]
    assert answer.usage == {"input_tokens": message.usage.input_tokens, "output_tokens": message.usage.output_tokens}
    assert answer.finish is not None
    assert answer.finish.raw_reason == message.stop_reason
    assert answer.text or answer.tools
    assert bool(answer.reasoning) == ("thinking" in more)


def test_thinking_has_its_signature(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASK, **THINKING) as stream:
        thinking = stream.get_final_message().content[0]
    assert thinking.type == "thinking"
    assert thinking.signature


def test_the_whole_message_is_the_streamed_one(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(**ASK, **THINKING, tools=TOOLS)
    with client.messages.stream(**ASK, **THINKING, tools=TOOLS) as stream:
        streamed = stream.get_final_message()
    assert [block.to_dict() for block in whole.content] == [block.to_dict() for block in streamed.content]
    assert (whole.stop_reason, whole.usage) == (streamed.stop_reason, streamed.usage)


def test_the_key_may_be_a_bearer_token(port: int) -> None:
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{port}", auth_token=KEY, api_key=None) as client:
        assert client.messages.create(**ASK).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("change", "error", "kind"),
    [
        ({"model": "no-such"}, "NotFoundError", "not_found_error"),
        ({"model": "tokenwire-overloaded"}, "OverloadedError", "overloaded_error"),
        ({"messages": []}, "BadRequestError", "invalid_request_error"),
    ],
)
def test_it_raises_what_the_endpoint_refuses(
    client: anthropic.Anthropic, change: dict[str, Any], error: str, kind: str
) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(**{**ASK, **change}, stream=True)
    assert type(raised.value).__name__ == error
    assert raised.value.body["error"]["type"] == kind  # type: ignore[index]


def test_a_wrong_key_is_refused(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        client.with_options(api_key="wrong").messages.create(**ASK)


def test_it_raises_the_error_within_the_stream(client: anthropic.Anthropic) -> None:
    with (
        client.messages.stream(**{**ASK, "model": "tokenwire-fails-midstream"}) as stream,
        pytest.raises(anthropic.APIStatusError, match="The model failed"),
    ):
        list(stream)
