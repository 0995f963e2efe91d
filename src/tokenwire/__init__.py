"""tokenwire: the wire of AI token streams. This module hands names on and defines nothing.

What needs asyncio, ssl or a third-party package loads when it is first used (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .decoding import adecode as adecode
    from .decoding import decode as decode
    from .dialects import DIALECTS as DIALECTS
    from .dialects import Dialect as Dialect
    from .dialects.a2a import A2AReader as A2AReader
    from .dialects.answer import Answer as Answer
    from .dialects.answer import ToolCall as ToolCall
    from .dialects.decoder import Decoder as Decoder
    from .dialects.events import (
        BlockStart as BlockStart,
    )
    from .dialects.events import (
        BlockStop as BlockStop,
    )
    from .dialects.events import (
        End as End,
    )
    from .dialects.events import (
        Error as Error,
    )
    from .dialects.events import (
        Finish as Finish,
    )
    from .dialects.events import (
        Other as Other,
    )
    from .dialects.events import (
        ReasoningDelta as ReasoningDelta,
    )
    from .dialects.events import (
        Start as Start,
    )
    from .dialects.events import (
        StreamEvent as StreamEvent,
    )
    from .dialects.events import (
        TextDelta as TextDelta,
    )
    from .dialects.events import (
        ToolCallDelta as ToolCallDelta,
    )
    from .dialects.events import (
        Usage as Usage,
    )
    from .dialects.guess import Guess as Guess
    from .dialects.guess import guess_dialect as guess_dialect
    from .dialects.mcp import MCPReader as MCPReader
    from .drivers.async_client import AsyncClient as AsyncClient
    from .drivers.asyncio import AsyncStream as AsyncStream
    from .drivers.asyncio import AsyncWebSocket as AsyncWebSocket
    from .drivers.asyncio import aconnect as aconnect
    from .drivers.asyncio import astream as astream
    from .drivers.blocking import Stream as Stream
    from .drivers.blocking import WebSocket as WebSocket
    from .drivers.blocking import connect as connect
    from .drivers.blocking import stream as stream
    from .drivers.client import Client as Client
    from .errors import (
        BodyTruncated as BodyTruncated,
    )
    from .errors import (
        ConnectionFailed as ConnectionFailed,
    )
    from .errors import (
        DecodingError as DecodingError,
    )
    from .errors import (
        EventTooLarge as EventTooLarge,
    )
    from .errors import (
        HeaderTooLarge as HeaderTooLarge,
    )
    from .errors import (
        InvalidRecording as InvalidRecording,
    )
    from .errors import (
        InvalidURL as InvalidURL,
    )
    from .errors import (
        LocalProtocolError as LocalProtocolError,
    )
    from .errors import (
        NotAStream as NotAStream,
    )
    from .errors import (
        RemoteProtocolError as RemoteProtocolError,
    )
    from .errors import (
        StatusError as StatusError,
    )
    from .errors import (
        StreamInterrupted as StreamInterrupted,
    )
    from .errors import (
        TimeoutExceeded as TimeoutExceeded,
    )
    from .errors import (
        TokenwireError as TokenwireError,
    )
    from .framing.sse import (
        MAX_EVENT_SIZE as MAX_EVENT_SIZE,
    )
    from .framing.sse import (
        Note as Note,
    )
    from .framing.sse import (
        ServerSentEvent as ServerSentEvent,
    )
    from .framing.sse import (
        SSEParser as SSEParser,
    )
    from .framing.sse import (
        encode as encode,
    )
    from .protocol.http import HTTPExchange as HTTPExchange
    from .protocol.http import HTTPRequest as HTTPRequest
    from .protocol.websocket import WebSocketConnection as WebSocketConnection
    from .recording import Recording as Recording
    from .session import POLICIES as POLICIES
    from .session import DurableSession as DurableSession
    from .session import Happening as Happening
    from .session import Hosts as Hosts
    from .session import Policy as Policy
    from .session import Session as Session
    from .session import Timeouts as Timeouts

_HOMES = {
    "decoding": ("adecode", "decode"),
    "dialects": ("DIALECTS", "Dialect"),
    "dialects.a2a": ("A2AReader",),
    "dialects.answer": ("Answer", "ToolCall"),
    "dialects.decoder": ("Decoder",),
    "dialects.events": (
        "BlockStart",
        "BlockStop",
        "End",
        "Error",
        "Finish",
        "Other",
        "ReasoningDelta",
        "Start",
        "StreamEvent",
        "TextDelta",
        "ToolCallDelta",
        "Usage",
    ),
    "dialects.guess": ("Guess", "guess_dialect"),
    "dialects.mcp": ("MCPReader",),
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
        "RemoteProtocolError",
        "StatusError",
        "StreamInterrupted",
        "TimeoutExceeded",
        "TokenwireError",
    ),
    "protocol.websocket": ("WebSocketConnection",),
    "framing.sse": ("MAX_EVENT_SIZE", "Note", "SSEParser", "ServerSentEvent", "encode"),
    "protocol.http": ("HTTPExchange", "HTTPRequest"),
    "recording": ("Recording",),
    "session": ("POLICIES", "DurableSession", "Happening", "Hosts", "Policy", "Session", "Timeouts"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'tokenwire' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
