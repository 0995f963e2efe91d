"""What a service remembers of what it told: the last ones, for those who ask again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Recent"]

_Item = TypeVar("_Item")


class Recent(Generic[_Item]):
    """Items by id, of which the oldest are forgotten.

    :param limit: how many are kept. An item may hold a request of 8 MiB.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[str, _Item] = OrderedDict()

    def keep(self, known_by: str, item: _Item) -> None:
        self._items[known_by] = item
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def get(self, known_by: str) -> _Item | None:
        return self._items.get(known_by)
