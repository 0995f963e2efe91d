"""The replay of a recorded WebSocket to clients with keys, masks and habits of their own, in simulated time."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire import RemoteProtocolError
from tokenwire.framing.websocket import CLOSE, CONTINUATION, PING, PONG, TEXT, FrameWriter, Ping, close_payload
from tokenwire.protocol.websocket import Closed, Opened, Rejected, WebSocketConnection, WebSocketEvent
from tokenwire.recording import Entry, Recording
from tokenwire.recording.replay import PACES, Pace, ReplayConnection

# The handshake of RFC 6455, 1.3.
ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def switching(*fields: bytes, accept: bytes = ACCEPT) -> bytes:
    head = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    return b"\r\n".join([*head, b"Sec-WebSocket-Accept: " + accept, *fields, b"", b""])


ANSWER = switching()
_SERVER = FrameWriter(client=False)
_CLIENT = FrameWriter(client=True, random=bytes(range(256)).__mul__)


def said(text: str) -> bytes:
    """A message of the server."""
    return _SERVER.frame(TEXT, text.encode())


def asked(text: str) -> bytes:
    """A message of the client."""
    return _CLIENT.frame(TEXT, text.encode())


OUR_CLOSE = _CLIENT.frame(CLOSE, close_payload(1000))
ITS_CLOSE = _SERVER.frame(CLOSE, close_payload(1000))

OPENED = [Entry(0.0, "connected"), Entry(1.0, ">", ASK), Entry(1.25, "<", ANSWER)]
TALK = [
    *OPENED,
    Entry(2.0, "<", said("welcome")),
    Entry(3.0, ">", asked("first")),
    Entry(3.5, "<", said("one") + said("tw")[:2]),
    Entry(4.0, "<", said("tw")[2:]),
    Entry(5.0, ">", asked("second")),
    Entry(5.5, "<", said("three")),
    Entry(6.0, ">", OUR_CLOSE),
    Entry(6.25, "<", ITS_CLOSE),
    Entry(6.5, "eof"),
]


def recording(*entries: Entry) -> Recording:
    return Recording({}, list(entries))


class Talk:
    """A client of ours with a replay, on a clock of its own."""

    def __init__(self, replay: ReplayConnection, client: WebSocketConnection | None = None) -> None:
        self.replay = replay
        self.client = client or WebSocketConnection("ws://replay/", compression=False)
        self.now = 100.0
        self.heard: list[tuple[float, WebSocketEvent]] = []
        self.received = b""

    def run(self) -> list[WebSocketEvent]:
        """Until nothing more is due; what was heard meanwhile."""
        before = len(self.heard)
        while True:
            data = self.client.data_to_send()
            if data:
                self.replay.receive_data(data, self.now)
            piece = self.replay.data_to_send(self.now)
            if piece:
                self.received += piece
                self.heard += [(self.now, event) for event in self.client.receive_data(piece)]
                continue
            deadline = self.replay.next_deadline()
            if self.replay.ending or deadline is None:
                return [event for _, event in self.heard[before:]]
            self.now = deadline

    def say(self, *messages: str) -> list[WebSocketEvent]:
        for message in messages:
            self.client.send(message)
        return self.run()


def texts(events: list[WebSocketEvent]) -> list[str]:
    return [event for event in events if isinstance(event, str)]


@pytest.mark.parametrize("pace", PACES)
def test_each_answer_waits_for_what_the_client_had_said(pace: Pace) -> None:
    talk = Talk(ReplayConnection(recording(*TALK), pace))
    opened, *welcome = talk.run()
    assert isinstance(opened, Opened)
    assert welcome == ["welcome"]
    assert talk.say("anything") == ["one", "tw"]
    assert talk.run() == []
    assert talk.say("a longer message, which is masked otherwise" * 100) == ["three"]
    talk.client.close()
    assert talk.run() == [Closed(1000, "")]
    assert talk.replay.ending == "close"


def test_the_accept_is_that_of_the_new_key_and_nothing_else_is_touched() -> None:
    wire = recording(*TALK)
    talk = Talk(ReplayConnection(wire, "fast"))
    talk.run()
    talk.say("first")
    talk.say("second")
    talk.client.close()
    talk.run()
    at = wire.received.index(ACCEPT)
    assert len(talk.received) == len(wire.received)
    assert talk.received[at : at + 28] != ACCEPT
    assert talk.received.replace(talk.received[at : at + 28], ACCEPT) == wire.received


@pytest.mark.parametrize("place", range(1, len(ANSWER)))
def test_the_answer_to_the_handshake_may_have_come_in_pieces(place: int) -> None:
    entries = [*OPENED[:2], Entry(2.0, "<", ANSWER[:place]), Entry(3.0, "<", ANSWER[place:]), Entry(4.0, "left open")]
    talk = Talk(ReplayConnection(recording(*entries)))
    assert [type(event) for event in talk.run()] == [Opened]
    assert talk.now == 102.0


def test_an_accept_that_was_wrong_stays_wrong() -> None:
    answer = switching(accept=b"x" * 27 + b"=")
    talk = Talk(ReplayConnection(recording(*OPENED[:2], Entry(2.0, "<", answer), Entry(3.0, "left open"))))
    with pytest.raises(RemoteProtocolError, match="handshake"):
        talk.run()
    assert talk.received == answer


def test_as_recorded_keeps_the_delays() -> None:
    talk = Talk(ReplayConnection(recording(*TALK)))
    talk.run()
    talk.now = 200.0
    talk.say("first")
    talk.now = 300.0
    talk.say("second")
    talk.client.close()
    talk.run()
    times = [now for now, event in talk.heard if not isinstance(event, Opened)]
    assert times == [101.0, 200.5, 201.0, 300.5, 300.75]
    assert talk.now == 301.0


@pytest.mark.parametrize("pace", PACES)
def test_a_cut_ends_the_connection_at_that_byte(pace: Pace) -> None:
    wire = recording(*TALK)
    for cut in range(len(wire.received)):
        talk = Talk(ReplayConnection(wire, pace, cut=cut))
        talk.run()
        for message in ("first", "second"):
            if not talk.replay.ending:
                talk.say(message)
        if not talk.replay.ending:
            talk.client.close()
            talk.run()
        assert len(talk.received) == cut
        assert talk.replay.ending == "close"


def test_nothing_is_played_before_the_handshake_is_whole() -> None:
    replay = ReplayConnection(recording(*TALK), "fast")
    ask = WebSocketConnection("ws://replay/", compression=False).data_to_send()
    for place in range(len(ask) - 1):
        replay.receive_data(ask[place : place + 1], 5.0)
        assert (replay.data_to_send(5.0), replay.next_deadline()) == (b"", None)
    replay.receive_data(ask[-1:], 5.0)
    assert replay.data_to_send(5.0).startswith(b"HTTP/1.1 101 ")


def test_messages_are_counted_and_not_frames_or_pings() -> None:
    talk = Talk(ReplayConnection(recording(*TALK), "fast"))
    talk.run()
    frames = [
        _CLIENT.frame(PING, b"there?"),
        _CLIENT.frame(TEXT, b"fi", fin=False),
        _CLIENT.frame(PONG, b""),
        _CLIENT.frame(CONTINUATION, b"r", fin=False),
        _CLIENT.frame(CONTINUATION, b"st"),
    ]
    for frame in frames:
        assert talk.run() == []
        talk.replay.receive_data(frame, talk.now)
    assert talk.run() == ["one", "tw"]


def test_messages_that_came_together_are_counted_one_by_one() -> None:
    talk = Talk(ReplayConnection(recording(*TALK), "fast"))
    talk.run()
    assert talk.say("first", "second") == ["one", "tw", "three"]


def test_two_messages_before_an_answer_are_two_for_the_new_client_too() -> None:
    entries = [*OPENED, Entry(2.0, ">", asked("a")), Entry(2.1, ">", asked("b")), Entry(3.0, "<", said("both"))]
    talk = Talk(ReplayConnection(recording(*entries, Entry(9.0, "left open")), "fast"))
    talk.run()
    assert talk.say("a") == []
    assert talk.say("b") == ["both"]


def test_what_the_recorded_client_sent_by_itself_is_not_waited_for() -> None:
    entries = [
        *OPENED,
        Entry(2.0, ">", asked("hello")[:3]),
        Entry(2.1, ">", asked("hello")[3:]),
        Entry(3.0, "<", _SERVER.frame(PING, b"")),
        Entry(3.1, ">", _CLIENT.frame(PONG, b"")),
        Entry(4.0, "<", said("one")),
        Entry(4.1, ">", _CLIENT.frame(PING, b"")),
        Entry(4.2, "<", _SERVER.frame(PONG, b"")),
        Entry(5.0, "<", said("two")),
        Entry(9.0, "left open"),
    ]
    talk = Talk(ReplayConnection(recording(*entries)))
    talk.run()
    assert texts(talk.say("hello")) == ["one", "two"]
    assert [now for now, event in talk.heard if isinstance(event, str | Ping)] == [101.15, 102.15, 103.15]


DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"


def deflated() -> list[Entry]:
    """A talk with permessage-deflate, in which the second message refers back to the first."""
    zip_ = zlib.compressobj(wbits=-15)
    one, two = (
        _SERVER.frame(TEXT, (zip_.compress(text) + zip_.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv1=True)
        for text in (b"the same words", b"and the same words again")
    )
    head = [*OPENED[:2], Entry(1.25, "<", switching(DEFLATE))]
    return [*head, Entry(2.0, ">", asked("hi")), Entry(3.0, "<", one), Entry(4.0, "<", two), Entry(5.0, "left open")]


@pytest.mark.parametrize("pace", PACES)
def test_compressed_messages_are_played_to_whom_compresses_too(pace: Pace) -> None:
    talk = Talk(ReplayConnection(recording(*deflated()), pace), WebSocketConnection("ws://replay/"))
    (opened,) = talk.run()
    assert isinstance(opened, Opened)
    assert opened.compressed
    talk.client.send("compressible " * 50)
    frame = talk.client.data_to_send()
    assert frame[0] == 0xC1  # RFC 7692, 7.2.3.1
    talk.replay.receive_data(frame[:-1], talk.now)
    assert talk.run() == []
    talk.replay.receive_data(frame[-1:], talk.now)
    assert talk.run() == ["the same words", "and the same words again"]


def refused(wire: Recording, client: WebSocketConnection) -> tuple[int, str]:
    talk = Talk(ReplayConnection(wire), client)
    (rejected,) = talk.run()
    assert isinstance(rejected, Rejected)
    assert talk.replay.ending == "close"
    return rejected.status, rejected.body.decode()


def test_a_client_that_did_not_offer_what_was_chosen_is_refused_in_words() -> None:
    plain = WebSocketConnection("ws://replay/", compression=False)
    status, words = refused(recording(*deflated()), plain)
    assert status == 400
    assert "chose the extension permessage-deflate, which this client does not offer" in words
    wire = recording(*OPENED[:2], Entry(2.0, "<", switching(b"Sec-WebSocket-Protocol: chat.v2")), *TALK[3:])
    _, words = refused(wire, WebSocketConnection("ws://replay/", subprotocols=["chat.v1"]))
    assert "chose the subprotocol chat.v2" in words


def test_a_client_that_offers_more_than_was_chosen_is_served() -> None:
    client = WebSocketConnection("ws://replay/", subprotocols=["chat.v1"])
    (opened, welcome) = Talk(ReplayConnection(recording(*TALK)), client).run()
    assert isinstance(opened, Opened)
    assert (opened.compressed, opened.subprotocol, welcome) == (False, None, "welcome")


@pytest.mark.parametrize(
    ("request_head", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400 "),
        (ASK.replace(b"Version: 13", b"Version: 8"), b"HTTP/1.1 426 "),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", b"HTTP/1.1 400 "),
    ],
)
def test_who_asks_for_no_websocket_is_refused(request_head: bytes, answer: bytes) -> None:
    replay = ReplayConnection(recording(*TALK))
    replay.receive_data(request_head, 5.0)
    assert replay.data_to_send(5.0).startswith(answer)
    assert replay.data_to_send(5.0) == b""
    assert replay.ending == "close"


def test_a_handshake_that_was_refused_is_replayed_as_the_http_that_it_is() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n"
    wire = recording(*OPENED[:2], Entry(2.0, "<", refusal), Entry(3.0, "eof"))
    (rejected,) = Talk(ReplayConnection(wire)).run()
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.body) == (401, b"no\n")
    replay = ReplayConnection(wire, "fast")
    replay.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1.0)
    assert replay.data_to_send(1.0) == refusal


def test_a_client_that_closes_early_is_left_once_the_turn_is_over() -> None:
    talk = Talk(ReplayConnection(recording(*TALK)))
    talk.run()
    talk.client.send("first")
    talk.client.close()
    assert talk.run() == ["one", "tw"]
    assert talk.replay.ending == "close"


def test_a_close_that_was_not_answered_is_not_answered() -> None:
    talk = Talk(ReplayConnection(recording(*OPENED, Entry(2.0, ">", OUR_CLOSE), Entry(9.0, "timeout"))))
    talk.run()
    talk.client.close()
    assert talk.run() == []
    assert (talk.replay.ending, talk.replay.next_deadline()) == ("", None)


def test_a_server_that_closes_first_waits_for_the_answer() -> None:
    entries = [*OPENED, Entry(2.0, "<", ITS_CLOSE), Entry(3.0, ">", OUR_CLOSE), Entry(4.0, "eof")]
    talk = Talk(ReplayConnection(recording(*entries), "fast"))
    opened, closed = talk.run()
    assert isinstance(opened, Opened)
    assert closed == Closed(1000, "")
    assert talk.replay.ending == "close"  # our client answers by itself


def test_an_open_connection_does_not_begin_again() -> None:
    talk = Talk(ReplayConnection(recording(*TALK[:-3], Entry(9.0, "left open")), "fast"))
    talk.run()
    talk.say("first", "second")
    assert talk.say("third", "fourth") == []
    assert (talk.replay.ending, talk.replay.next_deadline()) == ("", None)
    talk.replay.receive_eof(200.0)
    assert talk.replay.ending == "close"


def test_where_the_recorded_frames_are_broken_any_bytes_begin_the_turn() -> None:
    entries = [*OPENED, Entry(2.0, ">", b"\x81\x02no"), Entry(3.0, "<", ITS_CLOSE), Entry(4.0, "eof")]
    for bytes_ in (b"\x81\x02no", asked("sound"), asked("piece")[:3]):
        talk = Talk(ReplayConnection(recording(*entries), "fast"))
        talk.run()
        talk.replay.receive_data(bytes_, talk.now)
        assert talk.run() == [Closed(1000, "")]


def test_what_came_before_a_broken_frame_counts() -> None:
    talk = Talk(ReplayConnection(recording(*TALK), "fast"))
    talk.run()
    talk.replay.receive_data(asked("first") + asked("second") + b"\x81\x02no", talk.now)
    assert talk.run() == ["one", "tw", "three"]


def test_a_client_whose_frames_are_broken_is_answered_all_the_same() -> None:
    talk = Talk(ReplayConnection(recording(*TALK), "fast"))
    talk.run()
    talk.replay.receive_data(b"\x81\x02no", talk.now)
    assert talk.run() == ["one", "tw"]
    assert talk.run() == []


@given(
    turns=st.lists(st.tuples(st.integers(1, 3), st.lists(st.text(max_size=200), max_size=4)), max_size=4),
    pace=st.sampled_from(PACES),
    reads=st.integers(1, 40),
    writes=st.integers(1, 40),
)
def test_every_client_hears_what_was_said_in_every_pace_and_split(
    turns: list[tuple[int, list[str]]], pace: Pace, reads: int, writes: int
) -> None:
    entries = list(OPENED)
    for asks, answers in turns:
        entries.append(Entry(2.0, ">", asked("x") * asks))
        data = b"".join(map(said, answers))
        entries += [Entry(2.0, "<", data[at : at + reads]) for at in range(0, len(data), reads)]
    talk = Talk(ReplayConnection(recording(*entries, Entry(9.0, "left open")), pace))
    talk.run()
    sent = b"".join(asked("another") * asks for asks, _ in turns)
    for at in range(0, len(sent), writes):
        talk.replay.receive_data(sent[at : at + writes], talk.now)
    assert talk.run() == [answer for _, answers in turns for answer in answers]


def test_a_client_that_does_not_wait_for_the_handshake_is_answered_in_order() -> None:
    replay = ReplayConnection(recording(*TALK), "coalesced")
    replay.receive_data(ASK + asked("first"), 1.0)
    assert replay.data_to_send(1.0) == ANSWER + said("welcome")
    assert replay.data_to_send(1.0) == said("one") + said("tw")
    assert (replay.data_to_send(1.0), replay.ending) == (b"", "")
