"""A tunnel through an HTTP proxy (CONNECT, RFC 9110, 9.3.6) as a state machine, on h11."""

from __future__ import annotations

import h11

from ..errors import ConnectionFailed
from .http import MAX_HEADER_SIZE

__all__ = ["ConnectTunnel"]


class ConnectTunnel:
    """Asks a proxy to connect to `host` and `port`; `open` turns true when it has.

    :param userinfo: "name:password" for the proxy, or empty.
    """

    def __init__(self, host: str, port: int, userinfo: str = "") -> None:
        self.host = host
        self.port = port
        self.open: bool = False
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_SIZE)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers = [("host", authority)]
        if userinfo:
            import base64

            headers.append(("proxy-authorization", "Basic " + base64.b64encode(userinfo.encode()).decode()))
        self._authority = authority
        request = h11.Request(method="CONNECT", target=authority, headers=headers)
        self._to_send = (self._connection.send(request) or b"") + (self._connection.send(h11.EndOfMessage()) or b"")

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the proxy; empty for its end.

        :raises ConnectionFailed: when it refuses, or answers with something else than HTTP.
        """
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            if not data:
                raise ConnectionFailed("the proxy closed the connection", phase="proxy") from error
            raise ConnectionFailed(f"the proxy does not speak HTTP: {error}", phase="proxy") from error
        if isinstance(event, h11.Response):
            if not 200 <= event.status_code < 300:
                reason = event.reason.decode("latin-1")
                raise ConnectionFailed(
                    f"the proxy refused a tunnel to {self._authority}: {event.status_code} {reason}",
                    phase="proxy",
                )
            if self._connection.trailing_data[0]:
                raise ConnectionFailed("the proxy sent bytes before the tunnel was used", phase="proxy")
            self.open = True
