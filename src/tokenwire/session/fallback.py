"""The same conversation over the other transport: when it is taken, and what is learned about the host from that."""

from __future__ import annotations

from ..dialects.dialect import Dialect
from ..errors import RemoteProtocolError, StatusError, TimeoutExceeded, TokenwireError
from ..protocol.url import Target
from .asks import Ask
from .hosts import Hosts
from .policy import Policy
from .request import Request

__all__ = ["Fallback"]

#: A handshake to which there was no answer, or none that a WebSocket can begin with.
_NO_HANDSHAKE = (RemoteProtocolError, TimeoutExceeded)


class Fallback:
    """Takes the other transport once at most, and only before there was a stream.

    :param other: what is asked there, and the dialect that it is in there; None where it cannot be asked.
    """

    def __init__(self, other: tuple[Request, Dialect] | None, policy: Policy, hosts: Hosts) -> None:
        self._other = Ask("falling back", *other) if other is not None else None
        self._policy = policy
        self._hosts = hosts
        self._skipped: Target | None = None  # not tried because of a lesson
        self._lesson: tuple[Target, str] | None = None  # what cannot be had and why, if the other one can

    def first(self, ask: Ask) -> Ask:
        """What to ask first: the other one where the host is known not to have this one."""
        target = ask.request.http.target
        if self._other is None or not self._is_allowed(ask) or not self._hosts.lacks(target):
            return ask
        self._skipped = target
        return self._other

    def instead_of(self, ask: Ask, error: TokenwireError, *, in_handshake: bool) -> Ask | None:
        """The other one, where the error says that this transport cannot be had.

        :param in_handshake: the connection stood, and no WebSocket was opened over it.
        """
        if self._other is None or ask.kind == self._other.kind or not self._is_allowed(ask):
            return None
        websocket = ask.request.websocket
        if isinstance(error, StatusError):
            # Over HTTP 400 speaks of the body, and 200 is no refusal.
            unusable = error.status in self._policy.no_transport and (websocket or error.status not in (200, 400))
        else:
            unusable = websocket and in_handshake and isinstance(error, _NO_HANDSHAKE)
        if not unusable:
            return None
        self._lesson = (ask.request.http.target, str(error))
        return self._other

    def streamed(self) -> None:
        """There is a stream: where it comes over the other transport, the first one is known not to be had."""
        if self._lesson is not None:
            self._hosts.learn(*self._lesson)
            self._lesson = None

    def failed(self) -> None:
        """There was never a stream: if that was by a lesson, it is no good."""
        if self._skipped is not None:
            self._hosts.forget(self._skipped)

    def _is_allowed(self, ask: Ask) -> bool:
        return self._policy.fallback == "both" or (ask.request.websocket and self._policy.fallback == "to HTTP")
