"""Near misses of hops."""

from __future__ import annotations

from dataclasses import replace

from tokenwire.endpoint import Exchange, Reply

from ..faults.editing import CLOSE, RawFrame
from ..faults.hop import compressed, cut_off, without_field
from ..faults.time import gathered, timed
from .edits import blocks, exchange, reply, sent
from .miss import Undo, near_miss

_CHECKS = "checks.hop"

near_miss(
    "hop.status",
    of="errors-as-success",
    what="The hop makes another error of an error.",
    seams=reply(lambda told: replace(told, status=410) if told.status == 404 else told, lambda _: True),
    undo=Undo(_CHECKS, "return response.status < 400", "return response.status"),
    seen_in="unread-body",
)
near_miss(
    "hop.cut",
    of="clean-last-chunk",
    what="The hop resets the connection where the origin closes it.",
    seams=exchange(lambda told: replace(cut_off(told), ending="reset")),
    undo=Undo(
        _CHECKS,
        "if behind.complete:",
        "if (behind.complete, behind.transcript.ending) != (_.complete, _.transcript.ending):",
    ),
)


def _failed(told: Exchange) -> Exchange:
    head, *rest = cut_off(told).writes
    return Exchange([replace(head, data=head.data.replace(b" 200 ", b" 502 ")), *rest], "close")


near_miss(
    "hop.whole",
    of="cut-by-the-hop",
    what="What is cut is the hop's own error, and not the origin's answer.",
    seams=exchange(_failed),
    undo=Undo(
        _CHECKS,
        "in _alike(origin, hop):\n        if before.complete and",
        "in _pairs(origin, hop):\n        if before.complete and",
    ),
)
near_miss(
    "hop.fields",
    of="request-id-lost",
    what="What is lost is a field that whoever sends a response makes anew.",
    seams=exchange(lambda told: without_field(told, b"date"), lambda _: True),
    undo=Undo(_CHECKS, '"content-length", "date", "etag"', '"content-length", "etag"'),
)
near_miss(
    "hop.media-type",
    of="stream-as-octets",
    what="The hop adds a parameter to the media type.",
    seams=reply(lambda told: told.with_header("Content-Type", "text/event-stream; odd=1")),
    undo=Undo(
        _CHECKS,
        "if before.media_type != behind.media_type and",
        'if before.header("content-type") != behind.header("content-type") and',
    ),
    seen_in="usage",
)


def _whole_compressed(told: Reply) -> Reply:
    return compressed(told) if told.status == 200 and told.pieces is None else told


near_miss(
    "hop.coding",
    of="compress-unasked",
    what="The hop compresses answers that are not streamed.",
    seams=reply(_whole_compressed, lambda _: True),
    undo=Undo(
        _CHECKS,
        "[answer.response for answer in hop.arrivals if answer.coded]",
        '[response for response in hop.responses if response.header("content-encoding")]',
    ),
    seen_in="stream gzip whole",
)
near_miss(
    "hop.events",
    of="event-names-lost",
    what="The hop leaves out the blank behind the colon.",
    seams=blocks(lambda told: [block.replace(b"event: ", b"event:") for block in told]),
    undo=Undo(_CHECKS, "names = [line.name for", 'names = [line.text.partition(": ")[0] for'),
)
near_miss(
    "hop.flush",
    of="hop-gathers",
    what="The hop hands on two events at a time.",
    seams=timed(body=gathered(2)),
    undo=Undo(_CHECKS, "_FEWER = 3", "_FEWER = 1.5"),
)
near_miss(
    "hop.first-token",
    of="hop-is-slow",
    what="The hop adds a twentieth of a second.",
    seams=timed(first=0.05),
    undo=Undo(_CHECKS, "_ADDED = 0.1", "_ADDED = 0.01"),
)
near_miss(
    "hop.faster",
    of="hop-keeps-answers",
    what="An answer comes a little faster than from the origin.",
    seams=timed(body=lambda writes: [replace(write, delay=0.035) for write in writes]),
    undo=Undo(_CHECKS, "_QUICKER = 2", "_QUICKER = 1.2"),
)


def _other_reason(frame: RawFrame) -> RawFrame:
    return frame.with_payload(frame.payload[:2] + b"by a proxy") if frame.opcode == CLOSE else frame


near_miss(
    "hop.close-code",
    of="close-code-changed",
    what="The hop changes the reason, and leaves the code.",
    seams=sent(lambda frame: [_other_reason(frame)]),
    undo=Undo(_CHECKS, "came.code == expected.code", "came.payload == expected.payload"),
    seen_in="ws-answer ws-unmasked",
)
