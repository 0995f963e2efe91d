"""A file that is written beside its name, and renamed at the end: a recording, a report.

So what was there before stays until there is something new, and a program that is killed leaves what had come so far,
in a file of the same name that ends in `.part`.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import count
from pathlib import Path
from typing import TextIO

__all__ = ["FileBeside"]


class FileBeside:
    """A file that is there under its name when it is complete.

    :param path: its name. Symbolic links are not followed, and what is no regular file is not replaced.
    :raises OSError: when it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_replaceable(path)
        self.part: Path
        self.stream: TextIO
        #: Where the lines go.
        self.part, self.stream = _open_beside(path)

    def keep(self) -> None:
        """It is complete: gives it its name.

        :raises OSError: when that cannot be done; the part is still there.
        """
        self.stream.close()
        _check_replaceable(self.path)
        os.replace(self.part, self.path)

    def leave(self) -> None:
        """It will not be complete; the part stays."""
        try:
            self.stream.close()
        except OSError:  # what could not be written before cannot be written now
            pass

    def discard(self) -> None:
        """There is nothing to keep.

        :raises OSError: when the part cannot be removed.
        """
        self.leave()
        self.part.unlink()


def _check_replaceable(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(kind):
        raise OSError(errno.EEXIST, "it is a symbolic link, which is not followed: name the file itself", str(path))
    if stat.S_ISDIR(kind):
        raise OSError(errno.EISDIR, "it is a folder: name a file in it", str(path))
    if not stat.S_ISREG(kind):
        raise OSError(errno.EEXIST, "it is no regular file, and nothing else is replaced", str(path))


def _open_beside(path: Path) -> tuple[Path, TextIO]:
    """A new file. One that is there already is of a program that runs, or was killed, and is not touched."""
    for number in count(1):
        part = path.with_name(f"{path.name}.part" if number == 1 else f"{path.name}.{number}.part")
        try:
            return part, open(part, "x", encoding="utf-8", newline="\n")
        except FileExistsError:
            continue
    raise AssertionError
