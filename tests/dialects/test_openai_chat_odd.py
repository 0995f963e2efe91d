"""What chat servers send in odd forms: nothing of it vanishes, and an end after a loss is not clean."""

from __future__ import annotations

from typing import Any

import pytest
from test_openai_chat import DONE, answer, call, choice, chunk, decode, finish, sse, text, tools

from cutting import every_way
from tokenwire.dialects.answer import ToolCall
from tokenwire.dialects.events import End, Error, Finish, Other, StreamEvent, Usage
from tokenwire.dialects.values import error_in_words


def delta(**members: Any) -> bytes:
    return chunk(choice(members))


def others(events: list[StreamEvent]) -> list[str]:
    return [event.type for event in events if isinstance(event, Other)]


# (what it shows, the stream, its text, its reasoning, the types of its Others)
SAID: list[tuple[str, bytes, str, str, list[str]]] = [
    ("numbers and booleans", text(1) + text(0) + text(-1.5) + text(True) + text(False), "10-1.5truefalse", "", []),
    ("an object for text", text({"x": 1}), "", "", ["part"]),
    ("one part alone", text({"type": "text", "text": "a"}), "a", "", []),
    ("strings in a list", text(["a", "b"]), "ab", "", []),
    ("a delta that is text", chunk({"index": 0, "delta": "a"}), "a", "", []),
    ("a list of one delta", chunk({"index": 0, "delta": [{"content": "a"}]}), "a", "", []),
    ("choices that are one object", sse({"id": "c1", "choices": choice({"content": "a"})}), "a", "", []),
    ("choices that are none", sse({"id": "c1", "choices": ["a"]}), "", "", ["choices"]),
    ("a list of chunks", sse([{"choices": [choice({"content": it})]} for it in "ab"]), "ab", "", []),
    ("indexes as text", text("a", index="0") + text("b", index=0.0), "ab", "", []),
    ("a whole message", chunk({"index": 0, "message": {"content": "a"}}), "a", "", []),
    ("a whole message beside a delta of null", chunk({"index": 0, "delta": None, "message": "a"}), "a", "", []),
    ("a message that grows", b"".join(chunk({"index": 0, "message": {"content": it}}) for it in ("a", "ab")), "ab", "",
     []),
    ("a message once more", chunk({"index": 0, "message": {"content": "a"}}) * 2, "a", "", ["chat.completion.chunk"]),
    ("a message in every chunk beside deltas",
     chunk({**choice({"content": "a"}), "message": {"content": "a"}})
     + chunk({**choice({"content": "b"}), "message": {"content": "ab"}}), "ab", "", []),
    ("text beside content", chunk({**choice({"content": "a"}), "text": "a"}), "a", "", []),
    ("text that is not the content", chunk({**choice({"content": "a"}), "text": "b"}), "a", "", ["text"]),
    ("text for content", chunk({"index": 0, "text": "a"}), "a", "", []),
    ("reasoning under every name",
     b"".join(delta(**{name: name[0]}) for name in
              ("reasoning", "reasoning_content", "reasoning_text", "thinking", "thought")), "", "rrrtt", []),
    ("reasoning that differs under two names", delta(reasoning="a", reasoning_content="b"), "", "b", ["reasoning"]),
    ("reasoning as an object", delta(reasoning={"x": 1}), "", "", ["reasoning"]),
    ("a summary among the details", delta(reasoning_details=[{"type": "reasoning.summary", "summary": "a"}]), "", "a",
     []),
    ("details that say more", delta(reasoning="a", reasoning_details=[{"text": "ab"}]), "", "a",
     ["reasoning_details"]),
    ("details that are text", delta(reasoning_details="a"), "", "", ["reasoning_details"]),
    ("a refusal of another type", delta(refusal=["no"]) + delta(refusal={"x": 1}), "no", "", ["refusal"]),
    ("what changes in every delta", b"".join(delta(content="a", image=it) for it in (1, 1, 2)), "aaa", "",
     ["image", "image"]),
    ("what changes in every chunk", b"".join(chunk(choice({"content": "a"}), took=it) for it in (1, 1, 2)), "aaa", "",
     ["took"]),
    ("sources that grow", b"".join(chunk(choice({"content": "a"}), citations=it) for it in (["x"], ["x"], ["x", "y"])),
     "aaa", "", ["citations", "citations"]),
    ("members of a choice", chunk({**choice({"content": "a"}), "logprobs": {"content": [1]}, "token_ids": [1]}) * 2,
     "aa", "", ["logprobs", "token_ids"]),
    ("members that are known, null or empty",
     chunk({**choice({"content": "a", "audio": None, "images": [], "new": ""}), "logprobs": None, "new": {}},
           system_fingerprint="f", service_tier="s", created=1, p="x", obfuscation="y", new=None), "a", "", []),
    ("usage that is none", chunk(choice({"content": "a"}), usage="many"), "a", "", ["usage"]),
    ("a tool's new member", tools({**call("{}", name="f", index=0), "extra_content": {"signature": "x"}}), "", "",
     ["tool_calls"]),
    ("a tool that is none", tools(7), "", "", ["tool_calls"]),  # type: ignore[arg-type]
    ("a function that is none", tools({"index": 0, "function": 7}), "", "", ["tool_calls"]),
    ("Workers AI", sse({"response": "a"}) + sse({"response": 1, "p": "x"}), "a1", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "said", "reasoning", "types"), [it[1:] for it in SAID], ids=[it[0] for it in SAID])
def test_what_was_said_is_told(stream: bytes, said: str, reasoning: str, types: list[str]) -> None:
    told = answer(stream + DONE)
    assert (told.text, told.reasoning, others(told.events)) == (said, reasoning, types)
    assert told.end == End(True)
    for pieces in every_way(stream + DONE):
        assert decode(stream + DONE, pieces)[0] == told.events


# (what it shows, the stream, the calls)
CALLS: list[tuple[str, bytes, list[ToolCall]]] = [
    ("a name in three pieces", b"".join(tools(call("", name=it, index=0)) for it in ("a", "_b", "_c"))
     + tools(call("{}", index=0)), [ToolCall("", "a_b_c", "{}")]),
    ("a name that grows", tools(call("", name="get", index=0, id="t"), ) + tools(call("{}", name="get_it", index=0)),
     [ToolCall("t", "get_it", "{}")]),
    ("a name in pieces of one call beside another", tools(call("", name="a", index=0), call("", name="b", index=1))
     + tools(call("{}", index=0), call("{}", index=1)), [ToolCall("", "a", "{}"), ToolCall("", "b", "{}")]),
    ("two names under one index in one chunk", tools(call("", name="a", index=0), call("", name="b", index=0)),
     [ToolCall("", "a", ""), ToolCall("", "b", "")]),
    ("one name and index, whole and whole again", tools(call("{}", name="a", index=0)) * 2,
     [ToolCall("", "a", "{}")] * 2),
    ("one name in every piece, without an index", tools(call("{", name="a")) + tools(call("}", name="a")),
     [ToolCall("", "a", "{}")]),
    ("ids under one index that take turns", tools(call("", name="a", index=0, id="x"))
     + tools(call("", name="b", index=0, id="y")) + tools(call("1", index=0, id="x"))
     + tools(call("2", index=0, id="y")),
     [ToolCall("x", "a", "1"), ToolCall("y", "b", "2")]),
    ("an index as text", tools(call("{", name="a", index="0")) + tools(call("}", index=0)),
     [ToolCall("", "a", "{}")]),
    ("arguments once more, whole", tools(call('{"n":', name="a", index=0, id="t")) + tools(call("1}", index=0))
     + tools(call('{"n": 1}', index=0)) + tools(call('{"n":1}', name="a", index=0, id="t")),
     [ToolCall("t", "a", '{"n":1}')]),
    ("braces in strings", tools(call('{"n":"}{', name="a", index=0)) + tools(call('\\"}"}', name="a", index=0)),
     [ToolCall("", "a", '{"n":"}{\\"}"}')]),
    ("an empty object before the pieces", tools(call({}, name="a", index=0)) + tools(call('{"n":1}', index=0)),
     [ToolCall("", "a", '{"n":1}')]),
    ("an empty object alone", tools(call({}, name="a", index=0)), [ToolCall("", "a", "{}")]),
    ("arguments of other types", tools(call([1], name="a", index=0), call(7, name="b", index=1)),
     [ToolCall("", "a", "[1]"), ToolCall("", "b", "7")]),
    ("a call without a function", tools({"name": "a", "arguments": {"n": 1}}), [ToolCall("", "a", '{"n": 1}')]),
    ("a custom tool", tools({"index": 0, "id": "t", "type": "custom", "custom": {"name": "a", "input": "x y"}}),
     [ToolCall("t", "a", "x y")]),
    ("a name and an id that are numbers", tools(call("{}", name=7, index=0, id=9)), [ToolCall("9", "7", "{}")]),
    ("one call that is no list", chunk(choice({"tool_calls": call("{}", name="a", index=0)})),
     [ToolCall("", "a", "{}")]),
    ("calls of a whole message", chunk({"index": 0, "message": {"tool_calls": [call("{}", name="a", id="t")]}}),
     [ToolCall("t", "a", "{}")]),
    ("calls of Workers AI", sse({"response": None, "x": 1}) + sse({"response": "", "tool_calls": [{"name": "a",
     "arguments": {}}]}), [ToolCall("", "a", "{}")]),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "calls"), [it[1:] for it in CALLS], ids=[it[0] for it in CALLS])
def test_calls_in_odd_pieces_are_whole(stream: bytes, calls: list[ToolCall]) -> None:
    assert answer(stream + finish("tool_calls") + DONE).tools == calls
    assert answer(stream + DONE).tools == calls
    for pieces in every_way(stream + DONE):
        assert decode(stream + DONE, pieces)[0] == decode(stream + DONE)[0]


@pytest.mark.parametrize("again", ["", "tool_calls"])
@pytest.mark.parametrize("first", ['{"a":', "", None])
def test_pieces_after_the_finish_are_of_the_same_call(first: str | None, again: str) -> None:
    whole = '{"a":1}'
    rest = tools(call(whole.removeprefix(first or ""), index=0), finish=again or None)
    told = answer(tools(call(first, name="f", index=0, id="t"), finish="tool_calls") + rest + DONE)
    assert told.tools == [ToolCall("t", "f", whole)]
    assert told.end == End(True)


def test_an_empty_piece_after_the_finish_is_no_call() -> None:
    stream = tools(call("{}", name="f", index=0, id="t"), finish="tool_calls") + tools(call("", index=0)) + DONE
    assert answer(stream).tools == [ToolCall("t", "f", "{}")]


# (what it shows, the stream, whether its end is clean)
ENDS: list[tuple[str, bytes, bool]] = [
    ("text after the finish, cut", text("a", "stop") + text("b"), False),
    ("text after the finish, and another finish", text("a", "stop") + text("b", "stop"), True),
    ("arguments after the finish, cut", tools(call("{", name="f", index=0), finish="stop") + tools(call('"', index=0)),
     False),
    ("[DONE] in half a call", tools(call('{"a":', name="f", index=0)) + DONE, False),
    ("[DONE] in half a string", tools(call('{"a":"', name="f", index=0)) + DONE, False),
    ("[DONE] after a whole call", tools(call('{"a":"}"}', name="f", index=0)) + DONE, True),
    ("[DONE] after a call without arguments", tools(call("", name="f", index=0)) + DONE, True),
    ("half a call and a finish", tools(call('{"a":', name="f", index=0)) + finish() + DONE, True),
    ("a frame cut by the next", b'data: {"id": "c1", "ch' + text("b") + finish() + DONE, False),
    ("a frame of half a chunk", text("a") + b'data: {"choices": [\n\n' + finish() + DONE, False),
    ("messages that are not chat", sse({"token": {"text": "a"}}) + DONE, False),
    ("words that are not chat", b"data: Hel\n\ndata: lo\n\n" + DONE, False),
    ("keepalives alone", b"data: : ping\n\n" + DONE, True),
    ("nothing", DONE, True),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "clean"), [it[1:] for it in ENDS], ids=[it[0] for it in ENDS])
def test_an_end_is_clean_where_nothing_was_lost(stream: bytes, clean: bool) -> None:
    for pieces in every_way(stream):
        events, outcome = decode(stream, pieces)
        assert events[-1] == End(clean), pieces
        failed = any(isinstance(event, Error) and event.fatal for event in events)
        assert outcome == ("clean" if clean else "error" if failed else "interrupted")
        assert failed == (not clean and DONE in stream), "an end that the server said is an error, or it is clean"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("error: CUDA out of memory", "CUDA out of memory"),
        ("ERROR: no", "no"),
        ('error: {"message": "no", "code": 5}', "no"),
        ('Error: {"error": {"message": "no"}}', "no"),
        ("[ERROR] no", "[ERROR] no"),
        ("Internal Server Error", "Internal Server Error"),
        ("upstream request timeout", "upstream request timeout"),
        ("no healthy upstream: service unavailable", ""),
        ("Rate limit exceeded", "Rate limit exceeded"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        (": OPENROUTER PROCESSING", ""),
        ("ping", ""),
        ("Hello, there was an error in my code", ""),
        ("", ""),
    ],
)
def test_words_that_name_an_error_are_one(data: str, message: str) -> None:
    assert error_in_words(data).get("message", "") == message
    events, _ = decode(text("a") + f"data: {data}\n\n".encode() + DONE)
    errors = [event for event in events if isinstance(event, Error)]
    assert [error.message for error in errors] == ([message] if message else [])
    assert events[-1] == End(not message)


def test_an_error_of_a_choice_is_told_beside_its_text() -> None:
    stream = chunk({**choice({"content": "a"}, "error"), "error": {"code": 502, "message": "gone"}}) + DONE
    told = answer(stream)
    assert told.text == "a"
    assert told.error == Error("502", "gone", fatal=True)
    assert told.end == End(False)


def test_groq_tells_of_an_error_in_a_place_of_its_own() -> None:
    told = answer(text("a") + chunk(x_groq={"error": "over_capacity"}) + DONE)
    assert told.error == Error("", "over_capacity", fatal=True)


def test_names_that_nobody_knows_are_not_remembered_without_end() -> None:
    stream = b"".join(chunk(choice({"content": "a"}), **{f"new{number}": 1}) for number in range(400)) * 2 + DONE
    assert len(others(decode(stream)[0])) == 400 + 400 - 256


@pytest.mark.parametrize("piece", ["{", "{}", '"', "\\", "]", '{"a":1}'])
def test_reading_arguments_looks_at_each_piece_once(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenwire.dialects import chat_tools

    looked = [0]
    scan = chat_tools._Arguments._scan

    def counted(self: Any, text: str) -> None:
        looked[0] += len(text)
        scan(self, text)

    monkeypatch.setattr(chat_tools._Arguments, "_scan", counted)
    answer(tools(call("{", name="f", index=0)) + tools(call(piece, name="f", index=0)) * 2000 + DONE)
    assert looked[0] <= 2000 * len(piece) + 1


def test_usage_of_a_whole_completion_is_told() -> None:
    told = answer(sse({"object": "chat.completion", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}],
                       "usage": {"total_tokens": 1}}))  # fmt: skip
    assert (told.text, told.finish, told.usage) == ("a", Finish("stop", "stop"), {"total_tokens": 1})
    assert Usage({"total_tokens": 1}, True) in told.events
    assert told.end == End(True)
