"""Near misses of refusing and failing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Reply, Seams

from ..faults.err import fails
from .edits import Json, anything, chunks, head, reply
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
    undo=Undo(_ERR, 'if not response.header("retry-after"):', 'if not int(response.header("retry-after")):'),
    seen_in="unknown-model",
)
near_miss(
    "err.request-id",
    of="no-request-id",
    what="The id has another usual name.",
    seams=head(lambda head: head.replace(b"X-Request-Id:", b"X-Correlation-Id:"), when=anything),
    undo=Undo(_ERR, "|correlation-?id|", "|"),
)
