"""tokenwire: the wire of AI token streams. This module hands names on and defines nothing.

What needs asyncio, ssl or a third-party package loads when it is first used (PEP 562). Type checkers see the imports
alone, so that a mistyped name is an error for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .decoding import acollect, adecode, collect, decode
    from .dialects import DIALECTS, Dialect
    from .dialects.a2a import A2AReader
    from .dialects.answer import Answer, ToolCall
    from .dialects.decoder import Decoder
    from .dialects.events import (
        BlockKind,
        BlockStart,
        BlockStop,
        End,
        Error,
        Finish,
        FinishReason,
        Other,
        ReasoningDelta,
        Start,
        StreamEvent,
        TextDelta,
        ToolCallDelta,
        Usage,
    )
    from .dialects.events_as_dicts import event_from_dict, event_to_dict
    from .dialects.guess import Guess, guess_dialect
    from .dialects.mcp import MCPReader
    from .dialects.names import DialectName
    from .drivers.async_client import AsyncClient
    from .drivers.asyncio import AsyncStream, AsyncWebSocket, aconnect, astream
    from .drivers.blocking import Stream, WebSocket, connect, stream
    from .drivers.client import Client
    from .errors import (
        BodyTruncated,
        ConnectionFailed,
        DecodingError,
        EventTooLarge,
        HeaderTooLarge,
        InvalidRecording,
        InvalidURL,
        LocalProtocolError,
        NotAStream,
        OnError,
        RemoteProtocolError,
        StatusError,
        StreamFailed,
        StreamInterrupted,
        TimeoutExceeded,
        TokenwireError,
    )
    from .framing.sse import MAX_EVENT_SIZE, Note, ServerSentEvent, SSEParser, encode
    from .framing.websocket import Ping, Pong
    from .protocol.http import Body, HTTPEvent, HTTPExchange, HTTPRequest, Informational, ResponseEnd, ResponseHead
    from .protocol.url import Target, parse_url
    from .protocol.websocket import (
        Asked,
        Closed,
        ConnectionState,
        Opened,
        Rejected,
        WebSocketConnection,
        WebSocketEvent,
    )
    from .recording import Recording
    from .session import (
        POLICIES,
        DurableSession,
        Happening,
        Hosts,
        Observe,
        Policy,
        PolicyName,
        Request,
        Session,
        Timeouts,
        build_request,
    )
else:
    from importlib import import_module

    def __getattr__(name: str) -> object:
        module = _HOME.get(name)
        if module is None:
            raise AttributeError(f"module 'tokenwire' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
        return value


_HOMES = {
    "decoding": ("acollect", "adecode", "collect", "decode"),
    "dialects": ("DIALECTS", "Dialect"),
    "dialects.a2a": ("A2AReader",),
    "dialects.answer": ("Answer", "ToolCall"),
    "dialects.decoder": ("Decoder",),
    "dialects.events": (
        "BlockKind",
        "BlockStart",
        "BlockStop",
        "End",
        "Error",
        "Finish",
        "FinishReason",
        "Other",
        "ReasoningDelta",
        "Start",
        "StreamEvent",
        "TextDelta",
        "ToolCallDelta",
        "Usage",
    ),
    "dialects.events_as_dicts": ("event_from_dict", "event_to_dict"),
    "dialects.guess": ("Guess", "guess_dialect"),
    "dialects.mcp": ("MCPReader",),
    "dialects.names": ("DialectName",),
    "drivers.async_client": ("AsyncClient",),
    "drivers.asyncio": ("AsyncStream", "AsyncWebSocket", "aconnect", "astream"),
    "drivers.blocking": ("Stream", "WebSocket", "connect", "stream"),
    "drivers.client": ("Client",),
    "errors": (
        "BodyTruncated",
        "ConnectionFailed",
        "DecodingError",
        "EventTooLarge",
        "HeaderTooLarge",
        "InvalidRecording",
        "InvalidURL",
        "LocalProtocolError",
        "NotAStream",
        "OnError",
        "RemoteProtocolError",
        "StatusError",
        "StreamFailed",
        "StreamInterrupted",
        "TimeoutExceeded",
        "TokenwireError",
    ),
    "framing.sse": ("MAX_EVENT_SIZE", "Note", "SSEParser", "ServerSentEvent", "encode"),
    "framing.websocket": ("Ping", "Pong"),
    "protocol.http": (
        "Body",
        "HTTPEvent",
        "HTTPExchange",
        "HTTPRequest",
        "Informational",
        "ResponseEnd",
        "ResponseHead",
    ),
    "protocol.url": ("Target", "parse_url"),
    "protocol.websocket": (
        "Asked",
        "Closed",
        "ConnectionState",
        "Opened",
        "Rejected",
        "WebSocketConnection",
        "WebSocketEvent",
    ),
    "recording": ("Recording",),
    "session": (
        "POLICIES",
        "DurableSession",
        "Happening",
        "Hosts",
        "Observe",
        "Policy",
        "PolicyName",
        "Request",
        "Session",
        "Timeouts",
        "build_request",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DIALECTS",
    "MAX_EVENT_SIZE",
    "POLICIES",
    "A2AReader",
    "Answer",
    "Asked",
    "AsyncClient",
    "AsyncStream",
    "AsyncWebSocket",
    "BlockKind",
    "BlockStart",
    "BlockStop",
    "Body",
    "BodyTruncated",
    "Client",
    "Closed",
    "ConnectionFailed",
    "ConnectionState",
    "Decoder",
    "DecodingError",
    "Dialect",
    "DialectName",
    "DurableSession",
    "End",
    "Error",
    "EventTooLarge",
    "Finish",
    "FinishReason",
    "Guess",
    "HTTPEvent",
    "HTTPExchange",
    "HTTPRequest",
    "Happening",
    "HeaderTooLarge",
    "Hosts",
    "Informational",
    "InvalidRecording",
    "InvalidURL",
    "LocalProtocolError",
    "MCPReader",
    "NotAStream",
    "Note",
    "Observe",
    "OnError",
    "Opened",
    "Other",
    "Ping",
    "Policy",
    "PolicyName",
    "Pong",
    "ReasoningDelta",
    "Recording",
    "Rejected",
    "RemoteProtocolError",
    "Request",
    "ResponseEnd",
    "ResponseHead",
    "SSEParser",
    "ServerSentEvent",
    "Session",
    "Start",
    "StatusError",
    "Stream",
    "StreamEvent",
    "StreamFailed",
    "StreamInterrupted",
    "Target",
    "TextDelta",
    "TimeoutExceeded",
    "Timeouts",
    "TokenwireError",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "WebSocket",
    "WebSocketConnection",
    "WebSocketEvent",
    "__version__",
    "acollect",
    "aconnect",
    "adecode",
    "astream",
    "build_request",
    "collect",
    "connect",
    "decode",
    "encode",
    "event_from_dict",
    "event_to_dict",
    "guess_dialect",
    "parse_url",
    "stream",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
