"""A HAR (the W3C's draft "HTTP Archive format", 1.2), as browsers and mitmproxy write it: entries, decoded.

The frames of a WebSocket are in `_webSocketMessages`, which Chrome, Firefox and mitmproxy have alike.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ...errors import InvalidRecording
from ...framing.websocket import FrameWriter
from ..format import Entry, Recording
from .capture import Capture, Layer

__all__ = ["read_har"]

_SOURCE = "a HAR"

#: The media types of streams.
_STREAMS = ("text/event-stream", "ndjson", "jsonl", "application/stream+json", "eventstream")

#: What paths end with at which streams are asked for: Gemini's and Bedrock's.
_STREAMING = (":streamGenerateContent", "/converse-stream", "/invoke-with-response-stream")

_TEXT, _BINARY = 1, 2

#: What a browser calls the end of a connection within a response.
_BROKEN = ("INCOMPLETE_CHUNKED", "CONTENT_LENGTH_MISMATCH", "CONNECTION_RESET", "CONNECTION_CLOSED", "EMPTY_RESPONSE")


def read_har(data: bytes) -> list[Capture]:
    """The streams, and what was asked to be one, among the entries.

    :raises InvalidRecording: when it is no HAR, or has none of them.
    """
    try:
        value = json.loads(data)
        entries = value["log"]["entries"]
    except (ValueError, RecursionError, LookupError, TypeError):
        entries = None
    if not isinstance(entries, list):
        raise InvalidRecording("is no HAR: it is no JSON with a list of log.entries")
    numbered = [(number, entry) for number, entry in enumerate(entries, 1) if isinstance(entry, dict)]
    found = [(number, entry) for number, entry in numbered if _is_stream(entry)]
    if not found:
        raise InvalidRecording(f"is a HAR of {len(entries)} entries, none of which is a stream or a WebSocket")
    return [_capture(entry, number if len(entries) > 1 else 0) for number, entry in found]


def _is_stream(entry: Mapping[str, Any]) -> bool:
    response = _mapping(entry, "response")
    media_type = (_text(_mapping(response, "content"), "mimeType") or _header(response, "content-type")).lower()
    if entry.get("_webSocketMessages") is not None or any(kind in media_type for kind in _STREAMS):
        return True
    return _asks_for_stream(entry)


def _asks_for_stream(entry: Mapping[str, Any]) -> bool:
    """By a member of the body, by the path, or as a browser's EventSource does."""
    request = _mapping(entry, "request")
    path = _text(request, "url").partition("?")[0]
    if path.endswith(_STREAMING) or "text/event-stream" in _header(request, "accept"):
        return True
    try:
        value = json.loads(_asked(entry))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("stream") is True


def _capture(entry: Mapping[str, Any], number: int) -> Capture:
    request, response = _mapping(entry, "request"), _mapping(entry, "response")
    method, place = _text(request, "method"), _place(_text(request, "url"))
    shown = urlunsplit((place.scheme, place.hostname or "", place.path, "", ""))
    label = f"entry {number}, {method} {shown}" if number else ""
    asked = _request(method, place, _headers(request), _asked(entry))
    head = _head(response)
    missing = {
        Layer.HEAD: f"{_SOURCE} keeps its fields, and not its bytes",
        Layer.FRAMING: f"{_SOURCE} has bodies without their chunks",
        Layer.CODING: f"{_SOURCE} has bodies decoded",
        Layer.OCTETS: f"{_SOURCE} has text, which whoever made it had decoded first",
        Layer.AFTER: f"{_SOURCE} has responses, and not connections",
        Layer.END: f"{_SOURCE} does not tell how a connection ended",
    }
    if _misses_body(request, entry):
        missing[Layer.REQUEST] = "the body of the request is not in it"
    messages = entry.get("_webSocketMessages")
    if isinstance(messages, list):
        missing |= {Layer.FRAMES: f"{_SOURCE} has messages, and not the frames that they came in"}
        recording = _socket(asked, head, messages)
        return Capture(_SOURCE, recording, missing, label)
    missing[Layer.TIMES] = f"{_SOURCE} does not tell when each event came"
    body, lost = _body(response)
    missing |= lost
    entries = [Entry(0.0, ">", asked), *([Entry(0.0, "<", head + body)] if _status(response) else [])]
    if any(word in _text(response, "_error") for word in _BROKEN):
        del missing[Layer.END]
        entries.append(Entry(0.0, "reset"))
    return Capture(_SOURCE, Recording({}, entries), missing, label, len(head))


def _misses_body(request: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    size = request.get("bodySize")
    return not _asked(entry) and (request.get("method") == "POST" or (isinstance(size, int) and size > 0))


def _body(response: Mapping[str, Any]) -> tuple[bytes, dict[Layer, str]]:
    """The body, and the layers that are lost with it."""
    content = _mapping(response, "content")
    text = content.get("text")
    if not isinstance(text, str) or (not text and content.get("size")):
        return b"", {Layer.BODY: "it is not in the HAR: browsers leave out what is long or still comes"}
    if content.get("encoding") == "base64":
        try:
            return base64.b64decode(text), {}
        except ValueError:
            return b"", {Layer.BODY: "the HAR says that it is base64, and it is not"}
    return _encoded(text), {}


def _socket(asked: bytes, head: bytes, messages: Sequence[Any]) -> Recording:
    """The messages in frames that we make up."""
    entries = [Entry(0.0, ">", asked), Entry(0.0, "<", head)]
    server, client = FrameWriter(client=False), FrameWriter(client=True, random=bytes)
    zero: float | None = None
    for message in messages:
        if not isinstance(message, dict) or message.get("opcode") not in (_TEXT, _BINARY):
            continue
        seconds = _seconds(message.get("time"))
        zero = seconds if zero is None else zero
        opcode, data = int(message["opcode"]), _text(message, "data")
        payload = _encoded(data) if opcode == _TEXT else _decoded(data)
        sent = _text(message, "type").startswith("sen")  # Firefox says "sent"
        frame = (client if sent else server).frame(opcode, payload)
        entries.append(Entry(max(seconds - zero, 0.0), ">" if sent else "<", frame))
    return Recording({"transport": "websocket"}, entries)


def _request(method: str, place: SplitResult, headers: Sequence[tuple[str, str]], body: str) -> bytes:
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    given = [(name, value) for name, value in headers if name.lower() not in ("content-length", "transfer-encoding")]
    if body:
        given.append(("Content-Length", str(len(_encoded(body)))))
    return _lines([f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]) + _encoded(body)


def _head(response: Mapping[str, Any]) -> bytes:
    line = f"HTTP/1.1 {_status(response):03} {_text(response, 'statusText')}"
    return _lines([line, *(f"{name}: {value}" for name, value in _headers(response))])


def _status(response: Mapping[str, Any]) -> int:
    """The status; 0 where there was no response, as browsers have it."""
    status = response.get("status")
    return status if isinstance(status, int) and 0 < status < 1000 else 0


def _seconds(time: object) -> float:
    """When a message went, on the clock of the HAR; 0 where that is not told."""
    try:
        seconds = float(time) if isinstance(time, int | float) else 0.0
    except OverflowError:
        return 0.0
    return seconds if isfinite(seconds) else 0.0


def _place(url: str) -> SplitResult:
    """Where a URL leads; nowhere, if it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{' '.join(line.split())}\r\n" for line in lines).encode("utf-8", "replace") + b"\r\n"


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in _pairs(message) if not name.startswith(":")]


def _pairs(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    headers = message.get("headers")
    for header in headers if isinstance(headers, list) else []:
        if isinstance(header, dict) and isinstance(header.get("name"), str):
            # Chrome joins what came in several fields by line ends.
            for value in _text(header, "value").split("\n"):
                yield header["name"], value


def _header(message: Mapping[str, Any], name: str) -> str:
    return next((value for each, value in _pairs(message) if each.lower() == name), "")


def _asked(entry: Mapping[str, Any]) -> str:
    return _text(_mapping(_mapping(entry, "request"), "postData"), "text")


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = value.get(name)
    return member if isinstance(member, dict) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    """A member that should be text, and of which some make a number."""
    member = value.get(name)
    return str(member) if isinstance(member, str | int) else ""


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return _encoded(text)
