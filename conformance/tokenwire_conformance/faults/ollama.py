"""Faults of Ollama's streams. Most are planted in one stream only, that of the probe `usage`."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from tokenwire.endpoint import Call, Reply, Seams

from .err import fails
from .fault import closes, fault, split_surrogate, wants_tools

Line = dict[str, Any]

_fault = partial(fault, dialect="ollama")

#: The line in which faults are planted: some tokens after the first.
_PLACE = 4


class _Lines(Seams):
    """Edits the lines of one stream, as JSON or as they are written."""

    def chunks(self, call: Call, chunks: list[Line]) -> list[Line]:
        return self.edit(chunks) if closes(call) else chunks

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return self.edit_written(blocks) if closes(call) else blocks

    def edit(self, lines: list[Line]) -> list[Line]:
        return lines

    def edit_written(self, lines: list[bytes]) -> list[bytes]:
        return lines


@_fault("sse-content-type", trips="ollama.content-type")
class SseContentType(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("Content-Type", "text/event-stream") if closes(call) else reply


@_fault("pretty-json", trips="ollama.line-objects")
class PrettyJson(_Lines):
    def edit_written(self, lines: list[bytes]) -> list[bytes]:
        pretty = json.dumps(json.loads(lines[_PLACE]), indent=2).encode() + b"\n"
        return [*lines[:_PLACE], pretty, *lines[_PLACE + 1 :]]


@_fault("ollama-split-surrogate", trips="ollama.surrogates")
class SplitSurrogate(_Lines):
    def edit_written(self, lines: list[bytes]) -> list[bytes]:
        return split_surrogate(lines)


@_fault("no-final-lf", trips="ollama.final-lf")
class NoFinalLf(_Lines):
    def edit_written(self, lines: list[bytes]) -> list[bytes]:
        return [*lines[:-1], lines[-1].removesuffix(b"\n")]


@_fault("blank-lines", trips="ollama.blank-lines")
class BlankLines(_Lines):
    def edit_written(self, lines: list[bytes]) -> list[bytes]:
        return [line + b"\n" for line in lines]


@_fault("no-done-true", trips="ollama.done-once")
class NoDoneTrue(_Lines):
    def edit(self, lines: list[Line]) -> list[Line]:
        return lines[:-1]


@_fault("done-twice", trips="ollama.done-once")
class DoneTwice(_Lines):
    def edit(self, lines: list[Line]) -> list[Line]:
        return [*lines, lines[-1]]


@_fault("no-stats", trips="ollama.done-stats")
class NoStats(_Lines):
    def edit(self, lines: list[Line]) -> list[Line]:
        return [*lines[:-1], {name: lines[-1][name] for name in ("model", "created_at", "message", "done")}]


@_fault("default-false", trips="ollama.default-stream")
class DefaultFalse(Seams):
    def call(self, call: Call) -> Call:
        if call.method != "POST" or not call.body.endswith(b"}"):
            return call
        return replace(call, body=json.dumps({"stream": False, **json.loads(call.body)}).encode())


@_fault("plain-text-error", trips="ollama.error-line ollama.line-objects ollama.done-once")
class PlainTextError(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return [*blocks[:-1], b"The model failed.\n"] if fails(call) else blocks


@_fault("args-string", trips="ollama.tool-object")
class ArgsString(Seams):
    """The arguments of a call are text, as OpenAI has them."""

    def chunks(self, call: Call, chunks: list[Line]) -> list[Line]:
        if wants_tools(call):
            for line in chunks:
                for tool in line["message"].get("tool_calls", []):
                    tool["function"]["arguments"] = json.dumps(tool["function"]["arguments"])
        return chunks
