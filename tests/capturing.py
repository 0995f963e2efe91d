"""What other tools would have kept of a wire of ours, written after their own code and documents, for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import h11

from tokenwire.protocol.coding import ContentDecoder
from tokenwire.recording import Recording

__all__ = ["FORMS", "bare", "chrome_har", "curl_i", "curl_raw", "mitmproxy_har", "response_of", "trace"]

#: What curl notes at the end of a connection, by what our recording has.
_NOTES = {
    "eof": "transfer closed with outstanding read data remaining",
    "reset": "Recv failure: Connection reset by peer",
    "left open": "Connection #0 to host 127.0.0.1 left intact",
    "closed by us": "Operation timed out after 1000 milliseconds with 0 bytes received",
}


def response_of(recording: Recording) -> tuple[bytes, list[tuple[str, str]], bytes]:
    """The head of the response, its fields, and the body without chunks and coding, as lenient clients have it."""
    head, _, rest = recording.received.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name, value.strip()))
    given = {name.lower(): value for name, value in fields}
    body = _unchunked(rest) if "chunked" in given.get("transfer-encoding", "") else rest
    return head + b"\r\n\r\n", fields, body


def _unchunked(body: bytes) -> bytes:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body)
    taken = b""
    try:
        while isinstance(event := reader.next_event(), h11.Response | h11.Data):
            taken += bytes(event.data) if isinstance(event, h11.Data) else b""
    except h11.RemoteProtocolError:
        pass
    return taken


def _decoded(fields: list[tuple[str, str]], body: bytes) -> bytes:
    coding = {name.lower(): value for name, value in fields}.get("content-encoding", "")
    return ContentDecoder(coding).receive_data(body)


def curl_i(recording: Recording) -> bytes:
    """`curl -i`."""
    head, _, body = response_of(recording)
    return head + body


def curl_raw(recording: Recording) -> bytes:
    """`curl --raw -i`."""
    return recording.received


def bare(recording: Recording) -> bytes:
    """`curl --compressed`."""
    _, fields, body = response_of(recording)
    return _decoded(fields, body)


def trace(recording: Recording, *, times: bool = True) -> bytes:
    """`curl --trace FILE --trace-time`, with the head line by line as curl tells it."""
    lines: list[str] = []
    head_left = True
    for seconds, kind, data in recording.entries:
        stamp = f"12:{int(seconds) // 60:02}:{seconds % 60:09.6f} " if times else ""
        if kind == ">":
            lines += _piece(
                f"{stamp}=> Send header" if data.startswith((b"POST", b"GET")) else f"{stamp}=> Send data", data
            )
        elif kind == "<" and head_left:
            head, blank, body = data.partition(b"\r\n\r\n")
            for line in (head + blank[:2]).splitlines(keepends=True):
                lines += _piece(f"{stamp}<= Recv header", line)
            lines += _piece(f"{stamp}<= Recv header", blank[2:])
            lines += _piece(f"{stamp}<= Recv data", body) if body else []
            head_left = False
        elif kind == "<":
            lines += _piece(f"{stamp}<= Recv data", data)
        elif kind in _NOTES:
            lines.append(f"{stamp}== Info: {_NOTES[kind]}")
    return "".join(f"{line}\n" for line in lines).encode()


def _piece(title: str, data: bytes) -> list[str]:
    lines = [f"{title}, {len(data)} bytes (0x{len(data):x})"]
    for at in range(0, len(data), 16):
        some = data[at : at + 16]
        text = "".join(chr(octet) if 0x20 <= octet < 0x80 else "." for octet in some)
        lines.append(f"{at:04x}: {''.join(f'{octet:02x} ' for octet in some):<48}{text}")
    return lines


def _har(recording: Recording, content: Mapping[str, Any], creator: str, post_data: bool = True) -> bytes:
    head, fields, body = response_of(recording)
    asked, _, posted = recording.sent.partition(b"\r\n\r\n")
    line, *given = asked.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    names = [each.partition(":") for each in given]
    status = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
    request: dict[str, Any] = {
        "method": method,
        "url": f"http://127.0.0.1:8080{target}",
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": name, "value": value.strip()} for name, _, value in names],
        "bodySize": len(posted),
    }
    if posted and post_data:
        request["postData"] = {"mimeType": "application/json", "text": posted.decode("utf-8", "replace")}
    response = {
        "status": int(status[1]),
        "statusText": status[2] if len(status) > 2 else "",
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": name, "value": value} for name, value in fields],
        "content": {"size": len(_decoded(fields, body)), **content},
        "_error": None,
    }
    entry = {"startedDateTime": "2026-12-01T00:00:00Z", "time": 1.0, "request": request, "response": response}
    return json.dumps({"log": {"version": "1.2", "creator": {"name": creator}, "entries": [entry]}}).encode()


def chrome_har(recording: Recording) -> bytes:
    """DevTools, "Save all as HAR": text, or base64 of that text where it has surrogates."""
    _, fields, body = response_of(recording)
    text = _decoded(fields, body).decode("utf-8", "replace").removeprefix("\ufeff")
    kind = {name.lower(): value for name, value in fields}.get("content-type", "").partition(";")[0]
    content: dict[str, Any] = {"mimeType": kind, "text": text}
    if any(ord(character) > 0xFFFF for character in text):
        content |= {"text": base64.b64encode(text.encode()).decode(), "encoding": "base64"}
    return _har(recording, content, "WebInspector")


def mitmproxy_har(recording: Recording) -> bytes:
    """mitmproxy, `save.har`: text, or base64 where much of it is no text."""
    _, fields, body = response_of(recording)
    kind = {name.lower(): value for name, value in fields}.get("content-type", "")
    text = _decoded(fields, body).decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    return _har(recording, {"mimeType": kind, "text": text}, "mitmproxy")


#: By the name of a form.
FORMS: Mapping[str, Callable[[Recording], bytes]] = {
    "curl -i": curl_i,
    "curl --raw -i": curl_raw,
    "curl --trace": trace,
    "a bare body": bare,
    "HAR, Chrome": chrome_har,
    "HAR, mitmproxy": mitmproxy_har,
}
