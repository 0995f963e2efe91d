"""permessage-deflate as a judge reads it (RFC 7692): what was agreed, and what inflates."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

__all__ = [
    "MAX_WINDOW",
    "MOST_INFLATED",
    "MOST_NARROW",
    "TAIL",
    "Extension",
    "TooLarge",
    "inflated",
    "inflates",
    "parse_extensions",
    "window_after",
    "window_bits",
]

#: What a compressed message ends in, and leaves out (7.2.1).
TAIL = b"\x00\x00\xff\xff"

#: Bytes that a coded body, or the messages of one connection together, may inflate to while they are judged. Read as
#: JSON they may take twenty times as much.
MOST_INFLATED = 32 * 1024 * 1024

#: Bytes of these that are inflated once more, one by one, to see whether they keep to a small window.
MOST_NARROW = 1024 * 1024

#: Bytes of earlier messages that DEFLATE can refer to.
MAX_WINDOW = 1 << zlib.MAX_WBITS

#: Bytes that zlib is given at once: it hands back what it left of them, again and again.
_SLICE = 1024

#: Bytes that zlib gives at once.
_STEP = 64 * 1024

#: A member of a list; a comma within quotes does not end it.
_MEMBER = re.compile(r"""(?:[^,"]++|"[^"]*+"?)++""")

_LAST_BLOCK = b"\x03\x00"


class TooLarge(Exception):
    """A message inflates to more bytes than are judged."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One member of Sec-WebSocket-Extensions. `parameters`: as they stand, a value of None where there is none."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]

    def value(self, name: str) -> str | None:
        return dict(self.parameters).get(name)

    def has(self, name: str) -> bool:
        return name in dict(self.parameters)


def parse_extensions(text: str) -> list[Extension]:
    """The members of Sec-WebSocket-Extensions, loosely: what a judge must see may be wrong."""
    extensions = []
    for member in _MEMBER.findall(text):
        name, *parameters = (part.strip() for part in member.split(";"))
        if name:
            extensions.append(Extension(name, tuple(_parameter(parameter) for parameter in parameters)))
    return extensions


def _parameter(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name.strip(), value.strip().strip('"') if equals else None


def window_bits(extension: Extension, name: str) -> int:
    """A window size that was agreed, as the power of two; the largest where none was."""
    value = extension.value(name) or ""
    return int(value) if re.fullmatch(r"[89]|1[0-5]", value) else zlib.MAX_WBITS


def window_after(window: bytes, message: bytes | bytearray) -> bytes:
    """What can be referred to after a message: the end of all that went before."""
    return (window + message[-MAX_WINDOW:])[-MAX_WINDOW:]


def inflated(payload: bytes, window: bytes = b"", bits: int = zlib.MAX_WBITS, limit: int = MOST_INFLATED) -> bytes:
    """One compressed message (RFC 7692, 7.2.2), inflated.

    :param window: what went before it, to which it may refer.
    :param bits: how far it may refer back, as the power of two.
    :param limit: bytes that it may inflate to.
    :raises zlib.error: when it does not inflate.
    :raises TooLarge: when it inflates to more.
    """
    # zlib minds the window only between its outputs, so that they have to be of one byte.
    step = _STEP if bits == zlib.MAX_WBITS else 1
    data, message = payload + TAIL, bytearray()
    inflater = zlib.decompressobj(-bits, zdict=window)
    for at in range(0, len(data), _SLICE):
        rest = data[at : at + _SLICE]
        while rest:
            if inflater.eof:  # a block may be marked as the last one, and others follow (7.2.1)
                inflater = zlib.decompressobj(-bits, zdict=window_after(window, message))
            message += inflater.decompress(rest, step)
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if len(message) > limit:
                raise TooLarge
    if not _between_blocks(inflater):
        raise zlib.error("it ends within a block")
    return bytes(message)


def _between_blocks(inflater: zlib._Decompress) -> bool:
    """Whether another block could follow: an empty one, marked as the last, is then read as that."""
    inflater = inflater.copy()
    inflater.decompress(_LAST_BLOCK)
    return inflater.eof and not inflater.unused_data


def inflates(payload: bytes, window: bytes = b"", bits: int = zlib.MAX_WBITS) -> bool:
    """The message inflates; the arguments are those of `inflated`."""
    try:
        inflated(payload, window, bits)
    except zlib.error:
        return False
    return True
