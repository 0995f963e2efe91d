"""What the head of a response says, read leniently: it is judged by others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..http_wire import fields_of
from .body import begins_events
from .capture import Layer

__all__ = ["Head", "final_head", "head_of", "is_chunked", "missing_of"]

_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/(\d)(?:\.\d)? +(\d{3})")

#: The first line of a chunked body (RFC 9112, 7.1), be its size written wrongly.
_SIZE = re.compile(rb"[ \t]*[-+0-9A-Za-z]{1,18}[ \t]*(?:;[^\r\n]*)?\r?\n")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a response.

    :ivar start: where it begins, behind those of interim responses (RFC 9110, 15.2).
    :ivar end: where the body begins.
    :ivar version: of HTTP, its first digit.
    """

    start: int
    end: int
    version: int
    status: int
    fields: Mapping[str, str]

    @property
    def chunked(self) -> bool:
        """It says that the body is chunked."""
        return "chunked" in self.fields.get("transfer-encoding", "").lower()


def head_of(data: bytes, start: int = 0) -> Head | None:
    """The head that begins there; None where none does."""
    status = _STATUS.match(data, start)
    if status is None:
        return None
    blank = _END.search(data, start)
    end = blank.end() if blank is not None else len(data)
    return Head(start, end, int(status[1]), int(status[2]), fields_of(data[start:end]))


def final_head(data: bytes, start: int = 0) -> Head | None:
    """The head of the final response that begins there; None where none does."""
    head = head_of(data, start)
    while head is not None and 100 <= head.status < 200 and head.status != 101:
        head = head_of(data, head.end)
    return head


def is_chunked(body: bytes) -> bool:
    """Whether the chunks are still there: then the body begins with a size, and with no event and no JSON."""
    return _SIZE.match(body) is not None and not begins_events(body)


def missing_of(head: Head, body: bytes, *, chunks: str, framed: bool) -> dict[Layer, str]:
    """The layers of a response that somebody has taken off its body, and why.

    :param chunks: who took off the chunks.
    :param framed: the chunks are there, if there were any.
    """
    missing: dict[Layer, str] = {}
    if head.version > 1:
        missing = {Layer.HEAD: f"HTTP/{head.version} has it in binary", Layer.FRAMING: f"HTTP/{head.version} has none"}
    elif head.chunked and not framed:
        missing = {Layer.FRAMING: chunks}
    if not (head.chunked and framed) and _is_plain(head.fields.get("content-encoding", ""), body):
        missing[Layer.CODING] = "it is taken off"
    return missing


def _is_plain(coding: str, body: bytes) -> bool:
    """Whether a content coding that is declared is not there: what is coded never begins like text."""
    if coding.strip().lower() in ("", "identity"):
        return False
    return bool(body) and all(octet in b"\t\r\n" or 0x20 <= octet < 0x7F for octet in body[:8])
