"""Secrets out of a wire, before it is kept: by the name of the field, and by value wherever the value stands.

What replaces a secret has its length, so that Content-Length, chunk sizes and offsets stay true. A secret that is
cut over two reads is found too: the reads are held until it is certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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

_FIELD = re.compile(
    rb"(?im)^((?:"
    + "|".join(map(re.escape, sorted(REDACTED_FIELDS))).encode()
    + rb")[ \t]*:[ \t]*(?:(?:Bearer|Basic)[ \t]+)?)([^\r\n]+)"
)


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """For what is shown or kept outside a recording."""
    return [(name, MARK.decode() if name.lower() in REDACTED_FIELDS else value) for name, value in headers]


class Redactor:
    """Takes entries in order, gives them back without the secrets, perhaps a little later.

    :param secrets: values to find in either direction, such as the key that is sent.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = sorted(
            {secret.encode() for secret in secrets if len(secret) >= MIN_SECRET}, key=len, reverse=True
        )
        self._held: list[Entry] = []

    def feed(self, entry: Entry) -> list[Entry]:
        """Takes the next entry, returns those that are certain by now."""
        self._held.append(entry)
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
            clean = self._clean(joined, fields=direction == ">" or joined.startswith(b"HTTP/"))
            if clean != joined:
                start = 0
                for place in places:
                    entry = self._held[place]
                    end = start + len(entry.data)
                    self._held[place] = entry._replace(data=clean[start:end])
                    start = end

    def _clean(self, data: bytes, *, fields: bool) -> bytes:
        if fields:
            head, blank, body = data.partition(b"\r\n\r\n")
            data = _FIELD.sub(lambda match: match[1] + _mark(len(match[2])), head) + blank + body
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


def _mark(length: int) -> bytes:
    return (MARK * (length // len(MARK) + 1))[:length]
