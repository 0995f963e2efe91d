"""The pieces of a text that was told, for a whole that may come later and say it once more.

In: pieces, as they are told. Out: what a whole says more than they do. The arguments of a call are kept as they are,
for they are looked at in other ways too. A text may be as long as the stream, and who reads it keeps it already. So of
a text of more than `HELD` characters only their number and a digest are kept, which is all that comparing needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .surrogates import whole as repaired
from .surrogates import without_half

if TYPE_CHECKING:
    from hashlib import blake2b

__all__ = ["HELD", "LARGE", "MANY", "DigestedPieces", "Pieces", "rest_of", "rest_of_all"]

#: Pieces that are kept as such until `Pieces.settle` is called, and characters of one that is not kept so long.
MANY = 256
LARGE = 1024

#: Characters of a text that are held before they become a digest.
HELD = 64 * 1024


class Pieces(list[str]):
    """Pieces that are all kept. Whoever adds to the list itself calls `settle` for `MANY` of them, or a `LARGE` one."""

    @property
    def text(self) -> str:
        """What is held of them, joined."""
        if len(self) > 1:
            self[:] = ["".join(self)]
        return self[0] if self else ""

    @property
    def some(self) -> bool:
        """Whether something was told."""
        return any(self)

    def add(self, text: str) -> None:
        self.append(text)
        if len(self) >= MANY or len(text) >= LARGE:
            self.settle()

    def settle(self) -> None:
        """Puts many pieces together, where they are not needed."""

    def replace(self, text: str) -> None:
        """Something else counts as told."""
        self[:] = [text]

    def rest(self, whole: str) -> str | None:
        """What a whole says after what was told: see `rest_of`."""
        return rest_of(self.text, whole)

    def begin_with(self, text: str) -> bool | None:
        """Whether what was told begins with a text; None where that cannot be known any more."""
        return self.text.startswith(text)


class DigestedPieces(Pieces):
    """Pieces of which no more than `HELD` characters are kept, and a digest of those before."""

    def __init__(self) -> None:
        super().__init__()
        self._size = 0  # characters that are in the digest
        self._digest: blake2b | None = None  # few texts are so long

    @property
    def some(self) -> bool:
        return self._size > 0 or super().some

    def settle(self) -> None:
        if len(self.text) < HELD:
            return
        text, half = without_half(self.text)
        self._size += len(text)
        self._digest = self._digest or _new_digest()
        self._digest.update(text.encode())
        self[:] = [half]

    def replace(self, text: str) -> None:
        self._size = 0
        self._digest = None
        self[:] = [text]
        self.settle()

    def rest(self, whole: str) -> str | None:
        behind = self._behind(whole)
        return None if behind is None else super().rest(behind)

    def begin_with(self, text: str) -> bool | None:
        behind = self._behind(text)
        if len(text) < self._size:
            return None
        return behind is not None and super().begin_with(behind)

    def _behind(self, whole: str) -> str | None:
        """What a whole says after what is in the digest; None where it does not begin with that."""
        self.settle()
        if self._digest is None:
            return whole
        text, half = without_half(whole)
        if len(text) < self._size:
            return None
        digest = _new_digest()
        for at in range(0, self._size, HELD):
            digest.update(text[at : min(at + HELD, self._size)].encode())
        return text[self._size :] + half if digest.digest() == self._digest.digest() else None


def _new_digest() -> blake2b:
    from hashlib import blake2b  # which takes its time to load

    return blake2b()


def rest_of_all(told: Iterable[Pieces], whole: str) -> str | None:
    """What a whole says after several texts, one after the other."""
    rest: str | None = whole
    for pieces in told:
        rest = None if rest is None else pieces.rest(rest)
    return rest


def rest_of(told: str, whole: str) -> str | None:
    """What a whole says after what was told; empty for nothing, None where it does not begin with it.

    A text that was told up to the middle of a surrogate pair goes on with the other half.
    """
    if whole.startswith(told):
        return whole[len(told) :]
    begun, half = without_half(told)
    whole = repaired(whole)
    if not whole.startswith(begun):
        return None
    rest = whole[len(begun) :]
    if not half:
        return rest
    units = rest[:1].encode("utf-16-le")
    first, second = units[:2].decode("utf-16-le", "surrogatepass"), units[2:].decode("utf-16-le", "surrogatepass")
    if first == half:
        return second + rest[1:]
    return rest[1:] if first == "\ufffd" else None
