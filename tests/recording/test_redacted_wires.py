"""A secret is found under every framing and coding, and what is written instead is still read by a client."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary import CANARY, CODINGS, FORMS, chunked, sings
from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.framing.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, FrameParser, mask
from tokenwire.protocol.deflate import MessageInflater
from tokenwire.protocol.http import Body, HTTPExchange, HTTPRequest, ResponseEnd
from tokenwire.protocol.url import parse_url
from tokenwire.protocol.websocket import Closed, WebSocketConnection
from tokenwire.recording import Entry, Redactor
from tokenwire.recording.coded import MAX_CODED
from tokenwire.recording.redaction import MAX_HELD
from tokenwire.secrecy import Secrets

SECRETS = Secrets((CANARY,))
REQUEST = b"GET /v1?key=" + FORMS["percent"] + b" HTTP/1.1\r\nHost: h\r\n\r\n"
TEXT_AROUND = 'data: {"text": "so you are %s, I see"}\n\ndata: [DONE]\n\n'

Entries = Sequence[Entry]


def redacted(entries: Entries, secrets: Secrets = SECRETS) -> list[Entry]:
    redactor = Redactor(secrets)
    return [ready for entry in entries for ready in redactor.feed(entry)] + redactor.flush()


def joined(entries: Entries, kind: str = "<") -> bytes:
    return b"".join(entry.data for entry in entries if entry.kind == kind)


def exchanged(response: list[bytes]) -> list[Entry]:
    return [Entry(0, ">", REQUEST), *(Entry(float(n), "<", piece) for n, piece in enumerate(response, 1))]


def read(response: bytes) -> bytes:
    """The body, as a client reads it."""
    exchange = HTTPExchange(HTTPRequest("GET", parse_url("http://h/"), []))
    exchange.data_to_send()
    events = exchange.receive_data(response)
    if exchange.error is None and not any(isinstance(event, ResponseEnd) for event in events):
        events += exchange.receive_eof()
    assert exchange.error is None
    return b"".join(event.data for event in events if isinstance(event, Body))


def text_with(form: str) -> bytes:
    return TEXT_AROUND.encode() % FORMS[form]


def responses(body: bytes, fields: bytes = b"") -> Iterator[bytes]:
    """In each framing (RFC 9112, 6.3)."""
    start = b"HTTP/1.1 200 OK\r\n" + fields
    for size in (1, 3, 7, len(body)):
        yield start + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, size)
    yield start + b"Content-Length: %d\r\n\r\n" % len(body) + body
    yield start + b"Connection: close\r\n\r\n" + body


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_place_under_every_framing(form: str) -> None:
    for response in responses(text_with(form)):
        whole = joined(redacted(exchanged([response])))
        assert len(whole) == len(response)
        assert not sings(whole)
        body = read(whole)
        assert not sings(body)
        assert body.startswith(b'data: {"text": "so you are ')
        assert b"[redacted][redacted]" in body
        assert body.endswith(b', I see"}\n\ndata: [DONE]\n\n')
        assert joined(redacted(exchanged(bytewise(response)))) == whole
        assert joined(redacted(exchanged(cut_at(response, [len(response) // 2, len(response) - 30])))) == whole


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coded_body_with_a_secret_is_written_without_its_coding(coding: str) -> None:
    body = text_with("JSON, some")
    fields = b"Content-Encoding: " + coding.encode() + b"\r\nX-Copy: " + FORMS["base64"] + b"\r\n"
    for response in responses(CODINGS[coding](body), fields):
        for pieces in ([response], bytewise(response), cut_at(response, [150, len(response) - 20])):
            entries = exchanged(pieces)
            out = redacted(entries)
            assert [(entry.seconds, entry.kind) for entry in out] == [(e.seconds, e.kind) for e in entries]
            whole = joined(out)
            assert not sings(whole)
            assert b"X-Recorded-Content-Encoding: " + coding.encode() in whole
            assert read(whole) == text_with("JSON, some").replace(
                FORMS["JSON, some"], (b"[redacted]" * 9)[: len(FORMS["JSON, some"])]
            )


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coded_body_without_a_secret_stays_as_it_came(coding: str) -> None:
    body = CODINGS[coding](b"data: nothing to hide\n\n" * 50)
    for response in responses(body, b"Content-Encoding: " + coding.encode() + b"\r\n"):
        for pieces in ([response], bytewise(response)):
            assert redacted(exchanged(pieces))[1:] == exchanged(pieces)[1:]


def test_a_coded_body_that_is_longer_than_what_is_kept_is_written_without_its_coding() -> None:
    noise = random.Random(1).randbytes(MAX_CODED + 1000).hex().encode()
    coded = zlib.compress(noise + CANARY.encode() + noise)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(coded)
    pieces = [head, *(coded[start : start + 65536] for start in range(0, len(coded), 65536))]
    redactor = Redactor(SECRETS)
    out: list[Entry] = []
    for entry in exchanged(pieces):
        out += redactor.feed(entry)
    early = len(out)
    out += redactor.flush()
    assert early > len(pieces) // 3, "it is given while it goes on"
    body = read(joined(out))
    assert len(body) == 2 * len(noise) + len(CANARY)
    assert CANARY.encode() not in body


@pytest.mark.parametrize("broken", ["cut", "garbled"])
def test_what_does_not_decode_stays_as_evidence_unless_a_secret_came_before(broken: str) -> None:
    for text, kept in ((b"x" * 500, True), (CANARY.encode() + b"x" * 500, False)):
        coded = bytearray(zlib.compress(text, 0))
        if broken == "cut":
            del coded[-20:]
        else:
            coded[-4:] = b"!!!!"
        response = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nConnection: close\r\n\r\n" + bytes(coded)
        out = joined(redacted(exchanged(bytewise(response))))
        assert not sings(out)
        assert (out == response) is kept


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 401 %b\r\nLocation: /?token=%b\r\nSet-Cookie: k=%b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nX: %b\r\n\r\nHTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: 3\r\n\r\n%b",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=%b\r\nabc\r\n0\r\nTrailer: %b\r\nX: %b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n%b%b",
        b"HTTP/1.1 200 OK\nX: %b\n\n%b%b",
        b"SSH-2.0 %b\r\n%b%b",
        b"HTTP/1.1 %b %b %b",
    ],
)
def test_a_secret_is_masked_wherever_else_a_server_may_put_it(response: bytes) -> None:
    for form in ("as it is", "base64", "percent"):
        data = response % (FORMS[form], FORMS[form], FORMS[form])
        whole = joined(redacted(exchanged([data])))
        assert not sings(whole)
        assert len(whole) == len(data)
        for pieces in list(every_way(data))[:40]:
            assert joined(redacted(exchanged(pieces))) == whole


SHORT = Secrets.of_request(
    key="abc", path="/v1?api-key=q1&x=shown", headers=[("X-My-Key", "k1"), ("X-Tenant", "my tenant"), ("Accept", "a/b")]
)


def test_what_is_too_short_to_be_searched_is_masked_where_it_stands_in_the_request() -> None:
    request = (
        b"POST /v1?api-key=q1&x=shown HTTP/1.1\r\nHost: h\r\nX-My-Key: k1\r\nx-tenant: my tenant\r\n"
        b"Accept: a/b\r\nAuthorization: Bearer abc\r\nContent-Length: 2\r\n\r\n{}"
    )
    expected = (
        b"POST /v1?api-key=[r&x=shown HTTP/1.1\r\nHost: h\r\nX-My-Key: [r\r\nx-tenant: [redacted\r\n"
        b"Accept: a/b\r\nAuthorization: Bearer [re\r\nContent-Length: 2\r\n\r\n{}"
    )
    for pieces in every_way(request):
        assert joined(redacted([Entry(0, ">", piece) for piece in pieces], SHORT), ">") == expected


@pytest.mark.parametrize("blanks", [0, 1, 54, 200, 70_000])
def test_no_number_of_blanks_before_the_colon_shows_a_cookie(blanks: int) -> None:
    response = b"HTTP/1.1 200 OK\r\nSet-Cookie" + b" " * blanks + b": value\r\n folded\r\n\r\n"
    whole = joined(redacted(exchanged([response])))
    assert whole == response.replace(b": value", b": [reda").replace(b"folded", b"cted][")
    pieces = bytewise(response) if blanks < 1000 else cut_at(response, [40, 60_000])
    assert joined(redacted(exchanged(pieces))) == whole


# WebSocket.

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%b\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
FIN, RSV1 = 0x80, 0x40
KEY = b"\x37\xfa\x21\x3d"


def frame(first: int, payload: bytes, key: bytes = b"") -> bytes:
    masked = 0x80 if key else 0
    size = (
        bytes([masked | len(payload)])
        if len(payload) < 126
        else bytes([masked | 126]) + len(payload).to_bytes(2, "big")
    )
    return bytes([first]) + size + key + (mask(payload, key) if key else payload)


def talked(said: bytes, heard: bytes, extensions: bytes = b"") -> list[Entry]:
    return [
        Entry(0, ">", HANDSHAKE % extensions),
        Entry(1, "<", ANSWER % extensions),
        Entry(2, ">", said),
        Entry(3, "<", heard),
    ]


def in_bytes(entries: Entries) -> list[Entry]:
    return [entry._replace(data=piece) for entry in entries for piece in bytewise(entry.data)]


def messages(entries: Entries) -> tuple[list[str | bytes], list[str | bytes], list[Closed]]:
    """What a server reads of the client, and a client of the server."""
    server, client = WebSocketConnection.server(), WebSocketConnection("ws://h/")
    client.data_to_send()
    asked = joined(entries, ">")
    head = asked.index(b"\r\n\r\n") + 4
    server.receive_data(asked[:head])
    server.accept()
    said = server.receive_data(asked[head:])
    assert server.error is None
    answer = joined(entries, "<")
    start = answer.index(b"\r\n\r\n") + 4
    parser = FrameParser(client=True, inflater=MessageInflater(False) if DEFLATE in answer else None)
    heard = parser.receive_data(answer[start:])
    assert parser.error is None
    return (
        [item for item in said if isinstance(item, str | bytes)],
        [item for item in heard if isinstance(item, str | bytes)],
        [item for item in said if isinstance(item, Closed)],
    )


@pytest.mark.parametrize("form", ["as it is", "JSON, all", "base64", "percent"])
def test_messages_are_redacted_over_their_fragments_and_masked_again(form: str) -> None:
    text = b"so you are " + FORMS[form] + b", I see"
    for at in range(0, len(text), 11):
        parts = (text[:at], text[at : at + 9], text[at + 9 :])
        said = b"".join(
            [
                frame(TEXT, parts[0], KEY),
                frame(FIN | PING, FORMS["as it is"], KEY[::-1]),
                frame(CONTINUATION, parts[1], bytes(4)),
                frame(FIN | CONTINUATION, parts[2], KEY),
                frame(FIN | BINARY, text, KEY),
            ]
        )
        heard = frame(TEXT, text[:at]) + frame(CONTINUATION, parts[1]) + frame(FIN | CONTINUATION, parts[2])
        entries = talked(said, heard)
        out = redacted(entries)
        assert [len(entry.data) for entry in out] == [len(entry.data) for entry in entries]
        first, second = messages(out)[:2]
        assert [str(each) for each in second] == [str(first[0])]
        for each in (*first, *second):
            data = each.encode() if isinstance(each, str) else each
            assert not sings(data)
            assert data.startswith(b"so you are [redacted]")
            assert data.endswith(b", I see")
        cut = redacted(in_bytes(entries))
        assert (joined(cut, ">"), joined(cut, "<")) == (joined(out, ">"), joined(out, "<"))


@pytest.mark.parametrize("kind", ["client", "server"])
def test_the_reason_of_a_close_is_redacted(kind: str) -> None:
    close = frame(FIN | CLOSE, b"\x03\xf0" + CANARY.encode(), KEY if kind == "client" else b"")
    out = redacted(in_bytes(talked(close if kind == "client" else b"", close if kind == "server" else b"")))
    data = joined(out, ">" if kind == "client" else "<")[-31:]
    assert not sings(mask(data, KEY[3:] + KEY[:3]))
    for key in (KEY, bytes(4)):
        for turn in range(4):
            assert not sings(mask(data, key[turn:] + key[:turn]))


class _Deflating:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=-15)

    def __call__(self, text: bytes) -> bytes:
        return (self._stream.compress(text) + self._stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


LINES = [
    b"hello, hello",
    b"the key is " + CANARY.encode(),
    b"hello, sk-canaries are birds",
    b"hello " + CANARY.encode(),
]


def deflated(key: bytes) -> bytes:
    deflate = _Deflating()
    frames = []
    for place, line in enumerate(LINES):
        coded = deflate(line)
        if place % 2:
            frames += [frame(TEXT | RSV1, coded[:5], key), frame(FIN | PING, b"?", key), frame(FIN, coded[5:], key)]
        else:
            frames.append(frame(FIN | TEXT | RSV1, coded, key))
    return b"".join(frames)


def test_deflated_messages_are_redacted_and_those_that_refer_to_them_are_still_read() -> None:
    entries = talked(deflated(KEY), deflated(b""), DEFLATE)
    masked = (b"[redacted]" * 4)[: len(CANARY)]
    expected = [line.replace(CANARY.encode(), masked).decode() for line in LINES]
    for given_entries in (entries, in_bytes(entries)):
        out = redacted(given_entries)
        assert [entry.seconds for entry in out] == [entry.seconds for entry in given_entries]
        said, heard, _ = messages(out)
        assert said == expected
        assert heard == expected


def test_deflated_messages_without_a_secret_stay_as_they_came() -> None:
    entries = talked(deflated(KEY), deflated(b""), DEFLATE)
    assert redacted(entries, Secrets(("another-secret",))) == entries


def test_a_deflated_message_that_is_cut_does_not_show_what_had_come() -> None:
    deflate = _Deflating()
    whole = frame(FIN | TEXT | RSV1, deflate(CANARY.encode() + bytes(range(200)).hex().encode()))
    out = joined(redacted(talked(b"", whole[:-10], DEFLATE)))
    data = out[out.index(b"\r\n\r\n") + 4 :]
    assert CANARY.encode() not in zlib.decompressobj(-15).decompress(data[4:]) + data


def test_what_a_client_says_in_a_member_that_carries_a_key_is_a_secret_from_then_on() -> None:
    said = frame(FIN | TEXT, b'{"type": "auth", "api_key": "' + CANARY.encode() + b'"}', KEY)
    entries = talked(said, frame(FIN | TEXT, b"welcome, " + FORMS["base64"]))
    said_out, heard_out, _ = messages(redacted(in_bytes(entries), Secrets()))
    assert not any(sings(str(each).encode()) for each in (*said_out, *heard_out))


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*LINES, b"x" * 300]), max_size=4), cuts, st.randoms())
def test_frames_are_never_lost_nor_moved(lines: list[bytes], places: list[int], chance: random.Random) -> None:
    said = b"".join(frame(FIN | TEXT, line, chance.randbytes(4)) for line in lines)
    heard = b"".join(frame(FIN | TEXT, line) for line in lines)
    entries = [
        entry._replace(data=piece) for entry in talked(said, heard) for piece in cut_at(entry.data, places) or [b""]
    ]
    out = redacted(entries)
    assert [(e.seconds, e.kind, len(e.data)) for e in out] == [(e.seconds, e.kind, len(e.data)) for e in entries]
    assert not any(CANARY in str(each) for side in messages(out)[:2] for each in side)


# What is held.


@pytest.mark.parametrize("beginning", [CANARY[:1].encode(), CANARY[:12].encode(), CANARY[:25].encode(), b"HTTP/1.1 20"])
def test_what_the_other_side_says_waits_for_a_beginning_up_to_a_limit(beginning: bytes) -> None:
    redactor = Redactor(SECRETS)
    held, most = 1, 0
    out = redactor.feed(Entry(0, "<", beginning))
    for number in range(5 * MAX_HELD):
        released = redactor.feed(Entry(number, ">", b"x"))
        out += released
        held += 1 - len(released)
        most = max(most, held)
    assert most <= MAX_HELD + 2
    out += redactor.feed(Entry(9, "<", CANARY.encode()[len(beginning) :])) + redactor.flush()
    assert joined(out, ">") == b"x" * 5 * MAX_HELD
    assert not sings(joined(out))
    assert len(out) == 5 * MAX_HELD + 2


def test_entries_are_given_once_each_with_work_that_grows_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read ends with the first byte of a key, and the other direction goes on: that was quadratic."""
    release = Redactor._release

    def work(size: int) -> int:
        looked = 0

        def counted(self: Redactor) -> list[Entry]:
            nonlocal looked
            released = release(self)
            looked += 1 + len(released)
            return released

        with monkeypatch.context() as patch:
            patch.setattr(Redactor, "_release", counted)
            redacted([Entry(0, "<", b"data: s"), *(Entry(1, ">", b"audio") for _ in range(size))])
        return looked

    assert work(4000) < 4.1 * work(1000)


def test_a_coded_body_does_not_wait_for_what_ended_like_the_beginning_of_a_secret() -> None:
    redactor = Redactor(SECRETS)
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nsk-"
    coded = zlib.compress(b"hello")
    second = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(coded) + coded
    assert redactor.feed(Entry(0, "<", first)) == []
    assert redactor.feed(Entry(1, "<", second)) == [Entry(0, "<", first), Entry(1, "<", second)]
