"""Near misses of server-sent events."""

from __future__ import annotations

from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Seams

from ..faults import all_faults
from ..faults.fault import closes, is_streamed_chat
from .edits import anything, blocks, reply
from .miss import Undo, near_miss

#: The event in which most of them are planted: some tokens after the first.
_PLACE = 4

_EMOJI = "😀".encode()

#: The longest event that the suite takes without a word.
_BUFFER = 64 * 1024

_LINES, _FIELDS, _PAYLOADS = "checks.sse.lines", "checks.sse.fields", "checks.sse.payloads"
_SURROGATES = "reading.surrogates"


def _with(block: bytes) -> type[Seams]:
    """One block more."""
    return blocks(lambda told: [*told[:_PLACE], block, *told[_PLACE:]])


def _before(line: bytes) -> type[Seams]:
    """One line more in a block, before its data."""
    return blocks(lambda told: [*told[:_PLACE], line + told[_PLACE], *told[_PLACE + 1 :]])


def _replaced(old: bytes, new: bytes) -> type[Seams]:
    """One block with other bytes."""
    return blocks(lambda told: [*told[:_PLACE], told[_PLACE].replace(old, new, 1), *told[_PLACE + 1 :]])


def _padded(told: list[bytes]) -> list[bytes]:
    """One event is as long as the limit."""
    note = b'"obfuscation":"' + b"x" * (_BUFFER - len(told[_PLACE].rstrip()) - len(b'"obfuscation":"",')) + b'",'
    padded = told[_PLACE].replace(b'"created":', note + b'"created":')
    return [*told[:_PLACE], padded, *told[_PLACE + 1 :]]


class _CutWithinCharacter(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        if not closes(call):
            return blocks
        place = next(place for place, block in enumerate(blocks) if _EMOJI in block)
        return [*blocks[:place], blocks[place].partition(_EMOJI)[0] + _EMOJI[:2]]

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if not closes(call):
            return exchange
        return Exchange([write for write in exchange.writes if write.part != "end"], "close")


def _is_first_question(call: Call) -> bool:
    """The question of the probe `stream`."""
    return is_streamed_chat(call) and not closes(call)


def _cut_character(told: list[bytes]) -> list[bytes]:
    """One character is cut over two events."""
    place = next(place for place, block in enumerate(told) if _EMOJI in block)
    first = told[place].replace(_EMOJI, _EMOJI[:2])
    return [*told[:place], first, told[place].replace(b" " + _EMOJI, _EMOJI[2:]), *told[place + 1 :]]


near_miss(
    "sse.content-type",
    of="json-content-type",
    what="The media type is written in capitals.",
    seams=reply(lambda given: given.with_header("Content-Type", "Text/Event-Stream")),
    undo=Undo("reading.http", '.partition(";")[0].strip().lower()', '.partition(";")[0].strip()'),
)
near_miss(
    "sse.charset",
    of="charset-latin1",
    what="The charset is written in capitals and in quotes.",
    seams=reply(lambda given: given.with_header("Content-Type", 'text/event-stream; charset="UTF-8"')),
    undo=Undo("checks.sse.head", 'value.lower() != "utf-8"', 'value != "utf-8"'),
)
near_miss(
    "sse.nonstream-json",
    of="force-sse",
    what="An answer that is not streamed is of a type that is JSON by its suffix.",
    seams=reply(
        lambda given: given.with_header("Content-Type", "application/vnd.chat+json"),
        when=lambda call: not is_streamed_chat(call),
    ),
    undo=Undo("checks.sse.head", ' and not response.media_type.endswith("+json")', ""),
)
near_miss(
    "sse.utf8",
    of="cut-codepoint",
    what="The connection is cut within a character: what came of the body is no breach of UTF-8.",
    seams=_CutWithinCharacter,
    undo=Undo(_LINES, "final=stream.response.complete", "final=True"),
)
near_miss(
    "sse.no-bom",
    of="emit-bom",
    what="The bytes of a byte order mark stand within the stream, in a comment.",
    seams=_with(b": \xef\xbb\xbf\n\n"),
    undo=Undo("reading.stream", "self.content.startswith(_BOM)", "_BOM in self.content"),
)
near_miss(
    "sse.eol",
    of="mixed-eol",
    what="All lines end in CRLF.",
    seams=blocks(lambda told: [block.replace(b"\n", b"\r\n") for block in told]),
    undo=Undo(_LINES, "if len(set(kinds)) > 1:", "if set(kinds) != {_LF}:"),
)
near_miss(
    "sse.known-fields",
    of="error-field",
    what="The field retry is sent, which few servers do.",
    seams=_before(b"retry: 3000\n"),
    undo=Undo("checks.sse.common", '"id", "retry"}', '"id"}'),
)
near_miss(
    "sse.no-naked-lines",
    of="bare-json-error",
    what="JSON stands outside a data field, in a comment.",
    seams=_with(b': {"error":{"message":"failed"}}\n\n'),
    undo=Undo(_LINES, "if line.is_comment or line.name in FIELDS:", "if line.name in FIELDS:"),
)
near_miss(
    "sse.field-column",
    of="indent-data",
    what="A blank stands before a field name that has no meaning anyway.",
    seams=_before(b" note: indented\n"),
    undo=Undo(_LINES, 'if line.name.strip(" \\t") in FIELDS:', 'if line.name.strip(" \\t") != line.name:'),
)
near_miss(
    "sse.final-blank-line",
    of="drop-last-newline",
    what="The stream ends in a comment that no blank line closes.",
    seams=blocks(lambda told: [*told, b": bye\n"]),
    undo=Undo(_LINES, 'and (last.values("data") or last.values("event"))', "and last.lines"),
)
near_miss(
    "sse.one-json-per-event",
    of="missing-blank-line",
    what="One JSON text stands in two data lines of one event.",
    seams=_replaced(b'"created":', b'\ndata: "created":'),
    undo=Undo(
        _PAYLOADS,
        "for payload in stream.payloads if payload.error and _texts(payload.event.data) > 1]",
        'for payload in stream.payloads if len(payload.event.block.values("data")) > 1]',
    ),
)
near_miss(
    "sse.json",
    of="nan-in-json",
    what="NaN stands in a string.",
    seams=_replaced(b'"created":', b'"seconds":"NaN","created":'),
    undo=Undo(
        _PAYLOADS,
        'return f"{constants[0]} is no JSON value" if constants else ""',
        'return "NaN is no JSON value" if "NaN" in data else ""',
    ),
)
near_miss(
    "sse.json-dup-keys",
    of="dup-key",
    what="Two names of an object differ only in a capital.",
    seams=_replaced(b'"finish_reason":null', b'"finish_reason":null,"Finish_Reason":null'),
    undo=Undo(
        "reading.stream",
        "counts = Counter(name for name, _ in members)",
        "counts = Counter(name.lower() for name, _ in members)",
    ),
)
near_miss(
    "sse.surrogates",
    of="split-surrogate",
    what="The two escapes of a pair stand together.",
    seams=blocks(lambda told: [block.replace(_EMOJI, rb"\ud83d\ude00") for block in told]),
    undo=Undo(_SURROGATES, "paired = high is not None and match.start() == end and", "paired = match.end() == end and"),
)
near_miss(
    "sse.no-fffd",
    of="lossy-detokenise",
    what="A character is cut in the bytes, and it is the reader who shows U+FFFD.",
    seams=blocks(_cut_character, when=_is_first_question),
    undo=Undo(_PAYLOADS, " and _is_utf8(generation.body, step.offset)", ""),
)
near_miss(
    "sse.comments",
    of="comment-as-data",
    what="A sign of life is sent as data, and is JSON.",
    seams=_with(b'data: "ping"\n\n'),
    undo=Undo(_FIELDS, "if payload.error and KEEPALIVE.fullmatch(payload", "if KEEPALIVE.fullmatch(payload"),
)
near_miss(
    "sse.no-empty-events",
    of="id-only-block",
    what="A block with an event field has data, which is empty.",
    seams=_with(b"event: ping\ndata:\n\n"),
    undo=Undo(_FIELDS, 'not block.values("data") and', 'not any(block.values("data")) and'),
)
near_miss(
    "sse.keepalive-safe",
    of="ping-blank-after-id",
    what="After an id a comment stands in the block of an event, without a blank line of its own.",
    seams=_before(b"id: 4\n\n: ping\n"),
    undo=Undo(_FIELDS, "all(line.is_comment for line", "any(line.is_comment for line"),
)
near_miss(
    "sse.id-no-nul",
    of="nul-in-id",
    what="An id holds another control character.",
    seams=_before(b"id: 4\x01\n"),
    undo=Undo(_FIELDS, 'any("\\0" in value for', 'any(min(value) < " " for'),
)
near_miss(
    "sse.retry-digits",
    of="retry-float",
    what="The value of retry has leading zeros.",
    seams=_before(b"retry: 0150\n"),
    undo=Undo(
        _FIELDS, "if not (value.isascii() and value.isdigit()):", "if not (value.isdigit() and value[0] != '0'):"
    ),
)
near_miss(
    "sse.event-size",
    of="2MiB-event",
    what="An event has exactly 64 KiB.",
    seams=blocks(_padded),
    undo=Undo(_FIELDS, "block.size > _SMALL_BUFFER]", "block.size >= _SMALL_BUFFER]"),
)
near_miss(
    "sse.u2028-escaped",
    of="raw-u2028",
    what="U+2028 stands in a comment.",
    seams=_with(": \u2028\n\n".encode()),
    undo=Undo(_FIELDS, 'if line.name == "data" and (match', "if (match"),
)
near_miss(
    "sse.nothing-after-terminal",
    of="event-after-done",
    what="The end mark comes twice, which is for the dialect to judge.",
    seams=all_faults()["double-done"].seams,
    undo=Undo(
        _FIELDS,
        "for event in _after_sentinel(stream) if not event.is_sentinel]",
        "for event in _after_sentinel(stream)]",
    ),
)
near_miss(
    "sse.status-200",
    of="status-201",
    what="An answer that is no stream has the status 201.",
    seams=reply(lambda given: replace(given, status=201) if given.pieces is None else given, when=anything),
    undo=Undo("judging.case", "return asked_for_stream(response) and _looks_like_events(response)", "return True"),
    seen_in="usage whole",
)
