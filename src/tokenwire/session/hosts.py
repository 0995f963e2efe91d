"""What was learned about hosts: over which transport they cannot be spoken with, and why."""

from __future__ import annotations

from ..protocol.url import Target

__all__ = ["Hosts"]


class Hosts:
    """Lives as long as whoever keeps it: hand the same one to every stream, and look into it.

    hosts = tokenwire.Hosts()
    tokenwire.stream(url, hosts=hosts)
    hosts.without           # {"api.example.com:443 over WebSocket": "the server answered 426"}
    """

    def __init__(self) -> None:
        #: Why there is no such transport, by host, port and transport.
        self.without: dict[str, str] = {}

    def learn(self, target: Target, why: str) -> None:
        """The transport of the target cannot be had there."""
        self.without[_place(target)] = why

    def lacks(self, target: Target) -> str:
        """Why the transport of the target cannot be had there; empty where nothing speaks against it."""
        return self.without.get(_place(target), "")


def _place(target: Target) -> str:
    transport = "WebSocket" if target.scheme in ("ws", "wss") else "HTTP"
    return f"{target.host}:{target.port} over {transport}"
