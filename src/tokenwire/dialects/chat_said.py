"""What a choice of a chat stream has told of one text, for a whole message that repeats it and deltas that repeat that.

In: pieces, and wholes. Out: what is new of them. A whole that says more than was told gives the rest, and from then on
deltas may be behind: as long as they repeat what the whole told, they say nothing new. Until they have, it is kept,
for deltas that turn out to be another text are told from their beginning.
"""

from __future__ import annotations

from .pieces import DigestedPieces
from .surrogates import whole as repaired
from .surrogates import without_half

__all__ = ["Said"]

#: Wholes that may be ahead of deltas. A server that has sent so many and no delta between them has them in place of
#: deltas, and what they told need not be kept.
MAX_AHEAD = 256


class Said:
    """The text, the reasoning or the refusal of one choice, or the arguments of a call.

    :ivar pieces: those that were told.
    """

    def __init__(self) -> None:
        self.pieces: DigestedPieces = DigestedPieces()
        self._ahead: list[str] = []  # what a whole has told of which deltas may be behind
        self._repeated = 0  # characters of it that deltas have repeated
        self._half = ""  # of a surrogate pair, whose other half the next delta may have

    @property
    def is_ahead(self) -> bool:
        """Deltas may be behind what was told."""
        return bool(self._ahead)

    def tell_ahead(self, text: str) -> None:
        """A whole tells this."""
        self.pieces.add(text)
        if len(self._ahead) >= MAX_AHEAD:
            self._catch_up()
        if text:
            self._ahead.append(repaired(text))

    def receive(self, delta: str) -> tuple[str, bool]:
        """What is new in a delta while a whole is ahead; and whether deltas turn out to be another text than the whole
        told. Then all of them are new, also what of them looked like a repetition."""
        text, half = without_half(self._half + delta)
        ahead = "".join(self._ahead)
        self._ahead[:] = [ahead]
        if ahead.startswith(text, self._repeated):
            self._repeated += len(text)
            self._half = half
            if self._repeated == len(ahead) and not half:
                self._catch_up()
            return "", False
        beyond = text.startswith(ahead[self._repeated :])
        new = text[len(ahead) - self._repeated :] if beyond else ahead[: self._repeated] + text
        self._catch_up()
        return new + half, not beyond

    def _catch_up(self) -> None:
        self._ahead.clear()
        self._repeated = 0
        self._half = ""
