"""How far a verb has come: on standard error, one line that is written over, or a line for each step in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Tell", "progress"]

#: Moves to the beginning of the line and clears it (ECMA-48: CR, EL).
_CLEAR = "\r\x1b[K"

#: Characters of what is being done.
_WIDTH = 60


class Tell(Protocol):
    """Is told how many are done, and what comes next."""

    def __call__(self, done: int, about: str = "") -> None: ...


@contextmanager
def progress(what: str, total: int, *, lines: bool = False) -> Iterator[Tell]:
    """Gives what to tell how many are done, and what comes next.

    The line is written when something has ended, and not by a thread beside what is measured.

    :param lines: a line for each step where there is no terminal, for steps that may take minutes.
    """
    screen = sys.stderr
    shown = screen.isatty()

    def tell(done: int, about: str = "") -> None:
        if shown:
            screen.write(f"{_CLEAR}{what} {done}/{total} {about[:_WIDTH]}".rstrip())
            screen.flush()
        elif lines and about:
            screen.write(f"{what} {done + 1}/{total} {about}\n")
            screen.flush()

    tell(0)
    try:
        yield tell
    finally:
        if shown:
            screen.write(_CLEAR)
            screen.flush()
