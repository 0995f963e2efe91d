"""Reading takes steps in proportion to the messages, also of a server that means harm: what a decoder remembers of a
stream is not gone through for each message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from growth import steps
from tokenwire.dialects import DIALECTS
from tokenwire.framing.sse import ServerSentEvent

#: What of a stream is looked at together, so far beyond all that is real that a small stream does not reach it.
LIMITS = ("chat_tools.MAX_MATCHED", "openai_output.MAX_RUNS")

#: Messages of a small stream; a large one has `TIMES` as many.
SMALL, TIMES = 40, 6


def chat(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **choice}]}


def call(number: int, arguments: str = "{}", known_by: str = "") -> dict[str, Any]:
    return {"index": number, "id": f"{known_by}{number}", "function": {"name": "f", "arguments": arguments}}


def candidate(number: int = 0, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"index": number, "content": {"parts": [{"text": "a"}]}, **more}]}


def coming(number: int) -> dict[str, Any]:
    return {"id": f"{number}", "name": "f", "partialArgs": [], "willContinue": True}


def parts(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"functionCall": it} for it in calls]}}]}


def part(number: int, step: str = "delta", **said: Any) -> dict[str, Any]:
    return {"type": f"response.output_text.{step}", "output_index": 0, "content_index": number, **said}


#: Streams that make much be remembered and then looked at, by the number of messages.
STREAMS: dict[str, tuple[str, Callable[[range], list[Any]]]] = {
    "chat: choices that finish, each with usage": (
        "openai-chat",
        lambda n: [{"choices": [{"index": i, "delta": {}, "finish_reason": "stop"}], "usage": {}} for i in n],
    ),
    "chat: calls that take the place of others": (
        "openai-chat",
        lambda n: [chat(delta={"tool_calls": [call(i, known_by=it)]}) for it in "ab" for i in n],
    ),
    "chat: finishes while calls are open": (
        "openai-chat",
        lambda n: [chat(delta={"tool_calls": [call(i, "{")]}) for i in n] + [chat(finish_reason="stop") for _ in n],
    ),
    "chat: a whole message whose calls all differ": (
        "openai-chat",
        lambda n: [
            chat(delta={"tool_calls": [call(i, "[1]") for i in n]}),
            chat(message={"tool_calls": [call(i, "[2]") for i in n]}),
        ],
    ),
    "chat: messages that each tell one call more": (
        "openai-chat",
        lambda n: [chat(message={"tool_calls": [call(0, f"[{i}]", f"{i}.")]}) for i in n],
    ),
    "Gemini: candidates that finish, each with usage": (
        "gemini",
        lambda n: [{**candidate(i, finishReason="STOP"), "usageMetadata": {"a": 1}} for i in n],
    ),
    "Gemini: calls that go on": ("gemini", lambda n: [parts(coming(i)) for _ in "ab" for i in n]),
    "Responses: the end of a part that nobody began": (
        "openai-responses",
        lambda n: [part(i, delta="a") for i in n] + [part(-1 - i, "done", text="b") for i in n],
    ),
}


def read(dialect: str, messages: list[Any]) -> None:
    decoder = DIALECTS[dialect].decoder()
    for value in messages:
        decoder.receive_message(ServerSentEvent("", json.dumps(value), ""))
    decoder.finished()
    decoder.receive_eof()


@pytest.mark.parametrize("name", STREAMS)
def test_steps_grow_as_the_messages_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in LIMITS:
        monkeypatch.setattr(f"tokenwire.dialects.{limit}", SMALL // 4)
    dialect, stream = STREAMS[name]
    small, large = (steps(lambda size: read(dialect, stream(range(size))), SMALL * it) for it in (1, TIMES))
    assert large < small * TIMES * 1.2
