"""Mistral's SDK streams from the reference endpoint, and hears what tokenwire hears."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hearing import KEY, hear

from tokenwire.endpoint import ReferenceEndpoint, background

mistralai = pytest.importorskip("mistralai.client", reason="Mistral's SDK is not installed")

ASK: dict[str, Any] = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Looks it up.", "parameters": PARAMETERS}}
    for name in ("weather", "time_of")
]
REASONING = {"reasoning_effort": "high"}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield f"http://127.0.0.1:{port}/mistral"


@pytest.fixture(scope="module")
def client(base: str) -> Iterator[mistralai.Mistral]:
    with mistralai.Mistral(api_key=KEY, server_url=base) as made:
        yield made


def heard(client: mistralai.Mistral, **asked: Any) -> list[Any]:
    """The chunks of a stream."""
    with client.chat.stream(**asked) as stream:
        return [event.data for event in stream]


def text_of(content: Any) -> str:
    """The text of a content, which is a string or a list of parts."""
    return content if isinstance(content, str) else "".join(part.text for part in content or [] if part.type == "text")


def thinking_of(content: Any) -> str:
    """The thinking in a content."""
    parts = [] if isinstance(content, str) else content or []
    return "".join(piece.text for part in parts if part.type == "thinking" for piece in part.thinking)


@pytest.mark.parametrize(
    "more",
    [{}, {"max_tokens": 3}, REASONING, {"tools": TOOLS}, {"tools": TOOLS, **REASONING}],
    ids=["text", "limit", "reasoning", "tools", "reasoning and tools"],
)
def test_both_hear_the_same(client: mistralai.Mistral, base: str, more: dict[str, Any]) -> None:
    chunks = heard(client, **ASK, **more)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    answer = hear(f"{base}/v1/chat/completions", "mistral", {**ASK, **more})
    assert answer.text == "".join(text_of(delta.content) for delta in deltas)
    assert answer.reasoning == "".join(thinking_of(delta.content) for delta in deltas)
    assert [(call.tool_id, call.name, call.arguments) for call in answer.tools] == [
        (call.id, call.function.name, call.function.arguments) for delta in deltas for call in delta.tool_calls or []
    ]
    assert answer.finish is not None
    assert answer.finish.raw_reason == chunks[-1].choices[0].finish_reason
    assert answer.usage is not None
    usage = chunks[-1].usage
    assert answer.usage["prompt_tokens"] == usage.prompt_tokens
    assert answer.usage["completion_tokens"] == usage.completion_tokens
    assert answer.text or answer.tools
    assert bool(answer.reasoning) == ("reasoning_effort" in more)


def test_the_whole_answer_is_the_streamed_one(client: mistralai.Mistral, base: str) -> None:
    [choice] = client.chat.complete(**ASK, **REASONING).choices
    answer = hear(f"{base}/v1/chat/completions", "mistral", {**ASK, **REASONING})
    assert (thinking_of(choice.message.content), text_of(choice.message.content)) == (answer.reasoning, answer.text)
    [choice] = client.chat.complete(**ASK, tools=TOOLS).choices
    assert [call.function.name for call in choice.message.tool_calls] == ["weather", "time_of"]


@pytest.mark.parametrize(("change", "status"), [({"model": "no-such"}, 404), ({"messages": []}, 422)])
def test_it_raises_what_the_endpoint_refuses(client: mistralai.Mistral, change: dict[str, Any], status: int) -> None:
    with pytest.raises(mistralai.errors.MistralError) as raised:
        heard(client, **{**ASK, **change})
    assert raised.value.status_code == status


def test_a_wrong_key_is_refused(base: str) -> None:
    with mistralai.Mistral(api_key="wrong", server_url=base) as client, pytest.raises(mistralai.errors.MistralError):
        heard(client, **ASK)


def test_an_error_within_the_stream_is_no_chunk_to_it(client: mistralai.Mistral) -> None:
    """It knows no errors there, and complains of what is missing."""
    with pytest.raises(mistralai.errors.MistralError, match="Response validation failed"):
        heard(client, **{**ASK, "model": "tokenwire-fails-midstream"})
