"""permessage-deflate (RFC 7692): its negotiation, behind wsproto's interface for extensions, and the coding itself.

Inflating is bounded while it goes on, so that a small message that would become a large one is refused before it
has; a compressor with a window of 256 bytes, which zlib cannot make, is replaced by not compressing, which is legal.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping

from wsproto.extensions import Extension

from ..errors import RemoteProtocolError

__all__ = ["Deflate", "Deflater", "MessageInflater", "parse_extension"]

_NAME = "permessage-deflate"
_TAIL = b"\x00\x00\xff\xff"
_MAX_WINDOW_BITS = 15
_MIN_ZLIB_WINDOW_BITS = 9
_WINDOW = 1 << _MAX_WINDOW_BITS

#: What DEFLATE can make of one byte: 258 bytes of every two bits.
_MAX_INFLATION = 1032

#: Bytes of input that zlib is given at once, and of output that it may make of them at once.
_SLICE = 16 * 1024
_PIECE = 64 * 1024

_WORD = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_PARAMETER = rf"[ \t]*;[ \t]*({_WORD})(?:[ \t]*=[ \t]*(?:({_WORD})|\"({_WORD})\"))?"
_EXTENSION = re.compile(rf"({_WORD})((?:{_PARAMETER})*)")
_EACH_PARAMETER = re.compile(_PARAMETER)
_BITS = re.compile(r"8|9|1[0-5]")


def parse_extension(text: str) -> tuple[str, list[tuple[str, str | None]]]:
    """One member of Sec-WebSocket-Extensions: its name, and its parameters with their values.

    :raises RemoteProtocolError: when it is malformed (RFC 6455, 9.1).
    """
    match = _EXTENSION.fullmatch(text.strip(" \t"))
    if match is None:
        raise RemoteProtocolError(f"Sec-WebSocket-Extensions is malformed: {text!r}", clause="RFC 6455 9.1")
    parameters = [(m[1].lower(), m[2] or m[3]) for m in _EACH_PARAMETER.finditer(match[2])]
    return match[1], parameters


class Deflate(Extension):
    """What was agreed about permessage-deflate, for one connection."""

    name = _NAME

    def __init__(self) -> None:
        self._agreed = False
        self.server_no_context_takeover: bool = False
        self.client_no_context_takeover: bool = False
        self.server_max_window_bits: int = _MAX_WINDOW_BITS
        self.client_max_window_bits: int = _MAX_WINDOW_BITS

    def enabled(self) -> bool:
        return self._agreed

    def offer(self) -> str:
        """A client's offer: any window that the server may want for what we send (7.1.2.2)."""
        return "client_max_window_bits"

    def accept(self, offer: str) -> str | None:
        """A server's answer to one offer; None declines it (7.1). The first one that will do is taken (5)."""
        if self._agreed:
            return None
        try:
            name, listed = parse_extension(offer)
            parameters = _checked(listed)
        except RemoteProtocolError:
            return None
        if name != _NAME or parameters.get("server_max_window_bits", "") is None:
            return None
        self._agreed = True
        answer = []
        if "server_no_context_takeover" in parameters:
            self.server_no_context_takeover = True
            answer.append("server_no_context_takeover")
        if "client_no_context_takeover" in parameters:
            self.client_no_context_takeover = True
            answer.append("client_no_context_takeover")
        bits = parameters.get("server_max_window_bits")
        if bits is not None:
            self.server_max_window_bits = int(bits)
            answer.append(f"server_max_window_bits={bits}")
        return "; ".join(answer)

    def finalize(self, offer: str) -> None:
        """A client reads the server's answer.

        :raises RemoteProtocolError: when it is not a valid answer to our offer (7.1).
        """
        _, listed = parse_extension(offer)
        parameters = _checked(listed)
        if self._agreed:
            raise RemoteProtocolError(f"{_NAME} is answered twice", clause="RFC 7692 7.1")
        for name in ("server_max_window_bits", "client_max_window_bits"):
            if name in parameters and parameters[name] is None:
                raise RemoteProtocolError(f"{name} is answered without a value", clause="RFC 7692 7.1.2")
        self._agreed = True
        self.server_no_context_takeover = "server_no_context_takeover" in parameters
        self.client_no_context_takeover = "client_no_context_takeover" in parameters
        self.server_max_window_bits = int(parameters.get("server_max_window_bits") or _MAX_WINDOW_BITS)
        self.client_max_window_bits = int(parameters.get("client_max_window_bits") or _MAX_WINDOW_BITS)

    def inflater(self, *, client: bool) -> MessageInflater:
        """For what the peer sends."""
        return MessageInflater(self.server_no_context_takeover if client else self.client_no_context_takeover)

    def deflater(self, *, client: bool) -> Deflater | None:
        """For what we send; None where we cannot compress as agreed, and so do not."""
        bits = self.client_max_window_bits if client else self.server_max_window_bits
        if bits < _MIN_ZLIB_WINDOW_BITS:
            return None
        return Deflater(bits, self.client_no_context_takeover if client else self.server_no_context_takeover)


def _checked(listed: list[tuple[str, str | None]]) -> Mapping[str, str | None]:
    """The parameters, each known, once, and with a value that it may have (7.1).

    :raises RemoteProtocolError: where one is not.
    """
    parameters = dict(listed)
    if len(parameters) != len(listed):
        raise RemoteProtocolError(f"a parameter of {_NAME} stands twice", clause="RFC 7692 7.1")
    for name, value in parameters.items():
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            valid = value is None
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            valid = value is None or _BITS.fullmatch(value) is not None
        else:
            valid = False
        if not valid:
            raise RemoteProtocolError(f"{_NAME} has an invalid parameter: {name}={value}", clause="RFC 7692 7.1")
    return parameters


class MessageInflater:
    """Inflates messages (7.2.2), with the window of earlier ones unless that was ruled out."""

    def __init__(self, no_context_takeover: bool) -> None:
        self._no_context_takeover = no_context_takeover
        self._stream = _Stream()
        self._size = 0

    def inflate(self, data: bytes, *, final: bool, limit: int) -> bytes:
        """The next bytes of a message.

        :raises OverflowError: when the message becomes larger than `limit` bytes.
        :raises ValueError: when the bytes do not inflate.
        """
        if final:
            data += _TAIL
        room = limit - self._size
        try:
            # What could become too large is tried first, and nothing of it kept.
            if len(data) * _MAX_INFLATION > room and _size(self._stream.copy().inflate(data), room) > room:
                raise OverflowError
            inflated = b"".join(self._stream.inflate(data))
        except zlib.error as error:
            raise ValueError(str(error)) from None
        self._size += len(inflated)
        if self._size > limit:
            raise OverflowError
        if final:
            self._size = 0
            if self._no_context_takeover:
                self._stream = _Stream()
        return inflated


def _size(pieces: Iterator[bytes], enough: int) -> int:
    """The size of them all, none of them kept; or of the first ones, once that is more than enough."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > enough:
            break
    return size


class _Stream:
    """DEFLATE that goes on after a block marked as the last one (7.2.3.4), in pieces of bounded size."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(-_MAX_WINDOW_BITS)
        self._recent = bytearray()

    def copy(self) -> _Stream:
        other = _Stream()
        other._zlib = self._zlib.copy()
        other._recent = self._recent[:]
        return other

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """The input is sliced, for zlib hands back what it left of it, again and again."""
        for at in range(0, len(data), _SLICE):
            rest = data[at : at + _SLICE]
            while rest:
                if self._zlib.eof:
                    # The window is no longer known to zlib, but what comes may refer to it.
                    self._zlib = zlib.decompressobj(-_MAX_WINDOW_BITS, zdict=bytes(self._recent[-_WINDOW:]))
                piece = self._zlib.decompress(rest, _PIECE)
                rest = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
                self._recent += piece[-_WINDOW:]
                if len(self._recent) > 2 * _WINDOW:
                    del self._recent[:-_WINDOW]
                yield piece


class Deflater:
    """Deflates messages (7.2.1)."""

    def __init__(self, window_bits: int, no_context_takeover: bool) -> None:
        self._window_bits = window_bits
        self._no_context_takeover = no_context_takeover
        self._stream = self._new()

    def deflate(self, data: bytes) -> bytes:
        """One whole message."""
        deflated = self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        if self._no_context_takeover:
            self._stream = self._new()
        return deflated.removesuffix(_TAIL)

    def _new(self) -> zlib._Compress:
        return zlib.compressobj(wbits=-self._window_bits)
