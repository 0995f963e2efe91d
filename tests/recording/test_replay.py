"""The replay of a recording as the server's side of a connection, in simulated time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire import LocalProtocolError
from tokenwire.recording import Entry, Recording
from tokenwire.recording.replay import PACES, Pace, ReplayConnection

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
WHOLE = [
    Entry(0.0, "connected"),
    Entry(1.0, ">", REQUEST),
    Entry(1.5, "<", HEAD),
    Entry(1.6, "<", b"one"),
    Entry(2.0, "<", b"twothr"),
]


def recording(*entries: Entry) -> Recording:
    return Recording({}, list(entries))


def play(connection: ReplayConnection, now: float) -> tuple[list[tuple[float, bytes]], float]:
    """Runs the clock until nothing more is due; the writes with their times, and the time of the last thing."""
    writes: list[tuple[float, bytes]] = []
    while not connection.ending:
        data = connection.data_to_send(now)
        if data:
            writes.append((round(now, 6), data))
            continue
        deadline = connection.next_deadline()
        if deadline is None or connection.ending:
            break
        assert deadline > now, "the deadline has passed, and nothing is due"
        now = deadline
    return writes, round(now, 6)


def asked(connection: ReplayConnection, now: float = 100.0) -> ReplayConnection:
    connection.receive_data(REQUEST, now)
    return connection


def test_as_recorded_keeps_the_delays_and_the_read_boundaries() -> None:
    connection = asked(ReplayConnection(recording(*WHOLE, Entry(2.25, "eof"))))
    assert play(connection, 100.0) == ([(100.5, HEAD), (100.6, b"one"), (101.0, b"twothr")], 101.25)
    assert connection.ending == "close"


def test_nothing_is_played_before_the_request_is_whole() -> None:
    connection = ReplayConnection(recording(*WHOLE), "fast")
    for place in range(len(REQUEST) - 1):
        connection.receive_data(REQUEST[place : place + 1], 5.0)
        assert connection.data_to_send(5.0) == b""
        assert connection.next_deadline() is None
    connection.receive_data(REQUEST[-1:], 5.0)
    assert connection.data_to_send(5.0) == HEAD


def test_another_client_s_request_will_do_however_long() -> None:
    connection = ReplayConnection(recording(*WHOLE), "coalesced")
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", 1.0)
    assert connection.data_to_send(1.0) == HEAD + b"onetwothr"


@pytest.mark.parametrize(
    ("pace", "writes"),
    [
        ("fast", [HEAD, b"one", b"twothr"]),
        ("bytes", [bytes([byte]) for byte in HEAD + b"onetwothr"]),
        ("coalesced", [HEAD + b"onetwothr"]),
    ],
)
def test_every_other_pace_plays_without_delays(pace: Pace, writes: list[bytes]) -> None:
    connection = asked(ReplayConnection(recording(*WHOLE, Entry(9.0, "reset")), pace))
    assert play(connection, 100.0) == ([(100.0, data) for data in writes], 100.0)
    assert connection.ending == "reset"


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("cut", range(len(HEAD) + 9))
def test_a_cut_ends_the_connection_at_that_byte(pace: Pace, cut: int) -> None:
    connection = asked(ReplayConnection(recording(*WHOLE, Entry(2.25, "left open")), pace, cut=cut))
    writes, _ = play(connection, 100.0)
    assert b"".join(data for _, data in writes) == (HEAD + b"onetwothr")[:cut]
    assert connection.ending == "close"


def test_a_cut_behind_the_end_changes_nothing() -> None:
    connection = asked(ReplayConnection(recording(*WHOLE, Entry(2.25, "left open")), cut=len(HEAD) + 9))
    play(connection, 100.0)
    assert connection.ending == ""


def test_a_cut_within_the_second_answer_leaves_the_first_whole() -> None:
    connection = ReplayConnection(recording(*WHOLE, *WHOLE[1:]), "fast", cut=len(HEAD) + 9 + 3)
    first, _ = play(asked(connection), 100.0)
    assert [data for _, data in first] == [HEAD, b"one", b"twothr"]
    second, _ = play(asked(connection), 101.0)
    assert [data for _, data in second] == [HEAD[:3]]
    assert connection.ending == "close"


@pytest.mark.parametrize("event", ["left open", "closed by us", "reset by us", "timeout"])
def test_a_connection_that_the_server_did_not_end_stays_open_until_the_client_closes(event: str) -> None:
    connection = asked(ReplayConnection(recording(*WHOLE[:-1], Entry(3.0, event))))
    play(connection, 100.0)
    assert (connection.ending, connection.next_deadline()) == ("", None)
    connection.receive_eof(200.0)
    assert connection.ending == "close"


def test_without_an_ending_a_whole_response_stays_open() -> None:
    connection = asked(ReplayConnection(recording(*WHOLE)))
    play(connection, 100.0)
    assert connection.ending == ""


@pytest.mark.parametrize("read", [b"HTTP/1.1 200 OK\r\n\r\nuntil the end", HEAD + b"one", b"no HTTP at all"])
def test_without_an_ending_an_unfinished_response_closes(read: bytes) -> None:
    connection = asked(ReplayConnection(recording(Entry(0.0, ">", REQUEST), Entry(0.5, "<", read))))
    assert play(connection, 100.0) == ([(100.5, read)], 100.5)
    assert connection.ending == "close"


def test_a_client_that_has_finished_sending_still_gets_its_answer() -> None:
    connection = asked(ReplayConnection(recording(*WHOLE)))
    connection.receive_eof(100.1)
    assert connection.ending == ""
    writes, _ = play(connection, 100.1)
    assert len(writes) == 3
    assert connection.ending == "close"


def test_a_client_that_leaves_without_asking_is_let_go() -> None:
    connection = ReplayConnection(recording(*WHOLE))
    connection.receive_data(REQUEST[:-1], 1.0)
    connection.receive_eof(2.0)
    assert connection.ending == "close"


def test_who_asks_again_hears_it_again() -> None:
    connection = ReplayConnection(recording(*WHOLE, Entry(3.0, "left open")), "coalesced")
    for now in (1.0, 2.0, 3.0):
        connection.receive_data(REQUEST, now)
        assert connection.data_to_send(now) == HEAD + b"onetwothr"
        assert connection.next_deadline() is None


def test_a_server_that_waits_for_the_go_ahead_is_played_in_two_turns() -> None:
    head, body = REQUEST[:-4], REQUEST[-4:]
    again = b"HTTP/1.1 100 Continue\r\n\r\n"
    entries = [Entry(0, ">", head), Entry(1, "<", again), Entry(2, ">", body), Entry(3, "<", HEAD + b"onetwothr")]
    connection = ReplayConnection(recording(*entries), "fast")
    connection.receive_data(head, 1.0)
    assert play(connection, 1.0) == ([(1.0, again)], 1.0)
    connection.receive_data(body, 2.0)
    assert play(connection, 2.0) == ([(2.0, HEAD + b"onetwothr")], 2.0)


def test_pipelined_requests_are_counted() -> None:
    connection = ReplayConnection(recording(Entry(0, ">", REQUEST * 2), Entry(1, "<", HEAD + b"onetwothr")), "fast")
    connection.receive_data(REQUEST, 1.0)
    assert connection.data_to_send(1.0) == b""
    connection.receive_data(REQUEST, 1.0)
    assert connection.data_to_send(1.0) == HEAD + b"onetwothr"


@pytest.mark.parametrize("asked_with", [b"x", REQUEST, REQUEST[:-1]])
@pytest.mark.parametrize("written", [b"\x81\x85abcd", b"\x00\x01", b"GARBAGE\r\n\r\n"])
def test_where_the_recording_is_not_http_any_bytes_begin_the_turn(written: bytes, asked_with: bytes) -> None:
    connection = ReplayConnection(recording(Entry(0, ">", written), Entry(1, "<", b"pong"), Entry(1, "eof")), "fast")
    assert play(connection, 1.0) == ([], 1.0)
    connection.receive_data(asked_with, 1.0)
    assert play(connection, 1.0) == ([(1.0, b"pong")], 1.0)


def test_bytes_behind_a_request_begin_the_next_turn_at_once() -> None:
    entries = [Entry(0, ">", REQUEST), Entry(1, "<", b"a"), Entry(2, ">", b"\x00"), Entry(3, "<", b"b")]
    connection = ReplayConnection(recording(*entries, Entry(4, "left open")), "fast")
    connection.receive_data(REQUEST + b"\xff", 1.0)
    assert play(connection, 1.0) == ([(1.0, b"a"), (1.0, b"b")], 1.0)


def test_a_client_that_speaks_no_http_is_answered_all_the_same() -> None:
    connection = ReplayConnection(recording(*WHOLE), "coalesced")
    connection.receive_data(b"\x16\x03\x01 this is no HTTP\r\n\r\n", 1.0)
    assert connection.data_to_send(1.0) == HEAD + b"onetwothr"


def test_a_server_that_speaks_first_is_played_at_once() -> None:
    connection = ReplayConnection(recording(Entry(5.0, "connected"), Entry(5.5, "<", b"hello"), Entry(6.0, "eof")))
    assert connection.next_deadline() == 0.0
    assert connection.data_to_send(10.0) == b""
    assert play(connection, 10.0) == ([(10.5, b"hello")], 11.0)
    assert connection.ending == "close"


def test_an_empty_recording_closes() -> None:
    connection = ReplayConnection(recording())
    connection.receive_eof(1.0)
    assert connection.ending == "close"


@pytest.mark.parametrize(("pace", "cut"), [("slow", None), ("fast", -1)])
def test_what_cannot_be_played_is_refused(pace: Pace, cut: int | None) -> None:
    with pytest.raises(LocalProtocolError, match=r"no pace|cut at byte -1"):
        ReplayConnection(recording(*WHOLE), pace, cut=cut)


@given(
    reads=st.lists(st.binary(min_size=1, max_size=20), max_size=6),
    pace=st.sampled_from(PACES),
    ending=st.sampled_from(["eof", "reset", "left open"]),
    splits=st.lists(st.integers(0, len(REQUEST)), max_size=4),
)
def test_the_bytes_are_those_of_the_recording_in_every_pace(
    reads: list[bytes], pace: Pace, ending: str, splits: list[int]
) -> None:
    entries = [Entry(0.0, ">", REQUEST), *[Entry(place + 1.0, "<", data) for place, data in enumerate(reads)]]
    connection = ReplayConnection(recording(*entries, Entry(99.0, ending)), pace)
    places = [0, *sorted(splits), len(REQUEST)]
    for start, end in pairwise(places):
        if end > start:
            connection.receive_data(REQUEST[start:end], 1.0)
    writes, _ = play(connection, 1.0)
    assert b"".join(data for _, data in writes) == b"".join(reads)
    assert connection.ending == {"eof": "close", "reset": "reset", "left open": ""}[ending]
    assert connection.next_deadline() is None
