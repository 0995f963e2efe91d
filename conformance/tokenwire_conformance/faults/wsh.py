"""Faults of the WebSocket handshake."""

from __future__ import annotations

import re

from .editing import Editing
from .fault import socket_fault


@socket_fault("wrong-accept", trips="wsh.accept")
class WrongAccept(Editing):
    def answer(self, head: bytes) -> bytes:
        return re.sub(rb"(?i)(sec-websocket-accept: ).", rb"\1_", head)


@socket_fault("accept-v12", trips="wsh.version")
class AcceptV12(Editing):
    def request(self, head: bytes) -> bytes:
        return head.replace(b"Sec-WebSocket-Version: 12", b"Sec-WebSocket-Version: 13")
