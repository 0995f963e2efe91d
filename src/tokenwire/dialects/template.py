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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from json.decoder import scanstring  # type: ignore[attr-defined]  # which typeshed leaves out
from operator import itemgetter
from typing import Any, Literal

from .dialect import Holes, Message, Path
from .events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta

__all__ = ["Shortcut", "Template"]

#: Templates of one stream. Text, reasoning and the arguments of a few parallel tool calls each have their own.
MAX_TEMPLATES = 8

#: Characters of a message that is learned. What is larger than this is no token.
MAX_SIZE = 4096

#: Deltas after which it begins: what is learned costs what some fifty of them save.
LEARN_AFTER = 4

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

#: Characters by which the end of a hole is looked for.
_NEEDLE = 8

_Role = Literal["text", "free", "cursor"]
_Kind = Literal["string", "number", "blanks"]

_DELTAS = (TextDelta, ReasoningDelta, ToolCallDelta)

_Delta = TextDelta | ReasoningDelta | ToolCallDelta


@dataclass(frozen=True, slots=True)
class _Hole:
    """What changes: where it stands, what for, and what it is."""

    start: int
    end: int
    role: _Role
    kind: _Kind


class Template:
    """The constant text of a message, and the holes in it, in their order."""

    def __init__(self, delta: type[_Delta], raw: str, holes: Sequence[_Hole]) -> None:
        self._delta = delta
        edges = [0, *(edge for hole in holes for edge in (hole.start, hole.end)), len(raw)]
        parts = [raw[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        self._first, *after = parts
        self._last = after[-1]
        # The last hole ends where the constant end begins; the others where what stands after them does.
        self._steps = [
            (hole.role, hole.kind, following) for hole, following in zip(holes, [*after[:-1], ""], strict=True)
        ]
        self._inside = itemgetter(slice(len(self._first), -len(self._last)))

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
        wanted: list[tuple[Path, _Role]] = [(path, "text")]
        wanted += [(free, "free") for free in holes.free]
        wanted += [(holes.cursor, "cursor")] if holes.cursor else []
        present = [(path, role) for path, role in wanted if _at(value, path) is not None]
        found = [_find(raw, value, path, role) for path, role in present]
        whole = [hole for hole in found if hole is not None]
        if len(whole) < len(found):
            return None
        return cls(type(event), raw, [*sorted(whole, key=lambda hole: hole.start), *_padding(raw)])

    def gives(self, raw: str, event: _Delta) -> bool:
        """Whether it reads the message as it was parsed in full."""
        delta = self.read_one(raw, event.block, event.cursor)
        return delta == event and delta.cursor == event.cursor

    def read_one(self, raw: str, block: int, cursor: str | None) -> _Delta | None:
        """The delta of a message; None where it does not fit. `cursor` is that of the event where no hole has one."""
        if not raw.startswith(self._first) or not raw.endswith(self._last):
            return None
        at, stop = len(self._first), len(raw) - len(self._last)
        text = ""
        for role, kind, after in self._steps:
            end = raw.find(after[0], at) if after else stop
            if after and not raw.startswith(after, end):
                end = _end(raw, at, after)
            if not at <= end <= stop:
                return None
            literal = raw[at:end]
            at = end + len(after)
            if kind != "string":
                if not (_NUMBER.fullmatch(literal) if kind == "number" else not literal.strip(" ")):
                    return None
            elif "\\" in literal or '"' in literal or not literal.isprintable():
                string = _string(literal)
                if string is None:
                    return None
                literal = string
            if role == "text":
                text = literal
            elif role == "cursor":
                cursor = literal
        return self._delta(block, text, raw, cursor) if text else None

    def read(
        self, raws: list[str], whole: str, between: str, block: int, cursor: str | None
    ) -> list[StreamEvent] | None:
        """The deltas of many messages at once, hole by hole; None where one of them does not fit.

        :param whole: the messages with `between` between them, which holds a line feed.
        """
        rest: Sequence[str] = list(map(self._inside, raws))
        if f"{self._first}{f'{self._last}{between}{self._first}'.join(rest)}{self._last}" != whole:
            return None
        texts: Sequence[str] = ()
        cursors: Iterable[str | None] = repeat(cursor)
        for role, kind, after in self._steps:
            column = rest
            if after:
                # A short needle is found faster, and what follows it is compared.
                needle, more = after[:_NEEDLE], after[_NEEDLE:]
                column, found, rest = zip(*map(str.partition, rest, repeat(needle)), strict=True)
                if found.count(needle) < len(raws) or not all(map(str.startswith, rest, repeat(more))):
                    return None
                rest = list(map(itemgetter(slice(len(more), None)), rest))
            values = _READERS[kind](column)
            if values is None:
                return None
            if role == "text":
                texts = values
            elif role == "cursor":
                cursors = values
        return list(map(self._delta, repeat(block), texts, raws, cursors)) if all(texts) else None


class Shortcut:
    """Where a stream is: whether its next messages can go the short way, and by which template.

    :param holes: of the dialect.
    """

    def __init__(self, holes: Holes) -> None:
        #: The next messages may go the short way.
        self.ready = False
        #: The last event ID of the message after which it was found ready.
        self.last_event_id = ""
        self._holes = holes
        self._templates: list[Template] = []
        self._failures = 0
        self._seen = 0
        self._template: Template
        self._block = 0
        self._cursor: str | None = None
        self._head = ""
        self._between = ""
        self._end = ""
        self._gap = b"\n\n"

    @property
    def given_up(self) -> bool:
        """It is not worth while with this stream."""
        return self._failures > MAX_FAILURES

    def note(self, message: Message, events: list[StreamEvent]) -> None:
        """A message was parsed in full: what it gave says whether the next ones may go the short way."""
        self.ready = False
        if len(events) != 1 or not isinstance(events[0], _DELTAS) or self.given_up:
            return
        self._seen += 1
        if self._seen < LEARN_AFTER:
            return
        event = events[0]
        template = self._known(message.data, event) or self._learned(message.data, event)
        if template is None:
            self._failures += 1
            return
        self.ready = True
        self.last_event_id = message.id
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
        delta = self._template.read_one(raw, self._block, self._cursor)
        return self._noted(None if delta is None else [delta])

    def read_block(self, data: bytes) -> list[StreamEvent] | None:
        """The delta of one whole message in its framing; None where it is something else, or several."""
        text = data.decode("utf-8", "replace")
        if not text.startswith(self._head) or not text.endswith(self._end):
            return None
        raw = text[len(self._head) : -len(self._end)]
        delta = self._template.read_one(raw, self._block, self._cursor)
        return None if delta is None else [delta]

    def read_body(self, data: bytes) -> list[StreamEvent] | None:
        """The deltas of whole messages in their framing; None where something is else."""
        text = data.decode("utf-8", "replace")
        head = self._head
        if not text.startswith(head) or not text.endswith(self._end):
            return self._noted(None)
        whole = text[len(head) : -len(self._end)]
        raws = whole.split(self._between)
        return self._noted(self._template.read(raws, whole, self._between, self._block, self._cursor))

    def first_end(self, data: bytes) -> int:
        """Where the first message ends in the data; its size where none does."""
        end = data.find(self._gap)
        return len(data) if end < 0 else end + len(self._gap)

    def last_end(self, data: bytes) -> int:
        """Where the last message that is whole ends in the data; 0 where none does."""
        end = data.rfind(self._gap)
        return 0 if end < 0 else end + len(self._gap)

    def _set_framing(self, head: str, gap: str) -> None:
        self._head = head
        self._end = gap
        self._between = gap + head
        self._gap = gap.encode()

    def _noted(self, events: list[StreamEvent] | None) -> list[StreamEvent] | None:
        self._failures = self._failures + 1 if events is None else 0
        return events

    def _known(self, raw: str, event: _Delta) -> Template | None:
        for template in reversed(self._templates):
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


def _end(text: str, at: int, after: str) -> int:
    """Where a literal ends that begins at `at` and has escaped quotation marks in it; or -1."""
    end = at + len(_BODY.match(text[at:])[0])  # type: ignore[index]  # it matches nothing too
    return end if text.startswith(after, end) else -1


def _strings(column: Sequence[str]) -> Sequence[str] | None:
    """The strings that the insides of literals stand for; None where one of them is no literal, or not plain."""
    joined = "".join(column)
    if not joined.isprintable() and _NOT_PLAIN.search(joined):
        return None
    if "\\" not in joined:
        return None if '"' in joined else column
    strings = list(column)
    marks = joined.count('"')
    for place in [place for place, literal in enumerate(column) if "\\" in literal]:
        string = _string(column[place])
        if string is None:
            return None
        marks -= column[place].count('"')
        strings[place] = string
    return None if marks else strings  # a quotation mark that nothing escapes


def _string(literal: str) -> str | None:
    """The string that the inside of a literal stands for; None where it is none, or not plain."""
    if "\\" not in literal and '"' not in literal:
        return None if _NOT_PLAIN.search(literal) else literal
    try:
        string, end = scanstring(f'{literal}"', 0, True)
    except ValueError:
        return None
    return string if end == len(literal) + 1 and not _SURROGATE.search(string) else None


def _numbers(column: Sequence[str]) -> Sequence[str] | None:
    """The column, where all of it are whole numbers that do not begin with a zero."""
    joined = "".join(column)
    plain = joined.isascii() and joined.isdecimal() and len(joined) < MAX_SIZE
    return column if plain and min(column)[:1] > "0" else None


def _blanks(column: Sequence[str]) -> Sequence[str] | None:
    """The column, where it is nothing but blanks."""
    return None if "".join(column).strip(" ") else column


_READERS: dict[_Kind, Callable[[Sequence[str]], Sequence[str] | None]] = {
    "string": _strings,
    "number": _numbers,
    "blanks": _blanks,
}


def _padding(raw: str) -> list[_Hole]:
    """Blanks before the closing brace, which some servers put there, more or fewer, to hide the length of the text."""
    end = len(raw) - 1
    start = len(raw[:end].rstrip(" "))
    return [_Hole(start, end, "free", "blanks")] if raw.endswith("}") and start < end else []


def _at(value: Any, path: Path) -> Any:
    """The string or whole number at a path; None where there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value if isinstance(value, str) or type(value) is int else None


def _find(raw: str, value: Any, path: Path, role: _Role) -> _Hole | None:
    """The literal at a path, found by trial: with another one in its place, only the value there is another."""
    member = _at(value, path)
    other: str | int = f"{member}." if isinstance(member, str) else member + 1
    for match in _LITERAL.finditer(raw):
        start, end = match.span()
        if not _may_be(match[0], member) or json.loads(match[0], strict=False) != member:
            continue
        tried = json.loads(f"{raw[:start]}{json.dumps(other)}{raw[end:]}")
        if _at(tried, path) == other and _with(tried, path, member) == value:
            inside = (start + 1, end - 1) if isinstance(member, str) else (start, end)
            return _Hole(*inside, role, "number" if isinstance(member, int) else "string")
    return None


def _may_be(literal: str, member: str | int) -> bool:
    """Without parsing it."""
    return literal == str(member) if isinstance(member, int) else "\\" in literal or literal == f'"{member}"'


def _with(value: Any, path: Path, member: str | int) -> Any:
    """The value, with another member at the path."""
    place = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = member
    return value
