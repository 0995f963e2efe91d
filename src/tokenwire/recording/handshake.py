"""The handshake of a new client with a recorded WebSocket server (RFC 6455, 4.2).

What the recorded server answered is the answer again, with the Sec-WebSocket-Accept that the new client's key wants.
A client to which it would be no answer is refused in words: one that asks for no WebSocket, or that does not offer
the extension or the subprotocol that the recorded server chose, for it could not read what follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wsproto.utilities import generate_accept_token

from ..errors import RemoteProtocolError
from ..protocol.websocket import Asked, WebSocketConnection
from .format import Entry, Recording

__all__ = ["Handshake", "is_websocket"]

_KEY = "sec-websocket-key"
_EXTENSIONS = "sec-websocket-extensions"
_SUBPROTOCOL = "sec-websocket-protocol"


def is_websocket(recording: Recording) -> bool:
    """Whether a WebSocket was asked for, and opened."""
    return recording.received.startswith(b"HTTP/1.1 101") and bool(_values(recording.sent, _KEY))


class Handshake:
    """Takes what the client writes until there is an `answer` for it, or a `refusal`."""

    def __init__(self, recording: Recording) -> None:
        #: The recording as this client must see it.
        self.answer: Recording | None = None
        #: What to send instead, before the connection is closed.
        self.refusal: bytes = b""
        self._recording = recording
        self._connection = WebSocketConnection.server()
        self._request = b""

    def receive_data(self, data: bytes) -> None:
        self._request += data
        try:
            events = self._connection.receive_data(data)
        except RemoteProtocolError:
            self.refusal = self._connection.data_to_send()
            return
        for event in events:
            if isinstance(event, Asked):
                self._judge(event)

    def _judge(self, asked: Asked) -> None:
        missing = list(self._not_offered(asked))
        if missing:
            words = f"The recorded server chose {' and '.join(missing)}, which this client does not offer.\n"
            self._connection.reject(400, body=words.encode())
            self.refusal = self._connection.data_to_send()
        else:
            self.answer = _for_key(self._recording, dict(asked.headers)[_KEY])

    def _not_offered(self, asked: Asked) -> Iterator[str]:
        offered = _extensions(self._request)
        for extension in _extensions(self._recording.received):
            if extension not in offered:
                yield f"the extension {extension}"
        for subprotocol in _values(self._recording.received, _SUBPROTOCOL):
            if subprotocol not in asked.subprotocols:
                yield f"the subprotocol {subprotocol}"


def _for_key(recording: Recording, key: str) -> Recording:
    """The recording with the Sec-WebSocket-Accept for another key. One that was wrong for its own key stays wrong."""
    (recorded_key, *_) = _values(recording.sent, _KEY)
    received = recording.received.replace(_accept(recorded_key), _accept(key), 1)
    entries: list[Entry] = []
    start = 0
    for entry in recording.entries:
        end = start + len(entry.data)
        if entry.kind == "<":
            entry = entry._replace(data=received[start:end])
            start = end
        entries.append(entry)
    return replace(recording, entries=entries)


def _accept(key: str) -> bytes:
    """Always 28 bytes, so that every offset stays true."""
    return generate_accept_token(key.encode("latin-1"))


def _extensions(data: bytes) -> list[str]:
    """The names of the extensions; their parameters are for the client to judge."""
    return [member.partition(";")[0].strip() for member in _values(data, _EXTENSIONS)]


def _values(data: bytes, name: str) -> list[str]:
    """The members of a field of the head with which the bytes begin, as a list (RFC 9110, 5.6.1)."""
    head = data.partition(b"\r\n\r\n")[0].decode("latin-1")
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    return [
        member.strip()
        for field, _, value in fields
        if field.strip().lower() == name
        for member in value.split(",")
        if member.strip()
    ]
