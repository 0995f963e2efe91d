"""How streams end, over all dialects: an end is clean only where nothing that was begun is missing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from test_vectors import OF_DIALECTS
from test_vectors import pieces as pieces_of
from test_vectors import stream as body_of
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import Error, Other
from tokenwire.errors import RemoteProtocolError
from tokenwire.framing.eventstream import encode

#: Dialects that are no more than their framing, which knows no loss: the standard discards an event that was not
#: finished, and bytes may end anywhere.
PLAIN = ("eventsource", "raw")

#: What ends a message of a framing, with which nothing of the next one has begun.
BETWEEN = (b"\n\n", b"\r\n\r", b"\r\n\r\n")


def read(dialect: Any, *reads: bytes | str) -> tuple[Decoder, Answer]:
    """A body in pieces of bytes, or the messages of a WebSocket."""
    decoder, answer = Decoder(dialect), Answer(keep_events=True)
    for it in reads:
        answer.add_all(decoder.receive_message(it) if isinstance(it, str) else decoder.receive_data(it))
    answer.add_all(decoder.receive_eof())
    return decoder, answer


def outcome_of(dialect: Any, body: bytes) -> str | None:
    try:
        return read(dialect, body)[0].outcome
    except RemoteProtocolError:
        return "raised"


def said(answer: Answer) -> tuple[Any, ...]:
    calls = tuple((call.name, call.arguments) for call in answer.tools)
    told = [event for event in answer.events if isinstance(event, Error | Other)]
    return answer.text, answer.reasoning, calls, [event.raw for event in told]


def sse(*messages: Any) -> bytes:
    return "".join(f"data: {it if isinstance(it, str) else json.dumps(it)}\n\n" for it in messages).encode()


def frames(*events: tuple[str, dict[str, Any] | bytes]) -> bytes:
    """An Amazon event stream."""
    return b"".join(
        encode(
            {":message-type": "event", ":event-type": name},
            payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
        )
        for name, payload in events
    )


# A body that is cut.


@pytest.mark.parametrize(
    "name", [name for name, it in OF_DIALECTS.items() if "bytes" in it and it["dialect"] not in PLAIN]
)
def test_no_cut_gives_a_clean_end_and_less_than_the_whole(name: str) -> None:
    """Except right after a message, where the end of the body stands for the terminator: only the transport can know
    that more was to come."""
    dialect, body = OF_DIALECTS[name]["dialect"], body_of(OF_DIALECTS[name])
    _, whole = read(dialect, body)
    for place in range(len(body)):
        try:
            decoder, answer = read(dialect, body[:place])
        except RemoteProtocolError:
            continue
        if decoder.outcome == "clean" and said(answer) != said(whole):
            assert body[:place].endswith(BETWEEN), body[:place]


#: A stream of each dialect over SSE that may end without `[DONE]` now, and one that would go on.
FINISHED: dict[str, bytes] = {
    "openai-chat": sse({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}),
    "openai-completions": sse({"choices": [{"text": "a", "finish_reason": "stop"}]}),
    "mistral": sse({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}),
    "cohere-v2": sse({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    "gemini": sse({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}),
    "gemini-interactions": sse({"event_type": "interaction.completed", "interaction": {"status": "completed"}}),
    "vercel-ui": sse({"type": "finish", "finishReason": "stop"}),
    "a2a": sse({"task": {"id": "t", "status": {"state": "TASK_STATE_INPUT_REQUIRED"}}}),
}

#: Dialects that demand their terminator: no other end is clean, whatever was begun.
DEMANDING = ("ag-ui", "anthropic-messages", "holysheep", "mcp", "openai-responses")


def test_every_dialect_over_sse_either_may_end_or_demands_its_terminator() -> None:
    over_sse = {name for name, it in DIALECTS.items() if "sse" in it.framing and not it.websocket_only}
    assert over_sse == {*FINISHED, *DEMANDING, "eventsource"}
    for name in DEMANDING:
        assert not Decoder(name).may_end


@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize(
    ("rest", "clean"),
    [
        (b"", True),
        (b"\n", True),
        (b": bye", True),
        (b": bye\n", True),
        (b"retry: 5\n", True),
        (b"data: [DONE]", True),
        (b"data:[DONE]\n", True),
        (b"d", False),
        (b"data", False),
        (b"data: ", False),
        (b"data: [", False),
        (b'data: {"x', False),
        (b'data: {"x": 1}', False),
        (b'data: {"x": 1}\n', False),
        (b"event: x\n", False),
        (b"ev", False),
        (b"id: 7\n", False),
        (b'{"error": {"mess', False),
        (b'{"error": {"message": "boom"}}', False),
        (b"error: boom\n", False),
    ],
)
def test_what_was_begun_after_the_finish_and_not_ended_is_a_loss(name: str, rest: bytes, clean: bool) -> None:
    assert (outcome_of(name, FINISHED[name] + rest) == "clean") == clean


@pytest.mark.parametrize("name", [*FINISHED, *DEMANDING])
@pytest.mark.parametrize("line", [b'{"error": {"message": "boom"}}\n', b"error: boom\n", b'{"error":\n "boom"}\n'])
def test_a_line_that_says_an_error_is_one_in_every_dialect(name: str, line: bytes) -> None:
    decoder, _ = read(name, b": hi\n\n" + sse({"unknown": 1}) + line)
    assert decoder.outcome == "error"
    assert decoder.failure is not None
    assert "boom" in decoder.failure.message


# A tool call that is not whole when the terminator comes.

PIECE = '{"a": [1, "b'


def anthropic(*events: dict[str, Any], reason: str | None) -> bytes:
    stop = [{"type": "message_delta", "delta": {"stop_reason": reason}}] if reason else []
    return sse({"type": "message_start", "message": {"id": "m"}}, *events, *stop, {"type": "message_stop"})


def anthropic_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    return anthropic(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}},
        *([{"type": "content_block_stop", "index": 0}] if ended else []),
        reason=reason,
    )


def responses_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    item = {"type": "function_call", "id": "i", "call_id": "t", "name": "f", "arguments": ""}
    place = {"output_index": 0, "item_id": "i"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": {**item, "arguments": piece}}
    why = {"status": "incomplete", "incomplete_details": {"reason": reason}} if reason else {"status": "completed"}
    return sse(
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.function_call_arguments.delta", **place, "delta": piece},
        *([done] if ended else []),
        {"type": f"response.{why['status']}", "response": {"id": "r", **why}},
    )


def cohere_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    call = {"id": "t", "function": {"name": "f", "arguments": piece}}
    return sse(
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}},
        *([{"type": "tool-call-end", "index": 0}] if ended else []),
        *([{"type": "message-end", "delta": {"finish_reason": reason}}] if reason else []),
        "[DONE]",
    )


def cohere_v1_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    """Its calls have no other end than to be repeated whole."""
    whole = [{"name": "f", "parameters": json.loads(piece)}] if ended else []
    messages = (
        {"event_type": "stream-start"},
        {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "name": "f"}},
        {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "parameters": piece}},
        {"event_type": "tool-calls-generation", "tool_calls": whole},
        {"event_type": "stream-end", "finish_reason": reason or "COMPLETE", "response": {}},
    )
    return "".join(f"{json.dumps(it)}\n" for it in messages).encode()


def bedrock_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}
    return frames(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockStart", start),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": piece}}}),
        *([("contentBlockStop", {"contentBlockIndex": 0})] if ended else []),
        ("messageStop", {"stopReason": reason}),
    )


def invoke_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    body = anthropic_call(piece, ended=ended, reason=reason)
    chunks = [it.removeprefix(b"data: ") for it in body.split(b"\n\n") if it]
    return frames(*(("chunk", {"bytes": base64.b64encode(it).decode()}) for it in chunks))


def interactions_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    return sse(
        {"event_type": "step.start", "index": 0, "step": {"type": "function_call", "id": "t", "name": "f"}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "arguments_delta", "arguments": piece}},
        *([{"event_type": "step.stop", "index": 0}] if ended else []),
        *([{"event_type": "interaction.completed", "interaction": {"status": reason}}] if reason else []),
        "[DONE]",
    )


def vercel_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    return sse(
        {"type": "tool-input-start", "toolCallId": "t", "toolName": "f"},
        {"type": "tool-input-delta", "toolCallId": "t", "inputTextDelta": piece},
        *([{"type": "tool-input-error", "toolCallId": "t", "errorText": "no JSON"}] if ended else []),
        *([{"type": "finish", "finishReason": reason}] if reason else []),
        "[DONE]",
    )


def ag_ui_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    return sse(
        {"type": "TOOL_CALL_START", "toolCallId": "t", "toolCallName": "f"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "t", "delta": piece},
        *([{"type": "TOOL_CALL_END", "toolCallId": "t"}] if ended else []),
        {"type": "RUN_FINISHED", **({"outcome": {"type": reason}} if reason else {})},
    )


def ag_ui_chunks(piece: str, *, ended: bool, reason: str | None) -> bytes:
    """A chunk has no end of its own."""
    return sse(
        {"type": "TOOL_CALL_CHUNK", "toolCallId": "t", "toolCallName": "f", "delta": piece},
        {"type": "RUN_FINISHED", **({"outcome": {"type": reason}} if reason else {})},
    )


def gemini_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    """The pieces are no JSON text, but a string of the arguments may be one of several."""
    patch = {"jsonPath": "$.a", "stringValue": piece, "willContinue": True}
    parts = [{"functionCall": {"name": "f", "partialArgs": [patch], "willContinue": True}}]
    if ended:
        parts.append({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": ""}]}})
    stop = {"finishReason": reason} if reason else {}
    return sse(*({"candidates": [{"content": {"parts": [part]}}]} for part in parts), {"candidates": [stop]})


def chat_call(piece: str, *, ended: bool, reason: str | None) -> bytes:
    call = {"index": 0, "id": "t", "function": {"name": "f", "arguments": piece}}
    return sse({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": reason}]}, "[DONE]")


#: How a stream with one call is told; the reasons of which the model stopped by itself, and those that made it stop.
CALLS: dict[str, tuple[Any, Any, tuple[str | None, ...], tuple[str, ...]]] = {
    "anthropic": ("anthropic-messages", anthropic_call, (None, "tool_use", "end_turn"), ("max_tokens", "refusal")),
    "responses": ("openai-responses", responses_call, (None,), ("max_output_tokens", "content_filter")),
    "cohere-v2": ("cohere-v2", cohere_call, (None, "TOOL_CALL", "COMPLETE"), ("MAX_TOKENS",)),
    "cohere-v1": ("cohere-v1", cohere_v1_call, ("COMPLETE",), ("MAX_TOKENS", "USER_CANCEL")),
    "converse": ("bedrock-converse", bedrock_call, ("tool_use", "end_turn"), ("max_tokens", "guardrail_intervened")),
    "invoke": ("bedrock-invoke", invoke_call, (None, "tool_use"), ("max_tokens",)),
    "interactions": ("gemini-interactions", interactions_call, (None, "requires_action"), ("incomplete", "cancelled")),
    "vercel-ui": ("vercel-ui", vercel_call, (None, "tool-calls", "stop"), ("length", "content-filter")),
    "ag-ui": ("ag-ui", ag_ui_call, (None, "success"), ("cancelled", "interrupt")),
    "ag-ui, chunks": ("ag-ui", ag_ui_chunks, (None, "success"), ("cancelled", "interrupt")),
    "gemini": ("gemini", gemini_call, ("STOP",), ("MAX_TOKENS", "SAFETY")),
    # A call of chat has no end of its own: any reason to stop ends it, with the arguments as they came.
    "chat": ("openai-chat", chat_call, (None,), ("stop", "tool_calls", "length")),
    "mistral": ("mistral", chat_call, (None,), ("stop", "tool_calls", "length")),
}

#: Dialects with tools whose calls come whole, in one message; and those that are spoken over WebSocket alone, and have
#: the decoder of another one.
WHOLE_CALLS = ("ollama", "gemini-live", "openai-realtime")


def test_every_dialect_with_tools_is_asked_about_calls_that_are_not_whole() -> None:
    assert {name for name, it in DIALECTS.items() if it.tools} == {*(it[0] for it in CALLS.values()), *WHOLE_CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_broken_off_before_its_json_is_whole_is_a_loss(name: str) -> None:
    dialect, told, by_itself, made_to = CALLS[name]
    for reason in by_itself:
        decoder, answer = read(dialect, told(PIECE, ended=False, reason=reason))
        assert decoder.outcome == "error", reason
        assert decoder.failure is not None
        assert decoder.failure.code == "incomplete"
        assert len(answer.tools) == 1, "what came of it is given"
    for reason in made_to:
        assert outcome_of(dialect, told(PIECE, ended=False, reason=reason)) == "clean", reason


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_has_ended_or_is_whole_is_none(name: str) -> None:
    dialect, told, by_itself, made_to = CALLS[name]
    for reason in (*(it for it in by_itself if it), *made_to):
        assert outcome_of(dialect, told('{"a": 1}', ended=True, reason=reason)) == "clean", reason
        if name not in ("ag-ui", "gemini"):  # one wants every call ended, and the text of the other's is one string
            assert outcome_of(dialect, told('{"a": 1}', ended=False, reason=reason)) == "clean", reason
    if name not in ("cohere-v1", "ag-ui, chunks", "chat", "mistral"):  # whose calls have no end of their own
        reason = by_itself[-1]
        assert outcome_of(dialect, told(PIECE, ended=True, reason=reason)) == "clean", "the model made no JSON"


@pytest.mark.parametrize("family", ["TEXT_MESSAGE", "REASONING_MESSAGE"])
def test_a_run_of_ag_ui_ends_its_messages_before_itself(family: str) -> None:
    said = [
        {"type": f"{family}_START", "messageId": "m"},
        {"type": f"{family}_CONTENT", "messageId": "m", "delta": "a"},
    ]
    assert outcome_of("ag-ui", sse(*said, {"type": "RUN_FINISHED"})) == "error"
    assert (
        outcome_of("ag-ui", sse(*said, {"type": f"{family}_END", "messageId": "m"}, {"type": "RUN_FINISHED"}))
        == "clean"
    )
    cancelled = {"type": "RUN_FINISHED", "outcome": {"type": "cancelled"}}
    assert outcome_of("ag-ui", sse(*said, cancelled)) == "clean"
    assert outcome_of("ag-ui", sse({"type": f"{family}_CHUNK", "messageId": "m", "delta": "a"}, cancelled)) == "clean"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_call_whose_pieces_go_the_short_way_is_known_to_be_cut_too(size: int) -> None:
    pieces = [f"word {number} " for number in range(40)]
    events = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": it}}
            for it in ['{"a": "', *pieces]
        ),
    ]
    body = anthropic(*events, reason="tool_use")
    decoder, answer = read("anthropic-messages", *(body[at : at + size] for at in range(0, len(body), size)))
    assert decoder.outcome == "error"
    assert answer.tools[0].arguments == '{"a": "' + "".join(pieces)


# What is no JSON where nothing else may stand.

#: What cannot be read, where it stands as data of server-sent events, and where a line, a frame or a message is JSON or
#: nothing.
UNREADABLE: dict[str, list[bytes]] = {
    "sse": [b'data: "choi\n\n', b'data: ices":[{"delta":{"content":"x"}}]}\n\n', b'data: {"a\n\n', b"data: }\n\n"],
    "jsonlines": [b"lost\n", b'"los\n', b'{"a\n', b'nse":"x"}\n', b"\xff\n"],
    "eventstream": [
        frames((name, payload)) for name in ("chunk", "contentBlockDelta") for payload in (b"lost", b'{"a')
    ],
    "websocket": [b"lost", b'"los', b'{"a', b"\xff\xfe"],
}

#: What says nothing, in words: a keepalive. An event stream has none.
KEEPALIVES: dict[str, list[bytes]] = {
    "eventstream": [],
    "sse": [b"data: ping\n\n", b"data: [HEARTBEAT]\n\n", b"data: still at it\n\n", b"data: : ping\n\n", b"data:\n\n"],
    "jsonlines": [b"ping\n", b": keep-alive\n", b"\n"],
    "websocket": [b"ping", b"heartbeat", b": ping", b""],
}


#: Vectors whose pieces are one message each, and that come to a clean end.
WHOLE = {
    name: it
    for name, it in OF_DIALECTS.items()
    if it["framing"] in UNREADABLE and it["dialect"] not in PLAIN and it["expected"]["events"][-1]["clean"]
}


def outcome_with(name: str, more: bytes) -> str | None:
    """How a vector ends with one more message after its first."""
    pieces = [it.encode() if isinstance(it, str) else it for it in pieces_of(WHOLE[name])]
    reads = [pieces[0], more, *pieces[1:]]
    if WHOLE[name]["framing"] != "websocket":
        return outcome_of(WHOLE[name]["dialect"], b"".join(reads))
    decoder = Decoder(WHOLE[name]["dialect"])
    for it in reads:
        decoder.receive_message(it)
    decoder.receive_eof()
    return decoder.outcome


@pytest.mark.parametrize("name", [name for name in WHOLE if len(pieces_of(WHOLE[name])) > 1])
def test_what_cannot_be_read_is_a_loss_and_a_keepalive_is_none(name: str) -> None:
    for unreadable in UNREADABLE[WHOLE[name]["framing"]]:
        assert outcome_with(name, unreadable) != "clean", unreadable
    for keepalive in KEEPALIVES[WHOLE[name]["framing"]]:
        assert outcome_with(name, keepalive) == "clean", keepalive


@pytest.mark.parametrize(
    ("dialect", "event", "end"),
    [
        ("anthropic-messages", "content_block_delta", {"type": "message_stop"}),
        ("cohere-v2", "content-delta", {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
        ("gemini-interactions", "step.delta", "[DONE]"),
        ("openai-responses", "response.output_text.delta", {"type": "response.completed", "response": {}}),
    ],
)
def test_words_in_an_event_of_the_dialect_are_a_loss_and_in_another_none(dialect: Any, event: str, end: Any) -> None:
    for name, outcome in ((event, "error"), ("ping", "clean"), ("of_a_gateway", "clean")):
        begun = sse({"type": "response.created", "response": {}}) if dialect == "openai-responses" else b""
        assert outcome_of(dialect, begun + f"event: {name}\ndata: words\n\n".encode() + sse(end)) == outcome, name
