"""The format of recordings: written, read back, and refused where it is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.errors import InvalidRecording
from tokenwire.recording import Entry, Recording, RecordingWriter, dump, load, loads
from tokenwire.recording.format import FORMAT, VERSION, entry_line, header_line

HEADER = '{"format": "tokenwire-recording", "version": 1}\n'

# (an entry, its line)
LINES = [
    (Entry(0.0, "connected"), '[0.0, "connected"]'),
    (Entry(0.5, ">", b"GET / HTTP/1.1\r\n"), '[0.5, ">", {"text": "GET / HTTP/1.1\\r\\n"}]'),
    (Entry(1.25, "<", "data: é👋\n".encode()), '[1.25, "<", {"text": "data: é👋\\n"}]'),
    (Entry(2.0, "<", b""), '[2.0, "<", {"text": ""}]'),
    (Entry(2.0, "<", b"\xff\x00"), '[2.0, "<", {"base64": "/wA="}]'),
    (Entry(2.0, "<", b"\xf0\x9f"), '[2.0, "<", {"base64": "8J8="}]'),
    (Entry(2.0, "<", "\u2028\u2029\x85".encode()), '[2.0, "<", {"text": "\\u2028\\u2029\\u0085"}]'),
    (Entry(2.0, "<", b"\xef\xbb\xbfa\0"), '[2.0, "<", {"text": "\ufeffa\\u0000"}]'),
    (Entry(3.1234567, "eof"), '[3.123457, "eof"]'),
]


@pytest.mark.parametrize(("entry", "line"), LINES, ids=[row[1] for row in LINES])
def test_an_entry_is_a_line_that_can_be_read_by_eye(entry: Entry, line: str) -> None:
    assert entry_line(entry) == line + "\n"
    assert loads(HEADER + line).entries == [entry._replace(seconds=round(entry.seconds, 6))]


times = st.integers(0, 10**8).map(lambda milliseconds: milliseconds / 1000)
payloads = st.binary(max_size=20) | st.text(st.characters(codec="utf-8"), max_size=20).map(str.encode)
happenings = st.sampled_from(["connected", "eof", "reset", "closed by us", "timeout"])
reads_and_writes = st.tuples(times, st.sampled_from("<>"), payloads)
entries = st.lists((reads_and_writes | st.tuples(times, happenings)).map(lambda parts: Entry(*parts)), max_size=10)


@given(
    entries, st.dictionaries(st.sampled_from(["transport", "server", "\u2028"]), st.text(max_size=5) | st.integers())
)
def test_what_is_written_reads_back(written: list[Entry], header: dict[str, object]) -> None:
    text = header_line(dict(header)) + "".join(map(entry_line, written))
    assert "\u2028" not in text.partition("\n")[2]
    recording = loads(text)
    assert recording.entries == written
    assert recording.header == {"format": FORMAT, "version": VERSION, **header}
    assert recording.received == b"".join(entry.data for entry in written if entry.kind == "<")
    assert recording.sent == b"".join(entry.data for entry in written if entry.kind == ">")


def test_a_file_reads_back_and_is_written_the_same_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wire.jsonl", tmp_path / "b.wire.jsonl"
    dump(Recording({"transport": "http/1.1"}, [row[0] for row in LINES]), first)
    dump(load(first), second)
    assert first.read_bytes() == second.read_bytes()
    assert b"\r" not in first.read_bytes()


# (the text, what the message says)
REFUSED = [
    ("", "line 1 is not JSON"),
    ("\n", "line 1 is not JSON"),
    ("hello", "line 1 is not JSON"),
    ("[]", 'its first line has no "format"'),
    ("{}", 'its first line has no "format"'),
    ('{"format": "har"}', 'its first line has no "format"'),
    ('{"format": "tokenwire-recording"}', "version None; this reads 1"),
    ('{"format": "tokenwire-recording", "version": 2}', "version 2; this reads 1"),
    (HEADER + "nonsense", "line 2 is not JSON"),
    (HEADER + '[0, "eof"]\n\n[1', "line 4 is not JSON"),
    (HEADER + "[" * 100_000, "line 2 is not JSON"),
    (HEADER + "{}", "line 2 is no entry"),
    (HEADER + "[]", "line 2 is no entry"),
    (HEADER + '["0", "eof"]', "line 2 is no entry"),
    (HEADER + '[0, "<"]', "line 2 is no entry"),
    (HEADER + '[0, "<", "text"]', "line 2 is no entry"),
    (HEADER + '[0, "<", {"text": 1}]', "line 2 is no entry"),
    (HEADER + '[0, "<", {}]', "line 2 is no entry"),
    (HEADER + '[0, "eof", {"text": ""}]', "line 2 is no entry"),
    (HEADER + '[0, "<", {"text": "\\ud800"}]', "line 2 holds a lone surrogate"),
    (HEADER + '[0, "<", {"base64": "a"}]', "line 2 is not base64"),
    (HEADER + '[0, "<", {"base64": "é==="}]', "line 2 is not base64"),
    (HEADER + '[NaN, "eof"]', "line 2 is no entry"),
    (HEADER + '[Infinity, "eof"]', "line 2 is no entry"),
    (HEADER + '[true, "eof"]', "line 2 is no entry"),
    (HEADER + "[1" + "0" * 400 + ', "eof"]', "line 2 is no entry"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[repr(row[0][:60]) for row in REFUSED])
def test_what_is_no_recording_is_refused_with_its_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRecording, match=words):
        loads(text)
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRecording, match=r"bad\.jsonl"):
        load(path)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0", b"\x1f\x8b\x08", HEADER.encode() + b'[0, "<", {"text": "\xff"}]']
)
def test_a_file_that_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with pytest.raises(InvalidRecording, match=r"image\.png"):
        load(path)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")), st.booleans())
def test_any_text_is_a_recording_or_an_invalid_one(text: str, with_header: bool) -> None:
    try:
        recording = loads((HEADER if with_header else "") + text)
    except InvalidRecording:
        return
    assert with_header
    assert all(json.loads(entry_line(entry)) for entry in recording.entries)


def test_a_writer_counts_time_from_its_first_entry() -> None:
    writer = RecordingWriter({"transport": "http/1.1"})
    writer.happened(1000.5, "connected")
    writer.wrote(1001, b"a")
    writer.read(1002.25, b"b")
    writer.close()
    assert writer.recording == Recording(
        {"transport": "http/1.1"}, [Entry(0.0, "connected"), Entry(0.5, ">", b"a"), Entry(1.75, "<", b"b")]
    )


def test_the_recordings_of_servers_can_be_read(corpus: Path) -> None:
    paths = sorted((corpus / "servers").glob("*/*.wire.jsonl"))
    assert len(paths) > 20
    for path in paths:
        recording = load(path)
        assert recording.entries, path
        assert [loads(header_line(recording.header) + entry_line(entry)).entries for entry in recording.entries], path
