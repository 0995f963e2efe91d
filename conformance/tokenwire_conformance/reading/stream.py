"""The suite's own reading of an event stream: lines, blocks, payloads, each with its offset.

A parser gives events; a judge needs the lines as they stood: their ends, the blanks, what was ignored. The rules
are those of WHATWG HTML 9.2.5 and 9.2.6, and a test holds this reading against tokenwire's parser.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .http import Response

__all__ = ["Block", "Event", "Line", "Stream", "key_of"]

_END_OF_LINE = re.compile(rb"\r\n|\n|\r")

_BOM = b"\xef\xbb\xbf"

#: Data that is no JSON by agreement: the end mark of OpenAI and of those who follow it.
SENTINEL = "[DONE]"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `offset` counts in the content."""

    offset: int
    raw: bytes
    end: bytes

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def is_comment(self) -> bool:
        return self.raw.startswith(b":")

    @property
    def name(self) -> str:
        return self.text.partition(":")[0]

    @property
    def value(self) -> str:
        return self.text.partition(":")[2].removeprefix(" ")


@dataclass(frozen=True, slots=True)
class Block:
    """The lines up to a blank one. `closed` when the blank line came."""

    lines: tuple[Line, ...]
    closed: bool

    @property
    def offset(self) -> int:
        return self.lines[0].offset

    @property
    def size(self) -> int:
        return sum(len(line.raw) for line in self.lines)

    def values(self, name: str) -> list[str]:
        return [line.value for line in self.lines if line.name == name and not line.is_comment]


@dataclass(frozen=True, slots=True)
class Event:
    """A block that was dispatched."""

    block: Block
    name: str
    data: str

    @property
    def offset(self) -> int:
        return self.block.offset

    @property
    def is_sentinel(self) -> bool:
        return self.data.strip() == SENTINEL


@dataclass(slots=True)
class Payload:
    """The JSON of an event: its value, or why it has none, and the names that stand twice in an object."""

    event: Event
    value: Any = None
    error: str = ""
    duplicates: list[str] = field(default_factory=list)

    @property
    def offset(self) -> int:
        return self.event.offset


class Stream:
    """The event stream in a response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.content: bytes = response.content
        self.has_bom: bool = self.content.startswith(_BOM)

    @property
    def complete(self) -> bool:
        """It ended, and not because we left."""
        return not self.response.hung_up

    @cached_property
    def request(self) -> dict[str, Any]:
        """The JSON of the request; empty where it had none."""
        return self.response.request.asked

    @cached_property
    def lines(self) -> list[Line]:
        """Every line, blank ones included; the last one without an end if it was cut."""
        lines = []
        start = len(_BOM) if self.has_bom else 0
        while start < len(self.content):
            stop, end = _line_end(self.content, start)
            lines.append(Line(start, self.content[start:stop], end))
            start = stop + len(end)
        return lines

    @cached_property
    def blocks(self) -> list[Block]:
        blocks = []
        lines: list[Line] = []
        for line in self.lines:
            if line.raw:
                lines.append(line)
            elif lines:
                blocks.append(Block(tuple(lines), closed=True))
                lines = []
        if lines:
            blocks.append(Block(tuple(lines), closed=False))
        return blocks

    @property
    def end_discarded(self) -> bool:
        """The body is whole, and its last event is not closed, so that conforming readers discard it."""
        return self.response.complete and bool(self.blocks) and not self.blocks[-1].closed

    @cached_property
    def events(self) -> list[Event]:
        """What a conforming reader dispatches."""
        return [
            Event(block, (block.values("event") or [""])[-1] or "message", "\n".join(block.values("data")))
            for block in self.blocks
            if block.closed and block.values("data")
        ]

    @cached_property
    def payloads(self) -> list[Payload]:
        """The JSON of every event that is not the end mark."""
        return [_payload(event) for event in self.events if not event.is_sentinel]

    @cached_property
    def objects(self) -> list[Payload]:
        """The payloads that are JSON objects."""
        return [payload for payload in self.payloads if isinstance(payload.value, dict)]


def key_of(value: Any) -> Hashable:
    """A JSON value that names something, to find it by: lists are all alike, and so are objects."""
    key: Hashable = type(value) if isinstance(value, list | dict) else value
    return key


def _line_end(content: bytes, start: int) -> tuple[int, bytes]:
    end = _END_OF_LINE.search(content, start)
    return (end.start(), end[0]) if end is not None else (len(content), b"")


def _payload(event: Event) -> Payload:
    payload = Payload(event)

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(name for name, _ in members)
        payload.duplicates += sorted(name for name, count in counts.items() if count > 1)
        return dict(members)

    try:
        payload.value = json.loads(event.data, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        payload.error = str(error)
    return payload
