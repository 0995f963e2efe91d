"""One stream out of a source that somebody has, and what of its wire the source no longer shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from ..format import Recording

__all__ = ["Capture", "Form", "Layer", "with_head"]

#: A recording of ours; the output of `curl -i` and of `curl --raw -i`; the file of `curl --trace`; a HAR; and the body
#: of a response alone.
Form = Literal["wire", "curl-i", "curl-raw", "curl-trace", "har", "body"]


class Layer(Enum):
    """A part of what goes over a wire that a source may show or not. The value says what it is."""

    REQUEST = "the request"
    FIELDS = "the status and the fields of the response"
    HEAD = "the bytes of the head"
    FRAMING = "the chunks of the body"
    CODING = "the content coding"
    BODY = "the body"
    OCTETS = "the exact bytes of the body"
    FRAMES = "the frames of the WebSocket"
    AFTER = "what came after the response"
    END = "how the connection ended"
    TIMES = "the times"


@dataclass(frozen=True, slots=True)
class Capture:
    """One stream.

    :ivar source: how it was kept, in words: `curl -i`.
    :ivar recording: the wire, as far as it is shown; the rest is made up, and in a layer that is missing.
    :ivar missing: the layers that are not shown, and why.
    :ivar label: which one of several it is; empty for the only one.
    :ivar offset: bytes at the beginning of what was received that are made up; negative: bytes of the source that are
        left out. A place in the source is one in what was received, less this.
    """

    source: str
    recording: Recording
    missing: Mapping[Layer, str] = field(default_factory=dict)
    label: str = ""
    offset: int = 0


def with_head(media_type: str) -> bytes:
    """A head for a body that has none."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n\r\n".encode()
