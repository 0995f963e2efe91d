"""The suite's reading of HTTP: it never raises, and it notes every breach with its offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.recording import Entry, Recording
from tokenwire_conformance.reading.transcript import Transcript

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def transcript(received: bytes, ending: str = "eof", sent: bytes = REQUEST) -> Transcript:
    entries = [Entry(0.0, ">", sent), Entry(0.5, "<", received), Entry(1.0, ending)]
    return Transcript("test", Recording({}, entries))


SOUND = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "content-length", b"abc"),
    (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "content-length", b""),
    (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", "chunked", b"abc"),
    (CHUNKED + b"3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", "chunked", b"abc0123456789"),
    (b"HTTP/1.1 200 OK\r\n\r\nabc", "close", b"abc"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "none", b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "content-length", b"a"),
]


@pytest.mark.parametrize(("received", "delimited", "body"), SOUND)
def test_a_sound_response_is_read_whole_and_without_a_problem(received: bytes, delimited: str, body: bytes) -> None:
    response = transcript(received).responses[0]
    assert (response.delimited, response.body, response.complete) == (delimited, body, True)
    assert response.problems == []
    assert response.end == len(received)


BROKEN = [
    (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "status-line", 0),
    (b"HTP/1.1 200 OK\r\n\r\n", "status-line", 0),
    (b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "status-line", 0),
    (b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n", "header-syntax", 17),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", "header-syntax", 23),
    (b"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 0\r\n\r\n", "header-syntax", 17),
    (b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n", "header-syntax", 17),
    (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n", "header-syntax", 17),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "framing-unambiguous", 17),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", "framing-unambiguous", 17),
    (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + b"0\r\n\r\n", "framing-unambiguous", 45),
    (CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n", "chunk-syntax", len(CHUNKED)),
    (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", "chunk-syntax", len(CHUNKED) + 5),
    (CHUNKED + b"3\nabc\r\n0\r\n\r\n", "chunk-syntax", len(CHUNKED)),
]


@pytest.mark.parametrize(("received", "rule", "offset"), BROKEN)
def test_a_breach_is_noted_where_it_stands(received: bytes, rule: str, offset: int) -> None:
    response = transcript(received).responses[0]
    assert [(problem.rule, problem.offset) for problem in response.problems] == [(rule, offset)]


@pytest.mark.parametrize("cut", range(len(SOUND[3][0]) - 1))
def test_a_cut_response_is_not_complete(cut: int) -> None:
    read = transcript(SOUND[3][0][:cut])
    assert not any(response.complete for response in read.responses)


@pytest.mark.parametrize(
    ("ending", "ours"),
    [
        ("eof", False),
        ("reset", False),
        ("closed by us", True),
        ("reset by us", True),
        ("left open", True),
        ("timeout", True),
        ("connected", True),
    ],
)
def test_it_is_known_who_left(ending: str, ours: bool) -> None:
    assert transcript(CHUNKED + b"3\r\nab", ending).responses[0].hung_up is ours


def test_every_byte_of_the_content_has_its_place_on_the_wire() -> None:
    received = CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    response = transcript(received).responses[0]
    for place in range(5):
        offset = response.wire_offset(place)
        assert received[offset : offset + 1] == response.content[place : place + 1]


def test_two_answers_to_two_requests_are_told_apart() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    read = transcript(one + b"a" + one + b"b", sent=REQUEST * 2)
    assert [response.body for response in read.responses] == [b"a", b"b"]
    assert read.stray is None


def test_what_nobody_asked_for_is_stray() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    assert transcript(one + b"more").stray == len(one)


def test_after_101_there_is_no_more_http() -> None:
    read = transcript(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
    assert read.responses[0].status == 101
    assert read.stray is None


@given(st.lists(st.sampled_from([b"HTTP/1.1 200 OK", b"\r\n", b"\n", b"Transfer-Encoding: chunked", b"3", b"abc", b"0",
                                 b"Content-Length: 2", b": ", b"\x00", b"\xff", b"100", b" "]), max_size=30),
       st.sampled_from(["eof", "reset", "left open"]))  # fmt: skip
def test_no_bytes_make_the_reading_fail(parts: list[bytes], ending: str) -> None:
    read = transcript(b"".join(parts), ending)
    for response in read.responses:
        assert response.end <= len(read.received)
        assert response.decoded[0] is not None
