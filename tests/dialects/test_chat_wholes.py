"""A whole message of a chat stream: after its deltas, before them, beside them, in their place. What is new in it is
told, what is told twice is given once, and what differs is told by an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutting import some_ways
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import BlockStart, Error, Other, ReasoningDelta, TextDelta
from tokenwire.dialects.pieces import rest_of
from tokenwire.dialects.wholes import DIFFERS

#: Those that chat's decoder reads.
DIALECTS: tuple[Any, ...] = ("openai-chat", "mistral", "openai-completions", "auto")

Call = tuple[str, str, str]


def chunk(delta: Any = None, message: Any = None, reason: str | None = None, index: int = 0) -> dict[str, Any]:
    said = {name: value for name, value in (("delta", delta), ("message", message)) if value is not None}
    choice = {"index": index, **said, "finish_reason": reason}
    return {"id": "x", "model": "m", "object": "chat.completion.chunk", "choices": [choice]}


def d(text: str) -> dict[str, Any]:
    return chunk({"content": text})


def m(text: str | None = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return chunk(message={"role": "assistant", "content": text, **more}, reason=reason)


def ragflow(text: str) -> dict[str, Any]:
    return chunk({"role": "assistant", "content": None, "final_content": text}, reason="stop")


def call(arguments: Any = None, name: str | None = None, tool_id: str = "", index: int | None = None) -> dict[str, Any]:
    function = {key: it for key, it in (("name", name), ("arguments", arguments)) if it is not None}
    named = {key: it for key, it in (("id", tool_id), ("index", index)) if it not in ("", None)}
    return {**named, "type": "function", "function": function}


def dc(*calls: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return chunk({"tool_calls": list(calls)}, reason=reason)


def mc(*calls: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return m(None, reason, tool_calls=list(calls))


STOP, CALLED = chunk({}, reason="stop"), chunk({}, reason="tool_calls")


def body(*messages: dict[str, Any]) -> bytes:
    return "".join(f"data: {json.dumps(it)}\n\n" for it in messages).encode() + b"data: [DONE]\n\n"


def read(dialect: Any, stream: bytes, pieces: list[bytes] | None = None) -> tuple[Answer, str]:
    decoder, answer = Decoder(dialect), Answer(keep_events=True)
    for piece in pieces or [stream]:
        answer.add_all(decoder.receive_data(piece))
    answer.add_all(decoder.receive_eof())
    return answer, str(decoder.outcome)


def errors(answer: Answer) -> list[str]:
    return [event.code for event in answer.events if isinstance(event, Error)]


def calls_of(answer: Answer) -> list[Call]:
    return [(it.tool_id, it.name, it.arguments) for it in answer.tools]


A1, A2, B1 = '{"a":1}', '{"a":2}', '{"b":1}'

# (what it is, the messages, text, reasoning, calls, whether an error tells that the whole differs)
WIRES: list[tuple[str, list[dict[str, Any]], str, str, list[Call], bool]] = [
    # After the deltas.
    ("the same", [d("Hel"), d("lo"), m("Hello", "stop")], "Hello", "", [], False),
    ("more", [d("Hel"), m("Hello", "stop")], "Hello", "", [], False),
    ("other", [d("Hel"), m("Goodbye", "stop")], "Hel", "", [], True),
    ("less", [d("Hello"), m("Hel", "stop")], "Hello", "", [], True),
    ("nothing", [d("Hello"), m(None, "stop")], "Hello", "", [], False),
    ("more after the finish", [d("Hel"), STOP, m("Hello")], "Hello", "", [], False),
    ("a completion after the finish", [d("Hel"), STOP, {**m("Hello", "stop"), "object": "chat.completion"}], "Hello",
     "", [], False),
    ("a message that is text", [d("Hel"), chunk(message="Hello", reason="stop")], "Hello", "", [], False),
    ("parts", [d("Hel"), chunk(message={"content": [{"type": "text", "text": "Hello"}]}, reason="stop")], "Hello", "",
     [], False),
    ("reasoning that no delta told", [d("Hi"), m("Hi", "stop", reasoning_content="hm")], "Hi", "hm", [], False),
    ("more of reasoning and of text", [chunk({"reasoning": "h"}), d("A"), m("AB", "stop", reasoning="hm")], "AB", "hm",
     [], False),
    ("a pair that was cut", [d("a\ud83d"), m("a😀b", "stop")], "a😀b", "", [], False),
    ("RAGFlow's whole", [d("Hel"), d("lo"), ragflow("Hello")], "Hello", "", [], False),
    ("RAGFlow's whole after a delta that repeats all", [d("Hel"), d("lo"), d("Hello"), ragflow("Hello")], "HelloHello",
     "", [], True),
    ("RAGFlow's whole alone", [ragflow("Hello")], "Hello", "", [], False),
    ("a call that no delta told", [d("Hi"), m("Hi", "tool_calls", tool_calls=[call(A1, "f", "t")])], "Hi", "",
     [("t", "f", A1)], False),
    ("the rest of arguments", [dc(call('{"a"', "f", "t", 0)), mc(call(A1, "f", "t"), reason="tool_calls")], "", "",
     [("t", "f", A1)], False),
    ("the rest as an object", [dc(call('{"a":', "f", "t", 0)), mc(call({"a": 1}, "f", "t"), reason="stop")], "", "",
     [("t", "f", '{"a": 1}')], False),
    ("the rest as an object without blanks", [dc(call('{"a":1', "f", "t", 0)), mc(call({"a": 1}, "f", "t"))], "", "",
     [("t", "f", A1)], False),
    ("the same in other words", [dc(call('{"a": 1}', "f", "t", 0)), mc(call(A1, "f", "t"), reason="tool_calls")], "",
     "", [("t", "f", '{"a": 1}')], False),
    ("other arguments", [dc(call(A2, "f", "t", 0)), mc(call(A1, "f", "t"), reason="tool_calls")], "", "",
     [("t", "f", A1)], True),
    ("other arguments after the finish", [dc(call(A2, "f", "t", 0)), CALLED, mc(call(A1, "f", "t"))], "", "",
     [("t", "f", A1)], True),
    ("other arguments without ids", [dc(call(A2, "f", "", 0)), mc(call(A1, "f"), reason="tool_calls")], "", "",
     [("", "f", A1)], True),
    ("another name", [dc(call(A1, "f", "t", 0)), mc(call(A1, "g", "t"), reason="tool_calls")], "", "",
     [("t", "g", A1)], True),
    ("a name that no delta told", [dc(call(A1, None, "t", 0)), mc(call(A1, "f", "t"), reason="tool_calls")], "", "",
     [("t", "f", A1)], False),
    ("a name of which a piece is missing", [dc(call(None, "get_", "t", 0)), mc(call("{}", "get_it", "t"))], "", "",
     [("t", "get_it", "{}")], False),
    ("a second call", [dc(call(A1, "f", "t", 0)), mc(call(A1, "f", "t"), call(B1, "g", "u"), reason="tool_calls")], "",
     "", [("t", "f", A1), ("u", "g", B1)], False),
    ("a first call, without ids", [dc(call(B1, "g", "", 1)), mc(call(A1, "f"), call(B1, "g"), reason="stop")], "", "",
     [("", "g", B1), ("", "f", A1)], False),
    ("calls that share an index", [dc(call(A1, "f", "", 0)), dc(call(B1, "g", "", 0)),
                                   mc(call(A1, "f"), call(B1, "g"))], "", "", [("", "f", A1), ("", "g", B1)], False),
    ("two calls that are alike", [dc(call("{}", "f", "", 0), call("{}", "f", "", 1)),
                                  mc(call("{}", "f"), call("{}", "f"))], "", "", [("", "f", "{}")] * 2, False),
    ("ids that are made up", [dc(call(A1, "f", "t", 0)), mc(call(A1, "f", "other"), reason="tool_calls")], "", "",
     [("t", "f", A1)], False),
    # Before the deltas.
    ("repeated", [m("Hello"), d("Hel"), d("lo"), STOP], "Hello", "", [], False),
    ("repeated in part", [m("Hello"), d("Hel"), STOP], "Hello", "", [], False),
    ("repeated, and more", [m("Hel"), d("Hel"), d("lo"), STOP], "Hello", "", [], False),
    ("repeated in one delta with more", [m("Hel"), d("Hello"), STOP], "Hello", "", [], False),
    ("repeated with a pair that is cut", [m("a😀b"), d("a\ud83d"), d("\ude00b"), STOP], "a😀b", "", [], False),
    ("repeated, and then other", [m("Hello"), d("Hel"), d("p me"), STOP], "HelloHelp me", "", [], True),
    ("not repeated", [m("Hello"), d(" you"), STOP], "Hello you", "", [], True),
    ("reasoning and text repeated", [m("A", reasoning="hm"), chunk({"reasoning": "hm"}), d("A"), STOP], "A", "hm", [],
     False),
    ("a call repeated in pieces", [mc(call(A1, "f", "t")), dc(call("", "f", "t", 0)), dc(call('{"a"', index=0)),
                                   dc(call(":1}", index=0)), CALLED], "", "", [("t", "f", A1)], False),
    ("a call repeated without an id", [mc(call(A1, "f")), dc(call("", "f", "", 0)), dc(call(A1, index=0)), CALLED], "",
     "", [("", "f", A1)], False),
    ("calls repeated without an index", [mc(call(A1, "f"), call(B1, "g")), dc(call(A1, "f")), dc(call(B1, "g"))], "",
     "", [("", "f", A1), ("", "g", B1)], False),
    ("a call that deltas tell otherwise", [mc(call(A1, "f", "t")), dc(call('{"a"', "f", "t", 0)),
                                           dc(call(":2}", index=0))], "", "", [("t", "f", A1)], True),
    ("a call and another one", [mc(call(A1, "f", "t")), dc(call(A1, "f", "t", 0)), dc(call(B1, "g", "u", 1))], "", "",
     [("t", "f", A1), ("u", "g", B1)], False),
    # Beside them, and in their place.
    ("the message so far in every chunk", [chunk({"content": "a"}, {"content": "a"}),
                                           chunk({"content": "b"}, {"content": "ab"}, "stop")], "ab", "", [], False),
    ("the delta once more in every chunk", [chunk({"content": it}, {"content": it}) for it in "abb"], "abb", "", [],
     False),
    ("a message that is ahead", [chunk({"content": "a"}, {"content": "ab"}),
                                 chunk({"content": "b"}, {"content": "abc"}),
                                 chunk({"content": "c"}, {"content": "abc"}, "stop")], "abc", "", [], False),
    ("messages that are pieces", [m("Hel"), m("lo"), STOP], "Hello", "", [], False),
    ("pieces, and the whole", [m("Hel"), m("lo"), m("Hello", "stop")], "Hello", "", [], False),
    ("messages that grow, then deltas", [m("a"), m("ab"), d("ab"), d("c"), STOP], "abc", "", [], False),
    ("messages with a call each", [mc(call({"a": 1}, "f")), mc(call({"b": 1}, "g")), STOP], "", "",
     [("", "f", '{"a": 1}'), ("", "g", '{"b": 1}')], False),
    ("deltas that say the same", [d("\n"), d("\n"), STOP], "\n\n", "", [], False),
]  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("row", WIRES, ids=[row[0] for row in WIRES])
def test_a_whole_message_is_told_once(dialect: Any, row: Any) -> None:
    _, messages, text, reasoning, calls, differs = row
    stream = body(*messages)
    for pieces in some_ways(stream, 3):
        answer, outcome = read(dialect, stream, pieces)
        assert (answer.text, answer.reasoning, calls_of(answer)) == (text, reasoning, calls)
        assert errors(answer) == [DIFFERS] * differs
        assert outcome == "clean"


@pytest.mark.parametrize("row", WIRES, ids=[row[0] for row in WIRES])
def test_each_choice_has_an_account_of_its_own(row: Any) -> None:
    """The same said by two choices in turn."""
    messages = [
        {**it, "choices": [{**it["choices"][0], "index": index}]} for it in row[1] for index in (0, 1)
    ]  # fmt: skip
    answer, _ = read("openai-chat", body(*messages))
    choices = {event.block: event.choice for event in answer.events if isinstance(event, BlockStart)}
    for number in (0, 1):
        told = [
            it for it in answer.events if isinstance(it, TextDelta | ReasoningDelta) and choices[it.block] == number
        ]
        assert "".join(it.text for it in told if isinstance(it, TextDelta)) == row[2]
        assert "".join(it.text for it in told if isinstance(it, ReasoningDelta)) == row[3]
    assert errors(answer) == [DIFFERS] * 2 * row[5]


def test_a_stream_whose_last_is_its_message_may_end() -> None:
    """The message is whole, so nothing that comes after the finish in it makes the end of the body a cut."""
    stream = body(d("Hel"), STOP, m("Hello")).removesuffix(b"data: [DONE]\n\n")
    assert read("openai-chat", stream)[1] == "clean"
    assert read("openai-chat", body(d("Hel"), STOP, d("lo")).removesuffix(b"data: [DONE]\n\n"))[1] == "interrupted"


def test_a_message_says_what_has_no_place_like_a_delta() -> None:
    answer, _ = read("openai-chat", body(d("Hi"), m("Hi", "stop", annotations=[{"url": "u"}])))
    assert [event.type for event in answer.events if isinstance(event, Other)] == ["annotations"]


def test_text_of_which_most_went_the_short_way_is_known() -> None:
    texts = [f"t{number} " for number in range(300)]
    whole = "".join(texts)
    for last, text, differs in ((whole, whole, 0), (whole + "!", whole + "!", 0), ("!" + whole, whole, 1)):
        stream = body(*map(d, texts), m(last, "stop"))
        for size in (100, 1000, len(stream)):
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            answer, outcome = read("openai-chat", stream, pieces)
            assert (answer.text, errors(answer), outcome) == (text, [DIFFERS] * differs, "clean")


def test_arguments_of_which_most_went_the_short_way_are_known() -> None:
    pieces = ['{"a":"', *(f"t{number} " for number in range(300)), '"}']
    whole = "".join(pieces)
    deltas = [dc(call("", "f", "t", 0)), *(dc(call(it, index=0)) for it in pieces[:-1])]
    for last in (whole, whole.replace("t7 ", "")):
        answer, _ = read("openai-chat", body(*deltas, mc(call(last, "f", "t"), reason="tool_calls")))
        assert calls_of(answer) == [("t", "f", last)]
        assert errors(answer) == [DIFFERS] * (last != whole)


@pytest.mark.parametrize("size", [500, 1000])
def test_many_calls_are_matched_in_linear_time(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenwire.dialects import chat_tools

    asked = [0]
    rest = chat_tools._Tool.rest

    def counted(self: Any, read: Any) -> str | None:
        asked[0] += 1
        return rest(self, read)

    monkeypatch.setattr(chat_tools._Tool, "rest", counted)
    calls = [call(json.dumps({"n": number}), "f") for number in range(size)]
    answer, _ = read("openai-chat", body(*(dc({**it, "index": n}) for n, it in enumerate(calls)), mc(*calls[::-1])))
    assert asked[0] <= 3 * size
    assert answer.tools


@pytest.mark.parametrize("told", [m("a" * 20_000), mc(call(json.dumps({"a": "a" * 20_000}), "f", "t"))])
def test_repeating_a_message_in_small_pieces_is_linear(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenwire.dialects import chat_tools, pieces

    compared = [0]

    def counted(told: str, whole: str) -> str | None:
        compared[0] += len(whole)
        return rest_of(told, whole)

    for module in (pieces, chat_tools):
        monkeypatch.setattr(module, "rest_of", counted)
    message = told["choices"][0]["message"]
    if message["content"]:
        deltas = [d(it) for it in message["content"]]
    else:
        deltas = [dc(call(it, index=0)) for it in message["tool_calls"][0]["function"]["arguments"]]
    answer, _ = read("openai-chat", body(told, *deltas, STOP))
    assert len(answer.text) + sum(len(it.arguments) for it in answer.tools) == len(deltas)
    assert errors(answer) == []
    assert compared[0] <= 2 * len(deltas)


# Whatever is lost.

texts = st.lists(st.sampled_from(["a", "b", "ab", "é", "😀", "\n"]), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(texts, texts, st.data())
def test_deltas_that_are_lost_are_made_up_for_or_told(
    reasoning: list[str], said: list[str], data: st.DataObject
) -> None:
    """Whichever deltas are missing: the whole gives the rest, or an error tells that it differs."""
    deltas = [chunk({"reasoning": it}) for it in reasoning] + [d(it) for it in said]
    lost = data.draw(st.sets(st.sampled_from(range(len(deltas)))))
    kept = [it for place, it in enumerate(deltas) if place not in lost]
    answer, outcome = read("openai-chat", body(*kept, m("".join(said), "stop", reasoning="".join(reasoning))))
    told = (answer.reasoning, answer.text)
    assert told == ("".join(reasoning), "".join(said)) or DIFFERS in errors(answer)
    assert outcome == "clean"


@settings(max_examples=200, deadline=None)
@given(texts, st.data())
def test_a_message_anywhere_among_its_deltas_changes_nothing(said: list[str], data: st.DataObject) -> None:
    whole, at = "".join(said), data.draw(st.integers(0, len(said)))
    deltas = [d(it) for it in said]
    answer, outcome = read("openai-chat", body(*deltas[:at], m(whole), *deltas[at:], STOP))
    assert (answer.text, errors(answer), outcome) == (whole, [], "clean")
