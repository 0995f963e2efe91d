"""Gemini's generateContent: every part and finish of it, as events and as an array, and what is sent to ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_invariants import check

from cutting import cut_at, cuts, every_way
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Prompt, Tool
from tokenwire.dialects.events import (
    BlockStart,
    BlockStop,
    End,
    Error,
    Finish,
    Other,
    ReasoningDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tokenwire.dialects.gemini import GEMINI
from tokenwire.errors import LocalProtocolError, NotAStream
from tokenwire.session import Session
from tokenwire.session.request import build_request


def sse(*chunks: Any) -> bytes:
    """Chunks as the API writes them with `alt=sse`."""
    return "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks).encode()


def array(*chunks: Any) -> bytes:
    """Chunks as it writes them without."""
    return ("[" + "\n,\r\n".join(json.dumps(chunk, indent=2) for chunk in chunks) + "\n]\n").encode()


def decode(*pieces: bytes, cut: bool = False) -> list[StreamEvent]:
    decoder = Decoder("gemini")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof(cut=cut)


def without_raw(events: list[StreamEvent]) -> list[StreamEvent]:
    return [Other(event.type, "…") if isinstance(event, Other) else event for event in events]


def read(*chunks: Any) -> list[StreamEvent]:
    """The events of a stream, which are those of the array too, without the `Start`."""
    events = without_raw(decode(sse(*chunks)))
    assert without_raw(decode(array(*chunks))) == events
    assert events[0] == Start("r", "m")
    return events[1:]


def chunk(*parts: Any, finish: Any = None, index: Any = None, **members: Any) -> dict[str, Any]:
    """A chunk of one candidate."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = finish
    if index is not None:
        candidate["index"] = index
    return {"candidates": [candidate], "responseId": "r", "modelVersion": "m", **members}


def text(said: str) -> dict[str, Any]:
    return {"text": said}


def thought(said: str) -> dict[str, Any]:
    return {"text": said, "thought": True}


def call(name: str = "", **members: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **members} if name else members}


def patch(path: str, value: Any, *, more: bool = False) -> dict[str, Any]:
    kind = {str: "stringValue", bool: "boolValue", type(None): "nullValue"}.get(type(value), "numberValue")
    return {"jsonPath": path, kind: value, **({"willContinue": True} if more else {})}


def patched(*patches: Any, more: bool = True) -> dict[str, Any]:
    return call(partialArgs=list(patches), **({"willContinue": True} if more else {}))


STOP = chunk(text(""), finish="STOP")
STOPPED = [Finish("stop", "STOP"), End(True)]
CALLED = [Finish("tool_calls", "STOP"), End(True)]


CASES: list[tuple[str, list[Any], list[StreamEvent]]] = [
    (
        "text",
        [chunk(text("Hel")), chunk(text("lo"), finish="STOP")],
        [BlockStart(0, "text"), TextDelta(0, "Hel"), TextDelta(0, "lo"), BlockStop(0), *STOPPED],
    ),
    (
        "thoughts before text",
        [chunk(thought("Hm.")), chunk(thought(""), text("Yes.")), STOP],
        [BlockStart(0, "reasoning"), ReasoningDelta(0, "Hm."), BlockStop(0), BlockStart(1, "text"),
         TextDelta(1, "Yes."), BlockStop(1), *STOPPED],
    ),
    (
        "half a surrogate pair in each of two chunks",
        [chunk(text("\ud83d")), chunk(text("\ude00")), STOP],
        [BlockStart(0, "text"), TextDelta(0, "😀"), BlockStop(0), *STOPPED],
    ),
    (
        "usage in every chunk, complete with the finish",
        [chunk(text("a"), usageMetadata={"totalTokenCount": 1}), chunk(finish="STOP", usageMetadata={"n": 2})],
        [BlockStart(0, "text"), TextDelta(0, "a"), Usage({"totalTokenCount": 1}, False), Usage({"n": 2}, True),
         BlockStop(0), *STOPPED],
    ),
    (
        "a call with its arguments, and one without",
        [chunk(call("add", id="c1", args={"a": [1, "é"]}), call("now"), finish="STOP")],
        [BlockStart(0, "tool", "c1", "add"), ToolCallDelta(0, '{"a": [1, "é"]}'), BlockStop(0),
         BlockStart(1, "tool", "", "now"), ToolCallDelta(1, "{}"), BlockStop(1), *CALLED],
    ),
    (
        "text around a call",
        [chunk(text("a"), call("f", args={}), text("b")), STOP],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), BlockStart(1, "tool", "", "f"), ToolCallDelta(1, "{}"),
         BlockStop(1), BlockStart(2, "text"), TextDelta(2, "b"), BlockStop(2), *CALLED],
    ),
    (
        "signatures, code and media",
        [chunk({**text(""), "thoughtSignature": "s"}, {"executableCode": {"code": "1"}}, {"inlineData": {"data": ""}},
               {"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, {"text": "a", "thoughtSignature": ""}), STOP],
        [Other("thoughtSignature", "…"), Other("executableCode", "…"), Other("inlineData", "…"),
         Other("codeExecutionResult", "…"), BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), *STOPPED],
    ),
    (
        "what stands beside the content",
        [{"candidates": [{"citationMetadata": {"a": 1}, "groundingMetadata": {}, "safetyRatings": [1], "new": 1,
                          "finishReason": "STOP", "finishMessage": "Fine."}], "responseId": "r", "modelVersion": "m"}],
        [Other("citationMetadata", "…"), Other("new", "…"), *STOPPED],
    ),
    (
        "several candidates, interleaved",
        [{"candidates": [{"content": {"parts": [text("a")]}}, {"content": {"parts": [text("b")]}, "index": 1}],
          "responseId": "r", "modelVersion": "m"},
         chunk(text("B"), index=1, finish="MAX_TOKENS", usageMetadata={"n": 1}),
         chunk(text("A"), index=0, finish="STOP", usageMetadata={"n": 2})],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStart(1, "text", choice=1), TextDelta(1, "b"),
         TextDelta(1, "B"), Usage({"n": 1}, False), TextDelta(0, "A"), Usage({"n": 2}, True), BlockStop(0),
         BlockStop(1), Finish("stop", "STOP"), Finish("length", "MAX_TOKENS", 1), End(True)],
    ),
    (
        "a finish that is repeated, as older models do",
        [chunk(text("a"), finish="STOP"), chunk(text("b"), finish="STOP"), chunk(text("c"), finish="SAFETY")],
        [BlockStart(0, "text"), TextDelta(0, "a"), TextDelta(0, "b"), TextDelta(0, "c"), BlockStop(0),
         Finish("content_filter", "SAFETY"), End(True)],
    ),
    (
        "a blocked prompt",
        [{"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r", "modelVersion": "m"}],
        [Finish("content_filter", "SAFETY"), End(True)],
    ),
    (
        "feedback that blocks nothing",
        [{"promptFeedback": {"safetyRatings": []}, "responseId": "r", "modelVersion": "m"}, STOP],
        STOPPED,
    ),
    (
        "one candidate that has not finished",
        [chunk(text("a"), finish="STOP"), chunk(text("b"), index=1)],
        [BlockStart(0, "text"), TextDelta(0, "a"), BlockStart(1, "text", choice=1), TextDelta(1, "b"), BlockStop(0),
         BlockStop(1), Finish("stop", "STOP"), End(False)],
    ),
    ("no finish", [chunk(text("a"))], [BlockStart(0, "text"), TextDelta(0, "a"), BlockStop(0), End(False)]),
    (
        "an error in the middle, after a finish",
        [chunk(text("a"), finish="STOP"), {"error": {"code": 499, "message": "gone", "status": "CANCELLED"}}],
        [BlockStart(0, "text"), TextDelta(0, "a"), Finish("stop", "STOP"), Error("499", "gone", True), BlockStop(0),
         End(False)],
    ),
    (
        "values of the wrong type",
        [chunk(text("a"), None, 1, {"text": 1}, {"text": "b", "thought": "yes"}, {"functionCall": "f"}, index="0"),
         {"candidates": [None, True, {"content": []}], "usageMetadata": 1},
         {"candidates": [{"content": {"parts": {}}}]}, STOP],
        [BlockStart(0, "text"), TextDelta(0, "a"), TextDelta(0, "1"), TextDelta(0, "1"), TextDelta(0, "b"),
         Other("thought", "…"), Other("functionCall", "…"), Other("candidates", "…"), Other("usageMetadata", "…"),
         BlockStop(0), *STOPPED],
    ),
    (
        "arguments as JSON text, in pieces of it, and as a list",
        [chunk({"functionCall": {"name": "f", "args": '{"a": 1}'}}),
         chunk({"functionCall": {"name": "g", "args": '{"b"', "willContinue": True}}),
         chunk({"functionCall": {"args": ": 2}"}}), chunk({"functionCall": {"name": "h", "args": [3]}}), STOP],
        [BlockStart(0, "tool", name="f"), ToolCallDelta(0, '{"a": 1}'), BlockStop(0),
         BlockStart(1, "tool", name="g"), ToolCallDelta(1, '{"b": 2}'), BlockStop(1),
         BlockStart(2, "tool", name="h"), ToolCallDelta(2, "[3]"), BlockStop(2),
         Finish("tool_calls", "STOP"), End(True)],
    ),
    (
        "members that nobody knows, told once, beside the text",
        [{**chunk(text("a")), "shard": 1}, {**chunk(text("b")), "shard": 2}, STOP],
        [BlockStart(0, "text"), TextDelta(0, "a"), Other("shard", "…"), TextDelta(0, "b"), BlockStop(0), *STOPPED],
    ),
    (
        "the wrapper of Code Assist, with an error beside the text",
        [{"response": chunk(text("a")), "traceId": "t"},
         {"response": chunk(text("b")), "error": {"code": 503, "message": "busy"}}],
        [BlockStart(0, "text"), TextDelta(0, "a"), TextDelta(0, "b"), Error("503", "busy", True), BlockStop(0),
         End(False)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "chunks", "expected"), CASES, ids=[case[0] for case in CASES])
def test_chunks_decode_alike_as_events_and_as_an_array(
    what: str, chunks: list[Any], expected: list[StreamEvent]
) -> None:
    assert read(*chunks) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "pause"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("OTHER", "other"),
        ("NO_IMAGE", "other"),
        ("NEW_IN_2027", "other"),
        (1, "stop"),
        (2, "length"),
        (3, "content_filter"),
        (4, "content_filter"),
        (5, "other"),
        (99, "other"),
    ],
)
def test_the_finish_has_our_word_and_theirs(reason: str | int, expected: str) -> None:
    *_, finish, end = read(chunk(text("a"), finish=reason))
    assert finish == Finish(expected, str(reason))  # type: ignore[arg-type]
    assert end == End(True)


@pytest.mark.parametrize("reason", ["", 0, None, "FINISH_REASON_UNSPECIFIED", True, [], {}])
def test_a_finish_that_is_none_is_none(reason: Any) -> None:
    assert read(chunk(text("a"), finish=reason))[-1] == End(False)


def test_the_raw_of_the_finish_is_the_message_that_said_it() -> None:
    last = chunk(text("b"), finish="STOP")
    events = decode(sse(chunk(text("a")), last))
    assert next(event.raw for event in events if isinstance(event, Finish)) == json.dumps(last)


# Calls whose arguments come in patches.


def arguments_of(*parts: Any) -> Any:
    """The arguments of the one call, which come in one delta, and none of the errors there may be."""
    answer = Answer()
    answer.add_all(decode(sse(*[chunk(part) for part in parts], STOP)))
    [tool] = answer.tools
    assert (tool.name, answer.error) == ("f", None)
    assert sum(isinstance(event, ToolCallDelta) for event in answer.events) == 1
    return json.loads(tool.arguments)


OPENING = call("f", willContinue=True)
CLOSING = call()


@pytest.mark.parametrize(
    ("patches", "expected"),
    [
        ([], {}),
        ([patch("$.a", "x")], {"a": "x"}),
        ([patch("$.a", "x", more=True), patch("$.a", "y", more=True), patch("$.a", "")], {"a": "xy"}),
        ([patch("$.a", "\ud83d", more=True), patch("$.a", "\ude00")], {"a": "😀"}),
        ([patch("$.a", 1), patch("$.b", 0.5), patch("$.c", True)], {"a": 1, "b": 0.5, "c": True}),
        ([patch("$.a", False), patch("$.b", None)], {"a": False, "b": None}),
        ([{"jsonPath": "$.a", "nullValue": "NULL_VALUE"}], {"a": None}),
        ([patch("$.a.b.c", 1), patch("$.a.d", 2)], {"a": {"b": {"c": 1}, "d": 2}}),
        ([patch("$.a[0].b", 1), patch("$.a[0].c", 2), patch("$.a[1].b", 3)], {"a": [{"b": 1, "c": 2}, {"b": 3}]}),
        ([patch("$.a[0][0]", 1), patch("$.a[0][1]", 2)], {"a": [[1, 2]]}),
        ([patch("$['a b']['c']", 1), patch('$["d.e"]', 2), patch("$.é", 3)], {"a b": {"c": 1}, "d.e": 2, "é": 3}),
        ([patch("$.a", "x"), patch("$.a", "y")], {"a": "y"}),
        ([patch("$.a", "x", more=True), patch("$.b", "y"), patch("$.a", "X")], {"a": "xX", "b": "y"}),
    ],
)  # fmt: skip
def test_patches_are_put_together(patches: list[Any], expected: Any) -> None:
    assert arguments_of(OPENING, *[patched(each) for each in patches], CLOSING) == expected
    assert arguments_of(OPENING, patched(*patches, more=False)) == expected
    assert arguments_of({"functionCall": {"name": "f", **patched(*patches, more=False)["functionCall"]}}) == expected


@pytest.mark.parametrize(
    "patches",
    [
        [patch("$.a[1]", 1)],
        [patch("$.a[999999999]", 1)],
        [patch("$.a", 1), patch("$.a.b", 2)],
        [patch("$.a.b", 1), patch("$.a", 2)],
        [patch("$.a[0]", 1), patch("$.a.b", 2)],
        [patch("$.a.b", 1), patch("$.a", None)],
        [patch("$", 1)],
        [patch("", 1)],
        [patch("a", 1)],
        [patch("$.a[*]", 1)],
        [patch("$..a", 1)],
        [patch("$[0]", 1)],
        [patch(r"$['a\'b']", 1)],
        [{"jsonPath": "$.a"}],
        [{"jsonPath": 1, "numberValue": 1}],
        [{"jsonPath": "$.a", "numberValue": "NaN"}],
    ],
)
def test_patches_that_do_not_fit_together_are_told_and_not_guessed_at(patches: list[Any]) -> None:
    events = decode(sse(*[chunk(part) for part in (OPENING, *[patched(each) for each in patches], CLOSING)], STOP))
    assert Error("invalid_arguments", "the patches of the arguments of f make no object", False) in events
    assert not any(isinstance(event, ToolCallDelta) for event in events)
    assert sum(event == Other("partialArgs", event.raw) for event in events) == len(patches)
    assert events[-1] == End(True)


def test_members_that_nobody_knows_are_handed_on_at_every_depth() -> None:
    content = chunk(text("")) | {"candidates": [{"content": {"role": "model", "new": [1]}}]}
    called = chunk({"functionCall": {"name": "f", "willContinue": True, "new": 1}})
    assert read(content, called, STOP) == [
        Other("new", "…"), BlockStart(0, "tool", "", "f"), Other("new", "…"), ToolCallDelta(0, "{}"), BlockStop(0),
        *CALLED,
    ]  # fmt: skip


def test_a_call_ends_where_another_begins_where_text_comes_and_with_the_finish() -> None:
    one = [BlockStart(0, "tool", "", "f"), Other("partialArgs", "…"), ToolCallDelta(0, '{"a": 1}'), BlockStop(0)]
    parts = [OPENING, patched(patch("$.a", 1))]
    assert read(chunk(*parts), STOP) == [*one, *CALLED]
    assert read(chunk(*parts, text("x")), STOP) == [
        *one, BlockStart(1, "text"), TextDelta(1, "x"), BlockStop(1), *CALLED,
    ]  # fmt: skip
    for second in (call("g", args={}), call("f", args={})):
        name = second["functionCall"]["name"]
        assert read(chunk(*parts, second), STOP) == [
            *one, BlockStart(1, "tool", "", name), ToolCallDelta(1, "{}"), BlockStop(1), *CALLED,
        ]  # fmt: skip


def test_a_call_that_repeats_its_name_and_id_goes_on() -> None:
    first = call("f", id="1", willContinue=True)
    more = call("f", id="1", partialArgs=[patch("$.a", 1)], willContinue=True)
    last = call("f", partialArgs=[patch("$.b", 2)])
    assert arguments_of(first, more, last) == {"a": 1, "b": 2}
    other = call("f", id="2", partialArgs=[patch("$.b", 2)])
    answer = Answer()
    answer.add_all(decode(sse(chunk(first, more, other), STOP)))
    assert [(tool.tool_id, tool.arguments) for tool in answer.tools] == [("1", '{"a": 1}'), ("2", '{"b": 2}')]


def test_arguments_that_were_still_coming_when_the_stream_broke_are_not_given() -> None:
    events = decode(sse(chunk(OPENING, patched(patch("$.a", 1)))))
    assert without_raw(events)[1:] == [
        BlockStart(0, "tool", "", "f"), Other("partialArgs", "…"), BlockStop(0), End(False),
    ]  # fmt: skip


def test_an_empty_call_where_none_is_open_is_no_call() -> None:
    assert read(chunk(CLOSING), STOP) == [Other("functionCall", "…"), *STOPPED]


# Framing and errors.

PRETTY = b'{\n  "error": {\n    "code": 503,\n    "message": "busy } {",\n    "status": "UNAVAILABLE"\n  }\n}'


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
@pytest.mark.parametrize("before", [b"", sse(chunk(text("a")))])
def test_an_error_as_bare_json_is_told_however_it_is_cut(before: bytes, end: bytes) -> None:
    whole = decode(before + PRETTY + end)
    assert Error("503", "busy } {", True) in whole
    assert whole[-1] == End(False)
    for pieces in every_way(before + PRETTY + end):
        assert decode(*pieces) == whole, pieces


def test_an_array_that_is_not_closed_is_never_clean() -> None:
    stream = array(chunk(text("a"), finish="STOP"))
    assert decode(stream)[-1] == End(True)
    for place in range(len(stream.rstrip())):
        assert decode(stream[:place])[-1] == End(False), stream[:place]


def test_an_element_that_was_cut_off_is_told() -> None:
    events = decode(b'[{"candidates": []}, {"candid')
    [error] = [event for event in events if isinstance(event, Error)]
    assert (error.code, error.fatal, error.raw) == ("invalid_json", False, '{"candid')


def test_what_the_transport_knows_to_be_cut_is_not_clean() -> None:
    assert decode(sse(STOP))[-1] == End(True)
    assert decode(sse(STOP), cut=True)[-2:] == [Finish("stop", "STOP"), End(False)]


def test_what_is_not_known_is_handed_on() -> None:
    events = decode(sse({"new": 1}, [1], "x"))
    assert [event.type for event in events if isinstance(event, Other)] == ["message", "not-an-object", "not-an-object"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(st.sampled_from("a$.[0]'\ud83d\ude00"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "args", "name"]), inner),
    max_leaves=5,
)
PATHS = st.sampled_from(["$.a", "$.a.b", "$.a[0]", "$.a[1]", "$", "x", "$['a']"])


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: strategy | JSON for name, strategy in strategies.items()})


PATCHES = members(jsonPath=PATHS, stringValue=JSON, numberValue=JSON, boolValue=JSON, nullValue=JSON, willContinue=JSON)
CALLS = members(id=JSON, name=JSON, args=JSON, partialArgs=st.lists(PATCHES, max_size=3), willContinue=JSON)
PARTS = members(text=JSON, thought=JSON, functionCall=CALLS, inlineData=JSON)
CANDIDATES = members(
    content=members(parts=st.lists(PARTS | JSON, max_size=3)), index=JSON, finishReason=JSON, groundingMetadata=JSON
)
CHUNKS = members(
    candidates=st.lists(CANDIDATES | JSON, max_size=3), usageMetadata=JSON, promptFeedback=members(blockReason=JSON),
    responseId=JSON, modelVersion=JSON, error=JSON,
)  # fmt: skip


@given(st.lists(CHUNKS | JSON, max_size=5), cuts)
def test_whatever_the_members_hold_nothing_raises_and_the_invariants_hold(chunks: list[Any], places: list[int]) -> None:
    for stream in (sse(*chunks), array(*chunks)):
        check("gemini", stream, cut_at(stream, places))
    assert without_raw(decode(sse(*chunks))) == without_raw(decode(array(*chunks)))


# Asking.


def test_what_is_asked() -> None:
    tool = Tool("add", "adds", {"type": "object"})
    assert GEMINI.ask(Prompt("Hi", "gemini-x", "Be brief.", 5, [tool])) == {
        "model": "gemini-x",
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 5},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "add", "description": "adds", "parametersJsonSchema": {"type": "object"}}
                ]
            }
        ],
    }
    assert GEMINI.ask(Prompt("Hi")) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize("url", ["https://api.test", "https://api.test/v1beta/"])
def test_the_model_stands_in_the_path_and_the_key_in_a_field_of_its_own(url: str) -> None:
    http = build_request(url, GEMINI, json=GEMINI.ask(Prompt("Hi", "gemini-x")), key="k").http
    fields = dict(http.headers)
    assert http.target.path == "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
    assert fields["x-goog-api-key"] == "k"
    assert "authorization" not in fields
    assert fields["accept"] == "text/event-stream, application/json"
    assert json.loads(http.body) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_a_model_must_be_named() -> None:
    with pytest.raises(LocalProtocolError, match="model"):
        build_request("https://api.test", GEMINI, json=GEMINI.ask(Prompt("Hi")))


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]])
def test_a_refusal_is_an_object_or_an_array_of_one(wrap: Any) -> None:
    assert GEMINI.error_fields(wrap({"error": {"code": 400, "message": "no"}})) == {"code": 400, "message": "no"}
    assert GEMINI.error_fields([]) == GEMINI.error_fields(None) == {}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/event-stream", sse(STOP)), ("application/json; charset=UTF-8", array(STOP)), ("text/html", b"<html>")],
)
def test_a_response_is_a_stream_of_either_content_type_and_of_no_other(content_type: str, body: bytes) -> None:
    session = Session(build_request("https://api.test", GEMINI, json={"model": "m"}), GEMINI)
    session.start(0)
    session.connected(0)
    session.data_to_send()
    session.receive_data(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode() + body, 1)
    session.receive_eof(2)
    if content_type == "text/html":
        assert isinstance(session.error, NotAStream)
    else:
        assert (session.error, session.answer.end) == (None, End(True))
