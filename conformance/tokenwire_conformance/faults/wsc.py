"""Faults of the closing of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterable

from .editing import CLOSE, Editing, RawFrame
from .fault import socket_fault


@socket_fault("no-close-reply", trips="wsc.echo")
class NoCloseReply(Editing):
    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if frame.opcode == CLOSE else [frame]
