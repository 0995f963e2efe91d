"""What people have kept of a stream, by whatever tool, as recordings: and which layers of the wire it still shows.

    for capture in read_captures(path.read_bytes(), path.name):
        capture.recording, capture.missing

A form is recognised by its first bytes, or named. One source may hold several streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...checking import must_be_one_of
from ...errors import InvalidRecording
from .body import read_body
from .capture import Capture, Form, Layer
from .curl_output import read_curl_output, read_raw_curl_output
from .curl_trace import read_curl_trace
from .har import read_har
from .recognise import recognised
from .wire import read_wire

__all__ = ["FORMS", "Capture", "Form", "Layer", "read_captures"]

#: How each form is read.
_READERS: Mapping[Form, Callable[[bytes], list[Capture]]] = {
    "wire": read_wire,
    "curl-i": read_curl_output,
    "curl-raw": read_raw_curl_output,
    "curl-trace": read_curl_trace,
    "har": read_har,
    "body": read_body,
}

#: The forms that are read.
FORMS: tuple[Form, ...] = tuple(_READERS)


def read_captures(data: bytes, name: str, form: Form | None = None) -> list[Capture]:
    """The streams in a source, in their order: one at the least.

    :param data: all of the source.
    :param name: of the source, for messages.
    :param form: how it was made; recognised by default.
    :raises InvalidRecording: when it is none of the forms, or not the one that was named: the message says what it
        looks like.
    """
    if form is not None:
        must_be_one_of(form, FORMS, "form of a capture")
    try:
        return _READERS[form or recognised(data)](data)
    except InvalidRecording as error:
        raise InvalidRecording(f"{name} {error}") from None
