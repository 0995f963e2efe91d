"""Faults of Gemini's streams. Most are planted in one stream only, that of the probe `usage`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from tokenwire.endpoint import Call, Reply, Seams

from .err import fails
from .fault import closes, fault, wants_tools

Chunk = dict[str, Any]

_fault = partial(fault, dialect="gemini")

#: The chunk in which faults are planted that need one with text: some tokens after the first.
_PLACE = 4


class _Chunks(Seams):
    """Edits the chunks of the stream that `chosen` picks."""

    chosen = staticmethod(closes)

    def chunks(self, call: Call, chunks: list[Chunk]) -> list[Chunk]:
        return self.edit(chunks) if self.chosen(call) else chunks

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return chunks


@_fault("ignore-alt", trips="gem.alt-sse sse.content-type")
class IgnoreAlt(Seams):
    def call(self, call: Call) -> Call:
        return replace(call, query={name: value for name, value in call.query.items() if name != "alt"})


@_fault("unclosed-array", trips="gem.json-array")
class UnclosedArray(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return blocks[:-1] if "alt" not in call.query else blocks


@_fault("openai-shape", trips="gem.shape")
class OpenAIShape(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        chunks[_PLACE] = {"choices": [{"index": 0, "delta": {"content": " one"}, "finish_reason": None}]}
        return chunks


@_fault("finish-every-chunk", trips="gem.finish-final")
class FinishEveryChunk(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in chunks:
            chunk["candidates"][0]["finishReason"] = "STOP"
        return chunks


@_fault("gem-no-finish", trips="gem.finish-present")
class NoFinish(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        del chunks[-1]["candidates"][0]["finishReason"]
        return chunks


@_fault("no-usage", trips="gem.usage")
class NoUsage(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        del chunks[-1]["usageMetadata"]
        return chunks


@_fault("gem-append-done", trips="gem.no-done")
class AppendDone(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return [*blocks, b"data: [DONE]\r\n\r\n"] if closes(call) else blocks


@_fault("gem-flat-error", trips="gem.error-shape")
class FlatError(_Chunks):
    chosen = staticmethod(fails)

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return [*chunks[:-1], {"error": {"message": chunks[-1]["error"]["message"]}}]


@_fault("gem-error-without-status", trips="gem.error-shape")
class ErrorWithoutStatus(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, body=reply.body.replace(b'"status":', b'"type":')) if reply.status == 404 else reply


@_fault("split-args", trips="gem.fn-whole")
class SplitArgs(_Chunks):
    """The arguments come as text, a piece in each chunk, as OpenAI has them."""

    chosen = staticmethod(wants_tools)

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in chunks:
            for part in chunk["candidates"][0]["content"]["parts"]:
                if "functionCall" in part:
                    part["functionCall"]["args"] = '{"city": '
        return chunks
