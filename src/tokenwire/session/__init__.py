"""One conversation as a state machine: time is an argument, and nothing here touches a socket."""

from .conversation import Session
from .durable import DurableSession
from .happening import Happening, Observe
from .hosts import Hosts
from .policy import BROWSER, DEFAULT, FIXED, NEVER, PATIENT, POLICIES, Policy, PolicyName, policy_named
from .request import Request, Want, build_request, checked_headers, endpoint_url, over_the_other_transport
from .timers import Timeouts
from .websocket import MessageSession, WebSocketSession

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
    "endpoint_url",
    "over_the_other_transport",
    "policy_named",
]
