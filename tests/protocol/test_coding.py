"""Content codings removed read by read: nothing waits, nothing explodes."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.errors import DecodingError
from tokenwire.protocol import coding
from tokenwire.protocol.coding import ContentDecoder, available_codings

TEXT = 'data: {"token": "héllo 👋"}\n\n'.encode() * 3


def with_zlib(wbits: int) -> Callable[[bytes], bytes]:
    return lambda data: zlib.compress(data, wbits=wbits)


def with_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", with_zlib(31)),
    ("x-gzip", with_zlib(31)),
    ("GZip", with_zlib(31)),
    ("deflate", with_zlib(15)),
    ("deflate", with_zlib(-15)),
    ("br", brotli.compress),
    ("zstd", with_zstd),
    ("deflate, gzip", lambda data: zlib.compress(zlib.compress(data), wbits=31)),
    ("gzip, identity, br", lambda data: brotli.compress(zlib.compress(data, wbits=31))),
    ("identity", bytes),
    ("", bytes),
]
NAMES = ["gzip", "x-gzip", "case", "zlib", "raw-deflate", "br", "zstd", "two", "three", "identity", "none"]

each_coding = pytest.mark.parametrize(("name", "encode"), CODINGS, ids=NAMES)


def inflate(name: str, pieces: list[bytes]) -> bytes:
    decoder = ContentDecoder(name)
    data = b"".join([decoder.receive_data(piece) for piece in pieces])
    decoder.receive_eof()
    return data


@each_coding
def test_a_coding_is_removed_however_the_body_is_cut(name: str, encode: Callable[[bytes], bytes]) -> None:
    coded = encode(TEXT)
    for pieces in every_way(coded):
        assert inflate(name, pieces) == TEXT, pieces


@each_coding
def test_an_empty_body_needs_no_coding(name: str, encode: Callable[[bytes], bytes]) -> None:
    assert inflate(name, []) == b""
    assert inflate(name, [b""]) == b""
    assert inflate(name, [encode(b"")]) == b""


@each_coding
def test_a_body_of_a_megabyte_is_removed(name: str, encode: Callable[[bytes], bytes]) -> None:
    data = bytes(range(256)) * 4096
    coded = encode(data)
    assert inflate(name, [coded[i : i + 10_000] for i in range(0, len(coded), 10_000)]) == data


def zlib_flusher(wbits: int) -> Callable[[bytes], bytes]:
    compressor = zlib.compressobj(wbits=wbits)
    return lambda token: compressor.compress(token) + compressor.flush(zlib.Z_SYNC_FLUSH)


def brotli_flusher() -> Callable[[bytes], bytes]:
    compressor = brotli.Compressor()
    return lambda token: compressor.process(token) + compressor.flush()


def zstd_flusher() -> Callable[[bytes], bytes]:
    compressor = zstandard.ZstdCompressor().compressobj()
    return lambda token: compressor.compress(token) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gzip", zlib_flusher(31)),
        ("deflate", zlib_flusher(15)),
        ("deflate", zlib_flusher(-15)),
        ("br", brotli_flusher()),
        ("zstd", zstd_flusher()),
    ],
    ids=["gzip", "zlib", "raw-deflate", "br", "zstd"],
)
def test_each_token_that_was_flushed_comes_out_at_once(name: str, code: Callable[[bytes], bytes]) -> None:
    decoder = ContentDecoder(name)
    for token in (b"data: a\n\n", b"data: b\n\n", "data: 👋\n\n".encode(), b"d"):
        assert decoder.receive_data(code(token)) == token


@pytest.mark.parametrize(("name", "encode"), [("gzip", with_zlib(31)), ("zstd", with_zstd)])
def test_members_follow_one_another(name: str, encode: Callable[[bytes], bytes]) -> None:
    coded = encode(b"one ") + encode(b"") + encode(b"two ") + encode(b"three")
    for pieces in every_way(coded):
        assert inflate(name, pieces) == b"one two three", pieces


@pytest.mark.parametrize(("name", "encode"), CODINGS[:9], ids=NAMES[:9])
def test_a_coding_cut_at_any_byte_is_an_error_after_what_it_held(name: str, encode: Callable[[bytes], bytes]) -> None:
    coded = encode(TEXT)
    for place in range(1, len(coded)):
        decoder = ContentDecoder(name)
        assert TEXT.startswith(decoder.receive_data(coded[:place]))
        with pytest.raises(DecodingError, match="cut"):
            decoder.receive_eof()


@pytest.mark.parametrize(("name", "encode"), CODINGS[:9], ids=NAMES[:9])
@given(noise=st.binary(min_size=1, max_size=40), cut=st.integers(0, 80), places=cuts)
def test_noise_gives_bytes_or_a_typed_error_whatever_the_cut(
    name: str, encode: Callable[[bytes], bytes], noise: bytes, cut: int, places: list[int]
) -> None:
    stream = encode(TEXT)[:cut] + noise

    def outcome(pieces: list[bytes]) -> bytes | None:
        try:
            return inflate(name, pieces)
        except DecodingError:
            return None

    assert outcome(cut_at(stream, places)) == outcome([stream]) == outcome(bytewise(stream))


@pytest.mark.parametrize("name", ["rot13", "gzip, rot13", "compress", "gzipp", "gzip;q=1"])
def test_an_unknown_coding_is_named(name: str) -> None:
    with pytest.raises(DecodingError, match="unknown Content-Encoding"):
        ContentDecoder(name)


def test_a_coding_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "find_spec", lambda package: None if package == "zstandard" else object())
    with pytest.raises(DecodingError, match="install the package zstandard"):
        ContentDecoder("zstd")
    assert available_codings() == ["gzip", "deflate", "br"]


def test_what_can_be_removed_can_be_offered() -> None:
    assert available_codings() == ["gzip", "deflate", "br", "zstd"]


def test_codings_are_not_stacked_without_end() -> None:
    ContentDecoder(", ".join(["gzip"] * coding.MAX_CODINGS))
    with pytest.raises(DecodingError, match="6 content codings"):
        ContentDecoder(", ".join(["gzip"] * 6))


# Bombs.

SIZE = 300_000_000
ZEROS = b"\0" * 1_000_000


def zlib_bomb(wbits: int) -> bytes:
    compressor = zlib.compressobj(9, wbits=wbits)
    return b"".join([compressor.compress(ZEROS) for _ in range(SIZE // len(ZEROS))]) + compressor.flush()


def zstd_bomb() -> bytes:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join([compressor.compress(ZEROS) for _ in range(SIZE // len(ZEROS))]) + compressor.flush()


def brotli_bomb() -> bytes:
    compressor = brotli.Compressor(quality=5)
    return b"".join([compressor.process(ZEROS) for _ in range(SIZE // len(ZEROS))]) + compressor.finish()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("gzip", lambda: zlib_bomb(31)),
        ("deflate", lambda: zlib_bomb(15)),
        ("br", brotli_bomb),
        ("zstd", zstd_bomb),
        ("gzip, gzip", lambda: zlib.compress(zlib_bomb(31), wbits=31)),
    ],
    ids=["gzip", "deflate", "br", "zstd", "gzip in gzip"],
)
def test_a_bomb_is_refused_with_little_memory(name: str, make: Callable[[], bytes]) -> None:
    bomb = make()
    for size in (64 * 1024, 1000):
        decoder = ContentDecoder(name)
        tracemalloc.start()
        try:
            with pytest.raises(DecodingError, match="over the limit"):
                read_in_pieces(decoder, bomb, size)
            assert tracemalloc.get_traced_memory()[1] < 3 * coding.MAX_INFLATED_READ, f"reads of {size} bytes"
        finally:
            tracemalloc.stop()


def test_a_read_that_inflates_within_the_ratio_but_beyond_a_reads_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coding, "MAX_INFLATED_READ", 100_000)
    coded = zlib.compress(bytes(range(256)) * 400, wbits=31)
    with pytest.raises(DecodingError, match="100000 bytes in one read"):
        ContentDecoder("gzip").receive_data(coded)
    decoder = ContentDecoder("gzip")
    assert sum(len(decoder.receive_data(piece)) for piece in bytewise(coded)) == 102_400


def test_a_long_stream_of_identical_keepalives_is_no_bomb() -> None:
    code = zlib_flusher(31)
    decoder = ContentDecoder("gzip")
    for _ in range(3000):
        assert decoder.receive_data(code(b": ping\n\n" * 100)) == b": ping\n\n" * 100


def read_in_pieces(decoder: ContentDecoder, data: bytes, size: int) -> None:
    for start in range(0, len(data), size):
        decoder.receive_data(data[start : start + size])
