"""permessage-deflate, against RFC 7692: what is agreed (7.1), and the coding (7.2)."""

from __future__ import annotations

import tracemalloc
import zlib
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from growth import growth
from tokenwire.errors import RemoteProtocolError
from tokenwire.framing.websocket import (
    BINARY,
    CONTINUATION,
    PING,
    TEXT,
    Close,
    FrameError,
    FrameParser,
    FrameWriter,
    Item,
    Ping,
)
from tokenwire.protocol.deflate import Deflate, Deflater, MessageInflater, parse_extension
from tokenwire.protocol.websocket import WebSocketConnection

LIMIT = 1 << 24
PARAMETERS = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)


def agreed(deflate: Deflate) -> tuple[bool, bool, int, int]:
    return (
        deflate.server_no_context_takeover,
        deflate.client_no_context_takeover,
        deflate.server_max_window_bits,
        deflate.client_max_window_bits,
    )


# A server reads offers.


@pytest.mark.parametrize(("offer", "answer", "agreement"), [
    ("", "", (False, False, 15, 15)),
    ("client_max_window_bits", "", (False, False, 15, 15)),
    ("client_max_window_bits=8", "", (False, False, 15, 15)),
    ("client_max_window_bits=10", "", (False, False, 15, 15)),
    ("server_no_context_takeover", "server_no_context_takeover", (True, False, 15, 15)),
    ("client_no_context_takeover", "client_no_context_takeover", (False, True, 15, 15)),
    *((f"server_max_window_bits={bits}", f"server_max_window_bits={bits}", (False, False, bits, 15))
      for bits in range(8, 16)),
    ('server_max_window_bits="10"', "server_max_window_bits=10", (False, False, 10, 15)),
    ("server_max_window_bits = 10", "server_max_window_bits=10", (False, False, 10, 15)),
    ("client_max_window_bits;server_max_window_bits=9 ;\tclient_no_context_takeover; server_no_context_takeover",
     "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9", (True, True, 9, 15)),
])  # fmt: skip
def test_an_offer_that_will_do_is_accepted(offer: str, answer: str, agreement: tuple[bool, bool, int, int]) -> None:
    deflate = Deflate()
    assert not deflate.enabled()
    assert deflate.accept(f"permessage-deflate; {offer}" if offer else "permessage-deflate") == answer
    assert deflate.enabled()
    assert agreed(deflate) == agreement


#: Parameters that no offer and no answer may have (7.1).
INVALID = [
    "unknown",
    "unknown=1",
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    'client_no_context_takeover="x"',
    *(f"{name}; {name}" for name in PARAMETERS[:2]),
    "server_max_window_bits=10; server_max_window_bits=10",
    "client_max_window_bits=10; client_max_window_bits=11",
    *(f"{name}={bits}" for name in PARAMETERS[2:] for bits in ("7", "16", "0", "08", "010", "-9", "1O", "x", "99")),
    *(f"{name}=" for name in PARAMETERS),
    *(f'{name}=""' for name in PARAMETERS),
    "server_max_window_bits=１０",
    "server_max_window_bits=10 11",
    'server_max_window_bits="10',
    ";",
    "=10",
]  # fmt: skip


@pytest.mark.parametrize("parameters", [*INVALID, "server_max_window_bits"])
def test_an_offer_with_invalid_parameters_is_declined_and_leaves_no_trace(parameters: str) -> None:
    deflate = Deflate()
    assert deflate.accept(f"permessage-deflate; {parameters}") is None
    assert not deflate.enabled()
    assert agreed(deflate) == (False, False, 15, 15)
    assert deflate.accept("permessage-deflate") == ""


@pytest.mark.parametrize(("offers", "answer"), [
    (["permessage-deflate; server_max_window_bits=7", "permessage-deflate"], b"permessage-deflate"),
    (["permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=10", "permessage-deflate"],
     b"permessage-deflate; server_max_window_bits=10"),
    (["x-other", "permessage-deflate; client_no_context_takeover"], b"permessage-deflate; client_no_context_takeover"),
    (["permessage-deflate", "permessage-deflate; server_no_context_takeover"], b"permessage-deflate"),
    (["permessage-deflate; unknown"], b""),
    (["permessage-bzip2"], b""),
    (["permessage-deflates"], b""),
])  # fmt: skip
def test_a_server_takes_the_first_offer_that_will_do(offers: list[str], answer: bytes) -> None:
    for listed in (", ".join(offers), ",".join(offers), "\r\nSec-WebSocket-Extensions: ".join(offers)):
        server = WebSocketConnection.server()
        server.receive_data(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Extensions: " + listed.encode() + b"\r\n\r\n"
        )
        server.accept()
        lines = server.data_to_send().split(b"\r\n")
        assert [line for line in lines if b"xtensions" in line] == (
            [b"Sec-WebSocket-Extensions: " + answer] if answer else []
        )


def test_a_server_that_does_not_compress_takes_no_offer() -> None:
    client = WebSocketConnection("ws://a/")
    server = WebSocketConnection.server(compression=False)
    server.receive_data(client.data_to_send())
    server.accept()
    assert b"xtensions" not in server.data_to_send()


# A client reads the answer.


@pytest.mark.parametrize(("answer", "agreement"), [
    ("", (False, False, 15, 15)),
    ("server_no_context_takeover", (True, False, 15, 15)),
    ("client_no_context_takeover", (False, True, 15, 15)),
    *((f"server_max_window_bits={bits}", (False, False, bits, 15)) for bits in range(8, 16)),
    *((f"client_max_window_bits={bits}", (False, False, 15, bits)) for bits in range(8, 16)),
    ('client_max_window_bits="12"', (False, False, 15, 12)),
    ("server_max_window_bits=9;client_max_window_bits=10", (False, False, 9, 10)),
])  # fmt: skip
def test_a_valid_answer_is_agreed(answer: str, agreement: tuple[bool, bool, int, int]) -> None:
    deflate = Deflate()
    deflate.finalize(f"permessage-deflate; {answer}" if answer else "permessage-deflate")
    assert deflate.enabled()
    assert agreed(deflate) == agreement


@pytest.mark.parametrize("answer", [*INVALID, "server_max_window_bits", "client_max_window_bits"])
def test_an_invalid_answer_fails_the_handshake(answer: str) -> None:
    deflate = Deflate()
    with pytest.raises(RemoteProtocolError):
        deflate.finalize(f"permessage-deflate; {answer}")
    assert not deflate.enabled()


def test_an_answer_that_comes_twice_fails() -> None:
    deflate = Deflate()
    deflate.finalize("permessage-deflate")
    with pytest.raises(RemoteProtocolError, match="twice"):
        deflate.finalize("permessage-deflate")


@pytest.mark.parametrize(("text", "expected"), [
    ("a", ("a", [])),
    (" a ", ("a", [])),
    ("a;b", ("a", [("b", None)])),
    ("a ; b = c;d", ("a", [("b", "c"), ("d", None)])),
    ('a; b="c"', ("a", [("b", "c")])),
    ("a; b; b=1", ("a", [("b", None), ("b", "1")])),
    *((bad, None) for bad in ("", ";", "a;", "a;;b", "a b", "a; b c", "a=1", 'a; b="', 'a; b=""', 'a; b="c d"', "a; =",
                              "a; b==c", "é", "a; b=é", "a/b", "a\n")),
])  # fmt: skip
def test_an_extension_is_read_by_the_grammar(
    text: str, expected: tuple[str, list[tuple[str, str | None]]] | None
) -> None:
    if expected is None:
        with pytest.raises(RemoteProtocolError, match="malformed"):
            parse_extension(text)
    else:
        assert parse_extension(text) == expected


# Inflating. The examples of 7.2.3, each of which says Hello.

HELLO = bytes.fromhex("f248cdc9c90700")
AGAIN = bytes.fromhex("f200110000")  # with the window of the first
STORED = bytes.fromhex("000500faff48656c6c6f00")
BFINAL = bytes.fromhex("f348cdc9c9070000")
TWO_BLOCKS = bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))


def inflated(inflater: MessageInflater, data: bytes, limit: int = LIMIT) -> bytes:
    return inflater.inflate(data, final=True, limit=limit)


@pytest.mark.parametrize("data", [HELLO, STORED, BFINAL, TWO_BLOCKS], ids=["one", "stored", "BFINAL", "two blocks"])
def test_the_examples_of_the_standard_inflate(data: bytes) -> None:
    for pieces in every_way(data):
        inflater = MessageInflater(no_context_takeover=False)
        parts = [inflater.inflate(piece, final=n == len(pieces) - 1, limit=LIMIT) for n, piece in enumerate(pieces)]
        assert b"".join(parts) == b"Hello", pieces
        assert inflated(inflater, AGAIN) == b"Hello", pieces


@pytest.mark.parametrize("data", [b"\x00", b"\x02\x00"], ids=["7.2.3.6", "an empty fixed block"])
def test_an_empty_message_inflates_to_nothing(data: bytes) -> None:
    inflater = MessageInflater(no_context_takeover=False)
    assert inflated(inflater, HELLO) == b"Hello"
    assert inflated(inflater, data) == b""
    assert inflated(inflater, AGAIN) == b"Hello"


def test_without_takeover_the_window_is_new_for_every_message() -> None:
    inflater = MessageInflater(no_context_takeover=True)
    assert [inflated(inflater, HELLO) for _ in range(3)] == [b"Hello"] * 3
    with pytest.raises(ValueError, match="distance"):
        inflated(inflater, AGAIN)


def test_the_last_block_of_a_message_does_not_end_the_window() -> None:
    """Also where it stands in the middle of a message, and where the window before it is full."""
    random = Random(7692)
    text = b"".join(random.randbytes(50) * 3 for _ in range(1000))
    encoder = zlib.compressobj(wbits=-15)
    messages = []
    for at in range(0, len(text), 5000):
        part = text[at : at + 5000]
        window = text[max(0, at - 32768) : at]
        encoder = zlib.compressobj(wbits=-15, zdict=window) if window else zlib.compressobj(wbits=-15)
        half = encoder.compress(part[:2500]) + encoder.flush()
        encoder = zlib.compressobj(wbits=-15, zdict=text[max(0, at + 2500 - 32768) : at + 2500])
        messages.append((half + encoder.compress(part[2500:]) + encoder.flush() + b"\x00", part))
    inflater = MessageInflater(no_context_takeover=False)
    for data, part in messages:
        assert inflated(inflater, data) == part


@pytest.mark.parametrize(
    "data", [b"\xff\xff", b"\x06", b"\x00\x05\x00\x00\x00Hello", b"\x04\xff", HELLO[:3] + b"\xff" * 5]
)
def test_what_does_not_inflate_is_an_error(data: bytes) -> None:
    for pieces in (bytewise(data), [data]):
        inflater = MessageInflater(no_context_takeover=False)
        with pytest.raises(ValueError, match="Error -3"):
            b"".join(inflater.inflate(piece, final=n == len(pieces) - 1, limit=LIMIT) for n, piece in enumerate(pieces))


@pytest.mark.parametrize("size", [1, 100, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("kind", ["zeros", "pairs", "random"])
@pytest.mark.parametrize("step", [5, 1000, LIMIT])
def test_the_limit_is_exact(size: int, kind: str, step: int) -> None:
    message = {"zeros": bytes(size), "pairs": b"ab" * size, "random": Random(size).randbytes(size)}[kind][:size]
    data = Deflater(15, no_context_takeover=False).deflate(message)
    step = max(step, len(data) // 2000)
    for limit in (size, size - 1):
        inflater = MessageInflater(no_context_takeover=False)
        parts = []
        try:
            for at in range(0, len(data), step):
                parts.append(inflater.inflate(data[at : at + step], final=at + step >= len(data), limit=limit))
        except OverflowError:
            assert limit == size - 1
        else:
            assert limit == size
            assert b"".join(parts) == message


def deflated(message: bytes) -> bytes:
    return Deflater(15, no_context_takeover=True).deflate(message)


def bomb(size: int) -> bytes:
    encoder = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [encoder.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return (b"".join(parts) + encoder.flush(zlib.Z_SYNC_FLUSH))[:-4]


BOMB = bomb(256 << 20)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("read", [len(BOMB) + 20, 64 * 1024, 16 * 1024, 1024])
def test_a_message_that_would_become_256_mib_is_refused_before_it_is_kept(opcode: int, read: int) -> None:
    assert len(BOMB) < 262_000
    server = WebSocketConnection.server()
    client = WebSocketConnection("ws://a/")
    server.receive_data(client.data_to_send())
    server.accept()
    server.data_to_send()
    data = FrameWriter(client=True).frame(opcode, BOMB, rsv1=True)
    tracemalloc.start()
    try:
        error = None
        for at in range(0, len(data), read):
            try:
                assert server.receive_data(data[at : at + read]) == []
            except FrameError as raised:
                error = raised
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error is not None
    assert error.code == 1009
    close = FrameParser(client=True).receive_data(server.data_to_send())
    assert [item.code for item in close if isinstance(item, Close)] == [1009]
    # Small reads are each within the limit until the last one is not, so what is kept may come to the limit itself.
    assert peak < (2 << 20 if read >= 16 * 1024 else 40 << 20), peak


def test_many_blocks_marked_as_the_last_are_linear() -> None:
    def inflate(count: int) -> None:
        inflater = MessageInflater(no_context_takeover=False)
        assert inflated(inflater, b"\x03\x00" * count + b"\x00") == b""

    assert growth(inflate, 10_000, 80_000) < 24


def test_a_flood_of_empty_messages_is_not_kept() -> None:
    inflater = MessageInflater(no_context_takeover=False)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            inflater.inflate(b"\x00", final=True, limit=LIMIT)
            inflater.inflate(b"\x02", final=False, limit=LIMIT)
            inflater.inflate(b"\x00", final=True, limit=LIMIT)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


# Deflating.


@given(
    messages=st.lists(st.binary(max_size=300), max_size=6), bits=st.integers(9, 15), alone=st.booleans(), places=cuts
)
def test_what_is_deflated_inflates_again(messages: list[bytes], bits: int, alone: bool, places: list[int]) -> None:
    deflater, inflater = Deflater(bits, alone), MessageInflater(alone)
    for message in messages:
        data = deflater.deflate(message)
        assert not data.endswith(b"\x00\x00\xff\xff")
        pieces = cut_at(data, places)
        parts = [inflater.inflate(piece, final=n == len(pieces) - 1, limit=LIMIT) for n, piece in enumerate(pieces)]
        assert b"".join(parts) == message


def test_a_window_that_was_agreed_is_kept_to() -> None:
    """A peer with a window of just that size inflates it."""
    message = Random(9).randbytes(400) * 3 + Random(8).randbytes(5000) + Random(9).randbytes(400)
    for bits in range(9, 16):
        data = Deflater(bits, no_context_takeover=False).deflate(message) + b"\x00\x00\xff\xff"
        assert zlib.decompressobj(-bits).decompress(data) == message


def test_takeover_makes_the_second_message_smaller_unless_it_was_ruled_out() -> None:
    for alone in (False, True):
        deflater = Deflater(15, alone)
        first, second = deflater.deflate(b"Hello, Hello"), deflater.deflate(b"Hello, Hello")
        assert (len(second) < len(first)) is not alone


@pytest.mark.parametrize("client", [True, False])
def test_each_side_keeps_to_what_was_agreed_for_it(client: bool) -> None:
    deflate = Deflate()
    deflate.finalize(
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=9; server_max_window_bits=10"
    )
    ours = deflate.deflater(client=client)
    assert ours is not None
    state: dict[str, Any] = vars(ours)
    assert (state["_window_bits"], state["_no_context_takeover"]) == ((9, False) if client else (10, True))
    assert vars(deflate.inflater(client=client))["_no_context_takeover"] is client


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_window_that_zlib_cannot_make_is_agreed_and_nothing_compressed(side: str) -> None:
    deflate = Deflate()
    if side == "server":
        assert deflate.accept("permessage-deflate; server_max_window_bits=8") == "server_max_window_bits=8"
        assert deflate.deflater(client=False) is None
        assert deflate.deflater(client=True) is not None
    else:
        deflate.finalize("permessage-deflate; client_max_window_bits=8")
        assert deflate.deflater(client=True) is None
        assert deflate.deflater(client=False) is not None
    assert inflated(deflate.inflater(client=side == "client"), HELLO) == b"Hello"


def test_where_nothing_is_compressed_messages_go_out_plain_and_compressed_ones_are_read() -> None:
    server = WebSocketConnection.server()
    server.receive_data(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n\r\n"
    )
    server.accept()
    assert b"permessage-deflate; server_max_window_bits=8\r\n" in server.data_to_send()
    server.send("plain")
    assert server.data_to_send() == b"\x81\x05plain"
    writer = FrameWriter(client=True)
    assert server.receive_data(writer.frame(TEXT, HELLO, rsv1=True) + writer.frame(TEXT, b"plain")) == [
        "Hello",
        "plain",
    ]


# Frames.


def parser(*, limit: int = LIMIT) -> FrameParser:
    return FrameParser(client=True, max_message_size=limit, inflater=MessageInflater(no_context_takeover=False))


WRITER = FrameWriter(client=False)
FRAGMENTS = (
    WRITER.frame(TEXT, HELLO[:3], fin=False, rsv1=True)
    + WRITER.frame(PING, b"p")
    + WRITER.frame(CONTINUATION, HELLO[3:], fin=False)
    + WRITER.frame(CONTINUATION, b"")
)


def test_a_compressed_message_may_be_fragmented_and_lie_between_plain_ones() -> None:
    data = WRITER.frame(TEXT, b"a") + FRAGMENTS + WRITER.frame(BINARY, b"b") + WRITER.frame(BINARY, AGAIN, rsv1=True)
    expected: list[Item] = ["a", Ping(b"p"), "Hello", b"b", b"Hello"]
    for pieces in every_way(data):
        reader = parser()
        assert [item for piece in pieces for item in reader.receive_data(piece)] == expected, pieces


@pytest.mark.parametrize(("name", "data", "code"), [
    ("on a continuation", WRITER.frame(TEXT, b"\x00", fin=False, rsv1=True) + WRITER.frame(0, b"", rsv1=True), 1002),
    ("on a plain continuation", WRITER.frame(TEXT, b"a", fin=False) + WRITER.frame(0, b"", rsv1=True), 1002),
    ("on a ping", WRITER.frame(PING, b"", rsv1=True), 1002),
    ("on a close", WRITER.frame(8, b"", rsv1=True), 1002),
    ("RSV2 beside it", b"\xe1\x00", 1002),
    ("RSV3 beside it", b"\xd1\x00", 1002),
    ("that does not inflate", WRITER.frame(TEXT, b"\xff\xff\xff", rsv1=True), 1007),
    ("that is not UTF-8", WRITER.frame(TEXT, deflated(b"a\xff"), rsv1=True), 1007),
    ("that ends within a character",
     WRITER.frame(TEXT, deflated(b"a\xe2\x82"), rsv1=True), 1007),
    ("over the limit", WRITER.frame(TEXT, deflated(b"a" * 101), rsv1=True), 1009),
])  # fmt: skip
def test_a_compressed_bit_or_payload_that_is_wrong_is_refused(name: str, data: bytes, code: int) -> None:
    for pieces in every_way(WRITER.frame(TEXT, b"before") + data):
        reader = parser(limit=100)
        items: list[Item] = []
        with pytest.raises(FrameError) as raised:  # noqa: PT012
            for piece in [*pieces, b""]:
                items += reader.receive_data(piece)
        assert items == ["before"], pieces
        assert raised.value.code == code, name


def test_the_compressed_bit_is_refused_where_nothing_was_agreed() -> None:
    with pytest.raises(FrameError, match="reserved bit"):
        FrameParser(client=True).receive_data(WRITER.frame(TEXT, HELLO, rsv1=True))


def test_the_limit_holds_for_the_message_and_not_for_all_of_them() -> None:
    deflater = Deflater(15, no_context_takeover=False)
    data = b"".join(WRITER.frame(TEXT, deflater.deflate(b"a" * 100), rsv1=True) for _ in range(50))
    assert parser(limit=100).receive_data(data) == ["a" * 100] * 50
