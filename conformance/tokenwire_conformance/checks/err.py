"""Errors: what must be refused, how, and what a refusal tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..case import Case, at, excerpt, json_of
from ..registry import active, passive
from ..stream import Stream
from ..transcript import Response
from ..verdict import Finding, Inconclusive, Level, NotApplicable

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

#: Fields by which a request can be found again in the logs of its server.
_REQUEST_IDS = frozenset(
    {"apim-request-id", "cf-ray", "openai-request-id", "request-id", "x-amzn-requestid", "x-correlation-id",
     "x-goog-request-id", "x-request-id", "x-trace-id"}
)  # fmt: skip

#: What shows the inside of a program: a Python or JavaScript traceback, a source file with its line, a Go panic.
_LEAK = re.compile(
    r"Traceback \(most recent call last\)"
    r"|\bFile \"[^\"\n]+\", line \d+"
    r"|\bat [^\n]{1,120}\((?:file://)?/[^\s()]+:\d+:\d+\)"
    r"|(?:/[\w.@+-]+){2,}\.(?:c|cc|cpp|go|h|hpp|java|js|mjs|py|rb|rs|ts):\d+"
    r"|/(?:site-packages|node_modules)/"
    r"|\bgoroutine \d+ \[running\]"
)


def _error_object(response: Response) -> dict[str, Any] | None:
    """The dialect's error object in a refusal: {"error": {"message": …}}."""
    body = json_of(response)
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None


def _refusals(case: Case, probes: tuple[str, ...]) -> Iterator[tuple[str, Response]]:
    """The answers with an error status."""
    for probe in probes:
        if probe in case.transcripts:
            response = case.response(probe)
            if response.status >= 400:
                yield probe, response


@active(
    "err.prestream-status",
    MUST,
    "RFC 9110 15.5; dialect",
    "What can be refused before the stream (bad JSON, an unknown model) is refused with a 4xx.",
    probes=("bad-json", "unknown-model"),
    breaks="clients that look at the status retry a 5xx, and take a 200 for an answer",
)
def prestream_status(case: Case) -> Iterator[Finding]:
    for probe, what in (("bad-json", "a body that is not JSON"), ("unknown-model", "an unknown model")):
        response = case.response(probe)
        if not 400 <= response.status < 500:
            yield Finding(f"{what} is answered {response.status}: {excerpt(response.content)}", at(response))


@active(
    "err.prestream-envelope",
    MUST,
    "dialect",
    "A refusal is JSON, says so in its Content-Type, and holds the dialect's error object.",
    probes=("bad-json", "unknown-model", "no-key", "wrong-key"),
    breaks="SDKs raise an error without a message, or fail while they read it",
)
def prestream_envelope(case: Case) -> Iterator[Finding]:
    refusals = list(_refusals(case, ("bad-json", "unknown-model", "no-key", "wrong-key")))
    if not refusals:
        raise NotApplicable("nothing was refused")
    for probe, response in refusals:
        if response.media_type != "application/json":
            kind = response.media_type or "no Content-Type"
            yield Finding(f"the refusal of {probe} ({response.status}) has {kind}", at(response))
        elif _error_object(response) is None:
            yield Finding(
                f"the refusal of {probe} ({response.status}) has no error object: {excerpt(response.content)}",
                at(response, content=0),
            )


@active(
    "err.unknown-model",
    SHOULD,
    "dialect",
    "An unknown model is answered 404 or 400, with an error object.",
    probes=("stream", "unknown-model"),
)
def unknown_model(case: Case) -> Iterator[Finding]:
    case.accepted("stream")
    response = case.response("unknown-model")
    if response.status not in (400, 404):
        yield Finding(f"an unknown model is answered {response.status}: {excerpt(response.content)}", at(response))


@active(
    "err.context-overflow",
    SHOULD,
    "dialect",
    "A prompt that is too long is refused before the stream, with a 4xx.",
    probes=("overflow",),
)
def context_overflow(case: Case) -> Iterator[Finding]:
    response = case.response("overflow")
    if response.status >= 500:
        yield Finding(f"a prompt that is too long is answered {response.status}", at(response))
    if not 200 <= response.status < 300:
        return
    errors = [payload for payload in Stream(response).objects if payload.value.get("error")]
    if not errors:
        raise NotApplicable("the endpoint took a prompt of a million and a half words")
    yield Finding(
        "a prompt that is too long is answered 200, with the error inside the stream",
        at(response, content=errors[0].offset),
    )


@active(
    "err.media-type-415",
    SHOULD,
    "RFC 9110 15.5.16",
    "A request of another media type is refused with a 4xx.",
    probes=("media-type",),
)
def media_type_415(case: Case) -> Iterator[Finding]:
    response = case.response("media-type")
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
    response = transcript.responses[0]
    if response.status != 413:
        yield Finding(f"a body that is too large is answered {response.status} instead of 413", at(response))


@passive(
    "err.no-leak",
    SHOULD,
    "practice",
    "An error tells nothing of the inside of the server: no traceback, no source file.",
    on="responses",
    when=lambda response: response.status >= 400,
    absent="no error response was seen",
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
    when=lambda response: response.status in (429, 503),
    absent="no 429 and no 503 was seen",
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
)
def request_id(response: Response) -> Iterator[Finding]:
    if not _REQUEST_IDS & {field.name for field in response.fields}:
        yield Finding(f"a {response.status} has no request id", at(response))
