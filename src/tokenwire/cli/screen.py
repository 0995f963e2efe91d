"""Text to a terminal, with styles and without what it would obey; or to a pipe, exactly as it is.

What a verb says itself is harmless everywhere, for logs are read on terminals: see `secrecy/shown.py`. What a model
said is the output of `stream`: a pipe gets it as it came, a terminal without control and bidirectional characters.
"""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console
from rich.style import Style

from ..secrecy.shown import harmless

__all__ = ["Screen"]


class Screen:
    """Where a verb writes.

    :ivar for_people: it is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream)
        self.for_people = stream.isatty()
        self._stream = stream
        self._styled = self.for_people and not console.is_dumb_terminal and not os.environ.get("NO_COLOR")

    def line(self, text: str, style: str = "") -> None:
        """A line of what the verb says itself: harmless, for its words may be a server's."""
        self.write(harmless(text), style)
        self.write("\n")

    def write(self, text: str, style: str = "") -> None:
        """Writes and flushes: a token must not wait for the next."""
        if self.for_people:
            text = harmless(text)
        if style and self._styled:
            text = Style.parse(style).render(text)
        self._stream.write(text)
        self._stream.flush()
