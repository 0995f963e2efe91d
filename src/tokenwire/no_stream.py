"""What a body is that is no stream, as far as its first bytes tell, and what to do about it."""

from __future__ import annotations

import json
from typing import Any

from .dialects.dialect import Dialect

__all__ = ["coding_of", "looks_like_no_stream", "shown"]

#: Bytes that are shown.
MAX_SHOWN = 60

#: What a page of HTML and a JSON value begin with; of the streams only those that are JSON do.
_NO_STREAM = (b"<", b"{", b"[")

#: Content codings by their first bytes (RFC 1952, RFC 8878). Brotli and deflate have none of their own.
_CODINGS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def looks_like_no_stream(beginning: bytes | bytearray) -> bool:
    """It is coded, or begins as a page of HTML or a JSON value does."""
    return bool(coding_of(beginning)) or beginning.lstrip().startswith(_NO_STREAM)


def shown(beginning: bytes, dialect: Dialect, *, whole: bool) -> str:
    """The first bytes, and what they are.

    :param whole: there are no more.
    """
    return f"{beginning[:MAX_SHOWN]!r}: {_advice(beginning, dialect, whole=whole)}"


def _advice(beginning: bytes, dialect: Dialect, *, whole: bool) -> str:
    """What a body is instead of a stream, and what to do about it."""
    coding = coding_of(beginning)
    if coding:
        return _coded(coding)
    start = beginning.lstrip()[:1]
    if start == b"<":
        return "this is a page of HTML or XML: are the URL and the status of the response right?"
    if start in (b"{", b"["):
        said = dialect.error_fields(_json_or_none(beginning)).get("message") if whole else None
        if said:
            return f"this is an error of the server's: {said}"
        return 'this is JSON and no stream: does the request\'s body say "stream": true?'
    if b"\n" not in beginning and b"\r" not in beginning:
        return "no line ends: give the bytes as they came, and not lines, whose ends were taken off"
    return "is the dialect right? With dialect='auto' it is guessed from the bytes"


def coding_of(beginning: bytes | bytearray) -> str:
    """The content coding that the bytes begin with; empty where they show none."""
    return next((coding for magic, coding in _CODINGS.items() if beginning.startswith(magic)), "")


def _coded(coding: str) -> str:
    return f"the content coding {coding} was not removed: give decoded bytes, by iter_bytes() and not by iter_raw()"


def _json_or_none(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
