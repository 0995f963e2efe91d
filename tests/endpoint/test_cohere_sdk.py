"""Cohere's SDK streams from the reference endpoint, and hears what tokenwire hears."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hearing import KEY, hear

from tokenwire.endpoint import ReferenceEndpoint, background

cohere = pytest.importorskip("cohere", reason="Cohere's SDK is not installed")

ASK: dict[str, Any] = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Looks it up.", "parameters": PARAMETERS}}
    for name in ("weather", "time_of")
]
THINKING = {"thinking": {"type": "enabled"}}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(base: str) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(api_key=KEY, base_url=base) as made:
        yield made


def content_of(events: list[Any], kind: str) -> str:
    """The pieces of one kind of content, joined."""
    pieces = [event.delta.message.content for event in events if event.type == "content-delta"]
    return "".join(getattr(piece, kind) or "" for piece in pieces)


def calls_of(events: list[Any]) -> list[tuple[str, str, str]]:
    """The calls: id, name, arguments."""
    begun = {e.index: e.delta.message.tool_calls for e in events if e.type == "tool-call-start"}
    arguments = dict.fromkeys(begun, "")
    for event in events:
        if event.type == "tool-call-delta":
            arguments[event.index] += event.delta.message.tool_calls.function.arguments
    return [(call.id, call.function.name, arguments[index]) for index, call in begun.items()]


@pytest.mark.parametrize(
    "more",
    [{}, {"max_tokens": 3}, THINKING, {"tools": TOOLS}, {"tools": TOOLS, **THINKING}],
    ids=["text", "limit", "thinking", "tools", "thinking and tools"],
)
def test_both_hear_the_same(client: cohere.ClientV2, base: str, more: dict[str, Any]) -> None:
    events = list(client.chat_stream(**ASK, **more))
    answer = hear(f"{base}/v2/chat", "cohere-v2", {**ASK, **more})
    assert answer.text == content_of(events, "text")
    assert answer.reasoning == content_of(events, "thinking")
    assert [(call.tool_id, call.name, call.arguments) for call in answer.tools] == calls_of(events)
    end = events[-1].delta
    assert answer.finish is not None
    assert answer.finish.raw_reason == end.finish_reason
    assert answer.usage is not None
    assert answer.usage["tokens"] == {
        "input_tokens": end.usage.tokens.input_tokens,
        "output_tokens": end.usage.tokens.output_tokens,
    }
    assert answer.text or answer.tools
    assert bool(answer.reasoning) == ("thinking" in more)


def test_the_whole_answer_is_the_streamed_one(client: cohere.ClientV2, base: str) -> None:
    whole = client.chat(**ASK, **THINKING)
    answer = hear(f"{base}/v2/chat", "cohere-v2", {**ASK, **THINKING})
    thinking, text = whole.message.content
    assert (thinking.thinking, text.text) == (answer.reasoning, answer.text)
    assert whole.finish_reason == "COMPLETE"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"model": "no-such"}, "NotFoundError"),
        ({"messages": []}, "BadRequestError"),
    ],
)
def test_it_raises_what_the_endpoint_refuses(client: cohere.ClientV2, change: dict[str, Any], error: str) -> None:
    with pytest.raises(cohere.core.api_error.ApiError) as raised:
        list(client.chat_stream(**{**ASK, **change}))
    assert type(raised.value).__name__ == error


def test_a_wrong_key_is_refused(base: str) -> None:
    with cohere.ClientV2(api_key="wrong", base_url=base) as client, pytest.raises(cohere.UnauthorizedError):
        list(client.chat_stream(**ASK))


def test_it_hears_the_error_within_the_stream(client: cohere.ClientV2) -> None:
    *_, end = client.chat_stream(**{**ASK, "model": "tokenwire-fails-midstream"})
    assert (end.delta.finish_reason, end.delta.error) == ("ERROR", "The model failed.")
