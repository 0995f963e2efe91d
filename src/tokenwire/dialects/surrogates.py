"""Text in pieces whose JSON escapes were cut inside a surrogate pair: joined where they pair up.

Some servers split a character beyond U+FFFF over two events ("\\ud83d" in one, "\\ude00" in the next). Each half is
a lone surrogate, which no encoder takes. A half that never finds its other half becomes U+FFFD, so that the text
that comes out can always be encoded; the raw message still has what was sent (RFC 8259, section 8.2).
"""

from __future__ import annotations

__all__ = ["SurrogateJoiner", "whole", "without_half"]


class SurrogateJoiner:
    """Holds a high surrogate at the end of one piece back until the next piece comes."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Takes the next piece, returns what is whole of it (which may be nothing)."""
        if not self._held and text.isascii():
            return text
        text = self._held + text
        self._held = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            self._held = text[-1]
            text = text[:-1]
        return whole(text)

    def flush(self) -> str:
        """The text ended: a half that is still held becomes U+FFFD."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""


def whole(text: str) -> str:
    """Pairs joined, and each half without another half replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def without_half(text: str) -> tuple[str, str]:
    """The text made whole, and apart from it half a pair at its end, whose other half may still come."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return whole(text[: len(text) - len(half)]), half
