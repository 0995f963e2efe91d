"""The two dialects that know no tokens: plain server-sent events, and the bytes as they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.dialects import DIALECTS, dialect_named
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End, Error, Other, StreamEvent
from tokenwire.errors import LocalProtocolError
from tokenwire.framing.sse import SSEParser


def decoded(dialect: str, pieces: list[bytes]) -> list[StreamEvent]:
    decoder = Decoder(dialect)
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


PLAIN = (
    b': hi\nid: 1\ndata: a\n\nevent: add\ndata: b\n\nerror: no field\n{"error": "no field"}\ndata: c\nid\n\ndata: cut'
)


def test_eventsource_hands_on_what_a_browser_would_see() -> None:
    for pieces in every_way(PLAIN):
        events = decoded("eventsource", pieces)
        assert events == [Other("message", "a"), Other("add", "b"), Other("message", "c"), End(True)], pieces
        assert [event.cursor for event in events] == ["1", "1", None, None], pieces


@given(
    st.lists(st.sampled_from([b"data: a\n", b"\n", b"id: 1\n", b"error: x\n", b"{}\n", b"event: e\r", b"\xff"])), cuts
)
def test_eventsource_is_the_parser_and_nothing_else(parts: list[bytes], places: list[int]) -> None:
    stream = b"".join(parts)
    wanted = [Other(event.event, event.data) for event in SSEParser().receive_data(stream)]
    events = decoded("eventsource", cut_at(stream, places))
    if isinstance(events[0], Error):  # a body without any field is no event stream
        assert wanted == []
        assert not re.match(rb"(data|event|id):", stream)
        assert events[1:] == [End(False)]
    else:
        assert events == [*wanted, End(True)]


def test_eventsource_tells_where_to_go_on() -> None:
    decoder = Decoder("eventsource", last_event_id="7")
    decoder.receive_data(b"data: a\n\nretry: 10\n")
    assert (decoder.last_event_id, decoder.retry) == ("7", 10)
    decoder.receive_data(b"id: 8\n\n")
    assert decoder.last_event_id == "8"


@pytest.mark.parametrize("body", ["héllo 👋 world\r\n".encode(), b"\xff\xf0\x9f\x91", b"a\0b\xe2\x82"])
def test_raw_hands_on_every_byte_as_text(body: bytes) -> None:
    for pieces in every_way(body):
        *others, end = decoded("raw", pieces)
        assert end == End(True)
        assert all(isinstance(event, Other) and event.type == "bytes" and event.raw for event in others), pieces
        assert "".join(event.raw for event in others) == body.decode("utf-8", "replace"), pieces


def test_raw_waits_for_nothing_but_the_rest_of_a_code_point() -> None:
    decoder = Decoder("raw")
    assert decoder.receive_data(b"a\xf0\x9f") == [Other("bytes", "a")]
    assert decoder.receive_data(b"\x91\x8bb") == [Other("bytes", "👋b")]
    assert (decoder.last_event_id, decoder.retry, decoder.error) == ("", None, None)


@pytest.mark.parametrize("dialect", ["eventsource", "raw"])
def test_an_end_that_the_transport_knows_to_be_a_cut_is_not_clean(dialect: str) -> None:
    decoder = Decoder(dialect)
    decoder.receive_data(b"data: a\n\n")
    assert decoder.receive_eof(cut=True) == [End(False)]
    assert decoder.outcome == "interrupted"


@pytest.mark.parametrize("dialect", ["eventsource", "raw", "openai-chat"])
def test_after_the_end_there_is_nothing(dialect: str) -> None:
    for receive_last in (Decoder.receive_eof, lambda decoder: decoder.receive_eof(cut=True)):
        decoder = Decoder(dialect)
        assert decoder.outcome is None
        assert [type(event) for event in receive_last(decoder)] == [End]
        assert decoder.ended
        assert decoder.receive_data(b"data: a\n\n") == decoder.receive_eof() == []
    lower = dialect_named(dialect).decoder()
    assert [type(event) for event in lower.receive_eof()] == [End]
    (message,) = SSEParser().receive_data(b"data: a\n\n")
    assert lower.receive_message(message) == lower.receive_eof() == []


def test_an_unknown_dialect_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(LocalProtocolError, match=f"no dialect 'openai'; known: {', '.join(DIALECTS)}"):
        Decoder("openai")


def test_byte_by_byte_raw_loses_nothing() -> None:
    body = bytes(range(256)) * 2
    events = decoded("raw", bytewise(body))
    assert "".join(event.raw for event in events if isinstance(event, Other)) == body.decode("utf-8", "replace")
