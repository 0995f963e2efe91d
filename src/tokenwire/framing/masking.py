"""The masking of WebSocket payloads (RFC 6455, 5.3): as fast as it goes without C."""

from __future__ import annotations

from functools import cache

__all__ = ["mask"]

#: Up to this many bytes one big integer is the fastest XOR there is without C, beyond it four table look-ups.
_INTEGER_XOR_SIZE = 1024


def mask(data: bytes, key: bytes) -> bytes:
    """The data with the key of four bytes applied, which also takes it off again (5.3)."""
    size = len(data)
    if size <= _INTEGER_XOR_SIZE:
        words = (size + 3) // 4
        repeated = int.from_bytes(key, "little") * _ones(words)
        return (int.from_bytes(data, "little") ^ repeated).to_bytes(4 * words, "little")[:size]
    masked = bytearray(size)
    for place in range(4):
        masked[place::4] = data[place::4].translate(_XOR_TABLES[key[place]])
    return bytes(masked)


@cache
def _ones(words: int) -> int:
    """What repeats a key of four bytes when it is multiplied by it; there are `_INTEGER_XOR_SIZE` / 4 of them."""
    return int.from_bytes(b"\1\0\0\0" * words, "little")


#: One table for each value that a byte of a key can have: 64 KiB in all.
_XOR_TABLES = tuple(bytes(value ^ key for value in range(256)) for key in range(256))
