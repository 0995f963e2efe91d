"""The short way for deltas: what stands around the text is the same from message to message, so it is read once.

A stream of tokens is one JSON object a token, and but for the text (and a padding, a number) the objects are the same,
byte for byte. A `Template` is learned from a message that was parsed in full and gave one delta: the constant text
before, between and after its holes. A later message that has the same text around its holes, and in each hole what
JSON allows there, is the same object with other values in the holes; so it gives the same delta with the other text,
and nothing else need be parsed. A message of OpenAI's Responses, in three lines here, with its holes marked:

    {"type":"response.output_text.delta","sequence_number":4,
                                                           ^                        the cursor, a number
     "item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hello",
                                                                   ^^^^^            the text, read as JSON
     "obfuscation":"x1"}
                    ^^                                                              free: nobody reads it

What is not marked are the four constants of the template. The next message has 5, " world" and "x" in the same holes,
and so gives `TextDelta(block, " world", raw, "5")`. This is exact, not a guess:

- A hole is found by trial. The literal is replaced by another in the text, which is parsed again: the value at the
  member's path must have changed to it, and nothing else. So a name that stands twice, or the same text elsewhere,
  misleads nobody.
- A literal without a quotation mark, backslash or control character stands for itself; one with a backslash is read by
  `json`'s own scanner, which must end exactly where the literal does. Nothing else is taken for a hole.
- The bytes around the holes are compared, all of them: the messages are put together again from the template and the
  holes, and must make the very text that was read.
- Where a message gives what depends on more than the text, nothing is learned from it: see `Holes.barred`.
- The decoder's state has to be such that a delta is nothing but a delta. That is so after a message that gave a single
  delta with all of its text, until one comes that gave anything else. `Shortcut` keeps that account.

Whatever does not fit is parsed in full. The messages of a read are taken apart together, so that nearly all of the work
is done in C: by one `split`, one `join` and one comparison for all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from json.decoder import scanstring  # type: ignore[attr-defined]  # which typeshed leaves out
from operator import itemgetter
from typing import Any, Literal

from ..records import record
from .dialect import Holes, Message, Path
from .events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from .pieces import LARGE, MANY, Pieces

__all__ = ["Shortcut", "Template"]

#: Templates of one stream. Text, reasoning and the arguments of a few parallel tool calls each have their own.
MAX_TEMPLATES = 8

#: Characters of a message that is learned. What is larger than this is no token.
MAX_SIZE = 4096

#: Messages that may fail to fit, or to be learned from, before a stream is no longer tried.
MAX_FAILURES = 16

#: A string, wherever one stands in JSON text.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')

#: Half a pair, which waits for its other half.
_SURROGATE = re.compile("[\ud800-\udfff]")

#: Characters of a constant by which the end of a hole is looked for.
_NEEDLE = 8

#: Stands between the literals of a column while they are read at once: in a literal it is as rare as it is allowed.
_BETWEEN_LITERALS = "\x7f"

#: What a hole may hold. A text may hold anything, for it is read afterwards.
_GROUPS = {
    "text": r'([^"\\]*+(?:\\.[^"\\]*+)*+)',
    "string": r'([^"\\\x00-\x1f\x7f]*+)',
    "number": "(0|[1-9][0-9]{0,17})",
    "blanks": "( *+)",
}

_Role = Literal["text", "free", "cursor"]
_Kind = Literal["string", "number", "blanks"]

_DELTAS = (TextDelta, ReasoningDelta, ToolCallDelta)

_Delta = TextDelta | ReasoningDelta | ToolCallDelta


@record(frozen=True)
class _Hole:
    """What changes: where it stands, what for, and what it is."""

    start: int
    end: int
    role: _Role
    kind: _Kind


class Template:
    """The constant text of a message, and the holes in it, in their order.

    Where there is one hole, its place in a message is known from both ends. Several are looked for by the beginning of
    what stands behind each; whatever was found so, the message put together again is compared with all that was read.
    """

    _separator: re.Pattern[str]  # of several holes: what stands between those of one message and the next

    def __init__(self, delta: type[_Delta], raw: str, holes: Sequence[_Hole]) -> None:
        roles = [hole.role for hole in holes]
        edges = [0, *(edge for hole in holes for edge in (hole.start, hole.end)), len(raw)]
        self._delta = delta
        self._text = roles.index("text")
        self._cursor = roles.index("cursor") if "cursor" in roles else None
        self._constants = [raw[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        self._groups = [_GROUPS["text" if hole.role == "text" else hole.kind] for hole in holes]
        self._message = _with_holes(self._constants)
        first, *after = self._constants
        self._only = itemgetter(slice(len(first), -len(after[-1]))) if len(holes) == 1 else None
        self._between: str | None = None
        self._round: list[str] = []
        self._glue = ""  # what stands between the last hole of a message and the first of the next one

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
        for other in (*holes.texts, *holes.barred):
            if other != path and _says(value, other):
                return None
        wanted: list[tuple[Path, _Role]] = [(path, "text")]
        wanted.extend((free, "free") for free in holes.free)
        if holes.cursor:
            wanted.append((holes.cursor, "cursor"))
        present: list[tuple[Path, _Role]] = [(path, role) for path, role in wanted if _at(value, path) is not None]
        found = [_find(raw, value, path, role) for path, role in present]
        whole = [hole for hole in found if hole is not None]
        if len(whole) < len(found):
            return None
        return cls(type(event), raw, [*sorted(whole, key=lambda hole: hole.start), *_padding(raw)])

    @property
    def edges(self) -> tuple[str, str]:
        """What every message begins and ends with."""
        return self._constants[0], self._constants[-1]

    def gives(self, raw: str, event: _Delta) -> bool:
        """Whether it reads the message as it was parsed in full."""
        delta = self.read_one(raw, event.block, event.cursor)
        if delta is None or type(delta) is not type(event):
            return False
        return _text_of(delta) == _text_of(event) and delta.cursor == event.cursor

    def read_one(self, raw: str, block: int, cursor: str | None, told: Pieces | None = None) -> _Delta | None:
        """The delta of a message; None where it does not fit. Its text is added to `told`.

        :param cursor: of the event where no hole has one.
        """
        if self._only is not None:
            found: Sequence[str] = (self._only(raw),)
        elif match := self._one.fullmatch(raw):
            found = match.groups()
        else:
            return None
        message = self._message.copy()
        message[1::2] = found
        text = _string(found[self._text]) if "".join(message) == raw else None
        if not text:
            return None
        if told is not None:
            if self._delta is ToolCallDelta and text.lstrip()[:1] in ("{", "[") and _may_be_repeated(told, (text,)):
                return None
            told.append(text)
            if len(told) >= MANY or len(text) >= LARGE:
                told.settle()
        return self._delta(block, text, raw, cursor if self._cursor is None else found[self._cursor])

    def read(
        self, whole: str, between: str, block: int, cursor: str | None, told: Pieces | None = None
    ) -> list[StreamEvent] | None:
        """The deltas of messages that have `between` between them; None where one of them does not fit.

        :param between: holds a line feed, so that it cannot stand in a message.
        :param told: takes the texts of the deltas.
        """
        if between != self._between:
            self._set_between(between)
        raws = whole.split(between)
        found = self._found(whole, raws)
        if found is None:
            return None
        count = len(self._groups)
        texts = _strings(found[self._text :: count])
        if texts is None or not all(texts):
            return None
        if told is not None:
            if self._delta is ToolCallDelta and _may_be_repeated(told, texts):
                return None
            told += texts
            told.settle()
        cursors = repeat(cursor) if self._cursor is None else found[self._cursor :: count]
        return _events(self._delta, block, texts, raws, cursors)

    def _found(self, whole: str, raws: Sequence[str]) -> list[str] | None:
        """What the holes hold, message by message."""
        first, last = self._constants[0], self._constants[-1]
        if self._only is not None:
            found = list(map(self._only, raws))
            return found if f"{first}{self._glue.join(found)}{last}" == whole else None
        # From the first hole of the first message to where that of another one would begin.
        round_ = f"{whole[len(first) :]}{self._between}{first}"
        found = self._separator.split(round_)[:-1]
        if len(found) != len(raws) * len(self._groups):
            return None
        parts = self._round * len(raws)
        parts[::2] = found
        if "".join(parts) != round_ or not whole.startswith(first):
            return None
        if self._text:  # the first column is what is left over, and nothing has looked at it
            column = found[:: len(self._groups)]
            if not self._first.fullmatch(_BETWEEN_LITERALS.join([*column, ""])):
                return None
        return found

    @cached_property
    def _one(self) -> re.Pattern[str]:
        """A whole message."""
        first, *after = self._constants
        return re.compile(_anything(first) + self._groups[0] + _behind(after, self._groups[1:]))

    @cached_property
    def _first(self) -> re.Pattern[str]:
        """What stands in the first hole of many messages."""
        return re.compile(f"(?:{self._groups[0]}{_BETWEEN_LITERALS})*+")

    def _set_between(self, between: str) -> None:
        first, *after = self._constants
        after[-1] += between + first
        self._between = between
        self._glue = after[-1]
        self._round = ["", *_with_holes(after)]
        if self._only is None:
            self._separator = re.compile(_behind(after, self._groups[1:]))


class Shortcut:
    """Where a stream is: whether its next messages can go the short way, and by which template.

    :param decoder: of the dialect. If it keeps the texts of its blocks, those that come the short way are added.
    """

    def __init__(self, holes: Holes, decoder: object) -> None:
        #: The next messages may go the short way.
        self.ready: bool = False
        #: The last event ID of the message after which it was found ready.
        self.last_event_id: str = ""
        self._holes = holes
        self._texts_of: Callable[[int], Pieces | None] | None = getattr(decoder, "texts", None)  # if it `KeepsTexts`
        self._texts: Pieces | None = None
        self._templates: list[Template] = []
        self._failures = 0
        self._template: Template
        self._block = 0
        self._cursor: str | None = None
        self._head = ""
        self._between = ""
        self._end = ""
        self._inside = slice(0)  # of a framing, the message
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
        event = events[0]
        template = self._known(message.data, event) or self._learned(message.data, event)
        if template is None:
            self._failures += 1
            return
        self.ready = True
        self.last_event_id = message.id
        self._template = template
        self._block = event.block
        self._texts = None if self._texts_of is None else self._texts_of(event.block)
        self._cursor = event.cursor
        if message.event:
            name = "" if message.event == "message" else f"event: {message.event}\n"
            self._set_framing(f"{name}data: ", "\n\n")
        else:
            self._set_framing("", "\n")

    def read_message(self, raw: str) -> list[StreamEvent] | None:
        """The delta of one message; None where it does not fit."""
        delta = self._template.read_one(raw, self._block, self._cursor, self._texts)
        return self._noted(None if delta is None else [delta])

    def read_messages(self, messages: Sequence[str | bytes]) -> list[StreamEvent] | None:
        """The deltas of messages that came without a framing; None where something is else."""
        try:
            whole = "\n".join(messages)  # type: ignore[arg-type]
        except TypeError:
            return self._noted(None)  # one of them is binary
        if whole.count("\n") >= len(messages):
            return self._noted(None)  # one of them has lines of its own
        return self._noted(self._template.read(whole, "\n", self._block, self._cursor, self._texts))

    def alike(self, messages: Sequence[str | bytes], at: int) -> int:
        """Where those end that begin at a place among the messages and look like the template's."""
        first, last = self._template.edges
        while at < len(messages):
            message = messages[at]
            if not isinstance(message, str) or not message.startswith(first) or not message.endswith(last):
                break
            at += 1
        return at

    def read_block(self, data: bytes) -> list[StreamEvent] | None:
        """The delta of one whole message in its framing; None where it is something else, or several."""
        text = data.decode("utf-8", "replace")
        if not text.startswith(self._head) or not text.endswith(self._end):
            return None
        delta = self._template.read_one(text[self._inside], self._block, self._cursor, self._texts)
        if delta is None:
            return None
        self._failures = 0
        return [delta]

    def read_body(self, data: bytes) -> list[StreamEvent] | None:
        """The deltas of whole messages in their framing; None where something is else."""
        text = data.decode("utf-8", "replace")
        head = self._head
        if not text.startswith(head) or not text.endswith(self._end):
            return self._noted(None)
        whole = text[self._inside]
        return self._noted(self._template.read(whole, self._between, self._block, self._cursor, self._texts))

    def first_end(self, data: bytes, at: int = 0) -> int:
        """Where the message ends that begins at a place in the data; the size of the data where it does not."""
        end = data.find(self._gap, at)
        return len(data) if end < 0 else end + len(self._gap)

    def last_end(self, data: bytes) -> int:
        """Where the last message that is whole ends in the data; 0 where none does."""
        end = data.rfind(self._gap)
        return 0 if end < 0 else end + len(self._gap)

    def run_end(self, data: bytes, at: int) -> int:
        """Where the run of messages ends that begins at a place in the data and looks alike."""
        first, last = self._template.edges
        begin, close = (
            f"{self._head}{first}".encode("utf-8", "surrogatepass"),
            f"{last}{self._end}".encode("utf-8", "surrogatepass"),
        )
        size = len(self._gap)
        while data.startswith(begin, at):
            end = data.find(self._gap, at) + size
            if end < size or not data.endswith(close, at, end):
                break
            at = end
        return at

    def _set_framing(self, head: str, gap: str) -> None:
        self._head = head
        self._end = gap
        self._inside = slice(len(head), -len(gap))
        self._between = gap + head
        self._gap = gap.encode()

    def _noted(self, events: list[StreamEvent] | None) -> list[StreamEvent] | None:
        if events is None:
            self._failures += 1
            self.ready = self.ready and not self.given_up
        else:
            self._failures = 0
        return events

    def _known(self, raw: str, event: _Delta) -> Template | None:
        return next((it for it in reversed(self._templates) if it.gives(raw, event)), None)

    def _learned(self, raw: str, event: _Delta) -> Template | None:
        if len(self._templates) >= MAX_TEMPLATES:
            return None
        template = Template.learn(raw, event, self._holes)
        if template is None or not template.gives(raw, event):
            return None
        self._templates.append(template)
        return template


def _may_be_repeated(told: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether one of the pieces of arguments may be all of them once more, whole, which only the decoder can tell: it
    begins as JSON does, and what came before it does not end in the middle of some."""
    before = ["", *told[-1:], *texts]
    return any(
        text.lstrip().startswith(("{", "[")) and piece.rstrip()[-1:] in ("", "}", "]")
        for piece, text in zip(before[-len(texts) - 1 :], texts, strict=False)
    )


def _text_of(event: _Delta) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else event.text


def _events(
    delta: type[_Delta], block: int, texts: Sequence[str], raws: Sequence[str], cursors: Iterable[str | None]
) -> list[StreamEvent]:
    """Deltas of one kind. Those of text are made without a call of their class: a fifth off, on every token's path."""
    if delta is ToolCallDelta:
        return list(map(delta, repeat(block), texts, raws, cursors))
    events: list[Any] = list(map(object.__new__, repeat(delta, len(raws))))
    for event, text, raw, cursor in zip(events, texts, raws, cursors, strict=False):
        event.block = block
        event.text = text
        event.raw = raw
        event.cursor = cursor
    return events


def _string(literal: str) -> str | None:
    """The string that the inside of a literal stands for; None where it is none, or not plain."""
    if literal.isprintable() and "\\" not in literal and '"' not in literal:
        return literal
    strings = _strings([literal])
    return None if strings is None else strings[0]


def _strings(column: Sequence[str]) -> Sequence[str] | None:
    """The strings that the insides of literals stand for; None where one of them is no literal, or not plain."""
    joined = _BETWEEN_LITERALS.join(column)
    try:
        string, end = scanstring(f'{joined}"', 0)
    except ValueError:
        return None
    if end <= len(joined) or not (string.isascii() or _SURROGATE.search(string) is None):
        return None
    if "\\" not in joined:
        return column
    strings: list[str] = string.split(_BETWEEN_LITERALS)
    return strings if len(strings) == len(column) else None


def _with_holes(constants: Sequence[str]) -> list[str]:
    """The constants, and an empty place between each two."""
    return [part for constant in constants for part in (constant, "")][:-1]


def _behind(constants: Sequence[str], groups: Sequence[str]) -> str:
    """A pattern for what stands behind a hole: constants, with other holes between them."""
    first, *others = map(_beginning, constants)
    return first + "".join(map("".join, zip(groups, others, strict=True)))


def _beginning(constant: str) -> str:
    """A pattern for a constant of which only the beginning is looked at."""
    return re.escape(constant[:_NEEDLE]) + _anything(constant[_NEEDLE:])


def _anything(constant: str) -> str:
    return f"(?s:.{{{len(constant)}}})" if constant else ""


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


def _says(value: Any, path: Path) -> bool:
    """Whether something that is not empty stands at a path."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return bool(value)


def _find(raw: str, value: Any, path: Path, role: _Role) -> _Hole | None:
    """The literal at a path, found by trial: with another one in its place, only the value there is another."""
    member = _at(value, path)
    other: str | int = f"{member}." if isinstance(member, str) else member + 1
    for start, end in _places(raw, member):
        try:
            tried = json.loads(f"{raw[:start]}{json.dumps(other)}{raw[end:]}")
        except ValueError:
            continue  # it was no literal: the end of one string and the beginning of another
        if _at(tried, path) == other and _with(tried, path, member) == value:
            inside = (start + 1, end - 1) if isinstance(member, str) else (start, end)
            return _Hole(*inside, role, "number" if isinstance(member, int) else "string")
    return None


def _places(raw: str, member: str | int) -> Iterator[tuple[int, int]]:
    """Where a literal of that value may stand: first as it is written as a rule, then those with escapes."""
    plain = f'"{member}"' if isinstance(member, str) else str(member)
    start = raw.find(plain)
    while start >= 0:
        yield start, start + len(plain)
        start = raw.find(plain, start + 1)
    if isinstance(member, str) and "\\" in raw:
        for match in _STRING.finditer(raw):
            if "\\" in match[0] and json.loads(match[0], strict=False) == member:
                yield match.span()


def _with(value: Any, path: Path, member: str | int) -> Any:
    """The value, with another member at the path."""
    place = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = member
    return value
