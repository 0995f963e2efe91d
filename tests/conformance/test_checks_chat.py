"""The checks of chat streams on answers made by hand: what they find, and above all what they do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hand_made import answer, choice, chunk, events, tool, verdict
from hypothesis import given
from hypothesis import strategies as st

from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, select
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.reading.transcript import Transcript

USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
FIRST = chunk(choice("", role="assistant"))
LAST = chunk(choice(finish="stop"))
SOUND = [FIRST, chunk(choice("a")), chunk(choice("b")), LAST]
DONE = "[DONE]"

PASSIVE = [check.id for check in select(["chat."], passive_only=True)]


#: What not every stream has: calls of tools, usage, several choices, log probabilities.
NOT_IN_ALL = ("chat.tool", "chat.usage", "chat.finish-tools", "chat.n-choices", "chat.logprobs")


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: member for key, member in value.items() if key != name}


def started(**more: Any) -> dict[str, Any]:
    """The first delta of a tool call, sound but for what is changed."""
    return chunk(tool(**{"index": 0, "id": "1", "type": "function", "name": "f", **more}))


# (check, what comes before [DONE], verdict)
STREAMS: list[tuple[str, list[Any], str]] = [
    *[(check, SOUND, "PASS") for check in PASSIVE if not check.startswith(NOT_IN_ALL)],
    ("chat.object", [chunk(object="chat.completion"), *SOUND], "FAIL"),
    ("chat.object", [chunk(object=...), *SOUND], "FAIL"),
    ("chat.object", [chunk(object=None), *SOUND], "FAIL"),
    ("chat.id-constant", [*SOUND, chunk(id="d")], "FAIL"),
    ("chat.id-constant", [*SOUND, chunk(id=["d"])], "FAIL"),
    ("chat.id-constant", [chunk(id="", model="", created=0, prompt_filter_results=[]), *SOUND], "PASS"),
    ("chat.id-constant", [*SOUND, chunk(id=...)], "PASS"),
    ("chat.created-model-constant", [chunk(id="", model="", created=0), *SOUND], "PASS"),
    ("chat.created-model-constant", [*SOUND, chunk(created=2)], "WARN"),
    ("chat.created-model-constant", [*SOUND, chunk(model="m-2")], "WARN"),
    ("chat.created-model-constant", [*SOUND, chunk(model=..., created=...)], "PASS"),
    ("chat.choices-array", [*SOUND, chunk(choices=...)], "FAIL"),
    ("chat.choices-array", [*SOUND, chunk(choices=None)], "FAIL"),
    ("chat.choices-array", [*SOUND, chunk(choices={"0": choice("a")})], "FAIL"),
    ("chat.choices-array", [*SOUND, chunk("a")], "FAIL"),
    ("chat.choices-array", [*SOUND, chunk()], "PASS"),
    ("chat.choice-index", [chunk({"delta": {}, "finish_reason": None}), *SOUND], "FAIL"),
    ("chat.choice-index", [chunk(choice("a", index=True)), *SOUND], "FAIL"),
    ("chat.choice-index", [chunk(choice("a", index="0")), *SOUND], "FAIL"),
    ("chat.delta-object", [chunk({"index": 0, "finish_reason": None}), *SOUND], "FAIL"),
    ("chat.delta-object", [chunk({"index": 0, "delta": None, "finish_reason": None}), *SOUND], "FAIL"),
    ("chat.role-once", [chunk(choice("a", role="assistant")), *SOUND], "WARN"),
    ("chat.role-once", [chunk(choice("a", role="assistant", index=1)), *SOUND], "PASS"),
    ("chat.role-once", [chunk(choice("a")), chunk(choice("b", role=None)), LAST], "PASS"),
    ("chat.role-once", [chunk(choice("a", role="")), LAST], "WARN"),
    ("chat.role-once", [chunk(choice("a", role=["assistant"])), LAST], "WARN"),
    ("chat.finish-key", [chunk(without(choice("a"), "finish_reason")), LAST], "FAIL"),
    ("chat.finish-key", [chunk(choice("a", "")), LAST], "FAIL"),
    ("chat.finish-key", [chunk(choice("a")), chunk(choice(finish="eos"))], "FAIL"),
    ("chat.finish-key", [chunk(choice("a")), chunk(choice(finish=["stop"]))], "FAIL"),
    ("chat.finish-key", [chunk(choice("a")), chunk(choice(finish="content_filter"))], "PASS"),
    ("chat.finish-once", [chunk(choice("a"))], "FAIL"),
    ("chat.finish-once", [chunk()], "FAIL"),
    ("chat.finish-once", [*SOUND, LAST], "FAIL"),
    ("chat.finish-once", [*SOUND, chunk(choice())], "PASS"),
    ("chat.finish-once", [*SOUND, chunk(usage=USAGE)], "PASS"),
    ("chat.finish-once", [chunk(choice("a"), choice("b", index=1)), LAST], "FAIL"),
    ("chat.finish-once", [chunk(choice("a", "")), LAST], "PASS"),
    ("chat.finish-once", [chunk(choice("a")), {"error": {"message": "failed"}}], "NOT-APPLICABLE"),
    ("chat.finish-once", [chunk(choice("a")), {"error": "failed"}], "NOT-APPLICABLE"),
    ("chat.finish-last", [*SOUND, chunk(choice("c"))], "FAIL"),
    ("chat.finish-last", [*SOUND, chunk(choice(""))], "PASS"),
    ("chat.finish-last", [*SOUND, chunk(choice("c", index=1))], "PASS"),
    ("chat.finish-last", [*SOUND, chunk(choice(), usage=USAGE)], "PASS"),
    ("chat.finish-chunk-empty", [FIRST, chunk(choice("a", "stop"))], "INFO"),
    ("chat.finish-chunk-empty", [FIRST, chunk(choice("", "stop", role="assistant"))], "PASS"),
    ("chat.finish-chunk-empty", [FIRST], "NOT-APPLICABLE"),
    ("chat.done", [*SOUND, DONE], "FAIL"),
    ("chat.done", [*SOUND, {"error": {"message": "failed"}}], "NOT-APPLICABLE"),
    ("chat.content-type-string", [chunk(choice(None)), chunk(choice()), LAST], "PASS"),
    ("chat.content-type-string", [chunk(choice([{"type": "text", "text": "a"}])), LAST], "FAIL"),
    ("chat.content-type-string", [chunk(choice(1)), LAST], "FAIL"),
    ("chat.delta-not-cumulative", [chunk(choice("a" * n)) for n in range(1, 6)], "FAIL"),
    ("chat.delta-not-cumulative", [chunk(choice("a")) for _ in range(6)], "PASS"),
    ("chat.delta-not-cumulative", [chunk(choice(" " * n)) for n in range(1, 6)], "PASS"),
    ("chat.delta-not-cumulative", [chunk(choice(text)) for text in ("1", "10", "100", "1000", " is")], "PASS"),
    ("chat.delta-not-cumulative", [chunk({**choice("a"), "message": {"content": "a"}}), LAST], "FAIL"),
    ("chat.delta-not-cumulative", [chunk({**choice("a"), "message": None}), LAST], "PASS"),
    ("chat.reasoning-field", [chunk(choice(reasoning_content="hm")), LAST], "INFO"),
    ("chat.reasoning-field", [chunk(choice("a", reasoning=None)), LAST], "PASS"),
    ("chat.required", [*SOUND, chunk(created=...)], "FAIL"),
    ("chat.required", [*SOUND, chunk(id=None)], "FAIL"),
    ("chat.required", [chunk(id="", model="", created=0), *SOUND], "PASS"),
    ("chat.required", [*SOUND, {"error": {"message": "failed"}}], "PASS"),
    *[(check, SOUND, "NOT-APPLICABLE") for check in PASSIVE if check.startswith("chat.tool")],
    *[(check, [started(), chunk(tool(0, "{}")), LAST], "PASS") for check in PASSIVE if check.startswith("chat.tool")],
    # What is wrong with an index is one finding, and none rests on it.
    ("chat.choice-index", [chunk(choice("a", "stop", index=number)) for number in ("0", "1")], "FAIL"),
    ("chat.finish-once", [chunk(choice("a", "stop", index=number)) for number in ("0", "1")], "PASS"),
    ("chat.finish-last", [chunk(choice("a", "stop", index=number)) for number in ("0", "1")], "PASS"),
    ("chat.role-once", [chunk(choice("a", index=n, role="assistant")) for n in ("0", "1")] + [LAST], "PASS"),
    (
        "chat.tool-args-json",
        [
            started(index="0", arguments="["),
            started(index="1", id="2", arguments="{"),
            chunk(tool("0", "]")),
            chunk(tool("1", "}")),
            LAST,
        ],
        "PASS",
    ),
    ("chat.tool-index", [started(index=...), LAST], "FAIL"),
    ("chat.tool-index", [started(index="0"), LAST], "FAIL"),
    ("chat.tool-index", [chunk(choice(tool_calls={"id": "1"})), LAST], "FAIL"),
    ("chat.tool-index", [chunk(choice("a", tool_calls=None)), LAST], "NOT-APPLICABLE"),
    ("chat.tool-index", [chunk(choice("a", tool_calls=[])), LAST], "NOT-APPLICABLE"),
    ("chat.tool-index-unique", [started(), started(id="2"), LAST], "FAIL"),
    ("chat.tool-index-unique", [started(), started(id="2", index=1), LAST], "PASS"),
    ("chat.tool-index-unique", [started(index=...), started(id="2", index=...), LAST], "PASS"),
    ("chat.tool-index-unique", [started(), chunk(tool(0, "{}", id="")), LAST], "PASS"),
    ("chat.tool-first-delta", [started(name=""), LAST], "FAIL"),
    ("chat.tool-first-delta", [started(id=None), LAST], "FAIL"),
    ("chat.tool-first-delta", [started(type=...), LAST], "FAIL"),
    ("chat.tool-first-delta", [started(), started(id="2", name=""), LAST], "FAIL"),
    ("chat.tool-id-once", [started(), started(name=...), LAST], "WARN"),
    ("chat.tool-id-once", [started(), chunk(tool(0, "{}", name="f")), LAST], "WARN"),
    ("chat.tool-id-once", [started(), chunk(tool(0, "{}", id="", name="")), LAST], "PASS"),
    ("chat.tool-id-once", [started(), started(id="2"), LAST], "PASS"),
]


@pytest.mark.parametrize(("check", "payloads", "expected"), STREAMS)
def test_a_stream_gets_its_verdict(check: str, payloads: list[Any], expected: str) -> None:
    result = verdict(check, answer(events(*payloads, DONE)))
    assert result.verdict == expected, (result.message, payloads)


ENDS = [
    (events(*SOUND, DONE), "whole", "PASS"),
    (events(*SOUND), "whole", "FAIL"),
    (events(*SOUND), "cut", "FAIL"),
    (events(*SOUND), "left", "INCONCLUSIVE"),
    (events(*SOUND, DONE, DONE), "whole", "FAIL"),
    (events(*SOUND[:-1], DONE, LAST), "whole", "FAIL"),
    (events(*SOUND, DONE).rstrip("\n"), "whole", "PASS"),  # there, though unclosed: sse.final-blank-line says so
    (events(*SOUND, DONE) + ": bye\n\n", "whole", "PASS"),
    (events(DONE), "whole", "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("body", "end", "expected"), ENDS)
def test_the_end_mark(body: str, end: str, expected: str) -> None:
    assert verdict("chat.done", answer(body, end=end)).verdict == expected


@pytest.mark.parametrize("check", PASSIVE)
def test_a_stream_that_we_left_is_not_judged_for_its_end(check: str) -> None:
    raw = events(*SOUND, DONE).encode()
    for place in range(len(raw)):
        result = verdict(check, answer(raw[:place], end="left"))
        assert result.verdict in ("PASS", "INCONCLUSIVE"), (raw[:place], result.message)


def test_a_stream_that_was_cut_lacks_its_finish_and_its_mark() -> None:
    made = answer(events(*SOUND[:2]), end="cut")
    assert {check for check in PASSIVE if verdict(check, made).verdict == "FAIL"} == {"chat.finish-once", "chat.done"}
    assert "was cut" in verdict("chat.done", made).message


COUNTING = {"model": "m", "max_tokens": 3, "stream": True}

# (pieces, finish_reason, usage, what another question is answered, verdict, a part of the message)
LIMITED = [
    (["One", ",", " two"], "length", None, "Hello.", "PASS", ""),
    (["One", ",", " two"], "stop", None, "Hello.", "FAIL", "3 tokens were allowed, 3 came"),
    (["One", ",", " two"], "stop", None, "One, two", "INCONCLUSIVE", "too short"),
    (["I", " cannot"], "stop", None, "Hello.", "INCONCLUSIVE", "too short"),
    (["One, two"], "stop", None, "Hello.", "INCONCLUSIVE", "too short"),
    (["one "] * 14, "stop", None, "Hello.", "FAIL", "14 words came"),
    (["one " * 14], "stop", None, "one " * 14, "FAIL", "14 words came"),
    (["One, two"], "stop", {"completion_tokens": 40}, "Hello.", "FAIL", "usage counts 40"),
    (["One, two"], "stop", {"completion_tokens": "40"}, "Hello.", "INCONCLUSIVE", "too short"),
    (["One"], None, None, "Hello.", "INCONCLUSIVE", "no finish_reason"),
]


@pytest.mark.parametrize(("pieces", "finish", "usage", "other", "expected", "message"), LIMITED)
def test_a_token_limit(
    pieces: list[str], finish: str | None, usage: Any, other: str, expected: str, message: str
) -> None:
    body = events(FIRST, *[chunk(choice(piece)) for piece in pieces], chunk(choice(finish=finish), usage=usage), DONE)
    plain = answer(events(FIRST, chunk(choice(other)), LAST, DONE))
    result = verdict("chat.finish-length", plain, answer(body, "length", ask=COUNTING))
    assert (result.verdict, message in result.message) == (expected, True), result.message


NULL = {"usage": None}

# (chunks before [DONE], usage-chunk, usage-null, usage-sums)
USAGES: list[tuple[list[Any], str, str, str]] = [
    ([chunk(choice("a"), **NULL), {**LAST, **NULL}, chunk(usage=USAGE)], "PASS", "PASS", "PASS"),
    ([chunk(choice("a")), LAST, chunk(usage=USAGE)], "PASS", "WARN", "PASS"),
    ([chunk(choice("a")), LAST], "FAIL", "NOT-APPLICABLE", "NOT-APPLICABLE"),
    ([chunk(choice("a"), **NULL), {**LAST, **NULL}], "FAIL", "PASS", "NOT-APPLICABLE"),
    ([chunk(choice("a"), **NULL), {**LAST, "usage": USAGE}], "FAIL", "PASS", "PASS"),
    ([chunk(choice("a"), **NULL), {**LAST, **NULL}, chunk(choice(), usage=USAGE)], "FAIL", "PASS", "PASS"),
    ([chunk(usage=USAGE), {**LAST, **NULL}], "FAIL", "PASS", "PASS"),
    ([{**LAST, **NULL}, chunk(usage=USAGE), chunk(usage=USAGE)], "FAIL", "WARN", "PASS"),
    ([{**LAST, **NULL}, chunk(choices=..., usage=USAGE)], "PASS", "PASS", "PASS"),
    ([{**LAST, "usage": USAGE}, chunk(usage=USAGE)], "PASS", "WARN", "PASS"),
    ([{**LAST, **NULL}, chunk(usage={**USAGE, "total_tokens": 4})], "PASS", "PASS", "WARN"),
    ([{**LAST, **NULL}, chunk(usage={**USAGE, "total_tokens": "5"})], "PASS", "PASS", "WARN"),
    ([{**LAST, **NULL}, chunk(usage={})], "PASS", "PASS", "WARN"),
    (
        [
            {**LAST, "usage": USAGE},
            chunk(usage={"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}),
        ],
        "PASS",
        "WARN",
        "WARN",
    ),
]


WANTS_USAGE = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(("chunks", "own", "null", "sums"), USAGES)
def test_usage(chunks: list[Any], own: str, null: str, sums: str) -> None:
    made = answer(events(*chunks, DONE), "any", ask=WANTS_USAGE)
    verdicts = [str(verdict(f"chat.usage-{name}", made).verdict) for name in ("chunk", "null", "sums")]
    assert verdicts == [own, null, sums]


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([LAST], "no chunk has usage"),
        ([{**LAST, "usage": USAGE}], "`choices` is not empty"),
        ([chunk(usage=USAGE), LAST], "not the last"),
        ([LAST, chunk(usage=USAGE), chunk(usage=USAGE)], "more than one chunk"),
    ],
)
def test_it_is_said_what_is_wrong_with_usage(chunks: list[Any], message: str) -> None:
    assert message in verdict("chat.usage-chunk", answer(events(*chunks, DONE), "any", ask=WANTS_USAGE)).message


def test_usage_after_the_end_mark_does_not_come_before_it() -> None:
    made = answer(events(LAST, DONE, chunk(usage=USAGE)), "any", ask=WANTS_USAGE)
    assert verdict("chat.usage-chunk", made).verdict == "FAIL"


TOOLS = {"model": "m", "stream": True, "tools": []}


def tools(*payloads: Any, finish: str | None = "tool_calls") -> Transcript:
    return answer(events(*payloads, chunk(choice(finish=finish)), DONE), "tools", ask=TOOLS)


# (chunks, finish_reason, finish-tools, tool-args-json)
CALLS: list[tuple[list[Any], str | None, str, str]] = [
    ([started(), chunk(tool(0, '{"a"')), chunk(tool(0, ":1}"))], "tool_calls", "PASS", "PASS"),
    ([started(arguments="{}")], "stop", "WARN", "PASS"),
    ([started(arguments='{"a"')], "length", "NOT-APPLICABLE", "NOT-APPLICABLE"),
    ([started(arguments='{"a"')], "tool_calls", "PASS", "WARN"),
    ([started(arguments="")], "tool_calls", "PASS", "WARN"),
    ([started(arguments={"a": 1})], "tool_calls", "PASS", "WARN"),
    ([started(arguments="{}")], None, "NOT-APPLICABLE", "NOT-APPLICABLE"),
    ([started(arguments="{}"), started(id="2", arguments="{}")], "tool_calls", "PASS", "PASS"),
    ([started(index=..., arguments="{}"), started(index=..., id="2", arguments="{}")], "tool_calls", "PASS", "PASS"),
    ([chunk(choice("I cannot."))], "stop", "NOT-APPLICABLE", "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("chunks", "finish", "finish_tools", "arguments"), CALLS)
def test_tool_calls(chunks: list[Any], finish: str | None, finish_tools: str, arguments: str) -> None:
    made = tools(*chunks, finish=finish)
    assert verdict("chat.finish-tools", made).verdict == finish_tools
    assert verdict("chat.tool-args-json", made).verdict == arguments


def whole(message: Any, probe: str) -> Transcript:
    body = json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]})
    return answer(body, probe, content_type="application/json", ask={"model": "m"})


CALLED = {"content": None, "tool_calls": [{"id": "1"}]}


@pytest.mark.parametrize(
    ("streamed", "message", "expected"),
    [
        ([started()], CALLED, "PASS"),
        ([chunk(choice("a"))], CALLED, "WARN"),
        ([started()], {"content": "a"}, "WARN"),
        ([chunk(choice("a"))], {"content": "a"}, "NOT-APPLICABLE"),
        ([started()], "junk", "INCONCLUSIVE"),
    ],
)
def test_tool_calls_streamed_or_not(streamed: list[Any], message: Any, expected: str) -> None:
    result = verdict("chat.tools-same-as-nonstream", tools(*streamed), whole(message, "tools-whole"))
    assert result.verdict == expected


@pytest.mark.parametrize(
    ("payloads", "end", "why"),
    [([], "left", "still coming when its time was up"), ([{"error": {"message": "no"}}], "whole", "failed")],
)
def test_an_answer_that_we_left_is_not_said_to_have_failed(payloads: list[Any], end: str, why: str) -> None:
    made = answer(events(started(), *payloads), "tools", ask=TOOLS, end=end)
    result = verdict("chat.tools-same-as-nonstream", made, whole(CALLED, "tools-whole"))
    assert result.verdict == "INCONCLUSIVE"
    assert why in result.message


def test_a_refusal_of_tools_decides_nothing() -> None:
    refused = answer('{"error": {"message": "no tools here"}}', "tools", status=400, content_type="application/json")
    for check in ("chat.finish-tools", "chat.tool-args-json"):
        assert verdict(check, refused).verdict == "NOT-APPLICABLE"
    assert verdict("chat.tools-same-as-nonstream", refused).verdict == "INCONCLUSIVE"


BOTH = [chunk(choice("a")), chunk(choice("b", index=1)), LAST, chunk(choice(finish="stop", index=1))]


TWO = {"model": "m", "stream": True, "n": 2}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (answer(events(*BOTH, DONE), "choices", ask=TWO), "PASS"),
        (answer(events(*SOUND, DONE), "choices", ask=TWO), "WARN"),
        (answer(events(*SOUND, DONE), "any.wire.jsonl", ask=TWO), "WARN"),
        (answer(events(*SOUND, DONE), "any.wire.jsonl"), "NOT-APPLICABLE"),
        (answer(events(FIRST, LAST, DONE), "choices", ask=TWO), "INCONCLUSIVE"),
        (answer(events(*BOTH[:1]), "choices", ask=TWO, end="left"), "INCONCLUSIVE"),
        (answer("{}", "choices", ask=TWO, status=400, content_type="application/json"), "NOT-APPLICABLE"),
        (answer("{}", "choices", ask=TWO, status=429, content_type="application/json"), "NOT-APPLICABLE"),
    ],
)
def test_two_choices(made: Transcript, expected: str) -> None:
    assert verdict("chat.n-choices", made).verdict == expected


def measured(content: str, *tokens: Any) -> dict[str, Any]:
    """A chunk whose content has log probabilities."""
    entries = [token if isinstance(token, dict) else {"token": token} for token in tokens]
    return chunk({**choice(content), "logprobs": {"content": entries}})


HALF, OTHER_HALF = {"token": "\ufffd", "bytes": [0xC3]}, {"token": "\ufffd", "bytes": [0xA9]}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([measured("a", "a"), measured("b", "b")], "PASS"),
        ([measured("ab", "a", "b")], "PASS"),
        ([measured("", "a"), measured("ab", "b")], "PASS"),  # what may begin a stop sequence is held back
        ([measured("", HALF), measured("é", OTHER_HALF)], "PASS"),
        ([measured("a", "a"), measured("", HALF)], "PASS"),  # the limit cut a character
        ([measured("a", {"token": "a", "bytes": None})], "PASS"),
        ([measured("a"), measured("b", "a")], "WARN"),
        ([measured(" a", "a")], "WARN"),
        ([chunk(choice("a"))], "NOT-APPLICABLE"),
        ([chunk({**choice("a"), "logprobs": None})], "NOT-APPLICABLE"),
        ([chunk({**choice("a"), "logprobs": {"content": "junk"}})], "NOT-APPLICABLE"),
    ],
)
def test_log_probabilities(chunks: list[Any], expected: str) -> None:
    assert verdict("chat.logprobs-aligned", answer(events(*chunks, LAST, DONE), "logprobs")).verdict == expected


@pytest.mark.parametrize(
    ("streamed", "message", "expected"),
    [
        (["a", "b"], {"content": "ab"}, "PASS"),
        (["a", "b"], {"content": "abc"}, "INFO"),
        (["a", "b"], {"content": ""}, "INCONCLUSIVE"),
        (["a", "b"], {"content": [{"type": "text"}]}, "INCONCLUSIVE"),
        (["\ud83d", "\ude00"], {"content": "😀"}, "PASS"),
    ],
)
def test_the_same_text_streamed_or_not(streamed: list[str], message: Any, expected: str) -> None:
    texts = [json.dumps(chunk(choice(piece))) for piece in streamed]
    made = answer(events(*texts, LAST, DONE), "logprobs")
    assert verdict("chat.stream-equals-nonstream", made, whole(message, "whole")).verdict == expected


# Junk.

names = st.sampled_from(
    [
        "id", "object", "created", "model", "choices", "index", "delta", "role", "content", "tool_calls", "function",
        "name", "arguments", "type", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "total_tokens",
        "logprobs", "token", "bytes", "message", "error", "custom", "reasoning",
    ]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers(-2, 300) | st.floats(allow_nan=False) | st.sampled_from(
    ["", "a", "stop", "length", "tool_calls", "assistant", "function", "\ud83d", "\u2028", "chat.completion.chunk"]
)  # fmt: skip
junk = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4))


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """A chunk that is sound but for a member or two, at any depth."""
    value: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from([*SOUND, started(), measured("a", "a")]))))
    for _ in range(draw(st.integers(1, 2))):
        place: Any = value
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if draw(st.booleans()) or not isinstance(place[key], dict | list):
                place[key] = draw(junk)
                break
            place = place[key]
    return value


@given(st.lists(broken() | junk, max_size=6), st.sampled_from(["whole", "cut", "left"]), st.booleans())
def test_no_junk_makes_a_check_fail_itself(payloads: list[Any], end: str, marked: bool) -> None:
    body = events(*map(json.dumps, payloads), *([DONE] if marked else []))
    probes = ("stream", "usage", "length", "tools", "choices", "logprobs")
    made = [answer(body, probe, end=end) for probe in probes]
    made += [
        answer(
            json.dumps(payloads[0] if payloads else None), probe, content_type="application/json", ask={"model": "m"}
        )
        for probe in ("whole", "tools-whole")
    ]
    results = judge_all(Case(made), select(["sse.", "chat."]))
    assert [result for result in results if result.verdict is Verdict.HARNESS_ERROR] == []
    assert json.dumps([result.as_json() for result in results], ensure_ascii=False).encode()  # it can be printed
