"""Words of a peer's made fit to be shown: what a terminal would obey, and what turns text around, is taken out.

Both are ways to make a person read something else than what is there: control characters (C0, C1) move the cursor or
set the title of a terminal, and bidirectional controls (Unicode UAX #9) turn the order of what is seen, in a page and
in an editor too. A line end and a tab are kept.
"""

from __future__ import annotations

import re

__all__ = ["escaped", "harmless", "one_line", "sentence"]

_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"

# Compiled when they are first used.
_HARMFUL = f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNING}]"
_NOT_IN_A_LINE = f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_TURNING}]+"
_NOT_IN_JSON = f"[\x7f-\x9f\u2028\u2029{_TURNING}]"


def harmless(text: str) -> str:
    """The text with a replacement character for each character that would be obeyed instead of shown."""
    return re.sub(_HARMFUL, "\ufffd", text)


def one_line(text: str) -> str:
    """The text on one line, with blanks in place of what would be obeyed."""
    return " ".join(re.sub(_NOT_IN_A_LINE, " ", text).split())


def sentence(text: str) -> str:
    """The text with a full stop, where nothing ends it: another sentence may follow."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def escaped(document: str) -> str:
    """A document of JSON with these characters escaped, which changes nothing of what it says."""
    return re.sub(_NOT_IN_JSON, lambda match: f"\\u{ord(match[0]):04x}", document)
