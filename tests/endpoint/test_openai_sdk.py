"""The official SDK streams from the reference endpoint, over a socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY

openai = pytest.importorskip("openai")

KEY = "a-key-of-some-length"
ASK = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "say it"}]}


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with (
        background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port,
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0) as made,
    ):
        yield made


def test_it_streams_the_story(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "".join(STORY)
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == len(STORY)


def test_its_own_accumulator_agrees(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**ASK) as stream:
        for _ in stream:
            pass
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "".join(STORY)


def test_it_gets_the_tool_call(client: openai.OpenAI) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    with client.chat.completions.stream(**ASK, tools=tools) as stream:
        for _ in stream:
            pass
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "東京"}')


def test_it_raises_what_the_endpoint_refuses(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="no-such", messages=ASK["messages"], stream=True)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(**ASK, stream=True)


def test_it_raises_the_error_within_the_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(**{**ASK, "model": "tokenwire-fails-midstream"}, stream=True)
    with pytest.raises(openai.APIError, match="The model failed"):
        list(stream)


def test_it_lists_the_models(client: openai.OpenAI) -> None:
    assert client.models.list().data[0].id == "tokenwire-reference"
