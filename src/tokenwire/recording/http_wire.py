"""One direction of HTTP/1.1 (RFC 9112), redacted: heads, bodies whatever frames them, and what is no HTTP at all.

It reads leniently, for it judges nothing: what cannot be read is searched as it is. A secret is found where the sizes
of chunks stand in the middle of it, and in a coded body (see coded.py).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import DecodingError
from ..secrecy.search import MARK
from ..secrecy.secrets import REDACTED_FIELDS, Secrets, mask_query, secrets_in_message
from .coded import Coded
from .runs import Channel, Plain, Runs, Through

__all__ = ["MAX_HEAD", "Exchange", "HTTPWire", "fields_of", "secrets_sent"]

#: Bytes of a head, or of a line of the framing, that are read as one. What is longer is searched as it is.
MAX_HEAD = 256 * 1024

_HEAD_END = re.compile(rb"\n\r?\n")
_METHOD = re.compile(rb"[A-Z]{1,24}(?: |\Z)")
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_BARE = re.compile(rb"[0-9A-Fa-f]{0,15}\r?\n")

#: What the lines of the chunked coding begin with.
_BEGINS: Mapping[str, frozenset[bytes]] = {
    "size": frozenset(bytes([digit]) for digit in b"0123456789abcdefABCDEF"),
    "chunk end": frozenset({b"\r", b"\n"}),
    "trailer": frozenset(bytes([octet]) for octet in range(256)),
}

#: "head": of a message. "size", "chunk", "chunk end", "trailer": of a chunked body. "length": a body of that many
#: bytes. "rest": up to the end of the connection. "upgraded": no HTTP any more.
_State = Literal["head", "size", "chunk", "chunk end", "trailer", "length", "rest", "upgraded"]


@dataclass(slots=True)
class Exchange:
    """What the two directions of a connection know of each other.

    :ivar methods: of the requests that were not answered yet.
    :ivar upgrade: a WebSocket was asked for: what the client says next, if it is no request, is frames.
    :ivar extensions: the value of Sec-WebSocket-Extensions in the answer.
    """

    secrets: Secrets
    methods: deque[str] = field(default_factory=deque)
    upgrade: bool = False
    extensions: str = ""

    def look_at(self, message: bytes) -> None:
        """What a client's message has in members that carry a key is a secret from now on."""
        found = list(secrets_in_message(message))
        if found:
            self.secrets |= found


class HTTPWire:
    """One direction, up to where it becomes a WebSocket.

    :param client: it is what the client says.
    :param upgraded: is told what comes after the heads with which the WebSocket began.
    """

    def __init__(self, exchange: Exchange, runs: Runs, *, client: bool, upgraded: Callable[[bytes], None]) -> None:
        self._exchange = exchange
        self._runs = runs
        self._client = client
        self._upgraded = upgraded
        self._fields = REDACTED_FIELDS | exchange.secrets.fields if client else REDACTED_FIELDS
        self._state: _State = "head"
        self._head = bytearray()  # as far as it has come
        self._text = self._new_channel()  # heads, and bodies without their framing
        self._framing = self._new_channel()
        self._coded: Coded | None = None
        self._left = 0  # of the body, or of the chunk
        self._line = bytearray()

    def receive_data(self, data: bytes) -> None:
        if self._coded is not None:
            self._coded.next_read()
        while data:
            data = self._advance(data)

    def force(self) -> None:
        """Nothing is waited for any more."""
        self._give_up_head()
        if self._coded is not None:
            self._coded.force()
        self._text.force()
        self._framing.force()

    def finish(self) -> None:
        """There is no more."""
        self._give_up_head()
        if self._coded is not None:
            self._end_body("rest")
        self._text.finish()
        self._framing.finish()

    def _new_channel(self) -> Channel:
        return Channel(self._exchange.secrets.needles, self._fields)

    def _advance(self, data: bytes) -> bytes:
        """Takes what belongs to the state, and goes over to the next; returns the rest."""
        match self._state:
            case "head":
                return self._read_head(data)
            case "size" | "chunk end" | "trailer":
                return self._read_line(data)
            case "chunk" | "length":
                return self._read_content(data)
            case "rest":
                self._give_content(data)
            case "upgraded":
                self._upgraded(data)
        return b""

    # Heads.

    def _read_head(self, data: bytes) -> bytes:
        """A head of the server's is kept until it is whole, for it may have to be changed; of a client's only the
        first line, for its query."""
        if not self._head and data[:1] in (b"\r", b"\n"):
            self._give(self._text, data[:1])
            return data[1:]
        before = len(self._head)
        self._head += data
        if self._client and self._exchange.upgrade and not _METHOD.match(self._head):
            self._state = "upgraded"
            return self._take_head()
        if not self._is_head() or len(self._head) > MAX_HEAD:
            self._give_up_head(before)
            return b""
        end = _HEAD_END.search(self._head, max(before - 2, 0))
        stop = len(self._head) if end is None else end.end()
        if self._client:
            self._give_request_head(before, stop)
        if end is None:
            return b""
        whole = self._take_head()
        head, rest = whole[:stop], whole[stop:]
        self._text.begin()
        if self._client:
            self._begin_request(head)
        else:
            self._begin_response(head)
        return rest

    def _take_head(self) -> bytes:
        head, self._head = bytes(self._head), bytearray()
        return head

    def _is_head(self) -> bool:
        if self._client:
            return _METHOD.match(self._head) is not None
        return self._head[:5] == b"HTTP/"[: len(self._head)]

    def _give_request_head(self, before: int, stop: int) -> None:
        first = self._head.find(b"\n") + 1
        if first and before < first:
            self._give(self._text, mask_query(bytes(self._head[:first]), self._exchange.secrets.parameters))
            before = first
        if first:
            self._give(self._text, bytes(self._head[before:stop]))

    def _give_up_head(self, before: int | None = None) -> None:
        """It is no head, or will never be a whole one.

        :param before: bytes of it that had come before; all of them by default.
        """
        head = self._take_head()
        if not head:
            return
        first = head.find(b"\n", 0, before) + 1
        given = (len(head) if before is None else before) if self._client and first else 0
        self._state = "rest"
        self._give(self._text, head[given:])

    def _begin_request(self, head: bytes) -> None:
        fields = fields_of(head)
        self._exchange.methods.append(head.partition(b" ")[0].decode("latin-1"))
        self._exchange.upgrade = fields.get("upgrade", "").lower() == "websocket"
        self._begin_body(fields, "head")

    def _begin_response(self, head: bytes) -> None:
        fields = fields_of(head)
        status = _STATUS.match(head)
        code = int(status[1]) if status is not None else 0
        if code == 101:
            self._exchange.extensions = fields.get("sec-websocket-extensions", "")
            self._give(self._text, head)
            self._state = "upgraded"
            return
        if 100 <= code < 200:
            self._give(self._text, head)
            return
        self._exchange.upgrade = False
        method = self._exchange.methods.popleft() if self._exchange.methods else ""
        if method != "HEAD" and code not in (204, 304):
            self._begin_body(fields, "rest")
        self._coded = self._new_coded(head, fields) if self._state != "head" else None
        if self._coded is None:
            self._give(self._text, head)

    def _begin_body(self, fields: Mapping[str, str], otherwise: _State) -> None:
        length = fields.get("content-length", "")
        if "chunked" in fields.get("transfer-encoding", "").lower():
            self._state = "size"
        elif length.isascii() and length.isdigit():
            self._left = int(length[:18])
            self._state = "length" if self._left else "head"
        else:
            self._state = otherwise

    def _new_coded(self, head: bytes, fields: Mapping[str, str]) -> Coded | None:
        coding = fields.get("content-encoding", "identity").strip().lower()
        if coding in ("", "identity") or not self._exchange.secrets.needles:
            return None
        shown = self._new_channel()
        shown.feed(head)
        shown.finish()
        try:
            shown_head, delimited = shown.take(len(head)), self._state != "rest"
            coded = Coded(shown_head, coding, self._new_channel(), self._new_channel(), delimited=delimited)
        except DecodingError:  # nobody can read it here
            return None
        self._text.finish()  # which goes on only after this body, and must not keep it waiting
        self._runs.add(coded)
        return coded

    # Bodies.

    def _read_content(self, data: bytes) -> bytes:
        content, rest = data[: self._left], data[self._left :]
        self._left -= len(content)
        self._give_content(content)
        if not self._left:
            if self._state == "chunk":
                self._state = "chunk end"
            else:
                self._end_body()
        return rest

    def _read_line(self, data: bytes) -> bytes:
        """A line of the chunked coding (RFC 9112, 7.1). Where there is none, what comes belongs to the text."""
        if not self._line and data[:1] not in _BEGINS[self._state]:
            self._end_body("rest")
            return data
        end = data.find(b"\n") + 1
        piece, rest = (data[:end], data[end:]) if end else (data, b"")
        if self._coded is not None:
            self._coded.framing(piece)
        elif not self._line and _BARE.fullmatch(piece):  # nothing to look for, and there are two of them a chunk
            self._runs.add(Plain(len(piece), piece))
        else:
            self._give(self._framing, piece)
        self._line += piece
        if end:
            line, self._line = self._line, bytearray()
            self._framed(bytes(line.strip()))
        elif len(self._line) > MAX_HEAD:
            self._end_body("rest")
        return rest

    def _framed(self, line: bytes) -> None:
        match self._state:
            case "size":
                size = _SIZE.match(line)
                assert size is not None
                self._left = int(size[0], 16)
                self._state = "chunk" if self._left else "trailer"
            case "chunk end" if not line:
                self._state = "size"
            case "chunk end":  # there is more than the size had said
                self._end_body("rest")
            case "trailer" if not line:
                self._end_body()

    def _end_body(self, state: _State = "head") -> None:
        """The body is complete; or its framing broke, and what follows is searched as it is."""
        self._state = state
        if self._coded is not None:
            self._coded.finish(complete=state == "head")
            self._coded = None
        self._text.begin()

    def _give_content(self, data: bytes) -> None:
        if self._coded is not None:
            self._coded.content(data)
        else:
            self._give(self._text, data)

    def _give(self, channel: Channel, data: bytes) -> None:
        if data:
            channel.feed(data)
            self._runs.add(Through(channel, len(data)))


def fields_of(head: bytes) -> dict[str, str]:
    """The fields of a head, names in lower case: of those that stand twice, the last."""
    lines = head.decode("latin-1").split("\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def secrets_sent(sent: bytes) -> tuple[str, ...]:
    """What was secret in the request with which the bytes begin: of a recording that somebody else made.

    What this package has recorded has marks in its place, which are no secrets.
    """
    head = sent.partition(b"\r\n\r\n")[0]
    line = head.partition(b"\r\n")[0].decode("latin-1")
    found = Secrets.of_request(path=line.partition(" ")[2].partition(" ")[0], headers=fields_of(head).items())
    return tuple(value for value in found.values if MARK.decode() not in value)
