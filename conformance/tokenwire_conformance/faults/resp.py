"""Faults of OpenAI's Responses as a stream. Most are planted in one stream only, that of the probe `usage`."""

from __future__ import annotations

from functools import partial
from typing import Any

from tokenwire.endpoint import Call, Seams

from ..probes.asking import RESPONSES_LIMIT
from .err import fails
from .fault import closes, fault, wants_tools

Event = dict[str, Any]

_fault = partial(fault, dialect="openai-responses")

#: The event in which faults are planted that need a delta: some tokens after the first.
_PLACE = 7


class _Events(Seams):
    """Edits the events of the stream that `chosen` picks. `renumbered`: so that nothing shows in the numbers."""

    chosen = staticmethod(closes)
    renumbered = True

    def chunks(self, call: Call, chunks: list[Event]) -> list[Event]:
        if not self.chosen(call):
            return chunks
        edited = self.edit(chunks)
        if self.renumbered:
            return [{**event, "sequence_number": number} for number, event in enumerate(edited)]
        return edited

    def edit(self, events: list[Event]) -> list[Event]:
        for event in events:
            self.edit_one(event)
        return events

    def edit_one(self, event: Event) -> None:
        """Changes one event."""


class _Without(_Events):
    """Leaves the events of one type out."""

    kind = ""

    def edit(self, events: list[Event]) -> list[Event]:
        return [event for event in events if event["type"] != self.kind]


class _Blocks(Seams):
    """Edits the server-sent blocks of the same stream."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return self.edit(blocks) if closes(call) else blocks

    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return blocks


# What every event has.


@_fault("output-not-streamed", trips="resp.output-streamed")
class OutputNotStreamed(_Events):
    """The answer comes whole in the last event, and in no other."""

    def edit(self, events: list[Event]) -> list[Event]:
        return [event for event in events if "output_index" not in event]


@_fault("event-mismatch", trips="resp.event-eq-type")
class EventMismatch(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [block.replace(b"event: response.output_text.delta", b"event: delta") for block in blocks]


@_fault("no-event-name", trips="resp.event-eq-type")
class NoEventName(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [block.partition(b"\n")[2] for block in blocks]


@_fault("drop-required", trips="resp.required-fields")
class DropRequired(_Events):
    def edit_one(self, event: Event) -> None:
        if event["type"] == "response.content_part.added":
            del event["part"]


@_fault("seq-hardcoded", trips="resp.sequence")
class SequenceHardcoded(_Events):
    renumbered = False

    def edit_one(self, event: Event) -> None:
        event["sequence_number"] = 0


@_fault("seq-absent", trips="resp.sequence")
class SequenceAbsent(_Events):
    renumbered = False

    def edit_one(self, event: Event) -> None:
        del event["sequence_number"]


@_fault("seq-gap", trips="resp.sequence-gapless")
class SequenceGap(_Events):
    renumbered = False

    def edit(self, events: list[Event]) -> list[Event]:
        for event in events[_PLACE:]:
            event["sequence_number"] += 1
        return events


@_fault("emit-id", trips="resp.no-sse-id")
class EmitId(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [b"id: %d\n%s" % (number, block) for number, block in enumerate(blocks)]


@_fault("bare-custom-event", trips="resp.ext-prefix")
class BareCustomEvent(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return [*events[:_PLACE], {"type": "response.speed", "tokens_per_second": 40}, *events[_PLACE:]]


# The response.


@_fault("skip-created", trips="resp.created-first")
class SkipCreated(_Without):
    kind = "response.created"


@_fault("new-response-id", trips="resp.response-id")
class NewResponseId(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        events[-1]["response"] = {**events[-1]["response"], "id": "resp_another"}
        return events


@_fault("no-completed", trips="resp.terminal-once")
class NoCompleted(_Without):
    kind = "response.completed"


@_fault("completed-twice", trips="resp.terminal-once")
class CompletedTwice(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return [*events, events[-1]]


@_fault("resp-append-done", trips="resp.done")
class AppendDone(_Blocks):
    def edit(self, blocks: list[bytes]) -> list[bytes]:
        return [*blocks, b"data: [DONE]\n\n"]


@_fault("empty-final-output", trips="resp.final-output")
class EmptyFinalOutput(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        events[-1]["response"] = {**events[-1]["response"], "output": []}
        return events


@_fault("completed-at-limit", trips="resp.incomplete-last")
class CompletedAtLimit(_Events):
    chosen = staticmethod(lambda call: b'"max_output_tokens": %d,' % RESPONSES_LIMIT in call.body)

    def edit(self, events: list[Event]) -> list[Event]:
        last = events[-1]
        if last["type"] == "response.incomplete":
            response = {**last["response"], "status": "completed", "incomplete_details": None}
            events[-1] = {**last, "type": "response.completed", "response": response}
        return events


# The items of the output, and their parts.


@_fault("delta-without-item", trips="resp.item-added-first")
class DeltaWithoutItem(_Without):
    kind = "response.output_item.added"


@_fault("added-without-role", trips="resp.added-complete")
class AddedWithoutRole(_Events):
    def edit_one(self, event: Event) -> None:
        if event["type"] == "response.output_item.added":
            del event["item"]["role"]


@_fault("no-status", trips="resp.status-field")
class NoStatus(_Events):
    def edit_one(self, event: Event) -> None:
        if event["type"].startswith("response.output_item."):
            event["item"].pop("status", None)  # the last event has the very same item


@_fault("foreign-item-id", trips="resp.item-id")
class ForeignItemId(_Events):
    """A new id in each event, as behind GitHub Copilot's proxy."""

    def edit(self, events: list[Event]) -> list[Event]:
        for number, event in enumerate(events):
            if "item_id" in event:
                event["item_id"] = f"item_{number}"
        return events


@_fault("no-item-id", trips="resp.item-id")
class NoItemId(_Events):
    def edit_one(self, event: Event) -> None:
        event.pop("item_id", None)


@_fault("index-gap", trips="resp.indexes")
class IndexGap(_Events):
    def edit_one(self, event: Event) -> None:
        if "output_index" in event:
            event["output_index"] = 1


@_fault("item-left-open", trips="resp.item-done")
class ItemLeftOpen(_Without):
    kind = "response.output_item.done"


@_fault("delta-after-done", trips="resp.no-update-after-done")
class DeltaAfterDone(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return [*events[:-1], {**events[_PLACE], "delta": "late"}, events[-1]]


@_fault("no-text-done", trips="resp.part-lifecycle")
class NoTextDone(_Without):
    kind = "response.output_text.done"


@_fault("no-part-added", trips="resp.part-lifecycle")
class NoPartAdded(_Without):
    kind = "response.content_part.added"


@_fault("drop-delta", trips="resp.delta-sum")
class DropDelta(_Events):
    def edit(self, events: list[Event]) -> list[Event]:
        return [*events[:_PLACE], *events[_PLACE + 1 :]]


@_fault("no-args-done", trips="resp.fn-args")
class NoArgumentsDone(_Without):
    chosen = staticmethod(wants_tools)
    kind = "response.function_call_arguments.done"


@_fault("drop-args-delta", trips="resp.fn-args")
class DropArgumentsDelta(_Events):
    chosen = staticmethod(wants_tools)

    def edit(self, events: list[Event]) -> list[Event]:
        kinds = [event["type"] for event in events]
        place = kinds.index("response.function_call_arguments.delta")
        return [*events[:place], *events[place + 1 :]]


# Errors.


@_fault("error-then-eof", trips="resp.error-then-failed")
class ErrorThenEof(_Without):
    chosen = staticmethod(fails)
    kind = "response.failed"


@_fault("wrong-error-shape", trips="resp.error-shape")
class WrongErrorShape(_Events):
    chosen = staticmethod(fails)

    def edit_one(self, event: Event) -> None:
        if event["type"] == "error":
            event["error"] = event["error"]["message"]
