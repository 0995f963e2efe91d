"""One conversation as a state machine: time is an argument, and nothing here touches a socket."""

from .conversation import Request, Session, build_request, endpoint_url
from .timers import Timeouts

__all__ = ["Request", "Session", "Timeouts", "build_request", "endpoint_url"]
