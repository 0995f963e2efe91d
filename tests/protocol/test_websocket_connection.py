"""One WebSocket connection, client and server, against RFC 6455: the handshake, messages, the closing handshake."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way, some_ways
from growth import growth
from tokenwire.errors import HeaderTooLarge, InvalidURL, LocalProtocolError, RemoteProtocolError
from tokenwire.framing.websocket import CLOSE, PING, TEXT, FrameError, FrameParser, FrameWriter, Ping, Pong
from tokenwire.protocol.http import MAX_HEADER_SIZE
from tokenwire.protocol.websocket import (
    MAX_REJECTED_BODY,
    Asked,
    Closed,
    ConnectionState,
    Opened,
    Rejected,
    WebSocketConnection,
    WebSocketEvent,
)

URL = "ws://example.com:8080/v1/chat/stream?model=x"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def accept_for(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def key_of(request: bytes) -> bytes:
    found = re.search(rb"(?i)\r\nSec-WebSocket-Key: ([^\r]*)\r\n", request)
    assert found is not None, request
    return found[1]


def answered(client: WebSocketConnection, answer: bytes) -> bytes:
    """The answer, with the right token where it says ACCEPT."""
    return answer.replace(b"ACCEPT", accept_for(key_of(client.data_to_send())))


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
ANSWER = UPGRADED + b"Sec-WebSocket-Accept: ACCEPT\r\n\r\n"


def open_client(**options: Any) -> WebSocketConnection:
    client = WebSocketConnection(URL, **options)
    events = client.receive_data(answered(client, ANSWER))
    assert isinstance(events[0], Opened)
    return client


def open_server(**options: Any) -> WebSocketConnection:
    server = WebSocketConnection.server(**options)
    assert isinstance(server.receive_data(REQUEST)[0], Asked)
    server.accept()
    assert server.data_to_send().startswith(b"HTTP/1.1 101 ")
    return server


def opened(side: str) -> tuple[WebSocketConnection, FrameWriter]:
    """A connection, and what writes its peer's frames."""
    if side == "client":
        return open_client(), FrameWriter(client=False)
    return open_server(), FrameWriter(client=True)


def sent(connection: WebSocketConnection, side: str) -> list[Any]:
    """What goes out, read by the other side."""
    data = connection.data_to_send()
    if data.startswith(b"HTTP/"):
        data = data[data.index(b"\r\n\r\n") + 4 :]
    parser = FrameParser(client=side == "server")
    items = parser.receive_data(data)
    assert parser.error is None
    return items


def failed(connection: WebSocketConnection, pieces: Iterable[bytes]) -> RemoteProtocolError | None:
    """The error in which the pieces end, and which every further call raises; no event came before it."""
    raised = None
    try:
        for piece in pieces:
            assert connection.receive_data(piece) == []
    except RemoteProtocolError as error:
        raised = error
    assert connection.error is raised
    return raised


def state_of(connection: WebSocketConnection) -> ConnectionState:
    """The state, of which mypy would think that it stays as it was."""
    return connection.state


def refuses(*calls: Callable[[], object], error: type[Exception] = LocalProtocolError) -> bool:
    for call in calls:
        with pytest.raises(error):
            call()
    return True


whole_and_bytewise = pytest.mark.parametrize("cut", [bytewise, lambda data: [data]], ids=["bytewise", "whole"])
both_sides = pytest.mark.parametrize("side", ["client", "server"])


# The client's request.


def test_the_request_is_that_of_the_standard() -> None:
    client = WebSocketConnection(URL, headers=[("Authorization", "Bearer k"), ("X-Name", "é")], subprotocols=["a", "b"])
    head, _, rest = client.data_to_send().partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
    assert first == b"GET /v1/chat/stream?model=x HTTP/1.1"
    assert len(fields) == len(lines)
    assert len(base64.b64decode(fields.pop(b"sec-websocket-key"), validate=True)) == 16
    assert fields == {
        b"host": b"example.com:8080",
        b"upgrade": b"websocket",
        b"connection": b"Upgrade",
        b"sec-websocket-version": b"13",
        b"sec-websocket-protocol": b"a, b",
        b"sec-websocket-extensions": b"permessage-deflate; client_max_window_bits",
        b"authorization": b"Bearer k",
        b"x-name": "é".encode(),
    }
    assert rest == b""
    assert client.data_to_send() == b""


def test_every_request_has_a_key_of_its_own() -> None:
    keys = {key_of(WebSocketConnection(URL).data_to_send()) for _ in range(50)}
    assert len(keys) == 50


def test_without_compression_none_is_offered() -> None:
    assert b"extensions" not in WebSocketConnection(URL, compression=False).data_to_send().lower()


@pytest.mark.parametrize(("url", "host"), [
    ("ws://example.com/", b"example.com"),
    ("ws://example.com:80/", b"example.com"),
    ("wss://example.com:443/", b"example.com"),
    ("wss://example.com:80/", b"example.com:80"),
    ("ws://[::1]:9000/", b"[::1]:9000"),
    ("ws://bücher.example/", b"xn--bcher-kva.example"),
    ("ws://bücher.example:81/", b"xn--bcher-kva.example:81"),
    ("ws://127.0.0.1", b"127.0.0.1"),
])  # fmt: skip
def test_the_host_field_names_the_host(url: str, host: bytes) -> None:
    assert b"\r\nHost: " + host + b"\r\n" in WebSocketConnection(url).data_to_send()


@pytest.mark.parametrize(("url", "options"), [
    ("http://example.com/", {}),
    ("ws://user:password@example.com/", {}),
    ("ws:///x", {}),
    ("ws://example.com:99999/", {}),
    ("ws://" + "a" * 63 + ":8080/", {}),
    (URL, {"headers": [("X-A", "a\r\nX-B: b")]}),
    (URL, {"headers": [("X A", "a")]}),
    (URL, {"headers": [("X-A", "\ud800")]}),
    (URL, {"headers": [("Sec-WebSocket-Key", "x")]}),
    (URL, {"headers": [("sec-websocket-protocol", "x")]}),
    (URL, {"headers": [("Connection", "close")]}),
    (URL, {"headers": [("Upgrade", "h2c")]}),
    (URL, {"headers": [("Host", "elsewhere")]}),
    (URL, {"headers": [("é", "x")]}),
    (URL, {"subprotocols": ["a b"]}),
    (URL, {"subprotocols": ["a,b"]}),
    (URL, {"subprotocols": [""]}),
    (URL, {"subprotocols": ["é"]}),
    (URL, {"subprotocols": ["a\r\nX: y"]}),
    (URL, {"subprotocols": ["a", "a"]}),
])  # fmt: skip
def test_what_cannot_be_asked_for_is_told_before_it_is_sent(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        WebSocketConnection(url, **options)


def test_a_url_that_is_none_is_told_as_such() -> None:
    with pytest.raises(InvalidURL):
        WebSocketConnection("example.com")


# The server's answer, read by a client.

ACCEPTED: list[tuple[str, bytes, dict[str, Any], Opened]] = [
    ("as it should be", ANSWER, {}, Opened([], None, False)),
    (
        "other case, other order, other fields",
        (
            b"HTTP/1.1 101 x\r\nsec-websocket-accept:  ACCEPT \r\nX-A: b\r\nCONNECTION: keep-alive, UPGRADE\r\n"
            b"upgrade: WebSocket\r\n\r\n"
        ),
        {},
        Opened([("x-a", "b")], None, False),
    ),
    (
        "no reason phrase",
        ANSWER.replace(b" Switching Protocols", b""),
        {},
        Opened([], None, False),
    ),
    (
        "Connection on two lines",
        ANSWER.replace(b"Connection: Upgrade", b"Connection: Upgrade\r\nConnection: keep-alive"),
        {},
        Opened([], None, False),
    ),
    (
        "bytes of ISO 8859-1 in a field",
        ANSWER.replace(b"\r\n\r\n", b"\r\nX-Who: Andr\xe9\r\n\r\n"),
        {},
        Opened([("x-who", "André")], None, False),
    ),
    (
        "a subprotocol",
        ANSWER.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: b\r\n\r\n"),
        {"subprotocols": ["a", "b"]},
        Opened([], "b", False),
    ),
    ("no subprotocol of those offered", ANSWER, {"subprotocols": ["a", "b"]}, Opened([], None, False)),
    (
        "compression",
        ANSWER.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        {},
        Opened([], None, True),
    ),
    ("after an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER, {}, Opened([], None, False)),
    (
        "after several interim answers",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 199 \r\n\r\n" + ANSWER,
        {},
        Opened([], None, False),
    ),
]


@pytest.mark.parametrize(("answer", "options", "expected"), [row[1:] for row in ACCEPTED], ids=[r[0] for r in ACCEPTED])
def test_an_answer_that_opens_opens_however_it_is_cut(answer: bytes, options: dict[str, Any], expected: Opened) -> None:
    for shape in every_way(answer):
        client = WebSocketConnection(URL, **options)
        whole = answered(client, answer)
        step = len(whole) if len(shape) == 1 else 1 if len(shape) == len(answer) else len(shape[0])
        pieces = (
            [whole[:step], whole[step:]]
            if len(shape) == 2
            else [whole[n : n + step] for n in range(0, len(whole), step)]
        )
        events = [event for piece in pieces for event in client.receive_data(piece)]
        assert events == [expected], pieces
        assert client.state is ConnectionState.OPEN


def extended(value: bytes) -> bytes:
    return with_field(b"Sec-WebSocket-Extensions: " + value)


def with_field(line: bytes) -> bytes:
    return ANSWER.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")


#: (what is wrong, the answer)
WRONG_ANSWERS: list[tuple[str, bytes]] = [
    ("another token", ANSWER.replace(b"ACCEPT", accept_for(b"AAAAAAAAAAAAAAAAAAAAAA=="))),
    ("an empty token", ANSWER.replace(b"ACCEPT", b"")),
    ("the token in lower case", ANSWER.replace(b"ACCEPT", b"accept")),
    ("no token", UPGRADED + b"\r\n"),
    ("two tokens", with_field(b"Sec-WebSocket-Accept: ACCEPT")),
    ("no Upgrade", ANSWER.replace(b"Upgrade: websocket\r\n", b"")),
    ("another Upgrade", ANSWER.replace(b": websocket", b": h2c")),
    ("no Connection", ANSWER.replace(b"Connection: Upgrade\r\n", b"")),
    ("another Connection", ANSWER.replace(b"Connection: Upgrade", b"Connection: keep-alive")),
    ("a subprotocol that was not offered", with_field(b"Sec-WebSocket-Protocol: c")),
    ("a subprotocol in other case", with_field(b"Sec-WebSocket-Protocol: A")),
    ("an empty subprotocol", with_field(b"Sec-WebSocket-Protocol:")),
    ("two subprotocols", with_field(b"Sec-WebSocket-Protocol: a, b")),
    ("two subprotocols on two lines", with_field(b"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b")),
    ("a subprotocol of other bytes", with_field(b"Sec-WebSocket-Protocol: \xff")),
    ("an extension that was not offered", extended(b"x-webkit-deflate-frame")),
    (
        "an extension that was not offered, on the first of two lines",
        extended(b"x-other\r\nSec-WebSocket-Extensions: permessage-deflate"),
    ),
    ("an extension twice", extended(b"permessage-deflate, permessage-deflate")),
    ("an extension with a parameter without a name", extended(b"permessage-deflate; =1")),
    ("an extension with an empty value", extended(b"permessage-deflate; a=")),
    ("an extension with an empty window", extended(b"permessage-deflate; server_max_window_bits=")),
    ("an empty extension", with_field(b"Sec-WebSocket-Extensions:")),
    ("an extension of other bytes", extended(b"\xff\xfe")),
    ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ("a frame", b"\x81\x05Hello\r\n\r\n"),
    ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"),
    ("a status that is none", b"HTTP/1.1 abc OK\r\n\r\n"),
    ("a status of two digits", b"HTTP/1.1 99 OK\r\n\r\n"),
    ("a request", REQUEST),
    ("nothing but line ends", b"\r\n\r\n"),
    ("a field without a colon", with_field(b"nonsense")),
    ("a field without a name", with_field(b": nonsense")),
    ("a blank before the colon", with_field(b"X-A : b")),
    ("a NUL in a field", with_field(b"X-A: a\x00b")),
    ("a folded field", with_field(b"X-A: a\r\n b")),
    ("line ends without CR", ANSWER.replace(b"\r\n", b"\n") + b"\r\n\r\n"),
    ("a head that ends early, without CR", UPGRADED + b"Sec-WebSocket-Accept: ACCEPT\n\n\x81\x01a\r\n\r\n"),
]  # fmt: skip


@whole_and_bytewise
@pytest.mark.parametrize("answer", [row[1] for row in WRONG_ANSWERS], ids=[row[0] for row in WRONG_ANSWERS])
def test_a_wrong_answer_fails_with_our_error_and_nothing_more_is_sent(
    answer: bytes, cut: Callable[[bytes], list[bytes]]
) -> None:
    client = WebSocketConnection(URL, subprotocols=["a", "b"])
    error = failed(client, cut(answered(client, answer)))
    assert error is not None
    assert error.clause
    assert client.data_to_send() == b""
    assert client.state is ConnectionState.CLOSED
    assert refuses(lambda: client.receive_data(b"more"), client.receive_eof, error=RemoteProtocolError)
    assert refuses(lambda: client.send("x"))


def test_frames_in_the_read_of_the_answer_are_read() -> None:
    client = WebSocketConnection(URL)
    data = answered(client, ANSWER) + b"\x81\x02hi\x89\x01p\x81"
    assert client.receive_data(data) == [Opened([], None, False), "hi", Ping(b"p")]
    assert client.receive_data(b"\x01!") == ["!"]
    assert sent(client, "client") == [Pong(b"p")]


def test_a_broken_frame_in_the_read_of_the_answer_does_not_hide_it() -> None:
    client = WebSocketConnection(URL)
    head = answered(client, ANSWER)
    assert client.receive_data(head + b"\x83\x00") == [Opened([], None, False)]
    assert [code for code, _ in sent(client, "client")] == [1002]
    with pytest.raises(FrameError) as raised:
        client.receive_data(b"")
    assert raised.value.offset == len(head)


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("pieces", [1, 50, 70_000])
def test_a_head_over_the_limit_is_refused(side: str, pieces: int) -> None:
    connection = WebSocketConnection(URL) if side == "client" else WebSocketConnection.server()
    connection.data_to_send()
    first = ANSWER if side == "client" else REQUEST
    for size, refused in ((MAX_HEADER_SIZE - len(first) - 5, False), (MAX_HEADER_SIZE - len(first) + 1, True)):
        head = first.replace(b"\r\n\r\n", b"\r\nA: " + b"x" * size + b"\r\n\r\n")
        assert (len(head) > MAX_HEADER_SIZE) is refused
        connection = WebSocketConnection(URL) if side == "client" else WebSocketConnection.server()
        connection.data_to_send()
        step = -(-len(head) // pieces)
        try:
            for place in range(0, len(head), step):
                connection.receive_data(head[place : place + step])
        except RemoteProtocolError:
            pass
        assert isinstance(connection.error, HeaderTooLarge) is refused, connection.error
        if refused and side == "server":
            assert connection.data_to_send().startswith(b"HTTP/1.1 431 ")


def test_a_head_byte_by_byte_is_linear() -> None:
    def read(size: int) -> None:
        client = WebSocketConnection(URL)
        head = ANSWER.replace(b"\r\n\r\n", b"\r\nA: " + b"x" * size + b"\r\n\r\n").replace(b"ACCEPT", b"")
        assert failed(client, bytewise(head)) is not None

    assert growth(read, 6_000, 60_000) < 30


def test_any_number_of_interim_answers_is_passed_over() -> None:
    client = WebSocketConnection(URL)
    data = answered(client, b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + ANSWER)
    assert client.receive_data(data) == [Opened([], None, False)]


@pytest.mark.parametrize("cut", [0, 1, 20, len(ANSWER) - 1])
def test_an_end_within_the_handshake_is_an_error(cut: int) -> None:
    client = WebSocketConnection(URL)
    client.receive_data(answered(client, ANSWER)[:cut])
    with pytest.raises(RemoteProtocolError, match="ended within the handshake"):
        client.receive_eof()
    assert client.data_to_send() == b""
    assert client.state is ConnectionState.CLOSED


# A refusal, read by a client.

REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n"
KIND = ("content-type", "text/plain")

# (what it shows, the answer, how it ends, what is read)
REFUSALS: list[tuple[str, bytes, str, Rejected]] = [
    (
        "a body of a length",
        REFUSED + b"Content-Length: 5\r\n\r\nhello",
        "itself",
        Rejected(401, [KIND, ("content-length", "5")], b"hello"),
    ),
    (
        "no body",
        REFUSED + b"Content-Length: 0\r\n\r\n",
        "itself",
        Rejected(401, [KIND, ("content-length", "0")], b""),
    ),
    (
        "a chunked body",
        REFUSED + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        "itself",
        Rejected(401, [KIND, ("transfer-encoding", "chunked")], b"hello"),
    ),
    ("a body until the end", REFUSED + b"\r\nhello", "eof", Rejected(401, [KIND], b"hello")),
    ("a redirect", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "eof", Rejected(302, [("location", "/x")], b"")),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", "itself", Rejected(204, [], b"")),
    ("a plain page", b"HTTP/1.0 200 OK\r\n\r\n<html>", "eof", Rejected(200, [], b"<html>")),
    (
        "after an interim answer",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
        "itself",
        Rejected(403, [("content-length", "0")], b""),
    ),
    (
        "a body that is cut",
        REFUSED + b"Content-Length: 9\r\n\r\nhello",
        "eof",
        Rejected(401, [KIND, ("content-length", "9")], b"hello"),
    ),
    (
        "a chunked body that breaks",
        REFUSED + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        "itself",
        Rejected(401, [KIND, ("transfer-encoding", "chunked")], b"hello"),
    ),
    (
        "a body longer than is kept",
        REFUSED + b"\r\n" + b"x" * (MAX_REJECTED_BODY + 10),
        "itself",
        Rejected(401, [KIND], b"x" * MAX_REJECTED_BODY),
    ),
]


@pytest.mark.parametrize(
    ("answer", "ends", "expected"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_refusal_gives_status_fields_and_body_however_it_is_cut(answer: bytes, ends: str, expected: Rejected) -> None:
    for pieces in every_way(answer) if len(answer) < 1000 else some_ways(answer, 5):
        client = WebSocketConnection(URL)
        events: list[WebSocketEvent] = []
        for piece in pieces:
            assert not events
            events += client.receive_data(piece)
            if events:
                break
        assert bool(events) is (ends == "itself"), pieces
        events += client.receive_eof()
        assert events == [expected], pieces
        assert client.state is ConnectionState.CLOSED
        assert client.error is None
        assert client.receive_data(b"more") == []
        assert client.receive_eof() == []


def test_a_read_of_nothing_does_not_end_a_refusal() -> None:
    client = WebSocketConnection(URL)
    assert client.receive_data(REFUSED + b"Content-Length: 5\r\n\r\n") == []
    assert client.receive_data(b"") == []
    assert client.receive_data(b"hel") == []
    assert client.receive_data(b"lo") == [Rejected(401, [KIND, ("content-length", "5")], b"hello")]


def test_the_body_of_a_refusal_is_read_in_linear_time() -> None:
    def read(size: int) -> None:
        client = WebSocketConnection(URL)
        client.receive_data(REFUSED + b"Content-Length: 100000000\r\n\r\n")
        for _ in range(size):
            client.receive_data(b"x")

    assert growth(read, MAX_REJECTED_BODY // 8, MAX_REJECTED_BODY) < 24


def test_the_body_of_a_refusal_is_bounded() -> None:
    client = WebSocketConnection(URL)
    client.receive_data(REFUSED + b"Content-Length: 100000000\r\n\r\n")
    events: list[WebSocketEvent] = []
    for _ in range(MAX_REJECTED_BODY):
        events += client.receive_data(b"x")
    assert [len(event.body) for event in events if isinstance(event, Rejected)] == [MAX_REJECTED_BODY]
    assert not vars(client)["_rejected_body"]


# The client's request, read by a server.


@pytest.mark.parametrize(("request_", "asked"), [
    (REQUEST, ("/chat", ())),
    (REQUEST.replace(b"Upgrade: websocket", b"upgrade: WEBSOCKET"), ("/chat", ())),
    (REQUEST.replace(b": Upgrade", b": keep-alive, upgrade"), ("/chat", ())),
    (REQUEST.replace(b": Upgrade", b": upgrade\r\nConnection: keep-alive"), ("/chat", ())),
    (REQUEST.replace(b"/chat", b"/chat?a=b%20c&d=/"), ("/chat?a=b%20c&d=/", ())),
    (REQUEST.replace(b"13\r\n", b"13\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n"),
     ("/chat", ("a", "b", "c"))),
    (REQUEST.replace(b"13\r\n", b"13\r\nSec-WebSocket-Extensions: unknown; a=1, other; b=\"c\"\r\n"), ("/chat", ())),
    (REQUEST.replace(b"example.com", b"xn--bcher-kva.example:81"), ("/chat", ())),
    (REQUEST.replace(b"13\r\n", b"13\r\nX-Who: Andr\xe9\r\n"), ("/chat", ())),
])  # fmt: skip
def test_a_request_is_asked_for_and_can_be_accepted(request_: bytes, asked: tuple[str, tuple[str, ...]]) -> None:
    for pieces in every_way(request_):
        server = WebSocketConnection.server()
        events = [event for piece in pieces for event in server.receive_data(piece)]
        assert len(events) == 1
        event = events[0]
        assert isinstance(event, Asked)
        assert (event.target, event.subprotocols) == asked
        assert dict(event.headers)["sec-websocket-key"] == KEY.decode()
        assert "host" in dict(event.headers)
        server.accept(subprotocol=asked[1][-1] if asked[1] else None, headers=[("X-A", "é")])
    answer = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert (b"\r\nSec-WebSocket-Protocol: c\r\n" in answer) is bool(asked[1])
    assert "\r\nX-A: é\r\n".encode() in answer
    assert b"xtensions" not in answer
    assert server.state is ConnectionState.OPEN


#: (what is wrong, the request, the status of the refusal)
WRONG_REQUESTS: list[tuple[str, bytes, int]] = [
    ("another version", REQUEST.replace(b": 13", b": 12"), 426),
    ("several versions", REQUEST.replace(b": 13", b": 13, 8"), 426),
    ("two versions", REQUEST.replace(b": 13", b": 13\r\nSec-WebSocket-Version: 13"), 426),
    ("no version", REQUEST.replace(b"Sec-WebSocket-Version: 13\r\n", b""), 400),
    ("no key", REQUEST.replace(b"Sec-WebSocket-Key: " + KEY + b"\r\n", b""), 400),
    ("a short key", REQUEST.replace(KEY, base64.b64encode(b"x" * 15)), 400),
    ("a long key", REQUEST.replace(KEY, base64.b64encode(b"x" * 17)), 400),
    ("a key that is no base64", REQUEST.replace(KEY, b"*" * 22 + b"=="), 400),
    ("an empty key", REQUEST.replace(KEY, b""), 400),
    ("a key of other bytes", REQUEST.replace(KEY, b"\xff" * 24), 400),
    ("two keys", REQUEST.replace(KEY, KEY + b"\r\nSec-WebSocket-Key: " + KEY), 400),
    ("no Upgrade", REQUEST.replace(b"Upgrade: websocket\r\n", b""), 400),
    ("another Upgrade", REQUEST.replace(b"websocket", b"h2c"), 400),
    ("no Connection", REQUEST.replace(b"Connection: Upgrade\r\n", b""), 400),
    ("another Connection", REQUEST.replace(b": Upgrade", b": close"), 400),
    ("no Host", REQUEST.replace(b"Host: example.com\r\n", b""), 400),
    ("two Hosts", REQUEST.replace(b"Host: example.com\r\n", b"Host: a\r\nHost: b\r\n"), 400),
    ("a Host of other bytes", REQUEST.replace(b"example.com", b"ex\xe4mple.com"), 400),
    ("a Host that is no name", REQUEST.replace(b"example.com", b"xn--" + b"a" * 70), 400),
    ("HTTP/1.0", REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    ("HTTP/0.9", REQUEST.replace(b"HTTP/1.1", b"HTTP/0.9"), 400),
    ("POST", REQUEST.replace(b"GET", b"POST"), 400),
    ("a plain GET", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a plain POST", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 400),
    ("an answer", ANSWER, 400),
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    ("no target", REQUEST.replace(b" /chat", b""), 400),
    ("a malformed extension", REQUEST.replace(b"13\r\n", b"13\r\nSec-WebSocket-Extensions: a b; =\r\n"), 400),
    ("an extension of other bytes", REQUEST.replace(b"13\r\n", b"13\r\nSec-WebSocket-Extensions: \xff\r\n"), 400),
    ("a subprotocol of other bytes", REQUEST.replace(b"13\r\n", b"13\r\nSec-WebSocket-Protocol: \xff\r\n"), 400),
    ("a folded field", REQUEST.replace(b"13\r\n", b"13\r\nX-A: a\r\n b\r\n"), 400),
    ("line ends without CR", REQUEST.replace(b"\r\n", b"\n") + b"\r\n\r\n", 400),
]  # fmt: skip


@whole_and_bytewise
@pytest.mark.parametrize(("wrong", "status"), [r[1:] for r in WRONG_REQUESTS], ids=[r[0] for r in WRONG_REQUESTS])
def test_a_wrong_request_is_refused_and_the_reason_raised(
    wrong: bytes, status: int, cut: Callable[[bytes], list[bytes]]
) -> None:
    server = WebSocketConnection.server()
    error = failed(server, cut(wrong))
    assert error is not None
    assert error.clause
    head, _, body = server.data_to_send().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"\r\ncontent-length: %d\r\n" % len(body) in (head + b"\r\n").lower()
    assert str(error).encode() == body
    if status == 426:
        assert b"\r\nupgrade: websocket\r\n" in head
        assert b"\r\nconnection: Upgrade\r\n" in head
        assert b"\r\nsec-websocket-version: 13\r\n" in head
    else:
        assert b"\r\nconnection: close" in head
    assert server.state is ConnectionState.CLOSED
    assert server.data_to_send() == b""
    assert refuses(server.accept, lambda: server.reject(400))


def test_a_server_refuses_in_its_own_words() -> None:
    server = WebSocketConnection.server()
    server.receive_data(REQUEST)
    server.reject(403, headers=[("X-Why", "é")], body=b"no")
    answer = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert "\r\nX-Why: é\r\n".encode() in answer
    assert answer.endswith(b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
    assert server.state is ConnectionState.CLOSED
    client = WebSocketConnection(URL)
    events = client.receive_data(answer)
    assert isinstance(events[0], Rejected)
    assert (events[0].status, events[0].body) == (403, b"no")


@pytest.mark.parametrize("call", [
    lambda server: server.reject(101),
    lambda server: server.reject(99),
    lambda server: server.reject(400, headers=[("X A", "b")]),
    lambda server: server.reject(400, headers=[("X-A", "\ud800")]),
    lambda server: server.reject(400, headers=[("Content-Length", "7")]),
    lambda server: server.accept(subprotocol="a"),
    lambda server: server.accept(headers=[("X A", "b")]),
    lambda server: server.accept(headers=[("X-A", "a\r\nb: c")]),
    lambda server: server.accept(headers=[("X-A", "\ud800")]),
    lambda server: server.accept(headers=[("Sec-WebSocket-Extensions", "x")]),
    lambda server: server.send("too early"),
    lambda server: server.ping(),
    lambda server: server.close(),
])  # fmt: skip
def test_what_a_server_must_not_answer_is_told_and_the_handshake_goes_on(
    call: Callable[[WebSocketConnection], None],
) -> None:
    server = WebSocketConnection.server()
    server.receive_data(REQUEST.replace(b"13\r\n", b"13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"))
    with pytest.raises(LocalProtocolError):
        call(server)
    assert server.data_to_send() == b""
    server.accept()
    assert b"permessage-deflate" in server.data_to_send()


def test_nothing_is_accepted_before_it_was_asked_nor_twice() -> None:
    server = WebSocketConnection.server()
    assert refuses(server.accept, lambda: server.reject(400))
    server.receive_data(REQUEST)
    server.accept()
    assert refuses(server.accept, lambda: server.reject(400))
    client = WebSocketConnection(URL)
    assert refuses(client.accept, lambda: client.reject(400))


FRAME = FrameWriter(client=True).frame(TEXT, b"early")


@pytest.mark.parametrize("pieces", [[REQUEST + FRAME], [REQUEST, FRAME], [REQUEST, FRAME[:1]]])
def test_a_client_that_does_not_wait_for_the_answer_is_refused(pieces: list[bytes]) -> None:
    server = WebSocketConnection.server()
    events = server.receive_data(pieces[0])
    assert isinstance(events[0], Asked)
    for piece in pieces[1:]:
        with pytest.raises(FrameError, match="before its handshake is answered"):
            server.receive_data(piece)
    assert server.data_to_send().startswith(b"HTTP/1.1 400 ")
    with pytest.raises(RemoteProtocolError):
        server.receive_data(b"")


def test_a_client_that_does_not_wait_for_the_answer_is_told_where_it_is_accepted_at_once() -> None:
    server = WebSocketConnection.server()
    server.receive_data(REQUEST + FRAME)
    server.accept()
    assert [close.code for close in sent(server, "server")] == [1002]
    with pytest.raises(RemoteProtocolError) as raised:
        server.receive_data(b"")
    assert raised.value.offset == len(REQUEST)


def test_a_server_that_has_not_answered_keeps_nothing_of_what_comes_early() -> None:
    server = WebSocketConnection.server()
    server.receive_data(REQUEST + bytes(1_000_000))
    assert refuses(lambda: server.receive_data(bytes(1_000_000)), error=RemoteProtocolError)
    assert vars(server)["_head"] == b""


# Messages and control frames.


@both_sides
def test_messages_go_both_ways(side: str) -> None:
    connection, peer = opened(side)
    connection.send("é")
    connection.send(b"\xff")
    connection.ping(b"p")
    connection.pong(b"q")
    assert sent(connection, side) == ["é", b"\xff", Ping(b"p"), Pong(b"q")]
    assert connection.receive_data(peer.frame(TEXT, b"hi") + peer.frame(PING, b"1") + peer.frame(0xA, b"2")) == [
        "hi",
        Ping(b"1"),
        Pong(b"2"),
    ]
    assert sent(connection, side) == [Pong(b"1")]


@both_sides
def test_a_ping_is_answered_after_what_was_sent_before_it(side: str) -> None:
    connection, peer = opened(side)
    connection.send("before")
    connection.receive_data(peer.frame(PING, b"1") + peer.frame(PING, b"2"))
    connection.send("after")
    assert sent(connection, side) == ["before", Pong(b"1"), Pong(b"2"), "after"]


@both_sides
def test_a_ping_between_fragments_is_answered_before_the_message_is_complete(side: str) -> None:
    connection, peer = opened(side)
    assert connection.receive_data(peer.frame(TEXT, b"a", fin=False) + peer.frame(PING, b"1")) == [Ping(b"1")]
    assert sent(connection, side) == [Pong(b"1")]
    assert connection.receive_data(peer.frame(0, b"b")) == ["ab"]


@both_sides
@pytest.mark.parametrize("call", [
    lambda c: c.send("\ud800"),
    lambda c: c.ping(b"x" * 126),
    lambda c: c.pong(b"x" * 126),
    *(lambda c, code=code: c.close(code) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536, -1)),
])  # fmt: skip
def test_what_must_not_be_sent_is_refused_and_the_connection_goes_on(
    side: str, call: Callable[[WebSocketConnection], None]
) -> None:
    connection, _ = opened(side)
    with pytest.raises(LocalProtocolError):
        call(connection)
    assert connection.state is ConnectionState.OPEN
    connection.send("fine")
    assert sent(connection, side) == ["fine"]


def test_many_sends_before_a_drain_are_linear() -> None:
    def send(count: int) -> None:
        server = open_server()
        for _ in range(count):
            server.send("x" * 100)
        assert len(server.data_to_send()) == 102 * count

    assert growth(send, 10_000, 80_000) < 24


def test_many_pings_in_one_read_are_linear() -> None:
    def read(count: int) -> None:
        client = open_client()
        data = FrameWriter(client=False).frame(PING, b"") * count
        assert len(client.receive_data(data)) == count
        assert len(client.data_to_send()) == 6 * count

    assert growth(read, 10_000, 80_000) < 24


# The closing handshake.


@both_sides
def test_the_peer_closes_first_and_is_answered_in_kind(side: str) -> None:
    for payload, event, answer in (
        (b"", Closed(1005, ""), (1005, "")),
        (b"\x03\xe8", Closed(1000, ""), (1000, "")),
        (b"\x0f\xa1why", Closed(4001, "why"), (4001, "why")),
    ):
        connection, peer = opened(side)
        assert connection.receive_data(peer.frame(TEXT, b"last") + peer.frame(CLOSE, payload)) == ["last", event]
        assert sent(connection, side) == [answer]
        assert connection.state is ConnectionState.CLOSED
        assert connection.error is None
        assert connection.receive_data(peer.frame(TEXT, b"ignored")) == []
        assert connection.receive_eof() == []
        assert connection.data_to_send() == b""
        with pytest.raises(LocalProtocolError):
            connection.send("late")


@both_sides
def test_what_came_before_the_peers_close_can_still_be_answered(side: str) -> None:
    connection, peer = opened(side)
    for event in connection.receive_data(
        peer.frame(TEXT, b"a") + peer.frame(PING, b"p") + peer.frame(CLOSE, b"\x03\xe8")
    ):
        if isinstance(event, str):
            connection.send("answer to " + event)
    assert sent(connection, side) == [Pong(b"p"), "answer to a", (1000, "")]


@both_sides
def test_a_read_that_follows_the_close_at_once_still_has_it_answered(side: str) -> None:
    connection, peer = opened(side)
    connection.receive_data(peer.frame(CLOSE, b"\x03\xe8"))
    assert connection.receive_data(b"more") == []
    assert connection.receive_eof() == []
    assert sent(connection, side) == [(1000, "")]


@both_sides
def test_we_close_first_and_what_still_comes_is_delivered(side: str) -> None:
    connection, peer = opened(side)
    connection.close(1001, "going")
    assert state_of(connection) is ConnectionState.CLOSING
    assert sent(connection, side) == [(1001, "going")]
    assert refuses(lambda: connection.send("x"), connection.ping, connection.pong, connection.close)
    assert connection.receive_data(peer.frame(TEXT, b"late") + peer.frame(PING, b"p")) == ["late", Ping(b"p")]
    assert connection.data_to_send() == b""  # no pong after a Close
    assert connection.receive_data(peer.frame(CLOSE, b"\x03\xe9going")) == [Closed(1001, "going")]
    assert connection.data_to_send() == b""
    assert connection.state is ConnectionState.CLOSED
    assert connection.receive_eof() == []


@both_sides
def test_both_close_at_once(side: str) -> None:
    connection, peer = opened(side)
    connection.close(1000, "mine")
    assert connection.receive_data(peer.frame(CLOSE, b"\x03\xe9yours")) == [Closed(1001, "yours")]
    assert sent(connection, side) == [(1000, "mine")]
    assert connection.state is ConnectionState.CLOSED


@both_sides
def test_a_close_of_ours_may_answer_the_peers(side: str) -> None:
    connection, peer = opened(side)
    connection.receive_data(peer.frame(CLOSE, b"\x03\xe8"))
    connection.close(4000, "in my words")
    assert sent(connection, side) == [(4000, "in my words")]
    assert connection.state is ConnectionState.CLOSED


@both_sides
@pytest.mark.parametrize("before", ["nothing", "half a frame", "half a message", "our close"])
def test_an_end_without_a_close_is_1006(side: str, before: str) -> None:
    connection, peer = opened(side)
    if before == "half a frame":
        connection.receive_data(peer.frame(TEXT, b"hello")[:-1])
    elif before == "half a message":
        connection.receive_data(peer.frame(TEXT, b"hello", fin=False))
    elif before == "our close":
        connection.close()
        connection.data_to_send()
    assert connection.receive_eof() == [Closed(1006, "")]
    assert connection.data_to_send() == b""
    assert connection.state is ConnectionState.CLOSED
    assert connection.receive_eof() == []
    assert connection.receive_data(peer.frame(TEXT, b"x")) == []


def test_only_a_close_of_the_peer_is_clean() -> None:
    assert [Closed(code, "").clean for code in (1000, 1005, 1006, 1011, 4000)] == [True, True, False, True, True]


@both_sides
@pytest.mark.parametrize(("broken", "code"), [
    ((3, b""), 1002),
    ((CLOSE, b"\x03"), 1002),
    ((CLOSE, b"\x03\xee"), 1002),
    ((TEXT, b"\xff"), 1007),
    ((TEXT, b"x" * 1001), 1009),
])  # fmt: skip
def test_an_error_is_told_after_the_events_and_the_answers_before_it(
    side: str, broken: tuple[int, bytes], code: int
) -> None:
    connection = open_client(max_message_size=1000) if side == "client" else open_server(max_message_size=1000)
    peer = FrameWriter(client=side == "server")
    connection.send("sent before")
    for event in connection.receive_data(peer.frame(TEXT, b"a") + peer.frame(*broken) + peer.frame(TEXT, b"never")):
        assert event == "a"
        connection.send("answer")
    assert connection.error is not None
    *messages, close = sent(connection, side)
    assert messages == ["sent before", "answer"]
    assert close.code == code
    assert close.reason.startswith(connection.error.message[:50])
    assert connection.state is ConnectionState.CLOSED
    assert refuses(lambda: connection.receive_data(b""), connection.receive_eof, error=FrameError)
    assert connection.data_to_send() == b""
    with pytest.raises(LocalProtocolError):
        connection.send("late")


@both_sides
def test_an_error_after_our_close_is_raised_and_nothing_more_is_sent(side: str) -> None:
    connection, peer = opened(side)
    connection.close()
    assert sent(connection, side) == [(1000, "")]
    with pytest.raises(FrameError):
        connection.receive_data(peer.frame(3, b""))
    assert connection.data_to_send() == b""
    assert connection.state is ConnectionState.CLOSED


@both_sides
def test_a_header_that_announces_too_much_is_answered_with_1009(side: str) -> None:
    connection, _ = opened(side)
    mask = b"\x80" if side == "server" else b"\x00"
    with pytest.raises(FrameError, match="limit"):
        connection.receive_data(
            b"\x82" + bytes([mask[0] | 127]) + b"\x7f" + b"\xff" * 7 + (bytes(4) if mask[0] else b"")
        )
    assert [close.code for close in sent(connection, side)] == [1009]


# Whatever comes.


def survives(connection: WebSocketConnection, pieces: Iterable[bytes]) -> list[WebSocketEvent]:
    """Our errors only, whatever comes; and the connection ends."""
    events: list[WebSocketEvent] = []
    error = None
    try:
        for piece in pieces:
            for event in connection.receive_data(piece):
                events.append(event)
                if isinstance(event, Asked):
                    connection.accept(subprotocol=event.subprotocols[0] if event.subprotocols else None)
            connection.data_to_send()
        events += connection.receive_eof()
    except RemoteProtocolError as raised:
        error = raised
    assert connection.error is error
    connection.data_to_send()
    assert connection.state is ConnectionState.CLOSED
    return events


mutations = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.integers(0, 12),
        st.binary(max_size=3) | st.sampled_from([b"\r\n", b"\n", b":", b";", b"=", b",", b"\x00", b"\xff", b" ", b'"']),
    ),
    max_size=4,
)


def mutated(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, instead in changes:
        start = place % (len(data) + 1)
        data = data[:start] + instead + data[start + length :]
    return data


FULL_ANSWER = (
    b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + UPGRADED + b"Sec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: a\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_no_context_takeover\r\n\r\n"
    b"\x81\x02hi\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x88\x02\x03\xe8"
)
FULL_REQUEST = (
    REQUEST[:-2] + b"Sec-WebSocket-Protocol: a, b\r\n"
    b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits="10", x; y=z\r\n\r\n'
)


@given(changes=mutations, places=cuts)
def test_a_malformed_answer_raises_our_errors_only(changes: list[tuple[int, int, bytes]], places: list[int]) -> None:
    client = WebSocketConnection(URL, subprotocols=["a", "b"])
    answer = answered(client, FULL_ANSWER)
    survives(client, cut_at(mutated(answer, changes), places))


@given(changes=mutations, places=cuts, answer=st.sampled_from([row[1] for row in REFUSALS if len(row[1]) < 1000]))
def test_a_malformed_refusal_raises_our_errors_only(
    changes: list[tuple[int, int, bytes]], places: list[int], answer: bytes
) -> None:
    survives(WebSocketConnection(URL), cut_at(mutated(answer, changes), places))


@given(changes=mutations, places=cuts)
def test_a_malformed_request_raises_our_errors_only(changes: list[tuple[int, int, bytes]], places: list[int]) -> None:
    survives(WebSocketConnection.server(), cut_at(mutated(FULL_REQUEST, changes), places))


@given(data=st.binary(max_size=100), places=cuts)
def test_any_bytes_in_place_of_a_handshake_raise_our_errors_only(data: bytes, places: list[int]) -> None:
    survives(WebSocketConnection(URL), cut_at(data, places))
    survives(WebSocketConnection.server(), cut_at(data, places))


def test_the_streams_that_are_mutated_are_sound_themselves() -> None:
    client = WebSocketConnection(URL, subprotocols=["a", "b"])
    events = survives(client, [answered(client, FULL_ANSWER)])
    assert events == [Opened([], "a", True), "hi", "Hello", Closed(1000, "")]
    events = survives(WebSocketConnection.server(), [FULL_REQUEST])
    assert isinstance(events[0], Asked)
    assert events[1:] == [Closed(1006, "")]


@given(changes=mutations, places=cuts)
def test_a_handshake_gives_the_same_however_it_is_cut(changes: list[tuple[int, int, bytes]], places: list[int]) -> None:
    request = mutated(FULL_REQUEST, changes)
    whole, other = WebSocketConnection.server(), WebSocketConnection.server()
    assert survives(whole, [request]) == survives(other, cut_at(request, places)), request


@given(st.lists(st.text(max_size=50) | st.binary(max_size=50), max_size=5), st.booleans(), cuts)
def test_a_client_and_a_server_understand_each_other(
    messages: list[str | bytes], compression: bool, places: list[int]
) -> None:
    client = WebSocketConnection(URL, subprotocols=["a"], compression=compression)
    server = WebSocketConnection.server()
    assert isinstance(server.receive_data(client.data_to_send())[0], Asked)
    server.accept(subprotocol="a")
    assert client.receive_data(server.data_to_send()) == [Opened([], "a", compression)]
    messages = [message for message in messages if not isinstance(message, str) or message.isprintable()]
    for sender, receiver in ((client, server), (server, client)):
        for message in messages:
            sender.send(message)
        received = [event for piece in cut_at(sender.data_to_send(), places) for event in receiver.receive_data(piece)]
        assert received == messages
    client.close(1000, "done")
    assert server.receive_data(client.data_to_send()) == [Closed(1000, "done")]
    assert client.receive_data(server.data_to_send()) == [Closed(1000, "done")]
    assert client.data_to_send() == b""
    assert client.state is server.state is ConnectionState.CLOSED
