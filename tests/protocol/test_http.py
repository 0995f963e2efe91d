"""One HTTP request and one streamed response, against RFC 9110 and RFC 9112."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.errors import (
    BodyTruncated,
    DecodingError,
    HeaderTooLarge,
    LocalProtocolError,
    RemoteProtocolError,
    TokenwireError,
)
from tokenwire.protocol import http
from tokenwire.protocol.http import (
    MAX_HEADER_SIZE,
    Body,
    HTTPEvent,
    HTTPExchange,
    HTTPRequest,
    Informational,
    ResponseEnd,
    ResponseHead,
)
from tokenwire.protocol.url import parse_url

TARGET = parse_url("http://localhost:8080/v1/chat?x=1")
GET = HTTPRequest("GET", TARGET, [("accept", "text/event-stream")])


@dataclass
class Read:
    """What came of a response: its body joined, for the cut decides only how it falls into pieces."""

    informational: list[int] = field(default_factory=list)
    status: int = 0
    body: bytes = b""
    end: str = ""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    error: type[TokenwireError] | None = None

    def add(self, events: Iterable[HTTPEvent]) -> None:
        for event in events:
            assert not self.end, f"{event} came after the end"
            match event:
                case Informational(status):
                    assert not self.status
                    self.informational.append(status)
                case ResponseHead(status):
                    self.status = status
                case Body(data):
                    assert data, "an empty piece of body is none"
                    assert self.status
                    self.body += data
                case ResponseEnd(how, trailers):
                    self.end, self.trailers = how, list(trailers)


def read(pieces: Iterable[bytes], *, eof: bool = True, exchange: HTTPExchange | None = None) -> Read:
    exchange = exchange or HTTPExchange(GET)
    result = Read()
    raised: TokenwireError | None = None
    try:
        for piece in pieces:
            result.add(exchange.receive_data(piece))
        if eof:
            result.add(exchange.receive_eof())
    except TokenwireError as error:
        raised = error
        result.error = type(error)
        for call in (lambda: exchange.receive_data(b"more"), exchange.receive_eof):
            with pytest.raises(result.error):
                call()
    assert raised is exchange.error
    assert exchange.ended == bool(result.end)
    return result


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = OK + b"Content-Length: 5\r\n\r\n"

# (what it shows, the bytes until the connection ends, what is read)
RESPONSES: list[tuple[str, bytes, Read]] = [
    ("chunked", CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Read([], 200, b"abcde", "announced")),
    (
        "chunk extensions and trailers",
        CHUNKED + b'3;a=1;b="c"\r\nabc\r\n0\r\nX-Cost: 7\r\n\r\n',
        Read([], 200, b"abc", "announced", [("x-cost", "7")]),
    ),
    ("a chunked body of nothing", CHUNKED + b"0\r\n\r\n", Read([], 200, b"", "announced")),
    ("chunked without its last chunk", CHUNKED + b"3\r\nabc\r\n", Read([], 200, b"abc", error=BodyTruncated)),
    ("cut within a chunk", CHUNKED + b"3\r\nab", Read([], 200, b"ab", error=BodyTruncated)),
    ("cut within the size of a chunk", CHUNKED + b"3\r\nabc\r\n1", Read([], 200, b"abc", error=BodyTruncated)),
    ("cut within the line end of a size", CHUNKED + b"3\r", Read([], 200, error=BodyTruncated)),
    ("cut within the last chunk", CHUNKED + b"3\r\nabc\r\n0\r\n", Read([], 200, b"abc", error=BodyTruncated)),
    ("cut within the trailers", CHUNKED + b"0\r\nX-Cost: 7\r\n", Read([], 200, error=BodyTruncated)),
    ("a chunk size that is none", CHUNKED + b"3\r\nabc\r\nzz\r\n", Read([], 200, b"abc", error=RemoteProtocolError)),
    ("a chunk longer than it said", CHUNKED + b"3\r\nabcd\r\n", Read([], 200, b"abc", error=RemoteProtocolError)),
    ("a negative chunk size", CHUNKED + b"-1\r\n", Read([], 200, error=RemoteProtocolError)),
    ("Content-Length reached", LENGTH + b"abcde", Read([], 200, b"abcde", "announced")),
    ("Content-Length passed", LENGTH + b"abcdefgh", Read([], 200, b"abcde", "announced")),
    ("Content-Length not reached", LENGTH + b"abcd", Read([], 200, b"abcd", error=BodyTruncated)),
    ("Content-Length of nothing", OK + b"Content-Length: 0\r\n\r\n", Read([], 200, b"", "announced")),
    ("two different lengths", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", Read(error=RemoteProtocolError)),
    ("a length that is none", OK + b"Content-Length: five\r\n\r\n", Read(error=RemoteProtocolError)),
    ("delimited by the close", OK + b"\r\nabcde", Read([], 200, b"abcde", "closed")),
    ("delimited by the close, HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nabcde", Read([], 200, b"abcde", "closed")),
    ("an error status", b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", Read([], 503, b"{}", "announced")),
    ("no reason phrase", b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", Read([], 404, b"", "announced")),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", Read([], 204, b"", "announced")),
    (
        "informational responses before the final one",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH + b"abcde",
        Read([100, 103], 200, b"abcde", "announced"),
    ),
    ("nothing but an informational response", b"HTTP/1.1 100 Continue\r\n\r\n", Read([100], error=BodyTruncated)),
    ("nothing at all", b"", Read(error=BodyTruncated)),
    ("cut within the status line", b"HTTP/1.1 2", Read(error=BodyTruncated)),
    ("cut within the head", OK + b"Content-Le", Read(error=BodyTruncated)),
    ("no HTTP at all", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Read(error=RemoteProtocolError)),
    ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", Read(error=RemoteProtocolError)),
    ("a field without a colon", OK + b"nonsense\r\n\r\n", Read(error=RemoteProtocolError)),
    ("a field whose words sound like a limit", OK + b"too long\r\n\r\n", Read(error=RemoteProtocolError)),
    ("a field that sounds like a cut", OK + b"peer closed connection\r\n\r\n", Read(error=RemoteProtocolError)),
    ("a switch that nobody proposed", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Read(error=RemoteProtocolError)),
    (
        "an unknown coding: the head is still given",
        OK + b"Content-Encoding: rot13\r\nContent-Length: 2\r\n\r\nab",
        Read([], 200, error=DecodingError),
    ),
    (
        "an unknown coding on an empty body",
        OK + b"Content-Encoding: rot13\r\nContent-Length: 0\r\n\r\n",
        Read([], 200, b"", "announced"),
    ),
]


@pytest.mark.parametrize(("response", "expected"), [row[1:] for row in RESPONSES], ids=[row[0] for row in RESPONSES])
def test_responses_are_read_alike_however_they_are_cut(response: bytes, expected: Read) -> None:
    for pieces in every_way(response):
        assert read(pieces) == expected, pieces


def test_a_body_cut_at_any_byte_is_never_taken_for_a_whole_one() -> None:
    response = CHUNKED + b"3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\n"
    for place in range(len(response)):
        result = read([response[:place]])
        assert result.error is BodyTruncated, response[:place]
        assert not result.end
        assert b"abcde".startswith(result.body)


def test_what_follows_the_end_is_of_no_interest() -> None:
    exchange = HTTPExchange(GET)
    exchange.receive_data(LENGTH + b"abcde")
    assert exchange.receive_data(b"HTTP/1.1 500 Oops\r\n\r\n") == []
    assert exchange.receive_eof() == []


def test_the_error_comes_after_what_came_before() -> None:
    exchange = HTTPExchange(GET)
    events = exchange.receive_data(CHUNKED + b"3\r\nabc\r\nzz\r\n")
    assert [type(event) for event in events] == [ResponseHead, Body]
    assert str(exchange.error) == "a chunk begins without a size at byte 55 [RFC 9112 7.1]"


def test_the_fields_of_the_head_are_kept() -> None:
    exchange = HTTPExchange(GET)
    (head,) = exchange.receive_data(
        OK + b"X-Ratelimit: 1\r\nx-ratelimit: 2\r\nX-Utf8: caf\xc3\xa9\r\nX-Latin: caf\xe9\r\nContent-Length: 1\r\n\r\n"
    )
    assert isinstance(head, ResponseHead)
    assert head is exchange.head
    assert (head.status, head.reason) == (200, "OK")
    assert head.header("x-ratelimit") == "1, 2"
    assert (head.header("x-utf8"), head.header("x-latin"), head.header("absent")) == ("café", "café", "")


# Limits.


def test_a_head_of_ten_megabytes_is_refused_with_little_memory() -> None:
    field_line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    exchange = HTTPExchange(GET)
    tracemalloc.start()
    try:
        with pytest.raises(HeaderTooLarge, match="larger than 65536 bytes"):
            read_all(exchange, [OK, *[field_line] * 10_000])
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_head_of_ten_megabytes_in_one_read_is_refused() -> None:
    response = OK + (b"X-Filler: " + b"x" * 1000 + b"\r\n") * 10_000 + b"\r\n"
    assert read([response]).error is HeaderTooLarge
    assert read([OK + b"X: " + b"x" * 10_000_000]).error is HeaderTooLarge


@pytest.mark.parametrize(("size", "error"), [(200, None), (201, HeaderTooLarge)])
def test_the_limit_on_the_head_is_exact_however_it_is_cut(size: int, error: type[TokenwireError] | None) -> None:
    head = OK + b"Content-Length: 5\r\nX-Filler: "
    head += b"x" * (size - len(head) - 4) + b"\r\n\r\n"
    assert len(head) == size
    for early in (b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"y" * 150 + b"\r\n\r\n"):
        for pieces in every_way(early + head + b"abcde"):
            result = read(pieces, exchange=HTTPExchange(GET, max_header_size=200))
            assert result.error is error, pieces
            assert result.body == (b"" if error else b"abcde")


def test_a_chunk_size_without_end_is_refused() -> None:
    assert read([CHUNKED, *[b"0" * 1000] * 100]).error in (HeaderTooLarge, RemoteProtocolError)


def read_all(exchange: HTTPExchange, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        exchange.receive_data(piece)


# Content codings, through the exchange; coding by coding in test_coding.py.


def test_each_token_of_a_compressed_stream_comes_out_at_once() -> None:
    compressor = zlib.compressobj(wbits=31)
    exchange = HTTPExchange(GET)
    exchange.receive_data(OK + b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n")
    for token in (b"data: one\n\n", "data: zwölf\n\n".encode(), b"data: three\n\n"):
        coded = compressor.compress(token) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert exchange.receive_data(b"%x\r\n%s\r\n" % (len(coded), coded)) == [Body(token)]
    tail = compressor.flush()
    (end,) = exchange.receive_data(b"%x\r\n%s\r\n0\r\n\r\n" % (len(tail), tail))
    assert isinstance(end, ResponseEnd)


def test_a_cut_coding_in_a_whole_body_is_an_error_after_what_it_held() -> None:
    coded = zlib.compress(b"data: one\n\n" * 50, wbits=31)[:-4]
    response = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded) + coded
    for pieces in every_way(response):
        assert read(pieces) == Read([], 200, b"data: one\n\n" * 50, error=DecodingError), pieces


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_identity_is_no_coding(coding: str) -> None:
    response = OK + f"Content-Encoding: {coding}\r\nContent-Length: 3\r\n\r\nabc".encode()
    assert read([response]).body == b"abc"


# The request.


def test_the_request_is_written_once() -> None:
    exchange = HTTPExchange(HTTPRequest("POST", TARGET, [("authorization", "Bearer k")], b'{"a":"\xc3\xa9"}'))
    assert exchange.data_to_send() == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: localhost:8080\r\nauthorization: Bearer k\r\ncontent-length: 10\r\n\r\n"
        b'{"a":"\xc3\xa9"}'
    )
    assert exchange.data_to_send() == b""


def test_a_post_without_a_body_says_so() -> None:
    assert b"content-length: 0\r\n" in HTTPExchange(HTTPRequest("POST", TARGET, [])).data_to_send()
    assert b"content-length" not in HTTPExchange(GET).data_to_send()


def test_another_host_may_be_named() -> None:
    sent = HTTPExchange(HTTPRequest("GET", TARGET, [("Host", "example.test")])).data_to_send()
    assert sent.lower().count(b"\r\nhost:") == 1
    assert b"example.test" in sent


SECRET = "sk-canary-0123456789"
INJECTIONS = [
    ("x", f"{SECRET}\r\nX-Evil: 1"),
    ("x", f"{SECRET}\n"),
    ("x", f"{SECRET}\r"),
    ("x", f"{SECRET}\0"),
    ("x", f"{SECRET}\va"),
    ("x", f"{SECRET}\fa"),
    ("x", f"{SECRET}\ud800"),
    ("x\r\ny", SECRET),
    ("x y", SECRET),
    ("x:", SECRET),
    ("", SECRET),
    ("é", SECRET),
    ("content-length", f"1{SECRET}"),
    ("transfer-encoding", f"gzip, {SECRET}"),
]


@pytest.mark.parametrize(("name", "value"), INJECTIONS)
def test_a_field_that_cannot_be_sent_is_refused_here_and_its_value_not_told(name: str, value: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        HTTPExchange(HTTPRequest("GET", TARGET, [(name, value)]))
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("method", ["GET\r\nX: 1", "GE T", "", "GÉT"])
def test_a_method_that_cannot_be_sent_is_refused_here(method: str) -> None:
    with pytest.raises(LocalProtocolError):
        HTTPExchange(HTTPRequest(method, TARGET, []))


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_field_is_sent_as_it_is_or_refused(name: str, value: str) -> None:
    try:
        sent = HTTPExchange(HTTPRequest("GET", TARGET, [("x-" + name, value)])).data_to_send()
    except LocalProtocolError:
        return
    lines = sent.split(b"\r\n")
    assert lines[2:] == [f"x-{name}: {value.strip(' ' + chr(9))}".encode(), b"", b""], sent


LIMIT = http._MAX_KEPT_HEAD
SMALL = HTTPRequest("POST", TARGET, [("x-key", "k")], b"{}")


def written(request: HTTPRequest) -> bytes | str:
    try:
        return HTTPExchange(request).data_to_send()
    except LocalProtocolError as error:
        return str(error)


@pytest.mark.parametrize(
    "large",
    [
        replace(SMALL, headers=[("x-key", "k" * LIMIT)]),
        replace(SMALL, headers=[("x" * LIMIT, "k")]),
        replace(SMALL, headers=[(f"x-{number}", "k") for number in range(LIMIT)]),
        replace(SMALL, target=replace(TARGET, path="/" * LIMIT)),
        replace(SMALL, target=replace(TARGET, host="h" * LIMIT)),
    ],
    ids=["a value", "a name", "fields", "a path", "a host"],
)
def test_a_small_head_is_kept_and_a_large_one_is_not(large: HTTPRequest) -> None:
    http._kept_head.cache_clear()
    assert written(large) == written(large)
    assert http._kept_head.cache_info().currsize == 0
    assert written(SMALL) == written(SMALL)
    assert http._kept_head.cache_info()[:4] == (1, 1, 32, 1)


def test_no_more_than_so_many_heads_are_kept() -> None:
    for number in range(100):
        written(replace(SMALL, headers=[("x-key", f"{number}")]))
        read([OK], exchange=HTTPExchange(HTTPRequest(f"METHOD{number}", TARGET, [])))
    assert http._kept_head.cache_info().currsize == 32
    assert http._asked.cache_info().currsize == 8


@pytest.mark.parametrize(
    "request_",
    [
        SMALL,
        GET,
        replace(SMALL, body=b"another"),
        replace(SMALL, headers=[("content-length", "2")]),
        replace(SMALL, headers=[("content-length", "3")]),
        replace(SMALL, headers=[("transfer-encoding", "chunked")]),
        replace(SMALL, headers=[("host", "b"), ("x", "  y\t")]),
        replace(SMALL, headers=[("x", "a\nb")]),
        replace(SMALL, method="P ST"),
        replace(SMALL, target=replace(TARGET, host="::1")),
    ],
)
def test_a_head_is_written_alike_whether_it_is_kept_or_not(
    request_: HTTPRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [written(request_), written(request_)]
    monkeypatch.setattr(http, "_MAX_KEPT_HEAD", 0)
    assert kept == [written(request_)] * 2


# Whatever comes.

responses = st.lists(
    st.sampled_from(
        [OK, CHUNKED, LENGTH, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 200 OK\r\n", b"Content-Encoding: gzip\r\n",
         b"Content-Encoding: deflate\r\n", b"\r\n", b"\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"abc", b"\0", b":",
         b"x: y\r\n", b"ffffffffffffffff\r\n", zlib.compress(b"hello"), zlib.compress(b"hello", wbits=31)]
    )
    | st.binary(max_size=5),
    max_size=8,
).map(b"".join)  # fmt: skip


@given(responses, cuts)
def test_no_response_raises_anything_but_a_typed_error_and_the_cut_makes_no_difference(
    response: bytes, places: list[int]
) -> None:
    whole = read([response])
    assert read(cut_at(response, places)) == whole
    assert read(bytewise(response)) == whole


def test_the_default_limit_lets_the_heads_of_gateways_pass() -> None:
    response = OK + b"Set-Cookie: " + b"x" * 20_000 + b"\r\nContent-Length: 1\r\n\r\na"
    assert len(response) < MAX_HEADER_SIZE
    assert read([response]).body == b"a"
