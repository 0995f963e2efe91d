"""What a dialect is: how to ask, how to read, and what its errors look like. One module a dialect, all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .events import StreamEvent

__all__ = ["Dialect", "DialectDecoder", "Message"]


class Message(Protocol):
    """A server-sent event or a WebSocket message, as a dialect sees it: it knows no transport."""

    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str: ...


class DialectDecoder(Protocol):
    """Messages in, stream events out, for one stream. `End` comes once, last; after it there is nothing."""

    def receive_message(self, message: Message) -> list[StreamEvent]:
        """Takes one message. Never raises for what a peer may send."""

    def receive_eof(self) -> list[StreamEvent]:
        """The stream ended: gives what was pending and the `End`, unless that was given before."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format of AI token streams.

    :ivar name: as users write it.
    :ivar framing: what cuts the body into messages; "raw" does not cut.
    :ivar path: where a server has it, for a URL that names only the server.
    :ivar method: of the request.
    :ivar content_type: of the response; empty where any will do.
    :ivar decoder: makes the decoder of one stream.
    :ivar body: completes the JSON body of a request that is to be streamed.
    :ivar error_fields: finds the error object in a JSON body, or gives an empty mapping.
    :ivar stray_errors: its servers write errors between the events, as bare JSON or as a field `error`, which
        server-sent events do not know: such lines become a message named "error" (framing "sse").
    :ivar websocket: spoken over WebSocket too, one JSON text a message, the request being the first.
    """

    name: str
    framing: Literal["sse", "raw"]
    path: str
    method: Literal["GET", "POST"]
    content_type: str
    decoder: Callable[[], DialectDecoder]
    body: Callable[[Mapping[str, Any]], dict[str, Any]]
    error_fields: Callable[[Any], dict[str, Any]]
    stray_errors: bool = False
    websocket: bool = False
