"""Wholes that say more than their deltas, or something else: nothing vanishes, and nothing is told twice.

The tables have the messages of OpenAI's Responses; the properties are of every dialect that repeats things whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_openai_responses import CREATED, call, delta, done, event, item, response, said, sse, text

from cutting import every_way
from test_corpus import NO_CORPUS, ROWS, Row, streams_of
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import (
    BlockStart,
    BlockStop,
    Error,
    ToolCallDelta,
)
from tokenwire.dialects.frames import frames_for
from tokenwire.dialects.pieces import rest_of
from tokenwire.dialects.wholes import DIFFERS

REPEATING = ("openai-responses", "openai-realtime")


def message(*parts: Any, index: Any = 0, step: str = "done", kind: str = "message", **more: Any) -> dict[str, Any]:
    return item(step, kind, index, content=list(parts), **more)


def part(words: Any, kind: str = "output_text") -> dict[str, Any]:
    return {"type": kind, "text": words}


def completed(*output: Any, status: str = "completed") -> dict[str, Any]:
    return response(status, output=list(output))


def of(described: dict[str, Any]) -> dict[str, Any]:
    """The item that a message is about."""
    found: dict[str, Any] = described["item"]
    return found


def answer_of(*messages: Any) -> Answer:
    answer = Answer()
    decoder = Decoder("openai-responses")
    for each in messages:
        answer.add_all(decoder.receive_message(json.dumps(each)))
    answer.add_all(decoder.receive_eof())
    return answer


def summary(answer: Answer) -> tuple[Any, ...]:
    """What was said: text, reasoning, calls; and how many errors told of a difference."""
    errors = sum(isinstance(event, Error) and event.code == DIFFERS for event in answer.events)
    return answer.text, answer.reasoning, [(call.name, call.arguments) for call in answer.all_tools], errors


HELLO = message(part("Hello"), id="m1")
ADD = call("done", arguments='{"a":1}', id="f1")
WHOLE_PART = event("content_part.done", output_index=0, content_index=0, part=part("Hello"))
SUMMARY = {"type": "summary_text", "text": "thought"}

# name: (what stands between created and the end, the end, what was said)
WHOLES: dict[str, tuple[list[Any], Any, tuple[Any, ...]]] = {
    "the rest in the part's end": ([text("Hel"), done("output_text", content_index=0, text="Hello")], completed(),
                                   ("Hello", "", [], 0)),
    "the rest in the part": ([text("Hel"), WHOLE_PART], completed(), ("Hello", "", [], 0)),
    "the rest in the item": ([text("Hel"), HELLO], completed(), ("Hello", "", [], 0)),
    "the rest in the response": ([text("Hel")], completed(of(HELLO)), ("Hello", "", [], 0)),
    "the rest after the part has ended": (
        [text("Hel"), done("output_text", content_index=0, text="Hel"), HELLO], completed(), ("Hello", "", [], 0)),
    "all levels": ([text("Hel"), done("output_text", content_index=0, text="Hello"), WHOLE_PART, HELLO],
                   completed(of(HELLO)), ("Hello", "", [], 0)),
    "only the part": ([WHOLE_PART], completed(), ("Hello", "", [], 0)),
    "only the response": ([], completed(of(HELLO)), ("Hello", "", [], 0)),
    "only a response that is incomplete": ([], completed(of(HELLO), status="incomplete"), ("Hello", "", [], 0)),
    "only a response that failed": ([], completed(of(HELLO), status="failed"), ("Hello", "", [], 0)),
    "only a response that was cancelled": ([], completed(of(HELLO), status="cancelled"), ("Hello", "", [], 0)),
    "only what begins the item": ([message(part("Hello"), step="added")], completed(), ("Hello", "", [], 0)),
    "a beginning that deltas repeat": (
        [message(part("Hel"), step="added"), text("Hel"), text("lo")], completed(), ("Hello", "", [], 0)),
    "other text": ([text("Hxl"), done("output_text", content_index=0, text="Hello"), WHOLE_PART, HELLO],
                   completed(of(HELLO)), ("Hxl", "", [], 1)),
    "less text": ([text("Hello"), done("output_text", content_index=0, text="Hel")], completed(),
                  ("Hello", "", [], 1)),
    "a text that is empty": ([text("Hello"), done("output_text", content_index=0, text="")], completed(),
                             ("Hello", "", [], 0)),
    "text that follows was told": ([text("a"), text("b", content=1), message(part("aA"), part("b"))],
                                   completed(), ("abA", "", [], 1)),
    "the first of two items": ([text("b", 1)], completed(of(HELLO), of(message(part("b"), id="m2"))),
                               ("bHello", "", [], 1)),
    "parts cut otherwise": ([text("He"), text("llo", content=1), HELLO], completed(of(HELLO)), ("Hello", "", [], 0)),
    "the rest of parts cut otherwise": ([text("He"), text("ll", content=1), HELLO], completed(of(HELLO)),
                                        ("Hello", "", [], 0)),
    "a part of another number": ([text("Hel", content=4), HELLO], completed(of(HELLO)), ("Hello", "", [], 0)),
    "half a surrogate pair": ([text("\ud83d"), done("output_text", content_index=0, text="😀!")], completed(),
                              ("😀!", "", [], 0)),
    "numbers": ([text(1), done("output_text", content_index=0, text=12)], completed(), ("12", "", [], 0)),
    "a refusal": ([delta("refusal", "I ", content_index=0), message({"type": "refusal", "refusal": "I won't"})],
                  completed(), ("I won't", "", [], 0)),
    "reasoning": ([delta("reasoning_summary_text", "th", summary_index=0),
                   event("reasoning_summary_part.done", output_index=0, summary_index=0, part=SUMMARY)],
                  completed(of(item("done", "reasoning", summary=[SUMMARY]))), ("", "thought", [], 0)),
    "reasoning whose parts are called text": (
        [item("added", "reasoning"), text("th"), message(part("thought"), kind="reasoning")],
        completed(of(message(part("thought"), kind="reasoning"))), ("", "thought", [], 0)),
    "reasoning whose parts have a new name": ([message(part("thought", "idea"), kind="reasoning")], completed(),
                                              ("", "thought", [], 0)),
    "the rest of arguments": ([call("added"), delta("function_call_arguments", '{"a'),
                               done("function_call_arguments", arguments='{"a":1}'), ADD], completed(of(ADD)),
                              ("", "", [("add", '{"a":1}')], 0)),
    "the rest of arguments in the item": ([call("added"), delta("function_call_arguments", '{"a'), ADD], completed(),
                                          ("", "", [("add", '{"a":1}')], 0)),
    "the rest of arguments in the response": ([call("added", id="f1"), delta("function_call_arguments", '{"a')],
                                              completed(of(ADD)), ("", "", [("add", '{"a":1}')], 0)),
    "arguments after the item has ended": ([call("added"), call("done", id="f1")], completed(of(ADD)),
                                           ("", "", [("add", '{"a":1}')], 1)),
    "other arguments": ([call("added"), delta("function_call_arguments", "7Jq2"),
                         done("function_call_arguments", arguments='{"a":1}'), ADD], completed(of(ADD)),
                        ("", "", [("add", '{"a":1}')], 1)),
    "the same arguments, spaced and ordered otherwise": (
        [call("added"), delta("function_call_arguments", '{"a":1,"b":2}'), call("done", arguments='{"b": 2, "a": 1}')],
        completed(), ("", "", [("add", '{"a":1,"b":2}')], 0)),
    "true is not 1": ([call("added"), delta("function_call_arguments", '{"a":1}'),
                       call("done", arguments='{"a":true}')], completed(), ("", "", [("add", '{"a":true}')], 1)),
    "arguments as an object": ([call("added"), delta("function_call_arguments", '{"a":1'),
                                done("function_call_arguments", arguments={"a": 1, "b": 2})], completed(),
                               ("", "", [("add", '{"a":1,"b":2}')], 0)),
    "a call only in the response": ([], completed(of(ADD)), ("", "", [("add", '{"a":1}')], 0)),
    "a call only in what begins it": ([call("added", arguments='{"a":1}')], completed(),
                                      ("", "", [("add", '{"a":1}')], 0)),
    "an index used twice": ([call("added", id="f1"), done("function_call_arguments", arguments="[1]", item_id="f1"),
                             call("done", id="f1", arguments="[1]"),
                             call("added", id="f2", call_id="c2"),
                             done("function_call_arguments", arguments="[2]", item_id="f2")],
                            completed(), ("", "", [("add", "[1]"), ("add", "[2]")], 0)),
    "an index used twice, and no beginning": ([call("done", id="f1", arguments="[1]"),
                                               call("done", id="f2", call_id="c2", arguments="[2]")], completed(),
                                              ("", "", [("add", "[1]"), ("add", "[2]")], 0)),
    "an index whose second id says so": (
        [text("a", item_id="m1"), text("b", item_id="m1"), text("c", item_id="m2"),
         done("output_text", content_index=0, text="ab", item_id="m1"),
         done("output_text", content_index=0, text="cd", item_id="m2")], completed(), ("abcd", "", [], 0)),
    "a custom tool's input only in its end": (
        [item("added", "custom_tool_call", call_id="c1", name="sql", input=""),
         done("custom_tool_call_input", input="SELECT 1")], completed(), ("", "", [("sql", "SELECT 1")], 0)),
    "a custom tool's other input": (
        [item("added", "custom_tool_call", call_id="c1", name="sql", input=""), delta("custom_tool_call_input", "x"),
         item("done", "custom_tool_call", call_id="c1", name="sql", input="SELECT 1")], completed(),
        ("", "", [("sql", "SELECT 1")], 1)),
    "an MCP call": ([item("added", "mcp_call", name="ask"), delta("mcp_call_arguments", "{"),
                     done("mcp_call_arguments", arguments="{}")], completed(), ("", "", [("ask", "{}")], 0)),
    "code": ([item("added", "code_interpreter_call"), delta("code_interpreter_call_code", "1 +"),
              done("code_interpreter_call_code", code="1 + 1"), item("done", "code_interpreter_call", code="1 + 1")],
             completed(), ("", "", [("code_interpreter", "1 + 1")], 0)),
    "a patch": ([item("added", "apply_patch_call", call_id="c1", operation={"type": "create_file", "path": "x"}),
                 delta("apply_patch_call_operation_diff", "+a"), done("apply_patch_call_operation_diff", diff="+ab")],
                completed(), ("", "", [("apply_patch", "+ab")], 0)),
    "a patch that deletes": ([item("done", "apply_patch_call", operation={"type": "delete_file", "path": "x"})],
                             completed(), ("", "", [("apply_patch", '{"type": "delete_file", "path": "x"}')], 0)),
    "a local shell": ([item("done", "local_shell_call", action={"command": ["ls"]})], completed(),
                      ("", "", [("local_shell", '{"command": ["ls"]}')], 0)),
    "commands of a shell": (
        [item("added", "shell_call", call_id="c1", action={"commands": []}),
         delta("shell_call_command", "l", command_index=0), done("shell_call_command", command="ls", command_index=0),
         delta("shell_call_command", "pw", command_index=1), done("shell_call_command", command="pwd", command_index=1),
         item("done", "shell_call", call_id="c1", action={"commands": ["ls", "pwd", "id"]})],
        completed(), ("", "", [("shell", "ls\npwd\nid")], 0)),
    "commands of which no delta came": (
        [item("added", "shell_call", call_id="c1"), done("shell_call_command", command="ls", command_index=0),
         done("shell_call_command", command="pwd", command_index=1)],
        completed(of(item("done", "shell_call", call_id="c1", action={"commands": ["ls", "pwd"]}))),
        ("", "", [("shell", "ls\npwd")], 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLES)
def test_what_a_whole_says_is_told_once(name: str) -> None:
    messages, end, wanted = WHOLES[name]
    assert summary(answer_of(CREATED, *messages, end)) == wanted


@pytest.mark.parametrize("name", WHOLES)
def test_the_cut_and_the_short_way_make_no_difference_to_wholes(name: str) -> None:
    messages, end, _ = WHOLES[name]
    body = sse(CREATED, *messages, end)
    whole = Decoder("openai-responses").receive_data(body)
    for way in list(every_way(body))[:: max(1, len(body) // 60)]:
        decoder = Decoder("openai-responses")
        assert [it for piece in way for it in decoder.receive_data(piece)] == whole


def test_a_call_that_is_given_anew_replaces_its_block() -> None:
    events = said(call("added"), delta("function_call_arguments", "7Jq2"), ADD)[:-3]
    assert events[:3] == [BlockStart(0, "tool", "c1", "add"), ToolCallDelta(0, "7Jq2"), BlockStop(0)]
    assert isinstance(events[3], Error)
    assert (events[3].code, events[3].fatal) == (DIFFERS, False)
    assert events[4:] == [
        BlockStart(1, "tool", "c1", "add", replaces=0),
        ToolCallDelta(1, '{"a":1}'),
        BlockStop(1),
    ]


def test_a_call_keeps_its_place_when_it_is_given_anew() -> None:
    other = call("added", 1, id="f2", call_id="c2", name="now")
    answer = answer_of(CREATED, call("added", id="f1"), delta("function_call_arguments", "x"), other, ADD, completed())
    assert [(it.tool_id, it.name, it.arguments) for it in answer.tools] == [("c1", "add", '{"a":1}'), ("c2", "now", "")]


def test_code_that_the_server_runs_is_no_call_for_the_client() -> None:
    contained = {"environment": {"type": "container_reference"}, "call_id": "c2"}
    messages = [
        item("added", "code_interpreter_call"),
        delta("code_interpreter_call_code", "1"),
        item("added", "shell_call", 1, **contained),
        delta("shell_call_command", "ls", 1, command_index=0),
    ]
    answer = answer_of(CREATED, *messages, completed())
    assert answer.tools == []
    assert [it.arguments for it in answer.all_tools] == ["1", "ls"]
    assert answer.finish is not None
    assert answer.finish.reason == "stop"
    local = answer_of(CREATED, item("added", "shell_call", call_id="c1"), completed())
    assert local.finish is not None
    assert local.finish.reason == "tool_calls"


# Agents and phases.


def spoken_by(name: str, words: str, index: int, **more: Any) -> list[Any]:
    agent = {"agent": {"agent_name": name}} if name else {}
    return [
        message(step="added", index=index, id=f"m{index}", **agent, **more),
        text(words, index),
        message(part(words), index=index, id=f"m{index}", **agent, **more),
    ]


def test_commentary_is_not_the_answer() -> None:
    messages = [*spoken_by("", "Let me see. ", 0, phase="commentary"), *spoken_by("", "42", 1, phase="final_answer")]
    answer = answer_of(CREATED, *messages, completed())
    assert (answer.text, answer.commentary) == ("42", "Let me see. ")
    starts = [event for event in answer.events if isinstance(event, BlockStart)]
    assert [(start.agent, start.phase) for start in starts] == [("", "commentary"), ("", "final_answer")]


def test_what_a_sub_agent_says_is_not_the_answer() -> None:
    messages = [*spoken_by("/root/researcher", "Found it.", 0, phase="final_answer"), *spoken_by("/root", "42", 1)]
    answer = answer_of(CREATED, *messages, completed())
    assert (answer.text, answer.commentary) == ("42", "Found it.")
    starts = [event for event in answer.events if isinstance(event, BlockStart)]
    assert [start.agent for start in starts] == ["/root/researcher", ""]


def test_an_agent_may_be_named_by_the_delta_alone() -> None:
    answer = answer_of(CREATED, text("x", agent={"agent_name": "helper"}), text("42", 1), completed())
    assert (answer.text, answer.commentary) == ("42", "x")


def test_commentary_alone_is_the_text_unless_a_sub_agent_said_it() -> None:
    assert answer_of(CREATED, *spoken_by("", "I'll look.", 0, phase="commentary"), completed()).text == "I'll look."
    assert answer_of(CREATED, *spoken_by("helper", "I'll look.", 0), completed()).text == ""


def test_a_phase_that_only_a_whole_tells_is_told() -> None:
    answer = answer_of(CREATED, completed(of(message(part("hm"), phase="commentary")), of(message(part("42"), id="b"))))
    assert (answer.text, answer.commentary) == ("42", "hm")


# Deltas that are lost.

WORDS = st.sampled_from(["a", " b", "ab", "\n", "é", "😀", '"', "1"])
TEXT = st.lists(WORDS, min_size=1, max_size=4)


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """An output item, and the pieces in which its texts come."""
    kind = draw(st.sampled_from(["message", "message", "reasoning", "function_call", "custom_tool_call"]))
    if kind.endswith("call"):
        number = draw(st.integers(0, 999))
        return {"type": kind, "name": "add", "pieces": [['{"a"', ":", str(number), "}"]]}
    return {"type": kind, "pieces": draw(st.lists(TEXT, min_size=1, max_size=2))}


def messages_of(output: list[dict[str, Any]], realtime: bool) -> list[dict[str, Any]]:
    """The messages of a response that says all of its output at every level, as OpenAI does."""
    messages: list[dict[str, Any]] = []
    described = [described_item(number, it, realtime) for number, it in enumerate(output)]
    for number, (it, whole) in enumerate(zip(output, described, strict=True)):
        empty = {**whole, **{name: [] for name in ("content", "summary") if name in whole}}
        empty |= {name: "" for name in ("arguments", "input") if name in whole}
        place: dict[str, Any] = {"output_index": number, "item_id": whole["id"]}
        messages.append({"type": "response.output_item.added", "output_index": number, "item": empty})
        for part_number, pieces in enumerate(it["pieces"]):
            run, member, counter = RUNS[it["type"]]
            here = place | ({counter: part_number} if counter else {})
            messages += [{"type": f"response.{run}.delta", **here, "delta": piece} for piece in pieces]
            messages.append({"type": f"response.{run}.done", **here, member: "".join(pieces)})
            if it["type"] == "message":
                part_whole = whole["content"][part_number]
                messages.append({"type": "response.content_part.done", **here, "part": part_whole})
        messages.append({"type": "response.output_item.done", "output_index": number, "item": whole})
    name, status = ("done", "completed") if realtime else ("completed", "completed")
    messages.append({"type": f"response.{name}", "response": {"id": "resp_1", "status": status, "output": described}})
    return [{"type": "response.created", "response": {"id": "resp_1"}}, *messages]


RUNS = {
    "message": ("output_text", "text", "content_index"),
    "reasoning": ("reasoning_summary_text", "text", "summary_index"),
    "function_call": ("function_call_arguments", "arguments", ""),
    "custom_tool_call": ("custom_tool_call_input", "input", ""),
}


def described_item(number: int, it: dict[str, Any], realtime: bool) -> dict[str, Any]:
    whole: dict[str, Any] = {"type": it["type"], "id": f"item_{number}"}
    texts = ["".join(pieces) for pieces in it["pieces"]]
    if it["type"] == "message":
        kind, member = ("output_audio", "transcript") if realtime else ("output_text", "text")
        return whole | {"content": [{"type": kind, member: words} for words in texts]}
    if it["type"] == "reasoning":
        return whole | {"summary": [{"type": "summary_text", "text": words} for words in texts]}
    return whole | {"call_id": f"c{number}", "name": it["name"], RUNS[it["type"]][1]: texts[0]}


def in_realtime(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [it for it in output if it["type"] in ("message", "function_call")]


def heard(dialect: str, messages: list[Any]) -> Answer:
    answer = Answer()
    decoder = Decoder(dialect)
    for it in messages:
        answer.add_all(decoder.receive_message(it if isinstance(it, str) else json.dumps(it)))
    answer.add_all(decoder.receive_eof())
    return answer


def check_without(dialect: str, messages: list[Any], left: list[Any]) -> None:
    """What is left of the messages says the same, or an error says otherwise; and never more."""
    whole, part_of_it = heard(dialect, messages), heard(dialect, left)
    told = any(isinstance(event, Error) and event.code == DIFFERS for event in part_of_it.events)
    assert summary(part_of_it)[:3] == summary(whole)[:3] or told
    assert summary(whole)[3] == 0
    assert [it.arguments for it in part_of_it.all_tools] == [it.arguments for it in whole.all_tools]


@pytest.mark.parametrize("dialect", ["openai-responses", "openai-realtime"])
@settings(max_examples=300, deadline=None)
@given(output=st.lists(items(), min_size=1, max_size=3), data=st.data())
def test_deltas_that_are_lost_are_made_up_for_or_told(
    dialect: str, output: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Whichever deltas are missing, and whichever wholes, as long as the last one comes."""
    realtime = dialect == "openai-realtime"
    messages = messages_of(in_realtime(output) if realtime else output, realtime)
    said_all = heard(dialect, messages)
    assert said_all.text == "".join("".join(map("".join, it["pieces"])) for it in output if it["type"] == "message")
    lossy = [place for place, it in enumerate(messages) if it["type"].endswith((".delta", ".done"))][:-1]
    lossy = lossy if not realtime else [place for place in lossy if messages[place]["type"] != "response.done"]
    lost = data.draw(st.sets(st.sampled_from(lossy)) if lossy else st.just(set()))
    check_without(dialect, messages, [it for place, it in enumerate(messages) if place not in lost])


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=str(row)) for row in ROWS if row.dialect in REPEATING] or [NO_CORPUS]
)
def test_deltas_that_a_recording_loses_are_made_up_for_or_told(row: Row, corpus: Path) -> None:
    random = Random(7)
    for stream in streams_of(corpus, row):
        messages = [it.data for it in frames_for(DIALECTS[row.dialect], "", 1 << 24).receive_data(stream)]
        if not repeats(messages):
            continue
        deltas = [place for place, it in enumerate(messages) if '.delta"' in it]
        for lost in (deltas, deltas[len(deltas) // 2 :], *(random.sample(deltas, len(deltas) // 3) for _ in range(3))):
            missing = set(lost)
            check_without(row.dialect, messages, [it for place, it in enumerate(messages) if place not in missing])


def repeats(messages: list[str]) -> bool:
    """Whether a stream has the wholes of what it says: it ends, and was not cut short by hand."""
    ended = any('"response.completed"' in it or '"response.done"' in it for it in messages)
    return ended and any('.done"' in it for it in messages)


# The rest of a text.


@pytest.mark.parametrize(
    ("told", "whole", "rest"),
    [
        ("", "", ""),
        ("", "a", "a"),
        ("a", "ab", "b"),
        ("a", "a", ""),
        ("ab", "a", None),
        ("ab", "ac", None),
        ("a\ud83d", "a😀b", "\ude00b"),
        ("a\ud83d", "a😁b", "\ude01b"),
        ("a\ud83d", "a🤖b", None),
        ("a\ud83d\ude00", "a😀b", "b"),
        ("a\ud83d", "a\ufffdb", "b"),
        ("a\ud83d", "a\ud83d", ""),
    ],
)
def test_the_rest_of_a_text(told: str, whole: str, rest: str | None) -> None:
    assert rest_of(told, whole) == rest


@given(st.text(), st.text())
def test_a_text_and_its_rest_are_the_whole(told: str, rest: str) -> None:
    assert rest_of(told, told + rest) == rest
