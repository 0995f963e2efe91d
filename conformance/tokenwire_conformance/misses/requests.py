"""Near misses of reading requests over HTTP."""

from __future__ import annotations

import re
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Reply, Seams, Write

from ..faults.fault import closes, edit_head, is_stream
from .edits import exchange, head, incoming, reply
from .miss import Undo, near_miss

_REQUESTS = "checks.http.requests"

#: A request that gets no answer but the end of its connection is refused; undone, it is taken for accepted.
_REFUSED_BY_ITS_END = Undo(
    _REQUESTS,
    "        return\n    response = refused_for_itself(case, probe, own",
    "        yield Finding(what)\n    response = refused_for_itself(case, probe, own",
)

#: Who ends the connection need not announce it.
_ENDED = Undo(_REQUESTS, "return response.transcript.ended_by_server or ", "return ")


def _resets_without_host(data: bytes) -> bytes | None:
    without = data.startswith(b"GET") and not re.search(rb"(?im)^host:", data)
    return None if without else data


def _resets_blank_before_colon(data: bytes) -> bytes | None:
    return None if b"\r\nX-Probe :" in data else data


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
        when=lambda call: True,
    ),
    undo=Undo(_REQUESTS, "if response.status == 405 and not", "if response.status >= 400 and not"),
)
near_miss(
    "http.host-missing",
    of="accept-no-host",
    what="A request without Host gets no answer but the end of its connection.",
    seams=incoming(_resets_without_host),
    undo=_REFUSED_BY_ITS_END,
)
near_miss(
    "http.space-colon-400",
    of="accept-space-colon",
    what="A request with a blank before a colon gets no answer but the end of its connection.",
    seams=incoming(_resets_blank_before_colon),
    undo=_REFUSED_BY_ITS_END,
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
near_miss(
    "http.dribbled-request",
    of="reset-partial-header",
    what="The request is answered 202.",
    seams=reply(_taken, when=lambda call: True),
    undo=Undo(
        _REQUESTS,
        '    if not 200 <= response.status < 300:\n        yield Finding(f"{failed}',
        '    if response.status != 200:\n        yield Finding(f"{failed}',
    ),
)
near_miss(
    "http.header-case",
    of="case-sensitive-names",
    what="The request is answered 202.",
    seams=reply(_taken, when=lambda call: True),
    undo=Undo(
        _REQUESTS,
        '    if not 200 <= response.status < 300:\n        yield Finding(f"{failed}',
        '    if response.status != 200:\n        yield Finding(f"{failed}',
    ),
)
near_miss(
    "http.te-and-cl-request",
    of="keep-open-te-cl",
    what="The connection is closed, and the answer has not announced it.",
    seams=head(_unannounced, when=lambda call: True),
    undo=_ENDED,
)
near_miss(
    "http.te-not-final-400",
    of="accept-te-gzip",
    what="A coding that is not known is answered 501, as 6.1 asks.",
    seams=head(lambda head: re.sub(rb"\A(HTTP/1\.1) 400 ", rb"\1 501 ", head), when=lambda call: True),
    undo=Undo(_REQUESTS, '"te-not-final", {400, 501}', '"te-not-final", {400}'),
)
near_miss(
    "http.bad-cl-400",
    of="lenient-cl",
    what="The connection is closed, and the answer has not announced it.",
    seams=head(_unannounced, when=lambda call: True),
    undo=_ENDED,
)
near_miss(
    "http.unread-body",
    of="body-as-request",
    what="Bytes follow the refusal that are no answer to a request.",
    seams=exchange(
        lambda told: replace(told, writes=[*told.writes, Write(0.0, b"late\r\n", "end")]),
        when=lambda call: call is not None and call.path == "/v1/no-such-path",
    ),
    undo=Undo(_REQUESTS, 'transcript.received[transcript.stray :].startswith(b"HTTP/")', "transcript.stray > 0"),
)
