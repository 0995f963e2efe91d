"""One conversation as a state machine: time is an argument, and nothing here touches a socket.

The sessions over WebSocket load when they are first used (PEP 562): streams over HTTP need no wsproto.
"""

from typing import TYPE_CHECKING

from .conversation import Session
from .durable import DurableSession
from .happening import Happening, Observe
from .hosts import Hosts
from .policy import BROWSER, DEFAULT, FIXED, NEVER, PATIENT, POLICIES, Policy, PolicyName, policy_named
from .request import (
    Request,
    Want,
    build_request,
    checked_headers,
    checked_key,
    checked_place,
    endpoint_url,
    over_the_other_transport,
)
from .timers import Timeouts

if TYPE_CHECKING:
    from .websocket import MessageSession, WebSocketSession
else:

    def __getattr__(name: str) -> object:
        if name not in ("MessageSession", "WebSocketSession"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import websocket

        return getattr(websocket, name)


__all__ = [
    "BROWSER",
    "DEFAULT",
    "FIXED",
    "NEVER",
    "PATIENT",
    "POLICIES",
    "DurableSession",
    "Happening",
    "Hosts",
    "MessageSession",
    "Observe",
    "Policy",
    "PolicyName",
    "Request",
    "Session",
    "Timeouts",
    "Want",
    "WebSocketSession",
    "build_request",
    "checked_headers",
    "checked_key",
    "checked_place",
    "endpoint_url",
    "over_the_other_transport",
    "policy_named",
]
