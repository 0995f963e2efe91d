"""The suite's own reading of streams: the same as that of tokenwire's parser and decoder, on any bytes."""

from __future__ import annotations

import json

import pytest
from hand_made import answer, choice, chunk, events, tool
from hypothesis import example, given
from hypothesis import strategies as st

import tokenwire
from tokenwire_conformance.reading.chat import ChatStream
from tokenwire_conformance.reading.stream import Stream

PIECES = [
    b"data", b"data:", b"data: ", b"event: ", b"event: a\n", b"event\n", b"id: 1\n", b"id: 1\0\n", b"retry: 12\n",
    b":", b": ping\n\n", b" ", b"x", b"a: b", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\0",
    b"\xef\xbb\xbf", b"\xef", b"\xff", b"\xf0\x9f\x91", b"\x8b", b"\xed\xa0\x80", "é".encode(), "\u2028".encode(),
    "\x85".encode(), b"\x0b", b"\x1c", b"data: a\n\n", b"event: a\ndata: 1\n\n", b"[DONE]", b"{}",
]  # fmt: skip

hostile = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=30).map(b"".join)


def stream(body: bytes | str) -> Stream:
    return Stream(answer(body).responses[0])


@given(hostile)
@example(b"\xef\xbb\xbfdata: a\n\n")
@example(b"data: a\r\n\r")
@example(b"data\n\ndata:\n\n")
@example(b"data: a\n\ndata: b\n")
def test_any_bytes_give_the_events_that_the_parser_gives(body: bytes) -> None:
    parser = tokenwire.SSEParser()
    parsed = [*parser.receive_data(body), *parser.receive_eof()]
    assert [(event.name, event.data) for event in stream(body).events] == [(e.event, e.data) for e in parsed]


@given(hostile)
def test_the_lines_and_their_ends_are_the_body_itself(body: bytes) -> None:
    read = stream(body)
    mark = b"\xef\xbb\xbf" if read.has_bom else b""
    assert mark + b"".join(line.raw + line.end for line in read.lines) == body
    assert all(body[line.offset :].startswith(line.raw + line.end) for line in read.lines)


words = st.text(st.characters(codec="utf-8"), max_size=8)
deltas = st.lists(words, max_size=8)


@given(deltas, st.sampled_from(["stop", "length", "content_filter"]))
def test_a_sane_chat_gives_the_text_and_the_finish_that_the_decoder_gives(said: list[str], finish: str) -> None:
    body = events(*[chunk(choice(text)) for text in said], chunk(choice(finish=finish)), "[DONE]")
    decoded = list(tokenwire.decode([body.encode()], dialect="openai-chat"))
    read = ChatStream(stream(body))
    assert read.text() == "".join(event.text for event in decoded if isinstance(event, tokenwire.TextDelta))
    assert read.finishes == {0: [event.raw_reason for event in decoded if isinstance(event, tokenwire.Finish)]}
    assert read.judged_to_the_end


@given(st.lists(deltas, min_size=1, max_size=3))
def test_a_sane_chat_gives_the_tool_calls_that_the_decoder_gives(calls: list[list[str]]) -> None:
    chunks = []
    for index, pieces in enumerate(calls):
        chunks.append(chunk(tool(index, id=f"call-{index}", type="function", name="f")))
        chunks += [chunk(tool(index, piece)) for piece in pieces]
    body = events(*chunks, chunk(choice(finish="tool_calls")), "[DONE]")
    decoded = list(tokenwire.decode([body.encode()], dialect="openai-chat"))
    joined: dict[int, str] = {}
    for event in decoded:
        if isinstance(event, tokenwire.BlockStart):
            joined[event.block] = ""
        elif isinstance(event, tokenwire.ToolCallDelta):
            joined[event.block] += event.arguments
    assert list(ChatStream(stream(body)).tools.values()) == list(joined.values())


def test_halves_of_a_surrogate_pair_are_joined_over_deltas() -> None:
    body = events(json.dumps(chunk(choice("a\ud83d"))), json.dumps(chunk(choice("\ude00b"))))
    assert ChatStream(stream(body)).text() == "a😀b"


def test_half_a_surrogate_pair_stays_what_it_is() -> None:
    assert ChatStream(stream(events(json.dumps(chunk(choice("a\ud83d")))))).text() == "a\ud83d"


@pytest.mark.parametrize(
    ("error", "errored", "chunks"),
    [
        ({"error": {"message": "failed"}}, True, 1),
        ({"error": "failed"}, True, 1),
        ({**chunk(choice(finish="error")), "error": {"code": 502}}, True, 2),
        ({**chunk(choice(finish="stop")), "error": None}, False, 2),
    ],
)
def test_an_error_in_the_stream_is_seen_in_every_form(error: object, errored: bool, chunks: int) -> None:
    read = ChatStream(stream(events(chunk(choice("a")), error)))
    assert read.errored is errored
    assert len(read.chunks) == chunks
