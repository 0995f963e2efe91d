"""The short way for deltas: what stands around the text is the same from message to message, so it is read once.

A stream of tokens is one JSON object a token, and but for the text (and a padding, a number) the objects are the same,
byte for byte. A `Template` is learned from a message that was parsed in full and gave one delta: the constant text
before, between and after its holes. A later message that has the same text around its holes, and in each hole what
JSON allows there, is the same object with other values in the holes; so it gives the same delta with the other text,
and nothing else need be parsed. This is exact, not a guess:

- A hole is found by trial. The literal is replaced by another in the text, which is parsed again: the value at the
  member's path must have changed to it, and nothing else. So a name that stands twice, or the same text elsewhere,
  misleads nobody.
- A literal without a quotation mark, backslash or control character stands for itself; one with a backslash is read by
  `json`'s own scanner, which must end exactly where the literal does. Nothing else is taken for a hole.
- The bytes around the holes are compared, all of them: the messages are put together again from the template and the
  holes, and must make the very text that was read.
- The decoder's state has to be such that a delta is nothing but a delta. That is so after a message that gave a single
  delta with all of its text, until one comes that gave anything else. `Shortcut` keeps that account.

Whatever does not fit is parsed in full; two hundred bytes of JSON are then read in half the time that a parser written
in C takes for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from json.decoder import scanstring  # type: ignore[attr-defined]  # which typeshed leaves out
from typing import Any, Literal

from .dialect import Holes, Message, Path
from .events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta

__all__ = ["Shortcut", "Template"]

#: Templates of one stream. Text, reasoning and the arguments of a few parallel tool calls each have their own.
MAX_TEMPLATES = 8

#: Characters of a message that is learned. What is larger than this is no token.
MAX_SIZE = 4096

#: Messages that may fail to fit, or to be learned from, before a stream is no longer tried.
MAX_FAILURES = 16

#: A string or a whole number, wherever one stands in JSON text.
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.+-])(?:0|[1-9][0-9]*)(?![\w.+-])')

#: A whole number as Python writes it, so that a cursor's digits are those on the wire.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")

#: What a literal must not hold: JSON forbids control characters; half a surrogate pair waits for its other half.
_NOT_PLAIN = re.compile("[\x00-\x1f\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")

#: The inside of a string literal, as far as it goes.
_BODY = re.compile(r'(?:[^"\\]|\\.)*')

_DELTAS = (TextDelta, ReasoningDelta, ToolCallDelta)

_Delta = TextDelta | ReasoningDelta | ToolCallDelta


@dataclass(frozen=True, slots=True)
class _Hole:
    """One member whose value changes: where its literal stands, and what it is."""

    start: int
    end: int
    role: Literal["text", "free", "cursor"]
    is_number: bool


class Template:
    """The constant text of a message, and the holes in it, in their order."""

    def __init__(self, delta: type[_Delta], raw: str, holes: Sequence[_Hole]) -> None:
        self._delta = delta
        self._holes = holes
        edges = [0, *(edge for hole in holes for edge in (hole.start, hole.end)), len(raw)]
        parts = [raw[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        self._first, *self._middle = parts[:-1]
        self._last = parts[-1]

    @classmethod
    def learn(cls, raw: str, event: _Delta, holes: Holes) -> Template | None:
        """The template of a message that gave one delta; None where it cannot have one."""
        if len(raw) > MAX_SIZE or "\n" in raw or "\r" in raw:
            return None
        value = json.loads(raw)
        text = _text_of(event)
        path = next((path for path in holes.texts if _at(value, path) == text), None)
        if path is None:
            return None
        wanted: list[tuple[Path, Literal["text", "free", "cursor"]]] = [(path, "text")]
        wanted += [(free, "free") for free in holes.free]
        wanted += [(holes.cursor, "cursor")] if holes.cursor else []
        present = [(path, role) for path, role in wanted if _at(value, path) is not None]
        found = [_find(raw, value, path, role) for path, role in present]
        whole = [hole for hole in found if hole is not None]
        if len(whole) < len(found):
            return None
        return cls(type(event), raw, sorted(whole, key=lambda hole: hole.start))

    def gives(self, raw: str, event: _Delta) -> bool:
        """Whether it reads the message as it was parsed in full."""
        events = self.read([raw], raw, "\n", event.block, event.cursor)
        return events == [event] and events[0].cursor == event.cursor

    def read(
        self, raws: list[str], whole: str, between: str, block: int, cursor: str | None
    ) -> list[StreamEvent] | None:
        """The deltas of messages; None where one of them does not fit.

        :param whole: the messages with `between` between them, which holds a line feed.
        :param cursor: of the events, where no hole has one.
        """
        start, stop = len(self._first), -len(self._last)
        literals = [raw[start:stop] for raw in raws]
        if f"{self._first}{f'{self._last}{between}{self._first}'.join(literals)}{self._last}" != whole:
            return None
        columns = self._columns(literals) if self._middle else [literals]
        if columns is None:
            return None
        texts: list[str] | None = None
        cursors: Iterable[str | None] = repeat(cursor)
        for hole, column in zip(self._holes, columns, strict=True):
            if hole.is_number:
                if not all(map(_NUMBER.fullmatch, column)):
                    return None
            elif (strings := _strings(column)) is None:
                return None
            elif hole.role == "text":
                texts = strings
            if hole.role == "cursor":
                cursors = column
        if texts is None or not all(texts):
            return None
        return list(map(self._delta, repeat(block), texts, raws, cursors))

    def _columns(self, rest: list[str]) -> list[list[str]] | None:
        """What stands in each hole, by hole."""
        columns = []
        for middle in self._middle:
            ends = [literal.find(middle[0]) for literal in rest]
            if not all(map(str.startswith, rest, repeat(middle), ends)):
                # The first quotation mark may be an escaped one.
                ends = [_BODY.match(literal).end() for literal in rest]  # type: ignore[union-attr]  # it matches nothing too
                if not all(map(str.startswith, rest, repeat(middle), ends)):
                    return None
            columns.append([literal[:end] for literal, end in zip(rest, ends, strict=True)])
            size = len(middle)
            rest = [literal[end + size :] for literal, end in zip(rest, ends, strict=True)]
        return [*columns, rest]


class Shortcut:
    """Where a stream is: whether its next messages can go the short way, and by which template.

    :param holes: of the dialect.
    """

    def __init__(self, holes: Holes) -> None:
        #: The next messages may go the short way.
        self.ready = False
        self._holes = holes
        self._templates: list[Template] = []
        self._failures = 0
        self._template: Template
        self._block = 0
        self._cursor: str | None = None
        self._head = ""
        self._between = ""
        self._gap = b""

    def note(self, message: Message, events: list[StreamEvent]) -> None:
        """A message was parsed in full: what it gave says whether the next ones may go the short way."""
        self.ready = False
        if len(events) != 1 or not isinstance(events[0], _DELTAS) or self._failures > MAX_FAILURES:
            return
        event = events[0]
        template = self._known(message.data, event) or self._learned(message.data, event)
        if template is None:
            self._failures += 1
            return
        self.ready = True
        self._template = template
        self._block = event.block
        self._cursor = event.cursor
        if message.event:
            name = "" if message.event == "message" else f"event: {message.event}\n"
            self._set_framing(f"{name}data: ", "\n\n")
        else:
            self._set_framing("", "\n")

    def read_message(self, raw: str) -> list[StreamEvent] | None:
        """The delta of one message; None where it does not fit."""
        return self._noted(self._template.read([raw], raw, "\n", self._block, self._cursor))

    def read_body(self, data: bytes) -> list[StreamEvent] | None:
        """The deltas of whole messages in their framing; None where something is else."""
        whole = data.decode("utf-8", "replace")
        head, gap = self._head, len(self._gap)
        if not whole.startswith(head):
            return self._noted(None)
        whole = whole[len(head) : -gap]
        return self._noted(
            self._template.read(whole.split(self._between), whole, self._between, self._block, self._cursor)
        )

    def span(self, data: bytes) -> tuple[int, int]:
        """Where the first message in the data ends, and where the last one that ends in it does; 0 for nowhere."""
        first = data.find(self._gap)
        size = len(self._gap)
        return (0, 0) if first < 0 else (first + size, data.rfind(self._gap) + size)

    def _set_framing(self, head: str, gap: str) -> None:
        self._head = head
        self._between = gap + head
        self._gap = gap.encode()

    def _noted(self, events: list[StreamEvent] | None) -> list[StreamEvent] | None:
        self._failures = self._failures + 1 if events is None else 0
        return events

    def _known(self, raw: str, event: _Delta) -> Template | None:
        for template in self._templates:
            if template.gives(raw, event):
                return template
        return None

    def _learned(self, raw: str, event: _Delta) -> Template | None:
        if len(self._templates) >= MAX_TEMPLATES:
            return None
        template = Template.learn(raw, event, self._holes)
        if template is None or not template.gives(raw, event):
            return None
        self._templates.append(template)
        return template


def _text_of(event: _Delta) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else event.text


def _strings(column: list[str]) -> list[str] | None:
    """The strings that the insides of literals stand for; None where one of them is no literal, or not plain."""
    joined = "".join(column)
    if not joined.isprintable() and _NOT_PLAIN.search(joined):
        return None
    if "\\" not in joined:
        return None if '"' in joined else column
    strings = [_unescape(literal) if "\\" in literal or '"' in literal else literal for literal in column]
    return None if None in strings else strings  # type: ignore[return-value]  # which mypy cannot see


def _unescape(literal: str) -> str | None:
    try:
        string, end = scanstring(f'{literal}"', 0, True)
    except ValueError:
        return None
    return string if end == len(literal) + 1 and not _SURROGATE.search(string) else None


def _at(value: Any, path: Path) -> Any:
    """The string or whole number at a path; None where there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value if isinstance(value, str) or type(value) is int else None


def _find(raw: str, value: Any, path: Path, role: Literal["text", "free", "cursor"]) -> _Hole | None:
    """The literal at a path, found by trial: with another one in its place, only the value there is another."""
    member = _at(value, path)
    other: str | int = f"{member}." if isinstance(member, str) else member + 1
    for match in _LITERAL.finditer(raw):
        start, end = match.span()
        if json.loads(match[0], strict=False) != member:
            continue
        tried = json.loads(f"{raw[:start]}{json.dumps(other)}{raw[end:]}")
        if _at(tried, path) == other and _with(tried, path, member) == value:
            inside = (start + 1, end - 1) if isinstance(member, str) else (start, end)
            return _Hole(*inside, role, isinstance(member, int))
    return None


def _with(value: Any, path: Path, member: str | int) -> Any:
    """The value, with another member at the path."""
    place = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = member
    return value
