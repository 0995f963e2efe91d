"""Mistral: what its chat completions have that OpenAI's have not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import (
    BlockStart,
    BlockStop,
    End,
    Error,
    Finish,
    FinishReason,
    Other,
    ReasoningDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tokenwire.dialects.mistral import MISTRAL
from tokenwire.session.request import build_request

DONE = b"data: [DONE]\n\n"
USED = {"prompt_tokens": 9, "total_tokens": 10, "completion_tokens": 1}


def chunk(delta: Any, reason: Any = None, **members: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]
    value = {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": choices, "p": "abc", **members}
    return f"data: {json.dumps(value)}\n\n".encode()


def decode(stream: bytes) -> list[StreamEvent]:
    decoder = Decoder("mistral")
    events = decoder.receive_data(stream) + decoder.receive_eof()
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def thinking(*texts: str, **members: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text} for text in texts], **members}


CASES: dict[str, tuple[list[bytes], list[StreamEvent]]] = {
    "usage with the finish": (
        [chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}),
         chunk({"content": ""}, "stop", usage=USED)],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), Finish("stop", "stop"), Usage(USED, True)],
    ),
    "content in parts": (
        [chunk({"content": [thinking("h", "m")]}), chunk({"content": [thinking(".", closed=True)]}),
         chunk({"content": [{"type": "text", "text": "a"}]}), chunk({"content": "b"}),
         chunk({"content": [{"type": "reference", "reference_ids": [1]}, {"type": "image_url", "image_url": "…"}]})],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), ReasoningDelta(0, "."), BlockStop(0),
         BlockStart(1, "text"), TextDelta(1, "a"), TextDelta(1, "b"), Other("reference", "…"),
         Other("image_url", "…"), BlockStop(1)],
    ),
    "whole tool calls without an index": (
        [chunk({"tool_calls": [{"id": "t1", "function": {"name": "f", "arguments": "{}"}},
                               {"id": "t2", "function": {"name": "f", "arguments": {"a": 1}}}]})],
        [BlockStart(0, "tool", "t1", "f"), ToolCallDelta(0, "{}"), BlockStart(1, "tool", "t2", "f"),
         ToolCallDelta(1, '{"a": 1}'), BlockStop(0), BlockStop(1)],
    ),
    "a tool call in pieces": (
        [chunk({"tool_calls": [{"id": "t1", "index": 0, "function": {"name": "f", "arguments": ""}}]}),
         chunk({"tool_calls": [{"index": 0, "function": {"name": "", "arguments": "{}"}}]})],
        [BlockStart(0, "tool", "t1", "f"), ToolCallDelta(0, "{}"), BlockStop(0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("chunks", "expected"), CASES.values(), ids=CASES)
def test_chunks(chunks: list[bytes], expected: list[StreamEvent]) -> None:
    assert decode(b"".join(chunks) + DONE) == [Start("1", "m"), *expected, End(True)]


@pytest.mark.parametrize(
    ("word", "reason"),
    [("stop", "stop"), ("length", "length"), ("model_length", "length"), ("tool_calls", "tool_calls"),
     ("error", "error")],
)  # fmt: skip
def test_reasons(word: str, reason: FinishReason) -> None:
    assert Finish(reason, word) in decode(chunk({}, word) + DONE)


SAID = {"object": "error", "message": "Service tier capacity exceeded", "type": "capacity", "code": "3505"}


def test_an_error_in_the_stream() -> None:
    events = decode(chunk({"content": "a"}) + f"data: {json.dumps(SAID)}\n\n".encode())
    assert events[-3:] == [Error("3505", "Service tier capacity exceeded", True), BlockStop(0), End(False)]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (SAID, SAID),
        ({"message": "Unauthorized", "request_id": "r"}, {"message": "Unauthorized", "request_id": "r"}),
        ({"detail": [{"msg": "Field required"}]}, {"message": '[{"msg": "Field required"}]'}),
        ({"detail": "Not found"}, {"message": "Not found"}),
        ({"error": "no"}, {"message": "no"}),
        ({"message": 7}, {}),
        ([], {}),
    ],
)
def test_the_error_of_a_refusal(body: Any, fields: dict[str, Any]) -> None:
    assert MISTRAL.error_fields(body) == fields


def test_a_request() -> None:
    request = build_request("https://api.test", MISTRAL, json={"model": "m"}, key="k").http
    assert request.target.path == "/v1/chat/completions"
    assert dict(request.headers)["authorization"] == "Bearer k"
    assert json.loads(request.body) == {"stream": True, "model": "m"}
