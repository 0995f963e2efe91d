"""What went over a connection: a drawing of when, and the bytes of a finding, in hexadecimal and as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import log
from typing import NamedTuple

from tokenwire.html.drawings import drawing, time_axis, x
from tokenwire.html.elements import Content, Html, join, tag
from tokenwire.html.look import scrolled, table
from tokenwire.recording import Entry
from tokenwire.recording.captures import Layer

from ..judging.case import socket_of
from ..judging.verdict import Evidence
from ..reading.transcript import Transcript

__all__ = ["exchange", "hexadecimal", "offset_of", "text_of"]

#: Bytes of an exchange that are shown: the rows before that of the finding, all rows, and bytes in each.
ROWS_BEFORE = 4
ROWS = 24
WIDE = 16

#: Rows of the table that says what the drawing shows.
_LISTED = 40

#: Parts of the time of an exchange that are drawn apart: what falls into the same is one bar.
_PARTS = 300

#: Pixels: where the time goes, the longest bar, and what is left for words.
_MIDDLE = 64
_LONGEST = 44
_LEAST = 4
_HEIGHT = 2 * _MIDDLE

_DIRECTIONS = {"<": "received", ">": "sent"}

#: How a connection ended, in words.
_ENDS = {
    "eof": "the server closed the connection",
    "reset": "the server reset the connection",
    "closed by us": "we left",
}

#: What bytes are, by the names that the style has for them.
_KINDS = {"mark": "the finding", "head": "a head", "frame": "framing: chunks or frames, around their content"}


class _Bar(NamedTuple):
    """What went in one direction in one part of the time."""

    kind: str
    seconds: float
    size: int
    pieces: int


def offset_of(transcript: Transcript, evidence: Evidence) -> int:
    """Where the bytes of a finding stand in what was received: a source may begin elsewhere."""
    return evidence.offset + transcript.capture.offset


def exchange(transcript: Transcript, offset: int | None, span: float, name: str) -> Html | None:
    """What was sent and received when, and how much: a drawing, its words, and the same as a table. None where the
    source has no times.

    :param offset: of the finding, in what was received.
    :param span: seconds that the drawing is wide, so that two can be compared.
    :param name: whose exchange it is.
    """
    if transcript.misses(Layer.TIMES) or not transcript.recording.entries:
        return None
    bars = _bars(transcript, span)
    place = None if offset is None else transcript.seconds_at(offset)
    most = max((bar.size for bar in bars), default=1)
    drawn = drawing(
        f"{name}: {_told(transcript)}",
        _HEIGHT + 24,
        [_bar(bar, most, span) for bar in bars],
        _lanes(place, span),
        _ending(transcript, span),
        [] if place is None else _place(place, span),
        tag("line", x1=x(0), x2=x(1), y1=_MIDDLE, y2=_MIDDLE, class_="axis"),
        time_axis(span, _HEIGHT),
    )
    words = tag("figcaption", f"{name}: {_told(transcript)}. The longer a bar, the more bytes; a square is the end.")
    return tag("figure", drawn, words, _listed(transcript))


def _bars(transcript: Transcript, span: float) -> list[_Bar]:
    """Reads and writes, those that would stand on each other together."""

    def part(entry: Entry) -> tuple[str, int]:
        return entry[1], int(entry[0] / span * _PARTS) if span else 0

    moved = [entry for entry in transcript.recording.entries if entry.kind in _DIRECTIONS]
    together = [list(entries) for _, entries in groupby(moved, part)]
    return [_Bar(each[0].kind, each[0].seconds, sum(len(entry.data) for entry in each), len(each)) for each in together]


def _bar(bar: _Bar, most: int, span: float) -> Html:
    height = _LEAST + _LONGEST * log(1 + bar.size) / log(1 + most)
    sent = bar.kind == ">"
    top = _MIDDLE - height if sent else _MIDDLE
    often = f" in {bar.pieces} pieces" if bar.pieces > 1 else ""
    told = tag("title", f"{bar.seconds:.3f} s: {bar.size:,} bytes {_DIRECTIONS[bar.kind]}{often}")
    kind = "other" if sent else "one"
    return tag("rect", told, x=_across(bar.seconds, span), y=top, width=3, height=height, class_=kind)


def _across(seconds: float, span: float) -> str:
    return x(seconds / span if span else 0.0)


def _lanes(place: float | None, span: float) -> list[Html]:
    """The names of both directions, at the side where the finding is not."""
    at_right = place is not None and place < span / 2
    anchor = "end" if at_right else "start"
    return [
        tag("text", words, x=x(float(at_right)), y=y, text_anchor=anchor)
        for words, y in (("sent", 12), ("received", _HEIGHT - 4))
    ]


def _place(seconds: float, span: float) -> list[Html]:
    """Where the finding is."""
    across, late = _across(seconds, span), bool(span) and seconds / span > 0.8
    words = tag("text", "the finding", x=across, y=12, dx=-6 if late else 6, class_="place-name",
                text_anchor="end" if late else "start")  # fmt: skip
    return [tag("line", x1=across, x2=across, y1=0, y2=_HEIGHT, class_="place"), words]


def _ending(transcript: Transcript, span: float) -> Html | None:
    ended = [entry for entry in transcript.recording.entries if entry.kind == transcript.ending]
    if not ended:
        return None
    told = tag("title", f"{ended[0].seconds:.3f} s: {_end_of(transcript)}")
    return tag("rect", told, x=_across(ended[0].seconds, span), y=_MIDDLE - 5, width=10, height=10, class_="bad")


def _told(transcript: Transcript) -> str:
    """The exchange in words."""
    entries = transcript.recording.entries
    writes, reads = (sum(entry.kind == kind for entry in entries) for kind in "><")
    how = f"; then {_end_of(transcript)}" if transcript.ending else ""
    sent, received = len(transcript.sent), transcript.size
    return f"{sent:,} bytes sent in {_many(writes, 'write')}, {received:,} received in {_many(reads, 'read')}{how}"


def _end_of(transcript: Transcript) -> str:
    return _ENDS.get(transcript.ending, transcript.ending)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _listed(transcript: Transcript) -> Html:
    entries = transcript.recording.entries
    rows = [
        (f"{entry.seconds:.3f} s", _DIRECTIONS.get(entry.kind, entry.kind), f"{len(entry.data):,}")
        for entry in entries[:_LISTED]
    ]
    more = len(entries) - len(rows)
    caption = "What went over the connection" + (f", the first {_LISTED} of {len(entries):,}" if more else "")
    shown = table(caption, ("When", "What", "Bytes"), rows, numbers=[2])
    return tag("details", tag("summary", "The same as a table"), shown)


def text_of(evidence: Evidence) -> Html:
    """The bytes of a finding as text, with its line ends to be seen."""
    pieces = re.split("(\r\n|\r|\n)", evidence.data.decode("utf-8", "backslashreplace"))
    return tag("pre", tag("code", [_line_end(piece) if n % 2 else piece for n, piece in enumerate(pieces)]))


def _line_end(end: str) -> Html:
    """It shows what it is, and is one."""
    return join(tag("span", repr(end)[1:-1], class_="end"), "\n")


def hexadecimal(transcript: Transcript, offset: int, evidence: Evidence) -> Html:
    """The bytes around a finding as they were received, with what they are to HTTP.

    :param offset: where it begins.
    """
    data = transcript.received
    begin = max(offset // WIDE - ROWS_BEFORE, 0) * WIDE
    end = min(begin + ROWS * WIDE, len(data))
    kinds = _kinds(transcript, begin, end, offset, _common(data[offset:end], evidence.data))
    rows = [_row(data[at : min(at + WIDE, end)], at, kinds[at - begin :]) for at in range(begin, end, WIDE)]
    legend = tag(
        "p",
        f"Bytes {begin:,} to {end:,} of {len(data):,} received on this connection. ",
        [join(tag("span", class_=f"key {kind}"), f" {words} ") for kind, words in _KINDS.items()],
        class_="soft",
    )
    return join(legend, scrolled(tag("pre", rows, class_="hex"), "bytes in hexadecimal"))


def _common(wire: bytes, shown: bytes) -> int:
    """Bytes that are the same in both, at least one: what is shown may be without chunks, or decoded."""
    same = next((n for n, (ours, theirs) in enumerate(zip(wire, shown, strict=False)) if ours != theirs), len(shown))
    return max(min(same, len(wire)), 1)


def _kinds(transcript: Transcript, begin: int, end: int, offset: int, size: int) -> list[str]:
    """What each of the bytes is, by the names of `_KINDS`; of the content, nothing."""
    kinds = [""] * (end - begin)

    def paint(start: int, stop: int, kind: str) -> None:
        for at in range(max(start, begin), min(stop, end)):
            kinds[at - begin] = kind

    for response in transcript.responses:
        paint(response.offset, response.head_end or response.end, "head")
        if response.chunks:
            paint(response.head_end, response.end, "frame")
        for chunk in response.chunks:
            paint(chunk.data_offset, chunk.data_offset + chunk.size, "")
        if response.status == 101:
            for frame in socket_of(response).frames:
                paint(frame.offset, frame.offset + frame.header_size, "frame")
    paint(offset, offset + size, "mark")
    return kinds


def _row(data: bytes, at: int, kinds: Sequence[str]) -> Html:
    pairs = list(zip(data, kinds, strict=False))
    missing = "   " * (WIDE - len(data))
    return join(
        tag("span", f"{at:>7}", class_="at"),
        "  ",
        list(_runs(pairs, "{:02x}".format, " ")),
        f"{missing} ",
        list(_runs(pairs, _letter, "")),
        "\n",
    )


def _runs(pairs: Sequence[tuple[int, str]], shown: Callable[[int], str], between: str) -> Iterator[Content]:
    """The bytes, neighbours of the same kind in one element."""
    for kind, run in groupby(pairs, lambda pair: pair[1]):
        text = between.join(shown(byte) for byte, _ in run)
        if kind == "mark":
            yield tag("mark", text)
        else:
            yield tag("span", text, class_=kind) if kind else text
        yield between


def _letter(byte: int) -> str:
    """A byte as a character of ASCII; what is none is a dot."""
    return chr(byte) if 0x20 <= byte < 0x7F else "·"
