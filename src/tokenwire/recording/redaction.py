"""Secrets out of a wire, before it is kept: by the name of the field, and by value wherever the value stands.

What replaces a secret has its length, so that Content-Length, chunk sizes and offsets stay true. A secret that is
cut over two reads is found too: the reads are held until it is certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from .format import Entry

__all__ = ["MARK", "REDACTED_FIELDS", "Redactor", "redact_headers"]

#: Fields whose value is a secret, or is likely to hold one.
REDACTED_FIELDS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-goog-api-key",
    }
)

#: What a secret is overwritten with, repeated and cut to its length.
MARK = b"[redacted]"

#: A shorter value would be found everywhere in innocent text; it is still redacted by field name.
MIN_SECRET = 6

#: The beginning of a line that is such a field, up to its value; the name of an authentication scheme is no secret.
_FIELD = re.compile(
    b"(?i)(?:"
    + b"|".join(re.escape(name.encode()) for name in sorted(REDACTED_FIELDS))
    + rb")[ \t]*:[ \t]*(?:(?:Bearer|Basic)[ \t]+)?"
)

#: Bytes of a line by which it must have shown itself as such a field: the longest name, and blanks.
MAX_NAME = 64


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """For what is shown or kept outside a recording."""
    return [(name, MARK.decode() if name.lower() in REDACTED_FIELDS else value) for name, value in headers]


class Redactor:
    """Takes entries in order, gives them back without the secrets, perhaps a little later.

    :param secrets: values to find in either direction, such as the key that is sent. They are found as they are, and
        as JSON and a URL would write them.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = sorted(
            {form.encode() for secret in secrets if len(secret) >= MIN_SECRET for form in _forms(secret)},
            key=len,
            reverse=True,
        )
        self._fields = {"<": _FieldMask(), ">": _FieldMask()}
        self._held: list[Entry] = []

    def header(self, value: Any) -> Any:
        """The same for the header of a recording: each string in it."""
        if isinstance(value, str):
            return self._clean(value.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            return {self.header(name): self.header(member) for name, member in value.items()}
        return [self.header(member) for member in value] if isinstance(value, (list, tuple)) else value

    def feed(self, entry: Entry) -> list[Entry]:
        """Takes the next entry, returns those that are certain by now."""
        mask = self._fields.get(entry.kind)
        self._held.append(entry if mask is None else entry._replace(data=mask.receive_data(entry.data)))
        self._overwrite()
        ready = len(self._held) if entry.kind not in ("<", ">") else self._certain()
        return self._release(ready)

    def flush(self) -> list[Entry]:
        """There is no more: returns what was held."""
        return self._release(len(self._held))

    def _overwrite(self) -> None:
        for direction in ("<", ">"):
            places = [place for place, entry in enumerate(self._held) if entry.kind == direction]
            joined = b"".join(self._held[place].data for place in places)
            clean = self._clean(joined)
            if clean != joined:
                start = 0
                for place in places:
                    entry = self._held[place]
                    end = start + len(entry.data)
                    self._held[place] = entry._replace(data=clean[start:end])
                    start = end

    def _clean(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, _mark(len(secret)))
        return data

    def _certain(self) -> int:
        """How many held entries end before anything that may be the beginning of a secret."""
        for place, entry in enumerate(self._held):
            later = b"".join(e.data for e in self._held[place:] if e.kind == entry.kind)
            if entry.kind in ("<", ">") and self._may_go_on(later, len(entry.data)):
                return place
        return len(self._held)

    def _may_go_on(self, data: bytes, size: int) -> bool:
        """Whether a secret may begin within the first `size` bytes and go on after all of `data`."""
        for secret in self._secrets:
            for start in range(max(0, len(data) - len(secret) + 1), min(size, len(data))):
                if secret.startswith(data[start:]):
                    return True
        return False

    def _release(self, count: int) -> list[Entry]:
        released, self._held = self._held[:count], self._held[count:]
        return released


class _FieldMask:
    """Overwrites the values of secret fields in one direction, wherever the reads cut them.

    Every line of the wire is looked at, those of bodies too: there may be several heads on a connection, and a line in
    a body that looks like a secret field is better not kept either.
    """

    def __init__(self) -> None:
        self._line = b""  # the beginning of the unfinished line
        self._masking = False  # it is a secret field, and its value has begun

    def receive_data(self, data: bytes) -> bytes:
        return b"".join(map(self._piece, _lines(data)))

    def _piece(self, piece: bytes) -> bytes:
        """Takes a line, or a piece of one."""
        value = 0 if self._masking else self._value(piece)
        if piece.endswith(b"\n"):
            self._line = b""
            self._masking = False
        if value is None:
            return piece
        content = piece.rstrip(b"\r\n")
        return piece[:value] + _mark(len(content) - value) + piece[len(content) :]

    def _value(self, piece: bytes) -> int | None:
        """Where in the piece a secret value begins, or None."""
        before = len(self._line)
        if before >= MAX_NAME:
            return None
        field = _FIELD.match(self._line + piece)
        self._line = (self._line + piece)[:MAX_NAME]
        self._masking = field is not None
        return None if field is None else max(field.end() - before, 0)


def _lines(data: bytes) -> list[bytes]:
    """The data cut after each LF, as HTTP reads lines (RFC 9112, 2.2)."""
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}


def _mark(length: int) -> bytes:
    return (MARK * (length // len(MARK) + 1))[:length]
