"""Faults of WebSocket frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .editing import Editing, RawFrame
from .fault import socket_fault


@socket_fault("mask-server", trips="wsf.server-unmasked")
class MaskServer(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, masked=True)


@socket_fault("accept-unmasked", trips="wsf.need-mask")
class AcceptUnmasked(Editing):
    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        yield replace(frame, masked=True)
