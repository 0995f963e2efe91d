"""The chunked transfer coding of HTTP/1.1: bytes in, the data of the chunks out, as RFC 9112 7.1 defines it.

    parser = ChunkedParser()
    for data in parser.receive_data(chunk):      # any bytes, cut anywhere; bytes of the body, in pieces
        ...
    parser.complete                              # the last chunk and the trailer section have come
    parser.trailers, parser.unused               # the trailer fields, and the bytes that follow the body

A body is read by its grammar, and by nothing that merely resembles it: bytes that one reader takes for data and another
for the size of a chunk are how responses are smuggled. So a line ends with CRLF and never with LF alone, a size has a
limited number of digits and no blanks around it, an extension has the form of one, and CRLF follows the data of each
chunk. Blanks around the semicolon and the equals sign of an extension are read, as the clause demands of a recipient.
"""

from __future__ import annotations

import re

from .sse import EventTooLarge, LocalProtocolError, RemoteProtocolError

__all__ = ["MAX_CHUNK_LINE", "MAX_SIZE_DIGITS", "MAX_TRAILER_SIZE", "ChunkedParser"]

#: Hexadecimal digits of a chunk size, leading zeros included: 64 bits, more than any body will ever have.
MAX_SIZE_DIGITS = 16

#: Bytes of the line that begins a chunk, its CRLF included. Go reads 4 KiB too; an extension that signs a chunk, as
#: those of S3 do, has 85. There is no limit on the extensions of a whole body, for a stream has no end to its chunks.
MAX_CHUNK_LINE = 4096

#: Bytes of the trailer section, its last CRLF included: what the head of a response may have.
MAX_TRAILER_SIZE = 64 * 1024

#: Different sizes that are remembered, some 10 KiB of them. The chunks of one stream are nearly all alike.
_MAX_KNOWN = 64

_CRLF = b"\r\n"
_BLANKS = b" \t"

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_SIZE = rb"[0-9a-fA-F]+"
_SIZE_ALONE = re.compile(rb"[0-9a-fA-F]{1,%d}" % MAX_SIZE_DIGITS)

# Compiled when they are first used: few bodies have any of these.
_EXTENSIONS = rb"(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
_VALUE = rb"[\t \x21-\x7e\x80-\xff]+"
_FIELD = _TOKEN + rb":[\t \x21-\x7e\x80-\xff]*"

_CLAUSE = "RFC 9112 7.1"
_EXTENSION_CLAUSE = "RFC 9112 7.1.1"
_TRAILER_CLAUSE = "RFC 9112 7.1.2"


class ChunkedParser:
    """Reads one chunked body, in pieces of any size, in time linear in its bytes.

    :param base: the offset of the body's first byte, from which the offsets of errors count.
    :param max_line: the limit in bytes on the line that begins a chunk.
    :param max_trailers: the limit in bytes on the trailer section.
    """

    def __init__(self, *, base: int = 0, max_line: int = MAX_CHUNK_LINE, max_trailers: int = MAX_TRAILER_SIZE) -> None:
        #: What terminated the parser, and what every further call raises.
        self.error: RemoteProtocolError | None = None
        #: The body has ended, as it says itself.
        self.complete: bool = False
        #: The trailer fields, once the body is complete: names as they came, values without the blanks around them.
        self.trailers: list[tuple[bytes, bytes]] = []
        #: What followed the end in the same read. It is no part of the body.
        self.unused: bytes = b""
        self._max_line = max_line
        self._trailers_left = max_trailers
        self._fields: list[list[bytes]] = []  # of the trailers: the name, then the lines of the value
        self._offset = base  # of the first byte of the next read
        self._left = 0  # bytes of the chunk that are still to come
        self._closing = b""  # what must follow the data of a chunk, as far as it has not come
        self._in_trailers = False  # the last chunk has come
        self._line = bytearray()  # a line whose end has not come; grows in place, whatever the reads' size
        self._sizes: dict[bytes, int] = {}  # what a line says that is a size alone
        self._plain = True  # sizes alone so far, and no CRLF within the data of a chunk

    def receive_data(self, data: bytes) -> list[bytes]:
        """Takes the next bytes of the body, returns the data of chunks in them: no piece is empty.

        :raises EventTooLarge: for a line or a trailer section over its limit; `offset` is of the first byte beyond.
        :raises RemoteProtocolError: for what the grammar does not have; `offset` is of where that begins.
        :raises LocalProtocolError: when the body is complete: these bytes belong to something else.

        The errors of the peer are raised at once, or, where data came before them in the same read, at the next call.
        """
        if self.error is not None:
            raise self.error
        if self.complete:
            raise LocalProtocolError("the body is complete: what follows it is no part of it (RFC 9112 7.1)")
        pieces: list[bytes] = []
        within = self._left or self._closing or self._line
        at = 0 if within else self._whole_chunks(data, 0, pieces)
        if at == len(data):  # as nearly all reads are: whole chunks
            self._offset += at
            return pieces
        try:
            self._take(data, at, pieces)
        except RemoteProtocolError as error:
            self.error = error
            self._line = bytearray()
            self._sizes = {}  # nothing more is read
            if not pieces:
                raise
        return pieces

    def whole_chunk(self, data: bytes) -> bytes:
        """The data of the chunk that these bytes are, whole, alone and of a size that came before, as most reads are.

        Empty where they are anything else, or come in the midst of something: they are for `receive_data` then.
        """
        line_end = data.find(_CRLF)
        size = self._sizes.get(data[:line_end]) if line_end > 0 else None
        received = len(data)
        if size is None or line_end + size + 4 != received or not data.endswith(_CRLF):
            return b""
        if self._left or self._closing or self._line:
            return b""
        self._offset += received
        return data[line_end + 2 : -2]

    def receive_eof(self) -> list[bytes]:
        """The connection ended. Whether the body did is told by `complete`.

        :raises RemoteProtocolError: when the parser had been terminated by it.
        """
        if self.error is not None:
            raise self.error
        return []

    def _take(self, data: bytes, at: int, pieces: list[bytes]) -> None:
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
            elif self._closing:
                at = self._close_chunk(data, at)
            else:
                at = at if self._line else self._whole_chunks(data, at, pieces)
                at = self._read_line(data, at) if at < len(data) else at
            if self.complete:
                self.unused = data[at:]
                return
        self._offset += at

    def _whole_chunks(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """The short way, which most bytes go: chunks that are whole in this read, whose lines say a size alone.

        It begins where a line does, and returns where the last such chunk ends, or `at` where there is none. Whatever
        is any different goes the long way.
        """
        if self._plain:
            end = self._plain_chunks(data, at, pieces)
            if self._plain:
                return end
        size_of, find, ends, add, received = self._sizes.get, data.find, data.startswith, pieces.append, len(data)
        while at < received:
            line_end = find(_CRLF, at)
            line = data[at:line_end]
            size = size_of(line) or self._size_alone(line) if line_end > 0 else None
            if size is None:
                break
            end = line_end + 2 + size
            if not ends(_CRLF, end):
                break
            add(data[line_end + 2 : end])
            at = end + 2
        return at

    def _plain_chunks(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """The same by one `split`: where CRLF stands nowhere but around the data, lines and data take turns.

        This is exact, for each size is compared with what stands between its line and the next CRLF. Where one differs,
        nothing is taken, and the rest of the body is read chunk by chunk: to try again would take quadratic time.
        """
        parts = data[at:].split(_CRLF)
        count = (len(parts) - 1) // 2
        lines, chunks, rest = parts[: 2 * count : 2], parts[1 : 2 * count : 2], parts[2 * count :]
        size_of = self._sizes.get
        sizes = [size_of(line) or self._size_alone(line) for line in lines]
        if sizes != list(map(len, chunks)):
            self._plain = False
            return at
        pieces += chunks
        return len(data) - len(_CRLF.join(rest))

    def _size_alone(self, line: bytes) -> int | None:
        """The size that a line says, known from then on; None for a line that says more, or is that of the last
        chunk or of a trailer."""
        if self._in_trailers or len(line) + 2 > self._max_line or _SIZE_ALONE.fullmatch(line) is None:
            return None
        size = int(line, 16)
        if not size:
            return None
        if len(self._sizes) >= _MAX_KNOWN:
            self._sizes.clear()
        self._sizes[line] = size
        return size

    def _close_chunk(self, data: bytes, at: int) -> int:
        """CRLF follows the data, and may be cut as anything else."""
        if data.startswith(self._closing, at):
            at += len(self._closing)
            self._closing = b""
            return at
        found = data[at : at + len(self._closing)]
        for place, byte in enumerate(found):
            if byte != self._closing[place]:
                raise RemoteProtocolError(
                    "the data of a chunk is not followed by CRLF", offset=self._offset + at + place, clause=_CLAUSE
                )
        self._closing = self._closing[len(found) :]
        return at + len(found)

    # Lines.

    def _read_line(self, data: bytes, at: int) -> int:
        """Reads to the end of the line, or of the read where the rest of the line is still to come."""
        start = self._offset + at - len(self._line)
        end = data.find(b"\n", at) + 1 or len(data)
        self._line += data[at:end]
        size = len(self._line)
        limit = self._trailers_left if self._in_trailers else self._max_line
        if size > limit:
            what = "the trailer section" if self._in_trailers else "the line that begins a chunk"
            raise EventTooLarge(f"{what} is longer than its limit", offset=start + limit, clause="limit of the reader")
        if not self._line.endswith(b"\n"):
            return end
        if not self._line.endswith(_CRLF):
            message = "a line ends with LF alone, and not with CRLF"
            raise RemoteProtocolError(message, offset=start + size - 1, clause=_CLAUSE)
        line = bytes(self._line[:-2])
        self._line = bytearray()
        if self._in_trailers:
            self._trailers_left -= size
            self._read_trailer(line, start)
        else:
            self._begin_chunk(line, start)
        return end

    def _begin_chunk(self, line: bytes, start: int) -> None:
        digits = _matched(_SIZE, line, 0)
        if not digits:
            raise RemoteProtocolError("a chunk begins without a size", offset=start, clause=_CLAUSE)
        if digits > MAX_SIZE_DIGITS:
            message = f"the size of a chunk has more than {MAX_SIZE_DIGITS} digits"
            raise RemoteProtocolError(message, offset=start + MAX_SIZE_DIGITS, clause=_CLAUSE)
        end = _matched(_EXTENSIONS, line, digits) if digits < len(line) else digits
        if end < len(line):
            message = "what follows the size of a chunk is no extension"
            raise RemoteProtocolError(message, offset=start + end, clause=_EXTENSION_CLAUSE)
        size = int(line[:digits], 16)
        if size == 0:
            self._in_trailers = True
            self._sizes = {}  # what follows are no chunks
            return
        self._left = size
        self._closing = _CRLF

    def _read_trailer(self, line: bytes, start: int) -> None:
        """One line of the trailer section; an empty one ends it, and the body with it."""
        if not line:
            self.complete = True
            self.trailers = [(name, b" ".join(values).strip(_BLANKS)) for name, *values in self._fields]
            return
        folded = line[:1] in (b" ", b"\t") and bool(self._fields)
        end = _matched(_VALUE if folded else _FIELD, line, 0)
        if end < len(line):
            raise RemoteProtocolError("a trailer is no field", offset=start + end, clause=_TRAILER_CLAUSE)
        if folded:  # RFC 9112 5.2: a user agent replaces the fold by a blank
            self._fields[-1].append(line.strip(_BLANKS))
        else:
            name, _, value = line.partition(b":")
            self._fields.append([name, value.strip(_BLANKS)])


def _matched(pattern: bytes, line: bytes, at: int) -> int:
    """Where that which the pattern finds at this place ends."""
    found = re.compile(pattern).match(line, at)
    return at if found is None else found.end()
