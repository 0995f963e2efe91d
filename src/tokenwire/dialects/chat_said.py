"""What a choice of a chat stream has told of one text, for a whole message that repeats it and deltas that repeat that.

In: pieces, and wholes. Out: what is new of them. A whole that says more than was told gives the rest, and from then on
deltas may be behind: as long as they repeat what the whole told, they say nothing new. What was told is remembered as
long as the stream runs, which costs as much memory as the text.
"""

from __future__ import annotations

from .surrogates import whole as repaired
from .wholes import rest_of

__all__ = ["Said"]


class Said:
    """The text, the reasoning or the refusal of one choice, or the arguments of a call.

    :ivar pieces: joined, they are what was told.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._ahead = ""  # what a whole has told of which deltas may be behind
        self._repeated = 0  # characters of it that deltas have repeated
        self._half = ""  # of a surrogate pair, whose other half the next delta may have

    @property
    def is_ahead(self) -> bool:
        """Deltas may be behind what was told."""
        return self._ahead != ""

    @property
    def text(self) -> str:
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def rest(self, text: str) -> str | None:
        """What a whole says after what was told; empty for nothing, None where it does not begin with it."""
        return rest_of(self.text, text)

    def tell_ahead(self, text: str) -> None:
        """A whole tells this."""
        self.pieces.append(text)
        self._ahead = self._ahead[self._repeated :] + repaired(text)
        self._repeated = 0

    def receive(self, delta: str) -> tuple[str, bool]:
        """What is new in a delta while a whole is ahead; and whether deltas turn out to be another text than the whole
        told. Then all of them are new, also what of them looked like a repetition."""
        text, half = _without_half(self._half + delta)
        if self._ahead.startswith(text, self._repeated):
            self._repeated += len(text)
            self._half = half
            if self._repeated == len(self._ahead) and not half:
                self._catch_up()
            return "", False
        beyond = text.startswith(self._ahead[self._repeated :])
        new = text[len(self._ahead) - self._repeated :] if beyond else self._ahead[: self._repeated] + text
        self._catch_up()
        return new + half, not beyond

    def _catch_up(self) -> None:
        self._ahead = ""
        self._repeated = 0
        self._half = ""


def _without_half(text: str) -> tuple[str, str]:
    """The text with its surrogate pairs joined, and half a pair at its end apart."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return repaired(text[: len(text) - len(half)]), half
