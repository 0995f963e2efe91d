"""HTTP framing: what any reader of HTTP/1.1 may rely on, and what a stream needs of it."""

from __future__ import annotations

from collections.abc import Iterator

from ..judging.case import Case, asked_for_stream, at, excerpt
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..reading.http import Response
from ..reading.lines import JSON_LINES

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

#: Fields that a trailer must not hold (RFC 9110, 6.5.1): framing, routing, request modifiers, authentication, content.
_NO_TRAILERS = frozenset(
    {
        "authorization", "cache-control", "content-encoding", "content-length", "content-range", "content-type",
        "host", "max-forwards", "proxy-authenticate", "proxy-authorization", "set-cookie", "te", "trailer",
        "transfer-encoding", "www-authenticate",
    }
)  # fmt: skip


#: The media types of streams.
_STREAM_TYPES = JSON_LINES | {"text/event-stream"}


def _problems(response: Response, rule: str) -> Iterator[Finding]:
    for problem in response.problems:
        if problem.rule == rule:
            yield Finding(problem.message, at(response, problem.offset))


def _is_chunked(response: Response) -> bool:
    return response.delimited == "chunked"


def _is_streamed(response: Response) -> bool:
    """A stream was asked for and something was sent for one."""
    return response.status == 200 and asked_for_stream(response) and response.head_complete


def _has_head(response: Response) -> bool:
    return response.head_complete


# Passive: judged on every response.


@passive(
    "http.status-line",
    MUST,
    "RFC 9112 4",
    "Every response begins with a valid status line.",
    on="responses",
)
def status_line(response: Response) -> Iterator[Finding]:
    return _problems(response, "status-line")


@passive(
    "http.header-syntax",
    MUST,
    "RFC 9112 2.2, 5.1, 5.2; RFC 9110 5.5",
    "Fields have no blank before the colon, no bare CR, LF or NUL, and are not folded.",
    on="responses",
)
def header_syntax(response: Response) -> Iterator[Finding]:
    return _problems(response, "header-syntax")


@passive(
    "http.framing-unambiguous",
    MUST,
    "RFC 9112 6.2, 6.3; RFC 9110 5.3",
    "No response has both Transfer-Encoding and Content-Length, or a Content-Length that is invalid or differs.",
    on="responses",
)
def framing_unambiguous(response: Response) -> Iterator[Finding]:
    return _problems(response, "framing-unambiguous")


@passive(
    "http.no-cl-on-stream",
    SHOULD,
    "practice",
    "A stream has no Content-Length: whoever knows its length has held it back.",
    on="responses",
    when=lambda response: _is_streamed(response) and response.media_type in _STREAM_TYPES,
    absent="no event stream was seen",
)
def no_cl_on_stream(response: Response) -> Iterator[Finding]:
    if response.header("content-length") and not response.tokens("transfer-encoding"):
        length = response.header("content-length")
        yield Finding(
            f"the stream has Content-Length {length}: it was whole before its first byte was sent",
            at(response, response.field_offset("content-length")),
        )


@passive(
    "http.chunk-syntax",
    MUST,
    "RFC 9112 7.1",
    "Every chunk has its size in hex, CRLF, so many bytes, and CRLF.",
    on="responses",
    when=_is_chunked,
    absent="no chunked response was seen",
)
def chunk_syntax(response: Response) -> Iterator[Finding]:
    return _problems(response, "chunk-syntax")


@passive(
    "http.chunk-terminator",
    MUST,
    "RFC 9112 7.1, 8",
    "A chunked response ends with the last chunk before the connection does.",
    on="responses",
    when=lambda response: _is_chunked(response) and not response.hung_up,
    absent="no chunked response was read to its end",
    breaks="readers that take the end of the connection for the end of the answer show a part as the whole",
)
def chunk_terminator(response: Response) -> Iterator[Finding]:
    broken = any(problem.rule == "chunk-syntax" for problem in response.problems)
    if not response.complete and not broken:
        end = len(response.transcript.received)
        how = response.transcript.ending
        yield Finding(f"the body was cut: {how} before the last chunk", at(response, max(end - 40, response.offset)))


@passive(
    "http.chunk-ext-trailers",
    INFO,
    "RFC 9112 7.1.1, 7.1.2",
    "No chunk extensions and no trailer fields are sent.",
    on="responses",
    when=_is_chunked,
    absent="no chunked response was seen",
)
def chunk_ext_trailers(response: Response) -> Iterator[Finding]:
    extended = [chunk for chunk in response.chunks if chunk.extensions]
    if extended:
        yield Finding(f"{len(extended)} chunks have extensions", at(response, extended[0].offset))
    if response.trailers:
        names = ", ".join(field.name for field in response.trailers)
        yield Finding(f"trailer fields are sent: {names}", at(response, response.trailers[0].offset))


@passive(
    "http.bytes-after-message",
    MUST,
    "RFC 9112 6.3, 9.2",
    "Nothing follows a response on its connection but the next response that was asked for.",
    on="responses",
    when=lambda response: response.complete and response.status != 101,
    absent="no complete response was seen",
)
def bytes_after_message(response: Response) -> Iterator[Finding]:
    transcript = response.transcript
    if transcript.stray is not None and response is transcript.responses[-1]:
        extra = len(transcript.received) - transcript.stray
        yield Finding(f"{extra} bytes follow the end of the response", at(response, transcript.stray))


@passive(
    "http.date",
    MUST,
    "RFC 9110 6.6.1",
    "Every 2xx, 3xx and 4xx response has a Date.",
    on="responses",
    when=lambda response: response.head_complete and 200 <= response.status < 500,
)
def date(response: Response) -> Iterator[Finding]:
    if not response.header("date"):
        yield Finding(f"a {response.status} has no Date: an origin with a clock must send it", at(response))


@passive(
    "http.coding-negotiated",
    SHOULD,
    "RFC 9110 12.5.3",
    "No content coding is used that the request's Accept-Encoding does not name.",
    on="responses",
    when=lambda response: response.status >= 200 and bool(response.request.header("accept-encoding")),
    absent="no request with Accept-Encoding was seen",
)
def coding_negotiated(response: Response) -> Iterator[Finding]:
    accepted = {token.partition(";")[0].strip() for token in response.request.header("accept-encoding").split(",")}
    for coding in response.tokens("content-encoding"):
        if coding not in accepted and "*" not in accepted and coding != "identity":
            yield Finding(
                f"the body is coded with {coding}; the request accepts {', '.join(sorted(accepted))}",
                at(response, response.field_offset("content-encoding")),
            )


@passive(
    "http.coding-decodes",
    MUST,
    "RFC 9110 8.4",
    "A body decodes by the Content-Encoding that it declares.",
    on="responses",
    when=lambda response: bool(response.header("content-encoding")) and bool(response.body),
    absent="no coded body was seen",
    shown_by=("gzip",),
)
def coding_decodes(response: Response) -> Iterator[Finding]:
    if response.coding_error:
        coding = response.header("content-encoding")
        yield Finding(f"the body is not {coding}: {response.coding_error}", at(response, response.wire_offset(0)))


@passive(
    "http.vary",
    SHOULD,
    "RFC 9110 12.5.5",
    "A cacheable response whose coding was negotiated has Vary: Accept-Encoding.",
    on="responses",
    when=lambda response: bool(response.header("content-encoding")) and _is_cacheable(response),
    absent="no cacheable response with a content coding was seen",
    shown_by=("gzip",),
)
def vary(response: Response) -> Iterator[Finding]:
    if not {"accept-encoding", "*"} & set(response.tokens("vary")):
        yield Finding(
            "a coded response to GET has no Vary: Accept-Encoding, so a cache may hand it to those who cannot read it",
            at(response, response.field_offset("content-encoding")),
        )


def _is_cacheable(response: Response) -> bool:
    return response.request.method in ("GET", "HEAD") and "no-store" not in response.tokens("cache-control")


@passive(
    "http.cache-control",
    SHOULD,
    "practice; RFC 9111 5.2.2.4, 5.2.2.5",
    "A stream answered to GET is marked no-store or no-cache.",
    on="responses",
    when=lambda response: _is_streamed(response) and response.request.method == "GET",
    absent="no stream was answered to GET (caches do not store answers to POST by themselves)",
)
def cache_control(response: Response) -> Iterator[Finding]:
    if not {"no-store", "no-cache"} & set(response.tokens("cache-control")):
        yield Finding("a stream answered to GET may be stored by caches", at(response))


@passive(
    "http.proxy-hints",
    INFO,
    "practice (nginx)",
    "A stream tells proxies not to hold it back: X-Accel-Buffering: no, or Cache-Control: no-transform.",
    on="responses",
    when=lambda response: _is_streamed(response) and response.media_type in _STREAM_TYPES,
    absent="no event stream was seen",
)
def proxy_hints(response: Response) -> Iterator[Finding]:
    hinted = response.header("x-accel-buffering").lower() == "no" or "no-transform" in response.tokens("cache-control")
    if not hinted:
        yield Finding("nothing tells a proxy in between to pass the stream on at once", at(response))


@passive(
    "http.no-body-1xx-204",
    MUST,
    "RFC 9112 6.1; RFC 9110 8.6",
    "No 1xx and no 204 has Transfer-Encoding or Content-Length.",
    on="responses",
    when=lambda response: bool(response.informational) or response.status in (101, 204),
    absent="no 1xx and no 204 was seen",
    shown_by=("expect", "preflight", "ws-answer"),
)
def no_body_1xx_204(response: Response) -> Iterator[Finding]:
    bodiless = [*response.informational, *([response] if response.status in (101, 204) else [])]
    for answer in bodiless:
        for name in ("transfer-encoding", "content-length"):
            if answer.header(name):
                yield Finding(f"a {answer.status} has {name}", at(response, answer.field_offset(name)))


@passive(
    "http.chunked-once",
    MUST,
    "RFC 9112 6.1",
    "The chunked coding is applied once, as the last one.",
    on="responses",
    when=lambda response: bool(response.header("transfer-encoding")),
    absent="no response with Transfer-Encoding was seen",
)
def chunked_once(response: Response) -> Iterator[Finding]:
    codings = response.tokens("transfer-encoding")
    if codings.count("chunked") > 1 or "chunked" in codings[:-1]:
        yield Finding(
            f"Transfer-Encoding: {', '.join(codings)}", at(response, response.field_offset("transfer-encoding"))
        )


@passive(
    "http.self-delimited",
    SHOULD,
    "RFC 9112 6.3",
    "A stream over HTTP/1.1 is chunked, so that its end can be told from a cut.",
    on="responses",
    when=lambda response: _is_streamed(response) and response.request.version == "1.1",
    absent="no stream over HTTP/1.1 was seen",
)
def self_delimited(response: Response) -> Iterator[Finding]:
    if response.delimited == "close":
        yield Finding("the stream ends with the connection: a cut looks like its end", at(response))


@passive(
    "http.trailer-fields",
    MUST,
    "RFC 9110 6.5.1",
    "Trailers hold no field that framing, routing, authentication or the content depend on.",
    on="responses",
    when=_is_chunked,
    absent="no chunked response was seen",
)
def trailer_fields(response: Response) -> Iterator[Finding]:
    for field in response.trailers:
        if field.name in _NO_TRAILERS:
            yield Finding(f"{field.name} stands in the trailers", at(response, field.offset))


@passive(
    "http.content-type",
    SHOULD,
    "RFC 9110 8.3",
    "Every response with content says of what type it is.",
    on="responses",
    when=lambda response: response.head_complete and bool(response.body),
    absent="no response with content was seen",
)
def content_type(response: Response) -> Iterator[Finding]:
    if not response.header("content-type"):
        yield Finding(f"a {response.status} with content has no Content-Type", at(response))


# Active: what the server does with requests that are unusual, odd or wrong.


@active(
    "http.te-to-http10",
    MUST,
    "RFC 9112 6.1",
    "An HTTP/1.0 request is answered without chunks.",
    probes=("http10",),
    breaks="HTTP/1.0 proxies (nginx by default) hand the chunk sizes on as content",
)
def te_to_http10(case: Case) -> Iterator[Finding]:
    response = case.response("http10")
    if response.header("transfer-encoding"):
        yield Finding(
            "an HTTP/1.0 request, whose sender knows no chunks, is answered with Transfer-Encoding",
            at(response, response.field_offset("transfer-encoding")),
        )


@active(
    "http.keepalive-reuse",
    SHOULD,
    "RFC 9112 9.3, 9.6",
    "The connection can be used again after a stream, or its end is announced by Connection: close.",
    probes=("stream", "usage"),
)
def keepalive_reuse(case: Case) -> Iterator[Finding]:
    for transcript in case.transcripts.values():
        last = transcript.responses[-1] if transcript.responses else None
        if last is not None and last.complete and last.delimited != "close" and last.status != 101:
            yield from _unannounced_close(last)
    response = case.accepted("stream")
    transcript = response.transcript
    if not response.complete or transcript.ended_by_server or "close" in response.tokens("connection"):
        return
    if len(transcript.requests) > 1 and len(transcript.responses) < 2:
        yield Finding("a second request on the connection got no answer", at(response, max(response.end - 40, 0)))


def _unannounced_close(response: Response) -> Iterator[Finding]:
    announced = "close" in response.tokens("connection") or "1.0" in (response.version, response.request.version)
    if response.transcript.ending == "eof" and not announced:
        says = response.header("connection") or response.header("keep-alive")
        promise = f", although the response promised {says!r}" if says else ""
        yield Finding(f"the server closed the connection without Connection: close{promise}", at(response))


@active(
    "http.close-honoured",
    MUST,
    "RFC 9112 9.6",
    "A request with Connection: close has the connection closed after its response.",
    probes=("usage",),
)
def close_honoured(case: Case) -> Iterator[Finding]:
    response = case.response("usage")
    if not response.complete:
        raise Inconclusive("the response did not come to its end")
    if not response.transcript.ended_by_server:
        yield Finding("the connection stays open two seconds after the response", at(response))


@active(
    "http.pipeline-order",
    MUST,
    "RFC 9112 9.3.2",
    "Pipelined requests are answered in their order, or the connection is closed after the first answer.",
    probes=("pipelined",),
)
def pipeline_order(case: Case) -> Iterator[Finding]:
    first = case.response("pipelined")
    transcript = first.transcript
    if not first.complete:
        yield Finding("the first answer is not complete: the answers are mixed", at(first))
    elif len(transcript.responses) < 2:
        if not transcript.ended_by_server:
            yield Finding(
                "the second of two pipelined requests got no answer, and the connection stays open",
                at(first, max(first.end - 40, 0)),
            )
    else:
        second = transcript.responses[1]
        if second.status == 0 or (second.status == 200 and first.status in (404, 405)):
            yield Finding("two pipelined requests were not answered in their order", at(second))


@active(
    "http.method-405",
    MUST,
    "RFC 9110 15.5.6, 10.2.1",
    "A wrong method never streams, and a 405 says in Allow what is right.",
    probes=("method",),
)
def method_405(case: Case) -> Iterator[Finding]:
    response = case.response("method")
    if 200 <= response.status < 300 and response.media_type == "text/event-stream":
        yield Finding("DELETE is answered with a stream", at(response))
    if response.status == 405 and not response.header("allow"):
        yield Finding("a 405 has no Allow field", at(response))


@active(
    "http.host-missing",
    MUST,
    "RFC 9112 3.2",
    "A request without Host, with two, or with an invalid one is answered 400.",
    probes=("host-missing", "host-twice", "host-invalid"),
)
def host_missing(case: Case) -> Iterator[Finding]:
    for probe, what in (
        ("host-missing", "no Host field"),
        ("host-twice", "two Host fields"),
        ("host-invalid", "an invalid Host field"),
    ):
        yield from _must_be(case, probe, {400}, f"a request with {what}")


def _must_be(case: Case, probe: str, statuses: set[int], what: str, *, closes: bool = False) -> Iterator[Finding]:
    """The probe's request must be refused; ending the connection without an answer refuses it too."""
    transcript = case.transcript(probe)
    if not transcript.received and transcript.ended_by_server:
        return
    response = case.response(probe)
    wanted = " or ".join(map(str, sorted(statuses)))
    if response.status not in statuses:
        yield Finding(f"{what} is answered {response.status} instead of {wanted}", at(response))
    elif closes and not _closing(response):
        yield Finding(f"{what} is answered {response.status}, but the connection stays open", at(response))


def _closing(response: Response) -> bool:
    return response.transcript.ended_by_server or "close" in response.tokens("connection")


def _must_be_accepted(case: Case, probe: str, failed: str) -> Iterator[Finding]:
    """The probe's request is unusual but good: the server must take it as it takes a plain one."""
    _require_baseline(case)
    transcript = case.transcript(probe)
    if not transcript.responses or not transcript.responses[0].head_complete:
        ending = transcript.ending if transcript.ended_by_server else "silence"
        yield Finding(f"{failed}: {ending} instead of an answer")
        return
    response = transcript.responses[0]
    if not 200 <= response.status < 300:
        yield Finding(f"{failed}: {response.status} {excerpt(response.content)}", at(response))


def _require_baseline(case: Case) -> None:
    """What a server does with an unusual request tells something only where it takes a plain one."""
    case.accepted("whole" if "whole" in case.transcripts else "stream")


@active(
    "http.expect-continue",
    MUST,
    "RFC 9110 10.1.1",
    "Expect: 100-continue is answered at once, before the body has come.",
    probes=("whole", "expect"),
    breaks="curl waits a second, other clients for ever",
)
def expect_continue(case: Case) -> Iterator[Finding]:
    _require_baseline(case)
    transcript = case.transcript("expect")
    kinds = [entry.kind for entry in transcript.recording.entries if entry.kind in ("<", ">")]
    if kinds[1:2] != ["<"]:
        yield Finding("a request with Expect: 100-continue got no answer until its body came")


@active(
    "http.chunked-request",
    MUST,
    "RFC 9112 6.1, 6.3, 7.1",
    "A chunked request body is read, or refused with 411.",
    probes=("whole", "chunked"),
)
def chunked_request(case: Case) -> Iterator[Finding]:
    transcript = case.transcript("chunked")
    refused = transcript.responses and transcript.responses[0].status == 411
    if not refused:
        yield from _must_be_accepted(case, "chunked", "a request with a chunked body is not read")


@active(
    "http.dribbled-request",
    MUST,
    "RFC 9112 2.2",
    "A request that comes in small pieces is read like any other.",
    probes=("whole", "dribbled"),
)
def dribbled_request(case: Case) -> Iterator[Finding]:
    yield from _must_be_accepted(case, "dribbled", "a request that came in small pieces is not read")


@active(
    "http.header-case",
    MUST,
    "RFC 9110 5.1",
    "Field names are the same in any capitals.",
    probes=("whole", "header-case"),
)
def header_case(case: Case) -> Iterator[Finding]:
    yield from _must_be_accepted(case, "header-case", "field names in other capitals are not understood")


@active(
    "http.te-and-cl-request",
    MUST,
    "RFC 9112 6.1",
    "A request with Transfer-Encoding and Content-Length is refused, or the connection is closed after the answer.",
    probes=("te-and-cl",),
    breaks="this is how requests are smuggled past a proxy",
)
def te_and_cl_request(case: Case) -> Iterator[Finding]:
    transcript = case.transcript("te-and-cl")
    if not transcript.received and transcript.ended_by_server:
        return
    response = case.response("te-and-cl")
    if not _closing(response):
        yield Finding(
            f"a request with both Transfer-Encoding and Content-Length is answered {response.status}, "
            "and the connection stays open",
            at(response),
        )


@active(
    "http.te-not-final-400",
    MUST,
    "RFC 9112 6.3",
    "A request whose last transfer coding is not chunked is answered 400, and the connection closed.",
    probes=("te-not-final",),
)
def te_not_final_400(case: Case) -> Iterator[Finding]:
    # 501 is what 6.1 asks for where the coding is not known at all.
    yield from _must_be(case, "te-not-final", {400, 501}, "a request with Transfer-Encoding: gzip", closes=True)


@active(
    "http.bad-cl-400",
    MUST,
    "RFC 9112 6.3",
    "A request with an invalid or conflicting Content-Length is answered 400, and the connection closed.",
    probes=("length-no-number", "length-twice"),
)
def bad_cl_400(case: Case) -> Iterator[Finding]:
    yield from _must_be(case, "length-no-number", {400}, "a request with Content-Length: 12abc", closes=True)
    yield from _must_be(case, "length-twice", {400}, "a request with two different Content-Lengths", closes=True)


@active(
    "http.space-colon-400",
    MUST,
    "RFC 9112 5.1",
    "A request with a blank between a field name and its colon is answered 400.",
    probes=("space-colon",),
)
def space_colon_400(case: Case) -> Iterator[Finding]:
    yield from _must_be(case, "space-colon", {400}, "a request with a blank before a colon")


@active(
    "http.unread-body",
    MUST,
    "RFC 9112 9.3",
    "The body of a refused request is never taken for the next request.",
    probes=("unread-body",),
)
def unread_body(case: Case) -> Iterator[Finding]:
    response = case.response("unread-body")
    transcript = response.transcript
    if 200 <= response.status < 300:
        raise NotApplicable("the endpoint takes a request for a path that should not exist")
    if transcript.stray is not None and transcript.received[transcript.stray :].startswith(b"HTTP/"):
        yield Finding(
            "the body of a refused request was answered as if it were a request", at(response, transcript.stray)
        )
