"""What the checks of this group share."""

from __future__ import annotations

import re

from ...reading.stream import Stream

FIELDS = frozenset({"data", "event", "id", "retry"})


#: Data that says nothing but "still here": empty, a comment sent as data, or one of the usual words.
KEEPALIVE = re.compile(r"\s*([:#].*|\W*(ping|pong|keep-?alive|heart-?beat)\W*)?\s*", re.IGNORECASE | re.DOTALL)


def speaks_json(stream: Stream) -> bool:
    """Its payloads are meant to be JSON. Server-sent events over GET may be of any kind."""
    return stream.response.request.method == "POST" or bool(stream.objects)
