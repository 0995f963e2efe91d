"""What a user hands in, checked where it comes in: each message says what was given, and what to give instead.

Every check raises `LocalProtocolError`. No message repeats a value, which may be a key; a name out of a closed set is
repeated, for it may be mistyped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import inf

from .errors import LocalProtocolError

__all__ = ["described", "must_be", "must_be_number", "must_be_one_of", "must_be_texts", "nearest"]


def must_be(value: object, kinds: type | tuple[type, ...], name: str, wanted: str, instead: str = "") -> None:
    """The value is of one of the kinds.

    :param name: of the argument.
    :param wanted: what it takes, in words.
    :param instead: what to do, where `wanted` does not say it.
    """
    if not isinstance(value, kinds):
        advice = f": {instead}" if instead else ""
        raise LocalProtocolError(f"{name} takes {wanted}, and {described(value)} was given{advice}")


def must_be_one_of(value: object, names: Collection[str], name: str) -> None:
    """The value is one of the names."""
    if isinstance(value, str) and value in names:
        return
    known = list(names)
    must_be(value, str, name, " or ".join(map(repr, known)) if len(known) < 4 else f"one of {', '.join(known)}")
    raise LocalProtocolError(f"there is no {name} {value!r}; known: {', '.join(known)}{nearest(str(value), known)}")


def must_be_texts(values: object, name: str) -> None:
    """The value is a sequence of texts. A text alone is one too, for Python, and never what was meant."""
    wanted = "a list of names"
    if isinstance(values, str):
        raise LocalProtocolError(f"{name} takes {wanted}, and {described(values)} was given: put it into a list")
    must_be(values, Sequence, name, wanted)
    assert isinstance(values, Sequence)
    for value in values:
        must_be(value, str, name, "names that are text")


def must_be_number(
    value: object, name: str, *, least: float = 0.0, whole: bool = False, none: str = "", endless: bool = False
) -> None:
    """The value is a number, not NaN, finite, and no less than the least.

    :param whole: it counts something.
    :param none: what None means, in words; empty where None is not taken.
    :param endless: infinity is taken.
    """
    if value is None and none:
        return
    if type(value) is float and least <= value < inf and not whole:
        return  # nearly every setting is this: the words for what is wrong are not made
    kind = "a whole number" if whole else "a number"
    numbers = int if whole else (int, float)
    instead = f"None {none}" if none else ""
    if isinstance(value, bool):
        raise LocalProtocolError(f"{name} takes {kind}, and {described(value)} was given")
    must_be(value, numbers, name, kind, instead)
    assert isinstance(value, int | float)
    if not least <= value <= inf or (value == inf and not endless):
        advice = f"; {instead}" if instead else ""
        raise LocalProtocolError(f"{name} takes {kind} from {least:g} up, and {value!r} was given{advice}")


def described(value: object) -> str:
    """What a value is, in words, without the value."""
    match value:
        case None:
            return "None"
        case str():
            return "text (str)"
        case bool():
            return "True or False (bool)"
        case int() | float():
            return f"a number ({type(value).__name__})"
        case type():
            return f"the class {value.__name__} itself"
        case _:
            return f"a value of type {type(value).__name__}"


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that was probably meant, as a sentence of its own; empty where none is near."""
    from difflib import get_close_matches  # only when something is wrong

    known = list(names)
    lower = name.lower()
    begun = [each for each in known if lower and each.startswith(lower)]
    near = begun or get_close_matches(lower, known, 1)
    return f". Do you mean {near[0]!r}?" if near else ""
