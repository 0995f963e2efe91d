"""The checks that were planned for endpoints, and what became of those that do not exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .tables import read_table

__all__ = ["Planned", "planned"]


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan, by ids of checks.

    :ivar ids: all that were planned.
    :ivar left_out: those that will not be, with the reason.
    :ivar not_built_yet: those that are still to come.
    """

    ids: frozenset[str]
    left_out: Mapping[str, str]
    not_built_yet: frozenset[str]


@cache
def planned() -> Planned:
    table = read_table("planned")
    return Planned(_ids(table["planned"]), table["left_out"], _ids(table["not_built_yet"]))


def _ids(groups: Mapping[str, str]) -> frozenset[str]:
    return frozenset(f"{group}.{name}" for group, names in groups.items() for name in names.split())
