"""The checks of server-sent events on answers made by hand: what they find, and above all what they do not."""

from __future__ import annotations

import gzip
import json

import pytest
from hand_made import answer, choice, chunk, events, verdict

from tokenwire.recording import Entry, Recording
from tokenwire_conformance.reading.transcript import Transcript

SOUND = events(chunk(choice("Grüße")), chunk(choice(finish="stop")), "[DONE]")
ONE = events(chunk(choice("a")))


def twice(name: str) -> str:
    return ONE.replace('"id":', f'"{name}": 1, "{name}": 2, "id":')


def said(text: str) -> str:
    """A chunk whose content is this JSON text, escapes and all."""
    return ONE.replace('"content": "a"', f'"content": "{text}"')


# (check, body, verdict)
BODIES: list[tuple[str, str | bytes, str]] = [
    ("sse.utf8", SOUND, "PASS"),
    ("sse.utf8", b"data: \xf0\x9f\x98\n\n", "FAIL"),
    ("sse.utf8", b"data: \xed\xa0\xbd\n\n", "FAIL"),
    ("sse.no-bom", "\ufeff" + SOUND, "WARN"),
    ("sse.no-bom", "data: \ufeff\n\n", "PASS"),
    ("sse.eol", SOUND, "PASS"),
    ("sse.eol", SOUND.replace("\n", "\r\n"), "PASS"),
    ("sse.eol", SOUND + "data: {}\r\n\r\n", "WARN"),
    ("sse.eol", SOUND.replace("\n", "\r"), "WARN"),
    ("sse.known-fields", SOUND, "PASS"),
    ("sse.known-fields", "id\nretry\nevent\ndata\n\n", "PASS"),
    ("sse.known-fields", ": a comment: with colons\n\n", "PASS"),
    ("sse.known-fields", 'error: {"code": 500}\n\n', "WARN"),
    ("sse.known-fields", "Data: {}\n\n", "WARN"),
    ("sse.known-fields", '{"error": 1}\n\n', "PASS"),
    ("sse.no-naked-lines", SOUND, "PASS"),
    ("sse.no-naked-lines", SOUND + '{"error": {"message": "failed"}}\n', "FAIL"),
    ("sse.no-naked-lines", SOUND + '{"error": {"message": "failed"}}', "FAIL"),
    ("sse.no-naked-lines", '{\n  "error": {\n    "code": 500\n  }\n}\n', "FAIL"),
    ("sse.no-naked-lines", "Internal Server Error", "FAIL"),
    ("sse.no-naked-lines", 'data: {"a":\n1}\n\n', "FAIL"),
    ("sse.no-naked-lines", 'error: {"code": 500}\n\n', "PASS"),
    ("sse.field-column", " data: {}\n\n", "WARN"),
    ("sse.field-column", "data : {}\n\n", "WARN"),
    ("sse.field-column", "data:   {}\n\n", "PASS"),
    ("sse.final-blank-line", SOUND, "PASS"),
    ("sse.final-blank-line", SOUND[:-1], "FAIL"),
    ("sse.final-blank-line", SOUND[:-2], "FAIL"),
    ("sse.final-blank-line", SOUND + ": bye\n", "PASS"),
    ("sse.final-blank-line", SOUND + '{"error": 1}\n', "PASS"),
    ("sse.one-json-per-event", 'data: {"a":1}\ndata: {"a":2}\n\n', "FAIL"),
    ("sse.one-json-per-event", 'data: {"a":1}{"a":2}\n\n', "FAIL"),
    ("sse.one-json-per-event", 'data: {"a":1}\ndata: [DONE]\n\n', "FAIL"),
    ("sse.one-json-per-event", 'data: {"a":\ndata: 1}\n\n', "PASS"),
    ("sse.one-json-per-event", "data: 1\ndata: 2\n\n", "PASS"),
    ("sse.json", 'data: {"a":1}\ndata: {"a":2}\n\n', "PASS"),
    ("sse.json", 'data: {"a":\ndata: 1}\n\n', "PASS"),
    ("sse.json", 'data: {"a":\n\n', "FAIL"),
    ("sse.json", 'data: {"a": NaN}\n\n', "FAIL"),
    ("sse.json", 'data: {"a": -Infinity}\n\n', "FAIL"),
    ("sse.json", 'data: {"a": "NaN"}\n\n', "PASS"),
    ("sse.json", "data: upstream failed\n\n", "FAIL"),
    ("sse.json", "data:  [DONE] \n\n", "PASS"),
    ("sse.json", "data: " + "[" * 100_000 + "\n\n", "FAIL"),
    ("sse.comments", SOUND, "PASS"),
    ("sse.comments", ": ping\n\n:\n\n" + SOUND, "PASS"),
    ("sse.comments", 'event: ping\ndata: {"type":"ping"}\n\n' + SOUND, "PASS"),
    ("sse.comments", "data: upstream failed\n\n", "PASS"),
    *[
        row
        for data in (": OPENROUTER PROCESSING", "ping", "", "keep-alive", "[PING]", " heartbeat ", ": ping - 2026")
        for row in (("sse.comments", f"data: {data}\n\n", "FAIL"), ("sse.json", f"data: {data}\n\n", "PASS"))
    ],
    ("sse.json-dup-keys", SOUND, "PASS"),
    ("sse.json-dup-keys", twice("id"), "WARN"),
    ("sse.json-dup-keys", 'data: {"a":[{"b":1},{"b":1}],"b":1}\n\n', "PASS"),
    ("sse.json-dup-keys", 'data: {"a":[{"b":1,"b":1}]}\n\n', "WARN"),
    ("sse.surrogates", said(r"\ud83d\ude00"), "PASS"),
    ("sse.surrogates", said(r"\uD83D\uDE00 \ud83d\ude00"), "PASS"),
    ("sse.surrogates", said(r"\\ud83d"), "PASS"),
    ("sse.surrogates", said(r"\\\ud83d"), "WARN"),
    ("sse.surrogates", said(r"\ud83d") + said(r"\ude00"), "WARN"),
    ("sse.surrogates", said(r"\ud83d \ude00"), "WARN"),
    ("sse.surrogates", said(r"\ude00\ud83d"), "WARN"),
    ("sse.surrogates", said(r"\ud83d\u0041"), "WARN"),
    ("sse.surrogates", said("😀"), "PASS"),
    ("sse.surrogates", "data: no JSON: \\ud83d\n\n", "PASS"),
    ("sse.no-empty-events", "retry: 3000\ndata: {}\n\n", "PASS"),
    ("sse.no-empty-events", "retry: 3000\n\n", "WARN"),
    ("sse.no-empty-events", "event: ping\n\n", "WARN"),
    ("sse.no-empty-events", ": ping\n\n\n\n", "PASS"),
    ("sse.no-empty-events", "id: 1\n", "PASS"),
    ("sse.no-empty-events", "error: x\n\n", "PASS"),
    ("sse.keepalive-safe", ": ping\n\nid: 1\ndata: {}\n\n", "PASS"),
    ("sse.keepalive-safe", "id: 1\ndata: {}\n\n: ping\n\n", "WARN"),
    ("sse.keepalive-safe", "id: 1\ndata: {}\n\n: ping\ndata: {}\n\n", "PASS"),
    ("sse.keepalive-safe", "id: 1\ndata: {}\n\nid\ndata: {}\n\n: ping\n\n", "PASS"),
    ("sse.keepalive-safe", "event: a\ndata: {}\n\n: ping\n\n", "PASS"),
    ("sse.id-no-nul", SOUND, "NOT-APPLICABLE"),
    ("sse.id-no-nul", "id: a\0\ndata: {}\n\n", "WARN"),
    ("sse.id-no-nul", "id: a\ndata: \0\n\n", "PASS"),
    ("sse.retry-digits", SOUND, "NOT-APPLICABLE"),
    ("sse.retry-digits", "retry: 0010\ndata: {}\n\n", "PASS"),
    ("sse.retry-digits", "retry: 1_0\ndata: {}\n\n", "WARN"),
    ("sse.retry-digits", "retry: ٣\ndata: {}\n\n", "WARN"),
    ("sse.retry-digits", "retry\ndata: {}\n\n", "WARN"),
    ("sse.event-size", said("x" * 65_000), "PASS"),
    ("sse.event-size", said("x" * 66_000), "WARN"),
    ("sse.u2028-escaped", said("\u2028"), "WARN"),
    ("sse.u2028-escaped", said("\x85"), "WARN"),
    ("sse.u2028-escaped", said(r"\u2028"), "PASS"),
    ("sse.u2028-escaped", ": \u2028\n\n" + SOUND, "PASS"),
    ("sse.nothing-after-terminal", SOUND, "PASS"),
    ("sse.nothing-after-terminal", SOUND + ": bye\n\n", "PASS"),
    ("sse.nothing-after-terminal", SOUND + "data: [DONE]\n\n", "PASS"),
    ("sse.nothing-after-terminal", SOUND + "data: {}\n\n", "FAIL"),
    ("sse.nothing-after-terminal", ONE, "NOT-APPLICABLE"),
    ("sse.no-fffd", SOUND, "PASS"),
    ("sse.no-fffd", ONE, "NOT-APPLICABLE"),
    ("sse.no-fffd", said("\ufffd"), "WARN"),
    ("sse.no-fffd", said("é").encode().replace("é".encode(), b"\xc3"), "PASS"),
]


@pytest.mark.parametrize(("check", "body", "expected"), BODIES)
def test_a_body_gets_its_verdict(check: str, body: str | bytes, expected: str) -> None:
    result = verdict(check, answer(body))
    assert result.verdict == expected, result.message


@pytest.mark.parametrize("check", sorted({row[0] for row in BODIES}))
def test_a_stream_that_we_left_is_not_judged_for_its_end(check: str) -> None:
    """A sound stream, left after any of its bytes, is sound, as far as it can be judged."""
    raw = SOUND.replace("ü", "\\u00fc").encode()
    for place in range(len(raw)):
        result = verdict(check, answer(raw[:place], end="left"))
        assert result.verdict in ("PASS", "NOT-APPLICABLE", "INCONCLUSIVE"), (raw[:place], result.message)


@pytest.mark.parametrize("place", range(1, len(SOUND.encode())))
def test_a_stream_that_was_cut_is_judged_for_its_end_alone(place: int) -> None:
    raw = SOUND.encode()[:place]
    for check in sorted({row[0] for row in BODIES}):
        result = verdict(check, answer(raw, end="cut"))
        assert check == "sse.final-blank-line" or result.verdict not in ("FAIL", "WARN"), (check, raw, result.message)


def test_a_cut_in_the_middle_of_an_event_is_found() -> None:
    result = verdict("sse.final-blank-line", answer(SOUND[:40], end="cut"))
    assert (result.verdict, result.message) == (
        "FAIL",
        "the stream was cut before the blank line that closes its last event",
    )


# (content type, verdict of sse.content-type, verdict of sse.charset)
TYPES = [
    ("text/event-stream", "PASS", "PASS"),
    ("Text/Event-Stream; charset=UTF-8", "PASS", "PASS"),
    ('text/event-stream;charset="utf-8"', "PASS", "PASS"),
    ("text/event-stream; foo=bar", "PASS", "PASS"),
    ("text/event-stream; charset=iso-8859-1", "PASS", "FAIL"),
    ("application/json", "FAIL", "NOT-APPLICABLE"),
    ("text/plain", "FAIL", "NOT-APPLICABLE"),
    (None, "FAIL", "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("content_type", "type_verdict", "charset_verdict"), TYPES)
def test_the_type_of_a_stream(content_type: str | None, type_verdict: str, charset_verdict: str) -> None:
    made = answer(SOUND, content_type=content_type)
    assert verdict("sse.content-type", made).verdict == type_verdict
    assert verdict("sse.charset", made).verdict == charset_verdict


def test_whole_json_in_place_of_a_stream_is_one_finding() -> None:
    made = answer('{"object": "chat.completion"}', content_type="application/json")
    checks = sorted({row[0] for row in BODIES} | {"sse.content-type"})
    bad = [check for check in checks if verdict(check, made).verdict in ("FAIL", "WARN")]
    assert bad == ["sse.content-type"]
    assert "is no event stream" in verdict("sse.content-type", made).message


@pytest.mark.parametrize(
    "made",
    [
        answer('{"error": {"message": "no"}}', status=400, content_type="application/json"),
        answer('{"object": "chat.completion"}', content_type="application/json", ask={"model": "m"}),
        answer("<html>", status=502, content_type="text/html"),
        answer('{"error": {"message": "no"}}', status=500, content_type="text/event-stream"),
    ],
)
def test_what_is_no_stream_is_not_judged_as_one(made: Transcript) -> None:
    for check in sorted({row[0] for row in BODIES} | {"sse.content-type", "sse.charset", "sse.status-200"}):
        assert verdict(check, made).verdict in ("NOT-APPLICABLE", "INCONCLUSIVE"), check


@pytest.mark.parametrize(("status", "expected"), [(200, "PASS"), (201, "FAIL"), (206, "FAIL")])
def test_the_status_of_a_stream(status: int, expected: str) -> None:
    assert verdict("sse.status-200", answer(SOUND, status=status)).verdict == expected


PLAIN = {"model": "m", "messages": []}
WHOLE = [
    ('{"object": "chat.completion"}', "application/json", "PASS"),
    ('{"object": "chat.completion"}\n', "application/json; charset=utf-8", "PASS"),
    ('{"object": "chat.completion"}', "text/event-stream", "FAIL"),
    ('{"object": "chat.completion"}', None, "FAIL"),
    ('{"object": "chat.completion"}\n\ndata: [DONE]\n\n', "application/json", "FAIL"),
    ('{"message": "[DONE]"}', "application/json", "PASS"),
    ("null", "application/json", "FAIL"),
]


@pytest.mark.parametrize(("body", "content_type", "expected"), WHOLE)
def test_an_answer_that_is_not_streamed(body: str, content_type: str | None, expected: str) -> None:
    made = answer(body, "whole", content_type=content_type, ask=PLAIN)
    assert verdict("sse.nonstream-json", made).verdict == expected


def test_events_over_get_may_be_of_any_kind() -> None:
    made = answer("data: ping\n\ndata: hello\n\n", get="/events")
    assert verdict("sse.json", made).verdict == "NOT-APPLICABLE"
    assert verdict("sse.comments", made).verdict == "NOT-APPLICABLE"


def test_json_lines_over_a_path_of_their_own_owe_no_event_stream() -> None:
    asked = json.dumps({"model": "m", "stream": True}).encode()
    request = b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(asked), asked)
    received = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 3\r\n\r\n{}\n"
    made = Transcript("ollama", Recording({}, [Entry(0, ">", request), Entry(0.1, "<", received)]))
    assert verdict("sse.content-type", made).verdict == "NOT-APPLICABLE"


def test_a_stream_in_gzip_is_read_through_its_coding() -> None:
    coded = gzip.compress((SOUND + "data: {}\n\n").encode())
    asked = b'{"stream": true}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(asked), asked)
    fields = b"Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: %d" % len(coded)
    received = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + coded
    result = verdict("sse.nothing-after-terminal", Transcript("gzip", Recording({}, [
        Entry(0, ">", request), Entry(0.1, "<", received)
    ])))  # fmt: skip
    assert result.verdict == "FAIL"
    assert result.evidence[0].data == b"data: {}\n\n"


def test_the_evidence_is_the_bytes_that_are_wrong() -> None:
    made = answer(SOUND + said(r"\ud83d") + said(r"\ude00"))
    evidence = verdict("sse.surrogates", made).evidence[0]
    assert evidence.data.startswith(rb"\ud83d")
    assert made.received[evidence.offset :].startswith(rb"\ud83d")


def test_very_long_events_are_told_from_long_ones() -> None:
    assert "more than 1 MiB" in verdict("sse.event-size", answer(said("x" * 1_100_000))).message
    assert "more than 64 KiB" in verdict("sse.event-size", answer(said("x" * 66_000))).message
