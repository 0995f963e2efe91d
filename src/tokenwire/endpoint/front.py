"""The front door of the reference endpoint: by the head of its first request a connection is HTTP or WebSocket."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf

from .connection import MAX_HEADER_SIZE, EndpointConnection
from .seams import Ending, Seams
from .websocket import WebSocketEndpoint, asks_for_websocket

__all__ = ["FrontDoor"]

#: A bare LF ends a line too (RFC 9112 2.2).
_END_OF_HEAD = re.compile(rb"\n\r?\n")


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
        self._answers = False  # something was sent
        self._works_until = inf

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
            head = _END_OF_HEAD.split(data, maxsplit=1)[0]
            self._chosen = self._websocket() if asks_for_websocket(head) else self._http
        self._chosen.receive_data(data, now)

    def receive_eof(self, now: float) -> None:
        self._choose_http(now).receive_eof(now)

    def _choose_http(self, now: float) -> EndpointConnection | WebSocketEndpoint:
        """No more of the head is awaited: what there is of it goes to HTTP."""
        if self._chosen is None:
            self._chosen = self._http
            data, self._head = self._head, b""
            if data:  # to h11, no bytes are the end of the connection
                self._http.receive_data(data, now)
        return self._chosen

    def shut_down(self, now: float) -> None:
        """The endpoint goes away: whoever is on a WebSocket is told."""
        if isinstance(self._chosen, WebSocketEndpoint):
            self._chosen.shut_down()

    def client_left(self, how: Ending, now: float) -> None:
        """Nobody reads any more what is still to be said."""
        self._works_until = now + self._seams.left(how, begun=self._answers)

    def works(self, now: float) -> bool:
        """An answer is being made."""
        return self._chosen is not None and self._chosen.waiting and now < self._works_until

    def data_to_send(self, now: float) -> bytes:
        data = self._data_to_send(now)
        self._answers = self._answers or bool(data)
        return data

    def _data_to_send(self, now: float) -> bytes:
        if self._chosen is None:
            deadline = self._http.next_deadline()
            if deadline is None or now < deadline:
                return self._http.data_to_send(now)
        return self._choose_http(now).data_to_send(now)

    def next_deadline(self) -> float | None:
        return (self._chosen or self._http).next_deadline()

    def _decided(self) -> bool:
        may_be_get = self._head[:4] == b"GET "[: len(self._head)]
        return not may_be_get or bool(_END_OF_HEAD.search(self._head)) or len(self._head) > MAX_HEADER_SIZE
