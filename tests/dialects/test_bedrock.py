"""Amazon Bedrock: ConverseStream, and the other vendors' streams inside of InvokeModelWithResponseStream."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts, every_way
from tokenwire.dialects.bedrock import BEDROCK_CONVERSE
from tokenwire.dialects.bedrock_invoke import BEDROCK_INVOKE
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Prompt, Tool
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
from tokenwire.errors import RemoteProtocolError
from tokenwire.framing.eventstream import encode
from tokenwire.session.request import build_request

Event = tuple[str, dict[str, Any]]


def frames(*events: Event) -> bytes:
    """Events as Bedrock writes them."""
    return b"".join(
        encode(
            {":event-type": name, ":content-type": "application/json", ":message-type": "event"},
            json.dumps({**body, "p": "abc"}).encode(),
        )
        for name, body in events
    )


def exception(name: str, payload: bytes) -> bytes:
    return encode({":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, payload)


def decode(*pieces: bytes, dialect: str = "bedrock-converse") -> list[StreamEvent]:
    decoder = Decoder(dialect)
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


def shown(events: list[StreamEvent]) -> list[StreamEvent]:
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def start(index: Any, **member: Any) -> Event:
    return "contentBlockStart", {"contentBlockIndex": index, "start": member}


def delta(index: Any, **member: Any) -> Event:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": member}


def stop(index: Any = 0) -> Event:
    return "contentBlockStop", {"contentBlockIndex": index}


START: Event = ("messageStart", {"role": "assistant"})
STOP: Event = ("messageStop", {"stopReason": "end_turn"})
COUNTS = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
METADATA: Event = ("metadata", {"usage": COUNTS, "metrics": {"latencyMs": 9}})

CASES: dict[str, tuple[list[Event], list[StreamEvent]]] = {
    "text, which has no start": (
        [delta(0, text="Hel"), delta(0, text="lo"), stop()],
        [BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0)],
    ),
    "a block that is empty": ([delta(0, text=""), stop()], [Other("contentBlockStop", "…")]),
    "a tool": (
        [start(0, toolUse={"toolUseId": "t", "name": "add"}), delta(0, toolUse={"input": '{"a"'}),
         delta(0, toolUse={"input": ":1}"}), stop()],
        [BlockStart(0, "tool", "t", "add"), ToolCallDelta(0, '{"a"'), ToolCallDelta(0, ":1}"), BlockStop(0)],
    ),
    "a tool without arguments": (
        [start(0, toolUse={"toolUseId": "t", "name": "now"}), delta(0, toolUse={"input": ""}), stop()],
        [BlockStart(0, "tool", "t", "now"), BlockStop(0)],
    ),
    "a tool of the server, its result, and a citation": (
        [start(0, toolUse={"toolUseId": "s", "name": "grounding", "type": "server_tool_use"}),
         delta(0, toolUse={"input": "{}"}), stop(),
         start(1, toolResult={"toolUseId": "s", "status": "success"}), delta(1, toolResult=[{"json": {}}]), stop(1),
         delta(2, text="a"), delta(2, citation={"location": {}}), stop(2)],
        [BlockStart(0, "server_tool", "s", "grounding"), ToolCallDelta(0, "{}"), BlockStop(0),
         BlockStart(1, "other"), Other("toolResult", "…"), Other("toolResult", "…"), BlockStop(1),
         BlockStart(2, "text"), TextDelta(2, "a"), Other("citation", "…"), BlockStop(2)],
    ),
    "reasoning, signed, and some that is encrypted": (
        [delta(0, reasoningContent={"text": "hm"}), delta(0, reasoningContent={"signature": "Ep…"}), stop(),
         delta(1, reasoningContent={"redactedContent": "…"}), stop(1)],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), Other("signature", "…"), BlockStop(0),
         Other("redactedContent", "…"), Other("contentBlockStop", "…")],
    ),
    "an image": (
        [start(0, image={"format": "png"}), delta(0, image={"source": {}}), stop()],
        [BlockStart(0, "media"), Other("image", "…"), Other("image", "…"), BlockStop(0)],
    ),
    "reasoning and text in one block": (
        [delta(0, reasoningContent={"text": "hm"}), delta(0, text="a"), stop()],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "hm"), BlockStop(0), BlockStart(1, "text"),
         TextDelta(1, "a"), BlockStop(1)],
    ),
    "a surrogate pair in two pieces": (
        [delta(0, text="\ud83d"), delta(0, text="\ude00"), stop()],
        [BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0)],
    ),
    "what nobody knows": (
        [("hologram", {}), start(0, hologram={}), delta(0, hologram={}), delta(0), delta(0, toolUse={"input": "x"}),
         ("metadata", {"trace": {}}), ("chunk", {"bytes": "e30="})],
        [Other("hologram", "…"), BlockStart(0, "other"), Other("hologram", "…"), Other("hologram", "…"),
         Other("contentBlockDelta", "…"), Other("toolUse", "…"), Other("metadata", "…"), Other("chunk", "…"),
         BlockStop(0)],
    ),
    "members of no use": (
        [delta([], text="a"), delta(0, text=7), delta(0, reasoningContent=7), ("contentBlockStart", {"start": 7})],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStart(1, "text"), TextDelta(1, "7"), BlockStop(1),
         BlockStart(2, "reasoning"), ReasoningDelta(2, "7"), TextDelta(0, "7"), BlockStop(0), BlockStop(2)],
    ),
}  # fmt: skip

ENDED = [Finish("stop", "end_turn"), Usage(COUNTS, True), End(True)]


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES)
def test_events_mean_what_the_api_says(events: list[Event], expected: list[StreamEvent]) -> None:
    stream = frames(START, *events, STOP, METADATA)
    assert shown(decode(stream)) == [Start("", ""), *expected, *ENDED]


@pytest.mark.parametrize(
    ("word", "reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
     ("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter"),
     ("content_filtered", "content_filter"), ("malformed_model_output", "error"), ("malformed_tool_use", "error"),
     ("bored", "other")],
)  # fmt: skip
def test_reasons(word: str, reason: FinishReason) -> None:
    assert decode(frames(("messageStop", {"stopReason": word}))) == [Finish(reason, word), End(True)]


def test_the_end_of_the_connection_after_message_stop_is_the_end() -> None:
    assert decode(frames(START, STOP)) == [Start("", ""), Finish("stop", "end_turn"), End(True)]
    assert shown(decode(frames(STOP, STOP))) == [Finish("stop", "end_turn"), Other("messageStop", "…"), End(True)]
    assert decode(frames(METADATA)) == [Usage(COUNTS, True), End(False)]


def test_an_end_within_a_message_is_a_cut_even_after_message_stop() -> None:
    metadata = frames(METADATA)
    for place in range(1, len(metadata)):
        assert decode(frames(STOP) + metadata[:place])[-1] == End(False), place


DEEP = b'{"message":' + b"[" * 500_000
THROTTLED = b'{"message":"Too many tokens"}'


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (exception("throttlingException", THROTTLED), Error("throttlingException", "Too many tokens", True)),
        (
            exception(
                "modelStreamErrorException",
                b'{"message":"no","originalStatusCode":500,"originalMessage":"gone"}',
            ),
            Error("modelStreamErrorException", "no", True),
        ),
        (exception("someFault", b"words"), Error("someFault", "words", True)),
        (exception("someFault", b'{"message":"\\ud83d"}'), Error("someFault", "\ufffd", True)),
        (exception("someFault", DEEP), Error("someFault", DEEP.decode(), True)),
        (
            encode({":message-type": "error", ":error-code": "InternalError", ":error-message": "Broken."}),
            Error("InternalError", "Broken.", True),
        ),
        (frames(("validationException", {"message": "no"})), Error("validationException", "no", True)),
    ],
)  # fmt: skip
def test_an_exception_in_mid_stream_is_fatal(broken: bytes, error: Error) -> None:
    stream = frames(delta(0, text="a")) + broken
    wanted = [BlockStart(0, "text"), TextDelta(0, "a"), error, BlockStop(0), End(False)]
    for pieces in every_way(stream) if len(stream) < 1000 else ([stream],):
        assert decode(*pieces) == wanted, pieces
    assert decode(stream + frames(STOP))[-1] == End(False)


def test_a_broken_frame_is_an_error_after_what_came_before() -> None:
    decoder = Decoder("bedrock-converse")
    assert decoder.receive_data(frames(delta(0, text="a")) + b"\0" * 12) == [BlockStart(0, "text"), TextDelta(0, "a")]
    with pytest.raises(RemoteProtocolError):
        decoder.receive_data(b"")


def test_events_that_name_themselves_in_their_only_member() -> None:
    """Nova's own format, and what SDKs log."""
    decoder = Decoder("bedrock-converse")
    said: list[dict[str, Any]] = [dict([event]) for event in (START, delta(0, text="a"), stop(), STOP, METADATA)]
    events = [event for message in said for event in decoder.receive_message(json.dumps(message))]
    assert events + decoder.receive_eof() == [
        Start("", ""), BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), *ENDED
    ]  # fmt: skip
    decoder = Decoder("bedrock-converse")
    assert decoder.receive_message(json.dumps({"throttlingException": {"message": "no"}})) == [
        Error("throttlingException", "no", True)
    ]
    assert decoder.receive_message('{"hologram": {}}') == [Other("message", '{"hologram": {}}')]


NAMES = st.sampled_from(["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop",
                         "metadata", "throttlingException", "", "hologram"])  # fmt: skip
MEMBERS = st.sampled_from(["contentBlockIndex", "start", "delta", "toolUse", "text", "input", "reasoningContent",
                           "signature", "toolUseId", "name", "type", "usage", "stopReason", "message"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "é", "\ud83d", "\ude00", "server_tool_use"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={"contentBlockIndex": st.integers(0, 1) | JSON, "delta": JSON, "start": JSON, "usage": JSON,
              "stopReason": JSON},
)  # fmt: skip
TYPES = st.sampled_from(["event", "event", "event", "exception", "error", ""])


@given(st.lists(st.tuples(NAMES, TYPES, BODIES | JSON), max_size=8), cuts)
def test_whatever_the_members_hold_nothing_raises(messages: list[tuple[str, str, Any]], places: list[int]) -> None:
    stream = b"".join(
        encode({":message-type": kind, ":event-type": name, ":exception-type": name}, json.dumps(body).encode())
        for name, kind, body in messages
    )
    events = decode(stream)
    assert decode(*cut_at(stream, places)) == events
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    repr(events).encode()
    for event in events:
        event.raw.encode()
    opened = [event.block for event in events if isinstance(event, BlockStart)]
    assert sorted(event.block for event in events if isinstance(event, BlockStop)) == opened


def test_what_is_asked() -> None:
    tools = [Tool("add", "adds", {"properties": {}}), Tool("now")]
    assert BEDROCK_CONVERSE.ask(Prompt("Hi", "m", "Be brief.", 5, tools)) == {
        "model": "m",
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 5},
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "add",
                        "description": "adds",
                        "inputSchema": {"json": {"type": "object", "properties": {}}},
                    }
                },
                {"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object"}}}},
            ]
        },
    }
    assert BEDROCK_CONVERSE.ask(Prompt("Hi")) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


def test_the_model_is_in_the_path_and_not_in_the_body() -> None:
    asked = BEDROCK_CONVERSE.ask(Prompt("Hi", "amazon.nova-lite-v1:0"))
    request = build_request("https://bedrock.test", BEDROCK_CONVERSE, json=asked, key="k").http
    assert request.target.path == "/model/amazon.nova-lite-v1%3A0/converse-stream"
    assert json.loads(request.body) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    fields = dict(request.headers)
    assert (fields["authorization"], fields["accept"]) == ("Bearer k", "application/vnd.amazon.eventstream")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"message": "no"}, {"message": "no"}),
        ({"Message": "no"}, {"Message": "no", "message": "no"}),
        ({"error": {"message": "no"}}, {"message": "no"}),
        ({"message": 7}, {}),
        ([], {}),
    ],
)
def test_the_error_of_a_refusal(body: Any, fields: dict[str, Any]) -> None:
    assert BEDROCK_CONVERSE.error_fields(body) == fields


# InvokeModelWithResponseStream.


def chunks(*objects: Any) -> bytes:
    """The vendor's JSON, as Bedrock wraps it."""
    texts = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in objects]
    return frames(*(("chunk", {"bytes": base64.b64encode(text).decode()}) for text in texts))


METRICS = {"inputTokenCount": 1, "outputTokenCount": 2}
COUNTED = {"amazon-bedrock-invocationMetrics": METRICS}
HELLO = [BlockStart(0, "text"), TextDelta(0, "a"), TextDelta(0, "b"), BlockStop(0)]

VENDORS: dict[str, tuple[list[Any], list[StreamEvent]]] = {
    "Llama": (
        [{"generation": "a", "prompt_token_count": 1, "stop_reason": None},
         {"generation": "b", "stop_reason": "length", **COUNTED}],
        [*HELLO, Finish("length", "length"), Usage(METRICS, True), End(True)],
    ),
    "Titan": (
        [{"outputText": "a", "index": 0, "completionReason": None},
         {"outputText": "b", "index": 0, "completionReason": "FINISH", **COUNTED}],
        [*HELLO, Finish("stop", "FINISH"), Usage(METRICS, True), End(True)],
    ),
    "Mistral's completions": (
        [{"outputs": [{"text": "a", "stop_reason": None}]},
         {"outputs": [{"text": "b", "stop_reason": "stop"}], **COUNTED}],
        [*HELLO, Finish("stop", "stop"), Usage(METRICS, True), End(True)],
    ),
    "Anthropic's completions": (
        [{"completion": "a", "stop_reason": None, "stop": None},
         {"completion": "b", "stop_reason": "stop_sequence", "stop": "\n\nHuman:", **COUNTED}],
        [*HELLO, Finish("stop", "stop_sequence"), Usage(METRICS, True), End(True)],
    ),
    "Cohere's completions, two of them": (
        [{"index": 0, "is_finished": False, "text": "a"}, {"index": 1, "is_finished": False, "text": "c"},
         {"index": 0, "is_finished": False, "text": "b"},
         {"finish_reason": "MAX_TOKENS", "is_finished": True, **COUNTED}],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStart(1, "text", choice=1), TextDelta(1, "c"),
         TextDelta(0, "b"), BlockStop(0), Finish("length", "MAX_TOKENS"), Usage(METRICS, True), BlockStop(1),
         End(True)],
    ),
    "Anthropic's messages": (
        [{"type": "message_start", "message": {"id": "1", "model": "m"}},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}},
         {"type": "content_block_stop", "index": 0},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop", **COUNTED}],
        [Start("1", "m"), *HELLO, Finish("stop", "end_turn"), End(True)],
    ),
    "chat completions": (
        [{"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}}]},
         {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]}],
        [Start("1", "m"), *HELLO, Finish("stop", "stop"), End(True)],
    ),
    "Cohere's chat": (
        [{"event_type": "stream-start", "generation_id": "1"}, {"event_type": "text-generation", "text": "a"},
         {"event_type": "text-generation", "text": "b"}, {"event_type": "stream-end", "finish_reason": "COMPLETE"}],
        [Start("1", ""), *HELLO, Finish("stop", "COMPLETE"), End(True)],
    ),
    "Nova": (
        [dict([event]) for event in (START, delta(0, text="a"), delta(0, text="b"), stop(), STOP, METADATA)],
        [Start("", ""), *HELLO, *ENDED],
    ),
    "what nobody knows": (
        [{"x": 1}, {"generation": "a", "outputs": "x", "index": [], "stop_reason": 7}, {"generation": "b"}],
        [Other("message", "…"), BlockStart(0, "text"), TextDelta(0, "x"), BlockStop(0), Finish("other", "7"),
         Other("generation", "…"), BlockStart(1, "text"), TextDelta(1, "b"), BlockStop(1), End(False)],
    ),
    "a guardrail, without the vendor's end": (
        [{"outputText": "Blocked.", "index": 0, "amazon-bedrock-guardrailAction": "INTERVENED"}],
        [BlockStart(0, "text"), TextDelta(0, "Blocked."), BlockStop(0), Finish("content_filter", "INTERVENED"),
         End(True)],
    ),
    "a guardrail, beside the vendor's reason": (
        [{"generation": "Blocked.", "stop_reason": "stop", "amazon-bedrock-guardrailAction": "INTERVENED"}],
        [BlockStart(0, "text"), TextDelta(0, "Blocked."), BlockStop(0), Finish("content_filter", "stop"), End(True)],
    ),
    "a guardrail that the last of Anthropic's events tells of": (
        [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
         {"type": "message_stop", "amazon-bedrock-guardrailAction": "INTERVENED"}],
        [Finish("stop", "end_turn"), Other("amazon-bedrock-guardrailAction", "…"),
         Finish("content_filter", "INTERVENED"), End(True)],
    ),
    "a guardrail, and then an error": (
        [{"outputText": "a", "amazon-bedrock-guardrailAction": "INTERVENED"}, {"error": "no"}],
        [BlockStart(0, "text"), TextDelta(0, "a"), Error("", "no", True), BlockStop(0), End(False)],
    ),
    "a guardrail that did nothing": (
        [{"outputText": "a", "amazon-bedrock-guardrailAction": "NONE"}],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), End(False)],
    ),
    "a completion whose objects say what they are": (
        [{"type": "completion", "completion": "a", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"}],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), Finish("stop", "stop_sequence"), End(True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), VENDORS.values(), ids=VENDORS)
def test_each_vendors_stream_is_read_as_its_own(objects: list[Any], expected: list[StreamEvent]) -> None:
    assert shown(decode(chunks(*objects), dialect="bedrock-invoke")) == expected


@pytest.mark.parametrize("objects", [objects for objects, _ in VENDORS.values()], ids=VENDORS)
def test_an_exception_is_fatal_in_each_of_them(objects: list[Any]) -> None:
    stream = chunks(objects[0]) + exception("throttlingException", THROTTLED)
    events = decode(stream, dialect="bedrock-invoke")
    assert Error("throttlingException", "Too many tokens", True) in events
    assert events[-1] == End(False)


INNER = st.dictionaries(
    st.sampled_from(["type", "choices", "event_type", "messageStart", "generation", "outputs", "text", "index",
                     "stop_reason", "amazon-bedrock-invocationMetrics", "delta", "message"]),
    JSON,
    max_size=4,
)  # fmt: skip


@given(st.lists(INNER | JSON, max_size=6), cuts)
def test_whatever_a_vendor_sends_nothing_raises(objects: list[Any], places: list[int]) -> None:
    stream = chunks(*objects)
    events = decode(stream, dialect="bedrock-invoke")
    assert decode(*cut_at(stream, places), dialect="bedrock-invoke") == events
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    repr(events).encode()


def test_an_exception_may_be_all_there_is() -> None:
    stream = exception("modelTimeoutException", b'{"message":"no"}')
    assert decode(stream, dialect="bedrock-invoke") == [Error("modelTimeoutException", "no", True), End(False)]
    assert decode(dialect="bedrock-invoke") == [End(False)]


def test_chunks_that_hold_no_json_are_handed_on() -> None:
    """Agents write the text as it is, and beside it events of their own."""
    stream = chunks(b"words", b"\xff", b"[1]") + frames(("chunk", {"bytes": "*"}), ("chunk", {}), ("trace", {}))
    events = shown(decode(stream, dialect="bedrock-invoke"))
    assert events == [*[Other("chunk", "…")] * 5, Other("trace", "…"), End(False)]


@pytest.mark.parametrize("lost", [b'{"outputText": "Hel', b' {"outputText"'])
def test_an_end_after_a_chunk_that_was_lost_is_not_clean(lost: bytes) -> None:
    stream = chunks(lost, {"outputText": "lo", "completionReason": "FINISH"})
    events = shown(decode(stream, dialect="bedrock-invoke"))
    assert [type(event) for event in events[-2:]] == [Error, End]
    assert events[-1] == End(False)


def test_what_goes_on_after_message_stop_and_breaks_off_was_cut() -> None:
    stopped = ("messageStop", {"stopReason": "end_turn"})
    assert decode(frames(delta(0, text="a"), stopped, delta(1, text="b")))[-1] == End(False)
    assert decode(frames(delta(0, text="a"), stopped, delta(1, text="b"), stop(1)))[-1] == End(True)


def test_raw_is_the_vendors_message() -> None:
    events = decode(chunks(b'{"generation":  "a"}'), dialect="bedrock-invoke")
    assert events[1].raw == '{"generation":  "a"}'


def test_invoking_is_asked_as_the_vendor_wants_it() -> None:
    asked = BEDROCK_INVOKE.ask(Prompt("Hi", "us.anthropic.claude", max_tokens=5))
    request = build_request("https://bedrock.test", BEDROCK_INVOKE, json=asked, key="k").http
    assert request.target.path == "/model/us.anthropic.claude/invoke-with-response-stream"
    assert json.loads(request.body) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert BEDROCK_INVOKE.ask(Prompt("Hi", "openai.gpt")) == {
        "model": "openai.gpt",
        "messages": [{"role": "user", "content": "Hi"}],
    }
