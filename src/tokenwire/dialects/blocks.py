"""The blocks of one stream: numbered as they open, known by the address that the dialect gives them."""

from __future__ import annotations

from collections.abc import Hashable

from .events import BlockKind, BlockStart, BlockStop, Other, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from .pieces import Pieces
from .surrogates import SurrogateJoiner
from .values import value_of

__all__ = ["Blocks"]


class _Block:
    __slots__ = ("held", "joiner", "kind", "number", "pieces")

    def __init__(self, number: int, kind: BlockKind) -> None:
        self.number = number
        self.kind: BlockKind = kind
        self.joiner = SurrogateJoiner()
        self.held: tuple[str, str] | None = None  # arguments, until it closes, and the message that they came in
        #: Of the text, where it is kept: that of a tool call is, for whether its arguments are whole.
        self.pieces: Pieces | None = Pieces() if kind == "tool" else None

    @property
    def arguments(self) -> str:
        """Those of a tool call that have come."""
        if self.held is not None:
            return self.held[0]
        return "" if self.pieces is None else self.pieces.text

    def delta(self, text: str, raw: str, cursor: str | None) -> StreamEvent:
        if self.kind == "reasoning":
            return ReasoningDelta(self.number, text, raw, cursor)
        if self.kind in ("tool", "server_tool"):
            return ToolCallDelta(self.number, text, raw, cursor)
        return TextDelta(self.number, text, raw, cursor)


class Blocks:
    """Makes the events of blocks, so that a delta comes only in an open one and every one that opened is closed.

    `address` is whatever the dialect knows a block by: an index, a pair of them, an id. `raw` and `cursor` are those of
    the message that is being read, and go into the events.
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, _Block] = {}
        self._by_number: dict[int, _Block] = {}  # those of them that are tool calls
        self._count = 0
        #: A tool call was broken off before the JSON of its arguments was whole.
        self.call_cut: bool = False

    @property
    def opened(self) -> bool:
        """A block was opened, whether or not it still is."""
        return self._count > 0

    def __contains__(self, address: Hashable) -> bool:
        """Whether the block is open."""
        return address in self._open

    def kind(self, address: Hashable) -> BlockKind | None:
        """The kind of an open block."""
        block = self._open.get(address)
        return None if block is None else block.kind

    def texts(self, block: int) -> Pieces | None:
        """Where the pieces of a tool call's arguments are kept; the text of other blocks is not: see `template`."""
        call = self._by_number.get(block)
        return None if call is None else call.pieces

    @property
    def some_open(self) -> bool:
        """Whether a block has begun and not ended."""
        return bool(self._open)

    @property
    def tools_open(self) -> bool:
        """Whether a tool call has begun and not ended."""
        return any(block.kind == "tool" for block in self._open.values())

    def open(
        self,
        address: Hashable,
        kind: BlockKind,
        raw: str,
        cursor: str | None = None,
        *,
        tool_id: str = "",
        name: str = "",
        choice: int = 0,
        agent: str = "",
        phase: str = "",
        replaces: int | None = None,
    ) -> list[StreamEvent]:
        """Opens a block; what was open at the address is closed first."""
        events = self.close(address, raw, cursor)
        self._open[address] = block = _Block(self._count, kind)
        if kind == "tool":
            self._by_number[block.number] = block
        self._count += 1
        start = BlockStart(block.number, kind, tool_id, name, choice, raw, cursor, agent, phase, replaces)
        return [*events, start]

    def delta(self, address: Hashable, text: str, raw: str, cursor: str | None = None) -> list[StreamEvent]:
        """More of an open block, an event of its kind; none yet where the text is but half a surrogate pair."""
        block = self._open[address]
        if block.pieces is not None:
            block.pieces.add(text)
        joined = block.joiner.feed(text)
        if block.held is not None and text:
            return self._instead(block, joined, raw, cursor)
        return [block.delta(joined, raw, cursor)] if joined else []

    def _instead(self, block: _Block, text: str, raw: str, cursor: str | None) -> list[StreamEvent]:
        """The first piece of a block that holds arguments: unless they are empty, they are told, and not given."""
        assert block.held is not None
        (arguments, start), block.held = block.held, None
        told: list[StreamEvent] = [] if arguments == "{}" else [Other("input", start, cursor)]
        return [*told, block.delta(text, raw, cursor)] if text else told

    def hold(self, address: Hashable, arguments: str, raw: str) -> None:
        """The arguments that an open call began with. They are given when it closes, unless pieces come, which say the
        same or more."""
        if arguments:
            self._open[address].held = (arguments, raw)

    def run(
        self,
        address: Hashable,
        kind: BlockKind,
        text: str,
        raw: str,
        cursor: str | None = None,
        *,
        choice: int = 0,
        agent: str = "",
        phase: str = "",
    ) -> list[StreamEvent]:
        """More of a block of this kind, which opens with its first text; a block of another kind is closed first."""
        if not text:
            return []
        opening: list[StreamEvent] = []
        if self.kind(address) != kind:
            opening = self.open(address, kind, raw, cursor, choice=choice, agent=agent, phase=phase)
        return opening + self.delta(address, text, raw, cursor)

    def close(self, address: Hashable, raw: str, cursor: str | None = None) -> list[StreamEvent]:
        """Closes a block, which is whole; nothing where none is open."""
        block = self._open.get(address)
        if block is None:
            return []
        given: list[StreamEvent] = []
        if block.held is not None:
            (arguments, _), block.held = block.held, None
            given = self.delta(address, arguments, raw, cursor)
        del self._open[address]
        self._by_number.pop(block.number, None)
        rest = block.joiner.flush()
        last = [block.delta(rest, raw, cursor)] if rest else []
        return [*given, *last, BlockStop(block.number, raw, cursor)]

    def break_off(self, address: Hashable, raw: str, cursor: str | None = None) -> list[StreamEvent]:
        """Closes a block that has not come to its own end: see `call_cut`."""
        block = self._open.get(address)
        if block is not None and block.kind == "tool" and _is_cut(block.arguments):
            self.call_cut = True
        if block is not None and block.held is not None and block.held[0] == "{}":
            block.held = None  # what stands there before the arguments come, and they have not
        return self.close(address, raw, cursor)

    def close_all(self, raw: str, cursor: str | None = None) -> list[StreamEvent]:
        """Breaks off what is open, in the order in which it opened."""
        return [event for address in list(self._open) for event in self.break_off(address, raw, cursor)]


def _is_cut(arguments: str) -> bool:
    """Whether it is the beginning of JSON. What does not begin as an object or a list does may be no JSON at all, and
    nothing is what a call without arguments has."""
    return arguments.lstrip().startswith(("{", "[")) and value_of(arguments) is None
