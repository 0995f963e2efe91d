"""A server that goes on and on fills no memory, whatever it says and whatever a probe waits for."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest
from hand_made import handshake

from tokenwire.dialects import dialect_named
from tokenwire.errors import LocalProtocolError
from tokenwire.protocol.coding import MAX_INFLATED_READ
from tokenwire.protocol.url import parse_url
from tokenwire.recording import Entry, Recording
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge, select
from tokenwire_conformance.judging.verdict import Inconclusive
from tokenwire_conformance.probes.limits import MOST_RECEIVED, MOST_RECEIVED_IN_ALL, Room
from tokenwire_conformance.probes.socket_talk import SocketTalk, frame
from tokenwire_conformance.probes.talk import Plan, Probe, Talk, run_probe
from tokenwire_conformance.reading import http, messages
from tokenwire_conformance.reading.deflate import MOST_INFLATED, MOST_NARROW
from tokenwire_conformance.reading.frames import TEXT
from tokenwire_conformance.reading.transcript import Transcript
from tokenwire_conformance.run import first_model

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
DONE = b'{"type": "done"}'
DELTA = b'{"type": "content_delta", "content": "word "}'

#: Bytes that a probe may receive when others have received all that a run may.
LEAST = Room(0).for_one

#: Bytes of a flood: far more than may be received, so that a test without the limit fails instead of going on for ever.
FLOOD = 2 * LEAST


class Endless:
    """An endpoint that says the same again and again, so many bytes a read."""

    def __init__(self, first: bytes, again: bytes, read: int = 1024, flood: int = FLOOD) -> None:
        piece = again * max(read // len(again), 1)
        self._said = iter([first, *repeat(piece, flood // len(piece))])
        self.clock = 0.0
        self.received = 0

    def now(self) -> float:
        return self.clock

    def connect(self) -> None: ...

    def send(self, data: bytes) -> bool:
        return True

    def receive(self, timeout: float) -> bytes | None:
        data = next(self._said, None)
        self.clock += timeout if data is None else 0.0
        self.received += len(data or b"")
        return data

    def sleep(self, seconds: float) -> None: ...

    def drain(self) -> bool:
        return False

    def close(self) -> None: ...


def plan_over(scheme: str, room: Room) -> Plan:
    dialect = "holysheep" if scheme == "ws" else "openai-chat"
    target = parse_url(f"{scheme}://x/v1/chat/completions", websocket=scheme == "ws")
    return Plan(target, dialect_named(dialect), "m", room=room)


def judged(made: Transcript) -> None:
    """All that is made of a transcript is made."""
    case = Case([made])
    for stream in case.streams:
        assert len(stream.payloads) <= len(stream.lines)
    for socket in case.sockets:
        assert len(socket.answers) <= len(socket.messages) <= len(socket.frames)


def over_http(read: Callable[[Talk], object]) -> Callable[[Endless, Room], None]:
    def talk_to(wire: Endless, room: Room) -> None:
        talk = Talk("stream", wire, plan_over("http", room))
        talk.connect()
        talk.send(POST)
        read(talk)
        judged(talk.finish(talk.plan.secrets))

    return talk_to


def over_websocket(read: Callable[[SocketTalk], object]) -> Callable[[Endless, Room], None]:
    def talk_to(wire: Endless, room: Room) -> None:
        talk = SocketTalk("ws-answer", wire, plan_over("ws", room))
        talk.connect()
        assert talk.open()
        read(talk)
        judged(talk.finish(talk.plan.secrets))

    return talk_to


def ask_for_models(wire: Endless, room: Room) -> None:
    with pytest.raises(LocalProtocolError, match="names no model"):
        first_model(plan_over("http", room), wire)


ANSWERS = over_http(Talk.read_answers)
ASK = over_websocket(SocketTalk.ask)

ENTRANCES: dict[str, tuple[Callable[[Endless, Room], None], bytes, bytes]] = {
    "a status line": (ANSWERS, b"HTTP/1.1 200 ", b"OK "),
    "fields": (ANSWERS, b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "interim answers": (ANSWERS, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (ANSWERS, EVENTS, b"x"),
    "lines": (ANSWERS, EVENTS, b"\n"),
    "events": (ANSWERS, EVENTS, b"data:{}\n\n"),
    "chunks": (ANSWERS, CHUNKED, b"1\r\na\r\n"),
    "trailers": (ANSWERS, CHUNKED + b"0\r\n", b"a: b\r\n"),
    "what nobody asked for": (over_http(lambda talk: talk.read_for(9.0)), b"", b"x"),
    "what comes late": (over_http(lambda talk: talk.read_late(9.0)), EVENTS, b"x"),
    "models": (ask_for_models, EVENTS, b"x"),
    "messages": (ASK, GRANTED, frame(TEXT, DELTA, masked=False)),
    "empty messages": (ASK, GRANTED, frame(TEXT, masked=False)),
    "a message": (ASK, GRANTED + frame(TEXT, length=1 << 40, length_size=8, masked=False), b"x"),
    "pings": (ASK, GRANTED, b"\x89\x00"),
    "pings while it stays": (over_websocket(lambda talk: talk.stay(9.0)), GRANTED, b"\x89\x00"),
    "pings behind our Close": (over_websocket(SocketTalk.bye), GRANTED, b"\x89\x00"),
}


@pytest.mark.parametrize("name", ENTRANCES)
def test_a_flood_is_left_before_it_fills_the_memory(name: str) -> None:
    talk_to, first, again = ENTRANCES[name]
    wire = Endless(first, again)
    tracemalloc.start()
    try:
        talk_to(wire, Room(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert wire.received <= LEAST + 1024
    assert peak < 8 * LEAST


def test_a_flood_of_single_bytes_is_left_earlier() -> None:
    wire = Endless(EVENTS, b"x", read=1, flood=LEAST // 16)
    ANSWERS(wire, Room(0))
    assert wire.received < LEAST / 100


def test_a_probe_receives_no_more_than_the_most() -> None:
    wire = Endless(EVENTS, b"x" * 65_536, flood=2 * MOST_RECEIVED)
    ANSWERS(wire, Room())
    assert MOST_RECEIVED * 0.9 < wire.received < MOST_RECEIVED + 65_536


def test_all_probes_of_a_run_have_one_limit_and_each_its_least() -> None:
    room = Room()
    plan = plan_over("http", room)

    def ask(talk: Talk) -> None:
        talk.send(POST)
        talk.read_answers()

    wires = [Endless(EVENTS, b"x" * 65_536, flood=MOST_RECEIVED) for _ in range(8)]
    for wire in wires:
        run_probe(Probe("stream", "generation", "a flood", ask), wire, plan)
    received = [wire.received for wire in wires]
    assert sum(received) < MOST_RECEIVED_IN_ALL + 8 * (LEAST + 65_536)
    assert received[-1] >= LEAST


# What inflates.


def deflated(*pieces: bytes) -> Iterator[bytes]:
    """Compressed messages of one connection, each of which may refer to the one before."""
    deflater = zlib.compressobj(9, wbits=-15)
    for piece in pieces:
        yield frame(TEXT, (deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4, masked=False)


def compressed(*frames: bytes, name: str = "a recording", agreed: str = "") -> Transcript:
    said = [("<", data) for data in frames]
    asked = (">", frame(TEXT, b'{"messages":[]}'))
    return handshake(name, asked, *said, fields={"Sec-WebSocket-Extensions": f"permessage-deflate{agreed}"})


def test_the_messages_of_a_connection_inflate_to_no_more_than_the_most_together() -> None:
    quarter = b" " * (MOST_INFLATED // 4)
    [fits] = Case([compressed(*deflated(*[quarter] * 4))]).sockets
    assert (len(fits.messages), fits.too_large) == (4, "")
    [too_large] = Case([compressed(*deflated(*[quarter] * 5))]).sockets
    assert len(too_large.messages) == 4
    assert "more than" in too_large.too_large
    assert too_large.wrong == []  # what was not read is not said to be wrong


def test_where_messages_were_not_read_nothing_is_said_of_the_websocket() -> None:
    said = [*deflated(b" " * (MOST_INFLATED + 1), DONE)]
    case = Case([compressed(*said)])
    for check in select(passive_only=True):
        if check.subject == "sockets":
            result = judge(case, check)
            assert result.verdict == "NOT-APPLICABLE", check.id
            assert "inflate to more than" in result.message
    with pytest.raises(Inconclusive, match="inflate to more than"):
        Case([compressed(*said, name="ws-answer")]).socket("ws-answer")


def test_what_is_inflated_byte_by_byte_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[bytes] = []

    def inflates(payload: bytes, window: bytes, bits: int) -> bool:
        looked_at.append(payload)
        return True

    monkeypatch.setattr(messages, "inflates", inflates)
    said = [*deflated(*[b" " * (MOST_NARROW // 4)] * 9)]
    [socket] = Case([compressed(*said, agreed="; server_max_window_bits=9")]).sockets
    assert len(socket.messages) == 9
    assert len(looked_at) == 4


def coded(body: bytes, data: bytes) -> Transcript:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    entries = [Entry(0.0, ">", POST), Entry(0.1, "<", head + data), Entry(0.2, "left open")]
    made = Transcript("gzip", Recording({}, entries))
    assert made.responses[0].content == body or made.responses[0].coding_error
    return made


def test_a_coded_body_may_be_larger_than_what_one_read_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenwire.protocol.coding.MAX_INFLATED_READ", 1 << 20)
    noise = b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "big").hex().encode() for n in range(400_000))
    assert len(noise) > 2 << 20 < MAX_INFLATED_READ
    response = coded(noise, gzip.compress(noise, 9)).responses[0]
    assert response.coding_error == ""
    assert response.content == noise


@pytest.mark.parametrize("body", [b" " * (MOST_INFLATED + 1), b"\n" * 1_000_001], ids=["bytes", "lines"])
def test_a_coded_body_inflates_to_no_more_than_the_most(body: bytes) -> None:
    level = zlib.compressobj(0, wbits=31) if len(body) > MOST_INFLATED else zlib.compressobj(1, wbits=31)
    response = coded(b"", level.compress(body) + level.flush()).responses[0]
    assert "more than is judged" in response.coding_error


def test_a_body_is_decoded_once_until_more_of_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    class Counting(http.ContentDecoder):
        def __init__(self, coding: str) -> None:
            nonlocal made
            made += 1
            super().__init__(coding)

    monkeypatch.setattr(http, "ContentDecoder", Counting)
    body = gzip.compress(b"data: {}\n\n" * 9)
    response = coded(b"data: {}\n\n" * 9, body).responses[0]
    assert [response.content for _ in range(9)] == [b"data: {}\n\n" * 9] * 9
    assert made == 1
