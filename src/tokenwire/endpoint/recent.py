"""What a service remembers of what it told: the last ones, each for the key that asked for it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Recent"]

_Item = TypeVar("_Item")


class Recent(Generic[_Item]):
    """Items by id and key, of which the oldest are forgotten.

    :param limit: how many are kept. An item may hold a request of 8 MiB.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[tuple[str, str], _Item] = OrderedDict()

    def keep(self, known_by: str, item: _Item, key: str = "") -> None:
        self._items[known_by, key] = item
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def get(self, known_by: str, key: str = "") -> _Item | None:
        """The item, if it was not forgotten; what another key asked for is nobody else's."""
        return self._items.get((known_by, key))
