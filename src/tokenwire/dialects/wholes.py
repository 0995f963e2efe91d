"""Blocks whose server says their text in pieces, and then once more whole.

In: pieces and wholes of what is known by an address. Out: the events of blocks, as `blocks` makes them, such that
nothing is told twice and nothing vanishes:

- A whole of which nothing was told is given. One that begins with what was told gives its rest.
- Another whole gives a non-fatal `Error` whose code is `DIFFERS`. Text that was given cannot be taken back, so it
  stays. Arguments are good for nothing unless they are right, so the whole wins: the call is given anew in a block that
  `replaces` the earlier one. The same happens when a call that has ended, or that began without its name, turns out to
  have more.

What was told is remembered as long as the stream runs, as `pieces` keeps it. Comparing costs as much as the whole is
long.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

from .blocks import Blocks
from .events import BlockKind, BlockStart, Error, StreamEvent
from .pieces import DigestedPieces, Pieces, rest_of, rest_of_all
from .values import json_text, parse

__all__ = ["DIFFERS", "Told", "WholeBlocks", "differs", "paired", "same_json", "too_late"]

_Address = TypeVar("_Address", bound=Hashable)

#: The code of the error that tells of a whole that is not what its pieces said.
DIFFERS = "whole_differs"

_CALLS = ("tool", "server_tool")


class Told:
    """What was told of one text.

    :ivar start: of the block that it was told in last.
    :ivar pieces: those of the text.
    """

    __slots__ = ("pieces", "start")

    def __init__(self, start: BlockStart) -> None:
        self.start: BlockStart = start
        self.pieces: Pieces = Pieces() if start.kind in _CALLS else DigestedPieces()

    @property
    def arguments(self) -> str:
        """The text of a call, which is kept as it is."""
        return self.pieces.text


class WholeBlocks(Blocks):
    """Blocks that remember what was told in them, also after they closed."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[Hashable, Told] = {}
        self._in_block: dict[int, Told] = {}

    def told(self, address: Hashable) -> Told | None:
        """What was told at an address; None where no block was opened there."""
        return self._told.get(address)

    def texts(self, block: int) -> Pieces:
        """Where the pieces of a block's text are kept. Whoever gives deltas without this class adds theirs."""
        return self._in_block[block].pieces

    def open(
        self, address: Hashable, kind: BlockKind, raw: str, cursor: str | None = None, **more: Any
    ) -> list[StreamEvent]:
        events = super().open(address, kind, raw, cursor, **more)
        start = events[-1]
        assert isinstance(start, BlockStart)
        told = self._told.get(address)
        if told is None or told.start.kind != kind:
            told = self._told[address] = Told(start)
        told.start = start
        self._in_block[start.block] = told
        self._open[address].pieces = told.pieces
        return events

    def whole(self, address: Hashable, text: str, raw: str, cursor: str | None = None) -> list[StreamEvent]:
        """All of a text of which a block was opened: what is new of it. Empty text is no whole and says nothing."""
        told = self._told[address]
        rest = told.pieces.rest(text) if text else ""
        if rest == "":
            return []
        if told.start.kind in _CALLS:
            return self._whole_call(address, told, text, rest, raw, cursor)
        if rest is None:
            told.pieces.replace(text)
            return [differs(f"the whole text of block {told.start.block} is not what its deltas said", raw, cursor)]
        return self._open_again(address, told.start, raw, cursor) + self.delta(address, rest, raw, cursor)

    def whole_value(self, address: Hashable, value: Any, raw: str, cursor: str | None = None) -> list[StreamEvent]:
        """All of the arguments of a call, as a JSON value. It is told as JSON text, spaced as what was told before."""
        told, text = self._told[address].arguments, json_text(value)
        if text and rest_of(told, text) is None:
            compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            text = text if rest_of(told, compact) is None else compact
        return self.whole(address, text, raw, cursor)

    def call_anew(
        self, address: Hashable, tool_id: str, name: str, text: str, raw: str, cursor: str | None = None
    ) -> list[StreamEvent]:
        """The call at an address in a block that replaces its last one, with all of its arguments."""
        told = self._told[address]
        last = told.start
        words = f"the whole of the call in block {last.block} is not what its deltas said: the call is given anew"
        events = self.close(address, raw, cursor)
        told.pieces.clear()
        events += [differs(words, raw, cursor)]
        more = {"agent": last.agent, "phase": last.phase, "choice": last.choice, "replaces": last.block}
        events += self.open(address, last.kind, raw, cursor, tool_id=tool_id, name=name, **more)
        return events + (self.delta(address, text, raw, cursor) if text else [])

    def _whole_call(
        self, address: Hashable, told: Told, text: str, rest: str | None, raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        if rest is None and same_json(told.arguments, text):
            return []
        if rest is not None and address in self:
            return self.delta(address, rest, raw, cursor)
        return self.call_anew(address, told.start.tool_id, told.start.name, text, raw, cursor)

    def _open_again(self, address: Hashable, start: BlockStart, raw: str, cursor: str | None) -> list[StreamEvent]:
        if address in self:
            return []
        more = {"agent": start.agent, "phase": start.phase, "choice": start.choice}
        return self.open(address, start.kind, raw, cursor, **more)


def paired(told: Mapping[_Address, Pieces], parts: Sequence[tuple[_Address, str]]) -> list[tuple[_Address, str]]:
    """Which text is the whole of which block, where a server may cut and number parts otherwise than their deltas.

    :param told: what was told at each address, in order.
    :param parts: the wholes, with the addresses that they would have.
    :returns: addresses and their wholes; nothing where nothing is new.
    """
    whole = "".join(text for _, text in parts)
    rest = rest_of_all(told.values(), whole)
    if rest == "":
        return []
    if len(told) == len(parts):
        return [(address, text) for address, (_, text) in zip(told, parts, strict=True)]
    if told.keys() <= {address for address, _ in parts}:
        return list(parts)
    *before, last = told
    of_last = None if rest is None else rest_of_all([told[address] for address in before], whole)
    return [(last, whole if of_last is None else of_last)]


def too_late(raw: str, cursor: str | None) -> Error:
    """Tells that what a whole says more than its deltas comes after what follows it."""
    return differs("a whole says more than its deltas said, and what follows it was told before", raw, cursor)


def same_json(told: str, whole: str) -> bool:
    """Whether two texts are JSON of the same value, however they are spaced and their members ordered."""
    try:
        return json.dumps(parse(told), sort_keys=True) == json.dumps(parse(whole), sort_keys=True)
    except (ValueError, RecursionError):
        return False


def differs(words: str, raw: str, cursor: str | None = None) -> Error:
    """Tells of a whole that is not what its pieces said."""
    return Error(DIFFERS, words, False, raw, cursor)
