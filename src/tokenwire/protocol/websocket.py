"""One WebSocket connection as a state machine, client or server: no I/O, no clock (RFC 6455, RFC 7692).

    connection = WebSocketConnection("ws://host/path")           # or WebSocketConnection.server()
    send(connection.data_to_send())
    for event in connection.receive_data(chunk): ...
    connection.send("text"); connection.ping(); connection.close(1000, "done")

Events: `Opened` or `Rejected` on a client, `Asked` on a server (answer with `accept` or `reject`); then text messages
as str, binary ones as bytes, `Ping` (already answered), `Pong`, and at last `Closed`. wsproto makes and reads the
handshake; frames are read by framing/websocket.py.

An error takes effect after what came before it: the call that meets it returns that, puts the fitting Close frame
into `data_to_send`, and keeps the error in `error`, which every further call raises. The peer's own close is never an
error, so the two cannot be mistaken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import h11
from wsproto import ConnectionType
from wsproto.events import AcceptConnection, Event, RejectConnection, RejectData
from wsproto.events import Request as UpgradeRequest
from wsproto.handshake import H11Handshake

from ..errors import BodyTruncated, HeaderTooLarge, LocalProtocolError, RemoteProtocolError
from ..framing.sse import as_bytes
from ..framing.websocket import (
    BINARY,
    CLOSE,
    MAX_CONTROL_SIZE,
    MAX_MESSAGE_SIZE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    Close,
    FrameError,
    FrameParser,
    FrameWriter,
    Ping,
    Pong,
    close_payload,
)
from .deflate import Deflate, Deflater, parse_extension
from .http import MAX_HEADER_SIZE
from .upgrade import Headers, check_key, check_subprotocols, decoded, joined, own_fields_apart, refusal, refusal_for
from .url import parse_url

__all__ = [
    "MAX_REJECTED_BODY",
    "Asked",
    "Closed",
    "ConnectionState",
    "Opened",
    "Rejected",
    "WebSocketConnection",
    "WebSocketEvent",
    "are_messages",
]

#: Bytes of the body of a refused handshake that are kept.
MAX_REJECTED_BODY = 64 * 1024

_INTERIM = re.compile(rb"HTTP/[0-9]\.[0-9] 1(?!01)[0-9]{2}[ \r]")
_REQUEST_LINE = re.compile(rb"\S+ \S+ HTTP/([0-9])\.([0-9])\r\n")
_NOT_A_LINE = re.compile(rb"(?<!\r)\n|\r\n[ \t]")

_MESSAGES = frozenset((str, bytes))


class ConnectionState(Enum):
    """Where a connection stands."""

    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()  # our Close was sent, the peer's has not come
    CLOSED = auto()  # nothing more will be sent or read


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake succeeded: messages may go both ways."""

    headers: Headers
    subprotocol: str | None
    compressed: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server answered the handshake with another status than 101. `body` is its beginning."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A client asks for a WebSocket: `accept` or `reject` it."""

    target: str
    headers: Headers
    subprotocols: Sequence[str]


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over. `code` is 1005 where the peer's Close had none, and 1006 where there was no Close."""

    code: int
    reason: str

    @property
    def clean(self) -> bool:
        """Both sides said that they close."""
        return self.code != 1006


WebSocketEvent = str | bytes | Ping | Pong | Opened | Rejected | Asked | Closed


class WebSocketConnection:
    """One side of a connection; a client's is made with a URL, a server's with `server`.

    :param url: ws, wss, http or https.
    :param headers: more fields of the request.
    :param subprotocols: offered, in the order of preference.
    :param compression: permessage-deflate is offered.
    :param max_message_size: bytes of a message, inflated; past it the connection fails with 1009.
    :raises InvalidURL, LocalProtocolError: for what cannot be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Headers = (),
        subprotocols: Sequence[str] = (),
        compression: bool = True,
        max_message_size: int = MAX_MESSAGE_SIZE,
    ) -> None:
        target = parse_url(url, websocket=True)
        self._begin(client=True, compression=compression, max_message_size=max_message_size)
        check_subprotocols(subprotocols)
        request = UpgradeRequest(
            host=target.authority,
            target=target.path,
            extensions=[self._deflate] if compression else [],
            subprotocols=list(subprotocols),
            extra_headers=own_fields_apart(headers),
        )
        self._send_handshake(request)

    @classmethod
    def server(cls, *, compression: bool = True, max_message_size: int = MAX_MESSAGE_SIZE) -> WebSocketConnection:
        """The server's side of a connection.

        :param compression: permessage-deflate is accepted when it is offered.
        """
        connection = cls.__new__(cls)
        connection._begin(client=False, compression=compression, max_message_size=max_message_size)
        return connection

    def _begin(self, *, client: bool, compression: bool, max_message_size: int) -> None:
        #: What ended the connection early.
        self.error: RemoteProtocolError | None = None
        self.state: ConnectionState = ConnectionState.CONNECTING
        self._client = client
        self._compression = compression
        self._max_message_size = max_message_size
        self._deflate = Deflate()
        self._handshake = H11Handshake(ConnectionType.CLIENT if client else ConnectionType.SERVER)
        self._head = bytearray()
        self._received = 0
        self._rejected: Rejected | None = None
        self._rejected_body = bytearray()
        self._asked: Asked | None = None
        self._peer_close: Close | None = None
        self._to_send = bytearray()
        self._parser = FrameParser(client=client)
        self._writer = FrameWriter(client=client)
        self._deflater: Deflater | None = None

    # What goes out.

    def data_to_send(self) -> bytes:
        """Drains what must go out. A Close that answers the peer, or its fault, goes after what was sent until now."""
        self._settle()
        data = bytes(self._to_send)
        self._to_send.clear()
        return data

    def send(self, message: str | bytes | bytearray | memoryview) -> None:
        """Sends a text message (str) or a binary one (bytes).

        :raises LocalProtocolError: when the connection is not open, or the text has a lone surrogate, or the message is
            neither text nor bytes.
        """
        self._require_open()
        try:
            payload = message.encode() if isinstance(message, str) else as_bytes(message)
        except UnicodeEncodeError:
            raise LocalProtocolError("the text has a lone surrogate, which UTF-8 cannot carry") from None
        opcode = TEXT if isinstance(message, str) else BINARY
        if self._deflater is None:
            self._to_send += self._writer.frame(opcode, payload)
        else:
            self._to_send += self._writer.frame(opcode, self._deflater.deflate(payload), rsv1=True)

    def ping(self, payload: bytes = b"") -> None:
        """Sends a ping, of at most 125 bytes.

        :raises LocalProtocolError: when the connection is not open, or the payload too long.
        """
        self._require_open()
        self._control(PING, payload)

    def pong(self, payload: bytes = b"") -> None:
        """Sends a pong that nobody asked for (5.5.3). Pings are answered without it."""
        self._require_open()
        self._control(PONG, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake; messages may still come until the peer's Close does.

        :raises LocalProtocolError: for a code that must not be sent (1004 to 1006, 1015, ...), and when it is too late.
        """
        payload = close_payload(code, reason)
        self._require_open()
        self._control(CLOSE, payload)
        self.state = ConnectionState.CLOSING

    def accept(self, *, subprotocol: str | None = None, headers: Headers = ()) -> None:
        """A server takes the connection.

        :raises LocalProtocolError: when nothing was asked, the subprotocol was not offered, or a field cannot be sent.
        """
        asked = self._require_asked()
        if subprotocol is not None and subprotocol not in asked.subprotocols:
            raise LocalProtocolError(f"the subprotocol {subprotocol!r} was not offered")
        event = AcceptConnection(
            subprotocol=subprotocol,
            extensions=[self._deflate] if self._compression else [],
            extra_headers=own_fields_apart(headers),
        )
        self._send_handshake(event)
        self._open(self._received)

    def reject(self, status: int, *, headers: Headers = (), body: bytes = b"") -> None:
        """A server refuses the connection: what was asked, or a handshake that was wrong, in its own words.

        :raises LocalProtocolError: when nothing was asked.
        """
        if self._client or self.error is None or self.state is not ConnectionState.CONNECTING:
            self._require_asked()
        self._to_send += refusal(status, headers, body)
        self.state = ConnectionState.CLOSED

    # What comes in.

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[WebSocketEvent]:
        """Takes the next bytes from the connection.

        :raises RemoteProtocolError: when the peer broke the protocol and nothing came before that.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        self._settle()
        if self.error is not None:
            raise self.error
        self._received += len(data)
        try:
            events = self._handshake_data(data) if self.state is ConnectionState.CONNECTING else self._frames(data)
        except RemoteProtocolError as error:
            self.error = error
            raise
        self.error = self.error or self._parser.error
        return events

    def receive_eof(self) -> list[WebSocketEvent]:
        """The connection ended.

        :raises RemoteProtocolError: when it ended within the handshake.
        """
        self._settle()
        if self.error is not None:
            raise self.error
        if self._rejected is not None:
            return self._finish_rejection()
        if self.state is ConnectionState.CLOSED:
            return []
        if self.state is ConnectionState.CONNECTING:
            self.error = BodyTruncated("the connection ended within the handshake", offset=self._received)
            raise self.error
        self.state = ConnectionState.CLOSED
        return [Closed(1006, "")]

    # The handshake.

    def _send_handshake(self, event: Event) -> None:
        try:
            self._to_send += self._handshake.send(event)
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise LocalProtocolError(f"the handshake cannot be sent: {error}") from None

    def _handshake_data(self, data: bytes) -> list[WebSocketEvent]:
        if self._rejected is not None:
            return self._rejection(data)
        if self._asked is not None and data:
            raise self._too_early(len(data))
        searched = max(0, len(self._head) - 3)
        self._head += data
        while True:
            end = self._head.find(b"\r\n\r\n", searched) + 4
            if (end if end >= 4 else len(self._head)) > MAX_HEADER_SIZE:
                raise HeaderTooLarge(
                    f"the head of the handshake is larger than {MAX_HEADER_SIZE} bytes",
                    offset=self._received,
                    clause="limit of the reader",
                )
            if end < 4:
                return []
            head = bytes(self._head[:end])
            del self._head[:end]
            searched = 0
            # Interim answers are passed over (RFC 9110, 15.2).
            if not (self._client and _INTERIM.match(head)):
                break
        rest = bytes(self._head)
        self._head.clear()
        return self._answer(head, rest) if self._client else self._request(head, rest)

    def _answer(self, head: bytes, rest: bytes) -> list[WebSocketEvent]:
        """A client reads the server's answer (4.1)."""
        self._feed_head(head)
        event = next(self._handshake.events(), None)
        if isinstance(event, AcceptConnection):
            self._open(self._received - len(rest))
            opened = Opened(decoded(event.extra_headers), event.subprotocol, self._deflate.enabled())
            try:
                return [opened, *self._frames(rest)]
            except FrameError:  # it is kept, and told after this
                return [opened]
        if isinstance(event, RejectConnection):
            self._rejected = Rejected(event.status_code, decoded(event.headers), b"")
            return self._rejection(rest)
        raise RemoteProtocolError("the answer to the handshake is not HTTP", offset=0, clause="RFC 6455 4.1")

    def _rejection(self, data: bytes) -> list[WebSocketEvent]:
        """The body of a refusal: as much as there is, for what matters is the status."""
        complete = False
        try:
            if data:
                self._feed(data)
        except RemoteProtocolError:
            complete = True
        for event in self._handshake.events():
            if isinstance(event, RejectData):
                self._rejected_body += event.data
                complete = complete or event.body_finished
        return self._finish_rejection() if complete or len(self._rejected_body) >= MAX_REJECTED_BODY else []

    def _finish_rejection(self) -> list[WebSocketEvent]:
        assert self._rejected is not None
        rejected = replace(self._rejected, body=bytes(self._rejected_body[:MAX_REJECTED_BODY]))
        self._rejected = None
        self._rejected_body.clear()
        self.state = ConnectionState.CLOSED
        return [rejected]

    def _request(self, head: bytes, rest: bytes) -> list[WebSocketEvent]:
        """A server reads a client's request (4.2.1); one that is wrong is refused, and the reason raised."""
        line = _REQUEST_LINE.match(head)
        if line is not None and (line[1], line[2]) < (b"1", b"1"):
            raise RemoteProtocolError("a WebSocket is asked for in HTTP/1.0", offset=0, clause="RFC 6455 4.2.1")
        self._feed_head(head)
        event = next(self._handshake.events(), None)
        if not isinstance(event, UpgradeRequest):
            raise RemoteProtocolError("the handshake is no request", offset=0, clause="RFC 6455 4.2.1")
        for extension in event.extensions:
            parse_extension(str(extension))
        headers = decoded(event.extra_headers)
        check_key(dict(headers).get("sec-websocket-key", ""))
        self._asked = Asked(event.target, [("host", event.host), *headers], tuple(event.subprotocols))
        if rest:
            self.error = self._too_early(len(rest))
        return [self._asked]

    def _too_early(self, size: int) -> FrameError:
        """A client has to wait for the answer; to keep what it sends before that would need another limit."""
        return FrameError(
            "the client sends before its handshake is answered",
            code=PROTOCOL_ERROR,
            offset=self._received - size,
            clause="RFC 6455 4.1",
        )

    def _feed_head(self, head: bytes) -> None:
        if _NOT_A_LINE.search(head):
            raise RemoteProtocolError(
                "the handshake has a bare LF or a folded line", offset=self._received, clause="RFC 9112 5.2"
            )
        self._feed(joined(head))

    def _feed(self, data: bytes) -> None:
        """Hands bytes to wsproto, whose handshake raises many things for what is malformed."""
        try:
            self._handshake.receive_data(data)
        except RemoteProtocolError:
            raise
        except Exception as error:
            raise RemoteProtocolError(
                f"the handshake is malformed: {error}", offset=self._received, clause="RFC 6455 4"
            ) from error

    def _open(self, offset: int) -> None:
        enabled = self._deflate.enabled()
        self.state = ConnectionState.OPEN
        self._parser = FrameParser(
            client=self._client,
            max_message_size=self._max_message_size,
            inflater=self._deflate.inflater(client=self._client) if enabled else None,
            offset=offset,
        )
        self._deflater = self._deflate.deflater(client=self._client) if enabled else None

    # Frames.

    def _frames(self, data: bytes) -> list[WebSocketEvent]:
        if self.state is ConnectionState.CLOSED:
            return []
        items = self._parser.receive_data(data)
        if are_messages(items):
            return items  # type: ignore[return-value]
        return [self._control_received(item) if isinstance(item, tuple) else item for item in items]

    def _control_received(self, item: Ping | Pong | Close) -> WebSocketEvent:
        if isinstance(item, Ping):
            if self.state is ConnectionState.OPEN:
                self._control(PONG, item.payload)
            return item
        if isinstance(item, Pong):
            return item
        self._peer_close = item
        return Closed(item.code, item.reason)

    def _control(self, opcode: int, payload: bytes) -> None:
        if len(payload) > MAX_CONTROL_SIZE:
            raise LocalProtocolError(f"a control frame takes at most {MAX_CONTROL_SIZE} bytes (RFC 6455 5.5)")
        self._to_send += self._writer.frame(opcode, payload)

    def _settle(self) -> None:
        """What ends the connection takes effect only now, so that whoever got the events could still answer them."""
        if self.state is ConnectionState.CLOSED:
            return
        if self._peer_close is not None:
            code, reason = self._peer_close
            if self.state is ConnectionState.OPEN:
                self._control(CLOSE, b"" if code == 1005 else close_payload(code, reason))
            self.state = ConnectionState.CLOSED
        elif self.error is not None:
            # 7.1.7: the peer is told why, where it can still hear.
            if isinstance(self.error, FrameError) and self.state is ConnectionState.OPEN:
                self._control(CLOSE, close_payload(self.error.code, self.error.message))
            elif self.state is ConnectionState.CONNECTING and not self._client:
                self._to_send += refusal(*refusal_for(self.error), str(self.error).encode("utf-8", "replace"))
            self.state = ConnectionState.CLOSED

    def _require_open(self) -> None:
        if self.state is not ConnectionState.OPEN:
            raise LocalProtocolError(f"the connection is {self.state.name.lower()}: nothing can be sent")

    def _require_asked(self) -> Asked:
        if self._asked is None or self.state is not ConnectionState.CONNECTING:
            raise LocalProtocolError("there is no handshake to answer")
        return self._asked


def are_messages(events: Iterable[object]) -> bool:
    """Whether all of them are messages, as all that come in a read mostly are."""
    return _MESSAGES.issuperset(map(type, events))
