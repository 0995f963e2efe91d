"""Near misses of reading requests over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Reply, Seams, Write

from ..faults.fault import closes, edit_head, is_stream
from .edits import anything, exchange, head, incoming, reply
from .miss import Undo, near_miss

_REQUESTS = "checks.http.requests"


def _has_no_host(data: bytes) -> bool:
    return data.startswith(b"GET") and not re.search(rb"(?im)^host:", data)


def _has_blank_before_colon(data: bytes) -> bool:
    return b"\r\nX-Probe :" in data


def _reset_where(is_wrong: Callable[[bytes], bool]) -> type[Seams]:
    return incoming(lambda data: None if is_wrong(data) else data)


def _unannounced(head: bytes) -> bytes:
    return head.replace(b"Connection: close\r\n", b"")


def _announced_close(told: Exchange) -> Exchange:
    announced = edit_head(told, lambda head: head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    return replace(announced, ending="close")


class _ClosesAfterFirst(Seams):
    """Of two pipelined requests the first is answered, and the connection closed."""

    _pipelined = False

    def incoming(self, data: bytes) -> bytes | None:
        self._pipelined = data.count(b" HTTP/1.1\r\n") == 2 and data.startswith(b"GET")
        return data

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return replace(exchange, ending="close") if self._pipelined else exchange


def _is_accepted(given: Reply) -> bool:
    return given.status == 200 and given.pieces is None


def _taken(given: Reply) -> Reply:
    return replace(given, status=202) if _is_accepted(given) else given


def _refused_at_once(told: Exchange) -> Exchange:
    """A request that waits for 100 Continue is refused instead."""
    refusal = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
    waited_for = any(write.part == "informational" for write in told.writes)
    return Exchange([Write(0.0, refusal, "head")], "close") if waited_for else told


near_miss(
    "http.keepalive-reuse",
    of="second-request-ignored",
    what="The connection is closed after a stream, and the stream has announced it.",
    seams=exchange(_announced_close, when=lambda call: is_stream(call) and not closes(call)),
    undo=Undo(_REQUESTS, 'announced = "close" in response.tokens("connection") or "1.0"', 'announced = "1.0"'),
    seen_in="stream",
)
near_miss(
    "http.close-honoured",
    of="ignore-close",
    what="The connection ends in a reset.",
    seams=exchange(lambda told: replace(told, ending="reset")),
    undo=Undo(
        _REQUESTS,
        "    if not response.transcript.ended_by_server:",
        '    if response.transcript.ending != "eof":',
    ),
)
near_miss(
    "http.pipeline-order",
    of="interleave-responses",
    what="The second of two pipelined requests gets no answer, and the connection is closed.",
    seams=_ClosesAfterFirst,
    undo=Undo(_REQUESTS, "        if not transcript.ended_by_server:\n", "        if True:\n"),
)
near_miss(
    "http.method-405",
    of="405-no-allow",
    what="A wrong method is answered 404, without Allow.",
    seams=reply(
        lambda given: replace(given.with_header("Allow", None), status=404) if given.status == 405 else given,
        when=anything,
    ),
    undo=Undo(_REQUESTS, "if response.status == 405 and not", "if response.status >= 400 and not"),
)
for _check, _fault, _what, _is_wrong in (
    ("http.host-missing", "accept-no-host", "A request without Host", _has_no_host),
    ("http.space-colon-400", "accept-space-colon", "A request with a blank before a colon", _has_blank_before_colon),
):
    near_miss(
        _check,
        of=_fault,
        what=f"{_what} gets no answer but the end of its connection.",
        seams=_reset_where(_is_wrong),
        undo=Undo(
            _REQUESTS,
            "        return\n    response = refused_for_itself(case, probe, own",
            "        yield Finding(what)\n    response = refused_for_itself(case, probe, own",
        ),
    )
near_miss(
    "http.chunked-request",
    of="hang-on-chunked",
    what="A chunked body is refused with 411.",
    seams=reply(
        lambda given: replace(given, status=411),
        when=lambda call: call.header("transfer-encoding") == "chunked" and not call.header("content-length"),
    ),
    undo=Undo(_REQUESTS, "transcript.responses[0].status == 411", "transcript.responses[0].status == 499"),
)
for _check, _fault in (
    ("http.dribbled-request", "reset-partial-header"),
    ("http.header-case", "case-sensitive-names"),
):
    near_miss(
        _check,
        of=_fault,
        what="The request is answered 202.",
        seams=reply(_taken, when=anything),
        undo=Undo(
            _REQUESTS,
            '    if not 200 <= response.status < 300:\n        yield Finding(f"{failed}',
            '    if response.status != 200:\n        yield Finding(f"{failed}',
        ),
    )
for _check, _fault in (("http.te-and-cl-request", "keep-open-te-cl"), ("http.bad-cl-400", "lenient-cl")):
    near_miss(
        _check,
        of=_fault,
        what="The connection is closed, and the answer has not announced it.",
        seams=head(_unannounced, when=anything),
        undo=Undo(_REQUESTS, "return response.transcript.ended_by_server or ", "return "),
    )
near_miss(
    "http.te-not-final-400",
    of="accept-te-gzip",
    what="A coding that is not known is answered 501, as 6.1 asks.",
    seams=head(lambda head: re.sub(rb"\A(HTTP/1\.1) 400 ", rb"\1 501 ", head), when=anything),
    undo=Undo(_REQUESTS, '"te-not-final", {400, 501}', '"te-not-final", {400}'),
)
near_miss(
    "http.unread-body",
    of="body-as-request",
    what="Bytes follow the refusal that are no answer to a request.",
    seams=exchange(
        lambda told: replace(told, writes=[*told.writes, Write(0.0, b"late\r\n", "end")]),
        when=lambda call: call is not None and call.path == "/v1/no-such-path",
    ),
    undo=Undo(
        "checks.http.common",
        'return stray if transcript.received[stray:].startswith(b"HTTP/") else None',
        "return stray",
    ),
)
near_miss(
    "http.expect-continue",
    of="ignore-expect",
    what="A request that waits for 100 Continue is refused at once.",
    seams=exchange(_refused_at_once, when=anything),
    undo=Undo(_REQUESTS, 'if kinds[1:2] != ["<"]:', "if not transcript.responses[0].informational:"),
)
