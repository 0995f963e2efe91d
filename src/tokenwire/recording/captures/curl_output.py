"""What `curl -i URL > FILE` keeps: heads as they came, and the body without its chunks; with `--raw` as it came."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidRecording
from ..format import Entry, Recording
from .capture import Capture, Layer
from .heads import final_head, missing_of

__all__ = ["read_curl_output", "read_raw_curl_output"]

#: Fields of a response that has a body, which the answer to CONNECT has not (RFC 9110 9.3.6).
_OF_A_BODY = frozenset({"content-type", "content-length", "transfer-encoding"})


def read_curl_output(data: bytes) -> list[Capture]:
    """The responses in the output of `curl -i`: several where redirects were followed.

    :raises InvalidRecording: when it begins with no head.
    """
    return list(_captures(data, "curl -i", framed=False))


def read_raw_curl_output(data: bytes) -> list[Capture]:
    """The same of `curl --raw -i`."""
    return list(_captures(data, "curl --raw -i", framed=True))


def _captures(data: bytes, source: str, *, framed: bool) -> Iterator[Capture]:
    start = number = 0
    while True:
        rest = data[start:]
        head = final_head(rest)
        if head is None:
            raise InvalidRecording(f"is no output of {source}: it does not begin with the head of a response")
        if 200 <= head.status < 300 and rest.startswith(b"HTTP/", head.end) and not _OF_A_BODY & head.fields.keys():
            start += head.end  # a proxy's, that it has opened a tunnel
            continue
        number += 1
        # The body of a redirect that was followed is not in the output: the next head follows.
        followed = 300 <= head.status < 400 and rest.startswith(b"HTTP/", head.end)
        received = rest[: head.end] if followed else rest
        missing = {
            Layer.REQUEST: "it is not kept",
            **missing_of(head, received[head.end :], chunks="they are taken off; --raw keeps them", framed=framed),
            Layer.AFTER: "curl leaves it out",
            Layer.END: "it is not kept: what was cut may have been cut by anybody",
            Layer.TIMES: "they are not kept",
        }
        label = f"response {number}, {head.status}" if followed or number > 1 else ""
        yield Capture(source, Recording({}, [Entry(0.0, "<", received)]), missing, label, -start)
        if not followed:
            return
        start += head.end
