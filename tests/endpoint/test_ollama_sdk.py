"""Ollama's client streams from the reference endpoint, and hears what tokenwire hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hearing import KEY, hear

from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY

ollama = pytest.importorskip("ollama", reason="Ollama's client is not installed")

MODEL = {"model": "tokenwire-reference"}
CHAT: dict[str, Any] = {**MODEL, "messages": [{"role": "user", "content": "say it"}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Looks it up.", "parameters": PARAMETERS}}
    for name in ("weather", "time_of")
]
COUNTS = ("prompt_eval_count", "eval_count", "total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(base: str) -> Iterator[ollama.Client]:
    with ollama.Client(host=base, headers={"Authorization": f"Bearer {KEY}"}) as made:
        yield made


@pytest.mark.parametrize(
    "more",
    [{}, {"options": {"num_predict": 3}}, {"think": True}, {"tools": TOOLS}, {"tools": TOOLS, "think": True}],
    ids=["text", "limit", "thinking", "tools", "thinking and tools"],
)
def test_both_hear_the_same_chat(client: ollama.Client, base: str, more: dict[str, Any]) -> None:
    parts = list(client.chat(**CHAT, **more, stream=True))
    answer = hear(f"{base}/api/chat", "ollama", {**CHAT, **more})
    assert answer.text == "".join(part.message.content or "" for part in parts)
    assert answer.reasoning == "".join(part.message.thinking or "" for part in parts)
    assert [(call.name, json.loads(call.arguments)) for call in answer.tools] == [
        (call.function.name, call.function.arguments) for part in parts for call in part.message.tool_calls or []
    ]
    assert answer.finish is not None
    assert (parts[-1].done, answer.finish.raw_reason) == (True, parts[-1].done_reason)
    assert answer.usage == {name: parts[-1][name] for name in COUNTS}
    assert answer.text or answer.tools
    assert bool(answer.reasoning) == ("think" in more)


def test_both_hear_the_same_generation(client: ollama.Client, base: str) -> None:
    ask = {**MODEL, "prompt": "say it", "think": True}
    parts = list(client.generate(**ask, stream=True))
    answer = hear(f"{base}/api/generate", "ollama", ask)
    assert answer.text == "".join(part.response for part in parts) == "".join(STORY)
    assert answer.reasoning == "".join(part.thinking or "" for part in parts)
    assert answer.reasoning


def test_the_whole_answer_is_the_streamed_one(client: ollama.Client, base: str) -> None:
    whole = client.chat(**CHAT, think=True, tools=TOOLS)
    answer = hear(f"{base}/api/chat", "ollama", {**CHAT, "think": True, "tools": TOOLS})
    assert whole.message.thinking == answer.reasoning
    assert [call.function.name for call in whole.message.tool_calls or []] == [call.name for call in answer.tools]
    assert whole.eval_count == answer.usage["eval_count"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ("no-such", 404, "does not exist"),
        ("tokenwire-overloaded", 503, "overloaded"),
        ("tokenwire-fails-midstream", -1, "The model failed"),
    ],
)
def test_it_raises_what_the_endpoint_says(client: ollama.Client, model: str, status: int, words: str) -> None:
    with pytest.raises(ollama.ResponseError, match=words) as raised:
        list(client.chat(**{**CHAT, "model": model}, stream=True))
    assert raised.value.status_code == status
