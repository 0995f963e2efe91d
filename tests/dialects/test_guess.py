"""Which dialect it is: from the bytes, the content type, the URL; and that a guess decodes as the name would have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenwire
from cutting import bytewise, cut_at, cuts, every_way, some_ways
from test_corpus import NO_CORPUS, ROWS, SMALL, Row, decode, messages_of, streams_of
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End, StreamEvent, TextDelta
from tokenwire.dialects.guess import MAX_HELD, MAX_MESSAGES, Guess, Guesser, guess_dialect
from tokenwire.framing.eventstream import encode

#: The same text in two dialects: the wider one is taken, and reads it alike.
TAKEN_FOR = {"mistral": "openai-chat"}

#: Recordings whose bytes say too little.
SAY_TOO_LITTLE = {
    # Its only event is never ended by a blank line, so there is none (WHATWG HTML 9.2.6).
    "gemini-sse/fb-vertexai-streaming-failure-prompt-blocked-safety-with-message.sse",
}


def sse(*messages: Any) -> bytes:
    texts = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def lines(*messages: Any) -> bytes:
    return "".join(json.dumps(message) + "\n" for message in messages).encode()


# The bytes.

CHAT = {"choices": [{"delta": {"content": "x"}}]}
STATUS = {"taskId": "t", "status": {"state": "TASK_STATE_WORKING"}}

BYTES: list[tuple[str, bytes]] = [
    ("openai-chat", sse(CHAT)),
    ("openai-chat", b"\xef\xbb\xbf" + sse(CHAT)),
    ("openai-chat", b": OPENROUTER PROCESSING\n\n" * 20 + sse(CHAT)),
    ("openai-chat", sse({"choices": [], "prompt_filter_results": []}, CHAT)),
    ("openai-chat", sse({"choices": [{"delta": {"content": "x"}, "text": "x"}]})),
    ("openai-chat", sse("[DONE]")),
    ("openai-chat", sse({"object": "chat.completion", "choices": [{"message": {"content": "x"}}]})),
    ("openai-chat", sse({"response": "x", "p": "abc"})),
    ("openai-chat", sse({"response": 7})),
    ("openai-chat", sse("error: CUDA out of memory", "[DONE]")),
    ("openai-chat", sse('{"choices": [{"de' + "data: " + json.dumps(CHAT), CHAT)),
    ("openai-chat", sse({"error": {"message": "no", "type": "x"}})),
    ("openai-chat", b'{"error": {"message": "no"}}\n'),
    ("openai-chat", b""),
    ("openai-chat", sse(CHAT)[:-1]),
    ("openai-completions", sse({"object": "text_completion", "choices": [{"text": "x"}]})),
    ("openai-completions", sse({"choices": [{"text": "x"}]})),
    ("openai-responses", sse({"type": "response.created", "sequence_number": 0, "response": {}})),
    ("openai-responses", sse({"type": "error", "sequence_number": 0, "error": {"message": "no"}})),
    ("openai-responses", sse({"type": "transcript.text.delta", "delta": "x"})),
    ("openai-realtime", lines({"type": "session.created", "event_id": "e"})),
    ("openai-realtime", lines({"type": "response.created", "event_id": "e"})),
    ("openai-realtime", lines({"type": "error", "event_id": "e", "error": {}})),
    ("anthropic-messages", sse({"type": "message_start", "message": {}})),
    ("anthropic-messages", sse({"type": "ping"}, {"type": "content_block_delta"})),
    ("anthropic-messages", sse({"type": "error", "error": {"type": "overloaded_error", "message": "no"}})),
    ("anthropic-messages", sse({"type": "ping"})),
    ("cohere-v2", sse({"type": "message-start", "delta": {}})),
    ("cohere-v2", sse({"type": "content-delta", "delta": {}})),
    ("cohere-v1", lines({"event_type": "stream-start", "is_finished": False})),
    ("gemini", sse({"candidates": []})),
    ("gemini", sse({"promptFeedback": {"blockReason": "SAFETY"}})),
    ("gemini", b"[" + json.dumps({"candidates": [{}]}, indent=1).encode() + b"\r\n,\r\n"),
    ("gemini", json.dumps({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, indent=1).encode()),
    ("gemini-interactions", sse({"event_type": "interaction.created", "interaction": {}})),
    ("gemini-interactions", sse({"event_type": "step.delta", "index": 0})),
    ("gemini-live", lines({"setupComplete": {}})),
    ("gemini-live", lines({"serverContent": {}, "usageMetadata": {}})),
    ("ollama", lines({"model": "m", "message": {"role": "assistant", "content": "x"}, "done": False})),
    ("ollama", lines({"model": "m", "response": "x", "done": False})),
    ("holysheep", sse({"type": "content_delta", "content": "x"})),
    ("holysheep", sse({"content": "x"})),
    ("vercel-ui", sse({"type": "start", "messageId": "m"})),
    ("vercel-ui", sse({"type": "data-weather", "data": {}})),
    ("vercel-ui", sse({"type": "error", "errorText": "no"})),
    ("ag-ui", sse({"type": "RUN_STARTED", "threadId": "t", "runId": "r"})),
    ("ag-ui", sse({"type": "MESSAGES_SNAPSHOT", "messages": []})),
    ("mcp", b"event: message\n" + sse({"jsonrpc": "2.0", "method": "notifications/progress"})),
    ("mcp", b"id: 1\ndata:\n\n" + sse({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})),
    ("mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"task": {"taskId": "t", "status": "working"}}}).encode()),
    ("mcp", sse({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}})),
    ("a2a", sse({"jsonrpc": "2.0", "id": 1, "result": {"statusUpdate": STATUS}})),
    ("a2a", sse({"artifactUpdate": {"taskId": "t"}})),
    ("a2a", sse({"task": {"id": "t", "status": {"state": "TASK_STATE_SUBMITTED"}}})),
    ("a2a", sse({"message": {"messageId": "m", "parts": []}})),
    ("bedrock-converse", encode({":event-type": "messageStart", ":message-type": "event"}, b'{"role":"assistant"}')),
    ("bedrock-converse", encode({":exception-type": "throttlingException", ":message-type": "exception"}, b"{}")),
    ("bedrock-converse", encode({}, b"{}")[:20]),
    ("bedrock-invoke", encode({":event-type": "chunk", ":message-type": "event"}, b'{"bytes":""}')),
    ("openai-chat", b"\0\0\0"),
    ("openai-chat", b"\0" * 20),
    ("eventsource", b"event: output\nid: 1\ndata: Sure\n\n"),
    ("eventsource", sse({"temperature": 3})),
    ("eventsource", sse({"id": "run_1", "object": "thread.run", "content": []})),
    ("raw", lines({"temperature": 3})),
    ("raw", b'["a", {"b": 1}]'),
]


@pytest.mark.parametrize(("name", "stream"), BYTES)
def test_the_bytes_tell_however_they_are_cut(name: str, stream: bytes) -> None:
    assert name in DIALECTS
    whole = guess_dialect(first_bytes=stream)
    assert whole.dialect == name
    assert whole.reason
    for pieces in every_way(stream):
        guesser = Guesser()
        for piece in pieces:
            if guesser.guess is None:
                guesser.receive_data(piece)
        assert guesser.receive_eof() == whole
        assert stream.startswith(guesser.held)


def test_it_holds_back_no_more_than_it_takes_to_tell() -> None:
    guesser = Guesser()
    for byte in bytewise(sse(CHAT)):
        assert guesser.guess is None
        guesser.receive_data(byte)
    assert guesser.guess == Guess("openai-chat", "a message has choices")
    assert guesser.held == sse(CHAT)


@pytest.mark.parametrize("last", [{"error": {"message": "no"}}, {"jsonrpc": "2.0", "id": 1, "error": {}}, "[DONE]"])
def test_what_may_be_the_last_message_is_not_held_back(last: Any) -> None:
    guesser = Guesser(Guess("a2a", "because"))
    guesser.receive_data(sse(last))
    assert guesser.guess == Guess("a2a", "because")


def test_after_some_messages_that_say_nothing_it_is_enough() -> None:
    stream = sse(*[{"x": 1}] * MAX_MESSAGES, CHAT)
    assert guess_dialect(first_bytes=stream).dialect == "eventsource"
    assert guess_dialect(first_bytes=sse(*[{"x": 1}] * (MAX_MESSAGES - 1), CHAT)).dialect == "openai-chat"


@pytest.mark.parametrize("pieces", [1, 1000])
def test_what_is_held_back_is_bounded(pieces: int) -> None:
    flood = b"data: " + b"x" * MAX_HELD
    guesser = Guesser(Guess("anthropic-messages", "because"))
    size = len(flood) // pieces + 1
    for start in range(0, len(flood), size):
        if guesser.guess is None:
            guesser.receive_data(flood[start : start + size])
    assert guesser.guess == Guess("anthropic-messages", "because")
    assert len(guesser.held) <= MAX_HELD + size


def test_a_first_message_of_the_largest_seen_is_read() -> None:
    created = {"type": "response.created", "response": {"instructions": "x" * 200_000}}
    assert guess_dialect(first_bytes=sse(created)).dialect == "openai-responses"


# The URL and the content type.

URLS = [
    ("https://api.openai.com/v1/chat/completions", "openai-chat"),
    ("http://127.0.0.1:11434/v1/chat/completions", "openai-chat"),
    ("https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1", "openai-chat"),
    ("https://api.mistral.ai/v1/chat/completions", "mistral"),
    ("https://api.mistral.ai", "mistral"),
    ("https://api.openai.com/v1/completions", "openai-completions"),
    ("https://api.openai.com/v1/responses", "openai-responses"),
    ("https://api.openai.com/v1/responses/resp_1?stream=true&starting_after=3", "openai-responses"),
    ("wss://api.openai.com/v1/responses", "openai-responses"),
    ("wss://api.openai.com/v1/realtime?model=m", "openai-realtime"),
    ("wss://api.openai.com", "openai-realtime"),
    ("https://api.anthropic.com/v1/messages", "anthropic-messages"),
    ("https://api.anthropic.com", "anthropic-messages"),
    ("https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse", "gemini"),
    ("https://us-central1-aiplatform.googleapis.com", "gemini"),
    ("https://generativelanguage.googleapis.com/v1beta/interactions", "gemini-interactions"),
    (
        "wss://a.example/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        "gemini-live",
    ),
    ("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream", "bedrock-converse"),
    ("https://bedrock-runtime.us-east-1.amazonaws.com", "bedrock-converse"),
    ("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke-with-response-stream", "bedrock-invoke"),
    ("https://api.cohere.com/v2/chat", "cohere-v2"),
    ("https://api.cohere.com/v1/chat", "cohere-v1"),
    ("http://localhost:11434", "ollama"),
    ("http://localhost:8080/api/chat", "ollama"),
    ("wss://a.example/v1/chat/stream", "holysheep"),
    ("https://mcp.deepwiki.com/mcp", "mcp"),
    ("https://mcp.deepwiki.com", "mcp"),
    ("https://a.example/message:stream", "a2a"),
    ("https://a.example/v1/tasks/t1:subscribe", "a2a"),
    ("https://a.example", "openai-chat"),
    ("https://anthropic.com.example/", "openai-chat"),
    ("http://[bad", "openai-chat"),
    ("", "openai-chat"),
]


@pytest.mark.parametrize(("url", "name"), URLS)
def test_the_url_tells_whom_to_ask(url: str, name: str) -> None:
    guess = guess_dialect(url)
    assert guess.dialect == name
    assert name in DIALECTS
    assert guess.reason


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/x-ndjson", "ollama"),
        ("Application/Stream+JSON; charset=utf-8", "cohere-v1"),
        ("application/vnd.amazon.eventstream", "bedrock-converse"),
        ("text/event-stream", "openai-chat"),
        ("application/json", "openai-chat"),
    ],
)
def test_the_content_type_tells_something(content_type: str, name: str) -> None:
    assert guess_dialect(content_type=content_type).dialect == name


def test_the_bytes_tell_more_than_the_url_and_the_url_more_than_the_content_type() -> None:
    assert guess_dialect("https://a.example/v1/messages", "application/x-ndjson").dialect == "anthropic-messages"
    assert guess_dialect("https://a.example/v1/messages", "text/event-stream", sse(CHAT)).dialect == "openai-chat"


def test_where_the_bytes_fit_a_family_the_url_chooses_in_it() -> None:
    guess = guess_dialect("https://api.mistral.ai/v1/chat/completions", first_bytes=sse(CHAT))
    assert guess.dialect == "mistral"
    assert "mistral.ai" in guess.reason


def test_where_the_bytes_say_little_the_url_is_believed() -> None:
    first_bytes = sse({"error": {"message": "no"}})
    assert guess_dialect("https://a.example/message:stream", first_bytes=first_bytes).dialect == "a2a"


# Decoding.


def events_of(pieces: list[bytes], dialect: str) -> list[StreamEvent]:
    return decode(pieces, dialect).events


@pytest.mark.parametrize(("name", "stream"), [case for case in BYTES if case[0] != "raw"])
def test_a_guess_decodes_as_the_name_would_have(name: str, stream: bytes) -> None:
    for pieces in every_way(stream):
        assert events_of(pieces, "auto") == events_of([stream], name)


def test_the_decoder_says_what_it_took_the_stream_for() -> None:
    decoder = Decoder("auto")
    decoder.receive_data(b"data: ")
    assert decoder.guess is None
    decoder.receive_data(sse({"type": "message_start", "message": {}})[6:])
    assert decoder.guess == Guess("anthropic-messages", "a message has the type message_start")
    assert decoder.dialect.name == "anthropic-messages"


def test_messages_of_a_websocket_are_guessed_too() -> None:
    decoder = Decoder("auto")
    decoder.receive_message('{"type": "content_delta", "content": "x"}')
    assert decoder.dialect.name == "holysheep"


def test_a_stream_that_says_nothing_is_not_taken_for_a_whole_one() -> None:
    with pytest.raises(tokenwire.StreamInterrupted):
        list(tokenwire.decode([b": ping\n\n"], dialect="auto"))


def test_the_limit_on_an_event_holds_while_nothing_is_clear() -> None:
    with pytest.raises(tokenwire.EventTooLarge):
        list(tokenwire.decode([b"data: " + b"x" * 1000], dialect="auto", max_event_size=100))


def test_decode_takes_auto() -> None:
    stream = [sse(CHAT), sse({"choices": [{"delta": {}, "finish_reason": "stop"}]}, "[DONE]")]
    events = list(tokenwire.decode(stream, dialect="auto"))
    assert TextDelta(0, "x") in events
    assert events[-1] == End(True)


@pytest.fixture(params=[pytest.param(row, id=str(row)) for row in ROWS] or [NO_CORPUS])
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


def test_a_recording_is_taken_for_what_it_is(row: Row, corpus: Path) -> None:
    expected = "openai-chat" if row.file in SAY_TOO_LITTLE else TAKEN_FOR.get(row.dialect, row.dialect)
    for stream in streams_of(corpus, row):
        assert guess_dialect(first_bytes=stream).dialect == expected
        ways = every_way(stream) if len(stream) < SMALL // 8 else some_ways(stream, 3)
        for pieces in ways:
            assert events_of(pieces, "auto") == events_of([stream], expected)


@pytest.mark.parametrize(("folder", "name"), [("replicate-sse", "eventsource"), ("watsonx-sse", "eventsource")])
def test_what_no_dialect_knows_is_an_event_stream_all_the_same(folder: str, name: str, corpus: Path) -> None:
    for path in sorted((corpus / "public" / folder).iterdir()):
        assert guess_dialect(first_bytes=path.read_bytes()).dialect == name


def test_the_first_message_of_a_recorded_websocket_tells(corpus: Path) -> None:
    folders = {"openai-realtime-ws": "openai-realtime", "gemini-live-ws": "gemini-live"}
    for folder, name in folders.items():
        for path in sorted((corpus / "public" / folder).iterdir()):
            guesser = Guesser()
            guesser.receive_message(messages_of(path.read_bytes())[0].decode())
            assert guesser.guess is not None
            assert guesser.guess.dialect == name, path.name


PIECES = st.sampled_from([stream for _, stream in BYTES] + [b"\n", b"\0", b"{", b"]", b"data: x\n\n"])


@given(st.lists(PIECES | st.binary(max_size=4), max_size=6).map(b"".join), cuts)
def test_no_cut_changes_the_guess_and_nothing_raises(stream: bytes, places: list[int]) -> None:
    whole = Decoder("auto")
    events = []
    try:
        events = whole.receive_data(stream) + whole.receive_eof()
    except tokenwire.RemoteProtocolError:
        pass
    for pieces in (bytewise(stream), cut_at(stream, places)):
        decoder = Decoder("auto")
        try:
            cut = [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()
        except tokenwire.RemoteProtocolError:
            cut = []
        assert decoder.guess == whole.guess
        if whole.dialect.name != "raw" and events and cut:
            assert cut == events
