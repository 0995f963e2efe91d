"""Faults of server-sent events. Most are planted in one stream only, that of the probe `usage`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from tokenwire.endpoint import Call, Reply, Seams

from .fault import fault, is_streamed_chat, split_surrogate

#: The event in which most faults are planted: some tokens after the first.
_PLACE = 4

#: Bytes of the event that no reader with a fixed buffer takes.
_HUGE = 2 * 1024 * 1024

_EMOJI = "😀".encode()


def _is_usage(call: Call) -> bool:
    return is_streamed_chat(call) and b"include_usage" in call.body


class _Blocks(Seams):
    """Edits the blocks of one stream, or one block of it."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return self.edit(blocks) if _is_usage(call) else blocks

    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [*blocks[:_PLACE], *self.edit_one(blocks[_PLACE]), *blocks[_PLACE + 1 :]]

    def edit_one(self, block: bytes) -> list[bytes]:
        """What is sent in place of the block."""
        return [block]


class _Head(Seams):
    """Edits the head of one stream."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        return self.edit(reply) if _is_usage(call) else reply

    def edit(self, reply: Reply) -> Reply:
        return reply


@fault("json-content-type", trips="sse.content-type")
class JsonContentType(_Head):
    def edit(self, reply: Reply) -> Reply:
        return reply.with_header("Content-Type", "application/json")


@fault("charset-latin1", trips="sse.charset")
class CharsetLatin1(_Head):
    def edit(self, reply: Reply) -> Reply:
        return reply.with_header("Content-Type", "text/event-stream; charset=iso-8859-1")


@fault("force-sse", trips="sse.nonstream-json")
class ForceSse(Seams):
    """A chat that asks for no stream gets one. Only that of the probe `whole`: the others need their answers."""

    def call(self, call: Call) -> Call:
        if b'"seed"' not in call.body or b'"tools"' in call.body or is_streamed_chat(call):
            return call
        return replace(call, body=json.dumps({**json.loads(call.body), "stream": True}).encode())


@fault("cut-codepoint", trips="sse.utf8")
class CutCodepoint(_Blocks):
    """A character of four bytes is cut over two events, as by a server that sends tokens without decoding them."""

    def edit(self, blocks: list[bytes]) -> list[bytes]:
        place = next(place for place, block in enumerate(blocks) if _EMOJI in block)
        first = blocks[place].replace(_EMOJI, _EMOJI[:2])
        second = blocks[place].replace(b" " + _EMOJI, _EMOJI[2:])
        return [*blocks[:place], first, second, *blocks[place + 1 :]]


@fault("emit-bom", trips="sse.no-bom")
class EmitBom(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [b"\xef\xbb\xbf" + blocks[0], *blocks[1:]]


@fault("mixed-eol", trips="sse.eol")
class MixedEol(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.replace(b"\n", b"\r\n")]


@fault("lone-cr", trips="sse.eol")
class LoneCr(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [block.replace(b"\n", b"\r") for block in blocks]


@fault("error-field", trips="sse.known-fields")
class ErrorField(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block, b'error: {"code":500,"message":"failed","type":"server_error"}\n\n']


@fault("bare-json-error", trips="sse.no-naked-lines")
class BareJsonError(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block, b'{"error":{"message":"failed","type":"server_error","param":null,"code":"failed"}}\n\n']


@fault("indent-data", trips="sse.field-column")
class IndentData(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [b" " + block]


@fault("drop-last-newline", trips="sse.final-blank-line")
class DropLastNewline(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [*blocks[:-1], blocks[-1].removesuffix(b"\n")]


@fault("missing-blank-line", trips="sse.one-json-per-event")
class MissingBlankLine(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.removesuffix(b"\n")]


@fault("truncate-json", trips="sse.json")
class TruncateJson(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.removesuffix(b"}\n\n") + b"\n\n"]


@fault("nan-in-json", trips="sse.json")
class NanInJson(_Blocks):
    """What Python's json.dumps writes for a number that is none."""

    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.replace(b'"created":', b'"seconds":NaN,"created":')]


@fault("dup-key", trips="sse.json-dup-keys")
class DupKey(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.replace(b'"finish_reason":null', b'"finish_reason":null,"finish_reason":null')]


@fault("split-surrogate", trips="sse.surrogates")
class SplitSurrogate(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return split_surrogate(blocks)


@fault("lossy-detokenise", trips="sse.no-fffd")
class LossyDetokenise(Seams):
    """Every token is decoded on its own. Log probabilities would tell, so they are let alone."""

    def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if b"logprobs" not in call.body:
            for chunk in chunks:
                for choice in chunk.get("choices", []):
                    if choice["delta"].get("content") == " 😀":
                        choice["delta"]["content"] = " \ufffd\ufffd"
        return chunks


@fault("comment-as-data", trips="sse.comments")
class CommentAsData(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block, b"data: : keepalive\n\n"]


@fault("id-only-block", trips="sse.no-empty-events")
class IdOnlyBlock(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block, b"id: 4\n\n"]


@fault("ping-blank-after-id", trips="sse.keepalive-safe")
class PingBlankAfterId(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [b"id: 4\n" + block, b": ping\n\n"]


@fault("nul-in-id", trips="sse.id-no-nul")
class NulInId(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [b"id: 4\0\n" + block]


@fault("retry-float", trips="sse.retry-digits")
class RetryFloat(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [b"retry: 1.5\n" + block]


@fault("2MiB-event", trips="sse.event-size")
class HugeEvent(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.replace(b'"created":', b'"obfuscation":"' + b"x" * _HUGE + b'","created":')]


@fault("raw-u2028", trips="sse.u2028-escaped")
class RawU2028(_Blocks):
    def edit_one(self, block: bytes) -> list[bytes]:
        return [block.replace(b'"content":"', '"content":"\u2028'.encode())]


@fault("event-after-done", trips="sse.nothing-after-terminal chat.done")
class EventAfterDone(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        says_nothing = re.sub(rb'"usage":\{[^}]*\}', b'"usage":null', blocks[-2])
        return [*blocks, says_nothing]


@fault("status-201", trips="sse.status-200")
class Status201(_Head):
    def edit(self, reply: Reply) -> Reply:
        return replace(reply, status=201)
