"""WebSocket frames, against RFC 6455, section 5."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts, every_way
from growth import growth
from tokenwire.errors import LocalProtocolError
from tokenwire.framing.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_MESSAGE_SIZE,
    PING,
    PONG,
    TEXT,
    Close,
    FrameError,
    FrameParser,
    FrameWriter,
    Item,
    Ping,
    Pong,
    close_payload,
    is_valid_close_code,
    mask,
)

KEY = b"\x37\xfa\x21\x3d"

#: Items, and the code and offset of the error after them.
Read = tuple[list[Item], tuple[int, int | None] | None]


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = False) -> bytes:
    """One frame, written here a second time, byte by byte."""
    size = len(payload)
    if size < 126:
        length, extended = size, b""
    elif size < 65536:
        length, extended = 126, size.to_bytes(2, "big")
    else:
        length, extended = 127, size.to_bytes(8, "big")
    first = bytes([fin << 7 | rsv << 4 | opcode])
    if not masked:
        return first + bytes([length]) + extended + payload
    return first + bytes([0x80 | length]) + extended + KEY + naive_mask(payload, KEY)


def naive_mask(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[place % 4] for place, byte in enumerate(data))


def read(pieces: Iterable[bytes], parser: FrameParser) -> Read:
    items: list[Item] = []
    error = None
    try:
        for piece in pieces:
            items += parser.receive_data(piece)
        parser.receive_data(b"")
    except FrameError as raised:
        error = (raised.code, raised.offset)
    assert (parser.error is None) == (error is None)
    if parser.error is not None:
        assert parser.error.clause
        with pytest.raises(FrameError):
            parser.receive_data(b"\x81\x02hi")
    return items, error


# Frames as (opcode, payload, fin), which both sides understand alike, and what they are.
STREAMS: list[tuple[str, list[tuple[int, bytes, bool]], list[Item]]] = [
    ("a text", [(TEXT, b"Hello", True)], ["Hello"]),
    ("an empty text", [(TEXT, b"", True)], [""]),
    ("a binary message", [(BINARY, b"\x00\xff", True)], [b"\x00\xff"]),
    ("an empty binary message", [(BINARY, b"", True)], [b""]),
    ("line ends are kept", [(TEXT, b"a\r\nb\rc\n\x00", True)], ["a\r\nb\rc\n\x00"]),
    ("125 bytes", [(TEXT, b"x" * 125, True)], ["x" * 125]),
    ("126 bytes", [(TEXT, b"x" * 126, True)], ["x" * 126]),
    ("127 bytes", [(BINARY, b"x" * 127, True)], [b"x" * 127]),
    ("a ping", [(PING, b"", True)], [Ping(b"")]),
    ("a ping with a payload", [(PING, b"\x00p", True)], [Ping(b"\x00p")]),
    ("a pong of the greatest size", [(PONG, b"x" * 125, True)], [Pong(b"x" * 125)]),
    ("a close without a code", [(CLOSE, b"", True)], [Close(1005, "")]),
    ("a close", [(CLOSE, b"\x03\xe8", True)], [Close(1000, "")]),
    ("a close with a reason", [(CLOSE, b"\x0f\xa0\xc3\xa9t\xc3\xa9", True)], [Close(4000, "été")]),
    ("what follows a close is not read", [(CLOSE, b"", True), (TEXT, b"x", True), (3, b"", True)], [Close(1005, "")]),
    ("several messages", [(TEXT, b"a", True), (BINARY, b"b", True), (TEXT, b"c", True)], ["a", b"b", "c"]),
    ("fragments", [(TEXT, b"ab", False), (CONTINUATION, b"cd", False), (CONTINUATION, b"ef", True)], ["abcdef"]),
    ("empty fragments", [(TEXT, b"", False), (CONTINUATION, b"", False), (CONTINUATION, b"", True)], [""]),
    ("binary fragments", [(BINARY, b"\xff", False), (CONTINUATION, b"\xfe", True)], [b"\xff\xfe"]),
    (
        "control frames between fragments",
        [
            *((TEXT, b"a", False), (PING, b"1", True), (CONTINUATION, b"b", False), (PONG, b"2", True)),
            *((CONTINUATION, b"c", True), (TEXT, b"d", True)),
        ],
        [Ping(b"1"), Pong(b"2"), "abc", "d"],
    ),
    ("a close between fragments", [(TEXT, b"a", False), (CLOSE, b"\x03\xe9", True)], [Close(1001, "")]),
    (
        "characters cut by fragments",
        [
            *((TEXT, b"\xf0\x9f", False), (CONTINUATION, b"\x98", False), (PING, b"", True)),
            *((CONTINUATION, b"\x80\xe2", False), (CONTINUATION, b"\x82\xac", True)),
        ],
        [Ping(b""), "😀€"],
    ),
    (
        "every length of a character",
        [(TEXT, "aé€😀\U0010ffff\ud7ff\ue000".encode(), True)],
        ["aé€😀\U0010ffff\ud7ff\ue000"],
    ),
    ("a byte order mark is kept", [(TEXT, b"\xef\xbb\xbfx", True)], ["\ufeffx"]),
]


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize(("frames", "expected"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS])
def test_frames_are_read_alike_however_they_are_cut(
    frames: list[tuple[int, bytes, bool]], expected: list[Item], client: bool
) -> None:
    data = b"".join(frame(opcode, payload, fin=fin, masked=not client) for opcode, payload, fin in frames)
    for pieces in every_way(data):
        assert read(pieces, FrameParser(client=client)) == (expected, None), pieces


def extended(first: int, width: int, length: int, payload: bytes = b"", *, masked: bool) -> bytes:
    """A frame whose length takes `width` bytes, whether it needs them or not."""
    head = bytes([first, (0x80 if masked else 0) | (126 if width == 2 else 127)]) + length.to_bytes(width, "big")
    return head + (KEY + naive_mask(payload, KEY) if masked else payload)


def broken(masked: bool) -> list[tuple[str, bytes, int]]:
    """(what is wrong, frames of which the last is wrong, the code)"""

    def one(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
        return frame(opcode, payload, fin=fin, rsv=rsv, masked=masked)

    begun = one(TEXT, b"a", fin=False)
    return [
        *((f"the reserved opcode {opcode}", one(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *((f"the reserved bits {rsv:03b}", one(TEXT, b"x", rsv=rsv), 1002) for rsv in range(1, 8)),
        *((f"the reserved bits {rsv:03b} on a ping", one(PING, rsv=rsv), 1002) for rsv in range(1, 8)),
        ("masked the wrong way", frame(TEXT, b"x", masked=not masked), 1002),
        ("masked the wrong way, and empty", frame(TEXT, masked=not masked), 1002),
        ("a ping masked the wrong way", frame(PING, masked=not masked), 1002),
        ("a fragmented ping", one(PING, fin=False), 1002),
        ("a fragmented pong", one(PONG, fin=False), 1002),
        ("a fragmented close", one(CLOSE, fin=False), 1002),
        ("a ping of 126 bytes", one(PING, b"x" * 126), 1002),
        ("a close of 126 bytes", one(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
        ("a pong of 64 KiB", one(PONG, b"x" * 65536), 1002),
        ("a continuation of nothing", one(CONTINUATION, b"x"), 1002),
        ("a continuation of nothing, not the last", one(CONTINUATION, b"x", fin=False), 1002),
        ("a continuation after a whole message", one(TEXT, b"x") + one(CONTINUATION, b"x"), 1002),
        ("a continuation after a fragmented message", begun + one(CONTINUATION) + one(CONTINUATION), 1002),
        ("a text within a message", begun + one(TEXT, b"x"), 1002),
        ("a binary message within a message", begun + one(BINARY, b"x"), 1002),
        ("a text begun within a message", begun + one(TEXT, b"x", fin=False), 1002),
        ("125 bytes with a length of two bytes", extended(0x81, 2, 125, b"x" * 125, masked=masked), 1002),
        ("no bytes with a length of two bytes", extended(0x82, 2, 0, masked=masked), 1002),
        ("65535 bytes with a length of eight bytes", extended(0x81, 8, 65535, b"x" * 65535, masked=masked), 1002),
        ("one byte with a length of eight bytes", extended(0x82, 8, 1, b"x", masked=masked), 1002),
        ("the highest bit of the length", extended(0x82, 8, 1 << 63, masked=masked), 1002),
        ("every bit of the length", extended(0x81, 8, (1 << 64) - 1, masked=masked), 1002),
        ("a length of 2^63-1", extended(0x81, 8, (1 << 63) - 1, masked=masked), 1009),
        ("a close of one byte", one(CLOSE, b"\x03"), 1002),
        ("a close with the code 999", one(CLOSE, b"\x03\xe7"), 1002),
        ("a close with the code 1005", one(CLOSE, b"\x03\xed"), 1002),
        ("a close whose reason is not UTF-8", one(CLOSE, b"\x03\xe8\xff"), 1007),
        ("a close whose reason ends within a character", one(CLOSE, b"\x03\xe8\xe2\x82"), 1007),
        *((f"a text of {text!r}", one(TEXT, b"a" + text + b"b"), 1007) for text in NOT_UTF8),
        *((f"a text that ends in {text!r}", one(TEXT, b"a" + text), 1007) for text in CUT_UTF8),
    ]


NOT_UTF8 = [
    *(b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xed\xa0\x80"),
    *(b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xfe", b"\xff", b"\xc3(", b"\xe2\x82("),
]
CUT_UTF8 = [b"\xc3", b"\xe2", b"\xe2\x82", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98"]

BROKEN = [
    (f"{'server' if masked else 'client'}: {name}", masked, data, code)
    for masked in (False, True)
    for name, data, code in broken(masked)
]


@pytest.mark.parametrize(("masked", "data", "code"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_wrong_is_told_after_what_came_before_it(masked: bool, data: bytes, code: int) -> None:
    before = frame(TEXT, "é".encode(), masked=masked) + frame(PING, b"p", masked=masked)
    expected: Read | None = None
    data = before + data + frame(TEXT, b"never read", masked=masked)
    for number, pieces in enumerate(every_way(data)):
        if number == 400:  # the long ones are long in their payloads only
            break
        result = read(pieces, FrameParser(client=not masked))
        expected = expected or result
        assert result == expected, pieces[0][-20:]
    assert expected is not None
    items, error = expected
    assert items[:2] == ["é", Ping(b"p")], data[:60]
    assert error is not None
    assert error[0] == code, data[:60]
    assert error[1] is not None
    assert error[1] >= len(before)


def test_an_error_that_comes_first_is_raised_at_once() -> None:
    with pytest.raises(FrameError, match="reserved") as raised:
        FrameParser(client=True).receive_data(b"\x83\x00")
    assert (raised.value.code, raised.value.offset, raised.value.clause) == (1002, 0, "RFC 6455 5.2")


def test_offsets_count_from_the_beginning_of_the_connection() -> None:
    parser = FrameParser(client=True, offset=129)
    assert parser.receive_data(b"\x81\x02hi\x83\x00") == ["hi"]
    assert parser.error is not None
    assert parser.error.offset == 133


@pytest.mark.parametrize("text", NOT_UTF8)
@pytest.mark.parametrize("client", [True, False])
def test_bytes_that_no_character_has_fail_in_the_read_that_brings_them(text: bytes, client: bool) -> None:
    """The message is far from complete, its frame too; the earliest byte that cannot be is enough."""
    bad = next(n for n in range(1, len(text) + 1) if not may_begin(text[:n]))
    data = frame(TEXT, "é".encode() + text + b"x" * 500, fin=False, masked=not client)
    header = len(data) - 502 - len(text)
    parser = FrameParser(client=client)
    for place in range(header + 2 + bad - 1):
        assert parser.receive_data(data[place : place + 1]) == [], data[:place]
    with pytest.raises(FrameError, match="UTF-8"):
        parser.receive_data(data[header + 2 + bad - 1 : header + 2 + bad])


def may_begin(start: bytes) -> bool:
    """Whether a character of the table 3-7 of the Unicode standard may begin so."""
    second = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
    first, *rest = start
    if not (first < 0x80 or 0xC2 <= first <= 0xF4):
        return False
    low, high = second.get(first, (0x80, 0xBF))
    return all((low if n == 0 else 0x80) <= byte <= (high if n == 0 else 0xBF) for n, byte in enumerate(rest))


# Limits.


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("length", [MAX_MESSAGE_SIZE + 1, 1 << 32, (1 << 63) - 1])
def test_a_frame_over_the_limit_is_refused_at_its_header(length: int, client: bool) -> None:
    header = extended(0x82, 8, length, masked=not client)
    parser = FrameParser(client=client)
    assert parser.receive_data(header[:-1]) == []
    with pytest.raises(FrameError, match="limit") as raised:
        parser.receive_data(header[-1:])
    assert raised.value.code == 1009


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize(("limit", "sizes", "refused"), [
    (10, [10], None),
    (10, [11], 0),
    (10, [4, 6], None),
    (10, [4, 7], 1),
    (10, [5, 0, 5, 0], None),
    (10, [5, 5, 1], 2),
    (0, [0], None),
    (0, [1], 0),
    (200, [200], None),
    (200, [201], 0),
    (70_000, [65_536, 4_464], None),
    (70_000, [65_536, 4_465], 1),
])  # fmt: skip
def test_fragments_that_sum_over_the_limit_are_refused_at_the_header_that_passes_it(
    limit: int, sizes: list[int], refused: int | None, client: bool
) -> None:
    parser = FrameParser(client=client, max_message_size=limit)
    items: list[Item] = []
    for number, size in enumerate(sizes):
        data = frame(CONTINUATION if number else TEXT, b"x" * size, fin=number == len(sizes) - 1, masked=not client)
        if number == refused:
            with pytest.raises(FrameError, match="limit") as raised:
                parser.receive_data(data[: len(data) - size])
            assert raised.value.code == 1009
            return
        items += parser.receive_data(data)
    assert items == ["x" * sum(sizes)]


def test_a_message_of_the_greatest_size_is_read() -> None:
    data = frame(BINARY, bytes(MAX_MESSAGE_SIZE))
    assert read([data], FrameParser(client=True)) == ([bytes(MAX_MESSAGE_SIZE)], None)


def test_the_limit_of_one_message_is_not_that_of_all() -> None:
    parser = FrameParser(client=True, max_message_size=5)
    assert read([frame(TEXT, b"12345") * 10], parser) == (["12345"] * 10, None)
    fragments = frame(TEXT, b"123", fin=False) + frame(CONTINUATION, b"45")
    assert read([fragments * 10], FrameParser(client=True, max_message_size=5)) == (["12345"] * 10, None)


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_large_frame_in_small_reads_is_linear_and_takes_little_more_than_itself(opcode: int, client: bool) -> None:
    def read(size: int, step: int = 1024) -> None:
        data = FrameWriter(client=not client).frame(opcode, b"x" * size)
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        parser = FrameParser(client=client)
        assert sum(len(item) for piece in pieces for item in parser.receive_data(piece)) == size

    megabyte = 1 << 20
    # Eight times the size takes eight times as long, sixty-four times if it were quadratic.
    assert growth(read, megabyte, 8 * megabyte) < 30
    tracemalloc.start()
    try:
        read(megabyte, step=16)  # 65,536 pieces
        assert tracemalloc.get_traced_memory()[1] < 12 * megabyte  # of which the reads themselves are some 6
    finally:
        tracemalloc.stop()


def test_small_pieces_are_not_kept_one_by_one() -> None:
    """A message byte by byte, each read of them a piece, and each character of another script a str."""
    size = 60_000
    data = frame(TEXT, "ж".encode() * (size // 2), masked=True)
    parser = FrameParser(client=False)
    tracemalloc.start()
    try:
        for place in range(len(data) - 1):
            parser.receive_data(data[place : place + 1])
        assert tracemalloc.get_traced_memory()[0] < 2 * size
    finally:
        tracemalloc.stop()


def test_a_flood_of_empty_fragments_is_not_kept() -> None:
    for opcode in (TEXT, BINARY):
        parser = FrameParser(client=True)
        parser.receive_data(frame(opcode, b"x", fin=False))
        flood = frame(CONTINUATION, fin=False) * 5_000
        tracemalloc.start()
        try:
            for _ in range(5):
                assert parser.receive_data(flood) == []
            assert tracemalloc.get_traced_memory()[0] < 20_000
        finally:
            tracemalloc.stop()
        assert [str(i) for i in parser.receive_data(frame(CONTINUATION, b"y"))] == ["xy" if opcode == TEXT else "b'xy'"]


def test_a_parser_that_failed_keeps_nothing_of_the_stream() -> None:
    parser = FrameParser(client=True)
    parser.receive_data(frame(BINARY, b"x" * 1_000_000, fin=False))
    with pytest.raises(FrameError):
        parser.receive_data(b"\x83\x00" + b"x" * 1000)
    assert sum(sys.getsizeof(value) for value in vars(parser).values() if isinstance(value, bytes)) < 200
    assert parser._message is None


# Close.

#: RFC 6455, 7.4.1 and 7.4.2, with what IANA has registered since: (first, last, whether a frame may carry it).
CODES = [
    (0, 999, False),
    (1000, 1003, True),
    (1004, 1006, False),
    (1007, 1011, True),
    (1012, 1014, True),
    (1015, 1015, False),
    (1016, 2999, False),
    (3000, 3999, True),
    (4000, 4999, True),
    (5000, 5100, False),
    (65535, 65535, False),
]


@pytest.mark.parametrize(("first", "last", "valid"), CODES)
def test_close_codes_are_those_that_a_frame_may_carry(first: int, last: int, valid: bool) -> None:
    for code in range(first, last + 1):
        assert is_valid_close_code(code) is valid, code
        parser = FrameParser(client=True)
        data = frame(CLOSE, code.to_bytes(2, "big") + b"why")
        assert read([data], parser) == (([Close(code, "why")], None) if valid else ([], (1002, 0))), code
        if valid:
            assert close_payload(code, "why") == code.to_bytes(2, "big") + b"why"
        else:
            with pytest.raises(LocalProtocolError, match=str(code)):
                close_payload(code)


@pytest.mark.parametrize(("reason", "kept"), [
    ("", ""),
    ("x" * 123, "x" * 123),
    ("x" * 124, "x" * 123),
    ("é" * 62, "é" * 61),
    ("x" + "é" * 62, "x" + "é" * 61),
    ("€" * 42, "€" * 41),
    ("x" + "€" * 42, "x" + "€" * 40),
    ("😀" * 40, "😀" * 30),
    ("xx" + "😀" * 40, "xx" + "😀" * 30),
    ("a\ud800b", "a?b"),
])  # fmt: skip
def test_a_reason_is_cut_at_a_character(reason: str, kept: str) -> None:
    payload = close_payload(1000, reason)
    assert payload == b"\x03\xe8" + kept.encode()
    assert read([frame(CLOSE, payload)], FrameParser(client=True)) == ([Close(1000, kept)], None)


# Writing.


@pytest.mark.parametrize("size", [*range(20), 125, 126, 127, 1023, 1024, 1025, 1026, 1027, 1028, 65535, 65536, 65537])
def test_masking_is_what_a_loop_over_the_bytes_makes(size: int) -> None:
    data = bytes((7 * place + size) % 256 for place in range(size))
    for key in (KEY, bytes(4), b"\xff\x00\x80\x01"):
        assert mask(data, key) == naive_mask(data, key)
        assert mask(mask(data, key), key) == data


@given(data=st.binary(max_size=3000), key=st.binary(min_size=4, max_size=4), places=cuts)
def test_masking_in_pieces_turns_the_key(data: bytes, key: bytes, places: list[int]) -> None:
    assert mask(data, key) == naive_mask(data, key)
    masked = b"\x82\xfe" + (len(data) + 126).to_bytes(2, "big") + key + naive_mask(bytes(126) + data, key)
    pieces = [masked[:8], *cut_at(masked[8:], places)]
    assert read(pieces, FrameParser(client=False)) == ([bytes(126) + data], None)


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 65537])
def test_frames_are_written_as_the_standard_draws_them(size: int, client: bool) -> None:
    writer = FrameWriter(client=client, random=lambda count: KEY * (count // 4))
    payload = b"p" * size
    for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        for fin in (True, False):
            for rsv1 in (True, False):
                expected = frame(opcode, payload, fin=fin, rsv=4 if rsv1 else 0, masked=client)
                assert writer.frame(opcode, payload, fin=fin, rsv1=rsv1) == expected


def test_every_key_comes_from_the_source_and_none_comes_twice() -> None:
    asked: list[int] = []

    def source(count: int) -> bytes:
        start = sum(asked)
        asked.append(count)
        return b"".join((start // 4 + n).to_bytes(4, "big") for n in range(count // 4))

    writer = FrameWriter(client=True, random=source)
    assert asked == []
    keys = [writer.frame(TEXT, b"")[2:6] for _ in range(3000)]
    assert keys == [n.to_bytes(4, "big") for n in range(3000)]
    assert 2 <= len(asked) <= 12


def test_a_server_needs_no_keys() -> None:
    def source(count: int) -> bytes:
        raise AssertionError(count)

    assert FrameWriter(client=False, random=source).frame(TEXT, b"hi") == b"\x81\x02hi"


def test_keys_differ_between_writers() -> None:
    assert FrameWriter(client=True).frame(TEXT, b"")[2:] != FrameWriter(client=True).frame(TEXT, b"")[2:]


messages = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.binary(max_size=300)
controls = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=125))


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[tuple[int, bytes, bool]], list[Item]]:
    """Frames of messages, some in fragments, with control frames between them; and what they say."""
    frames: list[tuple[int, bytes, bool]] = []
    items: list[Item] = []

    def some_controls() -> None:
        for control in draw(st.lists(controls, max_size=2)):
            frames.append((PING if isinstance(control, Ping) else PONG, control.payload, True))
            items.append(control)

    for message in draw(st.lists(messages, max_size=6)):
        payload = message.encode() if isinstance(message, str) else message
        pieces = cut_at(payload, draw(st.lists(st.integers(0, 400), max_size=3)))
        for number, piece in enumerate(pieces):
            some_controls()
            opcode = CONTINUATION if number else TEXT if isinstance(message, str) else BINARY
            frames.append((opcode, piece, number == len(pieces) - 1))
        items.append(message)
    some_controls()
    return frames, items


@given(stream=streams(), client=st.booleans(), places=cuts)
def test_what_is_written_is_read_again(
    stream: tuple[list[tuple[int, bytes, bool]], list[Item]], client: bool, places: list[int]
) -> None:
    frames, items = stream
    writer = FrameWriter(client=client)
    data = b"".join(writer.frame(opcode, payload, fin=fin) for opcode, payload, fin in frames)
    assert read(cut_at(data, places), FrameParser(client=not client)) == (items, None)


@given(data=st.binary(max_size=200), client=st.booleans(), places=cuts)
def test_any_bytes_give_the_same_items_and_the_same_error_however_they_are_cut(
    data: bytes, client: bool, places: list[int]
) -> None:
    whole = read([data], FrameParser(client=client, max_message_size=100))
    assert read(cut_at(data, places), FrameParser(client=client, max_message_size=100)) == whole
