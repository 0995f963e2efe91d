"""Google's SDK streams from the reference endpoint, interactions and Live too, and hears what tokenwire hears."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import trustme
from hearing import KEY, hear

import tokenwire
from tokenwire.dialects import dialect_named
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY

genai = pytest.importorskip("google.genai", reason="Google's SDK is not installed")
types = genai.types

MODEL = "tokenwire-reference"
OVERLOADED = "tokenwire-overloaded"
FAILING = "tokenwire-fails-midstream"
STORY_TEXT = "".join(STORY)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
NAMES = ("weather", "time_of")
DECLARED = [{"functionDeclarations": [{"name": name, "parametersJsonSchema": PARAMETERS} for name in NAMES]}]
CONTENTS = [{"role": "user", "parts": [{"text": "say it"}]}]

#: What the SDK is given, and the same as tokenwire asks it.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({}, {}),
    "limit": ({"max_output_tokens": 3}, {"generationConfig": {"maxOutputTokens": 3}}),
    "thinking": (
        {"thinking_config": {"include_thoughts": True}},
        {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
    ),
    "tools": ({"tools": DECLARED}, {"tools": DECLARED}),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield port


def client_of(url: str, key: str = KEY, **options: Any) -> Any:
    http_options = types.HttpOptions(base_url=url, api_version="v1beta", **options)
    return genai.Client(api_key=key, http_options=http_options)


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[Any]:
    made = client_of(f"http://127.0.0.1:{port}")
    yield made
    made.close()


def parts_of(chunks: list[Any]) -> list[Any]:
    """The parts of the first candidate."""
    return [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]


def text_of(parts: list[Any], *, thought: bool) -> str:
    return "".join(part.text or "" for part in parts if bool(part.thought) == thought)


def calls_of(parts: list[Any]) -> list[tuple[str, str, dict[str, Any]]]:
    calls = [part.function_call for part in parts if part.function_call]
    return [(call.id, call.name, call.args) for call in calls]


# generateContent.


@pytest.mark.parametrize(("config", "more"), SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("alt", ["?alt=sse", ""], ids=["events", "array"])
def test_both_hear_the_same(client: Any, port: int, alt: str, config: dict[str, Any], more: dict[str, Any]) -> None:
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="say it", config=config))
    parts = parts_of(chunks)
    url = f"http://127.0.0.1:{port}/v1beta/models/{MODEL}:streamGenerateContent{alt}"
    answer = hear(url, "gemini", {"contents": CONTENTS, **more})
    assert answer.text == text_of(parts, thought=False)
    assert answer.reasoning == text_of(parts, thought=True)
    assert [(call.tool_id, call.name, json.loads(call.arguments)) for call in answer.tools] == calls_of(parts)
    assert answer.finish is not None
    assert answer.finish.raw_reason == chunks[-1].candidates[0].finish_reason.value
    usage = chunks[-1].usage_metadata
    assert answer.usage == usage.model_dump(by_alias=True, exclude_none=True)
    assert answer.text or answer.tools
    assert bool(answer.reasoning) == ("thinking_config" in config)


def test_the_whole_answer_is_the_streamed_one(client: Any) -> None:
    ask = {"model": MODEL, "contents": "say it", "config": SETTINGS["thinking"][0]}
    whole = client.models.generate_content(**ask)
    streamed = list(client.models.generate_content_stream(**ask))
    for thought in (True, False):
        assert text_of(parts_of([whole]), thought=thought) == text_of(parts_of(streamed), thought=thought) != ""
    assert whole.usage_metadata == streamed[-1].usage_metadata


@pytest.mark.parametrize(
    ("model", "code", "status", "words"),
    [
        ("no-such", 404, "NOT_FOUND", "does not exist"),
        (OVERLOADED, 503, "UNAVAILABLE", "overloaded"),
        (FAILING, 500, "INTERNAL", "The model failed"),
    ],
)
def test_it_raises_what_the_endpoint_says(client: Any, model: str, code: int, status: str, words: str) -> None:
    with pytest.raises(genai.errors.APIError, match=words) as raised:
        list(client.models.generate_content_stream(model=model, contents="say it"))
    assert (raised.value.code, raised.value.status) == (code, status)


def test_a_wrong_key_is_refused(port: int) -> None:
    with client_of(f"http://127.0.0.1:{port}", "wrong") as client, pytest.raises(genai.errors.APIError, match="key"):
        list(client.models.generate_content_stream(model=MODEL, contents="say it"))


# Interactions.

INTERACTION: dict[str, Any] = {"model": MODEL, "input": "say it"}
SUMMARISED = {"generation_config": {"thinking_summaries": "auto"}}
FUNCTIONS = {"tools": [{"type": "function", "name": name, "parameters": PARAMETERS} for name in NAMES]}


@pytest.mark.parametrize(
    "more",
    [{}, {"generation_config": {"max_output_tokens": 3}}, SUMMARISED, {**SUMMARISED, **FUNCTIONS}],
    ids=["text", "limit", "thinking", "thinking and tools"],
)
def test_both_hear_the_same_interaction(client: Any, port: int, more: dict[str, Any]) -> None:
    with client.interactions.create(**INTERACTION, **more, stream=True) as stream:
        events = list(stream)
    steps = {event.index: event.step for event in events if event.event_type == "step.start"}
    said: dict[str, str] = {"text": "", "thought_summary": ""}
    arguments = {index: "" for index, step in steps.items() if step.type == "function_call"}
    for event in events:
        match event.event_type == "step.delta" and event.delta.type:
            case "text":
                said["text"] += event.delta.text
            case "thought_summary":
                said["thought_summary"] += event.delta.content.text
            case "arguments_delta":
                arguments[event.index] += event.delta.arguments
    answer = hear(f"http://127.0.0.1:{port}/v1beta/interactions", "gemini-interactions", {**INTERACTION, **more})
    assert (answer.text, answer.reasoning) == (said["text"], said["thought_summary"])
    assert [(call.tool_id, call.name, call.arguments) for call in answer.tools] == [
        (steps[index].id, steps[index].name, text) for index, text in arguments.items()
    ]
    completed = events[-1].interaction
    assert answer.finish is not None
    assert answer.finish.raw_reason == completed.status
    assert answer.usage == completed.usage.model_dump(exclude_none=True)
    assert answer.text or answer.tools


def test_an_interaction_is_gone_on_with(client: Any) -> None:
    with client.interactions.create(**INTERACTION, stream=True) as stream:
        events = list(stream)
    known_by = events[0].interaction.id
    with client.interactions.get(id=known_by, stream=True, last_event_id=events[9].event_id) as stream:
        assert list(stream) == events[10:]
    assert client.interactions.get(id=known_by).output_text == STORY_TEXT


# Live.


@pytest.fixture(scope="module")
def live() -> Iterator[Any]:
    """A client of the endpoint over TLS, for the SDK speaks Live in no other way."""
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection, ssl_context=served) as port:
        made = client_of(f"https://127.0.0.1:{port}", async_client_args={"ssl": trusting})
        yield made
        made.close()


def heard_live(client: Any, model: str = MODEL, **config: Any) -> list[Any]:
    """The messages of a turn; its tools are answered."""

    async def talk() -> list[Any]:
        heard = []
        config_of_text = {"response_modalities": ["TEXT"], **config}
        async with client.aio.live.connect(model=model, config=config_of_text) as session:
            await session.send_client_content(turns=types.Content(**CONTENTS[0]), turn_complete=True)
            async for message in session.receive():
                heard.append(message)
                if message.tool_call and message.tool_call.function_calls[0].name == NAMES[-1]:
                    answered = types.FunctionResponse(id="call_reference_1", name=NAMES[-1], response={})
                    await session.send_tool_response(function_responses=[answered])
        return heard

    return asyncio.run(talk())


def ours_live(port: int, **setup: Any) -> tokenwire.Answer:
    """The same, as tokenwire hears it."""
    generation = {"responseModalities": ["TEXT"], **setup.pop("generationConfig", {})}
    ask = {
        "setup": {"model": f"models/{MODEL}", "generationConfig": generation, **setup},
        "clientContent": {"turns": CONTENTS, "turnComplete": True},
    }
    url = f"ws://127.0.0.1:{port}{dialect_named('gemini-live').path}"
    with (
        patch.dict(os.environ, {"REFERENCE_KEY": KEY}),
        tokenwire.stream(url, json=ask, dialect="gemini-live", key_env="REFERENCE_KEY") as stream,
    ):
        for event in stream:
            if isinstance(event, tokenwire.BlockStart) and event.name == NAMES[-1]:
                stream.send({"toolResponse": {"functionResponses": [{"id": event.tool_id, "response": {}}]}})
    return stream.answer


@pytest.mark.parametrize(("config", "more"), SETTINGS.values(), ids=SETTINGS)
def test_both_hear_the_same_turn(live: Any, port: int, config: dict[str, Any], more: dict[str, Any]) -> None:
    messages = heard_live(live, **config)
    turns = [m.server_content.model_turn for m in messages if m.server_content and m.server_content.model_turn]
    parts = [part for turn in turns for part in turn.parts]
    answer = ours_live(port, **more)
    assert answer.text == text_of(parts, thought=False)
    assert answer.reasoning == text_of(parts, thought=True)
    calls = [call for message in messages if message.tool_call for call in message.tool_call.function_calls]
    assert [(call.tool_id, call.name, json.loads(call.arguments)) for call in answer.tools] == [
        (call.id, call.name, call.args) for call in calls
    ]
    assert answer.usage == messages[-1].usage_metadata.model_dump(by_alias=True, exclude_none=True)
    assert answer.text
    assert bool(answer.tools) == ("tools" in config)
    assert answer.end == tokenwire.End(clean=True)


def test_it_raises_when_live_fails(live: Any) -> None:
    with pytest.raises(genai.errors.ServerError, match="The model failed"):
        heard_live(live, FAILING)
