"""The body of a response alone, as `curl -N URL > FILE` keeps it: server-sent events, or lines of JSON."""

from __future__ import annotations

import json
import re

from ...errors import InvalidRecording
from ..format import Entry, Recording
from .capture import Capture, Layer, with_head

__all__ = ["begins_events", "begins_lines", "read_body"]

_ALONE = "only the body is there"

_MISSING = {
    Layer.REQUEST: _ALONE,
    Layer.FIELDS: _ALONE,
    Layer.HEAD: _ALONE,
    Layer.FRAMING: "the chunks are gone",
    Layer.CODING: _ALONE,
    Layer.AFTER: _ALONE,
    Layer.END: "a body that was cut looks like a whole one",
    Layer.TIMES: _ALONE,
}

#: What a stream of server-sent events begins with (WHATWG HTML 9.2.5): a field, a comment or a blank line.
_EVENTS = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:(?:data|event|id|retry)[ \t]*[:\r\n]|:)")


def read_body(data: bytes) -> list[Capture]:
    """The one stream.

    :raises InvalidRecording: when it is neither events nor lines of JSON.
    """
    if begins_events(data):
        head = with_head("text/event-stream")
    elif begins_lines(data):
        head = with_head("application/x-ndjson")
    else:
        raise InvalidRecording("is no bare body of a stream: neither server-sent events nor lines of JSON")
    return [Capture("a bare body", Recording({}, [Entry(0.0, "<", head + data)]), _MISSING, offset=len(head))]


def begins_events(data: bytes) -> bool:
    """Whether it looks like server-sent events."""
    return _EVENTS.match(data) is not None


def begins_lines(data: bytes) -> bool:
    """Whether it looks like lines of JSON objects."""
    line = data.lstrip().partition(b"\n")[0]
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
