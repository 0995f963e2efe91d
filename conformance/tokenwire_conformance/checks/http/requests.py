"""What the server does with requests that are unusual, odd or wrong."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.dialects import DIALECTS
from tokenwire.recording.captures import Layer

from ...judging.case import Case, at, excerpt
from ...judging.registry import active, passive
from ...judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ...reading.http import Response
from ...reading.lines import JSON_LINES
from ..refusals import not_busy, refused_for_itself
from ..waiting import waited_enough
from .common import stray_answer

MUST, SHOULD = Level.MUST, Level.SHOULD

#: The probes that ask with a method that the endpoint does not have.
_METHODS = ("method", "method-get", "method-put")

#: The media types of streams.
_STREAM_TYPES = JSON_LINES | {"text/event-stream", DIALECTS["bedrock-converse"].content_type}


@passive(
    "http.te-to-http10",
    MUST,
    "RFC 9112 6.1",
    "An HTTP/1.0 request is answered without chunks.",
    on="responses",
    when=lambda response: response.head_complete and response.request.version == "1.0",
    absent="no HTTP/1.0 request was seen",
    shown_by=("http10",),
    needs=[Layer.FIELDS, Layer.REQUEST],
)
def te_to_http10(response: Response) -> Iterator[Finding]:
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
        waited_enough(case, response)
        yield Finding("the connection stays open after the response", at(response))


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
    probes=_METHODS,
)
def method_405(case: Case) -> Iterator[Finding]:
    for probe in _METHODS:
        response = not_busy(probe, case.response(probe))
        method = response.request.method
        if 200 <= response.status < 300 and response.media_type in _STREAM_TYPES:
            yield Finding(f"{method} is answered with a stream", at(response))
        if response.status == 405 and not response.header("allow"):
            yield Finding(f"a 405 to {method} has no Allow field", at(response))


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
    response = refused_for_itself(case, probe, own=statuses)
    wanted = " or ".join(map(str, sorted(statuses)))
    if response.status not in statuses:
        yield Finding(f"{what} is answered {response.status} instead of {wanted}", at(response))
    elif closes and not _closing(response):
        waited_enough(case, response)
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
    response = not_busy(probe, transcript.responses[0])
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
)
def te_and_cl_request(case: Case) -> Iterator[Finding]:
    transcript = case.transcript("te-and-cl")
    if not transcript.received and transcript.ended_by_server:
        return
    response = case.response("te-and-cl")
    if not _closing(response):
        waited_enough(case, response)
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
    if 200 <= response.status < 300:
        raise NotApplicable("the endpoint takes a request for a path that should not exist")
    stray = stray_answer(response)
    if stray is not None:
        yield Finding("the body of a refused request was answered as if it were a request", at(response, stray))
        return
    waited_enough(case, response)
