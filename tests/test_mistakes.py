"""First mistakes, at every entrance: the words say what was given and what to give instead, at the call."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tokenwire
from tokenwire import (
    Decoder,
    HTTPExchange,
    HTTPRequest,
    LocalProtocolError,
    Policy,
    SSEParser,
    StreamFailed,
    StreamInterrupted,
    Timeouts,
    WebSocketConnection,
)
from tokenwire.framing.eventstream import EventStreamParser
from tokenwire.framing.jsonlines import JSONArrayParser, JSONLinesParser
from tokenwire.framing.websocket import FrameParser

URL = "http://127.0.0.1:1"
KEY = "sk-not-to-be-repeated"
NAN = float("nan")


class Response:
    """As httpx has it: it cannot be iterated, and has methods that can."""

    def iter_bytes(self) -> Iterator[bytes]:
        yield b""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        raise NotImplementedError


class AiohttpResponse:
    class content:  # noqa: N801 - its name there
        iter_any = staticmethod(lambda: None)


async def pieces(*given: Any) -> AsyncIterator[Any]:
    for piece in given:
        yield piece


def collected(*arguments: Any, **options: Any) -> Any:
    return asyncio.run(tokenwire.acollect(*arguments, **options))


#: All that takes an iterable of bytes, and whether it is an asynchronous one.
OF_BYTES: dict[str, tuple[Callable[..., Any], bool]] = {
    "decode": (tokenwire.decode, False),
    "collect": (tokenwire.collect, False),
    "adecode": (tokenwire.adecode, True),
    "acollect": (collected, True),
}

NO_BODIES: list[tuple[Any, str, str]] = [
    # what is given; the words of decode and collect; those of adecode and acollect
    ("data: x\n\n", "text (str) was given: give the bytes", "text (str) was given: give the bytes"),
    (b"data: x\n\n", "put it into a list", "put it into a list"),
    (bytearray(b"data"), "put it into a list", "put it into a list"),
    (memoryview(b"data"), "put it into a list", "put it into a list"),
    (None, "None was given: give what the HTTP client reads, such as response.iter_bytes()", "response.aiter_bytes()"),
    ({"choices": []}, "before anything has read them as JSON", "before anything has read them as JSON"),
    (io.StringIO("data"), "open the file in binary mode, 'rb'", "open the file in binary mode, 'rb'"),
    (Path("body"), "open(path, 'rb')", "open(path, 'rb')"),
    (7, "a number (int) was given", "a number (int) was given"),
    (Response(), "give response.iter_bytes()", "give response.aiter_bytes()"),
    (AiohttpResponse(), "a value of type AiohttpResponse was given", "give response.content.iter_any()"),
]


@pytest.mark.parametrize("entrance", OF_BYTES)
@pytest.mark.parametrize(("given", "words", "awords"), NO_BODIES, ids=lambda value: type(value).__name__)
def test_what_is_no_iterable_of_bytes_is_told_at_the_call(entrance: str, given: Any, words: str, awords: str) -> None:
    function, asynchronous = OF_BYTES[entrance]
    with pytest.raises(LocalProtocolError) as caught:
        function(given)
    assert str(caught.value).startswith(f"{entrance} takes an ")
    assert (awords if asynchronous else words) in str(caught.value)


def test_each_kind_of_iterable_has_its_function() -> None:
    with pytest.raises(LocalProtocolError, match="for an asynchronous iterable there is adecode"):
        tokenwire.decode(pieces(b""))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="for an ordinary iterable there is decode"):
        tokenwire.adecode([b""])  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="for an ordinary iterable there is collect"):
        collected([b""])


#: All that takes pieces of bytes one by one.
RECEIVERS: dict[str, Callable[[Any], Any]] = {
    "decode": lambda data: list(tokenwire.decode([data], "raw")),
    "collect": lambda data: tokenwire.collect([data], "raw"),
    "acollect": lambda data: collected(pieces(data), "raw"),
    "Decoder": lambda data: Decoder("openai-chat").receive_data(data),
    "Decoder of a message": lambda data: Decoder("holysheep").receive_message(data),
    "Decoder, auto": lambda data: Decoder("auto").receive_data(data),
    "SSEParser": lambda data: SSEParser().receive_data(data),
    "JSONLinesParser": lambda data: JSONLinesParser().receive_data(data),
    "JSONArrayParser": lambda data: JSONArrayParser().receive_data(data),
    "EventStreamParser": lambda data: EventStreamParser().receive_data(data),
    "FrameParser": lambda data: FrameParser(client=True).receive_data(data),
    "MCPReader": lambda data: tokenwire.MCPReader().receive_data(data),
    "A2AReader": lambda data: tokenwire.A2AReader().receive_data(data),
    "HTTPExchange": lambda data: exchange().receive_data(data),
    "WebSocketConnection": lambda data: WebSocketConnection("ws://h").receive_data(data),
    "guess_dialect": lambda data: tokenwire.guess_dialect(first_bytes=data),
}


def exchange() -> HTTPExchange:
    return HTTPExchange(HTTPRequest("GET", tokenwire.parse_url(URL), []))


@pytest.mark.parametrize("receiver", RECEIVERS)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("data: x", "iter_bytes() and not by iter_text() or iter_lines()"),
        ((b"data: x", True), "iter_any() and not by iter_chunks()"),
        (None, "type NoneType was given"),
        (100, "type int was given"),
        ({"a": 1}, "type dict was given"),
        ([b"x"], "type list was given"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_piece_that_is_no_bytes_is_told(receiver: str, given: Any, words: str) -> None:
    if receiver == "Decoder of a message" and isinstance(given, str):
        assert RECEIVERS[receiver]('{"type": "done"}')  # a message may be text
        return
    with pytest.raises(LocalProtocolError, match="bytes are wanted") as caught:
        RECEIVERS[receiver](given)
    assert words in str(caught.value)


def outcome(receive: Callable[[Any], Any], data: Any) -> Any:
    try:
        given = receive(data)
    except tokenwire.TokenwireError as error:
        return type(error), str(error)
    return given.events if isinstance(given, tokenwire.Answer) else given


@pytest.mark.parametrize("receiver", RECEIVERS)
@pytest.mark.parametrize(
    "data", [b"", b'data: {"choices": []}\n\n', b'{"done": true}\n', b"\x81\x02hi", b"HTTP/1.1 200"]
)
@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_whatever_holds_bytes_is_taken_for_bytes(receiver: str, data: bytes, kind: Callable[[bytes], Any]) -> None:
    assert outcome(RECEIVERS[receiver], kind(data)) == outcome(RECEIVERS[receiver], data)


def test_whatever_holds_bytes_is_sent_as_bytes() -> None:
    client, server = WebSocketConnection("ws://h"), WebSocketConnection.server()
    server.receive_data(client.data_to_send())
    server.accept()
    client.receive_data(server.data_to_send())
    for message in (bytearray(b"a"), memoryview(b"b"), b"c"):
        client.send(message)
    assert server.receive_data(client.data_to_send()) == [b"a", b"b", b"c"]
    with pytest.raises(LocalProtocolError, match="bytes are wanted"):
        client.send(7)  # type: ignore[arg-type]


PAGE = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
PRETTY = b'{\n  "id": "c",\n  "object": "list"\n}\n'

#: Bodies that are no stream: their bytes, and what is said of them.
NO_STREAMS: dict[str, tuple[bytes, str]] = {
    "a page": (PAGE, "this is a page of HTML or XML"),
    "JSON": (b'{"id": "c", "object": "list"}', '"stream": true'),
    "JSON over lines": (PRETTY, '"stream": true'),
    "gzip": (gzip.compress(b"data: x\n\n"), "the content coding gzip was not removed"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00\n\n", "the content coding zstd was not removed"),
    "nothing": (b"", "no bytes came"),
    "words": (b"Not Found\n", "is the dialect right?"),
}

SPOKEN = [
    "openai-chat",
    "openai-responses",
    "anthropic-messages",
    "mistral",
    "cohere-v2",
    "gemini",
    "ollama",
    "holysheep",
]


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("body", NO_STREAMS)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_body_that_is_no_stream_is_told(dialect: Any, body: str, size: int) -> None:
    data, words = NO_STREAMS[body]
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    for collect in (tokenwire.collect, lambda chunks, dialect: collected(pieces(*chunks), dialect)):
        with pytest.raises((StreamInterrupted, StreamFailed)) as caught:
            collect(chunks, dialect)
        assert words in str(caught.value)
        if data:
            assert str(caught.value).startswith(f"{len(data)} bytes came, no message of {dialect} among them; ")
            assert repr(data[:60]) in str(caught.value)


@pytest.mark.parametrize("body", ["a page", "JSON", "JSON over lines", "gzip", "zstd"])
def test_a_body_that_no_binary_framing_reads_is_told(body: str) -> None:
    data, words = NO_STREAMS[body]
    with pytest.raises(tokenwire.TokenwireError) as caught:
        tokenwire.collect([data], "bedrock-converse")
    assert words in str(caught.value)


def test_an_error_body_says_its_words_in_every_dialect() -> None:
    for dialect in tokenwire.DIALECTS.values():
        if dialect.tools and not dialect.websocket_only:
            with pytest.raises(tokenwire.TokenwireError, match="The model is gone"):
                tokenwire.collect([b'{\n"error": {"message": "The model is gone", "type": "gone"}\n}\n'], dialect)


def test_lines_without_their_ends_are_told() -> None:
    with pytest.raises(StreamInterrupted, match="not lines, whose ends were taken off"):
        tokenwire.collect([b'data: {"choices": []}', b"data: [DONE]"])


def test_a_stream_that_was_cut_is_no_body_of_something_else() -> None:
    for dialect, body in [
        ("openai-chat", b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'),
        ("ollama", b'{"message": {"content": "Hi"}, "done": false}\n'),
        ("anthropic-messages", b'data: {"type": "ping"}\n\n'),
        ("mcp", b'data: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}\n\n'),
    ]:
        with pytest.raises(StreamInterrupted, match=f"without the end that {dialect} marks"):
            tokenwire.collect([body], dialect)


def test_a_stream_of_another_dialect_is_told() -> None:
    body = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
    with pytest.raises(StreamInterrupted, match="is the dialect right"):
        tokenwire.collect([body], "anthropic-messages")
    with pytest.raises(StreamInterrupted) as caught:
        tokenwire.collect([body], "openai-chat")
    assert "is the dialect right" not in str(caught.value)


@pytest.mark.parametrize("client", [tokenwire.Client, tokenwire.AsyncClient])
@pytest.mark.parametrize("dialect", tokenwire.DIALECTS)
def test_a_client_of_every_dialect_needs_no_question(client: Callable[..., Any], dialect: str) -> None:
    scheme = {"HTTP": "http", "WebSocket": "ws"}
    for transport in tokenwire.DIALECTS[dialect].transports:
        client(f"{scheme[transport]}://127.0.0.1:1/v1", dialect=dialect)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"dialect": "openai"}, "there is no dialect 'openai'"),
        ({"policy": "patien"}, "Do you mean 'patient'"),
        ({"timeouts": 30}, "write Timeouts"),
        ({"key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"base_url": None}, "url takes the URL as text"),
        ({"idle_connections": -1}, "idle_connections takes a whole number"),
        ({"idle_time": NAN}, "idle_time takes a number"),
    ],
)
@pytest.mark.parametrize("client", [tokenwire.Client, tokenwire.AsyncClient])
def test_a_client_tells_a_mistake_when_it_is_made(
    client: Callable[..., Any], argument: dict[str, Any], words: str
) -> None:
    with pytest.raises(tokenwire.TokenwireError, match=words):
        client(**{"base_url": "http://127.0.0.1:1/v1", **argument})


#: Arguments that every entrance with a URL takes, and what is said of them.
ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"url": None}, "url takes the URL as text, and None was given"),
    ({"url": b"http://h"}, "url takes the URL as text"),
    ({"url": "api.example.com/v1"}, "must begin with "),
    ({"url": "ftp://h"}, "must begin with "),
    ({"url": "//h/v1"}, "must begin with "),
    ({"key": ""}, "the key is empty"),
    ({"key": b"k"}, "key takes the key as text"),
    ({"headers": {"x-a": 1}}, "the field 'x-a' of headers takes text, and a number (int) was given"),
    ({"headers": {"x-a": None}}, "the field 'x-a' of headers takes text, and None was given"),
    ({"headers": {"x-a": KEY.encode()}}, "the field 'x-a' of headers takes text, and a value of type bytes was given"),
    ({"headers": {7: "x"}}, "headers takes names that are text"),
    ({"headers": [("x-a", "b")]}, "headers takes a mapping"),
    ({"headers": "x-a: b"}, "headers takes a mapping"),
]

#: Those of the entrances that also ask.
ASKED: list[tuple[dict[str, Any], str]] = [
    ({"dialect": None}, "dialect takes one of openai-chat, "),
    ({"dialect": 7}, "a number (int) was given"),
    ({"dialect": "openai"}, "Do you mean 'openai-chat'?"),
    ({"dialect": "anthropic"}, "Do you mean 'anthropic-messages'?"),
    ({"dialect": "OpenAI-Chat"}, "Do you mean 'openai-chat'?"),
    ({"json": '{"model": "m"}'}, "json takes the body as a dict, and text (str) was given: use json.loads"),
    ({"json": b"{}"}, "use json.loads"),
    ({"json": [1]}, "a value of type list was given"),
    ({"json": 7}, "a number (int) was given"),
    ({"json": {"a": {1}}}, "the request body is not JSON"),
    ({"json": {"a": NAN}}, "the request body is not JSON"),
]

#: Those of the drivers.
DRIVEN: list[tuple[dict[str, Any], str]] = [
    ({"key": KEY, "key_env": "A_KEY"}, "key and key_env were both given"),
    ({"key_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
    ({"key_env": 7}, "key_env takes the name of an environment variable"),
    ({"timeouts": 30}, "write Timeouts(total=30)"),
    ({"timeouts": {"total": 30}}, "write Timeouts(total=30)"),
    ({"record": 7}, "record takes the path of a file"),
    ({"ssl_context": False}, "ssl.create_default_context(cafile=…)"),
    ({"proxy": 7}, "proxy takes the URL of a proxy"),
    ({"proxy": "socks5h://me:secret@p:1080"}, "proxy names a SOCKS proxy, and only HTTP proxies"),
    ({"proxy": "https://p:1"}, "proxy must be a URL that begins with http://"),
    ({"proxy": "http://p:port"}, "proxy cannot be read"),
    ({"proxy": ""}, "proxy must be a URL that begins with http://"),
]

STREAMED: list[tuple[dict[str, Any], str]] = [
    ({"policy": None}, "policy takes one of default, "),
    ({"policy": "pateint"}, "there is no policy 'pateint'; known: default, "),
    ({"policy": 3}, "a number (int) was given"),
    ({"observe": 7}, "observe takes a function"),
    ({"hosts": {}}, "hosts takes tokenwire.Hosts"),
    ({"on_error": None}, "on_error takes 'raise' or 'event'"),
    ({"on_error": "rise"}, "Do you mean 'raise'?"),
    ({"usage": None}, "usage takes True or False"),
]

CONNECTED: list[tuple[dict[str, Any], str]] = [
    ({"subprotocols": "chat"}, "put it into a list"),
    ({"subprotocols": None}, "subprotocols takes a list of names"),
    ({"subprotocols": [7]}, "subprotocols takes names that are text"),
]


def build(url: Any, dialect: Any = "openai-chat", **options: Any) -> Any:
    return tokenwire.build_request(url, dialect, **options)


ENTRANCES: dict[str, tuple[Callable[..., Any], str, list[tuple[dict[str, Any], str]]]] = {
    "stream": (tokenwire.stream, URL, ARGUMENTS + ASKED + DRIVEN + STREAMED),
    "astream": (tokenwire.astream, URL, ARGUMENTS + ASKED + DRIVEN + STREAMED),
    "connect": (tokenwire.connect, "ws://127.0.0.1:1", ARGUMENTS + DRIVEN + CONNECTED),
    "aconnect": (tokenwire.aconnect, "ws://127.0.0.1:1", ARGUMENTS + DRIVEN + CONNECTED),
    "build_request": (build, URL, ARGUMENTS + ASKED),
}


@pytest.mark.parametrize(
    ("entrance", "options", "words"),
    [(name, *row) for name, (_, _, rows) in ENTRANCES.items() for row in rows],
    ids=lambda value: value if isinstance(value, str) and value in ENTRANCES else None,
)
def test_a_wrong_argument_is_told_at_the_call(entrance: str, options: dict[str, Any], words: str) -> None:
    function, url, _ = ENTRANCES[entrance]
    with pytest.raises(LocalProtocolError) as caught:
        function(**{"url": url, **options})
    assert words in str(caught.value)
    assert KEY not in str(caught.value)
    assert "secret" not in str(caught.value)


OTHERS: list[tuple[Callable[[], Any], str]] = [
    (lambda: tokenwire.decode([b""], "morse"), "there is no dialect 'morse'"),  # type: ignore[arg-type]
    (lambda: tokenwire.adecode(pieces(), "morse"), "there is no dialect 'morse'"),  # type: ignore[arg-type]
    (lambda: tokenwire.decode([b""], max_event_size=None), "max_event_size takes a whole number"),  # type: ignore[arg-type]
    (lambda: tokenwire.decode([b""], on_error=None), "on_error takes 'raise' or 'event'"),  # type: ignore[arg-type]
    (lambda: Decoder(None), "dialect takes one of"),  # type: ignore[arg-type]
    (lambda: Decoder("raw", max_event_size=-1), "from 0 up, and -1 was given"),
    (lambda: Decoder("raw", last_event_id=None), "last_event_id takes text"),  # type: ignore[arg-type]
    (lambda: SSEParser(max_event_size=None), "max_event_size takes a number of bytes"),  # type: ignore[arg-type]
    (lambda: SSEParser(max_event_size=-1), "max_event_size takes a number of bytes"),
    (lambda: SSEParser(last_event_id=None), "last_event_id takes text"),  # type: ignore[arg-type]
    (lambda: WebSocketConnection(None), "url takes the URL as text"),  # type: ignore[arg-type]
    (lambda: WebSocketConnection("ws://h", subprotocols="chat"), "put it into a list"),
    (lambda: tokenwire.parse_url(None), "url takes the URL as text"),  # type: ignore[arg-type]
    (lambda: tokenwire.guess_dialect(None), "url takes the URL as text"),  # type: ignore[arg-type]
    (lambda: tokenwire.guess_dialect(content_type=None), "content_type takes text"),  # type: ignore[arg-type]
    (lambda: HTTPRequest("POST", tokenwire.parse_url(URL), [], "text"), "body takes bytes"),  # type: ignore[arg-type]
    (lambda: HTTPRequest("POST", tokenwire.parse_url(URL), [("a", 1)]), "the field 'a'"),  # type: ignore[list-item]
    (lambda: HTTPRequest("POST", URL, []), "what parse_url gives"),  # type: ignore[arg-type]
    (lambda: Timeouts(total=-1), "Timeouts.total takes a number from 0 up, and -1 was given; None to wait for ever"),
    (lambda: Timeouts(idle=NAN), "nan was given"),
    (lambda: Timeouts(first_byte=float("inf")), "None to wait for ever"),
    (lambda: Timeouts(connect="5"), "Timeouts.connect takes a number, and text (str)"),  # type: ignore[arg-type]
    (lambda: Timeouts(close=None), "Timeouts.close takes a number, and None was given"),  # type: ignore[arg-type]
    (lambda: Timeouts(total=True), "True or False (bool) was given"),
    (lambda: Policy("p", base=-1.0), "Policy.base takes a number from 0 up"),
    (lambda: Policy("p", factor=NAN), "Policy.factor"),
    (lambda: Policy("p", elapsed=-0.1), "None for no limit"),
    (lambda: Policy("p", attempts=0), "Policy.attempts takes a whole number from 1 up"),
    (lambda: Policy("p", attempts=2.5), "Policy.attempts takes a whole number"),  # type: ignore[arg-type]
    (lambda: Policy("p", interrupted="resumes"), "Do you mean 'resume'?"),  # type: ignore[arg-type]
    (lambda: Policy("p", fallback="http"), "there is no Policy.fallback 'http'"),  # type: ignore[arg-type]
    (lambda: Policy("p", statuses=429), "Policy.statuses takes a frozenset"),  # type: ignore[arg-type]
    (lambda: tokenwire.event_to_dict({"event": "End"}), "takes a stream event"),  # type: ignore[arg-type]
    (lambda: tokenwire.event_from_dict({"event": "TextDetla"}), "Do you mean 'TextDelta'?"),
    (lambda: tokenwire.event_from_dict({"event": "TextDelta", "block": 0}), "TextDelta has the members block, text"),
    (lambda: tokenwire.event_from_dict({"event": "End", "clean": "yes"}), "the member 'clean' of End is text (str)"),
    (lambda: tokenwire.event_from_dict(None), "None was given"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("mistake", "words"), OTHERS, ids=[words for _, words in OTHERS])
def test_any_other_mistake_is_told(mistake: Callable[[], Any], words: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        mistake()
    assert words in str(caught.value)
