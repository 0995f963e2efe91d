"""The Amazon event stream encoding, against its oracle, at every split, with every byte wrong."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID
from zlib import crc32

import eventstream_spec as spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.errors import EventTooLarge, LocalProtocolError, RemoteProtocolError
from tokenwire.framing import eventstream
from tokenwire.framing.eventstream import (
    MAX_HEADERS_SIZE,
    MAX_PAYLOAD_SIZE,
    EventStreamMessage,
    EventStreamParser,
    HeaderValue,
    encode,
)

ID = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")

#: One message with every type of header, written by hand.
EVERY_TYPE = bytes.fromhex(
    "01 61 00"
    "01 62 01"
    "01 63 02 ff"
    "01 64 03 ff fe"
    "01 65 04 00 01 00 00"
    "01 66 05 80 00 00 00 00 00 00 00"
    "01 67 06 00 02 00 ff"
    "02 c3 a9 07 00 03 e6 97 a5"
    "01 68 08 00 00 01 8b cf e5 68 00"
    "01 69 09 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10"
)
VALUES = {
    "a": HeaderValue("bool", True),
    "b": HeaderValue("bool", False),
    "c": HeaderValue("byte", -1),
    "d": HeaderValue("short", -2),
    "e": HeaderValue("integer", 65536),
    "f": HeaderValue("long", -(2**63)),
    "g": HeaderValue("bytes", b"\x00\xff"),
    "é": HeaderValue("string", "日"),
    "h": HeaderValue("timestamp", 1_700_000_000_000),
    "i": HeaderValue("uuid", ID),
}


def frame(headers: bytes, payload: bytes = b"", *, total: int | None = None, headers_size: int | None = None) -> bytes:
    """A message whose checksums are right, whatever it says of its sizes."""
    total = len(headers) + len(payload) + 16 if total is None else total
    prelude = struct.pack(">II", total, len(headers) if headers_size is None else headers_size)
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def string(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


def read(pieces: list[bytes], **limits: int) -> tuple[list[EventStreamMessage], RemoteProtocolError | None, bool]:
    """What came, what ended it, and whether it ended between two messages."""
    parser = EventStreamParser(**limits)
    messages: list[EventStreamMessage] = []
    try:
        for piece in pieces:
            messages += parser.receive_data(piece)
        messages += parser.receive_eof()
    except RemoteProtocolError as error:
        return messages, error, parser.complete
    return messages, None, parser.complete


EVENT = frame(string(":event-type", "messageStart"), b'{"role":"assistant"}')


def test_every_type_of_header_is_read_and_written() -> None:
    stream = frame(EVERY_TYPE, b"payload")
    for pieces in every_way(stream):
        assert read(pieces) == ([EventStreamMessage(VALUES, b"payload")], None, True), pieces
    assert encode(VALUES, b"payload") == stream


def test_messages_follow_one_another() -> None:
    stream = EVENT + frame(b"") + EVENT
    event = EventStreamMessage({":event-type": HeaderValue("string", "messageStart")}, b'{"role":"assistant"}')
    for pieces in every_way(stream):
        assert read(pieces) == ([event, EventStreamMessage({}, b""), event], None, True), pieces
    assert event.text(":event-type") == "messageStart"
    assert (event.text("missing"), EventStreamMessage(VALUES, b"").text("a")) == ("", "")


def test_a_message_is_given_with_its_last_byte_and_not_later() -> None:
    parser = EventStreamParser()
    assert parser.complete
    assert parser.receive_data(EVENT[:-1]) == []
    assert not parser.complete
    assert len(parser.receive_data(EVENT[-1:])) == 1
    assert parser.complete


def test_an_end_within_a_message_can_be_told() -> None:
    for place in range(1, len(EVENT)):
        messages, error, complete = read([EVENT + EVENT[:place]])
        assert (len(messages), error, complete) == (1, None, False), place


# (what is wrong, the stream, the offset of the error, its rule)
WRONG = [
    ("the prelude's checksum", b"\0" * 12, 8, "prelude CRC"),
    ("the message's checksum", EVENT[:-1] + bytes([EVENT[-1] ^ 1]), len(EVENT) - 4, "message CRC"),
    ("a total too small", frame(b"", total=15), 0, "prelude"),
    ("headers larger than the message", frame(b"\x01a\x00", headers_size=4), 0, "prelude"),
    ("headers over their limit", frame(b"", total=2**20, headers_size=MAX_HEADERS_SIZE + 1), 0, "prelude"),
    ("a type that does not exist", frame(b"\x01a\x0a"), 12, "headers"),
    ("a header without a name", frame(b"\x01a\x00\x00\x00"), 15, "headers"),
    ("a header that comes twice", frame(b"\x01a\x00\x01a\x01"), 15, "headers"),
    ("a name that goes on behind the headers", frame(b"\x05a", b"payload"), 12, "headers"),
    ("a header without a type", frame(b"\x01a", b"\x00"), 12, "headers"),
    ("a string that goes on behind the headers", frame(b"\x01a\x07\x00\x05abcd", b"payload"), 12, "headers"),
    ("a string whose length is cut", frame(b"\x01a\x07\x00"), 12, "headers"),
    ("an integer that goes on behind the headers", frame(b"\x01a\x04\0\0\0", b"\0"), 12, "headers"),
    ("a UUID that is cut", frame(b"\x01a\x09\0"), 12, "headers"),
    ("a name that is not UTF-8", frame(b"\x01\xff\x00"), 12, "headers"),
    ("a string that is not UTF-8", frame(b"\x01a\x07\x00\x01\xff"), 12, "headers"),
]


@pytest.mark.parametrize(("stream", "offset", "rule"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_told_with_its_place_and_rule_after_what_came_before(
    stream: bytes, offset: int, rule: str
) -> None:
    for pieces in every_way(EVENT + stream):
        messages, error, _ = read(pieces)
        assert error is not None, pieces
        assert (len(messages), error.offset) == (1, len(EVENT) + offset), pieces
        assert error.clause == f"Amazon Event Stream Specification, {rule}"


def test_after_an_error_every_call_raises_it() -> None:
    parser = EventStreamParser()
    assert len(parser.receive_data(EVENT + b"\0" * 12)) == 1
    for call in (lambda: parser.receive_data(EVENT), lambda: parser.receive_data(b""), parser.receive_eof):
        with pytest.raises(RemoteProtocolError, match="prelude is wrong at byte"):
            call()
    assert parser.error is not None


def test_a_message_over_the_limit_is_refused_by_its_prelude() -> None:
    for pieces in every_way(EVENT + frame(b"", b"x" * len(EVENT))[:12]):
        messages, error, _ = read(pieces, max_message_size=len(EVENT))
        assert isinstance(error, EventTooLarge), pieces
        assert (len(messages), error.offset) == (1, len(EVENT))


def test_every_flipped_bit_is_found() -> None:
    stream = EVENT + EVENT
    for place in range(len(EVENT)):
        for bit in range(8):
            wrong = bytearray(stream)
            wrong[place] ^= 1 << bit
            messages, error, _ = read([bytes(wrong)])
            assert messages == []
            assert error is not None, (place, bit)


def test_small_reads_of_a_large_message_check_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(eventstream, "crc32", lambda data: sizes.append(len(data)) or crc32(data))
    stream = frame(b"", b"x" * 100_000)
    messages, error, _ = read(bytewise(stream))
    assert (len(messages), error) == (1, None)
    assert sum(sizes) == 8 + len(stream) - 4


names = st.text(min_size=1, max_size=5)
values = st.one_of(
    st.builds(HeaderValue, st.just("bool"), st.booleans()),
    st.builds(HeaderValue, st.just("byte"), st.integers(-(2**7), 2**7 - 1)),
    st.builds(HeaderValue, st.just("short"), st.integers(-(2**15), 2**15 - 1)),
    st.builds(HeaderValue, st.just("integer"), st.integers(-(2**31), 2**31 - 1)),
    st.builds(HeaderValue, st.sampled_from(["long", "timestamp"]), st.integers(-(2**63), 2**63 - 1)),
    st.builds(HeaderValue, st.just("bytes"), st.binary(max_size=9)),
    st.builds(HeaderValue, st.just("string"), st.text(max_size=9)),
    st.builds(HeaderValue, st.just("uuid"), st.uuids()),
)
messages_to_write = st.builds(EventStreamMessage, st.dictionaries(names, values, max_size=4), st.binary(max_size=40))


@given(st.lists(messages_to_write, max_size=4), cuts)
def test_what_is_written_reads_back(written: list[EventStreamMessage], places: list[int]) -> None:
    stream = b"".join(encode(message.headers, message.payload) for message in written)
    assert read(cut_at(stream, places)) == (written, None, True)


def by_oracle(stream: bytes) -> tuple[list[EventStreamMessage], int | None, bool]:
    found, fault, unfinished = spec.read_stream(stream)
    messages = [
        EventStreamMessage({name: HeaderValue(kind, value) for name, kind, value in headers}, payload)  # type: ignore[arg-type]
        for headers, payload in found
    ]
    return messages, fault, unfinished == 0


#: Headers with every fault that there is, under checksums that are right.
header_bytes = st.lists(
    st.sampled_from([b"\x01a", b"\x01b", b"\x02c", b"\x00", b"\x01", b"\x02", b"\x04", b"\x07\x00\x01", b"\x06", b"x",
                     b"\x09", b"\x0a", b"\xff", b"\x08\0\0\0\0\0\0\0\0", b"\x03\0\1"]) | st.binary(max_size=2),
    max_size=8,
).map(b"".join)  # fmt: skip
frames = st.one_of(
    st.builds(frame, header_bytes, st.binary(max_size=5)),
    st.builds(lambda message: encode(message.headers, message.payload), messages_to_write),
    st.builds(
        lambda headers, total, size: frame(headers, total=total, headers_size=size),
        header_bytes, st.integers(0, 60), st.integers(0, 40),
    ),
    st.binary(max_size=20),
)  # fmt: skip


@given(st.lists(frames, max_size=4).map(b"".join), cuts)
def test_hostile_streams_are_read_as_the_oracle_reads_them(stream: bytes, places: list[int]) -> None:
    messages, fault, complete = by_oracle(stream)
    for pieces in ([stream], bytewise(stream), cut_at(stream, places)):
        found, error, found_complete = read(pieces)
        assert found == messages
        assert (None if error is None else error.offset) == fault
        assert found_complete == complete


def test_the_oracle_counts_checksums_itself() -> None:
    assert spec.crc32(b"123456789") == 0xCBF43926 == crc32(b"123456789")


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"": "x"}, b""),
        ({"n" * 256: "x"}, b""),
        ({"\ud83d": "x"}, b""),
        ({"a": "\ud83d"}, b""),
        ({"a": "x" * 65536}, b""),
        ({"a": HeaderValue("byte", 128)}, b""),
        ({"a": HeaderValue("string", 7)}, b""),
        ({"a": HeaderValue("bytes", 7)}, b""),
        ({"a": HeaderValue("uuid", "x")}, b""),
        ({"a": HeaderValue("long", "x")}, b""),
        ({"a": "x" * 65000, "b": "x" * 65000, "c": "x" * 65000}, b""),
        ({}, bytes(MAX_PAYLOAD_SIZE + 1)),
    ],
)
def test_what_the_encoding_cannot_hold_is_refused(headers: Any, payload: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        encode(headers, payload)
