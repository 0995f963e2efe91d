"""The vectors under fixtures/vectors/: all have the form of their README, and are read as expected at every cut."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from cutting import every_way
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import Other, StreamEvent
from tokenwire.errors import RemoteProtocolError
from tokenwire.framing.chunked import ChunkedParser
from tokenwire.framing.eventstream import EventStreamParser, HeaderValue
from tokenwire.framing.jsonlines import JSONArrayParser, JSONLinesParser
from tokenwire.framing.sse import SSEParser
from tokenwire.framing.websocket import Close, FrameError, FrameParser, Ping, Pong
from tokenwire.protocol.deflate import MessageInflater

VECTORS = Path(__file__).parent.parent / "fixtures" / "vectors"
ALL: dict[str, dict[str, Any]] = {
    path.relative_to(VECTORS).with_suffix("").as_posix(): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(VECTORS.glob("*/*.json"))
}
OF_DIALECTS = {name: vector for name, vector in ALL.items() if "dialect" in vector}
OF_FRAMINGS = {name: vector for name, vector in ALL.items() if "dialect" not in vector}

SHOWS = {"text", "multibyte", "usage", "tool", "error", "truncated", "unknown"}

#: What a dialect need not show, because it has none of it.
HAS_NO = {"eventsource": {"error"}, "raw": {"error"}}

#: Where the framing of a dialect looks at its first byte, which of the two a vector is in.
EITHER = {"sse-or-json": {"sse", "json-array"}}

#: The README's members of an event, beside `event`: those of the classes.
EVENTS = {kind.__name__: kind for kind in StreamEvent.__args__}


def pieces(vector: dict[str, Any]) -> list[bytes | str]:
    """The entries of `bytes` or of `messages`: text, or what is base64."""
    entries = vector["messages"] if "messages" in vector else vector["bytes"]
    return [entry["text"] if "text" in entry else base64.b64decode(entry["base64"]) for entry in entries]


def stream(vector: dict[str, Any]) -> bytes:
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces(vector))


# The form.


def test_every_dialect_has_vectors_of_all_that_can_happen_to_it() -> None:
    assert {vector["dialect"] for vector in OF_DIALECTS.values()} == set(DIALECTS)
    for name, dialect in DIALECTS.items():
        shown = {it for vector in OF_DIALECTS.values() if vector["dialect"] == name for it in vector["shows"]}
        wanted = {"text", "multibyte", "error", "truncated", "unknown"} | ({"tool"} if dialect.tools else set())
        assert wanted - HAS_NO.get(name, set()) <= shown, name


def test_every_framing_has_vectors() -> None:
    assert {vector["framing"] for vector in OF_FRAMINGS.values()} == set(READERS)


@pytest.mark.parametrize("name", ALL)
def test_a_vector_has_the_form_that_the_readme_states(name: str) -> None:
    vector = ALL[name]
    assert name.split("/")[0] == vector.get("dialect", vector["framing"])
    own = {"dialect", "shows"} if "dialect" in vector else {"options"}
    data = "messages" if "dialect" in vector and vector["framing"] == "websocket" else "bytes"
    assert vector.keys() - own == {"framing", "why", "source", data, "expected"}
    assert vector["why"].endswith(".")
    assert vector["source"]
    for entry in vector[data]:
        assert entry.keys() - {"holds"} in ({"text"}, {"base64"})
        assert (vector["framing"] == "eventstream" and "dialect" in vector) == ("holds" in entry)


@pytest.mark.parametrize("name", OF_DIALECTS)
def test_a_vector_of_a_dialect_expects_events_in_their_form(name: str) -> None:
    vector = OF_DIALECTS[name]
    dialect = DIALECTS[vector["dialect"]]
    framings = EITHER.get(dialect.framing, {dialect.framing}) if "HTTP" in dialect.transports else set()
    assert vector["framing"] in framings | ({"websocket"} if "WebSocket" in dialect.transports else set())
    assert vector["shows"]
    assert set(vector["shows"]) <= SHOWS
    assert vector["expected"].keys() == {"events"}
    assert vector["expected"]["events"][-1]["event"] == "End"
    for event in vector["expected"]["events"]:
        known = {it.name: it.default for it in fields(EVENTS[event["event"]])}
        needed = {it for it, default in known.items() if default is MISSING} - {"raw"}
        optional = {"message"} if event["event"] == "Error" else set()
        assert needed - optional <= event.keys() - {"event"} <= known.keys(), event


@pytest.mark.parametrize("name", OF_DIALECTS)
def test_what_is_said_to_be_shown_is_expected(name: str) -> None:
    vector = OF_DIALECTS[name]
    events = vector["expected"]["events"]
    kinds = {event["event"] for event in events}
    shown = set(vector["shows"])
    text = json.dumps(events, ensure_ascii=False) + stream(vector).decode("utf-8", "replace")
    assert ("error" in shown) <= ("Error" in kinds)
    assert ("usage" in shown) <= ("Usage" in kinds)
    assert ("tool" in shown) <= any(event.get("kind") == "tool" for event in events)
    assert ("unknown" in shown) <= ("Other" in kinds or any(event.get("reason") == "other" for event in events))
    assert ("multibyte" in shown) <= any(ord(character) > 0xFFFF for character in text)


@pytest.mark.parametrize("name", [name for name, vector in OF_DIALECTS.items() if vector["framing"] == "eventstream"])
def test_what_the_frames_are_said_to_hold_is_in_them(name: str) -> None:
    for entry in OF_DIALECTS[name]["bytes"]:
        data = base64.b64decode(entry["base64"])
        parser = EventStreamParser()
        messages = parser.receive_data(data)
        if not parser.complete:
            assert entry["holds"].startswith(f"the first {len(data)} bytes of ")
            continue
        (message,) = messages
        payload, kind = message.payload.decode(), message.text(":message-type")
        if kind == "error":
            told = f"error {message.text(':error-code')}: {message.text(':error-message')}, without a payload"
        elif "its bytes: " in entry["holds"]:
            inner = base64.b64decode(json.loads(payload)["bytes"]).decode()
            told = f"event {message.text(':event-type')}, its bytes: {inner}"
        else:
            told = f"{kind} {message.text(f':{kind}-type')}: {payload}"
        assert entry["holds"] == told


# The dialects.


def neutral(event: StreamEvent) -> dict[str, Any]:
    return {"event": type(event).__name__, **{it.name: getattr(event, it.name) for it in fields(event)}}


def as_expected(event: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """The event as the README would have it written, by what the expectation leaves open."""
    defaults = {it.name: it.default for it in fields(EVENTS[event["event"]])}
    left_open = {"raw", "cursor", "message"} if event["event"] == "Error" else {"raw", "cursor"}
    written = {
        name: value
        for name, value in event.items()
        if name in expected or (name not in left_open and value != defaults.get(name, MISSING))
    }
    if isinstance(expected.get("arguments"), dict) and "arguments" in written:
        written["arguments"] = json.loads(written["arguments"])
    return written


def check_events(events: list[StreamEvent], expected: list[dict[str, Any]]) -> None:
    told = [neutral(event) for event in events]
    assert [event["event"] for event in told] == [event["event"] for event in expected]
    assert [as_expected(event, wanted) for event, wanted in zip(told, expected, strict=True)] == expected


def decoded(dialect: str, reads: list[bytes]) -> list[StreamEvent]:
    decoder = Decoder(dialect)
    events = [event for data in reads for event in decoder.receive_data(data)] + decoder.receive_eof()
    if dialect != "raw":
        return events
    joined = "".join(event.raw for event in events[:-1])  # one event a read
    return [Other("bytes", joined), events[-1]]


@pytest.mark.parametrize("name", [name for name, vector in OF_DIALECTS.items() if "bytes" in vector])
def test_a_body_decodes_to_the_expected_events_however_it_is_cut(name: str) -> None:
    vector = OF_DIALECTS[name]
    whole = decoded(vector["dialect"], [stream(vector)])
    check_events(whole, vector["expected"]["events"])
    for way in every_way(stream(vector)):
        events = decoded(vector["dialect"], way)
        assert events == whole
        assert [event.cursor for event in events] == [event.cursor for event in whole]


@pytest.mark.parametrize("name", [name for name, vector in OF_DIALECTS.items() if "messages" in vector])
def test_messages_decode_to_the_expected_events(name: str) -> None:
    vector = OF_DIALECTS[name]
    decoder = Decoder(vector["dialect"])
    events = [event for message in pieces(vector) for event in decoder.receive_message(message)]
    check_events(events + decoder.receive_eof(), vector["expected"]["events"])


# The framings.


def read_all(receive: Callable[[bytes], list[Any]], eof: Callable[[], list[Any]], reads: list[bytes]) -> list[Any]:
    items: list[Any] = []
    try:
        for data in reads:
            items += receive(data)
        items += eof()
    except RemoteProtocolError:
        pass
    return items


def error_of(error: RemoteProtocolError | None, *members: str) -> dict[str, Any]:
    return {} if error is None else {"error": {name: getattr(error, name) for name in members}}


def read_sse(reads: list[bytes], **options: Any) -> dict[str, Any]:
    parser = SSEParser(**options)
    events = read_all(parser.receive_data, parser.receive_eof, reads)
    told = {"last_event_id": parser.last_event_id, "retry": parser.retry, **error_of(parser.error, "clause")}
    return {"events": [event._asdict() for event in events], **told}


def read_websocket(reads: list[bytes], reader: str = "client", deflate: bool = False, **options: Any) -> dict[str, Any]:
    inflater = MessageInflater(False) if deflate else None
    parser = FrameParser(client=reader == "client", inflater=inflater, **options)
    items = read_all(parser.receive_data, list, reads)
    assert parser.error is None or isinstance(parser.error, FrameError)
    return {"items": [item_of(item) for item in items], **error_of(parser.error, "code", "clause")}


def item_of(item: object) -> dict[str, Any]:
    match item:
        case str():
            return {"item": "text", "text": item}
        case bytes():
            return {"item": "binary", "base64": base64.b64encode(item).decode()}
        case Ping(payload) | Pong(payload):
            return {"item": type(item).__name__.lower(), "base64": base64.b64encode(payload).decode()}
        case Close(code, reason):
            return {"item": "close", "code": code, "reason": reason}
    raise AssertionError(item)


def read_chunked(reads: list[bytes], **options: Any) -> dict[str, Any]:
    parser = ChunkedParser(**options)
    unused: list[bytes] = []

    def receive(data: bytes) -> list[bytes]:
        if parser.complete:
            unused.append(data)
            return []
        return parser.receive_data(data)

    data = b"".join(read_all(receive, parser.receive_eof, reads))
    return {
        "data": data.decode(),
        "trailers": [[name.decode(), value.decode()] for name, value in parser.trailers],
        "complete": parser.complete,
        "unused": (parser.unused + b"".join(unused)).decode(),
        **error_of(parser.error, "offset", "clause"),
    }


def read_eventstream(reads: list[bytes], **options: Any) -> dict[str, Any]:
    parser = EventStreamParser(**options)
    messages = [
        {
            "headers": [header_of(name, value) for name, value in message.headers.items()],
            "payload": base64.b64encode(message.payload).decode(),
        }
        for message in read_all(parser.receive_data, parser.receive_eof, reads)
    ]
    return {"messages": messages, "complete": parser.complete, **error_of(parser.error, "offset", "clause")}


def header_of(name: str, header: HeaderValue) -> dict[str, Any]:
    value = header.value
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    return {"name": name, "type": header.type, "value": value if isinstance(value, int | str) else str(value)}


def read_json(parser: JSONLinesParser | JSONArrayParser, reads: list[bytes]) -> dict[str, Any]:
    values = read_all(parser.receive_data, parser.receive_eof, reads)
    told = {"complete": parser.complete, "unfinished": parser.unfinished}
    return {"values": values, **told, **error_of(parser.error, "offset", "clause")}


READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "sse": read_sse,
    "websocket": read_websocket,
    "chunked": read_chunked,
    "eventstream": read_eventstream,
    "jsonlines": lambda reads, **options: read_json(JSONLinesParser(**options), reads),
    "json-array": lambda reads, **options: read_json(JSONArrayParser(**options), reads),
}


@pytest.mark.parametrize("name", OF_FRAMINGS)
def test_a_framing_is_read_as_expected_however_it_is_cut(name: str) -> None:
    vector = OF_FRAMINGS[name]
    for way in ways(stream(vector)):
        assert READERS[vector["framing"]](way, **vector.get("options", {})) == vector["expected"], way


def ways(data: bytes) -> Iterator[list[bytes]]:
    return every_way(data) if data else iter([[]])
