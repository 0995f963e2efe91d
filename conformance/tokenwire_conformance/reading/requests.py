"""What a client wrote, read as HTTP/1.1 requests: it may be malformed on purpose. And the fields of both sides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CHUNK_LINE", "Field", "Request", "Requests", "field_of", "why_no_field"]

#: The line before a chunk (RFC 9112, 7.1): its size, its extensions, blanks that should not be there.
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[^\r\n]*)?([ \t]*)")

_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUE = re.compile(rb"[\x00\r\n]")
_HOST = re.compile(r"[-.~!$&'()*+;=:%\w\[\]]*", re.ASCII)
_REQUEST_LINE = re.compile(rb"([^ ]+) ([^ ]+) HTTP/([0-9])\.([0-9])")


@dataclass(frozen=True, slots=True)
class Field:
    """One field line. `name` in lower case."""

    offset: int
    name: str
    value: str


@dataclass(slots=True)
class Request:
    """A request as it was written.

    :ivar has_bad_lines: its first line, or one of its fields, is none by the grammar.
    """

    method: str = ""
    target: str = ""
    version: str = ""
    fields: list[Field] = field(default_factory=list)
    body: bytes = b""
    has_bad_lines: bool = False

    def header(self, name: str) -> str:
        return ", ".join(line.value for line in self.fields if line.name == name)

    @property
    def asked(self) -> dict[str, Any]:
        """The JSON object in its body; empty where there is none."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def malformed(self) -> bool:
        """It breaks the rules by which a request is read (RFC 9112 3.2, 5.1, 6.1, 6.3): a parser refuses it by itself,
        before the program behind it, or its router, sees it.
        """
        lengths = {member.strip() for member in self.header("content-length").split(",")} - {""}
        codings = self.header("transfer-encoding").lower()
        return bool(
            self.has_bad_lines
            or (self.version == "1.1" and not self._has_one_host)
            or len(lengths) > 1
            or not all(map(str.isdecimal, lengths))
            or (codings and (lengths or not codings.endswith("chunked")))
        )

    @property
    def _has_one_host(self) -> bool:
        hosts = [line.value for line in self.fields if line.name == "host"]
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    @property
    def is_handshake(self) -> bool:
        """It asks for a WebSocket."""
        return bool(self.header("sec-websocket-version"))


def field_of(line: bytes, offset: int = 0) -> Field:
    """A line with a colon as a field, sound or not."""
    name, _, value = line.partition(b":")
    return Field(offset, name.rstrip(b" \t").decode("latin-1").lower(), _text(value.strip(b" \t")))


def why_no_field(line: bytes) -> str:
    """Why a line is no field by the grammar (RFC 9112, 5); empty where it is one."""
    name, colon, value = line.partition(b":")
    if not colon:
        return "a line of the head has no colon"
    if name != name.rstrip(b" \t"):
        return "a blank stands between a field name and its colon"
    if _NOT_IN_VALUE.search(value):
        return "a field value holds NUL or a bare CR"
    return "" if _TOKEN.fullmatch(name) else "a field name is no token"


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


class Requests:
    """What we wrote. It may be malformed on purpose: a request whose length cannot be read takes all the rest."""

    def __init__(self, sent: bytearray) -> None:
        self._sent = sent
        self._read = 0
        self._requests: list[Request] = []

    def read(self) -> list[Request]:
        """The requests so far. They are read again when more was written; frames behind a handshake do not count."""
        if self._read != len(self._sent) and not self._shaken:
            self._read = len(self._sent)
            self._requests = list(self._each())
        return self._requests

    @property
    def _shaken(self) -> bool:
        """After a handshake there are frames."""
        return bool(self._requests) and self._requests[-1].is_handshake

    def _each(self) -> Iterator[Request]:
        sent = bytes(self._sent)
        while sent:
            request, sent = _read_request(sent)
            yield request
            if request.is_handshake:
                return


def _read_request(sent: bytes) -> tuple[Request, bytes]:
    head, blank, rest = sent.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    request = Request()
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is not None:
        request.method, request.target = line[1].decode("latin-1"), line[2].decode("latin-1")
        request.version = f"{line[3].decode()}.{line[4].decode()}"
    request.has_bad_lines = line is None or any(map(why_no_field, lines[1:]))
    request.fields = [field_of(text) for text in lines[1:] if b":" in text]
    if not blank:
        return request, b""
    if "chunked" in request.header("transfer-encoding").lower():
        request.body, rest = _unchunked(rest)
        return request, rest
    length = request.header("content-length")
    size = int(length) if length.isascii() and length.isdigit() else len(rest) if length else 0
    request.body = rest[:size]
    return request, rest[size:]


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            return body, b""
        size = int(match[1], 16)
        if size == 0:
            _, _, data = data.partition(b"\r\n")
            return body, data
        body += data[:size]
        data = data[size + 2 :]
