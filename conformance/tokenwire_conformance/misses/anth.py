"""Near misses of Anthropic's streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Seams

from ..faults.err import fails
from ..faults.fault import closes, wants_tools
from ..faults.hop import cut_off
from .edits import Json, blocks, chunks, name_after_data, reply
from .miss import Undo, near_miss

_ANTH = "checks.anth"


def _place(told: list[Json], kind: str, number: int = 0) -> int:
    """Where the event of a type stands that is the one with this number."""
    return [place for place, event in enumerate(told) if event["type"] == kind][number]


def _with(event: Json, before: str, number: int = 0, when: Callable[[Call], bool] = closes) -> type[Seams]:
    """One event more."""

    def edit(told: list[Json]) -> list[Json]:
        place = _place(told, before, number)
        return [*told[:place], event, *told[place:]]

    return chunks(edit, when)


def _in_start(members: Json) -> type[Seams]:
    """Members of the message as it begins."""
    return chunks(lambda told: [{**told[0], "message": {**told[0]["message"], **members}}, *told[1:]])


def _delta(members: Json) -> Json:
    return {"type": "content_block_delta", "index": 0, "delta": members}


def _thinks(call: Call) -> bool:
    return b'"budget_tokens"' in call.body


def _empty_block(told: list[Json]) -> list[Json]:
    """A second block, in which nothing is said."""
    start = {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}
    place = _place(told, "message_delta")
    return [*told[:place], start, {"type": "content_block_stop", "index": 1}, *told[place:]]


class _CutInBlock(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return blocks[: len(blocks) // 2] if closes(call) else blocks

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return cut_off(exchange) if closes(call) else exchange


def _signature_twice(told: list[Json]) -> list[Json]:
    """The signature comes in two deltas."""
    place = next(n for n, event in enumerate(told) if event.get("delta", {}).get("type") == "signature_delta")
    return [*told[:place], told[place], *told[place:]]


def _first_left_open(told: list[Json]) -> list[Json]:
    place = _place(told, "content_block_stop")
    return [*told[:place], *told[place + 1 :]]


def _null_text(told: list[Json]) -> list[Json]:
    place = _place(told, "content_block_start")
    begun = {**told[place], "content_block": {**told[place]["content_block"], "text": None}}
    return [*told[:place], begun, *told[place + 1 :]]


def _server_tool(told: list[Json]) -> list[Json]:
    """A block more, of a tool that the server itself uses, which begins with its input."""
    used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather"}}
    place = _place(told, "message_delta")
    index = sum(event["type"] == "content_block_start" for event in told)
    start = {"type": "content_block_start", "index": index, "content_block": used}
    return [*told[:place], start, {"type": "content_block_stop", "index": index}, *told[place:]]


near_miss(
    "anth.event-eq-type",
    of="anth-no-event-name",
    what="The name of the event stands after its data.",
    seams=name_after_data(),
    undo=Undo(
        _ANTH,
        "if payload.event.name != kind_of(payload)]",
        "if payload.event.block.lines[0].value != kind_of(payload)]",
    ),
)
near_miss(
    "anth.start-first",
    of="delta-before-start",
    what="A ping comes before message_start.",
    seams=chunks(lambda told: [{"type": "ping"}, *told]),
    undo=Undo("reading.anthropic", 'not in ("ping", "error")]', 'not in ("error",)]'),
)
near_miss(
    "anth.message-start-shape",
    of="start-without-usage",
    what="The usage of message_start is an empty object.",
    seams=_in_start({"usage": {}}),
    undo=Undo(
        _ANTH,
        'return "" if isinstance(begun.get("usage"), dict) else "no usage"',
        'return "" if begun.get("usage") else "no usage"',
    ),
)
near_miss(
    "anth.blocks-bracketed",
    of="no-block-stop",
    what="The connection is cut within a block.",
    seams=_CutInBlock,
    undo=Undo(
        _ANTH, "    if message.judged_to_the_end and message.response.complete:", "    if message.judged_to_the_end:"
    ),
)
near_miss(
    "anth.block-index",
    of="reuse-index",
    what="A block has no delta, and the index of the next one is its place all the same.",
    seams=chunks(_empty_block),
    undo=Undo(
        _ANTH,
        "for place, block in enumerate(message.blocks):\n        if type",
        "for place, block in enumerate(message.blocks):\n        place -= not block.deltas\n        if type",
    ),
)
near_miss(
    "anth.delta-kind",
    of="text-in-tool",
    what="A text block has a citation among its deltas.",
    seams=_with(_delta({"type": "citations_delta", "citation": {}}), "content_block_stop"),
    undo=Undo(_ANTH, '"text": ("text_delta", "citations_delta"),', '"text": ("text_delta",),'),
)
near_miss(
    "anth.empty-delta",
    of="anth-empty-delta",
    what="A delta that adds nothing to what is said has an empty signature.",
    seams=_with(_delta({"type": "signature_delta", "signature": ""}), "content_block_delta", 3),
    undo=Undo(
        _ANTH, 'kind in _SAYS and delta.get(_SAYS[kind]) == "" and', 'delta.get(_SAYS.get(kind, "signature")) == "" and'
    ),
)
near_miss(
    "anth.signature",
    of="no-signature",
    what="The signature comes in two deltas.",
    seams=chunks(_signature_twice, when=_thinks),
    undo=Undo(_ANTH, 'elif kinds[-1] != "signature_delta":', 'elif kinds.index("signature_delta") != len(kinds) - 1:'),
)
near_miss(
    "anth.tool-json",
    of="drop-partial",
    what="A call has no pieces: its input is that of its start.",
    seams=chunks(lambda told: [event for event in told if event["type"] != "content_block_delta"], when=wants_tools),
    undo=Undo(_ANTH, 'block.arguments or json.dumps(block.content.get("input"))', "block.arguments"),
)
near_miss(
    "anth.stop-reason",
    of="no-message-delta",
    what="The stop_reason comes in the first of two message_deltas.",
    seams=_with(
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 999}}, "message_stop"
    ),
    undo=Undo(_ANTH, "if not any(reasons):", "if not (reasons and reasons[-1]):"),
)
near_miss(
    "anth.message-stop",
    of="double-stop",
    what="A comment follows message_stop.",
    seams=blocks(lambda told: [*told, b": bye\n\n"]),
    undo=Undo(
        _ANTH, "    elif last is not stops[0]:", "    elif message.stream.blocks[-1] is not stops[0].event.block:"
    ),
)
near_miss(
    "anth.no-done",
    of="anth-append-done",
    what="The end mark stands in a comment.",
    seams=blocks(lambda told: [*told, b":data: [DONE]\n\n"]),
    undo=Undo(
        _ANTH,
        "marks = [event.offset for event in message.stream.events if event.is_sentinel]",
        'marks = [block.offset for block in message.stream.blocks if b"[DONE]" in block.lines[0].raw]',
    ),
)
near_miss(
    "anth.usage",
    of="delta-without-usage",
    what="message_start has no count of tokens yet.",
    seams=_in_start({"usage": {"input_tokens": 9}}),
    undo=Undo(
        _ANTH,
        '            if kind_of(payload) == "message_delta":\n                yield',
        "            if True:\n                yield",
    ),
)
near_miss(
    "anth.error-shape",
    of="anth-flat-error",
    what="The message of an error is empty.",
    seams=chunks(
        lambda told: [
            {**event, "error": {**event["error"], "message": ""}} if event["type"] == "error" else event
            for event in told
        ],
        when=fails,
    ),
    undo=Undo(_ANTH, "if not isinstance(error.get(name), str)]", "if not error.get(name)]"),
    seen_in="failure",
)
near_miss(
    "anth.ping",
    of="ping-as-comment",
    what="A blank stands before the colon: the line is no comment, and another check's.",
    seams=blocks(lambda told: [*told[:3], b" : ping\n" + told[3], *told[4:]]),
    undo=Undo(_ANTH, "if line.is_comment]", 'if line.raw.strip().startswith(b":")]'),
)
near_miss(
    "anth.no-overlap",
    of="overlap-blocks",
    what="The first of two blocks is never closed, which is for anth.blocks-bracketed to tell.",
    seams=chunks(_first_left_open, when=wants_tools),
    undo=Undo(_ANTH, "if block.stop and later.start.offset < end]", "if later.start.offset < end]"),
)
near_miss(
    "anth.text-start-empty",
    of="start-repeats-text",
    what="The text of a block that begins is null.",
    seams=chunks(_null_text),
    undo=Undo(
        _ANTH,
        "if not begun or not isinstance(begun, str):\n            continue\n",
        'if begun == "":\n            continue\n        begun = str(begun)\n',
    ),
)
near_miss(
    "anth.tool-input-empty",
    of="no-input",
    what="A block of a tool that the server itself uses begins with its input.",
    seams=chunks(_server_tool, when=wants_tools),
    undo=Undo(_ANTH, 'if block.kind == "tool_use" and block', 'if block.kind.endswith("tool_use") and block'),
)
near_miss(
    "anth.version-header",
    of="ignore-version",
    what="A request without anthropic-version is refused with 422.",
    seams=reply(lambda given: replace(given, status=422), when=lambda call: not call.header("anthropic-version")),
    undo=Undo(_ANTH, "if not 400 <= response.status < 500:", "if response.status != 400:"),
)
