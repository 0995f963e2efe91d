"""What was learned about hosts: over which transport they cannot be spoken with, and why.

No lesson is for ever, since proxies are mended: after some conversations the transport is tried again, and at once when
the other one has failed too. There is no clock here, so conversations are counted.
"""

from __future__ import annotations

from ..protocol.url import Target

__all__ = ["MAX_HOSTS", "MAX_USES", "Hosts"]

#: Lessons that are kept; the oldest gives way. A gateway in front of every provider there is has some hundred.
MAX_HOSTS = 1024

#: Conversations that go by a lesson before the transport is tried again: one round trip lost in a hundred.
MAX_USES = 100


class Hosts:
    """Lives as long as whoever keeps it: hand the same one to every stream, and look into it.

    hosts = tokenwire.Hosts()
    tokenwire.stream(url, hosts=hosts)
    hosts.without           # {"api.example.com:443 over WebSocket": "the server answered 426"}
    """

    def __init__(self) -> None:
        #: Why there is no such transport, by host, port and transport.
        self.without: dict[str, str] = {}
        self._uses: dict[str, int] = {}

    def learn(self, target: Target, why: str) -> None:
        """The transport of the target cannot be had there."""
        self.forget(target)
        if len(self.without) >= MAX_HOSTS:
            self._forget(next(iter(self.without)))
        self.without[_place(target)] = why

    def lacks(self, target: Target) -> str:
        """Why the transport of the target cannot be had there; empty where nothing speaks against it. Asked once a
        conversation, for each answer uses the lesson up a little."""
        place = _place(target)
        why = self.without.get(place, "")
        if why:
            self._uses[place] = self._uses.get(place, 0) + 1
            if self._uses[place] >= MAX_USES:
                self.forget(target)
        return why

    def forget(self, target: Target) -> None:
        """The transport of the target is to be tried again."""
        self._forget(_place(target))

    def _forget(self, place: str) -> None:
        self.without.pop(place, None)
        self._uses.pop(place, None)


def _place(target: Target) -> str:
    transport = "WebSocket" if target.scheme in ("ws", "wss") else "HTTP"
    return f"{target.host}:{target.port} over {transport}"
