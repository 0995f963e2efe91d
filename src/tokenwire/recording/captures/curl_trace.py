"""What `curl --trace FILE` keeps: every piece that was sent and received, in hex, and what curl noticed.

    => Send header, 196 bytes (0xc4)
    0000: 50 4f 53 54 20 2f 76 31 2f 63 68 61 74 2f 63 6f POST /v1/chat/co
    == Info: Connection #0 to host 127.0.0.1 left intact

With --trace-time each line that begins a piece has the time of day before it, with --trace-ids `[transfer-connection]`.
TLS is already removed. What --trace-ascii writes has lost bytes: it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ...errors import InvalidRecording
from ..format import Entry, Recording
from .capture import Capture, Layer
from .heads import Head, final_head, is_chunked, missing_of

__all__ = ["begins_trace", "read_curl_trace"]

_SOURCE = "curl --trace"

_MARK = re.compile(
    rb"(?:(\d\d):(\d\d):(\d\d\.\d{1,6}) )?(?:\[(\d+|n)-(?:\d+|x)\] )?"
    rb"(?:== Info: (?P<info>.*)|(?P<way>=>|<=) (?P<what>Send|Recv) (?P<kind>[A-Za-z ]+), \d+ bytes \(0x[0-9a-f]+\))\r?"
)
_OFFSET = re.compile(rb"[0-9a-f]{4,}: ")
_HEX = re.compile(rb"(?:[0-9a-f]{2} ){1,16}")

#: Characters of a line that its bytes in hex take: sixteen, or blanks in their place.
_WIDTH = 16 * 3

#: What curl notices of the end of a connection, and what that is; where it only closes, it depends on the response.
_ENDINGS = tuple(
    (re.compile(said, re.IGNORECASE), how)
    for said, how in (
        ("Connection (?:was )?reset|reset by peer", "reset"),
        ("outstanding read data|bytes missing|Empty reply|server closed abruptly", "eof"),
        ("timed out|aborted by callback|Callback aborted|Failed writing|Failure writing", "closed by us"),
        ("left intact", "left open"),
        ("Closing connection|shutting down connection", ""),
    )
)


@dataclass
class _Piece:
    """What stands between two lines that begin a piece. `seconds` is None without --trace-time."""

    seconds: float | None
    transfer: bytes
    info: str
    way: str
    kind: str
    octets: list[bytes] = field(default_factory=list)

    @cached_property
    def data(self) -> bytes:
        return b"".join(self.octets)


@dataclass(slots=True)
class _Exchange:
    """One request and its response, of a transfer that may have several.

    :ivar notes: what curl noticed.
    :ivar begun: the body of the response has begun.
    """

    pieces: list[_Piece] = field(default_factory=list)
    notes: list[_Piece] = field(default_factory=list)
    begun: bool = False

    def add(self, piece: _Piece) -> None:
        """Adds what is no repetition: trailers are shown within the chunks, and once more by themselves."""
        received = piece.way == "<"
        if not (received and piece.kind == "header" and self.begun):
            self.pieces.append(piece)
        self.begun = self.begun or (received and piece.kind == "data")

    def joined(self, way: str) -> bytes:
        return b"".join(piece.data for piece in self.pieces if piece.way == way)


def begins_trace(data: bytes) -> bool:
    """Whether it looks like a trace, be it one of --trace-ascii."""
    return any(_MARK.fullmatch(line) for line in data[:4096].split(b"\n")[:20])


def read_curl_trace(data: bytes) -> list[Capture]:
    """Each request of the trace with its response. The tunnel that a proxy was asked for is left out.

    :raises InvalidRecording: when it is no trace, is one of --trace-ascii, or has no response.
    """
    exchanges = [each for each in _exchanges(_pieces(data)) if not each.joined(">").startswith(b"CONNECT ")]
    heard = [each for each in exchanges if each.joined("<")]
    if not heard:
        why = "no request was answered in it" if exchanges else "it has no request"
        raise InvalidRecording(f"is no {_SOURCE} that can be judged: {why}")
    return [_capture(each, f"request {number}" if len(heard) > 1 else "") for number, each in enumerate(heard, 1)]


def _pieces(data: bytes) -> Iterator[_Piece]:
    piece: _Piece | None = None
    clock = _Clock()
    for number, line in enumerate(data.split(b"\n"), 1):
        mark = _MARK.fullmatch(line)
        if mark is not None:
            if piece is not None:
                yield piece
            way = ">" if mark["way"] == b"=>" else "<" if mark["way"] else ""
            kind = (mark["kind"] or b"").decode("latin-1").strip()
            piece = _Piece(
                clock.read(mark), mark[4] or b"", (mark["info"] or b"").decode("utf-8", "replace"), way, kind
            )
        elif piece is not None and piece.way and line.strip():
            piece.octets.append(_octets(line, number))
    if piece is not None:
        yield piece


def _octets(line: bytes, number: int) -> bytes:
    """The bytes of a line: an offset, hex, and the same as characters, one for each of them."""
    offset = _OFFSET.match(line)
    if offset is None:
        raise InvalidRecording(f"is no {_SOURCE}: line {number} is neither bytes in hex nor the beginning of a piece")
    coded, shown = line[offset.end() : offset.end() + _WIDTH], line[offset.end() + _WIDTH :]
    octets = bytes.fromhex(coded.decode()) if _HEX.fullmatch(coded.rstrip(b" ") + b" ") else b""
    if not octets or len(octets) not in (len(shown), len(shown.removesuffix(b"\r"))):
        raise InvalidRecording(
            f"is a trace as --trace-ascii writes it, which has lost bytes (line {number}): keep one by --trace FILE"
        )
    return octets


class _Clock:
    """Times of day to seconds since the first one; a day ends at midnight."""

    def __init__(self) -> None:
        self._zero: float | None = None
        self._latest = 0.0

    def read(self, mark: re.Match[bytes]) -> float | None:
        if mark[1] is None:
            return None
        seconds = int(mark[1]) * 3600 + int(mark[2]) * 60 + float(mark[3])
        if self._zero is None:
            self._zero = seconds
        since = seconds - self._zero
        while since < self._latest - 12 * 3600:
            since += 24 * 3600
        self._latest = since
        return since


def _exchanges(pieces: Iterable[_Piece]) -> list[_Exchange]:
    """What belongs together: of each transfer, from a request to the next one."""
    made: list[_Exchange] = []
    latest: dict[bytes, _Exchange] = {}
    for piece in pieces:
        exchange = latest.get(piece.transfer)
        if piece.kind == "header" and piece.way == ">":
            exchange = latest[piece.transfer] = _Exchange()
            made.append(exchange)
        if exchange is None:
            continue
        if piece.info:
            exchange.notes.append(piece)
        elif piece.kind in ("header", "data"):
            exchange.add(piece)
    return made


def _capture(exchange: _Exchange, label: str) -> Capture:
    received = exchange.joined("<")
    head = final_head(received)
    missing: dict[Layer, str] = {}
    if head is not None:
        body = received[head.end :]
        chunks = "this curl traces a body without them; --raw keeps them"
        missing = missing_of(head, body, chunks=chunks, framed=is_chunked(body) or not body)
    zero = next((piece.seconds for piece in exchange.pieces if piece.seconds is not None), None)
    if zero is None:
        missing[Layer.TIMES] = "there are none; --trace-time adds them"
    entries = [Entry((piece.seconds or 0.0) - (zero or 0.0), piece.way, piece.data) for piece in exchange.pieces]
    ending = _ending(exchange.notes, head)
    if ending is not None:
        how, seconds = ending
        entries.append(Entry(entries[-1].seconds if seconds is None else seconds - (zero or 0.0), how))
    else:
        missing[Layer.END] = "the trace ends before the connection does"
    line = exchange.joined(">").partition(b"\r\n")[0].decode("latin-1")
    what = f"{label}, {line.rpartition(' ')[0].partition('?')[0]}" if label else ""
    return Capture(_SOURCE, Recording({}, _merged(entries)), missing, what)


def _ending(notes: Iterable[_Piece], head: Head | None) -> tuple[str, float | None] | None:
    """How the connection ended, and when, by what curl noticed; None where it does not say."""
    # A body without a length ends with the connection (RFC 9112, 6.3); where there is one, curl closes by itself.
    lengthless = head is not None and not head.chunked and "content-length" not in head.fields
    for note in notes:
        for said, how in _ENDINGS:
            if said.search(note.info):
                return how or ("eof" if lengthless else "closed by us"), note.seconds
    return None


def _merged(entries: list[Entry]) -> list[Entry]:
    """curl tells a head line by line: what came at once is one entry."""
    merged: list[Entry] = []
    for entry in entries:
        before = merged[-1] if merged else None
        if before is not None and entry.kind == before.kind and entry.data and _is_head(before.data):
            merged[-1] = before._replace(data=before.data + entry.data)
        else:
            merged.append(entry)
    return merged


def _is_head(data: bytes) -> bool:
    """A head that has not ended."""
    return data.startswith(b"HTTP/") and not data.endswith((b"\r\n\r\n", b"\n\n"))
