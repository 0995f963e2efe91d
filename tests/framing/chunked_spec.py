"""The chunked coding read slowly, by the algorithm of RFC 9112 7.1.3 and the grammar above it: the parser's oracle.

It knows nothing of reads: it takes all bytes of a body and of what follows, and says what they hold and where the first
fault is. Each function is a rule of the grammar; it gives where the rule ends, or None where the bytes do not match.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Decoded", "decode_chunked"]

HEXDIG = b"0123456789ABCDEFabcdef"
TCHAR = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VCHAR = bytes(range(0x21, 0x7F))
OBS_TEXT = bytes(range(0x80, 0x100))
BLANK = b" \t"


@dataclass
class Decoded:
    """What came of the bytes.

    :ivar how: "complete", "unfinished", "wrong" or "too large".
    :ivar offset: where it is wrong, or the first byte over a limit.
    :ivar rest: what follows a complete body.
    """

    content: bytes = b""
    how: str = "unfinished"
    offset: int | None = None
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    rest: bytes = b""


class _Wrong(Exception):
    """The byte at which the body breaks its grammar."""


class _TooLarge(Exception):
    """The first byte over a limit."""


class _Unfinished(Exception):
    """The bytes end before the body does."""


def decode_chunked(stream: bytes, *, max_digits: int, max_line: int, max_trailers: int) -> Decoded:
    """RFC 9112 7.1.3, "Decoding Chunked"."""
    result = Decoded()
    try:
        chunk_size, at = read_chunk_line(stream, 0, max_digits, max_line)
        while chunk_size > 0:
            at = read_chunk_data_and_crlf(stream, at, chunk_size, result)
            chunk_size, at = read_chunk_line(stream, at, max_digits, max_line)
        limit = at + max_trailers
        trailers: list[tuple[bytes, bytes]] = []
        line, at = read_line(stream, at, limit)
        while line:
            read_trailer_field(line, at - len(line) - 2, trailers)
            line, at = read_line(stream, at, limit)
    except _Unfinished:
        return result
    except _Wrong as wrong:
        result.how, result.offset = "wrong", wrong.args[0]
        return result
    except _TooLarge as over:
        result.how, result.offset = "too large", over.args[0]
        return result
    result.how, result.trailers, result.rest = "complete", trailers, stream[at:]
    return result


def read_line(stream: bytes, start: int, limit: int) -> tuple[bytes, int]:
    """A line without its CRLF, and where the next one begins."""
    at = start
    while True:
        if at >= limit and at < len(stream):
            raise _TooLarge(limit)
        if at >= len(stream):
            raise _Unfinished
        if stream[at] == 0x0A:
            break
        at += 1
    if at == start or stream[at - 1] != 0x0D:
        raise _Wrong(at)
    return stream[start : at - 1], at + 1


def read_chunk_line(stream: bytes, start: int, max_digits: int, max_line: int) -> tuple[int, int]:
    """chunk-size [ chunk-ext ] CRLF"""
    line, end = read_line(stream, start, start + max_line)
    at = 0
    chunk_size = 0
    while at < len(line) and line[at] in HEXDIG:
        if at == max_digits:
            raise _Wrong(start + at)
        chunk_size = chunk_size * 16 + int(chr(line[at]), 16)
        at += 1
    if at == 0:
        raise _Wrong(start)
    while at < len(line):
        after = chunk_extension(line, at)
        if after is None:
            raise _Wrong(start + at)
        at = after
    return chunk_size, end


def chunk_extension(line: bytes, at: int) -> int | None:
    """BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ]"""
    at = bws(line, at)
    if line[at : at + 1] != b";":
        return None
    name_end = token(line, bws(line, at + 1))
    if name_end is None:
        return None
    at = bws(line, name_end)
    if line[at : at + 1] != b"=":
        return name_end
    at = bws(line, at + 1)
    value_end = token(line, at) or quoted_string(line, at)
    return name_end if value_end is None else value_end


def bws(line: bytes, at: int) -> int:
    while at < len(line) and line[at] in BLANK:
        at += 1
    return at


def token(line: bytes, start: int) -> int | None:
    at = start
    while at < len(line) and line[at] in TCHAR:
        at += 1
    return at if at > start else None


def quoted_string(line: bytes, at: int) -> int | None:
    """DQUOTE *( qdtext / quoted-pair ) DQUOTE (RFC 9110 5.6.4)"""
    if line[at : at + 1] != b'"':
        return None
    at += 1
    while at < len(line) and line[at : at + 1] != b'"':
        if line[at : at + 1] == b"\\":
            at += 1
        if at >= len(line) or line[at] not in BLANK + VCHAR + OBS_TEXT:
            return None
        at += 1
    return at + 1 if at < len(line) else None


def read_chunk_data_and_crlf(stream: bytes, at: int, chunk_size: int, result: Decoded) -> int:
    result.content += stream[at : at + chunk_size]
    at += chunk_size
    for wanted in b"\r\n":
        if at >= len(stream):
            raise _Unfinished
        if stream[at] != wanted:
            raise _Wrong(at)
        at += 1
    return at


def read_trailer_field(line: bytes, start: int, trailers: list[tuple[bytes, bytes]]) -> None:
    """field-name ":" OWS field-value OWS, or the rest of a value, behind an obs-fold (RFC 9112 5.2)."""
    if line[0] in BLANK and trailers:
        check_value(line, 0, start)
        name, value = trailers[-1]
        trailers[-1] = (name, (value + b" " + line.strip(BLANK)).strip(BLANK))
        return
    name_end = token(line, 0)
    if name_end is None or line[name_end : name_end + 1] != b":":
        raise _Wrong(start)
    check_value(line, name_end + 1, start)
    trailers.append((line[:name_end], line[name_end + 1 :].strip(BLANK)))


def check_value(line: bytes, at: int, start: int) -> None:
    while at < len(line):
        if line[at] not in BLANK + VCHAR + OBS_TEXT:
            raise _Wrong(start + at)
        at += 1
