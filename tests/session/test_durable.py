"""A conversation over several connections, with a simulated clock: what follows when one fails, and in which phase."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.events import End, Other, StreamEvent, TextDelta
from tokenwire.errors import (
    BodyTruncated,
    ConnectionFailed,
    LocalProtocolError,
    NotAStream,
    RemoteProtocolError,
    StatusError,
    StreamFailed,
    StreamInterrupted,
    TimeoutExceeded,
)
from tokenwire.protocol.websocket import Closed, WebSocketConnection
from tokenwire.session import (
    BROWSER,
    DEFAULT,
    FIXED,
    NEVER,
    PATIENT,
    DurableSession,
    Happening,
    Hosts,
    Policy,
    Timeouts,
    build_request,
    over_the_other_transport,
)

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSED = ConnectionFailed("refused", phase="connect")
DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def text(content: str) -> bytes:
    return b"data: " + json.dumps({"id": "c", "choices": [{"delta": {"content": content}}]}).encode() + b"\n\n"


def event(cursor: str, data: str = "") -> bytes:
    return f"id: {cursor}\ndata: {data or cursor}\n\n".encode()


class Run:
    """A session and what happens to it, at times that a test sets."""

    def __init__(self, dialect: str = "openai-chat", url: str = "http://host", **options: Any) -> None:
        self.now = 0.0
        self.happened: list[Happening] = []
        self.events: list[StreamEvent] = []
        self.requests: list[bytes] = []
        asked = options.pop("json", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        headers = options.pop("headers", None)
        kind = DIALECTS[dialect]
        options.setdefault("random", lambda: 0.5)
        self.session = DurableSession(
            build_request(url, kind, json=asked, headers=headers), kind, observe=self.happened.append, **options
        )

    @property
    def kinds(self) -> list[str]:
        return [happening.kind for happening in self.happened]

    @property
    def waits(self) -> list[float]:
        return [happening.seconds for happening in self.happened if happening.seconds is not None]

    @property
    def error(self) -> Any:
        return self.session.error

    def connect(self) -> bytes:
        """Waits as long as it is asked for, connects, and gives what is sent then."""
        if self.session.wants == "wait":
            deadline = self.session.next_deadline()
            assert deadline is not None
            self.now = deadline
            self.events += self.session.handle_deadline(self.now)
        assert self.session.wants == "connect"
        self.session.start(self.now)
        self.session.connected(self.now)
        self.requests.append(self.session.data_to_send())
        return self.requests[-1]

    def refuse(self, error: ConnectionFailed = REFUSED) -> None:
        """No connection can be made."""
        if self.session.wants == "wait":
            self.now = self.session.next_deadline() or self.now
            self.events += self.session.handle_deadline(self.now)
        self.session.start(self.now)
        self.events += self.session.connection_failed(error, self.now)

    def receive(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.events += self.session.receive_data(piece, self.now)

    def cut(self, *, reset: bool = False) -> None:
        self.events += self.session.receive_eof(self.now, reset=reset)

    def expire(self) -> None:
        """Nothing happens until the next deadline."""
        self.now = self.session.next_deadline() or self.now
        self.events += self.session.handle_deadline(self.now)

    def answer(self, *pieces: bytes) -> bytes:
        """One connection: what was asked, answered with the pieces, and then cut."""
        asked = self.connect()
        self.receive(*pieces)
        if not self.session.ended:
            self.cut()
        return asked


def status(code: int, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"HTTP/1.1 {code} X\r\n{lines}Content-Length: 0\r\n\r\n".encode()


# Nothing was sent.


def test_a_refused_connection_is_tried_again_and_the_row_is_told() -> None:
    run = Run()
    run.refuse()
    run.answer(CHUNKED + chunk(text("a") + DONE))
    assert run.session.error is None
    assert run.session.answer.text == "a"
    assert run.kinds == ["connecting", "failed", "waiting", "connecting", "connected", "done"]
    assert run.waits == [0.25]


@pytest.mark.parametrize(("policy", "tries"), [(DEFAULT, 3), (FIXED, 3), (PATIENT, 10), (NEVER, 1)])
def test_what_cannot_be_reached_is_told_after_so_many_tries(policy: Policy, tries: int) -> None:
    run = Run(policy=policy)
    for _ in range(tries):
        assert not run.session.ended
        run.refuse()
    assert run.session.ended
    assert run.session.wants == "over"
    assert run.error is REFUSED
    assert run.events == []


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    run = Run(policy=PATIENT)
    run.refuse(ConnectionFailed("not trusted", phase="tls"))
    assert run.session.ended


def test_a_connect_timer_that_runs_out_is_a_connection_that_failed() -> None:
    run = Run(timeouts=Timeouts(connect=10))
    run.session.start(0)
    run.expire()
    assert (run.now, run.session.wants) == (10, "wait")
    run.answer(CHUNKED + chunk(text("a") + DONE))
    assert run.error is None


# Sent, and no answer.


@pytest.mark.parametrize("policy", [DEFAULT, FIXED, PATIENT, BROWSER])
@pytest.mark.parametrize("arrived", [b"", b"HTTP/1.1 20", CHUNKED, CHUNKED + b"5\r\ndat"])
def test_a_post_of_which_nobody_knows_whether_it_arrived_is_never_repeated(policy: Policy, arrived: bytes) -> None:
    run = Run(policy=policy)
    run.answer(*[arrived] if arrived else [])
    assert run.session.ended
    assert isinstance(run.error, BodyTruncated | StreamInterrupted)
    assert len(run.requests) == 1


def test_a_post_without_an_answer_in_time_is_not_repeated_and_the_timer_is_named() -> None:
    run = Run(policy=PATIENT, timeouts=Timeouts(first_byte=7))
    run.connect()
    run.expire()
    assert isinstance(run.error, TimeoutExceeded)
    assert (run.error.timer, run.now) == ("first byte", 7)


def test_with_a_key_that_the_server_heeds_it_may_be_repeated() -> None:
    policy = replace(DEFAULT, idempotency_field="Idempotency-Key")
    run = Run(policy=policy, headers={"Idempotency-Key": "k-1"})
    first = run.answer()
    assert first == run.answer(CHUNKED + chunk(text("a") + DONE))
    assert b"idempotency-key: k-1\r\n" in first
    assert run.session.answer.text == "a"
    assert Run(policy=policy).session.request.json  # without the field it is a request like any other
    bare = Run(policy=policy)
    bare.answer()
    assert bare.session.ended


def test_a_get_without_an_answer_is_repeated() -> None:
    run = Run("eventsource", json={})
    run.answer()
    run.answer(CHUNKED + chunk(event("1")) + b"0\r\n\r\n")
    assert run.error is None
    assert run.requests[0] == run.requests[1]


# Refused by a status.

#: The statuses that pass, as the README lists them too.
TRANSIENT = [429, 500, 502, 503, 504, 524, 529]


def test_the_statuses_that_pass_are_those_of_the_readme() -> None:
    row = f"| {', '.join(map(str, TRANSIENT))} | the same again, when Retry-After says |"
    assert row in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert sorted(DEFAULT.statuses) == TRANSIENT


@pytest.mark.parametrize("code", TRANSIENT)
def test_a_status_that_passes_is_tried_again(code: int) -> None:
    run = Run()
    run.answer(status(code))
    run.answer(CHUNKED + chunk(text("a") + DONE))
    assert run.error is None


@pytest.mark.parametrize("code", [204, 400, 401, 403, 404, 405, 422, 499, 501, 505, 520, 523, 525, 528, 530])
def test_a_status_that_stays_is_raised_at_once(code: int) -> None:
    run = Run(policy=PATIENT)
    run.answer(status(code))
    assert run.session.ended
    assert isinstance(run.error, StatusError)
    assert run.error.status == code
    assert run.events == []


RETRY_AFTER = [
    (["Retry-After: 7"], 7.0),
    (["Retry-After: 0"], 0.25),
    (["retry-after-ms: 1500", "Retry-After: 7"], 1.5),
    (["Retry-After: Wed, 21 Oct 2026 07:28:09 GMT", "Date: Wed, 21 Oct 2026 07:28:00 GMT"], 9.0),
    (["Retry-After: Wed, 21 Oct 2026 07:28:09 GMT"], 4.0),  # by our own clock, see below
    (["Retry-After: Wed, 21 Oct 2026 07:27:00 GMT"], 0.25),
    (["Retry-After: soon"], 0.25),
    (["Retry-After: -7"], 0.25),
]


@pytest.mark.parametrize(("fields", "seconds"), RETRY_AFTER)
def test_retry_after_is_heeded_in_both_forms(fields: list[str], seconds: float) -> None:
    run = Run(wall=lambda: 1792567685.0)  # 07:28:05 on that day
    run.answer(status(503, *fields))
    assert run.waits == [seconds]
    run.answer(CHUNKED + chunk(DONE))
    assert run.error is None


def test_a_server_that_asks_for_more_time_than_the_policy_has_is_not_waited_for() -> None:
    run = Run(policy=replace(PATIENT, longest=60))
    run.answer(status(429, "Retry-After: 3600"))
    assert isinstance(run.error, StatusError)


def test_a_response_that_is_no_stream_is_raised_at_once() -> None:
    run = Run(policy=BROWSER)
    run.answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
    assert isinstance(run.error, NotAStream)


# Some of the stream had arrived.


@pytest.mark.parametrize("policy", [DEFAULT, FIXED, PATIENT, BROWSER, NEVER])
def test_a_stream_that_cannot_be_resumed_hands_on_what_had_arrived(policy: Policy) -> None:
    run = Run(policy=policy)
    run.answer(CHUNKED + chunk(text("a") + text("b")))
    assert isinstance(run.error, StreamInterrupted)
    assert run.error.text == "ab"
    assert run.error.events == run.events
    assert run.events[-1] == End(False)
    assert len(run.requests) == 1


@pytest.mark.parametrize("policy", [DEFAULT, FIXED, PATIENT, BROWSER])
def test_an_event_stream_goes_on_after_the_last_event_id(policy: Policy) -> None:
    run = Run("eventsource", json={}, policy=policy)
    run.answer(CHUNKED + chunk(event("1") + event("2") + b"id: 3\ndata: lo"))
    asked = run.answer(CHUNKED + chunk(event("3") + event("4")))
    assert b"last-event-id: 2\r\n" in asked
    asked = run.answer(CHUNKED + chunk(event("5")), b"0\r\n\r\n")
    assert b"last-event-id: 4\r\n" in asked
    if policy is BROWSER:  # for which only a 204 is an end
        assert b"last-event-id: 5\r\n" in run.answer(status(204))
    assert run.events == [*(Other("message", str(n)) for n in range(1, 6)), End(True)]
    assert run.error is None
    assert "resuming" in run.kinds


def test_a_browser_connects_again_when_there_are_no_ids_and_the_gap_is_told() -> None:
    run = Run("eventsource", json={}, policy=BROWSER)
    run.answer(CHUNKED + chunk(b"data: a\n\n") + b"0\r\n\r\n")
    run.answer(CHUNKED + chunk(b"data: b\n\n"))
    assert [each.type for each in run.events if isinstance(each, Other)] == ["message", "tokenwire.gap", "message"]
    assert run.waits == [3.0, 3.0]


def test_without_ids_others_raise() -> None:
    run = Run("eventsource", json={}, policy=PATIENT)
    run.answer(CHUNKED + chunk(b"data: a\n\n"))
    assert isinstance(run.error, StreamInterrupted)


def test_what_had_arrived_is_dropped_and_told_and_a_gap_is_told() -> None:
    run = Run("eventsource", json={})
    run.answer(CHUNKED + chunk(event("1") + event("2") + event("3")))
    run.answer(CHUNKED + chunk(event("2") + event("3") + event("4")))
    run.answer(CHUNKED + chunk(event("7")) + b"0\r\n\r\n")
    assert [(each.type, each.raw) for each in run.events if isinstance(each, Other)] == [
        *(("message", n) for n in "123"),
        ("tokenwire.duplicate", "2"),
        ("tokenwire.duplicate", "3"),
        ("message", "4"),
        ("tokenwire.gap", '{"after": "4", "before": "7"}'),
        ("message", "7"),
    ]
    assert run.kinds.count("duplicate") == 2
    assert run.kinds.count("gap") == 1


def test_duplicates_and_gaps_are_found_though_the_program_has_cleared_the_list_of_events() -> None:
    run = Run("eventsource", json={})
    run.connect()
    for number in "123":
        run.receive(chunk(event(number)) if number != "1" else CHUNKED + chunk(event(number)))
        run.session.answer.events.clear()
    run.cut()
    run.answer(CHUNKED + chunk(event("3") + event("5")) + b"0\r\n\r\n")
    told = [each.type for each in run.events[3:] if isinstance(each, Other)]
    assert told == ["tokenwire.duplicate", "tokenwire.gap", "message"]


def test_of_large_events_that_were_cleared_no_more_than_a_few_are_remembered() -> None:
    run = Run("eventsource", json={})
    run.connect()
    run.receive(CHUNKED)
    for number in range(100):
        run.receive(chunk(f"id: {number}\ndata: {'x' * 100_000}\n\n".encode()))
        run.session.answer.events.clear()
        run.events.clear()
    remembered = run.session._generation.had_arrived()
    assert 1 < len(remembered) <= 3
    assert remembered[-1].cursor == "99"


@pytest.mark.parametrize("keep_events", [False, True])
@pytest.mark.parametrize("name", ["{}", "id-{:03}-x"])
def test_a_server_that_begins_anew_is_seen_through_however_long_the_stream_was(name: str, keep_events: bool) -> None:
    """The cursors in its middle are not remembered: that it begins with the first of them says what they are."""
    run = Run("eventsource", json={}, keep_events=keep_events)
    sent = [event(name.format(number), str(number)) for number in range(300)]
    run.answer(CHUNKED + chunk(b"".join(sent[:200])))
    run.answer(CHUNKED, *map(chunk, sent[:100]))  # it breaks before it has come as far
    assert run.session.wants in ("connect", "wait")
    run.answer(CHUNKED + chunk(b"".join(sent)) + b"0\r\n\r\n")
    messages = [each.raw for each in run.events if isinstance(each, Other) and each.type == "message"]
    assert messages == [str(number) for number in range(300)]
    assert run.kinds.count("duplicate") == 300
    assert run.error is None


def test_events_that_share_an_id_are_known_by_their_data() -> None:
    run = Run("eventsource", json={})
    run.answer(CHUNKED + chunk(event("a", "1") + b"data: 2\n\ndata: 3\n\n"))
    run.answer(CHUNKED + chunk(b"data: 2\n\ndata: 3\n\ndata: 4\n\n") + b"0\r\n\r\n")
    assert [each.raw for each in run.events if isinstance(each, Other) and each.type == "message"] == list("1234")


def test_duplicates_alone_are_no_progress() -> None:
    run = Run("eventsource", json={}, policy=replace(DEFAULT, attempts=4))
    run.answer(CHUNKED + chunk(event("1") + event("2")))
    for _ in range(3):
        assert not run.session.ended
        run.answer(CHUNKED + chunk(event("2")))
    assert isinstance(run.error, StreamInterrupted)


def test_the_row_begins_anew_only_with_an_event_and_never_with_a_connection() -> None:
    run = Run("eventsource", json={}, policy=DEFAULT)
    for number in range(1, 9):
        run.answer(CHUNKED + chunk(event(str(number))))
    assert not run.session.ended
    run.answer(CHUNKED + chunk(b": hello\n\n"))
    run.answer(CHUNKED)
    assert isinstance(run.error, StreamInterrupted)


def test_the_field_retry_says_how_long_to_wait_and_is_clamped() -> None:
    run = Run("eventsource", json={}, policy=replace(PATIENT, longest=10))
    run.answer(CHUNKED + chunk(b"retry: 2500\n" + event("1")))
    run.answer(CHUNKED + chunk(b"retry: 999999999\n" + event("2")))
    run.connect()
    assert run.waits == [2.5, 10]


def test_a_resume_that_is_refused_is_an_interruption_with_its_reason() -> None:
    run = Run("eventsource", json={})
    run.answer(CHUNKED + chunk(event("1")))
    run.answer(status(404))
    assert isinstance(run.error, StreamInterrupted)
    assert isinstance(run.error.__cause__, StatusError)
    assert "404" in str(run.error)
    assert run.events == [Other("message", "1"), End(False)]


def test_a_resume_that_fails_for_the_moment_is_tried_again() -> None:
    run = Run("eventsource", json={}, policy=PATIENT)
    run.answer(CHUNKED + chunk(event("1")))
    run.refuse()
    run.answer(status(503))
    run.answer()
    assert b"last-event-id: 1\r\n" in run.answer(CHUNKED + chunk(event("2")) + b"0\r\n\r\n")
    assert run.error is None


def test_silence_breaks_a_stream_too_and_it_is_resumed() -> None:
    run = Run("eventsource", json={}, timeouts=Timeouts(idle=30))
    run.connect()
    run.receive(CHUNKED + chunk(event("1")))
    run.expire()
    assert b"last-event-id: 1\r\n" in run.answer(CHUNKED + chunk(event("2")) + b"0\r\n\r\n")
    assert run.error is None


@pytest.mark.parametrize(
    ("timeouts", "arrived", "timer"),
    [
        (Timeouts(first_event=5), CHUNKED + chunk(b": comment\n\n"), "first event"),
        (Timeouts(event_idle=5), CHUNKED + chunk(text("a")) + chunk(b": comment\n\n"), "event idle"),
        (Timeouts(idle=5), CHUNKED + chunk(text("a")), "idle"),
        (Timeouts(total=5), CHUNKED + chunk(text("a")), "total"),
    ],
)
def test_the_timer_is_named_with_what_had_arrived(timeouts: Timeouts, arrived: bytes, timer: str) -> None:
    run = Run(timeouts=timeouts)
    run.connect()
    run.receive(arrived)
    run.expire()
    assert isinstance(run.error, TimeoutExceeded)
    assert (run.error.timer, run.now) == (timer, 5)
    assert run.error.answer is run.session.answer
    assert ("1 characters of text" in str(run.error)) == (b'"a"' in arrived)


def test_the_total_timer_runs_over_all_connections_and_waits() -> None:
    run = Run(policy=replace(FIXED, attempts=None), timeouts=Timeouts(total=2.5))
    for _ in range(3):
        run.refuse()
    run.expire()
    assert isinstance(run.error, TimeoutExceeded)
    assert (run.error.timer, run.now) == ("total", 2.5)
    assert run.session.wants == "over"


def test_a_row_of_failures_lasts_no_longer_than_the_policy_says() -> None:
    run = Run(policy=replace(FIXED, attempts=None, elapsed=10))
    for _ in range(11):
        assert not run.session.ended
        run.refuse()
    assert run.error is REFUSED
    assert run.now == 10


def test_garbage_is_not_tried_again() -> None:
    run = Run("eventsource", json={}, policy=PATIENT)
    run.answer(CHUNKED + chunk(event("1")) + b"zz\r\n")
    assert isinstance(run.error, RemoteProtocolError)
    assert len(run.requests) == 1


def test_an_error_that_the_server_says_is_its_answer() -> None:
    run = Run(policy=PATIENT)
    run.answer(CHUNKED + chunk(b'data: {"error": {"message": "overloaded"}}\n\n' + DONE))
    assert isinstance(run.error, StreamFailed)
    assert run.error.error is run.session.answer.error
    assert len(run.requests) == 1


# Other dialects.


def response(kind: str, number: int, **more: Any) -> bytes:
    said = {"type": f"response.{kind}", "sequence_number": number, **more}
    return f"event: response.{kind}\ndata: {json.dumps(said)}\n\n".encode()


def test_a_response_in_the_background_goes_on_in_the_decoder_that_read_its_beginning() -> None:
    run = Run("openai-responses", json={"input": "hi", "background": True})
    where = {"output_index": 0, "content_index": 0, "item_id": "i"}
    created = response("created", 0, response={"id": "resp/1", "model": "m"})
    run.answer(CHUNKED + chunk(created + response("output_text.delta", 1, delta="Hel", **where)))
    done = response("output_text.done", 3, text="Hello", **where)
    end = response("completed", 4, response={"id": "resp/1", "status": "completed"})
    asked = run.answer(CHUNKED + chunk(response("output_text.delta", 2, delta="lo", **where) + done + end))
    assert asked.startswith(b"GET /v1/responses/resp%2F1?stream=true&starting_after=1 HTTP/1.1\r\n")
    assert b"content-type" not in asked
    assert run.error is None
    assert run.session.answer.text == "Hello"


def test_a_program_that_clears_the_list_of_events_can_still_resume() -> None:
    run = Run("openai-responses", json={"input": "hi", "background": True})
    where = {"output_index": 0, "content_index": 0, "item_id": "i"}
    created = response("created", 0, response={"id": "r", "model": "m"})
    run.connect()
    run.receive(CHUNKED + chunk(created + response("output_text.delta", 1, delta="Hel", **where)))
    run.session.answer.events.clear()
    run.cut()
    assert run.connect().startswith(b"GET /v1/responses/r?stream=true&starting_after=1 HTTP/1.1\r\n")


def test_a_response_in_the_foreground_cannot_be_resumed() -> None:
    run = Run("openai-responses", json={"input": "hi"}, policy=PATIENT)
    run.answer(CHUNKED + chunk(response("created", 0, response={"id": "r", "model": "m"})))
    assert isinstance(run.error, StreamInterrupted)


def test_an_interaction_goes_on_after_the_id_in_its_json() -> None:
    run = Run("gemini-interactions", json={"input": "hi"})
    start = {"event_type": "interaction.created", "event_id": "e1", "interaction": {"id": "i/1", "model": "m"}}
    delta = {"event_type": "step.delta", "event_id": "e2", "index": 0, "delta": {"type": "text", "text": "a"}}
    more = {**delta, "event_id": "e3", "delta": {"type": "text", "text": "b"}}
    end = {"event_type": "interaction.completed", "event_id": "e4", "interaction": {"status": "completed"}}

    def body(*events: dict[str, Any]) -> bytes:
        return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events)

    run.answer(CHUNKED + chunk(body(start, delta)))
    asked = run.answer(CHUNKED + chunk(body(delta, more, end) + DONE))
    assert asked.startswith(b"GET /v1beta/interactions/i%2F1?stream=true&last_event_id=e2 HTTP/1.1\r\n")
    assert run.session.answer.text == "ab"
    assert [each.type for each in run.events if isinstance(each, Other)] == ["tokenwire.duplicate"]


def test_what_only_a_post_begins_is_not_reconnected_to_for_ever() -> None:
    """All had arrived but the end of the body, for which the interaction is asked once more, and then it is whole."""
    run = Run("gemini-interactions", json={"input": "hi"}, policy=BROWSER)
    start = {"event_type": "interaction.created", "event_id": "e1", "interaction": {"id": "i", "model": "m"}}
    end = {"event_type": "interaction.completed", "event_id": "e2", "interaction": {"status": "completed"}}
    said = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (start, end))
    run.answer(CHUNKED + chunk(said))
    run.answer(CHUNKED + b"0\r\n\r\n")
    assert run.session.ended
    assert run.error is None
    assert run.events[-1] == End(True)


@pytest.mark.parametrize(("revision", "resumed"), [(None, True), ("2025-11-25", True), ("2026-07-28", False)])
def test_mcp_goes_on_by_get_up_to_the_revision_that_took_it_away(revision: str | None, resumed: bool) -> None:
    headers = {"MCP-Protocol-Version": revision, "MCP-Session-Id": "s"} if revision else {"MCP-Session-Id": "s"}
    run = Run("mcp", json={"method": "tools/call"}, headers=headers, policy=PATIENT)
    run.answer(CHUNKED + chunk(b"id: p\ndata:\n\n") + b"0\r\n\r\n")
    if not resumed:
        assert isinstance(run.error, StreamInterrupted)
        return
    reply = b'id: q\ndata: {"jsonrpc": "2.0", "id": 1, "result": {}}\n\n'
    asked = run.answer(CHUNKED + chunk(reply))
    assert asked.startswith(b"GET /mcp HTTP/1.1\r\n")
    assert b"last-event-id: p\r\n" in asked
    assert b"mcp-session-id: s\r\n" in asked
    assert run.error is None


def test_an_a2a_task_is_subscribed_to_and_the_snapshot_stands_for_what_was_missed() -> None:
    def update(result: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode() + b"\n\n"

    working = {"statusUpdate": {"taskId": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}}}
    done = {"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}}}
    run = Run("a2a", json={"method": "SendStreamingMessage", "params": {}})
    run.answer(CHUNKED + chunk(update(working)))
    asked = run.answer(CHUNKED + chunk(update(done)))
    assert asked.startswith(b"POST / HTTP/1.1\r\n")
    assert json.loads(asked.partition(b"\r\n\r\n")[2])["method"] == "SubscribeToTask"
    kinds = [each.type for each in run.events if isinstance(each, Other)]
    assert kinds == ["statusUpdate", "tokenwire.gap", "task"]
    assert run.error is None


# Asked again, and paid again, when a policy says so.


def test_a_restart_is_told_and_the_answer_begins_anew() -> None:
    run = Run(policy=replace(DEFAULT, interrupted="restart"))
    first = run.answer(CHUNKED + chunk(text("Hel")))
    assert run.answer(CHUNKED + chunk(text("Hello") + DONE)) == first
    assert [type(each).__name__ for each in run.events] == [
        *("Start", "BlockStart", "TextDelta", "BlockStop", "Other"),
        *("Start", "BlockStart", "TextDelta", "BlockStop", "End"),
    ]
    assert run.events[4] == Other("tokenwire.restart", "")
    assert run.session.answer.text == "Hello"
    assert "restarting" in run.kinds


def test_a_continuation_has_the_partial_text_in_its_request() -> None:
    run = Run(policy=replace(DEFAULT, interrupted="continue"))
    run.answer(CHUNKED + chunk(text("Hel")))
    asked = run.answer(CHUNKED + chunk(text("lo")))
    body = json.loads(asked.partition(b"\r\n\r\n")[2])
    assert body["messages"][-1] == {"role": "assistant", "content": "Hel"}
    asked = run.answer(CHUNKED + chunk(text("!") + DONE))
    body = json.loads(asked.partition(b"\r\n\r\n")[2])
    assert [message["content"] for message in body["messages"]] == ["hi", "Hello"]
    assert run.session.answer.text == "Hello!"
    assert run.events.count(Other("tokenwire.continuation", "")) == 2


def test_a_continuation_is_another_request_and_has_another_key() -> None:
    """A server that heeds keys refuses one that comes with another body."""
    policy = replace(DEFAULT, interrupted="continue", idempotency_field="Idempotency-Key")
    run = Run(policy=policy, headers={"Idempotency-Key": "k"})
    run.answer(CHUNKED + chunk(text("a")))
    run.answer()
    run.answer(CHUNKED + chunk(text("b")))
    run.answer(CHUNKED + chunk(text("c") + DONE))
    keys = [asked.partition(b"idempotency-key: ")[2].partition(b"\r\n")[0] for asked in run.requests]
    assert keys[1] == keys[2]
    assert len({keys[0], keys[1], keys[3]}) == 3
    assert run.session.answer.text == "abc"


# Over WebSocket.


def test_what_is_learned_about_a_host_is_remembered() -> None:
    hosts = Hosts()
    kind = DIALECTS["holysheep"]
    asked = {"model": "m", "messages": []}
    for times in range(2):
        fallback = over_the_other_transport("ws://host", kind, json=asked)
        run = Run("holysheep", "ws://host", json=asked, fallback=fallback, hosts=hosts)
        if not times:
            run.answer(status(426))
            assert run.kinds[-1] == "falling back"
        asked_now = run.answer(CHUNKED + chunk(text("a") + DONE))
        assert asked_now.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert run.error is None
        assert run.session.answer.text == "a"
        assert len(run.requests) == 2 - times
    assert list(hosts.without) == ["host:80 over WebSocket"]


def test_nothing_is_learned_about_a_host_that_does_not_answer_over_the_other_transport_either() -> None:
    """A gateway that fails for the moment says nothing about WebSocket."""
    fallback = over_the_other_transport("ws://host", DIALECTS["openai-responses"], json={"input": "hi"})
    run = Run("openai-responses", "ws://host", json={"input": "hi"}, fallback=fallback)
    for _ in range(4):
        run.answer(status(502))
    assert "falling back" in run.kinds
    assert isinstance(run.error, StatusError)
    assert run.session.hosts.without == {}


UPGRADES: list[tuple[str, Callable[[Run], object], bool]] = [
    *((str(code), lambda run, code=code: run.answer(status(code)), True) for code in (200, 400, 403, 426, 502)),
    *((str(code), lambda run, code=code: run.answer(status(code)), False) for code in (401, 404)),
    ("the end within the handshake", lambda run: run.answer(b"HTTP/1.1 101"), True),
    ("silence", lambda run: (run.connect(), run.expire()), True),
    ("no key in the answer", lambda run: run.answer(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"), True),
    ("refused", lambda run: run.refuse(), False),
]


@pytest.mark.parametrize(("fail", "falls_back"), [row[1:] for row in UPGRADES], ids=[row[0] for row in UPGRADES])
def test_a_websocket_that_cannot_be_had_is_done_without(fail: Callable[[Run], object], falls_back: bool) -> None:
    kind = DIALECTS["openai-responses"]
    for policy in (DEFAULT, NEVER):
        fallback = over_the_other_transport("ws://host", kind, json={"input": "hi"})
        run = Run("openai-responses", "ws://host", json={"input": "hi"}, fallback=fallback, policy=policy)
        fail(run)
        assert ("falling back" in run.kinds) == (falls_back and policy is DEFAULT)


def test_http_that_is_told_to_upgrade_falls_back_to_websocket_only_when_the_policy_says_so() -> None:
    kind = DIALECTS["openai-responses"]
    fallback = over_the_other_transport("http://host", kind, json={"input": "hi"})
    for policy in (DEFAULT, replace(DEFAULT, fallback="both")):
        run = Run("openai-responses", json={"input": "hi"}, fallback=fallback, policy=policy)
        run.answer(status(426))
        assert ("falling back" in run.kinds) == (policy.fallback == "both")


def test_http_that_refuses_with_400_or_answers_200_does_not_fall_back() -> None:
    """Over HTTP 400 speaks of the body, and over WebSocket it is what a proxy says that does not know an upgrade."""
    kind = DIALECTS["openai-responses"]
    fallback = over_the_other_transport("http://host", kind, json={"input": "hi"})
    for policy in (DEFAULT, replace(DEFAULT, fallback="both")):
        for answer in (status(400), b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"):
            run = Run("openai-responses", json={"input": "hi"}, fallback=fallback, policy=policy)
            run.answer(answer)
            assert run.session.ended
            assert "falling back" not in run.kinds


def test_a_websocket_that_is_not_even_connected_in_time_does_not_fall_back() -> None:
    """Nothing was said about WebSocket: the host is away, over HTTP too."""
    kind = DIALECTS["openai-responses"]
    fallback = over_the_other_transport("ws://host", kind, json={"input": "hi"})
    run = Run("openai-responses", "ws://host", json={"input": "hi"}, fallback=fallback, timeouts=Timeouts(connect=9))
    run.session.start(0)
    run.expire()
    assert run.now == 9
    assert "falling back" not in run.kinds
    assert run.session.request.websocket
    run.connect()
    run.expire()
    assert run.kinds[-1] == "falling back", "but where the handshake is not answered, it does"


class Peer:
    """The server's side of a WebSocket."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.connection = WebSocketConnection.server(compression=False)
        self.connection.receive_data(run.connect())
        self.connection.accept()
        run.receive(self.connection.data_to_send())
        self.messages = self.hear()

    def hear(self) -> list[Any]:
        return self.connection.receive_data(self.run.session.data_to_send())

    def say(self, *messages: dict[str, Any], close: int | None = None) -> None:
        for message in messages:
            self.connection.send(json.dumps(message))
        if close is not None:
            self.connection.close(close)
        self.run.receive(self.connection.data_to_send())


#: Codes of a close, and whether another connection may do better.
CLOSES = [
    *((code, True) for code in (1001, 1011, 1012, 1013)),
    *((code, False) for code in (1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4999)),
]


@pytest.mark.parametrize(("code", "goes_on"), CLOSES)
def test_a_websocket_closed_in_mid_stream_is_gone_on_with_where_its_code_allows_it(code: int, goes_on: bool) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked, policy=replace(DEFAULT, interrupted="restart"))
    Peer(run).say({"type": "content_delta", "content": "a"}, close=code)
    assert TextDelta(0, "a") in run.events
    assert (not run.session.ended) == goes_on
    if goes_on:
        assert [message for message in Peer(run).messages if isinstance(message, str)], "the model was asked again"
        assert "restarting" in run.kinds
    else:
        assert isinstance(run.error, StreamInterrupted)
        assert str(code) in str(run.error)
        assert run.happened[-1].detail == "by this code the server closed it for good"


def test_what_a_message_told_in_secret_stays_secret_over_all_connections() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked, policy=replace(DEFAULT, interrupted="restart"))
    peer = Peer(run)
    run.session.send(json.dumps({"type": "session.update", "api_key": "sk-3kD9fJ2mQ81xLw07"}))
    peer.say({"type": "content_delta", "content": "a"}, close=1001)
    assert "sk-3kD9fJ2mQ81xLw07" in run.session.request.secrets.values, "the next recording redacts by these"
    error = {"type": "error", "error": {"message": "sk-3kD9fJ2mQ81xLw07 is not known"}}
    Peer(run).say(error)
    assert "restarting" in run.kinds
    assert "sk-3kD9fJ2mQ81xLw07" not in str(run.error)
    assert "is not known" in str(run.error)


@pytest.mark.parametrize("reset", [False, True])
def test_a_websocket_that_ends_without_a_close_is_gone_on_with(reset: bool) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked, policy=replace(DEFAULT, interrupted="restart"))
    Peer(run).say({"type": "content_delta", "content": "a"})
    run.cut(reset=reset)
    assert not run.session.ended
    Peer(run)
    assert "restarting" in run.kinds


def test_the_codes_after_which_a_stream_may_go_on_are_the_policys() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    policy = replace(DEFAULT, interrupted="restart", close_codes=frozenset({4000}))
    for code, goes_on in ((4000, True), (1001, False)):
        run = Run("holysheep", "ws://host", json=asked, policy=policy)
        Peer(run).say({"type": "content_delta", "content": "a"}, close=code)
        assert (not run.session.ended) == goes_on


# The end, and the second call on what has ended.


def test_a_peer_that_does_not_close_is_waited_for_until_the_deadline_of_the_handshake() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked, timeouts=Timeouts(close=2, keepalive=20))
    peer = Peer(run)
    run.now = 100
    assert run.session.close(run.now), "there is a Close of the peer's to wait for"
    assert run.session.wants == "transfer"
    assert Closed(1000, "") in peer.hear()
    assert run.session.next_deadline() == 102
    peer.connection.data_to_send()
    run.events += run.session.handle_deadline(101.9)
    assert run.session.wants == "transfer"
    run.events += run.session.handle_deadline(102)
    assert run.session.wants == "over"
    assert run.session.next_deadline() is None
    assert run.session.error is None


def test_a_peer_that_closes_too_ends_the_wait() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked)
    peer = Peer(run)
    assert run.session.close(0)
    peer.hear()
    run.receive(peer.connection.data_to_send())
    assert run.session.wants == "over"


@pytest.mark.parametrize("url", ["http://host", "ws://host"])
def test_close_before_anything_was_sent_asks_for_nothing(url: str) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    for steps in range(3):
        run = Run("holysheep", url, json=asked)
        if steps > 0:
            run.session.start(0)
        if steps > 1:
            run.session.connected(0)
        assert not run.session.close(0), steps
        assert run.session.wants == "over"
        assert run.session.data_to_send() == b"", "nothing is asked, and so nothing paid"
        assert run.session.next_deadline() is None
        assert run.session.handle_deadline(1e9) == []


def test_close_while_it_waits_ends_the_wait() -> None:
    run = Run()
    run.refuse()
    assert run.session.wants == "wait"
    assert not run.session.close(run.now)
    assert (run.session.wants, run.session.next_deadline()) == ("over", None)
    assert run.session.handle_deadline(1e9) == []
    assert run.session.wants == "over"


#: How a session ends, and the kind of its error.
ENDS: list[tuple[str, Callable[[Run], object], type[Exception] | None]] = [
    ("whole", lambda run: run.answer(CHUNKED + chunk(text("a") + DONE)), None),
    ("interrupted", lambda run: run.answer(CHUNKED + chunk(text("a"))), StreamInterrupted),
    ("refused", lambda run: run.answer(status(401)), StatusError),
    ("unreachable", lambda run: [run.refuse() for _ in range(3)], ConnectionFailed),
    ("timed out", lambda run: (run.connect(), run.expire()), TimeoutExceeded),
]


@pytest.mark.parametrize(("ends", "kind"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_once_it_has_ended_every_further_call_does_nothing(
    ends: Callable[[Run], object], kind: type[Exception] | None
) -> None:
    run = Run()
    ends(run)
    assert run.session.ended
    assert type(run.error) is (kind or type(None))
    before = (run.error, list(run.events), run.session.answer.text, list(run.kinds))
    for _ in range(2):
        run.receive(CHUNKED + chunk(text("more") + DONE), b"\xff" * 99)
        run.cut()
        run.cut(reset=True)
        run.events += run.session.handle_deadline(1e9)
        assert run.session.data_to_send() == b""
        assert run.session.next_deadline() is None
        assert not run.session.close(1e9)
        assert run.session.wants == "over"
        with pytest.raises(LocalProtocolError):
            run.session.send("hello")
    assert (run.error, run.events, run.session.answer.text, run.kinds) == before


#: (the dialect, what is asked, the policy, what happens, why nothing follows then)
LAST_WORDS: list[tuple[str, Policy, Callable[[Run], object], str]] = [
    (
        "openai-chat",
        DEFAULT,
        lambda run: run.answer(CHUNKED + chunk(text("a"))),
        "openai-chat cannot resume this stream",
    ),
    ("openai-chat", PATIENT, lambda run: run.answer(), "what was asked may have been received, and is not asked twice"),
    ("openai-chat", FIXED, lambda run: [run.refuse() for _ in range(3)], "that was the last of 3 tries"),
    ("eventsource", replace(FIXED, elapsed=0.5), lambda run: run.refuse(), "for 0.5 s nothing new has come"),
    (
        "openai-chat",
        DEFAULT,
        lambda run: run.answer(status(503, "Retry-After: 3600")),
        "to wait 3600 s is asked, and no more than 60 s are waited",
    ),
    ("openai-chat", DEFAULT, lambda run: run.answer(status(401)), ""),
    ("openai-chat", NEVER, lambda run: run.refuse(), ""),
    ("openai-chat", NEVER, lambda run: run.answer(), ""),
    ("openai-chat", DEFAULT, lambda run: run.answer(CHUNKED + chunk(DONE)), ""),
]


@pytest.mark.parametrize(("dialect", "policy", "happens", "why"), LAST_WORDS)
def test_an_observer_is_told_why_nothing_follows(
    dialect: str, policy: Policy, happens: Callable[[Run], object], why: str
) -> None:
    run = Run(dialect, policy=policy)
    happens(run)
    assert (run.happened[-1].kind, run.happened[-1].detail) == ("done", why)
    assert str(run.happened[-1]).endswith(why)


def test_nothing_can_be_said_while_there_is_no_connection() -> None:
    run = Run("eventsource", json={})
    run.refuse()
    with pytest.raises(LocalProtocolError, match="no connection now"):
        run.session.send("hello")


def test_after_close_no_connection_follows() -> None:
    run = Run("eventsource", json={})
    run.connect()
    run.receive(CHUNKED + chunk(event("1")))
    assert not run.session.close(run.now)
    run.cut()
    assert run.session.wants == "over"
    assert run.session.next_deadline() is None


def test_a_policy_can_be_printed_and_made_of_another() -> None:
    assert "attempts=10" in repr(PATIENT)
    assert replace(PATIENT, attempts=5).attempts == 5
    assert [PATIENT.backoff(n, lambda: 1.0) for n in (1, 2, 3, 8, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
    assert PATIENT.backoff(3, lambda: 0.0) == 0.0
