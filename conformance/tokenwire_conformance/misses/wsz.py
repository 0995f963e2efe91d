"""Near misses of permessage-deflate."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha512

from tokenwire.endpoint import Turn

from ..faults import all_faults
from ..faults.editing import TEXT, Editing, RawFrame
from .edits import GREETING, cut_at, deflated, granted, sent
from .miss import Undo, near_miss

_DEFLATE, _MESSAGES = "checks.wsz", "reading.messages"

_TAIL = b"\x00\x00\xff\xff"
_RSV1 = 4

#: A text that does not repeat itself: longer than a window of 256 bytes, and shorter than one of 512.
_NOISE = "".join(sha512(b"%d" % n).hexdigest() for n in range(3))


class _RefusesOdd(Editing):
    """An offer that nobody knows fails the handshake."""

    _odd = False

    def request(self, head: bytes) -> bytes:
        self._odd = b"; x_" in head
        return head

    def answer(self, head: bytes) -> bytes:
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" if self._odd else head


class _TakesNeither(Editing):
    """Of two offers, one of them odd, none is taken."""

    def request(self, head: bytes) -> bytes:
        return re.sub(rb"Sec-WebSocket-Extensions: [^\r]*; x_[^\r]*,[^\r]*\r\n", b"", head)


class _PromisesNothing(Editing):
    """That each message shall inflate by itself is neither heard nor promised."""

    def request(self, head: bytes) -> bytes:
        return head.replace(b"; server_no_context_takeover\r\n", b"\r\n")


class _InTwoBlocks(Editing):
    """Every compressed message has two blocks, and so an end of a block within."""

    def __init__(self) -> None:
        super().__init__()
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        if frame.rsv != _RSV1:
            return [frame]
        text = self._inflater.decompress(frame.payload + _TAIL)
        halves = (text[: len(text) // 2], text[len(text) // 2 :])
        blocks = [self._deflater.compress(half) + self._deflater.flush(zlib.Z_SYNC_FLUSH) for half in halves]
        return [frame.with_payload(b"".join(blocks).removesuffix(_TAIL))]


class _FailsBehindFirst(Editing):
    """Where compression is offered as browsers do, the server fails when it has said an answer."""

    _offered = False

    def request(self, head: bytes) -> bytes:
        self._offered = b"client_max_window_bits" in head
        return head

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return replace(turn, close=1011) if self._offered and len(turn.messages) > 1 else turn


def _far_behind(head: bytes) -> bytes:
    """Where a window of 512 bytes was agreed, a first message refers back further than 256."""
    if b"server_max_window_bits=9" not in head:
        return head
    return head + RawFrame(TEXT, deflated(b'{"type":"%s"}' % (_NOISE * 2).encode()), rsv=_RSV1).encode()


# What is agreed.

near_miss(
    "wsz.negotiate",
    of="bad-params",
    what="client_max_window_bits is agreed where it was offered.",
    seams=all_faults()["bad-params"].seams,
    undo=Undo(
        _DEFLATE,
        'agreed.has("client_max_window_bits") and not offer.has("client_max_window_bits")',
        'agreed.has("client_max_window_bits")',
    ),
    seen_in="ws-deflate",
)
near_miss(
    "wsz.decline",
    of="accept-bad-offer",
    what="The whole handshake of an odd offer is refused.",
    seams=_RefusesOdd,
    undo=Undo(
        _DEFLATE, "response.status == 101 and case.socket(probe)", "response.status != 101 or case.socket(probe)"
    ),
)
near_miss(
    "wsz.fallback-offer",
    of="fail-on-first-offer",
    what="None of the two offers is taken.",
    seams=_TakesNeither,
    undo=Undo(_DEFLATE, "if agreed is not None and any(name not in", "if agreed is None or any(name not in"),
)

# What is sent.

near_miss(
    "wsz.rsv1",
    of="rsv1-everywhere",
    what="A compressed message comes in two fragments, of which the first has RSV1.",
    seams=sent(lambda frame: cut_at(frame, 1) if frame.rsv == _RSV1 and frame.fin else [frame]),
    undo=Undo(
        _MESSAGES,
        "frame.rsv & 4 and (frame.is_control or frame.opcode == CONTINUATION)",
        "frame.rsv & 4 and frame.is_control or frame.opcode == CONTINUATION",
    ),
)
near_miss(
    "wsz.tail",
    of="keep-tail",
    what="00 00 FF FF stands within a compressed message, at the end of a block, and not at its own.",
    seams=_InTwoBlocks,
    undo=Undo(_MESSAGES, "if payload.endswith(TAIL):", "if TAIL in payload:"),
)
near_miss(
    "wsz.no-context",
    of="keep-context",
    what="Messages refer to earlier ones, and nothing else was promised.",
    seams=_PromisesNothing,
    undo=Undo(_MESSAGES, 'b"" if deflate.has("server_no_context_takeover") else self._window', 'b""'),
)
near_miss(
    "wsz.window-bits",
    of="window-15",
    what="A message refers back as far as the window reaches.",
    seams=granted(_far_behind),
    undo=Undo(_MESSAGES, "not inflates(payload, window, bits)", "not inflates(payload, window, bits - 1)"),
)

# What is taken, and what is not.

near_miss(
    "wsz.client-context",
    of="reset-inflater",
    what="The first question is answered, and then the server fails.",
    seams=_FailsBehindFirst,
    undo=Undo("checks.findings", "    if not socket.answered:", "    if not (socket.answered and socket.left):"),
)
near_miss(
    "wsz.bomb",
    of="no-inflate-limit",
    what="The server greets before the message is sent.",
    seams=granted(lambda head: head + RawFrame(TEXT, GREETING).encode()),
    undo=Undo(_DEFLATE, "if not frame.is_control and frame.offset >= socket.spoken_at]", "if not frame.is_control]"),
)
