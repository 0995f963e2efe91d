"""What is no stream: a whole answer, an error, a page. `auto` reads each as the named dialect does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cutting import cut_at
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import Other
from tokenwire.dialects.guess import Guess
from tokenwire.dialects.refusals import refusal_in

CHAT = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello",
                "refusal": None,
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"total_tokens": 3},
}

#: Whole answers, as servers send them that were not asked for a stream: all have the text "Hello"; and what calls f.
WHOLES: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [CHAT],
    "mistral": [CHAT],
    "openai-completions": [
        {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}]}
    ],
    "anthropic-messages": [
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "c",
            "content": [
                {"type": "text", "text": "Hello"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        }
    ],
    "openai-responses": [
        {
            "id": "r",
            "object": "response",
            "status": "completed",
            "error": None,
            "output": [
                {
                    "type": "message",
                    "id": "m",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
                },
                {"type": "function_call", "id": "i", "call_id": "t", "name": "f", "arguments": '{"a": 1}'},
            ],
            "usage": {"total_tokens": 1},
        }
    ],
    "gemini": [
        {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [{"text": "Hello"}, {"functionCall": {"name": "f", "args": {"a": 1}}}],
                    },
                    "finishReason": "STOP",
                }
            ]
        }
    ],
    "gemini-interactions": [
        {
            "id": "i",
            "object": "interaction",
            "status": "requires_action",
            "model": "m",
            "steps": [
                {"type": "model_output", "content": [{"type": "text", "text": "Hello"}]},
                {"type": "function_call", "id": "t", "name": "f", "arguments": {"a": 1}},
            ],
            "usage": {"total_tokens": 1},
        }
    ],
    "cohere-v2": [
        {
            "id": "c",
            "finish_reason": "TOOL_CALL",
            "message": {
                "role": "assistant",
                "tool_plan": "I plan.",
                "content": [{"type": "text", "text": "Hello"}],
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            "usage": {"tokens": {"input_tokens": 1}},
        }
    ],
    "cohere-v1": [
        {
            "response_id": "r",
            "generation_id": "g",
            "text": "Hello",
            "tool_calls": [{"name": "f", "parameters": {"a": 1}}],
            "finish_reason": "COMPLETE",
            "chat_history": [],
            "meta": {"tokens": {"input_tokens": 1}},
        }
    ],
    "bedrock-converse": [
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "I think."}}},
                        {"text": "Hello"},
                        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
                    ],
                }
            },
            "stopReason": "tool_use",
            "usage": {"inputTokens": 1},
            "metrics": {"latencyMs": 1},
        }
    ],
    "bedrock-invoke": [
        {"generation": "Hello", "prompt_token_count": 1, "generation_token_count": 2, "stop_reason": "stop"},
        {"inputTextTokenCount": 1, "results": [{"outputText": "Hello", "completionReason": "FINISH", "tokenCount": 1}]},
        {"outputs": [{"text": "Hello", "stop_reason": "stop"}]},
    ],
    "ollama": [
        {
            "model": "m",
            "message": {
                "role": "assistant",
                "content": "Hello",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
            },
            "done": True,
            "done_reason": "stop",
        },
        {"model": "m", "response": "Hello", "done": True, "done_reason": "stop"},
    ],
    "mcp": [{"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "Hello"}]}}],
    "a2a": [
        {"jsonrpc": "2.0", "id": 1, "result": {"message": {"messageId": "m", "parts": [{"text": "Hello"}]}}},
        {"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "Hello"}]}},
    ],
}

#: Dialects that have no answer but a stream, and those that are no more than their framing.
STREAM_ALONE = {"holysheep", "vercel-ui", "ag-ui", "gemini-live", "openai-realtime", "eventsource", "raw"}

#: What an application gets and no text of.
ENVELOPES = ("mcp", "a2a")

WHOLE = [pytest.param(name, it, id=f"{name}-{place}") for name, its in WHOLES.items() for place, it in enumerate(its)]


def read(decoder: Decoder, *reads: bytes) -> tuple[Answer, Decoder]:
    answer = Answer(keep_events=True)
    for it in reads:
        answer.add_all(decoder.receive_data(it))
    answer.add_all(decoder.receive_eof())
    return answer, decoder


def as_body(value: Any) -> bytes:
    return json.dumps(value).encode()


def bodies(value: Any) -> list[bytes]:
    """The value on one line, and on several."""
    return [as_body(value), as_body(value) + b"\n", json.dumps(value, indent=2).encode() + b"\r\n"]


def pieces_of(body: bytes) -> list[list[bytes]]:
    return [[body], cut_at(body, list(range(1, len(body)))), cut_at(body, [1, 7, len(body) // 2])]


def test_every_dialect_has_a_whole_answer_or_none() -> None:
    assert set(WHOLES) | STREAM_ALONE == set(DIALECTS)


@pytest.mark.parametrize(("name", "whole"), WHOLE)
def test_a_whole_answer_gives_its_text_by_name_and_by_guess(name: Any, whole: dict[str, Any]) -> None:
    for body in bodies(whole):
        named, decoder = read(Decoder(name), body)
        assert decoder.outcome == "clean"
        assert not decoder.no_stream
        if name not in ENVELOPES:
            assert named.text == "Hello"
            assert [(call.name, call.parsed()) for call in named.tools] == [("f", {"a": 1})] * ('"f"' in str(body))
        for pieces in pieces_of(body):
            for hint in (None, Guess(name, "because")):
                guessed, by_guess = read(Decoder("auto", hint=hint), *pieces)
                assert guessed.events == named.events
                assert by_guess.outcome == "clean"


@pytest.mark.parametrize(("name", "whole"), WHOLE)
def test_a_whole_answer_that_was_cut_is_never_clean(name: Any, whole: dict[str, Any]) -> None:
    body = as_body(whole)
    for place in range(len(body)):
        for dialect in (name, "auto"):
            assert read(Decoder(dialect), body[:place])[1].outcome != "clean", body[:place]


@pytest.mark.parametrize(("name", "whole"), [it for it in WHOLE if "bedrock" not in it.values[0]])
def test_a_whole_answer_in_one_event_does_so_too(name: Any, whole: dict[str, Any]) -> None:
    body = b"data: " + as_body(whole) + b"\n\n"
    named, decoder = read(Decoder(name), body)
    assert decoder.outcome == "clean"
    assert name in ENVELOPES or named.text == "Hello"
    assert read(Decoder("auto"), body)[0].events == named.events


def test_a_whole_answer_that_is_large_is_read_too() -> None:
    large = {**WHOLES["openai-completions"][0], "choices": [{"text": "x" * 300_000, "finish_reason": "stop"}]}
    for name in ("openai-completions", "auto"):
        assert len(read(Decoder(name), as_body(large))[0].text) == 300_000  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["in_progress", "queued"])
def test_a_response_that_is_not_over_is_no_answer(status: str) -> None:
    for name in ("openai-responses", "auto"):
        _, decoder = read(Decoder(name), as_body({**WHOLES["openai-responses"][0], "status": status}))  # type: ignore[arg-type]
        assert decoder.outcome == "error"


def test_a_response_that_failed_says_so() -> None:
    error = {"code": "x", "message": "boom"}
    failed = {"id": "r", "object": "response", "status": "failed", "error": error, "output": []}
    for name in ("openai-responses", "auto"):
        _, decoder = read(Decoder(name), as_body(failed))  # type: ignore[arg-type]
        assert decoder.failure is not None
        assert decoder.failure.message == "boom"


# Errors.

#: Errors as servers, gateways and clouds send them; the words in each are "boom".
ERRORS: list[Any] = [
    {"detail": "boom"},
    {"detail": [{"loc": ["body"], "msg": "boom", "type": "missing"}]},
    {"error": "boom"},
    {"error": {"message": "boom", "type": "x"}},
    {"error": {"code": 400, "message": "boom", "status": "INVALID_ARGUMENT"}},
    [{"error": {"code": 400, "message": "boom", "status": "INVALID_ARGUMENT"}}],
    {"errors": [{"code": 1, "message": "boom"}]},
    {"errors": [{"message": "boom"}, {"message": "bang"}]},
    {"errors": ["boom"]},
    {"success": False, "errors": [{"code": 10000, "message": "boom"}], "messages": [], "result": None},
    {"success": False, "message": "boom"},
    {"success": False, "result": {"reason": "boom"}},
    {"ok": False, "error": "boom"},
    {"code": 401, "message": "boom"},
    {"code": 1001, "msg": "boom", "data": None},
    {"__type": "ThrottlingException", "message": "boom"},
    {"status": "error", "message": "boom"},
    {"statusCode": 500, "message": "boom", "error": "Internal Server Error"},
    {"timestamp": "2026-01-01", "status": 500, "error": "boom", "path": "/"},
    {"type": "about:blank", "title": "boom", "status": 503},
    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "boom"},
    {"error_code": 17, "error_msg": "boom"},
    {"base_resp": {"status_code": 1004, "status_msg": "boom"}},
    {"fault": {"faultstring": "boom", "detail": {}}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "boom"}},
    {"object": "error", "message": "boom", "code": 1},
]

#: Words and nothing else: an error where they are all of a body, but not in an event of a stream.
WORDS_ALONE: list[Any] = [
    {"message": "boom"},
    {"Message": "boom"},
    {"message": "boom", "request_id": "r"},
    {"msg": "boom"},
]

#: What is no JSON object.
PAGES = [
    b"<!DOCTYPE html>\n<html>\n<body>boom</body>\n</html>\n",
    b"<html>\n\ndata: boom\n\n: x\n\n</html>",
    b"<?xml version='1.0'?>\n<Error><Code>boom</Code></Error>",
    b"boom\n",
    b"upstream connect error: boom",
    b"error: boom",
    b'"boom"',
]

#: Dialects that a server is asked in by HTTP, and that know errors.
ASKED = [name for name, it in DIALECTS.items() if not it.websocket_only and name not in ("eventsource", "raw")]


@pytest.mark.parametrize("error", [*ERRORS, *WORDS_ALONE], ids=str)
def test_an_error_in_place_of_an_answer_is_one_by_name_and_by_guess(error: Any) -> None:
    for body in bodies(error):
        for name in ASKED:
            named, decoder = read(Decoder(name), body)  # type: ignore[arg-type]
            assert decoder.outcome == "error", name
            assert decoder.failure is not None
            assert "boom" in decoder.failure.message, name
            if name not in WHOLES or name in ("mcp", "a2a"):
                continue
            hint = Guess(name, "because")  # type: ignore[arg-type]
            guessed, by_guess = read(Decoder("auto", hint=hint), body)
            assert by_guess.outcome == "error", name
            if by_guess.dialect.name == name:
                assert guessed.events == named.events
        for pieces in pieces_of(body):
            _, decoder = read(Decoder("auto"), *pieces)
            assert decoder.failure is not None
            assert "boom" in decoder.failure.message


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_an_error_in_an_event_is_one_by_name_and_by_guess(error: Any) -> None:
    body = b": hi\n\ndata: " + as_body(error) + b"\n\n"
    for name in ("openai-chat", "auto"):
        _, decoder = read(Decoder(name), body)  # type: ignore[arg-type]
        assert decoder.failure is not None, name
        assert "boom" in decoder.failure.message


@pytest.mark.parametrize("page", PAGES)
def test_words_and_pages_are_an_error_by_name_and_by_guess(page: bytes) -> None:
    for name in (*ASKED, "auto"):
        _, decoder = read(Decoder(name), page)  # type: ignore[arg-type]
        assert decoder.failure is not None, name
        assert "boom" in decoder.failure.message, name


@pytest.mark.parametrize(
    "value",
    [
        {"temperature": 3},
        {"message": "boom", "temperature": 3},
        {"detail": ""},
        {"errors": []},
        {"code": 0},
        {"base_resp": {"status_code": 0, "status_msg": "ok"}},
        {"success": True, "message": "well"},
        {"title": "A story", "content": "Once"},
        {"choices": [], "detail": "about"},
        CHAT,
        *(it for its in WHOLES.values() for it in its),
        [],
        [{}, {"error": "boom"}],
        "boom",
        None,
    ],
    ids=str,
)
def test_what_says_no_error_is_none(value: Any) -> None:
    assert refusal_in(value, alone=True) == {}


def test_json_that_no_dialect_knows_and_that_says_no_error_is_given_as_it_is() -> None:
    answer, decoder = read(Decoder("auto"), b'{"temperature": 3}')
    assert (decoder.dialect.name, decoder.outcome) == ("raw", "clean")
    assert [event.raw for event in answer.events if isinstance(event, Other)] == ['{"temperature": 3}']
