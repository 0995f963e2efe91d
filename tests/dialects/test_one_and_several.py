"""What a server says in another form than the format has, and which has one meaning: for all dialects of JSON.

A text stands alone where an object or a list of parts belongs; several objects stand where one belongs; several
messages come as one; an error stands beside what a message says, or in the place of a message. What was said is given,
and an error makes the end unclean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from test_invariants import check_blocks, messages_in

from test_vectors import OF_DIALECTS
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.events import End, Error, Other, StreamEvent
from tokenwire.framing.sse import ServerSentEvent

Messages = list[Any]


def read(dialect: str, messages: Messages) -> tuple[list[StreamEvent], Answer]:
    decoder = DIALECTS[dialect].decoder()
    events: list[StreamEvent] = []
    for it in messages:
        message = it if isinstance(it, ServerSentEvent) else ServerSentEvent("", json.dumps(it), "")
        events += decoder.receive_message(message)
    events += decoder.receive_eof()
    check_blocks(events)
    answer = Answer()
    answer.add_all(events)
    return events, answer


# Dialects, each with a stream around what is put into it.


def anthropic(*events: Any) -> Messages:
    ends = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    return [{"type": "message_start", "message": {"id": "m"}}, *events, *ends]


def block(kind: str, **of_it: Any) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": 0, **of_it}


def gemini(content: Any) -> Messages:
    return [{"candidates": [{"content": content, "finishReason": "STOP"}]}]


def live(**content: Any) -> Messages:
    return [{"setupComplete": {}}, {"serverContent": content}, {"serverContent": {"turnComplete": True}}]


def called(**call: Any) -> Messages:
    return [{"setupComplete": {}}, {"toolCall": call}, {"serverContent": {"turnComplete": True}}]


def interaction(*events: Any, **completed: Any) -> Messages:
    created = {"event_type": "interaction.created", "interaction": {"id": "i"}}
    ended = {"event_type": "interaction.completed", "interaction": {"status": "completed", **completed}}
    return [created, *events, ended]


def step(kind: str, **of_it: Any) -> dict[str, Any]:
    return {"event_type": f"step.{kind}", "index": 0, **of_it}


def ollama(*lines: Any) -> Messages:
    return [*lines, {"done": True, "done_reason": "stop"}]


def v2(kind: str, index: int = 0, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def cohere(*events: Any) -> Messages:
    return [*events, {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}]


def bedrock(*events: tuple[str, Any]) -> Messages:
    named = [("messageStart", {}), *events, ("messageStop", {"stopReason": "end_turn"})]
    return [ServerSentEvent(name, json.dumps(body), "") for name, body in named]


def delta(value: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": 0, "delta": value}


def begun(value: Any) -> tuple[str, Any]:
    return "contentBlockStart", {"contentBlockIndex": 0, "start": value}


def response(*events: Any, **over: Any) -> Messages:
    created = {"type": "response.created", "response": {"id": "r"}}
    return [created, *events, {"type": "response.completed", "response": {"status": "completed", **over}}]


def realtime(*events: Any, **over: Any) -> Messages:
    created = {"type": "response.created", "response": {"id": "r"}}
    return [created, *events, {"type": "response.done", "response": {"id": "r", "status": "completed", **over}}]


def said(kind: str, **of_it: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "item_id": "a", "output_index": 0, "content_index": 0, **of_it}


#: Where a text may stand alone: what stands there otherwise is an object, or a list of parts.
PLACES: dict[str, tuple[str, Callable[[Any], Messages]]] = {
    "Anthropic's whole content": (
        "anthropic-messages",
        lambda text: [{"type": "message", "id": "m", "content": text, "stop_reason": "end_turn"}],
    ),
    "Anthropic's first content": (
        "anthropic-messages",
        lambda text: [{"type": "message_start", "message": {"content": text}}, *anthropic()[1:]],
    ),
    "Anthropic's first message": (
        "anthropic-messages",
        lambda text: [{"type": "message_start", "message": text}, *anthropic()[1:]],
    ),
    "Anthropic's block": ("anthropic-messages", lambda text: anthropic(block("start", content_block=text))),
    "Anthropic's delta": ("anthropic-messages", lambda text: anthropic(block("delta", delta=text))),
    "Ollama's message": ("ollama", lambda text: ollama({"message": text})),
    "Gemini's content": ("gemini", gemini),
    "Gemini's parts": ("gemini", lambda text: gemini({"parts": text})),
    "Gemini's only part": ("gemini", lambda text: gemini({"parts": [text]})),
    "Live's content": (
        "gemini-live",
        lambda text: [{"serverContent": text}, {"serverContent": {"turnComplete": True}}],
    ),
    "Live's turn": ("gemini-live", lambda text: live(modelTurn=text)),
    "Live's parts": ("gemini-live", lambda text: live(modelTurn={"parts": text})),
    "Live's transcription": ("gemini-live", lambda text: live(outputTranscription=text)),
    "a step": ("gemini-interactions", lambda text: interaction(step("start", step=text))),
    "the content of a step": (
        "gemini-interactions",
        lambda text: interaction(step("start", step={"type": "model_output", "content": text})),
    ),
    "the delta of a step": (
        "gemini-interactions",
        lambda text: interaction(step("start", step={"type": "model_output"}), step("delta", delta=text)),
    ),
    "the steps of all": ("gemini-interactions", lambda text: interaction(steps=text)),
    "Cohere's content": ("cohere-v2", lambda text: cohere(v2("content-delta", content=text))),
    "Cohere's first content": ("cohere-v2", lambda text: cohere(v2("content-start", content=text))),
    "Cohere's message": (
        "cohere-v2",
        lambda text: cohere({"type": "content-delta", "index": 0, "delta": {"message": text}}),
    ),
    "Converse's delta": ("bedrock-converse", lambda text: bedrock(delta(text))),
    "Converse's start": ("bedrock-converse", lambda text: bedrock(begun(text))),
    "Responses' output": ("openai-responses", lambda text: response(output=text)),
    "Responses' item": ("openai-responses", lambda text: response(said("output_item.done", item=text))),
    "Responses' content": (
        "openai-responses",
        lambda text: response(output=[{"id": "a", "type": "message", "content": text}]),
    ),
    "Responses' part": ("openai-responses", lambda text: response(said("content_part.done", part=text))),
    "Realtime's output": ("openai-realtime", lambda text: realtime(output=text)),
    "Realtime's content": (
        "openai-realtime",
        lambda text: realtime(output=[{"id": "a", "type": "message", "content": text}]),
    ),
}

#: Texts, also such that are JSON, and what they say.
TEXTS: list[tuple[Any, str]] = [
    ("Hello", "Hello"),
    ('{"content": "no", "text": "no"}', '{"content": "no", "text": "no"}'),
    ("[1]", "[1]"),
    (7, "7"),
    (["Hel", "lo"], "Hello"),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
@pytest.mark.parametrize("place", PLACES)
def test_a_text_that_stands_alone_is_text(place: str, text: Any, expected: str) -> None:
    dialect, stream = PLACES[place]
    _, answer = read(dialect, stream(text))
    assert (answer.text, answer.tools) == (expected, [])


F = {"id": "1", "name": "f"}
G = {"id": "2", "name": "g"}


def function(call: dict[str, str], arguments: str = "{}") -> dict[str, Any]:
    return {"id": call["id"], "function": {"name": call["name"], "arguments": arguments}}


#: What it is, the dialect, the stream, its text, and the names and arguments of its calls.
SEVERAL: list[tuple[str, str, Messages, str, list[tuple[str, str]]]] = [
    ("Cohere: calls that start together", "cohere-v2",
     cohere(v2("tool-call-start", tool_calls=[function(F), function(G)]), v2("tool-call-end")), "",
     [("f", "{}"), ("g", "{}")]),
    ("Cohere: calls that go on together", "cohere-v2",
     cohere(v2("tool-call-start", tool_calls=[function(F, ""), function(G, "")]),
            v2("tool-call-delta", tool_calls=[{"function": {"arguments": "{"}}, {"function": {"arguments": "["}}]),
            v2("tool-call-delta", tool_calls={"id": "2", "function": {"arguments": "]"}}),
            v2("tool-call-delta", tool_calls={"id": "1", "function": {"arguments": "}"}})), "",
     [("f", "{}"), ("g", "[]")]),
    ("Cohere: contents", "cohere-v2", cohere(v2("content-delta", content=[{"text": "a"}, {"text": "b"}])), "ab", []),
    ("Anthropic: deltas", "anthropic-messages",
     anthropic(block("delta", delta=[{"type": "text_delta", "text": "a"}, {"text": "b"}])), "ab", []),
    ("Anthropic: blocks", "anthropic-messages",
     anthropic(block("start", content_block=[{"type": "text", "text": "a"},
                                             {"type": "tool_use", **F, "input": {"a": 1}}])), "a",
     [("f", '{"a": 1}')]),
    ("Ollama: messages", "ollama", ollama({"message": [{"content": "a"}, {"content": "b"}]}), "ab", []),
    ("Ollama: functions", "ollama", ollama({"message": {"tool_calls": {"function": [F, G]}}}), "",
     [("f", "{}"), ("g", "{}")]),
    ("Gemini: contents", "gemini", gemini([{"parts": [{"text": "a"}]}, {"parts": {"text": "b"}}]), "ab", []),
    ("Gemini: parts that stand alone", "gemini", gemini([{"text": "a"}, {"functionCall": F}]), "a", [("f", "{}")]),
    ("Gemini: calls in one part", "gemini", gemini({"parts": [{"functionCall": [F, G]}]}), "",
     [("f", "{}"), ("g", "{}")]),
    ("Live: turns", "gemini-live", live(modelTurn=[{"parts": [{"text": "a"}]}, {"text": "b"}]), "ab", []),
    ("Live: a call without its list", "gemini-live", called(**F), "", [("f", "{}")]),
    ("Live: one call that is told twice", "gemini-live",
     [*live(modelTurn={"parts": [{"functionCall": F}]})[:2], *called(functionCalls=F)[1:]], "", [("f", "{}")]),
    ("Live: calls side by side, each with its arguments", "gemini-live",
     [*called(functionCalls=[{**F, "willContinue": True}, {**G, "willContinue": True}])[:2],
      *called(functionCalls=[{"id": "1", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]},
                             {"id": "2", "partialArgs": [{"jsonPath": "$.b", "numberValue": 1}]}])[1:]], "",
     [("f", '{"a": "x"}'), ("g", '{"b": 1}')]),
    ("Interactions: deltas", "gemini-interactions",
     interaction(step("start", step={"type": "model_output"}), step("delta", delta=["a", {"type": "text", "text": "b"}])
                 ), "ab", []),
    ("Converse: deltas", "bedrock-converse", bedrock(delta([{"text": "a"}, {"text": "b"}])), "ab", []),
    ("Converse: pieces of the input of a call", "bedrock-converse",
     bedrock(begun({"toolUse": [{"toolUseId": "1", "name": "f"}]}),
             delta({"toolUse": [{"input": "{"}, {"input": "}"}]}),
             ("contentBlockStop", {"contentBlockIndex": 0})),
     "", [("f", "{}")]),
    ("Converse: a call with its input, and no pieces", "bedrock-converse",
     bedrock(begun({"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}})), "", [("f", '{"a": 1}')]),
    ("Converse: events in one message", "bedrock-converse",
     [{"contentBlockDelta": delta({"text": "a"})[1], "messageStop": {"stopReason": "end_turn"}}], "a", []),
    ("Realtime: the input of a custom tool", "openai-realtime",
     realtime(said("output_item.added", item={"id": "a", "type": "custom_tool_call", "call_id": "1", "name": "f"}),
              said("custom_tool_call_input.delta", delta="ab"), said("custom_tool_call_input.done", input="abc")), "",
     [("f", "abc")]),
    ("Vercel: a call whose name comes with its input", "vercel-ui",
     [{"type": "tool-input-start", "toolCallId": "1"},
      {"type": "tool-input-available", "toolCallId": "1", "toolName": "f", "input": {"a": 1}},
      {"type": "finish", "finishReason": "tool-calls"}], "", [("f", '{"a": 1}')]),
    ("a whole under another number than its deltas", "openai-responses",
     response(said("output_text.delta", delta="a"), said("output_text.done", text="ab", content_index=1)), "ab", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "messages", "text", "calls"), [row[1:] for row in SEVERAL], ids=[row[0] for row in SEVERAL]
)
def test_several_where_one_belongs_are_all_told(
    dialect: str, messages: Messages, text: str, calls: list[tuple[str, str]]
) -> None:
    _, answer = read(dialect, messages)
    assert (answer.text, [(call.name, call.arguments) for call in answer.tools]) == (text, calls)


#: What has no event: the dialect, the stream, and the name of the `Other` that tells of it.
ASIDE: list[tuple[str, Messages, str]] = [
    ("gemini", gemini({"parts": [{"text": "a", "thought": "hm"}]}), "thought"),
    ("gemini-interactions", interaction(steps=[{"type": "hologram", "text": "a"}]), "steps"),
    ("gemini-interactions", interaction(error={"message": "no"}), "error"),
    ("gemini-live", [*live()[:1], {"usageMetadata": "many"}, live()[-1]], "usageMetadata"),
    ("openai-responses", response(answer="a"), "answer"),
    ("openai-responses", response(text="a"), "text"),
    ("openai-realtime", realtime(answer="a"), "answer"),
    (
        "vercel-ui",
        [{"type": "text-delta", "id": "1", "delta": "a", "errorText": "no"}, {"type": "finish"}],
        "errorText",
    ),
    ("ag-ui", [{"type": "RUN_STARTED"}, {"type": "RUN_FINISHED", "result": "a"}], "result"),
    ("ag-ui", [{"type": "TEXT_MESSAGE_START", "messageId": "m", "content": "a"}, {"type": "RUN_FINISHED"}], "content"),
    ("ollama", ollama({"message": {"content": [{"text": "a"}, {"type": "image"}]}}), "content"),
]


@pytest.mark.parametrize(("dialect", "messages", "name"), ASIDE)
def test_what_has_no_event_is_told(dialect: str, messages: Messages, name: str) -> None:
    events, _ = read(dialect, messages)
    assert name in [event.type for event in events if isinstance(event, Other)]


# Every dialect of JSON, by its vectors.

_NO_JSON = ("raw", "eventsource", "bedrock-invoke")  # the last wraps what its vendors send
DIALECTS_OF_JSON = [name for name in DIALECTS if name not in _NO_JSON]


def of_vectors(dialect: str) -> list[list[ServerSentEvent]]:
    """The messages of each vector that are JSON objects and nothing else, where the stream ends clean."""
    found = [messages_in(vector) for vector in OF_DIALECTS.values() if vector["dialect"] == dialect]
    return [messages for messages in found if messages and all(is_object(it) for it in messages)]


def is_object(message: ServerSentEvent) -> bool:
    try:
        return isinstance(json.loads(message.data), dict)
    except ValueError:
        return False


def with_error(message: ServerSentEvent) -> ServerSentEvent:
    return message._replace(data=json.dumps({**json.loads(message.data), "error": {"message": "(boom)"}}))


@pytest.mark.parametrize("dialect", DIALECTS_OF_JSON)
def test_an_error_beside_what_a_message_says_is_told_and_the_message_is_read(dialect: str) -> None:
    count = 0
    for messages in of_vectors(dialect):
        _, whole = read(dialect, messages)
        for place, message in enumerate(messages):
            if "error" in json.loads(message.data) or ends(dialect, messages[:place]):
                continue
            events, answer = read(dialect, [*messages[:place], with_error(message), *messages[place + 1 :]])
            errors = [event for event in events if isinstance(event, Error) and "(boom)" in event.message]
            raw = with_error(message).data
            assert any(isinstance(event, Other | Error) and event.raw == raw for event in events), message
            assert not (any(error.fatal for error in errors) and events[-1] == End(clean=True)), message
            assert answer.text == whole.text or ends(dialect, [with_error(message)]), message
            count += bool(errors)
    assert count


def ends(dialect: str, messages: list[ServerSentEvent]) -> bool:
    """Whether the server itself has ended the stream with these."""
    decoder = DIALECTS[dialect].decoder()
    for message in messages:
        decoder.receive_message(message)
    return decoder.ended


@pytest.mark.parametrize("dialect", DIALECTS_OF_JSON)
@pytest.mark.parametrize(
    "bare", [{"message": "(boom)", "code": 500}, {"detail": "(boom)"}, {"errors": [{"message": "(boom)"}]}]
)
def test_an_error_in_the_place_of_a_message_is_told(dialect: str, bare: dict[str, Any]) -> None:
    for messages in of_vectors(dialect):
        if not ends(dialect, messages[:1]):
            events, _ = read(dialect, [messages[0], ServerSentEvent("", json.dumps(bare), ""), *messages[1:]])
            errors = [event for event in events if isinstance(event, Error) and "(boom)" in event.message]
            assert errors
            assert events[-1] == End(clean=False) or not errors[0].fatal


@pytest.mark.parametrize("dialect", DIALECTS_OF_JSON)
@pytest.mark.parametrize("name", ["message", "detail", "error", "errors"])
def test_words_that_are_all_of_a_body_are_told_once_and_are_no_answer(dialect: str, name: str) -> None:
    for value in ({name: "(boom)"}, {name: "(boom)", "code": 7}, [{name: "(boom)"}]):
        events, answer = read(dialect, [ServerSentEvent("", json.dumps(value), "")])
        told = [event for event in events if isinstance(event, Error | Other) and "(boom)" in event.raw]
        assert told, value
        assert sum(isinstance(event, Error) for event in told) <= 1, value
        assert (answer.text, events[-1]) == ("", End(clean=False))


@pytest.mark.parametrize("dialect", [it for it in DIALECTS_OF_JSON if DIALECTS[it].framing == "sse"])
def test_an_event_named_error_has_its_code_and_its_words(dialect: str) -> None:
    for fields, code in (({"type": "overloaded"}, "overloaded"), ({"code": 500}, "500")):
        events, _ = read(dialect, [ServerSentEvent("error", json.dumps({**fields, "message": "(boom)"}), "")])
        assert [(it.code, it.message) for it in events if isinstance(it, Error)] == [(code, "(boom)")]


@pytest.mark.parametrize("dialect", DIALECTS_OF_JSON)
def test_messages_that_come_as_one_list_mean_what_they_mean_alone(dialect: str) -> None:
    for messages in of_vectors(dialect):
        if any(it.event not in ("", "message", messages[0].event) for it in messages):
            continue  # the name of the event belongs to what a message says
        together = json.dumps([json.loads(it.data) for it in messages])
        alone, _ = read(dialect, [it._replace(id="") for it in messages])
        events, _ = read(dialect, [ServerSentEvent(messages[0].event, together, "")])
        assert [event for event in events if not isinstance(event, Other)] == [
            event for event in alone if not isinstance(event, Other)
        ]


@pytest.mark.parametrize("dialect", DIALECTS_OF_JSON)
def test_what_is_no_message_in_a_list_takes_no_other_with_it(dialect: str) -> None:
    for messages in of_vectors(dialect):
        first, rest = messages[0], [it._replace(id="") for it in messages[1:]]
        alone, _ = read(dialect, [first._replace(id=""), *rest])
        for beside, told in ((None, 0), ({}, 0), (7, 1), ([1, 2], 1), ("words", 1)):
            together = json.dumps([json.loads(first.data), beside])
            events, _ = read(dialect, [ServerSentEvent(first.event, together, ""), *rest])
            kinds = [event.type for event in events if isinstance(event, Other)]
            assert sum(kind in ("not-an-object", "not-a-chunk") for kind in kinds) == told
            assert [event for event in events if not isinstance(event, Other)] == [
                event for event in alone if not isinstance(event, Other)
            ]


@pytest.mark.parametrize("dialect", [it for it in DIALECTS if "[DONE]" in DIALECTS[it].terminator])
@pytest.mark.parametrize("done", ["[DONE]", " [DONE]", "[DONE] ", "\t[DONE]\t"])
def test_blanks_around_the_terminator_are_none_of_it(dialect: str, done: str) -> None:
    events, _ = read(dialect, [ServerSentEvent("message", done, "")])
    assert [type(event) for event in events] == [End]
