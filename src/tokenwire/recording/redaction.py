"""Secrets out of a wire, before it is kept: by the name of the field, and by value in every form and framing.

What replaces a secret has its length, so that Content-Length, chunk sizes and offsets stay true, but where bytes are
coded (see coded.py, deflated.py). A secret that is cut over reads, chunks or frames is found too: what may be the
beginning of one is held until it is certain. Each byte is looked at once, and again only as long as it may belong to a
secret; what comes from the other side in the meantime is held up to a limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..secrecy.secrets import Secrets
from .format import Entry
from .frames_wire import FramesWire
from .http_wire import Exchange, HTTPWire
from .runs import Piece, Runs

__all__ = ["MAX_HELD", "Redactor"]

#: Entries of one side, and their bytes, that are held because an earlier one of the other side is not certain. What
#: is more makes an end of it: half of a secret at the most is given as it is then, and its rest masked when it comes.
MAX_HELD = 1024
MAX_HELD_BYTES = 1024 * 1024


class Redactor:
    """Takes entries in order, gives them back without the secrets, perhaps a little later.

    :param secrets: what is known of the request; or values alone, to find in either direction.
    """

    def __init__(self, secrets: Secrets | Sequence[str] = ()) -> None:
        self._exchange = Exchange(secrets if isinstance(secrets, Secrets) else Secrets() | secrets)
        self._sides = {"<": _Side(self._exchange, client=False), ">": _Side(self._exchange, client=True)}
        self._held: deque[_Held] = deque()

    def header(self, value: Any) -> Any:
        """The same for the header of a recording: each string in it."""
        return self._exchange.secrets.cleaned(value)

    def feed(self, entry: Entry) -> list[Entry]:
        """Takes the next entry, returns those that are certain by now."""
        held = _Held(entry)
        self._held.append(held)
        side = self._sides.get(entry.kind)
        if side is None:
            return self._ended(entry.kind)
        side.feed(held)
        released = self._release()
        if self._held and self._is_too_much(entry.kind):
            for each in self._sides.values():
                each.force()
            released += self._release()
        return released

    def flush(self) -> list[Entry]:
        """There is no more: returns what was held."""
        for side in self._sides.values():
            side.finish()
        return self._release()

    def _ended(self, how: str) -> list[Entry]:
        """Something happened to the connection: after an "eof" the client may still have something to say."""
        if how != "eof":
            return self.flush()
        self._sides["<"].finish()
        return self._release()

    def _is_too_much(self, kind: str) -> bool:
        """What the other side says does not wait for ever."""
        first = self._held[0]
        if first.entry.kind == kind:
            return False
        side = self._sides[kind]
        return side.held > MAX_HELD or side.held_bytes > MAX_HELD_BYTES

    def _release(self) -> list[Entry]:
        released: list[Entry] = []
        while self._held and not self._held[0].missing:
            held = self._held.popleft()
            released.append(held.entry._replace(data=bytes(held.data)))
            side = self._sides.get(held.entry.kind)
            if side is not None:
                side.held -= 1
                side.held_bytes -= len(held.entry.data)
        return released


@dataclass(slots=True)
class _Held:
    """An entry.

    :ivar missing: bytes of it of which it is not certain yet what becomes of them.
    """

    entry: Entry
    data: bytearray = field(default_factory=bytearray)
    missing: int = 0

    def __post_init__(self) -> None:
        self.missing = len(self.entry.data)


class _Side:
    """One direction: HTTP, and frames once it has become a WebSocket.

    :ivar held: entries that are not released yet, and their bytes.
    """

    def __init__(self, exchange: Exchange, *, client: bool) -> None:
        self.held = 0
        self.held_bytes = 0
        self._exchange = exchange
        self._client = client
        self._runs = Runs()
        self._waiting: deque[_Held] = deque()
        self._http = HTTPWire(exchange, self._runs, client=client, upgraded=self._frames)
        self._websocket: FramesWire | None = None

    def feed(self, held: _Held) -> None:
        self._waiting.append(held)
        self.held += 1
        self.held_bytes += len(held.entry.data)
        self._http.receive_data(held.entry.data)
        self._drain()

    def force(self) -> None:
        (self._websocket or self._http).force()
        self._drain()

    def finish(self) -> None:
        (self._websocket or self._http).finish()
        self._drain()

    def _frames(self, data: bytes) -> None:
        if self._websocket is None:
            self._http.finish()
            self._websocket = FramesWire(self._exchange, self._runs, client=self._client)
        self._websocket.receive_data(data)

    def _drain(self) -> None:
        for piece in self._runs.drain():
            self._give(piece)

    def _give(self, piece: Piece) -> None:
        """To the entries in which it came; what has another length than it had, to that of its last byte."""
        size, data = piece
        in_place = len(data) == size
        while size:
            held = self._waiting[0]
            part = min(size, held.missing)
            held.missing -= part
            size -= part
            if in_place:
                held.data += data[:part]
                data = data[part:]
            elif not size:
                held.data += data
            if not held.missing:
                self._waiting.popleft()
