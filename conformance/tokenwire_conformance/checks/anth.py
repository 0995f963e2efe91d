"""Anthropic's messages as a stream: its events, the blocks of its content, its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at, excerpt, gathered, is_dialects_own, json_of
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Level
from ..reading.anthropic import ContentBlock, MessageStream, delta_of, kind_of
from ..reading.generation import dialect_of
from ..reading.http import Response
from ..reading.stream import SENTINEL, Payload, Stream
from .refusals import refused_for_itself

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_STREAMING, _ERRORS, _VERSIONS = "Anthropic, streaming", "Anthropic, errors", "Anthropic, versions"

#: The member that a block says its words in, in its start and in its deltas alike.
_SAID = {"text": "text", "thinking": "thinking"}

#: Which deltas fit a block. What is not named here is not judged: new kinds come.
_DELTAS = {
    "text": ("text_delta", "citations_delta"),
    "thinking": ("thinking_delta", "signature_delta"),
    "tool_use": ("input_json_delta",),
    "server_tool_use": ("input_json_delta",),
    "mcp_tool_use": ("input_json_delta",),
}

#: The member of a delta that adds to what is said.
_SAYS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def _offsets(payloads: Sequence[Payload]) -> list[int]:
    return [payload.offset for payload in payloads]


def _has_told(message: MessageStream) -> bool:
    return bool(message.told)


def _judged_to_the_end(message: MessageStream) -> bool:
    return message.judged_to_the_end


def _has_blocks(message: MessageStream) -> bool:
    return bool(message.blocks)


def _has_tools(message: MessageStream) -> bool:
    return any(block.kind == "tool_use" for block in message.blocks)


def _has_thinking(message: MessageStream) -> bool:
    return any(block.kind == "thinking" for block in message.blocks)


def _label(block: ContentBlock) -> str:
    return f"block {block.index}" if block.index is not None else "a block"


@passive(
    "anth.event-eq-type",
    MUST,
    _STREAMING,
    "The name of every event is the type of its data.",
    on="message_streams",
    breaks="anthropic 2.12.0 goes by the name and drops events without one",
)
def event_eq_type(message: MessageStream) -> Iterator[Finding]:
    wrong = [payload for payload in message.events if payload.event.name != kind_of(payload)]
    if wrong:
        name, kind = wrong[0].event.name, kind_of(wrong[0]) or "none"
        other = f"an event has another name than its type: {kind} has the name {name}"
        said = "an event has no name" if name == "message" else other
        yield from gathered(message.response, _offsets(wrong), said)


@passive(
    "anth.start-first",
    MUST,
    _STREAMING,
    "message_start comes first, pings aside, and once.",
    on="message_streams",
    when=_has_told,
    absent="no stream of a message was seen",
    breaks="anthropic 2.12.0 raises on what comes before it",
)
def start_first(message: MessageStream) -> Iterator[Finding]:
    first = message.told[0]
    if kind_of(first) != "message_start":
        yield Finding(f"the first event is {kind_of(first)}", at(message.response, content=first.offset))
    again = message.of_kind("message_start")[1:]
    yield from gathered(message.response, _offsets(again), "message_start comes again")


@passive(
    "anth.message-start-shape",
    MUST,
    _STREAMING,
    "The message of message_start has an id, the role assistant, a model, no content yet, no stop_reason, and usage.",
    on="message_streams",
    when=lambda message: bool(message.of_kind("message_start")),
    absent="no message_start was seen",
    breaks="anthropic 2.12.0 builds the message from it: AttributeError where a member is used later",
)
def message_start_shape(message: MessageStream) -> Iterator[Finding]:
    for payload in message.of_kind("message_start"):
        begun = payload.value.get("message")
        flaw = _flaw_of_start(begun) if isinstance(begun, dict) else "no message"
        if flaw:
            yield Finding(f"message_start has {flaw}", at(message.response, content=payload.offset))


def _flaw_of_start(begun: dict[str, Any]) -> str:
    for name in ("id", "model"):
        if not isinstance(begun.get(name), str):
            return f"no {name}"
    if begun.get("role") != "assistant":
        return "not the role assistant"
    if begun.get("content") != []:
        return "content that is not an empty array"
    if begun.get("stop_reason") is not None:
        return f"a stop_reason already: {begun['stop_reason']}"
    return "" if isinstance(begun.get("usage"), dict) else "no usage"


# The blocks of content.


@passive(
    "anth.blocks-bracketed",
    MUST,
    _STREAMING,
    "Every block begins with content_block_start and ends with content_block_stop, its deltas between them.",
    on="message_streams",
    when=_has_told,
    absent="no stream of a message was seen",
    breaks="anthropic 2.12.0 raises IndexError, or never tells that the block is complete",
    needs=[Layer.END],
)
def blocks_bracketed(message: MessageStream) -> Iterator[Finding]:
    inside = {id(payload) for block in message.blocks for payload in (*block.deltas, block.stop)}
    stray = [one for one in message.of_kind("content_block_delta", "content_block_stop") if id(one) not in inside]
    for payload in stray[:1]:
        yield from gathered(message.response, _offsets(stray), f"{kind_of(payload)} comes for a block that is not open")
    if message.judged_to_the_end and message.response.complete:
        for block in message.blocks:
            if block.stop is None:
                where = at(message.response, content=block.start.offset)
                yield Finding(f"{_label(block)} is never closed by content_block_stop", where)


@passive(
    "anth.block-index",
    MUST,
    _STREAMING,
    "The index of each block is its place in the content: 0, 1, 2 and so on.",
    on="message_streams",
    when=_has_blocks,
    absent="no block of content was seen",
    shown_by=("tools",),
    breaks="anthropic 2.12.0 puts deltas into the wrong block, or raises IndexError",
)
def block_index(message: MessageStream) -> Iterator[Finding]:
    for place, block in enumerate(message.blocks):
        if type(block.index) is not int or block.index != place:
            said = f"the index of block number {place} is {json.dumps(block.index)}"
            yield Finding(said, at(message.response, content=block.start.offset))
            return


@passive(
    "anth.no-overlap",
    SHOULD,
    _STREAMING,
    "One block is open at a time.",
    on="message_streams",
    when=_has_blocks,
    absent="no block of content was seen",
    shown_by=("tools",),
)
def no_overlap(message: MessageStream) -> Iterator[Finding]:
    last = len(message.stream.content)
    for number, block in enumerate(message.blocks):
        end = block.stop.offset if block.stop is not None else last
        # One that is never closed is for anth.blocks-bracketed to tell.
        inside = [later.start for later in message.blocks[number + 1 :] if block.stop and later.start.offset < end]
        if inside:
            where = at(message.response, content=inside[0].offset)
            yield Finding(f"another block begins before {_label(block)} ends", where)


@passive(
    "anth.delta-kind",
    MUST,
    _STREAMING,
    "The type of a delta fits that of its block.",
    on="message_streams",
    when=_has_blocks,
    absent="no block of content was seen",
    shown_by=("tools", "thinking"),
    breaks="anthropic 2.12.0 drops the others without a word",
)
def delta_kind(message: MessageStream) -> Iterator[Finding]:
    for block in message.blocks:
        fitting = _DELTAS.get(block.kind)
        wrong = [one for one in block.deltas if fitting is not None and delta_of(one).get("type") not in fitting]
        if wrong:
            said = f"a {block.kind} block has a delta of the type {delta_of(wrong[0]).get('type')}"
            yield from gathered(message.response, _offsets(wrong), said)


@passive(
    "anth.empty-delta",
    SHOULD,
    "interoperability",
    "No delta is empty, but for the first one of a tool's input.",
    on="message_streams",
    when=_has_blocks,
    absent="no block of content was seen",
)
def empty_delta(message: MessageStream) -> Iterator[Finding]:
    empty = []
    for block in message.blocks:
        for number, payload in enumerate(block.deltas):
            delta = delta_of(payload)
            kind = str(delta.get("type"))
            if kind in _SAYS and delta.get(_SAYS[kind]) == "" and not (kind == "input_json_delta" and number == 0):
                empty.append(payload)
    yield from gathered(message.response, _offsets(empty), "a delta is empty")


@passive(
    "anth.signature",
    SHOULD,
    _STREAMING,
    "A thinking block gets its signature_delta just before its stop.",
    on="message_streams",
    when=_has_thinking,
    absent="no thinking was seen",
    shown_by=("thinking",),
)
def signature(message: MessageStream) -> Iterator[Finding]:
    for block in message.blocks:
        if block.kind != "thinking" or block.stop is None:
            continue
        kinds = [delta_of(payload).get("type") for payload in block.deltas]
        if "signature_delta" not in kinds:
            said = "a thinking block has no signature_delta"
        elif kinds[-1] != "signature_delta":
            said = "the signature_delta of a thinking block is not its last"
        else:
            continue
        yield Finding(said, at(message.response, content=block.stop.offset))


@passive(
    "anth.text-start-empty",
    SHOULD,
    _STREAMING,
    "A block of text or thinking begins empty: what is said comes in its deltas.",
    on="message_streams",
    when=lambda message: any(block.kind in _SAID for block in message.blocks),
    absent="no block of text or thinking was seen",
)
def text_start_empty(message: MessageStream) -> Iterator[Finding]:
    for block in message.blocks:
        begun = block.content.get(_SAID.get(block.kind, ""))
        if not begun or not isinstance(begun, str):
            continue
        first = delta_of(block.deltas[0]).get(_SAID[block.kind]) if block.deltas else None
        again = ", and its first delta says it again" if first == begun else ""
        where = at(message.response, content=block.start.offset)
        yield Finding(f"a block of {block.kind} begins with {begun[:60]!r}{again}", where)


@passive(
    "anth.tool-input-empty",
    SHOULD,
    _STREAMING,
    "A tool_use block begins with the input {}.",
    on="message_streams",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
)
def tool_input_empty(message: MessageStream) -> Iterator[Finding]:
    for block in message.blocks:
        if block.kind == "tool_use" and block.content.get("input") != {}:
            has = f"the input {json.dumps(block.content['input'])[:60]}" if "input" in block.content else "no input"
            where = at(message.response, content=block.start.offset)
            yield Finding(f"a tool_use block begins with {has}", where)


@passive(
    "anth.tool-json",
    MUST,
    _STREAMING,
    "The joined partial_json of a tool call is a JSON object when the stop_reason is tool_use.",
    on="message_streams",
    when=lambda message: message.judged_to_the_end and _has_tools(message) and message.stop_reason == "tool_use",
    absent="no tool call was read to its end with the stop_reason tool_use",
    shown_by=("tools",),
)
def tool_json(message: MessageStream) -> Iterator[Finding]:
    for block in message.blocks:
        if block.kind == "tool_use" and not _is_object(block.arguments or json.dumps(block.content.get("input"))):
            where = at(message.response, content=(block.deltas or [block.start])[-1].offset)
            yield Finding(f"the input of {_label(block)} is no JSON object: {block.arguments[:60]}", where)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


# Why and where it ends.


@passive(
    "anth.stop-reason",
    MUST,
    _STREAMING,
    "Before message_stop comes a message_delta with the stop_reason.",
    on="message_streams",
    when=lambda message: bool(message.of_kind("message_stop")),
    absent="no message_stop was seen",
    needs=[Layer.END],
)
def stop_reason(message: MessageStream) -> Iterator[Finding]:
    stop = message.of_kind("message_stop")[0]
    reasons = [delta_of(one).get("stop_reason") for one in message.of_kind("message_delta") if one.offset < stop.offset]
    if not any(reasons):
        yield Finding("no stop_reason came before message_stop", at(message.response, content=stop.offset))


@passive(
    "anth.message-stop",
    MUST,
    _STREAMING,
    "The stream ends with exactly one message_stop.",
    on="message_streams",
    when=_judged_to_the_end,
    absent="no stream of a message was read to its end",
    needs=[Layer.END],
)
def message_stop(message: MessageStream) -> Iterator[Finding]:
    stops = message.of_kind("message_stop")
    last = message.events[-1]
    if not stops:
        how = "ends" if message.response.complete else "was cut"
        yield Finding(f"the stream {how} without message_stop", at(message.response, content=last.offset))
    elif len(stops) > 1:
        yield Finding(f"message_stop comes {len(stops)} times", at(message.response, content=stops[1].offset))
    elif last is not stops[0]:
        yield Finding(f"{kind_of(last)} comes after message_stop", at(message.response, content=last.offset))


@passive(
    "anth.no-done",
    SHOULD,
    _VERSIONS + " (2023-06-01)",
    "There is no [DONE]: message_stop is the end.",
    on="message_streams",
)
def no_done(message: MessageStream) -> Iterator[Finding]:
    marks = [event.offset for event in message.stream.events if event.is_sentinel]
    yield from gathered(message.response, marks, f"OpenAI's end mark {SENTINEL} is sent")


@passive(
    "anth.usage",
    MUST,
    _STREAMING,
    "message_delta has usage.output_tokens, which counts all tokens so far.",
    on="message_streams",
    when=lambda message: bool(message.of_kind("message_delta")),
    absent="no message_delta was seen",
    breaks="anthropic 2.12.0 raises AttributeError without it",
)
def usage(message: MessageStream) -> Iterator[Finding]:
    before = 0
    for payload in message.of_kind("message_start", "message_delta"):
        count = _output_tokens(payload)
        where = at(message.response, content=payload.offset)
        if type(count) is not int:
            if kind_of(payload) == "message_delta":
                yield Finding("message_delta has no usage.output_tokens", where)
            continue
        if count < before:
            yield Finding(f"usage.output_tokens falls from {before} to {count}: it is not cumulative", where)
        before = count


def _output_tokens(payload: Payload) -> Any:
    begun = payload.value.get("message")
    given = payload.value.get("usage") or (begun.get("usage") if isinstance(begun, dict) else None)
    return given.get("output_tokens") if isinstance(given, dict) else None


# Errors and signs of life.


@passive(
    "anth.error-shape",
    MUST,
    _ERRORS,
    'An error is {"type": "error", "error": {"type": …, "message": …}}, before the stream and within it.',
    on="responses",
    when=lambda response: dialect_of(response) == "anthropic-messages" and bool(_errors_of(response)),
    absent="no error of Anthropic's was seen",
    shown_by=("failure", "bad-json", "unknown-model"),
    breaks="anthropic 2.12.0 raises an error without its type, so that nobody knows whether to try again",
)
def error_shape(response: Response) -> Iterator[Finding]:
    for offset, value in _errors_of(response):
        flaw = _flaw_of_error(value)
        if flaw:
            text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
            yield Finding(f"an error has {flaw}: {excerpt(text)}", at(response, content=offset))


def _errors_of(response: Response) -> list[tuple[int, dict[str, Any]]]:
    """The errors in an answer, each with its offset. What is no JSON at all is for err.prestream-envelope to judge."""
    if response.status >= 400:
        body = json_of(response) if is_dialects_own(response) else None
        return [(0, body)] if isinstance(body, dict) and body.get("error") else []
    if response.media_type != "text/event-stream":
        return []
    return [(payload.offset, payload.value) for payload in MessageStream(Stream(response)).errors]


def _flaw_of_error(value: dict[str, Any]) -> str:
    error = value.get("error")
    if value.get("type") != "error":
        return "not the type `error`"
    if not isinstance(error, dict):
        return "no object `error`"
    missing = [name for name in ("type", "message") if not isinstance(error.get(name), str)]
    return f"no {missing[0]} in its `error`" if missing else ""


@passive(
    "anth.ping",
    INFO,
    _STREAMING,
    "A sign of life is an event ping, and no comment.",
    on="message_streams",
)
def ping(message: MessageStream) -> Iterator[Finding]:
    comments = [line.offset for line in message.stream.lines if line.is_comment]
    yield from gathered(message.response, comments, "a comment is sent")


@active(
    "anth.version-header",
    SHOULD,
    _VERSIONS,
    "A request without anthropic-version is refused with a 4xx and the dialect's error.",
    probes=("stream", "no-version"),
)
def version_header(case: Case) -> Iterator[Finding]:
    case.accepted("stream")
    response = refused_for_itself(case, "no-version")
    if not 400 <= response.status < 500:
        yield Finding(f"a request without anthropic-version is answered {response.status}", at(response))
