"""A recording in, the server's side of its connection out: no socket, no clock; times are monotonic seconds.

    connection = ReplayConnection(load(path), "recorded")
    connection.receive_data(chunk, now);  send(connection.data_to_send(now))
    connection.next_deadline()          # when to call data_to_send again
    connection.ending                   # "close" or "reset": everything is sent, and so it must end

A recording falls into turns: what the client wrote, and what the server answered to it. A turn is played once the
client has written as much as it had in the recording, counted in whole requests (RFC 9112) and not in bytes, so that
any client may ask; where the recorded bytes are no HTTP, any bytes will do. A connection that the recording leaves
open stays open until the client closes it, and whoever asks again on it hears the recording again.

Where the recording is of a WebSocket, it is messages that are counted, after a handshake in which the client gets the
answer of the recorded server, or is refused (see handshake.py). A client that closes before the recorded one did is
left by the server once the turn is over, for what would answer it was never recorded.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Literal

import h11

from ..errors import LocalProtocolError
from ..secrecy import redact_url
from .clients import MAX_REQUEST_HEAD, Client, Messages, Requests
from .format import Recording
from .handshake import Handshake, is_websocket

__all__ = ["PACES", "Ending", "Pace", "ReplayConnection", "recorded_path"]

#: "recorded": the original delays and read boundaries. "fast": the read boundaries, without delays. "bytes": one byte
#: a write. "coalesced": each run of reads as one write, as a buffering proxy does it.
Pace = Literal["recorded", "fast", "bytes", "coalesced"]
PACES: tuple[Pace, ...] = ("recorded", "fast", "bytes", "coalesced")

Ending = Literal["", "close", "reset"]

_ENDINGS: dict[str, Ending] = {"eof": "close", "reset": "reset"}

#: The recording says that it was not the server that ended the connection.
_NOT_ENDED = frozenset({"closed by us", "reset by us", "left open", "timeout"})


@dataclass(slots=True)
class _Turn:
    """What must have come from the client, and what follows: (seconds after that, bytes), and perhaps the ending."""

    waits: bool
    needs: Counter[str] = field(default_factory=Counter)
    writes: list[tuple[float, bytes]] = field(default_factory=list)
    ending: Ending = ""
    ends_after: float = 0.0


class ReplayConnection:
    """Plays one recording on one connection.

    :param cut: end the connection after so many bytes of what was received in the recording, wherever that falls;
        more bytes than there are change nothing.
    :raises LocalProtocolError: for an unknown pace, or a negative cut.
    """

    def __init__(self, recording: Recording, pace: Pace = "recorded", *, cut: int | None = None) -> None:
        if pace not in PACES:
            raise LocalProtocolError(f"no pace {pace!r}; known: {', '.join(PACES)}")
        if cut is not None and cut < 0:
            raise LocalProtocolError(f"a replay cannot be cut at byte {cut}")
        self._pace: Pace = pace
        self._cut = cut
        websocket = is_websocket(recording)
        self._handshake = Handshake(recording) if websocket else None
        self._client = _client(websocket)
        self._script = [] if websocket else self._turns_of(recording)  # what is played again and again
        self._turns = deque(self._script)
        self._size = 1 if pace == "bytes" else None
        self._client_ended = False
        self._writes: deque[tuple[float, bytes]] = deque()  # (when it is due, bytes)
        self._sent = 0  # bytes of the first of them that are out
        self._planned: tuple[float, Ending] | None = None
        self._ending: Ending = ""

    @property
    def ending(self) -> Ending:
        """ "" while the connection goes on; otherwise how the server must end it now."""
        return self._ending

    @property
    def full(self) -> bool:
        """Never: what waits to go out is a part of the recording."""
        return False

    def receive_data(self, data: bytes, now: float) -> None:
        """The client wrote."""
        self._client.receive_data(data)
        if self._handshake is not None:
            self._shake_hands(self._handshake, data, now)
        self._advance(now)

    def receive_eof(self, now: float) -> None:
        """The client will write no more: what it asked for is still played."""
        self._client_ended = True
        self._advance(now)

    def shut_down(self, now: float) -> None:
        """The server goes away, without a word: what it would have said was never recorded."""

    def data_to_send(self, now: float) -> bytes:
        """Drains one write of what is due by now. One and not all, because the boundaries are part of the recording."""
        self._advance(now)
        if not self._writes or self._writes[0][0] > now:
            return b""
        data = self._writes[0][1]
        end = len(data) if self._size is None else self._sent + self._size
        piece = data[self._sent : end]
        self._sent = end
        if end >= len(data):
            self._writes.popleft()
            self._sent = 0
            self._advance(now)
        return piece

    def next_deadline(self) -> float | None:
        """When more is due; None while it is the client's turn, and after the end."""
        if self._writes:
            return self._writes[0][0]
        if self._planned is not None and not self._ending:
            return self._planned[0]
        # The server speaks first: at the first moment that it hears of.
        return 0.0 if self._turns and not self._turns[0].waits else None

    def _turns_of(self, recording: Recording) -> list[_Turn]:
        turns = _turns(recording)
        if self._cut is not None and self._cut < len(recording.received):
            turns = _cut(turns, self._cut)
        return [_paced(turn, self._pace) for turn in turns]

    def _shake_hands(self, handshake: Handshake, data: bytes, now: float) -> None:
        handshake.receive_data(data)
        if handshake.answer is not None:
            self._turns.extend(self._turns_of(handshake.answer))
            self._handshake = None
        elif handshake.refusal:
            self._writes.append((now, handshake.refusal))
            self._planned = (now, "close")
            self._handshake = None

    def _advance(self, now: float) -> None:
        while not self._writes and self._planned is None and self._next_turn(now):
            pass
        if self._writes or self._ending:
            return
        if self._planned is not None:
            when, ending = self._planned
            self._ending = ending if when <= now else ""
        elif self._client_ended or (self._turns and self._client.closed):
            self._ending = "close"

    def _next_turn(self, now: float) -> bool:
        """Begins the next turn, if its time has come."""
        if not self._turns and self._script and self._script[0].waits:
            self._turns.extend(self._script)
        if not self._turns or (self._turns[0].waits and not self._client.take(self._turns[0].needs)):
            return False
        turn = self._turns.popleft()
        self._writes.extend((now + delay, data) for delay, data in turn.writes)
        if turn.ending:
            self._planned = (now + turn.ends_after, turn.ending)
        return True


def recorded_path(recording: Recording) -> str:
    """The path that the recorded client had asked for, without what is secret in it."""
    words = recording.sent.split(b"\r\n", 1)[0].split(b" ")
    path = words[1].decode("latin-1") if len(words) == 3 else "/"
    return redact_url(path) if path.startswith("/") and path.isprintable() else "/"


def _client(websocket: bool) -> Client:
    return Messages() if websocket else Requests()


def _turns(recording: Recording) -> list[_Turn]:
    """The recording as turns, delays counted from the last thing that the client wrote."""
    zero = recording.entries[0].seconds if recording.entries else 0.0
    turn = _Turn(waits=False)
    turns = [turn]
    websocket = is_websocket(recording)
    client = _client(websocket)
    for entry in recording.entries:
        if entry.kind == ">":
            before = client.came.copy()
            client.receive_data(entry.data)
            needs = client.came - before
            if websocket and client.understood and not needs:
                continue  # a ping, a pong, a piece of a message: the server did not wait for it
            if turn.writes or not turn.waits:
                turn = _Turn(waits=True)
                turns.append(turn)
            turn.needs += needs
            zero = entry.seconds
        elif entry.kind == "<" and entry.data:
            turn.writes.append((entry.seconds - zero, entry.data))
        elif entry.kind in _ENDINGS:
            turn.ending, turn.ends_after = _ENDINGS[entry.kind], entry.seconds - zero
            break
    if not turn.ending and not _stays_open(recording):
        turn.ending, turn.ends_after = "close", _last_delay(turn)
    return turns if turns[0].writes or turns[0].ending else turns[1:]


def _stays_open(recording: Recording) -> bool:
    """Whether the server left the connection open. Where the recording does not say, a whole response speaks for it."""
    if any(entry.kind in _NOT_ENDED for entry in recording.entries):
        return True
    rest = recording.received
    try:
        while rest:
            client = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_REQUEST_HEAD)
            client.send(h11.Request(method="GET", target="/", headers=[("host", "replay")]))
            client.send(h11.EndOfMessage())
            client.receive_data(rest)
            event = client.next_event()
            while isinstance(event, h11.InformationalResponse | h11.Response | h11.Data):
                event = client.next_event()
            if not isinstance(event, h11.EndOfMessage):
                return False
            rest, _ = client.trailing_data
    except h11.RemoteProtocolError:
        return False
    return True


def _cut(turns: list[_Turn], size: int) -> list[_Turn]:
    """The turns up to the byte where they are cut, the last one closing there."""
    kept: list[_Turn] = []
    for turn in turns:
        writes: list[tuple[float, bytes]] = []
        for delay, data in turn.writes:
            if len(data) > size:
                last = replace(turn, writes=[*writes, (delay, data[:size])] if size else writes, ending="close")
                last.ends_after = _last_delay(last)
                return [*kept, last]
            writes.append((delay, data))
            size -= len(data)
        kept.append(turn)
    return kept


def _paced(turn: _Turn, pace: Pace) -> _Turn:
    if pace == "recorded":
        return turn
    pieces = [data for _, data in turn.writes]
    if pace != "fast" and pieces:
        pieces = [b"".join(pieces)]
    return replace(turn, writes=[(0.0, piece) for piece in pieces], ends_after=0.0)


def _last_delay(turn: _Turn) -> float:
    return turn.writes[-1][0] if turn.writes else 0.0
