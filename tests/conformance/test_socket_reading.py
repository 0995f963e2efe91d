"""The suite's own reading of WebSockets against tokenwire's connection; and that no bytes make it fail."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha1
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import cut_at, cuts
from tokenwire.framing.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameWriter,
    Ping,
    Pong,
    close_payload,
)
from tokenwire.protocol.deflate import Deflater
from tokenwire.protocol.websocket import Closed, Opened, WebSocketConnection
from tokenwire.recording import Entry, Recording
from tokenwire_conformance.reading.sockets import Socket
from tokenwire_conformance.reading.transcript import Transcript

Item = str | bytes | Ping | Pong | Closed

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Talk:
    """Both sides of a handshake, and whatever the server says after it.

    :ivar connection: tokenwire's client, which has read the handshake.
    """

    def __init__(self, *, compression: bool, pieces: Sequence[bytes] = ()) -> None:
        self.connection = WebSocketConnection("ws://localhost/chat", compression=compression)
        request = self.connection.data_to_send()
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
        assert key is not None
        accept = b64encode(sha1(key[1] + GUID, usedforsecurity=False).digest())
        extension = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if compression else b""
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n" + extension + b"\r\n"
        )
        (opened,) = self.connection.receive_data(head)
        assert isinstance(opened, Opened)
        self.head_size = len(head)
        self.entries = [Entry(0.0, ">", request), Entry(0.0, "<", head)]
        self.entries += [Entry(float(number), "<", piece) for number, piece in enumerate(pieces, 1)]

    def socket(self, ending: str = "eof") -> Socket:
        """The suite's reading."""
        transcript = Transcript("test", Recording({}, [*self.entries, Entry(99.0, ending)]))
        return Socket(transcript.responses[0])


# Streams.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
messages = texts | st.binary(max_size=200) | st.builds(lambda text: text * 40, texts)
controls = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=20))
closes = st.builds(Closed, st.sampled_from([1000, 1001, 1008, 1011, 1012, 3000, 4999]), st.text("aé😀", max_size=9))


@st.composite
def streams(draw: st.DrawFn, compression: bool) -> tuple[bytes, list[Item]]:
    """What a server sends, and what it means by it."""
    writer = FrameWriter(client=False)
    deflater = Deflater(15, no_context_takeover=False)
    data = b""
    items: list[Item] = []

    def control() -> bytes:
        item = draw(controls)
        items.append(item)
        return writer.frame(PING if isinstance(item, Ping) else PONG, item.payload)

    for message in draw(st.lists(messages | st.none(), max_size=6)):
        if message is None:
            data += control()
            continue
        payload = message.encode() if isinstance(message, str) else message
        compressed = compression and draw(st.booleans())
        payload = deflater.deflate(payload) if compressed else payload
        pieces = cut_at(payload, draw(st.lists(st.integers(0, 400), max_size=3)))
        for number, piece in enumerate(pieces):
            data += control() if number and draw(st.booleans()) else b""
            opcode = CONTINUATION if number else TEXT if isinstance(message, str) else BINARY
            data += writer.frame(opcode, piece, fin=number == len(pieces) - 1, rsv1=compressed and not number)
        items.append(message)
    close = draw(closes | st.none())
    if close is not None:
        items.append(close)
        data += writer.frame(CLOSE, close_payload(close.code, close.reason))
    return data, items


codings = pytest.mark.parametrize("compression", [False, True], ids=["plain", "deflate"])


@codings
@given(draw=st.data(), places=cuts)
def test_both_read_the_same_from_a_sound_stream(compression: bool, draw: st.DataObject, places: list[int]) -> None:
    data, items = draw.draw(streams(compression))
    pieces = [piece for piece in cut_at(data, places) if piece]
    talk = Talk(compression=compression, pieces=pieces)
    assert [event for piece in pieces for event in talk.connection.receive_data(piece)] == items
    socket = talk.socket()
    said = [message.text if message.is_text else message.payload for message in socket.messages]
    assert said == [item for item in items if isinstance(item, str | bytes)]
    assert [frame.payload for frame in socket.pings] == [item.payload for item in items if isinstance(item, Ping)]
    assert [frame.payload for frame in socket.pongs] == [item.payload for item in items if isinstance(item, Pong)]
    closed = [Closed(socket.close.code, socket.close.reason)] if socket.close is not None else []
    assert closed == [item for item in items if isinstance(item, Closed)]
    assert socket.wrong == []
    assert b"".join(piece.data for piece in talk.entries[2:]) == data
    assert sum(2 + frame.length_size + frame.length for frame in socket.frames) == len(data)


@codings
@given(sent=st.lists(messages | controls, max_size=6), code=st.sampled_from([1000, 3000]))
def test_what_the_client_sent_is_read_too(compression: bool, sent: list[str | bytes | Ping | Pong], code: int) -> None:
    talk = Talk(compression=compression)
    for item in sent:
        match item:
            case Ping(payload):
                talk.connection.ping(payload)
            case Pong(payload):
                talk.connection.pong(payload)
            case _:
                talk.connection.send(item)
    talk.connection.close(code)
    talk.entries.append(Entry(1.0, ">", talk.connection.data_to_send()))
    frames = talk.socket().sent
    assert all(frame.masked and frame.fin and frame.complete for frame in frames)
    opcodes = {Ping: PING, Pong: PONG, str: TEXT, bytes: BINARY}
    assert [frame.opcode for frame in frames] == [*(opcodes[type(item)] for item in sent), CLOSE]
    assert frames[-1].code == code
    if not compression:
        payloads = [item.encode() if isinstance(item, str) else getattr(item, "payload", item) for item in sent]
        assert [frame.payload for frame in frames[:-1]] == payloads


# Streams that are broken.


def read_all(talk: Talk, ending: str) -> Socket:
    """Asks the reading for everything that it knows."""
    socket = talk.socket(ending)
    size = len(socket.transcript.received)
    at = talk.head_size
    for frame in socket.frames:
        assert frame.offset == at
        at += 2 + frame.length_size + 4 * frame.masked + len(frame.payload)
    assert at <= size
    assert all(talk.head_size <= problem.offset < size for problem in socket.wrong)
    assert all(message.offset < size and isinstance(message.text, str) for message in socket.messages)
    assert len([message.value for message in socket.messages]) == len(socket.messages)
    assert socket.complete_answers <= len(socket.answers) <= len(socket.messages)
    assert isinstance(socket.failed and socket.left and socket.answering and socket.answered, bool)
    return socket


def tells_as_much(talk: Talk, socket: Socket, data: bytes) -> None:
    """Where tokenwire's client fails the connection, the suite has something to say, if it saw the whole of it.

    It has no limit of size; and it judges whole frames and whole messages, where the client judges what it has.
    """
    with suppress(FrameError):
        talk.connection.receive_data(data)
        talk.connection.receive_data(b"")
    error = talk.connection.error
    if not isinstance(error, FrameError) or error.code == 1009 or not socket.frames:
        return
    last = socket.frames[-1]
    size = last.offset + 2 + last.length_size + 4 * last.masked + last.length - talk.head_size
    if last.fin and size == len(data):
        assert socket.wrong, (data, error)


@codings
@given(
    draw=st.data(), place=st.integers(0, 10_000), change=st.integers(1, 255), ending=st.sampled_from(["eof", "reset"])
)
def test_a_changed_byte_breaks_nothing_but_the_stream(
    compression: bool, draw: st.DataObject, place: int, change: int, ending: str
) -> None:
    data, _ = draw.draw(streams(compression))
    if data:
        place %= len(data)
        data = data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
    talk = Talk(compression=compression, pieces=[data])
    tells_as_much(talk, read_all(talk, ending), data)


@codings
@given(draw=st.data(), size=st.integers(0, 10_000))
def test_a_cut_stream_is_read_as_far_as_it_goes(compression: bool, draw: st.DataObject, size: int) -> None:
    data, items = draw.draw(streams(compression))
    talk = Talk(compression=compression, pieces=[data[:size]])
    socket = read_all(talk, "reset")
    whole = [item for item in items if isinstance(item, str | bytes)]
    assert [m.text if m.is_text else m.payload for m in socket.messages] == whole[: len(socket.messages)]
    assert socket.wrong == []


@given(st.binary(max_size=300), st.sampled_from(["eof", "reset", "left open", "closed by us"]))
def test_no_bytes_make_the_reading_fail(data: bytes, ending: str) -> None:
    talk = Talk(compression=bool(len(data) % 2), pieces=[data])
    tells_as_much(talk, read_all(talk, ending), data)


# What is wrong, and where.

FRAME: Callable[..., bytes] = FrameWriter(client=False).frame
MASKED = FrameWriter(client=True, random=Random(6455).randbytes).frame(TEXT, b"hi")
HI = FRAME(TEXT, b"hi")

BROKEN = [
    ("masked", HI + MASKED, "wsf.server-unmasked", 4),
    ("RSV1", HI + b"\xc1\x00", "wsf.rsv-sent", 4),
    ("RSV2", HI + b"\xa1\x00", "wsf.rsv-sent", 4),
    ("RSV3 of a control frame", HI + b"\x99\x00", "wsf.rsv-sent", 4),
    ("opcode 3", HI + b"\x83\x00", "wsf.opcode-sent", 4),
    ("opcode F", HI + b"\x8f\x00", "wsf.opcode-sent", 4),
    ("two bytes for 2", HI + b"\x81\x7e\x00\x02hi", "wsf.minimal-length", 4),
    ("eight bytes for 126", HI + b"\x82\x7f" + bytes(7) + b"\x7e" + bytes(126), "wsf.minimal-length", 4),
    ("the highest bit", HI + b"\x82\x7f\x80" + bytes(7), "wsf.minimal-length", 4),
    ("a ping of 126", HI + b"\x89\x7e\x00\x7e" + bytes(126), "wsf.control-sent", 4),
    ("half a ping", HI + b"\x09\x00", "wsf.control-sent", 4),
    ("a stray continuation", HI + FRAME(CONTINUATION, b""), "wsf.sequence-sent", 4),
    ("one in another", FRAME(TEXT, b"a", fin=False) + HI, "wsf.sequence-sent", 3),
    ("half a character", HI + FRAME(TEXT, b"\xc3"), "wsf.utf8-sent", 4),
    ("a surrogate", HI + FRAME(TEXT, b"\xed\xa0\xbd"), "wsf.utf8-sent", 4),
    ("Close 1005", HI + FRAME(CLOSE, b"\x03\xed"), "wsc.code-sent", 4),
    ("Close 1006", HI + FRAME(CLOSE, b"\x03\xee"), "wsc.code-sent", 4),
    ("Close 1015", HI + FRAME(CLOSE, b"\x03\xf7"), "wsc.code-sent", 4),
    ("Close 1004", HI + FRAME(CLOSE, b"\x03\xec"), "wsc.code-sent", 4),
    ("Close 1010, which is for clients", HI + FRAME(CLOSE, b"\x03\xf2"), "wsc.code-sent", 4),
    ("Close 999", HI + FRAME(CLOSE, b"\x03\xe7"), "wsc.code-sent", 4),
    ("Close 5000", HI + FRAME(CLOSE, b"\x13\x88"), "wsc.code-sent", 4),
    ("a Close of one byte", HI + FRAME(CLOSE, b"\x03"), "wsc.code-sent", 4),
    ("a reason that is not UTF-8", HI + FRAME(CLOSE, b"\x03\xe8\xe9"), "wsc.code-sent", 4),
    ("data after Close", FRAME(CLOSE, b"") + HI, "wsc.silent-after", 2),
]


@pytest.mark.parametrize(("data", "rule", "place"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_breach_is_noted_where_it_stands(data: bytes, rule: str, place: int) -> None:
    talk = Talk(compression=False, pieces=[data])
    problems = [(problem.rule, problem.offset - talk.head_size) for problem in talk.socket().wrong]
    assert problems == [(rule, place)]


@pytest.mark.parametrize(
    "data",
    [
        FRAME(CLOSE, b""),
        FRAME(CLOSE, close_payload(1014, "é")),
        FRAME(CLOSE, close_payload(4999)),
        FRAME(TEXT, b"\xc3", fin=False) + FRAME(PING, bytes(125)) + FRAME(CONTINUATION, b"\xa9"),
        FRAME(BINARY, bytes(65536)),
        FRAME(CLOSE, b"") + FRAME(PONG, b""),
    ],
)
def test_what_looks_odd_and_is_allowed_is_not_noted(data: bytes) -> None:
    assert Talk(compression=False, pieces=[data]).socket().wrong == []


def test_a_greeting_is_no_answer_where_nothing_tells_them_apart() -> None:
    talk = Talk(compression=False, pieces=[HI])
    assert talk.socket().answers == []
    talk.entries += [Entry(2.0, ">", MASKED), Entry(3.0, "<", HI)]
    socket = talk.socket()
    assert (len(socket.messages), socket.complete_answers, socket.answered) == (2, 1, True)


@pytest.mark.parametrize(("order", "left"), [("><", True), ("<>", False), (">", True), ("<", False), ("", False)])
def test_it_is_known_who_said_close_first(order: str, left: bool) -> None:
    closes = {"<": FRAME(CLOSE, b""), ">": FrameWriter(client=True).frame(CLOSE, b"")}
    talk = Talk(compression=False)
    talk.entries += [Entry(1.0, kind, closes[kind]) for kind in order]
    assert talk.socket().left is left
