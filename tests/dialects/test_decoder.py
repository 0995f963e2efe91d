"""A body that is no stream of its framing; and what a decoder knows after the end, wherever the reads were cut."""

from __future__ import annotations

import re

import pytest

from cutting import every_way
from test_vectors import OF_DIALECTS
from test_vectors import stream as body_of
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End, Error, Other, StreamEvent
from tokenwire.dialects.strays import MAX_UNREAD

PRETTY = b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded"\n  }\n}\n'
PAGE = b"<html>\n<body>502 Bad Gateway</body>\n</html>\n"

#: What comes in place of a stream, and what the error says.
BODIES = {
    "an error object": (b'{"error": {"code": "e1", "message": "No such model"}}', "e1", "No such model"),
    "an error object on many lines": (PRETTY, "503", "Overloaded"),
    "a page": (PAGE, "", PAGE.decode().strip()),
    "an error in words": (b"upstream timed out", "", "upstream timed out"),
    "words": (b"upstream connect error", "", "upstream connect error"),
    "two letters": (b"no", "", "no"),
    "words in UTF-8": ("Schlüssel fehlt 👋".encode(), "", "Schlüssel fehlt 👋"),
}

OVER_HTTP = [name for name, dialect in DIALECTS.items() if "HTTP" in dialect.transports and name != "raw"]


def decoded(dialect: str, reads: list[bytes]) -> tuple[list[StreamEvent], str | None]:
    decoder = Decoder(dialect)
    events = [event for data in reads for event in decoder.receive_data(data)] + decoder.receive_eof()
    return events, decoder.outcome


@pytest.mark.parametrize("dialect", OVER_HTTP)
@pytest.mark.parametrize(("body", "code", "message"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_stream_is_an_error_in_its_own_words(
    dialect: str, body: bytes, code: str, message: str
) -> None:
    whole, outcome = decoded(dialect, [body])
    errors = [event for event in whole if isinstance(event, Error) and event.fatal]
    assert [error.message for error in errors] == [message]
    assert errors[0].code in (code, "0")  # JSON-RPC's codes are numbers
    assert outcome == "error"
    assert whole[-1] == End(False)
    for reads in every_way(body):
        assert decoded(dialect, reads) == (whole, outcome)


@pytest.mark.parametrize("dialect", ["bedrock-converse", "bedrock-invoke"])
def test_an_error_of_bedrocks_in_place_of_its_event_stream_shows_its_words(dialect: str) -> None:
    events, outcome = decoded(dialect, [b'{"message":"The model identifier is invalid."}'])
    assert (events, outcome) == ([Error("", "The model identifier is invalid.", True), End(False)], "error")


@pytest.mark.parametrize("dialect", OVER_HTTP)
def test_the_words_that_are_kept_have_a_limit(dialect: str) -> None:
    events, outcome = decoded(dialect, [b"no " * MAX_UNREAD])
    error = events[-2]
    assert isinstance(error, Error)
    assert outcome == "error"
    assert len(error.message) <= MAX_UNREAD


@pytest.mark.parametrize("dialect", OVER_HTTP)
@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n\r\n"])
def test_nothing_is_no_error(dialect: str, body: bytes) -> None:
    assert decoded(dialect, [body])[0] == [End(dialect == "eventsource")]


BEGUN_SSE = [
    b": ping\n\n",
    b"data",
    b"da",
    b"event: x",
    b"retry: 1\n",
    b"id: 7\n\n",
    b"\xef\xbb\xbf: ping\n",
    b"data: {",
]


@pytest.mark.parametrize("body", BEGUN_SSE)
@pytest.mark.parametrize("dialect", [name for name in OVER_HTTP if DIALECTS[name].framing in ("sse", "sse-or-json")])
def test_an_event_stream_that_was_cut_before_its_first_event_is_no_error(dialect: str, body: bytes) -> None:
    assert not any(isinstance(event, Error) for event in decoded(dialect, [body])[0])


@pytest.mark.parametrize("dialect", [name for name in OVER_HTTP if DIALECTS[name].framing == "jsonlines"])
def test_a_line_that_was_cut_is_no_error_of_the_servers(dialect: str) -> None:
    assert decoded(dialect, [b'{"message": {"content": "b'])[1] == "interrupted"


def test_deltas_that_went_the_short_way_on_a_new_connection_are_messages() -> None:
    decoder = Decoder("holysheep")
    delta = b'data: {"type": "content_delta", "content": "a"}\n\n'
    decoder.receive_data(delta * 3)
    decoder.resume()
    events = decoder.receive_data(b"x\n\n" + delta * 3) + decoder.receive_eof()
    assert not any(isinstance(event, Error) for event in events)
    assert decoder.outcome == "interrupted"


@pytest.mark.parametrize("dialect", ["anthropic-messages", "gemini", "holysheep", "cohere-v2", "gemini-interactions"])
@pytest.mark.parametrize("words", ["error: upstream is gone", "[ERROR] upstream is gone", "Error"])
def test_an_error_in_words_where_json_belongs_is_an_error(dialect: str, words: str) -> None:
    events, outcome = decoded(dialect, [b"data: %s\n\n" % words.encode()])
    assert [event.raw for event in events if isinstance(event, Error) and event.fatal] == [words]
    assert outcome == "error"


# After the end.

ENDED = {
    name: vector
    for name, vector in OF_DIALECTS.items()
    if vector["framing"] == "sse" and "bytes" in vector and DIALECTS[vector["dialect"]].framing != "raw"
}


def numbered(body: bytes) -> bytes:
    """With an id before each block, and with blocks after the last that have one too, and ask for another time."""
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")
    told = b"".join(b"id: %d\n%s\n\n" % (place, block) for place, block in enumerate(blocks) if block)
    return told + b"id: later\n\nid: last\nretry: 1\ndata: {}\n\n"


@pytest.mark.parametrize("name", ENDED)
def test_what_is_known_after_the_end_does_not_depend_on_the_reads(name: str) -> None:
    body = numbered(body_of(ENDED[name]))
    known = set()
    for reads in every_way(body):
        decoder = Decoder(ENDED[name]["dialect"], max_event_size=1 << 16)
        events = [event for data in reads for event in decoder.receive_data(data)]
        ended = decoder.ended
        events += decoder.receive_eof()
        known.add((decoder.last_event_id, str(decoder.error), decoder.outcome, len(events)))
        if ended:
            assert decoder.last_event_id not in ("later", "last")
    assert len(known) == 1


def test_an_error_between_the_events_has_the_last_event_id_of_its_place() -> None:
    body = b'id: 1\ndata: {"type": "content_delta", "content": "a"}\n\nid: 2\n\n{"error": "no"}\nid: 3\ndata: x\n\n'
    for reads in every_way(body):
        decoder = Decoder("holysheep")
        events = [event for data in reads for event in decoder.receive_data(data)]
        assert events[-1] == End(False)
        assert events[-1].cursor == "2"
        assert decoder.last_event_id == "2"


def test_messages_of_which_none_is_the_dialects_make_no_clean_answer() -> None:
    """The terminator is one that other dialects have too."""
    events, outcome = decoded("holysheep", [b'data: {"response": "Hi"}\n\n', b'data: {"type": "done"}\n\n'])
    assert isinstance(events[0], Other)
    assert (events[-1], outcome) == (End(False), "interrupted")


OF_EVENTS = [
    name
    for name, vector in OF_DIALECTS.items()
    if vector["framing"] == "sse" and not DIALECTS[vector["dialect"]].plain and "bytes" in vector
]


@pytest.mark.parametrize("name", OF_EVENTS)
def test_a_proxy_that_names_the_field_twice_changes_nothing(name: str) -> None:
    body = body_of(OF_DIALECTS[name])
    if re.search(rb"(?m)^data:\s*(data:|[^{[\s])", body):
        return  # what is no JSON stays what it is
    twice = re.sub(rb"(?m)^data:", b"data: data:", body)
    for dialect in (OF_DIALECTS[name]["dialect"], "auto"):
        for reads in ([twice], [twice[at : at + 7] for at in range(0, len(twice), 7)]):
            assert decoded(dialect, reads) == decoded(dialect, [body]), dialect


OF_LINES = [name for name, vector in OF_DIALECTS.items() if vector["framing"] == "jsonlines" and "dialect" in vector]


@pytest.mark.parametrize("form", ["[%s]", "data: %s"])
@pytest.mark.parametrize("name", OF_LINES)
def test_a_line_that_was_read_is_not_told_once_more_in_place_of_a_stream(name: str, form: str) -> None:
    dialect, lines = OF_DIALECTS[name]["dialect"], body_of(OF_DIALECTS[name]).splitlines()
    for count in range(1, len(lines) + 1):
        plain, formed = (said(dialect, it) for it in (lines[:count], in_form(form, lines[:count])))
        assert formed == plain or plain == [End(False)], count


def said(dialect: str, lines: list[bytes]) -> list[StreamEvent]:
    return [event for event in decoded(dialect, [it + b"\n" for it in lines])[0] if not isinstance(event, Other)]


def in_form(form: str, lines: list[bytes]) -> list[bytes]:
    return [form.encode() % line if line.startswith(b"{") and line.endswith(b"}") else line for line in lines]
