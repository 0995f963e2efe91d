"""The front door of the reference endpoint: by the head of its first request a connection is HTTP or WebSocket."""

from __future__ import annotations

from collections.abc import Callable

from .connection import MAX_HEADER_SIZE, EndpointConnection
from .seams import Ending, Seams
from .websocket import WebSocketEndpoint, asks_for_websocket

__all__ = ["FrontDoor"]


class FrontDoor:
    """Waits for the head of a GET; everything else goes to HTTP as it comes."""

    def __init__(
        self, http: EndpointConnection, websocket: Callable[[], WebSocketEndpoint], seams: Seams | None = None
    ) -> None:
        self._http = http
        self._websocket = websocket
        self._seams = seams or Seams()
        self._reset = False
        self._chosen: EndpointConnection | WebSocketEndpoint | None = None
        self._head = b""

    @property
    def ending(self) -> Ending:
        if self._reset:
            return "reset"
        return self._chosen.ending if self._chosen is not None else ""

    @property
    def full(self) -> bool:
        return self._chosen is not None and self._chosen.full

    def receive_data(self, data: bytes, now: float) -> None:
        passed = self._seams.incoming(data)
        if passed is None:
            self._reset = True
        elif passed:
            self._receive(passed, now)

    def _receive(self, data: bytes, now: float) -> None:
        if self._chosen is None:
            self._head += data
            if not self._decided():
                return
            data, self._head = self._head, b""
            self._chosen = self._websocket() if asks_for_websocket(data.partition(b"\r\n\r\n")[0]) else self._http
        self._chosen.receive_data(data, now)

    def receive_eof(self, now: float) -> None:
        if self._chosen is None:
            self._chosen = self._http
        self._chosen.receive_eof(now)

    def shut_down(self, now: float) -> None:
        """The endpoint goes away: whoever is on a WebSocket is told."""
        if isinstance(self._chosen, WebSocketEndpoint):
            self._chosen.shut_down()

    def data_to_send(self, now: float) -> bytes:
        return self._chosen.data_to_send(now) if self._chosen is not None else b""

    def next_deadline(self) -> float | None:
        return self._chosen.next_deadline() if self._chosen is not None else None

    def _decided(self) -> bool:
        may_be_get = self._head[:4] == b"GET "[: len(self._head)]
        return not may_be_get or b"\r\n\r\n" in self._head or len(self._head) > MAX_HEADER_SIZE
