"""A server on loopback that gives the canary back, in the way that the path of the request names."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import socketserver
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from canary import CANARY, CODINGS, FORMS, chunked

__all__ = ["HTTP_WAYS", "WEBSOCKET_WAYS", "echoing", "refusing_proxy"]

_ALL = b" ".join(FORMS.values())
_STREAM = b"text/event-stream"


def _response(status: bytes, kind: bytes, body: bytes, *fields: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + kind, b"Connection: close", *fields]
    if not any(field.startswith(b"Transfer-Encoding") for field in fields):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _chunk(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


_END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
_WHOLE = _chunk("Your key is ") + _chunk(CANARY) + _chunk(", I see.") + _END
_SPLIT = b"".join(_chunk(CANARY[at : at + 3]) for at in range(0, len(CANARY), 3)) + _END
_ERROR = b"data: " + json.dumps({"error": {"message": f"the key {CANARY} is wrong", "code": CANARY}}).encode() + b"\n\n"
_REFUSAL = json.dumps({"error": {"message": f"wrong: {CANARY}", "type": "auth", "param": CANARY}}).encode()

HTTP_WAYS: Mapping[str, bytes] = {
    "refused": _response(b"401 No", b"application/json", _REFUSAL),
    "refused-in-every-form": _response(b"401 No", b"text/plain", _ALL),
    "refused-at-length": _response(b"400 No", b"text/plain", b"x" * (500 - 20) + CANARY.encode() + b"x" * 500),
    "refused-in-gzip": _response(b"401 No", b"text/plain", gzip.compress(_ALL), b"Content-Encoding: gzip"),
    "reason": _response(b"500 " + CANARY.encode(), b"text/plain", b""),
    "fields": _response(
        b"302 Found", b"text/plain", b"", b"Location: /?token=" + FORMS["percent"], b"Set-Cookie: a=" + CANARY.encode()
    ),
    "no-stream": _response(b"200 OK", b"text/" + CANARY.encode(), _ALL),
    "stream": _response(b"200 OK", _STREAM, _WHOLE),
    "stream-split": _response(b"200 OK", _STREAM, _SPLIT),
    "stream-chunked": _response(b"200 OK", _STREAM, chunked(_WHOLE, 7), b"Transfer-Encoding: chunked"),
    **{
        f"stream-{coding}": _response(
            b"200 OK",
            _STREAM,
            chunked(compress(_WHOLE), 9),
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: " + coding.encode(),
        )
        for coding, compress in CODINGS.items()
    },
    "error": _response(b"200 OK", _STREAM, _ERROR),
    "cut": _response(b"200 OK", _STREAM, _chunk(CANARY), b"Content-Length: 99999"),
    "cut-in-the-canary": _response(b"200 OK", _STREAM, _WHOLE[:-200], b"Content-Length: 9999"),
    "bad-chunk": _response(
        b"200 OK", _STREAM, b"3\r\n: \n\r\n" + CANARY.encode() + b"\r\n", b"Transfer-Encoding: chunked"
    ),
    "bad-coding": _response(b"200 OK", _STREAM, CANARY.encode(), b"Content-Encoding: gzip"),
    "bad-field": b"HTTP/1.1 200 OK\r\nX " + CANARY.encode() + b"\r\n\r\n",
    "no-http": b"go away, " + CANARY.encode() + b"\r\n\r\n",
}


def _frame(first: int, payload: bytes) -> bytes:
    return bytes([first, len(payload)]) + payload


def _deflated(text: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


_DELTA = json.dumps({"type": "content_delta", "content": f"so: {CANARY}"}).encode()
_DONE = _frame(0x81, b'{"type": "done"}')

WEBSOCKET_WAYS: Mapping[str, bytes] = {
    "said": _frame(0x81, _DELTA) + _DONE,
    "fragments": _frame(0x01, _DELTA[:45]) + _frame(0x89, CANARY.encode()) + _frame(0x80, _DELTA[45:]) + _DONE,
    "deflated": _frame(0xC1, _deflated(_DELTA)) + _frame(0x41, _deflated(_DELTA)[:4]) + _frame(0x80, b"") + _DONE,
    "closed": _frame(0x88, b"\x03\xf0" + CANARY.encode()),
    "no-json": _frame(0x81, CANARY.encode()) + _frame(0x88, b"\x03\xe8"),
    "bad-frame": _frame(0xB1, CANARY.encode()),
    "refused-handshake": b"",
}


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.request.recv(65536)
            if not more:
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        }
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += self.request.recv(65536)
        path = head.split(b" ")[1].partition(b"?")[0].decode()
        way = path.strip("/").split("/")[0]
        if path.endswith("/models"):
            self.request.sendall(_response(b"200 OK", b"application/json", b'{"data": [{"id": "m"}]}'))
        elif way in WEBSOCKET_WAYS and b"upgrade" in fields:
            self._websocket(way, fields)
        else:
            self.request.sendall(HTTP_WAYS.get(way, HTTP_WAYS["refused"]))

    def _websocket(self, way: str, fields: dict[bytes, bytes]) -> None:
        if way == "refused-handshake":
            self.request.sendall(HTTP_WAYS["refused"])
            return
        key = fields[b"sec-websocket-key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key).digest())
        deflate = [b"Sec-WebSocket-Extensions: permessage-deflate"] if way == "deflated" else []
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + accept,
            b"X-Echo: " + FORMS["percent"],
            *deflate,
        ]
        self.request.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        self.request.recv(65536)
        self.request.sendall(WEBSOCKET_WAYS[way])
        self.request.settimeout(1)
        try:
            while self.request.recv(65536):
                pass
        except OSError:
            pass


class _RefusingProxy(socketserver.BaseRequestHandler):
    """Repeats what it was given as Proxy-Authorization, in the reason that a client quotes."""

    def handle(self) -> None:
        head = self.request.recv(65536)
        given = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"proxy-auth")), b"")
        said = given.partition(b":")[2].strip() + b" " + base64.b64decode(given.rpartition(b" ")[2])
        self.request.sendall(b"HTTP/1.1 407 not " + said + b"\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def echoing(handler: type[socketserver.BaseRequestHandler] = _Handler) -> Iterator[int]:
    """Its port, while it serves."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def refusing_proxy() -> AbstractContextManager[int]:
    """A proxy's port, while it refuses."""
    return echoing(_RefusingProxy)
