"""The fields of a WebSocket's handshake (RFC 6455, 4): what is sent beside them and read of them, and its refusal.

wsproto makes and reads the handshake itself. Here is what it leaves open: fields that a caller adds and may not repeat,
a key that is checked, repeated fields that count as a list, and the response that refuses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import h11
from wsproto.events import RejectConnection

from ..checking import must_be_texts
from ..errors import HeaderTooLarge, LocalProtocolError, RemoteProtocolError
from .http import TOKEN, TOO_LONG, checked_fields

__all__ = [
    "Headers",
    "check_key",
    "check_subprotocols",
    "decoded",
    "joined",
    "own_fields_apart",
    "refusal",
    "refusal_for",
]

#: Fields that the handshake is made of, Host, which comes from the URL, and those of a body, which it has not.
_OWN_FIELDS = ("host", "connection", "upgrade", "content-length", "transfer-encoding")
_OWN_PREFIX = "sec-websocket-"

Headers = Sequence[tuple[str, str]]


def check_key(key: str) -> None:
    """The nonce of a handshake is 16 bytes in base64 (4.2.1)."""
    if not re.fullmatch(r"[A-Za-z0-9+/]{22}==", key):
        raise RemoteProtocolError("Sec-WebSocket-Key is not 16 bytes in base64", clause="RFC 6455 4.2.1")


def refusal_for(error: RemoteProtocolError) -> tuple[int, Headers]:
    """The status and fields with which a server refuses a handshake that raised the error.

    426, with what would do, for another version (4.4).
    """
    hint = getattr(error.__cause__, "event_hint", None)
    if isinstance(hint, RejectConnection) and hint.status_code == 426:
        return 426, [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", "13")]
    return (TOO_LONG if isinstance(error, HeaderTooLarge) else 400), []


def refusal(status: int, headers: Headers, body: bytes) -> bytes:
    names = {name.lower() for name, _ in headers}
    fields = [("content-type", "text/plain; charset=utf-8")] if body and "content-type" not in names else []
    fields += [("content-length", str(len(body))), *(() if "connection" in names else (("connection", "close"),))]
    server = h11.Connection(h11.SERVER)
    try:
        head = h11.Response(status_code=status, headers=_encoded([*headers, *fields]))
        data = [server.send(head), server.send(h11.Data(body)) if body else b"", server.send(h11.EndOfMessage())]
    except h11.LocalProtocolError as error:
        raise LocalProtocolError(f"the refusal cannot be sent: {error}") from None
    return b"".join(part for part in data if part)


def check_subprotocols(names: Sequence[str]) -> None:
    """What is offered are tokens, each of them once (4.1)."""
    must_be_texts(names, "subprotocols")
    for number, name in enumerate(names, 1):
        if not TOKEN.fullmatch(name):
            raise LocalProtocolError(
                f"subprotocol {number} of those offered is not a token (RFC 6455 4.1). It is not shown, for it may "
                "carry a key: encode one that holds other characters, in base64url for example"
            )
    if len(set(names)) < len(names):
        raise LocalProtocolError("a subprotocol is offered twice (RFC 6455 4.1)")


def own_fields_apart(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Fields that are sent beside those of the handshake, which they must not repeat."""
    for name, _ in headers:
        if name.lower() in _OWN_FIELDS or name.lower().startswith(_OWN_PREFIX):
            raise LocalProtocolError(f"the field {name} belongs to the handshake itself")
    return _encoded(headers)


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    try:
        return [(name.encode(), value.strip(" \t").encode()) for name, value in checked_fields(headers)]
    except UnicodeEncodeError:
        raise LocalProtocolError("the value of a field has a lone surrogate, which UTF-8 cannot carry") from None


def joined(head: bytes) -> bytes:
    """The head with repeated fields of the handshake in one line, as a list (RFC 9110, 5.3): wsproto reads but one."""
    first, *lines = head[:-4].split(b"\r\n")
    fields: dict[bytes, bytes] = {}
    others = []
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if colon and (name in (b"connection", b"upgrade") or name.startswith(_OWN_PREFIX.encode())):
            fields[name] = fields[name] + b"," + value if name in fields else value
        else:
            others.append(line)
    return b"\r\n".join([first, *others, *(name + b":" + value for name, value in fields.items())]) + b"\r\n\r\n"


def decoded(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(bytes(name).decode("latin-1").lower(), bytes(value).decode("latin-1")) for name, value in headers]
