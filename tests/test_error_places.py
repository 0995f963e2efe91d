"""Every error of a peer that framing and HTTP can raise: its place in bytes, its clause, and that it stays.

The tables have a row for each place in the sources where such an error is made, and a test goes through the sources to
see that none is missing.
"""

from __future__ import annotations

import ast
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import tokenwire
from cutting import every_way
from tokenwire.errors import (
    BodyTruncated,
    DecodingError,
    EventTooLarge,
    HeaderTooLarge,
    RemoteProtocolError,
)
from tokenwire.framing import eventstream
from tokenwire.framing.chunked import ChunkedParser
from tokenwire.framing.eventstream import EventStreamParser
from tokenwire.framing.jsonlines import JSONArrayParser, JSONLinesParser
from tokenwire.framing.sse import SSEParser
from tokenwire.framing.websocket import FrameError, FrameParser
from tokenwire.protocol import coding
from tokenwire.protocol.coding import ContentDecoder
from tokenwire.protocol.deflate import MessageInflater
from tokenwire.protocol.http import HTTPExchange, HTTPRequest
from tokenwire.protocol.url import parse_url

LIMIT = "limit of the reader"
CODING = "RFC 9110 8.4"
AMAZON = "Amazon Event Stream Specification, "

#: Instead of an offset: as far as had been read, which depends on the reads.
READ = -1


@dataclass(frozen=True)
class Row:
    """One fault.

    :ivar make: the parser that meets it.
    :ivar at_eof: it shows when the stream ends.
    """

    name: str
    make: Callable[[], Any]
    stream: bytes
    offset: int | None
    clause: str
    kind: type[RemoteProtocolError] = RemoteProtocolError
    at_eof: bool = False


def client() -> FrameParser:
    return FrameParser(client=True, max_message_size=200)


def server() -> FrameParser:
    return FrameParser(client=False)


def deflated() -> FrameParser:
    return FrameParser(client=True, inflater=MessageInflater(False), max_message_size=200)


def http(method: str = "GET", limit: int = 100) -> Callable[[], HTTPExchange]:
    request = HTTPRequest(method, parse_url("http://host/"), [])
    return lambda: HTTPExchange(request, max_header_size=limit)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n"
DEFLATED = zlib.compressobj(wbits=-15)
BOMB = (DEFLATED.compress(b"a" * 300) + DEFLATED.flush(zlib.Z_SYNC_FLUSH))[:-4]
#: An event stream message of nothing, and its beginning with the checksum of a length that is wrong.
EMPTY = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")


def prelude(total: int, headers: int) -> bytes:
    lengths = total.to_bytes(4, "big") + headers.to_bytes(4, "big")
    return lengths + zlib.crc32(lengths).to_bytes(4, "big")


def message(headers: bytes) -> bytes:
    head = prelude(16 + len(headers), len(headers)) + headers
    return head + zlib.crc32(head).to_bytes(4, "big")


class WithoutZstd:
    """A decoder of zstd where its package is not installed."""

    def receive_data(self, data: bytes) -> bytes:
        with mock.patch.object(coding, "find_spec", return_value=None):
            return ContentDecoder("zstd").receive_data(data)


ROWS = [
    # sse.py: it keeps no account of lines, so the offset is as far as had been read.
    Row(
        "sse: a line that goes on",
        lambda: SSEParser(max_event_size=8),
        b"data: a\n\ndata: abc",
        READ,
        LIMIT,
        EventTooLarge,
    ),
    Row("sse: a line", lambda: SSEParser(max_event_size=8), b"data: abc\n", READ, LIMIT, EventTooLarge),
    Row(
        "sse: the data of an event",
        lambda: SSEParser(max_event_size=8),
        b"data:ab\ndata:cd\ndata:ef\n",
        READ,
        LIMIT,
        EventTooLarge,
    ),
    # jsonlines.py: where the value begins; where the byte is.
    Row(
        "jsonlines: a value",
        lambda: JSONLinesParser(max_value_size=8),
        b'{"a":1}\n"xxxxxxxx"\n',
        8,
        LIMIT,
        EventTooLarge,
    ),
    Row(
        "json: an element", lambda: JSONArrayParser(max_value_size=8), b'[{"a":1},"xxxxxxxx"]', 9, LIMIT, EventTooLarge
    ),
    Row("json: no separator", JSONArrayParser, b"[{}2]", 3, "RFC 8259, 2 and 5"),
    # eventstream.py
    Row("eventstream: a prelude", EventStreamParser, EMPTY + b"\0" * 12, 24, AMAZON + "prelude CRC"),
    Row("eventstream: lengths", EventStreamParser, EMPTY + prelude(15, 0), 16, AMAZON + "prelude"),
    Row(
        "eventstream: a message",
        lambda: EventStreamParser(max_message_size=16),
        EMPTY + prelude(17, 0),
        16,
        LIMIT,
        EventTooLarge,
    ),
    Row("eventstream: a checksum", EventStreamParser, EMPTY + EMPTY[:-1] + b"\0", 28, AMAZON + "message CRC"),
    *(
        Row(f"eventstream: {name}", EventStreamParser, EMPTY + message(b"\x01a\x00" + header), 31, AMAZON + "headers")
        for name, header in [
            ("a header without a name", b"\0\0\0"),
            ("a header of no type", b"\x01b\x0a"),
            ("a header too short", b"\x01b\x04\0"),
            ("a name of no UTF-8", b"\x01\xff\0"),
        ]
    ),
    Row(
        "eventstream: a header twice", EventStreamParser, EMPTY + message(b"\x01a\x00\x01a\x01"), 31, AMAZON + "headers"
    ),
    # websocket.py: where the frame begins, or the first frame of the message.
    Row("websocket: reserved bit", client, b"\x81\x01a\x91\x00", 3, "RFC 6455 5.2", FrameError),
    Row("websocket: reserved opcode", client, b"\x81\x01a\x83\x00", 3, "RFC 6455 5.2", FrameError),
    Row("websocket: masked by a server", client, b"\x81\x01a\x81\x80", 3, "RFC 6455 5.1", FrameError),
    Row("websocket: not masked by a client", server, b"\x81\x81\0\0\0\0a\x81\x00", 7, "RFC 6455 5.1", FrameError),
    Row("websocket: a fragmented ping", client, b"\x81\x01a\x09\x00", 3, "RFC 6455 5.5", FrameError),
    Row("websocket: a long ping", client, b"\x81\x01a\x89\x7e\0\x7e", 3, "RFC 6455 5.5", FrameError),
    Row("websocket: nothing to continue", client, b"\x81\x01a\x80\x00", 3, "RFC 6455 5.4", FrameError),
    Row("websocket: a message within one", client, b"\x01\x01a\x81\x00", 3, "RFC 6455 5.4", FrameError),
    Row("websocket: the highest bit", client, b"\x81\x01a\x82\x7f" + b"\xff" * 8, 3, "RFC 6455 5.2", FrameError),
    Row("websocket: a long length", client, b"\x81\x01a\x82\x7e\0\x01", 3, "RFC 6455 5.2", FrameError),
    Row("websocket: a large message", client, b"\x81\x01a\x82\x7e\0\xc9", 3, "RFC 6455 7.4.1", FrameError),
    Row("websocket: no UTF-8", client, b"\x81\x01a\x81\x01\xff", 3, "RFC 6455 8.1", FrameError),
    Row("websocket: no UTF-8 in fragments", client, b"\x81\x01a\x01\x01b\x80\x01\xff", 3, "RFC 6455 8.1", FrameError),
    Row("websocket: half a surrogate", client, b"\x81\x01a\x01\x02\xed\xa0", 3, "RFC 6455 8.1", FrameError),
    Row(
        "websocket: an inflated bomb",
        deflated,
        b"\x81\x01a\xc1" + bytes([len(BOMB)]) + BOMB,
        3,
        "RFC 6455 10.4",
        FrameError,
    ),
    Row("websocket: what does not inflate", deflated, b"\x81\x01a\xc1\x02\xff\xff", 3, "RFC 7692 6.2", FrameError),
    Row("websocket: a close of one byte", client, b"\x81\x01a\x88\x01\x03", 3, "RFC 6455 5.5.1", FrameError),
    Row("websocket: a reserved close code", client, b"\x81\x01a\x88\x02\x03\xed", 3, "RFC 6455 7.4", FrameError),
    Row("websocket: a reason of no UTF-8", client, b"\x81\x01a\x88\x03\x03\xe8\xff", 3, "RFC 6455 5.5.1", FrameError),
    # chunked.py: more of them in framing/test_chunked.py.
    Row("chunked: no size", ChunkedParser, b"1\r\na\r\n\r\n", 6, "RFC 9112 7.1"),
    Row("chunked: many digits", ChunkedParser, b"1\r\na\r\n00000000000000001\r\n", 22, "RFC 9112 7.1"),
    Row("chunked: no extension", ChunkedParser, b"1\r\na\r\n1;\r\n", 7, "RFC 9112 7.1.1"),
    Row("chunked: no CRLF", ChunkedParser, b"1\r\nab", 4, "RFC 9112 7.1"),
    Row("chunked: LF alone", ChunkedParser, b"1\r\na\r\n1\n", 7, "RFC 9112 7.1"),
    Row("chunked: no field", ChunkedParser, b"1\r\na\r\n0\r\nA\r\n", 9, "RFC 9112 7.1.2"),
    Row("chunked: a line", lambda: ChunkedParser(max_line=4), b"1\r\na\r\n1;xy\r\n", 10, LIMIT, EventTooLarge),
    # http.py: where the head begins; past the limit; as in the framing; where the connection ended.
    Row("http: no HTTP", http(), b"hello\r\n\r\n", 0, "RFC 9112"),
    Row("http: no HTTP, after a 1xx", http(), b"HTTP/1.1 100 Continue\r\n\r\nhello\r\n\r\n", 25, "RFC 9112"),
    Row("http: a large head", http(), OK + b"X: " + b"x" * 100 + b"\r\n\r\n", 100, LIMIT, HeaderTooLarge),
    Row(
        "http: a large head, after a 1xx",
        http(),
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"X: " + b"x" * 100 + b"\r\n\r\n",
        125,
        LIMIT,
        HeaderTooLarge,
    ),
    Row("http: a chunk", http(), CHUNKED + b"1\r\na\r\nzz\r\n", 53, "RFC 9112 7.1"),
    Row("http: a line of a chunk", http(), CHUNKED + b"1\r\na\r\n1;" + b"x" * 5000, 53 + 4096, LIMIT, HeaderTooLarge),
    Row("http: trailers", http(), CHUNKED + b"0\r\nA:" + b"x" * 70_000, 50 + 65_536, LIMIT, HeaderTooLarge),
    Row("http: nothing", http(), b"", 0, "RFC 9112 8", BodyTruncated, at_eof=True),
    Row("http: half a head", http(), OK, 17, "RFC 9112 8", BodyTruncated, at_eof=True),
    Row(
        "http: half a body", http(), OK + b"Content-Length: 5\r\n\r\nabc", 41, "RFC 9112 8", BodyTruncated, at_eof=True
    ),
    Row("http: half a chunk", http(), CHUNKED + b"3\r\nab", 52, "RFC 9112 8", BodyTruncated, at_eof=True),
    # coding.py: coded bytes, as far as had been read; none where the fault is in the head.
    Row("coding: unknown", http(), OK + b"Content-Encoding: rot13\r\n\r\nabc", None, CODING, DecodingError),
    Row(
        "coding: too many", http(), OK + b"Content-Encoding: br,br,br,br,br,br\r\n\r\nabc", None, CODING, DecodingError
    ),
    Row("coding: no package", WithoutZstd, b"abc", None, CODING, DecodingError),
    Row("coding: broken", lambda: ContentDecoder("gzip"), b"\x1f\x8b\x09\0\0", READ, CODING, DecodingError),
    Row(
        "coding: a bomb",
        lambda: ContentDecoder("gzip"),
        zlib.compress(bytes(3_000_000), wbits=31),
        READ,
        LIMIT,
        DecodingError,
    ),
    Row("coding: cut", lambda: ContentDecoder("gzip"), b"\x1f\x8b\x08\0", 4, CODING, DecodingError, at_eof=True),
    Row(
        "coding: cut in a whole body",
        http(),
        GZIP + b"Content-Length: 4\r\n\r\n\x1f\x8b\x08\0",
        4,
        CODING,
        DecodingError,
    ),
    Row("coding: cut in a closed body", http(), GZIP + b"\r\n\x1f\x8b\x08\0", 4, CODING, DecodingError, at_eof=True),
]


def meet(row: Row, pieces: list[bytes]) -> tuple[RemoteProtocolError | None, int, Any]:
    """The error, how many bytes had been read when it showed, and the parser that met it."""
    parser = row.make()
    read = 0
    try:
        for piece in pieces:
            read += len(piece)
            parser.receive_data(piece)
            if getattr(parser, "error", None) is not None:
                return parser.error, read, parser
        parser.receive_eof()
    except RemoteProtocolError as error:
        return error, read, parser
    return getattr(parser, "error", None), read, parser


def ways(stream: bytes) -> list[list[bytes]]:
    """Every cut of a short stream; a long one whole, and in reads of several sizes."""
    if len(stream) < 300:
        return list(every_way(stream)) if stream else [[]]
    return [[stream[start : start + size] for start in range(0, len(stream), size)] for size in (10**6, 1000, 77, 7)]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_an_error_has_its_place_and_its_clause_however_the_bytes_are_cut(row: Row) -> None:
    for pieces in ways(row.stream):
        error, read, _ = meet(row, pieces)
        assert type(error) is row.kind, pieces
        assert (error.offset, error.clause) == (read if row.offset == READ else row.offset, row.clause), pieces
        assert row.at_eof <= (read == len(row.stream))
        place = "" if row.offset is None else f" at byte {error.offset}"
        assert str(error) == f"{error.message}{place} [{row.clause}]"


def is_kept(row: Row) -> bool:
    """A decoder of a content coding alone keeps no error: who drives it does."""
    return not isinstance(row.make(), ContentDecoder | WithoutZstd)


KEPT = [row for row in ROWS if is_kept(row)]


@pytest.mark.parametrize("row", KEPT, ids=[row.name for row in KEPT])
def test_what_an_error_ended_raises_it_at_every_further_call(row: Row) -> None:
    for pieces in ways(row.stream)[:3]:
        error, _, parser = meet(row, pieces)
        calls: list[Callable[[], object]] = [partial(parser.receive_data, data) for data in (b"more", b"")]
        if not isinstance(parser, FrameParser):  # it has no end of its own: its connection has
            calls.append(parser.receive_eof)
        for call in calls:
            with pytest.raises(RemoteProtocolError) as caught:
                call()
            assert caught.value is error is parser.error


#: The modules whose errors are in the table, and what makes an error there.
SOURCES = [
    "framing/chunked.py", "framing/eventstream.py", "framing/jsonlines.py", "framing/sse.py", "framing/websocket.py",
    "protocol/coding.py", "protocol/http.py",
]  # fmt: skip
MAKERS = {
    "RemoteProtocolError", "EventTooLarge", "FrameError", "HeaderTooLarge", "BodyTruncated", "DecodingError", "_broken",
    "_not_utf8", "_terminate", "_BadHeader",
}  # fmt: skip


def places() -> set[tuple[str, int, int]]:
    """Where the sources make an error: file, first and last line."""
    found = set()
    for name in SOURCES:
        path = Path(tokenwire.__file__).parent / name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                maker = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
                if maker in MAKERS:
                    found.add((str(path), node.lineno, node.end_lineno or node.lineno))
    return found


def test_no_place_is_missing_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: set[tuple[str, int]] = set()

    def noted(kind: type[Exception]) -> None:
        make = kind.__init__

        def noting(self: Exception, *arguments: Any, **options: Any) -> None:
            frame = sys._getframe(1)
            while frame is not None:
                lines.add((frame.f_code.co_filename, frame.f_lineno))
                frame = frame.f_back  # type: ignore[assignment]
            make(self, *arguments, **options)

        monkeypatch.setattr(kind, "__init__", noting)

    noted(RemoteProtocolError)
    noted(eventstream._BadHeader)
    for row in ROWS:
        for pieces in ways(row.stream)[:1]:
            meet(row, pieces)
    missing = [
        f"{Path(file).name}:{first}"
        for file, first, last in places()
        if not any((file, line) in lines for line in range(first, last + 1))
    ]
    assert sorted(missing) == []
