"""Near misses of HTTP framing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Reply, Seams, Write

from ..faults import all_faults
from ..faults.fault import closes, edit_head, edit_writes
from .edits import anything, exchange, head, reply
from .miss import Undo, near_miss

_READING, _REQUESTS, _ANSWERS = "reading.http", "reading.requests", "checks.http.answers"

_CHUNK = re.compile(rb"\A([0-9a-f]+)\r\n(.*)\r\n\Z", re.DOTALL)


def _with_field(field: bytes) -> Callable[[bytes], bytes]:
    return lambda head: head.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")


def _is_no_stream(call: Call | None) -> bool:
    return call is not None and not closes(call)


def _capital_sizes(told: Exchange) -> Exchange:
    def edit(write: Write) -> Write:
        size = _CHUNK.match(write.data)
        return replace(write, data=size[1].upper() + write.data[len(size[1]) :]) if size is not None else write

    return edit_writes(told, edit)


def _last_chunk(data: bytes) -> Callable[[Exchange], Exchange]:
    """Other bytes in the place of the last chunk."""
    return lambda told: edit_writes(
        told, lambda write: replace(write, data=data) if write.data == b"0\r\n\r\n" else write
    )


def _cut(told: Exchange) -> Exchange:
    """The last part of the body and its end never come."""
    bodies = [write for write in told.writes if write.part == "body"]
    return Exchange([write for write in told.writes if write.part != "end" and write is not bodies[-1]], "close")


def _failed_without_date(head: bytes) -> bytes:
    without = re.sub(rb"(?im)^date:[^\r\n]*\r\n", b"", head)
    return re.sub(rb"\A(HTTP/1\.1) [24]00 ", rb"\1 500 ", without)


def _asks_in_1_0(call: Call) -> bool:
    return call.http_version == "1.0"


def _held_back(given: Reply) -> Reply:
    """The stream as one body, with its length."""
    return replace(given, body=b"".join(piece.data for piece in given.pieces or ()), pieces=None)


def _expects(call: Call | None) -> bool:
    return call is not None and bool(call.header("expect"))


class _FailsAtLength(Seams):
    """A length that is no number is answered 500, without a Date."""

    _is_wrong = False

    def incoming(self, data: bytes) -> bytes | None:
        self._is_wrong = b"12abc" in data
        return data

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_head(exchange, _failed_without_date) if self._is_wrong else exchange


near_miss(
    "http.status-line",
    of="garbage-status-line",
    what="The reason has letters beyond ASCII.",
    seams=head(lambda head: head[: len("HTTP/1.1 200 ")] + b"Tr\xe8s bien" + head[head.index(b"\r\n") :]),
    undo=Undo(_READING, r"[\t \x21-\x7e\x80-\xff]*", r"[\t \x21-\x7e]*"),
)
near_miss(
    "http.header-syntax",
    of="space-before-colon",
    what="No blank stands after the colon.",
    seams=head(_with_field(b"X-Served-By:tokenwire")),
    undo=Undo(_REQUESTS, 'name, colon, value = line.partition(b":")', 'name, colon, value = line.partition(b": ")'),
)
near_miss(
    "http.framing-unambiguous",
    of="te-plus-cl",
    what="A Content-Length has a leading zero.",
    seams=head(lambda head: head.replace(b"Content-Length: ", b"Content-Length: 0"), when=_is_no_stream),
    undo=Undo(
        _READING, 'if any(not re.fullmatch(r"[0-9]+", member)', 'if any(not re.fullmatch(r"[1-9][0-9]*", member)'
    ),
    seen_in="whole",
)
near_miss(
    "http.no-cl-on-stream",
    of="buffer-then-cl",
    what="A stream has Content-Length beside its chunks: it was not held back, and that they stand together is "
    "for another check to say.",
    seams=all_faults()["te-plus-cl"].seams,
    undo=Undo(_ANSWERS, ' and not response.tokens("transfer-encoding"):', ":"),
)
near_miss(
    "http.chunk-syntax",
    of="chunk-off-by-one",
    what="The sizes of the chunks are in capitals.",
    seams=exchange(_capital_sizes),
    undo=Undo(_REQUESTS, "([0-9A-Fa-f]{1,16})", "([0-9a-f]{1,16})"),
)
near_miss(
    "http.chunk-terminator",
    of="close-without-last-chunk",
    what="The size of the last chunk is written with three zeros.",
    seams=exchange(_last_chunk(b"000\r\n\r\n")),
    undo=Undo(_READING, "            if size == 0:\n", '            if match[1] == b"0":\n'),
)
near_miss(
    "http.date",
    of="no-date",
    what="A 500 has no Date, which may be so.",
    seams=head(_failed_without_date, when=_is_no_stream),
    undo=Undo(_ANSWERS, "200 <= response.status < 500", "200 <= response.status < 600"),
    seen_in="usage whole",
)
near_miss(
    "http.coding-negotiated",
    of="gzip-uninvited",
    what="The coding is said to be identity, which is none.",
    seams=head(lambda head: head.replace(b"Content-Encoding: gzip", b"Content-Encoding: identity"), when=anything),
    undo=Undo(_ANSWERS, ' and coding != "identity":', ":"),
    seen_in="gzip",
)
near_miss(
    "http.coding-decodes",
    of="lie-gzip",
    what="A coded body is cut with its connection: what came of it decodes.",
    seams=exchange(_cut, when=lambda call: call is not None and "gzip" in call.header("accept-encoding")),
    undo=Undo(_READING, "            if self.complete:\n", "            if True:\n"),
    seen_in="gzip",
)
near_miss(
    "http.vary",
    of="no-vary",
    what="Vary is an asterisk.",
    seams=reply(lambda given: given.with_header("Vary", "*").with_header("Cache-Control", "no-cache"), when=anything),
    undo=Undo(_ANSWERS, '{"accept-encoding", "*"} & set(', '{"accept-encoding"} & set('),
    seen_in="gzip",
)
near_miss(
    "http.cache-control",
    of="cacheable-stream",
    what="A stream may be stored, and not be used without asking.",
    seams=reply(lambda given: given.with_header("Cache-Control", "no-cache"), when=anything),
    undo=Undo(_ANSWERS, '{"no-store", "no-cache"} & set(', '{"no-store"} & set('),
    seen_in="stream events",
)
near_miss(
    "http.proxy-hints",
    of="hints-absent",
    what="Only Cache-Control tells proxies, by no-transform.",
    seams=reply(
        lambda given: given.with_header("X-Accel-Buffering", None).with_header("Cache-Control", "no-transform")
    ),
    undo=Undo(_ANSWERS, ' or "no-transform" in response.tokens("cache-control")', ""),
)
near_miss(
    "http.chunked-once",
    of="double-chunked",
    what="Another coding stands before chunked.",
    seams=head(lambda head: re.sub(rb"(?i)(transfer-encoding:) chunked", rb"\1 gzip, chunked", head)),
    undo=Undo(_ANSWERS, 'or "chunked" in codings[:-1]:', "or codings[:-1]:"),
)
near_miss(
    "http.self-delimited",
    of="close-delimited",
    what="A stream has Content-Length, so that its end can be told from a cut.",
    seams=all_faults()["buffer-then-cl"].seams,
    undo=Undo(_ANSWERS, 'if response.delimited == "close":', 'if response.delimited != "chunked":'),
)
near_miss(
    "http.trailer-fields",
    of="cl-in-trailer",
    what="A trailer holds a field on which nothing depends.",
    seams=exchange(_last_chunk(b"0\r\nServer-Timing: total;dur=5\r\n\r\n")),
    undo=Undo(_ANSWERS, "if field.name in _NO_TRAILERS:", "if field.name:"),
)
near_miss(
    "http.content-type",
    of="no-content-type",
    what="A refusal without content has no Content-Type.",
    seams=reply(
        lambda given: replace(given, body=b"").with_header("Content-Type", None) if given.status == 404 else given,
        when=anything,
    ),
    undo=Undo(_ANSWERS, "response.head_complete and bool(response.body),", "response.head_complete,"),
    seen_in="usage unknown-model",
)
near_miss(
    "http.chunk-ext-trailers",
    of="huge-chunk-ext",
    what="A trailer field is announced, and none is sent.",
    seams=head(_with_field(b"Trailer: Server-Timing")),
    undo=Undo(
        _ANSWERS,
        """    if response.trailers:
        names = ", ".join(field.name for field in response.trailers)
        yield Finding(f"trailer fields are sent: {names}", at(response, response.trailers[0].offset))
""",
        """    if response.header("trailer"):
        yield Finding("trailer fields are announced", at(response))
""",
    ),
)
near_miss(
    "http.bytes-after-message",
    of="stray-tail-bytes",
    what="The body of a refused request is answered like a request, which is for http.unread-body to say.",
    seams=all_faults()["body-as-request"].seams,
    undo=Undo(_ANSWERS, "if stray_answer(response) is not None:", "if False:"),
    seen_in="usage unread-body",
)
near_miss(
    "http.date-on-malformed",
    of="no-date-on-400",
    what="A malformed request is answered 500 without a Date, which may be so.",
    seams=_FailsAtLength,
    undo=Undo(_ANSWERS, "200 <= response.status < 500", "200 <= response.status < 600"),
)
near_miss(
    "http.no-body-1xx-204",
    of="cl-on-204",
    what="A 200 without a body, behind a 100, has Content-Length: 0.",
    seams=reply(lambda given: replace(given, body=b""), when=_expects),
    undo=Undo(
        _ANSWERS, "([response] if response.status in (101, 204) else [])", "([response] if not response.body else [])"
    ),
    seen_in="expect",
)
near_miss(
    "http.te-to-http10",
    of="chunk-to-1.0",
    what="A stream for HTTP/1.0 has a Content-Length.",
    seams=reply(_held_back, when=_asks_in_1_0),
    undo=Undo(
        "checks.http.requests",
        '    if response.header("transfer-encoding"):\n        yield Finding(\n            "an HTTP/1.0',
        '    if response.delimited != "close":\n        yield Finding(\n            "an HTTP/1.0',
    ),
)
