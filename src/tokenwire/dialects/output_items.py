"""Which output item of a response a message is about, for OpenAI's Responses and Realtime APIs and those who follow.

In: the index and the id that a message names. Out: the `Item`. Neither is enough by itself: GitHub Copilot's proxy
gives an item a new id in every message, so that only its index stays; others use one index for several items, whose ids
stay; llama.cpp has no index. So an item is known by its index, until its end or an `added` or an id that has proved to
stay says that another one begins there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .values import mapping, member, name_of, word

__all__ = ["Address", "Item", "Items"]

#: The number of the item, what counts such parts of it, and the number of the part.
Address = tuple[int, int, int]

#: What the agent that was asked is called, beside the names of those that it has called in.
_ROOT = ("root", "/root")


class Item:
    """One output item.

    :ivar number: counts the items as they are heard of.
    :ivar index: its place in the output; None where no message has named it.
    :ivar described: what `added` said of it, until its end.
    :ivar ended: its `done` has come.
    :ivar runs: the addresses of the blocks that were opened for it.
    """

    __slots__ = (
        "agent", "call_id", "described", "ended", "id", "index", "mark", "number", "part", "phase", "runs", "type",
    )  # fmt: skip

    def __init__(self, number: int, index: int | None, known_by: str) -> None:
        self.number: int = number
        self.index: int | None = index
        self.id: str = known_by
        self.call_id: str = ""
        self.type: str = ""
        self.agent: str = ""
        self.phase: str = ""
        self.described: dict[str, Any] = {}
        self.ended: bool = False
        self.runs: list[Address] = []
        self.part: int = 0  # of what is told in one block: the number of the part that is being told,
        self.mark: int = 0  # and how long the text before it is

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands among the items."""
        return (self.number if self.index is None else self.index, self.number)

    def describe(self, item: dict[str, Any]) -> None:
        """Takes what the server says of the item; what it leaves out stays."""
        self.type = word(item.get("type")) or self.type
        self.call_id = word(item.get("call_id")) or self.call_id
        self.phase = word(item.get("phase")) or self.phase
        self.name_agent(item)

    def name_agent(self, value: dict[str, Any]) -> None:
        """Takes the name of the agent from a message or an item; empty for the agent that was asked."""
        name = name_of(member(value, "agent", "agent_name")) or ""
        if name:
            self.agent = "" if name in _ROOT else name


class Items:
    """The items of one response."""

    def __init__(self) -> None:
        #: In the order in which they were heard of.
        self.all: list[Item] = []
        self._by_index: dict[int, Item] = {}  # the last one at each
        self._by_id: dict[str, Item] = {}
        self._ids_stay = False  # an id has come twice

    def of(self, index: int | None, known_by: str, *, grows: bool = False) -> Item:
        """The item that a message is about.

        :param grows: the message is a delta, so an item that has ended is not the one.
        """
        heard = self._heard(index, known_by)
        return self._new(index, known_by) if heard is None or (grows and heard.ended) else heard

    def _heard(self, index: int | None, known_by: str) -> Item | None:
        by_id = self._by_id.get(known_by) if known_by or index is None else None
        if by_id is not None and (index is None or by_id.index in (None, index)):
            self._ids_stay = self._ids_stay or bool(known_by)
            if by_id.index is None and index is not None:
                by_id.index = index
                self._by_index.setdefault(index, by_id)
            return by_id
        there = None if index is None else self._by_index.get(index)
        if there is not None and there.id and known_by not in ("", there.id) and (there.ended or self._ids_stay):
            return None
        return there

    def added(self, index: int | None, known_by: str, item: dict[str, Any]) -> Item:
        """The item that the server says begins: another one than that whose beginning or end was told before."""
        heard = self._heard(index, known_by)
        if heard is None or heard.ended or (heard.described and not _is_repeated(heard, known_by, item)):
            heard = self._new(index, known_by)
        heard.describe(item)
        heard.described = heard.described or item
        return heard

    def _new(self, index: int | None, known_by: str) -> Item:
        item = Item(len(self.all), index, known_by)
        self.all.append(item)
        if index is not None:
            self._by_index[index] = item
        if known_by or index is None:
            self._by_id[known_by] = item
        return item

    def in_output(self, output: Sequence[dict[str, Any]]) -> list[Item]:
        """The items of the output of a response that is over, in its order; new ones for those never heard of.

        They are known by their ids, by those of calls, and else by their places.
        """
        by_call = {item.call_id: item for item in self.all if item.call_id}
        looks: tuple[Callable[[int, str, str], Item | None], ...] = (
            lambda place, known_by, call_id: self._at(place, known_by),
            lambda place, known_by, call_id: self._by_id.get(known_by) if known_by else None,
            lambda place, known_by, call_id: by_call.get(call_id),
            lambda place, known_by, call_id: self._by_index.get(place),
        )
        found: dict[int, Item] = {}
        taken: set[int] = set()
        for look in looks:
            for place, item in enumerate(output):
                heard = look(place, word(item.get("id")), word(item.get("call_id"))) if place not in found else None
                if heard is not None and heard.number not in taken and _may_be(heard, item):
                    found[place] = heard
                    taken.add(heard.number)
        for place, item in enumerate(output):
            if place not in found:
                found[place] = Item(len(self.all), place, word(item.get("id")))
                self.all.append(found[place])
            found[place].describe(item)
        return [found[place] for place in range(len(output))]

    def _at(self, place: int, known_by: str) -> Item | None:
        there = self._by_index.get(place)
        return there if there is not None and there.id == known_by else None


def _is_repeated(heard: Item, known_by: str, item: dict[str, Any]) -> bool:
    return bool(known_by) and heard.id == known_by and heard.call_id == word(item.get("call_id"))


def _may_be(heard: Item, item: dict[str, Any]) -> bool:
    """Whether a description may be of an item that was heard of."""
    call_id = word(mapping(item).get("call_id"))
    same_type = not heard.type or word(item.get("type")) in ("", heard.type)
    return same_type and (not heard.call_id or not call_id or heard.call_id == call_id)
