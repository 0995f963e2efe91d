"""The server's side of Gemini's generateContent: `POST /v1beta/models/{model}:streamGenerateContent`.

With `alt=sse` the answer comes as events, with CRLF and without names, and an error among them as bare JSON; without
it as one JSON array, printed with indentation, whose elements come one by one. `:generateContent` gives it whole, and
`GET /v1beta/models` lists the models. Calls are whole in both, counts stand in every chunk. The key comes in
`x-goog-api-key`, in the query, or as a bearer token.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..dialects.values import listed
from .gemini_content import failure_of, key_of, part_of, refuse, tokens_of, usage_of, wanted_of, words_of
from .replies import Payload, compact, json_reply, refused, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service
from .story import MODELS, SIGNATURE, Delta, Failure, Part, Reasoning, Script, Stop, ToolCall, tell
from .wanted import Refusal, json_object

__all__ = ["GEMINI", "crlf_events", "encode", "json_array"]

#: STOP also where functions are called.
_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}


def encode(script: Script, identity: Identity) -> Iterator[Payload]:
    """The chunks of a stream."""
    told: Counter[type[Part]] = Counter()
    for step in script.steps():
        match step:
            case Delta(_, part, token):
                told[type(part)] += 1
                if not isinstance(part, ToolCall):
                    yield _chunk(script, identity, [part_of(part, token)], told)
            case Stop(_, ToolCall() as part):
                yield _chunk(script, identity, [part_of(part, part.whole)], told)
            case Stop(_, Reasoning()):
                yield _chunk(script, identity, [{"text": "", "thoughtSignature": SIGNATURE}], told)
            case Failure():
                yield failure_of(step)
                return
    yield _chunk(script, identity, [{"text": ""}], told, _FINISH_REASONS[script.finish])


def crlf_events(payloads: Iterable[Payload]) -> list[bytes]:
    """Server-sent events as Google sends them; errors are none."""
    return [
        _indented(payload) + b"\r\n" if "error" in payload else b"data: " + compact(payload) + b"\r\n\r\n"
        for payload in payloads
    ]


def json_array(payloads: Iterable[Payload]) -> list[bytes]:
    """One JSON array."""
    elements = [(b",\r\n" if number else b"[") + _indented(payload) for number, payload in enumerate(payloads)]
    return [*(element + b"\r\n" for element in elements), b"]"] if elements else [b"[]"]


def _stream(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    if call.query.get("alt") == "sse":
        return stream_reply(call, seams, encode(_script(call), identity), crlf_events, pace=pace)
    try:
        chunks = encode(_script(call), identity)
    except Refusal as refusal:
        reply = refuse(refusal)
        return refused(replace(reply, body=b"[" + reply.body + b"]"), refusal)
    return stream_reply(call, seams, chunks, json_array, pace=pace, content_type="application/json; charset=UTF-8")


def _whole(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    script = _script(call)
    script.refuse_failure()
    parts = [part_of(part, part.whole) for part in script.parts]
    return json_reply(200, _chunk(script, identity, parts, tokens_of(script), _FINISH_REASONS[script.finish]))


def _models(call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
    return json_reply(200, {"models": [{"name": f"models/{model}", "displayName": model} for model in MODELS]})


def _script(call: Call) -> Script:
    request = json_object(call)
    contents = listed(request.get("contents"))
    if not contents:
        raise Refusal(400, "invalid_request", "contents is not specified.")
    return tell(wanted_of(request, call.place["model"], words_of(contents)))


def _chunk(
    script: Script, identity: Identity, parts: list[Payload], told: Counter[type[Part]], finish: str | None = None
) -> Payload:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage_of(script, told),
        "modelVersion": script.model,
        "responseId": f"reference-{identity.number:06}",
    }


def _indented(payload: Payload) -> bytes:
    return json.dumps(payload, ensure_ascii=False, indent=2).encode()


_METHODS = {"streamGenerateContent": {"POST": _stream}, "generateContent": {"POST": _whole}}

GEMINI = Service(
    dialect="gemini",
    encode=encode,
    framing=crlf_events,
    routes={
        "/v1beta/models": {"GET": _models},
        **{
            f"/{version}/models/{{model}}:{method}": answer
            for version in ("v1", "v1beta")
            for method, answer in _METHODS.items()
        },
    },
    refuse=refuse,
    key=key_of,
)
