"""What a client has written, counted in what a server waits for: whole requests, or whole messages.

Bytes are no measure: clients word their requests differently, and mask, cut and compress their messages as they like.
"""

from __future__ import annotations

from collections import Counter

import h11

from ..errors import RemoteProtocolError
from ..framing.websocket import Close, FrameParser

__all__ = ["Client", "Messages", "Requests"]

#: Bytes of the head of a request. Far more than any server takes, because a replay has nothing to protect.
MAX_REQUEST_HEAD = 1024 * 1024


class Client:
    """Counts what came from a client and was not used up yet; where it cannot be understood, any bytes will do."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.understood: bool = True
        #: It has said that it will send nothing more.
        self.closed = False
        self._loose = 0  # bytes that belong to nothing whole, and that nothing has used up

    def receive_data(self, data: bytes) -> None:
        self._loose += len(data)
        if not self.understood:
            return
        try:
            self._read(data)
        except (RemoteProtocolError, h11.RemoteProtocolError):
            self.understood = False

    def take(self, needs: Counter[str]) -> bool:
        """Whether all that is needed has come, and where nothing is named, anything; then it is used up."""
        if self.understood and needs:
            if not needs <= self.came:
                return False
            self.came -= needs
            return True
        anything = self._loose > 0 or bool(self.came)
        if anything:
            self.came.clear()
            self._loose = 0
        return anything

    def _read(self, data: bytes) -> None:
        raise NotImplementedError


class Requests(Client):
    """Of a client that speaks HTTP (RFC 9112): heads and bodies, an empty body too."""

    def __init__(self) -> None:
        super().__init__()
        self._connection = _server_side()

    def _read(self, data: bytes) -> None:
        self._connection.receive_data(data)
        while self._count(self._connection.next_event()):
            pass

    def _count(self, event: object) -> bool:
        """Whether there may be another event."""
        match event:
            case h11.Request():
                self.came["head"] += 1
            case h11.EndOfMessage():
                self.came["body"] += 1
                rest, _ = self._connection.trailing_data
                self._loose = len(rest)
                self._connection = _server_side()
                if rest:  # to h11, no bytes are the end of the connection
                    self._connection.receive_data(rest)
            case h11.Data():
                pass
            case _:
                return False
        return True


class Messages(Client):
    """Of a client that speaks WebSocket (RFC 6455): its handshake, its messages, its Close.

    Pings and pongs do not count, for no server waits for them, and every client sends them when it likes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._head = b""
        self._parser: FrameParser | None = None

    def _read(self, data: bytes) -> None:
        if self._parser is None:
            self._head, blank_line, data = (self._head + data).partition(b"\r\n\r\n")
            if not blank_line:
                return
            self._count("handshake")
            self._parser = FrameParser(client=False, inflater=_Unread())
        for item in self._parser.receive_data(data):
            if isinstance(item, str | bytes):
                self._count("message")
            elif isinstance(item, Close):
                self._count("close")
                self.closed = True

    def _count(self, what: str) -> None:
        self.came[what] += 1
        self._loose = 0


class _Unread:
    """In place of inflating: that there is a message matters, and not what is in it."""

    def inflate(self, data: bytes, *, final: bool, limit: int) -> bytes:
        return b""


def _server_side() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_HEAD)
