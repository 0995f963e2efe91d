"""Errors within a stream."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.recording.captures import Layer

from ...judging.case import brief
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.responses import ResponseStream, kind_of
from .common import BOTH, OPEN, place_of

MUST, SHOULD = Level.MUST, Level.SHOULD


@passive(
    "resp.error-then-failed",
    MUST,
    OPEN,
    "An error within a response is followed by response.failed.",
    on="response_streams",
    when=lambda response: response.begun and bool(response.errors) and response.stream.complete,
    absent="no error within a response was seen",
    shown_by=("failure",),
    needs=[Layer.END],
)
def error_then_failed(response: ResponseStream) -> Iterator[Finding]:
    error = response.errors[0]
    if not any(payload.offset > error.offset for payload in response.of_kind("response.failed")):
        yield Finding("after the error there is no response.failed", place_of(response, error))


@passive(
    "resp.error-shape",
    SHOULD,  # a MUST in each of the two, which differ
    BOTH,
    "An error event has a code and a message, in an object `error` (Open Responses) or flat (OpenAI).",
    on="response_streams",
    when=lambda response: bool(response.errors),
    absent="no error within a response was seen",
    shown_by=("failure",),
    breaks="openai 3.54.0 raises an error without a message",
)
def error_shape(response: ResponseStream) -> Iterator[Finding]:
    for payload in response.errors:
        nested = payload.value.get("error")
        told = payload.value if nested is None else nested
        if kind_of(payload) != "error":
            flaw = "not the type `error`"
        elif not isinstance(told, dict):
            flaw = "an `error` that is no object"
        elif not isinstance(told.get("message"), str):
            flaw = "no message"
        elif "code" not in told:
            flaw = "no code"
        else:
            continue
        yield Finding(f"an error has {flaw}: {brief(payload.value)}", place_of(response, payload))
