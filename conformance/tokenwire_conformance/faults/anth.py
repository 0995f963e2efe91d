"""Faults of Anthropic's streams. Most are planted in one stream only, that of the probe `usage`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from tokenwire.endpoint import Call, Reply, Seams

from .err import fails
from .fault import closes, fault, wants_tools

Event = dict[str, Any]

_fault = partial(fault, dialect="anthropic-messages")


class _Events(Seams):
    """Edits the events of the stream that `chosen` picks."""

    chosen = staticmethod(closes)

    def chunks(self, call: Call, chunks: list[Event]) -> list[Event]:
        return self.edit(chunks) if self.chosen(call) else chunks

    def edit(self, events: list[Event]) -> list[Event]:
        for event in events:
            self.edit_one(event)
        return events

    def edit_one(self, event: Event) -> None:
        """Changes one event."""


class _Blocks(Seams):
    """Edits the server-sent blocks of the same stream."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return self.edit(blocks) if closes(call) else blocks

    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return blocks


@_fault("start-repeats-text", trips="anth.text-start-empty")
class StartRepeatsText(_Events):
    """The start of a block has the text that its first delta says again, as MiniMax's has."""

    def edit(self, events: list[Event]) -> list[Event]:
        first = next(event for event in events if event.get("delta", {}).get("type") == "text_delta")
        start = next(e for e in events if e["type"] == "content_block_start" and e["index"] == first["index"])
        start["content_block"]["text"] = first["delta"]["text"]
        return events


class _Tools(_Events):
    chosen = staticmethod(wants_tools)


def _without(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] != kind]


def _place(events: list[Event], kind: str, number: int = 0) -> int:
    """Where the event of a type stands that is the one with this number."""
    return [place for place, event in enumerate(events) if event["type"] == kind][number]


@_fault("anth-event-mismatch", trips="anth.event-eq-type")
class EventMismatch(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [block.replace(b"event: content_block_delta", b"event: delta") for block in blocks]


@_fault("anth-no-event-name", trips="anth.event-eq-type")
class NoEventName(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [block.partition(b"\n")[2] for block in blocks]


@_fault("delta-before-start", trips="anth.start-first")
class DeltaBeforeStart(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        block = _place(events, "content_block_start")
        return [events[block], events[0], *events[1:block], *events[block + 1 :]]


@_fault("start-twice", trips="anth.start-first")
class StartTwice(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return [events[0], *events]


@_fault("start-without-usage", trips="anth.message-start-shape")
class StartWithoutUsage(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        del events[0]["message"]["usage"]
        return events


@_fault("no-block-stop", trips="anth.blocks-bracketed")
class NoBlockStop(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return _without(events, "content_block_stop")


@_fault("no-block-start", trips="anth.blocks-bracketed")
class NoBlockStart(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return _without(events, "content_block_start")


@_fault("reuse-index", trips="anth.block-index")
class ReuseIndex(_Tools):
    def edit_one(self, event: Event) -> None:
        if "index" in event:
            event["index"] = 0


@_fault("overlap-blocks", trips="anth.no-overlap")
class OverlapBlocks(_Tools):
    """The second block begins before the first one has ended."""

    def edit(self, events: list[Event]) -> list[Event]:
        stop, start = _place(events, "content_block_stop"), _place(events, "content_block_start", 1)
        events[stop], events[start] = events[start], events[stop]
        return events


@_fault("text-in-tool", trips="anth.delta-kind")
class TextInTool(_Tools):
    def edit(self, events: list[Event]) -> list[Event]:
        place = _place(events, "content_block_start") + 1
        text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I call a tool."}}
        return [*events[:place], text, *events[place:]]


@_fault("anth-empty-delta", trips="anth.empty-delta")
class EmptyDelta(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        place = _place(events, "content_block_delta", 3)
        empty = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}
        return [*events[:place], empty, *events[place:]]


@_fault("no-signature", trips="anth.signature")
class NoSignature(_Events):
    chosen = staticmethod(lambda call: b'"budget_tokens"' in call.body)

    def edit(self, events: list[Event]) -> list[Event]:
        return [event for event in events if event.get("delta", {}).get("type") != "signature_delta"]


@_fault("no-input", trips="anth.tool-input-empty")
class NoInput(_Tools):
    def edit_one(self, event: Event) -> None:
        event.get("content_block", {}).pop("input", None)


@_fault("drop-partial", trips="anth.tool-json")
class DropPartial(_Tools):
    def edit(self, events: list[Event]) -> list[Event]:
        last = _place(events, "content_block_delta", -1)
        return [*events[:last], *events[last + 1 :]]


@_fault("no-message-delta", trips="anth.stop-reason")
class NoMessageDelta(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return _without(events, "message_delta")


@_fault("no-message-stop", trips="anth.message-stop")
class NoMessageStop(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return _without(events, "message_stop")


@_fault("double-stop", trips="anth.message-stop")
class DoubleStop(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return [*events, events[-1]]


@_fault("anth-append-done", trips="anth.no-done")
class AppendDone(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [*blocks, b"data: [DONE]\n\n"]


@_fault("usage-zero", trips="anth.usage")
class UsageZero(_Events):
    """The last count is that of a server which counts what is new, where the first one was of all."""

    def edit_one(self, event: Event) -> None:
        if event["type"] == "message_start":
            event["message"]["usage"]["output_tokens"] = 1
        elif event["type"] == "message_delta":
            event["usage"]["output_tokens"] = 0


@_fault("delta-without-usage", trips="anth.usage")
class DeltaWithoutUsage(_Events):
    def edit_one(self, event: Event) -> None:
        if event["type"] == "message_delta":
            del event["usage"]


@_fault("anth-flat-error", trips="anth.error-shape")
class FlatError(_Events):
    chosen = staticmethod(fails)

    def edit_one(self, event: Event) -> None:
        if event["type"] == "error":
            event.update(event.pop("error"), type="error")


@_fault("openai-error", trips="anth.error-shape")
class OpenAIError(Seams):
    """A refusal in OpenAI's words."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, body=reply.body.replace(b'{"type":"error","error":', b'{"error":'))


@_fault("ping-as-comment", trips="anth.ping")
class PingAsComment(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [b": ping\n\n" if block.startswith(b"event: ping") else block for block in blocks]


@_fault("ignore-version", trips="anth.version-header")
class IgnoreVersion(Seams):
    def call(self, call: Call) -> Call:
        return replace(call, headers=[*call.headers, ("anthropic-version", "2023-06-01")])
