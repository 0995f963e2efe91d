"""Text to a terminal, with styles and without what it would obey; or to a pipe, exactly as it is.

What a verb says itself is harmless everywhere, for logs are read on terminals: see `secrecy/shown.py`. What a model
said is the output of `stream`: a pipe gets it as it came, a terminal without control and bidirectional characters.
"""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from ..secrecy.shown import harmless

__all__ = ["Screen"]


#: Terminals that know no styles, by their TERM.
_DUMB = ("dumb", "unknown")

#: Styles by what selects them (ECMA-48, SGR).
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36"}


class Screen:
    """Where a verb writes.

    :ivar for_people: it is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.for_people: bool = stream.isatty()
        self._stream = stream
        self._styled = self.for_people and os.environ.get("TERM") not in _DUMB and not os.environ.get("NO_COLOR")

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where it is none."""
        return shutil.get_terminal_size().columns if self.for_people else None

    def line(self, text: str, style: str = "") -> None:
        """A line of what the verb says itself: harmless, for its words may be a server's."""
        self.write(harmless(text), style)
        self.write("\n")

    def write(self, text: str, style: str = "") -> None:
        """Writes and flushes: a token must not wait for the next."""
        if self.for_people:
            text = harmless(text)
        if style and self._styled:
            codes = ";".join(_STYLES[word] for word in style.split())
            text = f"\x1b[{codes}m{text}\x1b[0m"
        self._stream.write(text)
        self._stream.flush()
