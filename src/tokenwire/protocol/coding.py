"""Content codings (RFC 9110, 8.4): coded bytes in, all that they hold out, after every read, so that no token waits.

gzip and deflate are zlib's; br and zstd work where the packages brotli and zstandard are installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from ..errors import DecodingError

__all__ = ["MAX_CODINGS", "MAX_INFLATED_READ", "MAX_RATIO", "ContentDecoder", "available_codings"]

#: Inflated bytes for one coded byte, beyond the first MiB. A stream of identical keepalives reaches some 200 to 1,
#: JSON chunks 20 to 1; zlib's limit of 1032 to 1 is what a bomb comes near.
MAX_RATIO = 400

#: Inflated bytes that may be owed to the ratio limit: what is small does no harm.
RATIO_FREE = 1024 * 1024

#: Inflated bytes of one read. A read of 64 KiB at the allowed ratio.
MAX_INFLATED_READ = 32 * 1024 * 1024

#: Codings on top of each other. One is usual, two are a mistake; each costs the memory of a window. curl takes five.
MAX_CODINGS = 5

#: zstd's package has no limit on what one call inflates, and 4 bytes may hold a block of 128 KiB (RFC 8878, 3.1.1.2):
#: so it gets no more than this at once, which is 2 MiB inflated at the most.
ZSTD_STEP = 64

_CLAUSE = "RFC 9110 8.4"


class _Inflater(Protocol):
    """One coding: `inflate` gives what the bytes hold so far, up to about `limit` bytes; `finished` tells whether the
    coding reached its end."""

    def inflate(self, data: bytes, limit: int) -> bytes: ...
    def finished(self) -> bool: ...


class ContentDecoder:
    """Removes the codings that a Content-Encoding field names, the last one first.

    :raises DecodingError: for a coding that is unknown or whose package is not installed, and for too many of them.
    """

    def __init__(self, content_encoding: str) -> None:
        names = [name.strip().lower() for name in content_encoding.split(",")]
        codings = [name for name in reversed(names) if name and name != "identity"]
        if len(codings) > MAX_CODINGS:
            raise DecodingError(f"the body has {len(codings)} content codings, more than {MAX_CODINGS}", clause=_CLAUSE)
        #: There is no coding: the bytes are what they hold.
        self.identity: bool = not codings
        self._inflaters = [_inflater(name) for name in codings]
        self._coded = 0
        self._inflated = 0

    def receive_data(self, data: bytes) -> bytes:
        """Takes coded bytes, returns the bytes that they hold.

        :raises DecodingError: when they do not decode, or inflate beyond the limits.
        """
        self._coded += len(data)
        for inflater in self._inflaters:
            data = self._inflate(inflater, data)
        return data

    def receive_eof(self) -> None:
        """The coded body is complete.

        :raises DecodingError: when the coding is not.
        """
        if self._coded and not all(inflater.finished() for inflater in self._inflaters):
            raise DecodingError(
                "the body is complete but its content coding is cut", offset=self._coded, clause=_CLAUSE
            )

    def _inflate(self, inflater: _Inflater, data: bytes) -> bytes:
        allowed = min(MAX_INFLATED_READ, RATIO_FREE + MAX_RATIO * self._coded - self._inflated)
        try:
            inflated = inflater.inflate(data, allowed + 1)
        except Exception as error:  # each package has an error class of its own, some plain Exception
            raise DecodingError(
                f"the body does not decode by its Content-Encoding: {error}",
                offset=self._coded,
                clause=_CLAUSE,
            ) from error
        self._inflated += len(inflated)
        if len(inflated) > allowed:
            raise DecodingError(
                f"{self._coded} coded bytes inflate to {self._inflated} bytes and more: "
                f"over the limit of {MAX_RATIO} to 1, or of {MAX_INFLATED_READ} bytes in one read",
                offset=self._coded,
                clause="limit of the reader",
            )
        return inflated


class _Zlib:
    """gzip (RFC 1952) with its members one after the other, or deflate."""

    def __init__(self, new: Callable[[], Any]) -> None:
        self._new = new
        self._stream = new()

    def inflate(self, data: bytes, limit: int) -> bytes:
        inflated = b""
        while data and len(inflated) < limit:
            if self._stream.eof:
                self._stream = self._new()
            inflated += self._stream.decompress(data, limit - len(inflated))
            if self._stream.unconsumed_tail:
                break
            data = self._stream.unused_data
        return inflated

    def finished(self) -> bool:
        return bool(self._stream.eof)


class _Deflate(_Zlib):
    """deflate is the zlib format (RFC 9110, 8.4.1.2); some servers send it raw, which its first two bytes show."""

    def __init__(self) -> None:
        super().__init__(zlib.decompressobj)
        self._first = b""
        self._known = False

    def inflate(self, data: bytes, limit: int) -> bytes:
        if self._known:
            return super().inflate(data, limit)
        self._first += data
        if len(self._first) < 2:
            return b""
        self._known = True
        cmf, flags = self._first[0], self._first[1]
        if cmf & 0x0F != zlib.DEFLATED or (cmf * 256 + flags) % 31:
            self._new = lambda: zlib.decompressobj(-zlib.MAX_WBITS)
            self._stream = self._new()
        return super().inflate(self._first, limit)


class _Brotli:
    """br (RFC 7932)."""

    def __init__(self) -> None:
        self._stream = import_module("brotli").Decompressor()

    def inflate(self, data: bytes, limit: int) -> bytes:
        inflated = bytes(self._stream.process(data, output_buffer_limit=limit))
        while len(inflated) < limit and not self._stream.can_accept_more_data():
            inflated += self._stream.process(b"", output_buffer_limit=limit - len(inflated))
        return inflated

    def finished(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd:
    """zstd (RFC 8878), frame after frame."""

    def __init__(self) -> None:
        self._decompressor = import_module("zstandard").ZstdDecompressor(max_window_size=8 * 1024 * 1024)
        self._stream = self._decompressor.decompressobj()

    def inflate(self, data: bytes, limit: int) -> bytes:
        inflated = bytearray()
        place = 0
        while place < len(data) and len(inflated) < limit:
            if self._stream.eof:
                self._stream = self._decompressor.decompressobj()
            step = data[place : place + ZSTD_STEP]
            inflated += self._stream.decompress(step)
            place += len(step) - len(self._stream.unused_data)
        return bytes(inflated)

    def finished(self) -> bool:
        return bool(self._stream.eof)


_CODINGS: dict[str, tuple[str, Callable[[], _Inflater]]] = {
    "gzip": ("zlib", lambda: _Zlib(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS))),
    "x-gzip": ("zlib", lambda: _Zlib(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS))),
    "deflate": ("zlib", _Deflate),
    "br": ("brotli", _Brotli),
    "zstd": ("zstandard", _Zstd),
}


def available_codings() -> list[str]:
    """The codings that can be removed here, for an Accept-Encoding field."""
    return [name for name, (package, _) in _CODINGS.items() if not name.startswith("x-") and _finds(find_spec, package)]


@cache
def _finds(find: Callable[[str], object], package: str) -> bool:
    """Whether a package is there: a search through the file system, too long to be made for every request."""
    return find(package) is not None


def _inflater(name: str) -> _Inflater:
    if name not in _CODINGS:
        raise DecodingError(f"the body has the unknown Content-Encoding {name!r}", clause=_CLAUSE)
    package, make = _CODINGS[name]
    if not _finds(find_spec, package):
        raise DecodingError(f"the body is coded with {name}: install the package {package} to read it", clause=_CLAUSE)
    return make()
