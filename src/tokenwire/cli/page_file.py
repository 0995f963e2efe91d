"""`--html FILE`: a page beside what is printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..recording.beside import FileBeside
from .guard import clean

__all__ = ["add_page_option", "page_file"]

#: Takes what makes the page: where none is wanted, none is made.
Write = Callable[[Callable[[], str]], None]


def add_page_option(parser: argparse.ArgumentParser, what: str) -> None:
    """:param what: stands in the page."""
    parser.add_argument("--html", metavar="FILE", type=Path, help=f"write a page too, which stands alone: {what}")


@contextmanager
def page_file(path: Path | None) -> Iterator[Write]:
    """What cannot be written is said before anything is asked; where the work fails, what was there before stays.

    :raises OSError: when it cannot be written.
    """
    if path is None:
        yield lambda make: None
        return
    file = FileBeside(path)
    try:
        yield lambda make: _write(file, make())
    except BaseException:
        file.discard()
        raise
    file.keep()


def _write(file: FileBeside, page: str) -> None:
    file.stream.write(clean(page))
