"""A transcript that grows is read on, not again: the same comes of it, and the work is linear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from growth import steps
from tokenwire.dialects import dialect_named
from tokenwire.framing.websocket import FrameWriter
from tokenwire.protocol.url import parse_url
from tokenwire.recording import Entry, Recording
from tokenwire_conformance.probes.socket_talk import SocketTalk, frame
from tokenwire_conformance.probes.talk import Plan, Talk
from tokenwire_conformance.reading.frames import CLOSE, PING, TEXT
from tokenwire_conformance.reading.http import Response
from tokenwire_conformance.reading.sockets import Socket
from tokenwire_conformance.reading.transcript import Transcript

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
ASKED = b"GET /v1/chat/stream HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
DELTA = b'{"type": "content_delta", "content": "word "}'
DONE = b'{"type": "done"}'

#: What a server may say, sound and not, and how it ends.
SAID = [
    COUNTED,
    b"HTTP/1.1 100 Continue\r\n\r\n" + COUNTED,
    CHUNKED + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
    CHUNKED + b"3\r\nabc\r\nxyz\r\nabc",
    CHUNKED + b"3\r\nabcd\r\n",
    CHUNKED + b"30\r\nabcd\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200\nA : b\r\nContent-Length: x\r\nno colon\r\n\r\nabc",
    b"not HTTP at all",
    b"not HTTP\r\nat all",
    b"HTT",
]


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def read(response: Response) -> tuple[Any, ...]:
    """All that is read of a response, but in how many pieces its body came."""
    return (
        response.request, response.offset, response.status, response.version, response.fields, response.problems,
        response.delimited, response.head_complete, response.complete, response.chunks, response.trailers,
        response.body, response.end, response.hung_up, [read(interim) for interim in response.informational],
        [response.wire_offset(place) for place in range(len(response.body))],
    )  # fmt: skip


CUTS = st.lists(st.integers(0, 1 << 20), max_size=12)


@given(st.lists(st.sampled_from(SAID), min_size=1, max_size=3), CUTS, CUTS, st.sampled_from(["eof", "left open", ""]))
def test_what_grows_is_read_like_what_is_whole(said: list[bytes], cuts: list[int], asks: list[int], end: str) -> None:
    sent, received = pieces(POST * len(said), asks), pieces(b"".join(said), cuts)
    entries = [Entry(float(n), ">", piece) for n, piece in enumerate(sent)]
    entries += [Entry(99.0 + n, "<", piece) for n, piece in enumerate(received)]
    entries += [Entry(999.0, end)] if end else []
    growing = Transcript("t", Recording({}, []))
    for entry in entries:
        growing.add(entry)
        assert len(growing.responses) <= len(said)
    whole = Transcript("t", Recording({}, entries))
    assert [*map(read, growing.responses)] == [*map(read, whole.responses)]
    assert (growing.requests, growing.stray, growing.ending) == (whole.requests, whole.stray, whole.ending)


FRAMES = [frame(TEXT, DELTA, masked=False), frame(TEXT, DONE, masked=False), frame(PING, b"p", masked=False),
          frame(TEXT, DELTA), frame(0x3, b"", masked=False), frame(CLOSE, b"\x03\xe8", masked=False),
          frame(TEXT, DELTA[:9], fin=False, masked=False), frame(0, DELTA[9:], masked=False),
          frame(TEXT, b"\xff" * 200, masked=False)]  # fmt: skip


@given(st.lists(st.sampled_from(FRAMES), max_size=8), CUTS, st.integers(0, 30), st.sampled_from(["holysheep", "raw"]))
def test_a_websocket_that_grows_is_read_like_one_that_is_whole(
    said: list[bytes], cuts: list[int], missing: int, dialect: str
) -> None:
    data = b"".join(said)
    received = pieces(data[: len(data) - missing], cuts)
    spoken = FrameWriter(client=True).frame(TEXT, b"{}")
    entries = [Entry(0.0, ">", ASKED), Entry(0.1, "<", GRANTED)]
    entries += [Entry(1.0 + n, "<", piece) for n, piece in enumerate(received)]
    entries.insert(min(4, len(entries)), Entry(0.5, ">", spoken))
    growing = Transcript("t", Recording({}, entries[:2].copy()))
    socket = Socket(growing.responses[0], dialect_named(dialect))
    for entry in entries[2:]:
        growing.add(entry)
        assert socket.complete_answers <= len(socket.messages)
    whole = Socket(Transcript("t", Recording({}, entries)).responses[0], dialect_named(dialect))
    for name in ("frames", "sent", "messages", "wrong", "close", "pings", "pongs", "spoken_at", "complete_answers"):
        assert getattr(socket, name) == getattr(whole, name), name
    assert [answer.text for answer in socket.answers] == [answer.text for answer in whole.answers]


class Flood:
    """An endpoint that sends these pieces, one a read, and then nothing more."""

    def __init__(self, said: Sequence[bytes]) -> None:
        self._left = list(reversed(said))
        self.clock = 0.0

    def now(self) -> float:
        return self.clock

    def connect(self) -> None: ...

    def send(self, data: bytes) -> bool:
        return True

    def receive(self, timeout: float) -> bytes | None:
        if self._left:
            return self._left.pop()
        self.clock += timeout
        return None

    def sleep(self, seconds: float) -> None: ...

    def drain(self) -> bool:
        return False

    def close(self) -> None: ...


def over_http(size: int) -> None:
    plan = Plan(parse_url("http://x/v1/chat/completions"), dialect_named("openai-chat"), "m")
    event = b"data: {}\n\n"
    talk = Talk("t", Flood([CHUNKED, *[b"%x\r\n%s\r\n" % (len(event), event)] * size, b"0\r\n\r\n"]), plan)
    talk.connect()
    talk.send(POST)
    assert talk.read_answers()


def over_websocket(dialect: str, size: int) -> None:
    plan = Plan(parse_url("ws://x/v1/chat/stream", websocket=True), dialect_named(dialect), "m")
    deltas = [frame(TEXT, DELTA, masked=False), frame(PING, b"p", masked=False)] * size
    talk = SocketTalk("t", Flood([GRANTED, *deltas, frame(TEXT, DONE, masked=False)]), plan)
    talk.connect()
    assert talk.open() or dialect == "raw"
    assert talk.ask() or dialect == "raw"
    talk.read_for(1.0)
    assert talk.pings == size


@pytest.mark.parametrize(
    "talk",
    [over_http, lambda size: over_websocket("holysheep", size), lambda size: over_websocket("raw", size)],
    ids=["http", "websocket", "raw"],
)
def test_twice_as_much_is_twice_the_work(talk: Callable[[int], None]) -> None:
    less, more = (steps(talk, size) for size in (100, 200))
    assert more <= 2.1 * less
