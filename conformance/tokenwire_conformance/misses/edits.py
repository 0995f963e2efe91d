"""Seams of one edit: of the payloads of a stream, of its blocks, of the reply, of the head, of frames.

Each is planted in what `when` picks; if not told otherwise, in the stream of the probe `usage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from zlib import MAX_WBITS, Z_SYNC_FLUSH, compressobj

from tokenwire.endpoint import Call, Ending, Exchange, Reply, Seams, Turn

from ..faults.editing import CLOSE, CONTINUATION, Editing, RawFrame
from ..faults.fault import closes, edit_head

__all__ = [
    "GREETING",
    "HINTS",
    "Json",
    "ResetsAfterClose",
    "answer_head",
    "anything",
    "before",
    "blocks",
    "chunks",
    "closing_with",
    "code",
    "cut_at",
    "deflated",
    "exchange",
    "granted",
    "head",
    "incoming",
    "name_after_data",
    "reply",
    "sent",
    "turn",
]

Json = dict[str, Any]
When = Callable[[Call], bool]

#: An interim answer.
HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"

#: A first message that no dialect knows.
GREETING = b'{"type":"greeting"}'


def anything(call: Call | None) -> bool:
    """Every request, also one that the parser refuses."""
    return True


def chunks(edit: Callable[[list[Json]], list[Json]], when: When = closes) -> type[Seams]:
    class Edited(Seams):
        def chunks(self, call: Call, chunks: list[Json]) -> list[Json]:
            return edit(chunks) if when(call) else chunks

    return Edited


def blocks(edit: Callable[[list[bytes]], list[bytes]], when: When = closes) -> type[Seams]:
    class Edited(Seams):
        def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
            return edit(blocks) if when(call) else blocks

    return Edited


def name_after_data() -> type[Seams]:
    """In each event the name stands after the data."""

    def edit(block: bytes) -> bytes:
        name, _, data = block.partition(b"\n")
        return b"%s\n%s\n\n" % (data.rstrip(), name)

    return blocks(lambda told: [edit(block) for block in told])


def reply(edit: Callable[[Reply], Reply], when: When = closes) -> type[Seams]:
    class Edited(Seams):
        def reply(self, call: Call, reply: Reply) -> Reply:
            return edit(reply) if when(call) else reply

    return Edited


def exchange(edit: Callable[[Exchange], Exchange], when: Callable[[Call | None], bool] = closes) -> type[Seams]:
    class Edited(Seams):
        def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
            return edit(exchange) if when(call) else exchange

    return Edited


def head(edit: Callable[[bytes], bytes], when: Callable[[Call | None], bool] = closes) -> type[Seams]:
    """Edits the head of an answer."""
    return exchange(lambda told: edit_head(told, edit), when)


def incoming(edit: Callable[[bytes], bytes | None]) -> type[Seams]:
    """Edits what the client sent; None resets the connection."""

    class Edited(Seams):
        def incoming(self, data: bytes) -> bytes | None:
            return edit(data)

    return Edited


def turn(edit: Callable[[Turn], Turn]) -> type[Seams]:
    """Edits what an application says on a WebSocket."""

    class Edited(Seams):
        def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
            return edit(turn)

    return Edited


def sent(edit: Callable[[RawFrame], Iterable[RawFrame]]) -> type[Seams]:
    """Edits the frames that the endpoint sends on a WebSocket."""

    class Edited(Editing):
        def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
            return edit(frame)

    return Edited


def before(opcode: int, *frames: RawFrame) -> type[Seams]:
    """Frames more before each frame of a kind."""
    return sent(lambda frame: [*frames, frame] if frame.opcode == opcode else [frame])


def closing_with(payload: bytes) -> type[Seams]:
    """The server's Close says something else."""
    return sent(lambda frame: [frame.with_payload(payload)] if frame.opcode == CLOSE else [frame])


def cut_at(frame: RawFrame, place: int, *between: RawFrame) -> list[RawFrame]:
    """A message in two fragments. Of a compressed one the first alone says so."""
    first, rest = frame.payload[:place], frame.payload[place:]
    return [
        replace(frame.with_payload(first), fin=False),
        *between,
        replace(frame.with_payload(rest), opcode=CONTINUATION, rsv=0),
    ]


class ResetsAfterClose(Editing):
    """The connection is reset when the server has said Close."""

    _closed = False

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._closed = self._closed or frame.opcode == CLOSE
        return [frame]

    def ending(self, ending: Ending) -> Ending:
        return "reset" if self._closed and ending else ending


def deflated(payload: bytes) -> bytes:
    """A compressed message."""
    deflater = compressobj(wbits=-MAX_WBITS)
    return (deflater.compress(payload) + deflater.flush(Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def code(number: int) -> bytes:
    """The payload of a Close without a reason."""
    return number.to_bytes(2, "big")


def answer_head(edit: Callable[[bytes], bytes]) -> type[Seams]:
    """Edits the answer to a handshake."""

    class Edited(Editing):
        def answer(self, head: bytes) -> bytes:
            return edit(head)

    return Edited


def granted(edit: Callable[[bytes], bytes]) -> type[Seams]:
    """Edits the 101, behind which frames may follow."""
    return answer_head(lambda head: edit(head) if head.startswith(b"HTTP/1.1 101") else head)
