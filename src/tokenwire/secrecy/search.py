"""Finds known secrets in bytes that come in pieces, in every form in which a server may give them back.

Two steps, each linear. First the escapes of those characters that matter are removed: `%2F` and `%2f`, `\\/`,
`\\u003d` and `\\x3d`, `&#61;`, `&#x3d;` and `&equals;`, also over each other (`%252F`, `\\\\/`, `\\u0026#61;`). Then
plain text is searched: a secret as it is, and what base64 makes of it at its three alignments, in both alphabets.

What is masked does not depend on where the pieces are cut: a byte is masked where it belongs to an occurrence, whatever
others there are. More than half of a secret, from its beginning, is masked like the whole: it may be cut there, by the
end of a connection or by a server that shortens what it quotes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

__all__ = ["MARK", "MIN_SECRET", "Needles", "Search", "mark"]

#: What a secret is overwritten with, repeated and cut to its length.
MARK = b"[redacted]"

#: Characters. A shorter value would be found everywhere in innocent text; it is still masked by the name of its field.
MIN_SECRET = 6

#: Bytes of the longest beginning of an escape: a doubly escaped "&", four times escaped, and the name of an entity.
_MAX_OPEN = 96

#: Characters of base64 that are escaped in JSON, in URLs and in HTML.
_BASE64_SIGNS = "+/=-_"

_SLASHES = rb"\\{1,8}"
_PERCENT = rb"(?:%|" + _SLASHES + rb"u0025)(?:25){0,4}"
_AMPERSAND = rb"(?:&|" + _SLASHES + rb"u0026)(?:amp;|#38;|#[xX]26;){0,4}"

#: What may be the beginning of an escape, at the end of what has come. Complete ones that may still grow count too.
#: Compiled when it is first used, which most programs never do.
_OPEN = (
    rb"(?:" + _PERCENT + rb"(?:2|[0-9A-Fa-f])?"
    rb"|" + _SLASHES + rb"(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?|u[dD][89abAB][0-9A-Fa-f]{2}(?:" + _SLASHES + rb"(?:u"
    rb"[0-9A-Fa-f]{0,3})?)?)?"
    rb"|" + _AMPERSAND + rb"(?:#[0-9]{0,8}|#[xX][0-9A-Fa-f]{0,7}|[A-Za-z][A-Za-z0-9]{0,31})?)\Z"
)


def mark(length: int) -> bytes:
    """What stands in for a secret of so many bytes."""
    return (MARK * (length // len(MARK) + 1))[:length]


class Needles:
    """What is searched for, made ready once.

    :param values: secrets; those below `MIN_SECRET` are left out.
    """

    def __init__(self, values: Iterable[str]) -> None:
        secrets = sorted({value for value in values if len(value) >= MIN_SECRET})
        self._escape = _escape_pattern("".join([_BASE64_SIGNS, *secrets])) if secrets else None
        plain = {_bytes(secret) for secret in secrets}
        forms = plain | {self.view(secret).data for secret in plain}
        forms |= {form for secret in plain for form in _in_base64(secret)}
        #: (what is enough to tell it, all of it).
        self._forms = sorted((form[: max(MIN_SECRET, len(form) // 2 + 1)], form) for form in forms)

    def __bool__(self) -> bool:
        return bool(self._forms)

    def view(self, raw: bytes) -> View:
        """The bytes without their escapes."""
        return View(raw, self._escape)

    def open_escape(self, raw: bytes) -> int:
        """Where an escape begins that is not complete, or the end."""
        start = max(len(raw) - _MAX_OPEN, 0)
        match = re.compile(_OPEN).search(raw, start) if self._escape is not None else None
        if match is None:
            return len(raw)
        assert self._escape is not None
        for whole in self._escape.finditer(raw, start):
            if whole.start() < match.start() < whole.end():
                return len(raw)
        return match.start()

    def occurrences(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Beginning and end of each secret, or part of one that is enough to tell it."""
        for enough, form in self._forms:
            at = data.find(enough)
            while at >= 0:
                yield at, at + _common(form, data, at, len(enough))
                at = data.find(enough, at + 1)

    def open(self, data: bytes) -> int:
        """Where the longest beginning of a secret begins with which the data ends, or the end."""
        size = least = len(data)
        for _, form in self._forms:
            at = data.find(form[:1], max(size - len(form) + 1, 0), least)
            while at >= 0:
                if form.startswith(data[at:]):
                    least = at
                    break
                at = data.find(form[:1], at + 1, least)
        return least


@lru_cache(maxsize=32)
def needles_of(values: tuple[str, ...]) -> Needles:
    """The needles of these secrets; made once, for it takes a while."""
    return Needles(values)


class View:
    """Bytes without their escapes, and where each of them stands in the bytes that they were."""

    def __init__(self, raw: bytes, escape: re.Pattern[bytes] | None) -> None:
        self.data: bytes = raw
        self._here: list[int] = [0]  # where a run of bytes, or an escape, begins in `data`
        self._there: list[int] = [0]  # and in `raw`
        self._coded: list[bool] = [False]
        if escape is not None and (b"\\" in raw or b"%" in raw or b"&" in raw):
            self._decode(raw, escape)

    def _decode(self, raw: bytes, escape: re.Pattern[bytes]) -> None:
        pieces: list[bytes] = []
        size = start = 0
        for match in escape.finditer(raw):
            character = _character(match)
            pieces += [raw[start : match.start()], character]
            size += match.start() - start
            start = match.end()
            self._here += [size, size + len(character)]
            self._there += [match.start(), start]
            self._coded += [True, False]
            size += len(character)
        if pieces:
            self.data = b"".join([*pieces, raw[start:]])

    def begins(self, at: int) -> int:
        """Where the byte begins in what it was."""
        run = bisect_right(self._here, at) - 1
        return self._there[run] + (0 if self._coded[run] else at - self._here[run])

    def ends(self, at: int) -> int:
        """Where the byte before ends in what it was."""
        run = bisect_right(self._here, at - 1) - 1
        return self._there[run + 1] if self._coded[run] else self._there[run] + at - self._here[run]


class Search:
    """Takes bytes, gives them back with the secrets overwritten, a beginning of one only once it is certain.

    :param least: bytes of a beginning that is waited for. What is printed as it comes waits for more than one.
    """

    def __init__(self, needles: Needles, least: int = 1) -> None:
        #: Something was overwritten.
        self.changed: bool = False
        self._needles = needles
        self._least = least
        self._window = b""  # what a secret that is not complete may begin in
        self._given = 0  # bytes of it that are out
        self._regions: list[tuple[int, int]] = []  # of the window, to be overwritten

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes, gives those that are certain."""
        if not self._needles:
            return data
        raw = self._window + data
        known = self._needles.open_escape(raw)
        view = self._needles.view(raw[:known])
        begins = self._needles.open(view.data)
        window = view.begins(begins) if begins < len(view.data) else known
        waits = window
        if len(view.data) - begins < self._least and self._least > 1:
            waits = len(raw)
        return self._give(raw, view, window, waits)

    def force(self) -> bytes:
        """Gives what is waited for: what may be a beginning of a secret as it is, more than half of one overwritten.
        Should the rest of it come, that is overwritten."""
        out = self._masked(self._window)[self._given :]
        self._given = len(self._window)
        return out

    def finish(self) -> bytes:
        """There is no more."""
        if not self._window:
            return b""
        raw = self._window
        return self._give(raw, self._needles.view(raw), len(raw), len(raw))

    def _give(self, raw: bytes, view: View, window: int, waits: int) -> bytes:
        found = [(view.begins(start), view.ends(end)) for start, end in self._needles.occurrences(view.data)]
        if found or self._regions:
            self.changed = True
            self._regions = _merged([*self._regions, *found])
        out = self._masked(raw)[self._given : waits]
        self._given = max(self._given, waits) - window
        self._window = raw[window:]
        self._regions = [(start - window, end - window) for start, end in self._regions if end > window]
        return out

    def _masked(self, raw: bytes) -> bytes:
        if not self._regions:
            return raw
        masked = bytearray(raw)
        for start, end in self._regions:
            masked[max(start, 0) : end] = mark(end - start)[max(-start, 0) :]
        return bytes(masked)


def clean(needles: Needles, data: bytes) -> bytes:
    """All of it, at once."""
    search = Search(needles)
    return search.feed(data) + search.finish()


def _merged(regions: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(regions):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _common(form: bytes, data: bytes, at: int, size: int) -> int:
    """How many bytes of the form stand in the data; so many do at the least."""
    if data.startswith(form, at):
        return len(form)
    end = min(len(form), len(data) - at)
    while size < end and form[size] == data[at + size]:
        size += 1
    return size


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """What base64 (RFC 4648, 4 and 5) has for the secret alone, wherever in three bytes of a longer text it begins."""
    from base64 import b64encode  # like all that is loaded in a function here, for programs that have secrets to hide

    for before in range(3):
        coded = b64encode(bytes(before) + secret)
        shared = (0, 3, 2)[(before + len(secret)) % 3]
        alone = coded[(0, 2, 3)[before] : len(coded) - shared]
        yield alone
        yield alone.replace(b"+", b"-").replace(b"/", b"_")


def _escape_pattern(characters: str) -> re.Pattern[bytes]:
    """Every escape of one of the characters."""
    from html.entities import html5

    points = sorted({ord(character) for character in characters})
    octets = sorted({octet for character in characters for octet in _bytes(character)})
    entities = sorted(name.encode() for name, value in html5.items() if name.endswith(";") and value in characters)
    signs = b"".join(re.escape(bytes([octet])) for octet in b"\"'/" if octet in octets)
    small = [point for point in points if point <= 0xFFFF]
    large = [point for point in points if point > 0xFFFF]
    # What may hold the beginning of another one stands before it.
    kinds = [
        _AMPERSAND + rb"#0{0,6}(?P<decimal>" + b"|".join(b"%d" % point for point in points) + rb");",
        _AMPERSAND + rb"#[xX]0{0,5}(?P<hex>" + _hexes(points, 1) + rb");",
        _AMPERSAND + rb"(?P<entity>" + b"|".join(entities) + rb")" if entities else b"",
        _PERCENT + rb"(?P<octet>" + _hexes(octets, 2) + rb")",
        _SLASHES + rb"u(?P<pair>" + b"|".join(map(_pair, large)) + rb")" if large else b"",
        _SLASHES + rb"u(?P<unit>" + _hexes(small, 4) + rb")",
        _SLASHES + rb"x(?P<latin>" + _hexes([point for point in points if point <= 0xFF], 2) + rb")",
        _SLASHES + rb"(?P<sign>[" + signs + rb"])" if signs else b"",
        rb"(?P<backslash>" + _SLASHES + rb")" if ord("\\") in octets else b"",
    ]
    return re.compile(b"|".join(filter(None, kinds)))


def _hexes(numbers: Iterable[int], digits: int) -> bytes:
    return b"(?i:" + b"|".join(b"%0*x" % (digits, number) for number in numbers) + b")"


def _pair(point: int) -> bytes:
    """The two halves of a character beyond 16 bits (RFC 8259, 7)."""
    high, low = 0xD800 + ((point - 0x10000) >> 10), 0xDC00 + ((point - 0x10000) & 0x3FF)
    return b"(?i:%04x)" % high + _SLASHES + b"u(?i:%04x)" % low


def _character(match: re.Match[bytes]) -> bytes:
    """What an escape stands for, as UTF-8."""
    kind = match.lastgroup or ""
    text = match[kind]
    match kind:
        case "octet":
            return bytes([int(text, 16)])
        case "unit" | "latin" | "hex":
            return _bytes(chr(int(text, 16)))
        case "decimal":
            return _bytes(chr(int(text)))
        case "entity":
            from html.entities import html5

            return _bytes(html5[text.decode()])
        case "pair":
            high, low = int(text[:4], 16), int(text[-4:], 16)
            return _bytes(chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00))
        case "backslash":
            return b"\\"
    return text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
