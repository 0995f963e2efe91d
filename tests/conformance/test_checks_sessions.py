"""The checks of a WebSocket's keepalive and of the sessions on it, on connections made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hand_made import answer, events, handshake, verdict

from tokenwire.dialects import dialect_named
from tokenwire.endpoint import ReferenceEndpoint, Seams, Turn
from tokenwire.protocol.url import parse_url
from tokenwire.recording import Entry, Recording
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.probes.sessions import NONSENSE, TOO_BIG
from tokenwire_conformance.probes.socket_talk import frame
from tokenwire_conformance.probes.talk import Plan, all_probes, run_probe
from tokenwire_conformance.probes.wire import MemoryWire
from tokenwire_conformance.reading.frames import CLOSE, PING, PONG, TEXT
from tokenwire_conformance.reading.transcript import Transcript

Said = tuple[str, bytes, float]


def server(payload: bytes | dict[str, object], opcode: int = TEXT, at: float = 1.0) -> Said:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return "<", frame(opcode, data, masked=False), at


def client(payload: bytes, opcode: int = TEXT, at: float = 1.0) -> Said:
    return ">", frame(opcode, payload), at


def closing(code: int, reason: bytes = b"", at: float = 1.0) -> Said:
    """A Close of the server."""
    return server(code.to_bytes(2, "big") + reason, CLOSE, at)


def leaving(at: float = 2.0) -> Said:
    """A Close of the client."""
    return client(b"\x03\xe8", CLOSE, at)


ASK = client(b'{"messages":[]}')
DELTA, DONE = server({"type": "content_delta", "content": "Hi"}), server({"type": "done"})
ERROR = server({"type": "error", "error": {"code": "invalid_json", "message": "The message is not JSON."}})
BYE = (leaving(), closing(1000, at=2.0))
SOUND = handshake("ws-answer", ASK, DELTA, DONE, *BYE, end="eof")
UNANSWERED = handshake("ws-answer", ASK, ERROR, *BYE, end="eof")

ACTIVE = {
    "wsk.pong": "ws-ping",
    "wsk.pong-latency": "ws-ping-amid",
    "wsk.unsolicited": "ws-ping",
    "wsk.idle": "ws-idle",
    "wsk.dead-peer": "ws-idle",
    "wsl.big-request": "ws-big-question",
    "wsl.too-big": "ws-too-big",
    "wsl.sequential": "ws-two-questions",
    "wsl.parity": "ws-twin",
    "wsl.bad-json": "ws-bad-json",
    "wsl.unknown-type": "ws-unknown-type",
}


@pytest.mark.parametrize("check", ACTIVE)
def test_where_no_question_is_answered_nothing_is_decided(check: str) -> None:
    result = verdict(check, UNANSWERED, handshake(ACTIVE[check], ASK, closing(1008)))
    assert (result.verdict, result.message) == (
        "INCONCLUSIVE",
        "the question of the probe 'ws-answer' was not answered: the server said invalid_json The message is not JSON.",
    )


@pytest.mark.parametrize("check", ["wsk.long-prefill", "wsl.error-envelope", "wsl.no-done"])
def test_where_nothing_was_said_nothing_is_judged(check: str) -> None:
    assert verdict(check, handshake("ws-answer", ASK, end="eof")).verdict == "NOT-APPLICABLE"


def test_a_probe_that_takes_minutes_was_not_made_for_an_endpoint_that_is_not_named() -> None:
    assert "minutes" in verdict("wsk.idle", SOUND).message


def test_what_is_judged_over_websocket_says_so_when_nothing_was_asked_there() -> None:
    result = verdict("wsl.big-request", answer(events("[DONE]")))
    assert (result.verdict, result.message) == ("NOT-APPLICABLE", "nothing was asked over WebSocket")


# Pings and pongs.

PINGED, LONG_PING = client(b"tokenwire", PING), client(bytes(range(125)), PING)
PONGED, LONG_PONG = server(b"tokenwire", PONG), server(bytes(range(125)), PONG)
HEARTBEAT = server(b"", PONG)
UNASKED, PINGED_AGAIN, PONGED_AGAIN = client(b"x", PONG), client(b"again", PING), server(b"again", PONG)
ALL_PINGS = (PINGED, PONGED, LONG_PING, LONG_PONG, UNASKED)

#: (check, what was said, verdict, words)
PINGS: list[tuple[str, tuple[Said, ...], str, str]] = [
    ("wsk.pong", (*ALL_PINGS, PINGED_AGAIN, PONGED_AGAIN), "PASS", ""),
    ("wsk.pong", (HEARTBEAT, *ALL_PINGS, PINGED_AGAIN), "PASS", ""),
    ("wsk.pong", (PINGED, leaving()), "FAIL", "a ping gets no pong: nothing more comes"),
    ("wsk.pong", (PINGED, closing(1003)), "FAIL", "a ping gets no pong: the server closes with 1003"),
    ("wsk.pong", (PINGED, PONGED, LONG_PING, server(b"\0", PONG)), "FAIL", "of 125 bytes is answered by a pong of 1 "),
    ("wsk.unsolicited", (*ALL_PINGS, PINGED_AGAIN, PONGED_AGAIN), "PASS", ""),
    ("wsk.unsolicited", (*ALL_PINGS, PINGED_AGAIN, closing(1002)), "FAIL", "no answer: the server closes with 1002"),
    ("wsk.unsolicited", (PINGED, leaving()), "INCONCLUSIVE", "the pings before it were not answered"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "said", "expected", "words"), PINGS)
def test_pings_and_pongs(check: str, said: tuple[Said, ...], expected: str, words: str) -> None:
    result = verdict(check, SOUND, handshake("ws-ping", *said, end="eof"))
    assert result.verdict == expected
    assert words in result.message


AMID, LATE_DONE = client(b"tokenwire", PING, at=2.0), server({"type": "done"}, at=9.0)

LATE: list[tuple[tuple[Said, ...], str, str]] = [
    ((AMID, DONE, server(b"tokenwire", PONG, 2.5)), "PASS", ""),
    ((AMID, server(b"tokenwire", PONG, 3.9), DONE), "PASS", ""),
    ((AMID, LATE_DONE, server(b"tokenwire", PONG, 9.1)), "WARN", "its pong after 7.1 s, when the answer was over"),
    ((AMID, server(b"tokenwire", PONG, 7.0), LATE_DONE), "WARN", "its pong after 5.0 s"),
    ((AMID, DONE, closing(1011, b"busy")), "WARN", "gets no pong: the server closes with 1011 busy"),
    ((DONE, AMID, PONGED), "NOT-APPLICABLE", "the answer was over before the ping could be sent"),
    ((closing(1011),), "INCONCLUSIVE", "no answer began: the server closes with 1011"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected", "words"), LATE)
def test_a_pong_must_not_wait_for_the_end_of_an_answer(said: tuple[Said, ...], expected: str, words: str) -> None:
    pinged = handshake("ws-ping", *ALL_PINGS)
    result = verdict("wsk.pong-latency", SOUND, pinged, handshake("ws-ping-amid", ASK, DELTA, *said))
    assert result.verdict == expected
    assert words in result.message


def test_who_answers_no_ping_at_all_is_not_told_that_it_is_late() -> None:
    amid = handshake("ws-ping-amid", ASK, DELTA, AMID, DONE)
    assert verdict("wsk.pong-latency", SOUND, handshake("ws-ping", PINGED), amid).verdict == "INCONCLUSIVE"


# Silence.

PING_AT_20, PONG_AT_20 = server(b"", PING, 20.0), client(b"", PONG, 20.0)
LATER = (client(b'{"messages":[]}', at=61.0), server({"type": "done"}, at=61.0))

#: (what was said, how the connection ended, of wsk.idle, of wsk.dead-peer)
SILENCE: list[tuple[tuple[Said, ...], str, str, str]] = [
    ((*LATER, leaving(62.0), closing(1000, at=62.0)), "eof", "PASS", "NOT-APPLICABLE"),
    ((PING_AT_20, PONG_AT_20, *LATER, server(b"", PING, 81.0), closing(1011, at=101.0)), "eof", "PASS", "PASS"),
    ((PING_AT_20, PONG_AT_20, *LATER, server(b"", PING, 81.0)), "reset", "PASS", "PASS"),
    ((PING_AT_20, PONG_AT_20, *LATER, server(b"", PING, 81.0), leaving(141.0)), "closed by us", "PASS", "WARN"),
    ((PING_AT_20, PONG_AT_20, *LATER, leaving(121.0), server(b"", PING, 121.0)), "eof", "PASS", "NOT-APPLICABLE"),
    ((closing(1001, at=30.0),), "eof", "WARN", "NOT-APPLICABLE"),
    ((PING_AT_20, PONG_AT_20), "eof", "WARN", "NOT-APPLICABLE"),
    ((LATER[0], leaving(121.0)), "closed by us", "WARN", "INCONCLUSIVE"),
]


@pytest.mark.parametrize(("said", "end", "idle", "mute"), SILENCE)
def test_silence_is_lived_through_and_a_dead_client_is_dropped(
    said: tuple[Said, ...], end: str, idle: str, mute: str
) -> None:
    silent = handshake("ws-idle", *said, end=end)
    assert [verdict(check, SOUND, silent).verdict for check in ("wsk.idle", "wsk.dead-peer")] == [idle, mute]


def test_a_silent_connection_that_was_closed_says_after_how_long() -> None:
    result = verdict("wsk.idle", SOUND, handshake("ws-idle", closing(1001, at=30.2), end="eof"))
    assert result.message == "a silent connection lives for 30 s: the server closes with 1001"
    assert result.evidence[0].data.startswith(b"\x88\x02\x03\xe9")


PREFILL: list[tuple[tuple[Said, ...], str]] = [
    ((ASK, closing(1011, b"keepalive ping timeout", at=41.0)), "WARN"),
    ((ASK, server({"type": "content_delta", "content": "Hi"}, at=41.0)), "PASS"),
    ((ASK, closing(1011, at=1.5)), "NOT-APPLICABLE"),  # a crash, and no silence
    ((ASK, closing(1008, at=41.0)), "NOT-APPLICABLE"),
    ((ASK, DELTA, closing(1011, at=41.0)), "NOT-APPLICABLE"),
    ((closing(1011, at=41.0),), "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("said", "expected"), PREFILL)
def test_a_long_silence_before_an_answer_is_no_failure(said: tuple[Said, ...], expected: str) -> None:
    assert verdict("wsk.long-prefill", handshake("ws-answer", *said, end="eof")).verdict == expected


# How large a message may be.

ANNOUNCED = (">", frame(TEXT, b"{", length=TOO_BIG, length_size=8), 1.0)

LIMITS: list[tuple[tuple[Said, ...], str, str, str]] = [
    ((closing(1009, b"too big"),), "eof", "PASS", ""),
    ((closing(1002, b"no"),), "eof", "WARN", "is refused with 1002 no, not with 1009"),
    ((), "reset", "WARN", "ends in a reset"),
    ((), "eof", "WARN", "ends in a lost connection"),
    ((), "left open", "INCONCLUSIVE", "no limit was met"),
]


@pytest.mark.parametrize(("said", "end", "expected", "words"), LIMITS)
def test_what_is_too_big_is_refused_by_1009(said: tuple[Said, ...], end: str, expected: str, words: str) -> None:
    result = verdict("wsl.too-big", SOUND, handshake("ws-too-big", ANNOUNCED, *said, end=end))
    assert result.verdict == expected
    assert words in result.message


# One after the other.

TWO: list[tuple[tuple[Said, ...], str, str]] = [
    ((DONE, ASK, DELTA, DONE, *BYE), "PASS", ""),
    ((DONE, ASK, ERROR, *BYE), "PASS", ""),
    ((DONE, ASK, *BYE), "WARN", "is not answered: nothing more comes"),
    ((DONE, ASK, DELTA, *BYE), "WARN", "is not answered: nothing more comes"),
    ((DONE, ASK, closing(1011)), "WARN", "is not answered: the server closes with 1011"),
    ((DONE, ASK), "WARN", "is not answered: the server drops the connection"),
    ((DONE, ASK, closing(1000)), "NOT-APPLICABLE", "one question a connection"),
    ((DONE, closing(1000)), "NOT-APPLICABLE", "ends the connection after the first answer"),
    ((closing(1013),), "INCONCLUSIVE", "the first question was not answered: the server closes with 1013"),
]


@pytest.mark.parametrize(("said", "expected", "words"), TWO)
def test_a_second_question_is_answered_or_refused(said: tuple[Said, ...], expected: str, words: str) -> None:
    result = verdict("wsl.sequential", SOUND, handshake("ws-two-questions", ASK, DELTA, *said, end="eof"))
    assert result.verdict == expected
    assert words in result.message


def test_an_echo_answers_every_message() -> None:
    echo = handshake("ws-two-questions", ASK, server(b"{}"), ASK, server(b"{}"), *BYE, dialect="raw", end="eof")
    sound = handshake("ws-answer", ASK, server(b"{}"), *BYE, dialect="raw", end="eof")
    assert verdict("wsl.sequential", sound, echo).verdict == "PASS"


def twin(*payloads: object, **options: str) -> Transcript:
    return answer(events(*payloads), "ws-twin", get="/v1/chat/stream", **options)  # type: ignore[arg-type]


HI, THE_END = {"type": "content_delta", "content": "Hi"}, {"type": "done"}

TWINS: list[tuple[Transcript, str, str]] = [
    (twin(HI, THE_END), "PASS", ""),
    (twin(HI, HI, {"type": "ping"}, HI, THE_END, "[DONE]"), "PASS", ""),
    (twin({"content": "Hi"}, THE_END), "PASS", ""),
    (
        twin({"type": "start"}, HI, THE_END),
        "FAIL",
        "come content_delta, done; in the event stream start, content_delta",
    ),
    (twin(HI, {"type": "usage"}, THE_END), "FAIL", "; the first that differs is done and usage"),
    (twin(HI, THE_END, end="cut"), "INCONCLUSIVE", "did not come to its end"),
    (twin({"type": "error", "error": {"message": "no"}}), "INCONCLUSIVE", "did not come to its end"),
    (answer("{}", "ws-twin", content_type="application/json"), "NOT-APPLICABLE", "200 application/json"),
    (answer("", "ws-twin", status=426), "NOT-APPLICABLE", "426"),
]


@pytest.mark.parametrize(("there", "expected", "words"), TWINS)
def test_both_transports_tell_the_same_kinds_in_the_same_order(there: Transcript, expected: str, words: str) -> None:
    result = verdict("wsl.parity", SOUND, there)
    assert result.verdict == expected
    assert words in result.message


# Errors.

BAD_JSON = client(NONSENSE["ws-bad-json"])

REFUSALS: list[tuple[tuple[Said, ...], str, str]] = [
    ((ERROR, ASK, DELTA, DONE, *BYE), "PASS", ""),
    ((ERROR, ASK, *BYE), "WARN", "a sound question is not answered"),
    ((ERROR, closing(1003)), "WARN", "the connection ends"),
    ((closing(1007, b"JSON"),), "WARN", "a message that is not JSON gets no error: the server closes with 1007 JSON"),
    ((ASK, DELTA, DONE, *BYE), "WARN", "a message that is not JSON gets no error"),
    ((DELTA, ASK, DELTA, DONE, *BYE), "WARN", 'gets no error: the server says {"type": "content_delta"'),
]


@pytest.mark.parametrize(("said", "expected", "words"), REFUSALS)
def test_nonsense_gets_an_error_and_the_connection_lives(said: tuple[Said, ...], expected: str, words: str) -> None:
    result = verdict("wsl.bad-json", SOUND, handshake("ws-bad-json", BAD_JSON, *said, end="eof"))
    assert result.verdict == expected
    assert words in result.message


ENVELOPES: list[tuple[dict[str, object], str]] = [
    ({"type": "error", "error": {"code": "c", "message": "m"}}, ""),
    ({"type": "error", "status": 400, "error": {"code": None, "message": "m"}}, ""),
    ({"type": "error", "code": "c", "message": "m"}, "no object `error`"),
    ({"type": "error", "error": "m"}, "no object `error`"),
    ({"type": "error", "error": {"code": "c"}}, "no message"),
    ({"type": "error", "error": {"message": "m"}}, "no code"),
    ({"error": {"code": "c", "message": "m"}}, "no type"),
]


@pytest.mark.parametrize(("error", "flaw"), ENVELOPES)
def test_the_envelope_of_an_error(error: dict[str, object], flaw: str) -> None:
    result = verdict("wsl.error-envelope", handshake("ws-bad-json", BAD_JSON, server(error)))
    assert result.verdict == ("WARN" if flaw else "PASS")
    assert flaw in result.message


def test_the_end_mark_of_event_streams_is_shown_where_it_stands() -> None:
    result = verdict("wsl.no-done", handshake("ws-answer", ASK, DELTA, DONE, server(b"[DONE]"), *BYE))
    assert result.verdict == Verdict.INFO
    assert result.evidence[0].data.startswith(b"\x81\x06[DONE]")


# The probes, against the reference endpoint.


class SlowStart(Seams):
    """A model that takes most of a minute before its first word."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return replace(turn, messages=[(45.0, said) for _, said in turn.messages[:1]] + turn.messages[1:])


def made(probe: str, pace: float = 0.0, seams: type[Seams] = Seams) -> Transcript:
    dialect = dialect_named("holysheep")
    plan = Plan(parse_url(f"ws://reference.test{dialect.path}", websocket=True), dialect, "tokenwire-reference")
    return run_probe(all_probes()[probe], MemoryWire(ReferenceEndpoint(pace=pace, seams=seams)), plan)


def test_a_ping_amid_an_answer_is_answered_amid_it() -> None:
    result = verdict("wsk.pong-latency", made("ws-answer"), made("ws-ping"), made("ws-ping-amid", pace=0.5))
    assert result.verdict == "PASS"


def test_a_model_that_takes_most_of_a_minute_is_waited_for_and_pings_are_answered_meanwhile() -> None:
    slow = made("ws-answer", seams=SlowStart)
    assert verdict("wsk.long-prefill", slow).verdict == "PASS"
    assert verdict("wsl.no-done", slow).verdict == "PASS"


def test_a_client_that_is_dropped_for_its_silence_need_not_hear_it() -> None:
    dropped = handshake(
        "ws-idle",
        ASK,
        DELTA,
        DONE,
        server(b"", PING, 20.0),
        client(b"", PONG, 20.0),
        server(b"", PING, 40.0),
        end="eof",
    )
    alive = handshake("ws-answer", ASK, DELTA, DONE, server(b"", PING, 8.9), end="eof")
    assert verdict("wsc.clean", dropped).verdict == "WARN"  # it ended with the ping, and nobody was waited for
    waited = Transcript(
        "ws-idle", Recording(dropped.recording.header, [*dropped.recording.entries[:-1], Entry(60.0, "eof")])
    )
    assert verdict("wsc.clean", waited).verdict == "PASS"
    assert verdict("wsc.clean", alive).verdict == "WARN"
