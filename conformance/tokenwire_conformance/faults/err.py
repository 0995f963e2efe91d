"""Faults of refusing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tokenwire.endpoint import Call, Exchange, Piece, Reply, Seams
from tokenwire.endpoint.story import MODELS

from ..probes.talk import NO_SUCH_MODEL
from .fault import fault

_SSE = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store, no-transform"), ("X-Accel-Buffering", "no")]


def error_in_stream(reply: Reply) -> Reply:
    """The refusal as a 200 with the error inside a stream."""
    blocks = [b"data: " + json.dumps(json.loads(reply.body)).encode() + b"\n\n", b"data: [DONE]\n\n"]
    return Reply(200, _SSE, pieces=[Piece(0.0, block) for block in blocks])


def _code(reply: Reply) -> str:
    """The code of a refusal; empty for anything else."""
    return str(json.loads(reply.body)["error"]["code"]) if reply.status >= 400 else ""


@fault("200-then-error", trips="err.prestream-status")
class ErrorAfter200(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return error_in_stream(reply) if _code(reply) == "invalid_json" else reply


@fault("html-error", trips="err.prestream-envelope")
class HtmlError(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        if _code(reply) != "invalid_json":
            return reply
        page = b"<html><body><h1>400 Bad Request</h1></body></html>"
        return replace(reply.with_header("Content-Type", "text/html"), body=page)


@fault("500-bad-json", trips="err.prestream-status")
class BadJSON500(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, status=500) if _code(reply) == "invalid_json" else reply


@fault("any-model-will-do", trips="err.unknown-model")
class AnyModel(Seams):
    """One model stands behind every name."""

    def call(self, call: Call) -> Call:
        return replace(call, body=call.body.replace(NO_SUCH_MODEL.encode(), MODELS[0].encode()))


@fault("500-unknown-model", trips="err.unknown-model")
class UnknownModel500(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, status=500) if _code(reply) == "model_not_found" else reply


@fault("overflow-in-stream", trips="err.context-overflow")
class OverflowInStream(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return error_in_stream(reply) if _code(reply) == "context_length_exceeded" else reply


@fault("accept-xml", trips="err.media-type-415")
class AcceptXml(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        if _code(reply) != "unsupported_media_type":
            return reply
        return Reply(200, [("Content-Type", "application/json")], b'{"object":"chat.completion","choices":[]}')


@fault("rst-oversize", trips="err.body-limit-413")
class RstOversize(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        too_large = any(b" 413 " in write.data[:16] for write in exchange.writes if write.part == "head")
        return Exchange([], "reset") if too_large else exchange


class _Failure(Seams):
    """Edits the stream of the model that fails within it."""

    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return self.edit_chunks(chunks) if fails(call) else chunks

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return self.edit_blocks(blocks) if fails(call) else blocks

    def edit_chunks(self, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return chunks

    def edit_blocks(self, blocks: list[bytes]) -> list[bytes]:
        return blocks


def fails(call: Call | None) -> bool:
    """The call is for the model that fails within its stream."""
    return call is not None and MODELS[2] in call.path + call.body.decode("utf-8", "replace")


@fault("bare-json-failure", trips="err.midstream-framed sse.no-naked-lines chat.finish-once")
class BareJsonFailure(_Failure):
    def edit_blocks(self, blocks: list[bytes]) -> list[bytes]:
        return [block.removeprefix(b"data: ") if b'"error"' in block else block for block in blocks]


@fault("hang-after-error", trips="err.midstream-ends")
class HangAfterError(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not fails(call):
            return exchange
        return Exchange([write for write in exchange.writes if write.part != "end"])


@fault("talk-after-error", trips="err.midstream-ends")
class TalkAfterError(_Failure):
    def edit_chunks(self, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*chunks, *chunks[1:3]]


@fault("empty-success", trips="err.no-fake-success")
class EmptySuccess(_Failure):
    def edit_chunks(self, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return as_if_whole(chunks)


def as_if_whole(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With a reason to stop in the place of the error."""
    last = chunks[-2]["choices"][0]
    return [*chunks[:-1], {**chunks[-2], "choices": [{**last, "delta": {}, "finish_reason": "stop"}]}]


@fault("swallow-upstream-eof", trips="err.upstream-cut-visible")
class SwallowUpstreamEof(Seams):
    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return as_if_whole(chunks) if MODELS[3].encode() in call.body else chunks


@fault("done-only", trips="err.no-fake-success err.error-never-empty")
class DoneOnly(_Failure):
    def edit_blocks(self, blocks: list[bytes]) -> list[bytes]:
        return blocks[-1:]


@fault("eof-at-once", trips="err.error-never-empty")
class EofAtOnce(_Failure):
    def edit_blocks(self, blocks: list[bytes]) -> list[bytes]:
        return []


@fault("empty-200-overload", trips="err.capacity-5xx")
class EmptyOverload(_Failure):
    def edit_chunks(self, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        error = {**chunks[-1]["error"], "code": "overloaded", "message": "Come again later."}
        return [{"error": error}]


@fault("error-for-an-end", trips="err.ended-in-error")
class ErrorForAnEnd(Seams):
    """A model that should not fails, within the stream that HTTP/1.0 asks for."""

    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if call.http_version != "1.0":
            return chunks
        return [*chunks[:2], {"error": {"message": "Out of memory.", "type": "server_error", "code": "oom"}}]


@fault("traceback", trips="err.no-leak")
class Traceback(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        if _code(reply) != "model_not_found":
            return reply
        body = json.loads(reply.body)
        body["error"]["message"] += ' Traceback (most recent call last): File "/srv/app/models.py", line 12'
        return replace(reply, body=json.dumps(body).encode())


@fault("no-retry-after", trips="err.retry-after", stages="err.retry-after")
class NoRetryAfter(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, status=429) if _code(reply) == "context_length_exceeded" else reply


@fault("no-request-id", trips="err.request-id")
class NoRequestId(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return replace(
            exchange,
            writes=[
                replace(write, data=write.data.replace(b"X-Request-Id:", b"X-Number:")) for write in exchange.writes
            ],
        )
