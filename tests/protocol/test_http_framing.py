"""Where the body of a response ends (RFC 9112 6.3), and whether its connection can be used again (RFC 9112 9.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts, every_way
from tokenwire.errors import LocalProtocolError, RemoteProtocolError
from tokenwire.protocol.http import Body, HTTPExchange, HTTPRequest, ResponseEnd, ResponseHead
from tokenwire.protocol.url import parse_url

TARGET = parse_url("http://host/v1")
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
LENGTH = OK + b"Content-Length: 2\r\n\r\nab"
TE = b"Transfer-Encoding: chunked\r\n"


def exchange(method: str = "GET", *fields: tuple[str, str]) -> HTTPExchange:
    """One whose request is out."""
    made = HTTPExchange(HTTPRequest(method, TARGET, fields))
    assert made.data_to_send()
    return made


def read(made: HTTPExchange, pieces: list[bytes], *, eof: bool = False) -> tuple[bytes, str]:
    """The body, and how it ended."""
    events = [event for piece in pieces for event in made.receive_data(piece)]
    events += made.receive_eof() if eof and not made.ended else []
    ends = [event.how for event in events if isinstance(event, ResponseEnd)]
    return b"".join(event.data for event in events if isinstance(event, Body)), "".join(ends)


# (what it shows, the method, the response and what follows it, the body, how it ends: "" where it does not)
BODIES: list[tuple[str, str, bytes, bytes, str]] = [
    ("HEAD has none, whatever it says", "HEAD", OK + b"Content-Length: 5\r\n\r\n", b"", "announced"),
    ("HEAD has no chunks", "HEAD", OK + TE + b"\r\n", b"", "announced"),
    ("204 has none, whatever it says", "GET", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", b"", "announced"),
    ("204 has no chunks", "GET", b"HTTP/1.1 204 No\r\n" + TE + b"\r\n", b"", "announced"),
    ("304 has none", "GET", b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", b"", "announced"),
    ("a 1xx has none", "GET", b"HTTP/1.1 103 Hi\r\nContent-Length: 5\r\n\r\n" + LENGTH, b"ab", "announced"),
    ("chunked overrides a length", "GET", OK + TE + b"Content-Length: 3\r\n\r\n" + CHUNKS, b"abcde", "announced"),
    ("behind the length, too", "GET", OK + b"Content-Length: 3\r\n" + TE + b"\r\n" + CHUNKS, b"abcde", "announced"),
    ("a coding of any case", "GET", OK + b"TRANSFER-encoding: Chunked\r\n\r\n" + CHUNKS, b"abcde", "announced"),
    ("HTTP/1.0 with chunks", "GET", b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n" + CHUNKS, b"abcde", "announced"),
    ("the same length twice", "GET", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", b"ab", "announced"),
    ("a list of one length", "GET", OK + b"Content-Length: 2, 2\r\n\r\nab", b"ab", "announced"),
    ("a length with zeros before it", "GET", OK + b"Content-Length: 002\r\n\r\nab", b"ab", "announced"),
    ("a length of nothing", "GET", OK + b"Content-Length: 0\r\n\r\n", b"", "announced"),
    ("neither, until the close", "GET", OK + b"\r\nab", b"ab", "closed"),
    ("POST, until the close", "POST", b"HTTP/1.1 500 No\r\n\r\nab", b"ab", "closed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "response", "body", "how"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_a_body_ends_where_the_rules_say(method: str, response: bytes, body: bytes, how: str) -> None:
    for pieces in every_way(response):
        assert read(exchange(method), pieces, eof=how == "closed") == (body, how), pieces


# What leaves open where the body ends is refused: h11 asks for no transfer coding but this one.
REFUSED = [
    b"Transfer-Encoding: gzip\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, gzip\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked\x0b\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Content-Length: 2\r\nContent-Length: 3\r\n",
    b"Content-Length: 2, 3\r\n",
    b"Content-Length: 2,\r\n",
    b"Content-Length: -2\r\n",
    b"Content-Length: +2\r\n",
    b"Content-Length: 0x2\r\n",
    b"Content-Length: 2 2\r\n",
    b"Content-Length: 1_0\r\n",
    b"Content-Length: \xd9\xa3\r\n",
    b"Content-Length: \r\n",
    b"Content-Length: " + b"1" * 21 + b"\r\n",
]


def refusal(made: HTTPExchange, pieces: list[bytes]) -> RemoteProtocolError | None:
    """What is raised, if only at the end of the connection."""
    try:
        read(made, pieces)
        made.receive_eof()
    except RemoteProtocolError as error:
        return error
    return None


@pytest.mark.parametrize("fields", REFUSED)
def test_what_leaves_the_end_of_the_body_open_is_refused_with_its_place(fields: bytes) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    response = early + OK + fields + b"\r\n"
    for pieces in every_way(response):
        made = exchange()
        assert refusal(made, pieces) is made.error
        assert made.error is not None
        assert "not HTTP as it should be" in str(made.error)
        assert (made.error.offset, made.error.clause) == (len(early), "RFC 9112")
        assert made.head is None


def test_there_is_one_body_a_read_however_many_chunks_are_in_it() -> None:
    made = exchange()
    events = made.receive_data(OK + TE + b"\r\n" + b"1\r\na\r\n" * 50)
    assert [type(event) for event in events] == [ResponseHead, Body]
    assert events[1] == Body(b"a" * 50)
    assert made.receive_data(b"1;x\r\nb\r\n2\r\ncd\r\n3\r\nef") == [Body(b"bcdef")]
    assert made.receive_data(b"g\r\n") == [Body(b"g")]
    assert made.receive_data(b"2\r\n") == []
    assert made.receive_data(b"hi\r\n0\r\nX-Cost: 7\r\n\r\n") == [
        Body(b"hi"),
        ResponseEnd("announced", [("x-cost", "7")]),
    ]


def test_once_the_head_is_there_nothing_is_kept_for_it() -> None:
    made = exchange()
    made.receive_data(OK + b"Content-Length: 5\r\n\r\nab")
    assert made._connection is None


# The connection afterwards.

# (what it shows, the fields of the request, the response, whether the connection can be used again)
REUSED: list[tuple[str, list[tuple[str, str]], bytes, bool]] = [
    ("chunks", [], OK + TE + b"\r\n" + CHUNKS, True),
    ("a length", [], OK + b"Content-Length: 2\r\n\r\nab", True),
    ("no body", [], b"HTTP/1.1 204 No\r\n\r\n", True),
    ("a refusal", [], b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n{}", True),
    ("after a 1xx", [], b"HTTP/1.1 100 Continue\r\n\r\n" + OK + TE + b"\r\n" + CHUNKS, True),
    ("keep-alive said", [], OK + b"Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", True),
    ("another option", [("Connection", "keep-alive")], OK + b"Connection: x\r\nContent-Length: 0\r\n\r\n", True),
    ("closed by the response", [], OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n", False),
    ("the same among others", [], OK + b"Connection: x, CLOSE\r\nContent-Length: 0\r\n\r\n", False),
    ("the same in a second field", [], OK + b"Connection: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
    ("close and keep-alive", [], OK + b"Connection: keep-alive, close\r\nContent-Length: 0\r\n\r\n", False),
    ("closed by our request", [("Connection", "close")], OK + b"Content-Length: 0\r\n\r\n", False),
    ("the same in other words", [("connection", "x, Close ")], OK + b"Content-Length: 0\r\n\r\n", False),
    ("HTTP/1.0", [], b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    ("HTTP/1.0 that keeps alive", [], b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ("HTTP/1.0 in chunks", [], b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + TE + b"\r\n" + CHUNKS, False),
    ("chunks and a length", [], OK + TE + b"Content-Length: 5\r\n\r\n" + CHUNKS, False),
    ("more than its length", [], OK + b"Content-Length: 2\r\n\r\nabc", False),
    ("more than its chunks", [], OK + TE + b"\r\n" + CHUNKS + b"\r\n", False),
    ("more than no body", [], b"HTTP/1.1 204 No\r\n\r\nx", False),
    ("another response", [], (OK + b"Content-Length: 0\r\n\r\n") * 2, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "response", "reusable"), [row[1:] for row in REUSED], ids=[row[0] for row in REUSED]
)
def test_a_connection_is_reusable_only_after_the_announced_end(
    fields: list[tuple[str, str]], response: bytes, reusable: bool
) -> None:
    for pieces in every_way(response):
        made = exchange("GET", *fields)
        for piece in pieces:
            assert made.ended or not made.reusable
            made.receive_data(piece)
        assert made.ended
        assert made.reusable is reusable, pieces
        made.receive_eof()
        assert not made.reusable, "it has ended"


def test_a_body_that_only_the_close_ends_takes_the_connection_with_it() -> None:
    made = exchange()
    assert read(made, [OK + b"\r\nab"], eof=True) == (b"ab", "closed")
    assert not made.reusable


def test_a_response_that_comes_before_the_request_is_out_leaves_nothing_to_reuse() -> None:
    made = HTTPExchange(HTTPRequest("POST", TARGET, [], b"{}"))
    made.receive_data(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
    assert made.ended
    assert not made.reusable
    made.data_to_send()
    assert made.reusable


def test_an_exchange_that_failed_leaves_nothing_to_reuse() -> None:
    made = exchange()
    made.receive_data(OK + TE + b"\r\n1\r\na\r\nzz\r\n")
    assert made.error is not None
    assert not made.reusable


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=8), cuts, st.binary(max_size=3))
def test_chunks_of_any_size_give_the_body_however_they_are_cut(
    body: bytes, sizes: list[int], places: list[int], more: bytes
) -> None:
    pieces = [piece for piece in cut_at(body, sizes) if piece]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    made = exchange()
    assert read(made, cut_at(OK + TE + b"\r\n" + coded + more, places)) == (body, "announced")
    assert made.reusable is not bool(more)


# The fields of the request that say how it is framed.

# (the fields, the body, a part of the words)
CONTRADICTIONS = [
    ([("Transfer-Encoding", "chunked")], b"{}", "Transfer-Encoding cannot be set"),
    ([("transfer-encoding", "identity")], b"", "transfer-encoding cannot be set"),
    ([("Content-Length", "3")], b"{}", "another length than the body has, 2 bytes"),
    ([("content-length", "2"), ("Content-Length", "3")], b"{}", "another length"),
    ([("Content-Length", "2, 2")], b"{}", "another length"),
    ([("Content-Length", "")], b"", "another length"),
    ([("Content-Length", "5")], b"", "another length than the body has, 0 bytes"),
    ([("Host", "a"), ("host", "b")], b"", "Host"),
    ([("Host", "a"), ("Host", "a")], b"", "Host"),
    ([("Upgrade", "websocket"), ("Connection", "upgrade")], b"", "Upgrade cannot be set"),
]


@pytest.mark.parametrize(("fields", "body", "words"), CONTRADICTIONS)
def test_a_field_that_contradicts_the_message_is_refused(
    fields: list[tuple[str, str]], body: bytes, words: str
) -> None:
    for method in ("GET", "POST"):
        with pytest.raises(LocalProtocolError, match=words):
            HTTPExchange(HTTPRequest(method, TARGET, fields, body))


@pytest.mark.parametrize(
    "fields", [[("Content-Length", "2")], [("content-length", " 2 "), ("Content-Length", "2")], []]
)
def test_the_length_goes_out_once(fields: list[tuple[str, str]]) -> None:
    sent = HTTPExchange(HTTPRequest("POST", TARGET, fields, b"{}")).data_to_send()
    assert sent.lower().count(b"content-length: 2\r\n") == sent.lower().count(b"content-length") == 1
    assert b"transfer-encoding" not in sent.lower()
