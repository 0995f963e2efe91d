"""Faults of chat completion streams. Most are planted in one stream only, that of the probe `usage`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tokenwire.endpoint import Call, Seams

from .fault import fault, is_streamed_chat

Chunk = dict[str, Any]

#: The chunk in which most faults are planted: some tokens after the first.
_PLACE = 4


class _Chunks(Seams):
    """Edits the chunks of the stream whose request has `mark` in it."""

    mark = b"include_usage"

    def chunks(self, call: Call, chunks: list[Chunk]) -> list[Chunk]:
        return list(self.edit(chunks)) if self.mark in call.body else chunks

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        self.edit_one(chunks[_PLACE])
        return chunks

    def edit_one(self, chunk: Chunk) -> None:
        """Changes one chunk with content."""


class _Tools(_Chunks):
    """Edits the deltas of tool calls, each with its chunk."""

    mark = b'"tools"'

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        for number, delta in enumerate(_tool_deltas(chunks)):
            self.edit_delta(number, delta)
        return chunks

    def edit_delta(self, number: int, delta: Chunk) -> None:
        """Changes one delta, the `number`th of the stream."""


class _Marks(Seams):
    """Edits what follows the chunks of the stream with usage."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        if not is_streamed_chat(call) or b"include_usage" not in call.body:
            return blocks
        return [*blocks[:-1], *self.ends(blocks[-1])]

    def ends(self, mark: bytes) -> list[bytes]:
        """What is sent in place of the end mark."""
        return [mark]


def _choice(chunk: Chunk) -> Chunk:
    choice: Chunk = chunk["choices"][0]
    return choice


def _content_chunks(chunks: list[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk["choices"] and _choice(chunk)["delta"].get("content")]


def _finish_place(chunks: list[Chunk]) -> int:
    return next(place for place, chunk in enumerate(chunks) if chunk["choices"] and _choice(chunk)["finish_reason"])


def _tool_deltas(chunks: list[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        yield from _choice(chunk)["delta"].get("tool_calls", [])


# What every chunk has.


@fault("wrong-object", trips="chat.object")
class WrongObject(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        chunk["object"] = "chat.completion"


@fault("new-id-per-chunk", trips="chat.id-constant")
class NewIdPerChunk(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return [{**chunk, "id": f"{chunk['id']}-{number}"} for number, chunk in enumerate(chunks)]


@fault("drift-created", trips="chat.created-model-constant")
class DriftCreated(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        chunk["created"] += 1


@fault("usage-without-choices", trips="chat.choices-array")
class UsageWithoutChoices(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        del chunks[-1]["choices"]
        return chunks


@fault("no-choice-index", trips="chat.choice-index")
class NoChoiceIndex(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        del _choice(chunk)["index"]


@fault("choice-without-delta", trips="chat.delta-object")
class ChoiceWithoutDelta(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        del _choice(chunk)["delta"]


@fault("role-each-chunk", trips="chat.role-once")
class RoleEachChunk(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in _content_chunks(chunks):
            _choice(chunk)["delta"]["role"] = "assistant"
        return chunks


@fault("empty-role", trips="chat.role-once")
class EmptyRole(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        _choice(chunks[0])["delta"]["role"] = ""
        return chunks


@fault("no-created", trips="chat.required")
class NoCreated(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        del chunk["created"]


# Why and where it ends.


@fault("empty-finish", trips="chat.finish-key")
class EmptyFinish(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in _content_chunks(chunks):
            _choice(chunk)["finish_reason"] = ""
        return chunks


@fault("no-finish-key", trips="chat.finish-key")
class NoFinishKey(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in _content_chunks(chunks):
            del _choice(chunk)["finish_reason"]
        return chunks


@fault("no-finish", trips="chat.finish-once")
class NoFinish(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        _choice(chunks[_finish_place(chunks)])["finish_reason"] = None
        return chunks


@fault("two-finish", trips="chat.finish-once")
class TwoFinish(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        place = _finish_place(chunks)
        return [*chunks[: place + 1], *chunks[place:]]


@fault("finish-first-chunk", trips="chat.finish-last")
class FinishFirstChunk(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        _choice(chunks[_finish_place(chunks)])["finish_reason"] = None
        _choice(chunks[0])["finish_reason"] = "stop"
        return chunks


@fault("finish-with-content", trips="chat.finish-chunk-empty")
class FinishWithContent(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        place = _finish_place(chunks)
        _choice(chunks[place - 1])["finish_reason"] = "stop"
        return [*chunks[:place], *chunks[place + 1 :]]


@fault("always-stop", trips="chat.finish-length")
class AlwaysStop(_Chunks):
    mark = b'"max_tokens": 3,'

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        _choice(chunks[_finish_place(chunks)])["finish_reason"] = "stop"
        return chunks


@fault("limit-ignored", trips="chat.finish-length")
class LimitIgnored(Seams):
    def call(self, call: Call) -> Call:
        return replace(call, body=call.body.replace(b'"max_tokens": 3,', b'"max_tokens": 3000,'))


@fault("stop-on-tools", trips="chat.finish-tools")
class StopOnTools(_Chunks):
    mark = b'"tools"'

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        _choice(chunks[_finish_place(chunks)])["finish_reason"] = "stop"
        return chunks


@fault("no-done", trips="chat.done")
class NoDone(_Marks):
    def ends(self, mark: bytes) -> list[bytes]:
        return []


@fault("double-done", trips="chat.done")
class DoubleDone(_Marks):
    def ends(self, mark: bytes) -> list[bytes]:
        return [mark, mark]


# Usage.


@fault("usage-ignored", trips="chat.usage-chunk")
class UsageIgnored(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return [{name: value for name, value in chunk.items() if name != "usage"} for chunk in chunks[:-1]]


@fault("usage-on-finish", trips="chat.usage-chunk")
class UsageOnFinish(_Chunks):
    """Usage comes with the last choice instead of in a chunk of its own."""

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        chunks[-2]["usage"] = chunks[-1]["usage"]
        return chunks[:-1]


@fault("usage-first", trips="chat.usage-chunk")
class UsageFirst(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return [chunks[-1], *chunks[:-1]]


@fault("usage-everywhere", trips="chat.usage-null")
class UsageEverywhere(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        prompt = chunks[-1]["usage"]["prompt_tokens"]
        for number, chunk in enumerate(chunks[:-1]):
            chunk["usage"] = _usage(prompt, min(number, chunks[-1]["usage"]["completion_tokens"]))
        return chunks


@fault("usage-delta", trips="chat.usage-sums chat.usage-null")
class UsageDelta(_Chunks):
    """Each chunk has usage, and in it only what itself has cost."""

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        prompt = chunks[-1]["usage"]["prompt_tokens"]
        for number, chunk in enumerate(chunks):
            chunk["usage"] = _usage(0, 1) if number else _usage(prompt, 0)
        return chunks


@fault("usage-wrong-total", trips="chat.usage-sums")
class UsageWrongTotal(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        chunks[-1]["usage"]["total_tokens"] = chunks[-1]["usage"]["completion_tokens"]
        return chunks


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


# Tool calls.


@fault("no-tool-index", trips="chat.tool-index")
class NoToolIndex(_Tools):
    def edit_delta(self, number: int, delta: Chunk) -> None:
        del delta["index"]


@fault("tool-index-zero", trips="chat.tool-index-unique")
class ToolIndexZero(_Tools):
    def edit_delta(self, number: int, delta: Chunk) -> None:
        delta["index"] = 0


@fault("late-tool-name", trips="chat.tool-first-delta")
class LateToolName(_Tools):
    """The name of the first call comes with its second delta."""

    name = ""

    def edit_delta(self, number: int, delta: Chunk) -> None:
        if number == 0:
            self.name = delta["function"].pop("name")
        elif number == 1:
            delta["function"]["name"] = self.name


@fault("repeat-tool-name", trips="chat.tool-id-once")
class RepeatToolName(_Tools):
    name = ""

    def edit_delta(self, number: int, delta: Chunk) -> None:
        self.name = delta["function"].setdefault("name", self.name)


@fault("drop-args-tail", trips="chat.tool-args-json")
class DropArgsTail(_Tools):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        last = list(_tool_deltas(chunks))[-1]
        last["function"]["arguments"] = ""
        return chunks


@fault("tools-only-nonstream", trips="chat.tools-same-as-nonstream")
class ToolsOnlyNonstream(Seams):
    def call(self, call: Call) -> Call:
        if not is_streamed_chat(call) or b'"tools"' not in call.body:
            return call
        request = json.loads(call.body)
        return replace(call, body=json.dumps({**request, "tools": []}, ensure_ascii=False).encode())


# Content.


@fault("content-list", trips="chat.content-type-string")
class ContentList(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        delta = _choice(chunk)["delta"]
        delta["content"] = [{"type": "text", "text": delta["content"]}]


@fault("cumulative", trips="chat.delta-not-cumulative")
class Cumulative(_Chunks):
    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        text = ""
        for chunk in _content_chunks(chunks):
            delta = _choice(chunk)["delta"]
            text = delta["content"] = text + delta["content"]
        return chunks


@fault("message-copy", trips="chat.delta-not-cumulative")
class MessageCopy(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        _choice(chunk)["message"] = {"role": "assistant", "content": "Tokens travel one by"}


@fault("one-choice-lost", trips="chat.n-choices")
class OneChoiceLost(_Chunks):
    mark = b'"n": 2'

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return [chunk for chunk in chunks if _choice(chunk)["index"] == 0]


@fault("logprob-shift", trips="chat.logprobs-aligned")
class LogprobShift(_Chunks):
    """The log probabilities come one chunk late, and the last ones never."""

    mark = b'"logprobs"'

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        given = [_choice(chunk).get("logprobs") for chunk in chunks]
        for chunk, logprobs in zip(chunks, [None, *given], strict=False):
            _choice(chunk)["logprobs"] = logprobs
        _choice(chunks[-1])["logprobs"] = None
        return chunks


@fault("drop-chunk", trips="chat.stream-equals-nonstream")
class DropChunk(_Chunks):
    mark = b'"logprobs"'

    def edit(self, chunks: list[Chunk]) -> list[Chunk]:
        return [*chunks[:_PLACE], *chunks[_PLACE + 1 :]]


@fault("rename-reasoning", trips="chat.reasoning-field")
class RenameReasoning(_Chunks):
    def edit_one(self, chunk: Chunk) -> None:
        delta = _choice(chunk)["delta"]
        delta["reasoning"] = delta.pop("content")
