"""The chunked coding, against its oracle, at every split, at every limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy

import chunked_spec as spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way, some_ways
from growth import growth
from tokenwire.errors import EventTooLarge, LocalProtocolError, RemoteProtocolError
from tokenwire.framing import chunked
from tokenwire.framing.chunked import MAX_CHUNK_LINE, MAX_SIZE_DIGITS, MAX_TRAILER_SIZE, ChunkedParser


def read(pieces: list[bytes], parser: ChunkedParser | None = None) -> spec.Decoded:
    """What came of a body, in the form of the oracle; the same where whole chunks are asked for first."""
    parser = parser or ChunkedParser()
    other = read_by(chunks_first, pieces, deepcopy(parser))
    result = read_by(ChunkedParser.receive_data, pieces, parser)
    assert other == result, pieces
    return result


def chunks_first(parser: ChunkedParser, data: bytes) -> list[bytes]:
    """As `HTTPExchange` reads a body."""
    over = parser.complete or parser.error is not None
    chunk = parser.whole_chunk(data)
    assert not (over and chunk), "there are no chunks after the end"
    return [chunk] if chunk else parser.receive_data(data)


def read_by(
    receive: Callable[[ChunkedParser, bytes], list[bytes]], pieces: list[bytes], parser: ChunkedParser
) -> spec.Decoded:
    result = spec.Decoded()
    try:
        for number, piece in enumerate(pieces):
            given_ = receive(parser, piece)
            assert all(given_), "an empty piece of data is none"
            result.content += b"".join(given_)
            if parser.complete:
                result.how, result.trailers = "complete", parser.trailers
                result.rest = parser.unused + b"".join(pieces[number + 1 :])
                break
        assert parser.receive_eof() == []
    except RemoteProtocolError as error:
        result.how = "too large" if isinstance(error, EventTooLarge) else "wrong"
        result.offset = error.offset
    assert (parser.error is None, parser.complete) == (result.offset is None, result.how == "complete")
    return result


def by_oracle(stream: bytes, max_line: int = MAX_CHUNK_LINE, max_trailers: int = MAX_TRAILER_SIZE) -> spec.Decoded:
    return spec.decode_chunked(stream, max_digits=MAX_SIZE_DIGITS, max_line=max_line, max_trailers=max_trailers)


# (what it shows, the bytes of the body, its content, its trailers)
SOUND: list[tuple[str, bytes, bytes, list[tuple[bytes, bytes]]]] = [
    ("nothing", b"0\r\n\r\n", b"", []),
    ("two chunks", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", []),
    ("chunks of one size", b"2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n2\r\ngh\r\n0\r\n\r\n", b"abcdefgh", []),
    ("digits of both cases", b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, []),
    ("as many digits as there may be", b"0000000000000001\r\na\r\n0000000000000000\r\n\r\n", b"a", []),
    ("data that look like the end of a chunk", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", []),
    ("data that look like the next chunk", b"2\r\nab\r\n7\r\n\r\n2\r\nxy\r\n0\r\n\r\n", b"ab\r\n2\r\nxy", []),
    ("an extension", b"1;a\r\nx\r\n0;b=c\r\n\r\n", b"x", []),
    ("a quoted extension", b'1;a="b;\\"\t\\\\\xff"\r\nx\r\n0\r\n\r\n', b"x", []),
    ("blanks within extensions", b"1 \t; a = b ;c\r\nx\r\n0\r\n\r\n", b"x", []),
    ("an extension on one of two chunks of a size", b"1\r\nx\r\n1;a\r\ny\r\n1\r\nz\r\n0\r\n\r\n", b"xyz", []),
    ("trailers", b"0\r\nA: b\r\nX-y:\r\nA:\tc d \r\n\r\n", b"", [(b"A", b"b"), (b"X-y", b""), (b"A", b"c d")]),
    (
        "a trailer that is folded",
        b"0\r\nA: b \r\n \tc\r\n\td\r\nE:\r\n f\r\n\r\n",
        b"",
        [(b"A", b"b c d"), (b"E", b"f")],
    ),
    ("a trailer of no ASCII", b"0\r\nA: \xc3\xa9\r\n\r\n", b"", [(b"A", b"\xc3\xa9")]),
]


@pytest.mark.parametrize(("stream", "content", "trailers"), [row[1:] for row in SOUND], ids=[row[0] for row in SOUND])
def test_a_sound_body_is_read_alike_however_it_is_cut(
    stream: bytes, content: bytes, trailers: list[tuple[bytes, bytes]]
) -> None:
    for rest in (b"", b"0\r\n\r\n"):
        wanted = spec.Decoded(content, "complete", None, trailers, rest)
        assert by_oracle(stream + rest) == wanted
        for pieces in every_way(stream + rest):
            assert read(pieces) == wanted, pieces


@pytest.mark.parametrize("stream", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_a_body_cut_at_any_byte_is_unfinished(stream: bytes) -> None:
    for place in range(len(stream)):
        assert read([stream[:place]]).how == read(bytewise(stream[:place])).how == "unfinished", stream[:place]


GRAMMAR, EXTENSIONS, TRAILERS, LIMIT = "RFC 9112 7.1", "RFC 9112 7.1.1", "RFC 9112 7.1.2", "limit of the reader"

# (what is wrong, the bytes, the content before it, the offset of the error, its clause, a part of its words)
WRONG: list[tuple[str, bytes, bytes, int, str, str]] = [
    ("no size", b"\r\nabc", b"", 0, GRAMMAR, "without a size"),
    ("an extension without a size", b";a\r\n", b"", 0, GRAMMAR, "without a size"),
    ("a size that is none", b"zz\r\n", b"", 0, GRAMMAR, "without a size"),
    ("a negative size", b"-1\r\n", b"", 0, GRAMMAR, "without a size"),
    ("a size with a sign", b"+1\r\n", b"", 0, GRAMMAR, "without a size"),
    ("a blank before the size", b" 1\r\na\r\n", b"", 0, GRAMMAR, "without a size"),
    ("a CR before the size", b"\r1\r\na\r\n", b"", 0, GRAMMAR, "without a size"),
    ("another empty line after the data", b"1\r\na\r\n\r\n", b"a", 6, GRAMMAR, "without a size"),
    ("more digits than there may be", b"0" * 16 + b"1\r\na\r\n", b"", 16, GRAMMAR, "more than 16 digits"),
    ("the same of the last chunk", b"1\r\na\r\n" + b"0" * 17 + b"\r\n\r\n", b"a", 22, GRAMMAR, "more than 16 digits"),
    ("blanks after the size", b"1  \r\na\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("a prefix of hexadecimal", b"0x1\r\na\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("an underscore among digits", b"1_0\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("a size of another script", "1٣\r\n".encode(), b"", 1, EXTENSIONS, "no extension"),
    ("a CR alone after the size", b"1\ra\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("two CRs", b"1\r\r\na\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("a NUL after the size", b"1\0\r\na\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("an extension without a name", b"1;\r\na\r\n", b"", 1, EXTENSIONS, "no extension"),
    ("an extension without a value", b"1;a=\r\n", b"", 3, EXTENSIONS, "no extension"),
    ("a quoted value without its end", b'1;a="b\r\n', b"", 3, EXTENSIONS, "no extension"),
    ("a blank after the extensions", b"1;a \r\n", b"", 3, EXTENSIONS, "no extension"),
    ("a CR within an extension", b"1;a\rb\r\n", b"", 3, EXTENSIONS, "no extension"),
    ("LF alone after the size", b"1\na\r\n", b"", 1, GRAMMAR, "LF alone"),
    ("LF alone after a size that came before", b"1\r\na\r\n1\nb\r\n", b"a", 7, GRAMMAR, "LF alone"),
    ("LF alone within an extension", b"1;a\n2\r\n", b"", 3, GRAMMAR, "LF alone"),
    ("LF alone after the last chunk", b"0\n\r\n", b"", 1, GRAMMAR, "LF alone"),
    ("LF alone at the end", b"0\r\n\n", b"", 3, GRAMMAR, "LF alone"),
    ("LF alone after a trailer", b"0\r\nA: b\n\r\n", b"", 7, GRAMMAR, "LF alone"),
    ("LF alone after the data", b"1\r\na\n1\r\nb\r\n", b"a", 4, GRAMMAR, "not followed by CRLF"),
    ("CR alone after the data", b"1\r\na\r1\r\n", b"a", 5, GRAMMAR, "not followed by CRLF"),
    ("nothing after the data", b"1\r\na1\r\nb\r\n", b"a", 4, GRAMMAR, "not followed by CRLF"),
    ("a chunk longer than it says", b"1\r\nab\r\n", b"a", 4, GRAMMAR, "not followed by CRLF"),
    ("no CRLF between two of a size", b"2\r\nab\r\n2\r\ncd2\r\nef\r\n", b"abcd", 12, GRAMMAR, "not followed by CRLF"),
    ("the same, of two digits", b"01\r\na\r\n01\r\nb01\r\nc\r\n", b"ab", 12, GRAMMAR, "not followed by CRLF"),
    ("a trailer without a colon", b"0\r\nnonsense\r\n\r\n", b"", 3, TRAILERS, "no field"),
    ("a trailer without a name", b"0\r\n: b\r\n\r\n", b"", 3, TRAILERS, "no field"),
    ("a blank before the colon", b"0\r\nA : b\r\n\r\n", b"", 3, TRAILERS, "no field"),
    ("a fold before any trailer", b"0\r\n A: b\r\n\r\n", b"", 3, TRAILERS, "no field"),
    ("a NUL in a trailer", b"0\r\nA: b\0c\r\n\r\n", b"", 7, TRAILERS, "no field"),
    ("a CR in a trailer", b"0\r\nA: b\rc\r\n\r\n", b"", 7, TRAILERS, "no field"),
    ("a control character in a fold", b"0\r\nA: b\r\n c\x01\r\n\r\n", b"", 11, TRAILERS, "no field"),
    ("chunks after the last", b"0\r\n1\r\na\r\n", b"", 3, TRAILERS, "no field"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "content", "offset", "clause", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_wrong_is_told_with_its_place_and_clause(
    stream: bytes, content: bytes, offset: int, clause: str, words: str
) -> None:
    wanted = spec.Decoded(content, "wrong", offset)
    assert by_oracle(stream) == wanted
    for pieces in every_way(stream):
        parser = ChunkedParser()
        assert read(pieces, parser) == wanted, pieces
        error = parser.error
        assert error is not None
        assert (type(error), error.clause) == (RemoteProtocolError, clause), pieces
        assert words in str(error)
        assert f" at byte {offset} [{clause}]" in str(error)


def test_offsets_count_from_the_base() -> None:
    for pieces in every_way(b"1\r\na\r\nzz\r\n"):
        assert read(pieces, ChunkedParser(base=1000)).offset == 1006


# Limits: one byte below, exactly, one byte above.


@pytest.mark.parametrize(("size", "how"), [(19, "complete"), (20, "complete"), (21, "too large")])
@pytest.mark.parametrize("first", [b"", b"1\r\na\r\n", b"1\r\na\r\n1\r\nb\r\n"])
def test_the_limit_on_the_line_of_a_chunk_is_exact(first: bytes, size: int, how: str) -> None:
    line = b"1;" + b"x" * (size - 4) + b"\r\n"
    stream = first + line + b"z\r\n0\r\n\r\n"
    for pieces in every_way(stream):
        parser = ChunkedParser(max_line=20)
        result = read(pieces, parser)
        assert result == by_oracle(stream, max_line=20)
        assert result.how == how, pieces
        if how == "too large":
            assert result.offset == len(first) + 20
            assert parser.error is not None
            assert parser.error.clause == LIMIT
            assert "begins a chunk" in str(parser.error)


@pytest.mark.parametrize(("size", "how"), [(19, "complete"), (20, "complete"), (21, "too large")])
@pytest.mark.parametrize("line", [b"A:\r\n", b""])
def test_the_limit_on_the_trailers_is_exact(line: bytes, size: int, how: str) -> None:
    trailers = line + b"B:" + b"x" * (size - len(line) - 6) + b"\r\n\r\n"
    assert len(trailers) == size
    for pieces in every_way(b"0\r\n" + trailers):
        parser = ChunkedParser(max_trailers=20)
        result = read(pieces, parser)
        assert result == by_oracle(b"0\r\n" + trailers, max_trailers=20)
        assert result.how == how, pieces
        if how == "too large":
            assert result.offset == 3 + 20
            assert parser.error is not None
            assert parser.error.clause == LIMIT
            assert "trailer" in str(parser.error)


def test_a_line_without_end_is_refused_at_the_limit_and_not_kept() -> None:
    for stream, limit in (
        (b"1;" + b"x" * 200_000, MAX_CHUNK_LINE),
        (b"0\r\nA:" + b"x" * 200_000, 3 + MAX_TRAILER_SIZE),
    ):
        for pieces in ([stream], [stream[i : i + 100] for i in range(0, len(stream), 100)]):
            parser = ChunkedParser()
            assert read(pieces, parser) == spec.Decoded(b"", "too large", limit)
            assert not parser._line


def test_the_sizes_that_are_remembered_are_few() -> None:
    parser = ChunkedParser()
    stream = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in range(1, 500))
    assert len(b"".join(parser.receive_data(stream))) == sum(range(1, 500))
    assert 0 < len(parser._sizes) <= chunked._MAX_KNOWN


# The life of a parser.


def test_an_error_comes_after_the_data_before_it_and_then_at_every_call() -> None:
    parser = ChunkedParser()
    assert parser.receive_data(b"1\r\na\r\nzz\r\n1\r\nb\r\n") == [b"a"]
    for call in (lambda: parser.receive_data(b"1\r\nb\r\n"), lambda: parser.receive_data(b""), parser.receive_eof):
        with pytest.raises(RemoteProtocolError, match="without a size at byte 6"):
            call()


def test_a_body_that_is_complete_takes_no_more() -> None:
    parser = ChunkedParser()
    assert parser.receive_data(b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200") == [b"a"]
    assert (parser.complete, parser.unused, parser.error) == (True, b"HTTP/1.1 200", None)
    with pytest.raises(LocalProtocolError, match="complete"):
        parser.receive_data(b" OK")
    assert parser.receive_eof() == []


def test_an_empty_read_changes_nothing() -> None:
    stream = b"2\r\nab\r\n0;x\r\nA: b\r\n\r\n"
    pieces = [piece for byte in bytewise(stream) for piece in (b"", byte, b"")]
    assert read(pieces) == by_oracle(stream)


def test_data_are_given_as_they_come() -> None:
    parser = ChunkedParser()
    given_ = [parser.receive_data(piece) for piece in (b"4", b"\r\n", b"ab", b"c", b"d\r", b"\n4\r\nefg", b"h")]
    assert given_ == [[], [], [b"ab"], [b"c"], [b"d"], [b"efg"], [b"h"]]


# The short way.


def test_the_short_way_is_taken_for_whole_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[int] = []
    begin = ChunkedParser._begin_chunk
    monkeypatch.setattr(
        ChunkedParser, "_begin_chunk", lambda self, line, start: lines.append(start) or begin(self, line, start)
    )
    stream = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (5, 6, 7) * 1000)
    parser = ChunkedParser()
    assert len(b"".join(parser.receive_data(stream))) == 18_000
    assert lines == []
    for start in range(0, len(stream), 1000):  # where a read ends within a chunk, its line may go the long way
        parser.receive_data(stream[start : start + 1000])
    assert len(lines) <= len(stream) // 1000 + 1
    lines.clear()
    for size in (5, 6, 7) * 100:  # one chunk a read
        parser.receive_data(b"%x\r\n%s\r\n" % (size, b"x" * size))
    assert lines == []


def test_many_chunks_in_a_read_are_taken_by_one_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until something else than a size and plain data comes; from then on no read is split in vain."""
    at_once: list[int] = []
    plain = ChunkedParser._plain_chunks
    monkeypatch.setattr(
        ChunkedParser,
        "_plain_chunks",
        lambda self, data, at, pieces: at_once.append(at) or plain(self, data, at, pieces),
    )
    ordinary = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (5, 6, 7) * 10)
    parser = ChunkedParser()
    for _ in range(5):
        assert len(parser.receive_data(ordinary)) == 30
    assert len(at_once) == 5
    for odd in (b"3\r\n\r\nx\r\n", b"1;a\r\nx\r\n", b"4\r\n\r\n\r\n\r\n"):
        at_once.clear()
        parser = ChunkedParser()
        parser.receive_data(ordinary)
        for _ in range(5):
            assert len(b"".join(parser.receive_data(ordinary + odd * 100 + ordinary))) > 2 * 180
        assert len(at_once) <= 3


def test_a_read_that_is_one_whole_chunk_is_known_as_such() -> None:
    parser = ChunkedParser(base=10)
    assert parser.whole_chunk(b"2\r\nab\r\n") == b"", "a size that has not come before"
    assert parser.receive_data(b"2\r\nab\r\n") == [b"ab"]
    assert parser.whole_chunk(b"2\r\n\r\n\r\n") == b"\r\n"
    for other in (b"", b"2\r\nab", b"2\r\nab\r", b"2\r\nabc\r\n", b"2\r\nab\r\n2", b"2\nab\r\n", b"2\r\nab\n\n"):
        assert parser.whole_chunk(other) == b"", other
    for begun in (b"2", b"2\r", b"2\r\n", b"2\r\na", b"2\r\nab", b"2\r\nab\r"):
        parser.receive_data(begun)
        assert parser.whole_chunk(b"2\r\nab\r\n") == b"", begun
        parser.receive_data(b"2\r\nab\r\n"[len(begun) :])
    assert parser.whole_chunk(b"2\r\nab\r\n") == b"ab"
    with pytest.raises(RemoteProtocolError, match="without a size at byte 73"):
        parser.receive_data(b"zz\r\n")
    assert parser.whole_chunk(b"2\r\nab\r\n") == b""


def test_one_byte_a_read_is_linear() -> None:
    def lines(size: int) -> None:
        parser = ChunkedParser(max_line=2 * size, max_trailers=2 * size)
        for stream in (
            b"1;" + b"x" * size + b"\r\na\r\n",
            b"%x\r\n%s\r\n" % (size, b"x" * size),
            b"0\r\nA:" + b"\r\n x" * size,
        ):
            for piece in bytewise(stream[: size + 20]):
                parser.receive_data(piece)

    assert growth(lines, 20_000, 80_000) < 8  # 4 is linear, 16 quadratic


def test_a_trailer_with_many_folds_is_linear() -> None:
    def folds(size: int) -> None:
        ChunkedParser(max_trailers=2**30).receive_data(b"0\r\nA:" + b"\r\n x" * size + b"\r\n\r\n")

    assert growth(folds, 20_000, 80_000) < 8


# Whatever comes.

lines = st.sampled_from(
    [b"1", b"2", b"3", b"0", b"00", b"01", b"a", b"1;a", b'1;a="b"', b"1 ;a=b", b"0;a", b"0" * 17, b"zz", b"", b"-1",
     b"1 ", b" 1", b"0x1", b"A: b", b" c", b"A:", b"nonsense"]
)  # fmt: skip
ends = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n", b""])
sound_chunks = st.builds(
    lambda data, more: b"%x%s\r\n%s\r\n" % (len(data), more, data),
    st.binary(min_size=1, max_size=4),
    st.sampled_from([b"", b"", b";a"]),
)
hostile = st.lists(
    sound_chunks | st.builds(lambda line, end: line + end, lines, ends) | st.binary(max_size=3), max_size=8
).map(b"".join)


@given(hostile, cuts)
def test_hostile_bodies_are_read_as_the_oracle_reads_them(stream: bytes, places: list[int]) -> None:
    wanted = by_oracle(stream)
    for pieces in ([stream], bytewise(stream), cut_at(stream, places)):
        assert read(pieces) == wanted, pieces


@given(st.lists(sound_chunks, max_size=6).map(b"".join), hostile, cuts, st.integers(3, 12))
def test_the_same_behind_sound_chunks_and_under_small_limits(
    stream: bytes, rest: bytes, places: list[int], limit: int
) -> None:
    stream += rest
    wanted = by_oracle(stream, max_line=limit, max_trailers=limit)
    for pieces in ([stream], bytewise(stream), cut_at(stream, places)):
        assert read(pieces, ChunkedParser(max_line=limit, max_trailers=limit)) == wanted, pieces


def test_a_long_stream_is_read_alike_however_it_is_cut() -> None:
    stream = (
        b"".join(b"%x\r\n%s\r\n" % (len(data), data) for data in (b"x" * (1 + n % 90) for n in range(300)))
        + b"0\r\n\r\n"
    )
    wanted = by_oracle(stream)
    assert wanted.how == "complete"
    for pieces in ([piece + b"\r\n" for piece in re.split(rb"\r\n(?!x)", stream)[:-1]], *some_ways(stream, 50)):
        assert read(pieces) == wanted
