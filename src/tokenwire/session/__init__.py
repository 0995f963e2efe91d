"""One conversation as a state machine: time is an argument, and nothing here touches a socket."""

from .conversation import Session
from .request import Request, build_request, endpoint_url
from .timers import Timeouts
from .websocket import MessageSession, WebSocketSession

__all__ = [
    "MessageSession",
    "Request",
    "Session",
    "Timeouts",
    "WebSocketSession",
    "build_request",
    "endpoint_url",
]
