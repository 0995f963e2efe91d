"""Masks the values of secret fields in lines, wherever the reads cut them.

Every line is looked at, those of bodies too: there may be several heads on a connection, and a line in a body that
looks like a secret field is better not kept either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from ..secrecy.search import MARK
from ..secrecy.secrets import SCHEMES

__all__ = ["FieldMask"]

_SCHEMES = tuple(scheme.encode() for scheme in SCHEMES)

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
_BLANKS = re.compile(rb"[ \t]*")
_WORD = re.compile(rb"[A-Za-z]*")
_LINE = re.compile(rb"[^\n]*")

#: "name": at the beginning of a line. "colon": the name is a secret field's. "scheme": after the colon. "gap": after
#: the scheme, or at the beginning of a line that goes on. "value": to be masked. "fold": the line has ended, and the
#: next may go on with it (RFC 9112, 5.2). "line": the rest of one that matters not.
_State = Literal["name", "colon", "scheme", "gap", "value", "fold", "line"]


class FieldMask:
    """One direction. CR and LF are never overwritten, and the length stays.

    :param names: of the fields, in lower case.
    """

    def __init__(self, names: Iterable[str]) -> None:
        #: Something was overwritten.
        self.changed: bool = False
        self._names = frozenset(name.encode() for name in names)
        self._longest = max(map(len, self._names), default=0)
        self._state: _State = "name"
        self._name = b""
        self._word = b""  # what may be the name of a scheme, not given yet
        self._marked = 0  # bytes of the value that are overwritten

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; gives all but what may be the name of a scheme."""
        out: list[bytes] = []
        at = 0
        while at < len(data):
            at = self._advance(data, at, out)
        return b"".join(out)

    def begin(self) -> bytes:
        """What comes now is the beginning of a line. Gives what was waited for."""
        rest = self.finish()
        self._state = self._new_line()
        return rest

    def finish(self) -> bytes:
        """There is no more, or no more is waited for: what was no scheme yet is a value."""
        if not self._word:
            return b""
        self._state = "value"
        return self._take_word()

    def _advance(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Takes what belongs to the state, and goes over to the next; returns where it begins."""
        match self._state:
            case "name":
                end = self._read(_TOKEN, data, at, out)
                self._name = (self._name + data[at:end])[: self._longest + 1]
                if end < len(data):
                    secret = data[end : end + 1] in (b" ", b"\t", b":") and self._name.lower() in self._names
                    self._state = "colon" if secret else "line"
                return end
            case "colon":
                end = self._read(_BLANKS, data, at, out)
                if end == len(data):
                    return end
                if data[end : end + 1] != b":":
                    self._state = "line"
                    return end
                out.append(b":")
                self._state = "scheme"
                self._marked = 0
                return end + 1
            case "scheme":
                return self._scheme(data, at, out)
            case "gap" | "fold":
                blank = data[at : at + 1] in (b" ", b"\t")
                if self._state == "gap" and blank:
                    return self._read(_BLANKS, data, at, out)
                if self._state == "fold":
                    self._state = "gap" if blank else self._new_line()
                else:
                    self._state = "value"
                return at
        end_of_line = _LINE.match(data, at)
        assert end_of_line is not None
        end = end_of_line.end()
        out.append(self._mask(data[at:end]) if self._state == "value" else data[at:end])
        if end < len(data):
            out.append(b"\n")
            self._state = "fold" if self._state == "value" else self._new_line()
            end += 1
        return end

    def _scheme(self, data: bytes, at: int, out: list[bytes]) -> int:
        if not self._word:
            at = self._read(_BLANKS, data, at, out)
        word = _WORD.match(data, at)
        assert word is not None
        self._word += word[0]
        if word.end() == len(data) and any(scheme.startswith(self._word.lower()) for scheme in _SCHEMES):
            return len(data)
        if self._word.lower() in _SCHEMES and data[word.end() : word.end() + 1] in (b" ", b"\t"):
            out.append(self._word)
            self._word = b""
            self._state = "gap"
        else:
            self._state = "value"
            out.append(self._take_word())
        return word.end()

    def _take_word(self) -> bytes:
        word, self._word = self._word, b""
        return self._mask(word)

    def _mask(self, value: bytes) -> bytes:
        """The value overwritten, but for CR; the mark goes on where it had got to."""
        self.changed = self.changed or bool(value)
        pieces = value.split(b"\r")
        for place, piece in enumerate(pieces):
            start = self._marked % len(MARK)
            pieces[place] = (MARK * (len(piece) // len(MARK) + 2))[start : start + len(piece)]
            self._marked += len(piece)
        return b"\r".join(pieces)

    def _new_line(self) -> _State:
        self._name = b""
        return "name"

    @staticmethod
    def _read(pattern: re.Pattern[bytes], data: bytes, at: int, out: list[bytes]) -> int:
        match = pattern.match(data, at)
        assert match is not None
        out.append(match[0])
        return match.end()
