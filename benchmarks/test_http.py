"""What it costs to read a response whose body comes in chunks, beside the peers: bytes to the bytes of the body.

Each has one exchange a stream, and has sent its request by then. The item is the whole body, for they cut it in
different ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from measuring import Case, Contender, Input, Run, Take
from sending import HEAD, chunked
from workloads import READ_SIZE, chat, reads

from tokenwire.protocol.http import Body, HTTPExchange, HTTPRequest
from tokenwire.protocol.url import parse_url

__all__ = ["CASES"]

FIELDS = [(b"host", b"recorded"), (b"content-length", b"0")]


def tokenwire_exchange() -> Run:
    request = HTTPRequest("POST", parse_url("http://recorded/"), [], b"")

    def run(pieces: Sequence[bytes], take: Take) -> None:
        exchange, parts = HTTPExchange(request), []
        exchange.data_to_send()
        for piece in pieces:
            parts += [event.data for event in exchange.receive_data(piece) if isinstance(event, Body)]
        assert exchange.ended
        take([b"".join(parts)])

    return run


def h11() -> Run:
    import h11

    def run(pieces: Sequence[bytes], take: Take) -> None:
        connection, parts = h11.Connection(h11.CLIENT), []
        connection.send(h11.Request(method="POST", target="/", headers=FIELDS))
        connection.send(h11.EndOfMessage())
        for piece in pieces:
            connection.receive_data(piece)
            event: Any
            while (event := connection.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
                if type(event) is h11.Data:
                    parts.append(event.data)
                elif type(event) is h11.EndOfMessage:
                    break
        assert connection.their_state is h11.DONE
        take([b"".join(parts)])

    return run


def httptools() -> Run:
    """It parses responses, and knows nothing of requests."""
    import httptools

    class Reader:
        def __init__(self) -> None:
            self.parts: list[bytes] = []
            self.ended = False
            self.on_body = self.parts.append

        def on_message_complete(self) -> None:
            self.ended = True

    def run(pieces: Sequence[bytes], take: Take) -> None:
        reader = Reader()
        parser = httptools.HttpResponseParser(reader)
        for piece in pieces:
            parser.feed_data(piece)
        assert reader.ended
        take([b"".join(reader.parts)])

    return run


def zttp() -> Run:
    import zttp

    def run(pieces: Sequence[bytes], take: Take) -> None:
        connection, parts = zttp.Connection(zttp.CLIENT), []
        connection.send_request(b"POST", b"/", b"1.1", FIELDS)
        connection.end_message()
        connection.data_to_send()
        event: Any = None
        for piece in pieces:
            event = connection.receive_event(piece)
            while event is not zttp.NEED_DATA:
                if type(event) is zttp.Data:
                    parts.append(event.data)
                elif type(event) is zttp.EndOfMessage:
                    break
                event = connection.next_event()
        assert type(event) is zttp.EndOfMessage
        take([b"".join(parts)])

    return run


def response(size: int | None) -> Callable[[], Input]:
    def make() -> Input:
        blocks = chat().blocks
        return Input(reads([HEAD, *chunked(blocks)], size), [b"".join(blocks)])

    return make


def whole(body: bytes) -> bytes:
    return body


CONTENDERS = [
    Contender("tokenwire", tokenwire_exchange, whole),
    Contender("h11", h11, whole),
    Contender("httptools", httptools, whole),
    Contender("zttp", zttp, whole),
]

CASES = [
    Case("HTTP: a body of 10,000 chunks, 16 KiB reads", response(READ_SIZE), CONTENDERS),
    Case("HTTP: a body of 10,000 chunks, one a read", response(None), CONTENDERS),
]


def test_http(measured: Callable[[], None]) -> None:
    measured()
