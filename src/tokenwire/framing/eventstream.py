"""The Amazon event stream encoding, `application/vnd.amazon.eventstream`: bytes in, messages out.

    parser = EventStreamParser()
    for message in parser.receive_data(chunk):        # any bytes, cut anywhere
        message.headers[":event-type"].value, message.payload
    parser.receive_eof()
    parser.complete                                   # whether the stream ended between two messages

A message is, all integers big-endian (Smithy 2.0, "Amazon Event Stream Specification"):

    total length, 4 bytes       of the whole message
    headers length, 4 bytes
    prelude CRC, 4 bytes        CRC-32 of the eight bytes before
    headers                     name length, 1 byte; name; type, 1 byte; value
    payload
    message CRC, 4 bytes        CRC-32 of all before

There is no way to find the next message after a broken one: an error ends the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Literal, NamedTuple
from uuid import UUID
from zlib import crc32

from .sse import EventTooLarge, LocalProtocolError, RemoteProtocolError, as_bytes

__all__ = ["EventStreamMessage", "EventStreamParser", "HeaderType", "HeaderValue", "encode"]

#: Bytes of the headers and of the payload of a message, as the specification limits them.
MAX_HEADERS_SIZE = 128 * 1024
MAX_PAYLOAD_SIZE = 24 * 1024 * 1024

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")

#: Bytes around the headers and the payload.
_OVERHEAD = _PRELUDE.size + _CRC.size

#: Bytes of a whole message.
MAX_MESSAGE_SIZE = MAX_HEADERS_SIZE + MAX_PAYLOAD_SIZE + _OVERHEAD

_CLAUSE = "Amazon Event Stream Specification"

HeaderType = Literal["bool", "byte", "short", "integer", "long", "bytes", "string", "timestamp", "uuid"]

#: The integers of fixed size, by the number of their type.
_INTEGERS: dict[int, tuple[HeaderType, struct.Struct]] = {
    2: ("byte", struct.Struct(">b")),
    3: ("short", struct.Struct(">h")),
    4: ("integer", struct.Struct(">i")),
    5: ("long", struct.Struct(">q")),
    8: ("timestamp", struct.Struct(">q")),
}
_INTEGER_TYPES = {name: (number, layout) for number, (name, layout) in _INTEGERS.items()}
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9

_LENGTH = struct.Struct(">H")


class HeaderValue(NamedTuple):
    """The value of a header: a `bool`, `int`, `bytes`, `str` or `UUID`; a timestamp is milliseconds since 1970."""

    type: HeaderType
    value: bool | int | bytes | str | UUID


class EventStreamMessage(NamedTuple):
    """One message, whose checksums were right."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def text(self, name: str) -> str:
        """The value of a header that is a string; empty where there is none."""
        header = self.headers.get(name)
        return header.value if header is not None and isinstance(header.value, str) else ""


class EventStreamParser:
    """Reads one event stream, in pieces of any size, in time linear in its bytes.

    :param max_message_size: the limit in bytes on one message.
    """

    def __init__(self, *, max_message_size: int = MAX_MESSAGE_SIZE) -> None:
        #: What terminated the parser, and what every further call raises.
        self.error: RemoteProtocolError | None = None
        self._max_message_size = max_message_size
        self._start = 0  # the offset of what is unfinished
        self._unfinished = bytearray()  # a message whose end has not come; grows in place, whatever the reads' size
        self._size: int | None = None  # of that message, once its prelude has been read

    @property
    def complete(self) -> bool:
        """The stream may end here: no message is unfinished."""
        return not self._unfinished

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[EventStreamMessage]:
        """Takes the next bytes of the stream, returns the messages that they completed.

        :raises EventTooLarge: for a message over the limit; `offset` is that of its first byte.
        :raises RemoteProtocolError: for a checksum, a length or a header that is wrong.

        Each is raised at once, or, where messages came before it in the same read, at the next call.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self.error is not None:
            raise self.error
        self._unfinished += data
        messages: list[EventStreamMessage] = []
        try:
            taken = self._take(messages)
        except RemoteProtocolError as error:
            self.error = error
            self._unfinished = bytearray()
            if not messages:
                raise
            return messages
        del self._unfinished[:taken]
        self._start += taken
        return messages

    def receive_eof(self) -> list[EventStreamMessage]:
        """The stream ended. An unfinished message is not given: see `complete`.

        :raises RemoteProtocolError: when the stream had been terminated by it.
        """
        if self.error is not None:
            raise self.error
        return []

    def _take(self, messages: list[EventStreamMessage]) -> int:
        """Adds the messages that are whole, returns how many bytes they took."""
        at = 0
        while len(self._unfinished) - at >= _PRELUDE.size:
            if self._size is None:
                self._size = self._read_prelude(at)
            if len(self._unfinished) - at < self._size:
                break
            messages.append(_read_message(bytes(self._unfinished[at : at + self._size]), self._start + at))
            at += self._size
            self._size = None
        return at

    def _read_prelude(self, at: int) -> int:
        """The size of the message. Its checksum comes first: a length that is wrong would be waited for."""
        start = self._start + at
        size, headers_size, checksum = _PRELUDE.unpack_from(self._unfinished, at)
        if crc32(self._unfinished[at : at + 8]) != checksum:
            raise RemoteProtocolError(
                "the checksum of a prelude is wrong", offset=start + 8, clause=f"{_CLAUSE}, prelude CRC"
            )
        if headers_size > MAX_HEADERS_SIZE or size < headers_size + _OVERHEAD:
            raise RemoteProtocolError(
                f"a message of {size} bytes cannot have {headers_size} bytes of headers",
                offset=start,
                clause=f"{_CLAUSE}, prelude",
            )
        if size > self._max_message_size:
            message = f"a message of {size} bytes is larger than the limit of {self._max_message_size}"
            raise EventTooLarge(message, offset=start, clause="limit of the reader")
        return int(size)


def _read_message(message: bytes, start: int) -> EventStreamMessage:
    """Reads a whole message, whose prelude is sound and which begins at the offset `start` of the stream."""
    end = len(message) - _CRC.size
    if crc32(message[:end]) != _CRC.unpack_from(message, end)[0]:
        raise RemoteProtocolError(
            "the checksum of a message is wrong", offset=start + end, clause=f"{_CLAUSE}, message CRC"
        )
    headers_end = _PRELUDE.size + _PRELUDE.unpack_from(message)[1]
    headers: dict[str, HeaderValue] = {}
    block = message[:headers_end]
    at = _PRELUDE.size
    while at < headers_end:
        try:
            name, value, after = _read_header(block, at)
        except _BadHeader as error:
            raise RemoteProtocolError(str(error), offset=start + at, clause=f"{_CLAUSE}, headers") from None
        if name in headers:
            raise RemoteProtocolError(
                f"the header {name!r} comes twice", offset=start + at, clause=f"{_CLAUSE}, headers"
            )
        headers[name] = value
        at = after
    return EventStreamMessage(headers, message[headers_end:end])


class _BadHeader(Exception):
    """What is wrong with a header."""


def _read_header(data: bytes, at: int) -> tuple[str, HeaderValue, int]:
    """Reads the header at `at`, returns its name, its value, and where the next one begins."""
    name, at = _read_sized(data, at + 1, data[at])
    if not name:
        raise _BadHeader("a header has no name")
    text = _utf8(name, "name")
    number, at = _read_sized(data, at, 1)
    kind = number[0]
    if kind in (_TRUE, _FALSE):
        return text, HeaderValue("bool", kind == _TRUE), at
    if kind in _INTEGERS:
        type_name, layout = _INTEGERS[kind]
        value, at = _read_sized(data, at, layout.size)
        return text, HeaderValue(type_name, layout.unpack(value)[0]), at
    if kind == _UUID:
        value, at = _read_sized(data, at, 16)
        return text, HeaderValue("uuid", UUID(bytes=value)), at
    if kind not in (_BYTES, _STRING):
        raise _BadHeader(f"a header has the type {kind}, which does not exist")
    length, at = _read_sized(data, at, _LENGTH.size)
    value, at = _read_sized(data, at, _LENGTH.unpack(length)[0])
    return text, HeaderValue("bytes", value) if kind == _BYTES else HeaderValue("string", _utf8(value, "value")), at


def _read_sized(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise _BadHeader("a header is longer than the headers are said to be")
    return data[at : at + size], at + size


def _utf8(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _BadHeader(f"the {what} of a header is not UTF-8") from None


def encode(headers: Mapping[str, str | HeaderValue], payload: bytes = b"") -> bytes:
    """Writes one message, as every parser reads it back.

    :param headers: by name; a `str` stands for a value of the type "string".
    :raises LocalProtocolError: for what the encoding cannot hold.
    """
    block = b"".join(_encode_header(name, value) for name, value in headers.items())
    if len(block) > MAX_HEADERS_SIZE or len(payload) > MAX_PAYLOAD_SIZE:
        raise LocalProtocolError(f"{len(block)} bytes of headers and {len(payload)} of payload are too many")
    sizes = struct.pack(">II", len(block) + len(payload) + _OVERHEAD, len(block))
    message = sizes + _CRC.pack(crc32(sizes)) + block + payload
    return message + _CRC.pack(crc32(message))


def _encode_header(name: str, value: str | HeaderValue) -> bytes:
    header = HeaderValue("string", value) if isinstance(value, str) else value
    try:
        encoded = name.encode()
        if not encoded:
            raise ValueError("it has no name")
        return struct.pack(">B", len(encoded)) + encoded + _encode_value(header)
    except (struct.error, ValueError) as error:
        raise LocalProtocolError(f"the header {name!r} cannot be written: {error}") from None


def _encode_value(header: HeaderValue) -> bytes:
    kind, value = header
    match kind, value:
        case "bool", bool(value):
            return bytes([_TRUE if value else _FALSE])
        case "uuid", UUID() as value:
            return bytes([_UUID]) + value.bytes
        case "bytes", bytes(value):
            return bytes([_BYTES]) + _LENGTH.pack(len(value)) + value
        case "string", str(value):
            data = value.encode()
            return bytes([_STRING]) + _LENGTH.pack(len(data)) + data
        case _, int(value) if kind in _INTEGER_TYPES:
            number, layout = _INTEGER_TYPES[kind]
            return bytes([number]) + layout.pack(value)
    raise ValueError(f"{value!r} is no {kind}")
