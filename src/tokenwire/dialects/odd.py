"""What a message says that a decoder has no place for: values without a meaning, and members that nobody knows.

A decoder reads the values of a message through an `Odd`. A value of another type is read where it has one meaning (see
`values`); where it has none, it counts as absent and its name is kept. `JSONDecoder` then hands the message on as an
`Other` of that name, beside what the message gave, so that nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, TypeVar

from .values import arguments_of, items_of, name_of, object_of, texts_of, word

__all__ = ["Odd"]

#: Names of unknown members that are remembered as told. A server has a handful; beyond this each is told every time.
MAX_TOLD = 256

_T = TypeVar("_T")


class Odd:
    """Reads the values of one message after the other; `name` is that of the member, for the `Other`."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}  # of this message, in their order
        self._told: set[str] = set()

    def text(self, value: Any, name: str) -> str:
        """Text, or a piece of one; of parts, those that are text."""
        if isinstance(value, str):
            return value
        text, all_of_it = texts_of(value)
        if not all_of_it:
            self.note(name)
        return text

    def name(self, value: Any, name: str) -> str:
        """A name or an id."""
        return self._unless_none(name_of(value), name, "")

    def arguments(self, value: Any, name: str) -> str:
        """The JSON text of arguments, or a piece of it."""
        return self._unless_none(arguments_of(value), name, "")

    def object(self, value: Any, name: str, text: str = "") -> dict[str, Any]:
        """An object; an empty one for what is absent. `text` is the member that a text alone means."""
        return self._unless_none(object_of(value, text), name, {})

    def objects(self, value: Any, name: str, text: str = "") -> list[dict[str, Any]]:
        """The objects that hold something, of a list, or of one in it; none for what is absent. It also serves where
        one object belongs and a list of several has a meaning. `text` is the member that a text alone means."""
        objects = [object_of(it, text) for item in items_of(value) for it in items_of(item)]
        if None in objects:
            self.note(name)
        return [found for found in objects if found]

    def members(self, value: dict[str, Any], known: Container[str]) -> None:
        """Looks for members that are not known and say something. Each name is told once a stream: such members tend to
        stand in every message."""
        for name, held in value.items():
            if name not in known and held not in (None, False, "", [], {}) and name not in self._told:
                self.note(name)
                if len(self._told) < MAX_TOLD:
                    self._told.add(name)

    def note(self, name: str) -> None:
        """Something of that name has no place."""
        self._names[word(name)] = None

    def take(self) -> list[str]:
        """The names of what the message has that has no place."""
        if not self._names:
            return []
        names = list(self._names)
        self._names.clear()
        return names

    def _unless_none(self, read: _T | None, name: str, absent: _T) -> _T:
        if read is None:
            self.note(name)
            return absent
        return read
