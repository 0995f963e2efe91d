"""The Amazon event stream encoding read slowly, sentence by sentence: the oracle of the parser.

It knows nothing of pieces: it takes the whole stream, and says which messages are sound and where the first fault is.
"""

from __future__ import annotations

from uuid import UUID

__all__ = ["crc32", "read_stream"]


def crc32(data: bytes) -> int:
    """CRC-32 bit by bit: polynomial 0x04C11DB7, reflected, all ones before and after (RFC 1952, 8)."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def number(data: bytes, *, signed: bool = False) -> int:
    return int.from_bytes(data, "big", signed=signed)


Headers = list[tuple[str, str, object]]


def read_stream(stream: bytes) -> tuple[list[tuple[Headers, bytes]], int | None, int]:
    """The sound messages, the offset of the fault that ends them or None, and how many bytes are unfinished."""
    messages: list[tuple[Headers, bytes]] = []
    start = 0
    while len(stream) - start >= 12:
        if crc32(stream[start : start + 8]) != number(stream[start + 8 : start + 12]):
            return messages, start + 8, 0
        total = number(stream[start : start + 4])
        headers_length = number(stream[start + 4 : start + 8])
        payload_length = total - headers_length - 16
        if payload_length < 0 or headers_length > 131072:
            return messages, start, 0
        if len(stream) - start < total:
            break
        end = start + total
        if crc32(stream[start : end - 4]) != number(stream[end - 4 : end]):
            return messages, end - 4, 0
        headers_end = start + 12 + headers_length
        headers, fault = read_headers(stream, start + 12, headers_end)
        if fault is not None:
            return messages, fault, 0
        messages.append((headers, stream[headers_end : end - 4]))
        start = end
    return messages, None, len(stream) - start


def read_headers(stream: bytes, at: int, end: int) -> tuple[Headers, int | None]:
    """The headers, and the offset of the first that is wrong."""
    headers: Headers = []
    while at < end:
        header_start = at
        name_length = stream[at]
        name_bytes = stream[at + 1 : at + 1 + name_length]
        at += 1 + name_length
        if name_length == 0 or at >= end:
            return headers, header_start
        kind = stream[at]
        at += 1
        if kind in (6, 7):
            if at + 2 > end:
                return headers, header_start
            length = number(stream[at : at + 2])
            at += 2
        elif kind <= 9:
            length = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}[kind]
        else:
            return headers, header_start
        if at + length > end:
            return headers, header_start
        value = stream[at : at + length]
        at += length
        try:
            name = name_bytes.decode()
            meaning = meaning_of(kind, value)
        except UnicodeDecodeError:
            return headers, header_start
        if name in [known for known, _, _ in headers]:
            return headers, header_start
        headers.append((name, *meaning))
    return headers, None


def meaning_of(kind: int, value: bytes) -> tuple[str, object]:
    match kind:
        case 0 | 1:
            return "bool", kind == 0
        case 6:
            return "bytes", value
        case 7:
            return "string", value.decode()
        case 9:
            return "uuid", UUID(bytes=value)
        case _:
            names = {2: "byte", 3: "short", 4: "integer", 5: "long", 8: "timestamp"}
            return names[kind], number(value, signed=True)
