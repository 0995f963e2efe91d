"""Faults of permessage-deflate."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import replace

from .editing import CONTINUATION, PING, TEXT, Editing, RawFrame
from .fault import socket_fault

_TAIL = b"\x00\x00\xff\xff"
_RSV1 = 4


class _Deflating(Editing):
    """Knows whether the endpoint has agreed to permessage-deflate."""

    agreed = False

    def answer(self, head: bytes) -> bytes:
        self.agreed = b"permessage-deflate" in head
        return head


class _Promising(Editing):
    """Agrees to a parameter of the offer that the endpoint has not heard of."""

    parameter = b""
    _promised = False

    def request(self, head: bytes) -> bytes:
        demanded = b"permessage-deflate; " + self.parameter + b"\r\n"
        self._promised = demanded in head
        return head.replace(demanded, b"permessage-deflate\r\n")

    def answer(self, head: bytes) -> bytes:
        if not self._promised:
            return head
        return head.replace(b"permessage-deflate", b"permessage-deflate; " + self.parameter)


@socket_fault("bad-params", trips="wsz.negotiate")
class BadParams(Editing):
    def answer(self, head: bytes) -> bytes:
        return head.replace(b"permessage-deflate", b"permessage-deflate; client_max_window_bits=15")


@socket_fault("accept-bad-offer", trips="wsz.decline")
class AcceptBadOffer(Editing):
    def request(self, head: bytes) -> bytes:
        return re.sub(rb"; x_[^;,\r]*", b"", head)


@socket_fault("fail-on-first-offer", trips="wsz.fallback-offer")
class FailOnFirstOffer(Editing):
    def request(self, head: bytes) -> bytes:
        return re.sub(rb"(permessage-deflate; )x_[^,\r]*,", rb"\1=,", head)


@socket_fault("rsv1-everywhere", trips="wsz.rsv1")
class Rsv1Everywhere(_Deflating):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, rsv=_RSV1) if self.agreed else frame


@socket_fault("keep-tail", trips="wsz.tail")
class KeepTail(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield frame.with_payload(frame.payload + _TAIL) if frame.rsv == _RSV1 else frame


@socket_fault("keep-context", trips="wsz.no-context")
class KeepContext(_Promising):
    parameter = b"server_no_context_takeover"


@socket_fault("window-15", trips="wsz.window-bits")
class Window15(_Promising):
    parameter = b"server_max_window_bits=9"


@socket_fault("require-rsv1", trips="wsz.uncompressed")
class RequireRsv1(_Deflating):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        return None if self.agreed and frame.opcode == TEXT and not frame.rsv else [frame]


@socket_fault("reset-inflater", trips="wsz.client-context")
class ResetInflater(Editing):
    def request(self, head: bytes) -> bytes:
        return head.replace(b"permessage-deflate", b"permessage-deflate; client_no_context_takeover")

    def answer(self, head: bytes) -> bytes:
        return head.replace(b"; client_no_context_takeover", b"")


@socket_fault("stop-at-bfinal", trips="wsz.blocks")
class StopAtBfinal(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            read = inflater.decompress(frame.payload) if frame.rsv == _RSV1 else b""
        except zlib.error:
            return [frame]
        return [replace(frame, payload=read, rsv=0)] if inflater.eof else [frame]


@socket_fault("no-stored-blocks", trips="wsz.blocks")
class NoStoredBlocks(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        stored = frame.rsv == _RSV1 and not frame.fin and not frame.payload[0] & 0b110
        return None if stored else [frame]


@socket_fault("swallow-inflate", trips="wsz.bad-deflate")
class SwallowInflate(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        reserved = frame.rsv == _RSV1 and frame.opcode == TEXT and frame.payload[0] & 0b110 == 0b110
        return [] if reserved else [frame]


@socket_fault("ignore-rsv1-continuation", trips="wsz.rsv1-reject")
class IgnoreRsv1Continuation(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        return [replace(frame, rsv=0)] if frame.opcode == CONTINUATION else [frame]


@socket_fault("ignore-rsv1-ping", trips="wsz.rsv1-reject")
class IgnoreRsv1Ping(_Deflating):
    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        return [replace(frame, rsv=0)] if self.agreed and frame.opcode == PING else [frame]


@socket_fault("no-inflate-limit", trips="wsz.bomb")
class NoInflateLimit(Editing):
    """What is too large for the endpoint is answered as what it is: no question."""

    def received(self, frame: RawFrame) -> Iterable[RawFrame] | None:
        large = frame.rsv == _RSV1 and len(frame.payload) > 64 * 1024
        return [replace(frame, payload=b" ", rsv=0, length=None, length_size=None)] if large else [frame]
