"""The suite's own reading of HTTP/1.1 bytes: a transcript in, requests and responses out, and all that is wrong.

A library that parses HTTP refuses what is malformed; a judge must go on reading and say where. So this reader
never raises: what breaks RFC 9112 is noted as a `Problem` with its offset, and the reading goes on as far as it
makes sense. Offsets count the bytes received on the connection.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from tokenwire.errors import DecodingError
from tokenwire.protocol.coding import ContentDecoder
from tokenwire.recording import Recording

__all__ = ["Chunk", "Field", "Problem", "Request", "Response", "Transcript"]

_STATUS_LINE = re.compile(rb"HTTP/([0-9])\.([0-9]) ([0-9]{3}) [\t \x21-\x7e\x80-\xff]*")
_LOOSE_STATUS_LINE = re.compile(rb"HTTP/([0-9])(?:\.([0-9]))? +([0-9]{3})")
_FIELD = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_LOOSE_FIELD = re.compile(rb"([^:]*?)[ \t]*:[ \t]*(.*)", re.DOTALL)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[^\r\n]*)?[ \t]*")
_REQUEST_LINE = re.compile(rb"([^ ]+) ([^ ]+) HTTP/([0-9])\.([0-9])")


@dataclass(frozen=True, slots=True)
class Problem:
    """A breach of the HTTP grammar: `rule` is the slug of the check that judges it."""

    rule: str
    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field line. `name` in lower case."""

    offset: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: where its size line stands, where its data, how long it is, and its extensions."""

    offset: int
    data_offset: int
    size: int
    extensions: bytes


@dataclass(slots=True)
class Request:
    """A request as it was written."""

    method: str = ""
    target: str = ""
    version: str = ""
    fields: list[Field] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        return ", ".join(line.value for line in self.fields if line.name == name)


@dataclass(slots=True)
class Response:
    """A response as it was read.

    :ivar delimited: what marks its end: "chunked", "content-length", "close", or "none" for one without a body.
    :ivar complete: its end was seen.
    :ivar body: transfer coding removed, content coding not.
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
    complete: bool = False
    chunks: list[Chunk] = field(default_factory=list)
    trailers: list[Field] = field(default_factory=list)
    body: bytes = b""
    end: int = 0
    _pieces: list[tuple[int, int]] = field(default_factory=list)

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
        """The body with its content coding removed, as far as it decodes."""
        return self.decoded[0]

    @property
    def coding_error(self) -> str:
        """Why the content coding could not be removed; empty where it could."""
        return self.decoded[1]

    @property
    def decoded(self) -> tuple[bytes, str]:
        coding = self.header("content-encoding")
        if not coding or not self.body:
            return self.body, ""
        try:
            decoder = ContentDecoder(coding)
            content = decoder.receive_data(self.body)
            if self.complete:
                decoder.receive_eof()
        except DecodingError as error:
            return b"", str(error)
        return content, ""

    @property
    def hung_up(self) -> bool:
        """We left before the response was complete, so what is missing is not the server's fault."""
        return not self.complete and self.transcript.ending in ("closed by us", "reset by us", "left open", "")

    def wire_offset(self, content_offset: int) -> int:
        """Where a byte of the content came over the wire; the start of the body where a coding lies between."""
        if not self._pieces:
            return self.offset
        if self.header("content-encoding"):
            return self._pieces[0][1]
        place = bisect_right(self._pieces, (content_offset, 1 << 62)) - 1
        start, wire = self._pieces[max(place, 0)]
        return wire + content_offset - start

    def add_body(self, data: bytes, wire_offset: int) -> None:
        if data:
            self._pieces.append((len(self.body), wire_offset))
            self.body += data


class Transcript:
    """What went over one connection, read as HTTP/1.1.

    :param name: of the probe, or of the file.
    """

    def __init__(self, name: str, recording: Recording) -> None:
        self.name = name
        self.recording = recording
        self.received = recording.received
        reads = [entry for entry in recording.entries if entry.kind == "<"]
        self._read_ends = list(accumulate(len(entry.data) for entry in reads))
        self._read_times = [entry.seconds for entry in reads]

    @cached_property
    def ending(self) -> str:
        """How the connection ended: "eof", "reset", "closed by us", "left open", "timeout", ...; or empty."""
        events = [entry.kind for entry in self.recording.entries if entry.kind not in ("<", ">", "connected")]
        return events[0] if events else ""

    @property
    def ended_by_server(self) -> bool:
        return self.ending in ("eof", "reset")

    @property
    def ending_time(self) -> float:
        """Seconds at which it ended, or at which the last thing happened."""
        return self.recording.entries[-1].seconds if self.recording.entries else 0.0

    def seconds_at(self, offset: int) -> float:
        """When the byte at this offset was read."""
        place = bisect_right(self._read_ends, offset)
        return self._read_times[min(place, len(self._read_times) - 1)] if self._read_times else 0.0

    @cached_property
    def requests(self) -> list[Request]:
        return _read_requests(self.recording.sent)

    @cached_property
    def responses(self) -> list[Response]:
        """One for each request, in order, as far as they came."""
        responses: list[Response] = []
        offset = 0
        for request in self.requests:
            if offset >= len(self.received):
                break
            response = _Reader(self, request, offset).read()
            responses.append(response)
            offset = response.end
            if not response.complete or response.status == 101:
                break
        return responses

    @cached_property
    def stray(self) -> int | None:
        """The offset of bytes that belong to no response; None where there are none."""
        # After 101 the connection speaks another protocol (RFC 9110, 15.2.2).
        if not self.responses or not self.responses[-1].complete or self.responses[-1].status == 101:
            return None
        end = self.responses[-1].end
        return end if end < len(self.received) else None


class _Reader:
    """Reads one response from the received bytes."""

    def __init__(self, transcript: Transcript, request: Request, offset: int) -> None:
        self._data = transcript.received
        self._eof = transcript.ending == "eof"
        self._response = Response(request, offset, transcript, end=len(transcript.received))
        self._at = offset

    def read(self) -> Response:
        response = self._response
        while self._head(response):
            if not 100 <= response.status < 200 or response.status == 101:
                self._body()
                break
            self._take_informational()
        return response

    def _take_informational(self) -> None:
        """A 1xx is not the answer yet: what was read so far becomes an entry of `informational`."""
        response = self._response
        response.informational.append(
            Response(
                response.request,
                response.offset if not response.informational else response.informational[-1].end,
                response.transcript,
                status=response.status,
                version=response.version,
                fields=response.fields,
                head_complete=True,
                complete=True,
                end=self._at,
            )
        )
        response.status = 0
        response.fields = []
        response.head_complete = False

    def _problem(self, rule: str, offset: int, message: str) -> None:
        self._response.problems.append(Problem(rule, offset, message))

    def _line(self) -> bytes | None:
        """The next line without its end; a bare LF is taken for one, and noted by those who mind."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            return None
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _head(self, response: Response) -> bool:
        start = self._at
        line = self._line()
        if line is None:
            if not _may_begin_status_line(self._data[start:]):
                self._problem("status-line", start, "the response does not begin with HTTP/")
            return False
        if not _STATUS_LINE.fullmatch(line.removesuffix(b"\r")):
            self._problem("status-line", start, "the status line is not `HTTP/1.1 STATUS REASON`")
        elif not line.endswith(b"\r"):
            self._problem("status-line", start, "the status line ends in a bare LF")
        loose = _LOOSE_STATUS_LINE.match(line)
        if loose is None:
            return False
        response.version = f"{loose[1].decode()}.{(loose[2] or b'0').decode()}"
        response.status = int(loose[3])
        response.head_complete = self._fields(response.fields)
        return response.head_complete

    def _fields(self, fields: list[Field]) -> bool:
        while True:
            start = self._at
            line = self._line()
            if line is None:
                return False
            if not line.endswith(b"\r"):
                self._problem("header-syntax", start, "a line of the head ends in a bare LF")
            line = line.removesuffix(b"\r")
            if not line:
                return True
            self._field(line, start, fields)

    def _field(self, line: bytes, start: int, fields: list[Field]) -> None:
        if line[:1] in (b" ", b"\t"):
            self._problem("header-syntax", start, "a field is folded over two lines (obs-fold)")
            return
        match = _FIELD.fullmatch(line)
        if match is None:
            self._problem("header-syntax", start, _why_no_field(line))
            match = _LOOSE_FIELD.fullmatch(line)
        if match is not None:
            fields.append(Field(start, match[1].decode("latin-1").lower(), _text(match[2])))

    def _body(self) -> None:
        response = self._response
        codings = response.tokens("transfer-encoding")
        self._note_framing(codings)
        no_body = response.request.method == "HEAD" or response.status in (101, 204, 304)
        if no_body:
            response.complete = True
            response.end = self._at
        elif codings:
            response.delimited = "chunked" if "chunked" in codings else "close"
            if response.delimited == "chunked":
                self._chunks()
            else:
                self._until_close()
        elif response.header("content-length"):
            response.delimited = "content-length"
            self._counted()
        else:
            response.delimited = "close"
            self._until_close()

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

    def _until_close(self) -> None:
        response = self._response
        response.add_body(self._data[self._at :], self._at)
        response.complete = self._eof
        response.end = len(self._data)

    def _counted(self) -> None:
        response = self._response
        digits = re.match(r"[0-9]{1,15}", response.header("content-length"))
        length = int(digits[0]) if digits else 0
        response.add_body(self._data[self._at : self._at + length], self._at)
        response.complete = len(self._data) >= self._at + length
        response.end = min(self._at + length, len(self._data))

    def _chunks(self) -> None:
        response = self._response
        while True:
            start = self._at
            line = self._line()
            if line is None:
                return
            match = _CHUNK_LINE.fullmatch(line.removesuffix(b"\r"))
            if match is None or not line.endswith(b"\r"):
                self._problem("chunk-syntax", start, "a chunk does not begin with its size in hex and CRLF")
            if match is None:
                return
            size = int(match[1], 16)
            response.chunks.append(Chunk(start, self._at, size, match[2] or b""))
            if size == 0:
                response.complete = self._fields(response.trailers)
                response.end = self._at if response.complete else len(self._data)
                return
            response.add_body(self._data[self._at : self._at + size], self._at)
            if len(self._data) < self._at + size + 2:
                return
            self._at += size
            if self._data[self._at : self._at + 2] != b"\r\n":
                self._problem("chunk-syntax", self._at, f"the {size} bytes of a chunk are not followed by CRLF")
                return
            self._at += 2


def _may_begin_status_line(data: bytes) -> bool:
    return data.startswith(b"HTTP/"[: len(data)])


def _why_no_field(line: bytes) -> str:
    name, colon, value = line.partition(b":")
    if not colon:
        return "a line of the head has no colon"
    if name != name.rstrip(b" \t"):
        return "a blank stands between a field name and its colon"
    if b"\0" in value or b"\r" in value:
        return "a field value holds NUL or a bare CR"
    return "a field name is no token"


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _read_requests(sent: bytes) -> list[Request]:
    """What we wrote. It may be malformed on purpose: a request whose length cannot be read takes all the rest."""
    requests = []
    while sent:
        request, sent = _read_request(sent)
        requests.append(request)
        if request.header("sec-websocket-version"):
            break  # what follows are frames
    return requests


def _read_request(sent: bytes) -> tuple[Request, bytes]:
    head, blank, rest = sent.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    request = Request()
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is not None:
        request.method, request.target = line[1].decode("latin-1"), line[2].decode("latin-1")
        request.version = f"{line[3].decode()}.{line[4].decode()}"
    for text in lines[1:]:
        match = _LOOSE_FIELD.fullmatch(text)
        if match is not None:
            request.fields.append(Field(0, match[1].decode("latin-1").lower(), _text(match[2])))
    if not blank:
        return request, b""
    if "chunked" in request.header("transfer-encoding").lower():
        request.body, rest = _unchunked(rest)
        return request, rest
    length = request.header("content-length")
    size = int(length) if length.isascii() and length.isdigit() else len(rest) if length else 0
    request.body = rest[:size]
    return request, rest[size:]


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            return body, b""
        size = int(match[1], 16)
        if size == 0:
            _, _, data = data.partition(b"\r\n")
            return body, data
        body += data[:size]
        data = data[size + 2 :]
