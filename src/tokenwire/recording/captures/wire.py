"""Our own recordings (see `format.py`): every layer is there."""

from __future__ import annotations

from ...errors import InvalidRecording
from ..format import loads
from .capture import Capture

__all__ = ["read_wire"]


def read_wire(data: bytes) -> list[Capture]:
    """The one stream of a recording.

    :raises InvalidRecording: when it is none.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRecording(f"is no recording: byte {error.start} is not UTF-8") from None
    return [Capture("a recording", loads(text, name=""))]
