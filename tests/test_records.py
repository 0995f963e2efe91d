"""`record` beside `dataclasses.dataclass`: whatever one can do with the one can be done with the other."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import pytest

import tokenwire
from tokenwire.records import record


@dataclass(slots=True)
class Plain:
    """As Python makes it."""

    name: str
    count: int = 3
    hidden: str = field(default="", repr=False, compare=False)
    table: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("negative")


@dataclass(slots=True, frozen=True)
class Frozen:
    name: str
    count: int = 3
    hidden: str = field(default="", repr=False, compare=False)

    @property
    def twice(self) -> int:
        return 2 * self.count


@record
class Ours:
    """As we make it."""

    name: str
    count: int = 3
    hidden: str = field(default="", repr=False, compare=False)
    table: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("negative")


@record(frozen=True)
class OursFrozen:
    name: str
    count: int = 3
    hidden: str = field(default="", repr=False, compare=False)

    @property
    def twice(self) -> int:
        return 2 * self.count


def names(it: Any) -> Any:
    """What was found, with the names of our classes as those of Python's."""
    return str(it).replace("OursFrozen", "Frozen").replace("Ours", "Plain")


def outcome(do: Callable[[Any], Any], kind: Any) -> Any:
    try:
        return names(do(kind))
    except Exception as error:
        return type(error), names(error).replace("__main__", "")


def assigned(it: Any, name: str) -> Any:
    setattr(it, name, 5)
    return getattr(it, name)


def removed(it: Any) -> Any:
    del it.count
    return it


def matched(it: Any) -> Any:
    match it:
        case Plain(name, count) | Ours(name, count) | Frozen(name, count) | OursFrozen(name, count):
            return name, count
    return None


DONE: dict[str, Callable[[Any], Any]] = {
    "made of defaults": lambda kind: kind("a"),
    "made by position": lambda kind: kind("a", 4, "h"),
    "made by name": lambda kind: kind(count=4, name="a"),
    "nothing given": lambda kind: kind(),
    "too much given": lambda kind: kind("a", 1, "h", {}, 5),
    "an unknown name": lambda kind: kind("a", more=1),
    "a name twice": lambda kind: kind("a", name="b"),
    "refused by itself": lambda kind: kind("a", -1),
    "equal": lambda kind: (kind("a") == kind("a"), kind("a") != kind("b"), kind("a", hidden="x") == kind("a")),
    "equal to another kind": lambda kind: (kind("a") == "a", kind("a") == None),  # noqa: E711
    "hashed": lambda kind: hash(kind("a")) == hash(kind("a", hidden="x")),
    "its class hashed": lambda kind: kind.__hash__ is None,
    "changed": lambda kind: assigned(kind("a"), "count"),
    "a member removed": lambda kind: removed(kind("a")),
    "replaced": lambda kind: dataclasses.replace(kind("a", hidden="h"), count=9).hidden,
    "replaced by what is refused": lambda kind: dataclasses.replace(kind("a"), more=9),
    "fields": lambda kind: [(it.name, it.type, it.repr, it.compare, it.init) for it in dataclasses.fields(kind)],
    "as a dict": lambda kind: dataclasses.asdict(kind("a")),
    "as a tuple": lambda kind: dataclasses.astuple(kind("a")),
    "a data class": lambda kind: (dataclasses.is_dataclass(kind), dataclasses.is_dataclass(kind("a"))),
    "copied": lambda kind: (copy.copy(kind("a", 7)), copy.deepcopy(kind("a", 7))),
    "pickled": lambda kind: [pickle.loads(pickle.dumps(kind("a", 7), protocol)) for protocol in (2, 3, 4, 5)],
    "matched": lambda kind: matched(kind("a", 7)),
    "slots": lambda kind: (kind.__slots__, hasattr(kind("a"), "__dict__"), kind.__match_args__),
    "names": lambda kind: (kind.__name__, kind.__qualname__, kind.__module__),
    "annotations": lambda kind: get_type_hints(kind),
    "signature": lambda kind: inspect.signature(kind),
    "a property": lambda kind: kind("a").twice,
}  # fmt: skip


@pytest.mark.parametrize("do", DONE.values(), ids=DONE.keys())
@pytest.mark.parametrize(("theirs", "ours"), [(Plain, Ours), (Frozen, OursFrozen)], ids=["plain", "frozen"])
def test_it_does_what_a_data_class_does(theirs: Any, ours: Any, do: Callable[[Any], Any]) -> None:
    assert outcome(do, ours) == outcome(do, theirs)


@pytest.mark.parametrize("kind", [Ours, OursFrozen])
def test_there_are_no_members_but_those_named(kind: Any) -> None:
    with pytest.raises(AttributeError):  # CPython's frozen ones raise TypeError here, by a mistake in 3.11
        assigned(kind("a"), "other")


def test_objects_have_tables_of_their_own() -> None:
    assert Ours("a").table is not Ours("a").table


def test_a_data_class_may_go_on_from_one() -> None:
    @dataclass(frozen=True)
    class More(OursFrozen):
        more: int = 1

    assert More("a", more=2) == More("a", 3, "", 2)
    assert isinstance(dataclasses.replace(tokenwire.POLICIES["default"], attempts=9), tokenwire.Policy)


def test_its_first_object_is_like_all_others() -> None:
    @record
    class New:
        a: int
        b: int = 2

    with pytest.raises(TypeError, match=r"New\.__init__\(\) missing 1 required positional argument: 'a'"):
        New()  # type: ignore[call-arg]
    assert [repr(New(1)), repr(New(1, b=3))] == [f"{New.__qualname__}(a=1, b=2)", f"{New.__qualname__}(a=1, b=3)"]
