"""No secret is ever kept: not in memory, not on disk, not where a read cuts it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.recording import Entry, RecordingWriter, Redactor, dump, load, redact_headers

KEY = "sk-canary-0123456789abcdef"
SECRET = KEY.encode()


def redacted(entries: list[Entry], secrets: list[str]) -> list[Entry]:
    redactor = Redactor(secrets)
    out = [ready for entry in entries for ready in redactor.feed(entry)]
    return out + redactor.flush()


def joined(entries: list[Entry], kind: str) -> bytes:
    return b"".join(entry.data for entry in entries if entry.kind == kind)


REQUEST = (
    b"POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + SECRET + b"\r\nX-Copy: " + SECRET + b"\r\n\r\n{}" + SECRET
)


@pytest.mark.parametrize("kind", ["<", ">"])
@pytest.mark.parametrize(
    "data", [SECRET, b"a" + SECRET + b"b" + SECRET, b"sk-canary-sk-canary-" + SECRET[10:] + SECRET, REQUEST]
)
def test_a_known_secret_is_overwritten_in_place_however_it_is_cut(kind: str, data: bytes) -> None:
    whole = redacted([Entry(0, kind, data)], [KEY])[0].data
    for pieces in every_way(data):
        entries = [Entry(float(number), kind, piece) for number, piece in enumerate(pieces)]
        out = redacted(entries, [KEY])
        text = joined(out, kind)
        assert SECRET not in text, pieces
        assert len(text) == len(data)
        assert [(entry.seconds, len(entry.data)) for entry in out] == [(e.seconds, len(e.data)) for e in entries]
        if data is not REQUEST:
            assert text == whole


def test_a_secret_is_found_across_what_comes_in_between() -> None:
    entries = [
        Entry(0, "<", b"you are " + SECRET[:9]),
        Entry(1, ">", b"hello"),
        Entry(2, "<", SECRET[9:20]),
        Entry(3, ">", SECRET[:5]),
        Entry(4, "<", SECRET[20:] + b"!"),
        Entry(5, ">", b"x"),
    ]
    out = redacted(entries, [KEY])
    assert [entry.kind for entry in out] == [entry.kind for entry in entries]
    assert SECRET not in joined(out, "<")
    assert joined(out, "<").endswith(b"!")
    assert joined(out, ">") == b"hello" + SECRET[:5] + b"x"


def test_what_cannot_be_a_secret_is_given_back_at_once() -> None:
    redactor = Redactor([KEY])
    for entry in (Entry(0, "connected"), Entry(1, ">", b"GET / HTTP/1.1\r\n"), Entry(2, "<", b"data: sk-other\n\n")):
        assert redactor.feed(entry) == [entry]
    beginning = Entry(3, "<", b"data: sk-can")
    assert redactor.feed(beginning) == []
    assert redactor.feed(Entry(4, "<", b"did\n")) == [beginning, Entry(4, "<", b"did\n")]
    assert redactor.flush() == []


def test_the_end_gives_back_what_was_held() -> None:
    for last in (Entry(1, "eof"), Entry(1, "timeout")):
        redactor = Redactor([KEY])
        held = Entry(0, "<", SECRET[:8])
        assert redactor.feed(held) == []
        assert redactor.feed(last) == [held, last]
    redactor = Redactor([KEY])
    redactor.feed(held)
    assert redactor.flush() == [held]


SECRET_FIELDS = [
    "Authorization: Bearer canary-value",
    "authorization: canary-value",
    "AUTHORIZATION:canary-value",
    "Authorization: Basic canary-value",
    "Authorization : canary-value",
    "X-Api-Key: canary-value",
    "x-goog-api-key:\tcanary-value",
    "Api-Key: canary-value",
    "Cookie: a=canary-value; b=canary-value",
    "Proxy-Authorization: Basic canary-value",
    "X-Amz-Security-Token: canary-value",
]


@pytest.mark.parametrize("line", SECRET_FIELDS)
def test_secret_fields_are_overwritten_without_knowing_the_secret(line: str) -> None:
    request = f"GET / HTTP/1.1\r\nHost: h\r\n{line}\r\nAccept: */*\r\n\r\nbody".encode()
    for pieces in every_way(request):
        out = joined(redacted([Entry(0, ">", piece) for piece in pieces], []), ">")
        assert b"canary" not in out, pieces
        assert len(out) == len(request)
        assert out.startswith(b"GET / HTTP/1.1\r\nHost: h\r\n" + line.partition(":")[0].encode())
        assert out.endswith(b"\r\nAccept: */*\r\n\r\nbody"), pieces


RESPONSES = [
    b"HTTP/1.1 200 OK\r\nSet-Cookie: id=canary\r\nset-cookie: b=canary\r\n\r\nbody",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: id=canary\r\n\r\nbody",
    b"HTTP/1.1 200 OK\nSet-Cookie: id=canary\n\nbody",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: " + b"x" * 100 + b"canary" + b"y" * 100 + b"canary\r\n\r\nbody",
]


@pytest.mark.parametrize("response", RESPONSES)
def test_cookies_that_a_server_sets_are_overwritten_however_they_are_cut(response: bytes) -> None:
    for pieces in every_way(response):
        out = joined(redacted([Entry(0, "<", piece) for piece in pieces], []), "<")
        assert b"canary" not in out, pieces
        assert len(out) == len(response)
        assert out.endswith(b"body")


INNOCENT = [
    b"HTTP/1.1 200 OK\r\nX-Authorization: shown\r\nCookies: shown\r\nWWW-Authenticate: Bearer shown\r\n\r\n",
    b"GET /authorization: HTTP/1.1\r\nX: cookie: shown\r\n\r\ndata: authorization: shown\n\n",
    bytes(range(256)) * 3,
]


@pytest.mark.parametrize("data", INNOCENT)
def test_what_is_no_secret_is_kept_as_it_is(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        assert joined(redacted([Entry(0, "<", piece) for piece in pieces], [KEY]), "<") == data


@given(
    st.lists(st.sampled_from([b"cookie", b":", b" ", b"\r\n", b"\n", b"x", SECRET, SECRET[:7], b"sk-"]), max_size=12),
    cuts,
)
def test_no_cut_brings_a_secret_out(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    for pieces in ([data], bytewise(data), cut_at(data, places)):
        out = redacted([Entry(0, "<>"[number % 7 == 3], piece) for number, piece in enumerate(pieces)], [KEY])
        for kind in "<>":
            assert SECRET not in joined(out, kind), pieces
        assert [len(entry.data) for entry in out] == [len(piece) for piece in pieces]


@pytest.mark.parametrize("secret", ["a/b+c=d&e?f", 'quote"and\\slash', "schlüssel-schlüssel"])
def test_a_secret_is_found_as_json_and_urls_write_it(secret: str) -> None:
    forms = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    for form in forms:
        out = redacted([Entry(0, "<", f"<{form}>".encode())], [secret])
        assert form.encode() not in out[0].data


def test_a_value_too_short_to_be_told_from_text_is_left_to_the_fields() -> None:
    data = b"authorization: Bearer abc\r\n\r\nabc"
    assert redacted([Entry(0, ">", data)], ["abc"])[0].data == b"authorization: Bearer [re\r\n\r\nabc"


def test_fields_for_display_keep_their_names() -> None:
    fields = [("Authorization", f"Bearer {KEY}"), ("accept", "*/*"), ("X-API-Key", KEY)]
    assert redact_headers(fields) == [("Authorization", "[redacted]"), ("accept", "*/*"), ("X-API-Key", "[redacted]")]


# The whole way.

HEADER: dict[str, Any] = {
    "request": {"path": f"/v1?key={KEY}", "headers": {"x-copy": KEY, "authorization": "[redacted]"}},
    "list": [KEY, 1, None, {KEY: True}],
}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 21, 10_000])
def test_a_canary_is_in_no_artefact_of_a_recording(size: int, tmp_path: Path) -> None:
    file = io.StringIO()
    in_file = RecordingWriter(HEADER, secrets=[KEY], file=file)
    in_memory = RecordingWriter(HEADER, secrets=[KEY])
    response = b"HTTP/1.1 200 OK\r\nSet-Cookie: " + SECRET + b"\r\n\r\ndata: you are " + SECRET + b"\n\n"
    for writer in (in_file, in_memory):
        writer.happened(0, "connected")
        for start in range(0, len(REQUEST), size):
            writer.wrote(1, REQUEST[start : start + size])
            assert KEY not in file.getvalue()
        for start in range(0, len(response), size):
            writer.read(2, response[start : start + size])
            assert SECRET not in in_memory.recording.received
        writer.happened(3, "eof")
        writer.close()
    dump(in_memory.recording, tmp_path / "a.wire.jsonl")
    assert KEY not in file.getvalue()
    assert file.getvalue() == (tmp_path / "a.wire.jsonl").read_text(encoding="utf-8")
    recording = load(tmp_path / "a.wire.jsonl")
    for data in (recording.sent, recording.received, repr(recording).encode()):
        assert SECRET not in data
    assert (len(recording.sent), len(recording.received)) == (len(REQUEST), len(response))


@pytest.mark.parametrize(
    "query", ["key=the-key-of-somebody", "a=b&key=the-key-of-somebody", "key=the-key-of-somebody&a=b"]
)
def test_a_key_in_the_query_is_masked_and_the_version_behind_it_stays(query: str) -> None:
    request = f"GET /v1?{query} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    redactor = Redactor()
    kept = redactor.feed(Entry(0.0, ">", request)) + redactor.flush()
    data = b"".join(entry.data for entry in kept)
    assert b"the-key" not in data
    assert data.endswith(b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert len(data) == len(request)
