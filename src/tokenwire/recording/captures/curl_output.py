"""What `curl -i URL > FILE` keeps: heads as they came, and the body without its chunks; with `--raw` as it came."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidRecording
from ..format import Entry, Recording
from .capture import Capture, Layer
from .heads import Head, final_head, head_of, missing_of

__all__ = ["read_curl_output", "read_raw_curl_output"]

#: Fields of a response that has a body, which the answer to CONNECT has not (RFC 9110 9.3.6).
_OF_A_BODY = frozenset({"content-type", "content-length", "transfer-encoding"})


def read_curl_output(data: bytes) -> list[Capture]:
    """The responses in the output of `curl -i`: several where curl followed a redirect, or asked again with a password.

    :raises InvalidRecording: when it begins with no head.
    """
    return list(_captures(data, "curl -i", framed=False))


def read_raw_curl_output(data: bytes) -> list[Capture]:
    """The same of `curl --raw -i`."""
    return list(_captures(data, "curl --raw -i", framed=True))


def _captures(data: bytes, source: str, *, framed: bool) -> Iterator[Capture]:
    start = number = 0
    end = -1
    while end < len(data):
        head = final_head(data, start)
        if head is None:
            raise InvalidRecording(f"is no output of {source}: it does not begin with the head of a response")
        followed = _is_followed(head, data)
        if followed and 200 <= head.status < 300:
            start = head.end
            continue
        number += 1
        end = head.end if followed else len(data)
        missing = {
            Layer.REQUEST: "it is not kept",
            **missing_of(head, data[head.end : end], chunks="they are taken off; --raw keeps them", framed=framed),
            Layer.AFTER: "curl leaves it out",
            Layer.END: "it is not kept: what was cut may have been cut by anybody",
            Layer.TIMES: "they are not kept",
        }
        label = f"response {number}, {head.status}" if followed or number > 1 else ""
        yield Capture(source, Recording({}, [Entry(0.0, "<", data[start:end])]), missing, label, -start)
        start = end


def _is_followed(head: Head, data: bytes) -> bool:
    """Whether the next response follows on the head at once.

    So it is with a redirect and a refusal without credentials, whose bodies curl leaves out when it asks again; and
    with a proxy's answer to CONNECT, which has none.
    """
    again = 300 <= head.status < 400 or head.status in (401, 407)
    tunnel = 200 <= head.status < 300 and not _OF_A_BODY & head.fields.keys()
    return (again or tunnel) and head_of(data, head.end) is not None
