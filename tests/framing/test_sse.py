"""The SSE parser and encoder against WHATWG HTML 9.2.5 and 9.2.6."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from whatwg import interpret

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.framing import sse
from tokenwire.framing.sse import EventTooLarge, LocalProtocolError, Note, ServerSentEvent, SSEParser, encode

# (what it shows, the stream, the events). An event is (event, data, id).
STREAMS: list[tuple[str, bytes, list[tuple[str, str, str]]]] = [
    ("one event", b"data: a\n\n", [("message", "a", "")]),
    ("two events", b"data: a\n\ndata: b\n\n", [("message", "a", ""), ("message", "b", "")]),
    ("no space after the colon", b"data:a\n\n", [("message", "a", "")]),
    ("only the first space is dropped", b"data:  a \n\n", [("message", " a ", "")]),
    ("a tab is no space", b"data:\ta\n\n", [("message", "\ta", "")]),
    ("data of two lines", b"data: a\ndata: b\n\n", [("message", "a\nb", "")]),
    ("data of two empty lines is one LF", b"data\ndata\n\n", [("message", "\n", "")]),
    ("data without a colon", b"data\n\n", [("message", "", "")]),
    ("data with an empty value", b"data:\n\n", [("message", "", "")]),
    ("data with a blank value", b"data: \n\ndata: \n\n", [("message", "", ""), ("message", "", "")]),
    ("a named event", b"event: add\ndata: 1\n\n", [("add", "1", "")]),
    (
        "two named events",
        b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n",
        [("a", "1", ""), ("b", "2", "")],
    ),
    ("the name after the data", b"data: 1\nevent: add\n\n", [("add", "1", "")]),
    ("the last name counts", b"event: a\nevent: b\ndata: 1\n\n", [("b", "1", "")]),
    ("an empty name is message", b"event: a\nevent\ndata: 1\n\n", [("message", "1", "")]),
    (
        "an empty name in a run of named ones",
        b"event: \ndata: 1\n\nevent: b\ndata: 2\n\n",
        [("message", "1", ""), ("b", "2", "")],
    ),
    ("a name without data is forgotten", b"event: ping\n\ndata: 1\n\n", [("message", "1", "")]),
    ("a named event of two lines", b"event: a\ndata: 1\ndata: 2\n\n", [("a", "1\n2", "")]),
    ("an id stays", b"id: 7\ndata: 1\n\ndata: 2\n\n", [("message", "1", "7"), ("message", "2", "7")]),
    ("an id in a block without data", b"id: 7\n\ndata: 2\n\n", [("message", "2", "7")]),
    ("an empty id clears it", b"id: 7\ndata: 1\n\nid\ndata: 2\n\n", [("message", "1", "7"), ("message", "2", "")]),
    (
        "an id with NUL is ignored",
        b"id: 7\ndata: 1\n\nid: 8\0\ndata: 2\n\n",
        [("message", "1", "7"), ("message", "2", "7")],
    ),
    ("an id after the data", b"data: 1\nid: 7\n\n", [("message", "1", "7")]),
    ("NUL in data stays", b"data: a\0b\n\n", [("message", "a\0b", "")]),
    ("comments are skipped", b": hi\n\n:\ndata: 1\n: in between\ndata: 2\n\n", [("message", "1\n2", "")]),
    ("fields are case-sensitive", b"Data: 1\nDATA: 2\ndata : 3\n data: 4\n\n", []),
    ("unknown fields are ignored", b"foo: 1\nbar\ndata: 1\nerror: 2\n\n", [("message", "1", "")]),
    ("CR ends a line", b"data: a\rdata: b\r\rdata: c\r\r", [("message", "a\nb", ""), ("message", "c", "")]),
    ("CRLF ends a line", b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [("message", "a\nb", ""), ("message", "c", "")]),
    (
        "line ends of all kinds",
        b"data: a\r\ndata: b\rdata: c\n\rdata: d\n\r\n",
        [("message", "a\nb\nc", ""), ("message", "d", "")],
    ),
    ("LF CR is two line ends", b"data: a\n\rdata: b\r\n\n", [("message", "a", ""), ("message", "b", "")]),
    (
        "blank lines in plenty",
        b"\n\n\r\r\n\ndata: a\n\n\n\n\ndata: b\n\n\n",
        [("message", "a", ""), ("message", "b", "")],
    ),
    ("a BOM is dropped", b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    ("only one BOM is dropped", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("message", "b", "")]),
    ("a later BOM stays", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a", "")]),
    ("half a BOM is no BOM", b"\xef\xbbdata: a\n\ndata: b\n\n", [("message", "b", "")]),
    ("nothing but a BOM", b"\xef\xbb\xbf", []),
    ("an unfinished event is discarded", b"data: a\n\ndata: b\n", [("message", "a", "")]),
    ("an unfinished line is discarded", b"data: a\n\ndata: b", [("message", "a", "")]),
    ("a CR at the end ends the line", b"data: a\n\r", [("message", "a", "")]),
    ("multi-byte text", "data: héllo 世界 👋\n\n".encode(), [("message", "héllo 世界 👋", "")]),
    ("bytes that are not UTF-8", b"data: \xff|\xc3(|\xe2\x82|\xf0\x9f\n\n", [("message", "�|�(|�|�", "")]),
    ("surrogates in UTF-8", b"data: \xed\xa0\x80\n\n", [("message", "���", "")]),
    ("overlong and too large forms", b"data: \xc0\xaf \xf5\x80\x80\x80\n\n", [("message", "�� ����", "")]),
    (
        "a cut code point before a line end",
        b"data: \xe2\x82\n\ndata: \xac\n\n",
        [("message", "�", ""), ("message", "�", "")],
    ),
    (
        "U+2028, U+2029, U+0085 end no line",
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n\n".encode(),
        [("message", "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg", "")],
    ),
    (
        "a run hidden in data lines",
        b"data: a\n\ndata: b\nid: 3\n\ndata: c\n\n",
        [("message", "a", ""), ("message", "b", "3"), ("message", "c", "3")],
    ),
    (
        "a named run with a bare block in it",
        b"event: a\ndata: 1\n\nevent: b\n\nevent: c\ndata: 3\n\n",
        [("a", "1", ""), ("c", "3", "")],
    ),
    ("a named run, one block longer, one shorter", b"event: a\ndata: 1\nx\n\nevent: b\n\n", [("a", "1", "")]),
    ("an empty stream", b"", []),
]

RETRIES = [
    (b"retry: 3000\n", 3000),
    (b"retry:3000\n", 3000),
    (b"retry: 0\n", 0),
    (b"retry: 007\n", 7),
    (b"retry: 999999999999999\n", 999_999_999_999_999),
    (b"retry: 1000000000000000\n", None),
    (b"retry: " + b"9" * 5000 + b"\n", None),
    (b"retry: -5\n", None),
    (b"retry: +5\n", None),
    (b"retry: 1_000\n", None),
    (b"retry: 1.5\n", None),
    (b"retry:  5\n", None),
    (b"retry: 5 \n", None),
    (b"retry: 5s\n", None),
    (b"retry: 0x10\n", None),
    (b"retry:\n", None),
    (b"retry\n", None),
    ("retry: ٣\n".encode(), None),
    ("retry: ²\n".encode(), None),
]

# What hostile streams are made of: all that the algorithm treats as special, whole and in pieces.
PIECES = [
    b"data", b"data:", b"data: ", b"event: ", b"event: a\n", b"id: ", b"id: 1\n", b"id: 1\0\n", b"id\n", b"retry: ",
    b"retry: 12\n", b"retry: 1_2\n", b":", b": ping\n\n", b" ", b"x", b"a: b", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r",
    b"\r\n\r\n", b"\0", b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xbf", b"\xff", b"\xc3", b"\xf0\x9f\x91", b"\x8b",
    b"\xed\xa0\x80", "é".encode(), "👋".encode(),
    "\u2028".encode(), "\u2029".encode(), "\x85".encode(), b"\x0b", b"\x0c", b"\x1c",
    b"data: a\n\n", b"data: b\n\ndata: c\n\n", b"event: a\ndata: 1\n\n", b"[DONE]", b"{}",
]  # fmt: skip

hostile = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=30).map(b"".join)


def read(pieces: Iterable[bytes], parser: SSEParser) -> list[tuple[str, str, str]]:
    events: list[tuple[str, str, str]] = []
    pour(pieces, parser, events)
    assert parser.receive_eof() == []
    return events


def pour(pieces: Iterable[bytes], parser: SSEParser, events: list[tuple[str, str, str]]) -> None:
    for piece in pieces:
        events += parser.receive_data(piece)


@pytest.mark.parametrize(("stream", "expected"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS])
def test_streams_are_read_as_the_standard_says_however_they_are_cut(
    stream: bytes, expected: list[tuple[str, str, str]]
) -> None:
    assert interpret(stream).events == expected, "the oracle itself disagrees"
    for pieces in every_way(stream):
        parser = SSEParser()
        assert read(pieces, parser) == expected, pieces
        assert parser.last_event_id == interpret(stream).last_event_id, pieces


@pytest.mark.parametrize(("line", "expected"), RETRIES, ids=[repr(row[0][:20]) for row in RETRIES])
def test_retry_takes_ascii_digits_and_not_too_many(line: bytes, expected: int | None) -> None:
    for pieces in every_way(line) if len(line) < 100 else [[line], bytewise(line)]:
        parser = SSEParser()
        read(pieces, parser)
        assert parser.retry == expected, pieces


@given(hostile, cuts)
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10, 11])
@example(b"\xef\xbb\xbf", [1, 2])
@example(b"event: \ndata: 1\n\n\nevent: \ndata: 2\n\n", [])
def test_hostile_streams_are_read_as_the_oracle_reads_them(stream: bytes, places: list[int]) -> None:
    wanted = interpret(stream)
    for pieces in ([stream], bytewise(stream), cut_at(stream, places)):
        parser = SSEParser()
        assert read(pieces, parser) == wanted.events, pieces
        assert (parser.last_event_id, parser.retry) == (wanted.last_event_id, wanted.retry), pieces


@given(st.text(alphabet="data:\n id", max_size=40), cuts)
def test_dense_streams_are_read_as_the_oracle_reads_them(text: str, places: list[int]) -> None:
    stream = text.encode()
    wanted = interpret(stream)
    for pieces in ([stream], bytewise(stream), cut_at(stream, places)):
        assert read(pieces, SSEParser()) == wanted.events, pieces


def test_an_earlier_connections_last_event_id_is_kept_until_the_stream_sets_one() -> None:
    stream = b"data: 1\n\nid: 9\ndata: 2\n\n"
    for pieces in every_way(stream):
        parser = SSEParser(last_event_id="5")
        assert read(pieces, parser) == [("message", "1", "5"), ("message", "2", "9")], pieces
        assert parser.last_event_id == "9"
    assert interpret(stream, "5").events == [("message", "1", "5"), ("message", "2", "9")]


def test_an_id_counts_only_from_the_blank_line_on() -> None:
    parser = SSEParser()
    parser.receive_data(b"id: 7\ndata: 1\n")
    assert parser.last_event_id == ""
    parser.receive_data(b"\n")
    assert parser.last_event_id == "7"


def test_an_event_is_a_tuple_with_names() -> None:
    (event,) = SSEParser().receive_data(b"event: e\nid: i\ndata: d\n\n")
    assert (event.event, event.data, event.id) == ("e", "d", "i")
    (fast,) = SSEParser().receive_data(b"data: d\n\n")
    assert isinstance(fast, ServerSentEvent)


def test_parsers_never_influence_each_other() -> None:
    """One decoder shared among all parsers was a bug of a peer: half a code point here came out there."""
    streams = [
        "data: héé👋\n\nid: a\n\n".encode(),
        "retry: 5\ndata: 世界\r\n\r\nid: b\ndata: x\n\n".encode(),
        b"\xef\xbb\xbfdata: \xff\n\n",
    ]
    parsers = [SSEParser() for _ in streams]
    events: list[list[tuple[str, str, str]]] = [[] for _ in streams]
    for place in range(max(map(len, streams))):
        for stream, parser, seen in zip(streams, parsers, events, strict=True):
            seen += parser.receive_data(stream[place : place + 1])
    for stream, parser, seen in zip(streams, parsers, events, strict=True):
        wanted = interpret(stream)
        assert (seen, parser.last_event_id, parser.retry) == (wanted.events, wanted.last_event_id, wanted.retry)


# What is not dispatched, for those who ask.

NOTED = b": one\ndata: a\nerror: {}\n\nid: 1\n\nid: \0\n\nretry: 10\nretry: x\n:two\n\ndata: b\n\nbare\n"
NOTES = [
    ("comment", "one", 0),
    ("ignored", "error: {}", 0),
    ("id", "1", 1),
    ("ignored", "id: \0", 1),
    ("retry", "10", 1),
    ("ignored", "retry: x", 1),
    ("comment", "two", 1),
    ("ignored", "bare", 2),
]


def test_what_is_not_dispatched_can_be_observed_in_order() -> None:
    for pieces in every_way(NOTED):
        notes: list[Note] = []
        counts: list[int] = []
        parser = SSEParser(observe=notes.append)
        seen = 0
        for piece in pieces:
            before = len(notes)
            events = parser.receive_data(piece)
            counts += [seen + note.position for note in notes[before:]]
            seen += len(events)
        assert [note[:2] for note in notes] == [note[:2] for note in NOTES], pieces
        assert counts == [note[2] for note in NOTES], pieces


@given(hostile, cuts)
def test_observing_changes_no_event_and_any_cut_gives_the_same_notes(stream: bytes, places: list[int]) -> None:
    def observed(pieces: list[bytes]) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
        notes: list[Note] = []
        events = read(pieces, SSEParser(observe=notes.append))
        return events, [(note.kind, note.text) for note in notes]

    whole = observed([stream])
    assert whole[0] == interpret(stream).events
    assert observed(cut_at(stream, places)) == whole
    assert observed(bytewise(stream)) == whole


# The limit.

LIMIT = 20
TOO_LARGE = [
    ("a line", b"data: 1\n\ndata: " + b"x" * 15 + b"\n\n", 1),
    ("a line that never ends", b"data: 1\n\ndata: " + b"x" * 15, 1),
    ("a comment", b"data: 1\n\n:" + b"x" * 20 + b"\n", 1),
    ("an unknown field", b"x" * 21 + b"\n", 0),
    ("the data of an event", b"data: 1\n\ndata: 12345678\ndata: 12345678\ndata: 123\n\n", 1),
    ("data of nothing but empty lines", b"data\n" * 22 + b"\n", 0),
    ("a line of bytes that are not UTF-8", b"data: \xff\n\ndata: " + b"\xff" * 15 + b"\n\n", 1),
    ("a second event in a run", b"data: 1\n\ndata: 2\n\ndata: " + b"3" * 30 + b"\n\ndata: 4\n\n", 2),
    ("after a line within the limit", b"data: 12345678901234\n\ndata: 123456789012345\n\n", 1),
    ("with line ends of CRLF", b"data: 1\r\n\r\ndata: " + b"x" * 15 + b"\r\n\r\n", 1),
]
WITHIN = [
    b"data: 12345678901234\n\n" * 5,
    b"data: 12345678901234\r\n\r\n",
    b":2345678901234567890\r" * 5,
    b"data: 123456789\ndata: 12345678\n\n",
    b"data\n" * 20 + b"\n",
    b"event: 3456789012345\nid: 5678901234567890\ndata: 789012345678901"[:-1] + b"\n\n",
    b"data: \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n\n",
]


@pytest.mark.parametrize(("stream", "before"), [row[1:] for row in TOO_LARGE], ids=[row[0] for row in TOO_LARGE])
def test_an_event_over_the_limit_is_a_typed_error_after_what_came_before(stream: bytes, before: int) -> None:
    for pieces in every_way(stream):
        parser = SSEParser(max_event_size=LIMIT)
        events: list[tuple[str, str, str]] = []
        with pytest.raises(EventTooLarge) as caught:
            pour([*pieces, b"", b""], parser, events)
        assert len(events) == before, pieces
        assert caught.value is parser.error
        assert caught.value.offset is not None
        assert caught.value.offset <= len(stream)
        assert f"max_event_size, {LIMIT} bytes" in str(caught.value)
        for call in (lambda p=parser: p.receive_data(b"data: 1\n\n"), parser.receive_eof):
            with pytest.raises(EventTooLarge):
                call()


@pytest.mark.parametrize("stream", WITHIN)
def test_an_event_at_the_limit_is_read(stream: bytes) -> None:
    for pieces in every_way(stream):
        assert read(pieces, SSEParser(max_event_size=LIMIT)) == interpret(stream).events, pieces


@given(hostile, cuts, st.integers(0, 12))
def test_the_limit_is_the_same_however_the_stream_is_cut(stream: bytes, places: list[int], limit: int) -> None:
    def limited(pieces: list[bytes]) -> tuple[list[tuple[str, str, str]], bool]:
        parser = SSEParser(max_event_size=limit)
        events: list[tuple[str, str, str]] = []
        try:
            pour(pieces, parser, events)
            parser.receive_eof()
        except EventTooLarge:
            return events, True
        return events, False

    whole = limited([stream])
    assert limited(cut_at(stream, places)) == whole
    assert limited(bytewise(stream)) == whole
    if not whole[1]:
        assert whole[0] == interpret(stream).events


@pytest.mark.parametrize("size", [1, 2, 7, 1024])
def test_a_line_that_never_ends_keeps_memory_bounded(size: int) -> None:
    limit = 200_000
    parser = SSEParser(max_event_size=limit)
    piece = b"x" * size
    tracemalloc.start()
    try:
        with pytest.raises(EventTooLarge):
            pour(repeat(piece, 3 * limit // size), parser, [])
        assert tracemalloc.get_traced_memory()[1] < 4 * limit
    finally:
        tracemalloc.stop()


def test_data_lines_without_end_keep_memory_bounded() -> None:
    parser = SSEParser(max_event_size=100_000)
    tracemalloc.start()
    try:
        with pytest.raises(EventTooLarge):
            pour(repeat(b"data\n", 1_000_000), parser, [])
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_one_huge_line_in_small_reads_is_moved_about_a_bounded_number_of_times() -> None:
    """4 MB in 1 KiB reads. Time would measure the machine, so the bytes that the parser allocates are counted: a parser
    that joins what it holds at every read allocates 8 GB here."""
    stream = b"data: " + b"x" * 4_000_000 + b"\n\n"
    parser = SSEParser()
    events: list[ServerSentEvent] = []
    allocated = 0
    tracemalloc.start()
    try:
        for start in range(0, len(stream), 1024):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            events += parser.receive_data(stream[start : start + 1024])
            allocated += max(tracemalloc.get_traced_memory()[1] - before, 0)
    finally:
        tracemalloc.stop()
    assert [len(event.data) for event in events] == [4_000_000]
    # Growing in place by an eighth at a time moves each byte nine times; reading it copies it a few times more.
    assert allocated < 20 * len(stream), f"{allocated} bytes allocated"


# The encoder.

ENCODED = [
    (encode("a"), b"data: a\n\n"),
    (encode(""), b"data: \n\n"),
    (encode(), b"\n"),
    (encode("a\nb\rc\r\nd\n"), b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
    (encode(" a"), b"data:  a\n\n"),
    (encode("a", event="e", id="1", retry=5), b"event: e\nid: 1\nretry: 5\ndata: a\n\n"),
    (encode(id=""), b"id: \n\n"),
    (encode(comment="ping"), b": ping\n\n"),
    (encode(comment="two\rlines"), b": two\n: lines\n\n"),
    (encode("👋"), "data: 👋\n\n".encode()),
]


@pytest.mark.parametrize(("written", "expected"), ENCODED, ids=[repr(row[1]) for row in ENCODED])
def test_an_event_is_written_as_every_parser_reads_it(written: bytes, expected: bytes) -> None:
    assert written == expected


plain = st.text(st.characters(codec="utf-8"), max_size=30)
one_line = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=10)


@given(plain, one_line, one_line, st.integers(0, 10**15 - 1), plain)
@example("\ufeffa\r", "\ufeff", "\ufeff", 0, "\r\r\n\n")
@example("\r\n\r", " x", " ", 3, ":\u2028")
def test_what_is_written_reads_back(data: str, event: str, last_event_id: str, retry: int, comment: str) -> None:
    written = encode(data, event=event, id=last_event_id, retry=retry, comment=comment) + encode("next")
    parser = SSEParser()
    lines = data.replace("\r\n", "\n").replace("\r", "\n")
    wanted = [(event or "message", lines, last_event_id), ("message", "next", last_event_id)]
    assert read([written], parser) == interpret(written).events == wanted, written
    assert parser.retry == retry


@pytest.mark.parametrize(
    "arguments",
    [
        {"event": "a\nb"}, {"event": "a\rb"}, {"event": "\0"}, {"id": "a\nb"}, {"id": "\r"}, {"id": "a\0"},
        {"retry": -1}, {"data": "\ud800"}, {"event": "\udfff"}, {"id": "\ud800"}, {"comment": "\ud800"},
    ],
)  # fmt: skip
def test_what_no_parser_could_read_back_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        encode(**{"data": "x", **arguments})  # type: ignore[arg-type]


def test_the_file_can_be_copied_away_and_used_alone(tmp_path: Path) -> None:
    (tmp_path / "vendored.py").write_bytes(Path(sse.__file__).read_bytes())
    program = "import vendored; print(vendored.SSEParser().receive_data(b'data: a\\n\\n')[0].data)"
    result = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("a\n", "")
