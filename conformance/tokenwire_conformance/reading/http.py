"""The suite's own reading of HTTP/1.1 bytes: a transcript in, responses out, and all that is wrong.

A library that parses HTTP refuses what is malformed; a judge must go on reading and say where. So this reader
never raises: what breaks RFC 9112 is noted as a `Problem` with its offset, and the reading goes on as far as it
makes sense. Offsets count the bytes received on the connection.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tokenwire.errors import DecodingError
from tokenwire.protocol.coding import ContentDecoder
from tokenwire.recording.captures import Layer

from .deflate import MOST_INFLATED
from .requests import CHUNK_LINE, Field, Request, field_of, why_no_field

if TYPE_CHECKING:
    from .transcript import Transcript

__all__ = ["Chunk", "Problem", "Response", "ResponseReader"]

_HTTP = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/([0-9])\.([0-9]) ([0-9]{3}) [\t \x21-\x7e\x80-\xff]*")
_LOOSE_STATUS_LINE = re.compile(rb"HTTP/([0-9])(?:\.([0-9]))? +([0-9]{3})")


@dataclass(frozen=True, slots=True)
class Problem:
    """A breach of the HTTP grammar: `rule` is the slug of the check that judges it."""

    rule: str
    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: where its size line stands, where its data, how long it is, and its extensions."""

    offset: int
    data_offset: int
    size: int
    extensions: bytes


@dataclass(slots=True)
class Response:
    """A response as it was read, as far as it has come.

    :ivar delimited: what marks its end: "chunked", "content-length", "close", or "none" for one without a body.
    :ivar head_end: where its head ends, when that is complete.
    :ivar complete: its end was seen.
    """

    request: Request
    offset: int
    transcript: Transcript
    status: int = 0
    version: str = ""
    informational: list[Response] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    delimited: str = "none"
    head_complete: bool = False
    head_end: int = 0
    complete: bool = False
    chunks: list[Chunk] = field(default_factory=list)
    trailers: list[Field] = field(default_factory=list)
    _end: int = 0
    _body: bytearray = field(default_factory=bytearray)
    _pieces: list[tuple[int, int]] = field(default_factory=list)
    _come: tuple[int, bool] = (0, False)
    _decoded: tuple[bytes, str] | None = None

    @property
    def end(self) -> int:
        """Where it ends; as long as it is not complete, where the bytes do."""
        return self._end if self.complete else self.transcript.size

    @property
    def body(self) -> bytes:
        """Transfer coding removed, content coding not."""
        return bytes(self._body)

    def header(self, name: str) -> str:
        return ", ".join(line.value for line in self.fields if line.name == name)

    def tokens(self, name: str) -> list[str]:
        """The members of a list field, in lower case."""
        return [token.strip().lower() for token in self.header(name).split(",") if token.strip()]

    def field_offset(self, name: str) -> int:
        """Where the field stands; the start of the response where it is absent."""
        return next((line.offset for line in self.fields if line.name == name), self.offset)

    @property
    def media_type(self) -> str:
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def content(self) -> bytes:
        """The body with its content coding removed; empty where it does not decode."""
        return self.decoded[0]

    @property
    def coding_error(self) -> str:
        """Why the content coding could not be removed; empty where it could."""
        return self.decoded[1]

    @property
    def decoded(self) -> tuple[bytes, str]:
        """The content, and why the content coding could not be removed. It is decoded again when more has come."""
        come = len(self._body), self.complete
        if self._decoded is None or self._come != come:
            self._come, self._decoded = come, self._decode()
        return self._decoded

    def _decode(self) -> tuple[bytes, str]:
        coding, body = self.header("content-encoding"), self.body
        if not coding or not body or self.transcript.misses(Layer.CODING):
            return body, ""
        try:
            decoder = ContentDecoder(coding)
            content = _joined(map(decoder.receive_data, _reads(body)))
            if self.complete:
                decoder.receive_eof()
        except DecodingError as error:
            return b"", str(error)
        return content, ""

    @property
    def hung_up(self) -> bool:
        """It is not complete, and the server did not end the connection: we left, or our time was up."""
        return not self.complete and not self.transcript.ended_by_server

    def wire_offset(self, content_offset: int) -> int:
        """Where a byte of the content came over the wire; the start of the body where a coding lies between."""
        if not self._pieces:
            return self.offset
        if self.header("content-encoding") and not self.transcript.misses(Layer.CODING):
            return self._pieces[0][1]
        place = bisect_right(self._pieces, (content_offset, 1 << 62)) - 1
        start, wire = self._pieces[max(place, 0)]
        return wire + content_offset - start

    @property
    def body_span(self) -> tuple[int, int]:
        """Where its body begins and ends on the wire, with the framing that lies between. It must have one."""
        (_, first), (start, last) = self._pieces[0], self._pieces[-1]
        return first, last + len(self._body) - start

    def add_body(self, data: bytes, wire_offset: int) -> None:
        if data:
            self._pieces.append((len(self._body), wire_offset))
            self._body += data

    def end_at(self, offset: int) -> None:
        """Its end was seen."""
        self.complete = True
        self._end = offset


class ResponseReader:
    """Reads one response from the received bytes. It stops wherever bytes are wanting, and goes on when more came."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._transcript = response.transcript
        self._data = response.transcript.growing[0]
        self._at = response.offset
        self._searched = response.offset

    def read(self) -> Iterator[None]:
        response = self._response
        while (yield from self._head(response)):
            if not 100 <= response.status < 200 or response.status == 101:
                yield from self._body()
                break
            self._take_informational()

    def _take_informational(self) -> None:
        """A 1xx is not the answer yet: what was read so far becomes an entry of `informational`."""
        response = self._response
        interim = Response(
            response.request,
            response.offset if not response.informational else response.informational[-1].end,
            response.transcript,
            status=response.status,
            version=response.version,
            fields=response.fields,
            head_complete=True,
        )
        interim.end_at(self._at)
        response.informational.append(interim)
        response.status = 0
        response.fields = []
        response.head_complete = False

    def _problem(self, rule: str, offset: int, message: str) -> None:
        self._response.problems.append(Problem(rule, offset, message))

    def _next_line(self) -> bytes | None:
        """The next line without its end; a bare LF is taken for one, and noted by those who mind."""
        end = self._data.find(b"\n", max(self._at, self._searched))
        if end < 0:
            self._searched = len(self._data)
            return None
        line = bytes(self._data[self._at : end])
        self._at = end + 1
        return line

    def _line(self) -> Generator[None, None, bytes]:
        while (line := self._next_line()) is None:
            yield
        return line

    def _status_line(self) -> Generator[None, None, bytes]:
        start = self._at
        while (line := self._next_line()) is None:
            doubtful = not _may_begin_status_line(self._data[start : start + len(_HTTP)])
            if doubtful:
                self._problem("status-line", start, "the response does not begin with HTTP/")
            yield
            if doubtful:
                self._response.problems.pop()
        return line

    def _head(self, response: Response) -> Generator[None, None, bool]:
        start = self._at
        line = yield from self._status_line()
        if not _STATUS_LINE.fullmatch(line.removesuffix(b"\r")):
            self._problem("status-line", start, "the status line is not `HTTP/1.1 STATUS REASON`")
        elif not line.endswith(b"\r"):
            self._problem("status-line", start, "the status line ends in a bare LF")
        loose = _LOOSE_STATUS_LINE.match(line)
        if loose is None:
            return False
        response.version = f"{loose[1].decode()}.{(loose[2] or b'0').decode()}"
        response.status = int(loose[3])
        yield from self._fields(response.fields)
        response.head_complete = True
        response.head_end = self._at
        return True

    def _fields(self, fields: list[Field]) -> Iterator[None]:
        while True:
            start = self._at
            line = yield from self._line()
            if not line.endswith(b"\r"):
                self._problem("header-syntax", start, "a line of the head ends in a bare LF")
            line = line.removesuffix(b"\r")
            if not line:
                return
            self._field(line, start, fields)

    def _field(self, line: bytes, start: int, fields: list[Field]) -> None:
        if line[:1] in (b" ", b"\t"):
            self._problem("header-syntax", start, "a field is folded over two lines (obs-fold)")
            return
        if wrong := why_no_field(line):
            self._problem("header-syntax", start, wrong)
        if b":" in line:
            fields.append(field_of(line, start))

    def _body(self) -> Iterator[None]:
        response = self._response
        codings = response.tokens("transfer-encoding")
        self._note_framing(codings)
        if response.request.method == "HEAD" or response.status in (101, 204, 304):
            response.end_at(self._at)
        elif self._transcript.misses(Layer.FRAMING):
            response.delimited = "close"
            yield from self._until_close()
        elif "chunked" in codings:
            response.delimited = "chunked"
            yield from self._chunks()
        elif response.header("content-length") and not codings:
            response.delimited = "content-length"
            yield from self._counted()
        else:
            response.delimited = "close"
            yield from self._until_close()

    def _note_framing(self, codings: list[str]) -> None:
        response = self._response
        lengths = {line.value for line in response.fields if line.name == "content-length"}
        members = {member.strip() for value in lengths for member in value.split(",")}
        at = response.field_offset("content-length")
        if codings and lengths:
            self._problem("framing-unambiguous", at, "Transfer-Encoding and Content-Length stand together")
        if len(members) > 1:
            self._problem("framing-unambiguous", at, f"Content-Length differs: {', '.join(sorted(members))}")
        if any(not re.fullmatch(r"[0-9]+", member) for member in members):
            self._problem("framing-unambiguous", at, f"Content-Length is no number: {', '.join(sorted(members))}")

    def _until_close(self) -> Iterator[None]:
        while True:
            self._take(len(self._data) - self._at)
            if self._transcript.ending == "eof":
                break
            yield
        self._response.end_at(self._at)

    def _counted(self) -> Iterator[None]:
        digits = re.match(r"[0-9]{1,15}", self._response.header("content-length"))
        yield from self._take_all(int(digits[0]) if digits else 0)
        self._response.end_at(self._at)

    def _take_all(self, size: int) -> Iterator[None]:
        """So many bytes of the body, as they come."""
        end = self._at + size
        while True:
            self._take(end - self._at)
            if self._at == end:
                return
            yield

    def _take(self, most: int) -> None:
        data = bytes(self._data[self._at : self._at + most])
        self._response.add_body(data, self._at)
        self._at += len(data)

    def _chunks(self) -> Iterator[None]:
        response = self._response
        while True:
            start = self._at
            line = yield from self._line()
            match = CHUNK_LINE.fullmatch(line.removesuffix(b"\r"))
            if match is None or not line.endswith(b"\r"):
                self._problem("chunk-syntax", start, "a chunk does not begin with its size in hex and CRLF")
            if match is None:
                return
            if match[3] or (match[2] or b";")[:1] != b";":
                self._problem("chunk-syntax", start, "blanks follow the size of a chunk")
            size = int(match[1], 16)
            response.chunks.append(Chunk(start, self._at, size, match[2] or b""))
            if size == 0:
                yield from self._fields(response.trailers)
                response.end_at(self._at)
                return
            yield from self._take_all(size)
            while len(self._data) < self._at + 2:
                yield
            if self._data[self._at : self._at + 2] != b"\r\n":
                self._problem("chunk-syntax", self._at, f"the {size} bytes of a chunk are not followed by CRLF")
                return
            self._at += 2


def _may_begin_status_line(data: bytes | bytearray) -> bool:
    return data.startswith(_HTTP[: len(data)])


#: Lines of a coded body that are judged: a kilobyte is kept of an event.
_MOST_LINES = 1_000_000

#: Bytes of one read of a client.
_READ = 64 * 1024


def _reads(body: bytes) -> Iterator[bytes]:
    """A body in pieces as a client reads them: the decoder's limits are those of one read."""
    return (body[at : at + _READ] for at in range(0, len(body), _READ))


def _joined(pieces: Iterable[bytes]) -> bytes:
    """The content.

    :raises DecodingError: when it is larger than what is judged.
    """
    content, lines = bytearray(), 0
    for piece in pieces:
        content += piece
        lines += piece.count(b"\n")
        if len(content) > MOST_INFLATED or lines > _MOST_LINES:
            raise DecodingError(
                f"it inflates to more than is judged, which is {MOST_INFLATED:,} bytes, and {_MOST_LINES:,} lines"
            )
    return bytes(content)
