"""Near misses of refusing and failing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Call, Reply, Seams
from tokenwire.endpoint.story import MODELS

from ..faults.err import as_if_whole, fails
from .edits import HINTS, Json, anything, blocks, chunks, head, reply
from .miss import Undo, near_miss

_ERR = "checks.err"


def _refused(code: str, edit: Callable[[Reply], Reply]) -> type[Seams]:
    """The refusal with this code edited."""

    def edited(given: Reply) -> Reply:
        return edit(given) if given.status >= 400 and json.loads(given.body)["error"]["code"] == code else given

    return reply(edited, when=anything)


def _with_words(given: Reply) -> Reply:
    body = json.loads(given.body)
    body["error"]["message"] += " See the Traceback in the log."
    return replace(given, body=json.dumps(body).encode())


def _overloaded(told: list[Json]) -> list[Json]:
    return [*told[:-1], {"error": {**told[-1]["error"], "code": "overloaded"}}]


def _cuts(call: Call | None) -> bool:
    """The call is for the model whose upstream breaks off."""
    return call is not None and MODELS[3].encode() in call.body


#: A failure that is told outside any field of an event.
_BARE = b'{"error":{"message":"failed"}}\n\n'


def _speaks_in_its_error(told: list[Json]) -> list[Json]:
    """The last word comes in the chunk that tells of the failure."""
    return [*told[:-2], {**told[-2], **told[-1]}]


def _told_twice(told: list[bytes]) -> list[bytes]:
    """The failure is told in its event, and outside any field."""
    return [*told[:-1], _BARE, told[-1]]


class _BareFailure(Seams):
    """A stream that ends like a whole one tells of a failure outside any field."""

    def chunks(self, call: Call, chunks: list[Json]) -> list[Json]:
        return as_if_whole(chunks) if fails(call) or _cuts(call) else chunks

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return _told_twice(blocks) if fails(call) or _cuts(call) else blocks


near_miss(
    "err.prestream-status",
    of="200-then-error",
    what="Bad JSON is refused with 422.",
    seams=_refused("invalid_json", lambda given: replace(given, status=422)),
    undo=Undo(
        _ERR,
        '"bad-json")\n    if not 400 <= response.status < 500:',
        '"bad-json")\n    if response.status not in (400, 404):',
    ),
)
near_miss(
    "err.prestream-envelope",
    of="html-error",
    what="The type of a refusal has a parameter.",
    seams=reply(
        lambda given: (
            given.with_header("Content-Type", "application/json; charset=utf-8") if given.status >= 400 else given
        ),
        when=anything,
    ),
    undo=Undo(_ERR, 'if response.media_type != "application/json":', 'if ";" in response.header("content-type"):'),
)
near_miss(
    "err.unknown-model",
    of="500-unknown-model",
    what="An unknown model is refused with 400.",
    seams=_refused("model_not_found", lambda given: replace(given, status=400)),
    undo=Undo(_ERR, "if response.status not in (400, 404):", "if response.status != 404:"),
)
near_miss(
    "err.context-overflow",
    of="overflow-in-stream",
    what="A prompt that is too long is refused with 422.",
    seams=_refused("context_length_exceeded", lambda given: replace(given, status=422)),
    undo=Undo(_ERR, "    if response.status >= 500:\n", "    if response.status not in (400, 413):\n"),
)
near_miss(
    "err.media-type-415",
    of="accept-xml",
    what="Another media type is refused with 400.",
    seams=_refused("unsupported_media_type", lambda given: replace(given, status=400)),
    undo=Undo(
        _ERR,
        '    if not 400 <= response.status < 500:\n        yield Finding(f"a request of application/xml',
        '    if response.status != 415:\n        yield Finding(f"a request of application/xml',
    ),
)
near_miss(
    "err.capacity-5xx",
    of="empty-200-overload",
    what="The lack of capacity is told when half of the answer was said.",
    seams=chunks(_overloaded, when=fails),
    undo=Undo(_ERR, "if not generation.spoken_before(failed) and failed.error.code in", "if failed.error.code in"),
)
near_miss(
    "err.no-leak",
    of="traceback",
    what="A refusal speaks of a traceback, and shows none.",
    seams=_refused("model_not_found", _with_words),
    undo=Undo(_ERR, r'r"Traceback \(most recent call last\)"', 'r"Traceback"'),
    seen_in="unknown-model",
)
near_miss(
    "err.retry-after",
    of="no-retry-after",
    what="A 429 says that one may come again at once.",
    seams=_refused("model_not_found", lambda given: replace(given, status=429).with_header("Retry-After", "0")),
    undo=Undo(_ERR, 'if not response.header("retry-after"):', 'if not response.header("retry-after").strip("0"):'),
    seen_in="unknown-model",
)
near_miss(
    "err.request-id",
    of="no-request-id",
    what="The id has another usual name.",
    seams=head(lambda head: head.replace(b"X-Request-Id:", b"X-Correlation-Id:"), when=anything),
    undo=Undo(_ERR, "|correlation-?id|", "|"),
)
near_miss(
    "err.body-limit-413",
    of="rst-oversize",
    what="An interim answer comes before the 413.",
    seams=head(lambda head: HINTS + head if b" 413 " in head[:16] else head, when=anything),
    undo=Undo("reading.http", "if not 100 <= response.status < 200 or response.status == 101:", "if response.status:"),
)
near_miss(
    "err.midstream-framed",
    of="bare-json-failure",
    what="The failure is told twice: in an event, and outside any field.",
    seams=blocks(_told_twice, when=fails),
    undo=Undo(
        _ERR,
        "    if _failed_at(generation) is not None:\n        return\n    stray = _stray_error(generation)\n",
        "    stray = _stray_error(generation)\n"
        "    if stray is None and _failed_at(generation) is not None:\n        return\n",
    ),
)
near_miss(
    "err.midstream-ends",
    of="talk-after-error",
    what="The last word comes together with the error.",
    seams=chunks(_speaks_in_its_error, when=fails),
    undo=Undo(_ERR, "if step.offset > failed and step.spoken]", "if step.offset >= failed and step.spoken]"),
)
for _check, _fault in (("err.no-fake-success", "empty-success"), ("err.upstream-cut-visible", "swallow-upstream-eof")):
    near_miss(
        _check,
        of=_fault,
        what="A stream that ends like a whole one tells of a failure outside any field, which is for another check.",
        seams=_BareFailure,
        undo=Undo(
            _ERR,
            "told = _failed_at(generation) is not None or _stray_error(generation) is not None",
            "told = _failed_at(generation) is not None",
        ),
    )
near_miss(
    "err.error-never-empty",
    of="done-only",
    what="A stream tells of nothing but a failure, outside any field.",
    seams=blocks(lambda told: [_BARE, told[-1]], when=fails),
    undo=Undo(_ERR, "and not discarded and _stray_error(generation) is None:", "and not discarded:"),
    seen_in="usage failure",
)
near_miss(
    "err.ended-in-error",
    of="error-for-an-end",
    what="A chunk is no JSON: the reader tells of it, and the server of no error.",
    seams=blocks(lambda told: [*told[:4], b'data: {"id":\n\n', *told[4:]]),
    undo=Undo("reading.generation", "if isinstance(event, Error) and event.fatal)", "if isinstance(event, Error))"),
)
