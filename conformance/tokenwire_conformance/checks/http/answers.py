"""What every response is judged by."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ...judging.case import asked_for_stream, at
from ...judging.registry import Ground, passive
from ...judging.verdict import Finding, Level
from ...reading.http import Response
from ...reading.lines import JSON_LINES
from .common import stray_answer

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


@passive(
    "http.status-line",
    MUST,
    "RFC 9112 4",
    "Every response begins with a valid status line.",
    on="responses",
    needs=[Layer.HEAD],
    rests_on=Ground.RESPONSE,
)
def status_line(response: Response) -> Iterator[Finding]:
    return _problems(response, "status-line")


@passive(
    "http.header-syntax",
    MUST,
    "RFC 9112 2.2, 5.1, 5.2; RFC 9110 5.5",
    "Fields have no blank before the colon, no bare CR, LF or NUL, and are not folded.",
    on="responses",
    needs=[Layer.HEAD],
    rests_on=Ground.RESPONSE,
)
def header_syntax(response: Response) -> Iterator[Finding]:
    return _problems(response, "header-syntax")


@passive(
    "http.framing-unambiguous",
    MUST,
    "RFC 9112 6.2, 6.3; RFC 9110 5.3",
    "No response has both Transfer-Encoding and Content-Length, or a Content-Length that is invalid or differs.",
    on="responses",
    needs=[Layer.FIELDS],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.FIELDS],
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
    needs=[Layer.FRAMING],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.FRAMING, Layer.END],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.FRAMING],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.AFTER],
    rests_on=Ground.RESPONSE,
)
def bytes_after_message(response: Response) -> Iterator[Finding]:
    transcript = response.transcript
    stray = transcript.stray
    if stray is not None and response is transcript.responses[-1]:
        if stray_answer(response) is not None:
            return  # that is for http.unread-body to say
        extra = len(transcript.received) - stray
        yield Finding(f"{extra} bytes follow the end of the response", at(response, stray))


def _may_lack_date(response: Response) -> bool:
    return response.head_complete and 200 <= response.status < 500


def _is_parsers_own(response: Response) -> bool:
    """A refusal of a request that is malformed as HTTP, or whose request line is not known: the parser may have given
    it, and nothing behind it was asked.
    """
    request = response.request
    return response.status >= 400 and (request.malformed or not request.method)


@passive(
    "http.date",
    MUST,
    "RFC 9110 6.6.1",
    "Every 2xx, 3xx and 4xx response to a well-formed request has a Date.",
    on="responses",
    when=lambda response: _may_lack_date(response) and not _is_parsers_own(response),
    needs=[Layer.FIELDS],
    rests_on=Ground.RESPONSE,
)
def date(response: Response) -> Iterator[Finding]:
    if not response.header("date"):
        yield Finding(f"a {response.status} has no Date: an origin with a clock must send it", at(response))


@passive(
    "http.date-on-malformed",
    SHOULD,  # parsers write this answer by themselves, and a cache has no use for it
    "RFC 9110 6.6.1",
    "The 4xx that refuses a malformed request has a Date.",
    on="responses",
    when=lambda response: _may_lack_date(response) and _is_parsers_own(response),
    absent="no malformed request was refused",
    shown_by=("host-missing", "length-no-number"),
    needs=[Layer.FIELDS, Layer.REQUEST],
)
def date_on_malformed(response: Response) -> Iterator[Finding]:
    if not response.header("date"):
        yield Finding(f"the {response.status} to a malformed request has no Date", at(response))


@passive(
    "http.coding-negotiated",
    SHOULD,
    "RFC 9110 12.5.3",
    "No content coding is used that the request's Accept-Encoding does not name.",
    on="responses",
    when=lambda response: response.status >= 200 and bool(response.request.header("accept-encoding")),
    absent="no request with Accept-Encoding was seen",
    needs=[Layer.FIELDS, Layer.REQUEST],
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
    needs=[Layer.FIELDS, Layer.CODING, Layer.BODY],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.FIELDS, Layer.REQUEST],
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
    needs=[Layer.FIELDS, Layer.REQUEST],
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
    needs=[Layer.FIELDS],
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
    needs=[Layer.HEAD, Layer.FIELDS],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.FIELDS],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.REQUEST, Layer.FIELDS, Layer.FRAMING],
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
    needs=[Layer.FRAMING],
    rests_on=Ground.RESPONSE,
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
    needs=[Layer.FIELDS, Layer.BODY],
    rests_on=Ground.RESPONSE,
)
def content_type(response: Response) -> Iterator[Finding]:
    if not response.header("content-type"):
        yield Finding(f"a {response.status} with content has no Content-Type", at(response))
