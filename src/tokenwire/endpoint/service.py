"""What the server's side of a dialect is. One module a dialect, all alike; `reference.services` has them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .replies import Framing, Payload, named_events, refusal_reply
from .seams import Call, Reply, Seams
from .story import Script
from .wanted import Refusal
from .websocket import Application

__all__ = ["Answer", "Encode", "Identity", "OpenSocket", "Service", "bearer_of"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one generation from another.

    :ivar number: for ids, so that they differ from request to request.
    :ivar created: seconds since 1970.
    """

    number: int
    created: int


class Answer(Protocol):
    """Answers a call. `pace`: seconds between two blocks of a stream.

    :raises Refusal: which is then put into the dialect's words.
    """

    def __call__(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply: ...


class Encode(Protocol):
    """A script as the payloads of a stream, or the messages of a WebSocket, in the dialect's words."""

    def __call__(self, script: Script, identity: Identity) -> Iterator[Payload]: ...


class OpenSocket(Protocol):
    """Makes what is said on a WebSocket. `identify` gives each generation its identity, `pace` is as in `Answer`."""

    def __call__(self, query: Mapping[str, str], identify: Callable[[], Identity], pace: float) -> Application: ...


def bearer_of(call: Call) -> str:
    """The bearer token of a call (RFC 6750, 2.1); empty for none."""
    scheme, _, token = call.header("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Service:
    """The server's side of one dialect.

    :ivar dialect: its name.
    :ivar encode: tells a script.
    :ivar framing: puts what it told into a body.
    :ivar routes: what answers, by path and method. A `{name}` in a path stands for any text without "/" and ":" in it,
        which is handed on in the call's `place`.
    :ivar sockets: what is spoken over WebSocket, by path.
    :ivar refuse: a refusal in the dialect's words.
    :ivar key: where a call carries its key.
    """

    dialect: str
    encode: Encode
    framing: Framing = named_events
    routes: Mapping[str, Mapping[str, Answer]] = field(default_factory=dict)
    sockets: Mapping[str, OpenSocket] = field(default_factory=dict)
    refuse: Callable[[Refusal], Reply] = refusal_reply
    key: Callable[[Call], str] = bearer_of
