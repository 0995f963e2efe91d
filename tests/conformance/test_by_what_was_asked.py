"""Checks choose their transcripts by what the request asked: a recording of any name is judged like a probe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hand_made import answer, choice, chunk, events, named, tool, verdict

from tokenwire.dialects import dialect_named
from tokenwire.recording import Entry, Recording
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, select
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.reading.transcript import Transcript

DONE = "[DONE]"
LAST = chunk(choice(finish="stop"))
ASKED: dict[str, Any] = {"model": "m", "stream": True}
CUT = tool(0, '{"path": "a', id="1", type="function", name="f")

#: What `lint` must be able to judge, though only a probe asks for it on purpose.
FOR_LINT = [
    "chat.tool-args-json", "chat.finish-tools", "chat.usage-chunk", "chat.usage-null", "chat.usage-sums",
    "chat.n-choices", "chat.logprobs-aligned",
    "anth.tool-json", "gem.fn-whole", "gem.alt-sse", "gem.json-array", "ollama.tool-object", "ollama.default-stream",
    "sse.nonstream-json", "http.te-to-http10", "err.ended-in-error", "resp.output-streamed",
]  # fmt: skip


@pytest.mark.parametrize("check", FOR_LINT)
def test_it_is_judged_in_recordings(check: str) -> None:
    assert check in {one.id for one in select(passive_only=True)}


def test_arguments_that_were_cut_are_found_in_a_recording_without_its_request() -> None:
    body = events(chunk(CUT), LAST, DONE)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    entries = [Entry(0.0, ">", b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")]
    entries += [Entry(0.1, "<", (head + body).encode()), Entry(0.2, "eof")]
    made = Transcript("report.wire.jsonl", Recording({"dialect": "openai-chat"}, entries))
    result = verdict("chat.tool-args-json", made)
    assert result.verdict == "WARN"
    assert "not JSON" in result.message


def test_one_recording_with_a_flaw_is_found_among_sound_ones() -> None:
    sound = answer(events(chunk(tool(0, "{}", id="1", type="function", name="f")), LAST, DONE), "a", ask=ASKED)
    assert verdict("chat.tool-args-json", sound).verdict == "PASS"
    assert (
        verdict("chat.tool-args-json", sound, answer(events(chunk(CUT), LAST, DONE), "b", ask=ASKED)).verdict == "WARN"
    )


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "DELETE"])
@pytest.mark.parametrize("dialect", PROMPTED)
def test_a_path_alone_asks_for_no_stream(method: str, dialect: str) -> None:
    """A browser's preflight is answered with a few words, and in some dialects the path says that it is a stream's."""
    path = dialect_named(dialect).path.replace("{model}", "m")
    said = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n"
    entries = [Entry(0.0, ">", f"{method} {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://page.test\r\n\r\n".encode())]
    entries += [Entry(0.1, "<", said + b"OK" * (method != "HEAD")), Entry(0.2, "left open")]
    case = Case([Transcript("preflight", Recording({"dialect": dialect}, entries))])
    groups = ["sse.", "gem.", "ollama.", "err.", "http.no-cl-on-stream", "http.proxy-hints"]
    found = {one.id: one.message for one in judge_all(case, select(groups)) if one.verdict in ("FAIL", "WARN")}
    assert not found


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"stream_options": {"include_usage": True}}, "FAIL"), ({"stream_options": {}}, "NOT-APPLICABLE"),
     ({"stream_options": {"include_usage": False}}, "NOT-APPLICABLE"), ({}, "NOT-APPLICABLE")],
)  # fmt: skip
def test_usage_is_missed_only_where_it_was_asked_for(options: dict[str, Any], wanted: str) -> None:
    assert verdict("chat.usage-chunk", answer(events(LAST, DONE), "any", ask={**ASKED, **options})).verdict == wanted


@pytest.mark.parametrize("choice_", ["auto", "required", {"type": "function", "function": {"name": "f"}}])
def test_a_function_that_was_demanded_by_name_ends_with_stop(choice_: Any) -> None:
    ask = {**ASKED, "tools": [{}], "tool_choice": choice_}
    made = answer(events(chunk(tool(0, "{}", id="1", type="function", name="f")), LAST, DONE), "any", ask=ask)
    assert verdict("chat.finish-tools", made).verdict == ("NOT-APPLICABLE" if isinstance(choice_, dict) else "WARN")


@pytest.mark.parametrize(("asked", "wanted"), [({"model": "m"}, "FAIL"), (ASKED, "NOT-APPLICABLE")])
def test_a_stream_that_nobody_asked_for_is_found_in_any_recording(asked: dict[str, Any], wanted: str) -> None:
    assert verdict("sse.nonstream-json", answer(events(LAST, DONE), "any", ask=asked)).verdict == wanted


@pytest.mark.parametrize(("version", "wanted"), [("1.0", "FAIL"), ("1.1", "NOT-APPLICABLE")])
def test_chunks_for_http10_are_found_in_any_recording(version: str, wanted: str) -> None:
    entries = [
        Entry(0.0, ">", f"GET / HTTP/{version}\r\nHost: x\r\n\r\n".encode()),
        Entry(0.1, "<", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ]
    assert verdict("http.te-to-http10", Transcript("any", Recording({}, entries))).verdict == wanted


ERROR = {"error": {"message": "Out of memory.", "type": "server_error", "code": "oom"}}


@pytest.mark.parametrize(
    ("probe", "wanted"),
    [
        ("any.wire.jsonl", "INFO"),
        ("tools", "INFO"),
        ("failure", "NOT-APPLICABLE"),
        ("unknown-model", "NOT-APPLICABLE"),
    ],
)
def test_it_is_told_that_a_stream_ended_in_an_error(probe: str, wanted: str) -> None:
    result = verdict("err.ended-in-error", answer(events(chunk(choice("a")), ERROR), probe, ask=ASKED))
    assert result.verdict == wanted
    assert wanted != "INFO" or "oom Out of memory." in result.message


@pytest.mark.parametrize("payloads", [[LAST, DONE], ['{"id": "c", "choices": [{', LAST, DONE]])
def test_what_a_decoder_says_of_a_stream_is_no_error_of_the_server(payloads: list[Any]) -> None:
    assert verdict("err.ended-in-error", answer(events(*payloads), "any", ask=ASKED)).verdict == "PASS"


ITEM = {"type": "message", "id": "i", "status": "completed", "role": "assistant", "content": []}


def responses(*items: dict[str, Any], streamed: int = 1, path: str = "", get: str = "") -> Transcript:
    made: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    for number, item in enumerate(items[:streamed]):
        made += [
            {"type": f"response.output_item.{how}", "output_index": number, "item": item} for how in ("added", "done")
        ]
    made.append({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": list(items)}})
    return answer(named(*made), "any", path=path or "/v1/responses", get=get)


@pytest.mark.parametrize("streamed", [0, 1, 2])
def test_every_item_of_the_output_came_in_the_stream(streamed: int) -> None:
    result = verdict("resp.output-streamed", responses(ITEM, {**ITEM, "id": "j"}, streamed=streamed))
    assert result.verdict == ("PASS" if streamed == 2 else "FAIL")
    assert streamed == 2 or f"{2 - streamed} of 2 items" in result.message


def test_a_stream_that_goes_on_with_another_may_lack_items() -> None:
    resumed = responses(ITEM, streamed=0, get="/v1/responses/r?stream=true&starting_after=9")
    assert verdict("resp.output-streamed", resumed).verdict == "NOT-APPLICABLE"


def test_the_arguments_of_ollama_are_judged_in_any_recording() -> None:
    call = {"function": {"name": "f", "arguments": '{"a": 1}'}}
    lines = [{"message": {"content": "", "tool_calls": [call]}, "done": False}, {"done": True}]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    made = answer(body, "any", content_type="application/x-ndjson", path="/api/chat")
    assert verdict("ollama.tool-object", made).verdict == "WARN"
