"""What the checks of this group share."""

from __future__ import annotations

from typing import Any

from ...judging.case import at
from ...reading.responses import ResponseStream
from ...reading.stream import Payload

BOTH = "OpenAI API description, Responses streaming; Open Responses"


OPEN = "Open Responses"


def has_events(response: ResponseStream) -> bool:
    return response.begun


def place_of(response: ResponseStream, payload: Payload) -> Any:
    return at(response.response, content=payload.offset)
