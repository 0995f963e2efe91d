"""Faults of hops: what a proxy or a gateway does to the answers of a sound endpoint behind it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from tokenwire.endpoint import Call, Exchange, Piece, Reply, Seams, Write

from .editing import CLOSE, Editing, RawFrame
from .fault import closes, edit_head, edit_writes, fault
from .time import gathered, held, is_coded, timed

hop_fault = partial(fault, origin=Seams)


@hop_fault("errors-as-success", trips="hop.status")
class ErrorsAsSuccess(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, status=200) if reply.status == 404 else reply


@hop_fault("success-as-error", trips="hop.status")
class SuccessAsError(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return replace(reply, status=502) if reply.status == 200 and closes(call) else reply


class BreaksOff(Seams):
    """An origin that dies within an answer."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return cut_off(exchange) if closes(call) else exchange


@fault("clean-last-chunk", trips="hop.cut", stages="hop.cut", origin=BreaksOff)
class CleanLastChunk(BreaksOff):
    """As caddy does where its upstream dies within a chunked answer."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        cut = super().exchange(call, exchange)
        return Exchange([*cut.writes, Write(0.0, b"0\r\n\r\n", "end")], cut.ending) if closes(call) else cut


@hop_fault("cut-by-the-hop", trips="hop.whole")
class CutByTheHop(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return cut_off(exchange) if closes(call) else exchange


def cut_off(exchange: Exchange) -> Exchange:
    """The answer without its end."""
    cut = edit_writes(exchange, lambda write: None if write.part == "end" else write)
    return replace(cut, ending="close")


@hop_fault("request-id-lost", trips="hop.fields")
class RequestIdLost(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return without_field(exchange, b"x-request-id")


def without_field(exchange: Exchange, name: bytes) -> Exchange:
    return edit_head(exchange, lambda head: re.sub(rb"(?im)^" + name + rb":[^\r\n]*\r\n", b"", head))


@hop_fault("stream-as-octets", trips="hop.media-type")
class StreamAsOctets(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("Content-Type", "application/octet-stream") if closes(call) else reply


@hop_fault("compress-unasked", trips="hop.coding")
class CompressUnasked(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return compressed(reply) if reply.pieces and not is_coded(call) else reply


def compressed(reply: Reply) -> Reply:
    """The reply with its body in gzip, flushed after each piece."""
    deflater = zlib.compressobj(wbits=31)

    def code(data: bytes) -> bytes:
        return deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)

    coded = reply.with_header("Content-Encoding", "gzip")
    if reply.pieces is None:
        return replace(coded, body=code(reply.body) + deflater.flush())
    pieces = [Piece(piece.delay, code(piece.data)) for piece in reply.pieces]
    return replace(coded, pieces=[*pieces, Piece(0.0, deflater.flush())])


@hop_fault("event-names-lost", trips="hop.events", dialect="anthropic-messages")
class EventNamesLost(Seams):
    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return [re.sub(rb"(?m)^event:.*\n", b"", block) for block in blocks]


hop_fault("hop-holds-back", trips="hop.flush hop.first-token")(timed(body=held))
hop_fault("hop-gathers", trips="hop.flush hop.first-token")(timed(body=gathered(6)))
hop_fault("hop-is-slow", trips="hop.first-token")(timed(first=1.0))
hop_fault("hop-keeps-answers", trips="hop.faster hop.flush")(
    timed(body=lambda writes: [replace(write, delay=0.0) for write in writes])
)


@hop_fault("close-code-changed", trips="hop.close-code", dialect="holysheep", transport="websocket")
class CloseCodeChanged(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload((1011).to_bytes(2, "big")) if frame.opcode == CLOSE else frame
