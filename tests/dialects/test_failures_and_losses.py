"""What must hold in every dialect: a reason that names a failure and a message of which a part is missing are no clean
end, and a call is told though its arguments never came."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from test_invariants import messages_in

from cutting import some_ways
from test_vectors import OF_DIALECTS
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End, Error, Finish, StreamEvent
from tokenwire.dialects.json_decoder import is_torn
from tokenwire.dialects.values import names_failure
from tokenwire.framing.sse import ServerSentEvent


def read(dialect: str, *messages: Any) -> list[StreamEvent]:
    """The events of messages: JSON values, data as it is, or a name and a JSON value."""
    decoder = DIALECTS[dialect].decoder()
    events: list[StreamEvent] = []
    for it in messages:
        name, value = it if isinstance(it, tuple) else ("", it)
        events += decoder.receive_message(
            ServerSentEvent(name, value if isinstance(value, str) else json.dumps(value), "")
        )
    return events + decoder.receive_eof()


# A reason that names a failure.


def chat(reason: Any, **more: Any) -> list[Any]:
    return [{"choices": [{"delta": {"content": "a"}, "finish_reason": reason, **more}]}, "[DONE]"]


def wrapped(value: Any) -> tuple[str, Any]:
    return "chunk", {"bytes": base64.b64encode(json.dumps(value).encode()).decode()}


#: How each dialect says a reason to stop, in a stream that has nothing else to complain of.
STOPS: dict[str, Callable[[str], list[Any]]] = {
    "openai-chat": chat,
    "mistral": chat,
    "openai-completions": lambda it: [{"choices": [{"text": "a", "finish_reason": it}]}, "[DONE]"],
    "anthropic-messages": lambda it: [
        {"type": "message_start", "message": {"id": "m"}},
        {"type": "message_delta", "delta": {"stop_reason": it}},
        {"type": "message_stop"},
    ],
    "openai-responses": lambda it: [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.incomplete",
         "response": {"status": "incomplete", "incomplete_details": {"reason": it}, "output": []}},
    ],
    "openai-realtime": lambda it: [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.done",
         "response": {"status": "incomplete", "status_details": {"reason": it}, "output": []}},
    ],
    "gemini": lambda it: [{"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": it}]}],
    "gemini-live": lambda it: [
        {"setupComplete": {}}, {"serverContent": {"turnComplete": True, "turnCompleteReason": it}}
    ],
    "gemini-interactions": lambda it: [
        {"event_type": "interaction.completed", "interaction": {"id": "i", "status": it}},
        ("done", "[DONE]"),
    ],
    "ollama": lambda it: [{"message": {"content": "a"}, "done": True, "done_reason": it}],
    "cohere-v1": lambda it: [
        {"event_type": "stream-start"}, {"event_type": "stream-end", "finish_reason": it, "response": {"text": ""}}
    ],
    "cohere-v2": lambda it: [
        {"type": "message-start"}, {"type": "message-end", "delta": {"finish_reason": it}}, "[DONE]"
    ],
    "bedrock-converse": lambda it: [("messageStart", {"role": "assistant"}), ("messageStop", {"stopReason": it})],
    "bedrock-invoke": lambda it: [wrapped({"outputText": "a", "completionReason": it})],
    "holysheep": lambda it: [
        {"type": "content_delta", "content": "a"}, {"type": "done", "finish_reason": it}
    ],
    "vercel-ui": lambda it: [{"type": "start"}, {"type": "finish", "finishReason": it}, "[DONE]"],
    "ag-ui": lambda it: [
        {"type": "RUN_STARTED", "runId": "r"}, {"type": "RUN_FINISHED", "outcome": {"type": it}}
    ],
}  # fmt: skip

#: Those that have no open set of reasons.
WITHOUT_REASONS = {"raw", "eventsource", "mcp", "a2a"}

FAILURES = ["error", "ERROR", "failed", "network_error", "server-error", "TIMEOUT", "upstream_timeout"]


def test_every_dialect_is_asked() -> None:
    assert set(STOPS) == set(DIALECTS) - WITHOUT_REASONS


@pytest.mark.parametrize("reason", FAILURES)
@pytest.mark.parametrize("dialect", STOPS)
def test_a_reason_that_names_a_failure_is_no_clean_end(dialect: str, reason: str) -> None:
    events = read(dialect, *STOPS[dialect](reason))
    assert [(event.reason, event.raw_reason) for event in events if isinstance(event, Finish)] == [("error", reason)]
    fatal = [event for event in events if isinstance(event, Error) and event.fatal]
    assert len(fatal) == 1
    assert reason in f"{fatal[0].code} {fatal[0].message}"
    assert events[-1] == End(False)


@pytest.mark.parametrize("reason", ["stop", "completed", "max_tokens", "errorless", "no_errors", "failover", "new"])
@pytest.mark.parametrize("dialect", STOPS)
def test_other_reasons_are_none(dialect: str, reason: str) -> None:
    events = read(dialect, *STOPS[dialect](reason))
    assert not any(isinstance(event, Error) for event in events)
    assert [event.reason != "error" for event in events if isinstance(event, Finish)] == [True]
    assert events[-1] == End(True)


@pytest.mark.parametrize("dialect", ["openai-chat", "mistral", "openai-completions"])
@pytest.mark.parametrize(
    ("reason", "more", "code", "words"),
    [
        ("abort", {}, "abort", "abort"),
        ("insufficient_system_resource", {}, "insufficient_system_resource", "reason"),
        ("stop", {"native_finish_reason": "error"}, "error", "reason"),
        ("error", {"native_finish_reason": "STOP"}, "error", "reason"),
        ({"type": "abort", "message": "no memory"}, {}, "abort", "no memory"),
        ("error", {"error": {"code": 502, "message": "boom"}}, "502", "boom"),
    ],
)
def test_chat_fails_with_the_best_words_there_are(
    dialect: str, reason: Any, more: dict[str, Any], code: str, words: str
) -> None:
    events = read(dialect, *chat(reason, **more))
    fatal = [event for event in events if isinstance(event, Error)]
    assert [(event.code, event.fatal) for event in fatal] == [(code, True)]
    assert words in fatal[0].message
    assert [event.reason for event in events if isinstance(event, Finish)] == ["error"]
    assert events[-1] == End(False)


@pytest.mark.parametrize("more", [{"finish_reason": "error"}, {"status": "failed"}])
@pytest.mark.parametrize("said", [{"choices": [{"delta": {"content": "a"}}]}, {"choices": []}, {"response": "a"}])
def test_chat_fails_where_a_chunk_says_so_outside_of_its_choices(said: dict[str, Any], more: dict[str, Any]) -> None:
    events = read("openai-chat", chat(None)[0], {"id": "x", **said, **more}, "[DONE]")
    assert [event.fatal for event in events if isinstance(event, Error)] == [True]
    assert events[-1] == End(False)
    harmless = read("openai-chat", {"id": "x", **said, **dict.fromkeys(more, "ok")}, "[DONE]")
    assert harmless[-1] == End(True)


def test_words_that_come_after_the_reason_are_those_of_the_failure() -> None:
    stopped, done = chat("error")
    events = read("openai-chat", stopped, {"error": {"code": 502, "message": "boom"}}, done)
    assert [event for event in events if isinstance(event, Error)] == [Error("502", "boom", True)]


def test_a_function_call_that_the_model_got_wrong_is_a_reason_and_no_failure_of_the_server() -> None:
    for message in (chat("MALFORMED_FUNCTION_CALL"), chat("stop", native_finish_reason="MALFORMED_FUNCTION_CALL")):
        events = read("openai-chat", *message)
        assert [event.reason for event in events if isinstance(event, Finish)] == ["error"]
        assert events[-1] == End(True)


@pytest.mark.parametrize(
    ("reason", "is_one"),
    [("error", True), ("Error", True), ("internal_error", True), ("timed_out", True), ("time_out", True),
     ("fail", True), ("FAILURE", True), ("finish_reason_error", True), ("terror", False), ("", False),
     ("error_free", False), ("stop", False), ("timeouts", False)],
)  # fmt: skip
def test_what_names_a_failure(reason: str, is_one: bool) -> None:
    assert names_failure(reason) is is_one


# What is left of a message.

#: A dialect whose messages are no JSON, or may be anything.
WITHOUT_JSON = {"raw", "eventsource"}


def sound(dialect: str) -> list[ServerSentEvent]:
    """The messages of the vector of a dialect whose stream is whole and has the most of them."""
    vectors = [it for it in OF_DIALECTS.values() if it["dialect"] == dialect]
    whole = [it for it in vectors if {"event": "End", "clean": True} in it["expected"]["events"]]
    streams = [[it for it in messages_in(vector) if it.data.startswith("{")] for vector in whole]
    return max(streams, key=len)


def pieces_of(text: str) -> dict[str, str]:
    third = len(text) // 3
    return {"head": text[: 2 * third], "tail": text[third:], "middle": text[third : 2 * third], "end": '"}}]}'}


@pytest.mark.parametrize("piece", ["head", "tail", "middle", "end"])
@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - WITHOUT_JSON))
def test_a_message_of_which_a_part_is_missing_makes_the_end_unclean(dialect: str, piece: str) -> None:
    messages = sound(dialect)
    decoder = DIALECTS[dialect].decoder()
    assert [*(event for it in messages for event in decoder.receive_message(it)), *decoder.receive_eof()][-1].clean  # type: ignore[union-attr]
    for place in range(len(messages)):
        text = messages[place].data
        inner = json.loads(text).get("bytes")
        torn = pieces_of(base64.b64decode(inner).decode() if inner else text)[piece]
        if not is_torn(torn):
            continue  # the middle of a long text is words
        if inner:
            torn = json.dumps({"bytes": base64.b64encode(torn.encode()).decode()})
        decoder = DIALECTS[dialect].decoder()
        events: list[StreamEvent] = []
        for it in [*messages[:place], messages[place]._replace(data=torn), *messages[place:]]:
            events += decoder.receive_message(it)
        events += decoder.receive_eof()
        assert events[-1] == End(False), (place, torn)
        assert any(torn in event.raw for event in events), "it is told"


LINES = ['"}}]}', 'lo"}}]}', '{"choices":[{"index":0,"del', 'Data: {"choices":[]}', '[{"a":']
KEEPALIVES = ["ping", "[PING]", "[heartbeat]", "keep-alive", "OK"]


@pytest.mark.parametrize("prefix", ["data: ", ""])
@pytest.mark.parametrize(("line", "clean"), [*((it, False) for it in LINES), *((it, True) for it in KEEPALIVES)])
@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages", "gemini", "cohere-v2", "auto"])
def test_a_line_of_what_is_left_of_a_message(dialect: Any, line: str, clean: bool, prefix: str) -> None:
    """As the data of an event of its own, and without a field, which server-sent events ignore."""
    chosen = "openai-chat" if dialect == "auto" else dialect
    whole = [f"data: {it.data}\n\n".encode() for it in sound(chosen)] + [b"data: [DONE]\n\n"] * (chosen != "gemini")
    for place in (0, 1, len(sound(chosen)) - 1):
        if (chosen, place, prefix, line[:1]) == ("gemini", 0, "", "["):
            continue  # so begins the other framing of Gemini
        stream = b"".join([*whole[:place], f"{prefix}{line}\n\n".encode(), *whole[place:]])
        for pieces in some_ways(stream, 1):
            decoder = Decoder(dialect)
            for it in pieces:
                decoder.receive_data(it)
            decoder.receive_eof()
            assert (decoder.outcome == "clean") == clean, (place, pieces)


OF_EVENTS = [name for name, it in DIALECTS.items() if it.framing in ("sse", "sse-or-json") and not it.plain]


@pytest.mark.parametrize("dialect", OF_EVENTS)
def test_a_last_line_outside_of_any_field_needs_no_line_end(dialect: str) -> None:
    messages = sound(dialect)
    for place in range(1, len(messages)):
        before = b"".join(f"event: {it.event}\ndata: {it.data}\n\n".encode() for it in messages[:place])
        for line in (*LINES, *KEEPALIVES, messages[place].data):
            ended, open_ended = (read_bytes(dialect, before + line.encode() + end) for end in (b"\n", b""))
            assert open_ended == ended, (place, line)
            assert line not in LINES or open_ended[-1] == End(False), (place, line)


def read_bytes(dialect: str, stream: bytes) -> list[StreamEvent]:
    decoder = Decoder(DIALECTS[dialect])
    return decoder.receive_data(stream) + decoder.receive_eof()


def test_a_page_in_place_of_a_stream_is_no_torn_message() -> None:
    page = b'<html>\n<body class="x">\n{oops}\n</html>\n'
    decoder = Decoder("openai-chat")
    events = decoder.receive_data(page) + decoder.receive_eof()
    assert decoder.no_stream
    assert [event.message for event in events if isinstance(event, Error)] == [page.decode().strip()]


def test_a_whole_message_without_its_field_is_read() -> None:
    (first, _), (second, _) = chat(None), chat(None)
    stream = f"data: {json.dumps(first)}\n\n{json.dumps(second)}\n\ndata: [DONE]\n\n".encode()
    for pieces in some_ways(stream, 3):
        decoder, answer = Decoder("openai-chat"), Answer()
        for it in pieces:
            answer.add_all(decoder.receive_data(it))
        assert (answer.text, decoder.outcome) == ("aa", "clean")


# A call whose arguments never came.


def tool(**more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f"}, **more}]}}]}


NAMED: dict[str, list[Any]] = {
    "openai-chat": [tool()],
    "mistral": [tool()],
    "anthropic-messages": [
        {"type": "message_start", "message": {"id": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
    ],
    "openai-responses": [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0,
         "item": {"type": "function_call", "call_id": "t", "name": "f", "arguments": ""}},
    ],
    "openai-realtime": [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0,
         "item": {"type": "function_call", "call_id": "t", "name": "f"}},
    ],
    "gemini": [{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "willContinue": True}}]}}]}],
    "gemini-live": [{"toolCall": {"functionCalls": [{"id": "t", "name": "f"}]}}],
    "gemini-interactions": [
        {"event_type": "step.start", "index": 0, "step": {"type": "function_call", "id": "t", "name": "f"}},
    ],
    "ollama": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}],
    "cohere-v1": [{"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "name": "f"}}],
    "cohere-v2": [{"type": "tool-call-start", "index": 0,
                   "delta": {"message": {"tool_calls": {"id": "t", "function": {"name": "f"}}}}}],
    "bedrock-converse": [
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
    ],
    "bedrock-invoke": [wrapped({"type": "message_start", "message": {"id": "m"}}), wrapped(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}})],
    "vercel-ui": [{"type": "tool-input-start", "toolCallId": "t", "toolName": "f"}],
    "ag-ui": [{"type": "TOOL_CALL_START", "toolCallId": "t", "toolCallName": "f"}],
}  # fmt: skip


def test_every_dialect_with_tools_is_asked_for_a_call() -> None:
    assert set(NAMED) == {name for name, it in DIALECTS.items() if it.tools} - {
        "a2a",
        "raw",
        "eventsource",
        "holysheep",
    }


@pytest.mark.parametrize("dialect", NAMED)
def test_a_call_whose_arguments_never_came_is_told(dialect: str) -> None:
    answer = Answer()
    answer.add_all(read(dialect, *NAMED[dialect]))
    assert [call.name for call in answer.tools] == ["f"]
    assert answer.tools[0].arguments in ("", "{}")


def test_a_call_of_chat_without_arguments_is_told_with_the_finish() -> None:
    stopped = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}
    for end in ([], ["[DONE]"]):
        answer = Answer(keep_events=True)
        answer.add_all(read("openai-chat", tool(), stopped, *end))
        kinds = [type(event).__name__ for event in answer.events]
        assert kinds.index("BlockStart") < kinds.index("Finish")
        assert answer.end == End(True)


# Text outside of the delta.


@pytest.mark.parametrize(
    ("message", "text", "others"),
    [
        ({"choices": [{"index": 0, "content": "a"}]}, "a", []),
        ({"choices": [{"index": 0, "text": "a"}]}, "a", []),
        ({"choices": [{"index": 0, "delta": {"content": "a"}, "content": "a"}]}, "a", []),
        ({"choices": [{"index": 0, "delta": {"content": "a"}, "content": "b"}]}, "a", ["content"]),
        ({"choices": [{"index": 0, "delta": {"content": "a"}}], "response": "a"}, "a", []),
        ({"choices": [{"index": 0, "delta": {"content": "a"}}], "response": "b"}, "a", ["response"]),
        ({"choices": [{"index": 0, "delta": {"content": "a"}}], "output_text": "b"}, "a", ["output_text"]),
        ({"choices": [{"index": 0, "delta": {"content": "a"}}], "tool_calls": [{"x": 1}]}, "a", ["tool_calls"]),
        ({"choices": [{"index": 0, "delta": {"content": "a"}}], "message": "b"}, "a", ["message"]),
        ({"choices": [], "content": "a"}, "a", []),
        ({"content": "a", "stop": False}, "a", []),
        ({"response": "a"}, "a", []),
        ({"text": "a", "meta_info": {}}, "", ["chunk"]),
        ({"output_text": "a"}, "", ["chunk"]),
        ({"output": {"text": "a"}, "usage": {"total_tokens": 1}}, "", ["output"]),
    ],
)
def test_text_outside_of_the_delta_is_text_where_it_has_one_meaning(
    message: dict[str, Any], text: str, others: list[str]
) -> None:
    answer = Answer(keep_events=True)
    answer.add_all(read("openai-chat", message, message, "[DONE]"))
    assert answer.text == 2 * text
    told = [getattr(event, "type", "") for event in answer.events if type(event).__name__ == "Other"]
    assert set(told) == set(others)
    assert answer.end == End(bool(text)), "where no message was understood, the end is not clean"
