"""Halves of surrogate pairs among the escapes of JSON texts that come one after the other (RFC 8259, 8.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Half", "escape_offset", "halves"]

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class Half(NamedTuple):
    """Half of a pair.

    :ivar place: the number of the text in which it stands.
    :ivar partner: its other half, which stands in a later text; None where it has none.
    """

    place: int
    code: int
    partner: int | None

    def told(self, what: str) -> str:
        """What is wrong, in words.

        :param what: a text is: an "event", a "line".
        """
        if self.partner is None:
            return f"half a surrogate pair stands alone: {_shown(self.code)}"
        halves = f"{_shown(self.code)} stands in one, {_shown(self.partner)} in another"
        return f"a character is split over two {what}s: {halves}"


def halves(texts: Iterable[str]) -> Iterator[Half]:
    """Every half that has no partner beside it; two that belong together, in two texts, are told as one."""
    lone = [(place, code) for place, text in enumerate(texts) for code in _lone(text)]
    at = 0
    while at < len(lone):
        place, code = lone[at]
        other, partner = lone[at + 1] if at + 1 < len(lone) else lone[at]
        is_split = _is_high(code) and not _is_high(partner) and other != place
        yield Half(place, code, partner if is_split else None)
        at += 2 if is_split else 1


def escape_offset(content: bytes, begin: int, code: int) -> int:
    """Where the escape stands; it may be far into its text, which begins there."""
    match = re.compile(rb"\\u%04x" % code, re.IGNORECASE).search(content, begin)
    return match.start() if match else begin


def _lone(text: str) -> Iterator[int]:
    """The surrogates among the escapes of a JSON text that have no partner beside them."""
    high: int | None = None
    end = -1
    for match in _ESCAPE.finditer(text):
        code = int(match[1], 16) if match[1] else 0
        paired = high is not None and match.start() == end and 0xDC00 <= code <= 0xDFFF
        if high is not None and not paired:
            yield high
        high = None
        if _is_high(code):
            high, end = code, match.end()
        elif 0xDC00 <= code <= 0xDFFF and not paired:
            yield code
    if high is not None:
        yield high


def _is_high(code: int) -> bool:
    return 0xD800 <= code <= 0xDBFF


def _shown(code: int) -> str:
    return f"\\u{code:04x}"
