"""The WebSocket handshake (RFC 6455, 4)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1

from ..case import Case, at
from ..registry import active, passive
from ..sockets import Socket
from ..verdict import Finding, Level

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@passive(
    "wsh.accept",
    MUST,
    "RFC 6455 4.2.2 (5)",
    "Sec-WebSocket-Accept is made from the client's key.",
    on="sockets",
    shown_by=("ws-answer",),
)
def accept(socket: Socket) -> Iterator[Finding]:
    key = socket.response.request.header("sec-websocket-key")
    right = b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    said = socket.response.header("sec-websocket-accept")
    if said != right:
        response = socket.response
        yield Finding(
            f"Sec-WebSocket-Accept is {said!r}, but the key {key!r} makes {right!r}",
            at(response, response.field_offset("sec-websocket-accept")),
        )


@active(
    "wsh.version",
    MUST,
    "RFC 6455 4.2.2, 4.4",
    "A version that is not supported is refused with a 4xx that lists 13 in Sec-WebSocket-Version.",
    probes=("ws-version-12",),
)
def version(case: Case) -> Iterator[Finding]:
    response = case.response("ws-version-12")
    if not 400 <= response.status < 500:
        yield Finding(f"a handshake of version 12 is answered {response.status}", at(response))
    elif "13" not in response.tokens("sec-websocket-version"):
        yield Finding(f"the {response.status} that refuses version 12 does not say which one would do", at(response))
