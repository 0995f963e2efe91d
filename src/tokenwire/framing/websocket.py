"""WebSocket frames (RFC 6455, section 5): bytes in, whole messages and control frames out; and the way back.

    parser = FrameParser(client=True)
    for item in parser.receive_data(chunk):     # str: a text message; bytes: a binary one; Ping, Pong, Close
        ...
    parser.error                                # what ended it, after all that came before was given

The received side is the hot path of a stream: one loop over the read, one slice and one decode for a whole text
frame, everything else on a slower path beside it. What the standard demands holds on both: UTF-8 is checked as it
comes, also where a frame or a read cuts a character; control frames may stand between fragments; lengths are
minimal, reserved bits and opcodes refused; limits are checked at the header, before the payload is read.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from secrets import token_bytes
from struct import Struct
from typing import NamedTuple, Protocol

from .masking import mask
from .sse import LocalProtocolError, RemoteProtocolError, as_bytes

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "MAX_MESSAGE_SIZE",
    "PING",
    "PONG",
    "TEXT",
    "Close",
    "FrameError",
    "FrameParser",
    "FrameWriter",
    "Inflater",
    "Item",
    "Ping",
    "Pong",
    "close_payload",
    "is_valid_close_code",
    "mask",
]

#: Bytes of one message. Events of OpenAI's Realtime API reach 3.4 MB; the 1 MiB of other libraries is met by users.
MAX_MESSAGE_SIZE = 16 * 1024 * 1024

#: Bytes of a control frame's payload (5.5).
MAX_CONTROL_SIZE = 125

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009

#: The header of a frame, without its key, by how many bytes the length takes (5.2).
_SHORT, _MIDDLE, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")

#: Bytes of random masking keys that are fetched at once: asking for four at a time costs fifty times as much.
_KEY_POOL_SIZE = 4096


class Ping(NamedTuple):
    """A ping frame; the answer is a pong with the same payload (5.5.2)."""

    payload: bytes


class Pong(NamedTuple):
    """A pong frame, asked for or not (5.5.3)."""

    payload: bytes


class Close(NamedTuple):
    """A close frame (5.5.1). `code` is 1005 where the frame had none."""

    code: int
    reason: str


Item = str | bytes | Ping | Pong | Close


class FrameError(RemoteProtocolError):
    """The peer broke the framing. `code` is what a Close frame should say: 1002, 1007 or 1009."""

    def __init__(self, message: str, *, code: int, offset: int, clause: str) -> None:
        super().__init__(message, offset=offset, clause=clause)
        self.code = code


class Inflater(Protocol):
    """What an extension that uses RSV1 does to a message (RFC 7692)."""

    def inflate(self, data: bytes, *, final: bool, limit: int) -> bytes:
        """Takes the next bytes of a message, and says whether they are its last.

        :raises OverflowError: when the message inflates to more than `limit` bytes.
        :raises ValueError: when the bytes do not inflate.
        """
        ...


class FrameParser:
    """Reads the frames that a peer sends.

    :param client: we are the client, so frames must not be masked; else they must be (5.1).
    :param max_message_size: bytes, of a message after inflating, and of each of its frames.
    :param inflater: the agreed extension, if any; without it RSV1 is an error.
    :param offset: bytes that came before the first frame, for the offsets in errors.
    """

    def __init__(
        self,
        *,
        client: bool,
        max_message_size: int = MAX_MESSAGE_SIZE,
        inflater: Inflater | None = None,
        offset: int = 0,
    ) -> None:
        #: What ended it; every further call raises it.
        self.error: FrameError | None = None
        #: A Close frame was received: what follows it is not read (5.5.1).
        self.closed: bool = False
        self._client = client
        self._max_message_size = max_message_size
        self._short = min(126, max_message_size + 1)  # a length below it is that of a frame which may come
        self._inflater = inflater
        self._offset = offset  # of the first byte in _tail, or of the next read
        self._tail = b""  # the beginning of a frame whose header is not complete, or of a small frame
        self._idle = client  # between two messages, and nothing has ended it
        self._frame: _Frame | None = None  # a frame whose payload is still coming
        self._message: _Message | None = None  # a message of which fragments are still coming

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Item]:
        """Takes the next bytes, returns what they completed.

        :raises FrameError: at once, or, where something came before it in the same read, at the next call.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        size = len(data)
        if self._idle and size > 4 and data[0] == 0x81:
            # The commonest read is one whole text frame.
            length, start = data[1], 2
            if length == 126:
                length, start = data[2] << 8 | data[3], 4
            shortest = (length < 126) is (start == 2)
            if start + length == size and shortest and length <= self._max_message_size:
                try:
                    text = data[start:].decode()
                except UnicodeDecodeError:
                    pass  # the slow path says where
                else:
                    self._offset += size
                    return [text]
        items: list[Item] = []
        at = 0
        if self._idle:
            # The next commonest is whole text frames and nothing else.
            at = self._whole_text_frames(data, 0, items)
            if at == size:
                self._offset += at
                return items
        if self.error is not None:
            raise self.error
        try:
            if not self.closed:
                self._read(data, at, items)
        except FrameError as error:
            self.error = error
            self._frame = self._message = None
            self._tail = b""
            if not items:
                raise
        finally:
            pending = self._frame is not None or self._message is not None or self._tail or self.closed
            self._idle = self._client and self.error is None and not pending
        return items

    def _read(self, data: bytes, at: int, items: list[Item]) -> None:
        if self._frame is not None:
            at = self._take_payload(data, 0, items)
        elif self._tail:
            data = self._tail + data
            self._tail = b""
        while not self.closed:
            if self._client and self._message is None:
                at = self._whole_text_frames(data, at, items)
            if self._frame is not None or len(data) - at < 2:
                break
            after = self._slow_frame(data, at, items)
            if after < 0:
                break
            at = after
        self._offset += at
        if self._frame is None and not self.closed:
            self._tail = data[at:]

    def _whole_text_frames(self, data: bytes, at: int, items: list[Item]) -> int:
        """The hot path: unmasked, unfragmented text frames that lie wholly in the read. Stops at anything else."""
        size = len(data)
        append = items.append
        try:
            while at < size and data[at] == 0x81:
                length = data[at + 1]
                if length < self._short:
                    start = at + 2
                elif length == 126:
                    start = at + 4
                    length = data[at + 2] << 8 | data[at + 3]
                    if length < 126 or length > self._max_message_size:
                        break
                else:
                    break
                end = start + length
                if end > size:
                    break
                append(data[start:end].decode())
                at = end
        except (IndexError, UnicodeDecodeError):
            pass  # its header is cut, or its text is wrong: the slow path says what follows from it
        return at

    # The slow path: one frame of any kind.

    def _slow_frame(self, data: bytes, at: int, items: list[Item]) -> int:
        """Reads the frame that begins at `at`. Returns where the next one begins, or -1 where this one is cut."""
        self._check_first_bytes(data, at)
        header = self._header_size(data[at + 1])
        if len(data) - at < header:
            return -1
        frame = self._parse_header(data, at, header)
        start = at + header
        end = start + frame.length
        if frame.opcode >= CLOSE:
            if end > len(data):
                return -1
            self._control(frame, frame.unmask(data[start:end]), items)
            return end
        if frame.is_message and end <= len(data):
            items.append(_whole_message(frame, frame.unmask(data[start:end])))
            return end
        self._begin(frame)
        self._frame = frame
        return start + self._take_payload(data, start, items)

    def _take_payload(self, data: bytes, start: int, items: list[Item]) -> int:
        """Takes as much of the payload as there is; returns how many bytes that was."""
        frame, message = self._frame, self._message
        assert frame is not None
        assert message is not None
        piece = data[start : start + frame.length - frame.taken]
        complete = frame.taken + len(piece) == frame.length
        message.add(frame.unmask(piece), final=complete and frame.fin)
        frame.taken += len(piece)
        if complete:
            self._frame = None
            if frame.fin:
                self._message = None
                items.append(message.whole())
        return len(piece)

    def _check_first_bytes(self, data: bytes, at: int) -> None:
        first, second = data[at], data[at + 1]
        opcode = first & 0x0F
        fin, rsv1 = first & 0x80, first & 0x40
        masked, length = second & 0x80, second & 0x7F
        control = opcode >= CLOSE
        offset = self._offset + at
        if first & 0x30 or (rsv1 and (self._inflater is None or control or opcode == CONTINUATION)):
            raise _broken("a reserved bit is set that nothing gave a meaning", offset, "RFC 6455 5.2")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _broken(f"the opcode {opcode:#x} is reserved", offset, "RFC 6455 5.2")
        if bool(masked) is self._client:
            who = "a server's frame is masked" if self._client else "a client's frame is not masked"
            raise _broken(who, offset, "RFC 6455 5.1")
        if control and not fin:
            raise _broken("a control frame is fragmented", offset, "RFC 6455 5.5")
        if control and length > MAX_CONTROL_SIZE:
            raise _broken(f"a control frame is longer than {MAX_CONTROL_SIZE} bytes", offset, "RFC 6455 5.5")
        if opcode == CONTINUATION and self._message is None:
            raise _broken("a continuation has nothing to continue", offset, "RFC 6455 5.4")
        if opcode in (TEXT, BINARY) and self._message is not None:
            raise _broken("a new message begins within a fragmented one", offset, "RFC 6455 5.4")

    def _header_size(self, second: int) -> int:
        return 2 + {126: 2, 127: 8}.get(second & 0x7F, 0) + (0 if self._client else 4)

    def _parse_header(self, data: bytes, at: int, size: int) -> _Frame:
        first, length = data[at], data[at + 1] & 0x7F
        offset = self._offset + at
        if length >= 126:
            width = 2 if length == 126 else 8
            length = int.from_bytes(data[at + 2 : at + 2 + width], "big")
            if length >> 63:
                raise _broken("the length has its highest bit set", offset, "RFC 6455 5.2")
            if length < 126 or (width == 8 and length <= 0xFFFF):
                raise _broken(f"the length {length} is not in its shortest form", offset, "RFC 6455 5.2")
        before = 0 if self._message is None else self._message.size
        if length + before > self._max_message_size:
            raise FrameError(
                f"a message of at least {length + before} bytes is larger than the limit of {self._max_message_size}",
                code=TOO_BIG,
                offset=offset,
                clause="RFC 6455 7.4.1",
            )
        key = b"" if self._client else data[at + size - 4 : at + size]
        return _Frame(first & 0x0F, bool(first & 0x80), bool(first & 0x40), length, key, offset)

    def _begin(self, frame: _Frame) -> None:
        if frame.opcode != CONTINUATION:
            inflater = self._inflater if frame.rsv1 else None
            self._message = _Message(frame.opcode == TEXT, inflater, self._max_message_size, frame.offset)

    def _control(self, frame: _Frame, payload: bytes, items: list[Item]) -> None:
        if frame.opcode == PING:
            items.append(Ping(payload))
        elif frame.opcode == PONG:
            items.append(Pong(payload))
        else:
            items.append(_parse_close(payload, frame.offset))
            self.closed = True


class _Frame:
    """The header of a frame, and how much of its payload was taken."""

    __slots__ = ("fin", "key", "length", "offset", "opcode", "rsv1", "taken")

    def __init__(self, opcode: int, fin: bool, rsv1: bool, length: int, key: bytes, offset: int) -> None:
        self.opcode = opcode
        self.fin = fin
        self.rsv1 = rsv1
        self.length = length
        self.key = key
        self.offset = offset
        self.taken = 0

    @property
    def is_message(self) -> bool:
        """A whole message as it stands: not fragmented, not compressed."""
        return self.fin and not self.rsv1 and self.opcode != CONTINUATION

    def unmask(self, piece: bytes) -> bytes:
        """The next piece of the payload without its mask."""
        if not self.key:
            return piece
        shift = self.taken & 3
        return mask(piece, self.key[shift:] + self.key[:shift])


class _Message:
    """A message that is coming in pieces: checked as it comes, kept so that small pieces cost no more than large."""

    def __init__(self, text: bool, inflater: Inflater | None, limit: int, offset: int) -> None:
        self.size = 0
        self._text = text
        self._inflater = inflater
        self._limit = limit
        self._offset = offset
        self._kept = bytearray()
        self._cut = b""  # the beginning of a character

    def add(self, piece: bytes, *, final: bool) -> None:
        self.size += len(piece)
        if self._inflater is not None:
            piece = self._inflate(piece, final)
        if self._text:
            self._check_utf8(piece, final)
        self._kept += piece

    def whole(self) -> str | bytes:
        return self._kept.decode() if self._text else bytes(self._kept)

    def _check_utf8(self, piece: bytes, final: bool) -> None:
        data = self._cut + piece if self._cut else piece
        try:
            _, used = codecs.utf_8_decode(data, "strict", final)
        except UnicodeDecodeError as error:
            raise _not_utf8(error, self._offset) from None
        self._cut = data[used:]
        # The codec waits for the third byte of a surrogate, which no third byte could make right.
        if self._cut[:1] == b"\xed" and self._cut[1:] >= b"\xa0":
            raise _not_utf8(UnicodeDecodeError("utf-8", self._cut, 0, 1, "invalid continuation byte"), self._offset)

    def _inflate(self, piece: bytes, final: bool) -> bytes:
        assert self._inflater is not None
        try:
            return self._inflater.inflate(piece, final=final, limit=self._limit)
        except OverflowError:
            raise FrameError(
                f"a message inflates to more than the limit of {self._limit} bytes",
                code=TOO_BIG,
                offset=self._offset,
                clause="RFC 6455 10.4",
            ) from None
        except ValueError as error:
            raise FrameError(
                f"a compressed message does not inflate: {error}",
                code=INVALID_DATA,
                offset=self._offset,
                clause="RFC 7692 6.2",
            ) from None


def _whole_message(frame: _Frame, payload: bytes) -> str | bytes:
    if frame.opcode == BINARY:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(error, frame.offset) from None


def _not_utf8(error: UnicodeDecodeError, offset: int) -> FrameError:
    message = f"a text message is not UTF-8: {error.reason}"
    return FrameError(message, code=INVALID_DATA, offset=offset, clause="RFC 6455 8.1")


def _parse_close(payload: bytes, offset: int) -> Close:
    if not payload:
        return Close(1005, "")
    if len(payload) == 1:
        raise _broken("a close frame has a payload of one byte", offset, "RFC 6455 5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if not is_valid_close_code(code):
        raise _broken(f"the close code {code} must not be sent", offset, "RFC 6455 7.4")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise FrameError(
            "the reason in a close frame is not UTF-8", code=INVALID_DATA, offset=offset, clause="RFC 6455 5.5.1"
        ) from None


def _broken(message: str, offset: int, clause: str) -> FrameError:
    return FrameError(message, code=PROTOCOL_ERROR, offset=offset, clause=clause)


def is_valid_close_code(code: int) -> bool:
    """Whether a Close frame may carry it (7.4): not those for local use, 1005, 1006 and 1015, nor the reserved 1004."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a Close frame; the reason is cut, at a character, to what fits.

    :raises LocalProtocolError: for a code that must not be sent.
    """
    if not is_valid_close_code(code):
        raise LocalProtocolError(f"the close code {code} must not be sent (RFC 6455 7.4)")
    kept = reason.encode("utf-8", "replace")[: MAX_CONTROL_SIZE - 2].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + kept.encode()


class FrameWriter:
    """Writes frames.

    :param client: we are the client, so every frame is masked with a key that cannot be foreseen (5.3).
    """

    def __init__(self, *, client: bool, random: Callable[[int], bytes] = token_bytes) -> None:
        self._client = client
        self._random = random
        self._keys = b""
        self._next_key = 0

    def frame(self, opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
        """One frame as bytes."""
        first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
        length = len(payload)
        bit = 0x80 if self._client else 0
        if length < 126:
            header = _SHORT.pack(first, bit | length)
        elif length <= 0xFFFF:
            header = _MIDDLE.pack(first, bit | 126, length)
        else:
            header = _LONG.pack(first, bit | 127, length)
        if not self._client:
            return header + payload
        key = self._key()
        return header + key + mask(payload, key)

    def _key(self) -> bytes:
        if self._next_key >= len(self._keys):
            self._keys = self._random(_KEY_POOL_SIZE)
            self._next_key = 0
        self._next_key += 4
        return self._keys[self._next_key - 4 : self._next_key]
