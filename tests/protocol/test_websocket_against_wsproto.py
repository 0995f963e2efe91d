"""Our WebSocket connection against wsproto's, on everything that wsproto can read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest
import wsproto
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import events as theirs
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.extensions import PerMessageDeflate

from cutting import cut_at, cuts
from tokenwire.framing.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Close,
    FrameError,
    FrameParser,
    FrameWriter,
    Item,
    Ping,
    Pong,
    mask,
)
from tokenwire.protocol.deflate import Deflater
from tokenwire.protocol.websocket import Asked, Closed, Opened, WebSocketConnection

URL = "ws://localhost/chat"


@dataclass
class Read:
    """What a connection made of a stream.

    :ivar items: what the application was given; wsproto's pieces of a message are joined.
    :ivar sent: the frames that went out in answer, without the words in which an error is told.
    :ivar error: the code of the Close that says that the stream is broken; None where it is not.
    """

    items: list[Item] = field(default_factory=list)
    sent: list[Item] = field(default_factory=list)
    error: int | None = None


def our_connection(client: bool, compression: bool) -> WebSocketConnection:
    """Ours, opened by a handshake with wsproto's."""
    extensions = [PerMessageDeflate()] if compression else []
    if client:
        ours, peer = WebSocketConnection(URL), wsproto.WSConnection(ConnectionType.SERVER)
        peer.receive_data(ours.data_to_send())
        assert isinstance(next(peer.events()), theirs.Request)
        (opened,) = ours.receive_data(peer.send(theirs.AcceptConnection(extensions=list(extensions))))
        assert isinstance(opened, Opened)
        assert opened.compressed is compression
        return ours
    ours, peer = WebSocketConnection.server(), wsproto.WSConnection(ConnectionType.CLIENT)
    request = theirs.Request(host="localhost", target="/chat", extensions=list(extensions))
    (asked,) = ours.receive_data(peer.send(request))
    assert isinstance(asked, Asked)
    ours.accept()
    peer.receive_data(ours.data_to_send())
    accepted = next(peer.events())
    assert isinstance(accepted, theirs.AcceptConnection)
    assert bool(accepted.extensions) is compression
    return ours


def our_reading(pieces: list[bytes], *, client: bool, compression: bool) -> Read:
    connection = our_connection(client, compression)
    result, out = Read(), b""
    try:
        for piece in [*pieces, b""]:
            for event in connection.receive_data(piece):
                assert not isinstance(event, Opened | Asked)
                result.items.append(Close(event.code, event.reason) if isinstance(event, Closed) else event)  # type: ignore[arg-type]
            out += connection.data_to_send()
    except FrameError as error:
        result.error = error.code
        out += connection.data_to_send()
    result.sent = frames_of(out, client=client, error=result.error)
    return result


def their_reading(pieces: list[bytes], *, client: bool, compression: bool) -> Read:
    result, _ = their_reading_and_deflate(pieces, client=client, compression=compression)
    return result


def their_reading_and_deflate(
    pieces: list[bytes], *, client: bool, compression: bool
) -> tuple[Read, PerMessageDeflate]:
    deflate = PerMessageDeflate()
    kind = ConnectionType.CLIENT if client else ConnectionType.SERVER
    if compression:
        deflate.finalize("permessage-deflate")
    connection = wsproto.connection.Connection(kind, [deflate])
    result, out, texts, parts = Read(), b"", [""], [b""]
    for piece in pieces:
        if connection.state is ConnectionState.OPEN and result.error is None:
            connection.receive_data(piece)
        for event in connection.events():
            match event:
                case theirs.TextMessage():
                    texts.append(event.data)
                    if event.message_finished:
                        result.items.append("".join(texts))
                        texts.clear()
                case theirs.BytesMessage():
                    parts.append(bytes(event.data))
                    if event.message_finished:
                        result.items.append(b"".join(parts))
                        parts.clear()
                case theirs.Ping():
                    result.items.append(Ping(bytes(event.payload)))
                    out += connection.send(event.response())
                case theirs.Pong():
                    result.items.append(Pong(bytes(event.payload)))
                case theirs.CloseConnection():
                    # An error and the peer's close are the same event; only the state tells them apart.
                    if connection.state is ConnectionState.OPEN:
                        result.error = int(event.code)
                    else:
                        result.items.append(Close(int(event.code), event.reason or ""))
                    out += connection.send(event.response())
    result.sent = frames_of(out, client=client, error=result.error)
    return result, deflate


def frames_of(data: bytes, *, client: bool, error: int | None) -> list[Item]:
    parser = FrameParser(client=not client)
    items = parser.receive_data(data)
    assert parser.error is None
    return [Close(item.code, "") if error is not None and isinstance(item, Close) else item for item in items]


# Streams.


@dataclass(frozen=True)
class Stream:
    """The bytes of a peer, and what it meant by them."""

    data: bytes
    items: list[Item]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
messages = texts | st.binary(max_size=200) | st.builds(lambda text: text * 40, texts)
controls = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=20))
closes = st.builds(
    Close,
    st.sampled_from([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
) | st.just(Close(1005, ""))


@st.composite
def streams(draw: st.DrawFn, *, client: bool, compression: bool) -> Stream:
    writer = FrameWriter(client=not client, random=Random(6455).randbytes)
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
        if compressed:
            payload = deflater.deflate(payload)
        pieces = cut_at(payload, draw(st.lists(st.integers(0, 400), max_size=3)))
        for number, piece in enumerate(pieces):
            # wsproto forgets that a message is compressed when a control frame comes between its fragments.
            if number and not compressed and draw(st.booleans()):
                data += control()
            opcode = CONTINUATION if number else TEXT if isinstance(message, str) else BINARY
            data += writer.frame(opcode, piece, fin=number == len(pieces) - 1, rsv1=compressed and not number)
        items.append(message)
    close = draw(closes | st.none())
    if close is not None:
        items.append(close)
        reason = close.reason.encode()
        data += writer.frame(CLOSE, b"" if close.code == 1005 else close.code.to_bytes(2, "big") + reason)
    return Stream(data, items)


roles = pytest.mark.parametrize("client", [True, False], ids=["client", "server"])
codings = pytest.mark.parametrize("compression", [False, True], ids=["plain", "deflate"])


@roles
@codings
@given(draw=st.data(), places=cuts)
def test_both_read_the_same_from_a_sound_stream(
    client: bool, compression: bool, draw: st.DataObject, places: list[int]
) -> None:
    stream = draw.draw(streams(client=client, compression=compression))
    pieces = cut_at(stream.data, places)
    ours = our_reading(pieces, client=client, compression=compression)
    assert ours == their_reading(pieces, client=client, compression=compression), pieces
    assert ours.items == stream.items
    assert ours.error is None
    # A pong for every ping, in order, and the close as it came.
    answers = [Pong(item.payload) if isinstance(item, Ping) else item for item in stream.items]
    assert ours.sent == [a for a, item in zip(answers, stream.items, strict=True) if isinstance(item, Ping | Close)]


# Streams with one byte changed. Where the two disagree, one of these is the reason.


@dataclass
class Frame:
    opcode: int
    fin: bool
    rsv1: bool
    payload: bytes
    complete: bool


def frames_in(data: bytes, *, client: bool) -> Iterator[Frame]:
    """The frames of a stream as far as they are any, by the lengths alone."""
    at = 0
    while len(data) - at >= 2:
        size, start = data[at + 1] & 127, at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        key = bytes(4) if client else data[start : start + 4]
        start += 0 if client else 4
        if len(key) < 4 or start > len(data):
            return
        payload = mask(data[start : start + size], key)
        yield Frame(data[at] & 15, data[at] >= 128, bool(data[at] & 64), payload, start + size <= len(data))
        at = start + size


def a_close_with_1014(frames: list[Frame], ours: Read, other: Read) -> bool:
    """wsproto refuses 1014, which IANA registered for a bad gateway after RFC 6455; we take it."""
    return any(frame.opcode == CLOSE and frame.payload[:2] == b"\x03\xf6" for frame in frames)


def within_compressed_messages(frames: list[Frame]) -> set[int]:
    """The opcodes of what stands between the fragments of compressed messages."""
    found, within = set(), False
    for frame in frames:
        if within:
            found.add(frame.opcode)
        if frame.opcode in (TEXT, BINARY):
            within = (within or frame.rsv1) and not frame.fin
        elif frame.opcode == CONTINUATION and frame.fin:
            within = False
    return found


def a_control_frame_within_a_compressed_message(frames: list[Frame], ours: Read, other: Read) -> bool:
    """wsproto takes the rest of the message for plain then; RFC 7692 6.2 lets control frames stand there."""
    return bool(within_compressed_messages(frames) & {CLOSE, PING, PONG})


def a_message_within_a_compressed_message(frames: list[Frame], ours: Read, other: Read) -> bool:
    """wsproto inflates it before it sees that it must not stand there, and tells what comes of that."""
    return (ours.error, other.error) == (1002, 1007) and bool(within_compressed_messages(frames) & {TEXT, BINARY})


def more_than_the_limit(frames: list[Frame], ours: Read, other: Read) -> bool:
    """wsproto has no limit: it waits for all that a header announces, or until a byte of it is no UTF-8."""
    return ours.error == 1009 and other.error in (None, 1007)


def half_a_surrogate_at_the_end(frames: list[Frame], ours: Read, other: Read) -> bool:
    """wsproto waits for the third byte, where the second has made a character impossible."""
    payload = b""
    for frame in frames:
        if frame.opcode < CLOSE:
            payload = frame.payload if frame.opcode else payload + frame.payload
    return ours.error == 1007 and other.error is None and payload[-2:-1] == b"\xed" and payload[-1] >= 0xA0


DEVIATIONS = (
    a_close_with_1014,
    a_control_frame_within_a_compressed_message,
    a_message_within_a_compressed_message,
    more_than_the_limit,
    half_a_surrogate_at_the_end,
)


@roles
@codings
@settings(max_examples=300)
@given(
    draw=st.data(), places=cuts, place=st.integers(0, 10_000), change=st.integers(1, 255) | st.sampled_from([1, 128])
)
def test_both_say_the_same_of_a_stream_with_one_byte_changed(
    client: bool, compression: bool, draw: st.DataObject, places: list[int], place: int, change: int
) -> None:
    stream = draw.draw(streams(client=client, compression=compression)).data or b"\x88\x00"
    place %= len(stream)
    data = stream[:place] + bytes([stream[place] ^ change]) + stream[place + 1 :]
    pieces = cut_at(data, places)
    ours = our_reading(pieces, client=client, compression=compression)
    other, deflate = their_reading_and_deflate(pieces, client=client, compression=compression)
    if agree_or_deviate(data, client, ours, other):
        return
    if deflate._decompressor is not None and deflate._decompressor.eof:
        return  # wsproto reads nothing after a block marked as the last one, which RFC 7692 7.2.3.4 lets a peer send
    # Cut within a header: wsproto refuses a length before the masking key is there, and we a mask before the length is.
    if ours.error is None:
        ours = our_reading([*pieces, bytes(4)], client=client, compression=compression)
    elif other.error is None:
        other = their_reading([*pieces, bytes(8)], client=client, compression=compression)
    assert agree_or_deviate(data, client, ours, other), data


def agree_or_deviate(data: bytes, client: bool, ours: Read, other: Read) -> bool:
    """They say the same, or disagree for one of the reasons above."""
    frames = list(frames_in(data, client=client))
    return ours == other or any(deviates(frames, ours, other) for deviates in DEVIATIONS)


def test_a_deviation_may_show_only_with_the_bytes_that_follow() -> None:
    """We refuse the text by its header. wsproto waits for its payload, and then inflates it."""
    data = b"\x41\x80\0\0\0\0" + b"\x00\x83\0\0\0\0\xd4\x00H" + b"\x81\x82\0\0\0\0"
    ours, other = (read([data], client=False, compression=True) for read in (our_reading, their_reading))
    assert (ours.error, other.error) == (1002, None)
    other = their_reading([data, bytes(8)], client=False, compression=True)
    assert other.error == 1007
    assert agree_or_deviate(data, False, ours, other)


@pytest.mark.parametrize(("data", "compression", "ours", "other"), [
    (b"\x88\x02\x03\xf6", False, None, 1002),
    (b"\x41\x03\xf2\x48\xcd\x89\x00\x80\x04\xc9\xc9\x07\x00", True, None, 1007),
    (b"\x41\x01\x00\x81\x010", True, 1002, 1007),
    (b"\x82\x7f\x7f" + b"\xff" * 7, False, 1009, None),
    (b"\x81\x03\xed\xa0", False, 1007, None),
    (b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", True, None, 1007),
], ids=["1014", "a ping in a compressed message", "a text in a compressed message", "no limit", "half a surrogate",
        "BFINAL"])  # fmt: skip
def test_the_deviations_are_what_they_are_said_to_be(
    data: bytes, compression: bool, ours: int | None, other: int | None
) -> None:
    """When wsproto mends one, the list above can be shorter."""
    mine = our_reading([data], client=True, compression=compression)
    its = their_reading([data], client=True, compression=compression)
    assert (mine.error, its.error) == (ours, other)
    assert mine != its


# What each sends, the other reads.


@roles
@codings
@given(sent=st.lists(messages | controls, max_size=6), close=closes, places=cuts)
def test_wsproto_reads_what_we_send(
    client: bool, compression: bool, sent: list[str | bytes | Ping | Pong], close: Close, places: list[int]
) -> None:
    connection = our_connection(client, compression)
    for item in sent:
        match item:
            case Ping(payload):
                connection.ping(payload)
            case Pong(payload):
                connection.pong(payload)
            case _:
                connection.send(item)
    if close.code != 1005:
        connection.close(close.code, close.reason)
    data = connection.data_to_send()
    read = their_reading(cut_at(data, places), client=not client, compression=compression)
    assert read.error is None
    assert read.items == [*sent, *([close] if close.code != 1005 else [])]
