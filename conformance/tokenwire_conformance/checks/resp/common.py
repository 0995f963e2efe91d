"""What the checks of this group share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...judging.case import at
from ...reading.responses import ResponseStream
from ...reading.stream import Payload

BOTH = "OpenAI API description, Responses streaming; Open Responses"


OPEN = "Open Responses"


def offsets_of(payloads: Sequence[Payload]) -> list[int]:
    return [payload.offset for payload in payloads]


def has_events(response: ResponseStream) -> bool:
    return response.begun


def brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:60] + "…"


def place_of(response: ResponseStream, payload: Payload) -> Any:
    return at(response.response, content=payload.offset)
