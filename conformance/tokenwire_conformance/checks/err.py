"""Errors: what must be refused, how, and what a refusal tells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at, excerpt, gathered, json_of
from ..judging.registry import Ground, active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..probes.asking import asking_of
from ..probes.talk import all_probes
from ..reading.generation import Generation, dialect_of
from ..reading.http import Response
from ..reading.stream import Stream
from .documents import END_OF_ANSWER, ERRORS
from .refusals import UNAUTHORISED, refused_for_itself

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

#: A field by which a request can be found again in the logs of its server, or of the cloud before it: whatever the
#: prefix (`x-`, `x-ms-`, `apim-`, `openai-`, `anthropic-`, `x-goog-`), an id of a request, a trace or a correlation.
_REQUEST_ID = re.compile(
    r"(?:[a-z0-9]+-)*(?:request-?id|req-id|call-id|correlation-?id|trace-?id|trace-context|invocation-id)"
    r"|cf-ray|traceparent|x-amz-(?:cf-id|id-2)|x-vercel-id|x-guploader-uploadid"
)

#: What shows the inside of a program: a Python or JavaScript traceback, a source file with its line, a Go panic.
_LEAK = re.compile(
    r"Traceback \(most recent call last\)"
    r"|\bFile \"[^\"\n]+\", line \d+"
    r"|\bat [^\n]{1,120}\((?:file://)?/[^\s()]+:\d+:\d+\)"
    r"|(?:/[\w.@+-]+){2,}\.(?:c|cc|cpp|go|h|hpp|java|js|mjs|py|rb|rs|ts):\d+"
    r"|/(?:site-packages|node_modules)/"
    r"|\bgoroutine \d+ \[running\]"
)

#: What the providers call a lack of capacity: OpenAI, Anthropic, Google, and the statuses that would have said it.
_NO_CAPACITY = frozenset(
    {"429", "503", "529", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "overloaded", "overloaded_error", "rate_limit_error",
     "rate_limit_exceeded", "server_overloaded", "service_unavailable"}
)  # fmt: skip

#: The requests that must be refused, each with the statuses that answer what is wrong with it, besides the usual ones.
_WRONG: Mapping[str, Collection[int]] = {
    "bad-json": (),
    "unknown-model": (),
    "no-key": UNAUTHORISED,
    "wrong-key": UNAUTHORISED,
}

#: Statuses by which a server that reads no further than the head refuses a body before it knows its length: an unknown
#: path or method, another media type, another field (RFC 9110 15.5).
_BEFORE_THE_BODY = frozenset({404, 405, 406, 411, 415, 417})

#: A line that is no field of server-sent events and holds an error: bare JSON, or a field `error`.
_STRAY_ERROR = re.compile(r'\s*(error:|\{.*"error"|\{\s*\Z)')


def _has_error_object(response: Response) -> bool:
    """The refusal has the dialect's error, with words."""
    return isinstance(asking_of(dialect_of(response)).refusal(json_of(response)), str)


def _refusals(case: Case) -> Iterator[tuple[str, Response]]:
    """The refusals, each for what is wrong with its request. An error of the server itself is none.

    :raises Inconclusive: when requests were refused, and none of them for what is wrong with it.
    """
    others: Inconclusive | None = None
    found = False
    for probe, own in _WRONG.items():
        if probe not in case.transcripts:
            continue
        try:
            response = refused_for_itself(case, probe, own)
        except Inconclusive as reason:
            others = reason
            continue
        if 400 <= response.status < 500:
            found = True
            yield probe, response
    if others is not None and not found:
        raise others


@active(
    "err.prestream-status",
    MUST,
    "RFC 9110 15.5.1",
    "A body that is not JSON is refused with a 4xx, before any stream.",
    probes=("bad-json",),
)
def prestream_status(case: Case) -> Iterator[Finding]:
    response = refused_for_itself(case, "bad-json")
    if not 400 <= response.status < 500:
        yield Finding(
            f"a body that is not JSON is answered {response.status}: {excerpt(response.content)}", at(response)
        )


@active(
    "err.prestream-envelope",
    MUST,
    ERRORS,
    "A refusal is JSON, says so in its Content-Type, and holds the dialect's error object.",
    probes=tuple(_WRONG),
)
def prestream_envelope(case: Case) -> Iterator[Finding]:
    refusals = list(_refusals(case))
    if not refusals:
        raise NotApplicable("nothing was refused")
    for probe, response in refusals:
        if response.media_type != "application/json":
            kind = response.media_type or "no Content-Type"
            yield Finding(f"the refusal of {probe} ({response.status}) has {kind}", at(response))
        elif not _has_error_object(response):
            yield Finding(
                f"the refusal of {probe} ({response.status}) has no error object: {excerpt(response.content)}",
                at(response, content=0),
            )


@active(
    "err.unknown-model",
    SHOULD,  # a server of one model may serve it under any name
    ERRORS,
    "An unknown model is answered 404 or 400, with an error object.",
    probes=("stream", "unknown-model"),
)
def unknown_model(case: Case) -> Iterator[Finding]:
    case.accepted("stream")
    response = refused_for_itself(case, "unknown-model")
    if response.status not in (400, 404):
        yield Finding(f"an unknown model is answered {response.status}: {excerpt(response.content)}", at(response))


@active(
    "err.context-overflow",
    SHOULD,
    ERRORS,
    "A prompt that is too long is refused before the stream, with a 4xx.",
    probes=("stream", "overflow"),
)
def context_overflow(case: Case) -> Iterator[Finding]:
    response = refused_for_itself(case, "overflow")
    if response.status >= 500:
        case.accepted("stream")  # whoever fails at every prompt says nothing about this one
        yield Finding(f"a prompt that is too long is answered {response.status}", at(response))
    if not 200 <= response.status < 300:
        return
    generation = next((one for one in case.generations if one.response is response), None)
    failed = generation.failed if generation is not None else None
    # What was said before the error was said to a prompt that was taken.
    if generation is None or failed is None or generation.spoken_before(failed):
        raise NotApplicable("the endpoint took a prompt of a million and a half words")
    yield Finding(
        "a prompt that is too long is answered 200, with the error inside the stream",
        at(response, content=failed.offset),
    )


@active(
    "err.media-type-415",
    SHOULD,
    "RFC 9110 15.5.16",
    "A request of another media type is refused with a 4xx.",
    probes=("media-type",),
)
def media_type_415(case: Case) -> Iterator[Finding]:
    response = refused_for_itself(case, "media-type")
    if not 400 <= response.status < 500:
        yield Finding(f"a request of application/xml is answered {response.status}", at(response))


@active(
    "err.body-limit-413",
    SHOULD,
    "RFC 9110 15.5.14",
    "A body that is too large is refused with a 413 that the client can read.",
    probes=("huge-body",),
)
def body_limit_413(case: Case) -> Iterator[Finding]:
    transcript = case.transcript("huge-body")
    if not transcript.responses:
        if transcript.ended_by_server:
            yield Finding(f"a body that is too large ends in {transcript.ending} without an answer")
            return
        raise Inconclusive("no limit was met: the endpoint waits for the rest of a body of a TiB")
    response = refused_for_itself(case, "huge-body")
    if response.status in _BEFORE_THE_BODY:
        raise Inconclusive(f"the body is refused with {response.status} before its length is looked at")
    if response.status != 413:
        yield Finding(f"a body that is too large is answered {response.status} instead of 413", at(response))


# Failures within the stream.


def _failing(case: Case, probe: str = "failure") -> Generation:
    """The answer of a model that fails.

    :raises NotApplicable: when it is refused before the stream, as is better.
    """
    response = case.response(probe)
    if response.status >= 400:
        raise NotApplicable(
            f"the model that should fail within its stream is refused before it, with {response.status}"
        )
    return case.generation(probe)


def _stray_error(generation: Generation) -> int | None:
    """Where an error stands among the lines that readers of server-sent events ignore."""
    if not isinstance(generation.body, Stream):
        return None
    known = ("data", "event", "id", "retry")
    lines = (line for line in generation.body.lines if line.raw and not line.is_comment and line.name not in known)
    return next((line.offset for line in lines if _STRAY_ERROR.match(line.text)), None)


def _looks_whole(generation: Generation) -> Iterator[int]:
    """Where an answer ends like one that is whole, if it does and tells of no failure."""
    told = _failed_at(generation) is not None or _stray_error(generation) is not None
    end = generation.answer.end
    if not told and end is not None and end.clean:
        yield generation.steps[-1].offset if generation.steps else 0


def _failed_at(generation: Generation) -> int | None:
    """Where the dialect says that the generation failed. Google does so in bare JSON, and its SDKs look for it."""
    if generation.failed is not None:
        return generation.failed.offset
    return _stray_error(generation) if generation.dialect.name == "gemini" else None


@active(
    "err.midstream-framed",
    MUST,
    ERRORS,
    "A failure within the stream is told by the dialect's error.",
    probes=("failure",),
)
def midstream_framed(case: Case) -> Iterator[Finding]:
    generation = _failing(case)
    if _failed_at(generation) is not None:
        return
    stray = _stray_error(generation)
    if stray is None:
        raise Inconclusive("the model that should fail tells of no failure")
    yield Finding("the failure is told outside any field of an event", at(generation.response, content=stray))


@active(
    "err.midstream-ends",
    SHOULD,  # no provider says it of all its answers
    "practice",
    "After an error nothing more is said, and the body ends.",
    probes=("failure",),
)
def midstream_ends(case: Case) -> Iterator[Finding]:
    generation = _failing(case)
    failed = _failed_at(generation)
    if failed is None:
        raise Inconclusive("the model that should fail tells of no failure")
    later = [step.offset for step in generation.steps if step.offset > failed and step.spoken]
    yield from gathered(generation.response, later, "the answer goes on after the error")
    if generation.response.hung_up:
        yield Finding("the body does not end after the error", at(generation.response, content=failed))


@active(
    "err.no-fake-success",
    MUST,
    END_OF_ANSWER,
    "An answer that failed does not end like one that is whole.",
    probes=("failure",),
)
def no_fake_success(case: Case) -> Iterator[Finding]:
    generation = _failing(case)
    for last in _looks_whole(generation):
        yield Finding("the model failed, and the stream ends like a whole one", at(generation.response, content=last))


@active(
    "err.upstream-cut-visible",
    MUST,
    "RFC 9112 8; " + END_OF_ANSWER,
    "An answer whose upstream broke off is told as an error, or breaks off too.",
    probes=("upstream-cut",),
)
def upstream_cut_visible(case: Case) -> Iterator[Finding]:
    generation = _failing(case, "upstream-cut")
    for last in _looks_whole(generation):
        said = "the upstream broke off, and the stream ends like a whole one"
        yield Finding(said, at(generation.response, content=last))


@passive(
    "err.error-never-empty",
    MUST,
    END_OF_ANSWER,
    "A stream that ends has said something: text, a call, a reason to stop, or an error.",
    on="generations",
    when=lambda generation: generation.response.complete and not generation.response.coding_error,
    absent="no streamed answer was read to its end",
    needs=[Layer.END],
)
def error_never_empty(generation: Generation) -> Iterator[Finding]:
    discarded = isinstance(generation.body, Stream) and generation.body.end_discarded
    if not generation.says_anything and not discarded and _stray_error(generation) is None:
        yield Finding("the stream ends without a word, a reason or an error", at(generation.response))


@passive(
    "err.capacity-5xx",
    SHOULD,
    "WHATWG HTML 17.7",
    "A lack of capacity is told by the status, 5xx or 429, and not within a 200.",
    on="generations",
    when=lambda generation: generation.failed is not None,
    absent="no failure within a stream was seen",
    shown_by=("failure",),
    needs=[Layer.FIELDS],
)
def capacity_5xx(generation: Generation) -> Iterator[Finding]:
    failed = generation.failed
    assert failed is not None
    assert failed.error is not None
    if not generation.spoken_before(failed) and failed.error.code in _NO_CAPACITY:
        said = f"a 200 holds nothing but a lack of capacity: {failed.error.code} {failed.error.message}".rstrip()
        yield Finding(said, at(generation.response, content=failed.offset))


def _may_succeed(generation: Generation) -> bool:
    """It answers a question that a sound endpoint answers: no model that fails, or does not exist, was asked."""
    probe = all_probes().get(generation.response.transcript.name)
    return probe is None or (probe.cost == "generation" and not probe.other_model)


@passive(
    "err.ended-in-error",
    INFO,
    END_OF_ANSWER,
    "No stream that was begun ends in an error.",
    on="generations",
    when=_may_succeed,
)
def ended_in_error(generation: Generation) -> Iterator[Finding]:
    failed = generation.failed
    if failed is not None and failed.error is not None:
        told = f"{failed.error.code} {failed.error.message}".strip()
        yield Finding(f"the stream ends in an error: {told}", at(generation.response, content=failed.offset))


# What a refusal tells.


@passive(
    "err.no-leak",
    SHOULD,
    "CWE-209",
    "An error tells nothing of the inside of the server: no traceback, no source file.",
    on="responses",
    when=lambda response: response.status >= 400,
    absent="no error response was seen",
    needs=[Layer.BODY],
    rests_on=Ground.RESPONSE,
)
def no_leak(response: Response) -> Iterator[Finding]:
    text = response.content.decode("utf-8", "replace")
    match = _LEAK.search(text)
    if match is not None:
        start = len(text[: match.start()].encode())
        yield Finding(f"a {response.status} shows {match[0]!r}", at(response, content=start))


@passive(
    "err.retry-after",
    INFO,
    "RFC 6585 4; RFC 9110 15.6.4",
    "A 429 or 503 says in Retry-After when to come again.",
    on="responses",
    when=lambda response: response.head_complete and response.status in (429, 503),
    absent="no 429 and no 503 was seen",
    needs=[Layer.FIELDS],
    rests_on=Ground.RESPONSE,
)
def retry_after(response: Response) -> Iterator[Finding]:
    if not response.header("retry-after"):
        yield Finding(f"a {response.status} has no Retry-After", at(response))


@passive(
    "err.request-id",
    INFO,
    "practice",
    "Every response has an id by which it can be found in the server's logs.",
    on="responses",
    when=lambda response: response.head_complete and response.status >= 200,
    needs=[Layer.FIELDS],
    rests_on=Ground.RESPONSE,
)
def request_id(response: Response) -> Iterator[Finding]:
    if not any(_REQUEST_ID.fullmatch(field.name) for field in response.fields):
        yield Finding(f"a {response.status} has no request id", at(response))
