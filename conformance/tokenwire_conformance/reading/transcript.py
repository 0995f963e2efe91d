"""A transcript: what went over one connection, byte by byte, with its times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from tokenwire.recording import Entry, Recording
from tokenwire.recording.captures import Capture, Layer

from .http import Response, ResponseReader
from .requests import Request, Requests
from .work import Work

__all__ = ["Transcript"]


class Transcript:
    """What went over one connection, read as HTTP/1.1. It may grow: what was read is not read again.

    :param name: of the probe, or of the file.
    :param capture: of what it is the recording, where that does not show all of the wire.
    """

    def __init__(self, name: str, recording: Recording, capture: Capture | None = None) -> None:
        self.name = name
        self.recording = recording
        self.capture: Capture = capture or Capture("a recording", recording)
        #: What went over connections of the same probe that were left before, and what was done for it meanwhile.
        self.left: Sequence[Transcript] = ()
        self.work: Work | None = None
        self._ending = ""
        self._in = _Side()
        self._out = _Side()
        self._received_before: list[int] = []
        self._responses: list[Response] = []
        self._reading: Iterator[None] | None = None
        self._read = 0
        for entry in recording.entries:
            self._take(entry)

    @classmethod
    def of(cls, name: str, capture: Capture) -> Transcript:
        """What somebody has kept of a wire, read as far as it is shown."""
        return cls(name, capture.recording, capture)

    def misses(self, layer: Layer) -> bool:
        """Whether a layer of the wire is not shown."""
        return layer in self.capture.missing

    def add(self, entry: Entry) -> None:
        """Something more went over the wire, or happened."""
        self.recording.entries.append(entry)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        if entry.kind == "<":
            self._in.add(entry)
        elif entry.kind == ">":
            self._received_before.append(self._in.size)
            self._out.add(entry)
        elif entry.kind != "connected":
            self._ending = self._ending or entry.kind

    @property
    def received(self) -> bytes:
        """All that was read, joined."""
        return self._in.joined

    @property
    def sent(self) -> bytes:
        """All that was written, joined."""
        return self._out.joined

    @property
    def size(self) -> int:
        """Bytes received."""
        return self._in.size

    @property
    def growing(self) -> tuple[bytearray, bytearray]:
        """The bytes received and the bytes sent, to be read as they grow, and not to be changed."""
        return self._in.data, self._out.data

    @property
    def ending(self) -> str:
        """How the connection ended: "eof", "reset", "closed by us", "left open", "timeout", ...; or empty."""
        return self._ending

    @property
    def ended_by_server(self) -> bool:
        return self.ending in ("eof", "reset")

    @property
    def ending_time(self) -> float:
        """Seconds at which it ended, or at which the last thing happened."""
        return self.recording.entries[-1].seconds if self.recording.entries else 0.0

    @property
    def delays(self) -> list[float]:
        """Seconds that each response needed until its first byte, since we last wrote before it."""
        return [self.delay_of(response.offset) for response in self.responses if response.head_complete]

    def delay_of(self, offset: int) -> float:
        """Seconds until the byte at this offset came, since we last wrote before it."""
        came = self.seconds_at(offset)
        wrote = [entry.seconds for entry in self.recording.entries if entry.kind == ">" and entry.seconds <= came]
        return came - wrote[-1] if wrote else 0.0

    def seconds_at(self, offset: int) -> float:
        """When the byte at this offset was read."""
        return self._in.seconds_at(offset)

    def reads(self, start: int, end: int) -> list[tuple[float, int]]:
        """The time of each read that brought bytes from `start` to `end`, and how many of them."""
        return self._in.parts(start, end)

    def sent_when(self, offset: int) -> float:
        """When the byte at this offset was sent."""
        return self._out.seconds_at(offset)

    def received_when(self, sent_offset: int) -> int:
        """How much had been received when the byte at this offset was sent."""
        place = self._out.place(sent_offset)
        return self._received_before[place] if place < len(self._received_before) else self.size

    @cached_property
    def _asked(self) -> Requests:
        return Requests(self._out.data)

    @property
    def requests(self) -> list[Request]:
        requests = self._asked.read()
        return requests if requests or not self.misses(Layer.REQUEST) else [Request()]

    @property
    def responses(self) -> list[Response]:
        """One for each request, in order, as far as they came."""
        if self._read != len(self.recording.entries):
            self._read = len(self.recording.entries)
            self._go_on()
        return self._responses

    def _go_on(self) -> None:
        """Reads what has come since."""
        for response, request in zip(self._responses, self.requests, strict=False):
            response.request = request  # which may have been sent but in part when the answer began
        while True:
            if self._reading is not None:
                next(self._reading, None)
            last = self._responses[-1] if self._responses else None
            if last is not None and (not last.complete or last.status == 101):
                return
            offset = last.end if last is not None else 0
            if offset >= self.size or len(self._responses) >= len(self.requests):
                return
            response = Response(self.requests[len(self._responses)], offset, self)
            self._responses.append(response)
            self._reading = ResponseReader(response).read()

    @property
    def stray(self) -> int | None:
        """The offset of bytes that belong to no response; None where there are none."""
        # After 101 the connection speaks another protocol (RFC 9110, 15.2.2).
        if not self.responses or not self.responses[-1].complete or self.responses[-1].status == 101:
            return None
        end = self.responses[-1].end
        return end if end < self.size else None


class _Side:
    """The bytes of one direction, and when they went."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._ends: list[int] = []
        self._times: list[float] = []
        self._joined = b""

    def add(self, entry: Entry) -> None:
        self.data += entry.data
        self._ends.append(len(self.data))
        self._times.append(entry.seconds)

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def joined(self) -> bytes:
        if len(self._joined) != len(self.data):
            self._joined = bytes(self.data)
        return self._joined

    def place(self, offset: int) -> int:
        """Which read or write had the byte at this offset; one beyond the last where it has not come."""
        return bisect_right(self._ends, offset)

    def parts(self, start: int, end: int) -> list[tuple[float, int]]:
        found = []
        for number in range(self.place(start), len(self._ends)):
            begin = self._ends[number - 1] if number else 0
            size = min(self._ends[number], end) - max(begin, start)
            if size <= 0:
                break
            found.append((self._times[number], size))
        return found

    def seconds_at(self, offset: int) -> float:
        return self._times[min(self.place(offset), len(self._times) - 1)] if self._times else 0.0
