"""Faults of HTTP framing and of reading requests."""

from __future__ import annotations

import re
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Piece, Reply, Seams, Write

from .editing import Editing
from .fault import edit_head, edit_writes, fault, is_stream, is_streamed_chat, socket_fault

_CHUNK = re.compile(rb"\A([0-9a-f]+)\r\n(.*)\r\n\Z", re.DOTALL)


def _is_tools(call: Call | None) -> bool:
    return is_streamed_chat(call) and call is not None and b'"tools"' in call.body


def _with_field(head: bytes, field: bytes) -> bytes:
    return head.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")


def _without_field(head: bytes, name: bytes) -> bytes:
    return re.sub(rb"(?im)^" + re.escape(name) + rb":[^\r\n]*\r\n", b"", head)


def _unchunked(write: Write) -> Write:
    match = _CHUNK.match(write.data)
    return replace(write, data=match[2] if match and write.part == "body" else b"")


@fault("garbage-status-line", trips="http.status-line")
class GarbageStatusLine(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_head(exchange, lambda head: re.sub(rb"\A(HTTP/1\.1 [0-9]{3}) [^\r]*", rb"\1", head))


@fault("space-before-colon", trips="http.header-syntax")
class SpaceBeforeColon(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_head(exchange, lambda head: _with_field(head, b"X-Served-By : tokenwire"))


@fault("te-plus-cl", trips="http.framing-unambiguous")
class TePlusCl(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not is_streamed_chat(call) or (call and call.http_version == "1.0"):
            return exchange
        return edit_head(exchange, lambda head: _with_field(head, b"Content-Length: 12"))


@fault("buffer-then-cl", trips="http.no-cl-on-stream")
class BufferThenCl(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        if reply.pieces is None:
            return reply
        return replace(reply, body=b"".join(piece.data for piece in reply.pieces), pieces=None)


@fault("chunk-off-by-one", trips="http.chunk-syntax")
class ChunkOffByOne(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not _is_tools(call):
            return exchange
        last = [write for write in exchange.writes if write.part == "body"][-1]

        def shorten(write: Write) -> Write:
            match = _CHUNK.match(write.data)
            if write is not last or match is None:
                return write
            return replace(write, data=b"%x\r\n%s\r\n" % (len(match[2]) - 1, match[2]))

        return edit_writes(exchange, shorten)


@fault("padded-chunk-size", trips="http.chunk-syntax")
class PaddedChunkSize(Seams):
    """Sizes are padded with blanks to one width, as some servers write them into a fixed buffer."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        def pad(write: Write) -> Write:
            match = _CHUNK.match(write.data)
            if write.part != "body" or match is None:
                return write
            return replace(write, data=match[1].ljust(8) + b"\r\n" + match[2] + b"\r\n")

        return edit_writes(exchange, pad)


@fault("close-without-last-chunk", trips="http.chunk-terminator")
class CloseWithoutLastChunk(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not is_streamed_chat(call):
            return exchange
        cut = edit_writes(exchange, lambda write: None if write.part == "end" else write)
        return replace(cut, ending="close")


@fault("huge-chunk-ext", trips="http.chunk-ext-trailers")
class HugeChunkExt(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        def extend(write: Write) -> Write:
            match = _CHUNK.match(write.data)
            if write.part != "body" or match is None:
                return write
            return replace(write, data=match[1] + b";note=" + b"x" * 2000 + b"\r\n" + match[2] + b"\r\n")

        return edit_writes(exchange, extend) if is_stream(call) else exchange


@fault("stray-tail-bytes", trips="http.bytes-after-message")
class StrayTailBytes(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not _is_tools(call):
            return exchange
        return replace(exchange, writes=[*exchange.writes, Write(0.0, b"data: late\n\n", "end")])


@fault("chunk-to-1.0", trips="http.te-to-http10")
class ChunkTo10(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if call is None or call.http_version != "1.0":
            return exchange

        def chunk(write: Write) -> Write:
            if write.part == "head":
                return replace(write, data=_with_field(write.data, b"Transfer-Encoding: chunked"))
            return replace(write, data=b"%x\r\n%s\r\n" % (len(write.data), write.data))

        chunked = [chunk(write) for write in exchange.writes if write.data]
        return replace(exchange, writes=[*chunked, Write(0.0, b"0\r\n\r\n", "end")])


@fault("second-request-ignored", trips="http.keepalive-reuse")
class SecondRequestIgnored(Seams):
    answered = False

    def incoming(self, data: bytes) -> bytes | None:
        return b"" if self.answered else data

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        self.answered = self.answered or is_stream(call)
        return exchange


@fault("ignore-close", trips="http.close-honoured")
class IgnoreClose(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        return data.replace(b"Connection: close\r\n", b"")


@fault("interleave-responses", trips="http.pipeline-order")
class InterleaveResponses(Seams):
    def __init__(self) -> None:
        self._pipelined = False
        self._first: list[Write] = []

    def incoming(self, data: bytes) -> bytes | None:
        self._pipelined = data.count(b" HTTP/1.1\r\n") == 2 and data.startswith(b"GET")
        return data

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if self._pipelined and not self._first:
            self._first = exchange.writes
            return replace(exchange, writes=[])
        return replace(exchange, writes=exchange.writes + self._first)


@fault("405-no-allow", trips="http.method-405")
class NoAllow(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("Allow", None) if reply.status == 405 else reply


@fault("get-streams", trips="http.method-405")
class GetStreams(Seams):
    """A GET without a body is answered like the question."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        if call.method != "GET" or reply.status != 405:
            return reply
        fields = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store, no-transform")]
        return Reply(200, fields, pieces=[Piece(0.0, b": nobody asked\n\n")])


@fault("put-streams", trips="http.method-405")
class PutStreams(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        return data.replace(b"PUT ", b"POST ", 1) if data.startswith(b"PUT ") else data


@fault("accept-no-host", trips="http.host-missing")
class AcceptNoHost(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        if re.search(rb"(?im)^host:", data) or not data.startswith(b"GET"):
            return data
        return data.replace(b"\r\n", b"\r\nHost: assumed.test\r\n", 1)


@fault("ignore-expect", trips="http.expect-continue")
class IgnoreExpect(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_writes(exchange, lambda write: None if write.part == "informational" else write)


@fault("hang-on-chunked", trips="http.chunked-request")
class HangOnChunked(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        hangs = b"Transfer-Encoding: chunked" in data and b"Content-Length" not in data
        return b"" if hangs else data


@fault("reset-partial-header", trips="http.dribbled-request")
class ResetPartialHeader(Seams):
    started = False

    def incoming(self, data: bytes) -> bytes | None:
        partial = not self.started and b"\r\n\r\n" not in data
        self.started = True
        return None if partial else data


@fault("case-sensitive-names", trips="http.header-case")
class CaseSensitiveNames(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        return data.replace(b"\r\ncONTENT-tYPE:", b"\r\nX-Not-Understood:")


def _status(exchange: Exchange) -> bytes:
    """The digits of its status; empty where there is no answer."""
    return exchange.writes[0].data[len("HTTP/1.1 ") :][:3] if exchange.writes else b""


def _dateless(exchange: Exchange) -> Exchange:
    return edit_head(exchange, lambda head: _without_field(head, b"date"))


@fault("no-date", trips="http.date")
class NoDate(Seams):
    """Not where a request may have been malformed: that is for another check."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return exchange if call is None or _status(exchange) == b"400" else _dateless(exchange)


@fault("no-date-on-400", trips="http.date-on-malformed")
class NoDateOn400(Seams):
    """The parser refuses by itself, and its answer has nothing but what it must have."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        # A body that is too large is refused without a call, too, and its request is well-formed.
        return _dateless(exchange) if call is None and _status(exchange) != b"413" else exchange


@fault("gzip-uninvited", trips="http.coding-negotiated")
class GzipUninvited(Seams):
    def call(self, call: Call) -> Call:
        others = [(name, value) for name, value in call.headers if name != "accept-encoding"]
        return replace(call, headers=[*others, ("accept-encoding", "gzip")])


@fault("lie-gzip", trips="http.coding-decodes")
class LieGzip(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        if ("Content-Encoding", "gzip") not in reply.headers:
            return reply
        return replace(reply, pieces=[Piece(0.0, b"data: this is not gzip\n\n")])


@fault("no-vary", trips="http.vary", stages="http.vary", dialect="eventsource")
class NoVary(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("Vary", None).with_header("Cache-Control", "no-cache")


@fault("cacheable-stream", trips="http.cache-control", dialect="eventsource")
class CacheableStream(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("Cache-Control", "public, max-age=60")


@fault("hints-absent", trips="http.proxy-hints")
class HintsAbsent(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("X-Accel-Buffering", None).with_header("Cache-Control", "no-store")


@fault("cl-on-204", trips="http.no-body-1xx-204")
class ClOn204(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_head(
            exchange, lambda head: _with_field(head, b"Content-Length: 0") if b" 204 " in head[:16] else head
        )


@socket_fault("cl-on-101", trips="http.no-body-1xx-204")
class ClOn101(Editing):
    def answer(self, head: bytes) -> bytes:
        return _with_field(head, b"Content-Length: 0") if head.startswith(b"HTTP/1.1 101") else head


@fault("double-chunked", trips="http.chunked-once")
class DoubleChunked(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_head(exchange, lambda head: re.sub(rb"(?i)(transfer-encoding: chunked)", rb"\1, chunked", head))


@fault("close-delimited", trips="http.self-delimited")
class CloseDelimited(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not is_streamed_chat(call) or not any(_CHUNK.match(write.data) for write in exchange.writes):
            return exchange
        writes = [write if write.part == "head" else _unchunked(write) for write in exchange.writes]
        bare = edit_head(Exchange(writes, "close"), lambda head: _without_field(head, b"transfer-encoding"))
        return edit_head(bare, lambda head: _with_field(_without_field(head, b"connection"), b"Connection: close"))


@fault("cl-in-trailer", trips="http.trailer-fields http.chunk-ext-trailers")
class ClInTrailer(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_writes(
            exchange,
            lambda write: (
                replace(write, data=b"0\r\nContent-Length: 5\r\n\r\n") if write.data == b"0\r\n\r\n" else write
            ),
        )


@fault("no-content-type", trips="http.content-type")
class NoContentType(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("Content-Type", None) if call.path == "/v1/no-such-path" else reply


@fault("keep-open-te-cl", trips="http.te-and-cl-request")
class KeepOpenTeCl(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        if b"Transfer-Encoding: chunked" not in data:
            return data
        return re.sub(rb"Content-Length: [0-9]+\r\n", b"", data)


@fault("accept-te-gzip", trips="http.te-not-final-400")
class AcceptTeGzip(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        body = data.partition(b"\r\n\r\n")[2]
        return data.replace(b"Transfer-Encoding: gzip", b"Content-Length: %d" % len(body))


@fault("lenient-cl", trips="http.bad-cl-400")
class LenientCl(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        body = data.partition(b"\r\n\r\n")[2]
        return data.replace(b"Content-Length: 12abc", b"Content-Length: %d" % len(body))


@fault("accept-space-colon", trips="http.space-colon-400")
class AcceptSpaceColon(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        return data.replace(b"\r\nX-Probe :", b"\r\nX-Probe:")


@fault("body-as-request", trips="http.unread-body")
class BodyAsRequest(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        if not data.startswith(b"POST /v1/no-such-path "):
            return data
        return re.sub(rb"Content-Length: [0-9]+\r\n", b"Content-Length: 0\r\n", data, count=1)


@fault("body-as-late-request", trips="http.unread-body")
class BodyAsLateRequest(BodyAsRequest):
    """The same, answered after a while: the refused request comes first, and what its body asks for takes its time."""

    _refused = False

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        late = self._refused
        self._refused = self._refused or (call is not None and call.path == "/v1/no-such-path")
        if not late:
            return exchange
        first, *others = exchange.writes
        return Exchange([replace(first, delay=first.delay + 0.5), *others], exchange.ending)
