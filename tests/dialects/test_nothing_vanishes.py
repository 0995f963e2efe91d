"""What a server says in an odd place reaches the user, or an `Error` or an `Other` tells of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cutting import every_way
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import Other


def sse(*messages: Any) -> bytes:
    return "".join(f"data: {it if isinstance(it, str) else json.dumps(it)}\n\n" for it in messages).encode()


def lines(*messages: Any) -> bytes:
    return "".join(json.dumps(it) + "\n" for it in messages).encode()


def chat(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


A, STOPPED = chat({"content": "A"}), chat({}, "stop")


def gemini(part: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP", **more}]}


def v1(kind: str, **more: Any) -> dict[str, Any]:
    return {"event_type": kind, **more}


def piece(**call: Any) -> dict[str, Any]:
    return v1("tool-calls-chunk", tool_call_delta=call)


def v1_end(*calls: dict[str, Any]) -> dict[str, Any]:
    return v1("stream-end", finish_reason="COMPLETE", response={"text": "", "tool_calls": list(calls)})


def v2(kind: str, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": 0, "delta": {"message": message}}


V1_START, F, G = v1("stream-start"), {"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {"b": 2}}
GENERATION = v1("tool-calls-generation", tool_calls=[F])
V2_END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
CREATED = {"type": "response.created", "response": {"id": "r"}}


def completed(**more: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"status": "completed", "output": [], **more}}


#: What it is, the dialect, the stream, its text, its calls, and the `Other` that tells what has no place.
SAID: list[tuple[str, str, bytes, str, list[tuple[str, str]], str]] = [
    ("parts of text under other names", "openai-chat",
     sse(chat({"content": [{"type": "output_text", "text": "a"}, {"text": "b"}]}), STOPPED), "ab", [], ""),
    ("the name of the field in the data", "openai-chat",
     sse(*("data: " + json.dumps(it) for it in (A, STOPPED)), "data: [DONE]"), "A", [], ""),
    ("the same very often", "openai-chat", sse(A, "data: " * 2000 + json.dumps(STOPPED)), "A", [], ""),
    ("the same of another dialect", "gemini", sse("data: " + json.dumps(gemini({"text": "a"}))), "a", [], ""),
    ("a call without its function", "ollama",
     lines({"message": {"tool_calls": [F | {"arguments": {"a": 1}, "parameters": None}]}}, {"done": True}), "",
     [("f", '{"a": 1}')], ""),
    ("a thought that is text", "gemini", sse(gemini({"thought": "hm"})), "", [], "thought"),
    ("words about a finish that is an error", "gemini",
     sse(gemini({"text": "a"}, finishReason="MALFORMED_FUNCTION_CALL", finishMessage="f(")), "a", [], "finishMessage"),
    ("calls only at the end", "cohere-v1", lines(V1_START, v1_end(F)), "", [("f", '{"a": 1}')], ""),
    ("calls told twice", "cohere-v1", lines(V1_START, GENERATION, v1_end(F)), "", [("f", '{"a": 1}')], ""),
    ("calls whose pieces stop", "cohere-v1",
     lines(V1_START, piece(index=0, name="f"), piece(index=0, parameters='{"a":'), GENERATION), "",
     [("f", '{"a": 1}')], ""),
    ("a call that is another in the whole", "cohere-v1",
     lines(V1_START, piece(index=0, name="g"), piece(index=0, parameters='{"b": 3}'), GENERATION, v1_end(F, G)), "",
     [("f", '{"a": 1}'), ("g", '{"b": 2}')], ""),
    ("calls of two steps, numbered alike", "cohere-v1",
     lines(V1_START, piece(index=0, name="f"), piece(index=0, parameters='{"a": 1}'), GENERATION,
           piece(index=0, name="g"), piece(index=0, parameters='{"b": 2}'), v1_end(G)), "",
     [("f", '{"a": 1}'), ("g", '{"b": 2}')], ""),
    ("content at the start", "cohere-v2", sse(v2("message-start", content=[{"text": "a"}]), V2_END), "", [], "content"),
    ("a plan beside a call", "cohere-v2",
     sse(v2("tool-call-start", tool_plan="p", tool_calls={"id": "1", "function": {"name": "f", "arguments": "{}"}}),
         V2_END), "", [("f", "{}")], "tool_plan"),
    ("text beside an output that is empty", "openai-responses", sse(CREATED, completed(output_text="a")), "", [],
     "output_text"),
    ("an error of a response that is complete", "openai-responses", sse(CREATED, completed(error={"code": "x"})), "",
     [], "error"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "stream", "text", "calls", "other"), [it[1:] for it in SAID], ids=[it[0] for it in SAID]
)
def test_what_stands_in_an_odd_place_is_told(
    dialect: Any, stream: bytes, text: str, calls: list[tuple[str, str]], other: str
) -> None:
    for pieces in every_way(stream):
        decoder, answer = Decoder(dialect), Answer(keep_events=True)
        for it in pieces:
            answer.add_all(decoder.receive_data(it))
        answer.add_all(decoder.receive_eof())
        assert (answer.text, [(call.name, call.arguments) for call in answer.tools]) == (text, calls)
        others = [event.type for event in answer.events if isinstance(event, Other)]
        assert not other or other in others


def anthropic(*events: dict[str, Any]) -> bytes:
    return sse({"type": "message_start", "message": {"id": "m"}}, *events, {"type": "message_stop"})


HALF_A_CALL = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
)

LOST: list[tuple[str, str, bytes, str]] = [
    ("an error in a delta", "openai-chat", sse(A, chat({"error": {"message": "boom"}}), STOPPED), "boom"),
    ("words and a code", "openai-chat", sse(A, {"message": "slow down", "code": 429}, "[DONE]"), "slow down"),
    ("a detail", "openai-chat", sse(A, {"detail": "Internal"}, "[DONE]"), "Internal"),
    ("a list of errors", "openai-chat", sse(A, {"errors": [{"code": 1, "message": "no"}]}, "[DONE]"), "no"),
    ("MiniMax's reply", "openai-chat",
     sse({"id": "x", "choices": None, "base_resp": {"status_code": 1008, "status_msg": "no funds"}}, "[DONE]"),
     "no funds"),
    ("half a tool call and no reason", "anthropic-messages", anthropic(*HALF_A_CALL), "a tool call"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "stream", "words"), [it[1:] for it in LOST], ids=[it[0] for it in LOST])
def test_an_error_or_a_loss_is_never_a_clean_end(dialect: Any, stream: bytes, words: str) -> None:
    for pieces in every_way(stream):
        decoder = Decoder(dialect)
        for it in pieces:
            decoder.receive_data(it)
        decoder.receive_eof()
        assert decoder.outcome == "error"
        assert decoder.failure is not None
        assert words in decoder.failure.message


def test_a_reply_of_minimax_that_is_well_is_no_error() -> None:
    decoder = Decoder("openai-chat")
    decoder.receive_data(sse(chat({}, "stop", base_resp={"status_code": 0, "status_msg": ""})))
    decoder.receive_eof()
    assert decoder.outcome == "clean"


FINISHED = sse(A, STOPPED)
UNFINISHED = [
    (b"", "clean"),
    (b"\n\n: bye", "clean"),
    (b"data: [DONE]", "clean"),
    (b"data:[DONE]\n", "clean"),
    (b": bye", "clean"),
    (b"retry: 5\n", "clean"),
    (b"data: [D", "clean"),
    (b"data: ", "interrupted"),
    (b"da", "interrupted"),
    (b"event: ping\n", "interrupted"),
    (b"id: 7", "interrupted"),
    (b"data: " + json.dumps(chat({"content": "B"})).encode(), "interrupted"),
    (b"data: " + json.dumps(chat({"content": "B"})).encode() + b"\n", "interrupted"),
    (b'data: {"choices": [{"del', "interrupted"),
]


@pytest.mark.parametrize(("rest", "outcome"), UNFINISHED)
def test_a_stream_that_breaks_off_in_an_event_after_the_finish_was_cut(rest: bytes, outcome: str) -> None:
    for pieces in every_way(FINISHED + rest):
        decoder = Decoder("openai-chat")
        for it in pieces:
            decoder.receive_data(it)
        decoder.receive_eof()
        assert decoder.outcome == outcome
