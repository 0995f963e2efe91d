"""The tool calls of one choice of a chat stream, which some twenty servers cut into pieces in their own ways.

In: the objects of `delta.tool_calls`, and those of a whole message. Out: the events of a block for each call. The
pieces of a call are known by its index, or by its id where several calls share an index or have none. Where there is
neither, a name begins a call. Whole calls and pieces that say the same are told once: see `wholes`.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .chat_said import Said
from .events import BlockStart, BlockStop, Other, StreamEvent, ToolCallDelta
from .pieces import Pieces, rest_of
from .surrogates import SurrogateJoiner
from .values import arguments_of, index_of, name_of, object_of, unknown_members, value_of
from .wholes import differs, same_json

__all__ = ["MAX_WAITING", "ToolCalls"]

#: Characters of a tool call's arguments that wait for its name. Where a name comes late, it comes in the next chunk or
#: the one after; a call that still has none then opens without. Longer arguments are not looked at for a repetition.
MAX_WAITING = 64 * 1024

#: The last calls of a choice, where a whole message looks for its own by place and by name. An answer has a dozen;
#: earlier ones are known by their ids.
MAX_MATCHED = 1024

#: Pieces of arguments that are kept until they are looked at.
_MANY = 256

#: Members of a call and of its function that are read: those that hold arguments, and all.
_ARGUMENTS = ("arguments", "input", "parameters")
_CALL = frozenset({"index", "id", "type", "function", "custom", "name", *_ARGUMENTS})

#: What changes the depth of a JSON text, outside a string and inside one.
_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class _Call(NamedTuple):
    """One object of `tool_calls`, as it was read."""

    place: int | None  # its index
    tool_id: str
    name: str
    given: Any  # the arguments as they stand there
    arguments: str

    def texts(self) -> list[str]:
        """What the arguments may be as JSON text: a value may be spaced in two ways."""
        if isinstance(self.given, str) or not self.arguments:
            return [self.arguments]
        return [self.arguments, json.dumps(self.given, ensure_ascii=False, separators=(",", ":"))]


class ToolCalls:
    """The tool calls of one choice.

    :param new_block: gives the number of the next block.
    """

    def __init__(self, choice: int, new_block: Callable[[], int]) -> None:
        self._choice = choice
        self._new_block = new_block
        self._all: list[_Tool] = []
        self._open: dict[_Tool, None] = {}  # in the order in which they began
        self._grown: dict[_Tool, None] = {}  # those of which more has come since the choice finished, if it has
        self._by_index: dict[int, _Tool] = {}
        self._by_id: dict[str, _Tool] = {}
        self._last: _Tool | None = None
        self._ahead: deque[_Tool] = deque()  # those that a whole message told, which pieces may repeat in their order

    def keeps(self, raw: str) -> bool:
        """Whether the message gave a name that may not be whole yet, and is kept until it is."""
        return self._last is not None and self._last.block is None and self._last.named_in is raw

    @property
    def some(self) -> bool:
        """A call has begun."""
        return bool(self._all)

    @property
    def cut(self) -> bool:
        """The JSON of a call's arguments is not whole."""
        return any(tool.arguments.cut for tool in self._open)

    def receive(self, call: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        """Takes one object of `tool_calls`: a piece of a call, or a whole one."""
        read, is_odd = _read(call)
        if is_odd:
            yield Other("tool_calls", raw)
        if read is not None:
            yield from self._piece(read, raw)

    def receive_whole(self, calls: Sequence[Any], raw: str, *, by_deltas: bool) -> Iterator[StreamEvent]:
        """Takes the `tool_calls` of a whole message, and gives what is new in them.

        :param by_deltas: the stream has deltas. Without them a message may be a piece, and a call that is not known is
            one more.
        """
        reads = [_read(call) if isinstance(call, dict) else (None, True) for call in calls]
        told = _Unmatched(
            self._all[-MAX_MATCHED:], [self._by_id.get(read.tool_id) for read, _ in reads if read is not None]
        )
        for position, (read, is_odd) in enumerate(reads):
            if is_odd:
                yield Other("tool_calls", raw)
            if read is None:
                continue
            tool = self._by_id.get(read.tool_id) or told.take(read, position, by_deltas=by_deltas)
            if tool is None:
                yield from self._new_whole(read, position, raw)
            else:
                yield from self._known_whole(tool, read, raw)

    def _new_whole(self, call: _Call, position: int, raw: str) -> Iterator[StreamEvent]:
        """A call that a whole message tells. Deltas may still repeat it."""
        tool = self._begin(call.place)
        self._by_index.setdefault(position if call.place is None else call.place, tool)
        yield from self._take(tool, call, raw)
        tool.expect(call.arguments)
        self._ahead.append(tool)

    def _known_whole(self, tool: _Tool, call: _Call, raw: str) -> Iterator[StreamEvent]:
        """The whole of a call that was told. Where it is another, the whole wins: see `wholes`."""
        rest = tool.rest(call)
        if rest is None:
            yield from self._close([tool], raw)
            words = f"the whole of the call in block {tool.block} is not what its deltas said: the call is given anew"
            yield differs(words, raw)
            tool, last = self._begin(tool.index), tool
            tool.replaces = last.block
            self._all[last.place] = self._all.pop()
            tool.place = last.place
            if tool.index is not None:
                self._by_index[tool.index] = tool
            named = call._replace(tool_id=call.tool_id or last.tool_id, name=call.name or last.name)
            yield from self._take(tool, named, raw)
        else:
            yield from self._take(tool, call._replace(arguments=rest), raw)
            tool.expect(rest)

    def _piece(self, call: _Call, raw: str) -> Iterator[StreamEvent]:
        index, tool_id, name, _, arguments = call
        known = self._known(index, tool_id, name, raw)
        if known is not None and known.is_expected(tool_id, name):
            self._last = known
            yield from known.receive_expected(arguments, raw)
            return
        tool = known
        if known is None or known.is_another(tool_id, name, raw) or known.is_over_for(arguments):
            tool = self._begin(index)
            if known is not None and known.settled:
                yield from self._close([known], raw)
        assert tool is not None
        yield from self._take(tool, call, raw)

    def _begin(self, index: int | None) -> _Tool:
        tool = _Tool(index, len(self._all), self._choice, self._new_block)
        self._all.append(tool)
        self._open[tool] = None
        return tool

    def _take(self, tool: _Tool, call: _Call, raw: str) -> Iterator[StreamEvent]:
        """Gives the call what the object has."""
        if self._last is not None and self._last is not tool:
            yield from self._last.open(raw)
        self._last = tool
        self._grown[tool] = None
        if call.place is not None:
            self._by_index[call.place] = tool
        if call.tool_id:
            self._by_id[call.tool_id] = tool
        if call.given == {}:
            tool.has_empty_object = True  # which may stand where the pieces are still to come
            call = call._replace(arguments="")
        yield from tool.receive(call.tool_id, call.name, call.arguments, raw)

    def texts(self, block: int) -> Pieces | None:
        """Where pieces of the arguments of the latest call are added by whoever reads them in its place."""
        return self._last.arguments.new if self._last is not None and self._last.block == block else None

    def settle(self, raw: str) -> Iterator[StreamEvent]:
        """The choice is finished: what is whole closes. The rest of the others may still come."""
        grown, self._grown = self._grown, {} if self._last is None else {self._last: None}
        for tool in grown:
            yield from tool.open(raw)
        yield from self._close([tool for tool in grown if tool.settled], raw)

    def close(self, raw: str) -> Iterator[StreamEvent]:
        """The stream is over: everything closes."""
        yield from self._close(list(self._open), raw)

    def _close(self, tools: list[_Tool], raw: str) -> Iterator[StreamEvent]:
        for tool in tools:
            yield from tool.close(raw)
            self._open.pop(tool, None)

    def _known(self, index: int | None, tool_id: str, name: str, raw: str) -> _Tool | None:
        by_id = self._by_id.get(tool_id)
        if index is not None:
            return by_id if by_id is not None and by_id.index == index else self._by_index.get(index)
        if tool_id:
            return by_id
        while self._ahead and not self._ahead[0].is_expected("", ""):
            self._ahead.popleft()
        if name and self._ahead and self._ahead[0].is_expected("", name):
            return self._ahead[0]
        begins = name and self._last is not None and self._last.name and not self._last.goes_on(name, raw)
        return None if begins else self._last


def _read(call: dict[str, Any]) -> tuple[_Call | None, bool]:
    """What an object of `tool_calls` says; and whether it has something that has no place."""
    function = object_of(call.get("function", call.get("custom", call)))
    if function is None:
        return None, True
    given = next((function[it] for it in _ARGUMENTS if function.get(it) is not None), None)
    tool_id, name, arguments = name_of(call.get("id")), name_of(function.get("name")), arguments_of(given)
    is_odd = None in (tool_id, name, arguments) or bool(unknown_members(call, _CALL, _ARGUMENTS))
    return _Call(index_of(call.get("index")), tool_id or "", name or "", given, arguments or ""), is_odd


class _Unmatched:
    """The calls that were told, of which each may be one of those that a whole message has.

    :param named: those that the message knows by their ids.
    """

    def __init__(self, told: Sequence[_Tool], named: Sequence[_Tool | None]) -> None:
        self._free = set(told).difference(named)
        self._at: dict[int, _Tool] = {}
        self._by_name: dict[str, list[_Tool]] = {}
        for tool in told:
            self._at.setdefault(tool.place if tool.index is None else tool.index, tool)
        for tool in reversed(told):
            self._by_name.setdefault(tool.name, []).append(tool)

    def take(self, call: _Call, position: int, *, by_deltas: bool) -> _Tool | None:
        """The one at the place of the call, or of its name, that may be the beginning of it; where there is none and
        the stream has deltas, the one at its place, which is then another; None where that is none either."""
        there = self._at.get(position if call.place is None else call.place)
        alike = self._by_name.get(call.name, [])
        while alike and alike[-1] not in self._free:
            alike.pop()
        fitting = (tool for tool in (there, *alike[-1:]) if tool in self._free and tool.rest(call) is not None)
        found = next(fitting, there if by_deltas and there in self._free else None)
        if found is not None:
            self._free.discard(found)
        return found


class _Tool:
    """A tool call. It opens when its name is whole: that is known when its arguments begin, or anything else does.

    :ivar place: among the calls of its choice.
    :ivar replaces: the number of the block that it gives anew.
    """

    def __init__(self, index: int | None, place: int, choice: int, new_block: Callable[[], int]) -> None:
        self.index = index
        self.place = place
        self.name = ""
        self.block: int | None = None
        self.arguments = _Arguments()
        self.has_empty_object = False
        self.closed = False
        self.replaces: int | None = None
        self.tool_id = ""
        self.named_in = ""  # the message that gave the name
        self._expected = Said()  # the arguments that a whole message told
        self._differs = False  # the pieces are not what it told
        self._choice = choice
        self._new_block = new_block
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._joiner = SurrogateJoiner()

    @property
    def settled(self) -> bool:
        """Its arguments have all come."""
        return self.arguments.whole or (self.has_empty_object and not self.arguments.some)

    def is_another(self, tool_id: str, name: str, raw: str) -> bool:
        """Whether a piece with this id and name, at the same address, begins the next call.

        Servers that give every parallel call the index 0 tell the calls apart by id and name, or by name alone. A new
        id alone tells nothing: some servers make one up for every chunk. A name alone may be repeated in every chunk,
        or come in pieces, until the arguments are whole.
        """
        if not name or not self.name:
            return False
        if tool_id and self.tool_id:
            return tool_id != self.tool_id
        return not self.goes_on(name, raw) if name == self.name else self.arguments.some or self.named_in is raw

    def is_over_for(self, arguments: str) -> bool:
        """Whether the arguments are no longer its own: it has closed, and they are not the same once more."""
        return self.closed and bool(arguments) and not self.arguments.repeats(arguments)

    def goes_on(self, name: str, raw: str) -> bool:
        """Whether the same name once more is that of this call."""
        return name == self.name and not self.settled and self.named_in is not raw

    def rest(self, call: _Call) -> str | None:
        """What the whole of this call says after what was told; None where it is another, or comes too late."""
        grows = self.block is None and call.name.startswith(self.name)
        if not grows and call.name not in ("", self.name):
            return None
        if not call.arguments or call.given == {}:
            return ""
        told = self.arguments.text
        rest = next((rest for text in call.texts() if (rest := rest_of(told, text)) is not None), None)
        if rest and not self.closed:
            return rest
        return "" if rest == "" or same_json(told, call.arguments) else None

    def expect(self, arguments: str) -> None:
        """A whole message told these arguments, and pieces may repeat them."""
        self._expected.tell_ahead(arguments)

    def is_expected(self, tool_id: str, name: str) -> bool:
        """Whether a piece at its address repeats what a whole message told."""
        is_named = name in ("", self.name) and (tool_id in ("", self.tool_id) or not self.tool_id)
        return is_named and (self._expected.is_ahead or self._differs)

    def receive_expected(self, arguments: str, raw: str) -> Iterator[StreamEvent]:
        """Takes a piece that repeats what a whole message told. Where it is another, the whole has won."""
        if self._differs:
            return
        new, _ = self._expected.receive(arguments)
        if new:
            self._differs = True
            yield differs(f"the deltas of the call in block {self.block} are not what its whole said", raw)

    def receive(self, tool_id: str, name: str, arguments: str, raw: str) -> Iterator[StreamEvent]:
        self.tool_id = self.tool_id or tool_id
        if name and name != self.name:
            if self.block is None:
                self.name = name if name.startswith(self.name) else self.name + name
                self.named_in = raw
            else:
                yield Other("tool_calls", raw)
        if not arguments or self.arguments.repeats(arguments):
            return
        self._wait(self._joiner.feed(arguments))
        if self.name or self.block is not None or self._waiting_size > MAX_WAITING:
            yield from self._give(raw)

    def open(self, raw: str) -> Iterator[StreamEvent]:
        """Something else begins, or all is over: the name is whole, if there is one."""
        if self.block is None and self.name:
            yield from self._give(raw)

    def close(self, raw: str) -> Iterator[StreamEvent]:
        if self.closed:
            return
        self.closed = True
        self._wait(self._joiner.flush())
        if self.has_empty_object and not self.arguments.some:
            self._wait("{}")
        yield from self._give(raw)
        assert self.block is not None
        yield BlockStop(self.block, raw)

    def _wait(self, arguments: str) -> None:
        if arguments:
            self.arguments.add(arguments)
            self._waiting.append(arguments)
            self._waiting_size += len(arguments)

    def _give(self, raw: str) -> Iterator[StreamEvent]:
        if self.block is None:
            self.block = self._new_block()
            start = BlockStart(self.block, "tool", self.tool_id, self.name, self._choice, raw)
            start.replaces = self.replaces
            yield start
        if self._waiting:
            yield ToolCallDelta(self.block, "".join(self._waiting), raw)
            self._waiting = []
            self._waiting_size = 0


class _Arguments:
    """The JSON text of arguments as far as it has come, and whether it is a whole object or list.

    Pieces are kept as they come, and looked at when somebody asks, each of them once.
    """

    def __init__(self) -> None:
        self.some = False
        #: Pieces that nobody has looked at yet.
        self.new = Pieces()
        self._said: list[str] = []
        self._size = 0
        self._depth = 0
        self._begun = False
        self._in_string = False
        self._escaped = False

    @property
    def text(self) -> str:
        """All that has come."""
        self._look()
        self._said[:] = ["".join(self._said)]
        return self._said[0]

    @property
    def whole(self) -> bool:
        self._look()
        return self._begun and self._depth <= 0

    @property
    def cut(self) -> bool:
        self._look()
        return self._depth > 0 or self._in_string

    def add(self, piece: str) -> None:
        self.some = True
        self.new.append(piece)
        if len(self.new) >= _MANY:
            self._look()

    def repeats(self, text: str) -> bool:
        """Whether the text is what has been said already, whole: a second one cannot follow it."""
        if not _begins_anew(text) or not self.whole or self._size > MAX_WAITING:
            return False
        value = value_of(text)
        return value is not None and value == value_of(self.text)

    def _look(self) -> None:
        for piece in self.new:
            self._size += len(piece)
            self._said.append(piece)
            self._scan(piece)
        self.new.clear()

    def _scan(self, piece: str) -> None:
        at = 0
        while at < len(piece):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            found = (_INSIDE if self._in_string else _OUTSIDE).search(piece, at)
            if found is None:
                return
            at = found.end()
            match found[0]:
                case '"':
                    self._in_string = not self._in_string
                case "\\":
                    self._escaped = True
                case "{" | "[":
                    self._depth += 1
                    self._begun = True
                case _:
                    self._depth -= 1


def _begins_anew(piece: str) -> bool:
    """Whether a piece of arguments may be all of them once more: it begins as they do."""
    return piece.lstrip().startswith(("{", "["))
