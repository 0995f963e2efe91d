"""One conversation with a simulated clock: what is asked, what is answered, and every timer."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.dialect import Dialect
from tokenwire.dialects.events import BlockStart, BlockStop, End, Error, Finish, Other, Start, StreamEvent, TextDelta
from tokenwire.dialects.guess import guess_dialect
from tokenwire.errors import (
    BodyTruncated,
    DecodingError,
    EventTooLarge,
    HeaderTooLarge,
    InvalidURL,
    LocalProtocolError,
    NotAStream,
    RemoteProtocolError,
    StatusError,
    StreamFailed,
    StreamInterrupted,
    TimeoutExceeded,
    TokenwireError,
)
from tokenwire.framing.sse import MAX_EVENT_SIZE
from tokenwire.protocol.http import ResponseHead
from tokenwire.session import POLICIES, DurableSession, Session, Timeouts, build_request, conversation, endpoint_url
from tokenwire.session.conversation import MAX_ERROR_BODY, MAX_ERROR_TEXT

CHAT, PLAIN, RAW = DIALECTS["openai-chat"], DIALECTS["eventsource"], DIALECTS["raw"]


def session(dialect: Dialect = CHAT, timeouts: Timeouts | None = None) -> Session:
    """A session whose request is sent, at the time 0."""
    made = Session(build_request("http://host", dialect, json={"model": "m"}), dialect, timeouts)
    made.start(0)
    made.connected(0)
    assert made.data_to_send()
    return made


def text(content: str, finish: str | None = None) -> bytes:
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {"content": content}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
SSE = b"Content-Type: text/event-stream; charset=utf-8\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + SSE
CLOSE = OK + b"\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"
A = [Start("c", "m"), BlockStart(0, "text"), TextDelta(0, "a")]
STOPPED = [BlockStop(0), Finish("stop", "stop")]


def play(pieces: Iterable[bytes], dialect: Dialect = CHAT, *, reset: bool = False) -> tuple[list[StreamEvent], Session]:
    """Hands in all pieces and the end of the connection."""
    played = session(dialect)
    events: list[StreamEvent] = []
    for piece in pieces:
        events += played.receive_data(piece, 1)
    events += played.receive_eof(2, reset=reset)
    assert played.ended
    assert played.answer.events == events
    assert played.receive_data(b"more", 3) == played.receive_eof(3) == []
    assert played.next_deadline() is None
    return events, played


# (what it shows, the bytes until the connection closes, the events, the error)
CONVERSATIONS: list[tuple[str, bytes, list[StreamEvent], type[TokenwireError] | None]] = [
    ("whole", CHUNKED + chunk(text("a", "stop") + DONE) + LAST, [*A, *STOPPED, End(True)], None),
    (
        "the terminator, then the connection breaks",
        CHUNKED + chunk(text("a") + DONE),
        [*A, BlockStop(0), End(True)],
        None,
    ),
    (
        "the terminator, then garbage",
        CHUNKED + chunk(text("a") + DONE) + b"zz\r\n",
        [*A, BlockStop(0), End(True)],
        None,
    ),
    ("the finish and the end of the body", CHUNKED + chunk(text("a", "stop")) + LAST, [*A, *STOPPED, End(True)], None),
    ("the finish and the close", CLOSE + text("a", "stop"), [*A, *STOPPED, End(True)], None),
    ("the finish and a cut", CHUNKED + chunk(text("a", "stop")), [*A, *STOPPED, End(False)], StreamInterrupted),
    (
        "the end of the body without the finish",
        CHUNKED + chunk(text("a")) + LAST,
        [*A, BlockStop(0), End(False)],
        StreamInterrupted,
    ),
    ("a cut within a chunk", CHUNKED + chunk(text("a"))[:-4], [End(False)], StreamInterrupted),
    ("a cut after a chunk", CHUNKED + chunk(text("a")), [*A, BlockStop(0), End(False)], StreamInterrupted),
    (
        "an error in the stream",
        CHUNKED + chunk(b'data: {"error": "no"}\n\n' + DONE) + LAST,
        [Error("", "no", True), End(False)],
        StreamFailed,
    ),
    (
        "an error in the stream, then a cut",
        CHUNKED + chunk(b'data: {"error": "no"}\n\n'),
        [Error("", "no", True), End(False)],
        StreamFailed,
    ),
    ("garbage after an event", CHUNKED + chunk(text("a")) + b"zz\r\n", A, RemoteProtocolError),
    ("nothing", b"", [], BodyTruncated),
    ("half a head", b"HTTP/1.1 200", [], BodyTruncated),
    ("no HTTP", b"hello\r\n\r\n", [], RemoteProtocolError),
    ("a head without end", OK + b"X: " + b"x" * 100_000, [], HeaderTooLarge),
    ("an empty stream", CHUNKED + LAST, [End(False)], StreamInterrupted),
    ("an unknown coding", OK + b"Content-Encoding: rot13\r\n\r\nabc", [], DecodingError),
    (
        "early hints",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + CHUNKED + chunk(text("a", "stop")) + LAST,
        [*A, *STOPPED, End(True)],
        None,
    ),
]


@pytest.mark.parametrize(
    ("wire", "expected", "error"), [row[1:] for row in CONVERSATIONS], ids=[row[0] for row in CONVERSATIONS]
)
def test_a_conversation_ends_alike_however_it_is_cut(
    wire: bytes, expected: list[StreamEvent], error: type[TokenwireError] | None
) -> None:
    for pieces in every_way(wire) if len(wire) < 2000 else [[wire], cut_at(wire, [100, 70_000])]:
        events, played = play(pieces)
        assert events == expected, pieces
        assert type(played.error) is (error or type(None)), pieces
        if isinstance(played.error, StreamInterrupted):
            assert played.error.answer is played.answer
            assert played.error.events == events


def test_a_gzipped_stream_is_read_token_by_token() -> None:
    compressor = zlib.compressobj(wbits=31)
    played = session()
    played.receive_data(OK + b"Content-Encoding: gzip\r\n\r\n", 1)
    for content in ("a", "b", "c"):
        coded = compressor.compress(text(content)) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert played.receive_data(coded, 1)[-1] == TextDelta(0, content)


def test_the_terminator_counts_even_where_a_limit_is_passed_in_the_same_read() -> None:
    huge = text("a") + DONE + b"x" * (MAX_EVENT_SIZE + 1)
    for pieces in ([CLOSE + huge], [CLOSE, huge]):
        events, played = play(pieces)
        assert events == [*A, BlockStop(0), End(True)]
        assert played.error is None


def test_an_event_over_the_limit_comes_after_what_came_before() -> None:
    events, played = play([CLOSE + text("a") + b"x" * (MAX_EVENT_SIZE + 1)])
    assert events == A
    assert isinstance(played.error, EventTooLarge)


@pytest.mark.parametrize("dialect", [PLAIN, RAW], ids=["eventsource", "raw"])
@pytest.mark.parametrize(
    ("wire", "reset", "cut"),
    [
        (CHUNKED + chunk(b"data: a\n\n") + LAST, False, False),
        (CHUNKED + chunk(b"data: a\n\n"), False, True),
        (OK + b"Content-Length: 20\r\n\r\ndata: a\n\n", False, True),
        (CLOSE + b"data: a\n\n", False, False),
        (CLOSE + b"data: a\n\n", True, True),
    ],
    ids=["last chunk", "no last chunk", "too short", "closed", "reset"],
)
def test_a_stream_without_a_terminator_ends_clean_only_where_the_body_did(
    dialect: Dialect, wire: bytes, reset: bool, cut: bool
) -> None:
    events, played = play([wire], dialect, reset=reset)
    assert [type(event) for event in events] == [Other, End]
    assert events[-1] == End(not cut)
    assert isinstance(played.error, StreamInterrupted) == cut


def test_a_reset_after_the_finish_is_no_end() -> None:
    events, played = play([CLOSE + text("a", "stop")], reset=True)
    assert events == [*A, *STOPPED, End(False)]
    assert isinstance(played.error, StreamInterrupted)
    assert "reset" in str(played.error)


# The connection afterwards.

FINISHED = chunk(text("a", "stop") + DONE)

# (what it shows, what comes, whether the connection can be used again)
CONNECTIONS: list[tuple[str, bytes, bool]] = [
    ("the last chunk after the terminator", CHUNKED + FINISHED + LAST, True),
    ("trailers after the terminator", CHUNKED + FINISHED + b"0\r\nX-Cost: 7\r\n\r\n", True),
    ("more of the body after the terminator", CHUNKED + FINISHED + chunk(b": bye\n\n") + LAST, True),
    ("an announced end without a terminator", CHUNKED + chunk(text("a")) + LAST, True),
    ("an error that the server said", CHUNKED + chunk(b'data: {"error": "no"}\n\n' + DONE) + LAST, True),
    ("a refusal", b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n{}", True),
    ("an answer that is no stream", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
    ("no last chunk after the terminator", CHUNKED + FINISHED, False),
    ("garbage after the terminator", CHUNKED + FINISHED + b"zz\r\n", False),
    ("more than the body", CHUNKED + FINISHED + LAST + b"HTTP/1.1", False),
    ("a body that the close ends", CLOSE + text("a", "stop") + DONE, False),
    ("a connection that the server closes", OK + b"Connection: close\r\nContent-Length: 14\r\n\r\n" + DONE, False),
]


@pytest.mark.parametrize(("wire", "reusable"), [row[1:] for row in CONNECTIONS], ids=[row[0] for row in CONNECTIONS])
def test_a_connection_is_reusable_once_the_body_has_come_to_its_end(wire: bytes, reusable: bool) -> None:
    for pieces in every_way(wire):
        durable = durable_session()
        for made in (session(), durable):
            given_after_the_end = []
            for piece in pieces:
                ended = made.ended
                assert not made.reusable or ended
                events = made.receive_data(piece, 1)
                given_after_the_end += events if ended else []
            assert made.reusable is reusable, (pieces, made)
            assert given_after_the_end == []
            made.receive_eof(2)
            assert not made.reusable, "the connection has ended"


def durable_session() -> DurableSession:
    request = build_request("http://host", CHAT, json={"model": "m"})
    made = DurableSession(request, CHAT, policy=POLICIES["never"], random=lambda: 0.0)
    made.start(0)
    made.connected(0)
    assert made.data_to_send()
    return made


def test_a_conversation_that_runs_is_not_reusable() -> None:
    made = session()
    made.receive_data(CHUNKED, 1)
    assert not made.reusable
    made.handle_deadline(1e9)
    assert made.ended
    assert not made.reusable


def test_what_the_content_type_means_is_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ResponseHead] = []
    find = conversation._media_type
    monkeypatch.setattr(conversation, "_media_type", lambda head: asked.append(head) or find(head))
    made = session()
    for piece in (CHUNKED, *[chunk(text("a"))] * 10, chunk(DONE), LAST):
        made.receive_data(piece, 1)
    assert (made.answer.text, len(asked)) == ("a" * 10, 1)


# Refusals.


def refusal(status: str, body: bytes, kind: bytes = b"application/json", more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n"
    return head % (status.encode(), kind, more, len(body)) + body


# (the bytes, status, message, fields)
REFUSALS: list[tuple[bytes, int, str, dict[str, Any]]] = [
    (
        refusal("401 Unauthorized", b'{"error": {"message": "Wrong key", "code": "invalid_api_key"}}'),
        401,
        "Wrong key",
        {"message": "Wrong key", "code": "invalid_api_key"},
    ),
    (refusal("400 Bad Request", b'{"error": "no such model"}'), 400, "no such model", {"message": "no such model"}),
    (refusal("500 Oops", b'{"detail": "x"}'), 500, '{"detail": "x"}', {}),
    (refusal("502 Bad Gateway", b"<html>\r\n  nginx </html>", b"text/html"), 502, "<html> nginx </html>", {}),
    (refusal("404 Not Found", b""), 404, "", {}),
    (refusal("302 Found", b"", more=b"Location: /x\r\n"), 302, "", {}),
    (refusal("201 Created", DONE, b"text/event-stream"), 201, "data: [DONE]", {}),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, "", {}),
    (refusal("503 Busy", b"\xff\xfe"), 503, "��", {}),
    (refusal("500 Oops", b'{"error": {"message": ["a"]}}'), 500, '{"error": {"message": ["a"]}}', {"message": ["a"]}),
    (refusal("500 Oops", b"[" * 10_000), 500, "[" * 500 + "…", {}),
    (refusal("500 cut", b"abcdef")[:-2], 500, "abcd", {}),
    (refusal("500 coded", b"abc", more=b"Content-Encoding: rot13\r\n"), 500, "", {}),
    (refusal("500 coded", b"abc", more=b"Content-Encoding: gzip\r\n"), 500, "", {}),
]


@pytest.mark.parametrize(("wire", "status", "message", "fields"), REFUSALS)
def test_a_refusal_says_why(wire: bytes, status: int, message: str, fields: dict[str, Any]) -> None:
    for pieces in every_way(wire) if len(wire) < 1000 else [[wire]]:
        events, played = play(pieces)
        error = played.error
        assert events == []
        assert isinstance(error, StatusError), pieces
        assert (error.status, error.message, error.fields) == (status, message, fields), pieces
        assert str(error).startswith(f"the server answered {status}")
        assert not played.streaming
    assert dict(error.headers).get("location") == ("/x" if status == 302 else None)


NO_STREAMS = [
    (refusal("200 OK", b'{"choices": []}'), "application/json", "instead of text/event-stream: {"),
    (refusal("200 OK", b"<html>", b"text/html; charset=x"), "text/html", "<html>"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", "no content type instead"),
    (refusal("200 OK", b"x", b"text/event-streams"), "text/event-streams", "text/event-streams"),
]


@pytest.mark.parametrize(("wire", "kind", "words"), NO_STREAMS)
def test_a_success_that_is_no_stream_is_told_from_one(wire: bytes, kind: str, words: str) -> None:
    for pieces in every_way(wire):
        events, played = play(pieces)
        assert events == []
        assert isinstance(played.error, NotAStream), pieces
        assert played.error.content_type == kind
        assert words in str(played.error)
        assert "[WHATWG HTML 9.2.2]" in str(played.error)


@pytest.mark.parametrize("kind", [b"text/event-stream", b"Text/Event-Stream", b"text/event-stream ;charset=latin-1"])
def test_parameters_and_case_of_the_content_type_are_of_no_account(kind: bytes) -> None:
    _, played = play([b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n" + DONE])
    assert played.error is None


def test_a_refusal_without_end_is_kept_only_in_part() -> None:
    played = session()
    played.receive_data(b"HTTP/1.1 500 Oops\r\n\r\n", 1)
    for _ in range(1 + MAX_ERROR_BODY // 1000):
        played.receive_data(b"x" * 1000, 1)
    assert played.ended
    assert isinstance(played.error, StatusError)
    assert len(played.error.body) == MAX_ERROR_BODY


@pytest.mark.parametrize("size", [MAX_ERROR_BODY - 1, MAX_ERROR_BODY, MAX_ERROR_BODY + 1])
def test_a_refusals_body_is_read_up_to_the_limit_and_not_beyond(size: int) -> None:
    made = session()
    made.receive_data(b"HTTP/1.1 500 X\r\n\r\n" + b"x" * size, 0)
    assert made.ended == (size >= MAX_ERROR_BODY), "what is longer is not waited for"
    made.receive_eof(0)
    assert isinstance(made.error, StatusError)
    assert len(made.error.body) == min(size, MAX_ERROR_BODY)


@pytest.mark.parametrize("size", [MAX_ERROR_TEXT - 1, MAX_ERROR_TEXT, MAX_ERROR_TEXT + 1])
def test_a_refusals_words_are_cut_to_the_limit(size: int) -> None:
    made = session()
    made.receive_data(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size, 0)
    assert isinstance(made.error, StatusError)
    assert made.error.message == "x" * min(size, MAX_ERROR_TEXT) + "…" * (size > MAX_ERROR_TEXT)


# Timers.

ALL = Timeouts(connect=10, first_byte=20, idle=30, total=1000)


def test_the_connect_timer_runs_from_the_start() -> None:
    made = Session(build_request("http://host", CHAT), CHAT, ALL)
    assert made.next_deadline() is None
    made.start(100)
    assert made.next_deadline() == 110
    made.handle_deadline(109.9)
    assert not made.ended
    made.handle_deadline(110)
    assert timed_out(made) == ("connect", 10)


def test_the_first_byte_timer_runs_from_the_request() -> None:
    made = Session(build_request("http://host", CHAT), CHAT, ALL)
    made.start(100)
    made.connected(105)
    assert made.next_deadline() == 125
    made.handle_deadline(125)
    assert timed_out(made) == ("first byte", 20)


def test_the_idle_timer_runs_from_the_last_byte_and_any_byte_counts() -> None:
    made = session(timeouts=ALL)
    now = 0.0
    for piece in (CLOSE, b": keepalive\n\n", b"\n", text("a")[:5]):
        now += 19
        made.receive_data(piece, now)
        assert made.next_deadline() == now + 30
        made.handle_deadline(now + 29)
        assert not made.ended
    made.handle_deadline(now + 30)
    assert timed_out(made) == ("idle", 30)


@pytest.mark.parametrize("way", [bytewise, lambda data: [data]], ids=["bytewise", "whole"])
def test_what_comes_before_the_head_does_not_put_the_first_byte_timer_off(way: Any) -> None:
    """A server could say 102 for ever, and a head could come a byte a minute."""
    made = session(timeouts=ALL)
    now = 0.0
    for interim in [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 X\r\n\r\n", CLOSE[:-1]]:
        now += 6
        for piece in way(interim):
            made.receive_data(piece, now)
        assert made.next_deadline() == 20
    made.handle_deadline(19.9)
    assert not made.ended
    made.handle_deadline(20)
    assert timed_out(made) == ("first byte", 20)


def test_all_of_a_refusals_body_has_as_long_as_one_read_of_a_stream() -> None:
    made = session(timeouts=ALL)
    made.receive_data(b"HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\n", 10)
    made.receive_data(b"a", 39)
    assert made.next_deadline() == 40
    made.handle_deadline(40)
    assert isinstance(made.error, StatusError)
    assert made.error.body == b"a"


def test_the_total_timer_runs_whatever_comes() -> None:
    made = session(timeouts=Timeouts(connect=10, first_byte=20, idle=30, total=100))
    made.receive_data(CLOSE, 10)
    made.receive_data(text("a"), 39)
    made.receive_data(b":\n", 69)
    made.receive_data(b":\n", 98)
    assert made.next_deadline() == 100
    made.handle_deadline(100)
    assert timed_out(made) == ("total", 100)
    assert made.answer.text == "a"


def test_without_timers_there_is_no_deadline() -> None:
    made = Session(build_request("http://host", CHAT), CHAT, Timeouts(None, None, None, None))
    made.start(0)
    made.connected(0)
    made.receive_data(CLOSE, 0)
    assert made.next_deadline() is None
    made.handle_deadline(1e9)
    assert not made.ended


def test_after_the_end_no_timer_runs() -> None:
    made = session(timeouts=ALL)
    made.receive_data(CLOSE + DONE, 1)
    assert made.next_deadline() is None
    made.handle_deadline(10_000)
    assert made.error is None


def test_a_refusal_whose_words_do_not_come_is_still_that_refusal() -> None:
    made = session(timeouts=ALL)
    made.receive_data(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 50\r\n\r\nWro", 1)
    assert not made.ended
    made.handle_deadline(31)
    assert isinstance(made.error, StatusError)
    assert made.error.message == "Wro"


def timed_out(made: Session) -> tuple[str, float]:
    assert made.ended
    assert isinstance(made.error, TimeoutExceeded)
    assert str(made.error).startswith(f"the {made.error.timer} timeout of {made.error.seconds:g} s ran out")
    return made.error.timer, made.error.seconds


# The request.


def sent(**arguments: Any) -> bytes:
    options = {"url": "http://host", "dialect": CHAT, **arguments}
    return Session(build_request(**options), options["dialect"]).data_to_send()


def test_a_chat_request_is_a_post_that_asks_for_a_stream() -> None:
    head, _, body = sent(json={"model": "é", "messages": []}, key="sk-1").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: host\r\n")
    for line in (b"accept: text/event-stream", b"content-type: application/json", b"authorization: Bearer sk-1"):
        assert line in head.split(b"\r\n")
    assert b"gzip, deflate" in head
    assert json.loads(body) == {"stream": True, "model": "é", "messages": []}


def test_a_plain_request_is_a_get_without_a_body() -> None:
    wire = sent(dialect=PLAIN)
    assert wire.startswith(b"GET /v1/chat/stream HTTP/1.1\r\n")
    assert wire.endswith(b"\r\n\r\n")
    assert b"content-" not in wire


def test_given_fields_come_instead_of_ours() -> None:
    wire = sent(headers={"Accept-Encoding": "identity", "X-New": "1"}, key="sk-1")
    assert b"accept-encoding: identity\r\n" in wire
    assert wire.count(b"accept-encoding") == 1
    assert b"x-new: 1\r\n" in wire


ENDPOINTS = [
    ("http://h", CHAT, "http://h/v1/chat/completions"),
    ("http://h/", CHAT, "http://h/v1/chat/completions"),
    ("http://h:8080/v1", CHAT, "http://h:8080/v1/chat/completions"),
    ("http://h/v1/", CHAT, "http://h/v1/chat/completions"),
    ("http://h/openai/v1", CHAT, "http://h/openai/v1/chat/completions"),
    ("http://h/v1/chat/completions", CHAT, "http://h/v1/chat/completions"),
    ("http://h/other", CHAT, "http://h/other"),
    ("http://h/other/", CHAT, "http://h/other/"),
    ("http://h?api-version=1", CHAT, "http://h/v1/chat/completions?api-version=1"),
    ("http://h/v1?a=b/v1", CHAT, "http://h/v1/chat/completions?a=b/v1"),
    ("http://h", PLAIN, "http://h/v1/chat/stream"),
    ("http://h", RAW, "http://h/"),
    ("http://h/v1", RAW, "http://h/v1"),
]


@pytest.mark.parametrize(("url", "dialect", "expected"), ENDPOINTS)
def test_a_url_may_name_only_the_server(url: str, dialect: Dialect, expected: str) -> None:
    assert endpoint_url(url, dialect) == expected
    assert build_request(url, dialect).http.target.url == expected


KEY = "sk-canary-0123456789"


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: 1", f" {KEY}", f"{KEY}é", f"{KEY}\0", f"{KEY}\x7f"])
def test_a_key_that_no_field_can_carry_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(LocalProtocolError, match="copied with something around it") as caught:
        build_request("http://host", CHAT, key=key)
    assert KEY not in str(caught.value)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "body", [{"a": {1, 2}}, {"a": float("nan")}, {"a": "\ud800"}, {"a": b"x"}, {"a": nested(50_000)}]
)
def test_a_body_that_is_no_json_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="not JSON"):
        build_request("http://host", CHAT, json=body)


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidURL):
        build_request("host", CHAT)


def test_a_field_that_cannot_be_sent_is_refused_before_anything_is_sent() -> None:
    request = build_request("http://host", CHAT, headers={"x-api-key": f"{KEY}\r\nX: 1"})
    with pytest.raises(LocalProtocolError) as caught:
        Session(request, CHAT)
    assert KEY not in str(caught.value)


# Whatever comes.

wires = st.lists(
    st.sampled_from(
        [
            CHUNKED,
            CLOSE,
            OK,
            b"\r\n",
            chunk(text("a")),
            chunk(DONE),
            text("a", "stop"),
            DONE,
            LAST,
            b"HTTP/1.1 500 Oops\r\n",
            b"Content-Length: 10\r\n",
            b"Content-Encoding: gzip\r\n",
            chunk(b'data: {"error": 1}\n\n'),
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ]
    )
    | st.binary(max_size=4),
    max_size=8,
).map(b"".join)


@given(wires, cuts, st.booleans())
def test_no_wire_raises_and_every_cut_gives_the_same(wire: bytes, places: list[int], reset: bool) -> None:
    def outcome(pieces: list[bytes]) -> tuple[list[StreamEvent], str, str]:
        events, played = play(pieces, reset=reset)
        return events, type(played.error).__name__, played.answer.text

    whole = outcome([wire])
    assert outcome(cut_at(wire, places)) == whole
    assert outcome(bytewise(wire)) == whole
    events, error, _ = whole
    assert sum(isinstance(event, End) for event in events) <= 1
    assert error != "NoneType" or isinstance(events[-1], End)


# The dialect guessed.


def guessed(url: str, response: bytes) -> Session:
    guess = guess_dialect(url)
    dialect = DIALECTS[guess.dialect]
    made = Session(build_request(url, dialect, json={"model": "m"}), dialect, guess=guess)
    made.start(0)
    made.connected(0)
    for piece in bytewise(response):
        made.receive_data(piece, 1)
    made.receive_eof(2)
    return made


NDJSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
OLLAMA = b'{"model":"m","message":{"content":"a"},"done":false}\n{"model":"m","done":true,"done_reason":"stop"}\n'
ANTHROPIC = (
    b'data: {"type":"message_start","message":{}}\n\n'
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)


@pytest.mark.parametrize(
    "response", [CLOSE + text("a", "stop") + DONE, NDJSON + OLLAMA, CLOSE + OLLAMA, CLOSE + ANTHROPIC]
)
@pytest.mark.parametrize("url", ["http://host", "http://host/v1/chat/completions", "http://host:11434"])
def test_where_the_dialect_is_guessed_the_stream_decides(url: str, response: bytes) -> None:
    played = guessed(url, response)
    assert (played.answer.text, played.error) == ("a", None)
    assert played.answer.end == End(True)


def test_where_it_is_guessed_an_answer_that_is_no_stream_is_still_none() -> None:
    response = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"choices": [{"message": {}}]}'
    assert isinstance(guessed("http://host", response).error, NotAStream)


def test_a_stream_that_was_cut_names_the_dialect_that_it_was_taken_for() -> None:
    error = guessed("http://host", CLOSE + ANTHROPIC[:-30]).error
    assert isinstance(error, StreamInterrupted)
    assert "the end that anthropic-messages marks" in str(error)
    assert error.text == "a"
