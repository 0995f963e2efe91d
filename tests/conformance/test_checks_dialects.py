"""The checks of Responses, Anthropic, Gemini and Ollama on answers made by hand: what they find, and what not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hand_made import answer, events, named, verdict

from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.reading.transcript import Transcript

Payload = dict[str, Any]
Row = tuple[str, list[Payload], str]

PATHS = {
    "anth": "/v1/messages",
    "resp": "/v1/responses",
    "gem": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
}


def passive(group: str) -> list[str]:
    return [check.id for check in select([f"{group}."], passive_only=True)]


def lines(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def streamed(group: str, payloads: Sequence[Payload], **more: Any) -> Transcript:
    write = {"anth": named, "resp": named, "gem": events, "ollama": lines}[group]
    kind = "application/x-ndjson" if group == "ollama" else "text/event-stream"
    return answer(write(*payloads), path=PATHS[group], content_type=kind, **more)


# Anthropic.

START: Payload = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1},
    },
}  # fmt: skip
PING: Payload = {"type": "ping"}
FAILED: Payload = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
STOP: Payload = {"type": "message_stop"}


def block(index: Any, kind: str = "text", **more: Any) -> Payload:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **more}}


def delta(index: Any, kind: str = "text_delta", **more: Any) -> Payload:
    said = more or {"text": "a"}
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


def stop(index: Any) -> Payload:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str | None = "end_turn", usage: Any = 5) -> Payload:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": usage}}


TEXT = [block(0, text=""), delta(0), delta(0), stop(0)]
END = [ended(), STOP]
MESSAGE = [START, PING, *TEXT, *END]
TOOL = [
    block(0, "tool_use", id="t", name="f", input={}),
    delta(0, "input_json_delta", partial_json=""),
    delta(0, "input_json_delta", partial_json="{}"),
    stop(0),
]
THINKING = [
    block(0, "thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="hm"),
    delta(0, "signature_delta", signature="s"),
    stop(0),
]


def begun(**change: Any) -> Payload:
    message = {name: value for name, value in {**START["message"], **change}.items() if value is not ...}
    return {**START, "message": message}


ANTHROPIC: list[Row] = [
    *[
        (c, [START, *TOOL, ended("tool_use"), STOP], "PASS")
        for c in passive("anth")
        if c not in ("anth.error-shape", "anth.signature", "anth.text-start-empty")
    ],
    *[
        (c, MESSAGE, "PASS")
        for c in passive("anth")
        if c not in ("anth.error-shape", "anth.signature", "anth.tool-input-empty", "anth.tool-json")
    ],
    ("anth.signature", [START, *THINKING, *END], "PASS"),
    ("anth.text-start-empty", [START, *THINKING, *END], "PASS"),
    ("anth.text-start-empty", [START, block(0, text="a"), delta(0, text="a"), *MESSAGE[3:]], "WARN"),
    ("anth.text-start-empty", [START, block(0, text="a"), delta(0, text="b"), *MESSAGE[3:]], "WARN"),
    ("anth.text-start-empty", [START, block(0, "thinking", thinking="a"), *MESSAGE[3:]], "WARN"),
    ("anth.signature", [START, THINKING[0], THINKING[1], stop(0), *END], "WARN"),
    ("anth.signature", [START, THINKING[0], THINKING[2], THINKING[1], stop(0), *END], "WARN"),
    ("anth.signature", [START, block(0, "redacted_thinking", data="x"), stop(0), *END], "NOT-APPLICABLE"),
    ("anth.start-first", [PING, *MESSAGE], "PASS"),
    ("anth.start-first", [TEXT[0], START, *TEXT[1:], *END], "FAIL"),
    ("anth.start-first", [START, *MESSAGE], "FAIL"),
    ("anth.start-first", [FAILED], "NOT-APPLICABLE"),
    *[
        ("anth.message-start-shape", [begun(**{name: ...}), *TEXT, *END], "FAIL")
        for name in ("id", "role", "model", "content", "usage")
    ],
    ("anth.message-start-shape", [begun(stop_reason="end_turn"), *TEXT, *END], "FAIL"),
    ("anth.message-start-shape", [begun(stop_reason=..., content=[]), *TEXT, *END], "PASS"),
    ("anth.message-start-shape", [{"type": "message_start"}, *TEXT, *END], "FAIL"),
    ("anth.blocks-bracketed", [START, *TEXT[:-1], *END], "FAIL"),
    ("anth.blocks-bracketed", [START, *TEXT, delta(0), *END], "FAIL"),
    ("anth.blocks-bracketed", [START, *TEXT, stop(0), *END], "FAIL"),
    ("anth.blocks-bracketed", [START, delta(0), *END], "FAIL"),
    ("anth.blocks-bracketed", [START, *TEXT[:-1], FAILED], "PASS"),
    ("anth.blocks-bracketed", [START, block(0, "web_search_tool_result", content=[]), stop(0), *END], "PASS"),
    ("anth.block-index", [START, *TEXT, block(0), stop(0), *END], "FAIL"),
    ("anth.block-index", [START, block(1), stop(1), *END], "FAIL"),
    ("anth.block-index", [START, *TEXT, block(1), stop(1), *END], "PASS"),
    ("anth.block-index", [START, block(None), stop(None), *END], "FAIL"),
    ("anth.no-overlap", [START, block(0), block(1), stop(0), stop(1), *END], "WARN"),
    ("anth.no-overlap", [START, block(0), block(1), stop(1), *END], "PASS"),  # never closed: another check says so
    ("anth.delta-kind", [START, TOOL[0], delta(0), stop(0), *END], "FAIL"),
    ("anth.delta-kind", [START, block(0), delta(0, "citations_delta", citation={}), stop(0), *END], "PASS"),
    (
        "anth.delta-kind",
        [START, block(0, "compaction"), delta(0, "compaction_delta", content="c"), stop(0), *END],
        "PASS",
    ),
    ("anth.empty-delta", [START, block(0), delta(0, text=""), stop(0), *END], "WARN"),
    ("anth.empty-delta", [START, TOOL[0], TOOL[2], TOOL[1], stop(0), *END], "WARN"),
    ("anth.tool-input-empty", [START, block(0, "tool_use", id="t", name="f"), stop(0), *END], "WARN"),
    ("anth.tool-input-empty", [START, block(0, "tool_use", id="t", name="f", input={"a": 1}), stop(0), *END], "WARN"),
    ("anth.stop-reason", [START, *TEXT, STOP], "FAIL"),
    ("anth.stop-reason", [START, *TEXT, ended(None), STOP], "FAIL"),
    ("anth.stop-reason", [START, *TEXT, STOP, ended()], "FAIL"),
    ("anth.message-stop", [START, *TEXT, ended()], "FAIL"),
    ("anth.message-stop", [*MESSAGE, STOP], "FAIL"),
    ("anth.message-stop", [*MESSAGE, PING], "FAIL"),
    ("anth.message-stop", [START, *TEXT, FAILED], "NOT-APPLICABLE"),
    ("anth.usage", [START, *TEXT, ended(usage=0), STOP], "FAIL"),
    ("anth.usage", [START, *TEXT, ended(usage=None), STOP], "FAIL"),
    ("anth.usage", [START, *TEXT, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP], "FAIL"),
    ("anth.usage", [START, *TEXT, STOP], "NOT-APPLICABLE"),
    ("anth.error-shape", [START, FAILED], "PASS"),
    ("anth.error-shape", [START, {"type": "error", "message": "Overloaded"}], "FAIL"),
    ("anth.error-shape", [START, {"type": "error", "error": {"message": "Overloaded"}}], "FAIL"),
    ("anth.error-shape", MESSAGE, "NOT-APPLICABLE"),
]


# OpenAI's Responses.

ITEM: Payload = {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
CALL: Payload = {
    "id": "fc_1", "type": "function_call", "status": "in_progress", "name": "f", "call_id": "c", "arguments": ""
}  # fmt: skip
PART: Payload = {"type": "output_text", "text": "", "annotations": []}


def done_item(text: str = "ab", **more: Any) -> Payload:
    return {**ITEM, "status": "completed", "content": [{**PART, "text": text}], **more}


def part(kind: str, **more: Any) -> Payload:
    return {"type": f"response.{kind}", "item_id": "msg_1", "output_index": 0, "content_index": 0, **more}


def item(kind: str, value: Payload, index: Any = 0) -> Payload:
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": value}


def response(kind: str, output: Sequence[Payload] = (), id: str = "resp_1") -> Payload:  # noqa: A002 - as it is called
    return {"type": f"response.{kind}", "response": {"id": id, "object": "response", "output": list(output)}}


CREATED, ADDED = response("created"), item("added", ITEM)
PART_ADDED = part("content_part.added", part=PART)
DELTAS = [part("output_text.delta", delta=text) for text in "ab"]
TEXT_DONE = part("output_text.done", text="ab")
PART_DONE = part("content_part.done", part={**PART, "text": "ab"})
ITEM_DONE = item("done", done_item())
COMPLETED = response("completed", [done_item()])
ANSWER = [CREATED, ADDED, PART_ADDED, *DELTAS, TEXT_DONE, PART_DONE, ITEM_DONE, COMPLETED]
CALL_DONE = {**CALL, "status": "completed", "arguments": "{}"}
CALLED = [
    CREATED,
    item("added", CALL),
    {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 0, "delta": "{}"},
    {"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 0, "arguments": "{}"},
    item("done", CALL_DONE),
    response("completed", [CALL_DONE]),
]
ERROR: Payload = {"type": "error", "error": {"type": "server_error", "code": "failed", "message": "Failed."}}


def without(payloads: list[Payload], *left_out: Payload) -> list[Payload]:
    return [payload for payload in payloads if payload not in left_out]


def renamed(payloads: list[Payload], old: Payload, new: Payload) -> list[Payload]:
    return [new if payload == old else payload for payload in payloads]


_OF_ERRORS = ("resp.error-then-failed", "resp.error-shape")
_OF_TEXT = ("resp.part-lifecycle", "resp.delta-sum")

RESPONSES: list[Row] = [
    *[(c, ANSWER, "PASS") for c in passive("resp") if c not in (*_OF_ERRORS, "resp.fn-args")],
    *[(c, CALLED, "PASS") for c in passive("resp") if c not in (*_OF_ERRORS, *_OF_TEXT)],
    ("resp.required-fields", without([*ANSWER[:-1], {"type": "response.completed"}]), "FAIL"),
    ("resp.required-fields", renamed(ANSWER, PART_ADDED, part("content_part.added")), "FAIL"),
    ("resp.ext-prefix", [*ANSWER[:3], {"type": "response.speed"}, *ANSWER[3:]], "INFO"),
    ("resp.ext-prefix", [*ANSWER[:3], {"type": "acme:speed"}, *ANSWER[3:]], "PASS"),
    ("resp.ext-prefix", [*ANSWER[:3], {"type": "response.web_search_call.searching"}, *ANSWER[3:]], "PASS"),
    ("resp.created-first", ANSWER[1:], "FAIL"),
    ("resp.created-first", [ERROR], "NOT-APPLICABLE"),
    ("resp.response-id", [*ANSWER[:-1], response("completed", [done_item()], id="resp_2")], "WARN"),
    ("resp.terminal-once", ANSWER[:-1], "FAIL"),
    ("resp.terminal-once", [*ANSWER, COMPLETED], "FAIL"),
    ("resp.terminal-once", [*ANSWER[:-2], COMPLETED, ITEM_DONE], "FAIL"),
    ("resp.terminal-once", [CREATED, response("failed")], "PASS"),
    ("resp.terminal-once", [CREATED, ERROR], "NOT-APPLICABLE"),
    ("resp.final-output", [*ANSWER[:-1], response("completed")], "FAIL"),
    ("resp.final-output", [*ANSWER[:-1], response("completed", [done_item("abc")])], "FAIL"),
    ("resp.final-output", [*ANSWER[:-1], response("completed", [done_item(encrypted_content="other")])], "PASS"),
    ("resp.final-output", [*ANSWER[:-1], {"type": "response.completed", "response": {"id": "resp_1"}}], "FAIL"),
    ("resp.item-added-first", without(ANSWER, ADDED), "FAIL"),
    ("resp.added-complete", renamed(ANSWER, ADDED, item("added", {**ITEM, "role": None})), "WARN"),
    ("resp.added-complete", renamed(CALLED, item("added", CALL), item("added", {**CALL, "name": None})), "WARN"),
    ("resp.status-field", renamed(ANSWER, ADDED, item("added", {**ITEM, "status": None})), "WARN"),
    ("resp.status-field", [CREATED, item("added", {"type": "reasoning", "id": "rs_1", "summary": []})], "PASS"),
    ("resp.item-id", renamed(ANSWER, DELTAS[0], {**DELTAS[0], "item_id": "msg_2"}), "FAIL"),
    ("resp.item-id", renamed(ANSWER, DELTAS[0], {k: v for k, v in DELTAS[0].items() if k != "item_id"}), "FAIL"),
    ("resp.indexes", [{**e, "output_index": 1} if "output_index" in e else e for e in ANSWER], "WARN"),
    ("resp.indexes", [{k: v for k, v in e.items() if k != "output_index"} for e in ANSWER], "WARN"),
    ("resp.indexes", [{**e, "content_index": 1} if "content_index" in e else e for e in ANSWER], "WARN"),
    ("resp.item-done", without(ANSWER, ITEM_DONE), "FAIL"),
    ("resp.item-done", [*without(ANSWER, ITEM_DONE)[:-1], response("incomplete")], "NOT-APPLICABLE"),
    ("resp.no-update-after-done", [*ANSWER[:-1], DELTAS[0], COMPLETED], "FAIL"),
    ("resp.part-lifecycle", without(ANSWER, PART_ADDED), "FAIL"),
    ("resp.part-lifecycle", without(ANSWER, TEXT_DONE), "FAIL"),
    ("resp.part-lifecycle", without(ANSWER, PART_DONE), "FAIL"),
    (
        "resp.part-lifecycle",
        [CREATED, ADDED, PART_ADDED, DELTAS[0], TEXT_DONE, DELTAS[1], PART_DONE, ITEM_DONE, COMPLETED],
        "FAIL",
    ),
    ("resp.part-lifecycle", [CREATED, ADDED, PART_ADDED, DELTAS[0], response("failed")], "PASS"),
    ("resp.delta-sum", without(ANSWER, DELTAS[1]), "FAIL"),
    ("resp.delta-sum", without(ANSWER, *DELTAS), "PASS"),
    ("resp.fn-args", without(CALLED, CALLED[3]), "FAIL"),
    ("resp.fn-args", renamed(CALLED, CALLED[2], {**CALLED[2], "delta": "{"}), "FAIL"),
    ("resp.fn-args", renamed(CALLED, CALLED[4], item("done", {**CALL_DONE, "arguments": "[]"})), "FAIL"),
    ("resp.fn-args", [json.loads(json.dumps(e).replace('"{}"', '"{"')) for e in CALLED], "FAIL"),
    ("resp.error-then-failed", [CREATED, ERROR], "FAIL"),
    ("resp.error-then-failed", [CREATED, ERROR, response("failed")], "PASS"),
    ("resp.error-then-failed", [ERROR], "NOT-APPLICABLE"),
    ("resp.error-shape", [CREATED, ERROR, response("failed")], "PASS"),
    ("resp.error-shape", [CREATED, {"type": "error", "code": "failed", "message": "Failed.", "param": None}], "PASS"),
    ("resp.error-shape", [CREATED, {"type": "error", "error": "Failed."}], "WARN"),
    ("resp.error-shape", [CREATED, {"type": "error", "error": {"message": "Failed."}}], "WARN"),
]


# Gemini.


def said(*parts: Payload, finish: Any = None, usage: bool = True, **more: Any) -> Payload:
    candidate: Payload = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **({"usageMetadata": {"totalTokenCount": 3}} if usage else {}), **more}


A, B, LAST = said({"text": "a"}), said({"text": "b"}), said({"text": ""}, finish="STOP")
GOOGLES: Payload = {"error": {"code": 500, "message": "Failed.", "status": "INTERNAL"}}

_OTHER_GEMINI = ("gem.error-shape", "gem.fn-whole", "gem.json-array")

GEMINI: list[Row] = [
    *[(c, [A, B, LAST], "PASS") for c in passive("gem") if c not in _OTHER_GEMINI],
    ("gem.shape", [A, {"choices": []}, LAST], "FAIL"),
    ("gem.shape", [A, {"candidates": {}}, LAST], "FAIL"),
    ("gem.shape", [{"promptFeedback": {"blockReason": "SAFETY"}}], "PASS"),
    ("gem.finish-final", [said({"text": "a"}, finish="STOP"), LAST], "PASS"),
    ("gem.finish-final", [said({"text": "a"}, finish="STOP"), B, LAST], "FAIL"),
    ("gem.finish-final", [said({"text": "a"}, finish="FINISH_REASON_UNSPECIFIED"), B, LAST], "PASS"),
    ("gem.finish-present", [A, B], "FAIL"),
    ("gem.finish-present", [A, said(finish="MAX_TOKENS")], "PASS"),
    ("gem.finish-present", [A, {"candidates": [{"finishReason": "SAFETY"}]}], "PASS"),
    ("gem.finish-present", [{"promptFeedback": {"blockReason": "SAFETY"}}], "NOT-APPLICABLE"),
    ("gem.finish-present", [A, GOOGLES], "NOT-APPLICABLE"),
    ("gem.usage", [A, said(finish="STOP", usage=False)], "WARN"),
    ("gem.error-shape", [A, GOOGLES], "PASS"),
    ("gem.error-shape", [A, {"error": "Failed."}], "FAIL"),
    ("gem.error-shape", [A, {"error": {"code": "failed", "message": "Failed.", "status": "INTERNAL"}}], "FAIL"),
]


# Ollama.


def line(content: str = "", **more: Any) -> Payload:
    return {"model": "m", "message": {"role": "assistant", "content": content}, "done": False, **more}


FINAL = line(done=True, done_reason="stop", total_duration=1, eval_count=2)

OLLAMA: list[Row] = [
    *[
        (c, [line("a"), line("b"), FINAL], "PASS")
        for c in passive("ollama")
        if c not in ("ollama.default-stream", "ollama.tool-object")
    ],
    ("ollama.done-once", [line("a")], "FAIL"),
    ("ollama.done-once", [line("a"), FINAL, FINAL], "FAIL"),
    ("ollama.done-once", [FINAL, line("a")], "FAIL"),
    ("ollama.done-once", [line("a"), {"error": "failed"}], "NOT-APPLICABLE"),
    ("ollama.done-stats", [line("a"), line(done=True)], "WARN"),
    ("ollama.done-stats", [line("a"), line(done=True, done_reason="load", total_duration=1, eval_count=0)], "PASS"),
]

ROWS = [*ANTHROPIC, *RESPONSES, *GEMINI, *OLLAMA]


def numbered(payloads: Sequence[Payload]) -> list[Payload]:
    return [{**payload, "sequence_number": number} for number, payload in enumerate(payloads)]


@pytest.mark.parametrize(("check", "payloads", "expected"), ROWS)
def test_a_stream_gets_its_verdict(check: str, payloads: list[Payload], expected: str) -> None:
    group = check.partition(".")[0]
    result = verdict(check, streamed(group, numbered(payloads) if group == "resp" else payloads))
    assert result.verdict == expected, result.message


SOUND = [
    ("anth", MESSAGE),
    ("anth", [START, *THINKING, *END]),
    ("resp", numbered(ANSWER)),
    ("resp", numbered(CALLED)),
    ("gem", [A, B, LAST]),
    ("ollama", [line("a"), FINAL]),
]


@pytest.mark.parametrize(("group", "payloads"), SOUND)
def test_a_stream_that_we_left_is_not_judged_for_its_end(group: str, payloads: list[Payload]) -> None:
    write = {"anth": named, "resp": named, "gem": events, "ollama": lines}[group]
    raw = write(*payloads).encode()
    kind = "application/x-ndjson" if group == "ollama" else "text/event-stream"
    for place in range(0, len(raw), 7):
        made = answer(raw[:place], path=PATHS[group], content_type=kind, end="left")
        for check in passive(group):
            result = verdict(check, made)
            assert result.verdict in ("PASS", "INCONCLUSIVE"), (check, raw[:place], result.message)


@pytest.mark.parametrize(
    ("group", "payloads", "check"),
    [
        ("anth", MESSAGE[:4], "anth.message-stop"),
        ("resp", numbered(ANSWER[:4]), "resp.terminal-once"),
        ("gem", [A, B], "gem.finish-present"),
        ("ollama", [line("a")], "ollama.done-once"),
    ],
)
def test_a_stream_that_was_cut_lacks_its_end_and_nothing_else(group: str, payloads: list[Payload], check: str) -> None:
    made = streamed(group, payloads, end="cut")
    assert {one for one in passive(group) if verdict(one, made).verdict in ("FAIL", "WARN")} == {check}
    assert "was cut" in verdict(check, made).message


@pytest.mark.parametrize(
    ("numbers", "check", "expected"),
    [
        ([0, 1, 2], "resp.sequence", "PASS"),
        ([5, 6, 7], "resp.sequence", "PASS"),
        ([0, 0, 1], "resp.sequence", "FAIL"),
        ([0, None, 1], "resp.sequence", "FAIL"),
        ([0, 1, 3], "resp.sequence-gapless", "WARN"),
        ([0, 1, 2], "resp.sequence-gapless", "PASS"),
        ([None, None, None], "resp.sequence-gapless", "NOT-APPLICABLE"),
    ],
)
def test_sequence_numbers(numbers: list[int | None], check: str, expected: str) -> None:
    payloads = [CREATED, ADDED, COMPLETED]
    made = [
        payload if number is None else {**payload, "sequence_number": number}
        for payload, number in zip(payloads, numbers, strict=True)
    ]
    assert verdict(check, streamed("resp", made)).verdict == expected


@pytest.mark.parametrize("group", ["anth", "resp"])
def test_events_need_their_names(group: str) -> None:
    payloads = MESSAGE if group == "anth" else numbered(ANSWER)
    made = answer(events(*payloads), path=PATHS[group])
    said = verdict(f"{group}.event-eq-type", made).message
    assert said == f"an event has no name ({len(payloads)} times)"


@pytest.mark.parametrize(
    ("group", "payloads", "check", "expected"),
    [
        ("anth", MESSAGE, "anth.no-done", "WARN"),
        ("resp", numbered(ANSWER), "resp.done", "INFO"),
        ("gem", [A, LAST], "gem.no-done", "FAIL"),
    ],
)
def test_an_end_mark_of_openais(group: str, payloads: list[Payload], check: str, expected: str) -> None:
    write = events if group == "gem" else named
    assert verdict(check, answer(write(*payloads) + events("[DONE]"), path=PATHS[group])).verdict == expected


REFUSALS = [
    ("anth.error-shape", {"type": "error", "error": {"type": "authentication_error", "message": "No."}}, "PASS"),
    ("anth.error-shape", {"error": {"type": "authentication_error", "message": "No."}}, "FAIL"),
    ("gem.error-shape", {"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}, "PASS"),
    ("gem.error-shape", [{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}], "PASS"),
    ("gem.error-shape", {"error": {"code": 400, "message": "No."}}, "FAIL"),
]


@pytest.mark.parametrize(("check", "body", "expected"), REFUSALS)
def test_a_refusal_is_in_the_dialects_words(check: str, body: Any, expected: str) -> None:
    path = PATHS[check.partition(".")[0]]
    made = answer(json.dumps(body), "no-key", status=401, content_type="application/json", path=path)
    assert verdict(check, made).verdict == expected


def test_what_is_refused_before_its_dialect_is_known_need_not_be_in_its_words() -> None:
    body = json.dumps({"error": {"message": "The Content-Length is no number."}})
    made = answer(body, "length-no-number", status=400, content_type="application/json", path=PATHS["anth"])
    assert verdict("anth.error-shape", made).verdict == "NOT-APPLICABLE"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps([A, LAST], indent=2), "PASS"),
        ("[]", "PASS"),
        (json.dumps([A, LAST])[:-1], "WARN"),
        (json.dumps(A), "WARN"),
        (json.dumps([A, LAST]).replace("}, {", "} {"), "WARN"),
        (json.dumps([A, 3]), "WARN"),
        (json.dumps([A]) + json.dumps([A]), "WARN"),
        (events(A, LAST), "WARN"),
    ],
)
def test_geminis_array(body: str, expected: str) -> None:
    made = answer(body, "array", content_type="application/json", path=PATHS["gem"].partition("?")[0])
    assert verdict("gem.json-array", made).verdict == expected


def test_an_array_of_chunks_is_judged_as_a_stream_is() -> None:
    made = answer(json.dumps([A, B]), "array", content_type="application/json", path=PATHS["gem"].partition("?")[0])
    assert verdict("gem.finish-present", made).verdict == "FAIL"


BARE = json.dumps(GOOGLES, indent=2).replace("\n", "\r\n") + "\r\n"


@pytest.mark.parametrize(
    ("check", "tail", "expected"),
    [
        ("sse.no-naked-lines", BARE, "PASS"),
        ("sse.no-naked-lines", "failed\r\n", "FAIL"),
        ("gem.finish-present", BARE, "NOT-APPLICABLE"),
        ("gem.error-shape", BARE, "PASS"),
        ("gem.error-shape", BARE.replace("status", "kind"), "FAIL"),
    ],
)
def test_google_writes_its_errors_between_the_events(check: str, tail: str, expected: str) -> None:
    assert verdict(check, answer(events(A) + tail, path=PATHS["gem"])).verdict == expected


@pytest.mark.parametrize(
    ("check", "body", "expected"),
    [
        ("ollama.final-lf", lines(line("a"), FINAL).removesuffix("\n"), "WARN"),
        ("ollama.blank-lines", lines(line("a")) + "\n" + lines(FINAL), "WARN"),
        ("ollama.line-objects", json.dumps(line("a"), indent=1) + "\n" + lines(FINAL), "FAIL"),
        ("ollama.line-objects", lines([1], FINAL), "FAIL"),
        ("ollama.line-objects", lines(line("a"), FINAL).replace("\n", "\r\n"), "PASS"),
    ],
)
def test_lines(check: str, body: str, expected: str) -> None:
    made = answer(body, path=PATHS["ollama"], content_type="application/x-ndjson")
    assert verdict(check, made).verdict == expected


def test_lines_with_the_media_type_of_events_are_judged_as_lines() -> None:
    made = answer(lines(line("a"), FINAL), path=PATHS["ollama"])
    assert verdict("ollama.content-type", made).verdict == "FAIL"
    assert verdict("ollama.done-once", made).verdict == "PASS"
    assert verdict("sse.no-naked-lines", made).verdict == "NOT-APPLICABLE"


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (lines(line("a"), FINAL), "application/x-ndjson", "PASS"),
        (lines(FINAL), "application/x-ndjson", "PASS"),
        (json.dumps(FINAL), "application/json", "FAIL"),
    ],
)
def test_an_answer_is_streamed_by_default(body: str, kind: str, expected: str) -> None:
    made = answer(body, "stream-unsaid", content_type=kind, ask={"model": "m"}, path=PATHS["ollama"])
    assert verdict("ollama.default-stream", made).verdict == expected


# Failures within a stream.

FAILURES = [
    ("err.midstream-framed", named(START, *TEXT, FAILED), "whole", "PASS"),
    ("err.midstream-framed", named(START, *TEXT) + json.dumps(FAILED) + "\n\n", "whole", "FAIL"),
    ("err.midstream-framed", named(*MESSAGE), "whole", "INCONCLUSIVE"),
    ("err.midstream-ends", named(START, FAILED), "whole", "PASS"),
    ("err.midstream-ends", named(START, FAILED), "left", "WARN"),
    ("err.midstream-ends", named(START, FAILED, *TEXT), "whole", "WARN"),
    ("err.no-fake-success", named(START, FAILED), "whole", "PASS"),
    ("err.no-fake-success", named(START, *TEXT), "cut", "PASS"),
    ("err.no-fake-success", named(*MESSAGE), "whole", "FAIL"),
    ("err.error-never-empty", "", "whole", "FAIL"),
    ("err.error-never-empty", "", "cut", "NOT-APPLICABLE"),
    ("err.error-never-empty", named(FAILED), "whole", "PASS"),
    ("err.error-never-empty", named(START, ended("max_tokens"), STOP), "whole", "PASS"),
    ("err.capacity-5xx", named(START, FAILED), "whole", "WARN"),
    ("err.capacity-5xx", named(START, *TEXT, FAILED), "whole", "PASS"),
]


@pytest.mark.parametrize(("check", "body", "end", "expected"), FAILURES)
def test_a_failure_within_a_stream(check: str, body: str, end: str, expected: str) -> None:
    assert verdict(check, answer(body, "failure", path=PATHS["anth"], end=end)).verdict == expected


@pytest.mark.parametrize(
    ("body", "end", "expected"),
    [
        (named(START, FAILED), "whole", "PASS"),
        (named(START, *TEXT), "cut", "PASS"),
        (named(START, *TEXT), "whole", "PASS"),  # without the dialect's last event it is not whole
        (named(*MESSAGE), "whole", "FAIL"),
    ],
)
def test_an_upstream_that_breaks_off(body: str, end: str, expected: str) -> None:
    made = answer(body, "upstream-cut", path=PATHS["anth"], end=end)
    assert verdict("err.upstream-cut-visible", made).verdict == expected


@pytest.mark.parametrize(
    ("plain", "overflow", "expected"),
    [(200, 500, "WARN"), (500, 500, "INCONCLUSIVE"), (200, 400, "PASS"), (200, 200, "NOT-APPLICABLE")],
)
def test_who_fails_at_every_prompt_is_not_blamed_for_a_long_one(plain: int, overflow: int, expected: str) -> None:
    asked = [("stream", plain), ("overflow", overflow)]
    made = [answer(named(*MESSAGE), probe, status=status, path=PATHS["anth"]) for probe, status in asked]
    assert verdict("err.context-overflow", *made).verdict == expected


@pytest.mark.parametrize("check", ["err.midstream-framed", "err.midstream-ends", "err.no-fake-success"])
def test_a_model_that_is_refused_fails_as_it_should(check: str) -> None:
    made = answer("{}", "failure", status=503, content_type="application/json", path=PATHS["anth"])
    assert verdict(check, made).verdict == "NOT-APPLICABLE"


COUNTING = {"model": "m", "max_output_tokens": 16, "stream": True}

# (text, tokens that usage counts, the last event, what another question is answered, verdict)
LIMITED = [
    ("one two", 16, "incomplete", "Hello.", "PASS"),
    ("one two", 16, "completed", "Hello.", "FAIL"),
    ("one two", 16, "completed", "one two", "INCONCLUSIVE"),
    ("one two", 4, "completed", "Hello.", "INCONCLUSIVE"),
    ("one " * 40, None, "completed", "Hello.", "FAIL"),
]


@pytest.mark.parametrize(("text", "tokens", "end", "other", "expected"), LIMITED)
def test_a_token_limit_of_responses(text: str, tokens: int | None, end: str, other: str, expected: str) -> None:
    def told(words: str, last: str) -> str:
        final = response(last, [done_item(words)])
        final["response"]["usage"] = {"output_tokens": tokens}
        return named(*numbered([CREATED, ADDED, PART_ADDED, part("output_text.delta", delta=words), final]))

    plain = answer(told(other, "completed"), path=PATHS["resp"])
    limited = answer(told(text, end), "length", ask=COUNTING, path=PATHS["resp"])
    assert verdict("resp.incomplete-last", plain, limited).verdict == expected
